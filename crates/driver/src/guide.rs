//! Guided rounding of candidates: on the regions, counterexamples and data of a run.

use crate::candidates::newest;
use crate::data::Data;
use crate::engine::Engine;
use crate::progress::{Event, Progress};
use crate::record::{GUIDED, Record};
use ceg4n_base::{ContentHash, Exact};
use ceg4n_ir::{Annotations, Checked, Program, Property, Region, ValueId};
use ceg4n_quantize::guided::{Aim, Examples, Goal, Guided, Latents, RegionAim};
use ceg4n_refine::{Attempt, Counterexample};
use ceg4n_search::AnnotationSpace;
use ceg4n_verify::{Label, Reference, Stop};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::Instant;

/// The lead that a robust class shall have at first, as a share of the reference's typical lead.
const LEAD: f64 = 0.1;
/// The share of a margin or an eps that is aimed at after each failure to prove it, and how many
/// failures count.
const TIGHTER: f64 = 0.8;
const MOST_DOUBTS: u32 = 6;
/// The weight of a counterexample against a row of data.
const COUNTEREXAMPLE: f32 = 4.0;
/// Mixtures of region centres that stand in for data, and the weight of each.
const MIXTURES: (usize, f32) = (512, 0.25);
/// Multiplications of one pass over all examples that a run may cost: networks and data sets
/// beyond it are fitted on fewer rows.
const WORK: usize = 200_000_000;

/// Networks of fewer weights are fitted in more passes over no more rows than this.
const SMALL: usize = 5000;
const SMALL_ROWS: usize = 1500;

/// A question, as guided rounding needs it.
struct Asked {
    region: Region,
    property: Property,
    label: Label,
}

/// Guided rounding on the regions, counterexamples and data of a run.
pub(crate) struct Guide<'a> {
    space: &'a AnnotationSpace,
    reference: Reference,
    goals: Vec<Asked>,
    settings: Guided,
    /// Data or their stand-ins, then counterexamples.
    examples: Examples,
    /// Counterexamples among the examples.
    points: usize,
    /// The reference's typical lead.
    lead: f64,
    latents: Latents,
    /// Steps were taken from the store: the latents are those that the last of them left there.
    replayed: bool,
    stop: Stop,
    progress: &'a dyn Progress,
    record: Option<&'a Record>,
    /// Seconds spent.
    pub seconds: f64,
}

impl<'a> Guide<'a> {
    pub(crate) fn new(
        space: &'a AnnotationSpace,
        engine: &Engine<'a>,
        data: Option<&Data>,
        seed: u64,
        progress: &'a dyn Progress,
    ) -> Self {
        let reference = engine.reference.clone();
        let goal = |a: &crate::engine::Asked| Asked {
            region: a.region.clone(),
            property: a.property.clone(),
            label: a.label.label.clone(),
        };
        let goals: Vec<Asked> = engine.asked.iter().map(goal).collect();
        let examples = match data {
            Some(data) => Examples::from_rows(&reference, &fitted(data, space)),
            None => mixtures(&reference, &goals, seed),
        };
        let centers = centers(&goals);
        let lead = match examples.is_empty() {
            true => Examples::from_rows(&reference, &centers.concat()).typical_lead(),
            false => examples.typical_lead(),
        };
        Self {
            space,
            reference,
            goals,
            settings: Guided {
                seed,
                ..Guided::default()
            },
            examples,
            points: 0,
            lead,
            latents: Latents::default(),
            replayed: false,
            stop: engine.stop().clone(),
            progress,
            record: engine.record(),
            seconds: 0.0,
        }
    }

    /// Takes counterexamples among the examples.
    fn learn(&mut self, points: &[Counterexample]) {
        for p in points.iter().skip(self.points) {
            let x: Vec<f32> = p.x.iter().map(|v| v.to_f64() as f32).collect();
            let wide: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
            let y = self.reference.approximate(&wide);
            let outputs: Vec<f32> = y.iter().map(|v| *v as f32).collect();
            let aim = self.aim(p, &y);
            self.examples.push(&x, &outputs, aim, COUNTEREXAMPLE);
        }
        self.points = self.points.max(points.len());
    }

    /// What a point asks for.
    fn aim(&self, p: &Counterexample, y: &[f64]) -> Aim {
        let goal = &self.goals[p.question];
        match &goal.property {
            Property::Eps(e) => Aim::Within { eps: e.to_f64() },
            Property::Top1Margin(m) => Aim::Near { margin: m.to_f64() },
            Property::Top1 | Property::TopK(_) | Property::Spec(_) | Property::Joint(_) => {
                match ceg4n_ir::kernel::argmax(y) {
                    Some(class) => Aim::Class {
                        class,
                        lead: LEAD * self.lead,
                    },
                    None => Aim::Fidelity,
                }
            }
        }
    }

    fn regions(&self, attempt: &Attempt<'_>) -> Vec<RegionAim> {
        let aim = |(q, g): (usize, &Asked)| {
            let doubts = attempt.doubts.get(&q).copied().unwrap_or(0);
            let lead = LEAD * self.lead * f64::from(1 + doubts);
            let mut aim = RegionAim::new(&g.region, &g.label, &g.property, lead);
            aim.weight = (1 + doubts) as f32;
            // What held at the worst points found and was not proved needs room.
            let tighter = TIGHTER.powi(i32::try_from(doubts.min(MOST_DOUBTS)).unwrap_or(0));
            match &mut aim.aim {
                Aim::Near { margin } => *margin *= tighter,
                Aim::Within { eps } => *eps *= tighter,
                Aim::Fidelity | Aim::Class { .. } | Aim::Lead { .. } => {}
            }
            aim
        };
        self.goals.iter().enumerate().map(aim).collect()
    }

    /// Where a run starts: the mantissas of its last run on these bits, or rounding anew.
    fn start(&mut self, attempt: &Attempt<'_>) -> Option<Annotations> {
        if attempt.round > 0
            && let Some(warm) = attempt.warm
        {
            return Some(warm.clone());
        }
        if attempt.warm.is_none() {
            self.latents.clear();
        }
        let (quantizer, model) = (self.space.quantizer(), self.space.model());
        quantizer
            .annotate(model, attempt.assignment, attempt.version)
            .ok()
    }
}

impl Guide<'_> {
    /// One run of guided rounding.
    fn round(&mut self, attempt: &Attempt<'_>) -> Option<Annotations> {
        self.learn(attempt.points);
        let start = self.start(attempt)?;
        let stop = || self.stop.now().is_some();
        let model = self.space.model();
        let goal = Goal {
            examples: &self.examples,
            regions: &self.regions(attempt),
        };
        let effort = 1 + attempt.round / 4;
        let outcome = self
            .settings
            .improve(model, &start, &self.latents, goal, effort, &stop);
        self.progress.note(&Event::Guided {
            formats: attempt.assignment.to_string(),
            round: attempt.round + 1,
            before: outcome.before,
            after: outcome.after,
            held: outcome.held.0,
            of: outcome.held.1,
            moved: outcome.moved,
        });
        self.latents = outcome.latents;
        let mut notes = outcome.annotations;
        notes.version = attempt.version;
        Some(notes)
    }

    /// The same as a step of the run's store.
    fn step(&mut self, attempt: &Attempt<'_>, record: &Record) -> Option<Annotations> {
        let asked = question(attempt, record);
        if let Some((notes, seconds)) = record.replay::<Option<Annotations>>(GUIDED, asked) {
            self.replayed = true;
            self.seconds += seconds;
            return notes;
        }
        if std::mem::take(&mut self.replayed) {
            self.latents = record.latents().map_or_else(Latents::new, |t| unpack(&t));
        }
        let begin = Instant::now();
        let notes = self.round(attempt);
        let seconds = begin.elapsed().as_secs_f64();
        let cut = self.stop.now().is_some();
        let latents = Some(pack(&self.latents));
        record.keep(GUIDED, asked, &notes, latents, seconds, cut);
        self.seconds += seconds;
        notes
    }
}

impl ceg4n_refine::Guide for Guide<'_> {
    fn improve(&mut self, attempt: &Attempt<'_>) -> Option<Checked<Program>> {
        let notes = match self.record {
            Some(record) => self.step(attempt, record),
            None => {
                let begin = Instant::now();
                let notes = self.round(attempt);
                self.seconds += begin.elapsed().as_secs_f64();
                notes
            }
        };
        self.space.model().check(notes?).ok()
    }
}

/// The hash of what a run of guided rounding is asked.
fn question(attempt: &Attempt<'_>, record: &Record) -> ContentHash {
    let mut hasher = record.question(GUIDED);
    let json = |t: Result<String, serde_json::Error>| t.unwrap_or_default();
    hasher
        .str(&json(serde_json::to_string(attempt.assignment)))
        .str(&json(serde_json::to_string(&attempt.warm)))
        .str(&newest(attempt.points))
        .str(&format!("{:?}", attempt.doubts))
        .int(i64::from(attempt.round))
        .int(i64::from(attempt.version));
    hasher.finish()
}

/// Latents as a text; numbers as their bits, which come back as they are.
fn pack(latents: &Latents) -> String {
    let bits: Vec<(ValueId, Vec<u32>)> = latents
        .iter()
        .map(|(v, row)| (*v, row.iter().map(|x| x.to_bits()).collect()))
        .collect();
    serde_json::to_string(&bits).unwrap_or_default()
}

fn unpack(text: &str) -> Latents {
    let bits: Vec<(ValueId, Vec<u32>)> = serde_json::from_str(text).unwrap_or_default();
    bits.into_iter()
        .map(|(v, row)| (v, row.into_iter().map(f32::from_bits).collect()))
        .collect()
}

/// The calibration rows, row by row, evenly chosen where they are too many.
fn fitted(data: &Data, space: &AnnotationSpace) -> Vec<f32> {
    let macs: usize = space.layers().iter().map(|l| l.weights).sum();
    let few = if macs < SMALL { SMALL_ROWS } else { usize::MAX };
    let most = (WORK / macs.max(1)).clamp(64, few);
    data.calibration.some_rows(most)
}

fn centers(goals: &[Asked]) -> Vec<Vec<f32>> {
    let floats = |x: Vec<Exact>| x.iter().map(|v| v.to_f64() as f32).collect();
    goals.iter().map(|g| floats(g.region.center())).collect()
}

/// Random mixtures of region centres: few regions do not pin a function down, and between them it
/// shall not become another.
fn mixtures(reference: &Reference, goals: &[Asked], seed: u64) -> Examples {
    let centers = centers(goals);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut rows = Vec::new();
    for _ in 0..MIXTURES.0 {
        let mut weights: Vec<f32> = (0..centers.len()).map(|_| rng.random::<f32>()).collect();
        // Most of a point comes from few centres.
        weights.iter_mut().for_each(|w| *w = w.powi(4));
        let sum: f32 = weights.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        for i in 0..reference.input_len() {
            let terms = centers.iter().zip(&weights);
            rows.push(terms.map(|(c, w)| c[i] * (w / sum)).sum());
        }
    }
    let mut all = Examples::new(reference.input_len(), reference.output_len());
    all.push_rows(reference, &rows, Aim::Fidelity, MIXTURES.1);
    all
}
