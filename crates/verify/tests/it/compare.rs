//! Asks the verifier and the oracle the same questions and compares.

use crate::generate::{Case, Rng};
use crate::model::Meaning;
use crate::oracle::{Answer, Prop, argmax, breaks, by_grid, grid_points, winner};
use crate::pieces::by_pieces;
use crate::questions::{property, questions, what};
use ceg4n_base::Exact;
use ceg4n_ir::{Checked, Domain, Format, Interval, Kernel, Program, Property, Region};
use ceg4n_jit::CodeCache;
use ceg4n_verify::label::label;
use ceg4n_verify::leaf::{GridBox, LeafAnswer, NoLeaf};
use ceg4n_verify::space::Space;
use ceg4n_verify::tree::{Partial, Tree};
use ceg4n_verify::verdict::{Evidence, Method};
use ceg4n_verify::{
    Effort, Known, Label, Leaf, Question, Reference, RegionResult, SolverLeaf, Stop, Subject,
    Verdict, decide, decide_from,
};
use std::collections::BTreeMap;

/// Verdicts by kind, and what was passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// `top1 proved` and the like.
    pub(crate) verdicts: BTreeMap<String, u64>,
    /// Labels of the reference.
    pub(crate) labels: BTreeMap<&'static str, u64>,
    /// Questions.
    pub(crate) cases: u64,
    /// Programs that the checker refused.
    pub(crate) refused: u64,
    /// Proofs with the embedded solver's help.
    pub(crate) solver: u64,
    /// Boxes without a grid point.
    pub(crate) empty: u64,
    /// Unfinished questions that were decided when gone on with.
    pub(crate) resumed: u64,
}

impl Counts {
    fn add(&mut self, kind: String) {
        *self.verdicts.entry(kind).or_default() += 1;
    }

    /// Verdicts whose text ends so.
    pub(crate) fn with(&self, end: &str) -> u64 {
        let of = self.verdicts.iter().filter(|(k, _)| k.ends_with(end));
        of.map(|(_, n)| n).sum()
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} cases ({} refused by the checker, {} boxes without a point)",
            self.cases, self.refused, self.empty
        )?;
        let total: u64 = self.verdicts.values().sum();
        writeln!(
            f,
            "{total} verdicts: {} proved ({} by the embedded solver, {} gone on with), {} refuted, {} unknown",
            self.with("proved"),
            self.solver,
            self.resumed,
            self.with("refuted"),
            self.with("unknown")
        )?;
        for (k, n) in &self.verdicts {
            writeln!(f, "  {k:<24} {n}")?;
        }
        for (k, n) in &self.labels {
            writeln!(f, "  label {k:<18} {n}")?;
        }
        Ok(())
    }
}

/// A solver for tests: enumerates with the oracle's evaluator, or answers nonsense.
pub(crate) struct TestLeaf {
    case: Case,
    nonsense: Option<Rng>,
}

impl TestLeaf {
    fn first(&mut self, points: &[Interval], wanted: impl Fn(&Case, &[i64]) -> bool) -> LeafAnswer {
        if let Some(rng) = &mut self.nonsense {
            // Some model, inside the box or not, or none. Never "never".
            return if rng.one_in(3) {
                LeafAnswer::Unknown("died".into())
            } else {
                let within = |r: &Interval| rng.int(r.lo - 1, r.hi + 1);
                let mut at: Vec<i64> = points.iter().map(within).collect();
                if rng.one_in(5) {
                    at.pop();
                }
                LeafAnswer::At(at)
            };
        }
        let mut at: Vec<i64> = points.iter().map(|r| r.lo).collect();
        loop {
            if wanted(&self.case, &at) {
                return LeafAnswer::At(at);
            }
            let Some(i) = (0..at.len()).find(|i| at[*i] < points[*i].hi) else {
                return LeafAnswer::Never;
            };
            for (v, r) in at.iter_mut().zip(points).take(i) {
                *v = r.lo;
            }
            at[i] += 1;
        }
    }
}

impl Leaf for TestLeaf {
    fn name(&self) -> String {
        "test".into()
    }

    fn leaves_class(
        &mut self,
        _: &Kernel,
        input: &[Interval],
        class: usize,
        _: &Effort,
        _: &Stop,
    ) -> LeafAnswer {
        self.first(input, |case, at| {
            let wide: Vec<i128> = at.iter().map(|v| i128::from(*v)).collect();
            argmax(&case.kernel.fixed(&wide)) != class
        })
    }

    fn breaks_on_grid(&mut self, b: GridBox<'_>, _: &Effort, _: &Stop) -> LeafAnswer {
        let prop = match b.property {
            Property::Top1 => Prop::Top1,
            Property::Top1Margin(m) => Prop::Margin(m.clone()),
            Property::TopK(n) => Prop::TopK(*n as usize),
            Property::Eps(e) => Prop::Eps(e.clone()),
            Property::Spec(s) => Prop::Spec(s.clone()),
            Property::Joint(s) => Prop::Joint(s.clone()),
        };
        self.first(b.points, |case, at| {
            let grid = case.grid.expect("a grid");
            let x: Vec<Exact> = at.iter().map(|m| grid.value(i128::from(*m))).collect();
            let (n, k) = outputs(case, &x);
            breaks(&prop, &n, &k)
        })
    }
}

/// No solver, one of the tests', or the embedded one.
fn some_leaf(rng: &mut Rng, case: &Case) -> Result<Box<dyn Leaf>, String> {
    let nonsense = match rng.int(0, 4) {
        0 => return Ok(Box::new(NoLeaf)),
        1 => None,
        2 => Some(Rng::new(rng.int(0, 1 << 40) as u64)),
        _ => {
            let leaf = SolverLeaf::new("embedded", None).map_err(|d| d.message)?;
            return Ok(Box::new(leaf));
        }
    };
    let case = case.clone();
    Ok(Box::new(TestLeaf { case, nonsense }))
}

/// Enough of everything, or so little that the solver is asked.
fn effort(rng: &mut Rng) -> Effort {
    let kind = rng.int(0, 4);
    Effort {
        boxes: if kind == 0 {
            [1, 1, 2, 3, 12][rng.size(0, 4)]
        } else {
            1500
        },
        points: if kind < 2 {
            rng.int(0, 20) as u64
        } else {
            1 << 12
        },
        conflicts: 2000,
        clauses: 100_000,
        queries: rng.int(0, 200) as u64,
        starts: rng.int(0, 6) as u64,
    }
}

/// Evidence, with what it is about.
pub(crate) struct Proof<'a> {
    pub(crate) evidence: &'a Evidence,
    pub(crate) reference: &'a Checked<Program>,
    pub(crate) subject: &'a Checked<Program>,
    pub(crate) region: &'a Region,
    /// The truth about the region.
    pub(crate) answer: &'a Answer,
}

/// Looks at the evidence of a proof.
pub(crate) type Look<'a> = &'a mut dyn FnMut(&Proof<'_>) -> Result<(), String>;

/// The oracle's answer; `None` for a box without a grid point, which the verifier must refuse.
fn truth(
    case: &Case,
    region: &Region,
    input: Format,
    counts: &mut Counts,
) -> Result<Option<Answer>, String> {
    let kernel = (&case.kernel, case.meaning);
    let reference = (&case.reference.0, case.reference.1);
    let Some(grid) = case.grid else {
        let answer = by_pieces(kernel, reference, &case.lower, &case.upper);
        return Ok(Some(answer));
    };
    let points = grid_points(grid, &case.lower, &case.upper);
    if points.is_empty() {
        counts.empty += 1;
        return match Space::new(region, Domain::Grid(grid.ir()), input).root() {
            Err(_) => Ok(None),
            Ok(_) => Err("a box without a grid point was accepted".into()),
        };
    }
    Ok(Some(by_grid(kernel, reference, points)))
}

/// The verdict of four times the boxes from unfinished work, which must survive storage.
fn resumed(
    question: &Question<'_>,
    partial: &Partial,
    effort: &Effort,
    leaf: &mut dyn Leaf,
) -> Result<RegionResult, String> {
    let stored = serde_json::to_string(partial).map_err(|e| e.to_string())?;
    let read: Partial = serde_json::from_str(&stored).map_err(|e| e.to_string())?;
    if read != *partial {
        return Err("unfinished work changed in storage".into());
    }
    let known = Known {
        partial: Some(&read),
        ..Known::default()
    };
    let longer = Effort {
        boxes: effort.boxes * 4,
        ..*effort
    };
    Ok(decide_from(
        question,
        known,
        &longer,
        &Stop::default(),
        leaf,
    ))
}

/// One case: every verdict against the oracle; `look` sees all evidence.
///
/// # Errors
/// A text that says what is wrong.
pub(crate) fn run(
    case: &Case,
    rng: &mut Rng,
    cache: &CodeCache,
    counts: &mut Counts,
    look: Look<'_>,
) -> Result<(), String> {
    let (kernel, (model, meaning)) = (&case.kernel, &case.reference);
    counts.cases += 1;
    let programs = (kernel.program(case.meaning), model.program(*meaning));
    let (Some(program), Some(reference)) = programs else {
        counts.refused += 1;
        return Ok(());
    };
    let subject = Subject::new(program, cache).map_err(|e| e.to_string())?;
    let domain = case.grid.map_or(Domain::Real, |g| Domain::Grid(g.ir()));
    let region = Region {
        id: "r".into(),
        lower: case.lower.clone(),
        upper: case.upper.clone(),
        center: None,
        ball_size: None,
        span: None,
    };
    let Some(answer) = truth(case, &region, subject.input_format(), counts)? else {
        return Ok(());
    };
    let checked = reference;
    let reference = Reference::new(&checked);
    let effort = effort(rng);
    let stop = Stop::default();
    let space = Space::new(&region, domain, subject.input_format());
    let root = space.root().map_err(|d| d.message)?;
    let for_label = Effort {
        boxes: if rng.one_in(8) { 3 } else { 1500 },
        ..effort
    };
    let label = label(
        &reference,
        &space,
        &region.center(),
        &root,
        &for_label,
        &stop,
    );
    check_label(case, &answer, &label.label, counts)?;
    let mut leaf = some_leaf(rng, case)?;
    let (mut elsewhere, mut elsewhere_partial): (Option<Tree>, Option<Box<Partial>>) = (None, None);
    for prop in questions(rng, &answer, kernel.outputs()) {
        let property = property(&prop);
        let question = Question {
            reference: &reference,
            subject: &subject,
            region: &region,
            property: &property,
            domain,
            label: &label,
        };
        let result = decide(&question, &effort, &stop, leaf.as_mut());
        let told = |e| format!("{property}: {e}");
        let mut all = |result: &RegionResult, counts: &mut Counts| {
            judge(case, &answer, &prop, result, counts)?;
            let Verdict::Proved(evidence) = &result.verdict else {
                return Ok(());
            };
            look(&Proof {
                evidence,
                reference: &checked,
                subject: subject.program(),
                region: &region,
                answer: &answer,
            })
        };
        all(&result, counts).map_err(told)?;
        if rng.one_in(4)
            && let Some(partial) = &result.partial
        {
            let more = resumed(&question, partial, &effort, leaf.as_mut())?;
            counts.resumed += u64::from(!matches!(more.verdict, Verdict::Unknown(_)));
            all(&more, counts).map_err(told)?;
        }
        if !rng.one_in(4) {
            continue;
        }
        // A division and points from anywhere change nothing about what is right.
        let known = Known {
            division: elsewhere.as_ref(),
            hints: std::slice::from_ref(&region.upper),
            partial: elsewhere_partial.as_deref(),
        };
        let again = decide_from(&question, known, &effort, &stop, leaf.as_mut());
        all(&again, counts).map_err(told)?;
        if let Verdict::Proved(e) = &result.verdict {
            elsewhere = Some(e.tree.clone());
        }
        elsewhere_partial = result.partial.or(elsewhere_partial);
    }
    Ok(())
}

/// One verdict against the oracle's answer.
fn judge(
    case: &Case,
    answer: &Answer,
    prop: &Prop,
    result: &RegionResult,
    counts: &mut Counts,
) -> Result<(), String> {
    let broken = answer.broken(prop);
    let name = what(prop);
    let weights = match case.meaning {
        Meaning::Fixed => "",
        Meaning::Constants | Meaning::Real => "weights ",
    };
    counts.add(format!("{weights}{name} {}", result.verdict.name()));
    match &result.verdict {
        Verdict::Proved(e) => {
            if e.method == Method::Smt && !matches!(e.solver, Some((ref s, _)) if s == "test") {
                counts.solver += 1;
            }
            if let Some(x) = &broken {
                return Err(format!("proved, but broken at {x:?}"));
            }
        }
        Verdict::Refuted(w) => {
            check_witness(case, prop, &w.x)?;
            if broken.is_none() {
                return Err("a witness that the oracle does not know of".into());
            }
        }
        Verdict::Unknown(reason) if reason.starts_with("defect") => return Err(reason.clone()),
        Verdict::Unknown(_) => {}
    }
    if let (Prop::Margin(m), Some(shown)) = (prop, result.margin_proved) {
        check_margin(answer, m, shown)?;
    }
    let outputs = case.kernel.outputs();
    let means = match prop {
        Prop::Top1 => true,
        Prop::TopK(n) => *n < outputs,
        Prop::Margin(m) => answer.margin_means_something(m),
        Prop::Eps(e) => answer.tolerance_means_something(e, outputs),
        Prop::Spec(_) | Prop::Joint(_) => true,
    };
    if result.vacuous.is_none() && !means {
        return Err("vacuous, but not marked".into());
    }
    Ok(())
}

fn contains(case: &Case, x: &[Exact]) -> bool {
    x.len() == case.lower.len()
        && (0..x.len()).all(|i| {
            let on_grid = case.grid.is_none_or(|g| {
                let m = g.quantize(&x[i]);
                g.value(m) == x[i]
            });
            case.lower[i] <= x[i] && x[i] <= case.upper[i] && on_grid
        })
}

fn outputs(case: &Case, x: &[Exact]) -> (Vec<Exact>, Vec<Exact>) {
    let n = case.reference.0.outputs_at(case.reference.1, x);
    (n, case.kernel.outputs_at(case.meaning, x))
}

fn check_witness(case: &Case, prop: &Prop, x: &[Exact]) -> Result<(), String> {
    if !contains(case, x) {
        return Err(format!("the witness {x:?} is no point of the question"));
    }
    let (n, k) = outputs(case, x);
    if breaks(prop, &n, &k) {
        Ok(())
    } else {
        Err(format!("the witness {x:?} breaks nothing: {n:?} {k:?}"))
    }
}

fn check_label(
    case: &Case,
    answer: &Answer,
    label: &Label,
    counts: &mut Counts,
) -> Result<(), String> {
    let name = match label {
        Label::Robust(c) => {
            if !answer.always_wins(*c) {
                return Err(format!("labelled robust ({c}), which is wrong"));
            }
            "robust"
        }
        Label::Changes(change) => {
            for (x, c) in [&change.a, &change.b] {
                if !contains(case, x) || winner(&outputs(case, x).0) != Some(*c) {
                    return Err(format!("{x:?} is no strict winner {c}"));
                }
            }
            if change.a.1 == change.b.1 {
                return Err("a change from a class to itself".into());
            }
            "changes"
        }
        Label::Undecided => "undecided",
    };
    *counts.labels.entry(name).or_default() += 1;
    Ok(())
}

/// The margin reported holds, and is not above the one asked for (up to the float it is given as).
fn check_margin(answer: &Answer, asked: &Exact, shown: f64) -> Result<(), String> {
    let Some(margin) = Exact::from_f64(shown) else {
        return Err(format!("a margin of {shown} was shown"));
    };
    if shown > asked.enclosure().1 {
        return Err(format!("a margin of {shown} was shown"));
    }
    match answer.broken(&Prop::Margin(margin)) {
        Some(x) => Err(format!("a margin of {shown} was shown, broken at {x:?}")),
        None => Ok(()),
    }
}

/// Runs cases of fixed seeds; on the first wrong answer a text with everything to repeat it.
///
/// # Errors
/// The case and what was wrong.
pub(crate) fn series(real: bool, first: u64, n: u64) -> Result<Counts, String> {
    series_with(real, first, n, &mut |_| Ok(()))
}

/// As [`series`]; `look` sees all evidence.
///
/// # Errors
/// The case and what was wrong.
pub(crate) fn series_with(
    real: bool,
    first: u64,
    n: u64,
    look: Look<'_>,
) -> Result<Counts, String> {
    let cache = CodeCache::new();
    let mut counts = Counts::default();
    for seed in first..first + n {
        let mut rng = Rng::new(2 * seed + u64::from(real));
        let case = crate::generate::case(&mut rng, real);
        run(&case, &mut rng, &cache, &mut counts, look)
            .map_err(|e| format!("seed {seed}, real {real}: {e}\n{case:#?}"))?;
    }
    Ok(counts)
}
