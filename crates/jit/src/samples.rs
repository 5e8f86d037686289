//! Inputs in the layout that native code reads, made once and used by every candidate.

use crate::buffer::Buffer;
use crate::error::JitError;
use crate::shape::Elem;
use ceg4n_base::Exact;
use ceg4n_ir::check::quantize_f32;
use ceg4n_ir::{Format, Interval};
use std::sync::atomic::{AtomicU64, Ordering};

/// The identity of the next set.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Inputs of one format, checked and packed. It never changes, and no two sets of a process have
/// one identity, so what was computed from it may be kept ([`crate::PrefixCache`]).
#[derive(Debug)]
pub struct Samples {
    id: u64,
    format: Format,
    input_len: usize,
    len: usize,
    rows: Buffer,
}

impl Samples {
    /// Packs `inputs`: samples of `input_len` mantissas of the format, one after the other.
    ///
    /// # Errors
    /// [`JitError::InputLength`] if they are no whole samples, [`JitError::InputRange`] for the
    /// first mantissa outside the format.
    pub fn new(format: Format, input_len: usize, inputs: &[i64]) -> Result<Self, JitError> {
        let len = whole_samples(input_len, inputs.len())?;
        let range = Interval::new(format.min(), format.max());
        let mut rows = Buffer::new(Elem::of(range), input_len, len);
        rows.fill(inputs, input_len, range)
            .map_err(|(sample, index)| JitError::InputRange {
                sample,
                index,
                mantissa: inputs[sample * input_len + index],
            })?;
        Ok(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            format,
            input_len,
            len,
            rows,
        })
    }

    /// Quantizes real inputs as [`Format::quantize`] does, and packs them.
    ///
    /// # Errors
    /// [`JitError::InputLength`] if they are no whole samples, [`JitError::NotFinite`] for the
    /// first input that is no number.
    pub fn quantize(format: Format, input_len: usize, inputs: &[f32]) -> Result<Self, JitError> {
        whole_samples(input_len, inputs.len())?;
        if let Some(i) = inputs.iter().position(|x| !x.is_finite()) {
            return Err(JitError::NotFinite {
                sample: i / input_len,
                index: i % input_len,
            });
        }
        let small = format.max() <= i64::from(i32::MAX);
        let quantize = |x: &f32| match Exact::from_f32(*x) {
            Some(exact) if !small => format.quantize(&exact),
            Some(_) | None => i64::from(quantize_f32(format, *x)),
        };
        let mantissas: Vec<i64> = inputs.iter().map(quantize).collect();
        Self::new(format, input_len, &mantissas)
    }

    /// The format of the inputs.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Mantissas of one sample.
    pub fn input_len(&self) -> usize {
        self.input_len
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without a sample.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Unique in this process.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// One row a sample.
    pub(crate) fn rows(&self) -> &Buffer {
        &self.rows
    }
}

/// How many samples so many mantissas are.
fn whole_samples(input_len: usize, found: usize) -> Result<usize, JitError> {
    if input_len > 0 && found.is_multiple_of(input_len) {
        return Ok(found / input_len);
    }
    Err(JitError::InputLength {
        expected: found.next_multiple_of(input_len.max(1)),
        found,
    })
}
