//! The reference side of a question: exact at points, sound over boxes, fast for guidance.

use crate::attack::float::Net;
use crate::bounds::Form;
use crate::bounds::backward::{Rows, bounds};
use crate::bounds::graph::{From, Graph};
use crate::bounds::split::Splits;
use crate::float::{Bound, down, up};
use ceg4n_base::{ContentHash, Exact};
use ceg4n_eval::EvalError;
use ceg4n_ir::{Checked, Lowered, Program, RealOp, RealProgram};
use std::sync::Arc;

/// A reference: the real function of a network, or another fixed-point program, which rounds
/// each point to its own input format.
#[derive(Clone, Debug)]
pub struct Reference {
    lowered: Lowered,
    graph: Arc<Graph>,
    precision: Precision,
    hash: ContentHash,
    network: ContentHash,
    net: Net,
}

/// How a real-valued reference is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Exactly, over the rationals.
    #[default]
    Real,
    /// In single precision, rounded to nearest, in any order of summation, with or without fused
    /// operations; inputs are float32 vectors.
    Float32,
}

impl Reference {
    /// The reference that a checked program is.
    pub fn new(program: &Checked<Program>) -> Self {
        let lowered = program.lowered().clone();
        let graph = Arc::new(graph_of(&lowered, Precision::Real));
        Self {
            lowered,
            graph,
            precision: Precision::Real,
            hash: program.hash(),
            network: program.program().network.hash(),
            net: Net::new(program.lowered()),
        }
    }

    /// The program for guidance in floating point.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// The same, computed in another precision; a fixed-point reference has only one.
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        if self.real().is_some() {
            self.precision = precision;
            self.graph = Arc::new(graph_of(&self.lowered, precision));
        }
        self
    }

    /// True if exact evaluation at a point is the whole truth about it.
    pub fn is_exact(&self) -> bool {
        self.precision == Precision::Real
    }

    /// How it is computed.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The program for bounds, from real points.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// [`Program::hash`] of the program.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// Hash of the network that the reference is a program of.
    pub fn network_hash(&self) -> ContentHash {
        self.network
    }

    /// Number of inputs.
    pub fn input_len(&self) -> usize {
        match &self.lowered {
            Lowered::Real(r) => r.input_len(),
            Lowered::Fixed(k) => k.input_len(),
        }
    }

    /// Number of outputs.
    pub fn output_len(&self) -> usize {
        match &self.lowered {
            Lowered::Real(r) => r.output_len(),
            Lowered::Fixed(k) => k.output_len(),
        }
    }

    /// The real-valued program, if it is one.
    pub fn real(&self) -> Option<&Arc<RealProgram>> {
        match &self.lowered {
            Lowered::Real(r) => Some(r),
            Lowered::Fixed(_) => None,
        }
    }

    /// The outputs at a point, exactly.
    ///
    /// # Errors
    /// A point of another length.
    pub fn outputs(&self, x: &[Exact]) -> Result<Vec<Exact>, EvalError> {
        match &self.lowered {
            Lowered::Real(r) => ceg4n_eval::real_outputs(r, x),
            Lowered::Fixed(k) => {
                Ok(k.output_values(&ceg4n_eval::kernel_outputs(k, &k.quantize_input(x))?))
            }
        }
    }

    /// The outputs at a point in floating point: for guidance, never for a verdict.
    pub fn approximate(&self, x: &[f64]) -> Vec<f64> {
        match &self.lowered {
            Lowered::Real(r) => approximate_nodes(r, x).pop().unwrap_or_default(),
            Lowered::Fixed(_) => {
                let exact: Vec<Exact> = x
                    .iter()
                    .map(|v| Exact::from_f64(*v).unwrap_or_else(Exact::zero))
                    .collect();
                self.outputs(&exact)
                    .unwrap_or_default()
                    .iter()
                    .map(Exact::to_f64)
                    .collect()
            }
        }
    }

    /// Every node of a real-valued reference up to its output, in floating point: for guidance;
    /// empty for a fixed-point one.
    pub fn approximate_all(&self, x: &[f64]) -> Vec<Vec<f64>> {
        match &self.lowered {
            Lowered::Real(r) => approximate_nodes(r, x),
            Lowered::Fixed(_) => Vec::new(),
        }
    }

    /// The gradient of a form at a point, for guidance; zero for a fixed-point reference.
    pub fn gradient(&self, x: &[f64], form: Form) -> Vec<f64> {
        match &self.lowered {
            Lowered::Real(r) => gradient(r, x, form),
            Lowered::Fixed(_) => vec![0.0; x.len()],
        }
    }

    /// Lower bounds of forms of the outputs over a box of real points.
    pub fn lower(&self, x: &[Bound], forms: Rows) -> Vec<f64> {
        let splits = Splits::default();
        match bounds(&self.graph, x, &splits) {
            Some(bounds) => crate::bounds::backward::Backward {
                graph: &self.graph,
                bounds: &bounds,
                splits: &splits,
                guide: None,
            }
            .lower(self.graph.output(), forms),
            None => vec![f64::NEG_INFINITY; forms.count],
        }
    }
}

fn graph_of(lowered: &Lowered, precision: Precision) -> Graph {
    match lowered {
        Lowered::Real(r) => Graph::real(r, precision == Precision::Float32),
        Lowered::Fixed(k) => Graph::kernel(k, From::Reals),
    }
}

/// All nodes in plain floating point, in order.
fn approximate_nodes(program: &RealProgram, x: &[f64]) -> Vec<Vec<f64>> {
    let mut nodes: Vec<Vec<f64>> = Vec::with_capacity(program.nodes.len());
    for node in program.nodes.values() {
        let out = match &node.op {
            RealOp::Input => x.to_vec(),
            RealOp::Dense {
                x,
                weight,
                bias,
                rows,
                cols,
            } => {
                let v = &nodes[x.as_u32() as usize];
                (0..*rows)
                    .map(|j| {
                        let s: f64 = weight[j * cols..(j + 1) * cols]
                            .iter()
                            .zip(v)
                            .map(|(a, b)| a * b)
                            .sum();
                        s + bias.as_ref().map_or(0.0, |b| b[j])
                    })
                    .collect()
            }
            RealOp::AddConst { x, c } => nodes[x.as_u32() as usize]
                .iter()
                .zip(c.iter())
                .map(|(a, b)| a + b)
                .collect(),
            RealOp::DivConst { x, c } => nodes[x.as_u32() as usize]
                .iter()
                .zip(c.iter())
                .map(|(a, b)| a / b)
                .collect(),
            RealOp::Relu { x } => nodes[x.as_u32() as usize]
                .iter()
                .map(|v| v.max(0.0))
                .collect(),
            RealOp::Move { x } => nodes[x.as_u32() as usize].clone(),
        };
        nodes.push(out);
    }
    // The output may precede values that nobody uses.
    nodes.truncate(program.output.as_u32() as usize + 1);
    nodes
}

fn gradient(program: &RealProgram, x: &[f64], form: Form) -> Vec<f64> {
    let nodes = approximate_nodes(program, x);
    let mut g = vec![0.0; program.output_len()];
    g[form.plus] = 1.0;
    if let Some(m) = form.minus {
        g[m] = -1.0;
    }
    let mut at = program.output;
    loop {
        match &program.nodes[at].op {
            RealOp::Input => return g,
            RealOp::Move { x } | RealOp::AddConst { x, .. } => at = *x,
            RealOp::DivConst { x, c } => {
                g.iter_mut().zip(c.iter()).for_each(|(g, c)| *g /= c);
                at = *x;
            }
            RealOp::Relu { x } => {
                let z = &nodes[x.as_u32() as usize];
                g.iter_mut()
                    .zip(z)
                    .for_each(|(g, z)| *g = if *z > 0.0 { *g } else { 0.0 });
                at = *x;
            }
            RealOp::Dense {
                x, weight, cols, ..
            } => {
                let mut back = vec![0.0; *cols];
                for (j, a) in g.iter().enumerate().filter(|(_, a)| **a != 0.0) {
                    let row = &weight[j * cols..(j + 1) * cols];
                    back.iter_mut().zip(row).for_each(|(b, w)| *b += a * w);
                }
                g = back;
                at = *x;
            }
        }
    }
}

/// The outward-rounded hull of exact bounds.
pub fn hull(lower: &[Exact], upper: &[Exact]) -> Vec<Bound> {
    lower
        .iter()
        .zip(upper)
        .map(|(l, u)| Bound::new(down_to(l), up_to(u)))
        .collect()
}

fn down_to(v: &Exact) -> f64 {
    let (lo, hi) = v.enclosure();
    if lo == hi { lo } else { down(lo, 0.0) }
}

fn up_to(v: &Exact) -> f64 {
    let (lo, hi) = v.enclosure();
    if lo == hi { hi } else { up(hi, 0.0) }
}
