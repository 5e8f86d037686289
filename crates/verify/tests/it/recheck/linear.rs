//! No point of a box satisfies some linear inequalities: multipliers are searched (in floating
//! point, then over rationals), and what they show is checked over rationals.
//!
//! With multipliers `b` of `o > 0` and `g ≥ 0`, a box on which `Σ b·o + Σ b·g` is at most zero
//! (with some `b` of an `o` positive), or below zero, has no point that satisfies all.

use crate::recheck::number::{Span, mul};
use ceg4n_base::Exact;
use std::collections::BTreeMap;

/// `Σ c·v + k` over some variables.
#[derive(Clone, Debug)]
pub(crate) struct Lin {
    pub(crate) c: BTreeMap<usize, Exact>,
    pub(crate) k: Exact,
}

impl Lin {
    pub(crate) fn constant(k: Exact) -> Self {
        let c = BTreeMap::new();
        Self { c, k }
    }

    pub(crate) fn variable(i: usize) -> Self {
        let c = BTreeMap::from([(i, Exact::from(1))]);
        let k = Exact::zero();
        Self { c, k }
    }

    /// The variable that it is.
    pub(crate) fn is_variable(&self) -> Option<usize> {
        let (i, c) = self.c.first_key_value()?;
        (self.c.len() == 1 && self.k.is_zero() && *c == Exact::from(1)).then_some(*i)
    }

    /// Adds `by·other`.
    pub(crate) fn add(&mut self, other: &Self, by: &Exact) {
        if by.is_zero() {
            return;
        }
        for (i, c) in &other.c {
            let sum = self.c.entry(*i).or_insert_with(Exact::zero);
            *sum = &*sum + &mul(c, by);
            if sum.is_zero() {
                self.c.remove(i);
            }
        }
        self.k = &self.k + &mul(&other.k, by);
    }

    pub(crate) fn minus(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.add(other, &Exact::from(-1));
        out
    }

    pub(crate) fn plus(&self, k: &Exact) -> Self {
        let mut out = self.clone();
        out.k = &out.k + k;
        out
    }

    pub(crate) fn times(&self, by: &Exact) -> Self {
        let mut out = Self::constant(Exact::zero());
        out.add(self, by);
        out
    }

    /// Its values on a box.
    pub(crate) fn span(&self, vars: &[Span]) -> Span {
        let (mut lo, mut hi) = (self.k.clone(), self.k.clone());
        for (i, c) in &self.c {
            let t = vars[*i].times(c);
            (lo, hi) = (&lo + &t.lo, &hi + &t.hi);
        }
        Span::new(lo, hi)
    }

    pub(crate) fn at(&self, v: &[f64]) -> f64 {
        self.c
            .iter()
            .fold(self.k.to_f64(), |s, (i, c)| s + c.to_f64() * v[*i])
    }
}

/// All of `strict` are to be positive, all of `weak` not negative.
#[derive(Clone, Debug, Default)]
pub(crate) struct System {
    pub(crate) strict: Vec<Lin>,
    pub(crate) weak: Vec<Lin>,
}

/// Shown to have no solution, or a candidate for one.
pub(crate) enum Answer {
    None,
    Perhaps(Vec<f64>),
}

/// Has the system a solution in the box? What is not the `last` question about a part need not
/// be answered.
pub(crate) fn solve(vars: &[Span], system: &System, last: bool) -> Answer {
    if hopeless(vars, system) {
        return Answer::None;
    }
    let scaled = Scaled::new(vars, system);
    let (multipliers, point) = scaled.search::<f64>();
    let near = scaled.shows(vars, system, &multipliers);
    if near.as_ref().is_some_and(|v| v.signum() <= 0) {
        return Answer::None;
    }
    // Too close for floating point, or it came to no end: the same over rationals.
    let close = near.is_some_and(|v| v < Exact::dyadic(1, -18));
    if (close || (last && !scaled.is_met(&point))) && scaled.is_small() {
        let (multipliers, _) = scaled.search::<Ratio>();
        let exact = scaled.shows(vars, system, &multipliers);
        if exact.is_some_and(|v| v.signum() <= 0) {
            return Answer::None;
        }
    }
    Answer::Perhaps(point)
}

/// One inequality alone fails everywhere.
fn hopeless(vars: &[Span], system: &System) -> bool {
    system.strict.iter().any(|o| o.span(vars).hi.signum() <= 0)
        || system.weak.iter().any(|g| g.span(vars).hi.signum() < 0)
}

/// The system in variables from 0 to at most 1 and with coefficients of size about 1, by powers
/// of two.
struct Scaled {
    /// `v = lo + 2^shift·w`.
    shift: Vec<i64>,
    width: Vec<Exact>,
    /// Coefficients and constant of each row; strict ones first.
    rows: Vec<(Vec<Exact>, Exact)>,
    strict: usize,
    lo: Vec<Exact>,
    /// Row `r` was multiplied by `2^by[r]`.
    by: Vec<i64>,
}

/// About `log2 |v|`.
fn size(v: &Exact) -> i64 {
    let (n, d) = v.to_ratio();
    n.bits() as i64 - d.bits() as i64
}

impl Scaled {
    fn new(vars: &[Span], system: &System) -> Self {
        let widths = vars.iter().map(|s| &s.hi - &s.lo);
        let (shift, width): (Vec<i64>, Vec<Exact>) = widths
            .map(|w| {
                let shift = if w.is_zero() { 0 } else { size(&w) + 1 };
                (shift, w.shifted(-shift))
            })
            .unzip();
        let mut by = Vec::new();
        let row = |l: &Lin| {
            let mut c = vec![Exact::zero(); vars.len()];
            let mut k = l.k.clone();
            for (i, a) in &l.c {
                k = &k + &mul(a, &vars[*i].lo);
                c[*i] = a.shifted(shift[*i]);
            }
            let used = c.iter().chain([&k]).filter(|v| !v.is_zero());
            let most = used.map(size).max().unwrap_or(0);
            by.push(-most);
            (
                c.iter().map(|v| v.shifted(-most)).collect(),
                k.shifted(-most),
            )
        };
        let rows = system.strict.iter().chain(&system.weak).map(row).collect();
        Self {
            rows,
            by,
            width,
            strict: system.strict.len(),
            lo: vars.iter().map(|s| s.lo.clone()).collect(),
            shift,
        }
    }

    /// The point meets the rows that are not strict, nearly.
    fn is_met(&self, point: &[f64]) -> bool {
        let at = |i: usize| (point[i] - self.lo[i].to_f64()) / 2f64.powi(self.shift[i] as i32);
        let w: Vec<f64> = (0..point.len()).map(at).collect();
        let value = |(c, k): &(Vec<Exact>, Exact)| {
            let terms = c.iter().zip(&w).map(|(c, w)| c.to_f64() * w);
            terms.sum::<f64>() + k.to_f64()
        };
        self.rows[self.strict..].iter().all(|r| value(r) > -1e-6)
    }

    fn is_small(&self) -> bool {
        self.rows.len() * self.width.len() <= 4000
    }

    /// Multipliers of the rows and a point, by the dual simplex method: `t` is the least of the
    /// strict rows' values, to be made as large as possible.
    fn search<N: Number>(&self) -> (Vec<Exact>, Vec<f64>) {
        let n = self.width.len();
        let m = self.rows.len();
        // Values of scaled rows are below this.
        let top = N::of(&Exact::from(n as i64 + 2));
        let mut d = Dictionary::<N>::default();
        for (r, (c, k)) in self.rows.iter().enumerate() {
            let mut a: Vec<N> = c.iter().map(|c| N::of(&-c)).collect();
            let is_strict = r < self.strict;
            a.push(if is_strict {
                N::of(&Exact::from(-1))
            } else {
                N::zero()
            });
            let k = N::of(k);
            d.rows.push((if is_strict { k.minus(&top) } else { k }, a));
        }
        for (i, w) in self.width.iter().enumerate() {
            let mut a = vec![N::zero(); n + 1];
            a[i] = N::of(&Exact::from(1));
            d.rows.push((N::of(w), a));
        }
        d.cost = vec![N::zero(); n + 1];
        d.cost[n] = N::of(&Exact::from(-1));
        d.nonbasic = (0..=n).collect();
        d.basic = (n + 1..=n + d.rows.len()).collect();
        let weights = d.run();
        let multipliers = (0..m).map(|r| weights[n + 1 + r].exact().max(Exact::zero()));
        let values = d.values();
        let at = |i: usize| self.lo[i].to_f64() + values[i] * 2f64.powi(self.shift[i] as i32);
        (multipliers.collect(), (0..n).map(at).collect())
    }

    /// The greatest value of the combination, relative to scaled rows; with a positive part of a
    /// strict row or strictly below zero it must not exceed zero. `None` if it says nothing.
    fn shows(&self, vars: &[Span], system: &System, multipliers: &[Exact]) -> Option<Exact> {
        let mut sum = Lin::constant(Exact::zero());
        let all = system.strict.iter().chain(&system.weak);
        for ((l, m), by) in all.zip(multipliers).zip(&self.by) {
            sum.add(l, &m.shifted(*by));
        }
        let most = sum.span(vars).hi;
        let is_strict = multipliers[..self.strict].iter().any(|m| m.signum() > 0);
        (is_strict || !most.is_zero()).then_some(most)
    }
}

/// What the simplex method computes with.
trait Number: Clone {
    fn of(v: &Exact) -> Self;
    fn zero() -> Self;
    fn minus(&self, other: &Self) -> Self;
    fn times(&self, other: &Self) -> Self;
    fn over(&self, other: &Self) -> Self;
    /// -1, 0 or 1.
    fn sign(&self) -> i32;
    fn float(&self) -> f64;
    fn exact(&self) -> Exact;
    /// Pivots before it gives up.
    const MOST: usize;
    /// By size first, else by index, which never cycles.
    const GREEDY: bool;
}

impl Number for f64 {
    fn of(v: &Exact) -> Self {
        v.to_f64()
    }
    fn zero() -> Self {
        0.0
    }
    fn minus(&self, other: &Self) -> Self {
        self - other
    }
    fn times(&self, other: &Self) -> Self {
        self * other
    }
    fn over(&self, other: &Self) -> Self {
        self / other
    }
    fn sign(&self) -> i32 {
        i32::from(*self > 1e-11) - i32::from(*self < -1e-11)
    }
    fn float(&self) -> f64 {
        *self
    }
    fn exact(&self) -> Exact {
        Exact::from_f64(*self).unwrap_or_else(Exact::zero)
    }
    const MOST: usize = 600;
    const GREEDY: bool = true;
}

/// A rational in lowest terms.
#[derive(Clone)]
struct Ratio(Exact);

impl Ratio {
    fn reduced(v: Exact) -> Self {
        Self(v.checked_div(&Exact::from(1)).expect("one is not zero"))
    }
}

impl Number for Ratio {
    fn of(v: &Exact) -> Self {
        Self::reduced(v.clone())
    }
    fn zero() -> Self {
        Self(Exact::zero())
    }
    fn minus(&self, other: &Self) -> Self {
        Self::reduced(&self.0 - &other.0)
    }
    fn times(&self, other: &Self) -> Self {
        Self::reduced(mul(&self.0, &other.0))
    }
    fn over(&self, other: &Self) -> Self {
        Self(self.0.checked_div(&other.0).expect("a pivot is not zero"))
    }
    fn sign(&self) -> i32 {
        self.0.signum()
    }
    fn float(&self) -> f64 {
        self.0.to_f64()
    }
    fn exact(&self) -> Exact {
        self.0.clone()
    }
    const MOST: usize = 400;
    const GREEDY: bool = false;
}

/// `basic = b - Σ a·nonbasic`, all not negative; `Σ cost·nonbasic` is to be large.
struct Dictionary<N> {
    rows: Vec<(N, Vec<N>)>,
    cost: Vec<N>,
    basic: Vec<usize>,
    nonbasic: Vec<usize>,
}

impl<N> Default for Dictionary<N> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            cost: Vec::new(),
            basic: Vec::new(),
            nonbasic: Vec::new(),
        }
    }
}

impl<N: Number> Dictionary<N> {
    /// Multipliers by variable: of an optimum, of a contradiction, or of where it gave up.
    fn run(&mut self) -> Vec<N> {
        let count = self.basic.len() + self.nonbasic.len();
        for step in 0..N::MOST {
            let Some(r) = self.leaving(N::GREEDY && step < N::MOST / 2) else {
                break;
            };
            let Some(j) = self.entering(r) else {
                // x + Σ a·nonbasic = b < 0 without a negative a.
                let mut weights = vec![N::zero(); count];
                for (a, v) in self.rows[r].1.iter().zip(&self.nonbasic) {
                    weights[*v] = a.clone();
                }
                weights[self.basic[r]] = N::of(&Exact::from(1));
                return weights;
            };
            self.pivot(r, j);
        }
        let mut weights = vec![N::zero(); count];
        for (d, v) in self.cost.iter().zip(&self.nonbasic) {
            weights[*v] = N::zero().minus(d);
        }
        weights
    }

    fn leaving(&self, greedy: bool) -> Option<usize> {
        let negative = (0..self.rows.len()).filter(|r| self.rows[*r].0.sign() < 0);
        if greedy {
            negative.min_by(|a, b| self.rows[*a].0.float().total_cmp(&self.rows[*b].0.float()))
        } else {
            negative.min_by_key(|r| self.basic[*r])
        }
    }

    fn entering(&self, r: usize) -> Option<usize> {
        let a = &self.rows[r].1;
        let mut best: Option<usize> = None;
        for j in (0..a.len()).filter(|j| a[*j].sign() < 0) {
            let Some(b) = best else {
                best = Some(j);
                continue;
            };
            // cost / a is not negative; the smaller first.
            let order = self.cost[j]
                .times(&a[b])
                .minus(&self.cost[b].times(&a[j]))
                .sign();
            let ties = if N::GREEDY {
                a[j].float() < a[b].float()
            } else {
                self.nonbasic[j] < self.nonbasic[b]
            };
            if order < 0 || (order == 0 && ties) {
                best = Some(j);
            }
        }
        best
    }

    fn pivot(&mut self, r: usize, j: usize) {
        let p = self.rows[r].1[j].clone();
        let one = N::of(&Exact::from(1));
        let (b, a) = &mut self.rows[r];
        *b = b.over(&p);
        for v in a.iter_mut() {
            *v = v.over(&p);
        }
        a[j] = one.over(&p);
        let (b, a) = self.rows[r].clone();
        let change = |row: &mut [N]| {
            let f = row[j].clone();
            row[j] = N::zero();
            if f.sign() != 0 {
                for (v, a) in row.iter_mut().zip(&a) {
                    *v = v.minus(&f.times(a));
                }
            }
            f
        };
        for (_, row) in self.rows.iter_mut().enumerate().filter(|(i, _)| *i != r) {
            let f = change(&mut row.1);
            row.0 = row.0.minus(&f.times(&b));
        }
        change(&mut self.cost);
        std::mem::swap(&mut self.basic[r], &mut self.nonbasic[j]);
    }

    /// The variables of the present corner.
    fn values(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.basic.len() + self.nonbasic.len()];
        for (v, (b, _)) in self.basic.iter().zip(&self.rows) {
            out[*v] = b.float();
        }
        out
    }
}
