//! Enclosures of a chain's values on a box and backward linear bounds, over rationals.

use crate::recheck::chain::{Chain, Op};
use crate::recheck::number::{Span, down, greatest, least, mul, up};
use ceg4n_base::Exact;

/// A sign of one relu operand: not negative, or not positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    pub(crate) node: usize,
    pub(crate) element: usize,
    pub(crate) active: bool,
}

/// `Σ c·v + k` over the values of one place.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) c: Vec<Exact>,
    pub(crate) k: Exact,
}

impl Form {
    pub(crate) fn new(c: Vec<Exact>) -> Self {
        let k = Exact::zero();
        Self { c, k }
    }

    /// `v_a - v_b`.
    pub(crate) fn margin(len: usize, a: usize, b: usize) -> Self {
        let mut c = vec![Exact::zero(); len];
        c[a] = Exact::from(1);
        c[b] = Exact::from(-1);
        Self::new(c)
    }

    fn unit(len: usize, i: usize, sign: i64) -> Self {
        let mut c = vec![Exact::zero(); len];
        c[i] = Exact::from(sign);
        Self::new(c)
    }
}

/// Lower slopes and multipliers of one form, by place; a missing list is the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    pub(crate) alpha: Vec<Vec<Exact>>,
    pub(crate) beta: Vec<Vec<Exact>>,
}

fn list(of: &[Vec<Exact>], i: usize) -> Option<&Vec<Exact>> {
    of.get(i).filter(|l| !l.is_empty())
}

/// The image of one place.
pub(crate) fn image(op: &Op, x: &[Span]) -> Vec<Span> {
    let each = |f: &dyn Fn(usize, &Span) -> Span| -> Vec<Span> {
        x.iter().enumerate().map(|(i, x)| f(i, x)).collect()
    };
    match op {
        Op::Input => x.to_vec(),
        Op::Dense { rows, bias } => rows
            .iter()
            .zip(bias)
            .map(|(w, b)| Span::new(least(w, x, b), greatest(w, x, b)).short())
            .collect(),
        Op::Scale(c) => each(&|i, x| x.times(&c[i]).short()),
        Op::Shift(c) => each(&|i, x| x.plus(&c[i])),
        Op::Relu => each(&|_, x| x.relu()),
        Op::Round(steps) => each(&|i, x| steps[i].image(x)),
        Op::Clamp { lo, hi } => each(&|_, x| x.clamp(lo, hi)),
    }
}

/// How enclosures are made. Which slopes a bound was given depends on which signs were open, so
/// that now and then wider enclosures give a better bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// As narrow as can be: backward bounds of every value whose piece is open.
    Much,
    /// As wide as a computation with floats: a hair wider, and backward bounds only behind
    /// another open piece.
    Floats,
}

impl Care {
    fn widened(self, x: Span) -> Span {
        if self == Self::Much {
            return x;
        }
        let size = x.lo.clone().max(-&x.lo).max(x.hi.clone().max(-&x.hi));
        let hair = &size.shifted(-50) + &Exact::dyadic(1, -900);
        Span::new(&x.lo - &hair, &x.hi + &hair).short()
    }
}

/// Enclosures of every place; `None` if no point satisfies the signs. Intervals, and backward
/// bounds for values whose piece is open.
pub(crate) fn enclose(
    chain: &Chain,
    x: &[Span],
    signs: &[Sign],
    care: Care,
) -> Option<Vec<Vec<Span>>> {
    let mut all: Vec<Vec<Span>> = Vec::with_capacity(chain.ops.len());
    let mut open_before = care == Care::Much;
    for (i, op) in chain.ops.iter().enumerate() {
        let mut spans = image(op, all.last().map_or(x, |v| v));
        if op.is_affine() {
            spans = spans.into_iter().map(|x| care.widened(x)).collect();
        }
        snap(chain, i, &mut spans);
        let open = open_elements(chain, i, &spans);
        all.push(spans);
        if !open.is_empty() {
            if open_before {
                tighten(chain, &mut all, i, &open, signs);
                snap(chain, i, &mut all[i]);
            }
            open_before = true;
        }
        for s in signs.iter().filter(|s| s.node == i + 1) {
            let b = &mut all[i][s.element];
            if s.active {
                b.lo = b.lo.clone().max(Exact::zero());
            } else {
                b.hi = b.hi.clone().min(Exact::zero());
            }
        }
        if all[i].iter().any(Span::is_empty) {
            return None;
        }
    }
    Some(all)
}

/// Mantissas are integers.
fn snap(chain: &Chain, i: usize, spans: &mut [Span]) {
    for (x, frac) in spans.iter_mut().zip(&chain.frac[i]) {
        *x = x.snapped(*frac);
    }
}

/// Elements of an affine place whose relu or clamp right behind has an open piece.
fn open_elements(chain: &Chain, i: usize, spans: &[Span]) -> Vec<usize> {
    if !chain.ops[i].is_affine() {
        return Vec::new();
    }
    let is_open = |j: &usize| {
        let mut x = spans[*j].clone();
        for op in &chain.ops[i + 1..] {
            match op {
                Op::Relu if x.straddles() => return true,
                Op::Relu => x = x.relu(),
                Op::Round(steps) => x = steps[*j].image(&x),
                Op::Clamp { lo, hi } => {
                    if x.straddles_at(lo) || x.straddles_at(hi) {
                        return true;
                    }
                    x = x.clamp(lo, hi);
                }
                Op::Input | Op::Dense { .. } | Op::Scale(_) | Op::Shift(_) => return false,
            }
        }
        false
    };
    (0..spans.len()).filter(is_open).collect()
}

fn tighten(chain: &Chain, all: &mut [Vec<Span>], i: usize, open: &[usize], signs: &[Sign]) {
    let n = chain.len[i];
    for j in open {
        let side = |sign| {
            lower(
                chain,
                all,
                signs,
                i,
                Form::unit(n, *j, sign),
                &Choice::default(),
            )
        };
        let span = Span::new(side(1), -&side(-1)).short();
        all[i][*j] = all[i][*j].meet(&span);
    }
}

/// A lower bound of a form of place `from`.
pub(crate) fn lower(
    chain: &Chain,
    all: &[Vec<Span>],
    signs: &[Sign],
    from: usize,
    form: Form,
    choice: &Choice,
) -> Exact {
    let f = to_input(chain, all, signs, from, form, choice);
    down(&least(&f.c, &all[0], &f.k))
}

/// The form over the input that a backward pass leaves.
pub(crate) fn to_input(
    chain: &Chain,
    all: &[Vec<Span>],
    signs: &[Sign],
    from: usize,
    mut f: Form,
    choice: &Choice,
) -> Form {
    for i in (1..=from).rev() {
        f = back(&chain.ops[i], &all[i - 1], f, list(&choice.alpha, i));
        if let Some(beta) = list(&choice.beta, i) {
            // Where z ≥ 0 a multiple of -z is not positive; where z ≤ 0 one of z.
            for s in signs.iter().filter(|s| s.node == i) {
                let m = beta[s.element].clone().max(Exact::zero());
                let c = &mut f.c[s.element];
                *c = if s.active { &*c - &m } else { &*c + &m };
            }
        }
        f.k = down(&f.k);
    }
    f
}

/// A form below `f` over the operand of an operator whose enclosures are `x`.
pub(crate) fn back(op: &Op, x: &[Span], mut f: Form, alpha: Option<&Vec<Exact>>) -> Form {
    let n = f.c.len();
    // Element by element: a coefficient becomes a line over the operand.
    let mut lines = |line: &dyn Fn(usize, &Exact) -> (Exact, Exact)| {
        for i in 0..n {
            let (c, k) = line(i, &f.c[i]);
            f.c[i] = c;
            f.k = &f.k + &k;
        }
    };
    let zero = Exact::zero;
    match op {
        Op::Input => {}
        Op::Dense { rows, bias } => return behind_dense(rows, bias, x.len(), &f),
        Op::Scale(by) => lines(&|i, c| (mul(c, &by[i]), zero())),
        Op::Shift(by) => lines(&|i, c| (c.clone(), mul(c, &by[i]))),
        Op::Relu => lines(&|i, c| relu_line(c, &x[i], alpha.map(|a| &a[i]))),
        Op::Round(steps) => lines(&|i, c| {
            if x[i] == Span::point(&zero()) {
                return (zero(), zero());
            }
            let error = &steps[i].error;
            let e = if c.signum() > 0 { &error.lo } else { &error.hi };
            (c.clone(), mul(c, e))
        }),
        Op::Clamp { lo, hi } => lines(&|i, c| clamp_line(c, &x[i], lo, hi)),
    }
    f
}

fn behind_dense(rows: &[Vec<Exact>], bias: &[Exact], len: usize, f: &Form) -> Form {
    let mut c = vec![Exact::zero(); len];
    let mut k = f.k.clone();
    for ((a, w), b) in f.c.iter().zip(rows).zip(bias).filter(|t| !t.0.0.is_zero()) {
        k = &k + &mul(a, b);
        for (c, w) in c.iter_mut().zip(w).filter(|(_, w)| !w.is_zero()) {
            *c = &*c + &(a * w);
        }
    }
    Form { c, k }
}

/// `a / b` from above, for positive numbers.
fn quotient_up(a: &Exact, b: &Exact) -> Exact {
    up(&a.checked_div(b).expect("a positive divisor"))
}

/// A line below `c·relu(z)`.
fn relu_line(c: &Exact, z: &Span, alpha: Option<&Exact>) -> (Exact, Exact) {
    let zero = Exact::zero;
    if c.is_zero() || z.hi.signum() <= 0 {
        return (zero(), zero());
    }
    if z.lo.signum() >= 0 {
        return (c.clone(), zero());
    }
    if c.signum() > 0 {
        let slope = match alpha {
            Some(a) => a.clone().max(zero()).min(Exact::from(1)),
            None if z.hi >= -&z.lo => Exact::from(1),
            None => zero(),
        };
        return (mul(c, &slope), zero());
    }
    // The chord from (lo, 0) to (hi, hi), or a steeper line through (lo, 0), lies above.
    let steep = mul(c, &quotient_up(&z.hi, &(&z.hi - &z.lo)));
    let k = -&mul(&steep, &z.lo);
    (steep, k)
}

/// A line below `c·clamp(z, lo, hi)`.
fn clamp_line(c: &Exact, z: &Span, lo: &Exact, hi: &Exact) -> (Exact, Exact) {
    let constant = |v: &Exact| (Exact::zero(), mul(c, v));
    if c.is_zero() {
        return constant(lo);
    }
    if z.lo >= *lo && z.hi <= *hi {
        return (c.clone(), Exact::zero());
    }
    if z.hi <= *lo {
        return constant(lo);
    }
    if z.lo >= *hi {
        return constant(hi);
    }
    if c.signum() > 0 {
        return below_clamp(c, z, lo, hi);
    }
    // c·clamp(z; lo, hi) = (-c)·clamp(-z; -hi, -lo).
    let mirrored = Span::new(-&z.hi, -&z.lo);
    let (a, k) = below_clamp(&-c, &mirrored, &-hi, &-lo);
    (-&a, k)
}

/// As [`clamp_line`], for `c > 0` and an open piece.
fn below_clamp(c: &Exact, z: &Span, lo: &Exact, hi: &Exact) -> (Exact, Exact) {
    if z.hi <= *hi {
        // max(z, lo): the identity or the constant, whichever leaves the smaller gap.
        return if &z.hi - lo >= lo - &z.lo {
            (c.clone(), Exact::zero())
        } else {
            (Exact::zero(), mul(c, lo))
        };
    }
    // From the foot to (z.hi, hi), or a flatter line through the foot.
    let foot = lo.clone().max(z.lo.clone());
    let chord = (hi - &foot).checked_div(&(&z.hi - &foot));
    let slope = mul(c, &down(&chord.expect("the foot is below the end")));
    let k = &mul(c, &foot) - &mul(&slope, &foot);
    (slope, k)
}
