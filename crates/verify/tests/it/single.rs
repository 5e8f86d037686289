//! The reference in single precision: every run, with sums in any order, fused or not, stays
//! within the bounds that hold for all runs.

use crate::bounds::{scaled, wild};
use crate::generate::Rng;
use crate::model::Meaning;
use ceg4n_base::Exact;
use ceg4n_ir::{RealOp, RealProgram};
use ceg4n_verify::bounds::backward::Rows;
use ceg4n_verify::float::Bound;
use ceg4n_verify::{Precision, Reference};

/// A sum of products in some order.
fn sum(rng: &mut Rng, mut terms: Vec<(f32, f32)>) -> f32 {
    let mut parts: Vec<f32> = Vec::new();
    let mut total: Option<f32> = None;
    while !terms.is_empty() {
        let (w, x) = terms.swap_remove(rng.size(0, terms.len() - 1));
        total = Some(match total {
            None => w * x,
            Some(t) if rng.one_in(2) => w.mul_add(x, t),
            Some(t) => t + w * x,
        });
        if rng.one_in(4) {
            parts.extend(total.take());
        }
    }
    parts.extend(total);
    while parts.len() > 1 {
        let a = parts.swap_remove(rng.size(0, parts.len() - 1));
        let b = parts.swap_remove(rng.size(0, parts.len() - 1));
        parts.push(a + b);
    }
    parts[0]
}

/// One run.
fn run(rng: &mut Rng, program: &RealProgram, x: &[f32]) -> Vec<f32> {
    let mut nodes: Vec<Vec<f32>> = Vec::new();
    for node in program.nodes.values() {
        let at = |id: &ceg4n_ir::NodeId| nodes[id.as_u32() as usize].clone();
        let out = match &node.op {
            RealOp::Input => x.to_vec(),
            RealOp::Dense {
                x,
                weight,
                bias,
                rows,
                cols,
            } => (0..*rows)
                .map(|j| {
                    let w = weight.near()[j * cols..(j + 1) * cols]
                        .iter()
                        .map(|w| *w as f32);
                    let mut terms: Vec<(f32, f32)> = w.zip(at(x)).collect();
                    terms.extend(bias.as_ref().map(|b| (1.0, b.near()[j] as f32)));
                    sum(rng, terms)
                })
                .collect(),
            RealOp::AddConst { x, c } => at(x)
                .iter()
                .zip(c.near().iter())
                .map(|(x, c)| x + *c as f32)
                .collect(),
            RealOp::DivConst { x, c } => at(x)
                .iter()
                .zip(c.near().iter())
                .map(|(x, c)| x / *c as f32)
                .collect(),
            RealOp::Relu { x } => at(x).iter().map(|x| x.max(0.0)).collect(),
            RealOp::Move { x } => at(x),
            other => unreachable!("plain layers, no {other:?}"),
        };
        nodes.push(out);
    }
    nodes.swap_remove(program.output.as_u32() as usize)
}

#[test]
fn every_run_in_single_precision_is_within_the_bounds() {
    let mut rng = Rng::new(53);
    let (mut checked, mut off, mut unbounded) = (0u64, 0u64, 0u64);
    for _ in 0..1500 {
        let inputs = rng.size(1, 6);
        let model = wild(&mut rng, inputs);
        let program = model.program(Meaning::Real).expect("a reference");
        let exactly = Reference::new(&program);
        let reference = exactly.clone().with_precision(Precision::Float32);
        let n = reference.output_len();
        let coef: Vec<f64> = (0..3 * n).map(|_| rng.int(-1, 1) as f64).collect();
        let forms = Rows::new(3, coef);
        let point = rng.one_in(2);
        let x: Vec<Bound> = (0..inputs)
            .map(|_| {
                let (a, b) = (scaled(&mut rng, 20) as f32, scaled(&mut rng, 20) as f32);
                let (a, b) = (f64::from(a.min(b)), f64::from(a.max(b)));
                Bound::new(a, if point { a } else { b })
            })
            .collect();
        let lower = reference.lower(&x, forms.clone());
        let ideal = exactly.lower(&x, forms.clone());
        for _ in 0..8 {
            let at: Vec<f32> = x
                .iter()
                .map(|b| {
                    if rng.one_in(2) {
                        b.lo as f32
                    } else {
                        b.hi as f32
                    }
                })
                .collect();
            let y = run(&mut rng, reference.real().expect("real"), &at);
            let y: Vec<Option<Exact>> = y.iter().map(|v| Exact::from_f32(*v)).collect();
            for (r, lower) in lower.iter().enumerate() {
                let terms = forms.row(r).iter().zip(&y).filter(|(c, _)| **c != 0.0);
                let v = terms.map(|(c, y)| Some(&Exact::from_f64(*c)? * y.as_ref()?));
                let Some(v) = v.collect::<Option<Vec<_>>>() else {
                    assert_eq!(*lower, f64::NEG_INFINITY, "{y:?}\n{model:#?}");
                    unbounded += 1;
                    continue;
                };
                let v = v.iter().fold(Exact::zero(), |s, v| &s + v);
                let below = |l: f64| Exact::from_f64(l).is_none_or(|l| l <= v);
                assert!(below(*lower), "{lower} {v} {:?}\n{model:#?}", forms.row(r));
                off += u64::from(!below(ideal[r]));
                checked += 1;
            }
        }
    }
    println!("{checked} values, {off} below the bound of exact arithmetic, {unbounded} overflows");
    assert!(checked > 10_000 && off > 100, "{checked} {off}");
}
