//! Typed storage of activations and weights.

use crate::shape::{Elem, padded};
use ceg4n_ir::Interval;
use std::sync::OnceLock;

/// An integer type of a buffer.
pub(crate) trait Element: Copy + Ord + Default + Into<i64> + 'static {
    /// The low bits.
    fn narrow(v: i64) -> Self;
}

impl Element for i16 {
    fn narrow(v: i64) -> Self {
        v as Self
    }
}

impl Element for i32 {
    fn narrow(v: i64) -> Self {
        v as Self
    }
}

impl Element for i64 {
    fn narrow(v: i64) -> Self {
        v
    }
}

/// Evaluates an expression with the vector of a [`Storage`], whatever its type.
macro_rules! typed {
    ($storage:expr, $v:ident => $body:expr) => {
        match $storage {
            $crate::buffer::Storage::I16($v) => $body,
            $crate::buffer::Storage::I32($v) => $body,
            $crate::buffer::Storage::I64($v) => $body,
        }
    };
}
pub(crate) use typed;

/// Typed storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
}

impl Storage {
    pub(crate) fn elem(&self) -> Elem {
        match self {
            Self::I16(_) => Elem::I16,
            Self::I32(_) => Elem::I32,
            Self::I64(_) => Elem::I64,
        }
    }

    /// So many zeros.
    pub(crate) fn zeros(elem: Elem, len: usize) -> Self {
        match elem {
            Elem::I16 => Self::I16(vec![0; len]),
            Elem::I32 => Self::I32(vec![0; len]),
            Elem::I64 => Self::I64(vec![0; len]),
        }
    }

    pub(crate) fn len(&self) -> usize {
        typed!(self, v => v.len())
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        match self {
            Self::I16(v) => {
                // Four chains of eight bytes: one would wait for its multiplications.
                let words = v.chunks_exact(16);
                let rest = words.remainder().iter().fold(0, |h, m| mix(h, *m as u64));
                let lanes = words.fold([1u64, 2, 3, 4], |mut lanes, words| {
                    for (h, w) in lanes.iter_mut().zip(words.chunks_exact(4)) {
                        let word = |i: usize| u64::from(w[i] as u16) << (16 * i);
                        *h = mix(*h, word(0) | word(1) | word(2) | word(3));
                    }
                    lanes
                });
                lanes.into_iter().fold(rest, mix)
            }
            Self::I32(v) => v.iter().fold(0, |h, m| mix(h, *m as u64)),
            Self::I64(v) => v.iter().fold(0, |h, m| mix(h, *m as u64)),
        }
    }

    /// The address of an element; one past the end is allowed.
    ///
    /// # Panics
    /// Beyond that.
    fn at(&self, first: usize) -> *const u8 {
        typed!(self, v => v[first..].as_ptr().cast())
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
        let storage = Storage::zeros(elem, row_len * n);
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

    /// The elements.
    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The elements, to write.
    pub(crate) fn storage_mut(&mut self) -> &mut Storage {
        &mut self.storage
    }

    /// The address of an element; one past the end is allowed.
    ///
    /// # Panics
    /// Beyond that.
    pub(crate) fn at(&self, first: usize) -> *const u8 {
        self.storage.at(first)
    }

    /// The same, to write.
    pub(crate) fn at_mut(&mut self, first: usize) -> *mut u8 {
        typed!(&mut self.storage, v => v[first..].as_mut_ptr().cast())
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
        typed!(&mut self.storage, v => fill(v, samples, row_len, len, range))
    }

    /// Appends the first `len` elements of the first `n` rows.
    pub(crate) fn append_to(&self, out: &mut Vec<i64>, len: usize, n: usize) {
        let (row_len, total) = (self.row_len, n * self.row_len);
        typed!(&self.storage, v => append(out, &v[..total], row_len, len));
    }
}

fn append<T: Copy + Into<i64>>(out: &mut Vec<i64>, rows: &[T], row_len: usize, len: usize) {
    for row in rows.chunks_exact(row_len) {
        out.extend(row[..len].iter().map(|m| (*m).into()));
    }
}

fn fill<T: Element>(
    out: &mut [T],
    samples: &[i64],
    row_len: usize,
    len: usize,
    range: Interval,
) -> Result<(), (usize, usize)> {
    let rows = out.chunks_exact_mut(row_len);
    for (s, (row, sample)) in rows.zip(samples.chunks_exact(len)).enumerate() {
        let mut good = true;
        for (y, x) in row.iter_mut().zip(sample) {
            good &= range.lo <= *x && *x <= range.hi;
            *y = T::narrow(*x);
        }
        if !good {
            let outside = |x: &i64| !(range.lo..=range.hi).contains(x);
            let index = sample.iter().position(outside).unwrap_or(0);
            return Err((s, index));
        }
    }
    Ok(())
}

/// Weights in the layout of a [`crate::shape::Body`].
#[derive(Debug)]
pub(crate) struct Weights {
    storage: Storage,
    /// Computed at its first use.
    fingerprint: OnceLock<u64>,
}

impl PartialEq for Weights {
    fn eq(&self, other: &Self) -> bool {
        self.storage == other.storage
    }
}

impl Weights {
    pub(crate) fn new(storage: Storage) -> Self {
        Self {
            storage,
            fingerprint: OnceLock::new(),
        }
    }

    pub(crate) fn none() -> Self {
        Self::new(Storage::I16(Vec::new()))
    }

    /// Equal for equal weights; unequal for most others.
    pub(crate) fn fingerprint(&self) -> u64 {
        *self.fingerprint.get_or_init(|| self.storage.fingerprint())
    }

    pub(crate) fn elem(&self) -> Elem {
        self.storage.elem()
    }

    pub(crate) fn len(&self) -> usize {
        self.storage.len()
    }

    /// Bytes of all.
    pub(crate) fn bytes(&self) -> usize {
        self.len() * self.elem().size()
    }

    /// The address of a weight.
    pub(crate) fn at(&self, first: usize) -> *const u8 {
        self.storage.at(first)
    }
}

/// One step of a fingerprint.
pub(crate) fn mix(h: u64, v: u64) -> u64 {
    (h ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}
