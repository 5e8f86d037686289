//! Strict top-1 where the reference changes its class: two points that the kernel cannot tell
//! apart, with different strict winners. One of them refutes the kernel.

use super::find::Target;
use super::frame::Frame;
use crate::subject::Trouble;
use crate::verdict::{ClassChange, Witness};
use ceg4n_base::Exact;
use ceg4n_ir::kernel::argmax;

/// Halvings of the way between the points: far less than a cell, far more than rounding errors.
const HALVINGS: usize = 36;

/// Replays that may fail.
const MISSES: usize = 4;

/// Bisects between two points where the reference has different strict winners; a point on the
/// way, or an end, that breaks top-1. `None` where the kernel changes its class just there, which
/// is so on many grids.
///
/// # Errors
/// A defect found by replay.
pub fn split_cell(target: &Target<'_>, change: &ClassChange) -> Result<Option<Witness>, Trouble> {
    let floats = |x: &[Exact]| -> Vec<f64> { x.iter().map(Exact::to_f64).collect() };
    let (mut a, mut b) = (floats(&change.a.0), floats(&change.b.0));
    let mut sees = target.subject.net().batch(1);
    let mut means = target.reference.net().batch(1);
    for (near, (x, class)) in [(&a, &change.a), (&b, &change.b)] {
        if argmax(sees.forward(near)) != Some(*class)
            && let Some(w) = target.replay(x)?
        {
            return Ok(Some(w));
        }
    }
    let Some(frame) = Frame::new(target.space, target.rounds_to()) else {
        return Ok(None);
    };
    let mut misses = 0;
    for _ in 0..HALVINGS {
        let mut x: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a + (b - a) / 2.0).collect();
        frame.settle(&mut x);
        if x == a || x == b {
            break;
        }
        let class = argmax(means.forward(&x));
        if class != argmax(sees.forward(&x)) && misses < MISSES {
            if let Some(w) = target.replay_near(&x)? {
                return Ok(Some(w));
            }
            misses += 1;
        }
        if class == Some(change.a.1) {
            a = x;
        } else {
            b = x;
        }
    }
    Ok(None)
}
