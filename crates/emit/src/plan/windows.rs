//! The windows of convolutions and pools as loops over an operand without padding: which taps of
//! a window lie inside, as expressions of its place.

use super::TableId;
use ceg4n_ir::window::Window;

/// What becomes of the taps of a window.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Taps {
    /// A convolution: their products with weights.
    Products {
        weight: TableId,
        /// By channel of the result.
        bias: Option<TableId>,
    },
    /// The largest.
    Max {
        /// No tap is less.
        least: i64,
    },
    /// Their sum.
    Sum,
}

/// One axis of a window's plane. Window `o` of `out` starts at position `o·stride - pad`; its taps
/// `t < kernel` are `dilation` apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    pub(crate) out: usize,
    pub(crate) kernel: usize,
    stride: usize,
    pub(crate) dilation: usize,
    pub(crate) pad: usize,
    extent: usize,
    /// The first tap inside the operand, where it is the same for every window.
    pub(crate) low: Option<usize>,
    /// One beyond the last, where it is the same for every window.
    pub(crate) high: Option<usize>,
}

impl Axis {
    fn new(window: &Window, a: usize) -> Self {
        let mut axis = Self {
            out: window.out[a],
            kernel: window.kernel[a],
            stride: window.stride[a],
            dilation: window.dilation[a],
            pad: window.pad[a],
            extent: [window.height, window.width][a],
            low: None,
            high: None,
        };
        let same = |f: &dyn Fn(usize) -> usize| {
            let first = f(0);
            (1..axis.out).all(|o| f(o) == first).then_some(first)
        };
        let (low, high) = (same(&|o| axis.low_at(o)), same(&|o| axis.high_at(o)));
        (axis.low, axis.high) = (low, high);
        axis
    }

    /// The first tap of window `o` at or after the operand's first position.
    fn low_at(&self, o: usize) -> usize {
        self.pad
            .saturating_sub(o * self.stride)
            .div_ceil(self.dilation)
    }

    /// One beyond the last tap of window `o` before the operand's end.
    fn high_at(&self, o: usize) -> usize {
        let beyond = self.reach().saturating_sub(o * self.stride);
        beyond.div_ceil(self.dilation).min(self.kernel)
    }

    /// Where the operand ends, counted from the start of the padding.
    pub(crate) fn reach(&self) -> usize {
        self.pad + self.extent
    }

    /// True if every window has tap 0 and no other.
    pub(crate) fn is_point(&self) -> bool {
        self.low == Some(0) && self.high == Some(1)
    }

    /// The start of window `o`, counted from the start of the padding, as an expression.
    pub(crate) fn origin(&self, o: &str) -> String {
        match (self.out, self.stride) {
            (1, _) => "0".to_owned(),
            (_, 1) => o.to_owned(),
            (_, s) => format!("{o} * {s}"),
        }
    }

    /// True if no window has a tap inside the operand, and that is known of all of them alike.
    pub(crate) fn is_empty(&self) -> bool {
        let ends = self.low.zip(self.high);
        ends.is_some_and(|(low, high)| low >= high)
    }

    /// True if every window has a tap inside the operand.
    pub(crate) fn always_hits(&self) -> bool {
        (0..self.out).all(|o| self.low_at(o) < self.high_at(o))
    }

    /// The position of tap `t` of window `o`, as an expression; `None` for 0.
    pub(crate) fn position(&self, o: &str, t: &str) -> Option<String> {
        if let (1, Ok(t)) = (self.out, t.parse::<usize>()) {
            let at = (t * self.dilation).saturating_sub(self.pad);
            return (at > 0).then(|| at.to_string());
        }
        let mut terms = Vec::new();
        if self.out > 1 {
            terms.push(self.origin(o));
        }
        if !self.is_point() && t != "0" {
            terms.push(times(t, self.dilation));
        }
        let sum = terms.join(" + ");
        match self.pad {
            0 => (!sum.is_empty()).then_some(sum),
            pad => Some(format!("{sum} - {pad}")),
        }
    }
}

/// A product as an expression.
fn times(factor: &str, by: usize) -> String {
    match (by, factor.parse::<usize>()) {
        (1, _) => factor.to_owned(),
        (_, Ok(n)) => (n * by).to_string(),
        _ if factor.contains(' ') => format!("({factor}) * {by}"),
        _ => format!("{factor} * {by}"),
    }
}

/// Every window of a stage.
#[derive(Debug)]
pub(crate) struct Windows {
    pub(crate) taps: Taps,
    /// Rows and columns.
    pub(crate) axes: [Axis; 2],
    /// Bits of a weight, if weights are packed without gaps.
    pub(crate) bits: Option<u8>,
    /// Channels of the operand that a window sees.
    pub(crate) depth: usize,
    /// Channels of the result that see the same channels of the operand.
    pub(crate) share: usize,
    /// Channels of the operand.
    pub(crate) channels: usize,
    /// Elements of a plane of the operand.
    pub(crate) plane: usize,
    pub(crate) width: usize,
}

impl Windows {
    /// Windows over groups of `depth` channels; `share` channels of the result for each group.
    pub(super) fn new(taps: Taps, window: &Window, depth: usize, share: usize) -> Self {
        Self {
            taps,
            bits: None,
            axes: [Axis::new(window, 0), Axis::new(window, 1)],
            depth,
            share,
            channels: window.channels,
            plane: window.plane(),
            width: window.width,
        }
    }

    /// Weights of one filter.
    pub(crate) fn filter_len(&self) -> usize {
        self.depth * self.axes[0].kernel * self.axes[1].kernel
    }

    /// True if all windows see all channels.
    pub(crate) fn is_whole(&self) -> bool {
        self.depth == self.channels
    }

    /// The place in a filter of tap `(u, v)` of channel `k`, as an expression.
    pub(crate) fn weight_index(&self) -> String {
        self.weight_index_of(["k", "u", "v"])
    }

    /// The same for other names, of which `0` stands for nothing.
    pub(crate) fn weight_index_of(&self, [k, u, v]: [&str; 3]) -> String {
        let [rows, columns] = &self.axes;
        let mut terms = Vec::new();
        if self.depth > 1 && k != "0" {
            terms.push(times(k, rows.kernel * columns.kernel));
        }
        if !rows.is_point() && u != "0" {
            terms.push(times(u, columns.kernel));
        }
        if !columns.is_point() && v != "0" {
            terms.push(v.to_owned());
        }
        sum(&terms)
    }

    /// The place of tap `(u, v)` of window `(oy, ox)` in channel `k` of the group, as an
    /// expression.
    pub(crate) fn operand_index(&self) -> String {
        self.operand_index_of(["k", "u", "v"])
    }

    /// The same for other names, of which `0` stands for nothing.
    pub(crate) fn operand_index_of(&self, [k, u, v]: [&str; 3]) -> String {
        let [rows, columns] = &self.axes;
        let mut terms = Vec::new();
        if self.depth > 1 && k != "0" {
            terms.push(times(k, self.plane));
        }
        if let Some(row) = rows.position("oy", u) {
            terms.push(times(&row, self.width));
        }
        terms.extend(columns.position("ox", v));
        sum(&terms)
    }
}

fn sum(terms: &[String]) -> String {
    if terms.is_empty() {
        return "0".to_owned();
    }
    terms.join(" + ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The spans of every window are those of the IR.
    #[test]
    fn spans_are_those_of_the_ir() {
        for height in 1..5 {
            for kernel in 1..5 {
                for (stride, dilation, pad, out) in [
                    (1, 1, 0, 1),
                    (1, 1, 2, 4),
                    (2, 1, 1, 3),
                    (3, 2, 5, 4),
                    (1, 3, 4, 5),
                ] {
                    let window = Window {
                        channels: 1,
                        height,
                        width: 1,
                        kernel: [kernel, 1],
                        stride: [stride, 1],
                        dilation: [dilation, 1],
                        pad: [pad, 0],
                        out: [out, 1],
                    };
                    let axis = Axis::new(&window, 0);
                    for o in 0..out {
                        let span = window.rows(o);
                        let (low, high) = (axis.low_at(o), axis.high_at(o));
                        assert_eq!(high.saturating_sub(low), span.count, "{window:?} {o}");
                        assert!(span.count == 0 || low == span.first);
                        assert!(axis.low.is_none_or(|l| l == low));
                        assert!(axis.high.is_none_or(|h| h == high));
                    }
                }
            }
        }
    }
}
