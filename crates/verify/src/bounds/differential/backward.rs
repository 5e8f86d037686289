//! Backward linear bounds over `(N, D)`: forms `Σ a·N + Σ b·D + k`, each a lower bound, carried
//! from the outputs to the input, where `D` is zero.

use super::change::curves;
use super::zonotope::{Enclosed, Zonotopes, relaxation, settled};
use super::{Joint, OpenSign, PairBounds, PairForm};
use crate::bounds::backward::{Rows, Sum, concrete};
use crate::bounds::curve::Lines;
use crate::bounds::forward::Hull;
use crate::bounds::graph::{Constant, Linear, Node, Op};
use crate::bounds::relax;
use crate::bounds::split::Splits;
use crate::float::{Bound, down, pad};
use std::ops::Range;

/// Forms over one layer's values.
struct Forms {
    count: usize,
    a: Vec<f64>,
    b: Vec<f64>,
    k: Vec<f64>,
}

/// Lower bounds of forms of the outputs.
pub(super) fn lower(
    pair: &PairBounds<'_>,
    joints: &[Joint],
    z: &Zonotopes,
    forms: &[PairForm],
) -> Vec<f64> {
    let mut f = Forms::new(forms);
    for t in (1..joints.len()).rev() {
        f.step(pair, t, &joints[t], z, None);
    }
    concrete(&f.into_rows(), &Hull::new(&pair.reference.nodes[0]))
}

/// The choices of one form's pass: lower slopes of the reference's relus, and multipliers of the
/// part's constraints on either side; by joint and element, empty lists for the defaults.
#[derive(Clone, Debug, Default)]
pub(super) struct Choices {
    pub(super) alpha: Vec<Vec<f64>>,
    pub(super) reference: Vec<Vec<f64>>,
    pub(super) subject: Vec<Vec<f64>>,
}

/// Coefficients of one form over `N` and `D` behind a joint.
pub(super) type Behind = (Vec<f64>, Vec<f64>);

/// One form's lower bound under choices, with its coefficients behind each joint and over the
/// input.
pub(super) fn traced(
    pair: &PairBounds<'_>,
    joints: &[Joint],
    z: &Zonotopes,
    form: &PairForm,
    choices: &Choices,
) -> (f64, Vec<Behind>, Vec<f64>) {
    let mut f = Forms::new(std::slice::from_ref(form));
    let mut trace = vec![(f.a.clone(), f.b.clone())];
    for t in (1..joints.len()).rev() {
        f.step(pair, t, &joints[t], z, Some(choices));
        trace.push((f.a.clone(), f.b.clone()));
    }
    trace.reverse();
    let rows = f.into_rows();
    let hull = Hull::new(&pair.reference.nodes[0]);
    let corner = hull.corner(&rows.coef);
    (concrete(&rows, &hull)[0], trace, corner)
}

/// The relu operands of open sign, and what they cost a form.
pub(super) fn open_signs(
    pair: &PairBounds<'_>,
    joints: &[Joint],
    z: &Zonotopes,
    form: &PairForm,
) -> Vec<OpenSign> {
    let mut f = Forms::new(std::slice::from_ref(form));
    let mut open = Vec::new();
    for t in (1..joints.len()).rev() {
        let x = &z.after[t - 1];
        if let Joint::Both(r, s) = joints[t]
            && matches!(pair.together.reference.nodes[r].op, Op::Relu)
        {
            for i in pair.together.reference.nodes[r].on.clone() {
                let (a, b) = (&f.a[i], &f.b[i]);
                let (radius, height) = relaxation(x.n[i], x.k[i], x.d[i]);
                let cost = b.abs() * radius + if *a < 0.0 { -a * height } else { a * height };
                let straddles = |b: Bound| b.lo < 0.0 && b.hi > 0.0;
                let of_subject = !straddles(x.n[i]);
                if !of_subject || straddles(x.k[i]) {
                    open.push(OpenSign {
                        cost,
                        of_subject,
                        node: if of_subject { s } else { r },
                        element: i,
                        joint: t,
                    });
                }
            }
        }
        f.step(pair, t, &joints[t], z, None);
    }
    open
}

impl Forms {
    fn new(forms: &[PairForm]) -> Self {
        let mut f = Self {
            count: forms.len(),
            a: Vec::new(),
            b: Vec::new(),
            k: vec![0.0; forms.len()],
        };
        for form in forms {
            // n·N + k·K = (n + k)·N + k·D; requirements have coefficients whose sum is exact.
            let both = form.reference.iter().zip(&form.subject);
            f.a.extend(both.map(|(n, k)| n + k));
            f.b.extend(&form.subject);
        }
        f
    }

    /// Where the subject has one value only, `D' = c - N`.
    fn settle(&mut self, on: &Range<usize>, k_after: &[Bound], x: &Enclosed) {
        self.each(on, x, |a, b, i, sum| {
            if let Some(c) = settled(k_after[i], x.n[i], x.d[i]) {
                sum.add(*b * c);
                sum.add(-pad(2, 0, (a.abs() + b.abs()) * x.n[i].magnitude()));
                *a -= *b;
                *b = 0.0;
            }
        });
    }

    fn into_rows(self) -> Rows {
        let mut rows = Rows::new(self.count, self.a);
        rows.constant = self.k;
        rows
    }

    /// On the part `z ≥ 0` (`z ≤ 0`) a multiple of `-z` (of `z`) is not positive, so that it may
    /// be added to a lower bound.
    fn constrain(&mut self, x: &Enclosed, choices: (&Choices, usize), signs: Signs<'_>) {
        let (choices, t) = choices;
        let empty = Vec::new();
        let of = |list: &'_ Vec<Vec<f64>>| list.get(t).cloned().unwrap_or_else(|| empty.clone());
        let (n, k) = (of(&choices.reference), of(&choices.subject));
        let mut sum = Sum::default();
        let signed = |active: bool, m: f64| if active { -m.max(0.0) } else { m.max(0.0) };
        for (i, active) in signs.0.at(signs.2) {
            let m = signed(active, n.get(i).copied().unwrap_or(0.0));
            sum.add(-pad(1, 0, self.a[i].abs() + m.abs()) * x.n[i].magnitude());
            self.a[i] += m;
        }
        for (i, active) in signs.1.at(signs.3) {
            let m = signed(active, k.get(i).copied().unwrap_or(0.0));
            sum.add(-pad(1, 0, self.a[i].abs() + m.abs()) * x.n[i].magnitude());
            sum.add(-pad(1, 0, self.b[i].abs() + m.abs()) * x.d[i].magnitude());
            self.a[i] += m;
            self.b[i] += m;
        }
        sum.into_constant(&mut self.k[0], 3 * (signs.0.len() + signs.1.len()));
    }

    fn step(
        &mut self,
        pair: &PairBounds<'_>,
        t: usize,
        joint: &Joint,
        z: &Zonotopes,
        choices: Option<&Choices>,
    ) {
        let (x, k_after) = (&z.after[t - 1], &z.after[t].k);
        match joint {
            Joint::Input => {}
            Joint::Reference(r) => {
                let node = &pair.together.reference.nodes[*r];
                let known = (&pair.reference.noise[*r][..], &pair.reference.lines[*r][..]);
                self.reference(node, known, x);
            }
            Joint::Subject(s) => {
                let node = &pair.together.subject.nodes[*s];
                self.settle(&node.on, k_after, x);
                let known = (&pair.subject.noise[*s][..], &pair.subject.lines[*s][..]);
                self.subject(node, known, x);
            }
            Joint::Both(r, s) => self.both(pair, (t, *r, *s), x, choices),
        }
    }

    /// A matched operator at joint `t`, nodes `r` and `s`.
    fn both(
        &mut self,
        pair: &PairBounds<'_>,
        (t, r, s): (usize, usize, usize),
        x: &Enclosed,
        choices: Option<&Choices>,
    ) {
        let together = pair.together;
        let nodes = (&together.reference.nodes[r], &together.subject.nodes[s]);
        let on = &nodes.0.on;
        match (&nodes.0.op, &nodes.1.op, &together.gaps[t]) {
            (Op::Linear(rm), Op::Linear(sm), Some(gap)) => {
                let of = Maps {
                    r: rm,
                    s: sm,
                    gap,
                    reach: &pair.reference.reach[r],
                    loss: (&pair.reference.loss[r], &pair.subject.loss[s]),
                };
                self.linear(of, x);
            }
            (Op::Relu, Op::Relu, _) => {
                let alpha = choices.and_then(|c| c.alpha.get(t));
                self.each(on, x, |a, b, i, sum| {
                    let slope = alpha.and_then(|l| l.get(i)).copied();
                    relu((a, b), (x.n[i], x.k[i], x.d[i]), slope, sum);
                });
                if let Some(choices) = choices {
                    let signs = &pair.signs;
                    let sides = (&signs.reference, &signs.subject, r, s);
                    self.constrain(x, (choices, t), sides);
                }
            }
            (Op::Curve(f), Op::Curve(g), _) => {
                let lines = &pair.reference.lines[r];
                self.each(on, x, |a, b, i, sum| {
                    let (c, k) = relax::lines(*a, x.n[i], &lines[i - on.start]);
                    sum.add(k);
                    // `D' = p·D + c ± r`.
                    let change = curves((f, g), (x.n[i], x.k[i], x.d[i]));
                    let own = *b * change.p;
                    let e = Bound::new(change.c - change.r, change.c + change.r);
                    noisy(*b, b.abs(), e, sum);
                    sum.add(-pad(
                        2,
                        0,
                        b.abs() * (change.p * x.d[i].magnitude() + change.c.abs() + change.r),
                    ));
                    (*a, *b) = (c, own);
                });
            }
            _other_pairs => self.k.fill(f64::NEG_INFINITY),
        }
    }

    /// Changes the coefficients of each element of a range; `change` adds what it costs.
    fn each(
        &mut self,
        on: &Range<usize>,
        x: &Enclosed,
        change: impl Fn(&mut f64, &mut f64, usize, &mut Sum),
    ) {
        let n = x.n.len();
        for (r, k) in self.k.iter_mut().enumerate() {
            let mut sum = Sum::default();
            let a = &mut self.a[r * n..(r + 1) * n];
            let b = &mut self.b[r * n..(r + 1) * n];
            let both = a.iter_mut().zip(b).enumerate();
            for (i, (a, b)) in both.take(on.end).skip(on.start) {
                if *a != 0.0 || *b != 0.0 {
                    change(a, b, i, &mut sum);
                }
            }
            sum.into_constant(k, 3 * n);
        }
    }

    /// `N' = f(N)`, `D' = D + N - N'`: a form `a·N' + b·D'` is `(a - b)·N' + b·N + b·D`.
    fn reference(&mut self, node: &Node, (noise, lines): (&[f64], &[Lines]), x: &Enclosed) {
        let (on, first) = (&node.on, node.on.start);
        match &node.op {
            Op::Input | Op::Linear(_) | Op::Relu => self.k.fill(f64::NEG_INFINITY),
            Op::Scale { by, slack } => self.each(on, x, |a, b, i, sum| {
                let m = *a - *b;
                let own = m * by[i - first];
                let size = (own.abs() + a.abs() + b.abs()) * x.n[i].magnitude();
                sum.add(-pad(3, *slack, size) - f64::MIN_POSITIVE * x.n[i].magnitude());
                *a = own + *b;
            }),
            Op::Shift(c) => self.each(on, x, |a, b, i, sum| {
                let (m, s) = (*a - *b, i - first);
                shift(m, c, s, sum);
                sum.add(-pad(2, 0, (a.abs() + b.abs()) * c.value[s].abs()));
            }),
            Op::Round(steps) => self.each(on, x, |a, b, i, sum| {
                let (idle, step) = (x.n[i].lo == 0.0 && x.n[i].hi == 0.0, steps[i - first]);
                if !step.is_exact() && !idle {
                    noisy(*a - *b, a.abs() + b.abs(), step.error, sum);
                }
            }),
            Op::Float32 { .. } => self.each(on, x, |a, b, i, sum| {
                let e = noise.get(i - first).copied().unwrap_or(f64::INFINITY);
                noisy(*a - *b, a.abs() + b.abs(), Bound::new(-e, e), sum);
            }),
            Op::Curve(f) => self.each(on, x, |a, b, i, sum| {
                let m = *a - *b;
                let (c, k) = relax::lines(m, x.n[i], &lines[i - first]);
                sum.add(k);
                let most = f.image(x.n[i]).magnitude().max(x.n[i].magnitude());
                sum.add(-pad(3, 0, (a.abs() + b.abs() + c.abs()) * most));
                *a = c + *b;
            }),
            Op::Clamp { lo, hi } => self.each(on, x, |a, b, i, sum| {
                let n = x.n[i];
                if n.lo >= *lo && n.hi <= *hi {
                    return;
                }
                let m = *a - *b;
                let (c, k) = relax::clamp(m, n, *lo, *hi);
                sum.add(k);
                let most = lo.abs().max(hi.abs()).max(n.magnitude());
                sum.add(-pad(3, 0, (a.abs() + b.abs() + c.abs()) * most));
                *a = c + *b;
            }),
        }
    }

    /// `K' = f(K)`, `D' = K' - N`: a form `a·N + b·D'` is `(a - b)·N + b·K'`.
    fn subject(&mut self, node: &Node, (noise, lines): (&[f64], &[Lines]), x: &Enclosed) {
        let (on, first) = (&node.on, node.on.start);
        match &node.op {
            Op::Input | Op::Linear(_) | Op::Relu => self.k.fill(f64::NEG_INFINITY),
            // K' = s·K: s·(N + D).
            Op::Scale { by, slack } => self.each(on, x, |a, b, i, sum| {
                let scaled = *b * by[i - first];
                let size = (scaled.abs() + a.abs() + b.abs()) * x.n[i].magnitude()
                    + scaled.abs() * x.d[i].magnitude();
                let spread = x.n[i].magnitude() + x.d[i].magnitude();
                sum.add(-pad(3, *slack, size) - f64::MIN_POSITIVE * spread);
                *a += scaled - *b;
                *b = scaled;
            }),
            Op::Shift(c) => self.each(on, x, |_, b, i, sum| shift(*b, c, i - first, sum)),
            Op::Round(steps) => self.each(on, x, |_, b, i, sum| {
                let (idle, step) = (x.k[i].lo == 0.0 && x.k[i].hi == 0.0, steps[i - first]);
                if step.is_exact() || idle {
                    return;
                }
                noisy(*b, b.abs(), step.error, sum);
            }),
            Op::Curve(_) => self.each(on, x, |a, b, i, sum| {
                let (c, k) = relax::lines(*b, x.k[i], &lines[i - first]);
                sum.add(k);
                let size = a.abs() + b.abs() + c.abs();
                sum.add(-pad(3, 0, size * x.n[i].magnitude()));
                *a += c - *b;
                *b = c;
            }),
            Op::Float32 { .. } => self.each(on, x, |_, b, i, sum| {
                let e = noise.get(i - first).copied().unwrap_or(f64::INFINITY);
                noisy(*b, b.abs(), Bound::new(-e, e), sum);
            }),
            Op::Clamp { lo, hi } => self.each(on, x, |a, b, i, sum| {
                let z = x.k[i];
                if z.lo >= *lo && z.hi <= *hi {
                    return;
                }
                let (c, k) = relax::clamp(*b, z, *lo, *hi);
                sum.add(k);
                let size = a.abs() + b.abs() + c.abs();
                sum.add(-pad(3, 0, size * x.n[i].magnitude()));
                *a += c - *b;
                *b = c;
            }),
        }
    }

    /// `N' = W·N + v`, `D' = Ŵ·D + (Ŵ - W)·N + (v̂ - v)`.
    fn linear(&mut self, m: Maps<'_>, x: &Enclosed) {
        let rows = m.gap.rows;
        let mut a = m.r.back(self.count, &self.a);
        m.gap.back_into(self.count, &self.b, &mut a);
        let b = m.s.back(self.count, &self.b);
        let (n_size, d_size) = (magnitudes(&x.n), magnitudes(&x.d));
        let spread: f64 = n_size.iter().chain(&d_size).sum();
        let (rb, sb) = (&m.r.bias.value, &m.s.bias.value);
        // What a row of `D'` sums at most.
        let (own, shared) = (m.s.reach(&d_size), m.gap.reach(&n_size));
        let terms = 2 * m.gap.terms().max(m.s.terms()) + 4;
        let d_reach: Vec<f64> = (0..rows)
            .map(|j| {
                let m = own[j] + shared[j] + rb[j].abs() + sb[j].abs();
                m + pad(terms, 0, m)
            })
            .collect();
        for (f, k) in self.k.iter_mut().enumerate() {
            let (mut v, mut charge, mut lost) = (0.0, 0.0, 0.0);
            for j in 0..rows {
                let (a, b) = (self.a[f * rows + j], self.b[f * rows + j]);
                if a != 0.0 {
                    v += a * rb[j];
                    charge += a.abs() * m.reach[j];
                    lost += a.abs() * m.loss.0[j];
                }
                if b != 0.0 {
                    v += b * (sb[j] - rb[j]);
                    charge += b.abs() * d_reach[j];
                    lost += b.abs() * (m.loss.0[j] + m.loss.1[j]);
                }
            }
            let p = pad(2 * rows + 4, 4, charge + k.abs())
                + f64::MIN_POSITIVE * (2 * rows) as f64 * spread
                + lost * (1.0 + pad(2 * rows, 0, 1.0));
            *k = down(*k + v, p);
        }
        (self.a, self.b) = (a, b);
    }
}

/// A linear map of both sides.
#[derive(Clone, Copy)]
struct Maps<'a> {
    r: &'a Linear,
    s: &'a Linear,
    /// Subject minus reference, every weight rounded once.
    gap: &'a Linear,
    /// What the reference's rows sum at most.
    reach: &'a [f64],
    /// What errors of the constants change, on either side.
    loss: (&'a [f64], &'a [f64]),
}

fn magnitudes(x: &[Bound]) -> Vec<f64> {
    x.iter().map(|b| b.magnitude()).collect()
}

fn shift(c: f64, by: &Constant, i: usize, sum: &mut Sum) {
    sum.add(c * by.value[i]);
    if by.error[i] != 0.0 {
        sum.add(-c.abs() * by.error[i] * (1.0 + 1e-9));
    }
}

/// An error within `e` times a coefficient that is itself a rounded sum of terms of `size`.
fn noisy(c: f64, size: f64, e: Bound, sum: &mut Sum) {
    sum.add(c * if c > 0.0 { e.lo } else { e.hi });
    sum.add(-pad(2, 0, size * e.magnitude()));
}

/// A form `a·relu(N) + b·(relu(K) - relu(N))` over `N` and `D = K - N`.
fn relu(
    (a, b): (&mut f64, &mut f64),
    (n, k, d): (Bound, Bound, Bound),
    alpha: Option<f64>,
    sum: &mut Sum,
) {
    let (n_on, n_off) = (n.lo >= 0.0, n.hi <= 0.0);
    let (k_on, k_off) = (k.lo >= 0.0, k.hi <= 0.0);
    let rounded = |sum: &mut Sum, size: f64| sum.add(-pad(2, 0, size * n.magnitude()));
    let (slope, constant) = relax::relu(*a, n, alpha);
    sum.add(constant);
    let own = *b;
    let (on_n, on_d, constant) = difference(own, (n, n_on, n_off), (k, k_on, k_off), d);
    sum.add(constant);
    if on_n != 0.0 {
        rounded(sum, slope.abs() + on_n.abs());
    }
    (*a, *b) = (slope + on_n, on_d);
}

type Signed = (Bound, bool, bool);

/// Both sides' constraints, and the relu nodes that they are looked up by.
type Signs<'a> = (&'a Splits, &'a Splits, usize, usize);

/// `b·D' ≥ p·N + q·D + c`.
pub(super) fn difference(
    b: f64,
    (n, n_on, n_off): Signed,
    (k, k_on, k_off): Signed,
    d: Bound,
) -> (f64, f64, f64) {
    if b == 0.0 || (n_off && k_off) {
        return (0.0, 0.0, 0.0);
    }
    if n_on && k_on {
        return (0.0, b, 0.0);
    }
    // A relu moves no further than its operand: min(0, D) ≤ D' ≤ max(0, D).
    let (slope, constant) = if b > 0.0 {
        // b·min(0, D) = -b·relu(-D).
        let (c, k) = relax::relu(-b, Bound::new(-d.hi, -d.lo), None);
        (-c, k)
    } else {
        relax::relu(b, d, None)
    };
    if b > 0.0 {
        if n_on {
            // D' = max(D, -N) ≥ D.
            return (0.0, b, 0.0);
        }
        if n_off && k_on {
            // D' = K ≥ 0.
            return (0.0, 0.0, 0.0);
        }
        if n_off {
            // D' = relu(K) ≥ 0 and ≥ K.
            return if k.hi > -k.lo {
                (b, b, 0.0)
            } else {
                (0.0, 0.0, 0.0)
            };
        }
    } else {
        if k_on {
            // D' = K - relu(N) ≤ D.
            return (0.0, b, 0.0);
        }
        if k_off && n_on {
            // D' = -N ≤ 0.
            return (0.0, 0.0, 0.0);
        }
        if k_off {
            // D' = -relu(N) ≤ 0 and ≤ -N.
            return if n.hi > -n.lo {
                (-b, 0.0, 0.0)
            } else {
                (0.0, 0.0, 0.0)
            };
        }
    }
    (0.0, slope, constant)
}
