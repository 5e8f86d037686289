//! Constants of elementwise steps: one number where all are the same, else a table by channel, by
//! position or by element, whichever is smallest.

use super::By;

/// One constant per element; `None` where any would do, because the element is always zero.
pub(super) type Constants = Vec<Option<i64>>;

/// Least and greatest of the constants that matter; `None` if none does.
pub(super) fn ends(values: &[Option<i64>]) -> Option<(i64, i64)> {
    let given = values.iter().flatten().map(|v| (*v, *v));
    given.reduce(|(lo, hi), (a, b)| (lo.min(a), hi.max(b)))
}

/// The block length by which a stage counts: that under which the tables of `lists`, each of as
/// many constants as the stage has elements, are smallest together.
pub(super) fn inner(lists: &[&Constants]) -> usize {
    let mut candidates = vec![1];
    for list in lists {
        candidates.push(block(list));
        candidates.push(period(list));
    }
    let size = |inner: &usize| -> usize {
        let sizes = lists.iter().map(|l| compress(l, *inner).1.len());
        sizes.sum()
    };
    candidates.sort_unstable();
    candidates.dedup();
    candidates.into_iter().min_by_key(size).unwrap_or(1)
}

/// The smallest table of some constants in a stage that counts in blocks of `inner`.
pub(super) fn compress(values: &Constants, inner: usize) -> (By, Vec<i64>) {
    let common = values.iter().flatten().next().copied().unwrap_or(0);
    if inner > 1 && is_block(values, inner) {
        let first = |b: &[Option<i64>]| b.iter().flatten().next().copied().unwrap_or(common);
        return (By::Block, values.chunks(inner).map(first).collect());
    }
    if inner > 1 && is_period(values, inner) {
        let at = |k: usize| values[k..].iter().step_by(inner).flatten().next().copied();
        return (
            By::Position,
            (0..inner).map(|k| at(k).unwrap_or(common)).collect(),
        );
    }
    (
        By::Element,
        values.iter().map(|v| v.unwrap_or(common)).collect(),
    )
}

/// True if all given numbers are the same.
fn is_constant(values: impl Iterator<Item = Option<i64>>) -> bool {
    let mut given = values.flatten();
    let first = given.next();
    first.is_none_or(|first| given.all(|v| v == first))
}

/// True if blocks of `n` constants are equal within.
pub(super) fn is_block(values: &Constants, n: usize) -> bool {
    values.chunks(n).all(|b| is_constant(b.iter().copied()))
}

fn is_period(values: &Constants, n: usize) -> bool {
    (0..n.min(values.len())).all(|k| is_constant(values[k..].iter().step_by(n).copied()))
}

/// The longest blocks of equal constants that make up the list.
fn block(values: &Constants) -> usize {
    let mut all = divisors(values.len());
    all.reverse();
    all.into_iter().find(|n| is_block(values, *n)).unwrap_or(1)
}

/// The shortest period that divides the list.
fn period(values: &Constants) -> usize {
    let mut all = divisors(values.len()).into_iter();
    all.find(|n| is_period(values, *n)).unwrap_or(1)
}

/// In ascending order.
fn divisors(n: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (1..=n.isqrt()).filter(|d| n.is_multiple_of(*d)).collect();
    let large: Vec<usize> = all.iter().rev().map(|d| n / d).collect();
    all.extend(large);
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: impl Iterator<Item = i64>) -> Constants {
        values.map(Some).collect()
    }

    #[test]
    fn tables_are_as_small_as_the_constants_repeat() {
        let channels = list((0..24).map(|j| j / 6));
        let positions = list((0..24).map(|j| j % 6));
        let elements = list((0..24).map(|j| j * j));
        assert_eq!(inner(&[&channels, &positions]), 6);
        assert_eq!(inner(&[&elements]), 1);
        assert_eq!(inner(&[]), 1);
        assert_eq!(compress(&channels, 6), (By::Block, vec![0, 1, 2, 3]));
        assert_eq!(
            compress(&positions, 6),
            (By::Position, vec![0, 1, 2, 3, 4, 5])
        );
        assert_eq!(compress(&elements, 6).0, By::Element);
        assert_eq!(compress(&channels, 4).1.len(), 24);
        assert_eq!(divisors(36), [1, 2, 3, 4, 6, 9, 12, 18, 36]);
    }

    /// Constants that do not matter join any block.
    #[test]
    fn free_constants_take_a_neighbours() {
        let mut channels = list((0..12).map(|j| 7 + j / 4));
        channels[0] = None;
        channels[5..8].fill(None);
        assert_eq!(inner(&[&channels]), 4);
        assert_eq!(compress(&channels, 4), (By::Block, vec![7, 8, 9]));
        channels[4..8].fill(None);
        assert_eq!(compress(&channels, 4), (By::Block, vec![7, 7, 9]));
        assert_eq!(ends(&channels), Some((7, 9)));
        assert_eq!(ends(&[None; 3]), None);
    }
}
