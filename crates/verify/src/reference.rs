//! The reference side of a question: exact at points, sound over boxes, fast for guidance.

use crate::attack::float::Net;
use crate::bounds::Form;
use crate::bounds::backward::{Backward, Rows, bounds};
use crate::bounds::graph::{From, Graph};
use crate::bounds::split::Splits;
use crate::float::{Bound, down, up};
use ceg4n_base::elementary::Enclosure;
use ceg4n_base::{ContentHash, Exact};
use ceg4n_eval::EvalError;
use ceg4n_ir::{Checked, Lowered, Program, RealOp, RealProgram, Reals};
use std::sync::Arc;

/// In which arithmetic a real-valued reference is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Exact arithmetic over all real points.
    #[default]
    Real,
    /// Any float32 run of the network on the float32 points: round to nearest, sums in any order,
    /// fused multiply-add or not.
    Float32,
}

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
            if precision == Precision::Float32 {
                // Another reference, as evidence must tell.
                let mut h = ceg4n_base::Hasher::new("float32");
                self.hash = h.str(&self.hash.to_string()).finish();
            }
            self.graph = Arc::new(graph_of(&self.lowered, precision));
        }
        self
    }

    /// True if exact evaluation at a point is the whole truth about it: neither single precision
    /// nor values that are known between bounds only.
    pub fn is_exact(&self) -> bool {
        self.precision == Precision::Real && self.real().is_none_or(|r| r.is_exact())
    }

    /// Why nothing can be said of it in its precision, if so.
    pub fn refusal(&self) -> Option<&'static str> {
        let real = self.real()?;
        (self.precision == Precision::Float32)
            .then(|| not_single(real))
            .flatten()
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

    /// The outputs at a point: exactly, or the middles of [`Self::enclosures`].
    ///
    /// # Errors
    /// A point of another length.
    pub fn outputs(&self, x: &[Exact]) -> Result<Vec<Exact>, EvalError> {
        match &self.lowered {
            Lowered::Real(r) => Ok(middles(&real_within(r, x)?)),
            Lowered::Fixed(k) => {
                Ok(k.output_values(&ceg4n_eval::kernel_outputs(k, &k.quantize_input(x))?))
            }
        }
    }

    /// Bounds on the outputs at a point in exact arithmetic; equal ends where these are rational.
    ///
    /// # Errors
    /// A point of another length.
    pub fn enclosures(&self, x: &[Exact]) -> Result<Vec<Enclosure>, EvalError> {
        match &self.lowered {
            Lowered::Real(r) => real_within(r, x),
            Lowered::Fixed(_) => Ok(self
                .outputs(x)?
                .into_iter()
                .map(|v| (v.clone(), v))
                .collect()),
        }
    }

    /// The class that wins strictly at a point; in single precision by more than any run's
    /// rounding errors. `None` also where that is not shown.
    ///
    /// # Errors
    /// A point of another length.
    pub fn winner(&self, x: &[Exact]) -> Result<Option<usize>, EvalError> {
        match self.precision {
            Precision::Real => Ok(ceg4n_eval::decided_winner(&self.enclosures(x)?).flatten()),
            Precision::Float32 => Ok(self.float32_at(x).and_then(|at| at.winner())),
        }
    }

    /// All single-precision runs at a point; `None` unless it is a float32 vector.
    pub(crate) fn float32_at(&self, x: &[Exact]) -> Option<Float32At<'_>> {
        x.iter().all(is_single).then(|| Float32At {
            reference: self,
            x: hull(x, x),
        })
    }

    /// A point near `x` that the reference is defined at, between `lower` and `upper`.
    pub(crate) fn admissible(&self, x: &[Exact], lower: &[Exact], upper: &[Exact]) -> Vec<Exact> {
        if self.precision == Precision::Real {
            return x.to_vec();
        }
        let inside = |v: f32, i: usize| {
            let v = Exact::from_f32(v)?;
            (lower[i] <= v && v <= upper[i]).then_some(v)
        };
        let near = |(i, v): (usize, &Exact)| {
            let f = v.to_f64() as f32;
            let candidates = [f, f.next_up(), f.next_down()];
            let found = candidates.into_iter().find_map(|f| inside(f, i));
            found.unwrap_or_else(|| v.clone())
        };
        x.iter().enumerate().map(near).collect()
    }

    /// The outputs at a point in floating point: for guidance, never for a verdict.
    pub fn approximate(&self, x: &[f64]) -> Vec<f64> {
        self.net.outputs(x)
    }

    /// Every node of a real-valued reference up to its output, in floating point: for guidance;
    /// empty for a fixed-point one.
    pub fn approximate_all(&self, x: &[f64]) -> Vec<Vec<f64>> {
        match &self.lowered {
            Lowered::Real(r) => crate::plain::nodes(r, x),
            Lowered::Fixed(_) => Vec::new(),
        }
    }

    /// The gradient of a form at a point, for guidance.
    pub fn gradient(&self, x: &[f64], form: Form) -> Vec<f64> {
        let mut coefficients = vec![0.0; self.output_len()];
        coefficients[form.plus] += 1.0;
        if let Some(m) = form.minus {
            coefficients[m] -= 1.0;
        }
        self.net.gradient(x, &coefficients)
    }

    /// Lower bounds of forms of the outputs over a box of real points.
    pub fn lower(&self, x: &[Bound], forms: Rows) -> Vec<f64> {
        lower(&self.graph, x, forms)
    }
}

/// Bounds on a real program's outputs at a point; its outputs where they are rational.
pub(crate) fn real_within(real: &RealProgram, x: &[Exact]) -> Result<Vec<Enclosure>, EvalError> {
    if real.is_exact() {
        let y = ceg4n_eval::real_outputs(real, x)?;
        return Ok(y.into_iter().map(|v| (v.clone(), v)).collect());
    }
    ceg4n_eval::real_enclosures(real, x)
}

/// The middles of bounds.
pub(crate) fn middles(y: &[Enclosure]) -> Vec<Exact> {
    y.iter().map(|(lo, hi)| lo.midpoint(hi)).collect()
}

/// What a program has that its runs in single precision are not bounded for.
pub(crate) fn not_single(real: &RealProgram) -> Option<&'static str> {
    let single = |c: &Reals| c.is_exact() && c.near().iter().all(|v| f64::from(*v as f32) == *v);
    real.nodes.values().find_map(|n| match &n.op {
        RealOp::Dense { weight, bias, .. } | RealOp::Conv { weight, bias, .. } => {
            let all = single(weight) && bias.as_ref().is_none_or(single);
            (!all).then_some(WIDE)
        }
        RealOp::AddConst { c, .. } | RealOp::MulConst { c, .. } | RealOp::DivConst { c, .. } => {
            (!single(c)).then_some(WIDE)
        }
        RealOp::Curve { .. } => {
            Some("sigmoid and tanh in single precision differ between libraries")
        }
        RealOp::Snap { .. } => {
            Some("a quantization in single precision may round to another integer")
        }
        RealOp::Input
        | RealOp::MaxPool { .. }
        | RealOp::SumPool { .. }
        | RealOp::Sum { .. }
        | RealOp::Concat { .. }
        | RealOp::Gather { .. }
        | RealOp::Relu { .. }
        | RealOp::Clip { .. }
        | RealOp::LeakyRelu { .. }
        | RealOp::Unary { .. }
        | RealOp::Move { .. } => None,
    })
}

/// For constants that no float32 is.
const WIDE: &str =
    "the network has constants that are no float32 numbers (folded normalization, float64 weights)";

/// Lower bounds of forms of a graph's outputs over a box of real points.
pub(crate) fn lower(graph: &Graph, x: &[Bound], forms: Rows) -> Vec<f64> {
    let splits = Splits::default();
    match bounds(graph, x, &splits) {
        Some(bounds) => Backward {
            graph,
            bounds: &bounds,
            splits: &splits,
            guide: None,
        }
        .lower(graph.output(), forms),
        None => vec![f64::NEG_INFINITY; forms.count],
    }
}

/// True for a float32.
pub(crate) fn is_single(v: &Exact) -> bool {
    let near = v.to_f64();
    Exact::from_f64(near).as_ref() == Some(v) && f64::from(near as f32) == near
}

/// Every single-precision run at one point.
pub(crate) struct Float32At<'a> {
    reference: &'a Reference,
    x: Vec<Bound>,
}

impl Float32At<'_> {
    /// The class that wins in every run.
    pub(crate) fn winner(&self) -> Option<usize> {
        let near: Vec<f64> = self.x.iter().map(|b| b.lo).collect();
        let c = ceg4n_ir::kernel::argmax(&self.reference.approximate(&near))?;
        let forms = crate::bounds::margins(c, self.reference.output_len());
        let lower = self.reference.lower(&self.x, forms);
        lower.iter().all(|l| *l > 0.0).then_some(c)
    }

    /// At most `out_j - out_k` in every run.
    pub(crate) fn lead(&self, j: usize, k: usize) -> f64 {
        let mut row = vec![0.0; self.reference.output_len()];
        row[j] += 1.0;
        row[k] -= 1.0;
        self.reference.lower(&self.x, Rows::new(1, row))[0]
    }

    /// An enclosure of one output over all runs.
    pub(crate) fn output(&self, j: usize) -> Bound {
        let mut coef = vec![0.0; 2 * self.reference.output_len()];
        coef[j] = 1.0;
        coef[self.reference.output_len() + j] = -1.0;
        let lower = self.reference.lower(&self.x, Rows::new(2, coef));
        Bound::new(lower[0], -lower[1])
    }
}

fn graph_of(lowered: &Lowered, precision: Precision) -> Graph {
    match lowered {
        Lowered::Real(r) => Graph::real(r, precision == Precision::Float32),
        Lowered::Fixed(k) => Graph::kernel(k, From::Reals),
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
