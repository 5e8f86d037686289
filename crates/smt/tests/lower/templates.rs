//! What emitted kernels compute their steps by, as machine words, against the meaning in
//! `ir-specs`: equal for every accumulator, shown by the embedded solver.

use ceg4n_opspec::{Cmp, Domain, Interpreter, RoundingName, SaturationName, catalogue};
use ceg4n_smt::lower::{Number, Terms};
use ceg4n_smt::term::{Binary, Compare, Op, TermId};
use ceg4n_smt::{Limits, Outcome, solver};

/// Bits of accumulators: a rounding addend leaves them in a word.
const BITS: u32 = 31;

/// An input of so many bits: the number, and the word of 32 bits that holds it.
fn word(terms: &mut Terms, name: &str, bits: u32) -> (Number, TermId) {
    let half = 1i128 << (bits - 1);
    let number = terms.input(name, -half, half - 1).unwrap();
    let q = &mut terms.query;
    let found = q
        .terms()
        .find(|(_, d)| matches!(d.op, Op::Var) && d.name.as_deref() == Some(name));
    let raw = found.unwrap().0;
    assert_eq!(q.width(raw).unwrap(), bits);
    // Counted from the least value; two's complement has the sign in the first bit.
    let flip = q.constant(half, bits).unwrap();
    let signed = q.binary(Binary::Xor, raw, flip).unwrap();
    (number, q.sign_extend(signed, 32).unwrap())
}

fn number(terms: &mut Terms, v: i128) -> TermId {
    let v = if v < 0 { v + (1 << 32) } else { v };
    terms.query.constant(v, 32).unwrap()
}

/// `(acc + addend) >> s` of the C of a rounding.
fn shifted(terms: &mut Terms, rule: RoundingName, acc: TermId, s: u32, addend: i128) -> TermId {
    let by = number(terms, s.into());
    let half = number(terms, addend);
    let start = match rule {
        RoundingName::Floor => acc,
        RoundingName::HalfUp => terms.query.binary(Binary::Add, acc, half).unwrap(),
        RoundingName::HalfEven => {
            let less = number(terms, addend - 1);
            let one = number(terms, 1);
            let q = &mut terms.query;
            let floor = q.binary(Binary::Ashr, acc, by).unwrap();
            let odd = q.binary(Binary::And, floor, one).unwrap();
            let up = q.binary(Binary::Add, less, odd).unwrap();
            q.binary(Binary::Add, acc, up).unwrap()
        }
    };
    terms.query.binary(Binary::Ashr, start, by).unwrap()
}

/// `if (v < lo) { v = lo; } if (v > hi) { v = hi; }`.
fn clamped(terms: &mut Terms, v: TermId, lo: i128, hi: i128) -> TermId {
    let (lo, hi) = (number(terms, lo), number(terms, hi));
    let q = &mut terms.query;
    let below = q.compare(Compare::Slt, v, lo).unwrap();
    let v = q.ite(below, lo, v).unwrap();
    let above = q.compare(Compare::Slt, hi, v).unwrap();
    q.ite(above, hi, v).unwrap()
}

/// True if no assignment makes a word differ from what the specs mean.
fn always(terms: &mut Terms, meaning: &Number, c: TermId) -> bool {
    // A result of the whole range, equal to the meaning, and as a word unequal to the C.
    let (result, of_result) = word(terms, "result", 32);
    let same = terms.cmp(Cmp::Eq, meaning, &result).unwrap();
    let same = terms.term(same).unwrap();
    let q = &mut terms.query;
    q.assert(same).unwrap();
    let equal = q.equal(c, of_result).unwrap();
    let differs = q.not(equal).unwrap();
    q.assert(differs).unwrap();
    let mut embedded = solver::from_name("embedded").unwrap();
    match embedded.solve(q, &Limits::default()) {
        Outcome::Unsat => true,
        Outcome::Sat(_) => false,
        Outcome::Unknown(why) => panic!("not decided: {why}"),
    }
}

const RULES: [RoundingName; 3] = [
    RoundingName::Floor,
    RoundingName::HalfUp,
    RoundingName::HalfEven,
];

/// Shift, rounding addend and bounds, for shifts and ranges that kernels have.
#[test]
fn requantizations_are_rounding_and_saturation() {
    for rule in RULES {
        for s in [1, 2, 7, 13, 24] {
            for (lo, hi) in [(-128, 127), (0, 255), (0, 15), (-32768, 32767)] {
                let mut terms = Terms::default();
                let (acc, c) = word(&mut terms, "acc", BITS);
                let c = shifted(&mut terms, rule, c, s, 1 << (s - 1));
                let c = clamped(&mut terms, c, lo, hi);
                let specs = Interpreter::new(catalogue(), rule);
                let v = specs.round(rule, &mut terms, acc, s.into()).unwrap();
                let ends = (lo as i64, hi as i64);
                let y = specs.saturate(SaturationName::Clamp, &mut terms, v, ends);
                assert!(always(&mut terms, &y.unwrap(), c), "{rule:?} {s} {lo}");
            }
        }
    }
}

/// A wrong addend is seen, so the check can fail.
#[test]
fn a_wrong_addend_is_no_rounding() {
    for rule in [RoundingName::HalfUp, RoundingName::HalfEven] {
        let mut terms = Terms::default();
        let (acc, c) = word(&mut terms, "acc", BITS);
        let c = shifted(&mut terms, rule, c, 7, (1 << 6) - 1);
        let specs = Interpreter::new(catalogue(), rule);
        let v = specs.round(rule, &mut terms, acc, 7).unwrap();
        assert!(!always(&mut terms, &v, c), "{rule:?}");
    }
}

/// A relu before a shift and a clamp is the clamp's lower bound.
#[test]
fn a_relu_is_a_bound_behind_the_shift() {
    for rule in RULES {
        let mut terms = Terms::default();
        let (acc, c) = word(&mut terms, "acc", BITS);
        let c = shifted(&mut terms, rule, c, 9, 1 << 8);
        let c = clamped(&mut terms, c, 0, 255);
        let zero = terms.int(0).unwrap();
        let relu = terms.max(&acc, &zero).unwrap();
        let specs = Interpreter::new(catalogue(), rule);
        let v = specs.round(rule, &mut terms, relu, 9).unwrap();
        let y = specs.saturate(SaturationName::Clamp, &mut terms, v, (-128, 255));
        assert!(always(&mut terms, &y.unwrap(), c), "{rule:?}");
    }
}

/// `((u & mask) ^ sign) - sign` of packed bits is the weight that was packed, and so are the two
/// halves of a byte.
#[test]
fn packed_weights_are_the_weights() {
    for bits in 1..=9u32 {
        for off in [0, 1, 5, 7] {
            let mut terms = Terms::default();
            let (weight, w) = word(&mut terms, "w", bits);
            let (_, before) = word(&mut terms, "before", 7);
            let (_, behind) = word(&mut terms, "behind", 16);
            let mask = number(&mut terms, (1 << bits) - 1);
            let sign = number(&mut terms, 1 << (bits - 1));
            let low = number(&mut terms, (1 << off) - 1);
            let (up, end) = (
                number(&mut terms, off),
                number(&mut terms, off + i128::from(bits)),
            );
            let q = &mut terms.query;
            let mut both = |op, a, b| q.binary(op, a, b).unwrap();
            // The stored bits: others before and behind.
            let own = both(Binary::And, w, mask);
            let own = both(Binary::Shl, own, up);
            let first = both(Binary::And, before, low);
            let last = both(Binary::Shl, behind, end);
            let stored = both(Binary::Or, first, own);
            let stored = both(Binary::Or, stored, last);
            let u = both(Binary::Lshr, stored, up);
            let u = both(Binary::And, u, mask);
            let u = both(Binary::Xor, u, sign);
            let v = both(Binary::Sub, u, sign);
            assert!(always(&mut terms, &weight, v), "{bits} {off}");
        }
    }
}
