//! Questions with so many inputs that parts are divided by the signs of relus, close enough to
//! a change of class (or to the tolerance) that one pass of bounds does not suffice.

use crate::compare::Proof;
use crate::generate::Rng;
use crate::model::{Const, Fmt, Meaning, Model, Step};
use crate::recheck::{Confirmed, recheck};
use ceg4n_base::Exact;
use ceg4n_ir::{Checked, Domain, Program, Property, Region, Rounding};
use ceg4n_jit::CodeCache;
use ceg4n_verify::label::label;
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::space::Space;
use ceg4n_verify::verdict::Evidence;
use ceg4n_verify::{Effort, Question, Reference, Stop, Subject, Verdict, decide};

/// Two programs and a region.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) reference: Checked<Program>,
    pub(crate) subject: Checked<Program>,
    pub(crate) region: Region,
}

impl Setting {
    /// A kernel (or a program with rounded constants) of a network, against the network.
    pub(crate) fn new(model: &Model, meaning: Meaning, lower: &[Exact], upper: &[Exact]) -> Self {
        let program = |meaning| model.program(meaning).expect("a program");
        Self {
            reference: program(Meaning::Real),
            subject: program(meaning),
            region: Region {
                id: "r".into(),
                lower: lower.to_vec(),
                upper: upper.to_vec(),
                center: None,
                ball_size: None,
                span: None,
            },
        }
    }

    /// What a proof is about.
    pub(crate) fn of(p: &Proof<'_>) -> Self {
        Self {
            reference: p.reference.clone(),
            subject: p.subject.clone(),
            region: p.region.clone(),
        }
    }

    /// The verifier's proof, if it finds one.
    pub(crate) fn proof(
        &self,
        property: &Property,
        domain: Domain,
        boxes: u64,
    ) -> Option<Evidence> {
        let subject = Subject::new(self.subject.clone(), &CodeCache::new()).expect("native code");
        let reference = Reference::new(&self.reference);
        let effort = Effort {
            boxes,
            starts: 2,
            ..Effort::default()
        };
        let stop = Stop::default();
        let space = Space::new(&self.region, domain, subject.input_format());
        let root = space.root().expect("a point");
        let center = self.region.center();
        let label = label(&reference, &space, &center, &root, &effort, &stop);
        let question = Question {
            reference: &reference,
            subject: &subject,
            region: &self.region,
            property,
            domain,
            label: &label,
        };
        match decide(&question, &effort, &stop, &mut NoLeaf).verdict {
            Verdict::Proved(e) => Some(*e),
            Verdict::Refuted(_) | Verdict::Unknown(_) => None,
        }
    }

    pub(crate) fn recheck(&self, e: &Evidence) -> Result<Confirmed, String> {
        recheck(e, &self.reference, &self.subject, &self.region)
    }
}

/// A dense layer of random weights of about the same size.
fn dense(rng: &mut Rng, cols: usize, rows: usize, formats: (Fmt, Fmt)) -> Step {
    let scale = 2.0 / (cols as f64).sqrt();
    let mut draw = |n: usize, by: f64| -> Vec<f32> {
        (0..n).map(|_| (rng.float(-1.0, 1.0) * by) as f32).collect()
    };
    let constant = |data: Vec<f32>, format| Const {
        data,
        rows,
        formats: vec![format],
        mantissas: None,
    };
    Step::Dense {
        w: constant(draw(rows * cols, scale), formats.0),
        b: Some(constant(draw(rows, 0.3), formats.1)),
    }
}

/// Layers of the given sizes; weights and activations have few bits.
pub(crate) fn network(rng: &mut Rng, sizes: &[usize], bits: u32) -> Model {
    let input = Fmt::new(true, 10, 7);
    let mut steps = Vec::new();
    let last = sizes.len() - 2;
    for (i, s) in sizes.windows(2).enumerate() {
        let weights = Fmt::new(true, bits, bits as i32 - 2);
        let bias = Fmt::new(true, 14, 8);
        steps.push((dense(rng, s[0], s[1], (weights, bias)), None));
        if i < last {
            steps.push((Step::Relu, Some(Fmt::new(false, bits + 3, bits as i32))));
        }
    }
    Model {
        inputs: sizes[0],
        input,
        steps,
        rounding: Rounding::HalfUp,
    }
}

/// One input from -256 to -72 and two equal hidden values `min(-x, 255.875)` whose weighted
/// difference is rounded down to -32 everywhere: that is seen by their relation to the input, and
/// not by their ranges. The output is `x/32` before the rounding, and nothing clips it in the
/// network.
pub(crate) fn settled() -> Setting {
    let dense = |data: [f32; 2], rows, format| Step::Dense {
        w: Const {
            data: data.to_vec(),
            rows,
            formats: vec![format],
            mantissas: None,
        },
        b: None,
    };
    let (narrow, wide) = (Fmt::new(true, 2, 0), Fmt::new(true, 7, 5));
    let model = Model {
        inputs: 1,
        input: Fmt::new(true, 6, -3),
        steps: vec![
            (dense([-1.0, -1.0], 2, narrow), None),
            (Step::Relu, Some(Fmt::new(false, 11, 3))),
            (
                dense([1.0, -33.0 / 32.0], 1, wide),
                Some(Fmt::new(true, 10, -5)),
            ),
        ],
        rounding: Rounding::Floor,
    };
    let ends = [-256, -72].map(|v| vec![Exact::from(v)]);
    Setting::new(&model, Meaning::Fixed, &ends[0], &ends[1])
}

/// A box of a radius (in 1/128) around a random centre.
pub(crate) fn region(rng: &mut Rng, inputs: usize, radius: i64) -> (Vec<Exact>, Vec<Exact>) {
    let ends = |_| {
        let c = rng.int(-64, 64);
        (Exact::dyadic(c - radius, -7), Exact::dyadic(c + radius, -7))
    };
    (0..inputs).map(ends).unzip()
}

/// Random corners of a box.
fn corners(rng: &mut Rng, lower: &[Exact], upper: &[Exact], n: usize) -> Vec<Vec<Exact>> {
    let mut corner = || {
        let ends = lower.iter().zip(upper);
        ends.map(|(l, u)| if rng.one_in(2) { l.clone() } else { u.clone() })
            .collect()
    };
    (0..n).map(|_| corner()).collect()
}

/// Moves the bias of output 0 so that its least lead at some corners is `share` of how much that
/// lead varies.
pub(crate) fn close(
    rng: &mut Rng,
    model: &mut Model,
    lower: &[Exact],
    upper: &[Exact],
    share: f64,
) {
    let leads: Vec<f64> = corners(rng, lower, upper, 60)
        .iter()
        .map(|x| {
            let y = model.outputs_at(Meaning::Real, x);
            let most = y[1..].iter().cloned().reduce(Exact::max).expect("outputs");
            (&y[0] - &most).to_f64()
        })
        .collect();
    let least = leads.iter().copied().fold(f64::INFINITY, f64::min);
    let most = leads.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let by = share * (most - least) - least;
    let Some((Step::Dense { b: Some(b), .. }, _)) = model.steps.last_mut() else {
        unreachable!("the last layer is dense");
    };
    b.data[0] += by as f32;
}

/// The largest difference of outputs between a kernel and its network at some corners.
pub(crate) fn difference(rng: &mut Rng, model: &Model, lower: &[Exact], upper: &[Exact]) -> f64 {
    let at = |x: &Vec<Exact>| {
        let n = model.outputs_at(Meaning::Real, x);
        let k = model.fixed(&model.quantize(x));
        let d = n.iter().zip(&k).map(|(n, k)| (n - k).to_f64().abs());
        d.fold(0.0, f64::max)
    };
    corners(rng, lower, upper, 60)
        .iter()
        .map(at)
        .fold(0.0, f64::max)
}
