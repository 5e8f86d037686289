//! References over the rationals: the direct evaluation against the interpreter.

use crate::common::{Dice, n, program};
use ceg4n_base::Exact;
use ceg4n_eval::{EvalError, MeaningError, interpret_real, real_outputs, real_trace};
use ceg4n_ir::kernel::FILL;
use ceg4n_ir::{Curve, RealOp, RealProgram, Reals, Unary};
use ceg4n_opspec::ExactDomain;
use std::sync::Arc;

pub(crate) fn wide(d: &mut Dice, n: usize, enclosed: bool) -> Reals {
    let near = d.floats(n);
    let low: Vec<f64> = near.iter().map(|v| v * 2f64.powi(-54) * 0.7).collect();
    Reals::wide(near, low, enclosed)
}

fn agree(p: &RealProgram, x: &[Exact]) {
    let direct = real_trace(p, x).expect("values");
    let point = |_: &mut ExactDomain, (lo, hi)| {
        if lo == hi {
            Ok(lo)
        } else {
            Err(MeaningError::Overflow)
        }
    };
    let meant = interpret_real(p, &mut ExactDomain, x.to_vec(), point).expect("a meaning");
    for (id, node) in p.nodes.iter() {
        assert_eq!(direct.node(id), meant.node(id), "{:?}", node.op);
        assert_eq!(direct.node(id).len(), node.len, "{:?}", node.op);
    }
}

#[test]
fn layers() {
    let mut d = Dice(3);
    for i in 0..300 {
        let constants = |d: &mut Dice, n| match i % 3 {
            0 => Reals::exact(d.floats(n)),
            1 => wide(d, n, false),
            // Exponents far apart.
            _ => {
                let far = |k: usize| 2f64.powi(d.roll(-900, 300) as i32) * (k as f64 - 1.5);
                Reals::exact((0..n).map(far).collect::<Vec<_>>())
            }
        };
        let conv = d.conv(60);
        let (len, out) = (conv.window.input_len(), conv.output_len());
        let rows = d.size(1, 4);
        let weights = conv.filters * conv.filter_len();
        let ops = vec![
            (
                RealOp::Conv {
                    x: n(0),
                    weight: constants(&mut d, weights),
                    bias: (i % 2 == 0).then(|| constants(&mut d, conv.filters)),
                    conv: Arc::new(conv),
                },
                out,
            ),
            (
                RealOp::Dense {
                    x: n(1),
                    weight: constants(&mut d, rows * out),
                    bias: (i % 5 != 0).then(|| constants(&mut d, rows)),
                    rows,
                    cols: out,
                },
                rows,
            ),
        ];
        let x: Vec<Exact> = (0..len).map(|_| d.exact()).collect();
        agree(&program(len, ops), &x);
    }
}

#[test]
fn other_operators() {
    let mut d = Dice(4);
    for _ in 0..100 {
        let window = Arc::new(d.window(60));
        let (len, out) = (window.input_len(), window.channels * window.windows());
        let x = n(0);
        let divisors: Vec<f64> = (0..len).map(|_| d.float() + 3.0).collect();
        let one = |op| (op, len);
        let ops = vec![
            (
                RealOp::MaxPool {
                    x,
                    window: window.clone(),
                },
                out,
            ),
            (RealOp::SumPool { x, window }, out),
            one(RealOp::AddConst {
                x,
                c: wide(&mut d, len, false),
            }),
            one(RealOp::MulConst {
                x,
                c: Reals::exact(d.floats(len)),
            }),
            one(RealOp::DivConst {
                x,
                c: Reals::exact(divisors),
            }),
            one(RealOp::Sum { x, y: n(3) }),
            (
                RealOp::Concat {
                    xs: vec![x, n(3), x],
                    outer: 1,
                },
                3 * len,
            ),
            (
                RealOp::Concat {
                    xs: vec![x, x],
                    outer: len,
                },
                2 * len,
            ),
            (
                RealOp::Gather {
                    x,
                    index: vec![FILL, 0].into(),
                    fill: -1.5,
                },
                2,
            ),
            one(RealOp::Relu { x }),
            one(RealOp::Clip {
                x,
                lo: -1.25,
                hi: f64::INFINITY,
            }),
            one(RealOp::Clip {
                x,
                lo: f64::NEG_INFINITY,
                hi: 2.5,
            }),
            one(RealOp::LeakyRelu { x, shift: 5 }),
            one(RealOp::Snap {
                x,
                scale: 0.125,
                lo: -100,
                hi: 27,
            }),
            one(RealOp::Move { x }),
        ];
        let unary = |function: &Unary| {
            one(RealOp::Unary {
                x,
                function: *function,
            })
        };
        let ops = ops
            .into_iter()
            .chain(Unary::ALL.iter().map(unary))
            .collect();
        let x: Vec<Exact> = (0..len).map(|_| d.exact()).collect();
        agree(&program(len, ops), &x);
    }
}

/// Values by hand, at ends, ties and without an end.
#[test]
fn known_values() {
    let e = |text: &str| text.parse::<Exact>().unwrap();
    let at = |op: RealOp, x: &[&str]| -> Vec<Exact> {
        let x: Vec<Exact> = x.iter().map(|v| e(v)).collect();
        real_outputs(&program(x.len(), vec![(op, x.len())]), &x).unwrap()
    };
    let x = n(0);
    let inf = f64::INFINITY;
    let clip = |lo, hi| RealOp::Clip { x, lo, hi };
    assert_eq!(at(clip(-inf, 6.0), &["-1e9", "7"]), [e("-1e9"), e("6")]);
    assert_eq!(at(clip(0.0, inf), &["-1", "1e9"]), [e("0"), e("1e9")]);
    let leaky = RealOp::LeakyRelu { x, shift: 2 };
    assert_eq!(
        at(leaky, &["-4", "-1/3", "5"]),
        [e("-1"), e("-1/12"), e("5")]
    );
    let snap = RealOp::Snap {
        x,
        scale: 0.5,
        lo: -3,
        hi: 4,
    };
    assert_eq!(
        at(
            snap,
            &["0.25", "0.75", "0.7499", "-0.25", "-0.75", "9", "-9", "1/3"]
        ),
        ["0", "1", "0.5", "0", "-1", "2", "-1.5", "0.5"].map(e)
    );
    assert_eq!(
        at(
            RealOp::Unary {
                x,
                function: Unary::Sign
            },
            &["-1/3", "0", "1e-9"]
        ),
        [e("-1"), e("0"), e("1")]
    );
}

/// What is no function over the rationals is refused, even where it happens to have a value.
#[test]
fn only_exact_programs() {
    let curve = RealOp::Curve {
        x: n(0),
        curve: Curve::Tanh,
    };
    let zero = [Exact::zero()];
    let found = real_outputs(&program(1, vec![(curve, 1)]), &zero);
    assert_eq!(found, Err(EvalError::NotExact));
    let add = RealOp::AddConst {
        x: n(0),
        c: Reals::wide(vec![0.5], vec![0.0], true),
    };
    let found = real_outputs(&program(1, vec![(add, 1)]), &zero);
    assert_eq!(found, Err(EvalError::NotExact));
    assert!(EvalError::NotExact.to_string().contains("rationals"));
}
