//! Bounds of forms of kernel and reference together are never violated at points of the box: its
//! ends, rounding boundaries and their neighbours, points between.

use crate::generate::{Rng, case};
use crate::model::{Fmt, Meaning, Model};
use crate::oracle::boundaries;
use ceg4n_base::Exact;
use ceg4n_verify::Reference;
use ceg4n_verify::bounds::differential::{On, PairForm, PairSplits, Together};
use ceg4n_verify::bounds::graph::{From, Graph, Op};
use ceg4n_verify::float::Bound;
use ceg4n_verify::reference::hull;

/// A value of one coordinate.
fn coordinate(rng: &mut Rng, format: Fmt, l: &Exact, u: &Exact) -> Exact {
    let cuts = boundaries(format, l, u);
    match rng.int(0, 4) {
        0 => l.clone(),
        1 => u.clone(),
        2 if !cuts.is_empty() => cuts[rng.size(0, cuts.len() - 1)].clone(),
        3 if !cuts.is_empty() => {
            let hair = Exact::dyadic(1, -i64::from(format.frac) - 50);
            (&cuts[rng.size(0, cuts.len() - 1)] - &hair).max(l.clone())
        }
        _ => l + &(&(u - l) * &Exact::dyadic(rng.int(0, 1 << 16), -16)),
    }
}

fn holds(b: Bound, v: &Exact) -> bool {
    let at = |v: f64| Exact::from_f64(v).expect("finite");
    (b.lo == f64::NEG_INFINITY || at(b.lo) <= *v) && (b.hi == f64::INFINITY || *v <= at(b.hi))
}

/// Differences, margins of either side, sums of leads, and arbitrary small combinations.
fn forms(rng: &mut Rng, outputs: usize) -> Vec<PairForm> {
    let mut all = Vec::new();
    for j in 0..outputs {
        all.push(PairForm::difference(j, outputs, 1.0));
        all.push(PairForm::difference(j, outputs, -1.0));
        let i = (j + 1) % outputs;
        if i != j {
            let zero = || PairForm::zero(outputs);
            all.push(zero().reference_margin(i, j, 1.0));
            all.push(zero().subject_margin(i, j, 1.0));
            let sum = zero().reference_margin(i, j, 1.0);
            all.push(sum.clone().subject_margin(j, i, 1.0));
            all.push(sum.subject_margin(j, i, 0.5));
        }
    }
    let mut any = PairForm::zero(outputs);
    for v in any.reference.iter_mut().chain(&mut any.subject) {
        *v = rng.int(-3, 3) as f64;
    }
    all.push(any);
    all
}

fn value(form: &PairForm, n: &[Exact], k: &[Exact]) -> Exact {
    let at = |v: f64| Exact::from_f64(v).expect("finite");
    let terms = form
        .reference
        .iter()
        .zip(n)
        .chain(form.subject.iter().zip(k));
    terms.fold(Exact::zero(), |s, (c, v)| &s + &(&at(*c) * v))
}

/// The same function with a relu twice: its layers match no other program's.
fn unmatched(graph: &Graph) -> Graph {
    let mut out = Graph { nodes: Vec::new() };
    for node in &graph.nodes {
        out.nodes.push(node.clone());
        if matches!(node.op, Op::Relu) {
            out.nodes.push(node.clone());
        }
    }
    out
}

#[test]
fn pairs_hold_at_points() {
    let mut rng = Rng::new(41);
    let (mut finite, mut checked, mut sharp, mut apart) = (0u64, 0u64, 0u64, 0u64);
    for i in 0..1500 {
        let case = case(&mut rng, true);
        let model: &Model = &case.kernel;
        let (against, meaning) = match i % 4 {
            0 => (model, Meaning::Constants),
            1 => (&case.reference.0, case.reference.1),
            2 => (model, Meaning::Fixed),
            _ => (model, Meaning::Real),
        };
        let (Some(program), Some(reference)) =
            (model.program(Meaning::Fixed), against.program(meaning))
        else {
            continue;
        };
        let reference = Reference::new(&reference);
        let subject = Graph::kernel(program.kernel().expect("a kernel"), From::Reals);
        let double = unmatched(&subject);
        let use_double = rng.one_in(4) && double.nodes.len() > subject.nodes.len();
        let together = Together::new(
            reference.graph(),
            if use_double { &double } else { &subject },
        );
        assert_eq!(together.is_matched(), !use_double, "{case:#?}");
        apart += u64::from(use_double);
        let x = hull(&case.lower, &case.upper);
        let signs = PairSplits::default();
        let on = On {
            x: &x,
            input: None,
            signs: &signs,
        };
        let pair = together.on(&on).expect("no splits");
        let forms = forms(&mut rng, model.outputs());
        let lower = pair.lower(&forms);
        let best: Vec<f64> = forms
            .iter()
            .zip(lower)
            .map(|(f, l)| pair.glance(f).max(l))
            .collect();
        finite += best.iter().filter(|b| b.is_finite()).count() as u64;
        for _ in 0..12 {
            let point: Vec<Exact> = case
                .lower
                .iter()
                .zip(&case.upper)
                .map(|(l, u)| coordinate(&mut rng, model.input, l, u))
                .collect();
            let k = model.fixed(&model.quantize(&point));
            let n = against.outputs_at(meaning, &point);
            for (form, lower) in forms.iter().zip(&best) {
                let v = value(form, &n, &k);
                let b = Bound::new(*lower, f64::INFINITY);
                assert!(holds(b, &v), "{form:?} {lower} {v} at {point:?}\n{case:#?}");
                checked += 1;
                // Near the bound: one a little higher would be caught.
                let gap = v.to_f64() - lower;
                sharp += u64::from(gap < 0.02 * (v.to_f64().abs() + lower.abs()));
            }
        }
    }
    println!(
        "{checked} values, {sharp} near their bound; {finite} finite bounds, {apart} unmatched"
    );
    assert!(checked > 100_000 && finite > 8_000 && sharp > checked / 100 && apart > 50);
}
