//! Ascent on the free choices of a differential backward pass: lower slopes, multipliers of sign
//! constraints (beta-CROWN: Wang et al. 2021), and the multiplier of a form that is known not to be
//! positive. Every step's bound is sound; the ascent only chooses.

use super::backward::{Behind, Choices, difference, traced};
use super::zonotope::{Enclosed, Zonotopes, settled};
use super::{Joint, PairBounds, PairForm};
use crate::bounds::graph::{Node, Op};
use crate::bounds::relax;

/// Passes.
const STEPS: usize = 16;
/// The first rate, and the factor per step.
const RATE: f64 = 0.3;
const DECAY: f64 = 0.88;

/// The best bound of `base + m·lead`, from `m = start`.
pub(super) fn ascend(
    pair: &PairBounds<'_>,
    joints: &[Joint],
    z: &Zonotopes,
    (base, lead): (&PairForm, &PairForm),
    start: f64,
    enough: f64,
) -> f64 {
    let mut choices = default_choices(pair, joints, z);
    let mut multiplier = start;
    let mut best = f64::NEG_INFINITY;
    let mut moments = Moments::default();
    for step in 0..STEPS {
        // In 256ths, so that the sums of a form's coefficients stay exact.
        let m = (multiplier * 256.0).round() / 256.0;
        let form = weighted(base, lead, m);
        let (bound, trace, corner) = traced(pair, joints, z, &form, &choices);
        if bound > best {
            best = bound;
        }
        if best > enough || step + 1 == STEPS {
            break;
        }
        let rate = RATE * DECAY.powi(step as i32);
        let run = Run {
            pair,
            joints,
            z,
            trace: &trace,
        };
        let (gradient, outputs) = run.gradient(&corner, &choices);
        moments.step(&mut choices, &gradient, &trace, rate, step);
        let slope = value(lead, &outputs);
        multiplier = (multiplier + moments.lead(slope, rate, step)).clamp(0.0, 4.0);
    }
    best
}

fn weighted(base: &PairForm, lead: &PairForm, m: f64) -> PairForm {
    let add = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + m * b).collect();
    PairForm {
        reference: add(&base.reference, &lead.reference),
        subject: add(&base.subject, &lead.subject),
    }
}

/// A form at values of `N` and `D`.
fn value(form: &PairForm, (n, d): &(Vec<f64>, Vec<f64>)) -> f64 {
    let reference = form.reference.iter().zip(n).map(|(c, n)| c * n);
    let both = n.iter().zip(d);
    let subject = form.subject.iter().zip(both).map(|(c, (n, d))| c * (n + d));
    reference.chain(subject).sum()
}

fn is_relu(pair: &PairBounds<'_>, joint: &Joint) -> bool {
    matches!(joint, Joint::Both(r, _) if matches!(pair.together.reference.nodes[*r].op, Op::Relu))
}

fn default_choices(pair: &PairBounds<'_>, joints: &[Joint], z: &Zonotopes) -> Choices {
    let mut choices = Choices::default();
    for (t, joint) in joints.iter().enumerate() {
        let relu = t > 0 && is_relu(pair, joint);
        let len = if relu { z.after[t].n.len() } else { 0 };
        let slopes = |b: &crate::float::Bound| f64::from(u8::from(b.hi >= -b.lo));
        choices.alpha.push(if relu {
            z.after[t - 1].n.iter().map(slopes).collect()
        } else {
            Vec::new()
        });
        choices.reference.push(vec![0.0; len]);
        choices.subject.push(vec![0.0; len]);
    }
    choices
}

/// One pass and its relaxed program.
struct Run<'a> {
    pair: &'a PairBounds<'a>,
    joints: &'a [Joint],
    z: &'a Zonotopes,
    trace: &'a [Behind],
}

impl Run<'_> {
    /// The gradient of the bound by the choices: values of relu operands along the program with
    /// each open piece replaced by the line that the bound uses, from the bound's corner. Also
    /// the outputs there.
    fn gradient(&self, corner: &[f64], choices: &Choices) -> (Choices, (Vec<f64>, Vec<f64>)) {
        let mut out = Choices::default();
        let (mut n, mut d) = (corner.to_vec(), vec![0.0; corner.len()]);
        for (t, joint) in self.joints.iter().enumerate() {
            let (mut alpha, mut on_n, mut on_k) = (Vec::new(), Vec::new(), Vec::new());
            if t > 0 && is_relu(self.pair, joint) {
                let (a, _) = &self.trace[t];
                let x = &self.z.after[t - 1];
                let Joint::Both(r, s) = joint else { continue };
                let on = &self.pair.together.reference.nodes[*r].on;
                let open =
                    |i: usize| on.contains(&i) && x.n[i].lo < 0.0 && x.n[i].hi > 0.0 && a[i] > 0.0;
                alpha = (0..n.len())
                    .map(|i| if open(i) { a[i] * n[i] } else { 0.0 })
                    .collect();
                on_n = vec![0.0; n.len()];
                for (i, active) in self.pair.signs.reference.at(*r) {
                    on_n[i] = if active { -n[i] } else { n[i] };
                }
                on_k = vec![0.0; n.len()];
                for (i, active) in self.pair.signs.subject.at(*s) {
                    on_k[i] = if active { -n[i] - d[i] } else { n[i] + d[i] };
                }
            }
            if t > 0 {
                (n, d) = self.behind(t, joint, (&n, &d), choices);
            }
            out.alpha.push(alpha);
            out.reference.push(on_n);
            out.subject.push(on_k);
        }
        (out, (n, d))
    }

    fn behind(
        &self,
        t: usize,
        joint: &Joint,
        (n, d): (&[f64], &[f64]),
        choices: &Choices,
    ) -> (Vec<f64>, Vec<f64>) {
        let together = self.pair.together;
        let x = &self.z.after[t - 1];
        let keep = || (n.to_vec(), d.to_vec());
        match joint {
            Joint::Input => keep(),
            Joint::Reference(r) => {
                let node = &together.reference.nodes[*r];
                match &node.op {
                    Op::Scale { by, .. } => {
                        linear(node, (n, d), |s| (by[s], 0.0, 1.0, 1.0 - by[s], 0.0))
                    }
                    Op::Shift(c) => {
                        linear(node, (n, d), |s| (1.0, c.value[s], 1.0, 0.0, -c.value[s]))
                    }
                    Op::Input
                    | Op::Linear(_)
                    | Op::Relu
                    | Op::Round(_)
                    | Op::Clamp { .. }
                    | Op::Curve(_)
                    | Op::Float32 { .. } => keep(),
                }
            }
            Joint::Subject(s) => {
                let after = &self.z.after[t].k;
                let node = &together.subject.nodes[*s];
                let moved = match &node.op {
                    Op::Scale { by, .. } => {
                        linear(node, (n, d), |s| (1.0, 0.0, by[s], by[s] - 1.0, 0.0))
                    }
                    Op::Shift(c) => linear(node, (n, d), |s| (1.0, 0.0, 1.0, 0.0, c.value[s])),
                    Op::Input
                    | Op::Linear(_)
                    | Op::Relu
                    | Op::Round(_)
                    | Op::Clamp { .. }
                    | Op::Curve(_)
                    | Op::Float32 { .. } => keep(),
                };
                let fixed = |(i, d): (usize, f64)| {
                    let one = settled(after[i], x.n[i], x.d[i]);
                    one.filter(|_| node.on.contains(&i)).map_or(d, |c| c - n[i])
                };
                (
                    moved.0,
                    moved.1.into_iter().enumerate().map(fixed).collect(),
                )
            }
            Joint::Both(r, s) => {
                let nodes = (&together.reference.nodes[*r], &together.subject.nodes[*s]);
                match (&nodes.0.op, &nodes.1.op, &together.gaps[t]) {
                    (Op::Linear(r), Op::Linear(s), Some(gap)) => {
                        // The gap's bias is that of the difference; the subject's counts twice.
                        let both = s.apply(d).into_iter().zip(gap.apply(n));
                        let own = both.zip(&s.bias.value).map(|((d, g), b)| d - b + g);
                        (r.apply(n), own.collect())
                    }
                    (Op::Curve(f), Op::Curve(g), _) => {
                        let each = |i: usize| {
                            if !nodes.0.on.contains(&i) {
                                return (n[i], d[i]);
                            }
                            let y = f.value(n[i]);
                            (y, g.value(n[i] + d[i]) - y)
                        };
                        (0..n.len()).map(each).unzip()
                    }
                    _relus => {
                        let alpha = &choices.alpha[t];
                        let relaxed = |i: usize| {
                            if nodes.0.on.contains(&i) {
                                self.relaxed(t, i, (n[i], d[i]), x, alpha[i])
                            } else {
                                (n[i], d[i])
                            }
                        };
                        (0..n.len()).map(relaxed).unzip()
                    }
                }
            }
        }
    }

    /// Both values behind a relu, on the lines that the bound uses.
    fn relaxed(&self, t: usize, i: usize, v: (f64, f64), x: &Enclosed, alpha: f64) -> (f64, f64) {
        let (a, b) = (self.trace[t].0[i], self.trace[t].1[i]);
        let (n, k, d) = (x.n[i], x.k[i], x.d[i]);
        let (c, constant) = relax::relu(a, n, Some(alpha));
        let n_behind = if a == 0.0 {
            v.0.max(0.0)
        } else {
            (c * v.0 + constant) / a
        };
        let signed = |b: crate::float::Bound| (b, b.lo >= 0.0, b.hi <= 0.0);
        let (p, q, constant) = difference(b, signed(n), signed(k), d);
        let d_behind = if b == 0.0 {
            (v.0 + v.1).max(0.0) - v.0.max(0.0)
        } else {
            (p * v.0 + q * v.1 + constant) / b
        };
        (n_behind, d_behind)
    }
}

/// `N' = s·N + c`, `D' = p·D + q·N + e` on the elements of a node, by its lists' entries.
fn linear(
    node: &Node,
    (n, d): (&[f64], &[f64]),
    of: impl Fn(usize) -> (f64, f64, f64, f64, f64),
) -> (Vec<f64>, Vec<f64>) {
    let both = n.iter().zip(d).enumerate();
    both.map(|(i, (n, d))| match node.slot(i) {
        Some(slot) => {
            let (s, c, p, q, e) = of(slot);
            (s * n + c, p * d + q * n + e)
        }
        None => (*n, *d),
    })
    .unzip()
}

/// Adam (Kingma and Ba 2015).
#[derive(Default)]
struct Moments {
    lists: Vec<(Vec<f64>, Vec<f64>)>,
    lead: (f64, f64),
}

fn adam((m, s): (&mut f64, &mut f64), g: f64, rate: f64, step: usize) -> f64 {
    let t = step as i32 + 1;
    *m = 0.9 * *m + 0.1 * g;
    *s = 0.999 * *s + 0.001 * g * g;
    let (p, q) = (1.0 - 0.9f64.powi(t), 1.0 - 0.999f64.powi(t));
    let by = rate * (*m / p) / ((*s / q).sqrt() + 1e-12);
    if by.is_finite() { by } else { 0.0 }
}

impl Moments {
    fn step(
        &mut self,
        choices: &mut Choices,
        gradient: &Choices,
        trace: &[Behind],
        rate: f64,
        step: usize,
    ) {
        let most = |t: usize| {
            let (a, b) = &trace[t];
            let all = a.iter().chain(b);
            all.fold(0.0f64, |m, c| m.max(c.abs()))
                .max(f64::MIN_POSITIVE)
        };
        let n = choices.alpha.len();
        self.lists.resize(3 * n, (Vec::new(), Vec::new()));
        for t in 0..n {
            let lists = [
                (&mut choices.alpha[t], &gradient.alpha[t], rate, (0.0, 1.0)),
                (
                    &mut choices.reference[t],
                    &gradient.reference[t],
                    rate * most(t),
                    (0.0, f64::MAX),
                ),
                (
                    &mut choices.subject[t],
                    &gradient.subject[t],
                    rate * most(t),
                    (0.0, f64::MAX),
                ),
            ];
            for (k, (values, gradient, rate, (lo, hi))) in lists.into_iter().enumerate() {
                let (m, s) = &mut self.lists[3 * t + k];
                m.resize(values.len(), 0.0);
                s.resize(values.len(), 0.0);
                let moments = m.iter_mut().zip(s.iter_mut());
                for ((v, g), moments) in values.iter_mut().zip(gradient).zip(moments) {
                    *v = (*v + adam(moments, *g, rate, step)).clamp(lo, hi);
                }
            }
        }
    }

    fn lead(&mut self, g: f64, rate: f64, step: usize) -> f64 {
        adam((&mut self.lead.0, &mut self.lead.1), g, rate, step)
    }
}
