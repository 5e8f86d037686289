//! What a preset does: the search space, and the strategies that walk it one after the other.

use crate::data::Data;
use crate::load::Loaded;
use crate::options::{CompileOptions, DEFAULT_ACTIVATION_BITS, Preset, Strategy as Asked};
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_ir::Property;
use ceg4n_quantize::ranges::RangeOptions;
use ceg4n_quantize::{BiasRule, Calibration, Gpfq, Model, Nearest, Quantizer};
use ceg4n_refine::strategy::{Enumerate, Genetic, Greedy, Guided, List, Narrow};
use ceg4n_refine::{State, Strategy};
use ceg4n_search::{AnnotationSpace, Exact as CostOrder, Settings, Variation};
use ceg4n_target::{Machine, Target};
use ceg4n_verify::Reference;
use std::sync::Arc;

/// Greatest activation width where a processor is named: an unsigned activation of so many bits is a
/// signed half of a word, which its multiplications take.
const HALF_ACTIVATIONS: u8 = 15;

/// Activations of the preset `ceg4n`, whose original leaves them in float32.
const FINE_ACTIVATIONS: u8 = 16;
/// The widest activations that are searched by default where outputs must be close as numbers.
const NUMERIC_ACTIVATIONS: u8 = 20;
/// Evaluations of one genetic search.
const EVALUATIONS: usize = 1000;
/// Individuals of a genetic search that is no comparison.
const POPULATION: usize = 32;
/// Assignments that the automatic strategy enumerates below what it found, per effort.
const ENUMERATED: u64 = 4096;

/// One strategy of a plan, before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The widths `W:A`.
    Uniform(u8, u8),
    /// The least `k` of `k:max(k, 8)`.
    UniformMin,
    /// A few uniform formats from 8 bits up, so that a proved program exists early.
    Generous,
    /// One width at a time downwards.
    Greedy,
    /// Guided rounding.
    Guided,
    /// Guided rounding of every assignment between few and many bits, for a front.
    Ladder,
    /// The whole space in order of cost.
    Enumerate,
    /// What is cheaper than the best so far, up to a count.
    Cheaper,
    /// A genetic search.
    Genetic(Settings),
    /// Fewer activation bits at the same cost.
    Narrow,
}

/// What a preset does.
pub(crate) struct Plan {
    /// The search space.
    pub space: AnnotationSpace,
    /// The strategies, in order.
    pub stages: Vec<Stage>,
    /// Leave out the rest of the questions after a refuted one.
    pub early: bool,
    /// A refuted candidate is shown, where nothing better was found: a preset's own.
    pub shows_refuted: bool,
    effort: u32,
}

impl Plan {
    /// The plan of the options.
    ///
    /// # Errors
    /// Samples that no calibration can use.
    pub(crate) fn new(
        options: &CompileOptions,
        loaded: &Loaded,
        reference: &Reference,
        data: Option<&Data>,
    ) -> Result<Self, Diagnostics> {
        let network = loaded.module.network.clone();
        let rounding = options.rounding.unwrap_or_default();
        let regions = &loaded.module.regions;
        let calibration = data.map(calibration).transpose()?;
        let ranges = RangeOptions {
            data: calibration.clone(),
            ..RangeOptions::default()
        };
        let model = Model::with_options(reference, network, regions, rounding, &ranges);
        let ends = |r: &std::ops::RangeInclusive<u8>| (*r.start(), *r.end());
        let quantizer = quantizer(options, loaded, calibration)?;
        let mut space = AnnotationSpace::new(
            Arc::new(model),
            quantizer,
            ends(&options.weight_bits),
            ends(
                options
                    .activation_bits
                    .as_ref()
                    .unwrap_or(&DEFAULT_ACTIVATION_BITS),
            ),
        );
        space.cost = options.cost;
        space.machine = Machine {
            target: options.written.target,
            kernel: options.written.kernel,
        };
        let numeric = |r: &ceg4n_ir::Requirement| matches!(r.property, Property::Eps(_));
        if options.activation_bits.is_none() {
            if loaded.module.requirements.iter().any(numeric) {
                space.activation_bits.1 = NUMERIC_ACTIVATIONS;
            } else if options.written.target != Target::Generic {
                space.activation_bits.1 = HALF_ACTIVATIONS;
            }
        }
        if matches!(options.preset, Preset::Auto | Preset::Ceg4n) {
            space.biases = BiasRule::AsWeights;
        }
        if options.preset == Preset::Ceg4n {
            space.activation_bits = (FINE_ACTIVATIONS, FINE_ACTIVATIONS);
        }
        Ok(Self {
            space,
            stages: stages(options),
            early: !matches!(options.preset, Preset::Uniform { .. }),
            shows_refuted: options.preset != Preset::Auto,
            effort: options.budget.effort,
        })
    }

    /// True if the whole space is enumerated, until a program is proved.
    pub(crate) fn is_enumeration(&self) -> bool {
        self.stages.contains(&Stage::Enumerate)
    }

    /// Refuses a network none of whose generous formats the checker takes: then no format fails
    /// for what it proves, but the network for what it is.
    pub(crate) fn quantizable(&self) -> Result<(), Diagnostics> {
        let space = &self.space;
        let (w, a) = (space.weight_bits, space.activation_bits);
        let mut refusal = None;
        for (weights, activations) in [(8, 12), (w.0, a.0), (w.1, a.1)] {
            let a = space.uniform(weights.clamp(w.0, w.1), activations.clamp(a.0, a.1));
            match space.program(&a, 0) {
                Ok(_) => return Ok(()),
                Err(d) => refusal = refusal.or(Some(d)),
            }
        }
        refusal.map_or(Ok(()), Err)
    }
}

/// Points of each region that a calibration without data takes.
pub(crate) const SAMPLES: u64 = 64;

/// Rows that a calibration takes at most, evenly chosen.
const CALIBRATION_ROWS: usize = 2000;

/// The calibration rows of a data set.
fn calibration(data: &Data) -> Result<Arc<Calibration>, Diagnostics> {
    let inputs = data.calibration.some_rows(CALIBRATION_ROWS);
    let calibration = Calibration::new(inputs, data.calibration.set.columns)
        .map_err(|e| Diagnostic::error(codes::DATA, e).help("give other rows with --data-rows"))?;
    Ok(Arc::new(calibration))
}

fn quantizer(
    options: &CompileOptions,
    loaded: &Loaded,
    data: Option<Arc<Calibration>>,
) -> Result<Arc<dyn Quantizer>, Diagnostics> {
    if options.preset != Preset::Gpfq {
        return Ok(Arc::new(Nearest {
            granularity: options.granularity,
            ..Nearest::default()
        }));
    }
    let calibration = match data {
        Some(data) => data,
        None => Arc::new(
            Calibration::from_regions(&loaded.module.regions, SAMPLES)
                .map_err(|e| Diagnostic::error(codes::INTERNAL, e))?,
        ),
    };
    Ok(Arc::new(Gpfq {
        granularity: options.granularity,
        ..Gpfq::new(calibration)
    }))
}

fn stages(options: &CompileOptions) -> Vec<Stage> {
    let mut stages = preset_stages(options);
    if options.pareto {
        stages.push(Stage::Ladder);
    }
    stages
}

fn preset_stages(options: &CompileOptions) -> Vec<Stage> {
    let genetic = |population, variation| {
        Stage::Genetic(Settings {
            population,
            evaluations: EVALUATIONS,
            seed: options.budget.seed,
            variation,
        })
    };
    match (options.preset, options.strategy) {
        (
            Preset::Uniform {
                weight_bits,
                activation_bits,
            },
            _,
        ) => vec![Stage::Uniform(weight_bits, activation_bits)],
        (Preset::UniformMin | Preset::Gpfq, _) => vec![Stage::UniformMin],
        (Preset::Ceg4n, _) => vec![genetic(1, Variation::GrayFlips)],
        (Preset::Auto, Asked::Exact) => vec![Stage::Generous, Stage::Enumerate],
        (Preset::Auto, Asked::Nsga2) => {
            vec![Stage::Generous, genetic(POPULATION, Variation::Steps)]
        }
        (Preset::Auto, Asked::Greedy) => vec![Stage::Generous, Stage::Greedy, Stage::Narrow],
        (Preset::Auto, Asked::Auto) => vec![
            Stage::Generous,
            Stage::Greedy,
            Stage::Cheaper,
            Stage::Guided,
            Stage::Narrow,
        ],
    }
}

impl Stage {
    /// True for strategies with many candidates that make no claim: each candidate gets a brief
    /// look at every region.
    pub(crate) fn is_brief(self) -> bool {
        match self {
            Self::Greedy | Self::Guided | Self::Cheaper | Self::Ladder | Self::Narrow => true,
            Self::Uniform(..)
            | Self::UniformMin
            | Self::Generous
            | Self::Enumerate
            | Self::Genetic(_) => false,
        }
    }

    /// The strategy at its start; `None` where there is nothing to do.
    pub(crate) fn strategy(self, plan: &Plan, state: Option<&State>) -> Option<Strategy> {
        let space = &plan.space;
        let clip = |v: u8, (lo, hi): (u8, u8)| v.clamp(lo, hi);
        let list = |items| Some(Strategy::List(List::new(items)));
        match self {
            Self::Uniform(w, a) => list(vec![space.uniform(w, a)]),
            Self::UniformMin => list((2..=16).map(|k| space.uniform(k, k.max(8))).collect()),
            Self::Generous => {
                let widths = [(8, 12), (12, 16), (16, 16), (16, 20), (16, 24)];
                let (w, a) = (space.weight_bits, space.activation_bits);
                let uniform = |(x, y)| space.uniform(clip(x, w), clip(y, a));
                let mut items: Vec<_> = widths.into_iter().map(uniform).collect();
                items.dedup();
                Some(Strategy::List(List::satisfying(items)))
            }
            Self::Greedy => Some(Strategy::Greedy(Greedy::default())),
            Self::Guided => Some(Strategy::Guided(Guided::default())),
            Self::Ladder => Some(Strategy::Guided(Guided::ladder())),
            Self::Enumerate => Some(Strategy::Enumerate(Enumerate::new(space))),
            Self::Cheaper => {
                let best = state.and_then(State::proved)?;
                let mut all = Enumerate::new(space);
                // Of the same cost, wider activations are the likeliest to hold.
                all.order = CostOrder::widest(space);
                all.below = Some(best.cost);
                all.most = Some(ENUMERATED * u64::from(plan.effort));
                (!all.is_through()).then_some(Strategy::Enumerate(all))
            }
            Self::Genetic(settings) => Some(Strategy::Genetic(Genetic { settings })),
            Self::Narrow => Some(Strategy::Narrow(Narrow::default())),
        }
    }
}
