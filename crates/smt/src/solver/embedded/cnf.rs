//! Propositional gates as clauses (Tseitin), with constants propagated and equal gates shared.

use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::Not;

/// A literal: a variable (from 1) with a sign, or one of the constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Lit(u32);

impl Lit {
    /// The constant true: the positive literal of variable 0.
    pub(super) const TRUE: Self = Self(0);
    /// The constant false.
    pub(super) const FALSE: Self = Self(1);

    /// The constant of this value.
    pub(super) fn constant(value: bool) -> Self {
        if value { Self::TRUE } else { Self::FALSE }
    }

    /// Its variable; 0 for a constant.
    pub(super) fn variable(self) -> u32 {
        self.0 >> 1
    }

    /// Whether it is negated.
    pub(super) fn is_negative(self) -> bool {
        self.0 & 1 == 1
    }

    /// The positive literal of its variable.
    fn positive(self) -> Self {
        Self(self.0 & !1)
    }

    /// The negation, if asked for.
    fn negated_if(self, negate: bool) -> Self {
        Self(self.0 ^ u32::from(negate))
    }

    fn is_constant(self) -> bool {
        self.variable() == 0
    }

    /// The DIMACS number. Variables stay below 2^30; see [`Cnf::MAX_VARIABLES`].
    pub(super) fn dimacs(self) -> i32 {
        let v = self.variable().cast_signed();
        if self.is_negative() { -v } else { v }
    }
}

impl Not for Lit {
    type Output = Self;
    fn not(self) -> Self {
        Self(self.0 ^ 1)
    }
}

/// A gate of positive-normalised inputs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Gate {
    And(Lit, Lit),
    Xor(Lit, Lit),
    Xor3(Lit, Lit, Lit),
    Majority(Lit, Lit, Lit),
    Mux(Lit, Lit, Lit),
}

/// A formula in conjunctive normal form, built gate by gate.
///
/// Past its limits it takes no further clause and [`Self::is_full`] says so; the formula is then
/// worthless.
pub(super) struct Cnf {
    variables: u32,
    /// DIMACS literals, each clause ended by 0.
    clauses: Vec<i32>,
    count: u64,
    limit: u64,
    full: bool,
    /// An empty clause was added.
    contradiction: bool,
    gates: FxHashMap<Gate, Lit>,
    adders: FxHashSet<[Lit; 3]>,
}

impl Cnf {
    /// The most variables of a formula.
    pub(super) const MAX_VARIABLES: u32 = 1 << 30;

    /// An empty formula that takes this many clauses.
    pub(super) fn new(limit: u64) -> Self {
        Self {
            variables: 0,
            clauses: Vec::new(),
            count: 0,
            limit,
            full: false,
            contradiction: false,
            gates: FxHashMap::default(),
            adders: FxHashSet::default(),
        }
    }

    /// How many variables it has.
    pub(super) fn variables(&self) -> u32 {
        self.variables
    }

    /// The clauses in DIMACS literals, each ended by 0.
    pub(super) fn clauses(&self) -> &[i32] {
        &self.clauses
    }

    /// Whether a limit was passed.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Whether an empty clause was added.
    pub(super) fn is_contradiction(&self) -> bool {
        self.contradiction
    }

    /// A new variable.
    pub(super) fn fresh(&mut self) -> Lit {
        if self.variables >= Self::MAX_VARIABLES {
            self.full = true;
            return Lit::TRUE;
        }
        self.variables += 1;
        Lit(self.variables << 1)
    }

    /// Adds a clause; constants in it are resolved.
    pub(super) fn clause(&mut self, literals: &[Lit]) {
        if literals.contains(&Lit::TRUE) {
            return;
        }
        if self.count >= self.limit {
            self.full = true;
            return;
        }
        self.count += 1;
        let start = self.clauses.len();
        let free = literals.iter().filter(|l| **l != Lit::FALSE);
        self.clauses.extend(free.map(|l| l.dimacs()));
        self.contradiction |= self.clauses.len() == start;
        self.clauses.push(0);
    }

    fn gate(&mut self, gate: Gate, define: impl FnOnce(&mut Self, Lit)) -> Lit {
        if let Some(out) = self.gates.get(&gate) {
            return *out;
        }
        let out = self.fresh();
        define(self, out);
        self.gates.insert(gate, out);
        out
    }

    /// `a ∧ b`.
    pub(super) fn and(&mut self, a: Lit, b: Lit) -> Lit {
        let (a, b) = (a.min(b), a.max(b));
        if a == Lit::TRUE || a == b {
            return b;
        }
        if a == Lit::FALSE || a == !b {
            return Lit::FALSE;
        }
        self.gate(Gate::And(a, b), |f, out| {
            f.clause(&[!out, a]);
            f.clause(&[!out, b]);
            f.clause(&[out, !a, !b]);
        })
    }

    /// `a ∨ b`.
    pub(super) fn or(&mut self, a: Lit, b: Lit) -> Lit {
        !self.and(!a, !b)
    }

    /// The conjunction of all, as one gate with a clause a side.
    pub(super) fn and_all(&mut self, all: &[Lit]) -> Lit {
        let mut inputs: Vec<_> = all.iter().copied().filter(|l| *l != Lit::TRUE).collect();
        inputs.sort_unstable();
        inputs.dedup();
        let opposite = inputs.windows(2).any(|w| w[0] == !w[1]);
        if opposite || inputs.contains(&Lit::FALSE) {
            return Lit::FALSE;
        }
        match inputs.as_slice() {
            [] => Lit::TRUE,
            [a] => *a,
            [a, b] => self.and(*a, *b),
            _ => {
                let out = self.fresh();
                let mut long = vec![out];
                for &l in &inputs {
                    self.clause(&[!out, l]);
                    long.push(!l);
                }
                self.clause(&long);
                out
            }
        }
    }

    /// `a ⊕ b`.
    pub(super) fn xor(&mut self, a: Lit, b: Lit) -> Lit {
        let negate = a.is_negative() != b.is_negative();
        let (a, b) = (a.positive(), b.positive());
        let (a, b) = (a.min(b), a.max(b));
        if a == b {
            return Lit::FALSE.negated_if(negate);
        }
        if a == Lit::TRUE {
            return b.negated_if(!negate);
        }
        let out = self.gate(Gate::Xor(a, b), |f, out| {
            f.clause(&[!out, a, b]);
            f.clause(&[!out, !a, !b]);
            f.clause(&[out, !a, b]);
            f.clause(&[out, a, !b]);
        });
        out.negated_if(negate)
    }

    /// `a ⊕ b ⊕ c`: the sum of a full adder.
    fn xor3(&mut self, inputs: [Lit; 3]) -> Lit {
        let negate = inputs.iter().filter(|l| l.is_negative()).count() % 2 == 1;
        let mut sorted = inputs.map(Lit::positive);
        sorted.sort_unstable();
        let [a, b, c] = sorted;
        if a == Lit::TRUE {
            return self.xor(b, c).negated_if(!negate);
        }
        if a == b {
            return c.negated_if(negate);
        }
        if b == c {
            return a.negated_if(negate);
        }
        let out = self.gate(Gate::Xor3(a, b, c), |f, out| {
            for bits in 0..8u32 {
                let [sa, sb, sc] = [0, 1, 2].map(|i| bits >> i & 1 == 1);
                let odd = bits.count_ones() % 2 == 1;
                // These inputs give this output; the clause excludes the other.
                let literals = [
                    a.negated_if(sa),
                    b.negated_if(sb),
                    c.negated_if(sc),
                    out.negated_if(!odd),
                ];
                f.clause(&literals);
            }
        });
        out.negated_if(negate)
    }

    /// At least two of three: the carry of a full adder.
    pub(super) fn majority(&mut self, inputs: [Lit; 3]) -> Lit {
        let mut sorted = inputs;
        sorted.sort_unstable();
        let [mut a, mut b, mut c] = sorted;
        // Equal or opposite variables are neighbours.
        if a.variable() == b.variable() {
            return if a == b { a } else { c };
        }
        if b.variable() == c.variable() {
            return if b == c { b } else { a };
        }
        if a.is_constant() {
            return if a == Lit::TRUE {
                self.or(b, c)
            } else {
                self.and(b, c)
            };
        }
        // Majority is self-dual: at most one negated input is left.
        let negate = sorted.iter().filter(|l| l.is_negative()).count() >= 2;
        if negate {
            (a, b, c) = (!a, !b, !c);
        }
        let out = self.gate(Gate::Majority(a, b, c), |f, out| {
            for (x, y) in [(a, b), (a, c), (b, c)] {
                f.clause(&[!x, !y, out]);
                f.clause(&[x, y, !out]);
            }
        });
        out.negated_if(negate)
    }

    /// `condition ? a : b`.
    pub(super) fn mux(&mut self, condition: Lit, a: Lit, b: Lit) -> Lit {
        if condition.is_negative() {
            return self.mux(!condition, b, a);
        }
        if condition == Lit::TRUE || a == b {
            return a;
        }
        if a == !b {
            return !self.xor(condition, a);
        }
        if a.is_constant() || a.variable() == condition.variable() {
            // Where `a` counts, `condition` is true.
            return if a == Lit::TRUE || a == condition {
                self.or(condition, b)
            } else {
                self.and(!condition, b)
            };
        }
        if b.is_constant() || b.variable() == condition.variable() {
            return if b == Lit::FALSE || b == condition {
                self.and(condition, a)
            } else {
                self.or(!condition, a)
            };
        }
        let negate = a.is_negative();
        let (a, b) = (a.negated_if(negate), b.negated_if(negate));
        let out = self.gate(Gate::Mux(condition, a, b), |f, out| {
            f.clause(&[!condition, !a, out]);
            f.clause(&[!condition, a, !out]);
            f.clause(&[condition, !b, out]);
            f.clause(&[condition, b, !out]);
            f.clause(&[!a, !b, out]);
            f.clause(&[a, b, !out]);
        });
        out.negated_if(negate)
    }

    /// Sum and carry of three bits. Six redundant clauses tie the two outputs together: both
    /// true or both false says what the inputs are.
    pub(super) fn full_adder(&mut self, inputs: [Lit; 3]) -> (Lit, Lit) {
        let sum = self.xor3(inputs);
        let carry = self.majority(inputs);
        let mut variables = inputs.map(Lit::variable);
        variables.sort_unstable();
        let distinct =
            variables[0] > 0 && variables[0] < variables[1] && variables[1] < variables[2];
        let mut key = inputs;
        key.sort_unstable();
        if distinct && self.adders.insert(key) {
            for l in inputs {
                self.clause(&[!sum, !carry, l]);
                self.clause(&[sum, carry, !l]);
            }
        }
        (sum, carry)
    }

    /// The sum alone, for the highest column.
    pub(super) fn odd(&mut self, inputs: [Lit; 3]) -> Lit {
        self.xor3(inputs)
    }
}
