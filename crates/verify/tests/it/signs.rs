//! Kernels of many inputs, which are divided by the signs of relu operands: a class that is kept
//! by little or nothing to spare, or missed by one unit, against the evaluation of every input.

use crate::generate::{Case, Rng};
use crate::model::{Const, Fmt, Meaning, Model, Step};
use crate::pairs::ask_with;
use ceg4n_base::Exact;
use ceg4n_ir::{Domain, Property, Rounding};
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::tree::Closure;
use ceg4n_verify::{Effort, Verdict};

const INPUTS: usize = 15;

fn constant(rng: &mut Rng, n: usize, rows: usize, most: i64, format: Fmt) -> Const {
    Const {
        data: vec![0.0; n],
        rows,
        formats: vec![format],
        mantissas: Some((0..n).map(|_| rng.int(-most, most) as i32).collect()),
    }
}

fn kernel(rng: &mut Rng, outputs: usize) -> Model {
    let bit = Fmt::new(rng.one_in(3), 1, rng.int(-2, 2) as i32);
    let w = Fmt::new(true, 6, rng.int(0, 3) as i32);
    let mut steps = Vec::new();
    let (mut cols, mut frac) = (INPUTS, bit.frac);
    for _ in 0..rng.size(1, 2) {
        let rows = rng.size(3, 6);
        let weight = constant(rng, rows * cols, rows, 9, w);
        let own = Fmt::new(true, 16, frac + w.frac);
        let bias = constant(rng, rows, rows, 12, own);
        let to = Fmt::new(true, rng.int(4, 6) as u32, own.frac - rng.int(0, 3) as i32);
        let clamp_first = rng.one_in(2);
        let dense = Step::Dense {
            w: weight,
            b: Some(bias),
        };
        steps.push((dense, clamp_first.then_some(to)));
        steps.push((Step::Relu, (!clamp_first).then_some(to)));
        (cols, frac) = (rows, to.frac);
    }
    let weight = constant(rng, outputs * cols, outputs, 9, w);
    let bias = constant(rng, outputs, outputs, 0, Fmt::new(true, 32, frac + w.frac));
    let last = Step::Dense {
        w: weight,
        b: Some(bias),
    };
    steps.push((last, None));
    let rounding = [Rounding::HalfUp, Rounding::HalfEven, Rounding::Floor][rng.size(0, 2)];
    Model {
        inputs: INPUTS,
        input: bit,
        steps,
        rounding,
    }
}

/// The least spare of a class over all inputs, in units of the output: not negative if it is kept.
fn spare(model: &Model, class: usize) -> i128 {
    let ends = [model.input.min(), model.input.max()];
    let at = |bits: usize| -> Vec<i128> { (0..INPUTS).map(|i| ends[bits >> i & 1]).collect() };
    let of = |bits| {
        let (y, _) = model.fixed_mantissas(&at(bits));
        let others = (0..y.len()).filter(|j| *j != class);
        let least = others
            .map(|j| y[class] - y[j] - i128::from(j < class))
            .min();
        least.expect("two outputs")
    };
    (0..1usize << INPUTS).map(of).min().expect("inputs")
}

fn constant_class(like: &Model, class: usize, outputs: usize) -> Model {
    let format = Fmt::new(true, 2, 0);
    let zero = Const {
        data: vec![0.0; INPUTS * outputs],
        rows: outputs,
        formats: vec![format],
        mantissas: None,
    };
    let b = Const {
        data: (0..outputs)
            .map(|j| f32::from(u8::from(j == class)))
            .collect(),
        rows: outputs,
        formats: vec![format],
        mantissas: None,
    };
    Model {
        steps: vec![(
            Step::Dense {
                w: zero,
                b: Some(b),
            },
            None,
        )],
        ..like.clone()
    }
}

#[test]
fn classes_kept_or_missed_by_one_unit() {
    let mut rng = Rng::new(std::env::var("SEED").map_or(19, |s| s.parse().expect("a number")));
    let (mut proved, mut divided, mut refuted, mut unknown) = (0, 0, 0, 0);
    for _ in 0..40 {
        let outputs = rng.size(2, 3);
        let class = rng.size(0, outputs - 1);
        let mut model = kernel(&mut rng, outputs);
        let least = spare(&model, class);
        for spare in [rng.int(20, 120), 0, -1] {
            let kept = spare >= 0;
            if let Some((Step::Dense { b: Some(b), .. }, _)) = model.steps.last_mut()
                && let Some(m) = &mut b.mantissas
            {
                m[class] = (spare - least as i64) as i32;
            }
            let end = |m: i128| vec![model.input.value(m); INPUTS];
            let case = Case {
                meaning: Meaning::Fixed,
                kernel: model.clone(),
                reference: (constant_class(&model, class, outputs), Meaning::Real),
                lower: end(model.input.min()),
                upper: end(model.input.max()),
                grid: None,
            };
            let effort = Effort {
                boxes: 64 * 400,
                ..Effort::default()
            };
            let grid = rng.one_in(2);
            let domain = if grid {
                Domain::Grid(model.input.ir())
            } else {
                Domain::Real
            };
            match ask_with(&case, &Property::Top1, domain, &effort, &mut NoLeaf).verdict {
                Verdict::Proved(e) => {
                    assert!(kept, "missed by one unit\n{case:#?}");
                    proved += 1;
                    let slopes = e.tree.closures().any(|c| matches!(c, Closure::Slopes(_)));
                    divided += i32::from(slopes && e.tree.nodes.len() > 1);
                }
                Verdict::Refuted(w) => {
                    assert!(!kept, "kept\n{case:#?}");
                    let m: Vec<i128> = w.input.iter().map(|v| i128::from(*v)).collect();
                    assert_eq!(model.quantize(&w.x), m);
                    let y: Vec<Exact> = model.fixed(&m);
                    assert_ne!(crate::oracle::argmax(&y), class);
                    refuted += 1;
                }
                Verdict::Unknown(_) => unknown += 1,
            }
        }
    }
    println!(
        "{proved} proved, {divided} by division and slopes; {refuted} refuted, {unknown} unknown"
    );
    assert!(
        proved > 30 && divided > 0 && refuted > 20,
        "{proved} {divided} {refuted}"
    );
}
