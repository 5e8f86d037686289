//! `compile`: labels, the loop over IR versions, emission, and the output folder.

use crate::artifacts::Artifacts;
use crate::candidates::{Decider, Points};
use crate::engine::{Engine, Timed, questions};
use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::options::{Boundary, CompileOptions, Preset, Strategy};
use crate::outcome::{Summary, region_rows, status_of};
use crate::output::Staged;
use crate::progress::{Cancel, Event, Progress};
use crate::verify::reference_name;
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_emit::check_identifier;
use ceg4n_ir::{Anchor, Checked, Program, check};
use ceg4n_refine::{Counterexample, Ended, State, Status as LoopStatus, Version};
use ceg4n_report::{Loop, Report, Seconds, SetAside, Status};
use ceg4n_search::{AnnotationSpace, Assignment, Exact as CostOrder, Settings};
use ceg4n_verify::{Reference, RegionResult, Verified};
use std::path::PathBuf;
use std::time::Instant;

/// Up to this many assignments the automatic strategy enumerates; beyond, it searches.
const ENUMERABLE: f64 = 1e6;
/// Individuals and evaluations of one genetic search.
const GENETIC: (usize, usize) = (32, 1000);

/// What `compile` made.
#[derive(Debug)]
pub struct Compilation {
    /// Everything, as in `report.json`.
    pub report: Report,
    /// Where the output stands.
    pub folder: PathBuf,
    /// What the user should know besides.
    pub warnings: Diagnostics,
}

/// Runs `compile`.
///
/// # Errors
/// Bad input or usage, a folder that cannot be written. Verdicts are no errors.
pub fn compile(
    options: &CompileOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Compilation, Failure> {
    let started = Instant::now();
    let loaded = load(&options.load)?;
    match run(options, &loaded, started, progress, cancel) {
        Ok((report, folder, kept)) => {
            let mut warnings = loaded.warnings;
            if let Some(kept) = kept {
                let text = format!(
                    "the proved result that stood in {} is now in {}",
                    folder.display(),
                    kept.display()
                );
                warnings.push(Diagnostic::warning(codes::FILE_WRITE, text));
            }
            Ok(Compilation {
                report,
                folder,
                warnings,
            })
        }
        Err(d) => Err(loaded.fail(d)),
    }
}

/// A candidate and what was found of it.
pub(crate) struct Chosen {
    pub program: Checked<Program>,
    pub results: Vec<Timed>,
    pub proof: Option<Verified<Program>>,
}

/// What a search ended with.
#[derive(Default)]
struct Found {
    /// The loop, unless a given version made it needless.
    state: Option<State>,
    /// The program to be written out.
    chosen: Option<Chosen>,
    /// Verdicts of the last candidate that was verified.
    last: Vec<Timed>,
    /// Seconds spent on evaluation.
    seconds: f64,
}

fn run(
    options: &CompileOptions,
    loaded: &Loaded,
    started: Instant,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(Report, PathBuf, Option<PathBuf>), Diagnostics> {
    let asked = questions(loaded)?;
    let prefix = prefix(options, loaded)?;
    let folder = options.output_folder(&loaded.name);
    let staged = Staged::begin(&folder)?;
    let reference =
        Reference::new(&check(loaded.module.reference())?).with_precision(options.reference);
    let boundary = (
        options.boundary.unwrap_or(Boundary::Margin),
        options.boundary_margin.clone(),
    );
    let mut engine = Engine::new(
        reference,
        asked,
        boundary,
        &options.budget,
        started,
        progress,
        cancel,
    );
    if let Some(m) = &engine.boundary_margin {
        progress.note(&Event::Note(format!(
            "where the reference changes class: top1 margin {m}"
        )));
    }
    let space = AnnotationSpace::new(
        &engine.reference,
        loaded.module.network.clone(),
        &loaded.module.regions,
        options.rounding.unwrap_or_default(),
        (*options.weight_bits.start(), *options.weight_bits.end()),
        (
            *options.activation_bits.start(),
            *options.activation_bits.end(),
        ),
    );
    let given = given_version(options, loaded, &mut engine)?;
    let found = match given {
        Some(chosen) if chosen.proof.is_some() => Found {
            chosen: Some(chosen),
            ..Found::default()
        },
        _ => search(options, &space, &mut engine, progress)?,
    };
    let Found { state, chosen, .. } = &found;
    let emitting = Instant::now();
    let mut report = report_of(options, loaded, &space, &engine, &found);
    let mut module = loaded.module.clone();
    module.requirements = engine.requirements();
    module
        .comments
        .retain(|a, _| !matches!(a, Anchor::Requirement(_)));
    let artifacts = Artifacts {
        staged: &staged,
        options,
        name: &loaded.name,
        file_hash: loaded.sha256,
        module: &module,
        prefix: &prefix,
        space: &space,
        state: state.as_ref(),
        chosen: chosen.as_ref(),
    };
    artifacts.write(&mut report)?;
    report.seconds = Seconds {
        total: started.elapsed().as_secs_f64(),
        search: found.seconds,
        verify: engine.seconds,
        emit: emitting.elapsed().as_secs_f64(),
    };
    // A proof that took its time is not replaced by a run that found none.
    let was_proved = staged
        .earlier("report.json")
        .and_then(|text| serde_json::from_str::<Report>(&text).ok())
        .is_some_and(|r| r.status == Status::Proved);
    staged.write("report.json", report.to_json().as_bytes())?;
    let kept = staged.commit(was_proved && report.status != Status::Proved)?;
    Ok((report, folder, kept))
}

fn prefix(options: &CompileOptions, loaded: &Loaded) -> Result<String, Diagnostics> {
    match &options.prefix {
        Some(p) => match check_identifier(p) {
            Ok(()) => Ok(p.clone()),
            Err(e) => Err(Diagnostic::error(codes::USAGE, e.to_string())
                .help("give a C identifier, for instance --prefix iris")
                .into()),
        },
        None => Ok(ceg4n_emit::c_identifier(&loaded.name)),
    }
}

/// `--ir-version K`: the formats of the file are decided first.
fn given_version(
    options: &CompileOptions,
    loaded: &Loaded,
    engine: &mut Engine<'_>,
) -> Result<Option<Chosen>, Diagnostics> {
    let Some(k) = options.ir_version else {
        return Ok(None);
    };
    let program = check(loaded.version(Some(k), options.rounding)?)?;
    if program.kernel().is_none() {
        let d = Diagnostic::error(
            codes::USAGE,
            format!("version v{k} has no fixed-point input"),
        );
        return Err(d.help("give the input and every constant a format").into());
    }
    let results = engine.verify(&program, false)?;
    Ok(Some(chosen(engine, program, results)))
}

fn chosen(engine: &Engine<'_>, program: Checked<Program>, results: Vec<Timed>) -> Chosen {
    let plain: Vec<RegionResult> = results.iter().map(|t| t.result.clone()).collect();
    let proof = Verified::new(program.clone(), &engine.obligations(), &plain);
    Chosen {
        program,
        results,
        proof,
    }
}

/// The loop: first some generous formats, so that a proved program exists early, then the
/// strategy.
fn search(
    options: &CompileOptions,
    space: &AnnotationSpace,
    engine: &mut Engine<'_>,
    progress: &dyn Progress,
) -> Result<Found, Diagnostics> {
    let centers = engine.asked.iter().enumerate();
    let points: Vec<Counterexample> = centers
        .map(|(question, a)| Counterexample {
            question,
            x: a.region.center(),
            ended: None,
        })
        // In domain grid the centre may be no point of the domain: it is moved to one.
        .filter_map(|c| engine.snap(c))
        .collect();
    let strategy = strategy(options, space);
    quantizable(space)?;
    progress.note(&Event::Stage {
        name: "search",
        detail: space.name(),
    });
    let mut evaluate = Points::new(space, engine);
    // A lone preset is asked for all its verdicts.
    let early = !matches!(options.preset, Preset::Uniform { .. });
    let mut decider = Decider::new(space, engine, early);
    let mut state = State::new(strategy, points);
    let mut best: Option<(u32, Vec<Timed>)> = None;
    if matches!(options.preset, Preset::Auto) {
        let wanted = std::mem::replace(&mut state.strategy, generous(space));
        state = advance(state, space, &mut evaluate, &mut decider, &mut best)?;
        state.strategy = wanted;
        if state.status != LoopStatus::Stopped {
            state.status = LoopStatus::Running;
        }
    }
    state = advance(state, space, &mut evaluate, &mut decider, &mut best)?;
    let seconds = evaluate.seconds;
    let last = std::mem::take(&mut decider.last);
    let newest = state.versions.last().map(|v| v.version);
    let version = match &best {
        Some((v, _)) => state.versions.iter().find(|x| x.version == *v),
        // Nothing is proved: what stayed open, or what was asked for by a preset.
        None => state.versions.iter().rev().find(|v| {
            matches!(v.ended, Ended::Unknown(_)) || !matches!(options.preset, Preset::Auto)
        }),
    };
    let picked = match version {
        None => None,
        Some(v) => {
            let program = space.program(&v.assignment, v.version)?;
            let results = match best {
                Some((_, timed)) => timed,
                // The verdicts at hand, where they are complete or no time is left for others.
                None if newest == Some(v.version)
                    && (last.len() == engine.asked.len() || engine.stopped()) =>
                {
                    last.clone()
                }
                None => engine.verify(&program, false)?,
            };
            Some(chosen(engine, program, results))
        }
    };
    Ok(Found {
        state: Some(state),
        chosen: picked,
        last,
        seconds,
    })
}

/// Steps until the strategy is through; keeps the last proved version with its verdicts.
fn advance(
    mut state: State,
    space: &AnnotationSpace,
    evaluate: &mut Points<'_>,
    decider: &mut Decider<'_, '_>,
    best: &mut Option<(u32, Vec<Timed>)>,
) -> Result<State, Diagnostics> {
    while state.status == LoopStatus::Running {
        state = match state.step(space, evaluate, decider) {
            Ok(next) => next,
            Err(text) => {
                let told = decider.failure.take();
                return Err(told.unwrap_or_else(|| Diagnostic::error(codes::INTERNAL, text).into()));
            }
        };
        if let Some(Version {
            version,
            ended: Ended::Proved,
            ..
        }) = state.versions.last()
            && state.status == LoopStatus::Proved
        {
            *best = Some((*version, decider.last.clone()));
        }
    }
    Ok(state)
}

/// Refuses a network none of whose generous formats the checker takes: then no format fails for
/// what it proves, but the network for what it is.
fn quantizable(space: &AnnotationSpace) -> Result<(), Diagnostics> {
    let (lo, hi) = (space.weight_bits, space.activation_bits);
    let mut refusal = None;
    for (w, a) in [(8, 12), (lo.0, hi.0), (lo.1, hi.1)] {
        let a = uniform(space, w.clamp(lo.0, lo.1), a.clamp(hi.0, hi.1));
        match space.program(&a, 0) {
            Ok(_) => return Ok(()),
            Err(d) => refusal = refusal.or(Some(d)),
        }
    }
    refusal.map_or(Ok(()), Err)
}

/// A few uniform formats of the space, from 8 bits up.
fn generous(space: &AnnotationSpace) -> ceg4n_refine::Strategy {
    let clip = |v: u8, (lo, hi): (u8, u8)| v.clamp(lo, hi);
    let mut items: Vec<Assignment> = [(8, 12), (12, 16), (16, 16)]
        .into_iter()
        .map(|(w, a)| {
            uniform(
                space,
                clip(w, space.weight_bits),
                clip(a, space.activation_bits),
            )
        })
        .collect();
    items.dedup();
    ceg4n_refine::Strategy::List { items, at: 0 }
}

fn uniform(space: &AnnotationSpace, weights: u8, activations: u8) -> Assignment {
    Assignment {
        weights: vec![weights; space.layers().len()],
        activations,
    }
}

fn strategy(options: &CompileOptions, space: &AnnotationSpace) -> ceg4n_refine::Strategy {
    let list = |items| ceg4n_refine::Strategy::List { items, at: 0 };
    let exact = || ceg4n_refine::Strategy::Exact(CostOrder::new(space));
    let genetic = || ceg4n_refine::Strategy::Nsga2 {
        settings: Settings {
            population: GENETIC.0,
            evaluations: GENETIC.1,
            seed: options.budget.seed,
        },
    };
    match options.preset {
        Preset::Uniform {
            weight_bits,
            activation_bits,
        } => list(vec![uniform(space, weight_bits, activation_bits)]),
        Preset::UniformMin => list((2..=16).map(|k| uniform(space, k, k.max(8))).collect()),
        Preset::Auto => match options.strategy {
            Strategy::Exact => exact(),
            Strategy::Nsga2 => genetic(),
            Strategy::Auto => {
                let choices = f64::from(space.weight_bits.1 - space.weight_bits.0 + 1);
                let size = choices.powi(space.layers().len() as i32);
                if size <= ENUMERABLE {
                    exact()
                } else {
                    genetic()
                }
            }
        },
    }
}

fn report_of(
    options: &CompileOptions,
    loaded: &Loaded,
    space: &AnnotationSpace,
    engine: &Engine<'_>,
    found: &Found,
) -> Report {
    let (state, chosen) = (found.state.as_ref(), found.chosen.as_ref());
    let summary = Summary {
        command: "compile",
        loaded,
        program: chosen.map(|c| &c.program),
        reference: reference_name(options.reference),
        seed: options.budget.seed,
    };
    // Without a program to show, the verdicts that ended the last candidate.
    let results = chosen.map_or(&found.last[..], |c| &c.results[..]);
    let (status, reason) = outcome(space, state, chosen.is_some(), results);
    let mut report = summary.report(status, reason, region_rows(results), Seconds::default());
    let stopped = state.is_some_and(|s| s.status == LoopStatus::Stopped);
    // Also where the clock set a candidate aside: another run may decide it.
    let cut = |s: &State| {
        let mut results = s.versions.iter().flat_map(|v| &v.results);
        results.any(|r| r.clock_limited)
    };
    report.clock_limited = stopped
        || engine.clock_limited
        || state.is_some_and(cut)
        || results.iter().any(|t| t.result.clock_limited);
    report.loop_ = state.map(|s| loop_of(options, space, s, chosen));
    report
}

/// The status of a run, and why it is not `proved`.
fn outcome(
    space: &AnnotationSpace,
    state: Option<&State>,
    chosen: bool,
    results: &[Timed],
) -> (Status, Option<String>) {
    let (status, reason) = status_of(results);
    let Some(state) = state.filter(|_| !(chosen && status == Status::Proved)) else {
        return (status, reason);
    };
    let open = state.set_aside().next().is_some();
    match (&state.status, &state.strategy) {
        // A preset's own verdict says more than that its list is through.
        (LoopStatus::Exhausted, _) if chosen => (status, reason),
        (LoopStatus::Exhausted, _) if open => (
            Status::Unknown,
            Some("every candidate is refuted or was set aside".to_owned()),
        ),
        (LoopStatus::Exhausted, ceg4n_refine::Strategy::Nsga2 { .. }) => {
            let text = "the genetic search found no assignment that satisfies every counterexample; others may";
            (Status::Unknown, Some(text.to_owned()))
        }
        (LoopStatus::Exhausted, ceg4n_refine::Strategy::List { .. }) => (
            Status::Refuted,
            Some("no format of the preset satisfies the requirements".to_owned()),
        ),
        (LoopStatus::Exhausted, ceg4n_refine::Strategy::Exact(_)) => {
            let text = format!(
                "no program of the search space satisfies the requirements ({})",
                space.name()
            );
            (Status::Refuted, Some(text))
        }
        (LoopStatus::Proved | LoopStatus::Running | LoopStatus::Stopped, _) if chosen => {
            (status, reason)
        }
        (LoopStatus::Proved | LoopStatus::Running | LoopStatus::Stopped, _) => (
            Status::Unknown,
            Some("the run ended before a program was proved".to_owned()),
        ),
    }
}

fn loop_of(
    options: &CompileOptions,
    space: &AnnotationSpace,
    state: &State,
    chosen: Option<&Chosen>,
) -> Loop {
    let set_aside: Vec<SetAside> = state
        .versions
        .iter()
        .filter_map(|v| match &v.ended {
            Ended::Unknown(reason) => Some(SetAside {
                version: v.version,
                weight_bits: v.assignment.weights.clone(),
                activation_bits: v.assignment.activations,
                cost: v.cost,
                reason: reason.clone(),
            }),
            Ended::Proved | Ended::Refuted(_) => None,
        })
        .collect();
    let complete = matches!(state.strategy, ceg4n_refine::Strategy::Exact(_))
        && matches!(options.preset, Preset::Auto)
        && state.status == LoopStatus::Proved
        && chosen.is_some_and(|c| c.proof.is_some());
    let optimality = complete.then(|| {
        let cost = state.proved().map_or(0, |v| v.cost);
        let cheaper = set_aside.iter().filter(|s| s.cost < cost).count();
        let but = match cheaper {
            0 => String::new(),
            n => format!(" but for {n} set aside"),
        };
        format!(
            "cost {cost} is least in this search space{but}: {}; every cheaper assignment{but} breaks a stored counterexample or start point, or is refused by the checker",
            space.name()
        )
    });
    Loop {
        iterations: state.versions.len() as u64,
        candidates: state.candidates,
        counterexamples: state.counterexamples.len() as u64,
        set_aside,
        optimality,
    }
}
