//! Operators of the text: operands and attributes by name.

use crate::ast::{Attribute, Name};
use ceg4n_base::suggest;
use ceg4n_base::{Diagnostic, Span, codes};
use ceg4n_ir::{Curve, Op, Slide, Unary, ValueId};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// How an operator is written.
#[derive(Clone)]
struct Operator {
    name: &'static str,
    operands: RangeInclusive<usize>,
    attributes: &'static [&'static str],
}

/// Operands at most, of `concat`.
const MANY: usize = 4096;

const SLIDE: [&str; 4] = ["stride", "dilation", "before", "after"];

/// Operators that take operands, but for functions of each element.
const OPERATORS: &[Operator] = &[
    operator("dense", 2..=3, &[]),
    operator(
        "conv",
        2..=3,
        &["stride", "dilation", "before", "after", "groups"],
    ),
    operator(
        "max_pool",
        1..=1,
        &["kernel", "stride", "dilation", "before", "after"],
    ),
    operator(
        "average_pool",
        1..=1,
        &[
            "kernel",
            "stride",
            "dilation",
            "before",
            "after",
            "count_pad",
        ],
    ),
    operator("add", 2..=2, &[]),
    operator("sub", 2..=2, &[]),
    operator("mul", 2..=2, &[]),
    operator("div", 2..=2, &[]),
    operator("sum", 2..=2, &[]),
    operator("concat", 1..=MANY, &["axis"]),
    operator("pad", 1..=1, &["before", "after", "value"]),
    operator("transpose", 1..=1, &["perm"]),
    operator("relu", 1..=1, &[]),
    operator("clip", 1..=1, &["min", "max"]),
    operator("leaky_relu", 1..=1, &["shift"]),
    operator("sigmoid", 1..=1, &[]),
    operator("tanh", 1..=1, &[]),
    operator("snap", 1..=1, &["scale", "zero", "min", "max"]),
    operator("flatten", 1..=1, &[]),
    operator("reshape", 1..=1, &[]),
    operator("identity", 1..=1, &[]),
];

/// The names of the operators that take operands, in the order of the book.
pub fn operators() -> impl Iterator<Item = &'static str> + Clone {
    all().map(|o| o.name)
}

/// The names of the attributes that any operator has, sorted.
pub fn attributes() -> BTreeSet<&'static str> {
    all().flat_map(|o| o.attributes).copied().collect()
}

/// Every operator that takes operands.
fn all() -> impl Iterator<Item = Operator> + Clone {
    let functions = Unary::ALL.iter().map(|f| operator(f.name(), 1..=1, &[]));
    OPERATORS.iter().cloned().chain(functions)
}

const fn operator(
    name: &'static str,
    operands: RangeInclusive<usize>,
    attributes: &'static [&'static str],
) -> Operator {
    Operator {
        name,
        operands,
        attributes,
    }
}

/// The operator of a name, how many operands it takes checked.
pub(super) fn known(operator: &Name, operands: usize) -> Result<(), Diagnostic> {
    let Some(found) = all().find(|o| o.name == operator.text) else {
        let message = format!("there is no operator `{}`", operator.text);
        let names = operators();
        return Err(Diagnostic::error(codes::UNKNOWN_NAME, message)
            .at(Some(operator.span), "not an operator")
            .help(match suggest::nearest(&operator.text, names.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the operators are {}", names.collect::<Vec<_>>().join(", ")),
            }));
    };
    if !found.operands.contains(&operands) {
        let want = match (found.operands.start(), found.operands.end()) {
            (1, 1) => "one operand".to_owned(),
            (a, b) if a == b => format!("{a} operands"),
            (a, &MANY) => format!("at least {a} operand"),
            (a, b) => format!("{a} or {b} operands"),
        };
        let message = format!("{} takes {want}, not {operands}", operator.text);
        return Err(Diagnostic::error(codes::SYNTAX, message).at(Some(operator.span), ""));
    }
    Ok(())
}

/// The operator on operands that [`known`] has counted. `axes` is how many axes of positions the
/// first operand or the weight has, for attributes that are left out.
pub(super) fn build(
    operator: &Name,
    ids: &[ValueId],
    attributes: &[Attribute],
    axes: usize,
) -> Result<Op, Vec<Diagnostic>> {
    let mut given = Given::new(operator, attributes);
    let (x, c) = (ids[0], *ids.last().unwrap_or(&ids[0]));
    let bias = ids.get(2).copied();
    let op = match operator.text.as_str() {
        "dense" => Op::Dense {
            x,
            weight: ids[1],
            bias,
        },
        "conv" => Op::Conv {
            x,
            weight: ids[1],
            bias,
            slide: given.slide(axes),
            groups: given.count("groups", Some(1)),
        },
        "max_pool" => {
            let kernel = given.list("kernel", None);
            let slide = given.slide(kernel.len());
            Op::MaxPool { x, kernel, slide }
        }
        "average_pool" => {
            let kernel = given.list("kernel", None);
            Op::AveragePool {
                x,
                slide: given.slide(kernel.len()),
                kernel,
                count_pad: given.flag("count_pad"),
            }
        }
        "add" => Op::Add { x, c },
        "sub" => Op::Sub { x, c },
        "mul" => Op::Mul { x, c },
        "div" => Op::Div { x, c },
        "sum" => Op::Sum { x, y: c },
        "concat" => Op::Concat {
            xs: ids.to_vec(),
            axis: given.count("axis", Some(0)),
        },
        "pad" => {
            let before = given.list("before", None);
            Op::Pad {
                x,
                after: given.list("after", Some(vec![0; before.len()])),
                before,
                value: given.float("value").unwrap_or(0.0),
            }
        }
        "transpose" => Op::Transpose {
            x,
            perm: given.list("perm", None),
        },
        "relu" => Op::Relu { x },
        "clip" => Op::Clip {
            x,
            lo: given.float("min"),
            hi: given.float("max"),
        },
        "leaky_relu" => Op::LeakyRelu {
            x,
            shift: u8::try_from(given.count("shift", None)).unwrap_or(u8::MAX),
        },
        "sigmoid" => Op::Curve {
            x,
            curve: Curve::Sigmoid,
        },
        "tanh" => Op::Curve {
            x,
            curve: Curve::Tanh,
        },
        "snap" => {
            let scale = given.float("scale");
            if scale.is_none() {
                given.missing("scale");
            }
            Op::Snap {
                x,
                scale: scale.unwrap_or(1.0),
                zero_point: given.int("zero", Some(0)),
                lo: given.int("min", None),
                hi: given.int("max", None),
            }
        }
        "flatten" => Op::Flatten { x },
        "reshape" => Op::Reshape { x },
        name => match Unary::from_name(name) {
            Some(function) => Op::Unary { x, function },
            None => Op::Identity { x },
        },
    };
    match given.errors.is_empty() {
        true => Ok(op),
        false => Err(given.errors),
    }
}

/// The attributes of one operator as written.
struct Given<'a> {
    operator: &'a Name,
    attributes: &'a [Attribute],
    errors: Vec<Diagnostic>,
}

impl<'a> Given<'a> {
    /// With an error for each one that is unknown or written twice.
    fn new(operator: &'a Name, attributes: &'a [Attribute]) -> Self {
        let known = all().find(|o| o.name == operator.text);
        let known = known.map_or(&[][..], |o| o.attributes);
        let mut errors = Vec::new();
        for (i, a) in attributes.iter().enumerate() {
            let name = a.name.text.as_str();
            if !known.contains(&name) {
                let message = format!("{} has no attribute `{name}`", operator.text);
                let d = Diagnostic::error(codes::SYNTAX, message).at(Some(a.name.span), "");
                errors.push(d.help(match suggest::nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if known.is_empty() => "it has none".to_owned(),
                    None => format!("it has {}", known.join(", ")),
                }));
            } else if let Some(first) = attributes[..i].iter().find(|b| b.name.text == name) {
                let message = format!("`{name}` is given twice");
                let d = Diagnostic::error(codes::SYNTAX, message).at(Some(a.name.span), "");
                errors.push(d.related(Some(first.name.span), "first here"));
            }
        }
        Self {
            operator,
            attributes,
            errors,
        }
    }

    fn find(&self, name: &str) -> Option<&'a Attribute> {
        self.attributes.iter().find(|a| a.name.text == name)
    }

    fn missing(&mut self, name: &str) {
        let message = format!("{} needs the attribute `{name}`", self.operator.text);
        self.errors
            .push(Diagnostic::error(codes::SYNTAX, message).at(Some(self.operator.span), ""));
    }

    fn wrong(&mut self, name: &str, span: Span, want: &str) {
        let message = format!("`{name}` is {want}");
        self.errors
            .push(Diagnostic::error(codes::NUMBER, message).at(Some(span), "not this"));
    }

    /// A list of counts.
    fn list(&mut self, name: &str, default: Option<Vec<usize>>) -> Vec<usize> {
        let Some(a) = self.find(name) else {
            if default.is_none() {
                self.missing(name);
            }
            return default.unwrap_or_default();
        };
        let read: Option<Vec<usize>> = a.numbers.iter().map(|n| n.parse().ok()).collect();
        match read.filter(|_| a.list) {
            Some(list) => list,
            None => {
                self.wrong(name, a.span, "a list of natural numbers, like [2, 2]");
                Vec::new()
            }
        }
    }

    /// One number of any kind that reads as a `T`.
    fn one<T: std::str::FromStr>(&mut self, name: &str, want: &str) -> Option<T> {
        let a = self.find(name)?;
        let value = match &a.numbers[..] {
            [n] if !a.list => n.parse().ok(),
            _ => None,
        };
        if value.is_none() {
            self.wrong(name, a.span, want);
        }
        value
    }

    fn count(&mut self, name: &str, default: Option<usize>) -> usize {
        if self.find(name).is_none() && default.is_none() {
            self.missing(name);
        }
        let read = self.one(name, "one natural number");
        read.or(default).unwrap_or(0)
    }

    fn int(&mut self, name: &str, default: Option<i32>) -> i32 {
        if self.find(name).is_none() && default.is_none() {
            self.missing(name);
        }
        let read = self.one(name, "one integer of 32 bits");
        read.or(default).unwrap_or(0)
    }

    fn flag(&mut self, name: &str) -> bool {
        match self.one::<u8>(name, "0 or 1") {
            None | Some(0) => false,
            Some(1) => true,
            Some(_) => {
                if let Some(a) = self.find(name) {
                    self.wrong(name, a.span, "0 or 1");
                }
                false
            }
        }
    }

    fn float(&mut self, name: &str) -> Option<f32> {
        let a = self.find(name)?;
        let read = match &a.numbers[..] {
            [n] if !a.list => crate::read::number::float32(n),
            _ => Err("it is one number".to_owned()),
        };
        match read {
            Ok(v) => Some(v),
            Err(why) => {
                let d = Diagnostic::error(codes::NUMBER, why).at(Some(a.span), "");
                self.errors.push(d);
                None
            }
        }
    }

    fn slide(&mut self, axes: usize) -> Slide {
        let [strides, dilations, before, after] = SLIDE;
        Slide {
            strides: self.list(strides, Some(vec![1; axes])),
            dilations: self.list(dilations, Some(vec![1; axes])),
            before: self.list(before, Some(vec![0; axes])),
            after: self.list(after, Some(vec![0; axes])),
        }
    }
}
