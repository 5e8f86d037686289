//! A made-up world: which candidates hold, what refutes the others, and who tells.
//!
//! Programs are real ones, and everything is read off them. Those of guided rounding carry a mark
//! in the mantissas of the second layer: the run that made them.

use crate::*;
use ceg4n_base::ContentHash;
use ceg4n_ir::network::Origin;
use ceg4n_ir::{
    Annotation, Constant, Domain, Network, NetworkBuilder, Op, Program, Property, Region, Rounding,
    Shape, ValueId, check,
};
use ceg4n_quantize::{Model, Nearest};
use ceg4n_search::AnnotationSpace;
use ceg4n_verify::tree::{Closure, Tree};
use ceg4n_verify::verdict::{Evidence, Method, Robust, Witness};
use ceg4n_verify::{Label, Reference, Verdict};
use std::sync::Arc;

/// Two layers; the second is the larger one, so that its bits cost more.
pub(super) fn network() -> Network {
    let mut b = NetworkBuilder::new("two");
    let weight = |b: &mut NetworkBuilder, name: &str, m: usize, n: usize| {
        let c = Constant {
            data: vec![0.5; m * n].into(),
            origin: Origin::Inline,
            wide: None,
        };
        b.push(name, Op::Const(c), Some(Shape(vec![m, n])), None)
    };
    let x = b.push("x", Op::Input, Some(Shape::vector(1)), None);
    let (w0, w1) = (weight(&mut b, "w0", 2, 1), weight(&mut b, "w1", 3, 2));
    let dense = |x, weight| Op::Dense {
        x,
        weight,
        bias: None,
    };
    let h = b.push("h", dense(x, w0), None, None);
    let y = b.push("y", dense(h, w1), None, None);
    b.finish(y).expect("a network")
}

pub(super) fn space() -> AnnotationSpace {
    let network = Arc::new(network());
    let real = check(Program::reference(network.clone())).expect("a real program");
    let region = Region {
        id: "r".to_owned(),
        lower: vec![Exact::zero()],
        upper: vec![Exact::from(1)],
        center: None,
        ball_size: None,
        span: None,
    };
    let reference = Reference::new(&real);
    let model = Model::new(&reference, network, &[region], Rounding::HalfUp);
    AnnotationSpace::new(
        Arc::new(model),
        Arc::new(Nearest::default()),
        (2, 6),
        (4, 6),
    )
}

pub(super) fn bits(weights: [u8; 2], activations: u8) -> Assignment {
    Assignment {
        weights: weights.to_vec(),
        biases: vec![8; 2],
        activations: vec![activations; 2],
    }
}

/// What is true of each candidate.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Truth {
    Holds,
    /// Breaks a point that also ends every candidate with no more bits in that place.
    Broken(usize),
    /// Breaks a point that ends no other candidate.
    Hole,
    Open,
}

/// Weight bits, then the bits of the input.
pub(super) fn genes(a: &Assignment) -> Vec<u8> {
    [&a.weights[..], &a.activations[..1]].concat()
}

/// What a program shows: its genes, and its mark, if its mantissas were moved.
pub(super) fn seen(space: &AnnotationSpace, notes: &Annotations) -> (Vec<u8>, Option<u8>) {
    let bits = |v: ValueId| {
        let format = notes.format(v).and_then(|f| f.channel(0));
        format.expect("everything stored has a format").width()
    };
    let weights: Vec<ValueId> = space.layers().iter().map(|l| l.weight).collect();
    let mut genes: Vec<u8> = weights.iter().map(|w| bits(*w)).collect();
    genes.push(bits(space.model().tensors()[0]));
    let mark = mantissas(notes, weights[1]).map(|m| m.iter().fold(0, |n, d| 2 * n + *d as u8));
    (genes, mark)
}

fn mantissas(notes: &Annotations, v: ValueId) -> Option<Arc<[i32]>> {
    match notes.values.get(&v) {
        Some(Annotation::Fixed { mantissas, .. }) => mantissas.clone(),
        _ => None,
    }
}

/// A program of these bits with a mark.
pub(super) fn marked(space: &AnnotationSpace, a: &Assignment, mark: u8) -> Checked<Program> {
    let plain = space.program(a, 1).expect("a program");
    let mut notes = (*plain.program().annotations).clone();
    let weight = space.layers()[1].weight;
    let format = notes.format(weight).expect("a format").clone();
    let digits: Vec<i32> = (0..6).rev().map(|i| i32::from(mark >> i & 1)).collect();
    space
        .model()
        .set(&mut notes, weight, format, Some(digits.into()));
    space.model().check(notes).expect("a program")
}

/// Made-up points: `[place, bits]` ends what has at most these bits there; a longer one ends the
/// candidate with these very bits, or with these and this mark.
pub(super) fn ends(point: &Counterexample, space: &AnnotationSpace, notes: &Annotations) -> bool {
    let (genes, mark) = seen(space, notes);
    let exact = |v: &[u8]| -> Vec<Exact> { v.iter().map(|b| Exact::from(i32::from(*b))).collect() };
    match &point.x[..] {
        [place, most] => exact(&genes)[place.to_f64() as usize] <= *most,
        all if all.len() == genes.len() => mark.is_none() && exact(&genes) == all,
        all => mark.is_some_and(|m| exact(&[&genes[..], &[m]].concat()) == all),
    }
}

pub(super) struct World {
    pub(super) truth: fn(&Assignment) -> Truth,
    /// The same of programs of guided rounding, by their mark; `None` if it finds none.
    pub(super) guided: fn(&Assignment, u8) -> Option<Truth>,
    /// Everything that was verified, with its version.
    pub(super) verified: Vec<(Assignment, u32)>,
    /// Everything that was evaluated, with the number of points.
    pub(super) evaluated: Vec<(Assignment, usize)>,
    /// Runs of guided rounding.
    pub(super) runs: Vec<Run>,
    /// Stop after so many verifications.
    pub(super) patience: usize,
}

/// One run of guided rounding, as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) assignment: Assignment,
    pub(super) round: u32,
    /// What the program that it starts from shows.
    pub(super) warm: Option<(Vec<u8>, Option<u8>)>,
    pub(super) doubts: Vec<(usize, u32)>,
}

impl World {
    pub(super) fn new(truth: fn(&Assignment) -> Truth) -> Self {
        Self {
            truth,
            guided: |_, _| None,
            verified: Vec::new(),
            evaluated: Vec::new(),
            runs: Vec::new(),
            patience: usize::MAX,
        }
    }

    /// A step of the loop in this world.
    pub(super) fn step(&mut self, state: State, space: &AnnotationSpace) -> State {
        let mut judge = Judge {
            truth: self.truth,
            guided: self.guided,
            verified: &mut self.verified,
            patience: self.patience,
            space,
        };
        let mut engines = Engines {
            evaluate: &mut Eyes {
                space,
                evaluated: &mut self.evaluated,
            },
            guide: &mut Hands {
                guided: self.guided,
                runs: &mut self.runs,
                space,
            },
            verify: &mut judge,
        };
        let next = state.step(space, &mut engines);
        next.expect("a made-up verifier does not fail")
    }
}

/// A step with another verifier.
pub(super) fn judged_by(
    verify: &mut dyn Verify,
    state: State,
    space: &AnnotationSpace,
) -> Result<State, String> {
    let mut engines = Engines {
        evaluate: &mut Eyes {
            space,
            evaluated: &mut Vec::new(),
        },
        guide: &mut Hands {
            guided: |_, _| None,
            runs: &mut Vec::new(),
            space,
        },
        verify,
    };
    state.step(space, &mut engines)
}

pub(super) fn result(id: &str, verdict: Verdict) -> RegionResult {
    RegionResult {
        id: id.to_owned(),
        property: Property::Top1,
        verdict,
        label: Label::Robust(0),
        vacuous: None,
        margin_proved: None,
        boxes: 1,
        points: 0,
        clock_limited: false,
        open: None,
        partial: None,
    }
}

pub(super) fn proved(id: &str) -> RegionResult {
    let hash = ContentHash::of(b"made up");
    let evidence = Evidence {
        program: hash,
        reference: hash,
        region: hash,
        property: Property::Top1,
        domain: Domain::Real,
        robust: Some(Robust {
            class: 0,
            tree: Tree::leaf(Closure::Backward),
        }),
        method: Method::Intervals,
        boxes: 1,
        points: 0,
        solver: None,
        tree: Tree::leaf(Closure::Intervals),
    };
    result(id, Verdict::Proved(Box::new(evidence)))
}

pub(super) fn refuted(id: &str, x: Vec<u8>) -> RegionResult {
    let witness = Witness {
        x: x.into_iter().map(|v| Exact::from(i32::from(v))).collect(),
        input: vec![0],
        reference: vec![Exact::zero()],
        kernel: vec![Exact::zero()],
    };
    result(id, Verdict::Refuted(Box::new(witness)))
}

pub(super) struct Eyes<'a> {
    pub(super) space: &'a AnnotationSpace,
    pub(super) evaluated: &'a mut Vec<(Assignment, usize)>,
}

impl Eyes<'_> {
    fn passes(&mut self, a: &Assignment, p: &Checked<Program>, points: &[Counterexample]) -> bool {
        self.evaluated.push((a.clone(), points.len()));
        let notes = &p.program().annotations;
        !points.iter().any(|c| ends(c, self.space, notes))
    }
}

impl Evaluate for Eyes<'_> {
    fn first(
        &mut self,
        candidates: &[Assignment],
        version: u32,
        points: &[Counterexample],
    ) -> Option<(usize, Checked<Program>)> {
        candidates.iter().enumerate().find_map(|(i, a)| {
            let program = self.space.program(a, version).expect("a program");
            self.passes(a, &program, points).then_some((i, program))
        })
    }

    fn satisfies(&mut self, program: &Checked<Program>, points: &[Counterexample]) -> bool {
        let (genes, _) = seen(self.space, &program.program().annotations);
        self.passes(&bits([genes[0], genes[1]], genes[2]), program, points)
    }

    fn rewidth(
        &mut self,
        annotations: &Annotations,
        a: &Assignment,
        version: u32,
    ) -> Option<Checked<Program>> {
        match seen(self.space, annotations).1 {
            Some(mark) => Some(marked(self.space, a, mark)),
            None => self.space.program(a, version).ok(),
        }
    }
}

pub(super) struct Hands<'a> {
    pub(super) guided: fn(&Assignment, u8) -> Option<Truth>,
    pub(super) runs: &'a mut Vec<Run>,
    pub(super) space: &'a AnnotationSpace,
}

impl Guide for Hands<'_> {
    fn improve(&mut self, attempt: &Attempt<'_>) -> Option<Checked<Program>> {
        let mark = attempt.round as u8;
        self.runs.push(Run {
            assignment: attempt.assignment.clone(),
            round: attempt.round,
            warm: attempt.warm.map(|notes| seen(self.space, notes)),
            doubts: attempt.doubts.iter().map(|(q, n)| (*q, *n)).collect(),
        });
        (self.guided)(attempt.assignment, mark)?;
        Some(marked(self.space, attempt.assignment, mark))
    }
}

pub(super) struct Judge<'a> {
    pub(super) truth: fn(&Assignment) -> Truth,
    pub(super) guided: fn(&Assignment, u8) -> Option<Truth>,
    pub(super) verified: &'a mut Vec<(Assignment, u32)>,
    pub(super) patience: usize,
    pub(super) space: &'a AnnotationSpace,
}

impl Verify for Judge<'_> {
    fn verify(
        &mut self,
        candidate: &Candidate,
        version: u32,
    ) -> Result<Vec<(usize, RegionResult)>, String> {
        let a = &candidate.assignment;
        self.verified.push((a.clone(), version));
        let (mut shown, mark) = seen(self.space, &candidate.program.program().annotations);
        assert_eq!(shown, genes(a), "the program has the bits that were told");
        assert_eq!(mark.is_some(), candidate.guided);
        let truth = match mark {
            None => (self.truth)(a),
            Some(mark) => (self.guided)(a, mark).expect("guided rounding made it"),
        };
        let second = match truth {
            Truth::Holds => proved("second"),
            Truth::Broken(i) => refuted("second", vec![i as u8, shown[i]]),
            Truth::Hole => {
                shown.extend(mark);
                refuted("second", shown)
            }
            Truth::Open => result("second", Verdict::Unknown("too hard".to_owned())),
        };
        Ok(vec![(0, proved("first")), (1, second)])
    }

    fn stopped(&self) -> bool {
        self.verified.len() >= self.patience
    }
}
