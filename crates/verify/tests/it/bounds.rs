//! Bounds over boxes are never violated: reference and kernel, points and corners, scales at
//! which floating point loses digits.

use crate::generate::{Rng, network};
use crate::model::{Const, Fmt, Meaning, Model, Step};
use ceg4n_base::Exact;
use ceg4n_ir::{Interval, Rounding};
use ceg4n_verify::Reference;
use ceg4n_verify::bounds::backward::{Backward, Rows, bounds};
use ceg4n_verify::bounds::graph::{From, Graph, Op};
use ceg4n_verify::bounds::optimise::optimise;
use ceg4n_verify::bounds::split::{Split, Splits};
use ceg4n_verify::bounds::{Form, integer, interval};
use ceg4n_verify::float::{Bound, affine};
use ceg4n_verify::reference::hull;

fn exact(v: f64) -> Exact {
    Exact::from_f64(v).expect("finite")
}

/// `lo ≤ v ≤ hi`, where an infinite end says nothing.
fn holds(b: Bound, v: &Exact) -> bool {
    let low = b.lo == f64::NEG_INFINITY || exact(b.lo) <= *v;
    let high = b.hi == f64::INFINITY || *v <= exact(b.hi);
    low && high
}

/// Every output and every difference of two.
fn forms(outputs: usize) -> Vec<Form> {
    let mut out: Vec<Form> = (0..outputs).map(Form::output).collect();
    for a in 0..outputs {
        out.extend((0..outputs).filter(|b| *b != a).map(|b| Form::margin(a, b)));
    }
    out
}

fn of_form(form: Form, y: &[Exact]) -> Exact {
    match form.minus {
        Some(m) => &y[form.plus] - &y[m],
        None => y[form.plus].clone(),
    }
}

/// A float of any of the scales that `spread` allows.
fn scaled(rng: &mut Rng, spread: i64) -> f64 {
    rng.float(-2.0, 2.0) * 2f64.powi(rng.int(-spread, spread) as i32)
}

/// A real network whose weights differ by many powers of two and nearly cancel.
fn wild(rng: &mut Rng, inputs: usize) -> Model {
    let spread = [0, 3, 20, 60][rng.size(0, 3)];
    let mut steps = Vec::new();
    let mut cols = inputs;
    let layers = rng.size(1, 3);
    for layer in 0..layers {
        let rows = rng.size(2, 5);
        let mut data: Vec<f32> = (0..rows * cols)
            .map(|_| scaled(rng, spread) as f32)
            .collect();
        if rng.one_in(2) {
            // The second row is the first but for one element.
            let (first, rest) = data.split_at_mut(cols);
            rest[..cols].copy_from_slice(first);
            rest[rng.size(0, cols - 1)] *= 1.0 + f32::EPSILON;
        }
        let constant = |data: Vec<f32>, rows| Const {
            data,
            rows,
            formats: vec![Fmt::new(true, 8, 0)],
            mantissas: None,
        };
        let bias = rng.one_in(2).then(|| {
            let b = (0..rows).map(|_| scaled(rng, spread) as f32).collect();
            constant(b, rows)
        });
        steps.push((
            Step::Dense {
                w: constant(data, rows),
                b: bias,
            },
            None,
        ));
        if rng.one_in(4) {
            let c = constant(
                (0..rows).map(|_| scaled(rng, spread) as f32).collect(),
                rows,
            );
            let sub = rng.one_in(2);
            steps.push((Step::AddSub { c, sub }, None));
        }
        if rng.one_in(4) {
            steps.push((Step::Div(rng.int(-5, 5) as i32), None));
        }
        if layer + 1 < layers {
            steps.push((Step::Relu, None));
        }
        cols = rows;
    }
    Model {
        inputs,
        input: Fmt::new(true, 8, 0),
        steps,
        rounding: Rounding::HalfUp,
    }
}

/// Corners, and points inside.
fn samples(rng: &mut Rng, x: &[Bound]) -> Vec<Vec<f64>> {
    let mut out: Vec<Vec<f64>> = (0..1usize << x.len())
        .map(|mask| {
            x.iter()
                .enumerate()
                .map(|(i, b)| if mask >> i & 1 == 1 { b.hi } else { b.lo })
                .collect()
        })
        .collect();
    for _ in 0..6 {
        let inside = x.iter().map(|b| {
            let v = b.lo + rng.float(0.0, 1.0) * (b.hi - b.lo);
            v.clamp(b.lo, b.hi)
        });
        out.push(inside.collect());
    }
    out
}

fn at_least(lower: f64) -> Bound {
    Bound::new(lower, f64::INFINITY)
}

/// The best of a plain backward pass and an optimised one.
fn lower_bounds(
    graph: &Graph,
    x: &[Bound],
    splits: &Splits,
    forms: &[Form],
    steps: usize,
) -> Vec<f64> {
    let Some(bounds) = bounds(graph, x, splits) else {
        return vec![f64::INFINITY; forms.len()];
    };
    let outputs = graph.output_len();
    let mut coef = vec![0.0; forms.len() * outputs];
    for (r, f) in forms.iter().enumerate() {
        coef[r * outputs + f.plus] += 1.0;
        if let Some(m) = f.minus {
            coef[r * outputs + m] -= 1.0;
        }
    }
    let rows = Rows::new(forms.len(), coef);
    let pass = Backward {
        graph,
        bounds: &bounds,
        splits,
        guide: None,
    };
    let plain = pass.lower(graph.output(), rows.clone());
    let need = vec![f64::INFINITY; forms.len()];
    let best = optimise(graph, &bounds, splits, &rows, &need, steps).lower;
    plain.iter().zip(best).map(|(a, b)| a.max(b)).collect()
}

#[test]
fn reference_bounds_hold_at_points_and_corners() {
    let mut rng = Rng::new(11);
    let mut checked = 0u64;
    for _ in 0..800 {
        let inputs = rng.size(1, 4);
        let model = wild(&mut rng, inputs);
        let checked_program = model.program(Meaning::Real).expect("a reference");
        let reference = Reference::new(&checked_program);
        let program = reference.real().expect("a real one");
        // From single points, where only rounding errors count, to boxes over both signs.
        let kind = rng.int(0, 3);
        let x: Vec<Bound> = (0..inputs)
            .map(|_| {
                let a = scaled(&mut rng, 10);
                let b = match kind {
                    0 => a,
                    1 => a.next_up(),
                    2 => a + rng.float(0.0, 0.1),
                    _ => scaled(&mut rng, 10),
                };
                Bound::new(a.min(b), a.max(b))
            })
            .collect();
        let graph = reference.graph();
        let plain = interval::forward(program, &x);
        let forms = forms(reference.output_len());
        let none = Splits::default();
        let tight = bounds(graph, &x, &none).expect("no splits");
        let bounded = lower_bounds(graph, &x, &none, &forms, rng.size(1, 5));
        for point in samples(&mut rng, &x) {
            let point: Vec<Exact> = point.into_iter().map(exact).collect();
            let y = model.outputs_at(Meaning::Real, &point);
            for (form, lower) in forms.iter().zip(&bounded) {
                let v = of_form(*form, &y);
                let b = interval::form(program, &plain, *form).meet(at_least(*lower));
                assert!(holds(b, &v), "{form:?} {b:?} {v} at {point:?}\n{model:#?}");
                checked += 1;
            }
            let trace = ceg4n_eval::real_trace(program, &point).expect("a trace");
            // Nodes of the graph are those of the program but for moves.
            let moves = |id: &_| !matches!(program.nodes[*id].op, ceg4n_ir::RealOp::Move { .. });
            let ids = program.nodes.keys().filter(moves);
            for (id, enclosures) in ids.zip(&tight.nodes) {
                for (b, v) in enclosures.iter().zip(trace.node(id)) {
                    assert!(holds(*b, v), "{id} {b:?} {v}\n{model:#?}");
                }
            }
        }
    }
    assert!(checked > 50_000, "{checked}");
}

#[test]
fn kernel_bounds_hold_on_every_input_of_small_boxes() {
    let mut rng = Rng::new(12);
    let mut boxes = 0;
    for _ in 0..600 {
        let inputs = rng.size(1, 3);
        let signed = rng.one_in(2);
        let input = Fmt::new(signed, rng.int(1, 6) as u32, rng.int(-3, 6) as i32);
        let most = 2f64.powi(input.width as i32 - input.frac);
        let model = network(&mut rng, inputs, input, most, false);
        let Some(program) = model.program(Meaning::Fixed) else {
            continue;
        };
        let kernel = program.kernel().expect("a kernel");
        let x: Vec<Interval> = (0..inputs)
            .map(|_| {
                let (min, max) = (input.min() as i64, input.max() as i64);
                let a = rng.int(min, max);
                Interval::new(a, (a + rng.int(0, 5)).min(max))
            })
            .collect();
        boxes += 1;
        let forward = integer::forward(kernel, &x);
        let real: Vec<Bound> = x
            .iter()
            .map(|r| {
                let v = |m: i64| input.value(i128::from(m)).to_f64();
                Bound::new(v(r.lo), v(r.hi))
            })
            .collect();
        let none = Splits::default();
        let steps = rng.size(1, 4);
        let asked = forms(kernel.output_len());
        let bounded = [From::Reals, From::Mantissas]
            .map(|from| lower_bounds(&Graph::kernel(kernel, from), &real, &none, &asked, steps));
        let mut inputs: Vec<Vec<i128>> = vec![vec![]];
        for r in &x {
            let next = inputs.iter().flat_map(|p| {
                (r.lo..=r.hi).map(move |m| {
                    let mut p = p.clone();
                    p.push(i128::from(m));
                    p
                })
            });
            inputs = next.collect();
        }
        for at in &inputs {
            let (y, frac) = model.fixed_mantissas(at);
            assert_eq!(frac, kernel.output_frac);
            for form in forms(y.len()) {
                let v = y[form.plus] - form.minus.map_or(0, |m| y[m]);
                let b = integer::form(kernel, &forward, form);
                assert!(b.lo <= v && v <= b.hi, "{form:?} {b:?} {v}\n{model:#?}");
                let real = crate::model::value(v, frac);
                let r = asked.iter().position(|f| *f == form).expect("asked");
                for lower in [bounded[0][r], bounded[1][r]] {
                    assert!(
                        holds(at_least(lower), &real),
                        "{form:?} {lower} {real}\n{model:#?}"
                    );
                }
            }
        }
    }
    assert!(boxes > 500, "{boxes}");
}

/// Ends that are no floats lie inside the box of floats.
#[test]
fn hulls_hold_their_ends() {
    let mut rng = Rng::new(15);
    for _ in 0..2000 {
        let end = |rng: &mut Rng| {
            let (num, den) = (rng.int(-1 << 40, 1 << 40), rng.int(1, 1 << 40));
            let v = Exact::ratio(num, den).expect("not zero");
            v.shifted(rng.int(-80, 80))
        };
        let (a, b) = (end(&mut rng), end(&mut rng));
        let (l, u) = (a.clone().min(b.clone()), a.max(b));
        let hull = hull(std::slice::from_ref(&l), std::slice::from_ref(&u));
        assert!(exact(hull[0].lo) <= l && u <= exact(hull[0].hi), "{l} {u}");
    }
}

/// Boxes of one point and cancelling sums: the width of the enclosure is the error term alone.
#[test]
fn affine_encloses_sums_that_cancel() {
    let mut rng = Rng::new(13);
    let mut off = 0;
    for _ in 0..20_000 {
        let n = rng.size(1, 12);
        let spread = [1, 8, 60, 400][rng.size(0, 3)];
        let mut w: Vec<f64> = (0..n).map(|_| scaled(&mut rng, spread)).collect();
        let mut x: Vec<f64> = (0..n).map(|_| scaled(&mut rng, spread)).collect();
        if rng.one_in(2) {
            w.extend(w.clone().iter().map(|v| -v));
            x.extend(x.clone().iter().map(|v| v * (1.0 + f64::EPSILON)));
        }
        let constant = scaled(&mut rng, spread);
        let wide: Vec<Bound> = x
            .iter()
            .map(|v| Bound::new(v - rng.float(0.0, 1.0) * v.abs(), *v))
            .collect();
        for (b, points) in [
            (
                x.iter().map(|v| Bound::new(*v, *v)).collect(),
                vec![x.clone()],
            ),
            (
                wide.clone(),
                vec![x.clone(), wide.iter().map(|b| b.lo).collect()],
            ),
        ] {
            let b: Vec<Bound> = b;
            let enclosure = affine(w.iter().copied(), &b, constant, 0);
            for p in points {
                let sum = |s: Exact, (w, x): (&f64, &f64)| &s + &(&exact(*w) * &exact(*x));
                let value = w.iter().zip(&p).fold(exact(constant), sum);
                assert!(holds(enclosure, &value), "{w:?} {b:?} {constant}");
                let naive: f64 = w.iter().zip(&p).fold(constant, |s, (w, x)| s + w * x);
                off += u32::from(exact(naive) != value);
            }
        }
    }
    assert!(
        off > 10_000,
        "plain floating point is exact too often: {off}"
    );
}

/// Boxes so lopsided that a relu's upper line is nearly flat: its slope may be too small to have
/// all its digits.
#[test]
fn nearly_flat_lines_above_a_relu_stay_above() {
    let mut rng = Rng::new(14);
    for _ in 0..2000 {
        let constant = |v: f32| Const {
            data: vec![v],
            rows: 1,
            formats: vec![Fmt::new(true, 8, 0)],
            mantissas: None,
        };
        let dense = |v: f32| {
            (
                Step::Dense {
                    w: constant(v),
                    b: None,
                },
                None,
            )
        };
        let factors = rng.size(1, 4);
        let mut steps = vec![(Step::Relu, None)];
        let big = 2f32.powi(rng.int(0, 126) as i32);
        steps.extend((0..factors).map(|_| dense(big)));
        steps.push(dense(-(rng.float(1.0, 2.0) as f32)));
        let model = Model {
            inputs: 1,
            input: Fmt::new(true, 8, 0),
            steps,
            rounding: Rounding::HalfUp,
        };
        let program = model.program(Meaning::Real).expect("a reference");
        let reference = Reference::new(&program);
        let low = rng.float(1.0, 2.0) * -(2f64.powi(rng.int(0, 1022) as i32));
        let high = rng.float(1.0, 2.0) * 2f64.powi(-rng.int(0, 300) as i32);
        let lower = reference.lower(&[Bound::new(low, high)], Rows::new(1, vec![1.0]))[0];
        let y = model.outputs_at(Meaning::Real, &[exact(high)]);
        assert!(
            holds(Bound::new(lower, f64::INFINITY), &y[0]),
            "{lower} {} on {low}..{high}, {factors} times {big}",
            y[0].to_f64()
        );
    }
}

/// Under constraints on signs a bound holds wherever the constraints do, with any multipliers.
#[test]
fn bounds_under_splits_hold_where_the_splits_do() {
    let mut rng = Rng::new(16);
    let (mut inside, mut telling) = (0u64, 0u64);
    for _ in 0..1500 {
        let inputs = rng.size(1, 3);
        let model = wild(&mut rng, inputs);
        let program = model.program(Meaning::Real).expect("a reference");
        let reference = Reference::new(&program);
        let graph = reference.graph();
        let relus: Vec<(usize, usize)> = (graph.nodes.iter().enumerate())
            .filter(|(_, n)| matches!(n.op, Op::Relu))
            .map(|(i, n)| (i, n.len))
            .collect();
        if relus.is_empty() {
            continue;
        }
        let x: Vec<Bound> = (0..inputs)
            .map(|_| {
                let (a, b) = (scaled(&mut rng, 1), scaled(&mut rng, 1));
                Bound::new(a.min(b), a.max(b))
            })
            .collect();
        let mut splits = Splits::default();
        for _ in 0..rng.size(1, 3) {
            let (node, len) = relus[rng.size(0, relus.len() - 1)];
            let element = rng.size(0, len - 1);
            if splits.at(node).all(|(e, _)| e != element) {
                let active = rng.one_in(2);
                splits = splits.and(Split {
                    node,
                    element,
                    active,
                });
            }
        }
        let forms = forms(reference.output_len());
        let bounded = lower_bounds(graph, &x, &splits, &forms, 12);
        let free = lower_bounds(graph, &x, &Splits::default(), &forms, 1);
        telling += u64::from(bounded.iter().zip(&free).any(|(a, b)| a > b));
        let program = reference.real().expect("a real one");
        let moves = |id: &_| !matches!(program.nodes[*id].op, ceg4n_ir::RealOp::Move { .. });
        let ids: Vec<_> = program.nodes.keys().filter(moves).collect();
        for point in samples(&mut rng, &x) {
            let point: Vec<Exact> = point.into_iter().map(exact).collect();
            let trace = ceg4n_eval::real_trace(program, &point).expect("a trace");
            let met = |s: &Split| {
                let z = &trace.node(ids[s.node - 1])[s.element];
                if s.active {
                    z.signum() >= 0
                } else {
                    z.signum() <= 0
                }
            };
            if !splits.iter().all(met) {
                continue;
            }
            inside += 1;
            let y = model.outputs_at(Meaning::Real, &point);
            for (form, lower) in forms.iter().zip(&bounded) {
                let v = of_form(*form, &y);
                let b = at_least(*lower);
                assert!(
                    *lower < f64::INFINITY,
                    "{splits:?} is not empty\n{model:#?}"
                );
                assert!(
                    holds(b, &v),
                    "{form:?} {lower} {v} under {splits:?}\n{model:#?}"
                );
            }
        }
    }
    assert!(inside > 2000 && telling > 200, "{inside} {telling}");
}
