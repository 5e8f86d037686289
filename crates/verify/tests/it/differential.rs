//! Bounds of the difference of kernel and reference are never violated at points of the box: its
//! ends, rounding boundaries and their neighbours, points between.

use crate::generate::{Rng, case};
use crate::model::{Fmt, Meaning, Model};
use crate::oracle::boundaries;
use ceg4n_base::Exact;
use ceg4n_ir::Interval;
use ceg4n_verify::bounds::differential::Pair;
use ceg4n_verify::bounds::{Form, backward, integer, interval};
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

/// The difference `kernel - reference` of a form.
fn difference(form: Form, k: &[Exact], n: &[Exact]) -> Exact {
    let one = |j: usize| &k[j] - &n[j];
    match form.minus {
        Some(m) => &one(form.plus) - &one(m),
        None => one(form.plus),
    }
}

#[test]
fn differences_hold_at_points() {
    let mut rng = Rng::new(41);
    let (mut finite, mut checked, mut sharp) = (0u64, 0u64, 0u64);
    for i in 0..1500 {
        let case = case(&mut rng, true);
        let meaning = if i % 4 == 0 {
            Meaning::Constants
        } else {
            Meaning::Real
        };
        let model: &Model = &case.kernel;
        let (Some(program), Some(reference)) =
            (model.program(Meaning::Fixed), model.program(meaning))
        else {
            continue;
        };
        let kernel = program.kernel().expect("a kernel");
        let real = reference.real().expect("a real reference");
        let pair = Pair::new(real, kernel).expect("one network");
        let input: Vec<Interval> = case
            .lower
            .iter()
            .zip(&case.upper)
            .map(|(l, u)| {
                let q = |v| model.input.quantize(v) as i64;
                Interval::new(q(l), q(u))
            })
            .collect();
        let x = hull(&case.lower, &case.upper);
        let by_integers = integer::forward(kernel, &input);
        let forward = if rng.one_in(2) {
            interval::forward(real, &x)
        } else {
            backward::forward(real, &x)
        };
        let differences = pair.differences(&forward, &by_integers);
        let outputs = model.outputs();
        let mut forms: Vec<Form> = (0..outputs).map(Form::output).collect();
        for a in 0..outputs {
            let others = (0..outputs).filter(|b| *b != a);
            forms.extend(others.map(|b| Form::margin(a, b)));
        }
        let bounds: Vec<Bound> = forms.iter().map(|f| differences.form(*f)).collect();
        finite += bounds.iter().filter(|b| b.width().is_finite()).count() as u64;
        for _ in 0..12 {
            let point: Vec<Exact> = case
                .lower
                .iter()
                .zip(&case.upper)
                .map(|(l, u)| coordinate(&mut rng, model.input, l, u))
                .collect();
            let k = model.fixed(&model.quantize(&point));
            let n = model.outputs_at(meaning, &point);
            for (form, b) in forms.iter().zip(&bounds) {
                let d = difference(*form, &k, &n);
                assert!(holds(*b, &d), "{form:?} {b:?} {d} at {point:?}\n{case:#?}");
                checked += 1;
                // Near an end: a bound a little narrower would be caught.
                let off = d.to_f64();
                sharp += u64::from((b.hi - off).min(off - b.lo) < 0.02 * b.width());
            }
        }
    }
    println!("{checked} differences, {sharp} near an end of their bound; {finite} finite bounds");
    assert!(checked > 100_000 && finite > 8_000 && sharp > checked / 100);
}
