//! The rules against definitions that share nothing with the specs, and the domains against each
//! other.

use ceg4n_base::Exact;
use ceg4n_opspec::{
    BigDomain, Bindings, ExactDomain, InputName, IntDomain, Interpreter, MeaningError, OpName,
    RoundingName, SaturationName, catalogue,
};
use num_bigint::BigInt;
use proptest::prelude::*;
use std::cmp::Ordering;

fn interpreter(rounding: RoundingName) -> Interpreter<'static> {
    Interpreter::new(catalogue(), rounding)
}

/// The integer that `v` rounds to, by its distances to the neighbours.
fn nearest(rule: RoundingName, v: &Exact) -> BigInt {
    let below = v.floor();
    let above: BigInt = &below + 1;
    let to_below = v - &Exact::from(below.clone());
    let to_above = &Exact::from(above.clone()) - v;
    let tie = match rule {
        RoundingName::Floor => return below,
        RoundingName::HalfUp => above.clone(),
        RoundingName::HalfEven if below.bit(0) => above.clone(),
        RoundingName::HalfEven => below.clone(),
    };
    match to_below.cmp(&to_above) {
        Ordering::Less => below,
        Ordering::Equal => tie,
        Ordering::Greater => above,
    }
}

#[test]
fn rounding_is_nearest_by_distance() {
    for &rule in RoundingName::ALL {
        let it = interpreter(rule);
        let spec = catalogue().rounding(rule);
        for acc in -2000..2000i64 {
            for s in -4..12i64 {
                let expected = nearest(rule, &Exact::dyadic(acc, -s));
                let place = format!("{rule} of {acc} by {s}");
                let int = it.round(rule, &mut IntDomain, acc.into(), s).unwrap();
                assert_eq!(BigInt::from(int), expected, "{place}");
                let big = it.round(rule, &mut BigDomain, acc.into(), s).unwrap();
                assert_eq!(big, expected, "{place}");
                let (value, shift) = ([Exact::from(acc)], [s]);
                let mut operands =
                    Bindings::new(spec, &[], &[("acc", &value)], &[("s", &shift)]).unwrap();
                let defined = it.definition(spec, &[], &mut ExactDomain, &mut operands);
                assert_eq!(defined.unwrap(), Exact::from(expected), "{place}");
            }
        }
    }
}

#[test]
fn rounding_beyond_any_width() {
    let it = interpreter(RoundingName::HalfUp);
    let big = |rule, acc: i64, s| it.round(rule, &mut BigDomain, acc.into(), s).unwrap();
    for s in [64, 128, 500] {
        for (acc, floor) in [(7, 0), (-7, -1)] {
            assert_eq!(big(RoundingName::HalfUp, acc, s), BigInt::ZERO);
            assert_eq!(big(RoundingName::HalfEven, acc, s), BigInt::ZERO);
            assert_eq!(big(RoundingName::Floor, acc, s), BigInt::from(floor));
            let int = it.round(RoundingName::Floor, &mut IntDomain, acc.into(), s);
            assert_eq!(int, Ok(floor.into()));
        }
    }
    let int = |acc, s| it.round(RoundingName::HalfUp, &mut IntDomain, acc, s);
    assert_eq!(int(7, 126), Ok(0));
    assert_eq!(int(7, 200), Err(MeaningError::Overflow));
    assert_eq!(int(1, -127), Err(MeaningError::Overflow));
    assert_eq!(int(-1, -127), Ok(i128::MIN));
    assert_eq!(int(0, -500), Ok(0));
    let parameter = i64::MIN;
    assert_eq!(int(1, parameter), Err(MeaningError::Overflow));
}

#[test]
fn clamp_is_the_nearest_of_the_range() {
    let it = interpreter(RoundingName::HalfUp);
    for (lo, hi) in [(-128, 127), (0, 15), (3, 3), (-9, -4)] {
        for v in -200..200i64 {
            let expected = (lo..=hi).min_by_key(|m| (m - v).abs()).unwrap();
            let clamp = SaturationName::Clamp;
            let int = it.saturate(clamp, &mut IntDomain, v.into(), (lo, hi));
            assert_eq!(int, Ok(expected.into()));
            let real = it.saturate(clamp, &mut ExactDomain, v.into(), (lo, hi));
            assert_eq!(real, Ok(expected.into()));
        }
    }
}

#[test]
fn inputs_round_half_up_whatever_the_rounding() {
    for &rule in RoundingName::ALL {
        let it = interpreter(rule);
        for sixteenths in -400..400i64 {
            for f in -2..3i64 {
                let x = Exact::dyadic(sixteenths, -4);
                let nearest = nearest(RoundingName::HalfUp, &x.shifted(f));
                let expected = nearest.clamp(BigInt::from(-8), BigInt::from(7));
                let got = it.input(InputName::FromReal, &mut ExactDomain, x, f, (-8, 7));
                assert_eq!(
                    got.unwrap(),
                    Exact::from(expected),
                    "{sixteenths}/16 at {f}"
                );
            }
        }
    }
}

#[test]
fn dense_over_all_domains() {
    let dense = catalogue().op(OpName::Dense);
    let (x, w, b) = ([3, -5], [2, 7, -1, 4, 0, -6], [100, -200, 0]);
    let expected = [71, -223, 30];
    let sizes = [("n", 2), ("m", 3)];
    let it = interpreter(RoundingName::HalfUp);

    let mut operands =
        Bindings::new(dense, &sizes, &[("x", &x), ("w", &w), ("b", &b)], &[]).unwrap();
    assert_eq!(
        it.tensor(dense, &mut IntDomain, &mut operands),
        Ok(expected.to_vec())
    );

    let big = |v: &[i128]| v.iter().map(|v| BigInt::from(*v)).collect::<Vec<_>>();
    let (bx, bw, bb) = (big(&x), big(&w), big(&b));
    let mut operands =
        Bindings::new(dense, &sizes, &[("x", &bx), ("w", &bw), ("b", &bb)], &[]).unwrap();
    assert_eq!(
        it.tensor(dense, &mut BigDomain, &mut operands),
        Ok(big(&expected))
    );

    // Thirds are no dyadic numbers.
    let third =
        |v: &[i128]| -> Vec<Exact> { v.iter().map(|v| Exact::ratio(*v, 3).unwrap()).collect() };
    let whole = |v: &[i128]| v.iter().map(|v| Exact::dyadic(*v, 0)).collect::<Vec<_>>();
    let (ex, ew, eb) = (third(&x), whole(&w), third(&b));
    let mut operands =
        Bindings::new(dense, &sizes, &[("x", &ex), ("w", &ew), ("b", &eb)], &[]).unwrap();
    assert_eq!(
        it.tensor(dense, &mut ExactDomain, &mut operands),
        Ok(third(&expected))
    );
}

#[test]
fn integers_report_what_they_cannot_hold() {
    let dense = catalogue().op(OpName::Dense);
    let (x, w, b) = ([i128::MAX], [2], [0]);
    let sizes = [("n", 1), ("m", 1)];
    let mut operands =
        Bindings::new(dense, &sizes, &[("x", &x), ("w", &w), ("b", &b)], &[]).unwrap();
    let it = interpreter(RoundingName::HalfUp);
    assert_eq!(
        it.tensor(dense, &mut IntDomain, &mut operands),
        Err(MeaningError::Overflow)
    );
    let outside = it.element(dense, &[1], &mut IntDomain, &mut operands);
    assert_eq!(
        outside,
        Err(MeaningError::Index {
            index: 1,
            extent: 1
        })
    );
    let rank = it.element(dense, &[], &mut IntDomain, &mut operands);
    assert_eq!(
        rank,
        Err(MeaningError::Rank {
            given: 0,
            expected: 1
        })
    );

    let div = catalogue().op(OpName::DivConst);
    let mut operands = Bindings::new(div, &[("n", 1)], &[("x", &x), ("c", &b)], &[]).unwrap();
    let got = it.element(div, &[0], &mut IntDomain, &mut operands);
    assert_eq!(got, Err(MeaningError::RealOnly("/")));
    let (x, c) = ([Exact::from(1)], [Exact::zero()]);
    let mut operands = Bindings::new(div, &[("n", 1)], &[("x", &x), ("c", &c)], &[]).unwrap();
    let got = it.element(div, &[0], &mut ExactDomain, &mut operands);
    assert_eq!(got, Err(MeaningError::DivisionByZero));

    let align = catalogue().op(OpName::Align);
    let (x, t) = ([1], [-1]);
    let mut operands = Bindings::new(align, &[("n", 1)], &[("x", &x)], &[("t", &t)]).unwrap();
    let got = it.element(align, &[0], &mut IntDomain, &mut operands);
    assert_eq!(got, Err(MeaningError::Shift(-1)));
    let holds = it.condition(
        align,
        &align.conditions[0],
        &[0],
        &mut IntDomain,
        &mut operands,
    );
    assert_eq!(holds, Ok(false));
}

/// A pool whose windows miss the operand has no largest element, and a sum of 0.
#[test]
fn reductions_of_nothing() {
    let it = interpreter(RoundingName::HalfUp);
    let x = [5i128];
    let sizes = [
        ("channels", 1),
        ("height", 1),
        ("width", 1),
        ("rows", 1),
        ("cols", 1),
        ("out_rows", 1),
        ("out_cols", 2),
    ];
    let one = [1i64];
    let parameters = ["sy", "sx", "dy", "dx", "py", "px"].map(|p| (p, &one[..]));
    for (name, far) in [
        (OpName::MaxPool, Err(MeaningError::Empty)),
        (OpName::SumPool, Ok(0)),
    ] {
        let spec = catalogue().op(name);
        let none = [0i64];
        let mut parameters = parameters;
        parameters[4].1 = &none;
        parameters[5].1 = &none;
        let mut operands = Bindings::new(spec, &sizes, &[("x", &x)], &parameters).unwrap();
        let mut at = |j| it.element(spec, &[0, 0, j], &mut IntDomain, &mut operands);
        assert_eq!(at(0), Ok(5));
        assert_eq!(at(1), far);
    }
}

#[test]
fn entries_outside_a_table() {
    let it = interpreter(RoundingName::HalfUp);
    let table = catalogue().op(OpName::Table);
    let (x, least, entries) = ([3i128, -1], [1i64], [7i64, 8]);
    let sizes = [("n", 2), ("entries", 2)];
    let parameters = [("least", &least[..]), ("t", &entries[..])];
    let mut operands = Bindings::new(table, &sizes, &[("x", &x)], &parameters).unwrap();
    for (i, index) in [(0, 2), (1, -2)] {
        let got = it.element(table, &[i], &mut IntDomain, &mut operands);
        let outside = MeaningError::Index { index, extent: 2 };
        assert_eq!(got, Err(outside));
    }
}

/// Smooth functions are irrational but at 0.
#[test]
fn smooth_functions_of_rationals() {
    let it = interpreter(RoundingName::HalfUp);
    for (name, zero) in [(OpName::Sigmoid, "1/2"), (OpName::Tanh, "0")] {
        let spec = catalogue().op(name);
        let x = [Exact::zero(), Exact::from(1)];
        let mut operands = Bindings::new(spec, &[("n", 2)], &[("x", &x)], &[]).unwrap();
        let mut at = |i| it.element(spec, &[i], &mut ExactDomain, &mut operands);
        assert_eq!(at(0), Ok(zero.parse().unwrap()));
        assert_eq!(at(1), Err(MeaningError::Irrational(name.as_str())));
        let x = [0i128];
        let mut operands = Bindings::new(spec, &[("n", 1)], &[("x", &x)], &[]).unwrap();
        assert!(
            it.element(spec, &[0], &mut IntDomain, &mut operands)
                .is_err()
        );
    }
}

#[test]
fn an_index_beyond_its_row_is_not_the_next_row() {
    use ceg4n_opspec::Operands;
    let dense = catalogue().op(OpName::Dense);
    let (x, w, b) = ([1, 2], [1, 2, 3, 4], [0, 0]);
    let sizes = [("n", 2), ("m", 2)];
    let all: [(&str, &[i128]); 3] = [("x", &x), ("w", &w), ("b", &b)];
    let mut operands = Bindings::new(dense, &sizes, &all, &[]).unwrap();
    let w = dense.operand("w").unwrap();
    assert_eq!(operands.get(&mut IntDomain, w, &[1, 0]), Ok(3));
    let outside = operands.get(&mut IntDomain, w, &[0, 2]);
    assert_eq!(
        outside,
        Err(MeaningError::Index {
            index: 2,
            extent: 2
        })
    );
}

#[test]
fn bindings_are_checked() {
    use ceg4n_opspec::BindError::{Length, Missing, Unknown};
    let dense = catalogue().op(OpName::Dense);
    let (x, w) = ([1i128, 2], [1i128, 2, 3]);
    let bind = |sizes: &[(&str, usize)], operands: &[(&str, &'static [i128])]| {
        Bindings::new(dense, sizes, operands, &[])
            .map(|_| ())
            .unwrap_err()
    };
    assert_eq!(bind(&[("n", 2)], &[]), Missing("m".into()));
    assert_eq!(bind(&[("q", 2)], &[]), Unknown("q".into()));
    let sizes = [("n", 2), ("m", 2)];
    assert_eq!(bind(&sizes, &[]), Missing("x".into()));
    let wrong = Bindings::new(dense, &sizes, &[("x", &x), ("w", &w), ("b", &x)], &[]).map(|_| ());
    let name = "w".to_owned();
    assert_eq!(
        wrong,
        Err(Length {
            name,
            given: 3,
            needed: 4
        })
    );
}

proptest! {
    #[test]
    fn integer_domains_agree_on_a_layer(
        n in 0usize..5,
        m in 1usize..4,
        seed in proptest::collection::vec(-(1i64 << 40)..(1i64 << 40), 40),
        s in proptest::collection::vec(-6i64..50, 4),
        factors in proptest::collection::vec(1i64..1 << 15, 4),
        rule in proptest::sample::select(RoundingName::ALL),
        lo in -1000i64..0,
        hi in 0i64..1000,
    ) {
        let it = interpreter(rule);
        let (dense, requantize) = (catalogue().op(OpName::Dense), catalogue().op(OpName::Requantize));
        let sizes = [("n", n), ("m", m)];
        let small: Vec<i128> = seed.iter().map(|v| (*v).into()).collect();
        let big: Vec<BigInt> = seed.iter().map(|v| (*v).into()).collect();
        let (w, b) = (n..n + n * m, n + n * m..n + n * m + m);
        let int = {
            let all = [("x", &small[..n]), ("w", &small[w.clone()]), ("b", &small[b.clone()])];
            let mut operands = Bindings::new(dense, &sizes, &all, &[]).unwrap();
            let acc = it.tensor(dense, &mut IntDomain, &mut operands).unwrap();
            let parameters: [(&str, &[i64]); 4] =
                [("m", &factors[..m]), ("s", &s[..m]), ("lo", &[lo]), ("hi", &[hi])];
            let mut operands =
                Bindings::new(requantize, &[("n", m)], &[("acc", &acc)], &parameters).unwrap();
            it.tensor(requantize, &mut IntDomain, &mut operands).unwrap()
        };
        let wide = {
            let all = [("x", &big[..n]), ("w", &big[w]), ("b", &big[b])];
            let mut operands = Bindings::new(dense, &sizes, &all, &[]).unwrap();
            let acc = it.tensor(dense, &mut BigDomain, &mut operands).unwrap();
            let parameters: [(&str, &[i64]); 4] =
                [("m", &factors[..m]), ("s", &s[..m]), ("lo", &[lo]), ("hi", &[hi])];
            let mut operands =
                Bindings::new(requantize, &[("n", m)], &[("acc", &acc)], &parameters).unwrap();
            it.tensor(requantize, &mut BigDomain, &mut operands).unwrap()
        };
        prop_assert!(int.iter().all(|v| (lo.into()..=hi.into()).contains(v)));
        prop_assert_eq!(int.into_iter().map(BigInt::from).collect::<Vec<_>>(), wide);
    }

    #[test]
    fn relu_commutes_with_rounding_and_saturation(
        acc in -100_000i64..100_000,
        s in -2i64..14,
        rule in proptest::sample::select(RoundingName::ALL),
    ) {
        let it = interpreter(rule);
        let relu = catalogue().op(OpName::Relu);
        let relu = |v: i128| {
            let v = [v];
            let mut operands = Bindings::new(relu, &[("n", 1)], &[("x", &v)], &[]).unwrap();
            it.element(relu, &[0], &mut IntDomain, &mut operands).unwrap()
        };
        let narrow = |v: i128| {
            let v = it.round(rule, &mut IntDomain, v, s).unwrap();
            it.saturate(SaturationName::Clamp, &mut IntDomain, v, (-128, 127)).unwrap()
        };
        prop_assert_eq!(relu(narrow(acc.into())), narrow(relu(acc.into())));
    }

    #[test]
    fn low_bits_agree(a: i128, s in 0u32..130) {
        use ceg4n_opspec::Domain;
        let big = BigDomain.mod_pow2(&a.into(), s).unwrap();
        match IntDomain.mod_pow2(&a, s) {
            Ok(v) => prop_assert_eq!(BigInt::from(v), big),
            Err(e) => {
                prop_assert_eq!(e, MeaningError::Overflow);
                prop_assert!(big > BigInt::from(i128::MAX));
            }
        }
    }

    #[test]
    fn shifts_agree(a: i128, narrow in 0u32..127, s in 0u32..130) {
        use ceg4n_opspec::Domain;
        let a = a >> narrow;
        let right = BigDomain.shr_floor(&a.into(), s).unwrap();
        prop_assert_eq!(BigInt::from(IntDomain.shr_floor(&a, s).unwrap()), right);
        let left = BigDomain.shl(&a.into(), s).unwrap();
        match IntDomain.shl(&a, s) {
            Ok(v) => prop_assert_eq!(BigInt::from(v), left),
            Err(e) => {
                prop_assert_eq!(e, MeaningError::Overflow);
                prop_assert!(i128::try_from(left).is_err());
            }
        }
    }
}
