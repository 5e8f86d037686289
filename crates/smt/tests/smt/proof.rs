//! Refutations of the embedded solver, judged by a checker that shares nothing with it; and the
//! clauses they refute, against the query they stand for.

use crate::common::{assignment, property, recipe};
use crate::lrat::Checker;
use crate::simulate::simulate;
use ceg4n_smt::solver::embedded::{Clauses, Proof, clauses, prove};
use ceg4n_smt::solver::from_name;
use ceg4n_smt::{Limits, Logic, Model, Outcome, Query, Value};
use proptest::prelude::*;

/// Is there a sum `Σ ±cᵢ·xᵢ` beyond what its terms can reach? Never; `slack` makes it possible.
fn unreachable_sum(coefficients: &[i128], slack: i128) -> Query {
    let mut q = Query::new();
    let width = 14;
    let mut products = Vec::new();
    let mut most = 0;
    for (i, &c) in coefficients.iter().enumerate() {
        let x = q.var(&format!("x{i}"), 3).unwrap();
        // A relu: what is chosen is never negative.
        let x = q.sign_extend(x, width).unwrap();
        let zero = q.constant(0, width).unwrap();
        let negative = q.slt(x, zero).unwrap();
        let y = q.ite(negative, zero, x).unwrap();
        products.push((c, y));
        most += 3 * c.max(0);
    }
    let sum = q.linear(&products, 0, width).unwrap();
    let limit = q.constant(most - slack, width).unwrap();
    let beyond = q.slt(limit, sum).unwrap();
    q.assert(beyond).unwrap();
    q
}

/// Are there two factors, none of them 1, of a prime?
fn factors(prime: i128, bits: u32) -> Query {
    let mut q = Query::new();
    let one = q.constant(1, bits).unwrap();
    let mut wide = Vec::new();
    for name in ["a", "b"] {
        let x = q.var(name, bits).unwrap();
        let more = q.ult(one, x).unwrap();
        q.assert(more).unwrap();
        wide.push(q.zero_extend(x, 2 * bits).unwrap());
    }
    let product = q.mul(wide[0], wide[1]).unwrap();
    let prime = q.constant(prime, 2 * bits).unwrap();
    let same = q.equal(product, prime).unwrap();
    q.assert(same).unwrap();
    q
}

fn unsatisfiable() -> Vec<Query> {
    let sums = (0..28).map(|i: i128| {
        let n = 3 + i % 5;
        let c: Vec<_> = (0..n).map(|j| (7 * i + 5 * j) % 23 - 9).collect();
        unreachable_sum(&c, 0)
    });
    let primes = [(31, 5), (61, 6), (113, 7), (127, 7), (251, 8), (257, 9)];
    sums.chain(primes.map(|(p, bits)| factors(p, bits)))
        .collect()
}

fn proof_of(q: &Query) -> Proof {
    match prove(q, &Limits::default()) {
        (Outcome::Unsat, Some(proof)) => proof,
        (outcome, proof) => panic!("{outcome:?}, proof: {}", proof.is_some()),
    }
}

fn judge(clauses: &Clauses, lrat: &str) -> Result<(), String> {
    Checker::new(clauses.iter()).check(lrat.as_bytes())
}

#[test]
fn refutations_are_accepted() {
    let (mut steps, mut bytes, mut trivial) = (0, 0, 0);
    let queries = unsatisfiable();
    for q in &queries {
        let proof = proof_of(q);
        judge(&proof.clauses, &proof.lrat).unwrap();
        assert_eq!(proof, proof_of(q), "the same in every run");
        assert_eq!(
            from_name("embedded").unwrap().solve(q, &Limits::default()),
            Outcome::Unsat
        );
        let lines = proof.lrat.lines().count();
        steps += lines;
        bytes += proof.lrat.len();
        trivial += usize::from(lines < 5);
    }
    let n = queries.len();
    eprintln!("{n} refutations accepted: {steps} lines, {bytes} bytes, {trivial} trivial");
    assert!(n - trivial >= 20 && steps > 1000, "{steps}, {trivial}");
}

/// A line that adds a clause, as its number, literals and hints.
fn split(line: &str) -> Option<(&str, Vec<&str>, Vec<&str>)> {
    let mut words = line.split(' ');
    let number = words.next()?;
    let words: Vec<_> = words.collect();
    if words[0] == "d" {
        return None;
    }
    let zero = words.iter().position(|w| *w == "0")?;
    let hints = &words[zero + 1..words.len() - 1];
    Some((number, words[..zero].to_vec(), hints.to_vec()))
}

fn join(number: &str, literals: &[&str], hints: &[&str]) -> String {
    let mut words = vec![number];
    words.extend(literals);
    words.push("0");
    words.extend(hints);
    words.push("0");
    words.join(" ")
}

#[test]
fn damaged_refutations_are_refused() {
    let mut damaged = [0; 5];
    for q in &unsatisfiable() {
        let proof = proof_of(q);
        let lines: Vec<&str> = proof.lrat.lines().collect();
        let with = |i: usize, line: &str| {
            let mut lines = lines.clone();
            lines[i] = line;
            judge(&proof.clauses, &lines.join("\n"))
        };
        let additions = (0..lines.len()).filter(|i| split(lines[*i]).is_some());
        for i in additions.step_by(1 + lines.len() / 12) {
            let (number, literals, hints) = split(lines[i]).unwrap();
            let cut = join(number, &literals, &hints[..hints.len() - 1]);
            assert!(with(i, &cut).is_err(), "a hint less: {cut}");
            damaged[0] += 1;
            if let Some((first, rest)) = literals.split_first() {
                let flipped = match first.strip_prefix('-') {
                    Some(positive) => positive.to_owned(),
                    None => format!("-{first}"),
                };
                let mut other = vec![flipped.as_str()];
                other.extend(rest);
                let other = join(number, &other, &hints);
                assert!(with(i, &other).is_err(), "a literal flipped: {other}");
                damaged[1] += 1;
                let shorter = join(number, rest, &hints);
                assert!(with(i, &shorter).is_err(), "a literal less: {shorter}");
                damaged[2] += 1;
            }
        }
        let end = lines.len() - 1;
        assert!(judge(&proof.clauses, &lines[..end].join("\n")).is_err());
        assert!(judge(&proof.clauses, &proof.lrat[..proof.lrat.len() / 2]).is_err());
        damaged[3] += 2;
        // The refutation of one formula is none of another.
        let mut other = proof.clauses.clone();
        other.literals.iter_mut().for_each(|l| *l = -*l);
        damaged[4] += usize::from(judge(&other, &proof.lrat).is_err());
    }
    eprintln!("refused: {damaged:?} (hint, literal flipped, literal dropped, end, formula)");
    assert!(damaged.iter().all(|n| *n >= 20), "{damaged:?}");
}

#[test]
fn clauses_say_what_the_query_says() {
    let (mut holds, mut fails) = (0, 0);
    let strategy = (recipe(1..=3, 1..=10, 3..=14), any::<u64>());
    property("simulation", 200, &strategy, |(recipe, seed)| {
        let mut q = recipe.build(12);
        // One of two values of the last vector, so that the query holds now and then.
        let (last, _) = q.terms().last().unwrap();
        let sort = q.definition(last).unwrap().sort;
        if let ceg4n_smt::Sort::Bits(width) = sort {
            let top = q.extract(last, width - 1, width - 1).unwrap();
            let bit = q.constant((*seed & 1).into(), 1).unwrap();
            let same = q.equal(top, bit).unwrap();
            q.assert(same).unwrap();
        } else {
            q.assert(last).unwrap();
        }
        let c = clauses(&q, &Limits::default()).unwrap();
        for k in 0..8u64 {
            let model = assignment(&q, seed.wrapping_add(k.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            let expected = q.holds(&model).unwrap();
            assert_eq!(simulate(&c, &model), expected, "{}", q.to_smtlib());
            *(if expected { &mut holds } else { &mut fails }) += 1;
        }
    });
    // The formulas that are refuted above, and the same with solutions.
    for slack in [0, 9] {
        for q in [
            unreachable_sum(&[5, -3, 7], slack),
            unreachable_sum(&[2, 11], slack),
        ] {
            let c = clauses(&q, &Limits::default()).unwrap();
            for point in 0..512 {
                let mut model = Model::default();
                for (i, (name, _)) in q.variables().enumerate() {
                    model.insert(name, Value::bits(point >> (3 * i), 3));
                }
                let expected = q.holds(&model).unwrap();
                assert_eq!(simulate(&c, &model), expected, "{point}");
                *(if expected { &mut holds } else { &mut fails }) += 1;
            }
        }
    }
    assert!(holds > 300 && fails > 300, "{holds}, {fails}");
}

#[test]
fn only_an_unsatisfiable_query_has_a_proof() {
    let (outcome, proof) = prove(&unreachable_sum(&[5, 3], 4), &Limits::default());
    assert!(matches!(outcome, Outcome::Sat(_)) && proof.is_none());
    let q = unreachable_sum(&[5, 3, -7, 6, 2, 9], 0);
    let few = Limits {
        conflicts: Some(1),
        ..Limits::default()
    };
    let (outcome, proof) = prove(&q, &few);
    assert_eq!(outcome, Outcome::Unknown("conflict limit of 1".into()));
    assert!(proof.is_none());
    let (outcome, proof) = prove(&Query::over(Logic::Lia), &Limits::default());
    assert!(matches!(outcome, Outcome::Unknown(_)) && proof.is_none());
    // A contradiction that the bit-blaster finds.
    let mut q = Query::new();
    let no = q.boolean(false).unwrap();
    q.assert(no).unwrap();
    let proof = proof_of(&q);
    judge(&proof.clauses, &proof.lrat).unwrap();
    assert_eq!(proof.clauses.to_dimacs(), "p cnf 0 1\n0\n");
    // No clause at all is no refutation.
    let (outcome, proof) = prove(&Query::new(), &Limits::default());
    assert_eq!(outcome, Outcome::Sat(Model::default()));
    assert!(proof.is_none());
}

/// The number of conflicts at which an answer comes is the same in every run.
#[test]
fn conflict_limits_are_exact() {
    let q = unreachable_sum(&[5, 3, -7, 6, 2, 9], 0);
    let answers = || {
        let at = |conflicts| {
            let limits = Limits {
                conflicts: Some(conflicts),
                ..Limits::default()
            };
            let mut solver = from_name("embedded").unwrap();
            let proved = prove(&q, &limits).0;
            let solved = solver.solve(&q, &limits);
            assert_eq!(solved, proved, "a proof changes nothing");
            solved == Outcome::Unsat
        };
        (0..400).step_by(7).map(at).collect::<Vec<_>>()
    };
    let first = answers();
    let elsewhere = std::thread::scope(|s| s.spawn(answers).join().unwrap());
    assert_eq!(first, elsewhere);
    let flips = first.windows(2).filter(|w| w[0] != w[1]).count();
    assert!(!first[0] && flips == 1, "{first:?}");
}
