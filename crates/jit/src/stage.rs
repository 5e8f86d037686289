//! A stage ready to run: its code, and its data in the layout that the code reads.

use crate::cache::CodeCache;
use crate::error::JitError;
use crate::native::{Call, Code};
use crate::plan::{DenseData, Source, StagePlan};
use crate::shape::{Body, Elem, ProductQuad, Quad, Row, Shape, TILE, VectorEpilogue, padded};
use ceg4n_ir::{Interval, Rounding};
use std::sync::Arc;

/// Register width up to which vector code is exact.
const VECTOR_WIDTH: u8 = 32;

/// Typed storage.
#[derive(Clone, Debug)]
enum Storage {
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
}

impl Storage {
    fn elem(&self) -> Elem {
        match self {
            Self::I16(_) => Elem::I16,
            Self::I32(_) => Elem::I32,
            Self::I64(_) => Elem::I64,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::I16(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::I64(v) => v.len(),
        }
    }

    fn as_ptr(&self) -> *const u8 {
        match self {
            Self::I16(v) => v.as_ptr().cast(),
            Self::I32(v) => v.as_ptr().cast(),
            Self::I64(v) => v.as_ptr().cast(),
        }
    }
}

/// Activations: rows of [`padded`] length, one a sample. What the padding holds means nothing.
#[derive(Clone, Debug)]
pub(crate) struct Buffer {
    storage: Storage,
    row_len: usize,
}

impl Buffer {
    /// Zeros for `n` samples of `len` elements.
    pub(crate) fn new(elem: Elem, len: usize, n: usize) -> Self {
        let row_len = padded(len);
        let total = row_len * n;
        let storage = match elem {
            Elem::I16 => Storage::I16(vec![0; total]),
            Elem::I32 => Storage::I32(vec![0; total]),
            Elem::I64 => Storage::I64(vec![0; total]),
        };
        Self { storage, row_len }
    }

    pub(crate) fn elem(&self) -> Elem {
        self.storage.elem()
    }

    /// Elements in all.
    pub(crate) fn len(&self) -> usize {
        self.storage.len()
    }

    /// Elements from one sample to the next.
    pub(crate) fn row_len(&self) -> usize {
        self.row_len
    }

    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.storage.as_ptr()
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut u8 {
        match &mut self.storage {
            Storage::I16(v) => v.as_mut_ptr().cast(),
            Storage::I32(v) => v.as_mut_ptr().cast(),
            Storage::I64(v) => v.as_mut_ptr().cast(),
        }
    }

    /// Stores samples of `len` elements each.
    ///
    /// # Errors
    /// The position of the first sample and element outside `range`, which the type must hold.
    pub(crate) fn fill(
        &mut self,
        samples: &[i64],
        len: usize,
        range: Interval,
    ) -> Result<(), (usize, usize)> {
        let row_len = self.row_len;
        match &mut self.storage {
            Storage::I16(v) => fill(v, samples, row_len, len, range, |m| m as i16),
            Storage::I32(v) => fill(v, samples, row_len, len, range, |m| m as i32),
            Storage::I64(v) => fill(v, samples, row_len, len, range, |m| m),
        }
    }

    /// Appends the first `len` elements of the first `n` rows.
    pub(crate) fn append_to(&self, out: &mut Vec<i64>, len: usize, n: usize) {
        let (row_len, total) = (self.row_len, n * self.row_len);
        match &self.storage {
            Storage::I16(v) => append(out, &v[..total], row_len, len),
            Storage::I32(v) => append(out, &v[..total], row_len, len),
            Storage::I64(v) => append(out, &v[..total], row_len, len),
        }
    }
}

fn append<T: Copy + Into<i64>>(out: &mut Vec<i64>, rows: &[T], row_len: usize, len: usize) {
    for row in rows.chunks_exact(row_len) {
        out.extend(row[..len].iter().map(|m| (*m).into()));
    }
}

fn fill<T>(
    out: &mut [T],
    samples: &[i64],
    row_len: usize,
    len: usize,
    range: Interval,
    narrow: impl Fn(i64) -> T,
) -> Result<(), (usize, usize)> {
    let rows = out.chunks_exact_mut(row_len);
    for (s, (row, sample)) in rows.zip(samples.chunks_exact(len)).enumerate() {
        let mut good = true;
        for (y, x) in row.iter_mut().zip(sample) {
            good &= range.lo <= *x && *x <= range.hi;
            *y = narrow(*x);
        }
        if !good {
            let outside = |x: &i64| !(range.lo..=range.hi).contains(x);
            let index = sample.iter().position(outside).unwrap_or(0);
            return Err((s, index));
        }
    }
    Ok(())
}

/// Weights in the layout of a [`Body`].
#[derive(Clone, Debug)]
pub(crate) struct Weights(Storage);

impl Weights {
    fn none() -> Self {
        Self(Storage::I16(Vec::new()))
    }

    pub(crate) fn elem(&self) -> Elem {
        self.0.elem()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }
}

/// Epilogues in the layout of a [`Body`].
#[derive(Clone, Debug)]
pub(crate) enum Epilogue {
    Rows(Vec<Row>),
    Quads(Vec<Quad>),
    ProductQuads(Vec<ProductQuad>),
}

/// Code and data of one stage.
#[derive(Clone)]
pub(crate) struct Stage {
    code: Arc<Code>,
    source: Source,
    weights: Weights,
    epilogue: Epilogue,
    /// Input elements that the code reads.
    cols: usize,
    /// Output elements that the code writes.
    rows: usize,
    /// Output elements that mean something.
    len: usize,
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
                weights: Weights::none(),
                epilogue: Epilogue::Rows(plan.rows),
                cols: len,
                rows: len,
                len,
            });
        };
        let small: Option<Vec<i16>> = dense
            .weight
            .iter()
            .map(|w| i16::try_from(*w).ok())
            .collect();
        match small {
            Some(w)
                if cache.options().vectors
                    && plan.x == Elem::I16
                    && dense.width <= VECTOR_WIDTH =>
            {
                Self::vector(&plan, dense, &w, &shape, cache)
            }
            small => {
                let weights = match small {
                    Some(w) => Storage::I16(w),
                    None => Storage::I32(dense.weight.to_vec()),
                };
                let weight = weights.elem();
                Ok(Self {
                    code: cache.get(shape(Body::Dense { weight }))?,
                    source: plan.source,
                    weights: Weights(weights),
                    cols: dense.cols,
                    epilogue: Epilogue::Rows(plan.rows),
                    rows: len,
                    len,
                })
            }
        }
    }

    fn vector(
        plan: &StagePlan,
        dense: &DenseData,
        weight: &[i16],
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
            weights: Weights(Storage::I16(tiled(weight, dense.cols))),
            cols: padded(dense.cols),
            rows: len.next_multiple_of(TILE),
            epilogue,
            len,
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

    /// Bytes of one sample's outputs.
    pub(crate) fn output_bytes(&self) -> usize {
        padded(self.len) * self.code.shape().y.size()
    }

    /// Computes the first `n` samples.
    pub(crate) fn run(&self, x: &Buffer, y: &mut Buffer, n: usize) {
        self.code.run(Call {
            x,
            y,
            weights: &self.weights,
            epilogue: &self.epilogue,
            n,
            cols: self.cols,
            rows: self.rows,
        });
    }
}

/// Weights for vector code: for every tile of [`TILE`] rows and every vector of [`LANES`] columns
/// the vectors of the tile's rows one after the other. Missing rows and columns are zeros, so the
/// padding of the inputs does not count.
///
/// [`LANES`]: crate::shape::LANES
fn tiled(weight: &[i16], cols: usize) -> Vec<i16> {
    use crate::shape::LANES;
    let padded_cols = padded(cols);
    let rows = weight.len() / cols;
    let mut out = vec![0; rows.next_multiple_of(TILE) * padded_cols];
    for (j, row) in weight.chunks_exact(cols).enumerate() {
        let tile = &mut out[(j / TILE) * TILE * padded_cols..][..TILE * padded_cols];
        for (block, values) in tile.chunks_exact_mut(TILE * LANES).zip(row.chunks(LANES)) {
            block[(j % TILE) * LANES..][..values.len()].copy_from_slice(values);
        }
    }
    out
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
    use crate::shape::LANES;
    use ceg4n_ir::network::{Constant, Origin};
    use ceg4n_ir::{Format, NetworkBuilder, Op, Program, Shape as Dims, check};

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
                        stage.run(&x, &mut y, n);
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

    #[test]
    fn tiles_hold_every_weight_once() {
        let (rows, cols) = (6, 11);
        let weight: Vec<i16> = (1..=(rows * cols) as i16).collect();
        let tiles = tiled(&weight, cols);
        assert_eq!(tiles.len(), 8 * 16);
        for (j, row) in weight.chunks(cols).enumerate() {
            for (k, w) in row.iter().enumerate() {
                let block = (j / TILE) * 2 + k / LANES;
                assert_eq!(tiles[(block * TILE + j % TILE) * LANES + k % LANES], *w);
            }
        }
        assert_eq!(tiles.iter().filter(|w| **w == 0).count(), 8 * 16 - 66);
    }
}
