//! `run`: the reference exactly, the kernel by the interpreter and by native code, which must
//! agree.

use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::options::LoadOptions;
use crate::points::{Point, parse_points};
use ceg4n_base::{Diagnostic, Diagnostics, Exact, codes};
use ceg4n_eval::{BITS, Enclosure, decided_winner, kernel_trace, real_trace, real_trace_within};
use ceg4n_import::{DataRequest, DataSource, Pixels, read_data_set};
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Checked, Kernel, NodeId, Program, Rounding, check};
use ceg4n_jit::{CodeCache, Evaluator};
use num_traits::ToPrimitive;
use serde::Serialize;
use std::ops::Range;

/// What to evaluate.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// The network; its regions and requirements do not matter.
    pub load: LoadOptions,
    /// A data set whose rows are the inputs; without one they stand in [`Self::input`].
    pub data: Option<DataSource>,
    /// Which of its rows; all of them if absent.
    pub rows: Option<Range<usize>>,
    /// What its stored bytes stand for.
    pub pixels: Option<Pixels>,
    /// Inputs, one number per input element of the network; where there are any, data and text do
    /// not count.
    pub points: Vec<Vec<Exact>>,
    /// The text of the inputs, see [`parse_points`].
    pub input: String,
    /// What messages call it.
    pub input_name: String,
    /// The IR version; `None` is the last one, if there is one.
    pub ir_version: Option<u32>,
    /// Overrides the version's rounding.
    pub rounding: Option<Rounding>,
    /// Keep the values of every layer.
    pub trace: bool,
}

impl RunOptions {
    /// The options of `ceg4nc run NET` on inputs that are at hand as numbers.
    pub fn new(load: LoadOptions, points: Vec<Vec<Exact>>) -> Self {
        Self {
            load,
            points,
            ..Self::default()
        }
    }
}

/// The results of one input. Numbers serialise as exact decimals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunResult {
    /// The region that it is the centre of, or the row that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The input.
    pub x: Vec<Exact>,
    /// The network's real function.
    pub reference: Outputs,
    /// The version, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelOutputs>,
}

/// A real number that was computed. Serialises as one exact decimal, or as a list of two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Known {
    /// Itself.
    Exact(Exact),
    /// No less than the first and no more than the second: smooth activations have no rational
    /// values.
    Between(Exact, Exact),
}

impl From<Enclosure> for Known {
    fn from((lo, hi): Enclosure) -> Self {
        if lo == hi {
            Self::Exact(lo)
        } else {
            Self::Between(lo, hi)
        }
    }
}

/// What the reference says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outputs {
    /// Its outputs.
    pub outputs: Vec<Known>,
    /// The strict winner; `None` for a tie, a single output, or bounds that leave it open.
    pub class: Option<usize>,
    /// Every value in order, if asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<TracedReal>,
}

/// What the kernel says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KernelOutputs {
    /// The IR version.
    pub version: u32,
    /// The input as integers of the input format.
    pub input: Vec<i64>,
    /// Output mantissas.
    pub mantissas: Vec<i64>,
    /// The real numbers that they stand for.
    pub outputs: Vec<Exact>,
    /// The lowest index among the greatest outputs; `None` for a single output.
    pub class: Option<usize>,
    /// Every value in order, if asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<TracedKernel>,
}

/// A value of the reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TracedReal {
    /// Its name, without `%`.
    pub name: String,
    /// Its elements, row-major.
    pub values: Vec<Known>,
}

/// A step of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TracedKernel {
    /// The IR value that it helps to compute, without `%`.
    pub name: String,
    /// The step: `dense`, `requantize`, …
    pub step: &'static str,
    /// The format of a stored tensor, or the width of an accumulator.
    #[serde(rename = "type")]
    pub format: String,
    /// Mantissas, row-major.
    pub mantissas: Vec<i64>,
    /// The real numbers that they stand for.
    pub values: Vec<Exact>,
}

/// Evaluates every input.
///
/// # Errors
/// Whatever is wrong with the network or the inputs; [`codes::INTERNAL`] if interpreter and
/// native code disagree.
pub fn run(options: &RunOptions) -> Result<(Loaded, Vec<RunResult>), Failure> {
    let loaded = load(&options.load)?;
    match results(&loaded, options) {
        Ok(list) => Ok((loaded, list)),
        Err(e) => Err(loaded.fail(e)),
    }
}

fn results(loaded: &Loaded, options: &RunOptions) -> Result<Vec<RunResult>, Diagnostics> {
    let net = &loaded.module.network;
    let points = match &options.data {
        _ if !options.points.is_empty() => given(&options.points, net.input_len())?,
        Some(data) => rows_of(data, options, loaded)?,
        None => parse_points(&options.input, &options.input_name, net.input_len())?,
    };
    let reference = check(loaded.module.reference())?;
    let asked = options.ir_version.is_some() || options.rounding.is_some();
    let kernel = if asked || !loaded.module.versions.is_empty() {
        let program = loaded.version(options.ir_version, options.rounding)?;
        let checked = check(program)?;
        // A version of weights only is real: the reference with other weights.
        let evaluator = match checked.kernel() {
            None => None,
            Some(_) => Some(Evaluator::new(&checked, &CodeCache::new()).map_err(internal)?),
        };
        evaluator.map(|e| (checked, e))
    } else {
        None
    };
    let one = |point: Point| {
        Ok(RunResult {
            reference: reference_outputs(&reference, &point.x, options.trace)?,
            kernel: match &kernel {
                None => None,
                Some((p, e)) => Some(kernel_outputs(p, e, &point.x, options.trace)?),
            },
            id: point.id,
            x: point.x,
        })
    };
    points.into_iter().map(one).collect()
}

/// Inputs that are numbers already.
fn given(points: &[Vec<Exact>], inputs: usize) -> Result<Vec<Point>, Diagnostic> {
    if let Some((i, x)) = points.iter().enumerate().find(|(_, x)| x.len() != inputs) {
        let text = format!(
            "input {} has {} elements, the network takes {inputs}",
            i + 1,
            x.len()
        );
        return Err(Diagnostic::error(codes::REGION_FILE, text));
    }
    let point = |x: &Vec<Exact>| Point {
        id: None,
        x: x.clone(),
    };
    Ok(points.iter().map(point).collect())
}

/// The rows of a data set as inputs.
fn rows_of(
    data: &DataSource,
    options: &RunOptions,
    loaded: &Loaded,
) -> Result<Vec<Point>, Diagnostics> {
    let set = read_data_set(&DataRequest {
        data,
        labels: None,
        rows: options.rows.clone(),
        rows_option: "--rows",
        shape: loaded.shape(),
        classes: loaded.module.network.output_len(),
        pixels: options.pixels,
    })?;
    let mut row = Vec::new();
    let point = |k| {
        set.copy(k..k + 1, &mut row);
        Point {
            id: Some((set.rows.start + k).to_string()),
            // Every number of a data set is finite.
            x: row.iter().filter_map(|v| Exact::from_f64(*v)).collect(),
        }
    };
    Ok((0..set.len()).map(point).collect())
}

fn internal(e: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::error(codes::INTERNAL, e.to_string())
}

fn reference_outputs(
    reference: &Checked<Program>,
    x: &[Exact],
    trace: bool,
) -> Result<Outputs, Diagnostic> {
    let real = reference
        .real()
        .ok_or_else(|| internal("the reference is not real"))?;
    let nodes: Vec<(NodeId, Vec<Known>)> = if real.is_exact() {
        let values = real_trace(real, x).map_err(internal)?;
        let known = |id| values.node(id).iter().cloned().map(Known::Exact).collect();
        real.nodes.keys().map(|id| (id, known(id))).collect()
    } else {
        let values = real_trace_within(real, x, BITS).map_err(internal)?;
        let known = |id| values.node(id).iter().cloned().map(Known::from).collect();
        real.nodes.keys().map(|id| (id, known(id))).collect()
    };
    let network = &reference.program().network;
    let outputs = nodes.iter().find(|(id, _)| *id == real.output);
    let outputs = outputs.map_or_else(Vec::new, |(_, values)| values.clone());
    let mut steps = Vec::new();
    if trace {
        for (id, values) in nodes {
            let name = network.value(real.nodes[id].value).name.clone();
            steps.push(TracedReal { name, values });
        }
    }
    let ends = outputs.iter().map(|v| match v {
        Known::Exact(v) => (v.clone(), v.clone()),
        Known::Between(lo, hi) => (lo.clone(), hi.clone()),
    });
    let ends: Vec<Enclosure> = ends.collect();
    Ok(Outputs {
        class: (outputs.len() > 1)
            .then(|| decided_winner(&ends).flatten())
            .flatten(),
        outputs,
        trace: steps,
    })
}

fn kernel_outputs(
    program: &Checked<Program>,
    native: &Evaluator,
    x: &[Exact],
    trace: bool,
) -> Result<KernelOutputs, Diagnostic> {
    let kernel = native.kernel();
    let input = kernel.quantize_input(x);
    let values = kernel_trace(kernel, &input).map_err(internal)?;
    let mantissas = to_i64(values.node(kernel.output))?;
    let mut by_native = Vec::new();
    native
        .eval_batch(&input, 1, &mut by_native)
        .map_err(internal)?;
    if by_native != mantissas {
        let text = format!(
            "interpreter and native code disagree on the input {input:?}: {mantissas:?} and {by_native:?}"
        );
        return Err(internal(text));
    }
    let mut steps = Vec::new();
    if trace {
        for (id, _) in kernel.nodes.iter() {
            steps.push(traced(program, kernel, id, to_i64(values.node(id))?));
        }
    }
    Ok(KernelOutputs {
        version: program.program().annotations.version,
        outputs: kernel.output_values(&mantissas),
        class: (mantissas.len() > 1).then(|| argmax(&mantissas)).flatten(),
        input,
        mantissas,
        trace: steps,
    })
}

fn traced(
    program: &Checked<Program>,
    kernel: &Kernel,
    id: NodeId,
    mantissas: Vec<i64>,
) -> TracedKernel {
    use ceg4n_ir::KernelOp;
    let node = &kernel.nodes[id];
    let step = match &node.op {
        KernelOp::Input { .. } => "input",
        KernelOp::Dense { .. } => "dense",
        KernelOp::AddConst { .. } => "add",
        KernelOp::Relu { .. } => "relu",
        KernelOp::Requantize { .. } => "requantize",
        KernelOp::Align { .. } => "align",
        KernelOp::Move { .. } => "move",
        KernelOp::Conv { .. } => "conv",
        KernelOp::MaxPool { .. } => "max_pool",
        KernelOp::SumPool { .. } => "sum_pool",
        KernelOp::MulConst { .. } => "mul",
        KernelOp::Sum { .. } => "sum",
        KernelOp::Concat { .. } => "concat",
        KernelOp::Gather { .. } => "gather",
        KernelOp::Clip { .. } => "clip",
        KernelOp::LeakyRelu { .. } => "leaky_relu",
        KernelOp::Unary { function, .. } => function.name(),
        KernelOp::Table { .. } => "table",
    };
    let values = mantissas
        .iter()
        .zip(node.frac.iter())
        .enumerate()
        .map(|(j, (m, frac))| {
            let m = i128::from(*m) * i128::from(node.multiplier(j));
            Exact::dyadic(m, -i64::from(*frac))
        })
        .collect();
    TracedKernel {
        name: program.program().network.value(node.value).name.clone(),
        step,
        format: match node.format {
            Some(f) => f.to_string(),
            None => format!("acc s{}", node.width),
        },
        mantissas,
        values,
    }
}

fn to_i64(values: &[i128]) -> Result<Vec<i64>, Diagnostic> {
    let exceeds = || internal("a mantissa exceeds 64 bits");
    values
        .iter()
        .map(|m| m.to_i64().ok_or_else(exceeds))
        .collect()
}
