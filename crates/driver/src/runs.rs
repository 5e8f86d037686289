//! The runs of output folders, and what two of them have in common.

use crate::record::told;
use crate::told::status_name;
use ceg4n_base::suggest::missing_file;
use ceg4n_base::{Diagnostic, codes};
use ceg4n_report::{Layer, Region, Report};
use ceg4n_store::{FILE, Lock, RunRow, RunState, read_runs};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The runs of one output folder, oldest first.
#[derive(Debug, Serialize)]
pub struct Listing {
    /// The folder.
    pub folder: PathBuf,
    /// Its runs.
    pub runs: Vec<Entry>,
}

/// A run and its cost.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// The run.
    #[serde(flatten)]
    pub run: RunRow,
    /// The cost of its result.
    pub cost: Option<u64>,
    /// What the cost counts.
    pub metric: Option<String>,
}

/// The runs of an output folder, or of every output folder in a folder.
///
/// # Errors
/// No store there, or one that cannot be read.
pub fn list(folder: &Path) -> Result<Vec<Listing>, Diagnostic> {
    let mut places = vec![folder.to_owned()];
    if !folder.join(FILE).is_file() {
        let entries = std::fs::read_dir(folder).map_err(|e| {
            let text = format!("cannot read {}: {e}", folder.display());
            Diagnostic::error(codes::FILE_READ, text).help_if(missing_file(folder))
        })?;
        places = entries
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.join(FILE).is_file())
            .collect();
        places.sort();
    }
    if places.is_empty() {
        let text = format!("no {FILE} in {} or in a folder in it", folder.display());
        return Err(Diagnostic::error(codes::STORE, text)
            .help("give the output folder of `ceg4nc compile`, or a folder that holds such"));
    }
    let listing = |folder: PathBuf| {
        let runs = read_runs(&folder).map_err(|e| told(&e))?;
        // A process that died could not write so.
        let held = Lock::is_held(&folder);
        let ended = |run: RunRow| match run.state {
            RunState::Running if !held => RunRow {
                state: RunState::Killed,
                ..run
            },
            _ => run,
        };
        let runs = runs.into_iter().map(ended).map(entry).collect();
        Ok(Listing { folder, runs })
    };
    places.into_iter().map(listing).collect()
}

fn entry(run: RunRow) -> Entry {
    let report = run.report.as_deref();
    let report: Option<Report> = report.and_then(|t| serde_json::from_str(t).ok());
    let cost = report.and_then(|r| r.cost);
    Entry {
        cost: cost.as_ref().map(|c| c.value),
        metric: cost.map(|c| c.metric),
        run,
    }
}

/// Two results side by side.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// The two.
    pub sides: [Side; 2],
    /// Both are about the same network, by its content.
    pub same_network: bool,
    /// Both have the same program, by its content.
    pub same_program: bool,
    /// The layers of either, by name.
    pub layers: Vec<LayerPair>,
    /// The questions of either: region and requirement.
    pub regions: Vec<RegionPair>,
}

/// A result as a whole.
#[derive(Debug, Serialize)]
pub struct Side {
    /// How it was named.
    pub name: String,
    /// `proved`, `refuted` or `unknown`.
    pub status: String,
    /// What its cost counts.
    pub metric: Option<String>,
    /// Its cost.
    pub cost: Option<u64>,
    /// Bytes of constants of the kernel.
    pub flash_bytes: Option<u64>,
    /// IR versions that reached the verifier.
    pub versions: Option<u64>,
    /// Seconds that it took.
    pub seconds: f64,
}

/// A layer in both: formats of weights and operand, and the sums.
#[derive(Debug, Serialize)]
pub struct LayerPair {
    /// The layer.
    pub name: String,
    /// On either side, if it is there.
    pub formats: [Option<String>; 2],
}

/// A question in both.
#[derive(Debug, Serialize)]
pub struct RegionPair {
    /// The region.
    pub id: String,
    /// What was asked.
    pub requirement: String,
    /// On either side, if it was asked there.
    pub verdicts: [Option<String>; 2],
}

impl LayerPair {
    /// The same on both sides.
    pub fn same(&self) -> bool {
        self.formats[0] == self.formats[1]
    }
}

impl RegionPair {
    /// The same on both sides.
    pub fn same(&self) -> bool {
        self.verdicts[0] == self.verdicts[1]
    }
}

/// Compares two results: output folders, `report.json` files, or runs of a store as `DIR#RUN`.
///
/// # Errors
/// A result that cannot be read.
pub fn diff(a: &str, b: &str) -> Result<Difference, Diagnostic> {
    let (left, right) = (report(a)?, report(b)?);
    Ok(Difference {
        same_network: left.network.sha256 == right.network.sha256,
        same_program: left.program.is_some() && left.program == right.program,
        layers: pairs(
            &left.layers,
            &right.layers,
            |l| l.name.clone(),
            formats,
            |name, formats| LayerPair { name, formats },
        ),
        regions: pairs(
            &left.regions,
            &right.regions,
            |r| (r.id.clone(), r.requirement.clone()),
            verdict,
            |(id, requirement), verdicts| RegionPair {
                id,
                requirement,
                verdicts,
            },
        ),
        sides: [side(a, &left), side(b, &right)],
    })
}

fn side(name: &str, r: &Report) -> Side {
    Side {
        name: name.to_owned(),
        status: status_name(r.status).to_owned(),
        metric: r.cost.as_ref().map(|c| c.metric.clone()),
        cost: r.cost.as_ref().map(|c| c.value),
        flash_bytes: r.cost.as_ref().map(|c| c.flash_bytes),
        versions: r.loop_.as_ref().map(|l| l.iterations),
        seconds: r.seconds.total,
    }
}

fn formats(l: &Layer) -> String {
    format!(
        "{} x {} in {}",
        l.weight.format, l.activation.format, l.accumulator.format
    )
}

fn verdict(r: &Region) -> String {
    match r.vacuous {
        true => format!("{} (vacuous)", r.verdict),
        false => r.verdict.clone(),
    }
}

/// What stands on both sides under one key, in the order of the left, then of the right.
fn pairs<T, K: PartialEq + Clone, P>(
    left: &[T],
    right: &[T],
    key: impl Fn(&T) -> K,
    show: impl Fn(&T) -> String,
    pair: impl Fn(K, [Option<String>; 2]) -> P,
) -> Vec<P> {
    let mut keys: Vec<K> = Vec::new();
    for item in left.iter().chain(right) {
        let k = key(item);
        if !keys.contains(&k) {
            keys.push(k);
        }
    }
    let find = |side: &[T], k: &K| side.iter().find(|i| key(i) == *k).map(&show);
    keys.into_iter()
        .map(|k| {
            let both = [find(left, &k), find(right, &k)];
            pair(k, both)
        })
        .collect()
}

fn report(name: &str) -> Result<Report, Diagnostic> {
    let unreadable = |path: &Path, why: String| {
        let text = format!("cannot read {}: {why}", path.display());
        Diagnostic::error(codes::FILE_READ, text).help(
            "give an output folder, a report.json, or DIR#RUN with a run of `ceg4nc runs DIR`",
        )
    };
    let whole = Path::new(name);
    let (path, text) = match name.rsplit_once('#') {
        Some((folder, run)) if !whole.exists() => {
            let folder = Path::new(folder);
            let runs = read_runs(folder).map_err(|e| told(&e))?;
            let found = runs
                .into_iter()
                .find(|r| r.id.to_string() == run)
                .and_then(|r| r.report);
            let text = found
                .ok_or_else(|| unreadable(whole, format!("no run {run} with a result there")))?;
            (folder.join(FILE), text)
        }
        _ => {
            let path = match whole.is_dir() {
                true => whole.join("report.json"),
                false => whole.to_owned(),
            };
            let text =
                std::fs::read_to_string(&path).map_err(|e| unreadable(&path, e.to_string()))?;
            (path, text)
        }
    };
    serde_json::from_str(&text).map_err(|e| unreadable(&path, format!("no report: {e}")))
}
