//! `breaks_on_grid`: reference, kernel and property at every point of a grid box.

use crate::common::{
    Dice, Pair, SMALL, WIDE, format, lows, model_of, points, random_box, random_point,
};
use ceg4n_base::Exact;
use ceg4n_eval::{kernel_outputs, real_outputs, strict_winner};
use ceg4n_ir::{Format, Interval, OutputSpec, Property};
use ceg4n_smt::lower::{LowerError, Question, Rewriting, breaks_on_grid};
use ceg4n_smt::term::Op;
use ceg4n_smt::{Limits, Logic, Outcome, solver};

/// The property, as the semantics page words it.
fn broken(property: &Property, n: &[Exact], k: &[Exact]) -> bool {
    // The kernel's order: value descending, index ascending.
    let mut order: Vec<usize> = (0..k.len()).collect();
    order.sort_by(|a, b| k[*b].cmp(&k[*a]).then(a.cmp(b)));
    match property {
        Property::Top1 => strict_winner(n).is_some_and(|c| order[0] != c),
        Property::TopK(first) => {
            strict_winner(n).is_some_and(|c| !order.iter().take(*first as usize).any(|i| *i == c))
        }
        Property::Top1Margin(m) => {
            let most = n.iter().max().unwrap();
            n[order[0]] < most - m
        }
        Property::Eps(e) => n.iter().zip(k).any(|(n, k)| {
            let d = k - n;
            &d > e || &-&d > e
        }),
        Property::Spec(_) | Property::Joint(_) => unreachable!("not asked here"),
    }
}

pub(crate) fn breaks_at(pair: &Pair, grid: Format, property: &Property, p: &[i64]) -> bool {
    let x: Vec<Exact> = p.iter().map(|g| grid.value(*g)).collect();
    let kernel = pair.kernel();
    let k = kernel_outputs(kernel, &kernel.quantize_input(&x)).unwrap();
    broken(
        property,
        &real_outputs(pair.real(), &x).unwrap(),
        &kernel.output_values(&k),
    )
}

/// A grid coarser or finer than the kernel's input, of either sign.
pub(crate) fn random_grid(d: &mut Dice, f: Format) -> Format {
    format(
        d.one_in(2),
        d.roll(1, 9),
        i64::from(f.frac()) + d.roll(-4, 4),
    )
}

/// A property whose threshold lies where the box decides: a value met at one of its points.
pub(crate) fn random_property(d: &mut Dice, pair: &Pair, grid: Format, b: &[Interval]) -> Property {
    let x: Vec<Exact> = random_point(d, b).iter().map(|g| grid.value(*g)).collect();
    let kernel = pair.kernel();
    let n = real_outputs(pair.real(), &x).unwrap();
    let k = kernel.output_values(&kernel_outputs(kernel, &kernel.quantize_input(&x)).unwrap());
    let nudge = [
        Exact::zero(),
        Exact::ratio(1, 3).unwrap(),
        Exact::ratio(-1, 7).unwrap(),
    ];
    let nudge = nudge[d.roll(0, 2) as usize].shifted(d.roll(-12, 0));
    match d.roll(0, 3) {
        0 => Property::Top1,
        1 => Property::TopK(d.roll(0, n.len() as i64 + 1) as u32),
        2 => {
            let best = n.iter().max().unwrap();
            let other = &n[d.roll(0, n.len() as i64 - 1) as usize];
            Property::Top1Margin(&(best - other) + &nudge)
        }
        _ => {
            let j = d.roll(0, n.len() as i64 - 1) as usize;
            let e = &n[j] - &k[j];
            Property::Eps(&e.clone().max(-&e) + &nudge)
        }
    }
}

fn ask(
    logic: Logic,
    pair: &Pair,
    grid: Format,
    b: &[Interval],
    property: &Property,
) -> Option<Question> {
    match breaks_on_grid(
        logic,
        pair.real(),
        pair.kernel(),
        grid,
        b,
        property,
        Rewriting::On,
    ) {
        Ok(q) => Some(q),
        Err(LowerError::Width) => None,
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn every_point_of_small_boxes_and_the_solver() {
    let mut solver = solver::from_name("embedded").unwrap();
    let (mut sat, mut unsat, mut too_wide) = ([0; 4], [0; 4], 0);
    for seed in 5000..5400 {
        let mut d = Dice::new(seed);
        let pair = Pair::random(&mut d, SMALL, seed % 5 != 0);
        let grid = random_grid(&mut d, pair.kernel().input_format);
        let b = random_box(&mut d, grid, pair.kernel().input_len(), 60);
        let property = random_property(&mut d, &pair, grid, &b);
        let both = Logic::ALL.map(|logic| ask(logic, &pair, grid, &b, &property));
        let [Some(q), Some(over_integers)] = both else {
            too_wide += 1;
            continue;
        };
        let mut any = false;
        for p in points(&b) {
            let model = model_of(&q.query, &lows(&b), &p);
            assert_eq!(q.input(&model).unwrap(), p, "seed {seed}");
            let expected = breaks_at(&pair, grid, &property, &p);
            let found = q.query.holds(&model).unwrap();
            assert_eq!(found, expected, "seed {seed}, {property}, point {p:?}");
            let model = model_of(&over_integers.query, &lows(&b), &p);
            assert_eq!(over_integers.input(&model).unwrap(), p, "seed {seed}");
            let found = over_integers.query.holds(&model).unwrap();
            assert_eq!(found, expected, "seed {seed}, {property}, point {p:?}");
            any |= expected;
        }
        let kind = match property {
            Property::Top1 => 0,
            Property::TopK(_) => 1,
            Property::Top1Margin(_) => 2,
            Property::Eps(_) | Property::Spec(_) | Property::Joint(_) => 3,
        };
        match solver.solve(&q.query, &Limits::default()) {
            Outcome::Unsat => {
                assert!(!any, "seed {seed}, {property}");
                unsat[kind] += 1;
            }
            Outcome::Sat(model) => {
                let p = q.input(&model).unwrap();
                assert!(
                    breaks_at(&pair, grid, &property, &p),
                    "seed {seed}, {property}"
                );
                sat[kind] += 1;
            }
            Outcome::Unknown(reason) => panic!("seed {seed}: {reason}"),
        }
    }
    for kind in 0..4 {
        assert!(sat[kind] >= 10 && unsat[kind] >= 10, "{sat:?}, {unsat:?}");
    }
    assert!(too_wide < 40, "{too_wide}");
}

#[test]
fn wide_programs_are_simulated_exactly() {
    let (mut broken, mut fine, mut too_wide) = (0, 0, 0);
    for seed in 6000..6250 {
        let mut d = Dice::new(seed);
        let pair = Pair::random(&mut d, WIDE, true);
        let f = pair.kernel().input_format;
        let grid = format(
            d.one_in(2),
            d.roll(1, 20),
            i64::from(f.frac()) + d.roll(-9, 9),
        );
        let b = random_box(&mut d, grid, pair.kernel().input_len(), 1 << 40);
        let property = random_property(&mut d, &pair, grid, &b);
        let both = Logic::ALL.map(|logic| ask(logic, &pair, grid, &b, &property));
        let [Some(vectors), Some(integers)] = both else {
            too_wide += 1;
            continue;
        };
        for _ in 0..15 {
            let p = random_point(&mut d, &b);
            let expected = breaks_at(&pair, grid, &property, &p);
            for q in [&vectors, &integers] {
                let found = q.query.holds(&model_of(&q.query, &lows(&b), &p)).unwrap();
                assert_eq!(found, expected, "seed {seed}, {property}, point {p:?}");
            }
            *(if expected { &mut broken } else { &mut fine }) += 1;
        }
    }
    assert!(broken > 500 && fine > 500, "{broken}, {fine}, {too_wide}");
}

/// With the kernel's own format as grid, a linear network's question is about one merged form:
/// where its interval decides, no vector is left.
#[test]
fn an_input_that_needs_no_rounding_stays_linear() {
    let mut d = Dice::new(1);
    let linear = loop {
        let pair = Pair::random(&mut d, SMALL, true);
        if pair.kernel().nodes.len() <= 3 && pair.kernel().output_format().is_none() {
            break pair;
        }
    };
    let grid = linear.kernel().input_format;
    let b = vec![Interval::new(grid.min(), grid.max()); linear.kernel().input_len()];
    let far = Property::Eps(Exact::from(1 << 20));
    // The inputs with their limits, and the assertion of a constant.
    for logic in Logic::ALL {
        let q = ask(logic, &linear, grid, &b, &far).unwrap();
        let sums = q
            .query
            .terms()
            .filter(|(_, d)| matches!(d.op, Op::Binary(..) | Op::Affine(..)));
        assert_eq!(sums.count(), 0);
    }
}

#[test]
fn what_has_no_terms_is_refused() {
    let mut d = Dice::new(3);
    let pair = Pair::random(&mut d, SMALL, true);
    let grid = pair.kernel().input_format;
    let b = vec![Interval::new(grid.min(), grid.max()); pair.kernel().input_len()];
    let question = |b: &[Interval], p: &Property| {
        breaks_on_grid(
            Logic::Lia,
            pair.real(),
            pair.kernel(),
            grid,
            b,
            p,
            Rewriting::On,
        )
    };
    let spec = OutputSpec {
        path: "file".to_owned(),
        outputs: pair.kernel().output_len(),
        cases: vec![Vec::new()],
    };
    assert!(question(&b, &Property::Spec(spec.into())).is_err());
    assert!(question(&b[1..], &Property::Top1).is_err());
    let mut beyond = b.clone();
    beyond[0].hi += 1;
    assert!(question(&beyond, &Property::Top1).is_err());
    // More places than outputs: nothing can be pushed out, and nothing is allocated for them.
    let q = question(&b, &Property::TopK(u32::MAX)).unwrap();
    assert!(
        !q.query
            .holds(&model_of(&q.query, &lows(&b), &lows(&b)))
            .unwrap()
    );
}
