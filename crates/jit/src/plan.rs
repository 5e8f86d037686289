//! From a kernel's nodes to stages: which nodes share one native call, where each stage reads,
//! how elements lie in the buffers between stages, and of what type they are. No weights are
//! copied yet.

mod facts;
mod fuse;
mod moves;

pub(crate) use fuse::Rows;
pub(crate) use moves::{Moves, Run};

use facts::{elem, live_users, root, sum_elem, wanted_planes};

use crate::order::Order;
use crate::shape::{Before, Elem};
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::window::{Conv, Window};
use ceg4n_ir::{Kernel, KernelOp, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a stage reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The program's input.
    Input,
    /// The output of an earlier stage.
    Stage(usize),
}

/// The elements of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) source: Source,
    pub(crate) order: Order,
    pub(crate) elem: Elem,
}

/// What a stage computes before its epilogues.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// One element of each.
    Map(Before),
    /// The sum of two elements.
    Sum,
    /// A dense product.
    Dense {
        weight: Arc<[i32]>,
        /// The register width of the sum alone.
        width: u8,
    },
    /// A convolution, channels next to each other.
    Conv {
        weight: Arc<[i32]>,
        conv: Arc<Conv>,
        /// As for `Dense`.
        width: u8,
    },
    /// A convolution with one filter for each channel; no epilogue.
    Depthwise { weight: Arc<[i32]>, conv: Arc<Conv> },
    /// A pool; no epilogue.
    Pool {
        window: Arc<Window>,
        /// The greatest element, or else the sum.
        greatest: bool,
    },
    /// Elements in other places; no epilogue.
    Move(Moves),
    /// A table look-up; no epilogue.
    Table { least: i64, table: Arc<[i32]> },
}

impl Work {
    /// True if results go through epilogues.
    fn has_epilogue(&self) -> bool {
        match self {
            Self::Map(_) | Self::Sum | Self::Dense { .. } | Self::Conv { .. } => true,
            Self::Depthwise { .. } | Self::Pool { .. } | Self::Move(_) | Self::Table { .. } => {
                false
            }
        }
    }

    /// True if each result depends on the operands' elements of the same index alone, so that the
    /// epilogues of every element may differ.
    fn is_elementwise(&self) -> bool {
        match self {
            Self::Map(_) | Self::Sum => true,
            Self::Dense { .. }
            | Self::Conv { .. }
            | Self::Depthwise { .. }
            | Self::Pool { .. }
            | Self::Move(_)
            | Self::Table { .. } => false,
        }
    }
}

/// Nodes that one call computes: work, then as far as the work has epilogues
/// `[add]* [relu | clip]* [requantize | align] [relu | clip]*`.
#[derive(Clone, Debug)]
pub(crate) struct StagePlan {
    /// The operands; one, but for sums and concatenations.
    pub(crate) operands: Vec<Place>,
    pub(crate) work: Work,
    pub(crate) y: Elem,
    /// Where results go.
    pub(crate) order: Order,
    pub(crate) rows: Rows,
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
    Clip,
    Shift,
    /// Nothing follows.
    Done,
}

/// Plans the nodes that the output depends on. There is at least one stage; the last one computes
/// the output, flat and in 64 bits.
pub(crate) fn plan(kernel: &Kernel) -> Vec<StagePlan> {
    let mut planner = Planner {
        kernel,
        users: live_users(kernel),
        wanted: wanted_planes(kernel),
        stages: Vec::new(),
        places: SecondaryMap::new(),
        moved: BTreeMap::new(),
    };
    for (id, _) in kernel.nodes.iter() {
        if planner.users[id] > 0 {
            let place = planner.node(id);
            planner.places[id] = Some(place);
        }
    }
    planner.finish()
}

struct Planner<'a> {
    kernel: &'a Kernel,
    users: SecondaryMap<NodeId, usize>,
    /// Channels and positions that a later window wants next to each other.
    wanted: SecondaryMap<NodeId, Option<(usize, usize)>>,
    stages: Vec<StagePlan>,
    places: SecondaryMap<NodeId, Option<Place>>,
    /// Results that were brought to another order.
    moved: BTreeMap<(Source, Order), Source>,
}

impl Planner<'_> {
    fn place(&self, id: NodeId) -> Place {
        self.places[id].expect("operands precede users")
    }

    /// Plans a live node.
    fn node(&mut self, id: NodeId) -> Place {
        let kernel = self.kernel;
        let node = &kernel.nodes[id];
        match &node.op {
            KernelOp::Input { .. } => Place {
                source: Source::Input,
                order: Order::flat(node.len),
                elem: elem(kernel, id),
            },
            KernelOp::Move { x } => self.place(*x),
            KernelOp::Dense { x, weight, .. } => {
                let x = self.place(*x);
                let (weight, width) = (weight.clone(), node.width);
                let order = Order::flat(node.len);
                self.stage(id, vec![x], Work::Dense { weight, width }, order)
            }
            KernelOp::Conv {
                x, weight, conv, ..
            } => self.conv(id, *x, weight, conv),
            KernelOp::MaxPool { x, window } => self.pool(id, *x, window, true),
            KernelOp::SumPool { x, window } => self.pool(id, *x, window, false),
            KernelOp::Sum { x, y } => {
                let (x, y) = self.alike(id, *x, *y);
                let order = x.order;
                self.stage(id, vec![x, y], Work::Sum, order)
            }
            KernelOp::Concat { xs, outer } => {
                let places: Vec<Place> = xs.iter().map(|x| self.place(*x)).collect();
                let order = self.wanted_order(id);
                let moves = Moves::concat(&places, *outer, order);
                self.stage(id, places, Work::Move(moves), order)
            }
            KernelOp::Gather { x, index, fill } => {
                let x = self.place(*x);
                let order = self.wanted_order(id);
                let moves = Moves::gather(x.order, index, *fill, order);
                self.stage(id, vec![x], Work::Move(moves), order)
            }
            KernelOp::Table {
                x, least, table, ..
            } => {
                let x = self.place(*x);
                let (least, table) = (*least, table.clone());
                self.stage(id, vec![x], Work::Table { least, table }, x.order)
            }
            KernelOp::MulConst { x, .. } => self.map(id, *x, Before::Scale),
            KernelOp::LeakyRelu { x, .. } => self.map(id, *x, Before::Leaky),
            KernelOp::Unary { x, function } => self.map(id, *x, Before::Unary(*function)),
            KernelOp::AddConst { x, .. }
            | KernelOp::Relu { x }
            | KernelOp::Clip { x, .. }
            | KernelOp::Requantize { x, .. }
            | KernelOp::Align { x, .. } => self
                .fused(id, *x)
                .unwrap_or_else(|| self.map(id, *x, Before::Nothing)),
        }
    }

    /// Adds a stage that begins with a node.
    fn stage(&mut self, id: NodeId, operands: Vec<Place>, work: Work, order: Order) -> Place {
        let y = elem(self.kernel, id);
        self.stage_of(id, operands, work, order, y)
    }

    fn stage_of(
        &mut self,
        id: NodeId,
        operands: Vec<Place>,
        work: Work,
        order: Order,
        y: Elem,
    ) -> Place {
        self.stages
            .push(StagePlan::new(operands, work, order, y, self.kernel, id));
        Place {
            source: Source::Stage(self.stages.len() - 1),
            order,
            elem: y,
        }
    }

    /// Takes a node into the stage that computes its operand, if nothing else reads that.
    fn fused(&mut self, id: NodeId, operand: NodeId) -> Option<Place> {
        let place = self.place(operand);
        match place.source {
            Source::Stage(s) if self.users[root(self.kernel, operand)] == 1 => {
                let stage = &mut self.stages[s];
                stage.extend(self.kernel, id).then_some(Place {
                    elem: stage.y,
                    ..place
                })
            }
            Source::Stage(_) | Source::Input => None,
        }
    }

    fn map(&mut self, id: NodeId, x: NodeId, before: Before) -> Place {
        let mut x = self.place(x);
        let order = self.wanted_order(id);
        if x.order.is_flat() {
            x = self.reordered(x, order);
        }
        self.stage(id, vec![x], Work::Map(before), x.order)
    }

    fn conv(&mut self, id: NodeId, x: NodeId, weight: &Arc<[i32]>, conv: &Arc<Conv>) -> Place {
        let window = &conv.window;
        let x = self.in_planes(x, window.channels, window.plane());
        let (weight, conv) = (weight.clone(), conv.clone());
        let (filters, windows) = (conv.filters, conv.window.windows());
        let width = self.kernel.nodes[id].width;
        let depthwise = conv.depth() == 1 && conv.filters == conv.groups && conv.groups > 1;
        if !depthwise {
            let order = Order::planes(filters, windows, conv_pitch(&conv));
            let work = Work::Conv {
                weight,
                conv,
                width,
            };
            return self.stage(id, vec![x], work, order);
        }
        let order = Order::interleaved(filters, windows);
        let y = sum_elem(width);
        let sums = self.stage_of(id, vec![x], Work::Depthwise { weight, conv }, order, y);
        // The bias, and what follows it.
        self.stage(id, vec![sums], Work::Map(Before::Nothing), order)
    }

    fn pool(&mut self, id: NodeId, x: NodeId, window: &Arc<Window>, greatest: bool) -> Place {
        let x = self.in_planes(x, window.channels, window.plane());
        let y = match greatest {
            true => x.elem,
            false => sum_elem(self.kernel.nodes[id].width),
        };
        let pitch = x.order.pitch_of(window.channels, window.plane());
        let pitch = pitch.unwrap_or(window.channels);
        let order = Order::planes(window.channels, window.windows(), pitch);
        let window = window.clone();
        self.stage_of(id, vec![x], Work::Pool { window, greatest }, order, y)
    }

    /// The order that later windows want a node in; flat if there are none.
    fn wanted_order(&self, id: NodeId) -> Order {
        let len = self.kernel.nodes[id].len;
        self.wanted[id].map_or(Order::flat(len), |(c, p)| Order::interleaved(c, p))
    }

    /// An operand with its channels next to each other.
    fn in_planes(&mut self, x: NodeId, channels: usize, plane: usize) -> Place {
        let place = self.place(x);
        match place.order.pitch_of(channels, plane) {
            Some(_) => place,
            None => self.reordered(place, Order::interleaved(channels, plane)),
        }
    }

    /// Two operands in one order.
    fn alike(&mut self, id: NodeId, x: NodeId, y: NodeId) -> (Place, Place) {
        let (x, y) = (self.place(x), self.place(y));
        let order = match (x.order.is_flat(), y.order.is_flat()) {
            (true, true) => self.wanted_order(id),
            (true, false) => y.order,
            (false, _) => x.order,
        };
        (self.reordered(x, order), self.reordered(y, order))
    }

    /// The same elements in another order.
    fn reordered(&mut self, x: Place, order: Order) -> Place {
        if x.order == order {
            return x;
        }
        let source = *self.moved.entry((x.source, order)).or_insert_with(|| {
            let work = Work::Move(Moves::reorder(x.order, order));
            self.stages
                .push(StagePlan::bare(vec![x], work, order, x.elem));
            Source::Stage(self.stages.len() - 1)
        });
        Place { source, order, ..x }
    }

    /// The output must leave the last stage, flat and in 64 bits, whatever its range.
    fn finish(mut self) -> Vec<StagePlan> {
        let output = self.place(self.kernel.output);
        let last = self.stages.len().wrapping_sub(1);
        match self.stages.last_mut() {
            Some(stage)
                if output.source == Source::Stage(last)
                    && output.order.is_flat()
                    && stage.work.has_epilogue() =>
            {
                stage.y = Elem::I64;
            }
            _ => {
                let order = Order::flat(output.order.len());
                let work = Work::Move(Moves::reorder(output.order, order));
                self.stages
                    .push(StagePlan::bare(vec![output], work, order, Elem::I64));
            }
        }
        self.stages
    }
}

/// The pitch of a convolution's result: whole vectors, and room for the last tile of the last
/// group.
fn conv_pitch(conv: &Conv) -> usize {
    use crate::shape::{LANES, TILE};
    let own = conv.filters / conv.groups;
    (conv.filters - own + own.next_multiple_of(TILE)).next_multiple_of(LANES)
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
        let types = |s: &StagePlan| (s.operands[0].elem, s.y);
        assert_eq!(types(&stages[0]), (Elem::I16, Elem::I16));
        assert_eq!(types(&stages[1]), (Elem::I16, Elem::I64));
        assert_eq!(stages[1].operands[0].source, Source::Stage(0));
        assert_eq!(stages[0].rows.list[0].floor, 0);
    }
}
