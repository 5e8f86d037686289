//! Why a command has no result.

use ceg4n_base::{Diagnostic, Diagnostics, Location, Severity, Sources, codes};
use std::fmt;

/// Diagnostics with the texts that they point into.
#[derive(Debug, Default)]
pub struct Failure {
    /// What is wrong; at least one error.
    pub diagnostics: Diagnostics,
    /// The texts.
    pub sources: Sources,
}

impl Failure {
    /// A failure whose diagnostics point into `sources`.
    pub fn new(diagnostics: impl Into<Diagnostics>, sources: Sources) -> Self {
        Self {
            diagnostics: diagnostics.into(),
            sources,
        }
    }

    /// The diagnostics as text, with the places in the files that they point to.
    pub fn render(&self, colours: bool) -> String {
        self.sources.render(&self.diagnostics, colours)
    }

    /// The exit code of the command line: 2 for wrong usage, 1 if the tool itself failed, else 3
    /// for bad input.
    pub fn exit_code(&self) -> i32 {
        let mut usage = None;
        for d in &self.diagnostics.0 {
            if d.severity != Severity::Error {
                continue;
            }
            if d.code == codes::INTERNAL {
                return 1;
            }
            let of_usage = [
                codes::USAGE,
                codes::NOT_BUILT,
                codes::UNKNOWN_PASS,
                codes::SOLVER,
            ]
            .contains(&d.code)
                // What stands in a file was not typed.
                && d.location == Location::None;
            usage = Some(usage.unwrap_or(true) && of_usage);
        }
        if usage == Some(true) { 2 } else { 3 }
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::new(diagnostics, Sources::default())
    }
}

impl From<Diagnostic> for Failure {
    fn from(d: Diagnostic) -> Self {
        Diagnostics::from(d).into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostics.fmt(f)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_sort_by_fault() {
        let code = |list: &[codes::Code]| {
            let list = list.iter().map(|c| Diagnostic::error(*c, "x")).collect();
            Failure::from(Diagnostics(list)).exit_code()
        };
        assert_eq!(code(&[codes::USAGE]), 2);
        assert_eq!(code(&[codes::NOT_BUILT, codes::USAGE]), 2);
        assert_eq!(code(&[codes::NOT_BUILT, codes::SYNTAX]), 3);
        assert_eq!(code(&[codes::SHAPE]), 3);
        assert_eq!(code(&[codes::SHAPE, codes::INTERNAL]), 1);
        let in_a_file = Diagnostic::error(codes::NOT_BUILT, "x").place("net.nnir");
        assert_eq!(Failure::from(in_a_file).exit_code(), 3);
    }
}
