//! The walk over a kernel's nodes: each becomes a few operators on integers.
//!
//! Every vector is int32 where its type range fits, else int64, and an operator is done in a word
//! that the checker proved wide enough for operands, result and all between (`KernelNode::width`).
//! So nothing wraps, and there is no rounding but that of the kernel.

use super::graph::{Graph, Value, Word, int};
use crate::EmitError;
use crate::elem::{Elem, hull};
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::{Checked, FILL, Interval, Kernel, KernelNode, KernelOp, NodeId, Program};

/// State of the walk.
pub(super) struct Lowering<'a> {
    pub(super) kernel: &'a Kernel,
    program: &'a Program,
    pub(super) graph: Graph,
    /// Each node's vector, in the least word that holds its range, in the network's shape.
    values: SecondaryMap<NodeId, Option<Value>>,
    /// What was chosen, layer by layer, for the description.
    pub(super) notes: Vec<String>,
}

impl<'a> Lowering<'a> {
    /// Nothing yet.
    pub(super) fn new(
        program: &'a Checked<Program>,
        kernel: &'a Kernel,
        reserved: &[&str],
    ) -> Self {
        let mut graph = Graph::default();
        graph.reserve(reserved);
        Self {
            kernel,
            program: program.program(),
            graph,
            values: SecondaryMap::new(),
            notes: Vec::new(),
        }
    }

    /// Lowers every node that the output needs; `input` is the vector of input integers, and the
    /// result that of the output.
    pub(super) fn lower(&mut self, input: &Value) -> Result<Value, EmitError> {
        let needed = self.needed();
        let kernel = self.kernel;
        for (n, node) in kernel.nodes.iter() {
            if needed[n] {
                let network = &self.program.network;
                let value = network.value(node.value);
                self.graph.enter(&value.name);
                let made = self.operator(node, input)?;
                let made = self.graph.shaped(&made, &value.shape.0);
                let made = self.graph.in_word(&made, Word::holding(hull(&node.range)));
                self.values[n] = Some(made);
            }
        }
        self.value(kernel.output)
    }

    fn needed(&self) -> SecondaryMap<NodeId, bool> {
        let mut needed: SecondaryMap<NodeId, bool> = SecondaryMap::new();
        needed[self.kernel.output] = true;
        let nodes: Vec<_> = self.kernel.nodes.iter().collect();
        for (n, node) in nodes.into_iter().rev() {
            if needed[n] {
                for x in node.op.operands() {
                    needed[x] = true;
                }
            }
        }
        needed
    }

    /// The vector of an earlier node.
    pub(super) fn value(&self, n: NodeId) -> Result<Value, EmitError> {
        let found = self.values[n].clone();
        found.ok_or_else(|| EmitError::Internal(format!("{n} has no vector")))
    }

    pub(super) fn node(&self, n: NodeId) -> &'a KernelNode {
        &self.kernel.nodes[n]
    }

    /// The name of the value that a node helps to compute.
    pub(super) fn name(&self, node: &KernelNode) -> &str {
        &self.program.network.value(node.value).name
    }

    fn operator(&mut self, node: &'a KernelNode, input: &Value) -> Result<Value, EmitError> {
        match &node.op {
            KernelOp::Input { .. } => Ok(input.clone()),
            KernelOp::Dense {
                x,
                weight,
                bias,
                rows,
                cols,
            } => self.dense(node, *x, weight, bias.as_deref(), [*rows, *cols]),
            KernelOp::Conv {
                x,
                weight,
                bias,
                conv,
            } => self.conv(node, *x, weight, bias.as_deref(), conv),
            KernelOp::MaxPool { x, window } => self.max_pool(node, *x, window),
            KernelOp::SumPool { x, window } => self.sum_pool(node, *x, window),
            KernelOp::AddConst { x, c } => self.add_const(node, *x, c),
            KernelOp::MulConst { x, c } => self.mul_const(node, *x, c),
            KernelOp::Sum { x, y } => self.sum(node, *x, *y),
            KernelOp::Concat { xs, outer } => self.concat(node, xs, *outer),
            KernelOp::Gather { x, index, fill } => self.gather(*x, index, *fill),
            KernelOp::Relu { x } => self.relu(node, *x),
            KernelOp::Clip { x, lo, hi } => self.clip(node, *x, lo, hi),
            KernelOp::LeakyRelu { x, shift } => self.leaky_relu(node, *x, *shift),
            KernelOp::Unary { x, function } => self.unary(*function, node, *x),
            KernelOp::Table {
                x, least, table, ..
            } => self.table(*x, *least, table),
            KernelOp::Requantize {
                x,
                multiplier,
                shift,
                format,
            } => self.requantize(node, *x, multiplier.as_deref(), shift, *format),
            KernelOp::Align { x, shift } => self.align(node, *x, shift),
            KernelOp::Move { x } => self.value(*x),
        }
    }

    fn concat(
        &mut self,
        node: &KernelNode,
        xs: &[NodeId],
        outer: usize,
    ) -> Result<Value, EmitError> {
        let word = Word::holding(hull(&node.range));
        let outer = outer.max(1);
        let mut names = Vec::new();
        for x in xs {
            let part = self.node(*x).len / outer;
            let x = self.value(*x)?;
            let x = self.graph.in_word(&x, word);
            names.push(self.graph.shaped(&x, &[outer, part]).name);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let name = self.graph.node("Concat", &names, vec![int("axis", 2)]);
        Ok(Value {
            name,
            word,
            shape: vec![outer, node.len / outer],
        })
    }

    /// Padding is one element behind the operand's last.
    fn gather(&mut self, x: NodeId, index: &[u32], fill: i64) -> Result<Value, EmitError> {
        let len = self.node(x).len;
        let x = self.value(x)?;
        let mut x = self.graph.flat(&x);
        if index.contains(&FILL) {
            x = self.padded(&x, fill)?;
        }
        let place = |i: &u32| {
            if *i == FILL {
                len as i64
            } else {
                i64::from(*i)
            }
        };
        let places: Vec<i64> = index.iter().map(place).collect();
        let places = self.graph.list(&places);
        let axis = vec![int("axis", 1)];
        let name = self.graph.node("Gather", &[&x.name, &places], axis);
        Ok(Value {
            name,
            word: x.word,
            shape: vec![index.len()],
        })
    }

    /// The vector with one element more along its last axis.
    pub(super) fn padded(&mut self, x: &Value, fill: i64) -> Result<Value, EmitError> {
        let word = x.word.max(Word::holding(Interval::new(fill, fill)));
        let mut x = self.graph.in_word(x, word);
        // Begins of all axes, then ends; the batch is an axis.
        let rank = x.shape.len() + 1;
        let mut pads = vec![0; 2 * rank];
        pads[2 * rank - 1] = 1;
        let pads = self.graph.list(&pads);
        let fill = self.graph.integers(word, &[], [fill])?;
        x.name = self.graph.node("Pad", &[&x.name, &pads, &fill], vec![]);
        if let Some(last) = x.shape.last_mut() {
            *last += 1;
        }
        Ok(x)
    }

    fn table(&mut self, x: NodeId, least: i64, table: &[i32]) -> Result<Value, EmitError> {
        let x = self.value(x)?;
        let entries = table.iter().map(|e| i64::from(*e));
        let entries = self.graph.integers(Word::I32, &[table.len()], entries)?;
        let mut at = x.clone();
        if least != 0 {
            let first = self.graph.integers(x.word, &[], [least])?;
            at = self.graph.with_constant("Sub", &x, &first);
        }
        let axis = vec![int("axis", 0)];
        let name = self.graph.node("Gather", &[&entries, &at.name], axis);
        Ok(x.renamed(name, Word::I32))
    }
}

/// The type that the interface has for the input's integers, as the C kernel.
pub(super) fn input_type(kernel: &Kernel) -> (Elem, i32) {
    use ceg4n_import::onnx::proto::data_type as t;
    let elem = Elem::of_format(kernel.input_format);
    let data_type = match elem {
        Elem::I8 => t::INT8,
        Elem::U8 => t::UINT8,
        Elem::I16 => t::INT16,
        Elem::U16 => t::UINT16,
        Elem::I32 => t::INT32,
        Elem::U32 => t::UINT32,
        Elem::I64 => t::INT64,
    };
    (elem, data_type)
}
