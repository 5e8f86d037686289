//! References in single precision: verdicts and labels against runs of the network in float32,
//! with sums in many orders and products rounded or fused, at float32 points of the region.

use crate::generate::{Case, Rng, case};
use crate::model::{Const, Fmt, Meaning, Model, Step};
use crate::oracle::{Prop, breaks, grid_points, winner};
use crate::pieces::boundaries;
use crate::questions::{property, what};
use ceg4n_base::Exact;
use ceg4n_ir::{Domain, Property, Region, Rounding};
use ceg4n_jit::CodeCache;
use ceg4n_verify::label::label;
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::space::Space;
use ceg4n_verify::{
    Effort, Label, Precision, Question, Reference, RegionResult, Stop, Subject, Verdict, decide,
};
use std::collections::BTreeMap;

/// How a run computes its sums.
#[derive(Clone, Copy, Debug)]
enum Sums {
    /// One term after the other, from the first or from the last.
    Sequential { reversed: bool, fused: bool },
    /// Any two terms or partial sums next; each product fused or not, as drawn.
    Any,
}

const SUMS: [Sums; 8] = [
    Sums::Sequential {
        reversed: false,
        fused: false,
    },
    Sums::Sequential {
        reversed: false,
        fused: true,
    },
    Sums::Sequential {
        reversed: true,
        fused: false,
    },
    Sums::Sequential {
        reversed: true,
        fused: true,
    },
    Sums::Any,
    Sums::Any,
    Sums::Any,
    Sums::Any,
];

/// A term of a sum: a product that is not rounded yet, or a number.
#[derive(Clone, Copy)]
enum Term {
    Product(f32, f32),
    Number(f32),
}

impl Term {
    fn rounded(self) -> f32 {
        match self {
            Self::Product(a, b) => a * b,
            Self::Number(v) => v,
        }
    }

    /// The sum of both, the first product fused if `fused`.
    fn plus(self, other: Self, fused: bool) -> Self {
        Self::Number(match (self, other) {
            (Self::Product(a, b), other) if fused => a.mul_add(b, other.rounded()),
            (other, Self::Product(a, b)) if fused => a.mul_add(b, other.rounded()),
            (a, b) => a.rounded() + b.rounded(),
        })
    }
}

impl Sums {
    fn sum(self, rng: &mut Rng, mut terms: Vec<Term>) -> f32 {
        match self {
            Self::Sequential { reversed, fused } => {
                if reversed {
                    terms.reverse();
                }
                let sum = terms.into_iter().reduce(|a, b| a.plus(b, fused));
                sum.map_or(0.0, Term::rounded)
            }
            Self::Any => {
                while terms.len() > 1 {
                    let a = terms.swap_remove(rng.size(0, terms.len() - 1));
                    let b = rng.size(0, terms.len() - 1);
                    terms[b] = terms[b].plus(a, rng.one_in(2));
                }
                terms.first().map_or(0.0, |t| t.rounded())
            }
        }
    }

    /// The network's outputs in float32.
    fn run(self, rng: &mut Rng, model: &Model, x: &[f32]) -> Vec<f32> {
        let mut v = x.to_vec();
        for (step, _) in &model.steps {
            v = match step {
                Step::Dense { w, b } => (0..w.rows)
                    .map(|j| {
                        let row = &w.data[j * v.len()..(j + 1) * v.len()];
                        let products = row.iter().zip(&v).map(|(a, x)| Term::Product(*a, *x));
                        let bias = b.iter().map(|b| Term::Number(b.data[j]));
                        self.sum(rng, products.chain(bias).collect())
                    })
                    .collect(),
                Step::AddSub { c, sub } => (0..v.len())
                    .map(|i| {
                        let c = c.data[if c.data.len() == 1 { 0 } else { i }];
                        if *sub { v[i] - c } else { v[i] + c }
                    })
                    .collect(),
                Step::Relu => v.into_iter().map(|v| v.max(0.0)).collect(),
                Step::Div(k) => v.into_iter().map(|v| v / 2f32.powi(*k)).collect(),
                Step::Copy => v,
            };
        }
        v
    }
}

/// The outputs of a run; `None` if it overflows.
pub(crate) type Run = Option<Vec<Exact>>;

/// Outputs of every way of summing.
pub(crate) fn runs(rng: &mut Rng, model: &Model, x: &[f32]) -> Vec<Run> {
    let run = |s: Sums| s.run(rng, model, x);
    let all = SUMS.map(run);
    let exact = |y: &Vec<f32>| y.iter().map(|v| Exact::from_f32(*v)).collect();
    all.iter().map(exact).collect()
}

pub(crate) fn exact(x: &[f32]) -> Vec<Exact> {
    x.iter()
        .map(|v| Exact::from_f32(*v).expect("finite"))
        .collect()
}

/// The float32 numbers that a point is, if it is one.
pub(crate) fn singles(x: &[Exact]) -> Option<Vec<f32>> {
    let single = |v: &Exact| {
        let f = v.to_f64() as f32;
        (Exact::from_f32(f).as_ref() == Some(v)).then_some(f)
    };
    x.iter().map(single).collect()
}

/// Float32 numbers of a coordinate's range: its ends, numbers between, the sides of midpoints.
fn numbers(rng: &mut Rng, case: &Case, i: usize) -> Vec<f32> {
    let (lower, upper) = (&case.lower[i], &case.upper[i]);
    let (lo, hi) = (lower.to_f64() as f32, upper.to_f64() as f32);
    let mut out = vec![lo, lo.next_up(), hi, hi.next_down(), 0.0];
    for _ in 0..4 {
        let t = rng.float(0.0, 1.0) as f32;
        out.push(lo + t * (hi - lo));
    }
    let midpoints = boundaries(case.kernel.input, lower, upper);
    for _ in 0..midpoints.len().min(3) {
        let m = midpoints[rng.size(0, midpoints.len() - 1)].to_f64() as f32;
        out.extend([m, m.next_down()]);
    }
    let inside = |v: &f32| {
        let v = Exact::from_f32(*v);
        v.is_some_and(|v| *lower <= v && v <= *upper)
    };
    out.retain(inside);
    out
}

/// Float32 points of the question, corners among them.
pub(crate) fn points(rng: &mut Rng, case: &Case) -> Vec<Vec<f32>> {
    if let Some(grid) = case.grid {
        let all = grid_points(grid, &case.lower, &case.upper);
        return all.iter().filter_map(|x| singles(x)).collect();
    }
    let axes: Vec<Vec<f32>> = (0..case.lower.len())
        .map(|i| numbers(rng, case, i))
        .collect();
    if axes.iter().any(Vec::is_empty) {
        return Vec::new();
    }
    (0..40)
        .map(|_| axes.iter().map(|a| a[rng.size(0, a.len() - 1)]).collect())
        .collect()
}

/// A question whose reference is computed in single precision.
struct Single<'a> {
    case: &'a Case,
    reference: Reference,
    subject: Subject,
    region: Region,
    domain: Domain,
}

impl<'a> Single<'a> {
    /// `None` for a program that the checker refuses.
    fn new(case: &'a Case, precision: Precision, cache: &CodeCache) -> Option<Self> {
        let program = case.kernel.program(case.meaning)?;
        let reference = case.reference.0.program(Meaning::Real)?;
        Some(Self {
            case,
            reference: Reference::new(&reference).with_precision(precision),
            subject: Subject::new(program, cache).expect("native code"),
            region: Region {
                id: "r".into(),
                lower: case.lower.clone(),
                upper: case.upper.clone(),
                center: None,
                ball_size: None,
                span: None,
            },
            domain: case.grid.map_or(Domain::Real, |g| Domain::Grid(g.ir())),
        })
    }

    fn ask(&self, properties: &[Property]) -> (Label, Vec<RegionResult>) {
        let effort = Effort {
            boxes: 400,
            points: 1 << 12,
            starts: 4,
            ..Effort::default()
        };
        let stop = Stop::default();
        let space = Space::new(&self.region, self.domain, self.subject.input_format());
        let root = space.root().expect("a point");
        let center = self.region.center();
        let label = label(&self.reference, &space, &center, &root, &effort, &stop);
        let results = properties.iter().map(|property| {
            let question = Question {
                reference: &self.reference,
                subject: &self.subject,
                region: &self.region,
                property,
                domain: self.domain,
                label: &label,
            };
            decide(&question, &effort, &stop, &mut NoLeaf)
        });
        let results = results.collect();
        (label.label, results)
    }

    fn contains(&self, x: &[Exact]) -> bool {
        let case = self.case;
        let on_grid = |v: &Exact| case.grid.is_none_or(|g| g.value(g.quantize(v)) == *v);
        let within = |i: usize| case.lower[i] <= x[i] && x[i] <= case.upper[i] && on_grid(&x[i]);
        x.len() == case.lower.len() && (0..x.len()).all(within)
    }

    /// What every run says at a point of the question, and the subject's outputs.
    fn at(&self, rng: &mut Rng, x: &[Exact]) -> Result<(Vec<Run>, Vec<Exact>), String> {
        let single = singles(x).filter(|_| self.contains(x));
        let single = single.ok_or_else(|| format!("{x:?} is no float32 point of the question"))?;
        let model = &self.case.reference.0;
        let mut all = runs(rng, model, &single);
        // Exact arithmetic lies within any bound of the errors.
        all.push(Some(model.outputs_at(Meaning::Real, x)));
        Ok((all, self.case.kernel.outputs_at(self.case.meaning, x)))
    }

    /// The label holds for every run.
    fn check_label(&self, rng: &mut Rng, label: &Label, points: &[Vec<f32>]) -> Result<(), String> {
        let mut wins = |x: &[Exact], c: usize| {
            let (runs, _) = self.at(rng, x)?;
            let wins = |y: &Run| y.as_ref().and_then(|y| winner(y)) == Some(c);
            if runs.iter().all(wins) {
                Ok(())
            } else {
                Err(format!("{c} does not win every run at {x:?}: {runs:?}"))
            }
        };
        match label {
            Label::Robust(c) => points.iter().try_for_each(|x| wins(&exact(x), *c)),
            Label::Changes(change) => {
                wins(&change.a.0, change.a.1)?;
                wins(&change.b.0, change.b.1)
            }
            Label::Undecided => Ok(()),
        }
    }

    /// The verdict holds for every run.
    fn check(
        &self,
        rng: &mut Rng,
        prop: &Prop,
        verdict: &Verdict,
        points: &[Vec<f32>],
    ) -> Result<(), String> {
        match verdict {
            Verdict::Proved(_) => points.iter().try_for_each(|x| {
                let (runs, kernel) = self.at(rng, &exact(x))?;
                let holds = |y: &Run| y.as_ref().is_some_and(|y| !breaks(prop, y, &kernel));
                match runs.iter().find(|y| !holds(y)) {
                    None => Ok(()),
                    Some(y) => Err(format!("proved, but {x:?} gives {y:?} and {kernel:?}")),
                }
            }),
            Verdict::Refuted(w) => {
                let (runs, kernel) = self.at(rng, &w.x)?;
                let broken = |y: &Run| y.as_ref().is_none_or(|y| breaks(prop, y, &kernel));
                match runs.iter().find(|y| !broken(y)) {
                    None => Ok(()),
                    Some(y) => Err(format!("{:?} breaks nothing in a run: {y:?}", w.x)),
                }
            }
            Verdict::Unknown(reason) if reason.starts_with("defect") => Err(reason.clone()),
            Verdict::Unknown(_) => Ok(()),
        }
    }
}

/// Requirements around what the runs need.
fn props(rng: &mut Rng, asked: &Single<'_>, points: &[Vec<f32>]) -> Vec<Prop> {
    let mut out = vec![Prop::Top1];
    if asked.case.kernel.outputs() > 2 {
        out.push(Prop::TopK(rng.size(1, asked.case.kernel.outputs() - 1)));
    }
    let (mut tolerance, mut margin) = (Exact::zero(), Exact::zero());
    for x in points {
        let Ok((runs, k)) = asked.at(rng, &exact(x)) else {
            continue;
        };
        let class = crate::oracle::argmax(&k);
        for y in runs.into_iter().flatten() {
            for (y, k) in y.iter().zip(&k) {
                tolerance = tolerance.max(y - k).max(k - y);
            }
            margin = y.iter().fold(margin, |m, v| m.max(v - &y[class]));
        }
    }
    for (v, prop) in [
        (tolerance, Prop::Eps as fn(Exact) -> Prop),
        (margin, Prop::Margin),
    ] {
        let factor = match rng.int(0, 4) {
            // What some run needs, a hair less, a hair more, and clearly less or more.
            0 => Exact::zero(),
            1 => Exact::dyadic(-1, -rng.int(20, 30)),
            2 => Exact::dyadic(1, -rng.int(10, 24)),
            3 => Exact::dyadic(-1, -2),
            _ => Exact::dyadic(1, -1),
        };
        out.push(prop(&v + &(&v * &factor)));
    }
    out
}

fn one(seed: u64, cache: &CodeCache, counts: &mut BTreeMap<String, u64>) -> Result<(), String> {
    let mut rng = Rng::new(9_000_000 + seed);
    let mut case = case(&mut rng, seed.is_multiple_of(2));
    case.reference = (case.kernel.clone(), Meaning::Real);
    let Some(asked) = Single::new(&case, Precision::Float32, cache) else {
        return Ok(());
    };
    if case
        .grid
        .is_some_and(|g| grid_points(g, &case.lower, &case.upper).is_empty())
    {
        return Ok(());
    }
    let points = points(&mut rng, &case);
    let props = props(&mut rng, &asked, &points);
    let properties: Vec<Property> = props.iter().map(property).collect();
    let (label, results) = asked.ask(&properties);
    let told = |e: String| format!("seed {seed}: {e}\n{case:#?}");
    let name = match label {
        Label::Robust(_) => "robust",
        Label::Changes(_) => "changes",
        Label::Undecided => "undecided",
    };
    *counts.entry(name.to_owned()).or_default() += 1;
    asked.check_label(&mut rng, &label, &points).map_err(told)?;
    for (prop, result) in props.iter().zip(&results) {
        let kind = format!("{} {}", what(prop), result.verdict.name());
        *counts.entry(kind).or_default() += 1;
        asked
            .check(&mut rng, prop, &result.verdict, &points)
            .map_err(|e| told(format!("{}: {e}", property(prop))))?;
    }
    Ok(())
}

#[test]
fn verdicts_hold_for_every_run_in_single_precision() {
    let cache = CodeCache::new();
    let mut counts = BTreeMap::new();
    for seed in 0..500 {
        if let Err(e) = one(seed, &cache, &mut counts) {
            panic!("{e}");
        }
    }
    println!("{counts:#?}");
    let of = |k: &str| counts.get(k).copied().unwrap_or(0);
    for what in ["top1", "topk", "margin", "eps"] {
        for verdict in ["proved", "refuted"] {
            assert!(of(&format!("{what} {verdict}")) > 12, "{what} {verdict}");
        }
    }
    for label in ["robust", "changes"] {
        assert!(of(label) > 25, "{label}");
    }
}

/// `rows` equal rows of weights for the output, biases as given, exact kernel weights but for the
/// bias mantissas.
fn twins(weights: &[f32], biases: [f32; 2], mantissas: [i32; 2]) -> Case {
    let n = weights.len();
    let w = Const {
        data: [weights, weights].concat(),
        rows: 2,
        formats: vec![Fmt::new(true, 12, 10)],
        mantissas: None,
    };
    let b = Const {
        data: biases.to_vec(),
        rows: 2,
        formats: vec![Fmt::new(true, 16, 12)],
        mantissas: Some(mantissas.to_vec()),
    };
    let kernel = Model {
        inputs: n,
        input: Fmt::new(true, 12, 8),
        steps: vec![(Step::Dense { w, b: Some(b) }, None)],
        rounding: Rounding::HalfUp,
    };
    Case {
        reference: (kernel.clone(), Meaning::Real),
        kernel,
        meaning: Meaning::Fixed,
        lower: vec![Exact::dyadic(1, -1); n],
        upper: vec![Exact::dyadic(3, -1); n],
        grid: None,
    }
}

/// The winner leads by less than single precision can tell: neither class is its answer, so that
/// no kernel is right and none is wrong.
#[test]
fn a_lead_below_the_rounding_errors_decides_nothing() {
    let mut rng = Rng::new(77);
    let mut surprising = 0;
    for round in 0..40 {
        let n = rng.size(3, 6);
        let weights: Vec<f32> = (0..n).map(|_| rng.float(-1.5, 1.5) as f32).collect();
        let hair = 2f32.powi(-(rng.int(30, 44) as i32));
        for mantissas in [[0, 0], [0, 1]] {
            let case = twins(&weights, [hair, 0.0], mantissas);
            let cache = CodeCache::new();
            let ask = |precision| {
                let asked = Single::new(&case, precision, &cache).expect("programs");
                let (label, results) = asked.ask(&[Property::Top1]);
                (label, results[0].verdict.clone())
            };
            let (label, verdict) = ask(Precision::Real);
            assert_eq!(label, Label::Robust(0), "{round}");
            let expected = if mantissas[1] == 0 {
                "proved"
            } else {
                "refuted"
            };
            assert_eq!(verdict.name(), expected, "{round}");
            let (label, verdict) = ask(Precision::Float32);
            assert_eq!(label, Label::Undecided, "{round}");
            assert_eq!(verdict.name(), "unknown", "{round}");

            // Both answers occur.
            let asked = Single::new(&case, Precision::Float32, &cache).expect("programs");
            for x in points(&mut rng, &case) {
                let (runs, _) = asked.at(&mut rng, &exact(&x)).expect("a point");
                let other = |y: &Vec<Exact>| winner(y) == Some(1);
                surprising += usize::from(runs.iter().flatten().any(other));
            }
        }
        // A lead that every run sees.
        let case = twins(&weights, [0.5, 0.0], [2048, 0]);
        let asked = Single::new(&case, Precision::Float32, &CodeCache::new()).expect("programs");
        let (label, results) = asked.ask(&[Property::Top1]);
        assert_eq!(label, Label::Robust(0));
        assert_eq!(results[0].verdict.name(), "proved");
    }
    assert!(surprising > 100, "{surprising}");
}

/// 4096 + 2^-13 is no float32, so that no run meets a kernel that is exact.
#[test]
fn an_exact_kernel_is_not_within_zero_of_single_precision() {
    let small = Fmt::new(true, 32, 13);
    let w = Const {
        data: vec![4096.0, 2f32.powi(-13), 1.0, 1.0],
        rows: 2,
        formats: vec![small],
        mantissas: None,
    };
    let kernel = Model {
        inputs: 2,
        input: Fmt::new(true, 4, 0),
        steps: vec![(Step::Dense { w, b: None }, None)],
        rounding: Rounding::HalfUp,
    };
    let case = Case {
        reference: (kernel.clone(), Meaning::Real),
        grid: Some(kernel.input),
        kernel,
        meaning: Meaning::Fixed,
        lower: vec![Exact::from(1); 2],
        upper: vec![Exact::from(3); 2],
    };
    let cache = CodeCache::new();
    let eps = [Exact::zero(), Exact::dyadic(1, -5)].map(Property::Eps);
    let verdicts = |precision| {
        let asked = Single::new(&case, precision, &cache).expect("programs");
        let (_, results) = asked.ask(&eps);
        [0, 1].map(|i| results[i].verdict.name())
    };
    assert_eq!(verdicts(Precision::Real), ["proved", "proved"]);
    assert_eq!(verdicts(Precision::Float32), ["unknown", "proved"]);
}
