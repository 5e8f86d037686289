//! What a user may ask for, as plain values. The command line fills these structs; a later
//! Python module will too.

use crate::data::Demands;
use ceg4n_base::Exact;
pub use ceg4n_emit::{BACKENDS, EmitOptions, EmitSet, KernelChoice, Target};
pub use ceg4n_import::{DataSource, FileKind, LabelSource, Pixels};
use ceg4n_ir::{Domain, Property, Rounding};
use ceg4n_verify::Precision;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

/// A network and what is asked of it. What is given here overrides the file.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// A `.nnir` or `.onnx` file.
    pub net: PathBuf,
    /// The network as `.nnir` text, which is read instead of the file. [`Self::net`] is then what
    /// messages call it, and tensors that the text names are looked for in its folder.
    pub text: Option<String>,
    /// Region files, queries and data sets; if there are any, they replace the regions of the
    /// `.nnir` file.
    pub regions: Vec<PathBuf>,
    /// The radius of the region around each row of a data set.
    pub radius: Option<Exact>,
    /// What these regions are cut to, in every coordinate.
    pub clip: Option<(Exact, Exact)>,
    /// Which rows of data sets; all of them if absent.
    pub rows: Option<Range<usize>>,
    /// Of these at most so many, evenly chosen; all of them if absent.
    pub samples: Option<usize>,
    /// The classes of the rows of data sets.
    pub region_labels: Option<LabelSource>,
    /// Only rows that the reference gives the class of their label.
    pub only_correct: bool,
    /// What the stored bytes of data sets stand for.
    pub pixels: Option<Pixels>,
    /// Keep only the regions of these radii; empty keeps all.
    pub ball_sizes: Vec<Exact>,
    /// Keep only the regions with these ids; empty keeps all.
    pub region_ids: Vec<String>,
    /// One requirement on every region kept, instead of those of the file.
    pub require: Option<Demand>,
    /// The domain of every requirement.
    pub domain: Option<Domain>,
}

impl LoadOptions {
    /// A file, with its own regions and requirements.
    pub fn new(net: impl Into<PathBuf>) -> Self {
        Self {
            net: net.into(),
            ..Self::default()
        }
    }

    /// A `.nnir` text, with its own regions and requirements, under a name for messages.
    pub fn from_text(name: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::new(name)
        }
    }

    /// True if a data set is among [`Self::regions`].
    pub fn has_data(&self) -> bool {
        crate::regions::has_data(self)
    }
}

/// What `--require` asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// A property of every region kept.
    Property(Property),
    /// That nothing satisfies the VNN-LIB query at this path. Without [`LoadOptions::regions`]
    /// its boxes become the regions.
    Query(PathBuf),
}

impl From<Property> for Demand {
    fn from(property: Property) -> Self {
        Self::Property(property)
    }
}

/// Data for calibration and test, and demands on them; [`crate::data::Data::load`] reads them.
#[derive(Clone, Debug, Default)]
pub struct DataOptions {
    /// The inputs.
    pub data: Option<DataSource>,
    /// Their labels.
    pub labels: Option<LabelSource>,
    /// Which rows of [`Self::data`] are for calibration; all of them if absent.
    pub data_rows: Option<Range<usize>>,
    /// The inputs of the test; [`Self::data`] if absent and there are [`Self::test_rows`].
    pub test_data: Option<DataSource>,
    /// Labels of [`Self::test_data`]; if absent and those of the data stand in a column, that
    /// column.
    pub test_labels: Option<LabelSource>,
    /// Which rows are for the test; all of [`Self::test_data`] if absent.
    pub test_rows: Option<Range<usize>>,
    /// What the stored bytes of both stand for.
    pub pixels: Option<Pixels>,
    /// What the kernel must reach on the test rows, or without these on the calibration rows.
    pub demands: Demands,
}

/// What decisions may cost, and who helps to make them.
#[derive(Clone, Debug)]
pub struct Budget {
    /// A factor on the counted budgets; at least 1. It decides results; the clock does not.
    pub effort: u32,
    /// For the whole command.
    pub time_limit: Option<Duration>,
    /// For each region.
    pub region_time_limit: Option<Duration>,
    /// Memory of the program while it decides, and address space of a solver process, in MiB.
    pub memory_limit_mib: Option<u64>,
    /// Threads, at least 1; no result depends on it.
    pub jobs: usize,
    /// Of everything random.
    pub seed: u64,
    /// `embedded`, `z3`, `cvc5`, `bitwuzla`, or a program; checked by `ceg4n_smt`.
    pub solver: String,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            effort: 1,
            time_limit: None,
            region_time_limit: None,
            memory_limit_mib: None,
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            seed: 0,
            solver: "embedded".to_owned(),
        }
    }
}

/// What to ask under `top1` of a region in which the reference itself changes class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// The boundary margin: `top1 margin M`.
    Margin,
    /// Strict `top1`, which such a region refutes sooner or later.
    Refute,
}

/// How formats are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// The search of [`Strategy`].
    #[default]
    Auto,
    /// No search: weights of `weight_bits`, activations of `activation_bits`.
    Uniform {
        /// 2 to 16.
        weight_bits: u8,
        /// 4 to 24.
        activation_bits: u8,
    },
    /// The least `k` in 2..16, tried upwards, with `Uniform { k, max(k, 8) }` proved.
    UniformMin,
    /// As [`Self::UniformMin`], with weights rounded by greedy path following.
    Gpfq,
    /// What the CEG4N paper does: genetic search with one individual, biases of as many bits as
    /// weights, activations fine enough not to matter.
    Ceg4n,
}

/// How the space of formats is searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Generous formats, then `Greedy`, guided rounding, and the enumeration of what is cheaper.
    #[default]
    Auto,
    /// From a proved format downwards, one width at a time.
    Greedy,
    /// In the order of cost, pruned by the counterexamples; the result is optimal.
    Exact,
    /// NSGA-II with a population, on cost and activation bits.
    Nsga2,
}

pub use ceg4n_quantize::formats::Granularity;
pub use ceg4n_search::Cost;

/// What a run keeps of itself.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Keep `run.sqlite` in the output folder, so that the run can go on after an interruption.
    pub keep: bool,
    /// Go on with this run of the folder's store; the other options must be those it began with.
    pub resume: Option<i64>,
    /// Keep no more than so many steps: for tests of runs that end early.
    #[doc(hidden)]
    pub stop_after: Option<u64>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            keep: true,
            resume: None,
            stop_after: None,
        }
    }
}

/// Everything that `compile` can be told.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// The network, its regions and requirements.
    pub load: LoadOptions,
    /// The arithmetic of the reference.
    pub reference: Precision,
    /// Limits, seed and solver.
    pub budget: Budget,
    /// `None` is the command's default, [`Boundary::Margin`].
    pub boundary: Option<Boundary>,
    /// The margin asked for there; `None` is the default of the semantics page.
    pub boundary_margin: Option<Exact>,
    /// The rounding of the kernel; `None` is [`Rounding::HalfUp`].
    pub rounding: Option<Rounding>,
    /// How formats are chosen.
    pub preset: Preset,
    /// How the space is searched under [`Preset::Auto`].
    pub strategy: Strategy,
    /// What is made small.
    pub cost: Cost,
    /// Weight widths of the space, within 2..=16.
    pub weight_bits: RangeInclusive<u8>,
    /// Activation widths of the space, within 4..=24; `None` is [`DEFAULT_ACTIVATION_BITS`], with
    /// another end under `eps` and where a processor is named.
    pub activation_bits: Option<RangeInclusive<u8>>,
    /// What shares a scale.
    pub granularity: Granularity,
    /// Look for more proved programs, for a front of cost against accuracy.
    pub pareto: bool,
    /// Data and demands on them.
    pub data: DataOptions,
    /// The backends.
    pub emit: EmitSet,
    /// `-o`; see [`Self::output_folder`].
    pub output: Option<PathBuf>,
    /// How kernels are written.
    pub written: EmitOptions,
    /// The most bytes of flash that the C kernel may take.
    pub max_flash: Option<u64>,
    /// The most bytes of scratch memory and stack that the C kernel may take.
    pub max_ram: Option<u64>,
    /// The C and Rust names' prefix, a C identifier; `None` is the network's name.
    pub prefix: Option<String>,
    /// Start from this IR version of the file: its formats are decided first.
    pub ir_version: Option<u32>,
    /// The words of the command line, for the report and the store; empty for a library call.
    pub command_line: Vec<String>,
    /// What the run keeps of itself.
    pub store: StoreOptions,
}

impl CompileOptions {
    /// The options of `ceg4nc compile NET`.
    pub fn new(net: impl Into<PathBuf>) -> Self {
        Self::of(LoadOptions::new(net))
    }

    /// The same for a network that is loaded in another way.
    pub fn of(load: LoadOptions) -> Self {
        Self {
            load,
            reference: Precision::default(),
            budget: Budget::default(),
            boundary: None,
            boundary_margin: None,
            rounding: None,
            preset: Preset::default(),
            strategy: Strategy::default(),
            cost: Cost::default(),
            weight_bits: WEIGHT_BITS,
            activation_bits: None,
            granularity: Granularity::default(),
            pareto: false,
            data: DataOptions::default(),
            emit: EmitSet::default(),
            written: EmitOptions::default(),
            max_flash: None,
            max_ram: None,
            output: None,
            prefix: None,
            ir_version: None,
            command_line: Vec::new(),
            store: StoreOptions::default(),
        }
    }

    /// The output folder: `-o`, or `NAME.ceg4n` in the working directory.
    pub fn output_folder(&self, name: &str) -> PathBuf {
        match &self.output {
            Some(folder) => folder.clone(),
            None => PathBuf::from(format!("{name}.ceg4n")),
        }
    }
}

/// Everything that `verify` can be told.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// The annotated network, its regions and requirements.
    pub load: LoadOptions,
    /// The arithmetic of the reference.
    pub reference: Precision,
    /// Limits, seed and solver.
    pub budget: Budget,
    /// `None` is the command's default, [`Boundary::Refute`].
    pub boundary: Option<Boundary>,
    /// The margin asked for under [`Boundary::Margin`]; `None` is the default of the semantics
    /// page.
    pub boundary_margin: Option<Exact>,
    /// Overrides the rounding of the version.
    pub rounding: Option<Rounding>,
    /// The IR version that is decided; `None` is the last one.
    pub ir_version: Option<u32>,
    /// Another program as the reference; `None` is the network's own real function.
    pub against: Option<PathBuf>,
    /// Data and demands on them.
    pub data: DataOptions,
}

impl VerifyOptions {
    /// The options of `ceg4nc verify NET`.
    pub fn new(net: impl Into<PathBuf>) -> Self {
        Self::of(LoadOptions::new(net))
    }

    /// The same for a network that is loaded in another way.
    pub fn of(load: LoadOptions) -> Self {
        Self {
            load,
            reference: Precision::default(),
            budget: Budget::default(),
            boundary: None,
            boundary_margin: None,
            rounding: None,
            ir_version: None,
            against: None,
            data: DataOptions::default(),
        }
    }
}

/// Weight widths that can be asked for, and are searched by default.
pub const WEIGHT_BITS: RangeInclusive<u8> = 2..=16;
/// Activation widths that can be asked for.
pub const ACTIVATION_BITS: RangeInclusive<u8> = 4..=24;
/// Activation widths that are searched by default.
pub const DEFAULT_ACTIVATION_BITS: RangeInclusive<u8> = 4..=16;
