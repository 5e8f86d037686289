//! Every operator at small widths: programs whose inputs can all be tried, and what `ir-specs` says
//! of each. Another way to compute kernels (native code, emitted code, bounds) is tested on them,
//! exhaustively.
//!
//! [`programs`] has one program for each input format of up to four bits, rounding and output
//! format of up to four bits. Its outputs are many branches side by side, one or more for each
//! operator on stored integers and on accumulators, each requantized by a shift of its own.
//! [`sums`] has programs whose outputs are accumulators. Both have two inputs.

mod branches;

use crate::kernel::interpret_kernel;
use ceg4n_ir::{
    Checked, Constant, Format, Kernel, KernelOp, NetworkBuilder, Op, Origin, Program, Rounding,
    Shape, TensorFormat, Unary, ValueId, check,
};
use ceg4n_opspec::IntDomain;
use num_traits::ToPrimitive;
use std::sync::Arc;

/// Bits of the widest inputs and outputs.
pub const BITS: u8 = 4;
/// Inputs of every program.
pub const INPUTS: usize = 2;

/// A program that can be tried on every input.
#[derive(Clone, Debug)]
pub struct Small {
    /// Its formats and rounding, for messages; an identifier.
    pub name: String,
    /// The program.
    pub program: Checked<Program>,
    /// For each output what computes it.
    pub outputs: Vec<&'static str>,
}

/// Every format of up to [`BITS`] bits, each with fraction bits of its own.
pub fn formats() -> Vec<Format> {
    let mut all = Vec::new();
    for (k, width) in (1..=BITS).enumerate() {
        for signed in [true, false] {
            // From -1 to 2, so that values lie on both sides of 1.
            let frac = [2, -1, 0, 1][k] - i32::from(!signed && width == 1);
            all.extend(Format::new(signed, width, frac));
        }
    }
    all
}

/// For each input format, rounding and output format a program of every operator.
pub fn programs() -> Vec<Small> {
    chosen(|_| true)
}

/// Fewer programs, for what is slow to compile: for each rounding every input format and every
/// output format occurs, and each input format with one output format.
pub fn few() -> Vec<Small> {
    let n = formats().len();
    chosen(|[input, rounding, output]| (input + rounding) % n == output)
}

/// The programs whose places (of input format, rounding and output format) are wanted.
fn chosen(wanted: impl Fn([usize; 3]) -> bool) -> Vec<Small> {
    let mut all = Vec::new();
    for (i, input) in formats().into_iter().enumerate() {
        for (r, rounding) in Rounding::ALL.into_iter().enumerate() {
            for (k, output) in formats().into_iter().enumerate() {
                if !wanted([i, r, k]) {
                    continue;
                }
                // Scales from coarser than the input's to finer.
                let frac = input.frac() + [-1, 0, 1, 2][k % 4];
                let output = Format::new(output.signed(), output.width(), frac);
                let output = output.expect("a few bits around the input's are a format");
                all.push(joined(input, rounding, output));
            }
        }
    }
    all
}

/// For each input format, and each branch that may end in accumulators, a program of this branch.
pub fn sums() -> Vec<Small> {
    let mut all = Vec::new();
    for input in formats() {
        for (k, (name, make)) in sum_branches().enumerate() {
            let mut b = Branches::new(input);
            let y = make.push(&mut b);
            let y = b.flat(y);
            let len = b.len(y);
            all.push(Small {
                name: format!("sum_{}_{k}", identifier(input)),
                program: b.finish(y, Rounding::HalfUp),
                outputs: vec![name; len],
            });
        }
    }
    all
}

/// What makes a branch.
enum Make {
    Branch(branches::Branch),
    Function(Unary),
    FunctionOfSum(Unary),
}

impl Make {
    fn push(&self, b: &mut Branches) -> ValueId {
        match self {
            Self::Branch(branch) => branch(b),
            Self::Function(f) => branches::function(b, *f),
            Self::FunctionOfSum(f) => branches::function_of_sum(b, *f),
        }
    }
}

fn listed(
    list: &'static [(&'static str, branches::Branch)],
) -> impl Iterator<Item = (&'static str, Make)> {
    list.iter()
        .map(|(name, branch)| (*name, Make::Branch(*branch)))
}

/// The functions whose results are stored integers, or those whose results are not.
fn functions(stored: bool) -> impl Iterator<Item = (&'static str, Make)> {
    let wanted = move |f: &&Unary| f.format().is_some() == stored;
    let of_input = Unary::ALL.iter().filter(wanted);
    of_input.map(|f| (f.name(), Make::Function(*f)))
}

/// Branches that may end in accumulators.
fn sum_branches() -> impl Iterator<Item = (&'static str, Make)> {
    let of_sums = Unary::ALL.iter();
    let of_sums = of_sums.map(|f| (f.name(), Make::FunctionOfSum(*f)));
    listed(branches::SUMS)
        .chain(of_sums)
        .chain(functions(false))
}

/// Every branch, requantized and put side by side.
fn joined(input: Format, rounding: Rounding, output: Format) -> Small {
    let mut b = Branches::new(input);
    let (mut parts, mut outputs) = (Vec::new(), Vec::new());
    let stored = listed(branches::STORED).chain(functions(true));
    for (name, make) in sum_branches().chain(stored) {
        let y = make.push(&mut b);
        b.format(y, output.into());
        let y = b.flat(y);
        outputs.extend(std::iter::repeat_n(name, b.len(y)));
        parts.push(y);
    }
    let y = b.op(Op::Concat { xs: parts, axis: 0 });
    let rule = rounding.name().replace('-', "_");
    let names = [identifier(input), rule, identifier(output)];
    Small {
        name: names.join("_"),
        program: b.finish(y, rounding),
        outputs,
    }
}

/// `s4q-1` as part of a name: `s4qm1`.
fn identifier(f: Format) -> String {
    f.to_string().replace('-', "m")
}

/// Every input of a kernel, in order.
pub fn inputs(kernel: &Kernel) -> Vec<Vec<i64>> {
    let f = kernel.input_format;
    let mut all = vec![Vec::new()];
    for _ in 0..kernel.input_len() {
        let longer = |x: &Vec<i64>| {
            let x = x.clone();
            (f.min()..=f.max()).map(move |m| [&x[..], &[m]].concat())
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// Every node's elements on an input of the format, as `ir-specs` says.
///
/// # Panics
/// If the specification has no meaning there, which no checked program allows.
pub fn meaning(kernel: &Kernel, input: &[i64]) -> crate::Trace<i128> {
    let wide = input.iter().map(|m| i128::from(*m)).collect();
    interpret_kernel(kernel, &mut IntDomain, wide).expect("a checked kernel has a meaning")
}

/// The outputs of [`meaning`].
///
/// # Panics
/// As [`meaning`].
pub fn outputs(kernel: &Kernel, input: &[i64]) -> Vec<i64> {
    let values = meaning(kernel, input).take(kernel.output);
    let narrow = |v: i128| v.to_i64().expect("a checked kernel's outputs have 64 bits");
    values.into_iter().map(narrow).collect()
}

/// A name for each kind of node, so that a test can tell which it has seen.
pub fn kind(op: &KernelOp) -> &'static str {
    match op {
        KernelOp::Input { .. } => "input",
        KernelOp::Dense { .. } => "dense",
        KernelOp::AddConst { .. } => "add_const",
        KernelOp::Conv { .. } => "conv",
        KernelOp::MaxPool { .. } => "max_pool",
        KernelOp::SumPool { .. } => "sum_pool",
        KernelOp::MulConst { .. } => "mul_const",
        KernelOp::Sum { .. } => "sum",
        KernelOp::Concat { .. } => "concat",
        KernelOp::Gather { .. } => "gather",
        KernelOp::Relu { .. } => "relu",
        KernelOp::Clip { .. } => "clip",
        KernelOp::LeakyRelu { .. } => "leaky_relu",
        KernelOp::Unary { function, .. } => function.name(),
        KernelOp::Table { .. } => "table",
        KernelOp::Requantize { .. } => "requantize",
        KernelOp::Align { .. } => "align",
        KernelOp::Move { .. } => "move",
    }
}

/// The number of kinds of nodes that [`kind`] tells apart.
pub const KINDS: usize = 17 + Unary::ALL.len();

/// A value's format, and a constant's mantissas.
type Note = (ValueId, TensorFormat, Option<Arc<[i32]>>);

/// Builds a network with the formats of its version.
struct Branches {
    net: NetworkBuilder,
    notes: Vec<Note>,
    /// The input, a vector.
    x: ValueId,
    format: Format,
}

impl Branches {
    fn new(format: Format) -> Self {
        let mut net = NetworkBuilder::new("small");
        let x = net.push("x", Op::Input, Some(Shape::vector(INPUTS)), None);
        Self {
            net,
            notes: vec![(x, format.into(), None)],
            x,
            format,
        }
    }

    fn push(&mut self, op: Op, shape: Option<&[usize]>) -> ValueId {
        let name = format!("v{}", self.net.values().len());
        let shape = shape.map(|s| Shape(s.to_vec()));
        self.net.push(name, op, shape, None)
    }

    fn op(&mut self, op: Op) -> ValueId {
        self.push(op, None)
    }

    fn format(&mut self, v: ValueId, format: TensorFormat) {
        self.notes.push((v, format, None));
    }

    /// A constant of explicit mantissas, in formats of four signed bits with these fraction bits
    /// and multipliers: one for all, or one per index of the first dimension.
    fn constant(&mut self, shape: &[usize], scales: &[(i32, u16)], m: &[i32]) -> ValueId {
        let data = vec![1.0; m.len()];
        let v = self.push(Op::Const(constant(data)), Some(shape));
        let format = |(frac, multiplier): &(i32, u16)| {
            let plain = Format::new(true, BITS, *frac);
            let scaled = plain.and_then(|f| f.with_multiplier(*multiplier));
            scaled.expect("small fraction bits and multipliers are a format")
        };
        let format = match scales {
            [one] => TensorFormat::Tensor(format(one)),
            _ => TensorFormat::Channels(scales.iter().map(format).collect()),
        };
        self.notes.push((v, format, Some(m.into())));
        v
    }

    fn flat(&mut self, x: ValueId) -> ValueId {
        self.op(Op::Flatten { x })
    }

    fn len(&self, v: ValueId) -> usize {
        self.net.values()[v].shape.len()
    }

    fn finish(self, output: ValueId, rounding: Rounding) -> Checked<Program> {
        let net = self.net.finish(output).expect("a well-formed network");
        let mut patch = Program::reference(Arc::new(net)).patch().rounding(rounding);
        for (v, format, mantissas) in self.notes {
            patch = match mantissas {
                Some(m) => patch.mantissas(v, format, m),
                None => patch.format(v, format),
            };
        }
        check(patch.finish()).expect("a program that the checker takes")
    }
}

fn constant(data: Vec<f32>) -> Constant {
    Constant {
        data: data.into(),
        origin: Origin::Inline,
        wide: None,
    }
}
