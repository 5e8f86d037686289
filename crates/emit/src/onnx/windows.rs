//! Pools, and windows laid out as columns.

use super::graph::{Value, Word, int, ints};
use super::lower::Lowering;
use crate::EmitError;
use crate::elem::hull;
use ceg4n_import::onnx::proto::data_type;
use ceg4n_ir::{KernelNode, NodeId, Window};

/// The `pads` of ONNX that give a window's result, begins before ends; `None` where no padding
/// does.
pub(super) fn plain_pads(w: &Window) -> Option<[usize; 4]> {
    let extent = [w.height, w.width];
    let mut pads = [0; 4];
    for axis in 0..2 {
        let reach = w.dilation[axis] * w.kernel[axis].checked_sub(1)? + 1;
        let last = w.stride[axis] * w.out[axis].checked_sub(1)? + reach;
        let begin = w.pad[axis];
        let end = last.saturating_sub(extent[axis] + begin);
        let steps = (extent[axis] + begin + end).checked_sub(reach)? / w.stride[axis];
        if steps + 1 != w.out[axis] {
            return None;
        }
        pads[axis] = begin;
        pads[axis + 2] = end;
    }
    Some(pads)
}

/// The floating point type in which MaxPool compares integers of an interval exactly; `None` where
/// there is none. Of integers MaxPool knows bytes alone, and not in every runtime.
fn pool_type(lo: i64, hi: i64) -> Option<i32> {
    let within = |least: i64, most: i64| least <= lo && hi <= most;
    if within(-(1 << 24), 1 << 24) {
        Some(data_type::FLOAT)
    } else if within(-(1 << 53), 1 << 53) {
        Some(data_type::DOUBLE)
    } else {
        None
    }
}

impl Lowering<'_> {
    pub(super) fn max_pool(
        &mut self,
        node: &KernelNode,
        x: NodeId,
        w: &Window,
    ) -> Result<Value, EmitError> {
        let r = hull(&self.node(x).range);
        let x = self.value(x)?;
        let x = self.graph.shaped(&x, &[w.channels, w.height, w.width]);
        let shape = vec![w.channels, w.out[0], w.out[1]];
        // A runtime refuses padding that is as wide as the window.
        let narrow = |pads: &[usize; 4]| (0..4).all(|i| pads[i] < w.kernel[i % 2]);
        if let (Some(pads), Some(ty)) = (plain_pads(w).filter(narrow), pool_type(r.lo, r.hi)) {
            let attributes = vec![
                ints("dilations", &w.dilation),
                ints("kernel_shape", &w.kernel),
                ints("pads", &pads),
                ints("strides", &w.stride),
            ];
            let operand = self.graph.cast(&x.name, ty);
            let pooled = self.graph.node("MaxPool", &[&operand], attributes);
            let name = self.graph.cast(&pooled, x.word.data_type());
            self.note(node, "MaxPool");
            return Ok(Value {
                name,
                word: x.word,
                shape,
            });
        }
        let columns = self.columns(&x, w, None)?;
        let reduce = vec![ints("axes", &[2]), int("keepdims", 0)];
        self.note(node, "windows as columns, ReduceMax");
        let name = self.graph.node("ReduceMax", &[&columns.name], reduce);
        Ok(Value {
            name,
            word: x.word,
            shape: vec![w.channels, w.windows()],
        })
    }

    /// Sums in the word that the checker proved.
    pub(super) fn sum_pool(
        &mut self,
        node: &KernelNode,
        x: NodeId,
        w: &Window,
    ) -> Result<Value, EmitError> {
        let word = Word::of_width(node.width).max(Word::holding(hull(&self.node(x).range)));
        let x = self.value(x)?;
        let x = self.graph.in_word(&x, word);
        let whole = w.windows() == 1 && w.count(0, 0) == w.plane();
        let columns = match whole {
            true => self.graph.shaped(&x, &[w.channels, w.plane(), 1]),
            false => self.columns(&x, w, Some(0))?,
        };
        let axes = self.graph.list(&[2]);
        let inputs = [&columns.name[..], &axes];
        let keep = vec![int("keepdims", 0)];
        self.note(node, "ReduceSum");
        let name = self.graph.node("ReduceSum", &inputs, keep);
        Ok(Value {
            name,
            word,
            shape: vec![w.channels, w.windows()],
        })
    }

    /// Every window as a column: channels × taps × windows. Padding holds `fill`; without one it
    /// repeats a tap of its window.
    pub(super) fn columns(
        &mut self,
        x: &Value,
        w: &Window,
        fill: Option<i64>,
    ) -> Result<Value, EmitError> {
        let (plane, size, windows) = (w.plane(), w.size(), w.windows());
        let mut places = vec![plane as i64; size * windows];
        for window in 0..windows {
            let (oy, ox) = (window / w.out[1], window % w.out[1]);
            let at = |tap: usize| tap * windows + window;
            let first = w.taps(oy, ox).next().map(|t| t.position as i64);
            if let (None, Some(first)) = (fill, first) {
                for tap in 0..size {
                    places[at(tap)] = first;
                }
            }
            for tap in w.taps(oy, ox) {
                places[at(tap.index)] = tap.position as i64;
            }
        }
        let mut planes = self.graph.shaped(x, &[w.channels, plane]);
        if let Some(fill) = fill.filter(|_| places.contains(&(plane as i64))) {
            planes = self.padded(&planes, fill)?;
        }
        let places = self.graph.list(&places);
        let axis = vec![int("axis", 2)];
        let name = self.graph.node("Gather", &[&planes.name, &places], axis);
        let gathered = Value {
            name,
            word: planes.word,
            shape: vec![w.channels, size * windows],
        };
        Ok(self.graph.shaped(&gathered, &[w.channels, size, windows]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One axis: extent, kernel, stride, dilation, padding, result.
    fn window([extent, kernel, stride, dilation, pad, out]: [usize; 6]) -> Window {
        Window {
            channels: 1,
            height: 1,
            width: extent,
            kernel: [1, kernel],
            stride: [1, stride],
            dilation: [1, dilation],
            pad: [0, pad],
            out: [1, out],
        }
    }

    #[test]
    fn pads_give_the_result_or_are_refused() {
        for (axis, want) in [
            ([5, 3, 1, 1, 1, 5], Some([1, 1])),
            ([5, 2, 2, 1, 0, 3], Some([0, 1])),
            ([6, 3, 2, 1, 0, 2], Some([0, 0])),
            ([9, 3, 1, 2, 2, 7], Some([2, 0])),
            // Windows that stop early: a runtime would go on.
            ([9, 3, 1, 1, 0, 2], None),
        ] {
            let want = want.map(|[begin, end]| [0, begin, 0, end]);
            assert_eq!(plain_pads(&window(axis)), want, "{axis:?}");
        }
    }

    #[test]
    fn pools_compare_exactly() {
        for (lo, hi, ty) in [
            (-128, 127, Some(data_type::FLOAT)),
            (0, 1 << 24, Some(data_type::FLOAT)),
            (0, (1 << 24) + 1, Some(data_type::DOUBLE)),
            (0, (1 << 53) + 1, None),
        ] {
            assert_eq!(pool_type(lo, hi), ty);
        }
    }
}
