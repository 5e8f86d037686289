//! The solver tier of domain `grid`: with one box of budget the solver must decide, and its
//! verdicts are those of enumeration.
// `cfg(test)` is what lets helpers of tests unwrap.
#![cfg(test)]

use ceg4n_base::Exact;
use ceg4n_ir::{
    Checked, Constant, Domain, Format, Interval, Kernel, NetworkBuilder, Op, Origin, Program,
    Property, Region, Shape, ValueId, check,
};
use ceg4n_jit::CodeCache;
use ceg4n_verify::leaf::{GridBox, Leaf, LeafAnswer, NoLeaf};
use ceg4n_verify::subject::breaks;
use ceg4n_verify::verdict::Method;
use ceg4n_verify::{
    Effort, Labelled, Question, Reference, RegionResult, SolverLeaf, Stop, Subject, Verdict, decide,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

const ONE_BOX: Effort = Effort {
    boxes: 1,
    points: 0,
    conflicts: 100_000,
    clauses: 2_000_000,
    queries: 2,
    starts: 0,
};

fn format(text: &str) -> Format {
    text.parse().unwrap()
}

fn constant(b: &mut NetworkBuilder, rng: &mut ChaCha8Rng, shape: Vec<usize>) -> ValueId {
    let n = shape.iter().product();
    let data: Vec<f32> = (0..n)
        .map(|_| rng.random_range(-40i32..=40) as f32 / 32.0)
        .collect();
    let op = Op::Const(Constant {
        data: data.into(),
        origin: Origin::Inline,
        wide: None,
    });
    b.push(
        format!("c{}", b.values().len()),
        op,
        Some(Shape(shape)),
        None,
    )
}

/// Two inputs, three neurons, three outputs; the second is the kernel, with weights of 3
/// fraction bits.
fn programs(rng: &mut ChaCha8Rng) -> (Checked<Program>, Checked<Program>) {
    let mut b = NetworkBuilder::new("small");
    let x = b.push("x", Op::Input, Some(Shape::vector(2)), None);
    let constants = [vec![3, 2], vec![3], vec![3, 3], vec![3]].map(|s| constant(&mut b, rng, s));
    let [w1, b1, w2, b2] = constants;
    let dense = |x, weight, bias| Op::Dense {
        x,
        weight,
        bias: Some(bias),
    };
    let h = b.push("h", dense(x, w1, b1), None, None);
    let r = b.push("r", Op::Relu { x: h }, None, None);
    let y = b.push("y", dense(r, w2, b2), None, None);
    let reference = check(Program::reference(Arc::new(b.finish(y).unwrap()))).unwrap();
    let mut patch = reference.program().patch();
    for (v, f) in [(x, "s7q4"), (r, "u6q4")]
        .into_iter()
        .chain(constants.map(|c| (c, "s6q3")))
    {
        patch = patch.format(v, format(f));
    }
    let kernel = check(patch.finish()).unwrap();
    (reference, kernel)
}

/// Counts what the solver says; may pretend.
struct Counting {
    solver: SolverLeaf,
    never: u64,
    at: u64,
    lie: bool,
}

impl Leaf for Counting {
    fn name(&self) -> String {
        self.solver.name()
    }

    fn leaves_class(
        &mut self,
        _: &Kernel,
        _: &[Interval],
        _: usize,
        _: &Effort,
        _: &Stop,
    ) -> LeafAnswer {
        LeafAnswer::Unknown("not asked here".into())
    }

    fn breaks_on_grid(&mut self, b: GridBox<'_>, effort: &Effort, stop: &Stop) -> LeafAnswer {
        if self.lie {
            return LeafAnswer::At(b.points.iter().map(|r| r.lo).collect());
        }
        let answer = self.solver.breaks_on_grid(b, effort, stop);
        match &answer {
            LeafAnswer::Never => self.never += 1,
            LeafAnswer::At(_) => self.at += 1,
            LeafAnswer::Unknown(reason) => panic!("{reason}"),
        }
        answer
    }
}

struct Setup {
    reference: Reference,
    subject: Subject,
    region: Region,
    grid: Format,
    /// Outputs of reference and kernel at every grid point of the region.
    points: Vec<(Vec<Exact>, Vec<Exact>)>,
}

impl Setup {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (reference, kernel) = programs(&mut rng);
        let reference = Reference::new(&reference);
        let subject = Subject::new(kernel, &CodeCache::default()).unwrap();
        let grid = format(["s7q4", "s9q6", "u5q3"][rng.random_range(0..3)]);
        let mut lower = Vec::new();
        let mut upper = Vec::new();
        for _ in 0..2 {
            let lo = rng.random_range(grid.min()..grid.max() - 12);
            lower.push(grid.value(lo));
            upper.push(grid.value(lo + rng.random_range(3..12)));
        }
        let region = Region {
            id: "r".into(),
            lower,
            upper,
            center: None,
            ball_size: None,
            span: None,
        };
        let mut this = Self {
            reference,
            subject,
            region,
            grid,
            points: Vec::new(),
        };
        this.evaluate();
        this
    }

    /// Outputs of reference and kernel at every grid point of the region.
    fn evaluate(&mut self) {
        let range = |i: usize| {
            let [lo, hi] =
                [&self.region.lower[i], &self.region.upper[i]].map(|v| self.grid.quantize(v));
            lo..=hi
        };
        for a in range(0) {
            for b in range(1) {
                let x = [self.grid.value(a), self.grid.value(b)];
                let kernel = self.subject.kernel().unwrap();
                let k = ceg4n_eval::kernel_outputs(kernel, &kernel.quantize_input(&x)).unwrap();
                let n = self.reference.outputs(&x).unwrap();
                self.points.push((n, kernel.output_values(&k)));
            }
        }
    }

    fn holds(&self, property: &Property) -> bool {
        !self.points.iter().any(|(n, k)| breaks(property, n, k))
    }

    fn decide(&self, property: &Property, effort: &Effort, leaf: &mut dyn Leaf) -> RegionResult {
        let question = Question {
            reference: &self.reference,
            subject: &self.subject,
            region: &self.region,
            property,
            domain: Domain::Grid(self.grid),
            label: &Labelled::UNDECIDED,
        };
        decide(&question, effort, &Stop::default(), leaf)
    }

    /// Tolerances just below, at and above the largest error, and orders.
    fn properties(&self) -> Vec<Property> {
        let error = |(n, k): &(Vec<Exact>, Vec<Exact>)| {
            let d = n.iter().zip(k).map(|(n, k)| k - n);
            d.map(|d| d.clone().max(-&d)).reduce(Exact::max).unwrap()
        };
        let worst = self.points.iter().map(error).reduce(Exact::max).unwrap();
        let behind = |(n, k): &(Vec<Exact>, Vec<Exact>)| {
            let best = n.iter().cloned().reduce(Exact::max).unwrap();
            &best - &n[ceg4n_ir::kernel::argmax(k).unwrap()]
        };
        let farthest = self.points.iter().map(behind).reduce(Exact::max).unwrap();
        let ulp = Exact::dyadic(1, -30);
        vec![
            Property::Top1,
            Property::TopK(2),
            Property::Top1Margin(Exact::dyadic(1, -2)),
            Property::Top1Margin(Exact::ratio(1, 10).unwrap()),
            Property::Top1Margin(farthest),
            Property::Eps(&worst - &ulp),
            Property::Eps(worst.clone()),
            Property::Eps(&worst + &ulp),
        ]
    }
}

fn embedded() -> Counting {
    Counting {
        solver: SolverLeaf::new("embedded", None).unwrap(),
        never: 0,
        at: 0,
        lie: false,
    }
}

#[test]
fn verdicts_are_those_of_enumeration() {
    let (mut by_solver, mut found) = (0, 0);
    for seed in 0..80 {
        let setup = Setup::new(seed);
        for property in setup.properties() {
            let mut leaf = embedded();
            let result = setup.decide(&property, &ONE_BOX, &mut leaf);
            match (&result.verdict, setup.holds(&property)) {
                (Verdict::Proved(e), true) => {
                    assert_eq!(leaf.at, 0);
                    let solver = (leaf.never > 0).then(|| ("embedded".to_owned(), leaf.never));
                    let method = if leaf.never > 0 {
                        Method::Smt
                    } else {
                        Method::of(&e.tree)
                    };
                    assert_eq!(
                        (&e.solver, &e.method),
                        (&solver, &method),
                        "seed {seed}, {property}"
                    );
                    by_solver += leaf.never;
                    if let Property::Top1Margin(m) = &property {
                        assert!(result.margin_proved <= Some(m.enclosure().1));
                        let most = Property::Top1Margin(
                            Exact::from_f64(result.margin_proved.unwrap()).unwrap(),
                        );
                        assert!(setup.holds(&most), "seed {seed}, {most}");
                    }
                }
                (Verdict::Refuted(w), false) => {
                    assert!(breaks(&property, &w.reference, &w.kernel));
                    found += leaf.at;
                }
                (verdict, holds) => panic!("seed {seed}, {property}: {verdict:?}, holds: {holds}"),
            }
        }
    }
    assert!(
        by_solver >= 80 && found >= 10,
        "{by_solver} proved, {found} found"
    );
}

/// A model that does not replay, no solver, or too few queries leave the region open.
#[test]
fn without_a_sound_answer_the_region_stays_open() {
    let mut open = 0;
    for seed in 0..80 {
        let setup = Setup::new(seed);
        for property in setup.properties().into_iter().filter(|p| setup.holds(p)) {
            let mut honest = embedded();
            setup.decide(&property, &ONE_BOX, &mut honest);
            if honest.never == 0 {
                continue;
            }
            open += 1;
            let mut liar = Counting {
                lie: true,
                ..embedded()
            };
            let none = Effort {
                queries: 0,
                ..ONE_BOX
            };
            for (effort, leaf) in [
                (ONE_BOX, &mut liar as &mut dyn Leaf),
                (ONE_BOX, &mut NoLeaf),
                (none, &mut embedded()),
            ] {
                let result = setup.decide(&property, &effort, leaf);
                assert!(
                    matches!(result.verdict, Verdict::Unknown(_)),
                    "seed {seed}, {property}"
                );
            }
        }
    }
    assert!(open >= 20, "{open}");
}
