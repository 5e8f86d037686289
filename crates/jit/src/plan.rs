//! From a kernel's nodes to stages: which nodes share one native call, where each stage reads,
//! and the element types between stages. No data is copied yet.

use crate::shape::{Elem, Row};
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::kernel::multiplier;
use ceg4n_ir::{Interval, Kernel, KernelOp, NodeId};
use std::sync::Arc;

/// Where a stage reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The program's input.
    Input,
    /// The output of an earlier stage.
    Stage(usize),
}

/// The dense product that a stage begins with.
#[derive(Clone, Debug)]
pub(crate) struct DenseData {
    pub(crate) weight: Arc<[i32]>,
    pub(crate) cols: usize,
    /// The register width of the sum alone.
    pub(crate) width: u8,
}

/// Nodes that one native call computes: `[dense] [add]* [relu]* [requantize | align] [relu]*`.
#[derive(Clone, Debug)]
pub(crate) struct StagePlan {
    pub(crate) source: Source,
    pub(crate) x: Elem,
    pub(crate) y: Elem,
    pub(crate) dense: Option<DenseData>,
    /// One epilogue per output element.
    pub(crate) rows: Vec<Row>,
    /// The greatest register width of the stage's nodes.
    pub(crate) width: u8,
    /// The same of those before multiplier and shift.
    pub(crate) sum_width: u8,
    progress: Progress,
}

/// How far a stage's fixed order of steps has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    Sum,
    Relu,
    Shift,
}

/// Plans the nodes that the output depends on. There is at least one stage; the last one computes
/// the output, in 64 bits.
pub(crate) fn plan(kernel: &Kernel) -> Vec<StagePlan> {
    let users = live_users(kernel);
    let mut stages: Vec<StagePlan> = Vec::new();
    let mut places: SecondaryMap<NodeId, Option<Source>> = SecondaryMap::new();
    for (id, node) in kernel.nodes.iter() {
        if users[id] == 0 {
            continue;
        }
        let Some(operand) = operand(&node.op) else {
            places[id] = Some(Source::Input);
            continue;
        };
        let source = places[operand].expect("operands precede users");
        if matches!(node.op, KernelOp::Move { .. }) {
            places[id] = Some(source);
            continue;
        }
        let fused = match source {
            // A value that others read too must be stored.
            Source::Stage(s) if users[root(kernel, operand)] == 1 => {
                stages[s].extend(kernel, id).then_some(source)
            }
            Source::Stage(_) | Source::Input => None,
        };
        places[id] = Some(fused.unwrap_or_else(|| {
            let x = elem(kernel, operand);
            let stage = StagePlan::new(source, x, kernel, id);
            stages.push(stage);
            Source::Stage(stages.len() - 1)
        }));
    }
    // The output must leave the last stage, in 64 bits, whatever its range.
    let source = places[kernel.output].expect("the output is live");
    if source == Source::Stage(stages.len().wrapping_sub(1)) {
        if let Some(last) = stages.last_mut() {
            last.y = Elem::I64;
        }
    } else {
        stages.push(StagePlan {
            source,
            x: elem(kernel, kernel.output),
            y: Elem::I64,
            dense: None,
            rows: vec![Row::IDENTITY; kernel.output_len()],
            width: 1,
            sum_width: 1,
            progress: Progress::Shift,
        });
    }
    stages
}

impl StagePlan {
    /// A stage that computes one node.
    fn new(source: Source, x: Elem, kernel: &Kernel, id: NodeId) -> Self {
        let node = &kernel.nodes[id];
        let mut stage = Self {
            source,
            x,
            y: elem(kernel, id),
            dense: None,
            rows: vec![Row::IDENTITY; node.len],
            width: 1,
            sum_width: 1,
            progress: Progress::Sum,
        };
        if let KernelOp::Dense {
            weight, bias, cols, ..
        } = &node.op
        {
            stage.dense = Some(DenseData {
                weight: weight.clone(),
                cols: *cols,
                width: node.width,
            });
            stage.width = node.width;
            stage.sum_width = node.width;
            if let Some(bias) = bias {
                stage.add(bias);
            }
        } else {
            let taken = stage.extend(kernel, id);
            debug_assert!(taken, "an empty stage takes every elementwise node");
        }
        stage
    }

    /// Takes the node after the stage's present last one, if the order of steps allows it.
    fn extend(&mut self, kernel: &Kernel, id: NodeId) -> bool {
        let node = &kernel.nodes[id];
        match &node.op {
            KernelOp::AddConst { c, .. } if self.progress == Progress::Sum => self.add(c),
            KernelOp::Relu { .. } => self.relu(),
            KernelOp::Requantize {
                multiplier: factors,
                shift,
                format,
                ..
            } if self.progress < Progress::Shift => {
                for (j, (row, s)) in self.rows.iter_mut().zip(shift.iter()).enumerate() {
                    row.multiplier = multiplier(factors.as_deref(), j).into();
                    row.set_shift(*s, kernel.rounding);
                    (row.lo, row.hi) = (format.min(), format.max());
                }
                self.progress = Progress::Shift;
            }
            KernelOp::Align { shift, .. } if self.progress < Progress::Shift => {
                for (row, s) in self.rows.iter_mut().zip(shift.iter()) {
                    row.set_shift(-s, kernel.rounding);
                }
                self.progress = Progress::Shift;
            }
            KernelOp::Input { .. }
            | KernelOp::Dense { .. }
            | KernelOp::AddConst { .. }
            | KernelOp::Requantize { .. }
            | KernelOp::Align { .. }
            | KernelOp::Move { .. } => return false,
            _ => unimplemented!("TEMP-OP"),
        }
        self.width = self.width.max(node.width);
        if self.progress < Progress::Shift {
            self.sum_width = self.sum_width.max(node.width);
        }
        self.y = elem(kernel, id);
        true
    }

    /// Adds constants to the sum. Two's complement sums of constants may wrap: the whole sum is
    /// what the proved width holds.
    fn add(&mut self, c: &[i64]) {
        for (row, c) in self.rows.iter_mut().zip(c) {
            row.bias = row.bias.wrapping_add(*c);
        }
    }

    fn relu(&mut self) {
        if self.progress < Progress::Shift {
            self.progress = Progress::Relu;
            for row in &mut self.rows {
                row.floor = 0;
            }
        } else {
            for row in &mut self.rows {
                (row.lo, row.hi) = (row.lo.max(0), row.hi.max(0));
            }
        }
    }
}

/// The narrowest type of a node's elements.
fn elem(kernel: &Kernel, id: NodeId) -> Elem {
    let hull = kernel.nodes[id].range.iter().copied();
    hull.reduce(Interval::hull).map_or(Elem::I64, Elem::of)
}

/// The operand of a node, if it has one.
fn operand(op: &KernelOp) -> Option<NodeId> {
    match op {
        KernelOp::Input { .. } => None,
        KernelOp::Dense { x, .. }
        | KernelOp::AddConst { x, .. }
        | KernelOp::Relu { x }
        | KernelOp::Requantize { x, .. }
        | KernelOp::Align { x, .. }
        | KernelOp::Move { x } => Some(*x),
        _ => unimplemented!("TEMP-OP"),
    }
}

/// The node whose elements a chain of moves passes on.
fn root(kernel: &Kernel, mut id: NodeId) -> NodeId {
    while let KernelOp::Move { x } = kernel.nodes[id].op {
        id = x;
    }
    id
}

/// How many live nodes use each node, moves looked through; the program's result counts as a use.
/// A live move has the count 1, a dead node 0.
fn live_users(kernel: &Kernel) -> SecondaryMap<NodeId, usize> {
    let mut users: SecondaryMap<NodeId, usize> = SecondaryMap::new();
    let count = |users: &mut SecondaryMap<NodeId, usize>, id: NodeId| {
        let mut id = id;
        while let KernelOp::Move { x } = kernel.nodes[id].op {
            users[id] = 1;
            id = x;
        }
        users[id] += 1;
    };
    count(&mut users, kernel.output);
    for (id, node) in kernel.nodes.iter().rev() {
        let moves = matches!(node.op, KernelOp::Move { .. });
        if let Some(x) = operand(&node.op).filter(|_| users[id] > 0 && !moves) {
            count(&mut users, x);
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use super::*;
    use ceg4n_ir::network::{Constant, Origin};
    use ceg4n_ir::{Format, NetworkBuilder, Op, Program, Shape, ValueId, check};

    fn format(text: &str) -> Format {
        text.parse().expect("a format")
    }

    /// Plans a chain of operators over three elements: `d`ense, `a`dd, `r`elu, `m`ove, `q`
    /// requantizes what stands before it.
    fn stages(chain: &str) -> Vec<StagePlan> {
        let mut net = NetworkBuilder::new("t");
        let mut formats: Vec<(ValueId, &str)> = vec![];
        let mut x = net.push("x", Op::Input, Some(Shape::vector(3)), None);
        formats.push((x, "s8q4"));
        for (i, step) in chain.chars().enumerate() {
            let mut constant = |shape: Vec<usize>| {
                let data = vec![1.0; shape.iter().product()].into();
                let origin = Origin::Inline;
                let op = Op::Const(Constant {
                    data,
                    origin,
                    wide: None,
                });
                let c = net.push(format!("c{i}"), op, Some(Shape(shape)), None);
                formats.push((c, "s4q2"));
                c
            };
            let op = match step {
                'd' => Op::Dense {
                    x,
                    weight: constant(vec![3, 3]),
                    bias: None,
                },
                'a' => Op::Add {
                    x,
                    c: constant(vec![3]),
                },
                'r' => Op::Relu { x },
                'm' => Op::Flatten { x },
                _ => {
                    formats.push((x, "s8q3"));
                    continue;
                }
            };
            x = net.push(format!("v{i}"), op, None, None);
        }
        let net = Arc::new(net.finish(x).expect("a network"));
        let mut patch = Program::reference(net).patch();
        for (v, f) in formats {
            patch = patch.format(v, format(f));
        }
        let checked = check(patch.finish()).expect("a valid program");
        plan(checked.kernel().expect("a kernel"))
    }

    #[test]
    fn stages_take_what_fits_their_order_of_steps() {
        for (chain, count) in [
            ("", 1),
            ("m", 1),
            ("d", 1),
            ("dq", 1),
            ("darqrm", 1),
            ("dmamrqmr", 1),
            ("daa", 1),
            ("dra", 2),
            ("drarq", 2),
            ("dqa", 2),
            ("dqmq", 1),
            ("dqdrqd", 3),
            ("ar", 1),
            ("rqd", 2),
        ] {
            // `q` on a value that has the format already is no operator: "dqmq" is one stage.
            assert_eq!(stages(chain).len(), count, "{chain}");
        }
    }

    #[test]
    fn types_between_stages_follow_ranges() {
        let stages = stages("drqd");
        assert_eq!((stages[0].x, stages[0].y), (Elem::I16, Elem::I16));
        assert_eq!((stages[1].x, stages[1].y), (Elem::I16, Elem::I64));
        assert_eq!(stages[1].source, Source::Stage(0));
        assert_eq!(stages[0].rows[0].floor, 0);
    }
}
