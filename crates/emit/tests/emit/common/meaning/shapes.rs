//! Where elements lie, by coordinates: broadcasting, moves, windows.

use ceg4n_ir::network::Slide;

/// The coordinates of element `i`, row-major.
fn coordinates(shape: &[usize], mut i: usize) -> Vec<usize> {
    let mut all = vec![0; shape.len()];
    for d in (0..shape.len()).rev() {
        all[d] = i % shape[d];
        i /= shape[d];
    }
    all
}

/// The row-major index of coordinates.
fn index(shape: &[usize], at: &[usize]) -> usize {
    shape.iter().zip(at).fold(0, |i, (n, a)| i * n + a)
}

/// Which element of a constant element `i` of an operand meets.
pub(super) fn broadcast(c: &[usize], x: &[usize], i: usize) -> usize {
    if c.iter().product::<usize>() == x.iter().product::<usize>() {
        return i;
    }
    let at = coordinates(x, i);
    let skipped = at.len() - c.len();
    let own: Vec<usize> = c
        .iter()
        .zip(&at[skipped..])
        .map(|(n, a)| if *n == 1 { 0 } else { *a })
        .collect();
    index(c, &own)
}

/// Which operand of a concatenation element `j` comes from, and which of its elements it is.
pub(super) fn concatenated(
    xs: &[&[usize]],
    axis: usize,
    result: &[usize],
    j: usize,
) -> (usize, usize) {
    let mut at = coordinates(result, j);
    for (k, x) in xs.iter().enumerate() {
        if at[axis] < x[axis] {
            return (k, index(x, &at));
        }
        at[axis] -= x[axis];
    }
    panic!("the operands make up the result");
}

/// Which element of a padded tensor element `j` is; `None` for padding.
pub(super) fn unpadded(x: &[usize], before: &[usize], result: &[usize], j: usize) -> Option<usize> {
    let at = coordinates(result, j);
    let own: Option<Vec<usize>> = (0..x.len())
        .map(|d| at[d].checked_sub(before[d]).filter(|a| *a < x[d]))
        .collect();
    Some(index(x, &own?))
}

/// Which element of a transposed tensor element `j` is.
pub(super) fn transposed(x: &[usize], perm: &[usize], result: &[usize], j: usize) -> usize {
    let at = coordinates(result, j);
    let mut own = vec![0; x.len()];
    for (d, p) in perm.iter().enumerate() {
        own[*p] = at[d];
    }
    index(x, &own)
}

/// Windows over planes; a sequence is a plane of one row.
pub(super) struct Windows {
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    before: [usize; 2],
    extent: [usize; 2],
    out: [usize; 2],
    /// Elements of an operand's plane.
    pub(super) plane: usize,
    /// Elements of the result.
    pub(super) len: usize,
}

impl Windows {
    pub(super) fn new(x: &[usize], kernel: &[usize], slide: &Slide, result: &[usize]) -> Self {
        let two = |list: &[usize], missing| match list {
            [a] => [missing, *a],
            [a, b] => [*a, *b],
            _ => panic!("one or two axes"),
        };
        let extent = two(&x[1..], 1);
        Self {
            kernel: two(kernel, 1),
            stride: two(&slide.strides, 1),
            dilation: two(&slide.dilations, 1),
            before: two(&slide.before, 0),
            extent,
            out: two(&result[1..], 1),
            plane: extent[0] * extent[1],
            len: result.iter().product(),
        }
    }

    /// The channel of result `j`.
    pub(super) fn channel(&self, j: usize) -> usize {
        j / (self.out[0] * self.out[1])
    }

    /// The taps of result `j` outside padding: number and place in the operand's plane.
    pub(super) fn taps(&self, j: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let at = coordinates(&[usize::MAX, self.out[0], self.out[1]], j);
        let all = self.kernel[0] * self.kernel[1];
        (0..all).filter_map(move |t| {
            let tap = [t / self.kernel[1], t % self.kernel[1]];
            let place = |a: usize| {
                let from_pad = at[a + 1] * self.stride[a] + tap[a] * self.dilation[a];
                let inside = from_pad.checked_sub(self.before[a])?;
                (inside < self.extent[a]).then_some(inside)
            };
            Some((t, place(0)? * self.extent[1] + place(1)?))
        })
    }
}
