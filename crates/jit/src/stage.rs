//! A stage ready to run: its code or loops, and its data in the layout that they read.

use crate::buffer::{Buffer, mix};
use crate::cache::CodeCache;
use crate::convolution::Convolution;
use crate::error::JitError;
use crate::loops::{Depthwise, Pool, Table, run_moves};
use crate::order::Order;
use crate::plan::{Moves, Run, Source, StagePlan, Work};
use crate::shape::{Body, Elem, padded};
use crate::work::{Elementwise, Inputs, Matrix, Product};
use ceg4n_ir::Rounding;
use std::sync::OnceLock;

/// Code and data of one stage.
#[derive(Clone)]
pub(crate) struct Stage {
    sources: Vec<Source>,
    kind: Kind,
    y: Elem,
    /// Where its outputs lie.
    order: Order,
    /// Of the data; computed at its first use.
    fingerprint: OnceLock<u64>,
}

/// What runs.
#[derive(Clone, PartialEq)]
enum Kind {
    Elementwise(Elementwise),
    Dense(Product),
    Conv(Convolution),
    Depthwise(Depthwise),
    Pool(Pool),
    Move(Moves),
    Table(Table),
}

impl Stage {
    /// Chooses the code and lays the data out for it.
    pub(crate) fn new(
        plan: &StagePlan,
        rounding: Rounding,
        cache: &CodeCache,
    ) -> Result<Self, JitError> {
        let operand = |i: usize| plan.operands[i];
        let kind = match &plan.work {
            Work::Map(before) => {
                let body = Body::Map { before: *before };
                Kind::Elementwise(Elementwise::new(plan, body, rounding, cache)?)
            }
            Work::Sum => {
                let body = Body::Sum { z: operand(1).elem };
                Kind::Elementwise(Elementwise::new(plan, body, rounding, cache)?)
            }
            Work::Dense { weight, width } => {
                let matrix = Matrix {
                    weight,
                    cols: operand(0).order,
                    segments: 1,
                    groups: 1,
                    width: *width,
                    tiles_fit: true,
                };
                Kind::Dense(Product::new(plan, &matrix, rounding, cache)?)
            }
            Work::Conv {
                weight,
                conv,
                width,
            } => {
                let of = (weight, conv, *width);
                Kind::Conv(Convolution::new(plan, of, rounding, cache)?)
            }
            Work::Depthwise { weight, conv } => {
                Kind::Depthwise(Depthwise::new(weight, conv, operand(0).order, plan.order))
            }
            Work::Pool { window, greatest } => {
                Kind::Pool(Pool::new(window, *greatest, operand(0).order, plan.order))
            }
            Work::Move(moves) => Kind::Move(moves.clone()),
            Work::Table { least, table } => Kind::Table(Table {
                least: *least,
                table: table.clone(),
                order: plan.order,
            }),
        };
        Ok(Self {
            sources: plan.operands.iter().map(|x| x.source).collect(),
            kind,
            y: plan.y,
            order: plan.order,
            fingerprint: OnceLock::new(),
        })
    }

    /// Where it reads.
    pub(crate) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// An output buffer for `n` samples.
    pub(crate) fn output(&self, n: usize) -> Buffer {
        Buffer::new(self.y, self.order.places(), n)
    }

    /// True if it computes the same outputs from the same inputs, because it has the same data in
    /// the same layout.
    pub(crate) fn computes_as(&self, other: &Self) -> bool {
        (self.y, self.order) == (other.y, other.order) && self.kind == other.kind
    }

    /// Equal for stages with the same data; unequal for most others.
    pub(crate) fn fingerprint(&self) -> u64 {
        *self.fingerprint.get_or_init(|| match &self.kind {
            Kind::Elementwise(each) => mix(1, each.fingerprint()),
            Kind::Dense(product) => mix(2, product.fingerprint()),
            Kind::Conv(conv) => mix(3, conv.fingerprint()),
            Kind::Depthwise(conv) => mix(4, conv.fingerprint()),
            Kind::Pool(_) => mix(5, self.order.places() as u64),
            Kind::Move(moves) => mix(mix(6, moves.runs.len() as u64), self.order.places() as u64),
            Kind::Table(table) => table.table.iter().fold(7, |h, m| mix(h, *m as u64)),
        })
    }

    /// Bytes of weights, epilogues and tables.
    pub(crate) fn data_bytes(&self) -> usize {
        match &self.kind {
            Kind::Elementwise(each) => each.data_bytes(),
            Kind::Dense(product) => product.data_bytes(),
            Kind::Conv(conv) => conv.data_bytes(),
            Kind::Depthwise(conv) => conv.data_bytes(),
            Kind::Pool(_) => 0,
            Kind::Move(moves) => moves.runs.len() * size_of::<Run>(),
            Kind::Table(table) => size_of_val(&*table.table),
        }
    }

    /// Bytes of one sample's outputs.
    pub(crate) fn output_bytes(&self) -> usize {
        padded(self.order.places()) * self.y.size()
    }

    /// Runs on `n` samples: those from `x.1` on of each operand become those from `y.1` on of the
    /// outputs.
    pub(crate) fn run(&self, xs: &[(&Buffer, usize)], y: (&mut Buffer, usize), n: usize) {
        let x = xs[0];
        match &self.kind {
            Kind::Elementwise(each) => each.run(x, xs.get(1).copied(), y, n),
            Kind::Dense(product) => {
                let (x_row, y_row) = (x.0.row_len(), y.0.row_len());
                let x = Inputs {
                    buffer: x.0,
                    first: x.1 * x_row,
                    stride: x_row,
                    segment: 0,
                };
                product.run(0, x, (y.0, y.1 * y_row, y_row), n);
            }
            Kind::Conv(conv) => conv.run(x, y, n),
            Kind::Depthwise(conv) => conv.run(x, y, n),
            Kind::Pool(pool) => pool.run(x, y, n),
            Kind::Move(moves) => run_moves(moves, xs, y, n),
            Kind::Table(table) => table.run(x, y, n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::TILE;
    use ceg4n_ir::network::{Constant, Origin};
    use ceg4n_ir::{Format, Interval, NetworkBuilder, Op, Program, Shape as Dims, check};
    use std::sync::Arc;

    fn format(text: &str) -> Format {
        text.parse().expect("a format")
    }

    /// One requantized dense layer of ones.
    fn stage(cols: usize, rows: usize, input: &str, output: &str, vectors: bool) -> Stage {
        let mut net = NetworkBuilder::new("t");
        let x = net.push("x", Op::Input, Some(Dims::vector(cols)), None);
        let ones = Constant {
            data: vec![1.0; rows * cols].into(),
            origin: Origin::Inline,
            wide: None,
        };
        let weight = net.push("w", Op::Const(ones), Some(Dims(vec![rows, cols])), None);
        let dense = Op::Dense {
            x,
            weight,
            bias: None,
        };
        let y = net.push("y", dense, None, None);
        let net = Arc::new(net.finish(y).expect("a network"));
        let patch = Program::reference(net).patch().format(x, format(input));
        let patch = patch
            .format(weight, format("s4q0"))
            .format(y, format(output));
        let checked = check(patch.finish()).expect("a valid program");
        let kernel = checked.kernel().expect("a kernel");
        let mut plan = crate::plan::plan(kernel).remove(0);
        let cache = CodeCache::with_options(crate::CodeOptions {
            vectors,
            verify_ir: true,
        });
        // The only stage ends in 64 bits; other types are what lies between stages.
        plan.y = Elem::of(range_of(output));
        Stage::new(&plan, kernel.rounding, &cache).expect("a stage")
    }

    /// Every element, the padding included.
    fn elements(buffer: &Buffer) -> Vec<i64> {
        let mut out = vec![];
        let row = buffer.row_len();
        buffer.append_to(&mut out, row, buffer.len() / row);
        out
    }

    /// Native code writes the elements of its samples and at most the rest of the last tile, and
    /// takes nothing from the padding of its inputs.
    #[test]
    fn native_code_stays_within_its_samples() {
        const CANARY: i64 = 77;
        let any = Interval::new(-1, 100);
        for (vectors, input) in [(true, "s8q0"), (false, "s8q0"), (true, "s20q0")] {
            for output in ["s12q0", "s24q0"] {
                for (cols, rows) in [(1, 1), (3, 4), (8, 5), (9, 8), (17, 13)] {
                    let stage = stage(cols, rows, input, output, vectors);
                    let mut x = Buffer::new(Elem::of(range_of(input)), cols, 6);
                    // Ones everywhere, the padding included.
                    let row = x.row_len();
                    x.fill(&vec![1; 6 * row], row, any).expect("in range");
                    let mut y = stage.output(6);
                    let width = y.row_len();
                    y.fill(&vec![CANARY; 6 * width], width, any)
                        .expect("in range");
                    for n in [3, 4] {
                        stage.run(&[(&x, 0)], (&mut y, 0), n);
                        for (i, m) in elements(&y).into_iter().enumerate() {
                            let (sample, j) = (i / width, i % width);
                            if sample < n && j < rows {
                                assert_eq!(m, cols as i64);
                            } else if sample >= n || j >= rows.next_multiple_of(TILE) {
                                assert_eq!(m, CANARY, "{cols}x{rows}: {sample}, {j}");
                            }
                        }
                    }
                }
            }
        }
    }

    fn range_of(text: &str) -> Interval {
        Interval::new(format(text).min(), format(text).max())
    }
}
