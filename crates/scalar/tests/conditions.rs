//! What a rule's condition and the facts of wide masks say is no more than what is proved.
// `cfg(test)` is what lets helpers of tests unwrap.
#![cfg(test)]

use ceg4n_base::Sources;
use ceg4n_opspec::{RewriteRule, read_rules};
use ceg4n_scalar::cost::SmtSize;
use ceg4n_scalar::egraph::{Builder, Limits, Rules, simplify};
use ceg4n_scalar::{Dag, DagError, Facts, Node};

fn rule(text: &str) -> RewriteRule {
    let mut sources = Sources::default();
    match read_rules(&[("r.toml", text)], &mut sources) {
        Ok(mut rules) => rules.remove(0),
        Err(d) => panic!("{}", sources.render(&d, false)),
    }
}

/// The prover leaves out values for which either arm of a choice lacks a meaning; so does the
/// rewriter.
#[test]
fn a_choice_needs_both_of_its_arms() {
    let text = "name = \"r\"\nsummary = \"s\"\nlhs = \"min(x, a)\"\nrhs = \"min(x, max(a, 2))\"\n\
                when = \"select(a <= 0, 1, log2(a)) == 1\"\n\
                [[variable]]\nname = \"x\"\nkind = \"value\"\n\
                [[variable]]\nname = \"a\"\nkind = \"constant\"\n";
    let rules = Rules::new(&[rule(text)]).unwrap();
    let mut b = Builder::new();
    let (x, a) = (b.leaf(0, Facts::within(-9, 9)), b.int(-5));
    let least = b.min(x, a);
    let expression = b.finish(least);
    let found = simplify(&expression, &rules, &SmtSize, Limits::default()).unwrap();
    assert_eq!(found.fired, [] as [usize; 0]);
    let facts = found.expression.facts(found.expression.root()).unwrap();
    assert!(facts.lo <= -9 && facts.hi >= -5, "{facts:?}");
}

/// -1 modulo 2^127 is larger than what is represented.
#[test]
fn a_mask_beyond_what_is_represented_is_refused() {
    let mut dag = Dag::new(vec![Facts::within(-1, 0)]);
    let x = dag.input(0).unwrap();
    for s in [121, 126, 127, 200] {
        assert_eq!(dag.add(Node::Low(x, s)), Err(DagError::Range), "{s}");
    }
    assert!(dag.add(Node::Low(x, 119)).is_ok());
    let mut b = Builder::new();
    let x = b.leaf(0, Facts::within(-1, 0));
    let low = b.low(x, 127);
    assert_eq!(b.facts(low), None);
}
