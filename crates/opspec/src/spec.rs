//! One specification: what a file of `ir-specs` says, resolved.

use crate::ast::{Cond, Expr};
use crate::names::RoundingName;
use ceg4n_base::Exact;
use ceg4n_base::entity::{PrimaryMap, entity_impl};

/// A value operand of a spec, counted in the order of declaration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperandId(u32);
entity_impl!(OperandId, "operand");

/// An integer parameter of a spec, counted in the order of declaration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParameterId(u32);
entity_impl!(ParameterId, "parameter");

/// An index set of a spec, counted by first appearance in operands, parameters, result, sets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SizeId(u32);
entity_impl!(SizeId, "size");

/// The number of dimensions of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperandKind {
    /// One value.
    Scalar,
    /// One dimension.
    Vector,
    /// Two dimensions, row-major.
    Matrix,
    /// Three or four dimensions, row-major.
    Tensor,
}

impl OperandKind {
    /// The numbers of dimensions that it has.
    pub fn ranks(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Scalar => 0..=0,
            Self::Vector => 1..=1,
            Self::Matrix => 2..=2,
            Self::Tensor => 3..=4,
        }
    }

    /// The number of dimensions in words.
    pub(crate) fn dimensions(self) -> String {
        let ranks = self.ranks();
        if ranks.start() == ranks.end() {
            ranks.start().to_string()
        } else {
            format!("{} or {}", ranks.start(), ranks.end())
        }
    }

    /// The word in files and in the reference.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
            Self::Tensor => "tensor",
        }
    }
}

/// A value operand.
#[derive(Clone, Debug, PartialEq)]
pub struct OperandDecl {
    /// Its name in expressions.
    pub name: String,
    /// Its number of dimensions.
    pub kind: OperandKind,
    /// The index set of each dimension.
    pub shape: Vec<SizeId>,
    /// What it is.
    pub doc: String,
}

/// A concrete integer parameter: a shift amount, a bound of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterDecl {
    /// Its name in expressions.
    pub name: String,
    /// Empty for one value per tensor; one set for one value per channel or element.
    pub shape: Vec<SizeId>,
    /// What it is.
    pub doc: String,
}

/// The result of a spec.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultDecl {
    /// What documentation calls it.
    pub name: String,
    /// Index variable and index set of each dimension.
    pub index: Vec<(String, SizeId)>,
    /// The shape and type rule in words.
    pub rule: String,
}

/// An expression with its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Meaning {
    /// As written in the file.
    pub source: String,
    /// Typed.
    pub body: Expr,
    /// How many index variables it uses, those of the result included.
    pub indices: usize,
    /// How many `let` values it binds.
    pub locals: usize,
    /// Whether it depends on the rounding rule of the network.
    pub rounds: bool,
}

/// A side condition: where it does not hold, the checker refuses the program. Its free index
/// variables are those of the result, for all positions.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// As written in the file.
    pub source: String,
    /// Typed.
    pub holds: Cond,
    /// Why.
    pub doc: String,
}

/// Operands and the result that the spec gives for them.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The rounding rule that `round` stands for.
    pub rounding: RoundingName,
    /// The extent of each index set.
    pub sizes: PrimaryMap<SizeId, usize>,
    /// Each operand, row-major.
    pub operands: PrimaryMap<OperandId, Vec<Exact>>,
    /// Each parameter.
    pub parameters: PrimaryMap<ParameterId, Vec<i64>>,
    /// The expected result, row-major.
    pub result: Vec<Exact>,
}

/// What one operator or rule means.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Its name, as the file is called.
    pub name: String,
    /// The file inside `ir-specs`.
    pub file: String,
    /// One sentence.
    pub summary: String,
    /// Further text, Markdown.
    pub doc: String,
    /// It has a meaning over the rationals.
    pub real: bool,
    /// It has a meaning over integers.
    pub fixed: bool,
    /// Value operands.
    pub operands: PrimaryMap<OperandId, OperandDecl>,
    /// Concrete integer parameters.
    pub parameters: PrimaryMap<ParameterId, ParameterDecl>,
    /// Names of the index sets.
    pub sizes: PrimaryMap<SizeId, String>,
    /// Index sets that no shape names, and what they are.
    pub sets: Vec<(SizeId, String)>,
    /// The result.
    pub result: ResultDecl,
    /// One element of the result.
    pub meaning: Meaning,
    /// The same over the rationals, where `meaning` is how integers reach it; tested to agree.
    pub definition: Option<Meaning>,
    /// Side conditions.
    pub conditions: Vec<Condition>,
    /// Examples, checked by tests.
    pub examples: Vec<Example>,
}

impl Spec {
    /// The operand of this name.
    pub fn operand(&self, name: &str) -> Option<OperandId> {
        self.operands
            .iter()
            .find_map(|(id, o)| (o.name == name).then_some(id))
    }

    /// The parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<ParameterId> {
        self.parameters
            .iter()
            .find_map(|(id, p)| (p.name == name).then_some(id))
    }

    /// The index set of this name.
    pub fn size(&self, name: &str) -> Option<SizeId> {
        self.sizes
            .iter()
            .find_map(|(id, s)| (s == name).then_some(id))
    }

    /// A name with its index sets, for instance `w[m, n]`.
    pub(crate) fn shaped(&self, name: &str, shape: &[SizeId]) -> String {
        if shape.is_empty() {
            return name.to_owned();
        }
        let sets: Vec<&str> = shape.iter().map(|s| self.sizes[*s].as_str()).collect();
        format!("{name}[{}]", sets.join(", "))
    }

    /// The shape rule in short form, for instance `x[n], w[m, n], b[m] -> y[m]`.
    pub fn signature(&self) -> String {
        let operands = self
            .operands
            .values()
            .map(|o| self.shaped(&o.name, &o.shape));
        let parameters = self
            .parameters
            .values()
            .map(|p| self.shaped(&p.name, &p.shape));
        let inputs: Vec<String> = operands.chain(parameters).collect();
        let shape: Vec<SizeId> = self.result.index.iter().map(|(_, s)| *s).collect();
        format!(
            "{} -> {}",
            inputs.join(", "),
            self.shaped(&self.result.name, &shape)
        )
    }
}
