//! Elements that only move: index lists as nests of loops.

use ceg4n_ir::FILL;

/// One loop of a nest: its count, and how far both vectors advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loop {
    pub(crate) count: usize,
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// Copies element `from + Σ i_k·loops[k].from` of vector `reads[read]` to element
/// `to + Σ i_k·loops[k].to`, for every `i_k < loops[k].count`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nest {
    pub(crate) read: usize,
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Outermost first.
    pub(crate) loops: Vec<Loop>,
}

impl Nest {
    /// Both places of an element as expressions of `i0`, `i1`, …, outermost first.
    pub(crate) fn places(&self) -> (String, String) {
        let place = |start: usize, step: fn(&Loop) -> usize| {
            let mut terms = Vec::new();
            if start > 0 {
                terms.push(start.to_string());
            }
            for (k, l) in self.loops.iter().enumerate() {
                match step(l) {
                    0 => {}
                    1 => terms.push(format!("i{k}")),
                    s => terms.push(format!("i{k} * {s}")),
                }
            }
            if terms.is_empty() {
                "0".to_owned()
            } else {
                terms.join(" + ")
            }
        };
        (place(self.from, |l| l.from), place(self.to, |l| l.to))
    }
}

/// The part `part` of `outer` of each operand, one operand after the other.
pub(super) fn concatenated(lens: &[usize], outer: usize) -> Vec<Nest> {
    let total = lens.iter().sum::<usize>() / outer.max(1);
    let mut to = 0;
    let mut nests = Vec::with_capacity(lens.len());
    for (read, len) in lens.iter().enumerate() {
        let count = len / outer.max(1);
        let mut loops = vec![Loop {
            count,
            from: 1,
            to: 1,
        }];
        if outer > 1 {
            loops.insert(
                0,
                Loop {
                    count: outer,
                    from: count,
                    to: total,
                },
            );
        }
        nests.push(Nest {
            read,
            from: 0,
            to,
            loops,
        });
        to += count;
    }
    nests
}

/// The nest that moves what an index list takes, in the order of the result; `None` if the list
/// is no nest. What transpositions, paddings and slices move is one.
pub(super) fn nest(index: &[u32]) -> Option<Nest> {
    let mut pairs: Vec<(usize, usize)> = index
        .iter()
        .enumerate()
        .filter(|(_, i)| **i != FILL)
        .map(|(j, i)| (*i as usize, j))
        .collect();
    let (from, to) = pairs.first().copied().unwrap_or((0, 0));
    let mut loops = Vec::new();
    while pairs.len() > 1 {
        let step = (
            pairs[1].0.checked_sub(pairs[0].0)?,
            pairs[1].1.checked_sub(pairs[0].1)?,
        );
        let follows = |w: &[(usize, usize)]| w[1].0 == w[0].0 + step.0 && w[1].1 == w[0].1 + step.1;
        let count = 1 + pairs.windows(2).take_while(|w| follows(w)).count();
        let whole = pairs.len().is_multiple_of(count)
            && pairs.chunks(count).all(|c| c.windows(2).all(follows));
        if !whole {
            return None;
        }
        loops.push(Loop {
            count,
            from: step.0,
            to: step.1,
        });
        pairs = pairs.chunks(count).map(|c| c[0]).collect();
    }
    loops.reverse();
    Some(Nest {
        read: 0,
        from,
        to,
        loops,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(nest: &Nest) -> Vec<(usize, usize)> {
        let mut all = vec![(nest.from, nest.to)];
        for l in &nest.loops {
            all = all
                .iter()
                .flat_map(|(f, t)| (0..l.count).map(move |i| (f + i * l.from, t + i * l.to)))
                .collect();
        }
        all
    }

    #[test]
    fn transpositions_are_nests() {
        // A [2, 3, 4] tensor as [4, 2, 3] and as [3, 4, 2].
        for (dims, steps) in [([4, 2, 3], [1, 12, 4]), ([3, 4, 2], [4, 1, 12])] {
            let mut index = vec![0u32];
            for (n, s) in dims.into_iter().zip(steps) {
                let next = index.iter().flat_map(|b| (0..n).map(move |i| b + i * s));
                index = next.collect();
            }
            let nest = nest(&index).expect("a nest");
            let want: Vec<_> = (0..24).map(|j| (index[j] as usize, j)).collect();
            assert_eq!(moved(&nest), want);
            assert!(nest.loops.len() <= 3);
        }
    }

    #[test]
    fn paddings_and_slices_are_nests() {
        let f = FILL;
        let index = [f, f, f, f, f, 0, 1, f, f, 2, 3, f, f, f, f, f];
        let padded = nest(&index).expect("a nest");
        assert_eq!(moved(&padded), [(0, 5), (1, 6), (2, 9), (3, 10)]);
        let sliced = nest(&[5, 7, 9]).expect("a nest");
        assert_eq!(moved(&sliced), [(5, 0), (7, 1), (9, 2)]);
        assert_eq!(nest(&[3]).map(|n| n.loops.len()), Some(0));
        assert_eq!(nest(&[0, 0, 0]).map(|n| n.loops[0].from), Some(0));
    }

    #[test]
    fn other_lists_are_none() {
        assert_eq!(nest(&[0, 1, 3]), None);
        assert_eq!(nest(&[2, 1, 0]), None);
        assert_eq!(nest(&[0, 1, 5, 7]), None);
    }

    #[test]
    fn concatenations_interleave_parts() {
        let nests = concatenated(&[4, 2], 2);
        assert_eq!(moved(&nests[0]), [(0, 0), (1, 1), (2, 3), (3, 4)]);
        assert_eq!(moved(&nests[1]), [(0, 2), (1, 5)]);
    }
}
