//! Generated code with its data: weights and epilogues in the layouts that it reads.

use crate::buffer::{Buffer, Weights, mix};
use crate::cache::CodeCache;
use crate::error::JitError;
use crate::layout::Kind;
use crate::native::{Call, Code};
use crate::order::Order;
use crate::plan::{Rows, StagePlan};
use crate::shape::{
    Before, Body, Elem, LANES, ProductQuad, Quad, Row, Shape, TILE, VectorEpilogue, padded,
};
use ceg4n_ir::Rounding;
use std::sync::Arc;

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
                let h = mix(mix(h, r.factor as u64), r.floor as u64);
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

/// Code, weights and epilogues.
#[derive(Clone)]
struct Native {
    code: Arc<Code>,
    weights: Arc<Weights>,
    epilogue: Epilogue,
}

impl PartialEq for Native {
    fn eq(&self, other: &Self) -> bool {
        self.code.shape() == other.code.shape()
            && self.epilogue == other.epilogue
            && (Arc::ptr_eq(&self.weights, &other.weights) || self.weights == other.weights)
    }
}

impl Native {
    fn fingerprint(&self) -> u64 {
        mix(self.weights.fingerprint(), self.epilogue.fingerprint())
    }

    /// Bytes of weights and epilogues.
    fn data_bytes(&self) -> usize {
        self.weights.bytes() + self.epilogue.bytes()
    }
}

/// A sample's row as so many equal parts, which have the same epilogues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts {
    count: usize,
    /// Elements of a part.
    len: usize,
    /// Places from one part to the next.
    stride: usize,
}

/// One element of the result for each of the operand, or of each of two.
#[derive(Clone, PartialEq)]
pub(crate) struct Elementwise {
    native: Native,
    parts: Parts,
}

impl Elementwise {
    /// Chooses the code for a body and arranges the epilogues.
    pub(crate) fn new(
        plan: &StagePlan,
        body: Body,
        rounding: Rounding,
        cache: &CodeCache,
    ) -> Result<Self, JitError> {
        let (rows, parts) = arranged(&plan.rows, plan.order);
        let (epilogue, body, parts) = match cache.options().vectors {
            true => vector_form(plan, body, rows, parts),
            false => (Epilogue::Rows(rows), body, parts),
        };
        let wide = matches!(epilogue, Epilogue::Rows(_));
        Ok(Self {
            native: Native {
                code: cache.get(shape(plan, body, rounding, wide))?,
                weights: Arc::new(Weights::none()),
                epilogue,
            },
            parts,
        })
    }

    /// `n` samples; `z` is the second operand of a sum.
    pub(crate) fn run(
        &self,
        x: (&Buffer, usize),
        z: Option<(&Buffer, usize)>,
        y: (&mut Buffer, usize),
        n: usize,
    ) {
        let Parts { count, len, stride } = self.parts;
        let row = y.0.row_len();
        // Whole rows at once where their parts follow each other without a gap.
        let (calls, each) = if count * stride == row {
            (1, n * count)
        } else {
            (n, count)
        };
        for i in 0..calls {
            let first = |sample: usize| (sample + i) * row;
            self.native.code.run(Call {
                x: (x.0, first(x.1), stride),
                z: z.map(|z| (z.0, first(z.1), stride)),
                y: (y.0, first(y.1), stride),
                weights: (&self.native.weights, 0),
                epilogue: (&self.native.epilogue, 0),
                n: each,
                cols: len,
                segments: (1, 0),
                rows: len,
            });
        }
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.native.fingerprint()
    }

    pub(crate) fn data_bytes(&self) -> usize {
        self.native.data_bytes()
    }
}

/// Epilogues for the elements of a row in an order, as few as possible.
fn arranged(rows: &Rows, order: Order) -> (Vec<Row>, Parts) {
    let whole = padded(order.places());
    if let [row] = rows.list[..] {
        let parts = Parts {
            count: whole / LANES,
            len: LANES,
            stride: LANES,
        };
        return (vec![row; LANES], parts);
    }
    if rows.per == order.positions() {
        let stride = if order.is_flat() {
            whole
        } else {
            order.pitch()
        };
        let parts = Parts {
            count: order.positions(),
            len: order.channels(),
            stride,
        };
        return (rows.list.clone(), parts);
    }
    let mut list = vec![Row::IDENTITY; order.places()];
    for i in 0..order.len() {
        list[order.at(i)] = rows.list[i / rows.per];
    }
    let parts = Parts {
        count: 1,
        len: order.places(),
        stride: whole,
    };
    (list, parts)
}

/// Vector code for a body, with its epilogues, where ranges allow it and parts have room for whole
/// tiles; else what was given.
fn vector_form(
    plan: &StagePlan,
    body: Body,
    rows: Vec<Row>,
    parts: Parts,
) -> (Epilogue, Body, Parts) {
    let z = match body {
        Body::Map {
            before: Before::Nothing,
        } => None,
        Body::Sum { z } => Some(z),
        Body::Map { .. }
        | Body::ElementVector { .. }
        | Body::Dense { .. }
        | Body::DenseVector { .. } => return (Epilogue::Rows(rows), body, parts),
    };
    let len = parts.len.next_multiple_of(TILE);
    let small = plan.operands.iter().all(|x| x.elem != Elem::I64);
    if !small || len > parts.stride {
        return (Epilogue::Rows(rows), body, parts);
    }
    let mut filled = rows.clone();
    filled.resize(len, Row::IDENTITY);
    let (epilogue, kind) = match narrowed(plan, &filled, &|j| j < parts.len) {
        Some(Epilogue::Quads(list)) => (Epilogue::Quads(list), VectorEpilogue::Narrow),
        Some(Epilogue::ProductQuads(list)) => {
            (Epilogue::ProductQuads(list), VectorEpilogue::Product)
        }
        Some(Epilogue::Rows(_)) | None => return (Epilogue::Rows(rows), body, parts),
    };
    let body = Body::ElementVector { z, epilogue: kind };
    (epilogue, body, Parts { len, ..parts })
}

fn shape(plan: &StagePlan, body: Body, rounding: Rounding, multiplied: bool) -> Shape {
    Shape {
        body,
        x: plan.operands.first().map_or(Elem::I64, |x| x.elem),
        y: plan.y,
        rounding,
        multiplied: multiplied && plan.rows.list.iter().any(|r| r.multiplier != 1),
    }
}

/// Rows of inputs times a matrix, or one matrix for each group of channels.
#[derive(Clone, PartialEq)]
pub(crate) struct Product {
    native: Native,
    /// Input elements that the code reads of a row, or of a segment.
    pub(crate) cols: usize,
    /// Equal parts of a row that lie apart.
    pub(crate) segments: usize,
    /// Output elements that it writes for a group.
    rows: usize,
    /// Groups.
    pub(crate) groups: usize,
    /// Outputs of one group.
    group: usize,
}

/// Rows of inputs.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub(crate) buffer: &'a Buffer,
    /// The first element of the first row.
    pub(crate) first: usize,
    /// Elements from one row to the next.
    pub(crate) stride: usize,
    /// Elements from one segment of a row to the next; 0 if there is one.
    pub(crate) segment: usize,
}

/// The matrices of a [`Product`].
pub(crate) struct Matrix<'a> {
    pub(crate) weight: &'a Arc<[i32]>,
    /// Where the inputs of a row lie.
    pub(crate) cols: Order,
    /// Equal parts of a row that lie apart, where vector code is chosen.
    pub(crate) segments: usize,
    pub(crate) groups: usize,
    /// The register width of the sum alone.
    pub(crate) width: u8,
    /// The buffer's rows have room for the last tile of the last group.
    pub(crate) tiles_fit: bool,
}

impl Product {
    /// Chooses the code and lays the data out for it; one epilogue of the plan per matrix row.
    pub(crate) fn new(
        plan: &StagePlan,
        matrix: &Matrix<'_>,
        rounding: Rounding,
        cache: &CodeCache,
    ) -> Result<Self, JitError> {
        let group = plan.rows.list.len() / matrix.groups;
        let x = plan.operands.first().map_or(Elem::I64, |x| x.elem);
        let vectors = cache.options().vectors
            && x == Elem::I16
            && matrix.width <= VECTOR_WIDTH
            && matrix.tiles_fit;
        let kind = Kind {
            cols: matrix.cols,
            segments: if vectors { matrix.segments } else { 1 },
            group,
            vectors,
        };
        let laid = cache.layouts().get(matrix.weight, kind);
        let (epilogue, body, multiplied) = if laid.tiled {
            let epilogue = vector_epilogue(plan, group);
            let kind = match &epilogue {
                Epilogue::Quads(_) => VectorEpilogue::Narrow,
                Epilogue::ProductQuads(_) => VectorEpilogue::Product,
                Epilogue::Rows(_) => VectorEpilogue::Wide,
            };
            let wide = kind == VectorEpilogue::Wide;
            (epilogue, Body::DenseVector { epilogue: kind }, wide)
        } else {
            let weight = laid.weights.elem();
            let rows = Epilogue::Rows(plan.rows.list.clone());
            (rows, Body::Dense { weight }, true)
        };
        let places = matrix.cols.places();
        let (cols, rows, segments) = match laid.tiled {
            true => {
                let segment = padded(places / kind.segments);
                (segment, group.next_multiple_of(TILE), kind.segments)
            }
            false => (places, group, 1),
        };
        Ok(Self {
            native: Native {
                code: cache.get(shape(plan, body, rounding, multiplied))?,
                weights: laid.weights,
                epilogue,
            },
            cols,
            segments,
            rows,
            groups: matrix.groups,
            group,
        })
    }

    /// The outputs of a group for `n` rows of inputs; the buffer of outputs comes with the first
    /// element of the first row, and the elements from one row to the next.
    pub(crate) fn run(
        &self,
        group: usize,
        x: Inputs<'_>,
        y: (&mut Buffer, usize, usize),
        n: usize,
    ) {
        self.native.code.run(Call {
            x: (x.buffer, x.first, x.stride),
            z: None,
            y: (y.0, y.1 + group * self.group, y.2),
            weights: (
                &self.native.weights,
                group * self.rows * self.cols * self.segments,
            ),
            epilogue: (&self.native.epilogue, group * self.rows),
            n,
            cols: self.cols,
            segments: (self.segments, x.segment),
            rows: self.rows,
        });
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.native.fingerprint()
    }

    pub(crate) fn data_bytes(&self) -> usize {
        self.native.data_bytes()
    }
}

/// The epilogues of vector code, the rows of each group filled up to whole tiles.
fn vector_epilogue(plan: &StagePlan, group: usize) -> Epilogue {
    let list = &plan.rows.list;
    let padded_group = group.next_multiple_of(TILE);
    let mut rows = Vec::with_capacity(list.len() / group * padded_group);
    for own in list.chunks_exact(group) {
        rows.extend_from_slice(own);
        rows.resize(rows.len() + padded_group - group, Row::IDENTITY);
    }
    let used = |j: usize| j % padded_group < group;
    narrowed(plan, &rows, &used).unwrap_or(Epilogue::Rows(rows))
}

/// Epilogues over 32-bit vectors, or by 64-bit products; `None` if the ranges exclude both.
fn narrowed(plan: &StagePlan, rows: &[Row], used: &dyn Fn(usize) -> bool) -> Option<Epilogue> {
    let narrow = match plan.width {
        0..=VECTOR_WIDTH => quads(rows, used).map(Epilogue::Quads),
        _ => None,
    };
    let products = || match plan.sum_width {
        0..=VECTOR_WIDTH => product_quads(rows, used).map(Epilogue::ProductQuads),
        _ => None,
    };
    narrow.or_else(products)
}

/// The rows by fours, over 32 bits; `None` if a multiplier is not 1, or a four's shifts differ or
/// exceed 31 places. Rows that are not used are padding and take the shifts of their neighbours.
///
/// Truncating biases keeps the sums, which 32 bits hold; saturating the clamps keeps the values.
fn quads(rows: &[Row], used: &dyn Fn(usize) -> bool) -> Option<Vec<Quad>> {
    if rows.iter().any(|r| r.multiplier != 1) {
        return None;
    }
    let quad = |(q, rows): (usize, &[Row])| {
        let first = rows[0];
        let used = rows.iter().enumerate().filter(|(r, _)| used(q * TILE + r));
        let shared = |(_, r): (usize, &Row)| (r.left, r.right) == (first.left, first.right);
        if first.left > 31 || first.right > 31 || !used.into_iter().all(shared) {
            return None;
        }
        Some(Quad {
            bias: lanes(rows, |r| r.bias as i32),
            floor: lanes(rows, |r| saturated(r.floor)),
            ceil: lanes(rows, |r| saturated(r.ceil)),
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

/// The rows by fours, for products with factors below 2^31; `None` if a row does not shift right
/// or its factor is larger. Rows that are not used are padding. A sum of 32 bits times a factor
/// has less than 63 bits, so that the high half with its rounding is below 2^31.
fn product_quads(rows: &[Row], used: &dyn Fn(usize) -> bool) -> Option<Vec<ProductQuad>> {
    let factor = |(j, r): (usize, &Row)| match r.right {
        _ if !used(j) => Some(0),
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
        ceil: lanes(rows, |r| saturated(r.ceil)),
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
