//! `rules --simplify`: what the rules make of one expression.

use crate::failure::Failure;
use crate::progress::{Cancel, Quiet};
use crate::rules::{RuleReport, RulesOptions, RulesReport, VerdictReport, chosen, rules as prove};
use crate::scalar::CostModel;
use ceg4n_base::entity::PrimaryMap;
use ceg4n_base::{Diagnostic, Sources, codes};
use ceg4n_opspec::{Variable, VariableId, VariableKind, read_expression};
use ceg4n_scalar::egraph::{Limits, Rules, needed, of_term, simplify as simplified};
use ceg4n_scalar::{DagError, Facts};
use serde::Serialize;

/// What to simplify.
#[derive(Clone, Debug, Default)]
pub struct SimplifyOptions {
    /// The expression, in the language of rules.
    pub expression: String,
    /// `x=LO..HI`, both included; `x=LO..HI step N` for multiples of a power of two; `p=truth`.
    pub ranges: Vec<String>,
    /// What decides between equal expressions.
    pub cost: CostModel,
}

/// What became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Simplification {
    /// The expression as it was read.
    pub before: String,
    /// The cheapest one found; equal if `unproved` is empty.
    pub after: String,
    /// What is known of its value: proved if `unproved` is empty, for these rules speak of it too.
    pub facts: String,
    /// The cost model.
    pub model: String,
    /// Cost before and after.
    pub cost: [u64; 2],
    /// The rules without which it would be dearer.
    pub needed: Vec<String>,
    /// The rules that said something new.
    pub fired: Vec<String>,
    /// No rule had more to say.
    pub saturated: bool,
    /// What the prover says of the rules that fired, where they are not the shipped ones, which
    /// are proved by the tests.
    #[serde(skip)]
    pub proofs: Option<RulesReport>,
    /// The rules that fired without a proof.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unproved: Vec<String>,
}

impl Simplification {
    /// 0 if the two are equal, else that of the rules which say so.
    pub fn exit_code(&self) -> i32 {
        self.proofs.as_ref().map_or(0, RulesReport::exit_code)
    }
}

/// More than for a neuron: people look at one expression at a time.
const LIMITS: Limits = Limits {
    nodes: 2_000,
    iterations: 8,
};

/// Applies the rules of a folder, or the shipped ones, to the expression; those with given names
/// only, if there are any. Rules of a folder that fired are proved.
///
/// # Errors
/// What is wrong with the expression or the ranges, and rules that contradict themselves.
pub fn simplify(
    options: &SimplifyOptions,
    which: &RulesOptions,
    cancel: &Cancel,
) -> Result<Simplification, Failure> {
    let rules = chosen(which)?;
    let rules = rules.as_slice();
    let mut variables: PrimaryMap<VariableId, Variable> = PrimaryMap::new();
    let mut facts = Vec::new();
    for text in &options.ranges {
        let (variable, range) = declared(text).ok_or_else(|| {
            let message = format!("`{text}` is no range of a variable");
            let help = "write x=-8..7, both ends included, x=-8..4 step 4, or p=truth";
            Diagnostic::error(codes::USAGE, message).help(help)
        })?;
        if variables.values().any(|v| v.name == variable.name) {
            let message = format!("`{}` has two ranges", variable.name);
            return Err(Diagnostic::error(codes::USAGE, message).into());
        }
        variables.push(variable);
        facts.push(range);
    }
    let mut sources = Sources::default();
    let text = &options.expression;
    let term = match read_expression("the expression", text, &variables, &mut sources) {
        Ok(term) => term,
        Err(e) => {
            let e = e.help("each variable needs a range: --range x=0..200");
            return Err(Failure::new(e, sources));
        }
    };
    let facts_of = |id: VariableId| facts[id.as_u32() as usize];
    let Some(expression) = of_term(&term, &variables, &facts_of) else {
        let message = "a part that must be known has no value: a shift amount or a quotient";
        return Err(Diagnostic::error(codes::USAGE, message).into());
    };
    let all = Rules::new(rules).map_err(|e| Diagnostic::error(codes::SPEC, e.to_string()))?;
    let cost = options.cost.cost();
    let cost = cost.as_ref();
    let wrong = |e: DagError| Diagnostic::error(codes::SPEC, format!("no rewriting: {e}"));
    let found = simplified(&expression, &all, cost, LIMITS).map_err(wrong)?;
    let needed = needed(&expression, &all, cost, LIMITS).map_err(wrong)?;
    let name = |n: u32| {
        let mut names = variables.values().map(|v| v.name.clone());
        names.nth(n as usize).unwrap_or_default()
    };
    let names = |all: &[usize]| -> Vec<String> {
        let names = all.iter().map(|r| rules[*r].name.clone());
        names.collect()
    };
    let fired = names(&found.fired);
    let proofs = match which.folder.is_some() && !fired.is_empty() {
        true => Some(proofs(&fired, which, cancel)?),
        false => None,
    };
    let root = found.expression.facts(found.expression.root());
    Ok(Simplification {
        before: expression.display(&name).to_string(),
        after: found.expression.display(&name).to_string(),
        facts: root.map_or("anything".to_owned(), |f| f.to_string()),
        model: cost.name(),
        cost: [expression.cost(cost), found.expression.cost(cost)],
        needed: names(&needed),
        fired,
        saturated: found.saturated,
        unproved: proofs.iter().flat_map(open).collect(),
        proofs,
    })
}

/// The proofs of some rules.
fn proofs(names: &[String], which: &RulesOptions, cancel: &Cancel) -> Result<RulesReport, Failure> {
    let some = RulesOptions {
        names: names.to_vec(),
        ..which.clone()
    };
    prove(&some, &Quiet, cancel)
}

/// The names of those that are not proved.
fn open(report: &RulesReport) -> Vec<String> {
    let proved = |r: &RuleReport| matches!(r.verdict, Some(VerdictReport::Proved { .. }));
    let open = report.rules.iter().filter(|r| !proved(r));
    open.map(|r| r.name.clone()).collect()
}

/// `x=LO..HI`, `x=LO..HI step N`, `p=truth`.
fn declared(text: &str) -> Option<(Variable, Facts)> {
    let (name, range) = text.split_once('=')?;
    let name = name.trim();
    let mut letters = name.chars();
    let first = letters.next()?.is_ascii_alphabetic();
    if !first || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return None;
    }
    let of = |kind| Variable {
        name: name.to_owned(),
        kind,
    };
    if range.trim() == "truth" {
        return Some((of(VariableKind::Truth), Facts::within(0, 1)));
    }
    let (range, step) = match range.split_once("step") {
        Some((range, step)) => (range, step.trim().parse::<i64>().ok()?),
        None => (range, 1),
    };
    let (lo, hi) = range.split_once("..")?;
    let (lo, hi): (i64, i64) = (lo.trim().parse().ok()?, hi.trim().parse().ok()?);
    if lo > hi || step < 1 || step.count_ones() != 1 {
        return None;
    }
    let multiples = Facts {
        lo: i64::MIN.into(),
        hi: i64::MAX.into(),
        zeros: step.trailing_zeros(),
    };
    let facts = Facts::within(lo.into(), hi.into()).both(multiples)?;
    Some((of(VariableKind::Value), facts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let facts = |text| declared(text).map(|(_, f)| f);
        assert_eq!(facts("x=0..200"), Some(Facts::within(0, 200)));
        assert_eq!(
            facts("x=-7..9 step 4").unwrap().to_string(),
            "-4..=8 step 4"
        );
        assert_eq!(facts("p=truth"), Some(Facts::within(0, 1)));
        for wrong in [
            "x",
            "x=",
            "x=3",
            "x=4..3",
            "=0..1",
            "1x=0..1",
            "x=1..3 step 3",
            "x=1..2 step 4",
        ] {
            assert_eq!(facts(wrong), None, "{wrong}");
        }
    }
}
