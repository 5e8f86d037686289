//! Random queries from lists of numbers (so that they shrink), and the way to z3.

use ceg4n_smt::term::{Binary, Compare, Op, Unary};
use ceg4n_smt::{Model, Query, Sort, TermId, Value};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};
use std::collections::HashSet;

/// One value to build: an operator, its arguments by index, a number.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) operator: u8,
    pub(crate) arguments: [u16; 3],
    pub(crate) number: u64,
}

/// Widths of variables, then steps.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) variables: Vec<u32>,
    pub(crate) steps: Vec<Step>,
}

pub(crate) fn recipe(
    variables: std::ops::RangeInclusive<usize>,
    widths: std::ops::RangeInclusive<u32>,
    steps: std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = Recipe> {
    let step = (any::<u8>(), any::<[u16; 3]>(), any::<u64>()).prop_map(|(o, a, n)| Step {
        operator: o,
        arguments: a,
        number: n,
    });
    (
        prop::collection::vec(widths, variables),
        prop::collection::vec(step, steps),
    )
        .prop_map(|(variables, steps)| Recipe { variables, steps })
}

impl Recipe {
    /// The query; `most` bounds the width of every value.
    pub(crate) fn build(&self, most: u32) -> Query {
        let mut g = Growth {
            q: Query::new(),
            vectors: Vec::new(),
            truths: Vec::new(),
            most,
        };
        for (i, &width) in self.variables.iter().enumerate() {
            let x = g.q.var(&format!("x{i}"), width.min(most)).unwrap();
            g.vectors.push(x);
        }
        let p = g.q.bool_var("p").unwrap();
        g.truths.push(p);
        for step in &self.steps {
            g.grow(step);
        }
        g.q
    }
}

struct Growth {
    q: Query,
    vectors: Vec<TermId>,
    truths: Vec<TermId>,
    most: u32,
}

impl Growth {
    fn vector(&self, index: u16) -> TermId {
        self.vectors[index as usize % self.vectors.len()]
    }

    fn truth(&self, index: u16) -> TermId {
        self.truths[index as usize % self.truths.len()]
    }

    fn resized(&mut self, t: TermId, width: u32, signed: bool) -> TermId {
        let from = self.q.width(t).unwrap();
        if width < from {
            self.q.extract(t, width - 1, 0).unwrap()
        } else if signed {
            self.q.sign_extend(t, width).unwrap()
        } else {
            self.q.zero_extend(t, width).unwrap()
        }
    }

    fn grow(&mut self, step: &Step) {
        let [i, j, k] = step.arguments;
        let n = step.number;
        let a = self.vector(i);
        let width = self.q.width(a).unwrap();
        let b = self.vector(j);
        let b = self.resized(b, width, n & 1 == 1);
        let wanted = 1 + (n >> 8) as u32 % self.most;
        let spread = i128::from(n).wrapping_mul(0x1_0000_0001_0000_0001);
        let constant = Value::bits(spread, width).signed();
        let (p, r) = (self.truth(j), self.truth(k));
        let q = &mut self.q;
        // Sums are frequent: they have the most ways to be blasted.
        let new = match step.operator % 20 {
            0 | 1 => q.add(a, b).unwrap(),
            2 => q.sub(a, b).unwrap(),
            3 | 4 => q.mul_const(a, constant).unwrap(),
            5 => q.unary(Unary::ALL[n as usize / 2 % 2], a).unwrap(),
            6 | 7 => {
                let op = Binary::ALL[n as usize / 2 % Binary::ALL.len()];
                q.binary(op, a, b).unwrap()
            }
            8 => {
                // Amounts inside and just beyond the width.
                let small = n / 2 % u64::from(width + 2);
                let amount = Value::bits(small.into(), width).signed();
                let amount = q.constant(amount, width).unwrap();
                let op = [Binary::Shl, Binary::Lshr, Binary::Ashr][n as usize % 3];
                q.binary(op, a, amount).unwrap()
            }
            9 => self.resized(a, wanted, true),
            10 => self.resized(a, wanted, false),
            11 => {
                let low = (n >> 16) as u32 % width;
                let high = low + (n >> 24) as u32 % (width - low);
                q.extract(a, high, low).unwrap()
            }
            12 if width * 2 <= self.most => q.concat(a, b).unwrap(),
            12 | 13 => q.constant(constant, width).unwrap(),
            14 => q.ite(p, a, b).unwrap(),
            15 => {
                let products = [(constant, a), (if width > 2 { 3 } else { 1 }, b), (1, a)];
                q.linear(&products, constant, width).unwrap()
            }
            _ => return self.grow_truth(n, a, b, p, r),
        };
        self.vectors.push(new);
    }

    fn grow_truth(&mut self, n: u64, a: TermId, b: TermId, p: TermId, r: TermId) {
        let q = &mut self.q;
        let new = match (n >> 1) % 7 {
            0 | 1 => q.compare(Compare::ALL[n as usize % 4], a, b).unwrap(),
            2 => q.equal(a, b).unwrap(),
            3 => q.not(p).unwrap(),
            4 => q.and(&[p, r, p]).unwrap(),
            5 => q.or(&[r, p]).unwrap(),
            _ => q.equal(p, r).unwrap(),
        };
        self.truths.push(new);
    }
}

/// A value for every variable, from one seed.
pub(crate) fn assignment(q: &Query, seed: u64) -> Model {
    let mut model = Model::default();
    let mut state = u128::from(seed) | 1;
    for (name, sort) in q.variables() {
        state = state
            .wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645)
            .wrapping_add(seed.into());
        let bits = (state ^ state >> 64).cast_signed();
        model.insert(
            name,
            match sort {
                Sort::Bool => Value::Bool(bits & 1 == 1),
                Sort::Int => Value::Int(bits),
                Sort::Bits(width) => Value::bits(bits, width),
            },
        );
    }
    model
}

/// The values that nothing else uses.
pub(crate) fn sinks(q: &Query) -> Vec<TermId> {
    let mut used = HashSet::new();
    for (_, d) in q.terms() {
        d.op.for_each_argument(|a| {
            used.insert(a);
        });
    }
    let computed = |op: &Op| !matches!(op, Op::Bits(_) | Op::Bool(_));
    q.terms()
        .filter(|(t, d)| !used.contains(t) && computed(&d.op))
        .map(|(t, _)| t)
        .collect()
}

pub(crate) fn literal(q: &mut Query, value: Value) -> TermId {
    match value {
        Value::Bool(b) => q.boolean(b).unwrap(),
        Value::Int(v) => q.integer(v).unwrap(),
        Value::Bits { width, .. } => q.constant(value.signed(), width).unwrap(),
    }
}

/// Asserts that every variable has its value of the model.
pub(crate) fn fix(q: &mut Query, model: &Model) {
    let variables: Vec<_> = q
        .terms()
        .filter(|(_, d)| d.op == Op::Var)
        .map(|(t, d)| (t, d.name.clone().unwrap()))
        .collect();
    for (t, name) in variables {
        let value = literal(q, model.get(&name).unwrap());
        let same = q.equal(t, value).unwrap();
        q.assert(same).unwrap();
    }
}

/// True if the program is there. Loud if it is not, fatal if the environment demands tools.
pub(crate) fn has(tool: &str) -> bool {
    let found = ceg4n_smt::solver::from_name(tool).is_ok();
    if !found {
        assert!(
            std::env::var_os("CEG4N_REQUIRE_TOOLS").is_none_or(|v| v != "1"),
            "{tool} is required and not on PATH"
        );
        eprintln!("SKIPPED: {tool} not found");
    }
    found
}

/// Runs a property on fixed random cases; `name` begins the message of a failure.
pub(crate) fn property<S: Strategy>(
    name: &str,
    cases: u32,
    strategy: &S,
    mut test: impl FnMut(&S::Value),
) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let test = std::cell::RefCell::new(&mut test);
    let result = TestRunner::new_with_rng(config, rng).run(strategy, |value| {
        (test.borrow_mut())(&value);
        Ok(())
    });
    if let Err(e) = result {
        panic!("{name}: {e}");
    }
}
