//! The registry of passes, and pipelines: what `--passes a,b,c` means.

use crate::pass::Pass;
use crate::{clear_formats, drop_identity, drop_unused, fold_affine, lower_snaps, materialize};
use ceg4n_base::{Diagnostic, Diagnostics, codes};

/// The passes of this crate. A room above adds its own when it parses a pipeline.
pub const REGISTRY: &[&dyn Pass] = &[
    &clear_formats::ClearFormats,
    &drop_identity::DropIdentity,
    &drop_unused::DropUnused,
    &fold_affine::FoldAffine,
    &lower_snaps::LowerSnaps,
    &materialize::Materialize,
];

/// Named pipelines: the name, what it is for, the passes.
pub const PIPELINES: &[(&str, &str, &[&str])] = &[(
    "cleanup",
    "remove what computes nothing",
    &["drop-identity", "drop-unused"],
)];

/// One pass of a pipeline with its parameter.
#[derive(Clone)]
pub struct Step<'a> {
    /// The pass.
    pub pass: &'a dyn Pass,
    /// What stood behind the colon.
    pub parameter: Option<String>,
}

impl std::fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.pass.name())?;
        self.parameter.iter().try_for_each(|p| write!(f, ":{p}"))
    }
}

/// Passes in order.
#[derive(Clone, Debug, Default)]
pub struct Pipeline<'a>(pub Vec<Step<'a>>);

impl<'a> Pipeline<'a> {
    /// Reads `a,b:PARAMETER,c`, each a pass of `passes` or a named pipeline.
    ///
    /// # Errors
    /// [`codes::UNKNOWN_PASS`] for every name that is neither, [`codes::USAGE`] for every
    /// parameter that the pass refuses.
    pub fn parse(text: &str, passes: &[&'a dyn Pass]) -> Result<Self, Diagnostics> {
        let mut steps = Vec::new();
        let mut errors = Diagnostics::default();
        for item in text.split(',').map(str::trim) {
            let (name, parameter) = match item.split_once(':') {
                Some((name, parameter)) => (name, Some(parameter)),
                None => (item, None),
            };
            let names = match PIPELINES.iter().find(|(n, _, _)| *n == name) {
                None => vec![name],
                Some((_, _, names)) if parameter.is_none() => names.to_vec(),
                Some(_) => {
                    let text = format!("pipeline `{name}` takes no parameter");
                    errors.push(Diagnostic::error(codes::USAGE, text));
                    continue;
                }
            };
            for name in names {
                match step(name, parameter, passes) {
                    Ok(step) => steps.push(step),
                    Err(d) => errors.push(d),
                }
            }
        }
        errors.or(Self(steps))
    }
}

fn step<'a>(
    name: &str,
    parameter: Option<&str>,
    passes: &[&'a dyn Pass],
) -> Result<Step<'a>, Diagnostic> {
    let Some(pass) = passes.iter().find(|p| p.name() == name) else {
        let names: Vec<_> = passes
            .iter()
            .map(|p| p.name())
            .chain(PIPELINES.iter().map(|(n, _, _)| *n))
            .collect();
        let text = format!("there is no pass `{name}`");
        return Err(Diagnostic::error(codes::UNKNOWN_PASS, text)
            .help(format!("passes and pipelines: {}", names.join(", "))));
    };
    pass.check_parameter(parameter).map_err(|expected| {
        let text = format!("pass `{name}` {expected}");
        Diagnostic::error(codes::USAGE, text)
    })?;
    Ok(Step {
        pass: *pass,
        parameter: parameter.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_sorted_and_pipelines_exist() {
        assert!(REGISTRY.windows(2).all(|w| w[0].name() < w[1].name()));
        for (name, _, passes) in PIPELINES {
            assert!(REGISTRY.iter().all(|p| p.name() != *name));
            assert!(Pipeline::parse(&passes.join(","), REGISTRY).is_ok());
        }
    }

    #[test]
    fn every_unknown_name_is_reported() {
        let e = Pipeline::parse("drop-unused,foo,materialize:3,bar", REGISTRY).unwrap_err();
        let codes: Vec<_> = e.0.iter().map(|d| d.code.id).collect();
        assert_eq!(codes, ["E0603", "E0601", "E0603"]);
        let ok = Pipeline::parse("cleanup, materialize", REGISTRY).unwrap();
        assert_eq!(
            format!("{ok:?}"),
            "Pipeline([drop-identity, drop-unused, materialize])"
        );
    }
}
