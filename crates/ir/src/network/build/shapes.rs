//! The type rule of every operator: from the operands' shapes to the result's.

use crate::network::{Constant, Op, Value, ValueId};
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
    if let Some(x) = op
        .activation()
        .filter(|x| matches!(values[*x].op, Op::Const(_)))
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
        Op::Add { x, c } | Op::Sub { x, c } => with_constant(values, name, *x, *c),
        Op::Div { x, c } => {
            if matches!(&values[*c].op, Op::Const(c) if c.data.contains(&0.0)) {
                return fail(format!("%{name} divides by zero"));
            }
            with_constant(values, name, *x, *c)
        }
        Op::Relu { x } | Op::Identity { x } => Ok(values[*x].shape.clone()),
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

fn with_constant(values: &Values, name: &str, x: ValueId, c: ValueId) -> Inferred {
    must_be_constant(values, name, c, "second operand")?;
    let (xs, cs) = (&values[x].shape, &values[c].shape);
    if cs.len() != 1 && cs.len() != xs.len() {
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
