//! Where the elements of a tensor lie in a buffer's row. Windows slide fastest over tensors whose
//! channels lie next to each other, position by position; the rest of a program lies as the IR
//! counts: row-major with the channels first.

use crate::shape::LANES;

/// Element `c·positions + p` of a tensor lies at `p·pitch + c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order {
    channels: usize,
    positions: usize,
    pitch: usize,
}

impl Order {
    /// As the IR counts.
    pub(crate) fn flat(len: usize) -> Self {
        Self {
            channels: len,
            positions: 1,
            pitch: len,
        }
    }

    /// Channels next to each other, each position `pitch` elements after the one before it.
    pub(crate) fn planes(channels: usize, positions: usize, pitch: usize) -> Self {
        debug_assert!(channels <= pitch, "positions do not overlap");
        if positions == 1 || (channels, pitch) == (1, 1) {
            return Self::flat(channels * positions);
        }
        Self {
            channels,
            positions,
            pitch,
        }
    }

    /// Such an order with a pitch that suits vector code, if there are channels enough to fill it.
    pub(crate) fn interleaved(channels: usize, positions: usize) -> Self {
        let pitch = match channels {
            0..LANES => channels,
            _ => channels.next_multiple_of(LANES),
        };
        Self::planes(channels, positions, pitch)
    }

    /// Elements.
    pub(crate) fn len(self) -> usize {
        self.channels * self.positions
    }

    /// Places, those that hold no element included.
    pub(crate) fn places(self) -> usize {
        self.positions * self.pitch
    }

    /// The place of an element.
    pub(crate) fn at(self, i: usize) -> usize {
        i % self.positions * self.pitch + i / self.positions
    }

    /// The elements in the order of their places.
    pub(crate) fn elements(self) -> impl Iterator<Item = usize> {
        (0..self.positions)
            .flat_map(move |p| (0..self.channels).map(move |c| c * self.positions + p))
    }

    /// Elements at one position; all of a flat tensor.
    pub(crate) fn channels(self) -> usize {
        self.channels
    }

    /// 1 for a flat tensor.
    pub(crate) fn positions(self) -> usize {
        self.positions
    }

    /// Places from one position to the next.
    pub(crate) fn pitch(self) -> usize {
        self.pitch
    }

    /// True if elements lie as the IR counts.
    pub(crate) fn is_flat(self) -> bool {
        self.positions == 1
    }

    /// The pitch, if the order is one of so many channels next to each other.
    pub(crate) fn pitch_of(self, channels: usize, positions: usize) -> Option<usize> {
        if self.is_flat() && channels * positions == self.channels {
            return match (channels, positions) {
                (1, _) => Some(1),
                (_, 1) => Some(channels),
                _ => None,
            };
        }
        ((channels, positions) == (self.channels, self.positions)).then_some(self.pitch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_has_a_place_of_its_own() {
        for (channels, positions, pitch) in
            [(1, 7, 1), (1, 7, 8), (3, 5, 3), (12, 4, 16), (9, 1, 9)]
        {
            let order = Order::planes(channels, positions, pitch);
            assert_eq!(order.len(), channels * positions);
            let mut places: Vec<usize> = order.elements().map(|i| order.at(i)).collect();
            assert!(places.is_sorted());
            places.dedup();
            assert_eq!(places.len(), order.len());
            assert!(places.iter().all(|p| *p < order.places()));
            let flat = positions == 1 || pitch == 1;
            assert_eq!(order.is_flat(), flat);
            assert_eq!(order.pitch_of(channels, positions), Some(pitch));
            if flat {
                assert!(places.iter().enumerate().all(|(i, p)| i == *p));
            }
        }
        assert_eq!(Order::flat(6).pitch_of(2, 3), None);
        assert_eq!(Order::interleaved(3, 4).places(), 12);
        assert_eq!(Order::interleaved(9, 4).places(), 64);
    }
}
