//! Constant tensors: reading them without trusting their headers, and the exact arithmetic on
//! them that import needs (transposing, scaling, broadcasting, folding).

use super::proto::{TensorProto, data_type};
use ceg4n_base::{Diagnostic, Exact, codes};
use std::sync::Arc;

/// Elements of one tensor beyond this are refused. Far above any network this compiler is for,
/// and low enough that no sum of products of dimensions overflows.
pub(crate) const MAX_ELEMENTS: usize = 1 << 28;

/// The elements of a constant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    /// float32.
    Float(Arc<[f32]>),
    /// int64, for shapes; bool as 0 and 1.
    Int(Arc<[i64]>),
}

/// A constant, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    /// Dimensions; none for a scalar.
    pub(crate) dims: Vec<usize>,
    /// As many elements as the dimensions say.
    pub(crate) data: Data,
}

impl Tensor {
    /// A float tensor; the caller keeps the length right.
    pub(crate) fn float(dims: Vec<usize>, data: impl Into<Arc<[f32]>>) -> Self {
        Self {
            dims,
            data: Data::Float(data.into()),
        }
    }

    /// An integer tensor; the caller keeps the length right.
    pub(crate) fn int(dims: Vec<usize>, data: impl Into<Arc<[i64]>>) -> Self {
        Self {
            dims,
            data: Data::Int(data.into()),
        }
    }

    /// The number of elements.
    pub(crate) fn len(&self) -> usize {
        match &self.data {
            Data::Float(d) => d.len(),
            Data::Int(d) => d.len(),
        }
    }
}

/// Reads a tensor; its header is compared with the data before anything is allocated.
///
/// # Errors
/// Other element types ([`codes::ONNX_DTYPE`]); data elsewhere or of another length
/// ([`codes::ONNX_GRAPH`]).
pub(crate) fn read(t: &TensorProto) -> Result<Tensor, Diagnostic> {
    let graph = |m: String| Diagnostic::error(codes::ONNX_GRAPH, m);
    let what = if t.name.is_empty() {
        "a constant".to_owned()
    } else {
        format!("constant \"{}\"", t.name)
    };
    if t.data_location != 0 {
        return Err(
            graph(format!("{what} keeps its data in another file")).help(
                "save the model in one file, in Python: onnx.save(onnx.load(\"model.onnx\"), \"one.onnx\")",
            ),
        );
    }
    let (count, dims) = element_count(&t.dims)
        .ok_or_else(|| graph(format!("{what} has impossible dimensions {:?}", t.dims)))?;
    let (typed, size) = match t.data_type {
        data_type::FLOAT => (t.float_data.len(), 4),
        data_type::INT64 => (t.int64_data.len(), 8),
        data_type::BOOL => (t.int32_data.len(), 1),
        other => {
            return Err(Diagnostic::error(
                codes::ONNX_DTYPE,
                format!("{what} has elements of type {}", data_type::name(other)),
            )
            .help("weights must be float (32 bits); convert the model to float32 before export"));
        }
    };
    let raw = t.raw_data.len();
    if raw > 0 && typed > 0 {
        return Err(graph(format!("{what} has its data twice")));
    }
    let have = if raw > 0 { raw / size } else { typed };
    if have != count || !raw.is_multiple_of(size) {
        let have = if raw > 0 {
            format!("{raw} bytes")
        } else {
            format!("{typed} elements")
        };
        return Err(graph(format!(
            "{what} of dimensions {:?} needs {count} elements of {size} bytes but has {have}",
            t.dims
        ))
        .help("the file is damaged; export or download it again"));
    }
    Ok(Tensor {
        dims,
        data: elements(t),
    })
}

/// The elements of a tensor whose type and length have been checked.
fn elements(t: &TensorProto) -> Data {
    let raw = !t.raw_data.is_empty();
    match t.data_type {
        data_type::FLOAT if raw => {
            let chunks = t.raw_data.as_chunks::<4>().0;
            Data::Float(chunks.iter().map(|c| f32::from_le_bytes(*c)).collect())
        }
        data_type::FLOAT => Data::Float(t.float_data.as_slice().into()),
        data_type::INT64 if raw => {
            let chunks = t.raw_data.as_chunks::<8>().0;
            Data::Int(chunks.iter().map(|c| i64::from_le_bytes(*c)).collect())
        }
        data_type::INT64 => Data::Int(t.int64_data.as_slice().into()),
        _ if raw => Data::Int(t.raw_data.iter().map(|b| i64::from(*b != 0)).collect()),
        _ => Data::Int(t.int32_data.iter().map(|b| i64::from(*b != 0)).collect()),
    }
}

/// The product of dimensions, and these as sizes; `None` if one is negative or the product absurd.
/// A zero dimension is legal: an empty tensor, for instance the shape of a scalar.
fn element_count(dims: &[i64]) -> Option<(usize, Vec<usize>)> {
    let dims: Vec<usize> = dims
        .iter()
        .map(|d| usize::try_from(*d).ok())
        .collect::<Option<_>>()?;
    let count = checked_len(&dims)?;
    Some((count, dims))
}

/// The product of dimensions; `None` beyond [`MAX_ELEMENTS`].
pub(crate) fn checked_len(dims: &[usize]) -> Option<usize> {
    dims.iter()
        .try_fold(1usize, |n, d| n.checked_mul(*d))
        .filter(|n| *n <= MAX_ELEMENTS)
}

/// `data·factor`; `None` where a product is no float32.
pub(crate) fn scaled(data: &[f32], factor: f32) -> Option<Vec<f32>> {
    data.iter()
        .map(|v| {
            // 24 + 24 significant bits and the sum of the exponents fit an f64.
            let exact = f64::from(*v) * f64::from(factor);
            let rounded = exact as f32;
            (rounded.is_finite() && f64::from(rounded) == exact).then_some(rounded)
        })
        .collect()
}

/// A `rows x cols` matrix transposed.
pub(crate) fn transposed(data: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    (0..cols)
        .flat_map(|c| (0..rows).map(move |r| data[r * cols + c]))
        .collect()
}

/// The dimensions of `x op c` under numpy broadcasting where `c` does not enlarge `x`; `None`
/// where it does or they do not fit.
pub(crate) fn broadcast_dims(x: &[usize], c: &[usize]) -> Option<Vec<usize>> {
    let rank = x.len().max(c.len());
    let (x, c) = (padded(x, rank), padded(c, rank));
    x.iter()
        .zip(&c)
        .all(|(x, c)| c == x || *c == 1)
        .then_some(x)
}

/// The elements of `c` spread over `x`, of dimensions that [`broadcast_dims`] accepted.
pub(crate) fn spread(x: &[usize], c_dims: &[usize], c: &[f32]) -> Vec<f32> {
    let rank = x.len().max(c_dims.len());
    let (x, c_dims) = (padded(x, rank), padded(c_dims, rank));
    let mut out = c.to_vec();
    // From the last axis outward; `inner` is the size of what already has its final form.
    let mut inner = 1;
    for (want, have) in x.iter().zip(&c_dims).rev() {
        if want != have {
            out = out
                .chunks(inner.max(1))
                .flat_map(|block| std::iter::repeat_n(block, *want))
                .flatten()
                .copied()
                .collect();
        }
        inner *= want;
    }
    out
}

fn padded(dims: &[usize], rank: usize) -> Vec<usize> {
    let mut out = vec![1; rank - dims.len()];
    out.extend_from_slice(dims);
    out
}

/// What folds two constants.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fold {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a / b`.
    Div,
}

/// The result as a float32 if it is one exactly.
pub(crate) fn fold(op: Fold, a: f32, b: f32) -> Option<f32> {
    let (ea, eb) = (Exact::from_f32(a)?, Exact::from_f32(b)?);
    let (wa, wb) = (f64::from(a), f64::from(b));
    let rounded = match op {
        Fold::Add => wa + wb,
        Fold::Sub => wa - wb,
        Fold::Div => wa / wb,
    } as f32;
    let er = Exact::from_f32(rounded)?;
    let same = match op {
        Fold::Add => er == &ea + &eb,
        Fold::Sub => er == &ea - &eb,
        Fold::Div => !eb.is_zero() && &er * &eb == ea,
    };
    same.then_some(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_like_numpy() {
        let s = |x: &[usize], d: &[usize], c: &[f32]| spread(x, d, c);
        assert_eq!(s(&[1, 3], &[3], &[1., 2., 3.]), [1., 2., 3.]);
        assert_eq!(s(&[2, 2], &[2, 1], &[1., 2.]), [1., 1., 2., 2.]);
        assert_eq!(s(&[2, 2], &[1, 2], &[1., 2.]), [1., 2., 1., 2.]);
        assert_eq!(
            s(&[2, 3, 2], &[2, 1, 2], &[1., 2., 3., 4.]),
            [1., 2., 1., 2., 1., 2., 3., 4., 3., 4., 3., 4.]
        );
        assert_eq!(s(&[2, 2], &[], &[7.]), [7.; 4]);
        assert_eq!(broadcast_dims(&[1, 3], &[2, 3]), None);
        assert_eq!(broadcast_dims(&[3], &[1, 1, 3]), Some(vec![1, 1, 3]));
        assert_eq!(broadcast_dims(&[4], &[3]), None);
    }

    #[test]
    fn scales_and_folds_only_exactly() {
        assert_eq!(scaled(&[3.0, -0.75], 0.5), Some(vec![1.5, -0.375]));
        assert_eq!(scaled(&[0.1], 3.0), None);
        assert_eq!(scaled(&[f32::MAX], 2.0), None);
        assert_eq!(scaled(&[f32::from_bits(1)], 0.5), None);
        assert_eq!(fold(Fold::Add, 1.0, 2.5), Some(3.5));
        assert_eq!(fold(Fold::Add, 1.0, 1e-30), None);
        assert_eq!(fold(Fold::Sub, 0.1, 0.1), Some(0.0));
        assert_eq!(fold(Fold::Div, 1.0, 3.0), None);
        assert_eq!(fold(Fold::Div, 3.0, 4.0), Some(0.75));
        assert_eq!(fold(Fold::Div, 1.0, 0.0), None);
        assert_eq!(fold(Fold::Add, f32::NAN, 0.0), None);
    }

    #[test]
    fn transposes() {
        assert_eq!(
            transposed(&[1., 2., 3., 4., 5., 6.], 2, 3),
            [1., 4., 2., 5., 3., 6.]
        );
    }
}
