//! One region, one requirement: the order of the tiers, and the verdict.

use crate::attack;
use crate::bounds::Form;
use crate::budget::{Effort, Stop};
use crate::cells::{Celled, Cells};
use crate::keep::{Keep, Kept, Tally};
use crate::label::influence;
use crate::leaf::Leaf;
use crate::reference::{Precision, Reference};
use crate::space::{Part, Space};
use crate::subject::{Subject, Trouble};
use crate::vacuous::vacuous;
use crate::verdict::{ClassChange, Evidence, Label, Method, RegionResult, Verdict, Witness};
use ceg4n_base::Exact;
use ceg4n_eval::strict_winner;
use ceg4n_ir::{Domain, Property, Region};

/// What is asked of one region.
pub struct Question<'a> {
    /// The reference.
    pub reference: &'a Reference,
    /// The kernel.
    pub subject: &'a Subject,
    /// The region.
    pub region: &'a Region,
    /// What must hold on it.
    pub property: &'a Property,
    /// On which inputs.
    pub domain: Domain,
    /// The reference's behaviour there, from [`crate::label::label`].
    pub label: &'a Label,
}

/// Decides a question.
pub fn decide(q: &Question<'_>, effort: &Effort, stop: &Stop, leaf: &mut dyn Leaf) -> RegionResult {
    let space = Space::new(q.region, q.domain, q.subject.kernel().input_format);
    let mut result = RegionResult {
        id: q.region.id.clone(),
        property: q.property.clone(),
        verdict: Verdict::Unknown(String::new()),
        label: q.label.clone(),
        vacuous: None,
        margin_proved: None,
        boxes: 0,
        points: 0,
        clock_limited: false,
        open: None,
    };
    match q.reference.precision() {
        Precision::Real => {}
        Precision::Float32 => {
            let reason = "reference f32 is not supported by this tier";
            result.verdict = Verdict::Unknown(reason.to_owned());
            return result;
        }
    }
    let root = match space.root() {
        Ok(root) => root,
        Err(d) => {
            result.verdict = Verdict::Unknown(d.message);
            return result;
        }
    };
    result.vacuous = vacuous(q.reference, &space, &root, q.property, &q.region.center());
    let work = Work {
        q,
        space: &space,
        root: &root,
        influence: influence(q.reference),
        effort,
        stop,
    };
    match work.run(leaf) {
        Ok((verdict, tally, margin)) => {
            result.verdict = verdict;
            result.margin_proved = margin;
            result.boxes = tally.boxes;
            result.points = tally.points;
            result.clock_limited = tally.clock_limited;
        }
        Err(trouble) => result.verdict = Verdict::Unknown(format!("defect: {trouble}")),
    }
    result
}

struct Work<'a> {
    q: &'a Question<'a>,
    space: &'a Space,
    root: &'a Part,
    influence: Vec<f64>,
    effort: &'a Effort,
    stop: &'a Stop,
}

type Outcome = (Verdict, Tally, Option<f64>);

impl Work<'_> {
    fn run(&self, leaf: &mut dyn Leaf) -> Result<Outcome, Trouble> {
        let strict = matches!(self.q.property, Property::Top1);
        let margin = matches!(self.q.property, Property::Top1Margin(_));
        match self.q.label {
            Label::Robust(c) if strict => self.keep(*c, leaf),
            Label::Robust(c) if margin => match self.keep(*c, leaf)? {
                // The reference's own class: a margin of zero.
                (Verdict::Proved(e), tally, _) => Ok((Verdict::Proved(e), tally, Some(0.0))),
                (Verdict::Refuted(_) | Verdict::Unknown(_), _, _) => self.cells(leaf),
            },
            Label::Changes(change) if strict => match self.boundary(change)? {
                Some(w) => Ok((Verdict::Refuted(Box::new(w)), Tally::default(), None)),
                // On a grid, and where boundaries coincide, the property may hold all the same.
                None => self.cells(leaf),
            },
            Label::Robust(_) | Label::Changes(_) | Label::Undecided => self.cells(leaf),
        }
    }

    fn evidence(&self, method: Method, tally: &Tally, robust: Option<usize>) -> Verdict {
        Verdict::Proved(Box::new(Evidence {
            program: self.q.subject.program().hash(),
            reference: self.q.reference.hash(),
            region: self.q.region.hash(),
            property: self.q.property.clone(),
            domain: self.q.domain,
            robust,
            method,
            boxes: tally.boxes,
            points: tally.points,
            solver: tally.solver.clone(),
        }))
    }

    fn replay(&self, x: &[Exact]) -> Result<Option<Witness>, Trouble> {
        self.q
            .subject
            .replay(self.q.reference, self.space, self.q.property, x)
    }

    /// The decoupled question: the kernel alone, on integers.
    fn keep(&self, class: usize, leaf: &mut dyn Leaf) -> Result<Outcome, Trouble> {
        if let Some(w) = self.attack_class(class)? {
            return Ok((Verdict::Refuted(Box::new(w)), Tally::default(), None));
        }
        let keep = Keep {
            subject: self.q.subject,
            space: self.space,
            class,
            influence: &self.influence,
            effort: self.effort,
            stop: self.stop,
        };
        let kept = keep.decide(self.root, leaf)?;
        Ok(match kept {
            Kept::Yes(tally) => (
                self.evidence(tally.method(), &tally, Some(class)),
                tally,
                None,
            ),
            Kept::Open(reason, tally) => (Verdict::Unknown(reason), tally, None),
            Kept::No(input, tally) => {
                let point = self.space.point(&input, None);
                let witness = match point {
                    Some(x) => self.replay(&x)?,
                    None => None,
                };
                match witness {
                    Some(w) => (Verdict::Refuted(Box::new(w)), tally, None),
                    None => {
                        let reason =
                            format!("input {input:?} leaves class {class} but does not replay");
                        (Verdict::Unknown(reason), tally, None)
                    }
                }
            }
        })
    }

    /// Likely inputs that leave the class: seeds, descents on the reference's margins, then
    /// coordinate moves on the integers.
    fn attack_class(&self, class: usize) -> Result<Option<Witness>, Trouble> {
        let mut points = attack::seeds(self.space, &self.q.region.center(), self.effort.starts);
        let start = points[0].clone();
        for rival in (0..self.q.reference.output_len()).filter(|j| *j != class) {
            points.push(attack::descend(
                self.q.reference,
                self.space,
                &start,
                Form::margin(class, rival),
            ));
        }
        let mut worst: Vec<(i128, Vec<i64>)> = Vec::new();
        for x in &points {
            if self.stop.now().is_some() {
                return Ok(None);
            }
            let Some(point) = self.space.snap(x) else {
                continue;
            };
            let input = self.q.subject.kernel().quantize_input(&point);
            let lead = self.leads(&input, 1, class)?[0];
            if lead < 0
                && let Some(w) = self.replay(&point)?
            {
                return Ok(Some(w));
            }
            worst.push((lead, input));
        }
        worst.sort();
        worst.dedup();
        for (lead, input) in worst.into_iter().take(3) {
            if let Some(w) = self.coordinate_search(lead, input, class)? {
                return Ok(Some(w));
            }
        }
        Ok(None)
    }

    /// Greedy moves of one coordinate to an end of its range.
    fn coordinate_search(
        &self,
        mut lead: i128,
        mut input: Vec<i64>,
        class: usize,
    ) -> Result<Option<Witness>, Trouble> {
        for _ in 0..8 {
            let mut moves = Vec::new();
            for (i, r) in self.root.input.iter().enumerate() {
                for end in [r.lo, r.hi] {
                    if end != input[i] {
                        let mut next = input.clone();
                        next[i] = end;
                        moves.push(next);
                    }
                }
            }
            let leads = self.leads(&moves.concat(), moves.len(), class)?;
            let Some((best, i)) = leads.iter().zip(0..).map(|(l, i)| (*l, i)).min() else {
                break;
            };
            if best >= lead {
                break;
            }
            (lead, input) = (best, moves[i].clone());
            if lead < 0
                && let Some(x) = self.space.point(&input, None)
                && let Some(w) = self.replay(&x)?
            {
                return Ok(Some(w));
            }
        }
        Ok(None)
    }

    /// How far `class` leads on each input; negative where the kernel answers another class.
    fn leads(&self, inputs: &[i64], n: usize, class: usize) -> Result<Vec<i128>, Trouble> {
        let out = self.q.subject.batch(inputs, n)?;
        let width = self.q.subject.kernel().output_len();
        let lead = |y: &[i64]| {
            (0..width)
                .filter(|j| *j != class)
                .map(|j| i128::from(y[class]) - i128::from(y[j]) - i128::from(j < class))
                .min()
                .unwrap_or(0)
        };
        Ok(out.chunks_exact(width).map(lead).collect())
    }

    fn cells(&self, leaf: &mut dyn Leaf) -> Result<Outcome, Trouble> {
        let cells = Cells {
            reference: self.q.reference,
            subject: self.q.subject,
            space: self.space,
            property: self.q.property,
            influence: &self.influence,
        };
        if let Some(w) = cells.attack(&self.q.region.center(), self.effort, self.stop)? {
            return Ok((Verdict::Refuted(Box::new(w)), Tally::default(), None));
        }
        Ok(
            match cells.decide(self.root, self.effort, self.stop, leaf)? {
                Celled::Holds(margin, tally) => {
                    let method = match tally.solver {
                        Some(_) => Method::Smt,
                        None => Method::Cells,
                    };
                    (self.evidence(method, &tally, None), tally, margin)
                }
                Celled::Broken(w, tally) => (Verdict::Refuted(w), tally, None),
                Celled::Open(reason, tally) => (Verdict::Unknown(reason), tally, None),
            },
        )
    }

    /// Strict top-1 where the reference changes class: either witness may refute already; else
    /// bisect to two points with one rounded input and different strict winners. One of them
    /// refutes this kernel.
    fn boundary(&self, change: &ClassChange) -> Result<Option<Witness>, Trouble> {
        let (mut a, mut b) = (change.a.0.clone(), change.b.0.clone());
        let class_a = change.a.1;
        for x in [&a, &b] {
            if let Some(w) = self.replay(x)? {
                return Ok(Some(w));
            }
        }
        let kernel = self.q.subject.kernel();
        // Halving a segment of a box: cells are reached long before this many steps.
        for _ in 0..400 {
            if kernel.quantize_input(&a) == kernel.quantize_input(&b) {
                break;
            }
            let Some(m) = self.midpoint(&a, &b) else {
                break;
            };
            if let Some(w) = self.replay(&m)? {
                return Ok(Some(w));
            }
            let y = self
                .q
                .reference
                .outputs(&m)
                .map_err(|e| Trouble(e.to_string()))?;
            // A tie belongs to neither side; with it on b's side a's winner stays strict.
            if strict_winner(&y) == Some(class_a) {
                a = m;
            } else {
                b = m;
            }
        }
        for x in [&a, &b] {
            if let Some(w) = self.replay(x)? {
                return Ok(Some(w));
            }
        }
        Ok(None)
    }

    /// The middle of two points, moved into the domain; `None` where it is one of the two.
    fn midpoint(&self, a: &[Exact], b: &[Exact]) -> Option<Vec<Exact>> {
        let m: Vec<Exact> = a.iter().zip(b).map(|(a, b)| a.midpoint(b)).collect();
        let m = match self.q.domain {
            Domain::Real => m,
            Domain::Grid(g) => m.iter().map(|v| g.value(g.quantize(v))).collect(),
        };
        (m != a && m != b && self.space.contains(&m)).then_some(m)
    }
}
