//! Weights in the layouts that native code reads, and a memory of those made last: candidates of a
//! search share the mantissas of most layers.

use crate::buffer::{Storage, Weights};
use crate::shape::{LANES, TILE, padded};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Layouts that are remembered.
const REMEMBERED: usize = 64;

/// Weights and their layout.
#[derive(Clone)]
pub(crate) struct Laid {
    pub(crate) weights: Arc<Weights>,
    /// In tiles, for vector code; else row by row.
    pub(crate) tiled: bool,
}

/// Layouts by the identity of the mantissas that they were made of.
#[derive(Default)]
pub(crate) struct Layouts(Mutex<VecDeque<Known>>);

struct Known {
    /// While it exists, no other mantissas can have this address.
    mantissas: Weak<[i32]>,
    cols: usize,
    vectors: bool,
    laid: Laid,
}

impl Layouts {
    /// Lays out rows of `cols` mantissas: in tiles if vector code is wanted and 16 bits hold them.
    pub(crate) fn get(&self, mantissas: &Arc<[i32]>, cols: usize, vectors: bool) -> Laid {
        let address = Arc::as_ptr(mantissas);
        let same = |k: &Known| {
            std::ptr::eq(k.mantissas.as_ptr(), address)
                && (k.cols, k.vectors) == (cols, vectors)
                // Empty slices of different origin may share an address.
                && k.mantissas.strong_count() > 0
        };
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(k) = lock().iter().find(|k| same(k)) {
            return k.laid.clone();
        }
        let laid = lay(mantissas, cols, vectors);
        let mut known = lock();
        known.retain(|k| k.mantissas.strong_count() > 0);
        known.truncate(REMEMBERED - 1);
        known.push_front(Known {
            mantissas: Arc::downgrade(mantissas),
            cols,
            vectors,
            laid: laid.clone(),
        });
        laid
    }
}

fn lay(mantissas: &[i32], cols: usize, vectors: bool) -> Laid {
    let outside = |m: &i32| i32::from(*m as i16) != *m;
    // No early end, so that the loop becomes vector code.
    let fits = !mantissas.iter().fold(false, |bad, m| bad | outside(m));
    let storage = match (fits, vectors) {
        (true, true) => Storage::I16(tiled(mantissas, cols)),
        (true, false) => Storage::I16(mantissas.iter().map(|m| *m as i16).collect()),
        (false, _) => Storage::I32(mantissas.to_vec()),
    };
    Laid {
        weights: Arc::new(Weights::new(storage)),
        tiled: fits && vectors,
    }
}

/// Weights for vector code: for every tile of [`TILE`] rows and every vector of [`LANES`] columns
/// the vectors of the tile's rows one after the other. Missing rows and columns are zeros, so the
/// padding of the inputs does not count. 16 bits hold the weights.
fn tiled(weight: &[i32], cols: usize) -> Vec<i16> {
    let padded_cols = padded(cols);
    let rows = weight.len() / cols;
    let mut out = vec![0; rows.next_multiple_of(TILE) * padded_cols];
    for (j, row) in weight.chunks_exact(cols).enumerate() {
        let tile = &mut out[(j / TILE) * TILE * padded_cols..][..TILE * padded_cols];
        for (block, values) in tile.chunks_exact_mut(TILE * LANES).zip(row.chunks(LANES)) {
            let lanes = &mut block[(j % TILE) * LANES..][..LANES];
            for (lane, m) in lanes.iter_mut().zip(values) {
                *lane = *m as i16;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_hold_every_weight_once() {
        let (rows, cols) = (6, 11);
        let weight: Vec<i32> = (1..=rows * cols).collect();
        let tiles = tiled(&weight, cols as usize);
        assert_eq!(tiles.len(), 8 * 16);
        for (j, row) in weight.chunks(cols as usize).enumerate() {
            for (k, w) in row.iter().enumerate() {
                let block = (j / TILE) * 2 + k / LANES;
                let found = tiles[(block * TILE + j % TILE) * LANES + k % LANES];
                assert_eq!(i32::from(found), *w);
            }
        }
        assert_eq!(tiles.iter().filter(|w| **w == 0).count(), 8 * 16 - 66);
    }

    #[test]
    fn layouts_belong_to_their_mantissas() {
        let layouts = Layouts::default();
        let of = |m: &[i32]| -> Arc<[i32]> { m.into() };
        let (a, b) = (of(&[1, 2, 3, 4]), of(&[1, 2, 3, 5]));
        let first = layouts.get(&a, 2, false).weights;
        assert!(Arc::ptr_eq(&first, &layouts.get(&a, 2, false).weights));
        assert_ne!(first, layouts.get(&b, 2, false).weights);
        assert!(layouts.get(&a, 2, true).tiled);
        assert_ne!(
            layouts.get(&a, 4, true).weights,
            layouts.get(&a, 2, true).weights
        );
        assert!(!layouts.get(&of(&[1 << 15]), 1, true).tiled);
        assert!(layouts.get(&of(&[-1 << 15]), 1, true).tiled);
        // Mantissas at a freed place are other mantissas.
        for i in 0..1000 {
            let m = of(&[i, i + 1]);
            let fresh = lay(&m, 1, true).weights;
            assert_eq!(layouts.get(&m, 1, true).weights, fresh);
        }
        assert!(layouts.0.lock().unwrap().len() <= REMEMBERED);
    }
}
