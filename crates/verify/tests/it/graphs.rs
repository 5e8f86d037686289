//! Bounds of programs with branches, windows and curves hold at every point tried: of each node of
//! the chain, of forms of the outputs, of one program and of two together.

use crate::branching::{Kind, Net, Span, kernel_trace, real_trace, real_values};
use crate::differential::forms as pair_forms;
use crate::generate::Rng;
use ceg4n_base::Exact;
use ceg4n_ir::Interval;
use ceg4n_jit::CodeCache;
use ceg4n_verify::bounds::backward::{Backward, Rows, bounds};
use ceg4n_verify::bounds::differential::{On, PairForm, PairSplits, Together};
use ceg4n_verify::bounds::forward::Bounds;
use ceg4n_verify::bounds::graph::{From, Graph, Op};
use ceg4n_verify::bounds::optimise::optimise;
use ceg4n_verify::bounds::split::{Split, Splits};
use ceg4n_verify::bounds::{integer, interval, margins};
use ceg4n_verify::float::Bound;
use ceg4n_verify::reference::hull;
use ceg4n_verify::{Reference, Subject};

fn exact(v: f64) -> Exact {
    Exact::from_f64(v).expect("finite")
}

/// The enclosure does not exclude the value.
fn holds(b: Bound, (lo, hi): &Span) -> bool {
    let low = b.lo == f64::NEG_INFINITY || exact(b.lo) <= *hi;
    let high = b.hi == f64::INFINITY || *lo <= exact(b.hi);
    low && high
}

/// A box around a random point, of one point or wide.
fn region(rng: &mut Rng, inputs: usize) -> (Vec<Exact>, Vec<Exact>) {
    let wide = [0.0, 0.05, 0.3, 1.5][rng.size(0, 3)];
    let ends = (0..inputs).map(|_| {
        let a = rng.float(-1.5, 1.5);
        let b = a + rng.float(0.0, 1.0) * wide;
        (exact(a), exact(b))
    });
    ends.unzip()
}

fn samples(rng: &mut Rng, lower: &[Exact], upper: &[Exact]) -> Vec<Vec<Exact>> {
    (0..12)
        .map(|k| {
            let at = |(l, u): (&Exact, &Exact)| match k {
                0 => l.clone(),
                1 => u.clone(),
                2..=6 if rng.one_in(2) => l.clone(),
                2..=6 => u.clone(),
                _ => {
                    let t = exact(rng.float(0.0, 1.0));
                    l + &(&t * &(u - l))
                }
            };
            lower.iter().zip(upper).map(at).collect()
        })
        .collect()
}

/// Coefficients of margins of every class, and of single outputs.
fn all_forms(outputs: usize) -> Rows {
    let mut coef = Vec::new();
    for c in 0..outputs {
        coef.extend(margins(c, outputs).coef);
        for s in [1.0, -1.0] {
            let mut row = vec![0.0; outputs];
            row[c] = s;
            coef.extend(row);
        }
    }
    Rows::new(coef.len() / outputs, coef)
}

fn value(row: &[f64], y: &[Span]) -> Span {
    let zero = (Exact::zero(), Exact::zero());
    row.iter().zip(y).fold(zero, |s, (c, y)| {
        let (a, b) = (&exact(*c) * &y.0, &exact(*c) * &y.1);
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        (&s.0 + &a, &s.1 + &b)
    })
}

/// Signs of some relu operands.
fn signs(rng: &mut Rng, graph: &Graph) -> Splits {
    let mut splits = Splits::default();
    for (node, n) in graph.nodes.iter().enumerate() {
        if matches!(n.op, Op::Relu) && rng.one_in(2) {
            let element = rng.size(n.on.start, n.on.end - 1);
            let active = rng.one_in(2);
            splits = splits.and(Split {
                node,
                element,
                active,
            });
        }
    }
    splits
}

/// The chain at a point, in floating point: near enough to tell the sign of what is not near zero.
fn state(graph: &Graph, x: &[f64]) -> Vec<Vec<f64>> {
    let mut out: Vec<Vec<f64>> = Vec::new();
    for (i, node) in graph.nodes.iter().enumerate() {
        let mut v = if i == 0 {
            x.to_vec()
        } else {
            out[i - 1].clone()
        };
        let on = node.on.clone();
        match &node.op {
            Op::Input | Op::Float32 { .. } => {}
            Op::Linear(map) => v = map.apply(&v),
            Op::Scale { by, .. } => v[on].iter_mut().zip(by.iter()).for_each(|(v, c)| *v *= c),
            Op::Shift(c) => v[on].iter_mut().zip(&c.value).for_each(|(v, c)| *v += c),
            Op::Relu => v[on].iter_mut().for_each(|v| *v = v.max(0.0)),
            Op::Round(steps) => {
                let pairs = v[on].iter_mut().zip(steps.iter());
                pairs.for_each(|(v, s)| *v = (*v / s.unit).round_ties_even() * s.unit);
            }
            Op::Clamp { lo, hi } => v[on].iter_mut().for_each(|v| *v = v.clamp(*lo, *hi)),
            Op::Curve(f) => v[on].iter_mut().for_each(|v| *v = f.value(*v)),
        }
        out.push(v);
    }
    out
}

/// Some lower bounds of forms: by a plain pass, and optimised.
fn lower(graph: &Graph, b: &Bounds, splits: &Splits, rows: &Rows, steps: usize) -> Vec<f64> {
    let pass = Backward {
        graph,
        bounds: b,
        splits,
        guide: None,
    };
    let plain = pass.lower(graph.output(), rows.clone());
    let need = vec![f64::INFINITY; rows.count];
    let best = optimise(graph, b, splits, rows, &need, steps).lower;
    plain.iter().zip(best).map(|(a, b)| a.max(b)).collect()
}

#[test]
fn bounds_of_real_programs_hold() {
    let mut rng = Rng::new(71);
    let (mut checked, mut inside, mut branched) = (0u64, 0u64, 0u64);
    for case in 0..1400 {
        let kind = if case % 2 == 0 {
            Kind::Any
        } else {
            Kind::Reals
        };
        let net = Net::random(&mut rng, 12, kind);
        let program = net.real();
        let reference = Reference::new(&program);
        let real = reference.real().expect("a real program");
        let (lo, hi) = region(&mut rng, reference.input_len());
        let x = hull(&lo, &hi);
        let graph = reference.graph();
        assert_eq!(graph.output_len(), reference.output_len());
        branched += u64::from(graph.nodes.iter().any(|n| n.on.len() < n.len));
        let none = Splits::default();
        let b = bounds(graph, &x, &none).expect("no constraints");
        let plain = interval::forward(real, &x);
        let rows = all_forms(reference.output_len());
        let free = lower(graph, &b, &none, &rows, rng.size(1, 4));
        let splits = signs(&mut rng, graph);
        let parted = bounds(graph, &x, &splits);
        let bound = parted.map(|b| lower(graph, &b, &splits, &rows, 8));
        for point in samples(&mut rng, &lo, &hi) {
            let trace = real_trace(real, &point);
            for (id, v) in real.nodes.keys().map(|id| (id, &trace[id])) {
                for (b, v) in plain.nodes[id].iter().zip(v) {
                    assert!(holds(*b, v), "{id} {b:?} {v:?}\n{real:#?}");
                }
            }
            for (i, node) in graph.nodes.iter().enumerate() {
                for (id, at) in &node.of {
                    for (b, v) in b.nodes[i][*at..].iter().zip(&trace[*id]) {
                        assert!(holds(*b, v), "{i} {id} {b:?} {v:?}\n{real:#?}");
                    }
                }
            }
            let y = &trace[real.output];
            let near: Vec<f64> = point.iter().map(Exact::to_f64).collect();
            let state = state(graph, &near);
            let size = state.iter().flatten().fold(1.0f64, |m, v| m.max(v.abs()));
            let near_zero = 1e-9 * size;
            let met = |s: &Split| {
                let z = state[s.node - 1][s.element];
                if s.active {
                    z > near_zero
                } else {
                    z < -near_zero
                }
            };
            let met = splits.iter().all(met);
            inside += u64::from(met && !splits.is_empty());
            for (r, free) in free.iter().enumerate() {
                let v = value(rows.row(r), y);
                let at_least = |l: f64| Bound::new(l, f64::INFINITY);
                assert!(holds(at_least(*free), &v), "{free} {v:?}\n{real:#?}");
                checked += 1;
                if met {
                    let l = bound.as_ref().expect("a point is left")[r];
                    assert!(holds(at_least(l), &v), "{l} {v:?} {splits:?}\n{real:#?}");
                }
            }
        }
    }
    assert!(
        checked > 50_000 && inside > 500 && branched > 200,
        "{checked} {inside} {branched}"
    );
}

#[test]
fn bounds_of_kernels_hold() {
    let mut rng = Rng::new(72);
    let (mut kernels, mut sharp) = (0u64, 0u64);
    for _ in 0..700 {
        let net = Net::random(&mut rng, 9, Kind::Any);
        let Some(program) = net.kernel() else {
            continue;
        };
        let kernel = program.kernel().expect("a kernel");
        kernels += 1;
        let native = Subject::new(program.clone(), &CodeCache::new()).expect("native code");
        let (lo, hi) = region(&mut rng, kernel.input_len());
        let (a, b) = (kernel.quantize_input(&lo), kernel.quantize_input(&hi));
        let input: Vec<Interval> = a
            .iter()
            .zip(&b)
            .map(|(a, b)| Interval::new(*a, *b))
            .collect();
        let frac = kernel.input_format.frac();
        let mantissas: Vec<Bound> = (input.iter())
            .map(|r| ceg4n_verify::bounds::forward::real(*r, frac))
            .collect();
        let forward = integer::forward(kernel, &input);
        let rows = all_forms(kernel.output_len());
        let none = Splits::default();
        let starts = [(From::Reals, hull(&lo, &hi)), (From::Mantissas, mantissas)];
        let sides = starts.map(|(from, x)| {
            let graph = Graph::kernel(kernel, from);
            let b = bounds(&graph, &x, &none).expect("no constraints");
            let low = lower(&graph, &b, &none, &rows, 3);
            (graph, b, low)
        });
        for point in samples(&mut rng, &lo, &hi) {
            let mantissas = kernel.quantize_input(&point);
            let trace = kernel_trace(kernel, &mantissas);
            let found = native.batch(&mantissas, 1).expect("native outputs");
            let found: Vec<i128> = found.into_iter().map(i128::from).collect();
            assert_eq!(found, trace[kernel.output], "{mantissas:?}\n{kernel:#?}");
            for id in kernel.nodes.keys() {
                for (r, m) in forward.node(id).iter().zip(&trace[id]) {
                    let inside = i128::from(r.lo) <= *m && *m <= i128::from(r.hi);
                    assert!(inside, "{id} {r:?} {m}\n{kernel:#?}");
                }
            }
            let real = |id| -> Vec<Span> {
                let v = real_values(kernel, id, &trace[id]);
                v.into_iter().map(|v| (v.clone(), v)).collect()
            };
            let y = real(kernel.output);
            for (graph, b, low) in &sides {
                for (i, node) in graph.nodes.iter().enumerate() {
                    for (id, at) in &node.of {
                        for (b, v) in b.nodes[i][*at..].iter().zip(&real(*id)) {
                            assert!(holds(*b, v), "{i} {id} {b:?} {v:?}\n{kernel:#?}");
                        }
                    }
                }
                for (r, low) in low.iter().enumerate() {
                    let v = value(rows.row(r), &y);
                    let at_least = Bound::new(*low, f64::INFINITY);
                    assert!(holds(at_least, &v), "{low} {v:?}\n{kernel:#?}");
                    sharp += u64::from(v.0.to_f64() - low < 1e-9);
                }
            }
        }
    }
    assert!(kernels > 250, "{kernels}");
    assert!(sharp > 100, "{sharp}");
}

#[test]
fn bounds_of_pairs_hold() {
    let mut rng = Rng::new(73);
    let (mut pairs, mut matched, mut tight) = (0u64, 0u64, 0u64);
    for _ in 0..600 {
        let net = Net::random(&mut rng, 9, Kind::Any);
        let Some(program) = net.kernel() else {
            continue;
        };
        let kernel = program.kernel().expect("a kernel");
        let reference = Reference::new(&net.real());
        let real = reference.real().expect("a real program");
        let subject = Graph::kernel(kernel, From::Reals);
        let together = Together::new(reference.graph(), &subject);
        pairs += 1;
        matched += u64::from(together.is_matched());
        let (lo, hi) = region(&mut rng, kernel.input_len());
        let x = hull(&lo, &hi);
        let signs = PairSplits::default();
        let on = On {
            x: &x,
            input: None,
            signs: &signs,
        };
        let bounded = together.on(&on).expect("no constraints");
        let forms: Vec<PairForm> = pair_forms(&mut rng, reference.output_len());
        let low = bounded.lower(&forms);
        let zero = PairForm::zero(reference.output_len());
        let lead = zero.clone().subject_margin(1, 0, 1.0);
        let base = zero.reference_margin(0, 1, 1.0);
        let optimised = bounded.optimised(&base, &lead, 1.0, f64::INFINITY);
        for point in samples(&mut rng, &lo, &hi) {
            let n = real_trace(real, &point);
            let n = &n[real.output];
            let trace = kernel_trace(kernel, &kernel.quantize_input(&point));
            let k = real_values(kernel, kernel.output, &trace[kernel.output]);
            let k: Vec<Span> = k.into_iter().map(|v| (v.clone(), v)).collect();
            let of = |f: &PairForm| {
                let (a, b) = (value(&f.reference, n), value(&f.subject, &k));
                (&a.0 + &b.0, &a.1 + &b.1)
            };
            for (form, low) in forms.iter().zip(&low) {
                let v = of(form);
                let best = low.max(bounded.glance(form));
                let at_least = Bound::new(best, f64::INFINITY);
                assert!(
                    holds(at_least, &v),
                    "{form:?} {best} {v:?}\n{real:#?}\n{kernel:#?}"
                );
                tight += u64::from(v.1.to_f64() - best < 0.25);
            }
            // Where the subject prefers 1 to 0 by nothing, the base is at least the bound.
            if let Some(low) = optimised
                && of(&lead).1.signum() <= 0
            {
                let v = of(&base);
                let at_least = Bound::new(low, f64::INFINITY);
                assert!(holds(at_least, &v), "{low} {v:?}\n{real:#?}");
            }
        }
    }
    assert!(pairs > 200 && matched * 10 > pairs * 9, "{pairs} {matched}");
    assert!(tight > 1000, "{tight}");
}

/// Two real programs of one structure: constants as they are, and in fixed point.
#[test]
fn bounds_of_real_pairs_hold() {
    let mut rng = Rng::new(74);
    let mut pairs = 0u64;
    for _ in 0..800 {
        let net = Net::random(&mut rng, 9, Kind::Reals);
        let reference = Reference::new(&net.real());
        let real = reference.real().expect("a real program");
        let other = Reference::new(&net.constants());
        let rounded = other.real().expect("a real program");
        let together = Together::new(reference.graph(), other.graph());
        pairs += u64::from(together.is_matched());
        let (lo, hi) = region(&mut rng, reference.input_len());
        let x = hull(&lo, &hi);
        let signs = PairSplits::default();
        let on = On {
            x: &x,
            input: None,
            signs: &signs,
        };
        let bounded = together.on(&on).expect("no constraints");
        let forms: Vec<PairForm> = pair_forms(&mut rng, reference.output_len());
        let low = bounded.lower(&forms);
        for point in samples(&mut rng, &lo, &hi) {
            let n = real_trace(real, &point);
            let k = real_trace(rounded, &point);
            let (n, k) = (&n[real.output], &k[rounded.output]);
            for (form, low) in forms.iter().zip(&low) {
                let (a, b) = (value(&form.reference, n), value(&form.subject, k));
                let v = (&a.0 + &b.0, &a.1 + &b.1);
                let at_least = Bound::new(low.max(bounded.glance(form)), f64::INFINITY);
                assert!(holds(at_least, &v), "{form:?} {low} {v:?}\n{real:#?}");
            }
        }
    }
    assert!(pairs > 400, "{pairs}");
}
