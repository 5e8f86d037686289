//! The kernel as a chain of dense stages in floating point, with its mantissas as variables.
//!
//! Values are in real units. Requantizations round and clamp as the kernel's do; their gradient
//! passes straight through the rounding and stops at a clamp. While no sum needs more than 24 bits
//! the values are the kernel's own. Nothing here decides anything.

use super::each::{Each, padded};
use crate::model::Model;
use ceg4n_ir::check::quantize_f32;
use ceg4n_ir::{
    Annotation, Annotations, Format, Kernel, KernelOp, Network, NodeId, Op, Rounding, TensorFormat,
    ValueId,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Wider mantissas are left as they are: a step of one changes nothing.
const MOVABLE_WIDTH: u8 = 20;

/// A constant whose mantissas are variables: a weight, or a bias with `cols = 1`.
///
/// Tensors of it are transposed and padded: element `(row j, column k)` is at `k·lanes + j`, and
/// what lies beyond the rows is 0.
#[derive(Clone, Debug)]
pub(super) struct Param {
    pub value: ValueId,
    pub format: TensorFormat,
    pub rows: usize,
    pub cols: usize,
    /// Rows, rounded up.
    pub lanes: usize,
    /// The value of a mantissa's step, per row.
    pub unit: Vec<f32>,
    /// Least mantissa, per row.
    pub lo: Vec<f32>,
    /// Greatest mantissa, per row.
    pub hi: Vec<f32>,
    /// Not to be moved.
    pub frozen: bool,
}

/// One tensor per [`Param`], in its layout.
pub(super) type Tensors = Vec<Vec<f32>>;

/// A dense operator and what follows it element by element.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub weight: usize,
    pub bias: Option<usize>,
    pub cols: usize,
    pub lanes: usize,
    pub after: Vec<Each>,
}

/// The kernel of annotations, with its mantissas left open.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// What happens to an input before the first dense operator.
    pub before: Vec<Each>,
    pub stages: Vec<Stage>,
    pub params: Vec<Param>,
    pub inputs: usize,
    pub outputs: usize,
}

impl Chain {
    /// The chain of a kernel under `notes`, and the mantissas that they give. `None` for a network
    /// without a dense operator or with operators beyond those of a chain of them, and where single precision does not hold its numbers.
    pub(super) fn new(
        model: &Model,
        notes: &Annotations,
        kernel: &Kernel,
    ) -> Option<(Self, Tensors)> {
        let mut build = Build {
            network: model.network(),
            kernel,
            notes,
            params: Vec::new(),
            index: BTreeMap::new(),
        };
        let mut stages: Vec<Stage> = Vec::new();
        let mut each: Vec<Each> = Vec::new();
        let mut at = kernel.output;
        let mut outputs = 0;
        loop {
            let node = &kernel.nodes[at];
            outputs = if outputs == 0 { node.len } else { outputs };
            match &node.op {
                KernelOp::Dense { x, rows, cols, .. } => {
                    let Op::Dense { weight, bias, .. } = &model.network().value(node.value).op
                    else {
                        return None;
                    };
                    each.reverse();
                    stages.push(Stage {
                        weight: build.param(*weight)?,
                        bias: match bias {
                            Some(b) => Some(build.param(*b)?),
                            None => None,
                        },
                        cols: *cols,
                        lanes: padded(*rows),
                        after: std::mem::take(&mut each),
                    });
                    at = *x;
                }
                KernelOp::Input { format } => {
                    let scale = vec![2f32.powi(format.frac()); node.len];
                    each.push(Each::round(scale, *format, Rounding::HalfUp));
                    break;
                }
                KernelOp::AddConst { x, .. }
                | KernelOp::Relu { x }
                | KernelOp::Requantize { x, .. }
                | KernelOp::Align { x, .. }
                | KernelOp::Move { x } => {
                    each.extend(build.each(at));
                    at = *x;
                }
                KernelOp::Conv { .. }
                | KernelOp::MaxPool { .. }
                | KernelOp::SumPool { .. }
                | KernelOp::MulConst { .. }
                | KernelOp::Sum { .. }
                | KernelOp::Concat { .. }
                | KernelOp::Gather { .. }
                | KernelOp::Clip { .. }
                | KernelOp::LeakyRelu { .. }
                | KernelOp::Unary { .. }
                | KernelOp::Table { .. } => return None,
            }
        }
        each.reverse();
        stages.reverse();
        let chain = Self {
            before: each,
            stages,
            params: build.params,
            inputs: kernel.input_len(),
            outputs,
        };
        let sound = !chain.stages.is_empty() && chain.is_sound();
        let start = chain.params.iter().map(|p| p.given(model, notes)).collect();
        sound.then_some((chain, start))
    }

    /// True if every scale is a normal number.
    fn is_sound(&self) -> bool {
        let each = self.stages.iter().flat_map(|s| &s.after);
        let units = self
            .params
            .iter()
            .all(|p| p.unit.iter().all(|u| u.is_normal()));
        units && self.before.iter().chain(each).all(Each::is_sound)
    }

    /// Zeros in the layout of every param.
    pub(super) fn zeros(&self) -> Tensors {
        let zeros = |p: &Param| vec![0.0; p.cols * p.lanes];
        self.params.iter().map(zeros).collect()
    }

    /// The values of mantissas, anew.
    pub(super) fn values_of(&self, mantissas: &Tensors) -> Tensors {
        let mut values = self.zeros();
        self.values(mantissas, &mut values);
        values
    }

    /// The values of mantissas, in real units.
    pub(super) fn values(&self, mantissas: &Tensors, values: &mut Tensors) {
        for ((p, m), v) in self.params.iter().zip(mantissas).zip(values) {
            for (m, v) in m.chunks_exact(p.lanes).zip(v.chunks_exact_mut(p.lanes)) {
                for ((v, m), u) in v.iter_mut().zip(m).zip(&p.unit) {
                    *v = m * u;
                }
            }
        }
    }

    /// `notes` with these mantissas, stated.
    pub(super) fn annotations(&self, notes: &Annotations, mantissas: &Tensors) -> Annotations {
        let mut notes = notes.clone();
        for (p, m) in self.params.iter().zip(mantissas).filter(|(p, _)| !p.frozen) {
            let at = |i: usize| m[i % p.cols * p.lanes + i / p.cols];
            let stated: Arc<[i32]> = (0..p.rows * p.cols).map(|i| at(i) as i32).collect();
            let format = p.format.clone();
            let note = Annotation::Fixed {
                format,
                mantissas: Some(stated),
            };
            notes.values.insert(p.value, note);
        }
        notes
    }
}

impl Param {
    /// Row-major elements in the layout of the tensors.
    fn laid_out(&self, at: impl Fn(usize) -> f32) -> Vec<f32> {
        let mut out = vec![0.0; self.cols * self.lanes];
        for j in 0..self.rows {
            for k in 0..self.cols {
                out[k * self.lanes + j] = at(j * self.cols + k);
            }
        }
        out
    }

    /// The mantissas that annotations give.
    fn given(&self, model: &Model, notes: &Annotations) -> Vec<f32> {
        let stated = match notes.get(self.value) {
            Some(Annotation::Fixed { mantissas, .. }) => mantissas.as_ref(),
            Some(Annotation::Acc(_)) | None => None,
        };
        let data = model.data(self.value);
        self.laid_out(|i| match (stated, self.format.channel(i / self.cols)) {
            (Some(m), _) => m[i] as f32,
            (None, Some(f)) => quantize_f32(f, data[i]) as f32,
            (None, None) => 0.0,
        })
    }

    /// Real numbers in units of mantissas, unrounded: of `reals` (row-major), or of the network's
    /// own constant.
    pub(super) fn latent(&self, model: &Model, reals: Option<&[f32]>) -> Vec<f32> {
        let own = model.data(self.value);
        let data = reals.filter(|r| r.len() == own.len()).unwrap_or(own);
        self.laid_out(|i| data[i] / self.unit[i / self.cols])
    }

    /// The inverse of [`Self::latent`].
    pub(super) fn reals(&self, latent: &[f32]) -> Arc<[f32]> {
        let at = |i: usize| latent[i % self.cols * self.lanes + i / self.cols];
        (0..self.rows * self.cols)
            .map(|i| at(i) * self.unit[i / self.cols])
            .collect()
    }

    /// Bits of the widest row.
    pub(super) fn width(&self) -> u8 {
        let formats = (0..self.rows).filter_map(|j| self.format.channel(j));
        formats.map(Format::width).max().unwrap_or(1)
    }
}

struct Build<'a> {
    network: &'a Network,
    kernel: &'a Kernel,
    notes: &'a Annotations,
    params: Vec<Param>,
    index: BTreeMap<ValueId, usize>,
}

impl Build<'_> {
    /// The place of a constant among the params.
    fn param(&mut self, v: ValueId) -> Option<usize> {
        if let Some(i) = self.index.get(&v) {
            return Some(*i);
        }
        let shape = &self.network.value(v).shape.0;
        let (rows, cols) = (*shape.first()?, shape.get(1).copied().unwrap_or(1));
        let format = self.notes.format(v)?.clone();
        let rows_of = |of: fn(Format) -> f32, pad: f32| {
            let mut all = vec![pad; padded(rows)];
            for (j, a) in all[..rows].iter_mut().enumerate() {
                *a = format.channel(j).map_or(pad, of);
            }
            all
        };
        let (unit, lo, hi) = (
            rows_of(|f| 2f32.powi(-f.frac()), 1.0),
            rows_of(|f| f.min() as f32, 0.0),
            rows_of(|f| f.max() as f32, 0.0),
        );
        let mut param = Param {
            value: v,
            rows,
            cols,
            lanes: padded(rows),
            unit,
            lo,
            hi,
            frozen: is_summand(self.network, v),
            format,
        };
        param.frozen |= param.width() > MOVABLE_WIDTH;
        self.params.push(param);
        self.index.insert(v, self.params.len() - 1);
        Some(self.params.len() - 1)
    }

    /// What a node that is no dense operator does to each element.
    fn each(&self, at: NodeId) -> Option<Each> {
        let node = &self.kernel.nodes[at];
        let lanes = padded(node.len);
        match &node.op {
            KernelOp::Relu { .. } => Some(Each::Relu),
            KernelOp::AddConst { c, .. } => {
                let mut add: Vec<f32> = c
                    .iter()
                    .zip(node.frac.iter())
                    .map(|(c, f)| (*c as f64 * 2f64.powi(-f)) as f32)
                    .collect();
                add.resize(lanes, 0.0);
                Some(Each::Add(add))
            }
            KernelOp::Requantize { format, .. } => {
                let scale = vec![2f32.powi(format.frac()); lanes];
                Some(Each::round(scale, *format, self.kernel.rounding))
            }
            // The same mantissas, which a division by 2^k gives another scale.
            KernelOp::Move { x } => {
                let from = self.kernel.nodes[*x].frac.iter();
                let by = from.zip(node.frac.iter());
                let mut by: Vec<f32> = by.map(|(from, to)| 2f32.powi(from - to)).collect();
                by.resize(lanes, 1.0);
                by.iter().any(|b| *b != 1.0).then_some(Each::Scale(by))
            }
            // The same values at another scale, or no operator on elements.
            KernelOp::Align { .. } | KernelOp::Dense { .. } | KernelOp::Input { .. } => None,
            KernelOp::Conv { .. }
            | KernelOp::MaxPool { .. }
            | KernelOp::SumPool { .. }
            | KernelOp::MulConst { .. }
            | KernelOp::Sum { .. }
            | KernelOp::Concat { .. }
            | KernelOp::Gather { .. }
            | KernelOp::Clip { .. }
            | KernelOp::LeakyRelu { .. }
            | KernelOp::Unary { .. }
            | KernelOp::Table { .. } => None,
        }
    }
}

/// True for a constant that is also added, subtracted, multiplied or divided by: it has no single
/// place.
fn is_summand(network: &Network, v: ValueId) -> bool {
    let enters = |op: &Op| {
        let (Op::Add { c, .. } | Op::Sub { c, .. } | Op::Mul { c, .. } | Op::Div { c, .. }) = op
        else {
            return false;
        };
        *c == v
    };
    network.values().values().any(|value| enters(&value.op))
}
