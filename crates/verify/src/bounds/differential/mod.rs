//! Bounds of two programs over the same inputs together: forms `n·N(x) + k·K(x)` of the outputs
//! of a reference `N` and a subject `K`.
//!
//! Where both have the same layers, the difference `D = K - N` is carried beside `N`, layer by
//! layer (ReluDiff: Paulsen, Wang, Wang 2020; NeuroDiff: Paulsen et al. 2020; VeryDiff: Teuber et
//! al. 2024): forwards as zonotopes over shared symbols, then backwards as linear forms over
//! `(N, D)`. Where they have not, forms of both are carried back to the shared input each by
//! itself and added there.

mod backward;
mod change;
mod optimise;
mod zonotope;

use super::backward::{Backward, Rows, concrete};
use super::curve::Function;
use super::forward::{Bounds, Hull};
use super::graph::{Graph, Linear, Op};
use super::split::Splits;
use crate::float::{Bound, down, pad};
use serde::{Deserialize, Serialize};
use zonotope::Zonotopes;

/// What happens to both values, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joint {
    /// The input of both.
    Input,
    /// A linear map, a relu or a curve of both.
    Both(usize, usize),
    /// A node that only the reference has.
    Reference(usize),
    /// A node that only the subject has.
    Subject(usize),
}

/// Two programs over the same inputs.
#[derive(Clone, Debug)]
pub struct Together<'a> {
    reference: &'a Graph,
    subject: &'a Graph,
    /// Matched layers; `None` where the programs differ in them.
    joints: Option<Vec<Joint>>,
    /// `subject - reference` of matched linear maps, by joint.
    gaps: Vec<Option<Linear>>,
}

/// A form `Σ n_i·N_i + Σ k_i·K_i` of the outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct PairForm {
    /// Coefficients of the reference's outputs.
    pub reference: Vec<f64>,
    /// Coefficients of the subject's outputs.
    pub subject: Vec<f64>,
}

impl PairForm {
    /// Zero.
    pub fn zero(outputs: usize) -> Self {
        Self {
            reference: vec![0.0; outputs],
            subject: vec![0.0; outputs],
        }
    }

    /// Adds `c·(N_a - N_b)`.
    #[must_use]
    pub fn reference_margin(mut self, a: usize, b: usize, c: f64) -> Self {
        self.reference[a] += c;
        self.reference[b] -= c;
        self
    }

    /// Adds `c·(K_a - K_b)`.
    #[must_use]
    pub fn subject_margin(mut self, a: usize, b: usize, c: f64) -> Self {
        self.subject[a] += c;
        self.subject[b] -= c;
        self
    }

    /// `c·(K_j - N_j)`.
    pub fn difference(j: usize, outputs: usize, c: f64) -> Self {
        let mut form = Self::zero(outputs);
        form.reference[j] = -c;
        form.subject[j] = c;
        form
    }
}

/// Both programs' bounds on one box.
pub struct PairBounds<'a> {
    together: &'a Together<'a>,
    reference: Bounds,
    subject: Bounds,
    /// Differences and their zonotopes, where the layers match.
    zonotopes: Option<Zonotopes>,
    /// The part's constraints.
    signs: PairSplits,
}

impl<'a> Together<'a> {
    /// Matches two programs. The subject's graph starts from reals.
    pub fn new(reference: &'a Graph, subject: &'a Graph) -> Self {
        let joints = join(reference, subject).filter(|j| room(reference, j) <= ROOM);
        let gap = |joint: &Joint| match joint {
            Joint::Both(r, s) => match (&reference.nodes[*r].op, &subject.nodes[*s].op) {
                (Op::Linear(r), Op::Linear(s)) => s.minus(r),
                _other_pairs => None,
            },
            Joint::Input | Joint::Reference(_) | Joint::Subject(_) => None,
        };
        let gaps = joints.iter().flatten().map(gap).collect();
        Self {
            reference,
            subject,
            joints,
            gaps,
        }
    }

    /// True if the programs have the same layers.
    pub fn is_matched(&self) -> bool {
        self.joints.is_some()
    }

    /// Bounds on a part; `None` if its constraints leave nothing.
    pub fn on(&'a self, on: &On<'_>) -> Option<PairBounds<'a>> {
        let (x, signs) = (on.x, on.signs);
        match &self.joints {
            Some(joints) => {
                let mut reference = Bounds::start(self.reference);
                let mut subject = Bounds::start(self.subject);
                let sides = (&mut reference, &mut subject);
                let z = Zonotopes::new(self, joints, on, sides)?;
                Some(PairBounds {
                    together: self,
                    reference,
                    subject,
                    zonotopes: Some(z),
                    signs: signs.clone(),
                })
            }
            None => Some(PairBounds {
                together: self,
                reference: super::backward::bounds(self.reference, x, &signs.reference)?,
                subject: super::backward::bounds(self.subject, x, &signs.subject)?,
                zonotopes: None,
                signs: signs.clone(),
            }),
        }
    }
}

/// What is bounded: a part of a region.
#[derive(Clone, Copy, Debug)]
pub struct On<'a> {
    /// A closed superset of the part's real points.
    pub x: &'a [Bound],
    /// What the subject rounds the part's points to, if more is known than follows from `x`: the
    /// closed box has ends that round to integers which the part has not.
    pub input: Option<&'a [Bound]>,
    /// Constraints on signs.
    pub signs: &'a PairSplits,
}

/// Constraints on the signs of both programs' relu operands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairSplits {
    /// Of the reference.
    pub reference: Splits,
    /// Of the subject.
    pub subject: Splits,
}

/// An element of a relu whose sign is open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpenSign {
    /// What its relaxation costs a form.
    pub cost: f64,
    /// It belongs to the subject, else to the reference.
    pub of_subject: bool,
    /// Node of that program's graph.
    pub node: usize,
    /// Element.
    pub element: usize,
    /// Where among the matched layers.
    joint: usize,
}

impl PairBounds<'_> {
    /// Cheap lower bounds of forms: what the forward pass knows already.
    pub fn glance(&self, form: &PairForm) -> f64 {
        match &self.zonotopes {
            Some(z) => z.lower(form),
            None => f64::NEG_INFINITY,
        }
    }

    /// Lower bounds of forms by a backward pass.
    pub fn lower(&self, forms: &[PairForm]) -> Vec<f64> {
        match (&self.together.joints, &self.zonotopes) {
            (Some(joints), Some(z)) => backward::lower(self, joints, z, forms),
            _not_matched => self.apart(forms),
        }
    }

    /// A lower bound of `base + m·lead` for the best multiplier `m ≥ 0` that an ascent finds, with
    /// slopes and multipliers of the part's constraints; ends when it exceeds `enough`. Holds for
    /// `base` wherever `lead` is not positive. `None` where layers do not match.
    pub fn optimised(
        &self,
        base: &PairForm,
        lead: &PairForm,
        start: f64,
        enough: f64,
    ) -> Option<f64> {
        let (joints, z) = (self.together.joints.as_ref()?, self.zonotopes.as_ref()?);
        Some(optimise::ascend(
            self,
            joints,
            z,
            (base, lead),
            start,
            enough,
        ))
    }

    /// The relu operands of open sign, and what they cost a form; none where layers do not match.
    pub fn open_signs(&self, form: &PairForm) -> Vec<OpenSign> {
        match (&self.together.joints, &self.zonotopes) {
            (Some(joints), Some(z)) => backward::open_signs(self, joints, z, form),
            _not_matched => Vec::new(),
        }
    }

    /// How much dividing each input may gain for a form, for guidance.
    pub fn influence(&self, form: &PairForm) -> Option<Vec<f64>> {
        let z = self.zonotopes.as_ref()?;
        let open = self.open_signs(form);
        Some(z.input_scores(form, self.together.reference.input_len(), &open))
    }

    /// Forms of both carried back to the input, each by itself.
    fn apart(&self, forms: &[PairForm]) -> Vec<f64> {
        let none = Splits::default();
        let back = |graph: &Graph, bounds: &Bounds, coef: Vec<f64>| {
            let pass = Backward {
                graph,
                bounds,
                splits: &none,
                guide: None,
            };
            pass.to_input(graph.output(), Rows::new(forms.len(), coef))
        };
        let of = |f: fn(&PairForm) -> &Vec<f64>| forms.iter().flat_map(f).copied().collect();
        let n = back(
            self.together.reference,
            &self.reference,
            of(|f| &f.reference),
        );
        let mut k = back(self.together.subject, &self.subject, of(|f| &f.subject));
        let x = &self.reference.nodes[0];
        let len = x.len();
        for r in 0..forms.len() {
            let mut charge = 0.0;
            let rows = k.coef[r * len..(r + 1) * len].iter_mut().zip(n.row(r));
            for ((k, n), x) in rows.zip(x) {
                let size = k.abs() + n.abs();
                *k += n;
                if size > 0.0 {
                    charge += size * x.magnitude();
                }
            }
            let (a, b) = (k.constant[r], n.constant[r]);
            k.constant[r] = down(a + b, pad(len + 2, 0, charge + a.abs() + b.abs()));
        }
        concrete(&k, &Hull::new(x))
    }
}

/// Coefficients that a zonotope may have at one layer.
const ROOM: usize = 1 << 26;

/// The most coefficients that zonotopes of the matched layers have at one layer.
fn room(reference: &Graph, joints: &[Joint]) -> usize {
    // Each input, and at most two symbols more for each element of every layer before.
    let (mut symbols, mut most) = (reference.input_len(), 0usize);
    for joint in joints {
        if let Joint::Both(r, _) = joint {
            let node = &reference.nodes[*r];
            match &node.op {
                Op::Linear(map) => {
                    symbols += map.cols;
                    most = most.max(map.rows.saturating_mul(symbols));
                }
                Op::Relu | Op::Curve(_) => symbols += node.on.len(),
                Op::Input
                | Op::Scale { .. }
                | Op::Shift(_)
                | Op::Round(_)
                | Op::Clamp { .. }
                | Op::Float32 { .. } => {}
            }
        }
    }
    most
}

/// Matches linear maps, relus and curves in order; whatever else stands between them is one-sided.
fn join(reference: &Graph, subject: &Graph) -> Option<Vec<Joint>> {
    let anchor = |op: &Op| match op {
        Op::Linear(_) | Op::Relu => true,
        Op::Curve(f) => f.curve().is_some(),
        Op::Input
        | Op::Scale { .. }
        | Op::Shift(_)
        | Op::Round(_)
        | Op::Clamp { .. }
        | Op::Float32 { .. } => false,
    };
    let (mut r, mut s) = (1, 1);
    let mut joints = vec![Joint::Input];
    loop {
        let (a, b) = (reference.nodes.get(r), subject.nodes.get(s));
        match (a, b) {
            (None, None) => return Some(joints),
            (Some(n), _) if !anchor(&n.op) => {
                joints.push(Joint::Reference(r));
                r += 1;
            }
            (_, Some(n)) if !anchor(&n.op) => {
                joints.push(Joint::Subject(s));
                s += 1;
            }
            (Some(a), Some(b)) => {
                let same = |f: &Function| f.curve().map(|c| c.0);
                let alike = match (&a.op, &b.op) {
                    (Op::Linear(a), Op::Linear(b)) => a.is_like(b),
                    (Op::Relu, Op::Relu) => (a.len, &a.on) == (b.len, &b.on),
                    (Op::Curve(f), Op::Curve(g)) => {
                        (a.len, &a.on) == (b.len, &b.on) && same(f) == same(g)
                    }
                    _other_pairs => false,
                };
                if !alike {
                    return None;
                }
                joints.push(Joint::Both(r, s));
                (r, s) = (r + 1, s + 1);
            }
            (Some(_), None) | (None, Some(_)) => return None,
        }
    }
}
