//! The order in which fast evaluation visits a convolution: weight by weight, along rows.

use ceg4n_ir::window::Conv;
use std::ops::Range;

/// Neighbouring results that meet one weight: result `y + k` of the filter's plane adds the weight
/// times element `x + k·step` of the operand, for `k` below `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) weight: usize,
    pub(crate) x: usize,
    pub(crate) step: usize,
    pub(crate) y: usize,
    pub(crate) count: usize,
}

/// Every product of filter `m`, as runs; none is empty, and what lies in the padding is in none.
pub(crate) fn runs(conv: &Conv, m: usize, mut visit: impl FnMut(Run)) {
    let w = &conv.window;
    let rows: Vec<Range<usize>> = (0..w.kernel[0]).map(|u| seen(conv, 0, u)).collect();
    let columns: Vec<Range<usize>> = (0..w.kernel[1]).map(|v| seen(conv, 1, v)).collect();
    let first = conv.first_channel(m);
    for c in 0..conv.depth() {
        let plane = (first + c) * w.plane();
        for (u, rows) in rows.iter().enumerate() {
            for (v, columns) in columns.iter().enumerate() {
                if columns.is_empty() {
                    continue;
                }
                let weight = m * conv.filter_len() + c * w.size() + u * w.kernel[1] + v;
                let column = columns.start * w.stride[1] + v * w.dilation[1] - w.pad[1];
                for oy in rows.clone() {
                    let row = oy * w.stride[0] + u * w.dilation[0] - w.pad[0];
                    visit(Run {
                        weight,
                        x: plane + row * w.width + column,
                        step: w.stride[1],
                        y: oy * w.out[1] + columns.start,
                        count: columns.len(),
                    });
                }
            }
        }
    }
}

/// The results along an axis whose window has tap `tap` inside the operand.
fn seen(conv: &Conv, axis: usize, tap: usize) -> Range<usize> {
    let w = &conv.window;
    let extent = [w.height, w.width][axis];
    let (stride, reach, pad) = (w.stride[axis], tap * w.dilation[axis], w.pad[axis]);
    let start = pad.saturating_sub(reach).div_ceil(stride);
    let end = match (extent + pad).checked_sub(reach + 1) {
        Some(last) => (last / stride + 1).min(w.out[axis]),
        None => 0,
    };
    start..end.max(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ceg4n_ir::Window;

    /// The same products as the IR's own list of terms.
    #[test]
    fn runs_are_the_terms() {
        let mut seen = 0;
        for (kernel, stride, dilation, pad, groups) in [
            ([1, 1], [1, 1], [1, 1], [0, 0], 1),
            ([3, 2], [1, 2], [1, 1], [1, 1], 2),
            ([2, 3], [2, 1], [3, 2], [5, 4], 1),
            ([3, 3], [3, 3], [2, 1], [0, 7], 4),
        ] {
            let window = Window {
                channels: 4,
                height: 5,
                width: 4,
                kernel,
                stride,
                dilation,
                pad,
                out: [4, 3],
            };
            let conv = Conv {
                window,
                groups,
                filters: 4,
            };
            for m in 0..conv.filters {
                let mut found = vec![Vec::new(); conv.window.windows()];
                runs(&conv, m, |r| {
                    assert!(r.count > 0);
                    for k in 0..r.count {
                        found[r.y + k].push((r.x + k * r.step, r.weight));
                    }
                });
                for oy in 0..4 {
                    for ox in 0..3 {
                        let terms: Vec<_> = conv.terms(m, oy, ox).collect();
                        assert_eq!(found[oy * 3 + ox], terms, "{conv:?} {m} {oy} {ox}");
                        seen += terms.len();
                    }
                }
            }
        }
        assert!(seen > 200);
    }
}
