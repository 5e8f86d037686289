//! Loading: a network by its extension, with the regions and the requirement of the options.

use crate::failure::Failure;
use crate::options::{Demand, LoadOptions};
use crate::regions;
use ceg4n_base::suggest::missing_file;
use ceg4n_base::{ContentHash, Diagnostic, Diagnostics, Sources, codes};
use ceg4n_import::import_onnx_file;
use ceg4n_import::vnnlib::{self, Query};
use ceg4n_ir::{
    Anchor, Domain, Module, Op, Program, Property, Region, Requirement, Rounding, Selection,
};
use ceg4n_verify::Precision;
use std::path::Path;

/// A network and what is asked of it.
#[derive(Debug)]
pub struct Loaded {
    /// The network, its versions, the regions kept and the requirements on them.
    pub module: Module,
    /// The texts that diagnostics about the module point into.
    pub sources: Sources,
    /// What the user should know; no errors.
    pub warnings: Diagnostics,
    /// The network's name.
    pub name: String,
    /// The network that kernels are compared with, where that is not the module's: of a quantized
    /// model, whose module is in other units.
    pub original: Option<Program>,
    /// SHA-256 of the file's bytes. For a `.nnir` file with tensors beside it their bytes do not
    /// count; [`Program::hash`] covers them.
    pub sha256: ContentHash,
}

/// One requirement on one region: what a verifier decides.
#[derive(Clone, Copy, Debug)]
pub struct Obligation<'a> {
    /// The box.
    pub region: &'a Region,
    /// What must hold on it.
    pub property: &'a Property,
    /// On which inputs.
    pub domain: Domain,
}

/// Loads a network and applies the options.
///
/// # Errors
/// An unknown extension, whatever is wrong with the files, and options that leave no region or
/// do not fit the network.
pub fn load(options: &LoadOptions) -> Result<Loaded, Failure> {
    let mut sources = Sources::default();
    match load_into(options, &mut sources) {
        Ok((module, warnings, sha256)) => Ok(Loaded {
            name: module.network.name().to_owned(),
            module,
            sources,
            warnings,
            original: None,
            sha256,
        }),
        Err(diagnostics) => Err(Failure::new(diagnostics, sources)),
    }
}

impl Loaded {
    /// Makes the network one that formats can be given to: normalization becomes part of weights, a
    /// quantized model a version of its integers; what computes nothing goes, as a comment in the
    /// module says then. A module with versions, or without anything to do, stays as it is, and so
    /// does what is compared with runs in single precision: those of another network have other
    /// rounding errors.
    ///
    /// # Errors
    /// Those of the passes.
    pub(crate) fn prepare(&mut self, precision: Precision) -> Result<(), Diagnostics> {
        if self.has_snaps() {
            self.original = Some(self.module.reference());
            self.module = run_pass(&self.module, "lower-snaps")?;
            let lines = [
                "A quantized model in units of its integers. Without the model's rounding its real",
                "function is another one: ceg4nc verify THIS --against MODEL compares with the model.",
            ];
            let header = self.module.comments.entry(Anchor::Header).or_default();
            header.extend(lines.map(str::to_owned));
            self.warnings.push(Diagnostic::note(
                codes::QUANTIZED,
                "a quantized model: its own integers are the kernel's, and no formats are searched",
            ));
            return Ok(());
        }
        if precision == Precision::Float32 || !self.module.versions.is_empty() {
            return Ok(());
        }
        self.module = run_pass(&self.module, "fold-affine")?;
        let (module, done) = changing(&self.module, SIMPLIFICATION)?;
        self.module = module;
        if !done.is_empty() {
            let text = format!(
                "Made smaller, as the same real function: {}.",
                done.join(", ")
            );
            let header = self.module.comments.entry(Anchor::Header).or_default();
            header.push(text);
        }
        Ok(())
    }

    /// True for a quantized model without versions.
    fn has_snaps(&self) -> bool {
        let mut values = self.module.network.values().values();
        self.module.versions.is_empty() && values.any(|v| matches!(v.op, Op::Snap { .. }))
    }

    /// The program that kernels are compared with.
    pub(crate) fn reference(&self) -> Program {
        let own = || self.module.reference();
        self.original.clone().unwrap_or_else(own)
    }
}

fn run_pass(module: &Module, name: &str) -> Result<Module, Diagnostics> {
    changing(module, name).map(|(module, _)| module)
}

/// Runs a pipeline; with the names of the passes that changed something.
fn changing(module: &Module, passes: &str) -> Result<(Module, Vec<String>), Diagnostics> {
    let pipeline = ceg4n_passes::Pipeline::parse(passes, ceg4n_passes::REGISTRY)?;
    let mut changed: Vec<String> = Vec::new();
    let module = pipeline.run(module, &mut |step, before, after| {
        let name = step.pass.name();
        if !ceg4n_passes::is_same(before, after) && !changed.iter().any(|c| c == name) {
            changed.push(name.to_owned());
        }
        Ok(())
    })?;
    Ok((module, changed))
}

/// What runs before formats are chosen: passes that keep the real function, which make search, formulas and kernels
/// smaller.
const SIMPLIFICATION: &str = "simplify";

type Read = (Module, Diagnostics, ContentHash);

fn load_into(options: &LoadOptions, sources: &mut Sources) -> Result<Read, Diagnostics> {
    regions::check_options(options)?;
    let path = &options.net;
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let mut warnings = Diagnostics::default();
    let mut module = match (extension.as_deref(), &options.text) {
        (_, Some(text)) => {
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            let name = path.display().to_string();
            ceg4n_syntax::parse(sources, &name, text, &ceg4n_syntax::Folder(folder))?
        }
        (Some("nnir"), None) => ceg4n_syntax::load(sources, path)?,
        (Some("onnx"), None) => {
            let imported = import_onnx_file(path)?;
            warnings.0.extend(imported.notes);
            Module::new(imported.network)
        }
        (Some(_) | None, None) => {
            let text = format!("{} is neither .nnir nor .onnx", path.display());
            return Err(Diagnostic::error(codes::USAGE, text)
                .help_if(missing_file(path))
                .help("a network is a .nnir or .onnx file; import other formats first")
                .into());
        }
    };
    let sha256 = match &options.text {
        Some(text) => hash_of(text.as_bytes()),
        None => hash_of(&bytes_of(path)?),
    };
    let query = match &options.require {
        Some(Demand::Query(path)) => {
            let query = vnnlib::query_from_file(sources, path)?;
            query.check(module.network.input_len(), module.network.output_len())?;
            Some((query, path.as_path()))
        }
        Some(Demand::Property(_)) | None => None,
    };
    let query = query.as_ref().map(|(q, path)| (q, *path));
    regions::choose(&mut module, options, query, sources)?;
    choose_requirements(&mut module, options, query)?;
    Ok((module, warnings, sha256))
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Diagnostic> {
    let name = path.display();
    let unreadable = |e| {
        let text = format!("cannot read {name}: {e}");
        Diagnostic::error(codes::FILE_READ, text).help_if(missing_file(path))
    };
    std::fs::read(path).map_err(unreadable)
}

fn hash_of(bytes: &[u8]) -> ContentHash {
    use sha2::{Digest, Sha256};
    ContentHash(Sha256::digest(bytes).into())
}

/// Applies `--require` and `--domain`, and drops ids of regions that are not kept.
fn choose_requirements(
    module: &mut Module,
    options: &LoadOptions,
    query: Option<(&Query, &Path)>,
) -> Result<(), Diagnostics> {
    let asked: Vec<(Property, Selection)> = match (&options.require, query) {
        (Some(Demand::Property(property)), _) => {
            check_property(property, module.network.output_len())?;
            vec![(property.clone(), Selection::All)]
        }
        (_, Some((query, path))) => {
            let path = path.display().to_string();
            let list = query.on_regions(&path, &Selection::All, &module.regions);
            let list = list.into_iter();
            list.map(|(spec, on)| (Property::Spec(spec), on)).collect()
        }
        (Some(Demand::Query(_)) | None, None) => Vec::new(),
    };
    if !asked.is_empty() {
        let requirement = |(property, regions)| Requirement {
            property,
            domain: options.domain.unwrap_or_default(),
            regions,
            span: None,
        };
        module.requirements = asked.into_iter().map(requirement).collect();
        let stale = |a: &Anchor| matches!(a, Anchor::Requirement(_));
        module.comments.retain(|a, _| !stale(a));
        return Ok(());
    }
    let had = module.requirements.len();
    let regions = &module.regions;
    for r in &mut module.requirements {
        r.domain = options.domain.unwrap_or(r.domain);
        if let Selection::Ids(ids) = &mut r.regions {
            ids.retain(|id| regions.iter().any(|r| r.id == *id));
        }
    }
    module
        .requirements
        .retain(|r| !matches!(&r.regions, Selection::Ids(ids) if ids.is_empty()));
    if module.requirements.len() != had {
        module
            .comments
            .retain(|a, _| !matches!(a, Anchor::Requirement(_)));
    }
    if had > 0 && module.requirements.is_empty() {
        let text = "no requirement of the file speaks of the regions chosen";
        return Err(Diagnostic::error(codes::REQUIREMENT, text)
            .help("say what to prove there, for instance --require top1")
            .into());
    }
    Ok(())
}

/// Refuses a property that a network with `outputs` outputs cannot be asked for.
///
/// # Errors
/// [`codes::REQUIREMENT`].
pub fn check_property(property: &Property, outputs: usize) -> Result<(), Diagnostic> {
    let fail = |m: String| Err(Diagnostic::error(codes::REQUIREMENT, m));
    let ranked = !matches!(
        property,
        Property::Eps(_) | Property::Spec(_) | Property::Joint(_)
    );
    if ranked && outputs < 2 {
        return fail(format!(
            "{property} needs at least two outputs, there is one"
        ));
    }
    match property {
        Property::Top1 => Ok(()),
        Property::Top1Margin(m) if m.signum() < 0 => fail(format!("the margin {m} is negative")),
        Property::Top1Margin(_) => Ok(()),
        Property::TopK(k) if *k == 0 || *k as usize > outputs => {
            fail(format!("topk {k} of {outputs} classes"))
        }
        Property::TopK(_) => Ok(()),
        Property::Eps(e) if e.signum() < 0 => fail(format!("eps {e} is negative")),
        Property::Eps(_) => Ok(()),
        Property::Spec(s) if s.outputs != outputs => fail(format!(
            "{property} is about {} outputs, the network has {outputs}",
            s.outputs
        )),
        Property::Joint(s) if s.outputs != 2 * outputs => fail(format!(
            "{property} is about {} outputs, both networks have {outputs}",
            s.outputs
        )),
        Property::Spec(_) | Property::Joint(_) => Ok(()),
    }
}

/// `regions: a, b, c, … (12 in all)`.
pub(crate) fn few<'a>(what: &str, items: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() {
        return format!("there are no {what}");
    }
    let shown = items.len().min(8);
    let list = items[..shown].join(", ");
    if shown < items.len() {
        format!("{what}: {list}, … ({} in all)", items.len())
    } else {
        format!("{what}: {list}")
    }
}

impl Loaded {
    /// Dimensions of the network's input.
    pub fn shape(&self) -> &[usize] {
        let net = &self.module.network;
        &net.value(net.input()).shape.0
    }

    /// What must be decided, in the order of requirements and regions.
    ///
    /// # Errors
    /// [`codes::NO_REGION`] or [`codes::REQUIREMENT`] if there is nothing to decide.
    pub fn obligations(&self) -> Result<Vec<Obligation<'_>>, Diagnostic> {
        if self.module.regions.is_empty() {
            let text = format!("@{} has no region to prove anything on", self.name);
            return Err(Diagnostic::error(codes::NO_REGION, text)
                .help(
                    "give --regions FILE.json, --regions DATA --radius R for boxes around rows of data, \
                     or write regions into the .nnir file",
                ));
        }
        let list: Vec<_> = self
            .module
            .requirements
            .iter()
            .flat_map(|r| {
                let chosen = |region: &&Region| match &r.regions {
                    Selection::All => true,
                    Selection::Ids(ids) => ids.contains(&region.id),
                };
                self.module
                    .regions
                    .iter()
                    .filter(chosen)
                    .map(|region| Obligation {
                        region,
                        property: &r.property,
                        domain: r.domain,
                    })
            })
            .collect();
        if list.is_empty() {
            let text = format!("nothing is required of @{}", self.name);
            return Err(Diagnostic::error(codes::REQUIREMENT, text)
                .help("say what to prove, for instance --require top1"));
        }
        Ok(list)
    }

    /// An IR version (`None`: the last one), under another rounding if one is given.
    ///
    /// # Errors
    /// [`codes::USAGE`] if the file has no such version.
    pub fn version(
        &self,
        version: Option<u32>,
        rounding: Option<Rounding>,
    ) -> Result<Program, Diagnostic> {
        let Some(program) = self.module.version(version) else {
            let known: Vec<_> = self
                .module
                .versions
                .iter()
                .map(|a| format!("v{}", a.version))
                .collect();
            let text = match version {
                Some(k) => format!("@{} has no version v{k}", self.name),
                None => format!("@{} has no format block: it is real", self.name),
            };
            let help = if known.is_empty() {
                "compile it first and take NAME.final.nnir of the output, or write a format block"
                    .to_owned()
            } else {
                few("versions", known.iter().map(String::as_str))
            };
            return Err(Diagnostic::error(codes::USAGE, text).help(help));
        };
        Ok(match rounding {
            None => program,
            Some(r) if r == program.annotations.rounding => program,
            Some(r) => {
                let mut a = (*program.annotations).clone();
                a.rounding = r;
                Program::new(program.network, a)
            }
        })
    }

    /// Diagnostics about this module with the texts that they point into.
    pub fn fail(self, diagnostics: impl Into<Diagnostics>) -> Failure {
        Failure::new(diagnostics, self.sources)
    }
}
