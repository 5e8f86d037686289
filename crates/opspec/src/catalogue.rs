//! All specifications, found by name.

use crate::names::{InputName, OpName, RoundingName, SaturationName};
use crate::schema;
use crate::spec::Spec;
use ceg4n_base::{Diagnostic, Diagnostics, Sources, codes};
use std::sync::LazyLock;

/// The files of `ir-specs` that say what operators and their rules mean: path inside that folder,
/// and text.
pub const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/specs.rs"));

/// All specifications: exactly one for every name.
#[derive(Clone, Debug)]
pub struct Catalogue {
    ops: Vec<Spec>,
    roundings: Vec<Spec>,
    saturations: Vec<Spec>,
    inputs: Vec<Spec>,
}

/// The folders of `ir-specs`, and which forms their expressions may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Folder {
    Ops,
    Rounding,
    Saturation,
    Input,
}

impl Folder {
    const ALL: [Self; 4] = [Self::Ops, Self::Rounding, Self::Saturation, Self::Input];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ops => "ops",
            Self::Rounding => "rounding",
            Self::Saturation => "saturation",
            Self::Input => "input",
        }
    }

    fn expected(self) -> Vec<&'static str> {
        match self {
            Self::Ops => OpName::ALL.iter().map(|n| n.as_str()).collect(),
            Self::Rounding => RoundingName::ALL.iter().map(|n| n.as_str()).collect(),
            Self::Saturation => SaturationName::ALL.iter().map(|n| n.as_str()).collect(),
            Self::Input => InputName::ALL.iter().map(|n| n.as_str()).collect(),
        }
    }

    /// Operands and parameters that every rule of the folder has; all of them scalars.
    pub(crate) fn arity(self) -> Option<(usize, usize)> {
        match self {
            Self::Ops => None,
            Self::Rounding => Some((1, 1)),
            Self::Saturation => Some((1, 2)),
            Self::Input => Some((1, 3)),
        }
    }

    /// Whether expressions of the folder may call rules. Rules call none but an input's may, so
    /// that no rule can call itself.
    pub(crate) fn may_call(self) -> bool {
        match self {
            Self::Ops | Self::Input => true,
            Self::Rounding | Self::Saturation => false,
        }
    }
}

impl Catalogue {
    /// Reads spec files, given as (path inside `ir-specs`, text).
    ///
    /// # Errors
    /// Every file that cannot be read or contradicts itself, every name without a file and every
    /// file without a name. The texts are added to `sources`, so that the places can be shown.
    pub fn load(files: &[(&str, &str)], sources: &mut Sources) -> Result<Self, Diagnostics> {
        let mut diagnostics = Diagnostics::default();
        let mut found: Vec<(Folder, Spec)> = Vec::new();
        for (path, text) in files {
            let source = sources.add(format!("ir-specs/{path}"), *text);
            let folder = Folder::ALL.into_iter().find(|f| {
                let rest = path.strip_prefix(f.name());
                rest.is_some_and(|r| r.starts_with('/') && r.ends_with(".toml"))
            });
            let Some(folder) = folder else {
                diagnostics.push(
                    Diagnostic::error(codes::SPEC, format!("`{path}` is no spec file"))
                        .place(*path)
                        .help("specs are .toml files in ops, rounding, saturation or input"),
                );
                continue;
            };
            match schema::read(folder, path, source, text) {
                Ok(spec) => found.push((folder, spec)),
                Err(d) => diagnostics.0.extend(d.0),
            }
        }
        if diagnostics.has_errors() {
            return Err(diagnostics);
        }
        let [ops, roundings, saturations, inputs] =
            Folder::ALL.map(|f| in_order(f, &mut found, &mut diagnostics));
        for (_, spec) in found {
            let message = format!("`{}` has no entry in the enum of its folder", spec.file);
            diagnostics.push(Diagnostic::error(codes::SPEC, message).place(spec.file));
        }
        diagnostics.or(Self {
            ops,
            roundings,
            saturations,
            inputs,
        })
    }

    /// What an operator means.
    pub fn op(&self, name: OpName) -> &Spec {
        &self.ops[name as usize]
    }

    /// What a rounding rule means.
    pub fn rounding(&self, name: RoundingName) -> &Spec {
        &self.roundings[name as usize]
    }

    /// What a saturation rule means.
    pub fn saturation(&self, name: SaturationName) -> &Spec {
        &self.saturations[name as usize]
    }

    /// How numbers enter a program.
    pub fn input(&self, name: InputName) -> &Spec {
        &self.inputs[name as usize]
    }

    /// Every spec: operators, roundings, saturations, inputs, each in the order of its enum.
    pub fn all(&self) -> impl Iterator<Item = &Spec> {
        let groups = [&self.ops, &self.roundings, &self.saturations, &self.inputs];
        groups.into_iter().flatten()
    }
}

/// Takes the specs of a folder out of `found`, in the order of the enum.
fn in_order(
    folder: Folder,
    found: &mut Vec<(Folder, Spec)>,
    diagnostics: &mut Diagnostics,
) -> Vec<Spec> {
    let mut specs = Vec::new();
    for name in folder.expected() {
        let position = found
            .iter()
            .position(|(f, s)| *f == folder && s.name == name);
        match position {
            Some(p) => specs.push(found.remove(p).1),
            None => {
                let file = format!("{}/{name}.toml", folder.name());
                let message = format!("`{name}` has no file `ir-specs/{file}`");
                diagnostics.push(Diagnostic::error(codes::SPEC, message).place(file));
            }
        }
    }
    specs
}

/// The catalogue of the embedded files.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
        let mut sources = Sources::default();
        Catalogue::load(EMBEDDED, &mut sources).unwrap_or_else(|d| {
            panic!(
                "the embedded specs load, which a test checks:\n{}",
                sources.render(&d, false)
            )
        })
    });
    &CATALOGUE
}
