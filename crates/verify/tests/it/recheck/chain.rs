//! A program as a chain of operators over real values, derived from its lowered form, and what
//! it computes at a point.
//!
//! Evidence names relu nodes and lists slopes by their place in such a chain, and so this is
//! part of what evidence means:
//! - place 0 is the input; the places follow the nodes from the input to the output;
//! - in a real program every operator has a place but those that only move data;
//! - in a kernel, values are `m·M·2^-F`. A dense layer, an added constant and a relu have a place;
//!   a requantization has one for the rounding, unless no element loses a bit, and one for the
//!   clamp; a change of scale that keeps the value has none; one that keeps the mantissa (a
//!   division by a power of two) has one;
//! - a kernel that starts from real points has two more after the input: the rounding to the
//!   input format and its clamp.

use crate::recheck::number::{Span, mul, rounded};
use ceg4n_base::Exact;
use ceg4n_ir::{
    Checked, Format, Kernel, KernelNode, KernelOp, Lowered, NodeId, Program, RealOp, RealProgram,
    Rounding,
};

/// One element's rounding: to multiples of `2^-frac`.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) frac: i32,
    pub(crate) rounding: Rounding,
    /// Result minus operand lies in it; a point (zero) where nothing is lost.
    pub(crate) error: Span,
}

impl Step {
    /// Of multiples of `2^-from`; of any real without it.
    fn new(rounding: Rounding, from: Option<i32>, frac: i32) -> Self {
        let coarse = Exact::dyadic(1, -i64::from(frac));
        let half = coarse.shifted(-1);
        let error = match from {
            Some(from) if from <= frac => Span::point(&Exact::zero()),
            Some(from) => {
                let fine = Exact::dyadic(1, -i64::from(from));
                match rounding {
                    // A remainder is a multiple of the fine unit and below the coarse one.
                    Rounding::HalfUp => Span::new(&fine - &half, half),
                    Rounding::HalfEven => Span::new(-&half, half),
                    Rounding::Floor => Span::new(&fine - &coarse, Exact::zero()),
                }
            }
            None => match rounding {
                Rounding::HalfUp | Rounding::HalfEven => Span::new(-&half, half),
                Rounding::Floor => Span::new(-&coarse, Exact::zero()),
            },
        };
        Self {
            frac,
            rounding,
            error,
        }
    }

    pub(crate) fn is_exact(&self) -> bool {
        self.error.is_point()
    }

    pub(crate) fn at(&self, v: &Exact) -> Exact {
        if self.is_exact() {
            return v.clone();
        }
        let frac = i64::from(self.frac);
        Exact::dyadic(rounded(self.rounding, &v.shifted(frac)), -frac)
    }

    /// The image of an interval: rounding is monotone.
    pub(crate) fn image(&self, x: &Span) -> Span {
        Span::new(self.at(&x.lo), self.at(&x.hi))
    }
}

/// An operator on the values of the place before it.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Input,
    Dense {
        rows: Vec<Vec<Exact>>,
        bias: Vec<Exact>,
    },
    Scale(Vec<Exact>),
    Shift(Vec<Exact>),
    Relu,
    Round(Vec<Step>),
    Clamp {
        lo: Exact,
        hi: Exact,
    },
}

impl Op {
    pub(crate) fn is_affine(&self) -> bool {
        match self {
            Self::Dense { .. } | Self::Scale(_) | Self::Shift(_) => true,
            Self::Input | Self::Relu | Self::Round(_) | Self::Clamp { .. } => false,
        }
    }
}

/// A program.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) ops: Vec<Op>,
    /// Elements per place.
    pub(crate) len: Vec<usize>,
    /// Fraction bits of the values of a place that are a kernel's mantissas, whose multipliers left
    /// aside; else empty.
    pub(crate) frac: Vec<Vec<i32>>,
    /// The outputs are multiples of it.
    pub(crate) unit: Option<Exact>,
}

fn power(frac: i32) -> Exact {
    Exact::dyadic(1, -i64::from(frac))
}

fn mantissa(m: i128, frac: i32) -> Exact {
    Exact::dyadic(m, -i64::from(frac))
}

/// A constant at the scale of a node's element.
fn constant(node: &KernelNode, j: usize, m: i64) -> Exact {
    let whole = i128::from(m) * i128::from(node.multiplier(j));
    mantissa(whole, node.frac[j])
}

fn exact(v: f64) -> Exact {
    Exact::from_f64(v).expect("constants of checked programs are finite")
}

impl Chain {
    /// A program over real points.
    pub(crate) fn over_reals(program: &Checked<Program>) -> Self {
        match program.lowered() {
            Lowered::Real(r) => Self::real(r),
            Lowered::Fixed(k) => Self::kernel(k, true),
        }
    }

    /// A kernel over its own inputs, in real units.
    pub(crate) fn over_inputs(kernel: &Kernel) -> Self {
        Self::kernel(kernel, false)
    }

    pub(crate) fn outputs(&self) -> usize {
        self.len.last().copied().unwrap_or(0)
    }

    pub(crate) fn is_relu(&self, at: usize) -> bool {
        matches!(self.ops.get(at), Some(Op::Relu))
    }

    fn push(&mut self, op: Op, len: usize) {
        self.ops.push(op);
        self.len.push(len);
        self.frac.push(Vec::new());
    }

    fn empty() -> Self {
        Self {
            ops: Vec::new(),
            len: Vec::new(),
            frac: Vec::new(),
            unit: None,
        }
    }

    fn real(program: &RealProgram) -> Self {
        let mut path = vec![program.output];
        while let Some(x) = match &program.nodes[path[path.len() - 1]].op {
            RealOp::Input => None,
            RealOp::Dense { x, .. }
            | RealOp::AddConst { x, .. }
            | RealOp::DivConst { x, .. }
            | RealOp::Relu { x }
            | RealOp::Move { x } => Some(*x),
            other => unreachable!("plain layers, no {other:?}"),
        } {
            path.push(x);
        }
        let mut chain = Self::empty();
        for id in path.into_iter().rev() {
            let node = &program.nodes[id];
            let all = |c: &[f64]| c.iter().map(|c| exact(*c)).collect::<Vec<_>>();
            let op = match &node.op {
                RealOp::Move { .. } => continue,
                RealOp::Input => Op::Input,
                RealOp::Relu { .. } => Op::Relu,
                RealOp::AddConst { c, .. } => Op::Shift(all(c.near())),
                RealOp::DivConst { c, .. } => {
                    let one = Exact::from(1);
                    let inverse = |c: Exact| one.checked_div(&c).expect("no zero divisors");
                    Op::Scale(all(c.near()).into_iter().map(inverse).collect())
                }
                RealOp::Dense {
                    weight,
                    bias,
                    rows,
                    cols,
                    ..
                } => Op::Dense {
                    rows: weight.near().chunks_exact(*cols).map(all).collect(),
                    bias: match bias {
                        Some(b) => all(b.near()),
                        None => vec![Exact::zero(); *rows],
                    },
                },
                other => unreachable!("plain layers, no {other:?}"),
            };
            chain.push(op, node.len);
        }
        chain
    }

    fn kernel(kernel: &Kernel, from_reals: bool) -> Self {
        let mut path = vec![kernel.output];
        while let Some(x) = match &kernel.nodes[path[path.len() - 1]].op {
            KernelOp::Input { .. } => None,
            KernelOp::Dense { x, .. }
            | KernelOp::AddConst { x, .. }
            | KernelOp::Relu { x }
            | KernelOp::Requantize { x, .. }
            | KernelOp::Align { x, .. }
            | KernelOp::Move { x } => Some(*x),
            other => unreachable!("plain layers, no {other:?}"),
        } {
            path.push(x);
        }
        let mut chain = Self::empty();
        for id in path.into_iter().rev() {
            chain.kernel_node(kernel, id, from_reals);
            if let Some(last) = chain.frac.last_mut() {
                *last = kernel.nodes[id].frac.to_vec();
            }
        }
        chain.unit = Some(power(kernel.output_frac));
        chain
    }

    fn kernel_node(&mut self, kernel: &Kernel, id: NodeId, from_reals: bool) {
        let node = &kernel.nodes[id];
        let len = node.len;
        match &node.op {
            KernelOp::Input { format } => {
                self.push(Op::Input, len);
                if from_reals {
                    let step = Step::new(Rounding::HalfUp, None, format.frac());
                    self.push(Op::Round(vec![step; len]), len);
                    self.push(clamp(*format), len);
                }
            }
            KernelOp::Dense {
                x,
                weight,
                bias,
                cols,
                ..
            } => {
                let operand = &kernel.nodes[*x].frac;
                let row = |(j, w): (usize, &[i32])| -> Vec<Exact> {
                    let factor = i128::from(node.multiplier(j));
                    let at = |(k, w): (usize, &i32)| {
                        mantissa(factor * i128::from(*w), node.frac[j] - operand[k])
                    };
                    w.iter().enumerate().map(at).collect()
                };
                let bias = (0..len).map(|j| match bias {
                    Some(b) => constant(node, j, b[j]),
                    None => Exact::zero(),
                });
                let op = Op::Dense {
                    bias: bias.collect(),
                    rows: weight.chunks_exact(*cols).enumerate().map(row).collect(),
                };
                self.push(op, len);
            }
            KernelOp::AddConst { c, .. } => {
                let c = c.iter().enumerate();
                self.push(
                    Op::Shift(c.map(|(j, c)| constant(node, j, *c)).collect()),
                    len,
                );
            }
            KernelOp::Relu { .. } => self.push(Op::Relu, len),
            KernelOp::Requantize { x, format, .. } => {
                let step = |f: &i32| Step::new(kernel.rounding, Some(*f), format.frac());
                let steps: Vec<Step> = kernel.nodes[*x].frac.iter().map(step).collect();
                if steps.iter().any(|s| !s.is_exact()) {
                    self.push(Op::Round(steps), len);
                }
                self.push(clamp(*format), len);
            }
            KernelOp::Align { .. } => {}
            KernelOp::Move { x } => {
                let before = &kernel.nodes[*x].frac;
                if *before != node.frac {
                    let by = before.iter().zip(node.frac.iter());
                    self.push(Op::Scale(by.map(|(b, f)| power(f - b)).collect()), len);
                }
            }
            other => unreachable!("plain layers, no {other:?}"),
        }
    }

    /// The outputs at a point.
    pub(crate) fn at(&self, x: &[Exact]) -> Vec<Exact> {
        let mut v = x.to_vec();
        for op in &self.ops {
            let pairs = |c: &[Exact], f: fn(&Exact, &Exact) -> Exact| {
                v.iter().zip(c).map(|(a, b)| f(a, b)).collect::<Vec<_>>()
            };
            v = match op {
                Op::Input => v,
                Op::Dense { rows, bias } => rows
                    .iter()
                    .zip(bias)
                    .map(|(w, b)| {
                        let terms = w.iter().zip(&v).filter(|(w, _)| !w.is_zero());
                        terms.fold(b.clone(), |s, (w, v)| &s + &mul(w, v))
                    })
                    .collect(),
                Op::Scale(c) => pairs(c, |a, b| a * b),
                Op::Shift(c) => pairs(c, |a, b| a + b),
                Op::Relu => v.into_iter().map(|v| v.max(Exact::zero())).collect(),
                Op::Round(steps) => v.iter().zip(steps).map(|(v, s)| s.at(v)).collect(),
                Op::Clamp { lo, hi } => {
                    let at = |v: Exact| v.max(lo.clone()).min(hi.clone());
                    v.into_iter().map(at).collect()
                }
            };
        }
        v
    }
}

fn clamp(format: Format) -> Op {
    Op::Clamp {
        lo: mantissa(format.min().into(), format.frac()),
        hi: mantissa(format.max().into(), format.frac()),
    }
}
