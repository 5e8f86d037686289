//! Networks: operators over tensors in static single assignment, without formats.

mod build;
pub(crate) mod windows;

pub use build::NetworkBuilder;

use crate::Unary;
use crate::types::Shape;
use ceg4n_base::entity::{PrimaryMap, entity_impl};
use ceg4n_base::{ContentHash, Diagnostics, Exact, Span};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A value of a [`Network`]; values are stored in topological order.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct ValueId(u32);
entity_impl!(ValueId, "v");

/// Where a constant's data came from, so that printing keeps it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written out in the text.
    Inline,
    /// A tensor of a `.safetensors` file, by a path relative to the `.nnir` file.
    File {
        /// The file.
        path: String,
        /// The tensor's name in it.
        tensor: String,
    },
}

/// The data of a constant, row-major: float32, each an exact dyadic number, unless `wide` says
/// more.
#[derive(Clone, Debug)]
pub struct Constant {
    /// Elements, as many as the value's shape has. Of a wide constant the nearest floats.
    pub data: Arc<[f32]>,
    /// Where they are kept.
    pub origin: Origin,
    /// The values of a constant whose elements are no float32 numbers.
    pub wide: Option<Arc<Wide>>,
}

/// A relative error that an enclosed constant may have: `2^-60`.
pub const ENCLOSED_LOG2: i32 = -60;

/// Constants beyond float32: float64 weights, and what is folded from constants.
#[derive(Clone, Debug, PartialEq)]
pub struct Wide {
    /// The nearest float64 of each element.
    pub high: Arc<[f64]>,
    /// What is added to it; smaller than half a unit in its last place.
    pub low: Arc<[f64]>,
    /// The element is only known to lie within `2^-60·|high + low|` of the sum. Otherwise it is
    /// the sum.
    pub enclosed: bool,
}

impl Wide {
    /// Exact float64 numbers.
    pub fn doubles(high: impl Into<Arc<[f64]>>) -> Self {
        let high = high.into();
        let low = vec![0.0; high.len()].into();
        Self {
            high,
            low,
            enclosed: false,
        }
    }

    /// Element `i`: the sum, which is the middle of an enclosed element.
    pub fn center(&self, i: usize) -> Exact {
        let part = |v: f64| Exact::from_f64(v).unwrap_or_else(Exact::zero);
        &part(self.high[i]) + &part(self.low[i])
    }
}

impl Constant {
    /// Float32 numbers written in the text.
    pub fn inline(data: impl Into<Arc<[f32]>>) -> Self {
        Self {
            data: data.into(),
            origin: Origin::Inline,
            wide: None,
        }
    }

    /// Wide numbers written in the text; `None` if one is beyond the float32 range.
    pub fn wide(wide: Wide) -> Option<Self> {
        // One zero, so that equal numbers are one constant.
        let one_zero = |part: &[f64]| part.iter().map(|v| v + 0.0).collect();
        let wide = Wide {
            high: one_zero(&wide.high),
            low: one_zero(&wide.low),
            ..wide
        };
        let data: Arc<[f32]> = wide.high.iter().map(|v| *v as f32).collect();
        data.iter().all(|v| v.is_finite()).then(|| Self {
            data,
            origin: Origin::Inline,
            wide: Some(Arc::new(wide)),
        })
    }

    /// The exact value of element `i`, or the middle of its enclosure.
    pub fn center(&self, i: usize) -> Exact {
        match &self.wide {
            Some(w) => w.center(i),
            None => Exact::from_f32(self.data[i]).unwrap_or_else(Exact::zero),
        }
    }

    /// True if the elements are only enclosed.
    pub fn enclosed(&self) -> bool {
        self.wide.as_ref().is_some_and(|w| w.enclosed)
    }
}

/// How a window slides: one entry per spatial axis, of which there are one or two.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slide {
    /// Positions between neighbouring windows; at least 1.
    pub strides: Vec<usize>,
    /// Positions between neighbouring taps; at least 1.
    pub dilations: Vec<usize>,
    /// Padding before the first position.
    pub before: Vec<usize>,
    /// Padding after the last position.
    pub after: Vec<usize>,
}

impl Slide {
    /// Stride 1, no dilation, no padding.
    pub fn dense(axes: usize) -> Self {
        Self {
            strides: vec![1; axes],
            dilations: vec![1; axes],
            before: vec![0; axes],
            after: vec![0; axes],
        }
    }
}

/// A smooth activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Curve {
    /// `1/(1 + e^-x)`.
    Sigmoid,
    /// `(e^x - e^-x)/(e^x + e^-x)`.
    Tanh,
}

impl Curve {
    /// The name in `.nnir`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
        }
    }
}

/// An operator. Operands are earlier values. Tensors with positions are `[C, L]` or `[C, H, W]`.
#[derive(Clone, Debug)]
pub enum Op {
    /// The network's input; there is one.
    Input,
    /// A constant.
    Const(Constant),
    /// `y[j] = Σ_k x[k]·w[j,k] + b[j]`; `x: [n]`, `weight: [m,n]`, `bias: [m]`.
    Dense {
        /// A vector.
        x: ValueId,
        /// A constant matrix.
        weight: ValueId,
        /// A constant vector.
        bias: Option<ValueId>,
    },
    /// A convolution ([`crate::window::Conv`]); `x: [C, …]`, `weight: [M, C/groups, …]`,
    /// `bias: [M]`.
    Conv {
        /// A tensor with positions.
        x: ValueId,
        /// A constant.
        weight: ValueId,
        /// A constant vector.
        bias: Option<ValueId>,
        /// How the filters slide.
        slide: Slide,
        /// Groups of channels.
        groups: usize,
    },
    /// The largest element of each window; padding does not count.
    MaxPool {
        /// A tensor with positions.
        x: ValueId,
        /// The window's extents.
        kernel: Vec<usize>,
        /// How it slides.
        slide: Slide,
    },
    /// The mean of each window.
    AveragePool {
        /// A tensor with positions.
        x: ValueId,
        /// The window's extents.
        kernel: Vec<usize>,
        /// How it slides.
        slide: Slide,
        /// Padding counts as zeros; otherwise not at all.
        count_pad: bool,
    },
    /// `x + c`; `c` is a constant that broadcasts to `x`: its dimensions, aligned at the last one,
    /// are those of `x` or 1; or it has as many elements as `x`.
    Add {
        /// Any tensor.
        x: ValueId,
        /// The constant.
        c: ValueId,
    },
    /// `x - c`, `c` as for `Add`.
    Sub {
        /// Any tensor.
        x: ValueId,
        /// The constant.
        c: ValueId,
    },
    /// `x·c`, `c` as for `Add`.
    Mul {
        /// Any tensor.
        x: ValueId,
        /// The constant.
        c: ValueId,
    },
    /// `x / c`, `c` as for `Add`, without zeros.
    Div {
        /// Any tensor.
        x: ValueId,
        /// The constant.
        c: ValueId,
    },
    /// `x + y`, two computed tensors of one shape.
    Sum {
        /// Any tensor.
        x: ValueId,
        /// One of the same shape.
        y: ValueId,
    },
    /// The operands one after the other along an axis.
    Concat {
        /// Tensors whose dimensions differ at most along the axis.
        xs: Vec<ValueId>,
        /// Which dimension.
        axis: usize,
    },
    /// Elements of one value around a tensor.
    Pad {
        /// Any tensor.
        x: ValueId,
        /// How many before, per dimension.
        before: Vec<usize>,
        /// How many after, per dimension.
        after: Vec<usize>,
        /// Their value, finite.
        value: f32,
    },
    /// Dimension `i` of the result is dimension `perm[i]` of the operand.
    Transpose {
        /// Any tensor.
        x: ValueId,
        /// A permutation of its dimensions.
        perm: Vec<usize>,
    },
    /// `max(0, x)`.
    Relu {
        /// Any tensor.
        x: ValueId,
    },
    /// `min(max(x, lo), hi)`; at least one end.
    Clip {
        /// Any tensor.
        x: ValueId,
        /// Lower end, finite.
        lo: Option<f32>,
        /// Upper end, finite, not below the lower.
        hi: Option<f32>,
    },
    /// `max(x, x·2^-shift)`: slope 1 above 0, `2^-shift` below.
    LeakyRelu {
        /// Any tensor.
        x: ValueId,
        /// 1 to 30.
        shift: u8,
    },
    /// A function of each element.
    Unary {
        /// Any tensor.
        x: ValueId,
        /// Which.
        function: Unary,
    },
    /// A smooth activation.
    Curve {
        /// Any tensor.
        x: ValueId,
        /// Which.
        curve: Curve,
    },
    /// A value through an integer type and back:
    /// `scale·(clamp(half_even(x/scale) + zero_point, lo, hi) - zero_point)`.
    Snap {
        /// Any tensor.
        x: ValueId,
        /// Positive and finite.
        scale: f32,
        /// The integer that stands for 0.
        zero_point: i32,
        /// The type's least integer.
        lo: i32,
        /// Its greatest.
        hi: i32,
    },
    /// The same elements under another shape.
    Reshape {
        /// Any tensor.
        x: ValueId,
    },
    /// The same elements as a vector.
    Flatten {
        /// Any tensor.
        x: ValueId,
    },
    /// The operand itself.
    Identity {
        /// Any tensor.
        x: ValueId,
    },
}

impl Op {
    /// The name in `.nnir`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Const(_) => "const",
            Self::Dense { .. } => "dense",
            Self::Conv { .. } => "conv",
            Self::MaxPool { .. } => "max_pool",
            Self::AveragePool { .. } => "average_pool",
            Self::Add { .. } => "add",
            Self::Sub { .. } => "sub",
            Self::Mul { .. } => "mul",
            Self::Div { .. } => "div",
            Self::Sum { .. } => "sum",
            Self::Concat { .. } => "concat",
            Self::Pad { .. } => "pad",
            Self::Transpose { .. } => "transpose",
            Self::Relu { .. } => "relu",
            Self::Clip { .. } => "clip",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Unary { function, .. } => function.name(),
            Self::Curve { curve, .. } => curve.name(),
            Self::Snap { .. } => "snap",
            Self::Reshape { .. } => "reshape",
            Self::Flatten { .. } => "flatten",
            Self::Identity { .. } => "identity",
        }
    }

    /// The operands that depend on the input; none for the input and constants.
    pub fn activations(&self) -> Vec<ValueId> {
        match self {
            Self::Input | Self::Const(_) => vec![],
            Self::Dense { x, .. }
            | Self::Conv { x, .. }
            | Self::MaxPool { x, .. }
            | Self::AveragePool { x, .. }
            | Self::Add { x, .. }
            | Self::Sub { x, .. }
            | Self::Mul { x, .. }
            | Self::Div { x, .. }
            | Self::Pad { x, .. }
            | Self::Transpose { x, .. }
            | Self::Relu { x }
            | Self::Clip { x, .. }
            | Self::LeakyRelu { x, .. }
            | Self::Unary { x, .. }
            | Self::Curve { x, .. }
            | Self::Snap { x, .. }
            | Self::Reshape { x }
            | Self::Flatten { x }
            | Self::Identity { x } => vec![*x],
            Self::Sum { x, y } => vec![*x, *y],
            Self::Concat { xs, .. } => xs.clone(),
        }
    }

    /// Its operands in the order of the text.
    pub fn operands(&self) -> Vec<ValueId> {
        let mut all = self.activations();
        match self {
            Self::Dense { weight, bias, .. } | Self::Conv { weight, bias, .. } => {
                all.push(*weight);
                all.extend(*bias);
            }
            Self::Add { c, .. }
            | Self::Sub { c, .. }
            | Self::Mul { c, .. }
            | Self::Div { c, .. } => {
                all.push(*c);
            }
            Self::Input
            | Self::Const(_)
            | Self::MaxPool { .. }
            | Self::AveragePool { .. }
            | Self::Sum { .. }
            | Self::Concat { .. }
            | Self::Pad { .. }
            | Self::Transpose { .. }
            | Self::Relu { .. }
            | Self::Clip { .. }
            | Self::LeakyRelu { .. }
            | Self::Unary { .. }
            | Self::Curve { .. }
            | Self::Snap { .. }
            | Self::Reshape { .. }
            | Self::Flatten { .. }
            | Self::Identity { .. } => {}
        }
        all
    }

    /// The same operator on other operands: `f` gives each operand's new id.
    #[must_use]
    pub fn map_operands(&self, mut f: impl FnMut(ValueId) -> ValueId) -> Self {
        let mut op = self.clone();
        match &mut op {
            Self::Input | Self::Const(_) => {}
            Self::Dense { x, weight, bias }
            | Self::Conv {
                x, weight, bias, ..
            } => {
                *x = f(*x);
                *weight = f(*weight);
                *bias = bias.map(f);
            }
            Self::Add { x, c } | Self::Sub { x, c } | Self::Mul { x, c } | Self::Div { x, c } => {
                *x = f(*x);
                *c = f(*c);
            }
            Self::Sum { x, y } => {
                *x = f(*x);
                *y = f(*y);
            }
            Self::Concat { xs, .. } => xs.iter_mut().for_each(|x| *x = f(*x)),
            Self::MaxPool { x, .. }
            | Self::AveragePool { x, .. }
            | Self::Pad { x, .. }
            | Self::Transpose { x, .. }
            | Self::Relu { x }
            | Self::Clip { x, .. }
            | Self::LeakyRelu { x, .. }
            | Self::Unary { x, .. }
            | Self::Curve { x, .. }
            | Self::Snap { x, .. }
            | Self::Reshape { x }
            | Self::Flatten { x }
            | Self::Identity { x } => *x = f(*x),
        }
        op
    }
}

/// One value: an operator's result.
#[derive(Clone, Debug)]
pub struct Value {
    /// Unique in its network, without `%`.
    pub name: String,
    /// What computes it.
    pub op: Op,
    /// Its dimensions.
    pub shape: Shape,
    /// Where it was written, if it was.
    pub span: Option<Span>,
}

/// A well-formed network: operands precede users, shapes fit, one input, an output that is no
/// constant. Only [`NetworkBuilder::finish`] makes one.
#[derive(Clone, Debug)]
pub struct Network {
    name: String,
    values: PrimaryMap<ValueId, Value>,
    names: BTreeMap<String, ValueId>,
    input: ValueId,
    output: ValueId,
    hash: ContentHash,
}

impl Network {
    /// Its name, without `@`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its values in topological order.
    pub fn values(&self) -> &PrimaryMap<ValueId, Value> {
        &self.values
    }

    /// One value.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id]
    }

    /// A value by name (without `%`).
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.names.get(name).copied()
    }

    /// The input.
    pub fn input(&self) -> ValueId {
        self.input
    }

    /// The output.
    pub fn output(&self) -> ValueId {
        self.output
    }

    /// Number of input elements.
    pub fn input_len(&self) -> usize {
        self.value(self.input).shape.len()
    }

    /// Number of output elements.
    pub fn output_len(&self) -> usize {
        self.value(self.output).shape.len()
    }

    /// The constant behind a value, if it is one.
    pub fn constant(&self, id: ValueId) -> Option<&Constant> {
        match &self.values[id].op {
            Op::Const(c) => Some(c),
            _ => None,
        }
    }

    /// Number of constant elements.
    pub fn parameters(&self) -> usize {
        self.values
            .keys()
            .filter_map(|v| self.constant(v))
            .map(|c| c.data.len())
            .sum()
    }

    /// Multiplications of one inference.
    pub fn macs(&self) -> usize {
        self.values
            .values()
            .map(|v| match &v.op {
                Op::Dense { weight, .. } => self.values[*weight].shape.len(),
                Op::Conv { x, weight, .. } => {
                    match windows::conv(&self.values[*x].shape, &self.values[*weight].shape, &v.op)
                    {
                        Ok(conv) => conv.macs(),
                        // A network's convolutions have a geometry.
                        Err(_) => 0,
                    }
                }
                Op::Mul { .. } => v.shape.len(),
                Op::Input
                | Op::Const(_)
                | Op::MaxPool { .. }
                | Op::AveragePool { .. }
                | Op::Add { .. }
                | Op::Sub { .. }
                | Op::Div { .. }
                | Op::Sum { .. }
                | Op::Concat { .. }
                | Op::Pad { .. }
                | Op::Transpose { .. }
                | Op::Relu { .. }
                | Op::Clip { .. }
                | Op::LeakyRelu { .. }
                | Op::Unary { .. }
                | Op::Curve { .. }
                | Op::Snap { .. }
                | Op::Reshape { .. }
                | Op::Flatten { .. }
                | Op::Identity { .. } => 0,
            })
            .sum()
    }

    /// The layers with weights (dense and convolution) in order.
    pub fn weight_layers(&self) -> Vec<ValueId> {
        self.values
            .iter()
            .filter(|(_, v)| matches!(v.op, Op::Dense { .. } | Op::Conv { .. }))
            .map(|(k, _)| k)
            .collect()
    }

    /// True if every constant is exact and no operator is irrational: the network is a function
    /// over the rationals.
    pub fn is_exact(&self) -> bool {
        self.values.values().all(|v| match &v.op {
            Op::Const(c) => !c.enclosed(),
            op => !matches!(op, Op::Curve { .. }),
        })
    }

    /// The geometry of a convolution or pool; `None` for other values.
    pub fn conv(&self, v: ValueId) -> Option<crate::window::Conv> {
        let op = &self.values[v].op;
        match op {
            Op::Conv { x, weight, .. } => {
                windows::conv(&self.values[*x].shape, &self.values[*weight].shape, op).ok()
            }
            _ => None,
        }
    }

    /// The window of a pool; `None` for other values.
    pub fn pool(&self, v: ValueId) -> Option<crate::window::Window> {
        match &self.values[v].op {
            Op::MaxPool { x, kernel, slide }
            | Op::AveragePool {
                x, kernel, slide, ..
            } => windows::pool(&self.values[*x].shape, kernel, slide).ok(),
            _ => None,
        }
    }

    /// Hash of the structure and the constants; names of values and the network do not count.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// A builder that starts from this network's values (ids stay), to add to them and finish anew.
    pub fn rebuild(&self) -> NetworkBuilder {
        NetworkBuilder {
            name: self.name.clone(),
            values: self.values.clone(),
            names: self.names.clone(),
            errors: Diagnostics::default(),
        }
    }
}
