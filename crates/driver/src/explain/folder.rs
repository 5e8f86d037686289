//! An output folder as it is read back: report, certificate, result and versions.

use crate::Failure;
use crate::load::{Loaded, load};
use crate::optimality::certificate::{Certificate, PATH, StoredQuestion};
use crate::options::LoadOptions;
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_ir::{Checked, Program, Property, Region, check};
use ceg4n_report::Report;
use ceg4n_verify::Reference;
use std::path::{Path, PathBuf};

/// An output folder.
pub(super) struct Folder {
    path: PathBuf,
    pub report: Report,
    pub certificate: Certificate,
}

/// A network of a folder, with the program of its only version.
pub(super) struct Versioned {
    pub loaded: Loaded,
    pub program: Checked<Program>,
}

fn unreadable(path: &Path, why: impl std::fmt::Display) -> Diagnostic {
    let text = format!("cannot read {}: {why}", path.display());
    Diagnostic::error(codes::FILE_READ, text)
}

fn text(path: &Path) -> Result<String, Diagnostic> {
    std::fs::read_to_string(path).map_err(|e| unreadable(path, e))
}

impl Folder {
    /// Reads report and certificate.
    ///
    /// # Errors
    /// A folder that `compile` did not write, or that made no search.
    pub(super) fn open(path: &Path) -> Result<Self, Diagnostics> {
        let of_compile = "give the folder that `ceg4nc compile` wrote";
        let file = path.join("report.json");
        let report = text(&file).map_err(|d| d.help(of_compile))?;
        let report: Report = serde_json::from_str(&report)
            .map_err(|e| unreadable(&file, format!("no report: {e}")).help(of_compile))?;
        if report.loop_.is_none() {
            let what = format!("{} holds no search: nothing to explain", path.display());
            let d = Diagnostic::error(codes::FILE_READ, what);
            return Err(d
                .help("its formats were given; `ceg4nc run NET --trace` shows every layer")
                .into());
        }
        let file = path.join(PATH);
        let certificate = text(&file).map_err(|d| {
            d.help("certificates/optimality.json belongs to an output folder; compile again")
        })?;
        let certificate = Certificate::read(&certificate)
            .map_err(|e| unreadable(&file, format!("no certificate: {e}")))?;
        Ok(Self {
            path: path.to_owned(),
            report,
            certificate,
        })
    }

    /// `NAME.final.nnir`.
    pub(super) fn result(&self) -> Result<Versioned, Failure> {
        let name = &self.report.network.name;
        // What stands in a report is no path.
        if name.contains(['/', '\\']) {
            let d = Diagnostic::error(codes::FILE_READ, format!("no network is called {name:?}"));
            return Err(d.into());
        }
        versioned(&self.path.join(format!("{name}.final.nnir")))
    }

    /// A version of the loop.
    pub(super) fn version(&self, version: u32) -> Result<Versioned, Failure> {
        versioned(&self.path.join(format!("versions/v{version}.nnir")))
    }

    /// Any network of the folder: that of the result, or else of the first version.
    pub(super) fn any(&self) -> Result<Versioned, Failure> {
        match (&self.certificate.result, self.certificate.versions.first()) {
            (None, Some(v)) => self.version(v.version),
            (Some(_), _) | (None, None) => self.result(),
        }
    }

    /// The reference of the run.
    pub(super) fn reference(&self, loaded: &Loaded) -> Result<Reference, Diagnostics> {
        let precision = self.certificate.precision();
        let precision = precision.map_err(|e| Diagnostic::error(codes::FILE_READ, e))?;
        Ok(Reference::new(&check(loaded.module.reference())?).with_precision(precision))
    }
}

fn versioned(path: &Path) -> Result<Versioned, Failure> {
    let options = LoadOptions {
        net: path.to_owned(),
        ..LoadOptions::default()
    };
    let loaded = load(&options)?;
    let program = loaded.version(None, None).map_err(Diagnostics::from);
    match program.and_then(check) {
        Ok(program) => Ok(Versioned { loaded, program }),
        Err(d) => Err(loaded.fail(d)),
    }
}

/// The region that a question is about, if the module asks that question.
pub(super) fn asked<'l>(loaded: &'l Loaded, q: &StoredQuestion) -> Option<&'l Region> {
    let obligations = loaded.obligations().ok()?;
    let found = obligations.into_iter().find(|o| {
        o.region.id == q.region && o.domain == q.domain && same(o.property, &q.requirement)
    })?;
    loaded.module.region(&found.region.id)
}

/// Two properties that ask the same; a query's path says only where it was read from.
fn same(a: &Property, b: &Property) -> bool {
    match (a, b) {
        (Property::Spec(a), Property::Spec(b)) | (Property::Joint(a), Property::Joint(b)) => {
            a.outputs == b.outputs && a.cases == b.cases
        }
        (
            Property::Top1
            | Property::Top1Margin(_)
            | Property::TopK(_)
            | Property::Eps(_)
            | Property::Spec(_)
            | Property::Joint(_),
            _,
        ) => a == b,
    }
}
