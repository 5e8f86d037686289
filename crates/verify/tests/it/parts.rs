//! Parts of a region, divided by input and by sign: they cover it, and what bounds of both
//! programs say of a part holds at each of its points, at scales from `2^-120` to `2^120`.

use crate::differential::{coordinate, forms, holds, value};
use crate::generate::{Case, Rng, case};
use crate::model::{Const, Fmt, Meaning, Model, Step};
use ceg4n_base::Exact;
use ceg4n_ir::{Domain, Kernel, Lowered};
use ceg4n_verify::Reference;
use ceg4n_verify::bounds::differential::{On, PairSplits, Together};
use ceg4n_verify::bounds::graph::{From, Graph, Op};
use ceg4n_verify::bounds::split::{Split, Splits};
use ceg4n_verify::float::Bound;
use ceg4n_verify::margins::View;
use ceg4n_verify::space::{Part, Space};

fn format(f: Fmt, e: i32) -> Option<Fmt> {
    let moved = Fmt {
        frac: f.frac - e,
        ..f
    };
    (moved.frac.abs() <= 256).then_some(moved)
}

fn constant(c: &Const, e: i32) -> Option<Const> {
    let data = c.data.iter().map(|v| {
        let scaled = f64::from(*v) * 2f64.powi(e);
        let near = scaled as f32;
        (f64::from(near) == scaled).then_some(near)
    });
    Some(Const {
        data: data.collect::<Option<_>>()?,
        rows: c.rows,
        formats: c
            .formats
            .iter()
            .map(|f| format(*f, e))
            .collect::<Option<_>>()?,
        mantissas: c.mantissas.clone(),
    })
}

/// The same model with each layer's values times a power of two.
fn rescaled(rng: &mut Rng, m: &Model, first: i32) -> Option<Model> {
    let mut total = first;
    let mut steps = Vec::new();
    for (step, f) in &m.steps {
        let step = match step {
            Step::Dense { w, b } => {
                let to = rng.int(-120, 120) as i32;
                let w = constant(w, (to - total).clamp(-120, 120))?;
                total += (to - total).clamp(-120, 120);
                let b = match b {
                    Some(b) => Some(constant(b, total)?),
                    None => None,
                };
                Step::Dense { w, b }
            }
            Step::AddSub { c, sub } => Step::AddSub {
                c: constant(c, total)?,
                sub: *sub,
            },
            Step::Relu | Step::Div(_) | Step::Copy => step.clone(),
        };
        let f = match f {
            Some(f) => Some(format(*f, total)?),
            None => None,
        };
        steps.push((step, f));
    }
    Some(Model {
        inputs: m.inputs,
        input: format(m.input, first)?,
        steps,
        rounding: m.rounding,
    })
}

fn far(rng: &mut Rng, c: Case) -> Option<Case> {
    if c.reference.1 == Meaning::Fixed {
        return None;
    }
    let first = rng.int(-120, 120) as i32;
    let kernel = rescaled(rng, &c.kernel, first)?;
    let moved = |v: &[Exact]| v.iter().map(|v| v.shifted(i64::from(first))).collect();
    Some(Case {
        meaning: Meaning::Fixed,
        reference: (kernel.clone(), c.reference.1),
        kernel,
        lower: moved(&c.lower),
        upper: moved(&c.upper),
        grid: None,
    })
}

/// Signs of some relu operands.
fn signs(rng: &mut Rng, graph: &Graph) -> Splits {
    let mut splits = Splits::default();
    for (node, n) in graph.nodes.iter().enumerate() {
        if matches!(n.op, Op::Relu) && rng.one_in(2) {
            splits = splits.and(Split {
                node,
                element: rng.size(0, n.len - 1),
                active: rng.one_in(2),
            });
        }
    }
    splits
}

fn met(s: &Split, sign: i32) -> bool {
    if s.active { sign >= 0 } else { sign <= 0 }
}

fn meets(reference: &Reference, signs: &Splits, x: &[Exact]) -> bool {
    let Some(program) = reference.real() else {
        return signs.is_empty();
    };
    let moves = |id: &_| !matches!(program.nodes[*id].op, ceg4n_ir::RealOp::Move { .. });
    let ids: Vec<_> = program.nodes.keys().filter(moves).collect();
    let trace = ceg4n_eval::real_trace(program, x).expect("a trace");
    let all = |s: &Split| met(s, trace.node(ids[s.node - 1])[s.element].signum());
    signs.iter().all(all)
}

fn kernel_meets(kernel: &Kernel, graph: &Graph, signs: &Splits, x: &[Exact]) -> bool {
    let trace = ceg4n_eval::kernel_trace(kernel, &kernel.quantize_input(x)).expect("a trace");
    signs.iter().all(|s| {
        let (id, at) = graph.nodes[s.node - 1].of.first().expect("mantissas");
        met(s, trace.node(*id)[s.element - at].signum() as i32)
    })
}

fn belongs(space: &Space, part: &Part, x: &[Exact]) -> bool {
    let one = |((v, m), b): ((&Exact, _), &Bound)| {
        let m: &ceg4n_ir::Interval = m;
        let g = space.format.quantize(v);
        m.lo <= g && g <= m.hi && holds(*b, v)
    };
    x.iter().zip(&part.input).zip(&part.real).all(one)
}

/// All parts after some divisions along random inputs.
fn parts(rng: &mut Rng, space: &Space) -> Vec<Part> {
    let mut all = vec![space.root().expect("a point")];
    for _ in 0..rng.size(0, 6) {
        let at = rng.size(0, all.len() - 1);
        let scores: Vec<f64> = (0..all[at].real.len())
            .map(|_| rng.float(0.0, 1.0))
            .collect();
        if let Some((cut, two)) = space.split(&all[at], |i| scores[i]) {
            // A cut at the very end of a part is not made again; any that is must be the same.
            for (a, b) in space.replay(&all[at], &cut).iter().flatten().zip(&two) {
                assert_eq!((&a.input, &a.real), (&b.input, &b.real), "{cut:?}");
            }
            all.swap_remove(at);
            all.extend(two);
        }
    }
    all
}

#[test]
fn parts_cover_and_their_bounds_hold() {
    let mut rng = Rng::new(std::env::var("SEED").map_or(77, |s| s.parse().expect("a number")));
    let (mut checked, mut finite, mut empty, mut scaled) = (0u64, 0u64, 0u64, 0u64);
    for i in 0..800 {
        let drawn = case(&mut rng, true);
        let case = match i % 3 {
            0 => {
                let far = far(&mut rng, drawn.clone());
                scaled += u64::from(far.is_some());
                far.unwrap_or(drawn)
            }
            _ => drawn,
        };
        let model = &case.kernel;
        let (against, meaning) = (&case.reference.0, case.reference.1);
        let (Some(program), Some(reference)) =
            (model.program(Meaning::Fixed), against.program(meaning))
        else {
            continue;
        };
        let reference = Reference::new(&reference);
        let Lowered::Fixed(kernel) = program.lowered() else {
            continue;
        };
        let subject = Graph::kernel(kernel, From::Reals);
        let together = Together::new(reference.graph(), &subject);
        let space = Space {
            lower: case.lower.clone(),
            upper: case.upper.clone(),
            domain: Domain::Real,
            format: model.input.ir(),
        };
        let parts = parts(&mut rng, &space);
        let points: Vec<Vec<Exact>> = (0..16)
            .map(|_| {
                let ends = case.lower.iter().zip(&case.upper);
                ends.map(|(l, u)| coordinate(&mut rng, model.input, l, u))
                    .collect()
            })
            .collect();
        for x in &points {
            assert!(
                parts.iter().any(|p| belongs(&space, p, x)),
                "{x:?} is in no part"
            );
        }
        let forms = forms(&mut rng, model.outputs());
        for part in &parts {
            let input = View::Mantissas(model.input.frac).of(part);
            let some = rng.one_in(2) && reference.real().is_some();
            let signs = PairSplits {
                reference: if some {
                    signs(&mut rng, reference.graph())
                } else {
                    Splits::default()
                },
                subject: if rng.one_in(2) {
                    signs(&mut rng, &subject)
                } else {
                    Splits::default()
                },
            };
            let on = On {
                x: &part.real,
                input: Some(&input),
                signs: &signs,
            };
            let inside = points.iter().filter(|x| {
                belongs(&space, part, x)
                    && meets(&reference, &signs.reference, x)
                    && kernel_meets(kernel, &subject, &signs.subject, x)
            });
            let Some(pair) = together.on(&on) else {
                empty += 1;
                assert_eq!(inside.count(), 0, "not empty: {signs:?}\n{case:#?}");
                continue;
            };
            let back = pair.lower(&forms);
            finite += back.iter().filter(|b| b.is_finite()).count() as u64;
            for x in inside {
                let n = against.outputs_at(meaning, x);
                let k = model.fixed(&model.quantize(x));
                for (form, back) in forms.iter().zip(&back) {
                    let v = value(form, &n, &k);
                    for lower in [*back, pair.glance(form)] {
                        let b = Bound::new(lower, f64::INFINITY);
                        assert!(
                            holds(b, &v),
                            "{form:?} {lower} {v} at {x:?} {signs:?}\n{case:#?}"
                        );
                        checked += 1;
                    }
                }
            }
        }
    }
    println!("{checked} values, {finite} finite bounds, {empty} empty parts, {scaled} far scales");
    assert!(checked > 50_000 && finite > 5_000 && empty > 50 && scaled > 50);
}
