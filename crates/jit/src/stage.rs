//! A stage ready to run: its code, and its data in the layout that the code reads.

use crate::buffer::{Buffer, Weights, mix};
use crate::cache::CodeCache;
use crate::error::JitError;
use crate::native::{Call, Code};
use crate::plan::{Source, StagePlan};
use crate::shape::{Body, Elem, ProductQuad, Quad, Row, Shape, TILE, VectorEpilogue, padded};
use ceg4n_ir::Rounding;
use std::sync::{Arc, OnceLock};

/// Register width up to which vector code is exact.
const VECTOR_WIDTH: u8 = 32;

/// Epilogues in the layout of a [`Body`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Epilogue {
    Rows(Vec<Row>),
    Quads(Vec<Quad>),
    ProductQuads(Vec<ProductQuad>),
}

impl Epilogue {
    fn bytes(&self) -> usize {
        match self {
            Self::Rows(list) => size_of_val(list.as_slice()),
            Self::Quads(list) => size_of_val(list.as_slice()),
            Self::ProductQuads(list) => size_of_val(list.as_slice()),
        }
    }

    /// Of the fields that differ most often.
    fn fingerprint(&self) -> u64 {
        match self {
            Self::Rows(list) => list.iter().fold(0, |h, r| {
                let h = mix(mix(h, r.bias as u64), r.right as u64);
                mix(mix(h, r.lo as u64), r.hi as u64)
            }),
            Self::Quads(list) => list.iter().fold(0, |h, q| {
                let h = q.bias.iter().fold(h, |h, b| mix(h, *b as u64));
                let h = mix(h, q.right as u64);
                mix(mix(h, q.lo[0] as u64), q.hi[0] as u64)
            }),
            Self::ProductQuads(list) => list.iter().fold(0, |h, q| {
                let h = q.bias.iter().fold(h, |h, b| mix(h, *b as u64));
                let h = q.factor.iter().fold(h, |h, f| mix(h, *f as u64));
                mix(mix(h, q.lo[0] as u64), q.hi[0] as u64)
            }),
        }
    }
}

/// Code and data of one stage.
#[derive(Clone)]
pub(crate) struct Stage {
    code: Arc<Code>,
    source: Source,
    weights: Arc<Weights>,
    epilogue: Epilogue,
    /// Input elements that the code reads.
    cols: usize,
    /// Output elements that the code writes.
    rows: usize,
    /// Output elements that mean something.
    len: usize,
    /// Of the data; computed at its first use.
    fingerprint: OnceLock<u64>,
}

impl Stage {
    /// Chooses the code and lays the data out for it.
    pub(crate) fn new(
        plan: StagePlan,
        rounding: Rounding,
        cache: &CodeCache,
    ) -> Result<Self, JitError> {
        let len = plan.rows.len();
        let shape = |body| Shape {
            body,
            x: plan.x,
            y: plan.y,
            rounding,
            multiplied: plan.rows.iter().any(|r| r.multiplier != 1),
        };
        let Some(dense) = &plan.dense else {
            return Ok(Self {
                code: cache.get(shape(Body::Map))?,
                source: plan.source,
                weights: Arc::new(Weights::none()),
                epilogue: Epilogue::Rows(plan.rows),
                cols: len,
                rows: len,
                len,
                fingerprint: OnceLock::new(),
            });
        };
        let vectors = cache.options().vectors && plan.x == Elem::I16 && dense.width <= VECTOR_WIDTH;
        let laid = cache.layouts().get(&dense.weight, dense.cols, vectors);
        if laid.tiled {
            return Self::vector(&plan, dense.cols, laid.weights, &shape, cache);
        }
        let weight = laid.weights.elem();
        Ok(Self {
            code: cache.get(shape(Body::Dense { weight }))?,
            source: plan.source,
            weights: laid.weights,
            cols: dense.cols,
            epilogue: Epilogue::Rows(plan.rows),
            rows: len,
            len,
            fingerprint: OnceLock::new(),
        })
    }

    fn vector(
        plan: &StagePlan,
        cols: usize,
        weights: Arc<Weights>,
        shape: &dyn Fn(Body) -> Shape,
        cache: &CodeCache,
    ) -> Result<Self, JitError> {
        let len = plan.rows.len();
        let mut rows = plan.rows.clone();
        rows.resize(len.next_multiple_of(TILE), Row::IDENTITY);
        let narrow = match plan.width {
            0..=VECTOR_WIDTH => quads(&rows, len).map(Epilogue::Quads),
            _ => None,
        };
        let products = || match plan.sum_width {
            0..=VECTOR_WIDTH => product_quads(&rows, len).map(Epilogue::ProductQuads),
            _ => None,
        };
        let epilogue = narrow.or_else(products).unwrap_or(Epilogue::Rows(rows));
        let (kind, multiplied) = match &epilogue {
            Epilogue::Quads(_) => (VectorEpilogue::Narrow, false),
            Epilogue::ProductQuads(_) => (VectorEpilogue::Product, false),
            Epilogue::Rows(_) => (VectorEpilogue::Wide, true),
        };
        let shape = shape(Body::DenseVector { epilogue: kind });
        let multiplied = multiplied && shape.multiplied;
        Ok(Self {
            code: cache.get(Shape {
                multiplied,
                ..shape
            })?,
            source: plan.source,
            weights,
            cols: padded(cols),
            rows: len.next_multiple_of(TILE),
            epilogue,
            len,
            fingerprint: OnceLock::new(),
        })
    }

    /// Where it reads.
    pub(crate) fn source(&self) -> Source {
        self.source
    }

    /// An output buffer for `n` samples.
    pub(crate) fn output(&self, n: usize) -> Buffer {
        Buffer::new(self.code.shape().y, self.len, n)
    }

    /// True if it computes the same outputs from the same inputs, because it has the same data in
    /// the same layout.
    pub(crate) fn computes_as(&self, other: &Self) -> bool {
        self.code.shape() == other.code.shape()
            && (self.cols, self.rows, self.len) == (other.cols, other.rows, other.len)
            && self.epilogue == other.epilogue
            && (Arc::ptr_eq(&self.weights, &other.weights) || self.weights == other.weights)
    }

    /// Equal for stages with the same data; unequal for most others.
    pub(crate) fn fingerprint(&self) -> u64 {
        *self.fingerprint.get_or_init(|| {
            let epilogue = self.epilogue.fingerprint();
            mix(self.weights.fingerprint(), epilogue)
        })
    }

    /// Bytes of weights and epilogues.
    pub(crate) fn data_bytes(&self) -> usize {
        self.weights.len() * self.weights.elem().size() + self.epilogue.bytes()
    }

    /// Bytes of one sample's outputs.
    pub(crate) fn output_bytes(&self) -> usize {
        padded(self.len) * self.code.shape().y.size()
    }

    /// Computes `n` samples: those from `x.1` on of the inputs become those from `y.1` on of the
    /// outputs.
    pub(crate) fn run(&self, x: (&Buffer, usize), y: (&mut Buffer, usize), n: usize) {
        self.code.run(Call {
            x: x.0,
            x_first: x.1,
            y: y.0,
            y_first: y.1,
            weights: &self.weights,
            epilogue: &self.epilogue,
            n,
            cols: self.cols,
            rows: self.rows,
        });
    }
}

/// The rows by fours, over 32 bits; `None` if a multiplier is not 1, or a four's shifts differ or
/// exceed 31 places. The rows from `len` on are padding and take the shifts of their neighbours.
///
/// Truncating biases keeps the sums, which 32 bits hold; saturating the clamps keeps the values.
fn quads(rows: &[Row], len: usize) -> Option<Vec<Quad>> {
    if rows.iter().any(|r| r.multiplier != 1) {
        return None;
    }
    let quad = |(q, rows): (usize, &[Row])| {
        let first = rows[0];
        let used = rows.iter().enumerate().filter(|(r, _)| q * TILE + r < len);
        let shared = |(_, r): (usize, &Row)| (r.left, r.right) == (first.left, first.right);
        if first.left > 31 || first.right > 31 || !used.into_iter().all(shared) {
            return None;
        }
        Some(Quad {
            bias: lanes(rows, |r| r.bias as i32),
            floor: lanes(rows, |r| saturated(r.floor)),
            addend: lanes(rows, |r| saturated(r.addend)),
            odd: lanes(rows, |r| saturated(r.odd)),
            lo: lanes(rows, |r| saturated(r.lo)),
            hi: lanes(rows, |r| saturated(r.hi)),
            left: first.left as i32,
            right: first.right as i32,
        })
    };
    rows.chunks_exact(TILE).enumerate().map(quad).collect()
}

/// The rows by fours, for products with factors below 2^31; `None` if a row does not shift right or
/// its factor is larger. The rows from `len` on are padding. A sum of 32 bits times a factor has less than 63 bits, so that the high half
/// with its rounding is below 2^31.
fn product_quads(rows: &[Row], len: usize) -> Option<Vec<ProductQuad>> {
    let factor = |(j, r): (usize, &Row)| match r.right {
        _ if j >= len => Some(0),
        right @ 1..=32 => i32::try_from(r.multiplier << (32 - right)).ok(),
        _ => None,
    };
    let factors: Option<Vec<i32>> = rows.iter().enumerate().map(factor).collect();
    let fours = rows
        .chunks_exact(TILE)
        .zip(factors.as_ref()?.chunks_exact(TILE));
    let quad = |(rows, factors): (&[Row], &[i32])| ProductQuad {
        bias: lanes(rows, |r| r.bias as i32),
        floor: lanes(rows, |r| saturated(r.floor)),
        factor: std::array::from_fn(|i| factors[i]),
        lo: lanes(rows, |r| saturated(r.lo)),
        hi: lanes(rows, |r| saturated(r.hi)),
    };
    Some(fours.map(quad).collect())
}

/// A field of each row of a four.
fn lanes(rows: &[Row], field: impl Fn(&Row) -> i32) -> [i32; TILE] {
    std::array::from_fn(|i| field(&rows[i]))
}

fn saturated(v: i64) -> i32 {
    v.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use ceg4n_ir::network::{Constant, Origin};
    use ceg4n_ir::{Format, Interval, NetworkBuilder, Op, Program, Shape as Dims, check};

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
        Stage::new(plan, kernel.rounding, &cache).expect("a stage")
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
                        stage.run((&x, 0), (&mut y, 0), n);
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
