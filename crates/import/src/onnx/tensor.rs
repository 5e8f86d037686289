//! Constant tensors, and reading them without trusting their headers.

use super::external::Store;
use super::proto::{TensorProto, data_type};
use ceg4n_base::{Diagnostic, Exact, codes};
use ceg4n_ir::Wide;
use std::borrow::Cow;
use std::sync::Arc;

/// Elements of one tensor beyond this are refused. Far above any network this compiler is for,
/// and low enough that no sum of products of dimensions overflows.
pub(crate) const MAX_ELEMENTS: usize = 1 << 28;

/// The elements of a constant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    /// float32, and what is one exactly.
    Float(Arc<[f32]>),
    /// Other real numbers.
    Wide(Arc<Wide>),
    /// Integers and booleans (0 and 1) with their type, one of [`data_type`].
    Int(Arc<[i64]>, i32),
}

/// A constant, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    /// Dimensions; none for a scalar.
    pub(crate) dims: Vec<usize>,
    /// As many elements as the dimensions say.
    pub(crate) data: Data,
}

impl Data {
    /// The number of elements.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Float(d) => d.len(),
            Self::Wide(w) => w.high.len(),
            Self::Int(d, _) => d.len(),
        }
    }

    /// Element `i`; `None` for one that is no number or only enclosed.
    pub(crate) fn exact(&self, i: usize) -> Option<Exact> {
        match self {
            Self::Float(d) => Exact::from_f32(*d.get(i)?),
            Self::Wide(w) if w.enclosed => None,
            Self::Wide(w) => {
                let high = Exact::from_f64(*w.high.get(i)?)?;
                Some(&high + &Exact::from_f64(*w.low.get(i)?)?)
            }
            Self::Int(d, _) => Some(Exact::from(*d.get(i)?)),
        }
    }

    /// The elements at `index`, in that order.
    pub(crate) fn picked(&self, index: &[usize]) -> Self {
        match self {
            Self::Float(d) => Self::Float(index.iter().map(|i| d[*i]).collect()),
            Self::Wide(w) => Self::Wide(Arc::new(Wide {
                high: index.iter().map(|i| w.high[*i]).collect(),
                low: index.iter().map(|i| w.low[*i]).collect(),
                enclosed: w.enclosed,
            })),
            Self::Int(d, t) => Self::Int(index.iter().map(|i| d[*i]).collect(), *t),
        }
    }
}

impl Tensor {
    /// A float tensor; the caller keeps the length right.
    pub(crate) fn float(dims: Vec<usize>, data: impl Into<Arc<[f32]>>) -> Self {
        Self {
            dims,
            data: Data::Float(data.into()),
        }
    }

    /// An int64 tensor; the caller keeps the length right.
    pub(crate) fn int(dims: Vec<usize>, data: impl Into<Arc<[i64]>>) -> Self {
        Self {
            dims,
            data: Data::Int(data.into(), data_type::INT64),
        }
    }

    /// The number of elements.
    pub(crate) fn len(&self) -> usize {
        self.data.len()
    }
}

/// Reads a tensor; its header is compared with the data before anything is allocated.
///
/// # Errors
/// Other element types ([`codes::ONNX_DTYPE`]); data of another length or out of reach
/// ([`codes::ONNX_GRAPH`], [`codes::FILE_READ`]).
pub(crate) fn read(t: &TensorProto, store: &Store) -> Result<Tensor, Diagnostic> {
    let graph = |m: String| Diagnostic::error(codes::ONNX_GRAPH, m);
    let what = if t.name.is_empty() {
        "a constant".to_owned()
    } else {
        format!("constant \"{}\"", t.name)
    };
    let (count, dims) = element_count(&t.dims)
        .ok_or_else(|| graph(format!("{what} has impossible dimensions {:?}", t.dims)))?;
    let (typed, size) = layout(t).ok_or_else(|| {
        Diagnostic::error(
            codes::ONNX_DTYPE,
            format!("{what} has elements of type {}", data_type::name(t.data_type)),
        )
        .help("weights are float16, bfloat16, float or double, or integers; convert the model before export")
    })?;
    let raw: Cow<'_, [u8]> = if t.data_location == 0 {
        Cow::Borrowed(&t.raw_data)
    } else {
        Cow::Owned(store.read(t, &what, count * size)?)
    };
    if !raw.is_empty() && typed > 0 {
        return Err(graph(format!("{what} has its data twice")));
    }
    let have = if raw.is_empty() {
        typed
    } else {
        raw.len() / size
    };
    if have != count || !raw.len().is_multiple_of(size) {
        let have = if raw.is_empty() {
            format!("{typed} elements")
        } else {
            format!("{} bytes", raw.len())
        };
        return Err(graph(format!(
            "{what} of dimensions {:?} needs {count} elements of {size} bytes but has {have}",
            t.dims
        ))
        .help("the file is damaged; export or download it again"));
    }
    let data = if raw.is_empty() {
        typed_elements(t)
    } else {
        raw_elements(t.data_type, &raw)
    };
    let data = data.ok_or_else(|| graph(format!("{what} has integers beyond 63 bits")))?;
    Ok(Tensor { dims, data })
}

/// The elements in the field of the tensor's type, and the bytes of a raw one; `None` for types
/// that are not read.
fn layout(t: &TensorProto) -> Option<(usize, usize)> {
    Some(match t.data_type {
        data_type::FLOAT => (t.float_data.len(), 4),
        data_type::DOUBLE => (t.double_data.len(), 8),
        data_type::FLOAT16 | data_type::BFLOAT16 => (t.int32_data.len(), 2),
        data_type::UINT8 | data_type::INT8 | data_type::BOOL => (t.int32_data.len(), 1),
        data_type::UINT16 | data_type::INT16 => (t.int32_data.len(), 2),
        data_type::INT32 => (t.int32_data.len(), 4),
        data_type::INT64 => (t.int64_data.len(), 8),
        data_type::UINT32 => (t.uint64_data.len(), 4),
        data_type::UINT64 => (t.uint64_data.len(), 8),
        _ => return None,
    })
}

/// The elements in the field of their type, whose length has been checked; `None` for integers
/// that do not fit.
fn typed_elements(t: &TensorProto) -> Option<Data> {
    let kind = t.data_type;
    Some(match kind {
        data_type::FLOAT => Data::Float(t.float_data.as_slice().into()),
        data_type::DOUBLE => doubles(t.double_data.iter().copied()),
        // The bits, in the lower half.
        data_type::FLOAT16 => Data::Float(t.int32_data.iter().map(|b| half(*b as u16)).collect()),
        data_type::BFLOAT16 => Data::Float(t.int32_data.iter().map(|b| brain(*b as u16)).collect()),
        data_type::BOOL => {
            let bits = t.int32_data.iter().map(|b| i64::from(*b != 0));
            Data::Int(bits.collect(), kind)
        }
        data_type::INT64 => Data::Int(t.int64_data.as_slice().into(), kind),
        data_type::UINT32 | data_type::UINT64 => {
            let values = t.uint64_data.iter().map(|v| i64::try_from(*v).ok());
            Data::Int(values.collect::<Option<_>>()?, kind)
        }
        _ => {
            let (lo, hi) = data_type::limits(kind)?;
            let fit = t.int32_data.iter().all(|v| (lo..=hi).contains(v));
            let values = t.int32_data.iter().map(|v| i64::from(*v));
            Data::Int(fit.then(|| values.collect())?, kind)
        }
    })
}

/// The elements of little-endian bytes, whose length has been checked; `None` for integers that
/// do not fit.
fn raw_elements(kind: i32, raw: &[u8]) -> Option<Data> {
    let (two, four, eight) = (
        raw.as_chunks::<2>().0,
        raw.as_chunks::<4>().0,
        raw.as_chunks::<8>().0,
    );
    let ints = |values: Vec<i64>| Data::Int(values.into(), kind);
    Some(match kind {
        data_type::FLOAT => Data::Float(four.iter().map(|c| f32::from_le_bytes(*c)).collect()),
        data_type::DOUBLE => doubles(eight.iter().map(|c| f64::from_le_bytes(*c))),
        data_type::FLOAT16 => {
            Data::Float(two.iter().map(|c| half(u16::from_le_bytes(*c))).collect())
        }
        data_type::BFLOAT16 => {
            Data::Float(two.iter().map(|c| brain(u16::from_le_bytes(*c))).collect())
        }
        data_type::BOOL => ints(raw.iter().map(|b| i64::from(*b != 0)).collect()),
        data_type::UINT8 => ints(raw.iter().map(|b| i64::from(*b)).collect()),
        data_type::INT8 => ints(raw.iter().map(|b| i64::from(*b as i8)).collect()),
        data_type::UINT16 => ints(two.iter().map(|c| u16::from_le_bytes(*c).into()).collect()),
        data_type::INT16 => ints(two.iter().map(|c| i16::from_le_bytes(*c).into()).collect()),
        data_type::INT32 => ints(four.iter().map(|c| i32::from_le_bytes(*c).into()).collect()),
        data_type::UINT32 => ints(four.iter().map(|c| u32::from_le_bytes(*c).into()).collect()),
        data_type::INT64 => ints(eight.iter().map(|c| i64::from_le_bytes(*c)).collect()),
        data_type::UINT64 => {
            let values = eight
                .iter()
                .map(|c| i64::try_from(u64::from_le_bytes(*c)).ok());
            ints(values.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Float64 numbers; as float32 where all of them are.
pub(super) fn doubles(values: impl Iterator<Item = f64> + Clone) -> Data {
    let narrow = |v: f64| f64::from(v as f32).to_bits() == v.to_bits();
    if values.clone().all(narrow) {
        Data::Float(values.map(|v| v as f32).collect())
    } else {
        Data::Wide(Arc::new(Wide::doubles(values.collect::<Vec<_>>())))
    }
}

/// The float32 of a float16's bits, which is exact.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        e => (1024.0 + fraction) * 2f32.powi(e - 25),
    };
    sign * magnitude
}

/// The float32 of a bfloat16's bits: its upper half.
fn brain(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_and_brains() {
        for (bits, want) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x2e66, 0.099_975_586),
            (0x0000, 0.0),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), want, "{bits:x}");
        }
        assert!(half(0x7e00).is_nan());
        assert_eq!(brain(0x3f80), 1.0);
        assert_eq!(brain(0xc049), -3.140_625);
    }

    #[test]
    fn doubles_stay_what_they_are() {
        assert_eq!(
            doubles([0.5, -3.0].into_iter()),
            Data::Float([0.5, -3.0].into())
        );
        let Data::Wide(w) = doubles([0.1, 1.0].into_iter()) else {
            panic!("0.1 is no float32")
        };
        assert_eq!((w.high[0], w.low[0], w.enclosed), (0.1, 0.0, false));
        // NaN has no equal; it is refused when it is used.
        assert!(matches!(doubles([1e300, 0.0].into_iter()), Data::Wide(_)));
    }
}
