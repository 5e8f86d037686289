//! The geometry of windows: from attributes and shapes to [`Window`] and [`Conv`].

use super::{Op, Slide};
use crate::types::Shape;
use crate::window::{Conv, Window};

/// Extents beyond this are refused, so that no product overflows.
const LARGEST: usize = 1 << 24;

/// The geometry, or what is wrong with it.
type Geometry<T> = Result<T, String>;

/// The window of extents `kernel` over a tensor.
pub(crate) fn pool(x: &Shape, kernel: &[usize], slide: &Slide) -> Geometry<Window> {
    let window = window(x, kernel, slide)?;
    let empty = |axis: usize| {
        (0..window.out[axis]).any(|o| {
            let span = if axis == 0 {
                window.rows(o)
            } else {
                window.columns(o)
            };
            span.count == 0
        })
    };
    if empty(0) || empty(1) {
        return Err("a window lies in the padding alone".to_owned());
    }
    Ok(window)
}

/// The geometry of `op`, a convolution of tensors `x` and `weight`.
pub(crate) fn conv(x: &Shape, weight: &Shape, op: &Op) -> Geometry<Conv> {
    let Op::Conv { slide, groups, .. } = op else {
        return Err("no convolution".to_owned());
    };
    let [filters, depth, kernel @ ..] = &weight.0[..] else {
        return Err(format!(
            "the weight is tensor<{weight}>, not [filters, channels, extents]"
        ));
    };
    let window = window(x, kernel, slide)?;
    let (channels, groups) = (window.channels, *groups);
    if groups == 0 || channels % groups != 0 || filters % groups != 0 {
        return Err(format!(
            "{groups} groups do not divide {channels} channels and {filters} filters"
        ));
    }
    if channels / groups != *depth {
        return Err(format!(
            "the filters see {depth} channels, but {channels} channels in {groups} groups are {} each",
            channels / groups
        ));
    }
    Ok(Conv {
        window,
        groups,
        filters: *filters,
    })
}

fn window(x: &Shape, kernel: &[usize], slide: &Slide) -> Geometry<Window> {
    let (channels, extents) = match &x.0[..] {
        [c, w] => (*c, [1, *w]),
        [c, h, w] => (*c, [*h, *w]),
        _ => {
            return Err(format!(
                "the operand is tensor<{x}>, not [channels, positions] in one or two axes"
            ));
        }
    };
    let axes = x.0.len() - 1;
    let lists = [
        kernel,
        &slide.strides,
        &slide.dilations,
        &slide.before,
        &slide.after,
    ];
    if lists.iter().any(|l| l.len() != axes) {
        return Err(format!(
            "the operand has {axes} axes of positions; every attribute and the window need as many entries"
        ));
    }
    if lists.iter().any(|l| l.iter().any(|v| *v > LARGEST)) {
        return Err(format!("an attribute is above {LARGEST}"));
    }
    if lists[..3].iter().any(|l| l.contains(&0)) {
        return Err("window, stride and dilation are at least 1".to_owned());
    }
    // A sequence is a plane of one row.
    let two = |list: &[usize], first: usize| match list {
        [a, b] => [*a, *b],
        [b] => [first, *b],
        _ => [first, first],
    };
    let (kernel, stride, dilation) = (
        two(kernel, 1),
        two(&slide.strides, 1),
        two(&slide.dilations, 1),
    );
    let (before, after) = (two(&slide.before, 0), two(&slide.after, 0));
    let mut out = [0; 2];
    for a in 0..2 {
        let reach = dilation[a] * (kernel[a] - 1) + 1;
        let padded = extents[a] + before[a] + after[a];
        if padded < reach {
            return Err(format!(
                "the window reaches over {reach} positions, the padded operand has {padded}"
            ));
        }
        out[a] = (padded - reach) / stride[a] + 1;
    }
    Ok(Window {
        channels,
        height: extents[0],
        width: extents[1],
        kernel,
        stride,
        dilation,
        pad: before,
        out,
    })
}

/// The shape of a result with `channels` planes, for an operand of the given rank.
pub(crate) fn shape(channels: usize, window: &Window, rank: usize) -> Shape {
    match rank {
        2 => Shape(vec![channels, window.out[1]]),
        _ => Shape(vec![channels, window.out[0], window.out[1]]),
    }
}
