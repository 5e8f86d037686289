//! `bench verify`: every region of a folder of networks under several presets, as one table.
//!
//! The folder holds `networks/NAME.onnx` (or `.nnir`) and `regions/NAME.json`. Labels of the
//! reference are decided once and serve all presets. All regions of the run are pieces of work of
//! one pool, so that no network waits for another; verdicts do not depend on the number of
//! threads.

pub mod compile;
mod inputs;
mod kernels;
mod rows;
mod tables;
mod work;

use crate::failure::Failure;
use crate::options::{Boundary, Budget, Demand, LoadOptions};
use crate::outcome::TOOL_VERSION;
use crate::progress::{Cancel, Progress, told};
use crate::resources::{peak_memory, process_seconds};
use crate::verify::reference_name;
use ceg4n_base::Exact;
use ceg4n_ir::{Property, Rounding};
use ceg4n_report::{BENCH_SCHEMA_VERSION, Bench, BenchNetwork, Skipped};
use ceg4n_verify::{Precision, SolverLeaf};
use inputs::Inputs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use work::Run;

/// Everything that `bench verify` can be told.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// The folder with `networks` and `regions`.
    pub folder: PathBuf,
    /// Names of networks, in which `*` stands for anything; empty takes all.
    pub networks: Vec<String>,
    /// Which regions, and what is asked; top-1 unless said. Regions given here replace those of
    /// the folder; the path of the network is not looked at.
    pub load: LoadOptions,
    /// The arithmetic of the references.
    pub reference: Precision,
    /// What is done with each network, in this order.
    pub presets: Vec<BenchPreset>,
    /// What to ask under top-1 where the reference changes class.
    pub boundary: Boundary,
    /// The margin asked for there; `None` is the default of the semantics page.
    pub boundary_margin: Option<Exact>,
    /// The rounding of the kernels.
    pub rounding: Rounding,
    /// Which regions share a kernel.
    pub scales: Scales,
    /// Decide boxes with equal bounds once per network and question.
    pub distinct: bool,
    /// Threads that one region may use, at least 1. With more, processor times of regions are
    /// those of one of them.
    pub region_jobs: usize,
    /// Limits, threads and solver. The limit per region holds for a label and for a verdict.
    pub budget: Budget,
}

impl BenchOptions {
    /// The options of `ceg4nc bench verify DIR`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            networks: Vec::new(),
            load: LoadOptions {
                require: Some(Property::Top1.into()),
                ..LoadOptions::default()
            },
            reference: Precision::default(),
            presets: vec![
                BenchPreset::Labels,
                BenchPreset::Uniform {
                    weight_bits: 8,
                    activation_bits: 12,
                },
            ],
            boundary: Boundary::Margin,
            boundary_margin: None,
            rounding: Rounding::default(),
            scales: Scales::default(),
            distinct: false,
            region_jobs: 1,
            budget: Budget::default(),
        }
    }
}

/// What is asked of each network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchPreset {
    /// Only whether the reference keeps its class.
    Labels,
    /// The program with weights and biases of so many bits over real activations.
    Weights(u8),
    /// The kernel of the preset `uniform:W:A` of `compile`.
    Uniform {
        /// 2 to 16.
        weight_bits: u8,
        /// 4 to 24.
        activation_bits: u8,
    },
}

impl std::fmt::Display for BenchPreset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Labels => f.write_str("labels"),
            Self::Weights(w) => write!(f, "weights:{w}"),
            Self::Uniform {
                weight_bits,
                activation_bits,
            } => write!(f, "uniform:{weight_bits}:{activation_bits}"),
        }
    }
}

/// Which regions of a network give one kernel its scales, and one boundary margin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scales {
    /// Those of one radius: what a table has in one row.
    #[default]
    Radius,
    /// All that are not left out by their radius.
    Network,
}

/// Runs `bench verify`.
///
/// # Errors
/// A folder without a usable network, a solver that is not there. Verdicts are no errors, and a
/// network that cannot be used is named in the result.
pub fn bench_verify(
    options: &BenchOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Bench, Failure> {
    let status = |_: &Bench| "done";
    told(progress, ("bench verify", &options.folder), status, || {
        verify_quietly(options, progress, cancel)
    })
}

/// The command without its first and last event.
fn verify_quietly(
    options: &BenchOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Bench, Failure> {
    let (started, cpu) = (Instant::now(), process_seconds());
    // A solver that is not there is told once, and early.
    SolverLeaf::new(&options.budget.solver, None)?;
    let inputs = inputs::read(options)?;
    let run = Run::new(options, inputs, started, progress, cancel);
    let labels = run.labels();
    let subjects = run.subjects();
    let verdicts = run.verdicts(&labels, &subjects);
    let labelled = run.needs_labels();
    let clock_limited = run.clock_limited(&labels, &verdicts);
    let label_rows = run.label_rows(&labels);
    let regions = run.region_rows(&labels, &subjects, &verdicts);
    let mut bench = header(options, &run.inputs);
    bench.label_table = labelled.then(|| tables::label_table(&run.inputs, &label_rows));
    bench.tables = tables::tables(options, &run.inputs, &subjects, &regions);
    bench.labels = label_rows;
    bench.regions = regions;
    bench.clock_limited = clock_limited;
    bench.seconds = started.elapsed().as_secs_f64();
    bench.cpu_seconds = (process_seconds() - cpu).max(0.0);
    bench.peak_memory = peak_memory();
    Ok(bench)
}

/// The result without its findings.
fn header(options: &BenchOptions, inputs: &Inputs) -> Bench {
    let network = |n: &inputs::Net| BenchNetwork {
        name: n.name.clone(),
        family: n.family.clone(),
        sha256: n.sha256,
        inputs: n.reference.input_len(),
        outputs: n.reference.output_len(),
        parameters: n.network.parameters(),
    };
    let load = &options.load;
    let seconds = |d: Option<Duration>| d.map(|d| d.as_secs_f64());
    Bench {
        schema_version: BENCH_SCHEMA_VERSION,
        tool_version: TOOL_VERSION.to_owned(),
        command: "bench verify".to_owned(),
        optimized: !cfg!(debug_assertions),
        requirement: match inputs::requirement(load) {
            Demand::Property(p) => p.to_string(),
            Demand::Query(path) => format!("spec {path:?}"),
        },
        domain: load.domain.unwrap_or_default().to_string(),
        reference: reference_name(options.reference).to_owned(),
        boundary: match options.boundary {
            Boundary::Margin => "margin",
            Boundary::Refute => "refute",
        }
        .to_owned(),
        scales: match options.scales {
            Scales::Radius => "radius",
            Scales::Network => "network",
        }
        .to_owned(),
        distinct: options.distinct,
        effort: options.budget.effort,
        solver: options.budget.solver.clone(),
        jobs: options.budget.jobs,
        region_jobs: options.region_jobs,
        region_time_limit: seconds(options.budget.region_time_limit),
        time_limit: seconds(options.budget.time_limit),
        networks: inputs.nets.iter().map(network).collect(),
        skipped: inputs
            .skipped
            .iter()
            .map(|(name, reason)| Skipped {
                name: name.clone(),
                reason: reason.clone(),
            })
            .collect(),
        labels: Vec::new(),
        label_table: None,
        regions: Vec::new(),
        tables: Vec::new(),
        seconds: 0.0,
        cpu_seconds: 0.0,
        peak_memory: None,
        clock_limited: false,
    }
}
