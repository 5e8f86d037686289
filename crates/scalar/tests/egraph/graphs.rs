//! Random graphs before and after, at every input where these are few.

use crate::common::{all_inputs, int, random_graph, rule, rules, some_inputs, values};
use ceg4n_scalar::cost::{Cycles, Flash, SmtSize};
use ceg4n_scalar::egraph::{Limits, Options, Rewritten, Rules, rewrite};
use ceg4n_scalar::{Cost, Dag, DagId, Facts};
use ceg4n_target::Target;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn options<'a>(rules: &'a Rules, cost: &'a dyn Cost) -> Options<'a> {
    let limits = Limits::default();
    Options {
        rules,
        cost,
        limits,
    }
}

fn narrow(rng: &mut ChaCha8Rng) -> Vec<Facts> {
    let count = rng.random_range(1..=3);
    let most = [300, 24, 8][count - 1];
    let one = |rng: &mut ChaCha8Rng| {
        let lo = rng.random_range(-most..=most / 4);
        Facts::within(lo, lo + rng.random_range(0..most))
    };
    (0..count).map(|_| one(rng)).collect()
}

fn wide(rng: &mut ChaCha8Rng) -> Vec<Facts> {
    let one = |rng: &mut ChaCha8Rng| {
        let bits = rng.random_range(8..=32);
        Facts::within(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    };
    (0..rng.random_range(1..=6)).map(|_| one(rng)).collect()
}

/// The first input at which a rewriting does not do what it says.
fn differs(dag: &Dag, roots: &[DagId], made: &Rewritten, inputs: &[Vec<i128>]) -> Option<String> {
    let nodes: Vec<DagId> = made.dag.nodes().map(|(id, _)| id).collect();
    for input in inputs {
        let (old, new) = (
            values(dag, input, roots),
            values(&made.dag, input, &made.roots),
        );
        if old != new {
            return Some(format!("{input:?}: {old:?}, then {new:?}"));
        }
        for (id, v) in nodes.iter().zip(values(&made.dag, input, &nodes)) {
            let f = made.dag.facts(*id);
            let multiple = v == int(0) || v.trailing_zeros() >= f.zeros;
            if v < f.lo || v > f.hi || !multiple {
                return Some(format!("{input:?}: {id} is {v}, which {f:?} excludes"));
            }
        }
    }
    None
}

/// Rewrites random graphs; the first difference, and how many were replaced.
fn run(rules: &Rules, cost: &dyn Cost, seeds: std::ops::Range<u64>) -> (Option<String>, usize) {
    let mut replaced = 0;
    for seed in seeds {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let inputs = match seed % 3 {
            0 => wide(&mut rng),
            _ => narrow(&mut rng),
        };
        let (dag, roots) = random_graph(&mut rng, inputs);
        let made = match rewrite(&dag, &roots, &options(rules, cost)) {
            Ok(made) => made,
            Err(e) => return (Some(format!("seed {seed}: {e}")), replaced),
        };
        if made.stats.contradictions > 0 {
            return (Some(format!("seed {seed}: a contradiction")), replaced);
        }
        assert!(made.stats.cost[1] <= made.stats.cost[0], "seed {seed}");
        replaced += made.stats.replaced;
        let all = all_inputs(&dag, 600);
        let inputs = all.unwrap_or_else(|| some_inputs(&dag, &mut rng, 60));
        if let Some(text) = differs(&dag, &roots, &made, &inputs) {
            return (Some(format!("seed {seed}: {text}")), replaced);
        }
    }
    (None, replaced)
}

#[test]
fn shipped_rules_keep_every_value() {
    let (found, replaced) = run(Rules::shipped(), &SmtSize, 0..600);
    assert_eq!(found, None);
    assert!(replaced > 300, "{replaced}");
}

#[test]
fn whatever_the_cost() {
    for t in Target::ALL {
        for cost in [&Cycles(t) as &dyn Cost, &Flash(t)] {
            let (found, replaced) = run(Rules::shipped(), cost, 600..640);
            assert_eq!(found, None, "{}", cost.name());
            assert!(replaced > 10, "{replaced}");
        }
    }
}

/// Wrong rules, each of which one of the seeds shows to be wrong.
#[test]
fn broken_rules_are_noticed() {
    let (x, y, c) = (["x", "value"], ["y", "value"], ["c", "constant"]);
    let (s, t) = (["s", "shift"], ["t", "shift"]);
    let broken = [
        rule(
            "off-by-one",
            ["max(x, y)", "x"],
            "lo(x) >= hi(y) - 1",
            &[x, y],
        ),
        rule("swapped", ["max(x, y)", "x"], "hi(x) >= lo(y)", &[x, y]),
        rule(
            "too-far",
            ["shr(shr(x, s), t)", "shr(x, s + t + 1)"],
            "",
            &[x, s, t],
        ),
        rule(
            "no-condition",
            ["shr(x + c, s)", "shr(x, s) + shr(c, s)"],
            "",
            &[x, c, s],
        ),
        rule(
            "order",
            ["min(max(x, y), c)", "max(min(x, c), y)"],
            "",
            &[x, y, c],
        ),
        rule(
            "lost",
            ["mod_pow2(x, s)", "x"],
            "hi(x) < shl(1, s)",
            &[x, s],
        ),
    ];
    for rule in broken {
        let name = rule.name.clone();
        // Cheap in its right side, so that the wrong one is taken.
        let mut all = ceg4n_opspec::rewrite_rules().to_vec();
        all.push(rule);
        let (found, _) = run(&rules(&all), &SmtSize, 0..600);
        assert!(found.is_some(), "{name}");
    }
}

#[test]
fn two_runs_are_the_same() {
    for seed in 0..60 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let inputs = wide(&mut rng);
        let (dag, roots) = random_graph(&mut rng, inputs);
        let run = || {
            let made = rewrite(&dag, &roots, &options(Rules::shipped(), &SmtSize)).unwrap();
            let nodes: Vec<_> = made.dag.nodes().map(|(_, n)| n.clone()).collect();
            (nodes, made.roots, made.stats)
        };
        let first = run();
        let other = std::thread::scope(|s| s.spawn(run).join().unwrap());
        assert_eq!(first, other);
    }
}

#[test]
fn a_second_rewriting_does_not_make_it_dearer() {
    for seed in 0..100 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let inputs = narrow(&mut rng);
        let (dag, roots) = random_graph(&mut rng, inputs);
        let once = rewrite(&dag, &roots, &options(Rules::shipped(), &SmtSize)).unwrap();
        let twice = rewrite(&once.dag, &once.roots, &options(Rules::shipped(), &SmtSize)).unwrap();
        assert!(twice.stats.cost[1] <= once.stats.cost[1]);
    }
}

#[test]
fn facts_that_were_learned_are_used() {
    let mut dag = Dag::new(vec![Facts::within(-100, 100)]);
    let x = dag.input(0).unwrap();
    let zero = dag.constant(0).unwrap();
    let form = dag.form(x).times(3).unwrap();
    let sum = dag.sum(form).unwrap();
    dag.learn(sum, Facts::within(0, 300)).unwrap();
    let relu = dag.add(ceg4n_scalar::Node::Max(sum, zero)).unwrap();
    let made = rewrite(&dag, &[relu], &options(Rules::shipped(), &SmtSize)).unwrap();
    assert_eq!(made.dag.len(), 2, "{:?}", made.dag);
    assert_eq!(made.dag.facts(made.roots[0]).lo, 0);
}
