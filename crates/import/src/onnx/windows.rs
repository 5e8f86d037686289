//! Sliding windows: their attributes, pools, and reductions, which are pools over whole axes.

use super::attribute::{int_attribute, ints_attribute, sizes_attribute, text_attribute};
use super::graph::Node;
use super::lower::{Activation, Lowering};
use super::nodes::{Outcome, axis_of, real_numbers, wrong};
use super::operators::OpKind;
use ceg4n_base::{Diagnostic, codes};
use ceg4n_ir::{Op, Shape, Slide};

/// How a window of a node slides over positions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sliding {
    pub(super) kernel: Vec<usize>,
    pub(super) slide: Slide,
    /// Windows per axis.
    pub(super) out: Vec<usize>,
    /// True if padding beyond the stated one was added so that the last window fits (`ceil_mode`).
    pub(super) extended: bool,
}

impl Sliding {
    /// Reads the attributes of a convolution or pool over positions of the given extents.
    ///
    /// # Errors
    /// Attributes that do not fit, windows larger than the padded operand.
    pub(super) fn new(
        node: &Node<'_>,
        extents: &[usize],
        kernel: Vec<usize>,
    ) -> Result<Self, Diagnostic> {
        let axes = extents.len();
        if !(1..=2).contains(&axes) {
            return Err(Diagnostic::error(
                codes::ONNX_UNSUPPORTED,
                format!("windows over {axes} axes are not supported"),
            )
            .help("one axis (sequences) and two (images) are"));
        }
        let list = |name: &str, default: usize| -> Result<Vec<usize>, Diagnostic> {
            let given = sizes_attribute(node.proto, name)?;
            Ok(given.unwrap_or_else(|| vec![default; axes]))
        };
        let (strides, dilations) = (list("strides", 1)?, list("dilations", 1)?);
        let lists = [&kernel, &strides, &dilations];
        if lists.iter().any(|l| l.len() != axes || l.contains(&0)) {
            return Err(wrong(format!(
                "window {kernel:?}, strides {strides:?} and dilations {dilations:?} do not fit {axes} axes"
            )));
        }
        let ceil = int_attribute(node.proto, "ceil_mode", 0)? != 0;
        let mut this = Self {
            slide: Slide {
                strides,
                dilations,
                before: vec![0; axes],
                after: vec![0; axes],
            },
            kernel,
            out: vec![0; axes],
            extended: false,
        };
        this.pad(node, extents)?;
        for (axis, extent) in extents.iter().enumerate() {
            this.place(axis, *extent, ceil)?;
        }
        Ok(this)
    }

    /// The positions from the first to the last tap of a window.
    fn reach(&self, axis: usize) -> usize {
        self.slide.dilations[axis] * (self.kernel[axis] - 1) + 1
    }

    /// Sets the padding that the node states.
    fn pad(&mut self, node: &Node<'_>, extents: &[usize]) -> Outcome {
        let axes = extents.len();
        let mode = text_attribute(node.proto, "auto_pad");
        match mode.as_str() {
            "" | "NOTSET" => {
                let Some(pads) = ints_attribute(node.proto, "pads") else {
                    return Ok(());
                };
                let pads = sizes_attribute(node.proto, "pads")
                    .ok()
                    .flatten()
                    .filter(|p| p.len() == 2 * axes)
                    .ok_or_else(|| wrong(format!("pads {pads:?} of {axes} axes")))?;
                self.slide.before = pads[..axes].to_vec();
                self.slide.after = pads[axes..].to_vec();
            }
            "VALID" => {}
            "SAME_UPPER" | "SAME_LOWER" => {
                for (axis, extent) in extents.iter().enumerate() {
                    let stride = self.slide.strides[axis];
                    let windows = extent.div_ceil(stride);
                    let needed = (windows - 1) * stride + self.reach(axis);
                    let total = needed.saturating_sub(*extent);
                    let (small, large) = (total / 2, total.div_ceil(2));
                    let upper = mode == "SAME_UPPER";
                    self.slide.before[axis] = if upper { small } else { large };
                    self.slide.after[axis] = if upper { large } else { small };
                }
            }
            other => return Err(wrong(format!("auto_pad is {other:?}"))),
        }
        Ok(())
    }

    /// Counts the windows along an axis; with `ceil` also a last one that reaches beyond the
    /// padding, if it starts before it.
    fn place(&mut self, axis: usize, extent: usize, ceil: bool) -> Outcome {
        let (reach, stride) = (self.reach(axis), self.slide.strides[axis]);
        let before = self.slide.before[axis];
        let padded = extent + before + self.slide.after[axis];
        if padded < reach {
            return Err(wrong(format!(
                "the window reaches over {reach} positions, the padded operand has {padded}"
            )));
        }
        let mut out = (padded - reach) / stride + 1;
        let last = out * stride;
        if ceil && !(padded - reach).is_multiple_of(stride) && last < extent + before {
            out += 1;
            self.slide.after[axis] += last + reach - padded;
            self.extended = true;
        }
        self.out[axis] = out;
        Ok(())
    }
}

impl<'a> Lowering<'a> {
    /// MaxPool and AveragePool.
    pub(super) fn pool(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.operand(node, 0)?;
        let &[1, channels, ref extents @ ..] = &x.dims[..] else {
            return Err(not_one_sample(node, &x.dims));
        };
        let Some(kernel) = sizes_attribute(node.proto, "kernel_shape")? else {
            return Err(wrong("the attribute kernel_shape is missing"));
        };
        let window = Sliding::new(node, extents, kernel)?;
        let mut dims = vec![1, channels];
        dims.extend(&window.out);
        let given = Shape(dims[1..].to_vec());
        let (kernel, slide) = (window.kernel, window.slide);
        if node.kind == OpKind::MaxPool {
            let x_id = x.id;
            let op = Op::MaxPool {
                x: x_id,
                kernel,
                slide,
            };
            return self.define_as(node, op, given, dims, x.quant);
        }
        let x = real_numbers(node, x)?;
        let padded = slide.before.iter().chain(&slide.after).any(|p| *p > 0);
        let count_pad = int_attribute(node.proto, "count_include_pad", 0)? != 0;
        if count_pad && window.extended {
            return Err(Diagnostic::error(
                codes::ONNX_UNSUPPORTED,
                "AveragePool with ceil_mode and count_include_pad, where a window reaches beyond the padding, is not supported",
            )
            .help("export it with ceil_mode = 0"));
        }
        let op = Op::AveragePool {
            x: x.id,
            kernel,
            slide,
            count_pad: count_pad && padded,
        };
        self.define(node, op, given, dims)
    }

    /// GlobalAveragePool and GlobalMaxPool.
    pub(super) fn global_pool(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.operand(node, 0)?;
        let mean = node.kind == OpKind::GlobalAveragePool;
        self.global(node, x, mean)
    }

    /// The mean or maximum over all positions of one sample.
    pub(super) fn global(&mut self, node: &Node<'a>, x: Activation, mean: bool) -> Outcome {
        if x.dims.len() < 3 || x.dims[0] != 1 {
            return Err(not_one_sample(node, &x.dims));
        }
        let mut dims = x.dims[..2].to_vec();
        dims.extend(x.dims[2..].iter().map(|_| 1));
        let axes: Vec<usize> = (2..x.dims.len()).collect();
        self.reduced(node, x, &axes, dims, mean)
    }

    /// ReduceMean, ReduceSum and ReduceMax.
    pub(super) fn reduce(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.operand(node, 0)?;
        let rank = x.dims.len();
        let stated = match (node.input(1), ints_attribute(node.proto, "axes")) {
            (Some(name), _) => Some(self.ints(name)?.to_vec()),
            (None, Some(axes)) => Some(axes.to_vec()),
            (None, None) => None,
        };
        let noop = int_attribute(node.proto, "noop_with_empty_axes", 0)? != 0;
        let mut axes: Vec<usize> = match stated {
            Some(axes) if !axes.is_empty() => axes
                .iter()
                .map(|a| axis_of(*a, rank))
                .collect::<Result<_, _>>()?,
            _ if noop => vec![],
            _ => (0..rank).collect(),
        };
        axes.sort_unstable();
        axes.dedup();
        let keep = int_attribute(node.proto, "keepdims", 1)? != 0;
        let kept = x.dims.iter().enumerate().filter_map(|(i, d)| {
            let gone = axes.contains(&i);
            match (gone, keep) {
                (false, _) => Some(*d),
                (true, true) => Some(1),
                (true, false) => None,
            }
        });
        let dims = kept.collect();
        // Axes of one position need no work.
        axes.retain(|a| x.dims[*a] != 1);
        let count: usize = axes.iter().map(|a| x.dims[*a]).product();
        match node.kind {
            OpKind::ReduceSum if count > 1 => {
                let name = self.name(node.output());
                let wanted = format!("{name}.mean");
                let x = real_numbers(node, x)?;
                let (mean, given) = self.reduction(&x, &axes, true)?;
                let mean = self.push(&wanted, mean, Some(given.clone()));
                // At most 2^24 elements.
                let c = self.scalar(&format!("{name}.count"), count as f32);
                self.define(node, Op::Mul { x: mean, c }, given, dims)
            }
            kind => self.reduced(node, x, &axes, dims, kind != OpKind::ReduceMax),
        }
    }

    /// Defines the mean or maximum of `x` over axes, as dimensions `dims`.
    fn reduced(
        &mut self,
        node: &Node<'a>,
        x: Activation,
        axes: &[usize],
        dims: Vec<usize>,
        mean: bool,
    ) -> Outcome {
        if axes.iter().all(|a| x.dims[*a] == 1) {
            let op = Op::Reshape { x: x.id };
            return self.moved(node, op, &x, dims);
        }
        let x = if mean { real_numbers(node, x)? } else { x };
        let (op, given) = self.reduction(&x, axes, mean)?;
        self.define_as(node, op, given, dims, x.quant)
    }

    /// The pool that reduces axes, which are neighbours, and its shape.
    fn reduction(
        &mut self,
        x: &Activation,
        axes: &[usize],
        mean: bool,
    ) -> Result<(Op, Shape), Diagnostic> {
        let (first, last) = match axes {
            [first, .., last] => (*first, *last),
            [one] => (*one, *one),
            [] => return Err(wrong("there is no axis to reduce")),
        };
        let between = (first..=last).all(|i| axes.contains(&i) || x.dims[i] == 1);
        if !between {
            return Err(Diagnostic::error(
                codes::ONNX_UNSUPPORTED,
                format!("reducing the axes {axes:?}, which are no neighbours, is not supported"),
            )
            .help("reduce one after the other"));
        }
        let sizes = |range: &[usize]| range.iter().product::<usize>();
        let outer = sizes(&x.dims[..first]);
        let inner = sizes(&x.dims[last + 1..]);
        let whole = &x.dims[first..=last];
        // Images keep their two axes.
        let (planes, kernel) = match whole {
            [h, w] if inner == 1 => (vec![outer, *h, *w], vec![*h, *w]),
            _ if inner == 1 => (vec![outer, sizes(whole)], vec![sizes(whole)]),
            _ => (vec![outer, sizes(whole), inner], vec![sizes(whole), 1]),
        };
        let id = self.shaped(x.id, &planes);
        let slide = Slide::dense(kernel.len());
        let mut given = vec![outer];
        given.extend(planes[1..].iter().zip(&kernel).map(|(d, k)| d - k + 1));
        let op = if mean {
            Op::AveragePool {
                x: id,
                kernel,
                slide,
                count_pad: false,
            }
        } else {
            Op::MaxPool {
                x: id,
                kernel,
                slide,
            }
        };
        Ok((op, Shape(given)))
    }
}

fn not_one_sample(node: &Node<'_>, dims: &[usize]) -> Diagnostic {
    wrong(format!(
        "{} works on one sample of channels and positions, not on dimensions {dims:?}",
        node.proto.op_type
    ))
    .help("export the model with a batch size of 1 or a symbolic batch")
}
