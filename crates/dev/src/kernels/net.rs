//! Networks that are measured: with their versions, or quantized here.

use crate::Error;
use ceg4n_base::Exact;
use ceg4n_driver::opt::{OptOptions, opt};
use ceg4n_driver::options::LoadOptions;
use ceg4n_eval::{kernel_outputs, outputs};
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Checked, Module, Program, check};
use std::path::Path;

/// A network with the inputs that it is measured on.
pub(crate) struct Net {
    /// Its name as a C identifier.
    pub(crate) name: String,
    /// Normalization is part of the weights.
    pub(crate) module: Module,
    /// The distinct centres of its regions.
    pub(crate) centres: Vec<Vec<Exact>>,
    /// The reference's class on each centre.
    pub(crate) classes: Vec<usize>,
    /// What is measured of it.
    pub(crate) candidates: Vec<Candidate>,
}

/// A network with formats.
pub(crate) struct Candidate {
    /// What the formats are called.
    pub(crate) formats: String,
    pub(crate) program: Checked<Program>,
    /// The kernel's inputs and outputs on the centres.
    pub(crate) vectors: Vec<(Vec<i64>, Vec<i64>)>,
    /// Centres on which the kernel's class is the reference's.
    pub(crate) agree: usize,
}

/// Reads a network; gives it formats unless it has some.
///
/// # Errors
/// A network that cannot be read, has no regions or cannot be quantized.
pub(crate) fn load(file: &Path, regions: Option<&Path>, formats: &[String]) -> Result<Net, Error> {
    let bad = |message: String| Error::Content {
        place: file.display().to_string(),
        message,
    };
    let run = |passes: String| {
        let options = OptOptions {
            load: LoadOptions {
                net: file.to_owned(),
                regions: regions.map(Path::to_owned).into_iter().collect(),
                ..LoadOptions::default()
            },
            passes,
            verify_each: false,
        };
        opt(&options, &mut |_, _| {}).map_err(|e| bad(e.diagnostics.to_string()))
    };
    let loaded = run(String::new())?;
    let (module, versions) = match loaded.module.versions.is_empty() {
        false => (
            loaded.module.clone(),
            vec![("own".to_owned(), loaded.module)],
        ),
        true => {
            const PREPARE: &str = "fold-affine,drop-unused";
            let quantized = |f: &String| {
                let made = run(format!("{PREPARE},quantize-uniform:{f}"))?;
                Ok((f.clone(), made.module))
            };
            let all: Result<Vec<_>, Error> = formats.iter().map(quantized).collect();
            (run(PREPARE.to_owned())?.module, all?)
        }
    };
    let mut centres: Vec<Vec<Exact>> = Vec::new();
    for r in &module.regions {
        let centre = r.center();
        if !centres.contains(&centre) {
            centres.push(centre);
        }
    }
    if centres.is_empty() {
        return Err(bad(
            "it has no regions, whose centres are the inputs".to_owned()
        ));
    }
    let reference = check(module.reference()).map_err(|e| bad(e.to_string()))?;
    let class = |x: &Vec<Exact>| {
        let y = outputs(&reference, x).map_err(|e| bad(e.to_string()))?;
        argmax(&y).ok_or_else(|| bad("it has no outputs".to_owned()))
    };
    let classes = centres.iter().map(class).collect::<Result<Vec<_>, _>>()?;
    let candidate = |(formats, module): (String, Module)| {
        candidate(formats, &module, &centres, &classes).map_err(bad)
    };
    let candidates: Result<Vec<_>, Error> = versions.into_iter().map(candidate).collect();
    Ok(Net {
        name: ceg4n_emit::c_identifier(module.network.name()),
        candidates: candidates?,
        module,
        centres,
        classes,
    })
}

fn candidate(
    formats: String,
    module: &Module,
    centres: &[Vec<Exact>],
    classes: &[usize],
) -> Result<Candidate, String> {
    let last = module.versions.last().map(|v| v.version);
    let program = module.version(last).ok_or("it has no version")?;
    let program = check(program).map_err(|e| e.to_string())?;
    let kernel = program.kernel().ok_or("its version is no kernel")?;
    let mut vectors = Vec::new();
    let mut agree = 0;
    for (x, class) in centres.iter().zip(classes) {
        let input = kernel.quantize_input(x);
        let output = kernel_outputs(kernel, &input).map_err(|e| e.to_string())?;
        agree += usize::from(argmax(&output) == Some(*class));
        vectors.push((input, output));
    }
    Ok(Candidate {
        formats,
        program,
        vectors,
        agree,
    })
}
