//! Verdicts on random networks with branches, windows and curves: against every point of a grid,
//! and against many points of a box.

use crate::branching::{Kind, Net, Span, kernel_trace, real_trace, real_values};
use crate::generate::Rng;
use ceg4n_base::Exact;
use ceg4n_ir::{Checked, Domain, Format, Lowered, Program, Property, Region};
use ceg4n_jit::CodeCache;
use ceg4n_verify::label::label;
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::space::Space;
use ceg4n_verify::subject::surely_breaks;
use ceg4n_verify::{
    Effort, Label, Question, Reference, RegionResult, Stop, Subject, Verdict, decide,
};
use std::collections::BTreeMap;

/// A program's outputs at a point, by definition.
fn outputs(program: &Checked<Program>, x: &[Exact]) -> Vec<Span> {
    match program.lowered() {
        Lowered::Real(r) => real_trace(r, x)[r.output].clone(),
        Lowered::Fixed(k) => {
            let trace = kernel_trace(k, &k.quantize_input(x));
            let y = real_values(k, k.output, &trace[k.output]);
            y.into_iter().map(|v| (v.clone(), v)).collect()
        }
    }
}

struct Asked {
    reference: Checked<Program>,
    subject: Checked<Program>,
    region: Region,
    domain: Domain,
}

impl Asked {
    fn ask(&self, property: &Property) -> RegionResult {
        let reference = Reference::new(&self.reference);
        let cache = CodeCache::new();
        let subject = Subject::new(self.subject.clone(), &cache).expect("native code");
        let stop = Stop::default();
        let effort = Effort {
            boxes: 600,
            ..Effort::default()
        };
        let space = Space::new(&self.region, self.domain, subject.input_format());
        let root = space.root().expect("a point");
        let center = self.region.center();
        let label = label(&reference, &space, &center, &root, &effort, &stop);
        if let Label::Robust(c) = label.label {
            for x in self.points() {
                let y = outputs(&self.reference, &x);
                let wins = |j: usize| j == c || y[j].0 < y[c].1;
                assert!((0..y.len()).all(wins), "{c} does not win at {x:?}");
            }
        }
        let question = Question {
            reference: &reference,
            subject: &subject,
            region: &self.region,
            property,
            domain: self.domain,
            label: &label,
        };
        decide(&question, &effort, &stop, &mut NoLeaf)
    }

    /// Every point of a grid; corners and the middle of a box.
    fn points(&self) -> Vec<Vec<Exact>> {
        let (lower, upper) = (&self.region.lower, &self.region.upper);
        let axis = |i: usize| -> Vec<Exact> {
            match self.domain {
                Domain::Grid(g) => {
                    let (a, b) = (g.quantize(&lower[i]), g.quantize(&upper[i]));
                    let inside = |v: &Exact| lower[i] <= *v && *v <= upper[i];
                    (a..=b).map(|m| g.value(m)).filter(inside).collect()
                }
                Domain::Real => {
                    let middle = lower[i].midpoint(&upper[i]);
                    let mut all = vec![lower[i].clone(), middle, upper[i].clone()];
                    all.dedup();
                    all
                }
            }
        };
        let mut all: Vec<Vec<Exact>> = vec![Vec::new()];
        for i in 0..lower.len() {
            let axis = axis(i);
            let longer = |p: Vec<Exact>| {
                axis.iter()
                    .map(move |v| {
                        let mut p = p.clone();
                        p.push(v.clone());
                        p
                    })
                    .collect::<Vec<_>>()
            };
            all = all.into_iter().flat_map(longer).collect();
        }
        all
    }
}

/// A region of at most a few hundred points of the grid `g`.
fn region(rng: &mut Rng, inputs: usize, g: Format) -> Region {
    let most = match inputs {
        1 => 60,
        2 => 12,
        3 => 5,
        4 => 3,
        _ => 1,
    };
    let ends = (0..inputs).map(|_| {
        let a = rng.int(-8, 8);
        let b = a + rng.int(0, most);
        (g.value(a), g.value(b))
    });
    let (lower, upper) = ends.unzip();
    Region {
        id: "r".into(),
        lower,
        upper,
        center: None,
        ball_size: None,
        span: None,
    }
}

fn properties(rng: &mut Rng) -> Vec<Property> {
    let small = |rng: &mut Rng| Exact::dyadic(rng.int(1, 24), -5);
    vec![
        Property::Top1,
        Property::TopK(2),
        Property::Top1Margin(small(rng)),
        Property::Eps(small(rng)),
    ]
}

/// Verdicts of a series, by domain, property and verdict.
fn series(seed: u64, cases: usize, of: impl Fn(&Net) -> Option<Checked<Program>>) -> Counts {
    with_kinds(seed, cases, [Kind::Any, Kind::Linear], of)
}

fn with_kinds(
    seed: u64,
    cases: usize,
    kinds: [Kind; 2],
    of: impl Fn(&Net) -> Option<Checked<Program>>,
) -> Counts {
    let mut rng = Rng::new(seed);
    let mut counts = Counts::default();
    for case in 0..cases {
        let net = Net::random(&mut rng, 5, kinds[case % 2]);
        let Some(subject) = of(&net) else { continue };
        let reference = net.real();
        let inputs = net.network.value(net.network.input()).shape.len();
        let g = Format::new(true, 8, 3).expect("a format");
        let asked = Asked {
            region: region(&mut rng, inputs, g),
            domain: if rng.one_in(2) {
                Domain::Grid(g)
            } else {
                Domain::Real
            },
            reference,
            subject,
        };
        let all: Vec<_> = (asked.points().into_iter())
            .map(|x| {
                (
                    outputs(&asked.reference, &x),
                    outputs(&asked.subject, &x),
                    x,
                )
            })
            .collect();
        for property in properties(&mut rng) {
            let result = asked.ask(&property);
            let broken = all.iter().find(|(n, k, _)| surely_breaks(&property, n, k));
            match &result.verdict {
                Verdict::Proved(_) => {
                    if let Some((n, k, x)) = broken {
                        panic!("{property} is broken at {x:?}: {n:?} {k:?}");
                    }
                }
                Verdict::Refuted(w) => {
                    let (n, k) = (
                        outputs(&asked.reference, &w.x),
                        outputs(&asked.subject, &w.x),
                    );
                    let inside = w.x.iter().zip(&asked.region.lower).all(|(x, l)| x >= l)
                        && w.x.iter().zip(&asked.region.upper).all(|(x, u)| x <= u);
                    assert!(
                        inside && surely_breaks(&property, &n, &k),
                        "{property} {w:?}"
                    );
                    if let Domain::Grid(_) = asked.domain {
                        assert!(broken.is_some(), "{property} {w:?}");
                    }
                }
                Verdict::Unknown(why) => assert!(!why.starts_with("defect"), "{why}"),
            }
            counts.add(asked.domain, &result);
        }
    }
    counts
}

#[derive(Debug, Default)]
struct Counts(BTreeMap<String, u64>);

impl Counts {
    fn add(&mut self, domain: Domain, result: &RegionResult) {
        let domain = match domain {
            Domain::Grid(_) => "grid",
            Domain::Real => "real",
        };
        *self
            .0
            .entry(format!("{domain} {}", result.verdict.name()))
            .or_default() += 1;
        *self.0.entry(result.verdict.name().to_owned()).or_default() += 1;
    }

    fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    fn are_telling(&self) {
        let all = self.of("proved") + self.of("refuted") + self.of("unknown");
        for kind in ["grid proved", "grid refuted", "real proved", "real refuted"] {
            assert!(self.of(kind) * 100 > all, "{self:?}");
        }
        assert!(self.of("unknown") * 4 < all, "{self:?}");
    }
}

#[test]
fn verdicts_on_fixed_point_constants() {
    let counts = series(81, 150, |net| Some(net.constants()));
    println!("{counts:?}");
    counts.are_telling();
}

#[test]
fn verdicts_on_kernels() {
    let counts = series(82, 300, Net::kernel);
    println!("{counts:?}");
    counts.are_telling();
}

#[test]
fn verdicts_on_real_programs() {
    let counts = with_kinds(83, 200, [Kind::Reals; 2], |net| Some(net.constants()));
    println!("{counts:?}");
    assert!(
        counts.of("proved") > 100 && counts.of("refuted") > 100,
        "{counts:?}"
    );
}
