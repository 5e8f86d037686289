//! `opt --print scalar`: the kernel of the last version as one expression graph, as lowered or
//! rewritten.

use crate::load::Loaded;
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_ir::{Interval, Kernel, check};
use ceg4n_scalar::cost::{Cycles, Flash, SmtSize};
use ceg4n_scalar::egraph::{Limits, Options, Rewritten, Rules, rewrite};
use ceg4n_scalar::{Cost, Dag, DagError};
use ceg4n_target::Target;
use std::fmt::Write;

/// What makes an expression cheap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CostModel {
    /// About the clauses of a solver's formula.
    #[default]
    Smt,
    /// About the cycles of straight-line C.
    Cycles(Target),
    /// About the bytes of straight-line C.
    Flash(Target),
}

impl CostModel {
    /// `smt`, `cycles:TARGET`, `flash:TARGET`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.split_once(':') {
            None => (name == "smt").then_some(Self::Smt),
            Some(("cycles", target)) => Target::from_name(target).map(Self::Cycles),
            Some(("flash", target)) => Target::from_name(target).map(Self::Flash),
            Some(_) => None,
        }
    }

    pub(crate) fn cost(self) -> Box<dyn Cost> {
        match self {
            Self::Smt => Box::new(SmtSize),
            Self::Cycles(target) => Box::new(Cycles(target)),
            Self::Flash(target) => Box::new(Flash(target)),
        }
    }
}

/// How the graph is made and shown.
#[derive(Clone, Copy, Debug)]
pub struct ScalarOptions {
    /// What decides between equal expressions.
    pub cost: CostModel,
    /// Apply the rules.
    pub rewrite: bool,
}

/// The graph as text, and sizes before and after as text.
///
/// # Errors
/// A module without versions, a version without a kernel, and kernels without a graph.
pub fn scalar(loaded: &Loaded, options: &ScalarOptions) -> Result<(String, String), Diagnostics> {
    let program = check(loaded.version(None, None)?)?;
    let Some(kernel) = program.kernel() else {
        let text = "the version has real activations; only integers have a graph of scalars";
        return Err(Diagnostic::error(codes::USAGE, text).into());
    };
    let cost = options.cost.cost();
    let made = graph(kernel, cost.as_ref(), options.rewrite).map_err(|e| {
        let text = format!("the kernel has no graph of scalars: {e}");
        Diagnostic::error(codes::USAGE, text)
    })?;
    Ok((made.dag.to_text(&made.roots), stats(&made, cost.as_ref())))
}

/// The graph of a kernel for every input of its format.
fn graph(kernel: &Kernel, cost: &dyn Cost, is_rewritten: bool) -> Result<Rewritten, DagError> {
    let format = kernel.input_format;
    let range = Interval::new(format.min(), format.max());
    let lowered = Dag::of_kernel(kernel, &vec![range; kernel.input_len()])?;
    let none = Rules::default();
    let options = Options {
        rules: if is_rewritten {
            Rules::shipped()
        } else {
            &none
        },
        cost,
        limits: Limits::default(),
    };
    if is_rewritten {
        return rewrite(&lowered.dag, &lowered.outputs, &options);
    }
    let (dag, roots) = lowered.dag.restricted(&lowered.outputs)?;
    let stats = ceg4n_scalar::egraph::Stats {
        nodes: [dag.len(); 2],
        cost: [dag.cost(&roots, cost); 2],
        ..Default::default()
    };
    Ok(Rewritten { dag, roots, stats })
}

fn stats(made: &Rewritten, cost: &dyn Cost) -> String {
    let s = &made.stats;
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(out, "nodes {} -> {}", s.nodes[0], s.nodes[1]);
    let _ = writeln!(out, "cost ({}) {} -> {}", cost.name(), s.cost[0], s.cost[1]);
    let _ = writeln!(
        out,
        "expressions {}, distinct {}, replaced {}, cut short {}, contradictions {}",
        s.expressions, s.distinct, s.replaced, s.unsaturated, s.contradictions
    );
    for (rule, count) in Rules::shipped().rules().iter().zip(&s.fired) {
        if *count > 0 {
            let _ = writeln!(out, "rule {} in {count}", rule.name);
        }
    }
    out
}
