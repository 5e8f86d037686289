//! The bit-blaster: a [`Query`] as a propositional formula.
//!
//! Sums are blasted as wholes: an addition, subtraction, negation or multiplication by a constant
//! whose one use is another such node has no bits of its own but becomes part of that node's
//! linear form (see [`super::sum`]).

use super::cnf::{Cnf, Lit};
use super::sum::LinearForm;
use crate::query::Query;
use crate::solver::Limits;
use crate::term::{Binary, Compare, Logic, Op, Sort, TermId, Unary};
use ceg4n_base::entity::SecondaryMap;

/// Clauses of a formula without a limit of its caller: about 2 GiB in the solver.
const MOST_CLAUSES: u64 = 20_000_000;
/// Bytes that a clause takes in formula and solver together, roughly.
const CLAUSE_BYTES: u64 = 128;

/// A formula that is satisfiable exactly if its query is.
pub(super) struct Formula {
    /// The clauses.
    pub(super) cnf: Cnf,
    /// The bits of each variable that matters, lowest first; others may have any value.
    pub(super) variables: Vec<(TermId, Vec<Lit>)>,
}

/// Blasts a query.
///
/// # Errors
/// The limit that was reached; integers.
pub(super) fn blast(query: &Query, limits: &Limits) -> Result<Formula, String> {
    match query.logic() {
        Logic::Bv => {}
        Logic::Lia => return Err("the embedded solver takes bit vectors alone".to_owned()),
    }
    let most = limits.clauses.unwrap_or(MOST_CLAUSES);
    let by_memory = limits
        .memory_mib
        .map(|mib| mib.saturating_mul(1 << 20) / CLAUSE_BYTES);
    let limit = by_memory.map_or(most, |m| m.min(most));
    let mut blaster = Blaster {
        query,
        cnf: Cnf::new(limit),
        bits: SecondaryMap::new(),
        roles: roles(query),
    };
    let mut variables = Vec::new();
    for (t, d) in query.terms() {
        if blaster.roles[t] != Role::Bits {
            continue;
        }
        if let Some(reason) = limits.stop() {
            return Err(reason.to_owned());
        }
        let bits = blaster.term(t, &d.op, width(d.sort));
        if d.op == Op::Var {
            variables.push((t, bits.clone()));
        }
        blaster.bits[t] = bits;
        if blaster.cnf.is_full() {
            return Err(format!("clause limit of {limit}"));
        }
    }
    for &t in query.assertions() {
        let l = blaster.bit(t);
        blaster.cnf.clause(&[l]);
    }
    if blaster.cnf.is_full() {
        return Err(format!("clause limit of {limit}"));
    }
    Ok(Formula {
        cnf: blaster.cnf,
        variables,
    })
}

/// Vectors have their width, truth values one bit; integers have none, and are refused before.
fn width(sort: Sort) -> u32 {
    match sort {
        Sort::Bool => 1,
        Sort::Int => 0,
        Sort::Bits(width) => width,
    }
}

/// What becomes of a term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Role {
    /// No assertion depends on it.
    #[default]
    Unused,
    /// It gets literals.
    Bits,
    /// It is part of its one user's linear form.
    Summand,
}

fn roles(query: &Query) -> SecondaryMap<TermId, Role> {
    let mut role: SecondaryMap<TermId, Role> = SecondaryMap::new();
    for &t in query.assertions() {
        role[t] = Role::Bits;
    }
    let all: Vec<_> = query.terms().collect();
    // Users come after their arguments, so one pass from the end sees all uses.
    for &(t, d) in all.iter().rev() {
        if role[t] == Role::Unused {
            continue;
        }
        let sums = is_linear(query, &d.op);
        d.op.for_each_argument(|a| {
            let summand = sums && query.definition(a).is_ok_and(|d| is_linear(query, &d.op));
            role[a] = match role[a] {
                Role::Unused if summand => Role::Summand,
                _ => Role::Bits,
            };
        });
    }
    role
}

/// Whether the bits come from a linear form over the arguments.
fn is_linear(query: &Query, op: &Op) -> bool {
    match op {
        Op::Unary(Unary::Neg, _) | Op::Binary(Binary::Add | Binary::Sub, ..) => true,
        Op::Binary(Binary::Mul, a, b) => {
            constant(query, *a).is_some() || constant(query, *b).is_some()
        }
        Op::Binary(Binary::Shl, _, b) => constant(query, *b).is_some(),
        Op::Unary(Unary::Not, _)
        | Op::Binary(Binary::Lshr | Binary::Ashr | Binary::And | Binary::Or | Binary::Xor, ..)
        | Op::Var
        | Op::Bool(_)
        | Op::Bits(_)
        | Op::Int(_)
        | Op::Affine(..)
        | Op::FloorShift(..)
        | Op::AtMost(..)
        | Op::SignExtend(_)
        | Op::ZeroExtend(_)
        | Op::Extract(..)
        | Op::Concat(..)
        | Op::Compare(..)
        | Op::Equal(..)
        | Op::Not(_)
        | Op::And(_)
        | Op::Or(_)
        | Op::Ite(..) => false,
    }
}

fn constant(query: &Query, t: TermId) -> Option<u128> {
    match query.definition(t) {
        Ok(d) => match d.op {
            Op::Bits(bits) => Some(bits),
            _ => None,
        },
        Err(_) => None,
    }
}

struct Blaster<'q> {
    query: &'q Query,
    cnf: Cnf,
    bits: SecondaryMap<TermId, Vec<Lit>>,
    roles: SecondaryMap<TermId, Role>,
}

impl Blaster<'_> {
    fn vector(&self, t: TermId) -> Vec<Lit> {
        self.bits[t].clone()
    }

    /// The literal of a truth value.
    fn bit(&self, t: TermId) -> Lit {
        self.bits[t]
            .first()
            .copied()
            .expect("arguments have their bits before their users")
    }

    fn term(&mut self, t: TermId, op: &Op, width: u32) -> Vec<Lit> {
        let size = width as usize;
        match op {
            Op::Var => (0..width).map(|_| self.cnf.fresh()).collect(),
            // Refused before.
            Op::Int(_) | Op::Affine(..) | Op::FloorShift(..) | Op::AtMost(..) => Vec::new(),
            Op::Bool(b) => vec![Lit::constant(*b)],
            Op::Bits(v) => (0..width).map(|i| Lit::constant(v >> i & 1 == 1)).collect(),
            Op::Unary(Unary::Neg, _) => self.linear(t, width),
            Op::Unary(Unary::Not, a) => self.bits[*a].iter().map(|l| !*l).collect(),
            Op::Binary(op, a, b) => self.binary(t, *op, *a, *b, width),
            Op::SignExtend(a) => {
                let mut bits = self.vector(*a);
                let sign = bits.last().copied().unwrap_or(Lit::FALSE);
                bits.resize(size, sign);
                bits
            }
            Op::ZeroExtend(a) => {
                let mut bits = self.vector(*a);
                bits.resize(size, Lit::FALSE);
                bits
            }
            Op::Extract(a, low) => {
                let low = *low as usize;
                self.bits[*a][low..low + size].to_vec()
            }
            Op::Concat(high, low) => {
                let mut bits = self.vector(*low);
                bits.extend_from_slice(&self.bits[*high]);
                bits
            }
            Op::Compare(op, a, b) => {
                let (a, b) = (self.vector(*a), self.vector(*b));
                vec![self.compare(*op, &a, &b)]
            }
            Op::Equal(a, b) => {
                let (a, b) = (self.vector(*a), self.vector(*b));
                vec![self.equal(&a, &b)]
            }
            Op::Not(a) => vec![!self.bit(*a)],
            Op::And(all) => {
                let all: Vec<_> = all.iter().map(|&t| self.bit(t)).collect();
                vec![self.cnf.and_all(&all)]
            }
            Op::Or(all) => {
                let all: Vec<_> = all.iter().map(|&t| !self.bit(t)).collect();
                vec![!self.cnf.and_all(&all)]
            }
            Op::Ite(c, a, b) => {
                let c = self.bit(*c);
                let (a, b) = (self.vector(*a), self.vector(*b));
                self.zip(&a, &b, |f, a, b| f.mux(c, a, b))
            }
        }
    }

    fn zip(
        &mut self,
        a: &[Lit],
        b: &[Lit],
        mut gate: impl FnMut(&mut Cnf, Lit, Lit) -> Lit,
    ) -> Vec<Lit> {
        let pairs = a.iter().zip(b);
        pairs.map(|(&a, &b)| gate(&mut self.cnf, a, b)).collect()
    }

    fn binary(&mut self, t: TermId, op: Binary, a: TermId, b: TermId, width: u32) -> Vec<Lit> {
        match op {
            Binary::Add | Binary::Sub => return self.linear(t, width),
            Binary::Mul | Binary::Shl if is_linear(self.query, &Op::Binary(op, a, b)) => {
                return self.linear(t, width);
            }
            _ => {}
        }
        let (a, b) = (self.vector(a), self.vector(b));
        let sign = a.last().copied().unwrap_or(Lit::FALSE);
        match op {
            Binary::Add | Binary::Sub | Binary::Mul => self.product(&a, &b, width),
            Binary::Shl => {
                let reversed: Vec<_> = a.iter().rev().copied().collect();
                let mut out = self.shift_right(reversed, &b, Lit::FALSE);
                out.reverse();
                out
            }
            Binary::Lshr => self.shift_right(a, &b, Lit::FALSE),
            Binary::Ashr => self.shift_right(a, &b, sign),
            Binary::And => self.zip(&a, &b, Cnf::and),
            Binary::Or => self.zip(&a, &b, Cnf::or),
            Binary::Xor => self.zip(&a, &b, Cnf::xor),
        }
    }

    /// Blasts the linear form that ends in `root`.
    fn linear(&mut self, root: TermId, width: u32) -> Vec<Lit> {
        let mut form = LinearForm::new(width);
        let mut open = vec![(root, 1u128)];
        while let Some((t, factor)) = open.pop() {
            let is_part = t == root || self.roles[t] == Role::Summand;
            let op = match self.query.definition(t) {
                Ok(d) if is_part => &d.op,
                _ => {
                    form.add_vector(&self.bits[t], factor);
                    continue;
                }
            };
            match op {
                Op::Unary(Unary::Neg, a) => open.push((*a, factor.wrapping_neg())),
                Op::Binary(Binary::Add, a, b) => open.extend([(*a, factor), (*b, factor)]),
                Op::Binary(Binary::Sub, a, b) => {
                    open.extend([(*a, factor), (*b, factor.wrapping_neg())]);
                }
                Op::Binary(op @ (Binary::Mul | Binary::Shl), a, b) => {
                    open.push(self.scaled(*op, *a, *b, factor));
                }
                _ => form.add_vector(&self.bits[t], factor),
            }
        }
        form.blast(&mut self.cnf)
    }

    /// The operand of a product with a constant, and its factor.
    fn scaled(&self, op: Binary, a: TermId, b: TermId, factor: u128) -> (TermId, u128) {
        match (op, constant(self.query, a), constant(self.query, b)) {
            (Binary::Shl, _, Some(amount)) => {
                let amount = u32::try_from(amount).unwrap_or(u32::MAX);
                (a, factor.checked_shl(amount).unwrap_or(0))
            }
            (_, _, Some(c)) => (a, factor.wrapping_mul(c)),
            (_, Some(c), None) => (b, factor.wrapping_mul(c)),
            (_, None, None) => (a, factor),
        }
    }

    /// The product of two vectors: one weighted bit for each pair.
    fn product(&mut self, a: &[Lit], b: &[Lit], width: u32) -> Vec<Lit> {
        let mut form = LinearForm::new(width);
        for (i, &x) in a.iter().enumerate() {
            for (j, &y) in b.iter().enumerate().take(a.len() - i) {
                let both = self.cnf.and(x, y);
                form.add_bit(both, 1 << (i + j));
            }
        }
        form.blast(&mut self.cnf)
    }

    /// A barrel shifter towards the lowest bit, with copies of `fill` from above.
    fn shift_right(&mut self, mut bits: Vec<Lit>, amount: &[Lit], fill: Lit) -> Vec<Lit> {
        let width = bits.len();
        let mut beyond = Vec::new();
        for (k, &chosen) in amount.iter().enumerate() {
            let distance = u32::try_from(k).ok().and_then(|k| 1usize.checked_shl(k));
            match distance.filter(|d| *d < width) {
                Some(distance) => {
                    let mut shifted = bits[distance..].to_vec();
                    shifted.resize(width, fill);
                    bits = self.zip(&shifted, &bits, |f, s, b| f.mux(chosen, s, b));
                }
                None => beyond.push(!chosen),
            }
        }
        let inside = self.cnf.and_all(&beyond);
        bits.iter()
            .map(|&b| self.cnf.mux(inside, b, fill))
            .collect()
    }

    fn equal(&mut self, a: &[Lit], b: &[Lit]) -> Lit {
        let same = self.zip(a, b, |f, a, b| !f.xor(a, b));
        self.cnf.and_all(&same)
    }

    /// The borrow of `a - b`; for signed orders with the sign bits exchanged.
    fn compare(&mut self, op: Compare, a: &[Lit], b: &[Lit]) -> Lit {
        let (is_signed, or_equal) = match op {
            Compare::Slt => (true, false),
            Compare::Sle => (true, true),
            Compare::Ult => (false, false),
            Compare::Ule => (false, true),
        };
        let mut less = Lit::constant(or_equal);
        for (i, (&x, &y)) in a.iter().zip(b).enumerate() {
            let (x, y) = if is_signed && i + 1 == a.len() {
                (y, x)
            } else {
                (x, y)
            };
            less = self.cnf.majority([!x, y, less]);
        }
        less
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formula(q: &Query) -> Formula {
        blast(q, &Limits::default()).unwrap()
    }

    /// Equal operands merge across nested sums: no clause is needed to see that this is zero.
    #[test]
    fn sums_are_blasted_as_wholes() {
        let mut q = Query::new();
        let (a, b) = (q.var("a", 6).unwrap(), q.var("b", 6).unwrap());
        let (wide_a, wide_b) = (q.sign_extend(a, 9).unwrap(), q.sign_extend(b, 9).unwrap());
        let left = q.linear(&[(5, wide_a), (-3, wide_b)], 7, 9).unwrap();
        let right = q.linear(&[(-3, wide_b), (5, wide_a)], 7, 9).unwrap();
        let difference = q.sub(left, right).unwrap();
        let zero = q.constant(0, 9).unwrap();
        let same = q.equal(difference, zero).unwrap();
        let differ = q.not(same).unwrap();
        q.assert(differ).unwrap();
        let f = formula(&q);
        assert!(f.cnf.is_contradiction());
        assert_eq!(f.cnf.variables(), 12);
    }

    /// A sum with two uses has bits of its own, computed once.
    #[test]
    fn shared_sums_are_blasted_once() {
        let mut q = Query::new();
        let (a, b) = (q.var("a", 8).unwrap(), q.var("b", 8).unwrap());
        let sum = q.add(a, b).unwrap();
        let minus = q.neg(sum).unwrap();
        let both = q.bit_xor(sum, minus).unwrap();
        let zero = q.constant(0, 8).unwrap();
        let same = q.equal(both, zero).unwrap();
        q.assert(same).unwrap();
        let role = roles(&q);
        assert_eq!(
            (role[sum], role[minus], role[a]),
            (Role::Bits, Role::Bits, Role::Bits)
        );
    }

    #[test]
    fn what_no_assertion_needs_is_left_out() {
        let mut q = Query::new();
        let (a, b) = (q.var("a", 8).unwrap(), q.var("b", 8).unwrap());
        q.mul(a, b).unwrap();
        let small = q.ult(a, a).unwrap();
        q.assert(small).unwrap();
        let f = formula(&q);
        assert_eq!(f.variables.len(), 1);
        assert!(f.variables[0].0 == a);
    }
}
