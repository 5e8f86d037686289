//! Backward bounds with optimised lower slopes and multipliers of split constraints
//! (alpha-CROWN: Xu et al. 2021; beta-CROWN: Wang et al. 2021). Each step's bound is sound; the
//! floating-point ascent only chooses slopes.

use super::backward::{Backward, Guide, Rows, concrete};
use super::forward::{Bounds, Hull};
use super::graph::{Graph, Op};
use super::relax;
use super::split::Splits;

/// What a bounding pass found.
#[derive(Clone, Debug)]
pub struct Optimised {
    /// The best lower bound of each form.
    pub lower: Vec<f64>,
    /// For each form the slopes and multipliers of its best bound; empty for the defaults.
    pub guide: Guide,
    /// The coefficients over each relu node's result of the first step, by node; else empty.
    pub over: Vec<Vec<f64>>,
    /// For each form the corner of the box that makes its last bound least.
    pub corners: Vec<Vec<f64>>,
    /// The forms over the input of the last step.
    pub at_input: Rows,
}

/// Ascent rates: the first, and the factor per step.
const RATE: f64 = 0.25;
const DECAY: f64 = 0.9;

/// Bounds `forms` of the last node from below, with at most `steps` passes; ends early when each
/// bound exceeds its `need`.
pub fn optimise(
    graph: &Graph,
    bounds: &Bounds,
    splits: &Splits,
    forms: &Rows,
    need: &[f64],
    steps: usize,
) -> Optimised {
    let hull = Hull::new(&bounds.nodes[0]);
    let from = graph.output();
    let mut best = vec![f64::NEG_INFINITY; forms.count];
    let mut guide = Guide::default();
    let mut kept = Guide::default();
    let mut over = Vec::new();
    let mut corners = Vec::new();
    let mut at_input = Rows::default();
    let mut ascent = Ascent::default();
    for step in 0..steps.max(1) {
        let pass = Backward {
            graph,
            bounds,
            splits,
            guide: Some(&guide),
        };
        let mut trace = pass.traced(from, forms.clone());
        for (r, v) in concrete(&trace[0], &hull).into_iter().enumerate() {
            if v > best[r] {
                best[r] = v;
                kept.adopt(&guide, r, forms.count);
            }
        }
        corners = (0..forms.count)
            .map(|r| hull.corner(trace[0].row(r)))
            .collect();
        if step == 0 {
            over = relu_coefficients(graph, &trace);
        }
        let closed = best.iter().zip(need).all(|(b, n)| b > n);
        if closed || step + 1 >= steps {
            at_input = trace.swap_remove(0);
            break;
        }
        if step == 0 {
            guide = start(graph, bounds, splits, forms.count);
            kept = guide.clone();
        }
        ascent.step(graph, bounds, splits, &trace, &corners, &mut guide, step);
    }
    Optimised {
        lower: best,
        guide: kept,
        over,
        corners,
        at_input,
    }
}

impl Guide {
    /// Takes over the choices of one form.
    fn adopt(&mut self, from: &Self, form: usize, count: usize) {
        let lists = self.alpha.iter_mut().zip(&from.alpha);
        for (to, from) in lists.chain(self.beta.iter_mut().zip(&from.beta)) {
            let n = from.len() / count;
            let row = form * n..(form + 1) * n;
            to[row.clone()].copy_from_slice(&from[row]);
        }
    }
}

fn relu_coefficients(graph: &Graph, trace: &[Rows]) -> Vec<Vec<f64>> {
    (graph.nodes.iter().zip(trace))
        .map(|(n, t)| match n.op {
            Op::Relu => t.coef.clone(),
            Op::Input
            | Op::Linear(_)
            | Op::Scale { .. }
            | Op::Shift(_)
            | Op::Round(_)
            | Op::Clamp { .. }
            | Op::Curve(_)
            | Op::Float32 { .. } => Vec::new(),
        })
        .collect()
}

/// The default slopes, as a starting point, and multipliers of zero.
fn start(graph: &Graph, bounds: &Bounds, splits: &Splits, count: usize) -> Guide {
    let mut guide = Guide::default();
    for (i, node) in graph.nodes.iter().enumerate() {
        if !matches!(node.op, Op::Relu) {
            guide.alpha.push(Vec::new());
            guide.beta.push(Vec::new());
            continue;
        }
        let one: Vec<f64> = bounds.nodes[i - 1]
            .iter()
            .map(|b| f64::from(u8::from(b.hi >= -b.lo)))
            .collect();
        guide.alpha.push(one.repeat(count));
        let split = splits.at(i).next().is_some();
        guide.beta.push(if split {
            vec![0.0; count * node.len]
        } else {
            Vec::new()
        });
    }
    guide
}

/// Adam (Kingma and Ba 2015) on the slopes and multipliers of every relu node.
#[derive(Default)]
struct Ascent {
    alpha: Vec<Moments>,
    beta: Vec<Moments>,
}

#[derive(Clone, Default)]
struct Moments {
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Moments {
    fn ascend(&mut self, v: &mut [f64], gradient: &[f64], rate: f64, step: usize) {
        if self.first.len() != v.len() {
            self.first = vec![0.0; v.len()];
            self.second = vec![0.0; v.len()];
        }
        let t = step as i32 + 1;
        let (p, q) = (1.0 - 0.9f64.powi(t), 1.0 - 0.999f64.powi(t));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((v, g), (m, s)) in v.iter_mut().zip(gradient).zip(moments) {
            *m = 0.9 * *m + 0.1 * g;
            *s = 0.999 * *s + 0.001 * g * g;
            let move_by = rate * (*m / p) / ((*s / q).sqrt() + 1e-12);
            if move_by.is_finite() {
                *v += move_by;
            }
        }
    }
}

impl Ascent {
    /// One step along the gradient of the bound: the value of each relu operand along the relaxed
    /// program at the bound's corner.
    #[expect(clippy::too_many_arguments, reason = "one pass over parallel lists")]
    fn step(
        &mut self,
        graph: &Graph,
        bounds: &Bounds,
        splits: &Splits,
        trace: &[Rows],
        corners: &[Vec<f64>],
        guide: &mut Guide,
        step: usize,
    ) {
        let n = graph.nodes.len();
        self.alpha.resize(n, Moments::default());
        self.beta.resize(n, Moments::default());
        let rate = RATE * DECAY.powi(step as i32);
        let mut values: Vec<Vec<f64>> = corners.to_vec();
        for i in 1..n {
            if matches!(graph.nodes[i].op, Op::Relu) {
                let len = graph.nodes[i].len;
                let mut alpha = vec![0.0; values.len() * len];
                let mut beta = vec![0.0; guide.beta[i].len()];
                for (r, v) in values.iter().enumerate() {
                    let on = graph.nodes[i].on.clone();
                    for (j, a) in trace[i].row(r).iter().enumerate() {
                        let b = bounds.nodes[i - 1][j];
                        if on.contains(&j) && *a > 0.0 && b.lo < 0.0 && b.hi > 0.0 {
                            alpha[r * len + j] = a * v[j];
                        }
                    }
                    if !beta.is_empty() {
                        for (j, active) in splits.at(i) {
                            beta[r * len + j] = if active { -v[j] } else { v[j] };
                        }
                    }
                }
                self.alpha[i].ascend(&mut guide.alpha[i], &alpha, rate, step);
                guide.alpha[i]
                    .iter_mut()
                    .for_each(|a| *a = a.clamp(0.0, 1.0));
                if !beta.is_empty() {
                    let scale = multiplier_scale(trace, i);
                    self.beta[i].ascend(&mut guide.beta[i], &beta, rate * scale, step);
                    guide.beta[i].iter_mut().for_each(|b| *b = b.max(0.0));
                }
            }
            for (r, v) in values.iter_mut().enumerate() {
                *v = relaxed(graph, bounds, i, trace[i].row(r), guide, r, v);
            }
        }
    }
}

/// Multipliers have the size of the coefficients beside them.
fn multiplier_scale(trace: &[Rows], i: usize) -> f64 {
    let most = trace[i - 1].coef.iter().fold(0.0f64, |m, c| m.max(c.abs()));
    if most > 0.0 { most } else { 1.0 }
}

/// The value of node `i` when each open piece is replaced by the line that the bound uses.
fn relaxed(
    graph: &Graph,
    bounds: &Bounds,
    i: usize,
    coef: &[f64],
    guide: &Guide,
    row: usize,
    v: &[f64],
) -> Vec<f64> {
    let (x, node) = (&bounds.nodes[i - 1], &graph.nodes[i]);
    let each = |f: &dyn Fn(usize, usize, f64) -> f64| {
        let mut out = v.to_vec();
        let on = out[node.on.clone()].iter_mut().enumerate();
        on.for_each(|(s, v)| *v = f(s, node.on.start + s, *v));
        out
    };
    // The line that the bound uses, at a value.
    let on_line = |(c, k): relax::Line, j: usize, v: f64| (c * v + k) / coef[j];
    match &node.op {
        Op::Input | Op::Round(_) | Op::Float32 { .. } => v.to_vec(),
        Op::Linear(map) => map.apply(v),
        Op::Scale { by, .. } => each(&|s, _, v| v * by[s]),
        Op::Shift(c) => each(&|s, _, v| v + c.value[s]),
        Op::Clamp { lo, hi } => each(&|_, _, v| v.clamp(*lo, *hi)),
        Op::Relu => each(&|_, j, v| {
            if coef[j] == 0.0 {
                return v.max(0.0);
            }
            let alpha = guide.alpha[i].get(row * node.len + j).copied();
            on_line(relax::relu(coef[j], x[j], alpha), j, v)
        }),
        Op::Curve(f) => each(&|s, j, v| {
            if coef[j] == 0.0 {
                return f.value(v);
            }
            on_line(relax::lines(coef[j], x[j], &bounds.lines[i][s]), j, v)
        }),
    }
}
