//! The registry of passes, and pipelines: what `--passes a,b,c` means.

use crate::pass::Pass;
use crate::{
    clear_formats, dedupe_values, drop_clamps, drop_dead_neurons, drop_identity, drop_moves,
    drop_unused, fold_affine, fold_constants, lower_snaps, materialize, merge_neurons,
    merge_requantizations, narrow_accumulators, narrow_formats,
};
use ceg4n_base::suggest::did_you_mean;
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_ir::Module;

/// The passes of this crate. A room above adds its own when it parses a pipeline.
pub const REGISTRY: &[&dyn Pass] = &[
    &clear_formats::ClearFormats,
    &dedupe_values::DedupeValues,
    &drop_clamps::DropClamps,
    &drop_dead_neurons::DropDeadNeurons,
    &drop_identity::DropIdentity,
    &drop_moves::DropMoves,
    &drop_unused::DropUnused,
    &fold_affine::FoldAffine,
    &fold_constants::FoldConstants,
    &lower_snaps::LowerSnaps,
    &materialize::Materialize,
    &merge_neurons::MergeNeurons,
    &merge_requantizations::MergeRequantizations,
    &narrow_accumulators::NarrowAccumulators,
    &narrow_formats::NarrowFormats,
];

/// A pipeline with a name.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// What the command line calls it.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Its passes in order.
    pub passes: &'static [&'static str],
    /// They run as often as this, or until they change nothing.
    pub rounds: usize,
}

/// What removes computation: every pass that keeps reference and kernels and makes neither larger.
const SIMPLIFY: &[&str] = &[
    "drop-identity",
    "fold-constants",
    "drop-moves",
    "drop-clamps",
    "dedupe-values",
    "merge-neurons",
    "drop-dead-neurons",
    "drop-identity",
    "drop-unused",
];

/// Named pipelines.
pub const PIPELINES: &[Named] = &[
    Named {
        name: "cleanup",
        purpose: "remove what computes nothing",
        passes: &["drop-identity", "drop-unused"],
        rounds: 1,
    },
    Named {
        name: "narrow",
        purpose: "fewer bits and roundings for the same integers",
        passes: &[
            "merge-requantizations",
            "narrow-formats",
            "narrow-accumulators",
        ],
        rounds: 1,
    },
    Named {
        name: "simplify",
        purpose: "the smallest network of the same functions that the exact passes find",
        passes: SIMPLIFY,
        rounds: 8,
    },
];

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

/// Passes in order, some of them in rounds.
#[derive(Clone, Debug, Default)]
pub struct Pipeline<'a>(pub Vec<Stage<'a>>);

/// Passes that run again until they change nothing.
#[derive(Clone, Debug)]
pub struct Stage<'a> {
    /// In order.
    pub steps: Vec<Step<'a>>,
    /// Rounds, at most; at least 1.
    pub rounds: usize,
}

/// What sees each application of a pass: the step, the module before and after it. Its errors end
/// the run.
pub type Observer<'o> = dyn FnMut(&Step<'_>, &Module, &Module) -> Result<(), Diagnostics> + 'o;

impl<'a> Pipeline<'a> {
    /// Reads `a,b:PARAMETER,c`, each a pass of `passes` or a named pipeline.
    ///
    /// # Errors
    /// [`codes::UNKNOWN_PASS`] for every name that is neither, [`codes::USAGE`] for every
    /// parameter that the pass refuses.
    pub fn parse(text: &str, passes: &[&'a dyn Pass]) -> Result<Self, Diagnostics> {
        let mut stages = Vec::new();
        let mut errors = Diagnostics::default();
        for item in text.split(',').map(str::trim) {
            let (name, parameter) = match item.split_once(':') {
                Some((name, parameter)) => (name, Some(parameter)),
                None => (item, None),
            };
            let named = PIPELINES.iter().find(|p| p.name == name);
            if named.is_some() && parameter.is_some() {
                let text = format!("pipeline `{name}` takes no parameter");
                errors.push(Diagnostic::error(codes::USAGE, text));
                continue;
            }
            let (names, rounds) = match named {
                Some(p) => (p.passes.to_vec(), p.rounds),
                None => (vec![name], 1),
            };
            let mut steps = Vec::new();
            for name in names {
                match step(name, parameter, passes) {
                    Ok(step) => steps.push(step),
                    Err(d) => errors.push(d),
                }
            }
            stages.push(Stage { steps, rounds });
        }
        errors.or(Self(stages))
    }

    /// Runs the passes.
    ///
    /// # Errors
    /// Those of the passes and of the observer; they name the pass.
    pub fn run(&self, module: &Module, observer: &mut Observer<'_>) -> Result<Module, Diagnostics> {
        let mut now = module.clone();
        for stage in &self.0 {
            for _ in 0..stage.rounds {
                let mut same = true;
                for step in &stage.steps {
                    let name = step.pass.name();
                    let next = step
                        .pass
                        .run(&now, step.parameter.as_deref())
                        .map_err(|e| naming(name, "found by", e))?;
                    observer(step, &now, &next).map_err(|e| naming(name, "found after", e))?;
                    same &= is_same(&now, &next);
                    now = next;
                }
                if same {
                    break;
                }
            }
        }
        Ok(now)
    }
}

/// Errors that say which pass they belong to, unless their message does.
fn naming(pass: &str, how: &str, errors: Diagnostics) -> Diagnostics {
    let name = format!("pass `{pass}`");
    let named = errors
        .0
        .into_iter()
        .map(|d| match d.message.contains(&name) {
            true => d,
            false => d.help(format!("{how} {name}")),
        });
    Diagnostics(named.collect())
}

/// True if a pass left the module as it was: structure, constants, names and versions.
pub fn is_same(a: &Module, b: &Module) -> bool {
    let names = |m: &Module| {
        let values = m.network.values().values();
        values.map(|v| v.name.clone()).collect::<Vec<_>>()
    };
    a.network.hash() == b.network.hash() && a.versions == b.versions && names(a) == names(b)
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
            .chain(PIPELINES.iter().map(|p| p.name))
            .collect();
        let text = format!("there is no pass `{name}`");
        let error = Diagnostic::error(codes::UNKNOWN_PASS, text);
        let error = error.help_if(did_you_mean(name, names.iter().copied()));
        return Err(error.help(format!("passes and pipelines: {}", names.join(", "))));
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
        assert!(PIPELINES.windows(2).all(|w| w[0].name < w[1].name));
        for named in PIPELINES {
            assert!(REGISTRY.iter().all(|p| p.name() != named.name));
            assert!(Pipeline::parse(&named.passes.join(","), REGISTRY).is_ok());
            assert!(named.rounds > 0);
        }
    }

    #[test]
    fn errors_name_the_pass_once() {
        let told = |message: &str| {
            let error = Diagnostic::error(codes::SHAPE, message);
            naming("fold-affine", "found by", error.into()).0.remove(0)
        };
        assert_eq!(
            told("%y is tensor<2>").help,
            ["found by pass `fold-affine`"]
        );
        assert!(told("pass `fold-affine` broke v0").help.is_empty());
    }

    #[test]
    fn every_unknown_name_is_reported() {
        let e = Pipeline::parse("drop-unused,foo,materialize:3,bar", REGISTRY).unwrap_err();
        let codes: Vec<_> = e.0.iter().map(|d| d.code.id).collect();
        assert_eq!(codes, ["E0603", "E0601", "E0603"]);
        let ok = Pipeline::parse("cleanup, materialize", REGISTRY).unwrap();
        assert_eq!(
            format!("{ok:?}"),
            "Pipeline([Stage { steps: [drop-identity, drop-unused], rounds: 1 }, \
             Stage { steps: [materialize], rounds: 1 }])"
        );
    }
}
