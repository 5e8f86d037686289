//! Two networks in single precision: specifications of one and of both, against runs of either in
//! float32 at float32 points.

use crate::float32::{exact, points, runs, singles};
use crate::generate::{Case, Rng, case};
use crate::model::{Meaning, Model, Step};
use ceg4n_base::Exact;
use ceg4n_ir::{Domain, OutputConstraint, OutputSpec, Property, Region};
use ceg4n_jit::CodeCache;
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::{
    Effort, Labelled, Precision, Question, Reference, Stop, Subject, Verdict, decide,
};
use std::collections::BTreeMap;

/// The network with each weight off by some part in a thousand, or not at all.
fn nudged(rng: &mut Rng, model: &Model) -> Model {
    let mut out = model.clone();
    for (step, _) in &mut out.steps {
        if let Step::Dense { w, b } = step {
            for c in std::iter::once(w).chain(b) {
                for v in &mut c.data {
                    if rng.one_in(2) {
                        *v *= 1.0 + rng.float(-1e-3, 1e-3) as f32;
                    }
                }
            }
        }
    }
    out
}

/// Both networks' runs at a point: every run of the one, or its exact outputs, with every run of
/// the other.
fn pairs(rng: &mut Rng, pair: &Pair, x: &[f32]) -> Vec<Option<Vec<Exact>>> {
    let f = &pair.case.kernel;
    let a = match pair.reference.precision() {
        Precision::Float32 => runs(rng, f, x),
        Precision::Real => vec![Some(f.outputs_at(Meaning::Real, &exact(x)))],
    };
    let b = runs(rng, &pair.g, x);
    let both = |a: &Option<Vec<Exact>>, b: &Option<Vec<Exact>>| match (a, b) {
        (Some(a), Some(b)) => Some([&a[..], &b[..]].concat()),
        (None, _) | (_, None) => None,
    };
    a.iter()
        .flat_map(|a| b.iter().map(|b| both(a, b)).collect::<Vec<_>>())
        .collect()
}

/// A form of the outputs of both: a difference, or anything; of the second alone if `alone`.
fn form(rng: &mut Rng, outputs: usize, alone: bool) -> Vec<(usize, Exact)> {
    let j = rng.size(0, outputs - 1);
    let sign = if rng.one_in(2) { 1 } else { -1 };
    if alone {
        let k = rng.size(0, outputs - 1);
        let mut out = vec![(j, Exact::from(sign))];
        if k > j {
            out.push((k, Exact::from(-sign)));
        }
        return out;
    }
    vec![(j, Exact::from(sign)), (outputs + j, Exact::from(-sign))]
}

fn value(terms: &[(usize, Exact)], y: &[Exact]) -> Exact {
    let add = |s: Exact, (j, a): &(usize, Exact)| &s + &(a * &y[*j]);
    terms.iter().fold(Exact::zero(), add)
}

/// One or two constraints `limit ≤ form`, each with a limit near what the form takes at most.
fn spec(rng: &mut Rng, outputs: usize, alone: bool, seen: &[Vec<Exact>]) -> OutputSpec {
    let n = rng.size(1, 2);
    let constraint = |rng: &mut Rng| {
        let terms = form(rng, outputs, alone);
        let most = seen.iter().map(|y| value(&terms, y)).reduce(Exact::max);
        let most = most.unwrap_or_else(Exact::zero);
        let size = &most.clone().max(-&most) + &Exact::dyadic(1, -20);
        let hair = match rng.int(0, 4) {
            0 => Exact::zero(),
            1 => size.shifted(-rng.int(18, 26)),
            2 => -&size.shifted(-rng.int(18, 26)),
            3 => -&size.shifted(-2),
            _ => size.shifted(-1),
        };
        OutputConstraint {
            coefficients: terms.iter().map(|(j, a)| (*j, -a)).collect(),
            constant: &most + &hair,
            strict: rng.one_in(2),
        }
    };
    OutputSpec {
        path: "made-up".into(),
        outputs: if alone { outputs } else { 2 * outputs },
        cases: vec![(0..n).map(|_| constraint(rng)).collect()],
    }
}

struct Pair {
    case: Case,
    g: Model,
    reference: Reference,
    subject: Subject,
}

impl Pair {
    fn new(rng: &mut Rng, precision: Precision, cache: &CodeCache) -> Option<Self> {
        let case = case(rng, true);
        let g = nudged(rng, &case.kernel);
        let (n, k) = (
            case.kernel.program(Meaning::Real)?,
            g.program(Meaning::Real)?,
        );
        let subject = Subject::new(k, cache).expect("no code is needed");
        Some(Self {
            case,
            g,
            reference: Reference::new(&n).with_precision(precision),
            subject: subject.with_precision(Precision::Float32),
        })
    }

    fn verdict(&self, property: &Property) -> Verdict {
        let effort = Effort {
            boxes: 200,
            starts: 4,
            ..Effort::default()
        };
        let question = Question {
            reference: &self.reference,
            subject: &self.subject,
            region: &Region {
                id: "r".into(),
                lower: self.case.lower.clone(),
                upper: self.case.upper.clone(),
                center: None,
                ball_size: None,
                span: None,
            },
            property,
            domain: Domain::Real,
            label: &Labelled::UNDECIDED,
        };
        decide(&question, &effort, &Stop::default(), &mut NoLeaf).verdict
    }
}

fn one(seed: u64, cache: &CodeCache, counts: &mut BTreeMap<String, u64>) -> Result<(), String> {
    let mut rng = Rng::new(17_000_000 + seed);
    // Against exact outputs nothing but the second network's errors counts.
    let precision = match seed % 2 {
        0 => Precision::Float32,
        _ => Precision::Real,
    };
    let Some(pair) = Pair::new(&mut rng, precision, cache) else {
        return Ok(());
    };
    let points = points(&mut rng, &pair.case);
    let outputs = pair.g.outputs();
    for alone in [true, false] {
        let own = |y: Vec<Exact>| match alone {
            true => y[y.len() / 2..].to_vec(),
            false => y,
        };
        let mut all = Vec::new();
        for x in &points {
            all.push((x, pairs(&mut rng, &pair, x)));
        }
        let seen = all.iter().flat_map(|(_, p)| p.iter().flatten().cloned());
        let seen: Vec<Vec<Exact>> = seen.map(own).collect();
        let spec = spec(&mut rng, outputs, alone, &seen);
        let property = match alone {
            true => Property::Spec(spec.clone().into()),
            false => Property::Joint(spec.clone().into()),
        };
        let verdict = pair.verdict(&property);
        let kind = format!(
            "{} {}",
            if alone { "spec" } else { "joint" },
            verdict.name()
        );
        *counts.entry(kind).or_default() += 1;
        let told = |e: String| format!("seed {seed}: {property}: {e}\n{spec:?}\n{:#?}", pair.case);
        match &verdict {
            Verdict::Proved(_) => {
                if let Some(y) = seen.iter().find(|y| spec.violated(y)) {
                    return Err(told(format!("proved, but a run gives {y:?}")));
                }
            }
            Verdict::Refuted(w) => {
                let x = singles(&w.x).ok_or_else(|| told(format!("{:?} is no float32", w.x)))?;
                let inside = exact(&x)
                    .iter()
                    .zip(pair.case.lower.iter().zip(&pair.case.upper))
                    .all(|(v, (l, u))| l <= v && v <= u);
                let runs = pairs(&mut rng, &pair, &x);
                let broken =
                    |y: &Option<Vec<Exact>>| y.clone().is_none_or(|y| spec.violated(&own(y)));
                if !inside || !runs.iter().all(broken) {
                    return Err(told(format!("refuted at {x:?}, but a run holds")));
                }
            }
            Verdict::Unknown(reason) if reason.starts_with("defect") => {
                return Err(told(reason.clone()));
            }
            Verdict::Unknown(_) => {}
        }
    }
    Ok(())
}

#[test]
fn specifications_hold_for_every_run_of_both() {
    let cache = CodeCache::new();
    let mut counts = BTreeMap::new();
    for seed in 0..400 {
        if let Err(e) = one(seed, &cache, &mut counts) {
            panic!("{e}");
        }
    }
    println!("{counts:#?}");
    let of = |k: &str| counts.get(k).copied().unwrap_or(0);
    for what in [
        "spec proved",
        "spec refuted",
        "joint proved",
        "joint refuted",
    ] {
        assert!(of(what) > 15, "{what}");
    }
}
