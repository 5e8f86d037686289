//! Expressions of the language of rules that stand alone.

use super::resolve::{Part, Resolver};
use super::{Term, Variable, VariableId};
use crate::parse::{self, Origin};
use ceg4n_base::entity::PrimaryMap;
use ceg4n_base::{Diagnostic, Sources, codes};

/// Longer expressions are refused, as are deeper ones: what reads them is recursive.
const LONGEST: usize = 1000;
const DEEPEST: usize = 50;

/// Reads an expression over these variables, a number or a truth value. The text is added to
/// `sources` under `name`.
///
/// # Errors
/// What is wrong with it, and where.
pub fn read_expression(
    name: &str,
    text: &str,
    variables: &PrimaryMap<VariableId, Variable>,
    sources: &mut Sources,
) -> Result<Term, Diagnostic> {
    let source = sources.add(name, text);
    let mut depth = 0usize;
    let deepest = text.chars().map(|c| {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth
    });
    if deepest.max() > Some(DEEPEST) || text.len() > LONGEST {
        let text = format!(
            "an expression has at most {LONGEST} characters and {DEEPEST} brackets inside each \
             other"
        );
        return Err(Diagnostic::error(codes::SPEC, text));
    }
    let raw = parse::condition(text, Origin { source, start: 0 })?;
    let part = Part::Right;
    Resolver { variables, part }.side(&raw)
}
