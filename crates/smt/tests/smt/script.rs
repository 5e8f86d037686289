//! The builder's checks, and queries as SMT-LIB text.

use crate::common::{property, recipe};
use ceg4n_smt::term::{MAX_SHIFT, MAX_WIDTH};
use ceg4n_smt::{Logic, Query, Sort, TermError};
use smtlib_lowlevel::Storage;
use smtlib_lowlevel::ast::Script;

#[test]
fn wrong_terms_are_errors() {
    let mut q = Query::new();
    let a = q.var("a", 8).unwrap();
    let b = q.var("b", 9).unwrap();
    let p = q.bool_var("p").unwrap();
    let mismatch = |op| TermError::Mismatch {
        op,
        left: Sort::Bits(8),
        right: Sort::Bits(9),
    };
    assert_eq!(q.add(a, b), Err(mismatch("bvadd")));
    assert_eq!(q.sle(a, b), Err(mismatch("bvsle")));
    assert_eq!(q.equal(a, b), Err(mismatch("=")));
    assert_eq!(q.ite(p, a, b), Err(mismatch("ite")));
    assert_eq!(q.sum(&[a, b], 8), Err(mismatch("sum")));
    let kind = |op, found| TermError::Kind { op, found };
    assert_eq!(q.and(&[p, a]), Err(kind("and", Sort::Bits(8))));
    assert_eq!(q.assert(a), Err(kind("assert", Sort::Bits(8))));
    assert_eq!(q.ite(a, b, b), Err(kind("ite", Sort::Bits(8))));
    assert_eq!(q.add(p, p), Err(kind("bvadd", Sort::Bool)));
    assert_eq!(q.neg(p), Err(kind("bvneg", Sort::Bool)));
    assert_eq!(q.var("c", 0), Err(TermError::Width(0)));
    assert_eq!(q.var("c", MAX_WIDTH + 1), Err(TermError::Width(129)));
    assert_eq!(q.zero_extend(a, 200), Err(TermError::Width(200)));
    assert_eq!(
        q.sign_extend(b, 8),
        Err(TermError::Extension { from: 9, to: 8 })
    );
    for (high, low) in [(8, 0), (3, 4)] {
        let width = 8;
        assert_eq!(
            q.extract(a, high, low),
            Err(TermError::Range { high, low, width })
        );
    }
    let wide = q.var("wide", 121).unwrap();
    assert_eq!(q.concat(wide, a), Err(TermError::Width(129)));
    let unknown = Query::new().add(a, a).unwrap_err();
    assert_eq!(unknown, TermError::Unknown(a));
}

#[test]
fn constants_must_fit() {
    let mut q = Query::new();
    for (value, width, fits) in [
        (255, 8, true),
        (256, 8, false),
        (-128, 8, true),
        (-129, 8, false),
        (1, 1, true),
        (-1, 1, true),
        (2, 1, false),
        (i128::MIN, 128, true),
        (i128::MAX, 128, true),
        (i128::MAX, 127, true),
        (i128::MIN, 127, false),
    ] {
        assert_eq!(q.constant(value, width).is_ok(), fits, "{value} {width}");
    }
}

#[test]
fn names_must_be_free_symbols() {
    let mut q = Query::new();
    for bad in [
        "", "1x", "a b", "let", "and", "true", "bvadd", "bv3", "|x|", "$1", "ä", "@x",
    ] {
        assert_eq!(q.var(bad, 4), Err(TermError::Name(bad.into())), "{bad}");
    }
    let x = q.var("x", 4).unwrap();
    assert_eq!(q.var("x", 4), Err(TermError::Duplicate("x".into())));
    let y = q.neg(x).unwrap();
    assert_eq!(q.name(y, "x"), Err(TermError::Duplicate("x".into())));
    q.name(y, "layer_1.out").unwrap();
    assert!(
        q.to_smtlib()
            .contains("(define-fun layer_1.out () (_ BitVec 4) (bvneg x))")
    );
}

#[test]
fn one_definition_per_value() {
    let mut q = Query::new();
    let x = q.var("x", 4).unwrap();
    let wide = q.sign_extend(x, 8).unwrap();
    let sum = q.linear(&[(3, wide), (-1, wide), (0, wide)], 7, 8).unwrap();
    let zero = q.constant(0, 8).unwrap();
    let negative = q.slt(sum, zero).unwrap();
    q.assert(negative).unwrap();
    assert_eq!(
        q.to_smtlib(),
        "(set-logic QF_BV)\n\
         (declare-const x (_ BitVec 4))\n\
         (define-fun $1 () (_ BitVec 8) ((_ sign_extend 4) x))\n\
         (define-fun $2 () (_ BitVec 8) (bvmul $1 #b00000011))\n\
         (define-fun $3 () (_ BitVec 8) (bvneg $1))\n\
         (define-fun $4 () (_ BitVec 8) (bvadd $2 $3))\n\
         (define-fun $5 () (_ BitVec 8) (bvadd $4 #b00000111))\n\
         (define-fun $6 () Bool (bvslt $5 #b00000000))\n\
         (assert $6)\n\
         (check-sat)\n"
    );
}

#[test]
fn integers_as_text() {
    let mut q = Query::over(Logic::Lia);
    let (x, y) = (q.int_var("x").unwrap(), q.int_var("y").unwrap());
    q.assert_within(x, -3, 4).unwrap();
    let sum = q.affine(&[(5, x), (-1, y), (0, y), (-2, x)], -7).unwrap();
    let floor = q.floor_shift(sum, 3).unwrap();
    let limit = q.integer(i128::MIN).unwrap();
    let low = q.at_most(floor, limit).unwrap();
    let chosen = q.ite(low, floor, y).unwrap();
    q.name(chosen, "chosen").unwrap();
    let nothing = q.affine(&[(0, x)], 0).unwrap();
    let same = q.equal(chosen, nothing).unwrap();
    q.assert(same).unwrap();
    let text = q.to_smtlib();
    assert_eq!(
        text,
        "(set-logic QF_LIA)\n\
         (declare-const x Int)\n\
         (declare-const y Int)\n\
         (define-fun $1 () Bool (<= (- 3) x))\n\
         (define-fun $2 () Bool (<= x 4))\n\
         (define-fun $3 () Int (+ (* 5 x) (- y) (* (- 2) x) (- 7)))\n\
         (declare-const $4 Int)\n\
         (assert (<= 0 (+ $3 (* (- 8) $4)) 7))\n\
         (define-fun $5 () Bool (<= $4 (- 170141183460469231731687303715884105728)))\n\
         (define-fun chosen () Int (ite $5 $4 y))\n\
         (define-fun $6 () Bool (= chosen 0))\n\
         (assert $1)\n\
         (assert $2)\n\
         (assert $6)\n\
         (check-sat)\n"
    );
    let st = Storage::new();
    assert_eq!(
        Script::parse(&st, &text).unwrap().0,
        q.commands(&st).as_slice()
    );
    // The embedded solver reads bit vectors alone.
    let mut commands = q.commands(&st);
    assert!(Query::from_commands(&commands).is_err());
    commands.remove(0);
    assert!(Query::from_commands(&commands).is_err());
}

#[test]
fn a_query_keeps_to_its_logic() {
    let (mut bits, mut ints) = (Query::new(), Query::over(Logic::Lia));
    let of = |logic, found| Err(TermError::Logic { logic, found });
    assert_eq!(bits.int_var("x"), of(Logic::Bv, Sort::Int));
    assert_eq!(bits.integer(3), of(Logic::Bv, Sort::Int));
    assert_eq!(ints.var("x", 8), of(Logic::Lia, Sort::Bits(8)));
    assert_eq!(ints.constant(3, 8), of(Logic::Lia, Sort::Bits(8)));
    let b = bits.var("x", 8).unwrap();
    let (x, p) = (ints.int_var("x").unwrap(), ints.bool_var("p").unwrap());
    let kind = |op, found| Err(TermError::Kind { op, found });
    assert_eq!(bits.affine(&[(1, b)], 0), kind("+", Sort::Bits(8)));
    assert_eq!(ints.affine(&[(1, p)], 0), kind("+", Sort::Bool));
    assert_eq!(ints.at_most(x, p), kind("<=", Sort::Bool));
    assert_eq!(ints.floor_shift(p, 1), kind("floor", Sort::Bool));
    assert_eq!(ints.add(x, x), kind("bvadd", Sort::Int));
    assert_eq!(ints.and(&[x, p]), kind("and", Sort::Int));
    assert_eq!(
        ints.assert(x),
        Err(TermError::Kind {
            op: "assert",
            found: Sort::Int
        })
    );
    assert_eq!(ints.floor_shift(x, 0), Ok(x));
    assert_eq!(ints.affine(&[(1, x)], 0), Ok(x));
    assert!(ints.floor_shift(x, MAX_SHIFT).is_ok());
    assert_eq!(
        ints.floor_shift(x, MAX_SHIFT + 1),
        Err(TermError::Shift(127))
    );
}

/// 100,000 operands: no term is deep, so printing, parsing and reading survive a small stack.
#[test]
fn huge_sums_stay_shallow() {
    let run = || {
        let mut q = Query::new();
        let x = q.var("x", 32).unwrap();
        let operands = vec![x; 100_000];
        let sum = q.sum(&operands, 32).unwrap();
        let same = q.equal(sum, x).unwrap();
        q.assert(same).unwrap();
        let text = q.to_smtlib();
        let st = Storage::new();
        let script = Script::parse(&st, &text).unwrap();
        assert_eq!(Query::from_commands(script.0).unwrap().to_smtlib(), text);
    };
    let thread = std::thread::Builder::new().stack_size(256 * 1024);
    thread.spawn(run).unwrap().join().unwrap();
}

/// What stands in a script is understood, or refused with a sentence.
#[test]
fn reads_other_peoples_scripts() {
    let read = |text: &str| {
        let st = Storage::new();
        let script = Script::parse(&st, text).unwrap();
        Query::from_commands(script.0).map_err(|e| e.to_string())
    };
    let good = "(set-logic QF_BV)(declare-fun x () (_ BitVec 4))\
        (assert (and (bvult x #xc) (not (= ((_ extract 1 0) x) (_ bv2 2))) true))(check-sat)";
    assert_eq!(read(good).unwrap().assertions().len(), 1);
    for (bad, reason) in [
        ("(assert x)", "`x` is not defined"),
        (
            "(declare-const x Int)",
            "a sort besides Bool and BitVec is not supported",
        ),
        (
            "(declare-const x Bool)(declare-const x Bool)",
            "`x` is defined twice",
        ),
        (
            "(declare-const x Bool)(assert (bvneg x))",
            "`bvneg` on Bool",
        ),
        (
            "(assert (foo true))",
            "`foo` on 1 arguments is not supported",
        ),
        ("(assert (let ((a true)) a))", "`let` is not supported"),
        (
            "(assert (= (_ bv9 3) #b001))",
            "the identifier `bv9` is not supported",
        ),
        ("(push 1)", "`(push 1)` is not supported"),
        (
            "(set-logic QF_LIA)",
            "`(set-logic QF_LIA)` is not supported",
        ),
        (
            "(define-fun y () Bool #b1)",
            "`y` is declared Bool and is Bits(1)",
        ),
        ("(assert (= 3 4))", "the literal 3 is not supported"),
    ] {
        assert_eq!(read(bad).unwrap_err(), reason, "{bad}");
    }
    let deep = format!("(assert {}true{})", "(not ".repeat(300), ")".repeat(300));
    assert_eq!(read(&deep).unwrap_err(), "a term nested deeper than 200");
    let wide = format!("(assert (= #b{0} #b{0}))", "0".repeat(129));
    assert!(read(&wide).is_err());
}

#[test]
fn text_round_trip() {
    property("round trip", 300, &recipe(1..=3, 1..=64, 0..=30), |r| {
        let q = r.build(64);
        let text = q.to_smtlib();
        let st = Storage::new();
        let script = Script::parse(&st, &text).unwrap();
        assert_eq!(script.0, q.commands(&st).as_slice());
        let again = Query::from_commands(script.0).unwrap();
        assert_eq!(again.to_smtlib(), text);
    });
}
