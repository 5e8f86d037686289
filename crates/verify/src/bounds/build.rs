//! Makes a chain of a program that branches: the state is the list of values that are still
//! needed, one after the other.

use super::curve::Function;
use super::graph::{Constant, Graph, Linear, Node, Op};
use super::linear::{Conv, Map, Sparse};
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::{FILL, NodeId, Unary, Window};
use std::ops::Range;
use std::sync::Arc;

/// A value of the state.
#[derive(Clone, Debug)]
struct Live {
    /// The program's node.
    id: NodeId,
    /// Its elements.
    on: Range<usize>,
    /// The chain's node where it was made.
    made: usize,
    /// Its first element there: other values may have moved it since.
    born: usize,
}

/// A chain in the making.
pub(super) struct Builder {
    graph: Graph,
    live: Vec<Live>,
    /// How often each value is still read.
    uses: SecondaryMap<NodeId, usize>,
    /// The value that a node only renames, or itself.
    same: SecondaryMap<NodeId, Option<NodeId>>,
}

impl Builder {
    /// `operands` of each node in topological order up to the output; those of a node that only
    /// renames its operand's values are given by `renames`.
    pub(super) fn new(
        nodes: &[(NodeId, Vec<NodeId>)],
        output: NodeId,
        renames: impl Fn(NodeId) -> bool,
    ) -> Self {
        let mut same: SecondaryMap<NodeId, Option<NodeId>> = SecondaryMap::new();
        for (id, xs) in nodes {
            let first = xs.first().filter(|_| renames(*id));
            same[*id] = first.map(|x| same[*x].unwrap_or(*x));
        }
        let mut uses: SecondaryMap<NodeId, usize> = SecondaryMap::new();
        uses[same[output].unwrap_or(output)] += 1;
        // A value that nothing needs reads nothing.
        for (id, xs) in nodes.iter().rev() {
            if same[*id].is_none() && uses[*id] > 0 {
                for x in xs {
                    uses[same[*x].unwrap_or(*x)] += 1;
                }
            }
        }
        Self {
            graph: Graph { nodes: Vec::new() },
            live: Vec::new(),
            uses,
            same,
        }
    }

    fn value(&self, id: NodeId) -> NodeId {
        self.same[id].unwrap_or(id)
    }

    /// True if the output depends on the node's values.
    pub(super) fn is_needed(&self, id: NodeId) -> bool {
        self.uses[self.value(id)] > 0
    }

    /// How many nodes read the node's values.
    pub(super) fn readers(&self, id: NodeId) -> usize {
        self.uses[self.value(id)]
    }

    /// The chain.
    pub(super) fn finish(self) -> Graph {
        self.graph
    }

    /// Elements of the state.
    fn len(&self) -> usize {
        self.graph.nodes.last().map_or(0, |n| n.len)
    }

    fn push(&mut self, op: Op, len: usize, on: Range<usize>) {
        self.graph.nodes.push(Node {
            on,
            ..Node::new(op, len)
        });
    }

    /// The first node.
    pub(super) fn input(&mut self, id: NodeId, len: usize) {
        self.push(Op::Input, len, 0..len);
        self.live = vec![Live {
            id,
            on: 0..len,
            made: 0,
            born: 0,
        }];
    }

    fn place(&self, id: NodeId) -> Range<usize> {
        let id = self.value(id);
        let found = self.live.iter().find(|l| l.id == id);
        // Operands precede their users and are kept until the last of them.
        found.map_or(0..0, |l| l.on.clone())
    }

    /// Takes one use off each operand; the values that are needed further on.
    fn release(&mut self, xs: &[NodeId]) -> Vec<Live> {
        for x in xs {
            let x = self.value(*x);
            self.uses[x] = self.uses[x].saturating_sub(1);
        }
        let live = std::mem::take(&mut self.live);
        live.into_iter().filter(|l| self.uses[l.id] > 0).collect()
    }

    /// Node `id` is a linear map of values: `blocks` gives its blocks from the operands' places.
    pub(super) fn linear(
        &mut self,
        id: NodeId,
        xs: &[NodeId],
        blocks: impl FnOnce(&[Range<usize>]) -> Vec<(usize, Map)>,
        bias: Constant,
        slack: usize,
    ) {
        let places: Vec<Range<usize>> = xs.iter().map(|x| self.place(*x)).collect();
        let cols = self.len();
        let kept = self.release(xs);
        let copies = kept.iter().map(|l| (l.on.start, Map::Copy(l.on.len())));
        let mut all: Vec<(usize, Map)> = copies.collect();
        all.extend(blocks(&places));
        let passed: usize = kept.iter().map(|l| l.on.len()).sum();
        let pad = |own: Vec<f64>| -> Vec<f64> {
            let mut v = vec![0.0; passed];
            v.extend(own);
            v
        };
        let bias = Constant {
            value: pad(bias.value),
            error: pad(bias.error),
        };
        let map = Linear::new(cols, all, bias, slack);
        let len = map.rows;
        self.push(Op::Linear(Arc::new(map)), len, 0..len);
        let mut at = 0;
        for l in kept {
            let n = l.on.len();
            self.live.push(Live {
                on: at..at + n,
                ..l
            });
            at += n;
        }
        let made = self.graph.nodes.len() - 1;
        self.live.push(Live {
            id,
            on: at..len,
            made,
            born: at,
        });
    }

    /// Node `id` is a map of the values of `x`.
    pub(super) fn map(&mut self, id: NodeId, x: NodeId, map: Map, bias: Constant, slack: usize) {
        self.linear(id, &[x], |p| vec![(p[0].start, map)], bias, slack);
    }

    /// Node `id` is `x + y`.
    pub(super) fn sum(&mut self, id: NodeId, x: NodeId, y: NodeId) {
        let (cols, n) = (self.len(), self.place(x).len());
        let rows = |p: &[Range<usize>]| {
            let mut sum = Sparse::new(cols);
            (0..n).for_each(|i| sum.push([(p[0].start + i, 1.0), (p[1].start + i, 1.0)]));
            vec![(0, Map::Sparse(sum))]
        };
        self.linear(id, &[x, y], rows, Constant::exact(vec![0.0; n]), 0);
    }

    /// Node `id` starts as a copy of value `x`, in its place if nothing else needs `x`.
    pub(super) fn take(&mut self, id: NodeId, x: NodeId) {
        if self.uses[self.value(x)] > 1 {
            let n = self.place(x).len();
            let copy = |p: &[Range<usize>]| vec![(p[0].start, Map::Copy(n))];
            self.linear(id, &[x], copy, Constant::exact(vec![0.0; n]), 0);
            return;
        }
        let x = self.value(x);
        self.uses[x] = 0;
        if let Some(l) = self.live.iter_mut().find(|l| l.id == x) {
            l.id = id;
        }
    }

    /// An elementwise operator on the values of node `id`.
    pub(super) fn each(&mut self, id: NodeId, op: Op) {
        let on = self.place(id);
        self.part(id, op, on);
    }

    /// An elementwise operator on some elements of the state.
    fn part(&mut self, id: NodeId, op: Op, on: Range<usize>) {
        let len = self.len();
        self.push(op, len, on);
        let made = self.graph.nodes.len() - 1;
        if let Some(l) = self.live.iter_mut().find(|l| l.id == id) {
            l.made = made;
            l.born = l.on.start;
        }
    }

    /// Replaces the values of node `id` by a linear map of themselves.
    fn again(&mut self, id: NodeId, rows: usize, blocks: Vec<(usize, Map)>) {
        // The map is the only reader of what stands there now.
        let readers = std::mem::replace(&mut self.uses[id], 1);
        let from = |p: &[Range<usize>]| {
            let shift = p[0].start;
            blocks.into_iter().map(|(f, m)| (shift + f, m)).collect()
        };
        self.linear(id, &[id], from, Constant::exact(vec![0.0; rows]), 0);
        self.uses[id] = readers;
    }

    /// `max(0, ·)` on the last `n` elements of node `id`.
    fn relu_tail(&mut self, id: NodeId, n: usize) {
        let on = self.place(id);
        self.part(id, Op::Relu, on.end - n..on.end);
    }

    /// The greatest element of each window: rounds of `max(a, b) = a + relu(b - a)` over pairs of
    /// what is left of each window. `id` holds the operand.
    pub(super) fn windows(&mut self, id: NodeId, mut windows: Vec<Vec<usize>>) {
        while windows.iter().any(|w| w.len() > 1) {
            let len = self.place(id).len();
            // First what is kept or is the first of a pair, then the pairs' differences.
            let (mut firsts, mut gaps) = (Vec::new(), Vec::new());
            for w in &windows {
                for pair in w.chunks(2) {
                    firsts.push(pair[0]);
                    if let [a, b] = pair {
                        gaps.push((firsts.len() - 1, *a, *b));
                    }
                }
            }
            let mut pairs = Sparse::new(len);
            firsts.iter().for_each(|a| pairs.push([(*a, 1.0)]));
            gaps.iter()
                .for_each(|(_, a, b)| pairs.push([(*b, 1.0), (*a, -1.0)]));
            let (n, more) = (firsts.len(), gaps.len());
            self.again(id, n + more, vec![(0, Map::Sparse(pairs))]);
            self.relu_tail(id, more);
            let mut sums = Sparse::new(n + more);
            let mut gap = gaps.iter().zip(n..).peekable();
            for i in 0..n {
                let rest = gap
                    .next_if(|((first, ..), _)| *first == i)
                    .map(|g| (g.1, 1.0));
                sums.push([Some((i, 1.0)), rest].into_iter().flatten());
            }
            self.again(id, n, vec![(0, Map::Sparse(sums))]);
            let mut at = 0;
            for w in &mut windows {
                let left = w.len().div_ceil(2);
                *w = (at..at + left).collect();
                at += left;
            }
        }
        // Windows of one element each need no round.
        if windows.iter().zip(0..).any(|(w, i)| w[..] != [i])
            || windows.len() != self.place(id).len()
        {
            let mut pick = Sparse::new(self.place(id).len());
            windows
                .iter()
                .for_each(|w| pick.push(w.first().map(|i| (*i, 1.0))));
            self.again(id, windows.len(), vec![(0, Map::Sparse(pick))]);
        }
    }

    /// `a·x + b·relu(x)`.
    pub(super) fn bent(&mut self, id: NodeId, a: f64, b: f64) {
        let n = self.place(id).len();
        self.again(id, 2 * n, vec![(0, Map::Copy(n)), (0, Map::Copy(n))]);
        self.relu_tail(id, n);
        let mut sum = Sparse::new(2 * n);
        (0..n).for_each(|i| sum.push([(i, a), (n + i, b)]));
        self.again(id, n, vec![(0, Map::Sparse(sum))]);
    }

    /// A function of each element: pieces that have their own bounds, or constant ones.
    pub(super) fn unary(&mut self, id: NodeId, function: Unary) {
        match function {
            Unary::Abs => self.abs(id),
            Unary::Sign => self.each(id, Op::Curve(Arc::new(Function::Unary(function)))),
        }
    }

    /// `|x| = relu(x) + relu(-x)`.
    fn abs(&mut self, id: NodeId) {
        let n = self.place(id).len();
        let mut minus = Sparse::new(n);
        (0..n).for_each(|i| minus.push([(i, -1.0)]));
        self.again(id, 2 * n, vec![(0, Map::Copy(n)), (0, Map::Sparse(minus))]);
        self.relu_tail(id, 2 * n);
        let mut sum = Sparse::new(2 * n);
        (0..n).for_each(|i| sum.push([(i, 1.0), (n + i, 1.0)]));
        self.again(id, n, vec![(0, Map::Sparse(sum))]);
    }

    /// `max(x, lo)`, then `min(·, hi)`, element by element. Both as relus:
    /// `lo + relu(x - lo)` and `hi - relu(hi - x)`.
    pub(super) fn clip(&mut self, id: NodeId, lo: Option<Constant>, hi: Option<Constant>) {
        let minus = |c: &Constant| Constant {
            value: c.value.iter().map(|v| -v).collect(),
            error: c.error.clone(),
        };
        if let Some(lo) = lo {
            self.shift(id, minus(&lo));
            self.each(id, Op::Relu);
            self.shift(id, lo);
        }
        if let Some(hi) = hi {
            let turn = |this: &mut Self| {
                let by: Arc<[f64]> = vec![-1.0; hi.value.len()].into();
                this.each(id, Op::Scale { by, slack: 0 });
                this.shift(id, hi.clone());
            };
            turn(self);
            self.each(id, Op::Relu);
            turn(self);
        }
    }

    /// Adds constants, unless all are zero.
    pub(super) fn shift(&mut self, id: NodeId, c: Constant) {
        if c.value.iter().chain(&c.error).any(|v| *v != 0.0) {
            self.each(id, Op::Shift(Arc::new(c)));
        }
    }

    /// The values of node `id` are all there: marks where, with the units whose multiples they
    /// are, if any are known.
    pub(super) fn done(&mut self, id: NodeId, units: Vec<f64>) {
        let value = self.value(id);
        let Some(l) = self.live.iter().find(|l| l.id == value) else {
            return;
        };
        let node = &mut self.graph.nodes[l.made];
        node.of.push((id, l.born));
        if units.len() == l.on.len() {
            node.units.resize(node.len, 0.0);
            node.units[l.born..l.born + units.len()].copy_from_slice(&units);
        }
    }
}

/// For each of `outer` parts, that part of every operand.
pub(super) fn concat(places: &[Range<usize>], outer: usize) -> Vec<(usize, Map)> {
    let part = |o: usize| {
        places.iter().map(move |p| {
            let size = p.len() / outer.max(1);
            (p.start + o * size, Map::Copy(size))
        })
    };
    (0..outer).flat_map(part).collect()
}

/// The elements at `index` of an operand of `len` elements, none where it is to be filled.
pub(super) fn gather(index: &[u32], len: usize) -> Map {
    let mut rows = Sparse::new(len);
    for i in index {
        rows.push((*i != FILL).then_some((*i as usize, 1.0)));
    }
    Map::Sparse(rows)
}

/// The sums over windows, times a factor, as a convolution of single channels.
pub(super) fn pool(window: &Window, by: f64) -> Conv {
    Conv {
        weight: vec![by; window.channels * window.size()].into(),
        shape: Arc::new(ceg4n_ir::Conv {
            window: window.clone(),
            groups: window.channels,
            filters: window.channels,
        }),
    }
}

/// The elements of the operand that each window sees.
pub(super) fn windows(window: &Window) -> Vec<Vec<usize>> {
    let [height, width] = window.out;
    let at = |c: usize, y: usize, x: usize| {
        let taps = window.taps(y, x).map(|t| c * window.plane() + t.position);
        taps.collect()
    };
    (0..window.channels * height * width)
        .map(|j| at(j / (height * width), j / width % height, j % width))
        .collect()
}
