//! Reads `ir-specs`: what each operator, rounding and saturation rule means, as data.
//!
//! A [`Spec`] says in [`Expr`] what one element of a result is. [`Interpreter`] evaluates it over
//! any [`Domain`]: machine integers, big integers, exact rationals, terms of a solver. So there is
//! one meaning, and the exact evaluator and the SMT lowering share it.
//!
//! ```
//! use ceg4n_opspec::{Bindings, IntDomain, Interpreter, OpName, RoundingName, catalogue};
//!
//! let dense = catalogue().op(OpName::Dense);
//! let (x, w, b) = ([1, 2], [3, 4, 5, 6], [10, 20]);
//! let sizes = [("n", 2), ("m", 2)];
//! let mut operands = Bindings::new(dense, &sizes, &[("x", &x), ("w", &w), ("b", &b)], &[])?;
//! let interpreter = Interpreter::new(catalogue(), RoundingName::HalfUp);
//! let y = interpreter.tensor(dense, &mut IntDomain, &mut operands)?;
//! assert_eq!(y, [21, 37]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod ast;
mod bindings;
mod catalogue;
mod domain;
mod domains;
mod enclosures;
mod interpret;
mod names;
mod parse;
mod reference;
mod resolve;
mod rule;
mod schema;
mod spec;

pub use ast::{Binary, Cmp, Expr, Logic, Smooth};
pub use bindings::{BindError, Bindings};
pub use catalogue::{Catalogue, EMBEDDED, catalogue};
pub use domain::{Domain, MeaningError, Operands};
pub use domains::{BigDomain, ExactDomain, IntDomain};
pub use enclosures::EnclosureDomain;
pub use interpret::Interpreter;
pub use names::{InputName, OpName, RoundingName, SaturationName};
pub use reference::reference_markdown;
pub use rule::{
    Direction, EMBEDDED_RULES, Fact, Instance, Number, RewriteRule, Sides, Term, Truth, Variable,
    VariableId, VariableKind, read_expression, read_rules, rewrite_rules, rules_markdown,
};
pub use spec::{
    Condition, Example, Meaning, OperandDecl, OperandId, OperandKind, ParameterDecl, ParameterId,
    ResultDecl, SizeId, Spec,
};
