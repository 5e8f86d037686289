//! Programs of a few nodes, and dice.

use ceg4n_base::Exact;
use ceg4n_base::entity::{EntityRef, PrimaryMap};
use ceg4n_ir::kernel::{Interval, KernelNode, KernelOp};
use ceg4n_ir::{
    Conv, Format, Kernel, NodeId, RealNode, RealOp, RealProgram, Rounding, ValueId, Window,
};

/// Splitmix64: the same numbers on every machine.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `lo..=hi`.
    pub(crate) fn roll(&mut self, lo: i64, hi: i64) -> i64 {
        lo + (self.next() % (hi - lo + 1).unsigned_abs()) as i64
    }

    pub(crate) fn size(&mut self, lo: usize, hi: usize) -> usize {
        self.roll(lo as i64, hi as i64) as usize
    }

    /// Many magnitudes, and now and then zero.
    pub(crate) fn float(&mut self) -> f64 {
        if self.roll(0, 9) == 0 {
            return 0.0;
        }
        let m = self.roll(-(1 << 53), 1 << 53) as f64;
        m * 2f64.powi(self.roll(-70, -48) as i32)
    }

    /// A decimal, a dyadic number or a quotient.
    pub(crate) fn exact(&mut self) -> Exact {
        let den = [1, 8, 10, 1000, 3, 7 << 20][self.size(0, 5)];
        Exact::ratio(self.roll(-5000, 5000), den).expect("a denominator")
    }

    pub(crate) fn floats(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.float()).collect()
    }

    /// A window over at most `most` elements that has a tap everywhere.
    pub(crate) fn window(&mut self, most: usize) -> Window {
        loop {
            let mut pair = |lo, hi| [self.size(lo, hi), self.size(lo, hi)];
            let (extent, kernel) = (pair(1, 5), pair(1, 3));
            let (stride, dilation, pad) = (pair(1, 3), pair(1, 2), pair(0, 2));
            let after = pair(0, 2);
            let channels = self.size(1, 4);
            let mut out = [0; 2];
            for a in 0..2 {
                let reach = (kernel[a] - 1) * dilation[a] + 1;
                let room = extent[a] + pad[a] + after[a];
                out[a] = room.checked_sub(reach).map_or(0, |r| r / stride[a] + 1);
            }
            let window = Window {
                channels,
                height: extent[0],
                width: extent[1],
                kernel,
                stride,
                dilation,
                pad,
                out,
            };
            let all = (0..out[0]).flat_map(|y| (0..out[1]).map(move |x| (y, x)));
            let mut all = all.peekable();
            let exists = all.peek().is_some();
            if exists && window.input_len() <= most && all.all(|(y, x)| window.count(y, x) > 0) {
                return window;
            }
        }
    }

    pub(crate) fn conv(&mut self, most: usize) -> Conv {
        let window = self.window(most);
        let all = [1, 2, 3, 4];
        let fitting: Vec<usize> = all
            .into_iter()
            .filter(|g| window.channels.is_multiple_of(*g))
            .collect();
        let groups = fitting[self.size(0, fitting.len() - 1)];
        let filters = groups * self.size(1, 3);
        Conv {
            window,
            groups,
            filters,
        }
    }
}

pub(crate) fn n(i: usize) -> NodeId {
    NodeId::new(i)
}

fn value() -> ValueId {
    ValueId::new(0)
}

/// A kernel whose nodes are the input (node 0) and the operators, each with its length.
pub(crate) fn kernel(
    format: Format,
    len: usize,
    rule: Rounding,
    ops: Vec<(KernelOp, usize)>,
) -> Kernel {
    let mut nodes = PrimaryMap::new();
    let all = std::iter::once((KernelOp::Input { format }, len)).chain(ops);
    for (op, len) in all {
        nodes.push(KernelNode {
            value: value(),
            op,
            len,
            frac: vec![0; len].into(),
            multiplier: None,
            format: None,
            range: vec![Interval::new(-1, 1); len].into(),
            width: 64,
        });
    }
    Kernel {
        input: n(0),
        output: n(nodes.len() - 1),
        nodes,
        input_format: format,
        output_frac: 0,
        rounding: rule,
    }
}

/// A reference whose nodes are the input (node 0) and the operators, each with its length.
pub(crate) fn program(len: usize, ops: Vec<(RealOp, usize)>) -> RealProgram {
    let mut nodes = PrimaryMap::new();
    for (op, len) in std::iter::once((RealOp::Input, len)).chain(ops) {
        let value = value();
        nodes.push(RealNode { value, op, len });
    }
    RealProgram {
        input: n(0),
        output: n(nodes.len() - 1),
        nodes,
    }
}
