//! Forward and backward passes over examples. Loops run over contiguous lanes in a fixed order,
//! without fused multiply-add: the same numbers whatever the width of the machine's vectors.

use super::chain::{Chain, Stage, Tensors};
use super::each::{LANES, padded};
use super::loss::Loss;
use super::rows::{Row, Rows};
use pulp::{Arch, WithSimd};

/// What a pass over examples sums up besides the objective.
pub(super) enum Wanted<'a> {
    /// Nothing.
    Value,
    /// The gradient with respect to the params' values.
    Gradient(&'a mut Tensors),
    /// That and the Gauss-Newton diagonal.
    Curvature(&'a mut Tensors, &'a mut Tensors),
}

/// Buffers of one thread.
pub(super) struct Pass<'a> {
    chain: &'a Chain,
    arch: Arch,
    loss: Loss,
    /// Per stage: outputs, slopes, gradients, curvatures.
    out: Vec<Vec<f32>>,
    slope: Vec<Vec<f32>>,
    gradient: Vec<Vec<f32>>,
    curvature: Vec<Vec<f32>>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(chain: &'a Chain, loss: Loss) -> Self {
        let buffers = || chain.stages.iter().map(|s| vec![0.0; s.lanes]).collect();
        Self {
            chain,
            arch: Arch::new(),
            loss,
            out: buffers(),
            slope: buffers(),
            gradient: buffers(),
            curvature: buffers(),
        }
    }

    /// The weighted sum of the losses of the rows `ids`, with `values` for the params. What is
    /// wanted is added to.
    pub(super) fn run(
        &mut self,
        values: &Tensors,
        rows: &Rows,
        ids: impl Iterator<Item = usize>,
        wanted: Wanted<'_>,
    ) -> f64 {
        self.arch.dispatch(Run {
            pass: self,
            values,
            rows,
            ids,
            wanted,
        })
    }

    /// The kernel's outputs on a row.
    pub(super) fn outputs(&mut self, values: &Tensors, row: Row<'_>) -> &[f32] {
        self.arch.dispatch(Forward {
            pass: self,
            values,
            row,
        });
        let last = self.out.len() - 1;
        &self.out[last][..self.chain.outputs]
    }

    /// The gradient of `Σ_j form[j]·out[j]` with respect to the first dense operator's operand, at
    /// the row of the last forward pass.
    pub(super) fn input_gradient(&mut self, values: &Tensors, form: &[f32]) -> Vec<f32> {
        let last = self.out.len() - 1;
        self.gradient[last].fill(0.0);
        self.gradient[last][..form.len()].copy_from_slice(form);
        for i in (0..=last).rev() {
            let stage = &self.chain.stages[i];
            multiply::<false>(&mut self.gradient[i], &self.slope[i]);
            let (before, now) = self.gradient.split_at_mut(i);
            let w = &values[stage.weight];
            match before.last_mut() {
                Some(g) => transposed::<false>(g, w, &now[0], stage),
                None => {
                    let mut g = vec![0.0; padded(stage.cols)];
                    transposed::<false>(&mut g, w, &now[0], stage);
                    g.truncate(stage.cols);
                    return g;
                }
            }
        }
        Vec::new()
    }

    #[inline(always)]
    fn forward(&mut self, values: &Tensors, row: Row<'_>) {
        for (i, stage) in self.chain.stages.iter().enumerate() {
            let (before, now) = self.out.split_at_mut(i);
            let y = &mut now[0];
            match stage.bias {
                Some(b) => y.copy_from_slice(&values[b]),
                None => y.fill(0.0),
            }
            let w = &values[stage.weight];
            match before.last() {
                None => add_product(y, w, row.entries()),
                Some(x) => add_product(y, w, x[..stage.cols].iter().copied().enumerate()),
            }
            let slope = &mut self.slope[i];
            slope.fill(1.0);
            for e in &stage.after {
                e.apply(y, slope);
            }
        }
    }

    /// Adds to the sums of gradients (or, `SQUARED`, of curvatures) from what stands at the output.
    #[inline(always)]
    fn backward<const SQUARED: bool>(
        &mut self,
        values: &Tensors,
        row: Row<'_>,
        sums: &mut Tensors,
    ) {
        let buffers = if SQUARED {
            &mut self.curvature
        } else {
            &mut self.gradient
        };
        for (i, stage) in self.chain.stages.iter().enumerate().rev() {
            let (before, now) = buffers.split_at_mut(i);
            let g = &mut now[0];
            multiply::<SQUARED>(g, &self.slope[i]);
            if let Some(b) = stage.bias {
                sums[b].iter_mut().zip(g.iter()).for_each(|(s, g)| *s += g);
            }
            let w = &mut sums[stage.weight];
            match before.last_mut() {
                None => {
                    for (k, x) in row.index.iter().zip(row.value) {
                        axpy::<SQUARED>(&mut w[*k as usize * g.len()..][..g.len()], *x, g);
                    }
                }
                Some(below) => {
                    let x = &self.out[i - 1][..stage.cols];
                    for (w, x) in w.chunks_exact_mut(g.len()).zip(x) {
                        axpy::<SQUARED>(w, *x, g);
                    }
                    transposed::<SQUARED>(below, &values[stage.weight], g, stage);
                }
            }
        }
    }
}

struct Forward<'p, 'a, 'v> {
    pass: &'p mut Pass<'a>,
    values: &'v Tensors,
    row: Row<'v>,
}

impl WithSimd for Forward<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.pass.forward(self.values, self.row);
    }
}

struct Run<'p, 'a, 'v, I> {
    pass: &'p mut Pass<'a>,
    values: &'v Tensors,
    rows: &'v Rows,
    ids: I,
    wanted: Wanted<'v>,
}

impl<I: Iterator<Item = usize>> WithSimd for Run<'_, '_, '_, I> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> f64 {
        let (pass, mut wanted) = (self.pass, self.wanted);
        let last = pass.out.len() - 1;
        let outputs = pass.chain.outputs;
        let mut sum = 0.0;
        for i in self.ids {
            let row = self.rows.row(i);
            pass.forward(self.values, row);
            let (reference, aim, weight) = self.rows.target(i, outputs);
            let loss = pass.loss.at(
                aim,
                &pass.out[last][..outputs],
                reference,
                &mut pass.gradient[last][..outputs],
                &mut pass.curvature[last][..outputs],
            );
            if loss == 0.0 {
                continue;
            }
            sum += f64::from(weight) * loss;
            for v in [&mut pass.gradient[last], &mut pass.curvature[last]] {
                v[..outputs].iter_mut().for_each(|v| *v *= weight);
                v[outputs..].fill(0.0);
            }
            match &mut wanted {
                Wanted::Value => {}
                Wanted::Gradient(g) => pass.backward::<false>(self.values, row, g),
                Wanted::Curvature(g, h) => {
                    pass.backward::<false>(self.values, row, g);
                    pass.backward::<true>(self.values, row, h);
                }
            }
        }
        sum
    }
}

/// `y += Σ_k x_k·w[k]`, in parts of 32, 16 and 8 elements so that sums stay in registers.
#[inline(always)]
fn add_product(y: &mut [f32], w: &[f32], entries: impl Iterator<Item = (usize, f32)> + Clone) {
    let lanes = y.len();
    let mut at = 0;
    while at < lanes {
        match (lanes - at) / LANES {
            0 | 1 => block::<1>(y, w, lanes, at, entries.clone()),
            2 | 3 => block::<2>(y, w, lanes, at, entries.clone()),
            _ => block::<4>(y, w, lanes, at, entries.clone()),
        }
        at += match (lanes - at) / LANES {
            0 | 1 => LANES,
            2 | 3 => 2 * LANES,
            _ => 4 * LANES,
        };
    }
}

/// [`add_product`] for `V` groups of [`LANES`] elements from `at` on.
#[inline(always)]
fn block<const V: usize>(
    y: &mut [f32],
    w: &[f32],
    lanes: usize,
    at: usize,
    entries: impl Iterator<Item = (usize, f32)>,
) {
    let y = &mut y[at..at + V * LANES];
    let mut sums = [[0.0f32; LANES]; V];
    for (sum, y) in sums.iter_mut().zip(y.chunks_exact(LANES)) {
        sum.copy_from_slice(y);
    }
    for (k, x) in entries {
        let w = &w[k * lanes + at..][..V * LANES];
        for (sum, w) in sums.iter_mut().zip(w.as_chunks::<LANES>().0) {
            *sum = std::array::from_fn(|l| sum[l] + x * w[l]);
        }
    }
    for (sum, y) in sums.iter().zip(y.chunks_exact_mut(LANES)) {
        y.copy_from_slice(sum);
    }
}

#[inline(always)]
fn axpy<const SQUARED: bool>(y: &mut [f32], x: f32, g: &[f32]) {
    let x = if SQUARED { x * x } else { x };
    y.iter_mut().zip(g).for_each(|(y, g)| *y += x * g);
}

#[inline(always)]
fn multiply<const SQUARED: bool>(g: &mut [f32], slope: &[f32]) {
    for (g, s) in g.iter_mut().zip(slope) {
        *g *= if SQUARED { s * s } else { *s };
    }
}

/// `out[k] = Σ_j g[j]·w[k, j]`.
#[inline(always)]
fn transposed<const SQUARED: bool>(out: &mut [f32], w: &[f32], g: &[f32], stage: &Stage) {
    out[stage.cols..].fill(0.0);
    for (out, w) in out[..stage.cols].iter_mut().zip(w.chunks_exact(g.len())) {
        let mut sums = [0.0f32; LANES];
        for (w, g) in w.chunks_exact(LANES).zip(g.chunks_exact(LANES)) {
            for l in 0..LANES {
                sums[l] += g[l] * if SQUARED { w[l] * w[l] } else { w[l] };
            }
        }
        *out = sums.iter().sum();
    }
}
