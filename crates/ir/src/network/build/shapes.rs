//! The type rule of every operator: from the operands' shapes to the result's.

use crate::network::{Constant, Op, Value, ValueId, Wide, windows};
use crate::types::Shape;
use ceg4n_base::entity::PrimaryMap;
use ceg4n_base::{Diagnostic, codes};

type Values = PrimaryMap<ValueId, Value>;
type Inferred = Result<Shape, Diagnostic>;

/// Elements of a tensor, at most.
const LARGEST: usize = 1 << 31;

fn fail(message: String) -> Inferred {
    Err(Diagnostic::error(codes::SHAPE, message))
}

fn fail_with(message: String, help: &str) -> Inferred {
    fail(message).map_err(|d| d.help(help))
}

/// The shape that `op` computes for the value `name`; `declared` is what the text says of it.
pub(super) fn infer(values: &Values, name: &str, op: &Op, declared: Option<&Shape>) -> Inferred {
    if op.operands().iter().any(|o| values.get(*o).is_none()) {
        return fail(format!(
            "%{name} uses a value that is not defined before it"
        ));
    }
    let unfit = |s: &&Shape| s.checked_len().is_none_or(|n| n == 0 || n > LARGEST);
    if let Some(shape) = declared.filter(unfit) {
        return fail(format!("%{name}: tensor<{shape}> is empty or too large"));
    }
    let computed = op.activations();
    if let Some(x) = computed
        .into_iter()
        .find(|x| matches!(values[*x].op, Op::Const(_)))
    {
        let text = format!(
            "{} %{name} is computed from the constant %{}",
            op.name(),
            values[x].name
        );
        return Err(Diagnostic::error(codes::STRUCTURE, text).help(
            "operators take values that depend on the input; write the result as a constant",
        ));
    }
    match op {
        Op::Input => match declared {
            Some(s) => Ok(s.clone()),
            None => fail_with(
                format!("the input %{name} needs a shape"),
                "write : tensor<N>",
            ),
        },
        Op::Const(c) => constant(name, c, declared),
        Op::Dense { x, weight, bias } => dense(values, name, *x, *weight, *bias),
        Op::Add { x, c } | Op::Sub { x, c } | Op::Mul { x, c } => {
            with_constant(values, name, *x, *c)
        }
        Op::Conv {
            x, weight, bias, ..
        } => conv(values, name, op, *x, *weight, *bias),
        Op::MaxPool { x, kernel, slide }
        | Op::AveragePool {
            x, kernel, slide, ..
        } => {
            let xs = &values[*x].shape;
            let channels = xs.0.first().copied().unwrap_or(1);
            match windows::pool(xs, kernel, slide) {
                Ok(window) => Ok(windows::shape(channels, &window, xs.0.len())),
                Err(why) => fail(format!("{} %{name}: {why}", op.name())),
            }
        }
        Op::Sum { x, y } => {
            let (xs, ys) = (&values[*x].shape, &values[*y].shape);
            if xs != ys {
                return fail(format!("sum %{name} of tensor<{xs}> and tensor<{ys}>"));
            }
            Ok(xs.clone())
        }
        Op::Concat { xs, axis } => concat(values, name, xs, *axis),
        Op::Pad {
            x,
            before,
            after,
            value,
        } => pad(name, &values[*x].shape, [before, after], *value),
        Op::Transpose { x, perm } => transpose(name, &values[*x].shape, perm),
        Op::Clip { x, lo, hi } => {
            let ends = [*lo, *hi];
            let unfit = ends.iter().flatten().any(|v| !v.is_finite());
            if unfit || ends == [None; 2] || lo.zip(*hi).is_some_and(|(l, h)| l > h) {
                return fail_with(
                    format!("clip %{name} has no ends in order"),
                    "give it min, max or both, min not above max",
                );
            }
            Ok(values[*x].shape.clone())
        }
        Op::LeakyRelu { x, shift } => {
            if !(1..=30).contains(shift) {
                return fail_with(
                    format!("leaky_relu %{name} has the shift {shift}"),
                    "the slope is 2^-shift with a shift of 1 to 30",
                );
            }
            Ok(values[*x].shape.clone())
        }
        Op::Snap {
            x,
            scale,
            zero_point,
            lo,
            hi,
        } => {
            let order = lo <= zero_point && zero_point <= hi && lo < hi;
            if !(scale.is_finite() && *scale > 0.0 && order) {
                return fail_with(
                    format!("snap %{name} has no positive scale, or its integers are not in order"),
                    "the zero point lies between the type's least and greatest integer",
                );
            }
            Ok(values[*x].shape.clone())
        }
        Op::Div { x, c } => {
            if matches!(&values[*c].op, Op::Const(c) if c.data.contains(&0.0)) {
                return fail(format!("%{name} divides by zero"));
            }
            with_constant(values, name, *x, *c)
        }
        Op::Relu { x } | Op::Unary { x, .. } | Op::Curve { x, .. } | Op::Identity { x } => {
            Ok(values[*x].shape.clone())
        }
        Op::Flatten { x } => Ok(Shape::vector(values[*x].shape.len())),
        Op::Reshape { x } => reshape(name, &values[*x].shape, declared),
    }
}

fn constant(name: &str, c: &Constant, declared: Option<&Shape>) -> Inferred {
    let shape = declared
        .cloned()
        .unwrap_or_else(|| Shape::vector(c.data.len()));
    if shape.len() != c.data.len() {
        let n = c.data.len();
        return fail(format!(
            "%{name} is declared tensor<{shape}> but has {n} elements"
        ));
    }
    if let Some(w) = &c.wide
        && let Err(why) = wide(w, c.data.len())
    {
        return fail(format!("%{name} {why}"));
    }
    match c.data.iter().find(|v| !v.is_finite()) {
        Some(bad) => Err(
            Diagnostic::error(codes::NUMBER, format!("%{name} holds {bad}"))
                .help("constants are finite float32 numbers"),
        ),
        None => Ok(shape),
    }
}

fn must_be_constant(values: &Values, name: &str, v: ValueId, role: &str) -> Result<(), Diagnostic> {
    let value = &values[v];
    if matches!(value.op, Op::Const(_)) {
        return Ok(());
    }
    let text = format!(
        "the {role} of %{name} is %{}, which is no constant",
        value.name
    );
    Err(Diagnostic::error(codes::NOT_CONSTANT, text))
}

fn dense(
    values: &Values,
    name: &str,
    x: ValueId,
    weight: ValueId,
    bias: Option<ValueId>,
) -> Inferred {
    must_be_constant(values, name, weight, "weight")?;
    let (xs, ws) = (&values[x].shape, &values[weight].shape);
    let (&[n], &[m, k]) = (&xs.0[..], &ws.0[..]) else {
        let text =
            format!("dense %{name} needs a vector and a matrix, not tensor<{xs}> and tensor<{ws}>");
        return fail_with(text, "flatten the operand first");
    };
    if n != k {
        let text = format!("dense %{name}: the operand has {n} elements, the weight {k} columns");
        return fail_with(text, "the weight is tensor<OUTPUTSxINPUTS>");
    }
    if let Some(b) = bias {
        must_be_constant(values, name, b, "bias")?;
        let bs = &values[b].shape;
        if *bs != Shape::vector(m) {
            return fail(format!(
                "dense %{name}: the bias is tensor<{bs}>, not tensor<{m}>"
            ));
        }
    }
    Ok(Shape::vector(m))
}

/// What is wrong with wide elements.
fn wide(w: &Wide, len: usize) -> Result<(), String> {
    if w.high.len() != len || w.low.len() != len {
        return Err(format!("has {len} elements but {} wide ones", w.high.len()));
    }
    let split = |(h, l): (&f64, &f64)| h.is_finite() && l.is_finite() && h + l == *h;
    match w.high.iter().zip(w.low.iter()).all(split) {
        true => Ok(()),
        false => Err("has a wide element that is not the nearest float64 and a rest".to_owned()),
    }
}

fn conv(
    values: &Values,
    name: &str,
    op: &Op,
    x: ValueId,
    weight: ValueId,
    bias: Option<ValueId>,
) -> Inferred {
    must_be_constant(values, name, weight, "weight")?;
    let (xs, ws) = (&values[x].shape, &values[weight].shape);
    let conv = match windows::conv(xs, ws, op) {
        Ok(conv) => conv,
        Err(why) => return fail(format!("conv %{name}: {why}")),
    };
    if let Some(b) = bias {
        must_be_constant(values, name, b, "bias")?;
        let (bs, m) = (&values[b].shape, conv.filters);
        if *bs != Shape::vector(m) {
            return fail(format!(
                "conv %{name}: the bias is tensor<{bs}>, not tensor<{m}>"
            ));
        }
    }
    let shape = windows::shape(conv.filters, &conv.window, xs.0.len());
    small(name, shape)
}

/// Refuses a result that is too large.
fn small(name: &str, shape: Shape) -> Inferred {
    match shape.checked_len() {
        Some(n) if n <= LARGEST => Ok(shape),
        _ => fail(format!("%{name}: tensor<{shape}> is too large")),
    }
}

fn concat(values: &Values, name: &str, xs: &[ValueId], axis: usize) -> Inferred {
    let Some(first) = xs.first().map(|x| &values[*x].shape) else {
        return fail(format!("concat %{name} has no operands"));
    };
    if axis >= first.0.len() {
        return fail(format!(
            "concat %{name}: tensor<{first}> has no axis {axis}"
        ));
    }
    let mut shape = first.clone();
    shape.0[axis] = 0;
    for x in xs {
        let s = &values[*x].shape;
        let differ = |(i, (a, b)): (usize, (&usize, &usize))| i != axis && a != b;
        if s.0.len() != first.0.len() || s.0.iter().zip(&first.0).enumerate().any(differ) {
            return fail(format!(
                "concat %{name} along axis {axis} of tensor<{first}> and tensor<{s}>"
            ));
        }
        shape.0[axis] = shape.0[axis].saturating_add(s.0[axis]);
    }
    small(name, shape)
}

fn pad(name: &str, xs: &Shape, sides: [&[usize]; 2], value: f32) -> Inferred {
    let rank = xs.0.len();
    if sides
        .iter()
        .any(|s| s.len() != rank || s.iter().any(|n| *n > LARGEST))
    {
        return fail(format!(
            "pad %{name} of tensor<{xs}> needs {rank} lengths before and after"
        ));
    }
    if !value.is_finite() {
        return fail(format!("pad %{name} fills with {value}"));
    }
    let dims = (0..rank).map(|i| sides[0][i] + xs.0[i] + sides[1][i]);
    small(name, Shape(dims.collect()))
}

fn transpose(name: &str, xs: &Shape, perm: &[usize]) -> Inferred {
    let mut sorted = perm.to_vec();
    sorted.sort_unstable();
    if sorted.iter().copied().ne(0..xs.0.len()) {
        return fail(format!(
            "transpose %{name}: {perm:?} is no permutation of the dimensions of tensor<{xs}>"
        ));
    }
    Ok(Shape(perm.iter().map(|p| xs.0[*p]).collect()))
}

fn with_constant(values: &Values, name: &str, x: ValueId, c: ValueId) -> Inferred {
    must_be_constant(values, name, c, "second operand")?;
    let (xs, cs) = (&values[x].shape, &values[c].shape);
    if cs.len() != 1 && cs.len() != xs.len() && !cs.broadcasts_to(xs) {
        return fail(format!("%{name}: tensor<{cs}> does not fit tensor<{xs}>"));
    }
    Ok(xs.clone())
}

fn reshape(name: &str, xs: &Shape, declared: Option<&Shape>) -> Inferred {
    match declared {
        Some(s) if s.len() == xs.len() => Ok(s.clone()),
        Some(s) => fail(format!(
            "%{name}: tensor<{xs}> has not as many elements as tensor<{s}>"
        )),
        None => fail_with(
            format!("reshape %{name} needs a shape"),
            "write : tensor<…>",
        ),
    }
}
