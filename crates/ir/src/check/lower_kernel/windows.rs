//! Convolutions and pools.

use super::{Draft, Lowering, products};
use crate::NodeId;
use crate::check::dot_range::Operand;
use crate::check::layout;
use crate::kernel::{Interval, KernelNode, KernelOp};
use crate::network::ValueId;
use crate::window::Window;
use ceg4n_base::{Diagnostic, codes};
use std::sync::Arc;

impl Lowering<'_> {
    pub(super) fn conv(
        &mut self,
        v: ValueId,
        x: ValueId,
        weight: ValueId,
        bias: Option<ValueId>,
    ) -> Option<NodeId> {
        let (xn, format) = self.stored(v, x)?;
        let (w, w_formats) = self.constant(v, weight)?;
        let conv = Arc::new(self.program.network.conv(v)?);
        let (frac, multiplier) = products(format, &w_formats);
        let bias = match bias {
            Some(b) => Some(self.aligned_constant(v, b, &frac, multiplier.as_deref(), None)?),
            None => None,
        };
        let windows = conv.window.windows();
        let seen = seen_ranges(&self.nodes[xn].range, &conv.window);
        let mut range = Vec::with_capacity(conv.output_len());
        let mut extra = 0u64;
        for m in 0..conv.filters {
            let b = bias.as_ref().map_or(0, |b| b[m]);
            let first = conv.first_channel(m);
            let size = conv.window.size();
            let taps: Vec<Interval> = seen[first..first + conv.depth()]
                .iter()
                .flat_map(|r| std::iter::repeat_n(*r, size))
                .collect();
            let filter = &w[m * conv.filter_len()..(m + 1) * conv.filter_len()];
            let sum = Operand::new(&taps).dot(filter, b);
            extra = extra.max(self.fits(v, sum.magnitude)?);
            let all = Interval::new(sum.lo as i64, sum.hi as i64);
            range.extend(std::iter::repeat_n(all, windows));
        }
        let node = Draft {
            frac: repeated(&frac, windows),
            multiplier: multiplier.map(|m| repeated(&m, windows).into()),
            format: None,
            range,
            extra,
        };
        let op = KernelOp::Conv {
            x: xn,
            weight: w,
            bias: bias.map(Into::into),
            conv,
        };
        self.push(v, op, node)
    }

    pub(super) fn max_pool(&mut self, v: ValueId, x: ValueId) -> Option<NodeId> {
        let window = Arc::new(self.program.network.pool(v)?);
        let xn = self.one_scale_per_plane(v, x, &window)?;
        let node = &self.nodes[xn];
        let range = pooled(&window, &node.range, |a, b| {
            Interval::new(a.lo.max(b.lo), a.hi.max(b.hi))
        });
        let node = Draft {
            range,
            format: node.format,
            ..planes(node, &window)
        };
        self.push(v, KernelOp::MaxPool { x: xn, window }, node)
    }

    pub(super) fn average_pool(
        &mut self,
        v: ValueId,
        x: ValueId,
        count_pad: bool,
    ) -> Option<NodeId> {
        let window = Arc::new(self.program.network.pool(v)?);
        let xn = self.one_scale_per_plane(v, x, &window)?;
        if self.nodes[xn].multiplier.is_some() {
            let name = self.name(x).to_owned();
            let d = Diagnostic::error(
                codes::MULTIPLIER,
                format!("%{name}, operand of average_pool, is an accumulator with multipliers"),
            );
            return self.fail(d.help(format!("give %{name} a format")), v);
        }
        let node = &self.nodes[xn];
        let add = |a: Interval, b: Interval| {
            Interval::new(a.lo.saturating_add(b.lo), a.hi.saturating_add(b.hi))
        };
        let range = pooled(&window, &node.range, add);
        let mut draft = Draft {
            range,
            ..planes(node, &window)
        };
        let most = node.range.iter().map(|r| i128::from(r.magnitude())).max()?;
        draft.extra = self.fits(v, most * window.size() as i128)?;
        let scales: Vec<(u16, i32)> = layout::counts(&window, count_pad)
            .into_iter()
            .map(reciprocal)
            .collect();
        let scale = |j: usize| scales[j % scales.len()];
        for (j, frac) in draft.frac.iter_mut().enumerate() {
            *frac += scale(j).1;
        }
        if scales.iter().any(|s| s.0 != 1) {
            draft.multiplier = Some((0..draft.range.len()).map(|j| scale(j).0).collect());
        }
        self.push(v, KernelOp::SumPool { x: xn, window }, draft)
    }

    /// The node of a pool's operand, each of whose planes has one scale.
    fn one_scale_per_plane(&mut self, v: ValueId, x: ValueId, window: &Window) -> Option<NodeId> {
        let n = *self.node_of.get(&x)?;
        let node = &self.nodes[n];
        let plane = window.plane();
        let differ = |j: usize| {
            let first = j / plane * plane;
            node.frac[j] != node.frac[first] || node.multiplier(j) != node.multiplier(first)
        };
        if !(0..node.len).any(differ) {
            return Some(n);
        }
        let (name, pool) = (self.name(x).to_owned(), self.name(v));
        let d = Diagnostic::error(
            codes::SCALES,
            format!("the elements that %{pool} compares or adds have different scales"),
        );
        self.fail(d.help(format!("give %{name} a format")), v)
    }
}

/// `M·2^-s` near `1/n` with the largest `M < 2^15`; exact for a power of two.
fn reciprocal(n: usize) -> (u16, i32) {
    let k = n.max(1).ilog2();
    if n.is_power_of_two() {
        return (1, k as i32);
    }
    let s = k + 15;
    let (n, two) = (n as u128, 1u128 << s);
    let m = ((2 * two + n) / (2 * n)).min(u128::from(crate::types::MULTIPLIER_LIMIT) - 1);
    (m as u16, s as i32)
}

fn repeated<T: Copy>(list: &[T], times: usize) -> Vec<T> {
    list.iter()
        .flat_map(|v| std::iter::repeat_n(*v, times))
        .collect()
}

/// Per channel what taps may see: any element of the plane, and 0 where windows reach beyond it.
fn seen_ranges(range: &[Interval], window: &Window) -> Vec<Interval> {
    let short = |n: usize, f: &dyn Fn(usize) -> usize, full: usize| (0..n).any(|o| f(o) < full);
    let beyond = short(window.out[0], &|o| window.rows(o).count, window.kernel[0])
        || short(
            window.out[1],
            &|o| window.columns(o).count,
            window.kernel[1],
        );
    range
        .chunks(window.plane())
        .map(|plane| {
            let start = if beyond {
                Interval::new(0, 0)
            } else {
                plane[0]
            };
            plane.iter().copied().fold(start, Interval::hull)
        })
        .collect()
}

/// The image of a pool, window by window.
fn pooled(
    window: &Window,
    range: &[Interval],
    join: impl Fn(Interval, Interval) -> Interval,
) -> Vec<Interval> {
    let mut out = Vec::with_capacity(window.channels * window.windows());
    for plane in range.chunks(window.plane()) {
        for (y, x) in (0..window.out[0]).flat_map(|y| (0..window.out[1]).map(move |x| (y, x))) {
            let taps = window.taps(y, x).map(|t| plane[t.position]);
            // Every window has a tap.
            out.push(taps.reduce(&join).unwrap_or(Interval::new(0, 0)));
        }
    }
    out
}

/// The scales of a pool's result: those of the operand's planes.
fn planes(node: &KernelNode, window: &Window) -> Draft {
    let firsts = (0..window.channels).map(|c| c * window.plane());
    let frac: Vec<i32> = firsts.clone().map(|j| node.frac[j]).collect();
    let multiplier = node.multiplier.as_ref().map(|m| {
        let own: Vec<u16> = firsts.map(|j| m[j]).collect();
        repeated(&own, window.windows()).into()
    });
    Draft {
        frac: repeated(&frac, window.windows()),
        multiplier,
        format: None,
        range: Vec::new(),
        extra: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reciprocals_are_the_nearest() {
        for n in 1..3000usize {
            let (m, s) = reciprocal(n);
            let error = (f64::from(m) / 2f64.powi(s) * n as f64 - 1.0).abs();
            assert!(error <= 2f64.powi(-15), "{n}: {m} {s}");
            assert!(n.is_power_of_two() == (m == 1) && m < 1 << 15);
        }
        assert_eq!(reciprocal(9), (29127, 18));
    }
}
