//! A made-up world: which candidates hold, what refutes the others, and who tells.

use crate::*;
use ceg4n_base::ContentHash;
use ceg4n_ir::network::Origin;
use ceg4n_ir::{
    Constant, Domain, Network, NetworkBuilder, Op, Program, Property, Region, Rounding, Shape,
    check,
};
use ceg4n_verify::tree::{Closure, Tree};
use ceg4n_verify::verdict::{Evidence, Method, Robust, Witness};
use ceg4n_verify::{Label, Reference};
use std::sync::Arc;

/// Two layers; the second is the larger one, so that its bits cost more.
pub(super) fn network() -> Network {
    let mut b = NetworkBuilder::new("two");
    let weight = |b: &mut NetworkBuilder, name: &str, m: usize, n: usize| {
        let c = Constant {
            data: vec![0.5; m * n].into(),
            origin: Origin::Inline,
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
    AnnotationSpace::new(
        &reference,
        network,
        &[region],
        Rounding::HalfUp,
        (2, 6),
        (4, 6),
    )
}

pub(super) fn bits(weights: [u8; 2], activations: u8) -> Assignment {
    Assignment {
        weights: weights.to_vec(),
        activations,
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

pub(super) fn genes(a: &Assignment) -> Vec<u8> {
    [&a.weights[..], &[a.activations]].concat()
}

/// Made-up points: `[place, bits]` ends what has at most these bits there; a longer one ends the
/// candidate with these very bits.
pub(super) fn ends(point: &Counterexample, a: &Assignment) -> bool {
    let genes: Vec<Exact> = genes(a)
        .iter()
        .map(|b| Exact::from(i32::from(*b)))
        .collect();
    match &point.x[..] {
        [place, most] => genes[place.to_f64() as usize] <= *most,
        all => genes == all,
    }
}

pub(super) struct World {
    pub(super) truth: fn(&Assignment) -> Truth,
    /// Everything that was verified, with its version.
    pub(super) verified: Vec<(Assignment, u32)>,
    /// Everything that was evaluated, with the number of points.
    pub(super) evaluated: Vec<(Assignment, usize)>,
    /// Stop after so many verifications.
    pub(super) patience: usize,
}

impl World {
    pub(super) fn new(truth: fn(&Assignment) -> Truth) -> Self {
        Self {
            truth,
            verified: Vec::new(),
            evaluated: Vec::new(),
            patience: usize::MAX,
        }
    }
}

/// The two sides of a world, as the loop borrows them.
pub(super) struct Eyes<'a>(pub(super) &'a mut Vec<(Assignment, usize)>);

impl Evaluate for Eyes<'_> {
    fn satisfies(&mut self, candidate: &Assignment, points: &[Counterexample]) -> bool {
        self.0.push((candidate.clone(), points.len()));
        !points.iter().any(|p| ends(p, candidate))
    }
}

pub(super) struct Judge<'a> {
    pub(super) truth: fn(&Assignment) -> Truth,
    pub(super) verified: &'a mut Vec<(Assignment, u32)>,
    pub(super) patience: usize,
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

impl Verify for Judge<'_> {
    fn verify(
        &mut self,
        candidate: &Assignment,
        version: u32,
    ) -> Result<Vec<(usize, RegionResult)>, String> {
        self.verified.push((candidate.clone(), version));
        let genes = genes(candidate);
        let second = match (self.truth)(candidate) {
            Truth::Holds => proved("second"),
            Truth::Broken(i) => refuted("second", vec![i as u8, genes[i]]),
            Truth::Hole => refuted("second", genes),
            Truth::Open => result("second", Verdict::Unknown("too hard".to_owned())),
        };
        Ok(vec![(0, proved("first")), (1, second)])
    }

    fn stopped(&self) -> bool {
        self.verified.len() >= self.patience
    }
}
