//! Weights in the layouts that native code reads, and a memory of those made last: candidates of a
//! search share the mantissas of most layers.

use crate::buffer::{Storage, Weights};
use crate::order::Order;
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
    kind: Kind,
    laid: Laid,
}

/// How rows of mantissas are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Where the columns of a row meet the inputs.
    pub(crate) cols: Order,
    /// Equal parts of a row that are padded to whole vectors, each on its own; 1 without vectors.
    pub(crate) segments: usize,
    /// Rows that belong together, and begin with a tile: all, or those of a group of channels.
    pub(crate) group: usize,
    /// Vector code is wanted.
    pub(crate) vectors: bool,
}

impl Layouts {
    /// Lays out rows of mantissas: in tiles if vector code is wanted and 16 bits hold them.
    pub(crate) fn get(&self, mantissas: &Arc<[i32]>, kind: Kind) -> Laid {
        let address = Arc::as_ptr(mantissas);
        let same = |k: &Known| {
            std::ptr::eq(k.mantissas.as_ptr(), address)
                && k.kind == kind
                // Empty slices of different origin may share an address.
                && k.mantissas.strong_count() > 0
        };
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(k) = lock().iter().find(|k| same(k)) {
            return k.laid.clone();
        }
        let laid = lay(mantissas, kind);
        let mut known = lock();
        known.retain(|k| k.mantissas.strong_count() > 0);
        known.truncate(REMEMBERED - 1);
        known.push_front(Known {
            mantissas: Arc::downgrade(mantissas),
            kind,
            laid: laid.clone(),
        });
        laid
    }
}

fn lay(mantissas: &[i32], kind: Kind) -> Laid {
    let outside = |m: &i32| i32::from(*m as i16) != *m;
    // No early end, so that the loop becomes vector code.
    let fits = !mantissas.iter().fold(false, |bad, m| bad | outside(m));
    let storage = match (fits, kind.vectors) {
        (true, true) => Storage::I16(tiled(mantissas, kind)),
        (true, false) => Storage::I16(in_rows(mantissas, kind.cols, |m| m as i16)),
        (false, _) => Storage::I32(in_rows(mantissas, kind.cols, |m| m)),
    };
    Laid {
        weights: Arc::new(Weights::new(storage)),
        tiled: fits && kind.vectors,
    }
}

/// Row by row, each as long as a row of inputs; zeros where that holds no input.
fn in_rows<T: Copy + Default>(weight: &[i32], cols: Order, narrow: impl Fn(i32) -> T) -> Vec<T> {
    if cols.is_flat() {
        return weight.iter().map(|m| narrow(*m)).collect();
    }
    let rows = weight.len() / cols.len();
    let places: Vec<usize> = (0..cols.len()).map(|k| cols.at(k)).collect();
    let mut out = vec![T::default(); rows * cols.places()];
    let from = weight.chunks_exact(cols.len());
    for (to, row) in out.chunks_exact_mut(cols.places()).zip(from) {
        for (place, m) in places.iter().zip(row) {
            to[*place] = narrow(*m);
        }
    }
    out
}

/// Weights for vector code: for every tile of [`TILE`] rows and every vector of [`LANES`] columns
/// the vectors of the tile's rows one after the other. Missing rows and columns are zeros, so the
/// padding of the inputs does not count. 16 bits hold the weights.
fn tiled(weight: &[i32], kind: Kind) -> Vec<i16> {
    let cols = kind.cols;
    let segment = cols.places() / kind.segments;
    let padded_segment = padded(segment);
    let padded_cols = padded_segment * kind.segments;
    let rows = weight.len() / cols.len();
    let padded_rows = rows / kind.group * kind.group.next_multiple_of(TILE);
    let mut out = vec![0; padded_rows * padded_cols];
    let ordered = in_rows(weight, cols, |m| m as i16);
    for (row, values) in ordered.chunks_exact(cols.places()).enumerate() {
        let j = row / kind.group * kind.group.next_multiple_of(TILE) + row % kind.group;
        let tile = &mut out[(j / TILE) * TILE * padded_cols..][..TILE * padded_cols];
        let segments = tile.chunks_exact_mut(TILE * padded_segment);
        for (segment, values) in segments.zip(values.chunks(segment)) {
            let blocks = segment.chunks_exact_mut(TILE * LANES);
            for (block, values) in blocks.zip(values.chunks(LANES)) {
                block[(j % TILE) * LANES..][..values.len()].copy_from_slice(values);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(cols: usize, group: usize, vectors: bool) -> Kind {
        let cols = Order::flat(cols);
        Kind {
            cols,
            segments: 1,
            group,
            vectors,
        }
    }

    /// Groups begin with a tile, columns go where their inputs are.
    #[test]
    fn groups_and_orders_are_followed() {
        let cols = Order::planes(2, 3, 4);
        let weight: Vec<i32> = (1..=36).collect();
        let tiles = tiled(
            &weight,
            Kind {
                cols,
                segments: 1,
                group: 3,
                vectors: true,
            },
        );
        assert_eq!(tiles.len(), 8 * 16);
        for (row, values) in weight.chunks(6).enumerate() {
            let j = row / 3 * 4 + row % 3;
            for (k, w) in values.iter().enumerate() {
                let at = cols.at(k);
                let block = (j / TILE) * 2 + at / LANES;
                let found = tiles[(block * TILE + j % TILE) * LANES + at % LANES];
                assert_eq!(i32::from(found), *w);
            }
        }
        assert_eq!(tiles.iter().filter(|w| **w != 0).count(), 36);
    }

    #[test]
    fn tiles_hold_every_weight_once() {
        let (rows, cols) = (6, 11);
        let weight: Vec<i32> = (1..=rows * cols).collect();
        let tiles = tiled(&weight, kind(cols as usize, rows as usize, true));
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
        let first = layouts.get(&a, kind(2, 2, false)).weights;
        assert!(Arc::ptr_eq(
            &first,
            &layouts.get(&a, kind(2, 2, false)).weights
        ));
        assert_ne!(first, layouts.get(&b, kind(2, 2, false)).weights);
        assert!(layouts.get(&a, kind(2, 2, true)).tiled);
        assert_ne!(
            layouts.get(&a, kind(4, 1, true)).weights,
            layouts.get(&a, kind(2, 2, true)).weights
        );
        assert!(!layouts.get(&of(&[1 << 15]), kind(1, 1, true)).tiled);
        assert!(layouts.get(&of(&[-1 << 15]), kind(1, 1, true)).tiled);
        // Mantissas at a freed place are other mantissas.
        for i in 0..1000 {
            let m = of(&[i, i + 1]);
            let fresh = lay(&m, kind(1, 2, true)).weights;
            assert_eq!(layouts.get(&m, kind(1, 2, true)).weights, fresh);
        }
        assert!(layouts.0.lock().unwrap().len() <= REMEMBERED);
    }
}
