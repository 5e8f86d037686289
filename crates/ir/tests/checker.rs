//! The checker: what it refuses, and that ranges and widths hold for every input.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use ceg4n_base::codes::{self, Code};
use ceg4n_ir::{
    Annotations, Checked, Constant, Format, Interval, KernelOp, NetworkBuilder, Op, Origin,
    Program, Rounding, Shape, TensorFormat, ValueId, check,
};
use proptest::prelude::*;
use std::sync::Arc;

fn constant(data: &[f32]) -> Op {
    Op::Const(Constant {
        data: data.into(),
        origin: Origin::Inline,
        wide: None,
    })
}

/// `relu(w·x + b)` with one row per bias.
fn layer(w: &[f32], b: &[f32]) -> Program {
    let (rows, cols) = (b.len(), w.len() / b.len());
    let mut n = NetworkBuilder::new("n");
    let x = n.push("x", Op::Input, Some(Shape::vector(cols)), None);
    let weight = n.push("w", constant(w), Some(Shape(vec![rows, cols])), None);
    let bias = n.push("b", constant(b), None, None);
    let dense = Op::Dense {
        x,
        weight,
        bias: Some(bias),
    };
    let h = n.push("h", dense, None, None);
    let r = n.push("r", Op::Relu { x: h }, None, None);
    Program::reference(Arc::new(n.finish(r).unwrap()))
}

fn id(p: &Program, name: &str) -> ValueId {
    p.network.find(name).unwrap()
}

fn format(text: &str) -> Format {
    text.parse().unwrap()
}

fn annotated(p: &Program, notes: &[(&str, &str)]) -> Program {
    let patch = notes
        .iter()
        .fold(p.patch(), |q, (v, f)| q.format(id(p, v), format(f)));
    patch.finish()
}

fn refused(p: Program) -> Vec<Code> {
    check(p)
        .unwrap_err()
        .0
        .into_iter()
        .map(|d| d.code)
        .collect()
}

#[test]
fn a_patch_is_a_new_version_with_another_hash() {
    let p = layer(&[1.0], &[0.5]);
    let q = annotated(&p, &[("x", "s8q4")]);
    assert_eq!((p.annotations.version, q.annotations.version), (0, 1));
    assert_ne!(p.hash(), q.hash());
    assert_eq!(q.patch().clear(id(&q, "x")).finish().hash(), p.hash());
    assert!(p.annotations.values.is_empty());
}

#[test]
fn hashes_cover_rounding_and_mantissas() {
    let p = annotated(
        &layer(&[1.0], &[0.5]),
        &[("x", "s8q4"), ("w", "s4q2"), ("b", "s8q6")],
    );
    let other = p.patch().rounding(Rounding::Floor).finish();
    assert_ne!(p.hash(), other.hash());
    let w = id(&p, "w");
    let m = |v: i32| {
        p.patch()
            .mantissas(w, format("s4q2"), Arc::from([v]))
            .finish()
    };
    assert_ne!(m(3).hash(), m(4).hash());
}

#[test]
fn what_is_refused() {
    let p = layer(&[1.0, 2.0], &[0.5]);
    assert_eq!(
        refused(annotated(&p, &[("h", "s8q4")])),
        [codes::MIXED_FORMATS]
    );
    assert_eq!(
        refused(annotated(&p, &[("x", "s8q4"), ("b", "s8q4")])),
        [codes::MIXED_FORMATS]
    );
    let fine = [("x", "s8q4"), ("w", "s4q2"), ("b", "s8q7")];
    assert_eq!(refused(annotated(&p, &fine)), [codes::BIAS_SCALE]);
    let wide = [("x", "s32q0"), ("w", "s32q30"), ("b", "s8q0")];
    let sums = layer(&[2.0; 4], &[0.0]);
    assert_eq!(refused(annotated(&sums, &wide)), [codes::ACCUMULATOR]);
    let unsigned = [("x", "s8q0"), ("w", "u32q0"), ("b", "s8q0")];
    assert_eq!(refused(annotated(&p, &unsigned)), [codes::FORMAT]);
    let w = id(&p, "w");
    let short = p.patch().mantissas(w, format("s4q2"), Arc::from([1]));
    assert_eq!(refused(short.finish()), [codes::MANTISSAS]);
    let large = p.patch().mantissas(w, format("s4q2"), Arc::from([1, 8]));
    assert_eq!(refused(large.finish()), [codes::MANTISSAS]);
    let channels = TensorFormat::Channels(Arc::from([format("s4q2"), format("s4q2")]));
    assert_eq!(
        refused(p.patch().format(w, channels.clone()).finish()),
        [codes::FORMAT]
    );
    let x = id(&p, "x");
    assert_eq!(
        refused(p.patch().format(x, channels).finish()),
        [codes::FORMAT]
    );
    assert_eq!(refused(p.patch().accumulator(w).finish()), [codes::FORMAT]);
}

/// A divisor of a real-valued program must not be 0 once it is in its format.
#[test]
fn divisors_that_become_zero_are_refused() {
    let mut n = NetworkBuilder::new("n");
    let x = n.push("x", Op::Input, Some(Shape::vector(2)), None);
    let c = n.push("c", constant(&[0.3, 1.0]), None, None);
    let y = n.push("y", Op::Div { x, c }, None, None);
    let p = Program::reference(Arc::new(n.finish(y).unwrap()));
    assert_eq!(refused(annotated(&p, &[("c", "s4q0")])), [codes::FORMAT]);
    assert!(check(annotated(&p, &[("c", "s4q2")])).is_ok());
}

#[test]
fn what_is_refused_of_multipliers() {
    let p = layer(&[1.0, 2.0, 3.0, 4.0], &[0.5, 0.25]);
    let channels = |a: &str, b: &str| TensorFormat::Channels(Arc::from([format(a), format(b)]));
    let with = |w: TensorFormat, b: TensorFormat, r: Option<&str>| {
        let patch = p.patch().format(id(&p, "x"), format("s8q4"));
        let patch = patch.format(id(&p, "w"), w).format(id(&p, "b"), b);
        match r {
            Some(r) => patch.format(id(&p, "r"), format(r)).finish(),
            None => patch.finish(),
        }
    };
    let (w, b) = (
        channels("s4q9*23170", "s4q2"),
        channels("s8q9*23170", "s8q4"),
    );
    assert!(check(with(w.clone(), b.clone(), Some("u8q3"))).is_ok());
    // An output without a format.
    assert_eq!(refused(with(w.clone(), b, None)), [codes::MULTIPLIER]);
    // Another multiplier than that of the sum, none, or one beside a sum without.
    for b in [
        channels("s8q9*23171", "s8q4"),
        channels("s8q4", "s8q4"),
        channels("s8q9*23170", "s8q4*3"),
    ] {
        assert_eq!(
            refused(with(w.clone(), b, Some("u8q3"))),
            [codes::MULTIPLIER]
        );
    }
    // Only constants have multipliers.
    for v in ["x", "h", "r"] {
        let q = annotated(&p, &[(v, "s8q4*3")]);
        assert!(refused(q).contains(&codes::FORMAT), "{v}");
    }
}

/// Products with multipliers count for the width, and shifts are rewritten by them.
#[test]
fn registers_hold_products_with_multipliers() {
    let p = layer(&[1.0], &[0.0]);
    let w = TensorFormat::Channels(Arc::from([format("s32q30*32767")]));
    let kernel = |x: &str, r: &str| {
        let patch = p.patch().format(id(&p, "x"), format(x));
        let patch = patch.mantissas(id(&p, "w"), w.clone(), Arc::from([i32::MAX]));
        let b = TensorFormat::Channels(Arc::from([format("s8q0*32767")]));
        let patch = patch.mantissas(id(&p, "b"), b, Arc::from([0]));
        check(patch.format(id(&p, "r"), format(r)).finish())
    };
    // 2^16 · 2^31 · 2^15: 62 bits and a sign; the rounding addend fits up to shift 62.
    let fits = kernel("s17q0", "s8q-32").unwrap();
    let last = fits.kernel().unwrap().nodes.values().next_back().unwrap();
    assert_eq!(last.width, 64);
    let KernelOp::Requantize {
        multiplier, shift, ..
    } = &last.op
    else {
        panic!("{:?}", last.op)
    };
    assert_eq!(
        (multiplier.as_deref(), &shift[..]),
        (Some(&[32767][..]), &[62][..])
    );
    assert!(kernel("s18q0", "s8q-32").is_err());
    // Products of 62 and 49 bits: one place more has the meaning of every larger shift.
    for (x, s) in [("s17q0", 63), ("s4q0", 50)] {
        let far = kernel(x, "s8q-100").unwrap();
        let last = far.kernel().unwrap().nodes.values().next_back().unwrap();
        let KernelOp::Requantize { shift, .. } = &last.op else {
            panic!("{:?}", last.op)
        };
        assert_eq!(shift[..], [s]);
    }
}

#[test]
fn real_weights_take_their_multipliers() {
    let p = annotated(&layer(&[0.3], &[0.5]), &[("w", "s4q20*23170")]);
    let checked = check(p).unwrap();
    let real = checked.real().unwrap();
    let weight = real.nodes.values().find_map(|n| match &n.op {
        ceg4n_ir::RealOp::Dense { weight, .. } => Some(weight.near()[0]),
        _ => None,
    });
    // 0.3·2^20 / 23170 = 13.6 is out of range.
    assert_eq!(weight, Some(7.0 * 23170.0 / 1048576.0));
}

proptest! {
    /// The quick rounding agrees with the exact one, at midpoints too.
    #[test]
    fn floats_round_to_multiplied_scales(
        w in prop_oneof![any::<f32>(), -4.0f32..4.0, (-4000i32..4000).prop_map(|v| v as f32 / 64.0)],
        m in prop_oneof![1u16..40, 1u16..1 << 15],
        frac in -10i32..30,
        width in 1u8..31,
    ) {
        prop_assume!(w.is_finite());
        let f = Format::new(true, width, frac).and_then(|f| f.with_multiplier(m)).unwrap();
        let exact = f.quantize(&ceg4n_base::Exact::from_f32(w).unwrap());
        prop_assert_eq!(i64::from(check::quantize_f32(f, w)), exact);
    }
}

#[test]
fn weights_alone_leave_a_real_program() {
    let p = annotated(&layer(&[0.3], &[0.5]), &[("w", "s4q2")]);
    let checked = check(p).unwrap();
    let real = checked.real().unwrap();
    let values: Vec<f64> = real
        .nodes
        .values()
        .filter_map(|n| match &n.op {
            ceg4n_ir::RealOp::Dense { weight, .. } => Some(weight.near()[0]),
            _ => None,
        })
        .collect();
    assert_eq!(values, [0.25]);
}

#[test]
fn operators_work_on_values_that_depend_on_the_input() {
    for op in [
        |x| Op::Relu { x },
        |x| Op::Identity { x },
        |x| Op::Flatten { x },
    ] {
        let mut n = NetworkBuilder::new("n");
        n.push("x", Op::Input, Some(Shape::vector(1)), None);
        let c = n.push("c", constant(&[1.0]), None, None);
        let y = n.push("y", op(c), None, None);
        assert_eq!(n.finish(y).unwrap_err().0[0].code, codes::STRUCTURE);
    }
}

#[test]
fn errors_of_a_network_come_together() {
    let mut n = NetworkBuilder::new("n");
    let x = n.push("x", Op::Input, Some(Shape::vector(3)), None);
    let w = n.push("w", constant(&[1.0; 4]), Some(Shape(vec![2, 2])), None);
    let weight_of = |weight| Op::Dense {
        x,
        weight,
        bias: None,
    };
    let h = n.push("h", weight_of(w), Some(Shape::vector(2)), None);
    n.push("h", weight_of(x), Some(Shape::vector(2)), None);
    n.push("bad", constant(&[f32::NAN]), None, None);
    let found: Vec<_> = n
        .finish(h)
        .unwrap_err()
        .0
        .into_iter()
        .map(|d| d.code)
        .collect();
    assert_eq!(
        found,
        [
            codes::SHAPE,
            codes::NOT_CONSTANT,
            codes::DUPLICATE_NAME,
            codes::NUMBER
        ]
    );
}

/// Bits of a two's complement register.
fn holds(width: u8, v: i128) -> bool {
    let half = 1i128 << (width - 1);
    (-half..half).contains(&v)
}

fn widths_hold(checked: &Checked<Program>, xs: &[i64]) -> Result<(), TestCaseError> {
    let kernel = checked.kernel().unwrap();
    for node in kernel.nodes.values() {
        let KernelOp::Dense {
            weight, bias, cols, ..
        } = &node.op
        else {
            continue;
        };
        for (j, range) in node.range.iter().enumerate() {
            let row = &weight[j * cols..(j + 1) * cols];
            let b = bias.as_ref().map_or(0, |b| i128::from(b[j]));
            let mut products: Vec<i128> = row
                .iter()
                .zip(xs)
                .map(|(w, x)| i128::from(*w) * i128::from(*x))
                .collect();
            let total: i128 = products.iter().sum::<i128>() + b;
            prop_assert!(i128::from(range.lo) <= total && total <= i128::from(range.hi));
            // The worst order: all of one sign first.
            for _ in 0..2 {
                products.sort();
                let mut sum = b;
                for p in &products {
                    sum += p;
                    prop_assert!(holds(node.width, sum));
                }
                products.iter_mut().for_each(|p| *p = -*p);
            }
        }
    }
    Ok(())
}

proptest! {
    /// Ranges hold, and the register holds every partial sum in any order, at the ends of the
    /// input format.
    #[test]
    fn ranges_and_widths_hold(
        w in prop::collection::vec(-4.0f32..4.0, 6),
        b in prop::collection::vec(-4.0f32..4.0, 2),
        (xw, xf, signed) in (1u8..12, -2i32..8, any::<bool>()),
        (ww, wf) in (2u8..12, 0i32..8),
        ends in prop::collection::vec(any::<bool>(), 3),
    ) {
        let p = layer(&w, &b);
        let x = Format::new(signed, xw, xf).unwrap();
        let notes = p
            .patch()
            .format(id(&p, "x"), x)
            .format(id(&p, "w"), Format::new(true, ww, wf).unwrap())
            .format(id(&p, "b"), Format::new(true, 8, (xf + wf).min(5)).unwrap());
        let checked = check(notes.finish()).unwrap();
        let xs: Vec<i64> = ends.iter().map(|e| if *e { x.max() } else { x.min() }).collect();
        widths_hold(&checked, &xs)?;
    }

    /// A range is tight at its ends: some input reaches them.
    #[test]
    fn ranges_are_reached(w in prop::collection::vec(-4.0f32..4.0, 2), xw in 2u8..5) {
        let p = layer(&w, &[0.5]);
        let x = Format::new(true, xw, 1).unwrap();
        let notes = p
            .patch()
            .format(id(&p, "x"), x)
            .format(id(&p, "w"), format("s6q3"))
            .format(id(&p, "b"), format("s6q3"));
        let checked = check(notes.finish()).unwrap();
        let kernel = checked.kernel().unwrap();
        let dense = kernel.nodes.values().find(|n| matches!(n.op, KernelOp::Dense { .. })).unwrap();
        let KernelOp::Dense { weight, bias, .. } = &dense.op else { unreachable!() };
        let sums: Vec<i64> = (x.min()..=x.max())
            .flat_map(|a| (x.min()..=x.max()).map(move |c| (a, c)))
            .map(|(a, c)| i64::from(weight[0]) * a + i64::from(weight[1]) * c + bias.as_ref().unwrap()[0])
            .collect();
        let hull = Interval::new(*sums.iter().min().unwrap(), *sums.iter().max().unwrap());
        prop_assert_eq!(dense.range[0], hull);
    }
}

#[test]
fn declared_accumulators_are_checked() {
    let p = annotated(
        &layer(&[1.0], &[0.5]),
        &[("x", "s8q4"), ("w", "s4q2"), ("b", "s8q6")],
    );
    let with = |width| {
        let mut a = Annotations::clone(&p.annotations);
        let acc = ceg4n_ir::Annotation::Acc(ceg4n_ir::AccAnnotation { width: Some(width) });
        a.values.insert(id(&p, "h"), acc);
        Program::new(p.network.clone(), a)
    };
    assert!(check(with(16)).is_ok());
    assert_eq!(refused(with(6)), [codes::ACCUMULATOR]);
}
