//! All grid points of an integer box, chunk by chunk.

use crate::error::JitError;
use crate::evaluator::Evaluator;
use std::ops::ControlFlow;

/// What sees the chunks of a sweep: inputs (`n × input_len`), their outputs (`n × output_len`) and
/// `n`; it may break off.
pub type Visit<'a> = dyn FnMut(&[i64], &[i64], usize) -> ControlFlow<()> + 'a;

/// How far [`Evaluator::for_each_in_box`] came. Only [`Sweep::Complete`] speaks for the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "only `Sweep::Complete` says that every point of the box was seen"]
pub enum Sweep {
    /// The visitor saw every point of the box.
    Complete {
        /// How many.
        points: u64,
    },
    /// The visitor broke off.
    Stopped {
        /// How many points it saw.
        points: u64,
    },
    /// The limit was reached, and points are left.
    Limit {
        /// How many points it saw: the limit.
        points: u64,
    },
}

/// The number of integer points in a box: 0 if `lo > hi` anywhere, `None` beyond 64 bits.
///
/// # Panics
/// If the ends have different lengths.
pub fn box_points(lo: &[i64], hi: &[i64]) -> Option<u64> {
    assert_eq!(lo.len(), hi.len(), "a box has as many lower as upper ends");
    if lo.iter().zip(hi).any(|(l, h)| l > h) {
        return Some(0);
    }
    lo.iter().zip(hi).try_fold(1u64, |n, (l, h)| {
        // Exact: the difference of two i64 with l <= h fits.
        n.checked_mul(h.abs_diff(*l).checked_add(1)?)
    })
}

impl Evaluator {
    /// Evaluates the integer points of the box `lo ..= hi` in lexicographic order, the last
    /// coordinate fastest, at most `limit` of them, and shows them to `visit` in chunks.
    ///
    /// # Errors
    /// [`JitError::InputLength`], [`JitError::EmptyBox`], and [`JitError::InputRange`] if an end
    /// lies outside the input format. Nothing was visited then.
    pub fn for_each_in_box(
        &self,
        lo: &[i64],
        hi: &[i64],
        limit: u64,
        visit: &mut Visit<'_>,
    ) -> Result<Sweep, JitError> {
        self.check_box(lo, hi)?;
        let total = box_points(lo, hi);
        let wanted = total.map_or(limit, |t| t.min(limit));
        let len = lo.len();
        let mut point = lo.to_vec();
        let mut inputs = Vec::with_capacity(self.chunk() * len);
        let mut outputs = Vec::new();
        let mut points = 0u64;
        while points < wanted {
            let n = (wanted - points).min(self.chunk() as u64) as usize;
            inputs.clear();
            for _ in 0..n {
                inputs.extend_from_slice(&point);
                step(&mut point, lo, hi);
            }
            self.eval_batch(&inputs, n, &mut outputs)?;
            points += n as u64;
            if visit(&inputs, &outputs, n).is_break() {
                return Ok(Sweep::Stopped { points });
            }
        }
        Ok(if total == Some(points) {
            Sweep::Complete { points }
        } else {
            Sweep::Limit { points }
        })
    }

    fn check_box(&self, lo: &[i64], hi: &[i64]) -> Result<(), JitError> {
        for end in [lo, hi] {
            if end.len() != self.input_len() {
                return Err(JitError::InputLength {
                    expected: self.input_len(),
                    found: end.len(),
                });
            }
        }
        if let Some(index) = lo.iter().zip(hi).position(|(l, h)| l > h) {
            return Err(JitError::EmptyBox { index });
        }
        let range = self.input_range();
        for end in [lo, hi] {
            let outside = |m: &i64| *m < range.lo || *m > range.hi;
            if let Some(index) = end.iter().position(outside) {
                return Err(JitError::InputRange {
                    sample: 0,
                    index,
                    mantissa: end[index],
                });
            }
        }
        Ok(())
    }
}

/// The next point; after the last one the first again.
fn step(point: &mut [i64], lo: &[i64], hi: &[i64]) {
    for ((x, l), h) in point.iter_mut().zip(lo).zip(hi).rev() {
        if *x < *h {
            *x += 1;
            return;
        }
        *x = *l;
    }
}
