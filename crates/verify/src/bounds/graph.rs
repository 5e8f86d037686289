//! One view of both kinds of program for bounds: operators over real values, in real units.
//!
//! A kernel's mantissa `m` at scale `F` with multiplier `M` is the real `m·M·2^-F`; rounding is an error of at most a
//! unit, clamping a piecewise-linear function. What the weights and constants of either program
//! stand for is an `f64` exactly, but for wide biases, whose conversion error is kept.

use crate::float::Bound;
use ceg4n_ir::{Format, Kernel, KernelNode, KernelOp, NodeId, RealOp, RealProgram, Rounding};
use std::sync::Arc;

/// An operator; its operand is the node before it.
#[derive(Clone, Debug)]
pub enum Op {
    /// The input.
    Input,
    /// `y = W·x + b`.
    Dense(Arc<Dense>),
    /// `y_i = x_i·c_i·(1 + t)` with `|t| ≤ slack·2^-52`.
    Scale {
        /// One factor per element.
        by: Arc<[f64]>,
        /// Roundings inside a factor.
        slack: usize,
    },
    /// `y_i = x_i + c_i`.
    Shift(Arc<Constant>),
    /// `max(0, x)`.
    Relu,
    /// `y_i` is `x_i` rounded to a multiple of a unit.
    Round(Arc<[Step]>),
    /// `clamp(x, lo, hi)`.
    Clamp {
        /// Least value.
        lo: f64,
        /// Greatest value.
        hi: f64,
    },
    /// `y_i` differs from `x_i`, computed by the dense or elementwise operator before it, by the
    /// rounding errors of a float32 evaluation in any order.
    Float32 {
        /// Terms that are summed for one element.
        terms: usize,
    },
}

/// A dense layer in real units.
#[derive(Clone, Debug)]
pub struct Dense {
    /// `rows·cols` weights, exact.
    pub weight: Arc<[f64]>,
    /// `rows` biases.
    pub bias: Constant,
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub cols: usize,
}

impl Dense {
    /// The weights of one output.
    pub fn row(&self, j: usize) -> &[f64] {
        &self.weight[j * self.cols..(j + 1) * self.cols]
    }
}

/// Constants with what their conversion to `f64` may have lost.
#[derive(Clone, Debug, Default)]
pub struct Constant {
    /// Nearest floats.
    pub value: Vec<f64>,
    /// Bounds of `|exact - value|`.
    pub error: Vec<f64>,
}

impl Constant {
    fn exact(value: Vec<f64>) -> Self {
        let error = vec![0.0; value.len()];
        Self { value, error }
    }

    /// The real value of each mantissa of a node's scales.
    fn fixed(mantissas: &[i64], node: &KernelNode) -> Self {
        let convert = |(j, m): (usize, &i64)| {
            // At most 79 bits; what is lost has at most 26 and is exact.
            let whole = i128::from(*m) * i128::from(node.multiplier(j));
            let near = whole as f64;
            let lost = (whole - near as i128) as f64;
            let u = unit(node.frac[j]);
            (near * u, lost.abs() * u)
        };
        let (value, error) = mantissas.iter().enumerate().map(convert).unzip();
        Self { value, error }
    }
}

/// How one element is rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The result is a multiple of it.
    pub unit: f64,
    /// Encloses result minus operand.
    pub error: Bound,
    /// Which multiple.
    pub rounding: Rounding,
}

impl Step {
    /// Rounding of multiples of `2^-from` to multiples of `2^-to`; no error where none is lost.
    /// Values of a scale with a multiplier are among those of the scale without it.
    fn fixed(rounding: Rounding, from: i32, to: i32) -> Self {
        let fine = unit(from);
        let coarse = unit(to);
        let error = if to >= from {
            Bound::new(0.0, 0.0)
        } else {
            match rounding {
                // Differences of powers of two: exact, or rounded to the larger one.
                Rounding::HalfUp => Bound::new(-(coarse / 2.0 - fine).max(0.0), coarse / 2.0),
                Rounding::HalfEven => Bound::new(-coarse / 2.0, coarse / 2.0),
                Rounding::Floor => Bound::new(-coarse, 0.0),
            }
        };
        Self {
            unit: coarse,
            error,
            rounding,
        }
    }

    /// True if nothing is lost.
    pub fn is_exact(&self) -> bool {
        self.error.lo == 0.0 && self.error.hi == 0.0
    }

    /// The image of an interval: rounding is monotone, and the error is bounded.
    pub fn image(&self, b: Bound) -> Bound {
        if self.is_exact() {
            return b;
        }
        let near = |v: f64| {
            let scaled = v / self.unit;
            // A quotient that underflows keeps its sign.
            let scaled = if scaled == 0.0 && v != 0.0 {
                f64::MIN_POSITIVE.copysign(v)
            } else {
                scaled
            };
            // Below 2^52 floor and fraction are exact; half-even's ties may go either way here.
            if scaled.abs() < 2f64.powi(51) {
                let floor = scaled.floor();
                Some((floor * self.unit, scaled - floor))
            } else {
                None
            }
        };
        let lo = match (near(b.lo), self.rounding) {
            (Some((floor, part)), Rounding::HalfUp) if part >= 0.5 => floor + self.unit,
            (Some((floor, part)), Rounding::HalfEven) if part > 0.5 => floor + self.unit,
            (Some((floor, _)), _) => floor,
            (None, _) => crate::float::down(b.lo + self.error.lo, 0.0),
        };
        let hi = match (near(b.hi), self.rounding) {
            (Some((floor, _)), Rounding::Floor) => floor,
            (Some((floor, part)), Rounding::HalfUp | Rounding::HalfEven) if part < 0.5 => floor,
            (Some((floor, _)), Rounding::HalfUp | Rounding::HalfEven) => floor + self.unit,
            (None, _) => crate::float::up(b.hi + self.error.hi, 0.0),
        };
        Bound::new(lo, hi)
    }
}

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it computes from the node before it.
    pub op: Op,
    /// Number of elements.
    pub len: usize,
    /// The kernel node whose mantissas, in real units, are this node's values.
    pub kernel: Option<NodeId>,
    /// Of such a node: a power of two whose multiples each element takes; else empty.
    pub units: Vec<f64>,
}

/// What a kernel's graph starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Mantissas of the input format (in real units).
    Mantissas,
    /// Real points, which the kernel rounds and clamps first.
    Reals,
}

/// A program as a chain of nodes, from the input to the output.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Nodes in order; the first is [`Op::Input`].
    pub nodes: Vec<Node>,
}

/// `2^-frac`; the checker bounds the exponents.
pub fn unit(frac: i32) -> f64 {
    2f64.powi(-frac)
}

impl Graph {
    /// Number of inputs.
    pub fn input_len(&self) -> usize {
        self.nodes.first().map_or(0, |n| n.len)
    }

    /// Number of outputs.
    pub fn output_len(&self) -> usize {
        self.nodes.last().map_or(0, |n| n.len)
    }

    /// The node that clamps the rounded input of a kernel that starts from reals.
    pub fn input_clamp(&self) -> Option<usize> {
        let rounded = matches!(self.nodes.get(1)?.op, Op::Round(_));
        (rounded && matches!(self.nodes.get(2)?.op, Op::Clamp { .. })).then_some(2)
    }

    /// Index of the output.
    pub fn output(&self) -> usize {
        self.nodes.len() - 1
    }

    fn push(&mut self, op: Op, len: usize, kernel: Option<NodeId>) {
        self.nodes.push(Node {
            op,
            len,
            kernel,
            units: Vec::new(),
        });
    }

    /// A real-valued program; with `float32` as it is computed in single precision.
    pub fn real(program: &RealProgram, float32: bool) -> Self {
        let mut chain = Vec::new();
        let mut at = program.output;
        loop {
            chain.push(at);
            at = match &program.nodes[at].op {
                RealOp::Input => break,
                RealOp::Dense { x, .. }
                | RealOp::AddConst { x, .. }
                | RealOp::DivConst { x, .. }
                | RealOp::Relu { x }
                | RealOp::Move { x } => *x,
                _ => unimplemented!("TEMP-OP"),
            };
        }
        let mut graph = Self { nodes: Vec::new() };
        for id in chain.into_iter().rev() {
            let node = &program.nodes[id];
            let terms = match &node.op {
                RealOp::Move { .. } => continue,
                RealOp::Input => {
                    graph.push(Op::Input, node.len, None);
                    continue;
                }
                RealOp::Relu { .. } => {
                    graph.push(Op::Relu, node.len, None);
                    continue;
                }
                RealOp::Dense {
                    weight,
                    bias,
                    rows,
                    cols,
                    ..
                } => {
                    let bias = match bias {
                        Some(b) => b.near().to_vec(),
                        None => vec![0.0; *rows],
                    };
                    let dense = Dense {
                        weight: weight.near().clone(),
                        bias: Constant::exact(bias),
                        rows: *rows,
                        cols: *cols,
                    };
                    graph.push(Op::Dense(Arc::new(dense)), *rows, None);
                    cols + 1
                }
                RealOp::AddConst { c, .. } => {
                    let c = Arc::new(Constant::exact(c.near().to_vec()));
                    graph.push(Op::Shift(c), node.len, None);
                    1
                }
                RealOp::DivConst { c, .. } => {
                    let by: Arc<[f64]> = c.near().iter().map(|c| 1.0 / c).collect();
                    // The inverse of a power of two is exact.
                    let odd = |c: &f64| c.to_bits() << 12 != 0;
                    let slack = usize::from(c.near().iter().any(odd)) * 2;
                    graph.push(Op::Scale { by, slack }, node.len, None);
                    1
                }
                _ => unimplemented!("TEMP-OP"),
            };
            if float32 {
                graph.push(Op::Float32 { terms }, node.len, None);
            }
        }
        graph
    }

    /// A kernel.
    pub fn kernel(kernel: &Kernel, from: From) -> Self {
        let mut chain = Vec::new();
        let mut at = kernel.output;
        loop {
            chain.push(at);
            at = match &kernel.nodes[at].op {
                KernelOp::Input { .. } => break,
                KernelOp::Dense { x, .. }
                | KernelOp::AddConst { x, .. }
                | KernelOp::Relu { x }
                | KernelOp::Requantize { x, .. }
                | KernelOp::Align { x, .. }
                | KernelOp::Move { x } => *x,
                _ => unimplemented!("TEMP-OP"),
            };
        }
        let mut graph = Self { nodes: Vec::new() };
        for id in chain.into_iter().rev() {
            graph.push_kernel(kernel, id, from);
            if let Some(last) = graph.nodes.last_mut() {
                let frac = &kernel.nodes[id].frac;
                last.units = frac.iter().map(|f| unit(*f)).collect();
            }
        }
        graph
    }

    fn push_kernel(&mut self, kernel: &Kernel, id: NodeId, from: From) {
        let node = &kernel.nodes[id];
        let len = node.len;
        match &node.op {
            KernelOp::Input { format } => {
                let mantissas = from == From::Mantissas;
                self.push(Op::Input, len, mantissas.then_some(id));
                if !mantissas {
                    let half = unit(format.frac()) / 2.0;
                    let step = Step {
                        unit: unit(format.frac()),
                        error: Bound::new(-half, half),
                        rounding: Rounding::HalfUp,
                    };
                    self.push(Op::Round(vec![step; len].into()), len, None);
                    self.push(clamp(*format), len, Some(id));
                }
            }
            KernelOp::Dense {
                x,
                weight,
                bias,
                rows,
                cols,
            } => {
                let operand = &kernel.nodes[*x].frac;
                let real = (0..rows * cols).map(|i| {
                    let (j, k) = (i / cols, i % cols);
                    // At most 47 bits: exact.
                    let whole = f64::from(weight[i]) * f64::from(node.multiplier(j));
                    whole * unit(node.frac[j] - operand[k])
                });
                let bias = match bias {
                    Some(b) => Constant::fixed(b, node),
                    None => Constant::exact(vec![0.0; *rows]),
                };
                let dense = Dense {
                    weight: real.collect(),
                    bias,
                    rows: *rows,
                    cols: *cols,
                };
                self.push(Op::Dense(Arc::new(dense)), len, Some(id));
            }
            KernelOp::AddConst { c, .. } => {
                let c = Arc::new(Constant::fixed(c, node));
                self.push(Op::Shift(c), len, Some(id));
            }
            KernelOp::Relu { .. } => self.push(Op::Relu, len, Some(id)),
            KernelOp::Requantize { x, format, .. } => {
                let from = &kernel.nodes[*x].frac;
                let step = |f: &i32| Step::fixed(kernel.rounding, *f, format.frac());
                let steps: Arc<[Step]> = from.iter().map(step).collect();
                if steps.iter().any(|s| !s.is_exact()) {
                    self.push(Op::Round(steps), len, None);
                }
                self.push(clamp(*format), len, Some(id));
            }
            // An exact change of scale.
            KernelOp::Align { x, .. } => self.rename(*x, id),
            KernelOp::Move { x } => {
                let before = &kernel.nodes[*x].frac;
                if before == &node.frac {
                    self.rename(*x, id);
                } else {
                    // The same mantissas at another scale.
                    let by: Arc<[f64]> = before
                        .iter()
                        .zip(node.frac.iter())
                        .map(|(b, f)| unit(f - b))
                        .collect();
                    self.push(Op::Scale { by, slack: 0 }, len, Some(id));
                }
            }
            _ => unimplemented!("TEMP-OP"),
        }
    }

    /// The last node's values are also those of `id`.
    fn rename(&mut self, x: NodeId, id: NodeId) {
        if let Some(last) = self.nodes.last_mut() {
            debug_assert_eq!(last.kernel, Some(x), "operands precede users");
            last.kernel = Some(id);
        }
    }
}

fn clamp(format: Format) -> Op {
    let u = unit(format.frac());
    Op::Clamp {
        lo: format.min() as f64 * u,
        hi: format.max() as f64 * u,
    }
}
