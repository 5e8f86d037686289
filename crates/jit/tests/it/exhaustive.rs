//! Exhaustive at small widths: every weight, bias, input, shift and rounding of one neuron.

use crate::common::{Builder, compare, fmt};
use ceg4n_ir::{Format, Op, Program, Rounding, TensorFormat, check};

/// Where the relu stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Relu {
    None,
    Before,
    After,
}

/// Neurons of one input: row `j` is `w[j]·x + b[j]`, requantized to `y`.
fn neurons(x: Format, y: Format, rows: &[(i64, i64)], bits: i64, relu: Relu) -> Builder {
    let mut b = Builder::new();
    let input = b.input(1, x);
    let w = rows.iter().map(|r| r.0 as i32).collect();
    let weight = b.constant(vec![rows.len(), 1], fmt(true, bits, 2).into(), w);
    let c = rows.iter().map(|r| r.1 as i32).collect();
    let frac = i64::from(x.frac()) + 2;
    let bias = b.constant(vec![rows.len()], fmt(true, bits, frac).into(), c);
    let bias = Some(bias);
    let mut v = b.push(
        Op::Dense {
            x: input,
            weight,
            bias,
        },
        None,
    );
    if relu == Relu::Before {
        v = b.push(Op::Relu { x: v }, None);
    }
    b.format(v, y);
    if relu == Relu::After {
        b.push(Op::Relu { x: v }, None);
    }
    b
}

fn finish(b: Builder, rounding: Rounding) -> Program {
    let last = b.last();
    b.finish(last, rounding)
}

fn all(f: Format) -> Vec<i64> {
    (f.min()..=f.max()).collect()
}

fn pairs(bits: i64) -> Vec<(i64, i64)> {
    let values = all(fmt(true, bits, 0));
    values
        .iter()
        .flat_map(|w| values.iter().map(|b| (*w, *b)))
        .collect()
}

#[test]
fn one_neuron_programs_of_three_bits() {
    let x = fmt(true, 3, 1);
    for pair in pairs(3) {
        for rounding in Rounding::ALL {
            for shift in -4..=7 {
                let y = fmt(true, 4, 3 - shift);
                let program = finish(neurons(x, y, &[pair], 3, Relu::None), rounding);
                let program = check(program).expect("a valid program");
                let what = format!("w, b = {pair:?}, {rounding:?}, shift {shift}");
                compare(&program, &all(x), all(x).len(), &what);
            }
        }
    }
}

/// All weights and biases of four bits at once, one output channel each.
#[test]
fn every_neuron_of_four_bits() {
    let rows = pairs(4);
    for signed in [true, false] {
        let x = fmt(signed, 4, 1);
        for relu in [Relu::None, Relu::Before, Relu::After] {
            for rounding in Rounding::ALL {
                for shift in -4..=9 {
                    for (y_signed, y_width) in [(true, 4), (false, 3), (true, 20)] {
                        let y = fmt(y_signed, y_width, 3 - shift);
                        let program = finish(neurons(x, y, &rows, 4, relu), rounding);
                        let program = check(program).expect("a valid program");
                        let what = format!("{x} to {y}, {rounding:?}, {relu:?}");
                        compare(&program, &all(x), all(x).len(), &what);
                    }
                }
            }
        }
    }
}

/// Multipliers by channel: every weight and bias of three bits with each of several multipliers,
/// shifts on both sides of what 64-bit products take in their high halves.
#[test]
fn every_neuron_with_multipliers() {
    const FACTORS: [u16; 6] = [1, 3, 255, 1 << 14, 23170, (1 << 15) - 1];
    let times = |f: Format, m: u16| f.with_multiplier(m).expect("a multiplier");
    let rows: Vec<((i64, i64), u16)> = pairs(3)
        .into_iter()
        .flat_map(|p| FACTORS.map(|m| (p, m)))
        .collect();
    for signed in [true, false] {
        let x = fmt(signed, 4, 1);
        for relu in [false, true] {
            for rounding in Rounding::ALL {
                for shift in (-2..=38).filter(|s| s % 3 != 1 || *s > 30) {
                    let mut b = Builder::new();
                    let input = b.input(1, x);
                    let formats = |f: Format| rows.iter().map(|r| times(f, r.1)).collect();
                    let w = rows.iter().map(|r| r.0.0 as i32).collect();
                    let format = TensorFormat::Channels(formats(fmt(true, 3, 2)));
                    let weight = b.constant(vec![rows.len(), 1], format, w);
                    let c = rows.iter().map(|r| r.0.1 as i32).collect();
                    let format = TensorFormat::Channels(formats(fmt(true, 3, 3)));
                    let bias = Some(b.constant(vec![rows.len()], format, c));
                    let dense = Op::Dense {
                        x: input,
                        weight,
                        bias,
                    };
                    let mut v = b.push(dense, None);
                    if relu {
                        v = b.push(Op::Relu { x: v }, None);
                    }
                    let y = fmt(shift % 2 == 0, 6, 3 - shift);
                    b.format(v, y);
                    let program = check(finish(b, rounding)).expect("a valid program");
                    let what = format!("{x} to {y}, {rounding:?}, relu {relu}");
                    compare(&program, &all(x), all(x).len(), &what);
                }
            }
        }
    }
}

/// Every shift that a kernel may hold, on operands as wide as the shift allows.
#[test]
fn every_shift() {
    let mut seen = std::collections::BTreeSet::new();
    for rounding in Rounding::ALL {
        for width in 1..=32 {
            for shift in -63i64..=63 {
                for weight in [0, 1, -1, (1 << 30) - 1] {
                    let x = fmt(true, width, 0);
                    let mut b = Builder::new();
                    let input = b.input(1, x);
                    let f = fmt(true, 32, 0);
                    let weight = b.constant(vec![1, 1], f.into(), vec![weight]);
                    let bias = None;
                    let v = b.push(
                        Op::Dense {
                            x: input,
                            weight,
                            bias,
                        },
                        None,
                    );
                    b.format(v, fmt(true, 32, -shift));
                    // The checker refuses what 64 bits do not hold.
                    let Ok(program) = check(b.finish(v, rounding)) else {
                        continue;
                    };
                    for node in program.kernel().expect("a kernel").nodes.values() {
                        if let ceg4n_ir::KernelOp::Requantize { shift, .. } = &node.op {
                            seen.extend(shift.iter().copied());
                        }
                    }
                    let mut inputs = vec![x.min(), x.max(), 0, x.max() / 2, x.min() / 2];
                    inputs.extend([x.max() - 1, x.min() + 1].map(|m| m.clamp(x.min(), x.max())));
                    let what = format!("{x}, shift {shift}, {rounding:?}");
                    compare(&program, &inputs, inputs.len(), &what);
                }
            }
        }
    }
    assert_eq!(seen.first(), Some(&-63));
    assert!(seen.len() > 110, "only {} shifts occurred", seen.len());
}
