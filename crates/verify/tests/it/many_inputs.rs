//! More inputs than are divided one by one: questions of 13 to 16 inputs close to a boundary,
//! divided by signs. No oracle is exact there; points are tried that come close.

use crate::generate::{Rng, balance, network};
use crate::model::{Fmt, Meaning, Model};
use crate::oracle::{Prop, argmax, breaks, winner};
use crate::questions::{property, what};
use ceg4n_base::Exact;
use ceg4n_ir::{Domain, Region};
use ceg4n_jit::CodeCache;
use ceg4n_verify::label::label;
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::space::Space;
use ceg4n_verify::{
    Effort, Label, Labelled, Question, Reference, RegionResult, Stop, Subject, Verdict, decide,
};
use std::collections::BTreeMap;

/// A pair and its box.
struct Wide {
    model: Model,
    meaning: Meaning,
    lower: Vec<Exact>,
    upper: Vec<Exact>,
    domain: Domain,
    reference: Reference,
    subject: Subject,
}

/// Outputs of the reference and of the subject.
type Outputs = (Vec<Exact>, Vec<Exact>);

impl Wide {
    /// `None` where the checker refuses the program.
    fn new(rng: &mut Rng, cache: &CodeCache) -> Option<Self> {
        let n = rng.size(13, 16);
        let width = rng.int(4, 8) as u32;
        let input = Fmt::new(true, width, width as i32 - 2);
        // Ends in eighths of a step; a box of half a step up to six.
        let unit = |v: i64| Exact::dyadic(v, -i64::from(input.frac) - 3);
        let reach = 8 << (width - 2);
        let (lower, upper): (Vec<_>, Vec<_>) = (0..n)
            .map(|_| {
                let start = rng.int(-reach, reach);
                let length = if rng.one_in(4) {
                    8 * rng.int(0, 6)
                } else {
                    rng.int(4, 24)
                };
                (unit(start), unit(start + length))
            })
            .unzip();
        let exact = rng.one_in(6);
        let mut model = network(rng, n, input, 2.0, exact);
        let at: Vec<Exact> = lower
            .iter()
            .zip(&upper)
            .map(|(l, u)| l.midpoint(u))
            .collect();
        if !rng.one_in(3) {
            balance(rng, &mut model, &at);
        }
        let domain = if rng.one_in(4) {
            Domain::Grid(input.ir())
        } else {
            Domain::Real
        };
        let meaning = if rng.one_in(5) {
            Meaning::Constants
        } else {
            Meaning::Fixed
        };
        let program = model.program(meaning)?;
        let reference = Reference::new(&model.program(Meaning::Real)?);
        Some(Self {
            subject: Subject::new(program, cache).expect("native code"),
            reference,
            model,
            meaning,
            lower,
            upper,
            domain,
        })
    }

    fn region(&self) -> Region {
        Region {
            id: "r".into(),
            lower: self.lower.clone(),
            upper: self.upper.clone(),
            center: None,
            ball_size: None,
            span: None,
        }
    }

    fn at(&self, x: &[Exact]) -> Outputs {
        let reference = self.model.outputs_at(Meaning::Real, x);
        (reference, self.model.outputs_at(self.meaning, x))
    }

    /// The values of a coordinate that points are made of.
    fn axis(&self, rng: &mut Rng, i: usize) -> Vec<Exact> {
        let (l, u) = (&self.lower[i], &self.upper[i]);
        let f = self.model.input;
        let (first, last) = (f.quantize(l), f.quantize(u));
        match self.domain {
            Domain::Grid(_) => (first..=last)
                .map(|m| f.value(m))
                .filter(|v| l <= v && v <= u)
                .collect(),
            Domain::Real => {
                let mut out = vec![l.clone(), u.clone()];
                // Both sides of rounding midpoints, and anything.
                for m in first..last {
                    let up = Exact::dyadic(2 * m + 1, -i64::from(f.frac) - 1);
                    out.push(&up - &Exact::dyadic(1, -40));
                    out.push(up);
                }
                out.push(l + &(&(u - l) * &Exact::dyadic(rng.int(0, 64), -6)));
                out.retain(|v| l <= v && v <= u);
                out
            }
        }
    }

    /// Points, each with its outputs; empty if the box has none.
    fn points(&self, rng: &mut Rng, n: usize) -> Vec<(Vec<Exact>, Outputs)> {
        let axes: Vec<Vec<Exact>> = (0..self.lower.len()).map(|i| self.axis(rng, i)).collect();
        if axes.iter().any(Vec::is_empty) {
            return Vec::new();
        }
        let mut one = |_| {
            let of = |a: &Vec<Exact>| a[rng.size(0, a.len() - 1)].clone();
            let x: Vec<Exact> = axes.iter().map(of).collect();
            let outputs = self.at(&x);
            (x, outputs)
        };
        (0..n).map(&mut one).collect()
    }

    /// Moves one coordinate at a time while a value grows.
    fn climb(
        &self,
        rng: &mut Rng,
        start: Vec<Exact>,
        value: impl Fn(&Outputs) -> Exact,
    ) -> (Exact, Vec<Exact>) {
        let mut x = start;
        let mut best = value(&self.at(&x));
        for _ in 0..2 {
            for i in 0..x.len() {
                for v in self.axis(rng, i) {
                    let old = std::mem::replace(&mut x[i], v);
                    let found = value(&self.at(&x));
                    if found > best {
                        best = found;
                    } else {
                        x[i] = old;
                    }
                }
            }
        }
        (best, x)
    }

    fn contains(&self, x: &[Exact]) -> bool {
        let f = self.model.input;
        let on_grid = |v: &Exact| self.domain == Domain::Real || f.value(f.quantize(v)) == *v;
        let within = |i: usize| self.lower[i] <= x[i] && x[i] <= self.upper[i] && on_grid(&x[i]);
        x.len() == self.lower.len() && (0..x.len()).all(within)
    }

    /// Label and verdicts with so many threads.
    fn ask(&self, props: &[Prop], jobs: usize) -> (Labelled, Vec<RegionResult>) {
        let effort = Effort {
            boxes: 64 * 60,
            points: 1 << 12,
            starts: 4,
            ..Effort::default()
        };
        let stop = Stop {
            jobs,
            ..Stop::default()
        };
        let region = self.region();
        let space = Space::new(&region, self.domain, self.subject.input_format());
        let root = space.root().expect("a point");
        let label = label(
            &self.reference,
            &space,
            &region.center(),
            &root,
            &effort,
            &stop,
        );
        let results = props.iter().map(|prop| {
            let question = Question {
                reference: &self.reference,
                subject: &self.subject,
                region: &region,
                property: &property(prop),
                domain: self.domain,
                label: &label,
            };
            decide(&question, &effort, &stop, &mut NoLeaf)
        });
        let results = results.collect();
        (label, results)
    }
}

/// What an outcome needs of a tolerance, and of a margin.
fn far((n, k): &Outputs) -> Exact {
    let gaps = n.iter().zip(k).map(|(n, k)| (n - k).max(k - n));
    gaps.reduce(Exact::max).expect("outputs")
}

fn behind((n, k): &Outputs) -> Exact {
    let most = n.iter().cloned().reduce(Exact::max).expect("outputs");
    &most - &n[argmax(k)]
}

/// Requirements around the worst that was found.
fn props(rng: &mut Rng, outputs: usize, tolerance: &Exact, margin: &Exact) -> Vec<Prop> {
    let mut about = |v: &Exact| {
        let factor = [-1, 1, 10, 100, 400][rng.size(0, 4)];
        v + &(v * &Exact::ratio(factor, 200).expect("a fraction"))
    };
    let (tolerance, margin) = (about(tolerance), about(margin));
    let mut out = vec![Prop::Top1, Prop::Margin(margin), Prop::Eps(tolerance)];
    if outputs > 2 {
        out.push(Prop::TopK(2));
    }
    out
}

fn check_label(wide: &Wide, label: &Label, points: &[(Vec<Exact>, Outputs)]) -> Result<(), String> {
    match label {
        Label::Robust(c) => {
            let lost = points.iter().find(|(_, (n, _))| winner(n) != Some(*c));
            lost.map_or(Ok(()), |p| {
                Err(format!("robust ({c}), but not at {:?}", p.0))
            })
        }
        Label::Changes(change) => {
            let wins = |(x, c): &(Vec<Exact>, usize)| {
                wide.contains(x) && winner(&wide.at(x).0) == Some(*c)
            };
            if wins(&change.a) && wins(&change.b) && change.a.1 != change.b.1 {
                Ok(())
            } else {
                Err(format!("no change: {change:?}"))
            }
        }
        Label::Undecided => Ok(()),
    }
}

fn check(
    wide: &Wide,
    prop: &Prop,
    verdict: &Verdict,
    points: &[(Vec<Exact>, Outputs)],
) -> Result<(), String> {
    match verdict {
        Verdict::Proved(_) => match points.iter().find(|(_, (n, k))| breaks(prop, n, k)) {
            Some((x, outputs)) => Err(format!("proved, but broken at {x:?}: {outputs:?}")),
            None => Ok(()),
        },
        Verdict::Refuted(w) => {
            let (n, k) = wide.at(&w.x);
            if wide.contains(&w.x) && breaks(prop, &n, &k) {
                Ok(())
            } else {
                Err(format!("{:?} is no witness: {n:?} {k:?}", w.x))
            }
        }
        Verdict::Unknown(reason) if reason.starts_with("defect") => Err(reason.clone()),
        Verdict::Unknown(_) => Ok(()),
    }
}

fn one(
    seed: u64,
    cache: &CodeCache,
    counts: &mut BTreeMap<String, u64>,
    divided: &mut u64,
) -> Result<(), String> {
    let mut rng = Rng::new(13_000_000 + seed);
    let Some(wide) = Wide::new(&mut rng, cache) else {
        return Ok(());
    };
    let mut points = wide.points(&mut rng, 150);
    if points.is_empty() {
        return Ok(());
    }
    let mut worst = Vec::new();
    for value in [far, behind] {
        let start = points.iter().max_by_key(|p| value(&p.1));
        let start = start.map(|p| p.0.clone()).unwrap_or_default();
        let (most, x) = wide.climb(&mut rng, start, value);
        let outputs = wide.at(&x);
        points.push((x, outputs));
        worst.push(most);
    }
    let props = props(&mut rng, wide.model.outputs(), &worst[0], &worst[1]);
    let (label, results) = wide.ask(&props, 1);
    let told = |e: String| format!("seed {seed}: {e}\n{:#?}\n{:?}", wide.model, wide.region());
    if (&label, &results) != (&wide.ask(&props, 3).0, &wide.ask(&props, 3).1) {
        return Err(told("three threads answer otherwise".into()));
    }
    check_label(&wide, &label.label, &points).map_err(told)?;
    for (prop, result) in props.iter().zip(&results) {
        let kind = format!("{} {}", what(prop), result.verdict.name());
        *counts.entry(kind).or_default() += 1;
        *divided += u64::from(result.boxes > 1);
        check(&wide, prop, &result.verdict, &points)
            .map_err(|e| told(format!("{}: {e}", property(prop))))?;
    }
    Ok(())
}

#[test]
fn questions_of_many_inputs_are_never_answered_wrongly() {
    let cache = CodeCache::new();
    let (mut counts, mut divided) = (BTreeMap::new(), 0);
    for seed in 0..150 {
        if let Err(e) = one(seed, &cache, &mut counts, &mut divided) {
            panic!("{e}");
        }
    }
    println!("{divided} divided, {counts:#?}");
    let ends = |end: &str| -> u64 {
        let of = counts.iter().filter(|(k, _)| k.ends_with(end));
        of.map(|(_, n)| n).sum()
    };
    assert!(ends("proved") > 100 && ends("refuted") > 50 && divided > 50);
}
