//! `smt`: a region's question as a script for any SMT-LIB 2 solver.

use crate::failure::Failure;
use crate::load::{Loaded, Obligation, load};
use crate::options::LoadOptions;
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_ir::{Checked, Domain, Kernel, Program, Property, Rounding, check};
pub use ceg4n_smt::Logic;
use ceg4n_smt::lower::{Question, Rewriting, breaks_on_grid, leaves_class};
pub use ceg4n_smt::solver::names as solver_names;
use ceg4n_verify::space::{Part, Space};
use ceg4n_verify::{Effort, Label, Reference, Stop, label};

/// What to ask.
#[derive(Clone, Debug, Default)]
pub struct SmtOptions {
    /// The network; its options must leave one requirement on one region.
    pub load: LoadOptions,
    /// The IR version; `None` is the last one.
    pub ir_version: Option<u32>,
    /// Overrides the version's rounding.
    pub rounding: Option<Rounding>,
    /// The logic of the script; both say the same.
    pub logic: Logic,
}

/// The question of the one requirement on the one region chosen, as text. It is satisfiable
/// exactly if the kernel breaks the requirement.
///
/// # Errors
/// Options that leave no requirement or several; a question that is none of integers alone
/// (domain real, unless it is `top1` and the reference keeps its class).
pub fn smt(options: &SmtOptions) -> Result<(Loaded, String), Failure> {
    let loaded = load(&options.load)?;
    match script(&loaded, options) {
        Ok(text) => Ok((loaded, text)),
        Err(e) => Err(loaded.fail(e)),
    }
}

fn script(loaded: &Loaded, options: &SmtOptions) -> Result<String, Diagnostics> {
    let program = check(loaded.version(options.ir_version, options.rounding)?)?;
    let Some(kernel) = program.kernel() else {
        let text = "the version has real activations; there is no question about integers alone";
        return Err(Diagnostic::error(codes::USAGE, text).into());
    };
    let obligations = loaded.obligations()?;
    let [asked] = obligations[..] else {
        let text = format!(
            "a script asks one question, these are {}",
            obligations.len()
        );
        return Err(Diagnostic::error(codes::USAGE, text)
            .help("choose with --region ID, and --require PROPERTY if a region has several requirements")
            .into());
    };
    let space = Space::new(asked.region, asked.domain, kernel.input_format);
    let root = space.root()?;
    let (question, meaning) = match asked.domain {
        Domain::Grid(_) => on_grid(options.logic, loaded, kernel, &asked, &root)?,
        Domain::Real => on_integers(options.logic, loaded, kernel, &asked, &space, &root)?,
    };
    Ok(format!(
        "; @{} v{}, region {:?}, {} in domain {}\n; sat: {meaning}\n{}",
        loaded.name,
        program.program().annotations.version,
        asked.region.id,
        asked.property,
        asked.domain,
        question.query.to_smtlib()
    ))
}

fn reference(loaded: &Loaded) -> Result<Checked<Program>, Diagnostics> {
    check(loaded.module.reference())
}

/// In domain `grid` reference and kernel are both functions of the integers of the grid.
fn on_grid(
    logic: Logic,
    loaded: &Loaded,
    kernel: &Kernel,
    asked: &Obligation<'_>,
    root: &Part,
) -> Result<(Question, String), Diagnostics> {
    let reference = reference(loaded)?;
    let (Some(real), Domain::Grid(grid)) = (reference.real(), asked.domain) else {
        let text = "the question is none of a real reference on a grid";
        return Err(Diagnostic::error(codes::INTERNAL, text).into());
    };
    let question = breaks_on_grid(
        logic,
        real,
        kernel,
        grid,
        &root.grid,
        asked.property,
        Rewriting::On,
    )
    .map_err(|e| not_askable(&e.to_string()))?;
    let meaning = format!("a point of the grid {grid} breaks the requirement");
    Ok((question, meaning))
}

/// In domain `real` a question about the kernel alone: the reference keeps its class.
fn on_integers(
    logic: Logic,
    loaded: &Loaded,
    kernel: &Kernel,
    asked: &Obligation<'_>,
    space: &Space,
    root: &Part,
) -> Result<(Question, String), Diagnostics> {
    if *asked.property != Property::Top1 {
        let text = format!("{} in domain real", asked.property);
        return Err(not_askable(&text).into());
    }
    let reference = Reference::new(&reference(loaded)?);
    let center = asked.region.center();
    let found = label::label(
        &reference,
        space,
        &center,
        root,
        &Effort::default(),
        &Stop::default(),
    );
    let class = match found.label {
        Label::Robust(class) => class,
        Label::Changes(_) | Label::Undecided => {
            let text = "top1 in domain real on a region where the reference is not shown to keep one class";
            return Err(not_askable(text).into());
        }
    };
    let question = leaves_class(logic, kernel, &root.input, class, Rewriting::On)
        .map_err(|e| not_askable(&e.to_string()))?;
    let meaning = format!("an input of the kernel leaves the reference's class {class}");
    Ok((question, meaning))
}

fn not_askable(what: &str) -> Diagnostic {
    let text = format!("no question about integers alone: {what}");
    Diagnostic::error(codes::NOT_BUILT, text)
        .help("ask on a grid, for instance --domain grid:u8q8; `ceg4nc verify` decides more")
}
