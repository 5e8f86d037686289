//! One region, one requirement: the order of the tiers, and the verdict.

use crate::attack::{Target, find_break, split_cell};
use crate::bounds::backward::Rows;
use crate::bounds::differential::Together;
use crate::bounds::graph::Graph;
use crate::bounds::margins;
use crate::budget::{Effort, Stop};
use crate::cells::{Celled, Cells};
use crate::frontier::{self, Earlier};
use crate::keep::left_open;
use crate::keep::{Keep, Kept, Tally};
use crate::label::{Labelled, influence};
use crate::leaf::Leaf;
use crate::margins::{Exactly, FEW_INPUTS, Margins, View, Whole};
use crate::reference::Reference;
use crate::requirement::{above, sum};
use crate::space::{Part, Space};
use crate::subject::{Subject, Trouble};
use crate::tree::{Closure, Partial, Tree};
use crate::vacuous::vacuous;
use crate::verdict::{Evidence, Label, RegionResult, Verdict, Witness};
use ceg4n_base::{ContentHash, Exact};
use ceg4n_ir::{Domain, OutputConstraint, OutputSpec, Property, Region};

/// The stage that works on the subject alone, without integers.
const ALONE: &str = "alone";

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
    pub label: &'a Labelled,
}

/// What is known from elsewhere and may save work; it never changes what counts as proof.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// How the region was divided for another program: the division to start from.
    pub division: Option<&'a Tree>,
    /// Points that broke a requirement for another program or on another region.
    pub hints: &'a [Vec<Exact>],
    /// Unfinished work on this question ([`RegionResult::partial`]); that on another is not used.
    pub partial: Option<&'a Partial>,
}

/// Decides a question.
pub fn decide(q: &Question<'_>, effort: &Effort, stop: &Stop, leaf: &mut dyn Leaf) -> RegionResult {
    decide_from(q, Known::default(), effort, stop, leaf)
}

/// Decides a question with the help of what is known.
pub fn decide_from(
    q: &Question<'_>,
    known: Known<'_>,
    effort: &Effort,
    stop: &Stop,
    leaf: &mut dyn Leaf,
) -> RegionResult {
    let space = Space::new(q.region, q.domain, q.subject.input_format());
    let mut result = RegionResult {
        id: q.region.id.clone(),
        property: q.property.clone(),
        verdict: Verdict::Unknown(String::new()),
        label: q.label.label.clone(),
        vacuous: None,
        margin_proved: None,
        boxes: 0,
        points: 0,
        clock_limited: false,
        open: None,
        partial: None,
    };
    let root = match space.root() {
        Ok(root) => root,
        Err(d) => {
            result.verdict = Verdict::Unknown(d.message);
            return result;
        }
    };
    if let Some(why) = q.reference.refusal().or(q.subject.refusal()) {
        result.verdict = Verdict::Unknown(format!("not decided for runs in float32: {why}"));
        return result;
    }
    result.vacuous = vacuous(q.reference, &space, &root, q.property, &q.region.center());
    let work = Work {
        q,
        known,
        space: &space,
        root: &root,
        center: q.region.center(),
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
            if let Verdict::Unknown(_) = result.verdict {
                result.open = tally.open;
                result.partial = (!tally.stage.is_empty()).then(|| {
                    Box::new(Partial {
                        question: work.identity(tally.stage),
                        tree: tally.tree,
                        slack: tally.slack,
                    })
                });
            }
        }
        Err(trouble) => result.verdict = Verdict::Unknown(format!("defect: {trouble}")),
    }
    result
}

struct Work<'a> {
    q: &'a Question<'a>,
    known: Known<'a>,
    space: &'a Space,
    root: &'a Part,
    center: Vec<Exact>,
    influence: Vec<f64>,
    effort: &'a Effort,
    stop: &'a Stop,
}

/// A question about one program: some form of every case must exceed what it needs.
struct Alone<'a> {
    graph: &'a Graph,
    view: View,
    forms: Rows,
    need: Vec<f64>,
    cases: Vec<usize>,
}

type Outcome = (Verdict, Tally, Option<f64>);

impl Work<'_> {
    fn run(&self, leaf: &mut dyn Leaf) -> Result<Outcome, Trouble> {
        let strict = matches!(self.q.property, Property::Top1);
        let margin = matches!(self.q.property, Property::Top1Margin(_));
        match &self.q.label.label {
            Label::Robust(c) if strict => self.keep(*c, leaf),
            Label::Robust(c) if margin => match self.keep(*c, leaf)? {
                // The reference's own class: a margin of zero.
                (Verdict::Proved(e), tally, _) => Ok((Verdict::Proved(e), tally, Some(0.0))),
                (Verdict::Refuted(_) | Verdict::Unknown(_), _, _) => self.cells(leaf),
            },
            Label::Changes(change) if strict => match split_cell(&self.target(), change)? {
                Some(w) => Ok((Verdict::Refuted(Box::new(w)), Tally::default(), None)),
                // On a grid, and where boundaries coincide, the property may hold all the same.
                None => self.cells(leaf),
            },
            Label::Robust(_) | Label::Changes(_) | Label::Undecided => match self.q.property {
                Property::Spec(spec) => self.spec(spec, leaf),
                Property::Top1
                | Property::Top1Margin(_)
                | Property::TopK(_)
                | Property::Eps(_)
                | Property::Joint(_) => self.cells(leaf),
            },
        }
    }

    /// The question and the stage that works on it, by content.
    fn identity(&self, stage: &str) -> ContentHash {
        let mut h = ceg4n_base::Hasher::new("work");
        let hashes = [
            self.q.subject.program().hash(),
            self.q.reference.hash(),
            self.q.region.hash(),
        ];
        for part in hashes {
            h.str(&part.to_string());
        }
        h.str(&self.q.property.to_string());
        if let Property::Spec(spec) | Property::Joint(spec) = self.q.property {
            h.str(&spec.hash().to_string());
        }
        h.str(&self.q.domain.to_string()).str(stage).finish()
    }

    /// Unfinished work on this question, or a division to start from.
    fn earlier(&self, stage: &str) -> Option<Earlier<'_>> {
        let own = self
            .known
            .partial
            .filter(|p| p.question == self.identity(stage));
        let partial = own.map(Earlier::Partial);
        partial.or(self.known.division.map(Earlier::Division))
    }

    fn is_spec(&self) -> bool {
        matches!(self.q.property, Property::Spec(_))
    }

    fn proved(&self, tally: &Tally, alone: bool) -> Verdict {
        Verdict::Proved(Box::new(Evidence {
            program: self.q.subject.program().hash(),
            reference: self.q.reference.hash(),
            region: self.q.region.hash(),
            property: self.q.property.clone(),
            domain: self.q.domain,
            robust: self
                .q
                .label
                .proof
                .clone()
                .filter(|_| alone && !self.is_spec()),
            method: tally.method(),
            boxes: tally.boxes,
            points: tally.points,
            solver: tally.solver.clone(),
            tree: tally.tree.clone(),
        }))
    }

    fn replay(&self, x: &[Exact]) -> Result<Option<Witness>, Trouble> {
        self.q
            .subject
            .replay(self.q.reference, self.space, self.q.property, x)
    }

    /// The decoupled question: the kernel alone, on integers.
    fn keep(&self, class: usize, leaf: &mut dyn Leaf) -> Result<Outcome, Trouble> {
        let Some(kernel) = self.q.subject.kernel() else {
            return self.keep_real(class);
        };
        let keep = Keep {
            subject: self.q.subject,
            kernel,
            space: self.space,
            class,
            effort: self.effort,
            stop: self.stop,
        };
        if let Some(tally) = keep.at_once(self.root) {
            return Ok((self.proved(&tally, true), tally, None));
        }
        if let Some(w) = self.attack()? {
            return Ok((Verdict::Refuted(Box::new(w)), Tally::default(), None));
        }
        let kept = keep.decide(self.root, self.earlier(crate::keep::STAGE), leaf)?;
        Ok(match kept {
            Kept::Yes(tally) => (self.proved(&tally, true), tally, None),
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

    /// As [`Self::keep`], for a real-valued subject: on the real points.
    fn keep_real(&self, class: usize) -> Result<Outcome, Trouble> {
        let outputs = self.q.subject.output_len();
        let alone = Alone {
            graph: self.q.subject.graph(),
            view: View::Reals,
            forms: margins(class, outputs),
            need: vec![0.0; outputs.saturating_sub(1)],
            cases: Vec::new(),
        };
        self.alone(alone)
    }

    /// A specification, where each case has a form that excludes it: on the subject alone.
    fn spec(&self, spec: &OutputSpec, leaf: &mut dyn Leaf) -> Result<Outcome, Trouble> {
        let outputs = self.q.subject.output_len();
        // Cases of several constraints are decided on the integers of a kernel as cells.
        let one_each = self.q.subject.kernel().is_some();
        let several = |case: &Vec<OutputConstraint>| one_each && case.len() != 1;
        let (mut rows, mut need, mut cases) = (Vec::new(), Vec::new(), Vec::new());
        for (k, case) in spec.cases.iter().enumerate() {
            let whole = (case.len() > 1).then(|| sum(case));
            let forms = case.iter().chain(&whole);
            let before = rows.len();
            for (row, least) in forms.filter_map(|c| above(c, outputs)) {
                rows.push(row);
                need.push(least);
                cases.push(k);
            }
            if rows.len() == before || several(case) {
                return self.cells(leaf);
            }
        }
        let (graph, view) = match (self.q.subject.integer_graph(), self.q.subject.kernel()) {
            (Some(graph), Some(k)) => (graph, View::Mantissas(k.input_format.frac())),
            (_, _) => (self.q.subject.graph(), View::Reals),
        };
        let alone = Alone {
            graph,
            view,
            forms: Rows::new(rows.len(), rows.concat()),
            need,
            cases,
        };
        match self.alone(alone)? {
            // Points and their cells may still decide.
            (Verdict::Unknown(_), tally, _) if one_each && !tally.clock_limited => self.cells(leaf),
            outcome => Ok(outcome),
        }
    }

    /// A question about the subject alone.
    fn alone(&self, alone: Alone<'_>) -> Result<Outcome, Trouble> {
        let visit = |x: &[f64]| match self.space.snap(x) {
            Some(point) => self.replay(&point),
            None => Ok(None),
        };
        let exactly = |part: &Part| self.at_point(part);
        let problem = Margins {
            graph: alone.graph,
            space: self.space,
            view: alone.view,
            forms: alone.forms,
            need: alone.need,
            cases: alone.cases,
            by_sign: self.root.real.len() > FEW_INPUTS,
            first: &|_| false,
            visit: &visit,
            exactly: &exactly,
            whole: Whole::default(),
        };
        if problem.quick(self.root) {
            let tally = Tally {
                boxes: 1,
                tree: Tree::leaf(Closure::Backward),
                ..Tally::default()
            };
            return Ok((self.proved(&tally, true), tally, None));
        }
        if let Some(w) = self.attack()? {
            return Ok((Verdict::Refuted(Box::new(w)), Tally::default(), None));
        }
        let boxes = self.effort.boxes_for(self.root.real.len());
        let start = problem.start(self.earlier(ALONE), self.root);
        let ended = frontier::run(&problem, start, (boxes, self.effort.points), self.stop)?;
        let tally = Tally::of(&ended, ALONE);
        if ended.is_proved() {
            return Ok((self.proved(&tally, true), tally, None));
        }
        let reason = left_open(&ended);
        Ok(match ended.found {
            Some(w) => (Verdict::Refuted(Box::new(w)), tally, None),
            None => (Verdict::Unknown(reason), tally, None),
        })
    }

    /// A part of one point, where a specification is evaluated exactly.
    fn at_point(&self, part: &Part) -> Result<Exactly<Witness>, Trouble> {
        if !(self.is_spec() && self.q.subject.is_exact() && self.space.is_point(part)) {
            return Ok(Exactly::Open);
        }
        let x: Vec<f64> = part.real.iter().map(|b| b.lo).collect();
        let Some(point) = self.space.snap(&x) else {
            return Ok(Exactly::Open);
        };
        Ok(match self.replay(&point)? {
            Some(w) => Exactly::Found(w),
            None => Exactly::Holds(1),
        })
    }

    fn attack(&self) -> Result<Option<Witness>, Trouble> {
        find_break(&self.target(), self.effort, self.stop)
    }

    fn target(&self) -> Target<'_> {
        Target {
            reference: self.q.reference,
            subject: self.q.subject,
            space: self.space,
            property: self.q.property,
            label: &self.q.label.label,
            center: &self.center,
            hints: self.known.hints,
        }
    }

    fn cells(&self, leaf: &mut dyn Leaf) -> Result<Outcome, Trouble> {
        let together = Together::new(self.q.reference.graph(), self.q.subject.graph());
        let cells = Cells {
            reference: self.q.reference,
            subject: self.q.subject,
            together: &together,
            space: self.space,
            property: self.q.property,
            influence: &self.influence,
        };
        // Bounds of two wide programs may take seconds.
        let in_time = self.stop.now().is_none();
        let at_once = in_time.then(|| cells.at_once(self.root)).flatten();
        let celled = match at_once {
            Some(celled) => celled,
            None => match self.attack()? {
                Some(w) => Celled::Broken(Box::new(w), Tally::default()),
                None => {
                    let earlier = self.earlier(crate::cells::STAGE);
                    cells.decide(self.root, earlier, self.effort, self.stop, leaf)?
                }
            },
        };
        Ok(match celled {
            Celled::Holds(margin, tally) => (self.proved(&tally, false), tally, margin),
            Celled::Broken(w, tally) => (Verdict::Refuted(w), tally, None),
            Celled::Open(reason, tally) => (Verdict::Unknown(reason), tally, None),
        })
    }
}
