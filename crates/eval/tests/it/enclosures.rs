//! References between bounds: they hold, and they are close.

use crate::common::{Dice, n, program};
use ceg4n_base::Exact;
use ceg4n_base::elementary;
use ceg4n_eval::{
    Enclosure, decided_winner, real_enclosures, real_enclosures_within, real_outputs, real_trace,
    real_trace_within,
};
use ceg4n_ir::kernel::FILL;
use ceg4n_ir::{Curve, RealOp, RealProgram, Reals, Unary};
use std::sync::Arc;

fn holds(v: &Exact, (lo, hi): &Enclosure) -> bool {
    lo <= v && v <= hi
}

fn width((lo, hi): &Enclosure) -> f64 {
    (hi - lo).to_f64()
}

/// A program with every operator that rationals have.
fn everything(d: &mut Dice, constants: &mut impl FnMut(&mut Dice, usize) -> Reals) -> RealProgram {
    let conv = d.conv(40);
    let window = Arc::new(conv.window.clone());
    let pooled = window.channels * window.windows();
    let (len, out) = (window.input_len(), conv.output_len());
    let weights = conv.filters * conv.filter_len();
    let divisors: Vec<f64> = (0..out).map(|_| d.float().abs() + 3.0).collect();
    let at = |i: usize| n(i);
    let ops = vec![
        (
            RealOp::Conv {
                x: at(0),
                weight: constants(d, weights),
                bias: Some(constants(d, conv.filters)),
                conv: Arc::new(conv),
            },
            out,
        ),
        (RealOp::LeakyRelu { x: at(1), shift: 3 }, out),
        (
            RealOp::MulConst {
                x: at(2),
                c: constants(d, out),
            },
            out,
        ),
        (
            RealOp::DivConst {
                x: at(3),
                c: Reals::exact(divisors),
            },
            out,
        ),
        (RealOp::Sum { x: at(4), y: at(1) }, out),
        (
            RealOp::Unary {
                x: at(5),
                function: Unary::Abs,
            },
            out,
        ),
        (
            RealOp::Clip {
                x: at(6),
                lo: 0.25,
                hi: f64::INFINITY,
            },
            out,
        ),
        (
            RealOp::Gather {
                x: at(7),
                index: vec![FILL, 0].into(),
                fill: 0.1,
            },
            2,
        ),
        (
            RealOp::MaxPool {
                x: at(0),
                window: window.clone(),
            },
            pooled,
        ),
        (RealOp::SumPool { x: at(0), window }, pooled),
        (
            RealOp::Concat {
                xs: vec![at(9), at(10), at(7), at(8)],
                outer: 1,
            },
            2 * pooled + out + 2,
        ),
        (
            RealOp::Dense {
                x: at(11),
                weight: constants(d, 3 * (2 * pooled + out + 2)),
                bias: Some(constants(d, 3)),
                rows: 3,
                cols: 2 * pooled + out + 2,
            },
            3,
        ),
        (
            RealOp::AddConst {
                x: at(12),
                c: constants(d, 3),
            },
            3,
        ),
        (RealOp::Relu { x: at(13) }, 3),
    ];
    program(len, ops)
}

/// Every node of an exact program lies in its bounds, which close in with the bits.
#[test]
fn exact_programs_lie_inside() {
    let mut d = Dice(21);
    for i in 0..60 {
        let mut constants = |d: &mut Dice, n| match i % 2 {
            0 => Reals::exact(d.floats(n)),
            _ => crate::reals::wide(d, n, false),
        };
        let p = everything(&mut d, &mut constants);
        let x: Vec<Exact> = (0..p.input_len()).map(|_| d.exact()).collect();
        let exact = real_trace(&p, &x).unwrap();
        for (bits, most) in [(40, 2f64.powi(-10)), (128, 2f64.powi(-90))] {
            let bounds = real_trace_within(&p, &x, bits).unwrap();
            for (id, node) in p.nodes.iter() {
                let largest = exact
                    .node(id)
                    .iter()
                    .fold(1f64, |m, v| m.max(v.to_f64().abs()));
                for (v, b) in exact.node(id).iter().zip(bounds.node(id)) {
                    assert!(holds(v, b), "{:?}", node.op);
                    assert!(
                        width(b) <= most * largest.max(1e6),
                        "{:?}: {}",
                        node.op,
                        width(b)
                    );
                }
                assert_eq!(bounds.node(id).len(), node.len);
            }
        }
    }
}

/// Constants that lie anywhere in their enclosures give values inside the bounds.
#[test]
fn enclosed_constants() {
    let mut d = Dice(22);
    for _ in 0..60 {
        let (seed, start) = (d.next(), d.0);
        // The same network twice: enclosed constants, and the ends of what they may be.
        let mut d1 = Dice(start);
        let p = everything(&mut d1, &mut |d, n| {
            let near = d.floats(n);
            Reals::wide(near.clone(), vec![0.0; n], true)
        });
        let mut d2 = Dice(start);
        let mut coin = Dice(seed);
        let shifted = everything(&mut d2, &mut |d, n| {
            let near = d.floats(n);
            let ends = [-1.0, 0.3, 1.0];
            let low: Vec<f64> = near
                .iter()
                .map(|v| v * 2f64.powi(-60) * ends[coin.size(0, 2)])
                .collect();
            Reals::wide(near, low, false)
        });
        let x: Vec<Exact> = (0..p.input_len()).map(|_| d1.exact()).collect();
        let exact = real_trace(&shifted, &x).unwrap();
        let bounds = real_trace_within(&p, &x, 128).unwrap();
        for (id, node) in p.nodes.iter() {
            for (v, b) in exact.node(id).iter().zip(bounds.node(id)) {
                assert!(holds(v, b), "{:?}: {v} {} {}", node.op, b.0, b.1);
                let size = v.to_f64().abs().max(1e6);
                assert!(
                    width(b) <= size * 2f64.powi(-40),
                    "{:?} {}",
                    node.op,
                    width(b)
                );
            }
        }
    }
}

/// A layer whose bounds are the worst that its weights allow.
#[test]
fn a_layer_at_its_ends() {
    let one = |w: f64| Reals::wide(vec![w, w], vec![0.0, 0.0], true);
    let dense = |weight| RealOp::Dense {
        x: n(0),
        weight,
        bias: None,
        rows: 1,
        cols: 2,
    };
    let x = [Exact::from(3i64), Exact::from(-5i64)];
    let b = real_enclosures(&program(2, vec![(dense(one(1.0)), 1)]), &x).unwrap();
    let e = Exact::dyadic(8, -60);
    let middle = Exact::from(-2i64);
    assert!(holds(&(&middle - &e), &b[0]) && holds(&(&middle + &e), &b[0]));
    assert!(width(&b[0]) <= 17.0 * 2f64.powi(-60));
}

#[test]
fn curves() {
    let mut d = Dice(23);
    for curve in [Curve::Sigmoid, Curve::Tanh] {
        let ops = vec![
            (RealOp::Curve { x: n(0), curve }, 1),
            (
                RealOp::MulConst {
                    x: n(1),
                    c: Reals::exact(vec![-7.5]),
                },
                1,
            ),
            (RealOp::Curve { x: n(2), curve }, 1),
        ];
        let p = program(1, ops);
        let float = |v: f64| match curve {
            Curve::Sigmoid => 1.0 / (1.0 + (-v).exp()),
            Curve::Tanh => v.tanh(),
        };
        for _ in 0..200 {
            let x = d.exact().shifted(-6);
            let b = real_enclosures(&p, std::slice::from_ref(&x)).unwrap();
            assert!(width(&b[0]) <= 2f64.powi(-110), "{x}: {}", width(&b[0]));
            let wanted = float(-7.5 * float(x.to_f64()));
            assert!((b[0].0.to_f64() - wanted).abs() < 1e-12, "{x}: {wanted}");
            // Closer bounds lie within.
            let close = real_enclosures_within(&p, std::slice::from_ref(&x), 300).unwrap();
            assert!(b[0].0 <= close[0].0 && close[0].1 <= b[0].1 && width(&close[0]) < 1e-80);
        }
    }
    let p = program(
        1,
        vec![(
            RealOp::Curve {
                x: n(0),
                curve: Curve::Sigmoid,
            },
            1,
        )],
    );
    for (x, least) in [(0, 0.5), (40_000, 1.0), (-40_000, 0.0)] {
        let b = &real_enclosures(&p, &[Exact::from(x)]).unwrap()[0];
        assert!(
            (b.0.to_f64() - least).abs() < 1e-15 && width(b) < 1e-30,
            "{x}"
        );
        assert!(b.0.signum() >= 0 && b.1 <= Exact::from(1i64));
    }
}

/// Rounding to a grid is decided where the bounds are on one side of a tie, and else both.
#[test]
fn snapping_enclosed_numbers() {
    let at = |c: f64| {
        let c = Reals::wide(vec![c], vec![0.0], true);
        let ops = vec![
            (RealOp::AddConst { x: n(0), c }, 1),
            (
                RealOp::Snap {
                    x: n(1),
                    scale: 1.0,
                    lo: -5,
                    hi: 5,
                },
                1,
            ),
        ];
        let (lo, hi) = real_enclosures(&program(1, ops), &[Exact::zero()])
            .unwrap()
            .remove(0);
        (lo.to_f64(), hi.to_f64())
    };
    assert_eq!(at(1.25), (1.0, 1.0));
    assert_eq!(at(1.5), (1.0, 2.0));
    assert_eq!(at(2.5), (2.0, 3.0));
    assert_eq!(at(-0.75), (-1.0, -1.0));
    assert_eq!(at(77.0), (5.0, 5.0));
}

#[test]
fn winners_between_bounds() {
    let b = |lo: i64, hi: i64| (Exact::from(lo), Exact::from(hi));
    assert_eq!(decided_winner(&[b(0, 1), b(2, 3), b(0, 0)]), Some(Some(1)));
    assert_eq!(decided_winner(&[b(0, 2), b(2, 3)]), None);
    assert_eq!(decided_winner(&[b(2, 2), b(2, 2), b(0, 0)]), Some(None));
    assert_eq!(decided_winner(&[b(2, 2), b(2, 2), b(0, 1)]), Some(None));
    assert_eq!(decided_winner(&[b(1, 1)]), Some(Some(0)));
    assert_eq!(decided_winner(&[]), Some(None));
}

/// Bounds of an exact program decide what it decides.
#[test]
fn sigmoid_is_the_function() {
    let p = program(
        1,
        vec![(
            RealOp::Curve {
                x: n(0),
                curve: Curve::Sigmoid,
            },
            1,
        )],
    );
    assert!(real_outputs(&p, &[Exact::zero()]).is_err());
    let b = real_enclosures(&p, &[Exact::from(1i64)]).unwrap();
    let known = elementary::sigmoid(&Exact::from(1i64), 500);
    assert!(b[0].0 <= known.0 && known.1 <= b[0].1);
}

/// Ends on both sides of a power of two have different numbers of bits.
#[test]
fn layers_at_powers_of_two() {
    for c in [1.0, -1.0, 0.0] {
        let near = vec![c, c];
        let c = Reals::wide(near, vec![0.0, 0.0], true);
        for cols in 1..3 {
            let add = RealOp::AddConst {
                x: n(0),
                c: c.spread(&[0, 1][..cols], 1.0),
            };
            let dense = RealOp::Dense {
                x: n(1),
                weight: Reals::exact(&[-1.5, 0.75][..cols]),
                bias: None,
                rows: 1,
                cols,
            };
            let p = program(cols, vec![(add, cols), (dense, 1)]);
            let x = vec![Exact::dyadic(3, -70); cols];
            for bits in 2..260 {
                let b = real_trace_within(&p, &x, bits).unwrap();
                let (x, y) = (b.node(n(1)), &b.node(n(2))[0]);
                let RealOp::Dense { weight, .. } = &p.nodes[n(2)].op else {
                    panic!("the second operator");
                };
                for end in [|v: &Enclosure| v.0.clone(), |v: &Enclosure| v.1.clone()] {
                    let sum = x.iter().enumerate().fold(Exact::zero(), |s, (k, v)| {
                        &s + &(&end(v) * &weight.center(k))
                    });
                    assert!(holds(&sum, y), "{bits}: {sum} {y:?}");
                }
            }
        }
    }
}
