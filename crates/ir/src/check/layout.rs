//! Where elements go: index lists of transpositions and paddings, divisors of pools.

use crate::kernel::FILL;
use crate::types::Shape;
use crate::window::Window;
use std::sync::Arc;

/// Row-major distances between neighbours along each dimension.
fn steps(shape: &Shape) -> Vec<usize> {
    let mut steps = vec![1; shape.0.len()];
    for i in (1..shape.0.len()).rev() {
        steps[i - 1] = steps[i] * shape.0[i];
    }
    steps
}

/// For each element of the result of a transposition, row-major, its place in the operand.
pub(super) fn transposed(x: &Shape, perm: &[usize]) -> Arc<[u32]> {
    let steps = steps(x);
    let mut index = vec![0u32];
    for p in perm {
        let step = steps[*p] as u32;
        let extent = x.0[*p] as u32;
        index = index
            .iter()
            .flat_map(|base| (0..extent).map(move |i| base + i * step))
            .collect();
    }
    index.into()
}

/// For each element of a padded tensor of shape `y`, row-major, its place in the operand, or
/// [`FILL`].
pub(super) fn padded(x: &Shape, before: &[usize], y: &Shape) -> Arc<[u32]> {
    let steps = steps(x);
    let mut index = vec![0u32];
    for (d, step) in steps.iter().enumerate() {
        let (first, extent, step) = (before[d], x.0[d], *step as u32);
        index = index
            .iter()
            .flat_map(|base| {
                (0..y.0[d]).map(move |i| match i.checked_sub(first) {
                    Some(i) if i < extent && *base != FILL => base + i as u32 * step,
                    _ => FILL,
                })
            })
            .collect();
    }
    index.into()
}

/// How many elements the mean of each window of one plane is over, row-major.
pub(super) fn counts(window: &Window, count_pad: bool) -> Vec<usize> {
    let [rows, columns] = window.out;
    (0..rows)
        .flat_map(|y| (0..columns).map(move |x| (y, x)))
        .map(|(y, x)| {
            if count_pad {
                window.size()
            } else {
                window.count(y, x)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transpositions_move_elements() {
        let x = Shape(vec![2, 3, 2]);
        let index = transposed(&x, &[2, 0, 1]);
        // Result [2, 2, 3]: element (i, j, k) is x(j, k, i).
        let want: Vec<u32> = (0..2)
            .flat_map(|i| (0..2).flat_map(move |j| (0..3).map(move |k| j * 6 + k * 2 + i)))
            .collect();
        assert_eq!(*index, want[..]);
    }

    #[test]
    fn padding_surrounds() {
        let index = padded(&Shape(vec![2, 2]), &[0, 1], &Shape(vec![3, 4]));
        assert_eq!(
            *index,
            [FILL, 0, 1, FILL, FILL, 2, 3, FILL, FILL, FILL, FILL, FILL]
        );
    }
}
