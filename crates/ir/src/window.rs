//! Windows that slide over the positions of a tensor: the geometry of convolutions and pools.

use serde::{Deserialize, Serialize};

/// A window over an operand of `channels` planes of `height × width` positions, row-major. A
/// sequence is a plane of height 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// Planes of the operand.
    pub channels: usize,
    /// Rows of a plane.
    pub height: usize,
    /// Columns of a plane.
    pub width: usize,
    /// Rows and columns of the window.
    pub kernel: [usize; 2],
    /// Positions between neighbouring windows.
    pub stride: [usize; 2],
    /// Positions between neighbouring taps of a window.
    pub dilation: [usize; 2],
    /// Positions before the first row and column that windows may reach into.
    pub pad: [usize; 2],
    /// Rows and columns of the result.
    pub out: [usize; 2],
}

/// One position of a window that lies inside the operand's plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tap {
    /// Which of the window's `kernel[0]·kernel[1]` positions, row-major.
    pub index: usize,
    /// Where in the plane, row-major.
    pub position: usize,
}

impl Window {
    /// Elements of one plane of the operand.
    pub fn plane(&self) -> usize {
        self.height * self.width
    }

    /// Elements of the operand.
    pub fn input_len(&self) -> usize {
        self.channels * self.plane()
    }

    /// Positions of one window.
    pub fn size(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Windows: elements of one plane of the result.
    pub fn windows(&self) -> usize {
        self.out[0] * self.out[1]
    }

    /// The window rows (of `kernel[0]`) that lie inside the operand for result row `oy`, and the
    /// operand's row of the first.
    pub fn rows(&self, oy: usize) -> Span {
        Span::new(oy, 0, self, self.height)
    }

    /// As [`Self::rows`], for columns.
    pub fn columns(&self, ox: usize) -> Span {
        Span::new(ox, 1, self, self.width)
    }

    /// The taps of window `(oy, ox)` inside the operand, row-major.
    pub fn taps(&self, oy: usize, ox: usize) -> impl Iterator<Item = Tap> + '_ {
        let (rows, columns) = (self.rows(oy), self.columns(ox));
        (0..rows.count).flat_map(move |i| {
            let (u, y) = (rows.first + i, rows.start + i * self.dilation[0]);
            (0..columns.count).map(move |k| Tap {
                index: u * self.kernel[1] + columns.first + k,
                position: y * self.width + columns.start + k * self.dilation[1],
            })
        })
    }

    /// How many taps of window `(oy, ox)` lie inside the operand.
    pub fn count(&self, oy: usize, ox: usize) -> usize {
        self.rows(oy).count * self.columns(ox).count
    }
}

/// Consecutive taps of a window along one axis that lie inside the operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first of them, counted in the window.
    pub first: usize,
    /// Where it lies in the operand.
    pub start: usize,
    /// How many.
    pub count: usize,
}

impl Span {
    fn new(out: usize, axis: usize, w: &Window, extent: usize) -> Self {
        let (step, pad) = (w.dilation[axis], w.pad[axis]);
        let origin = out * w.stride[axis];
        // The first tap at or after the operand's first position.
        let first = pad.saturating_sub(origin).div_ceil(step);
        let start = origin + first * step - pad.min(origin + first * step);
        let inside = extent.saturating_sub(start).div_ceil(step);
        Self {
            first,
            start,
            count: inside.min(w.kernel[axis].saturating_sub(first)),
        }
    }
}

/// A convolution: result `o` of filter `m` is `Σ_c Σ_t weight(m, c, t)·x(g·C/groups + c, o·stride +
/// t·dilation - pad) + bias(m)`, where `g` is the group of filter `m`; what lies outside counts as 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conv {
    /// Where the filters look.
    pub window: Window,
    /// Groups of channels; each filter sees one. Divides the channels and the filters.
    pub groups: usize,
    /// Planes of the result.
    pub filters: usize,
}

impl Conv {
    /// Channels that one filter sees.
    pub fn depth(&self) -> usize {
        self.window.channels / self.groups
    }

    /// Weights of one filter.
    pub fn filter_len(&self) -> usize {
        self.depth() * self.window.size()
    }

    /// Elements of the result.
    pub fn output_len(&self) -> usize {
        self.filters * self.window.windows()
    }

    /// The first channel that filter `m` sees.
    pub fn first_channel(&self, m: usize) -> usize {
        m / (self.filters / self.groups) * self.depth()
    }

    /// Multiplications of one evaluation, those with padding left out.
    pub fn macs(&self) -> usize {
        let w = &self.window;
        let along =
            |n: usize, f: &dyn Fn(usize) -> Span| -> usize { (0..n).map(|o| f(o).count).sum() };
        let taps = along(w.out[0], &|o| w.rows(o)) * along(w.out[1], &|o| w.columns(o));
        taps * self.depth() * self.filters
    }

    /// Operand index and weight index of every term of result `(m, oy, ox)`.
    pub fn terms(
        &self,
        m: usize,
        oy: usize,
        ox: usize,
    ) -> impl Iterator<Item = (usize, usize)> + '_ {
        let (plane, size) = (self.window.plane(), self.window.size());
        let (first, weights) = (self.first_channel(m) * plane, m * self.filter_len());
        (0..self.depth()).flat_map(move |c| {
            self.window
                .taps(oy, ox)
                .map(move |t| (first + c * plane + t.position, weights + c * size + t.index))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every tap by its definition, over geometries with padding wider than the window's reach.
    #[test]
    fn taps_are_those_of_the_definition() {
        for (height, width) in [(1, 5), (3, 4), (2, 2)] {
            for kernel in [[1, 1], [2, 3], [3, 2]] {
                for (stride, dilation, pad) in [
                    ([1, 1], [1, 1], [0, 0]),
                    ([2, 1], [1, 2], [1, 4]),
                    ([3, 2], [2, 3], [5, 2]),
                ] {
                    let out = [4, 5];
                    let w = Window {
                        channels: 1,
                        height,
                        width,
                        kernel,
                        stride,
                        dilation,
                        pad,
                        out,
                    };
                    for (oy, ox) in (0..out[0]).flat_map(|y| (0..out[1]).map(move |x| (y, x))) {
                        let mut want = Vec::new();
                        for u in 0..kernel[0] {
                            for v in 0..kernel[1] {
                                let y = (oy * stride[0] + u * dilation[0]).checked_sub(pad[0]);
                                let x = (ox * stride[1] + v * dilation[1]).checked_sub(pad[1]);
                                if let (Some(y), Some(x)) =
                                    (y.filter(|y| *y < height), x.filter(|x| *x < width))
                                {
                                    want.push(Tap {
                                        index: u * kernel[1] + v,
                                        position: y * width + x,
                                    });
                                }
                            }
                        }
                        let got: Vec<Tap> = w.taps(oy, ox).collect();
                        assert_eq!(got, want, "{w:?} at {oy}, {ox}");
                        assert_eq!(w.count(oy, ox), want.len());
                    }
                }
            }
        }
    }

    #[test]
    fn groups_see_their_own_channels() {
        let window = Window {
            channels: 4,
            height: 1,
            width: 3,
            kernel: [1, 2],
            stride: [1, 1],
            dilation: [1, 1],
            pad: [0, 0],
            out: [1, 2],
        };
        let conv = Conv {
            window,
            groups: 2,
            filters: 6,
        };
        let firsts: Vec<usize> = (0..6).map(|m| conv.first_channel(m)).collect();
        assert_eq!(firsts, [0, 0, 0, 2, 2, 2]);
        let terms: Vec<_> = conv.terms(3, 0, 1).collect();
        assert_eq!(terms, [(7, 12), (8, 13), (10, 14), (11, 15)]);
        assert_eq!(conv.macs(), 6 * 2 * 2 * 2);
    }
}
