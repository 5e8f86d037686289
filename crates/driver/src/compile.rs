//! `compile`: labels, the loop over IR versions, emission, and the output folder.

use crate::account::{self, Account};
use crate::artifacts::Artifacts;
use crate::candidates::{Decider, Points};
use crate::data::{Data, few_regions_warning, random_agreement};
use crate::engine::{Asked, Engine, Surroundings, Timed, questions};
use crate::failure::Failure;
use crate::fit::foresee;
use crate::guide::Guide;
use crate::layers::tell_clamps;
use crate::load::{Loaded, load};
use crate::optimality::{self, certificate};
use crate::options::{Boundary, CompileOptions};
use crate::outcome::{Summary, outcome, region_rows, with_demands};
use crate::output::Staged;
use crate::pareto::{Measure, plot};
use crate::plan::Plan;
use crate::progress::{Cancel, Event, Progress, Stage, told as told_as};
use crate::record::{Identity, Record, inputs, version_row};
use crate::told;
use crate::verify::reference_name;
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_emit::check_identifier;
use ceg4n_ir::{Anchor, Checked, Program, check};
use ceg4n_jit::Evaluator;
use ceg4n_refine::strategy::List;
use ceg4n_refine::{
    Counterexample, Ended, Engines, State, Status as LoopStatus, Strategy, Version,
};
use ceg4n_report::{Loop, Report, Run, Seconds, SetAside, Status, html};
use ceg4n_store::Row;
use ceg4n_verify::{Reference, RegionResult, Verified};
use std::path::PathBuf;
use std::time::Instant;

/// What `compile` made.
#[derive(Debug)]
pub struct Compilation {
    /// Everything, as in `report.json`.
    pub report: Report,
    /// Where the output stands.
    pub folder: PathBuf,
    /// What the user should know besides.
    pub warnings: Diagnostics,
    /// The run was interrupted or ran out of time, and can go on from its store.
    pub resumable: bool,
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
    let status = |done: &Compilation| told::status_name(done.report.status);
    told_as(progress, ("compile", &options.load.net), status, || {
        compile_quietly(options, progress, cancel)
    })
}

/// The command without its first and last event.
fn compile_quietly(
    options: &CompileOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Compilation, Failure> {
    let started = Instant::now();
    let mut loaded = load(&options.load)?;
    progress.note(&told::loaded(&loaded));
    if let Err(d) = loaded.prepare(options.reference) {
        return Err(loaded.fail(d));
    }
    match run(options, &loaded, started, progress, cancel) {
        Ok((written, folder)) => {
            let mut warnings = loaded.warnings;
            if let Some(kept) = written.kept {
                let text = format!(
                    "the proved result that stood in {} is now in {}",
                    folder.display(),
                    kept.display()
                );
                warnings.push(Diagnostic::warning(codes::FILE_WRITE, text));
            }
            if let Some(warning) = written.warning {
                warnings.push(warning);
            }
            Ok(Compilation {
                report: written.report,
                folder,
                warnings,
                resumable: written.resumable,
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

/// What was written.
struct Written {
    report: Report,
    /// Where an earlier proved result is now.
    kept: Option<PathBuf>,
    /// What the user should know of the kernel.
    warning: Option<Diagnostic>,
    /// The run can go on.
    resumable: bool,
}

/// What stays the same while a run writes its results.
struct Session<'a> {
    options: &'a CompileOptions,
    loaded: &'a Loaded,
    folder: PathBuf,
    prefix: String,
    data: Option<Data>,
    /// How the run was called.
    called: Run,
    started: Instant,
}

fn run(
    options: &CompileOptions,
    loaded: &Loaded,
    started: Instant,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(Written, PathBuf), Diagnostics> {
    let asked = questions(loaded)?;
    let reference = Reference::new(&check(loaded.reference())?).with_precision(options.reference);
    let session = Session {
        options,
        loaded,
        folder: options.output_folder(&loaded.name),
        prefix: prefix(options, loaded)?,
        data: Data::load(
            &options.data,
            &reference,
            loaded.shape(),
            options.budget.jobs,
        )?,
        called: account::begin(options),
        started,
    };
    // A place that cannot be written is told before the work begins.
    drop(Staged::begin(&session.folder)?);
    let own = match loaded.original {
        None => None,
        Some(_) => Some(Reference::new(&check(loaded.module.reference())?)),
    };
    let plan = Plan::new(
        options,
        loaded,
        own.as_ref().unwrap_or(&reference),
        session.data.as_ref(),
    )?;
    foresee(options, &plan.space)?;
    let record = match options.store.keep {
        true => Some(session.record(&reference, &asked)?),
        false => None,
    };
    let around = Surroundings {
        progress,
        cancel,
        record: record.as_ref(),
    };
    let ended = decide(&session, &plan, reference, asked, around);
    if let (Err(failure), Some(record)) = (&ended, record) {
        record.fail(failure, started.elapsed().as_secs_f64());
    }
    Ok((ended?, session.folder))
}

/// Labels, search, and the output folder.
fn decide(
    session: &Session<'_>,
    plan: &Plan,
    reference: Reference,
    asked: Vec<Asked>,
    around: Surroundings<'_>,
) -> Result<Written, Diagnostics> {
    let (options, loaded) = (session.options, session.loaded);
    let boundary = (
        options.boundary.unwrap_or(Boundary::Margin),
        options.boundary_margin.clone(),
    );
    let started = session.started;
    let mut engine = Engine::new(reference, asked, boundary, &options.budget, started, around);
    if let Some(m) = &engine.boundary_margin {
        around.progress.note(&Event::Note {
            text: format!("where the reference changes class: top1 margin {m}"),
        });
    }
    let given = given_version(options, loaded, &mut engine)?;
    let found = match given {
        // Of a quantized model there is nothing to search.
        Some(chosen) if chosen.proof.is_some() || loaded.original.is_some() => Found {
            last: chosen.results.clone(),
            chosen: Some(chosen),
            ..Found::default()
        },
        _ => search(session, plan, &mut engine, around.progress)?,
    };
    around.progress.note(&Event::Stage {
        stage: Stage::Emit,
        detail: session.folder.display().to_string(),
        of: None,
    });
    let mut written = session.write(plan, &engine, &found, true)?;
    if let Some(record) = around.record {
        written.resumable = engine.stopped();
        let state = if written.resumable {
            "stopped"
        } else {
            "finished"
        };
        let status = Some(told::status_name(written.report.status));
        let report = written.report.to_json();
        let seconds = started.elapsed().as_secs_f64();
        record.end(state, status, Some(&report), seconds)?;
    }
    Ok(written)
}

impl Session<'_> {
    /// The run's place in the store of its output folder.
    fn record(&self, reference: &Reference, asked: &[Asked]) -> Result<Record, Diagnostics> {
        let budget = &self.options.budget;
        let inputs = inputs(reference, asked, self.loaded, &self.called);
        Record::begin(
            &self.folder,
            &Identity {
                options: &self.options.store,
                arguments: &self.options.command_line,
                network: &self.loaded.name,
                file: self.loaded.sha256,
                inputs,
                seed: budget.seed,
                effort: budget.effort,
            },
        )
    }

    /// Writes the output folder. An unfinished run writes each best proved program, so that it is
    /// there whatever happens.
    fn write(
        &self,
        plan: &Plan,
        engine: &Engine<'_>,
        found: &Found,
        complete: bool,
    ) -> Result<Written, Diagnostics> {
        let emitting = Instant::now();
        let staged = Staged::begin(&self.folder)?;
        let mut report = report_of(self, plan, engine, found, complete);
        let mut module = self.loaded.module.clone();
        module.requirements = engine.requirements();
        module
            .comments
            .retain(|a, _| !matches!(a, Anchor::Requirement(_)));
        let artifacts = Artifacts {
            staged: &staged,
            options: self.options,
            name: &self.loaded.name,
            file_hash: self.loaded.sha256,
            module: &module,
            prefix: &self.prefix,
            state: found.state.as_ref(),
            chosen: found.chosen.as_ref(),
        };
        // Before anything is claimed of the result: it is not verified if it misses a demand.
        let warning = self.measure(&mut report, engine, found)?;
        artifacts.write(&mut report)?;
        self.certify(plan, engine, found, &staged, &mut report)?;
        if let Some(chosen) = &found.chosen {
            let regions = &self.loaded.module.regions;
            let dense = plan.space.model().layers();
            tell_clamps(&chosen.program, regions, dense, &mut report.layers);
        }
        if let Some(state) = found
            .state
            .as_ref()
            .filter(|_| self.options.pareto && complete)
        {
            let measure = Measure {
                data: self.data.as_ref(),
                reference: &engine.reference,
                regions: &self.loaded.module.regions,
                seed: self.options.budget.seed,
                jobs: self.options.budget.jobs,
            };
            let pareto = measure.pareto(state, plan.space.model(), &engine.cache)?;
            let plot = plot(&pareto, self.options.cost.name(), &self.loaded.name);
            staged.write("pareto.svg", plot.to_svg().as_bytes())?;
            report.pareto = Some(pareto);
        }
        let account = Account {
            options: self.options,
            loaded: self.loaded,
            run: &self.called,
            plan,
            engine,
            state: found.state.as_ref(),
            chosen: found.chosen.as_ref(),
        };
        account.fill(&mut report)?;
        report.seconds = Seconds {
            total: self.started.elapsed().as_secs_f64(),
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
        staged.write("report.html", html(&report).as_bytes())?;
        let _paused = engine.record().map(Record::pause);
        let kept = staged.commit(was_proved && report.status != Status::Proved)?;
        engine.note(&Event::Written {
            path: self.folder.display().to_string(),
            complete,
        });
        Ok(Written {
            report,
            kept,
            warning,
            resumable: false,
        })
    }

    /// Writes what a statement about everything cheaper than the result is checked again from.
    fn certify(
        &self,
        plan: &Plan,
        engine: &Engine<'_>,
        found: &Found,
        staged: &Staged,
        report: &mut Report,
    ) -> Result<(), Diagnostics> {
        let (Some(state), Some(l)) = (&found.state, &mut report.loop_) else {
            return Ok(());
        };
        let run = optimality::Run {
            plan,
            engine,
            module: &self.loaded.module,
            state,
            chosen: found.chosen.as_ref(),
            data: self.data.as_ref(),
            jobs: self.options.budget.jobs,
            proved: report.status == Status::Proved,
            complete: report.complete,
        };
        if report.complete {
            engine.note(&Event::Stage {
                stage: Stage::Optimality,
                detail: "what is known of everything cheaper".to_owned(),
                of: None,
            });
        }
        let certificate = run.certificate()?;
        staged.write(certificate::PATH, certificate.to_json().as_bytes())?;
        let cut = |o: &ceg4n_report::Optimality| o.not_tried_from.is_some();
        report.clock_limited |= engine.stopped() && certificate.statement.as_ref().is_some_and(cut);
        // A program of the search has an assignment, which every cost model can count.
        if let (Some(cost), Some(result)) = (&mut report.cost, &certificate.result) {
            cost.metric = plan.space.cost.name().to_owned();
            cost.value = result.cost;
        }
        l.certificate = Some(certificate.hash);
        l.optimality = certificate.statement;
        Ok(())
    }

    /// What the chosen kernel does on data, or without data on random points; then a warning.
    fn measure(
        &self,
        report: &mut Report,
        engine: &Engine<'_>,
        found: &Found,
    ) -> Result<Option<Diagnostic>, Diagnostics> {
        let Some(chosen) = &found.chosen else {
            return Ok(None);
        };
        let kernel = Evaluator::new(&chosen.program, &engine.cache)
            .map_err(|e| Diagnostic::error(codes::INTERNAL, e.to_string()))?;
        let jobs = self.options.budget.jobs;
        if let Some(data) = &self.data {
            data.fill(report, &kernel, jobs)?;
            return Ok(None);
        }
        let regions = &self.loaded.module.regions;
        let seed = self.options.budget.seed;
        report.agreement_samples =
            random_agreement(&engine.reference, &kernel, regions, seed, jobs)?;
        Ok(few_regions_warning(
            regions.len(),
            &report.agreement_samples,
        ))
    }
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
    let lowered = loaded.original.as_ref().map(|_| 1);
    let Some(k) = options.ir_version.or(lowered) else {
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

/// The loop: the stages of the plan one after the other.
fn search(
    session: &Session<'_>,
    plan: &Plan,
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
    plan.quantizable()?;
    progress.note(&Event::Stage {
        stage: Stage::Search,
        detail: plan.space.name(),
        of: None,
    });
    let (data, budget) = (session.data.as_ref(), &session.options.budget);
    let mut walk = Walk {
        session,
        plan,
        evaluate: Points::new(&plan.space, engine, data, budget.jobs, engine.record()),
        guide: Guide::new(&plan.space, engine, data, budget.seed, progress),
        decider: Decider::new(&plan.space, engine, plan.early),
        best: None,
        unwritten: false,
        told: (0, 0),
    };
    let mut state: Option<State> = None;
    for (i, stage) in plan.stages.iter().enumerate() {
        let Some(strategy) = stage.strategy(plan, state.as_ref()) else {
            continue;
        };
        let next = match state {
            Some(s) => s.follow(strategy),
            None => State::new(strategy, points.clone()),
        };
        let last = i + 1 == plan.stages.len();
        walk.decider.engine().brief = stage.is_brief();
        let next = walk.advance(next, last)?;
        let stopped = next.status == LoopStatus::Stopped;
        state = Some(next);
        if stopped {
            break;
        }
    }
    let state = state.unwrap_or_else(|| State::new(Strategy::List(List::new(Vec::new())), points));
    walk.finish(state)
}

/// A loop under way.
struct Walk<'a, 'e> {
    session: &'a Session<'a>,
    plan: &'a Plan,
    evaluate: Points<'a>,
    guide: Guide<'a>,
    decider: Decider<'a, 'e>,
    /// The cheapest proved version with its verdicts.
    best: Option<(u32, Vec<Timed>)>,
    /// The best version is not in its place yet.
    unwritten: bool,
    /// Versions and counterexamples that the store has.
    told: (usize, usize),
}

impl Walk<'_, '_> {
    /// Steps until the strategy is through; writes each proved version that is the best so far.
    fn advance(&mut self, mut state: State, last: bool) -> Result<State, Diagnostics> {
        while state.status == LoopStatus::Running {
            let before = state.versions.len();
            let mut engines = Engines {
                evaluate: &mut self.evaluate,
                guide: &mut self.guide,
                verify: &mut self.decider,
            };
            state = match state.step(&self.plan.space, &mut engines) {
                Ok(next) => next,
                Err(text) => {
                    let told = self.decider.failure.take();
                    let defect = || Diagnostic::error(codes::INTERNAL, text).into();
                    return Err(told.unwrap_or_else(defect));
                }
            };
            if let Some(event) = told::iteration(&state, before) {
                self.decider.engine().note(&event);
            }
            self.tell(&state)?;
            let newest = state.versions.last().map(|v| v.version);
            let best = state.proved().map(|v| v.version);
            let known = self.best.as_ref().map(|(v, _)| *v);
            if best.is_some() && best == newest && best != known {
                self.best = best.map(|v| (v, self.decider.last.clone()));
                let ends = last && state.status == LoopStatus::Proved;
                self.unwritten = !ends;
            }
            // A run that goes on does not put its earlier results in the place of its later ones.
            let record = self.decider.engine().record();
            if self.unwritten && !record.is_some_and(Record::is_replaying) {
                self.write_best(&state)?;
                self.unwritten = false;
            }
        }
        Ok(state)
    }

    /// Keeps what a step found.
    fn tell(&mut self, state: &State) -> Result<(), Diagnostics> {
        let seconds = self.session.started.elapsed().as_secs_f64();
        let engine = self.decider.engine();
        let Some(record) = engine.record() else {
            return Ok(());
        };
        let (versions, points) = self.told;
        for v in state.versions.iter().skip(versions) {
            record.put(version_row(v, state, seconds));
        }
        for (i, c) in state.counterexamples.iter().enumerate().skip(points) {
            record.put(Row::Counterexample {
                number: i as u64,
                region: engine.asked[c.question].region.id.clone(),
                ended: c.ended,
                x: serde_json::to_string(&c.x).unwrap_or_default(),
            });
        }
        self.told = (state.versions.len(), state.counterexamples.len());
        Ok(record.check()?)
    }

    /// Puts the best proved version in its place.
    fn write_best(&mut self, state: &State) -> Result<(), Diagnostics> {
        let (Some(version), Some((_, timed))) = (state.proved(), &self.best) else {
            return Ok(());
        };
        let program = program_of(self.plan, version)?;
        let chosen = chosen(self.decider.engine(), program, timed.clone());
        let found = Found {
            state: Some(state.clone()),
            chosen: Some(chosen),
            seconds: self.evaluate.seconds + self.guide.seconds,
            ..Found::default()
        };
        let engine = self.decider.engine();
        self.session.write(self.plan, engine, &found, false)?;
        Ok(())
    }

    /// What is written at the end.
    fn finish(mut self, state: State) -> Result<Found, Diagnostics> {
        let last = std::mem::take(&mut self.decider.last);
        let seconds = self.evaluate.seconds + self.guide.seconds;
        let engine = self.decider.engine();
        engine.brief = false;
        let newest = state.versions.last().map(|v| v.version);
        let version = match &self.best {
            Some((v, _)) => state.versions.iter().find(|x| x.version == *v),
            // Nothing is proved: what stayed open, or what was asked for by a preset.
            None => state
                .versions
                .iter()
                .rev()
                .find(|v| matches!(v.ended, Ended::Unknown(_)) || self.plan.shows_refuted),
        };
        let picked = match version {
            None => None,
            Some(v) => {
                let program = program_of(self.plan, v)?;
                let results = match self.best {
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
}

fn program_of(plan: &Plan, version: &Version) -> Result<Checked<Program>, Diagnostics> {
    plan.space.model().check((*version.annotations).clone())
}

fn report_of(
    session: &Session<'_>,
    plan: &Plan,
    engine: &Engine<'_>,
    found: &Found,
    complete: bool,
) -> Report {
    let (options, loaded) = (session.options, session.loaded);
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
    let (mut status, mut reason) = outcome(plan, state, chosen.is_some(), results);
    if let (Some(data), None) = (&session.data, chosen) {
        (status, reason) = with_demands(data, state, (status, reason));
    }
    let mut report = summary.report(status, reason, region_rows(results), Seconds::default());
    let stopped = state.is_some_and(|s| s.status == LoopStatus::Stopped);
    // Also where the clock set a candidate aside: another run may decide it.
    let cut = |s: &State| {
        let mut results = s.versions.iter().flat_map(|v| &v.results);
        results.any(|(_, r)| r.clock_limited)
    };
    report.clock_limited = stopped
        || engine.clock_limited
        || state.is_some_and(cut)
        || results.iter().any(|t| t.result.clock_limited);
    report.complete = complete;
    report.loop_ = state.map(loop_of);
    report
}

fn loop_of(state: &State) -> Loop {
    let set_aside: Vec<SetAside> = state
        .versions
        .iter()
        .filter_map(|v| match &v.ended {
            Ended::Unknown(reason) => Some(SetAside {
                version: v.version,
                weight_bits: v.assignment.weights.clone(),
                bias_bits: v.assignment.biases.clone(),
                activation_bits: v.assignment.activations.clone(),
                cost: v.cost,
                reason: reason.clone(),
            }),
            Ended::Proved | Ended::Refuted(_) => None,
        })
        .collect();
    Loop {
        iterations: state.versions.len() as u64,
        candidates: state.candidates,
        counterexamples: state.counterexamples.len() as u64,
        set_aside,
        start_points: None,
        versions: Vec::new(),
        optimality: None,
        certificate: None,
    }
}
