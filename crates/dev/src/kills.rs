//! Kills a run at random moments and lets it go on; measures what keeping a store costs.

use clap::Parser;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Whatever went wrong.
type Error = Box<dyn std::error::Error>;

/// What is run.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo run -p ceg4n-dev -- kills")]
pub struct Options {
    /// The program; default: ceg4nc beside this one
    #[arg(long, value_name = "PATH")]
    tool: Option<PathBuf>,
    /// How often a run is killed
    #[arg(long, default_value_t = 20, value_name = "N")]
    times: u32,
    /// Of the moments
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Kill nothing; run so often with everything a run keeps and shows, and without
    #[arg(long, value_name = "N")]
    overhead: Option<u32>,
    /// What follows `ceg4nc compile`, without -o; paths from here
    #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs what the options ask for; `print` takes the lines.
///
/// # Errors
/// A program that cannot be run, a run that does not end as the undisturbed one.
pub fn run(options: &Options, print: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let tool = match &options.tool {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("ceg4nc"),
    };
    let arguments = options.arguments.iter().map(|a| match Path::new(a) {
        path if path.exists() => Ok(path.canonicalize()?.display().to_string()),
        _ => Ok(a.clone()),
    });
    let arguments: Result<Vec<String>, std::io::Error> = arguments.collect();
    let bench = Bench {
        tool,
        arguments: arguments?,
        place: tempfile::tempdir()?,
    };
    match options.overhead {
        Some(n) => bench.overhead(n, print),
        None => bench.kills(options.times, options.seed, print),
    }
}

struct Bench {
    tool: PathBuf,
    arguments: Vec<String>,
    place: tempfile::TempDir,
}

impl Bench {
    fn folder(&self, name: &str) -> Result<PathBuf, Error> {
        let folder = self.place.path().join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn compile(&self, folder: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(&self.tool);
        command
            .arg("compile")
            .args(&self.arguments)
            .args(["-o", "out"])
            .args(more)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn kills(&self, times: u32, seed: u64, print: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let whole = self.folder("whole")?;
        let begin = Instant::now();
        let code = self.compile(&whole, &[]).status()?.code();
        let took = begin.elapsed().as_secs_f64();
        let wanted = result(&whole.join("out"))?;
        print(&format!(
            "undisturbed: exit {code:?}, {took:.1} s, {} files and verdicts",
            wanted.len()
        ));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut same = 0;
        for i in 1..=times {
            let folder = self.folder(&format!("run-{i}"))?;
            let moment = rng.random_range(0.0..took);
            let mut run = self.compile(&folder, &[]).spawn()?;
            std::thread::sleep(Duration::from_secs_f64(moment));
            run.kill()?;
            run.wait()?;
            let there = ceg4n_store::read_runs(&folder.join("out"))
                .ok()
                .and_then(|runs| runs.into_iter().next_back());
            let begin = Instant::now();
            let again = match &there {
                Some(_) => Command::new(&self.tool)
                    .args(["compile", "--resume", "out"])
                    .current_dir(&folder)
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()?,
                // Killed before it had begun.
                None => self.compile(&folder, &[]).status()?,
            };
            let equal = again.code() == code && result(&folder.join("out"))? == wanted;
            same += u32::from(equal);
            print(&format!(
                "{i:2}: killed after {moment:5.1} s with {}; on for {:.1} s: {}",
                there.map_or("no run yet".to_owned(), |r| format!(
                    "{} versions and {} steps kept",
                    r.versions, r.steps
                )),
                begin.elapsed().as_secs_f64(),
                if equal { "the same" } else { "ANOTHER RESULT" },
            ));
            std::fs::remove_dir_all(&folder)?;
        }
        print(&format!("{same} of {times} end as the undisturbed run"));
        match same == times {
            true => Ok(()),
            false => Err("a run that went on ended otherwise".into()),
        }
    }

    fn overhead(&self, times: u32, print: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let bare: &[&str] = &["--no-store", "--progress", "never"];
        let full: &[&str] = &["--progress", "json"];
        let mut sums = [0.0; 2];
        for i in 0..times {
            // In turns, and in turns first, so that a slow spell hits both.
            let mut order = [(0, bare), (1, full)];
            order.rotate_left(i as usize % 2);
            let mut both = [0.0; 2];
            for (which, more) in order {
                let folder = self.folder("measured")?;
                let begin = Instant::now();
                self.compile(&folder, more).status()?;
                both[which] = begin.elapsed().as_secs_f64();
                std::fs::remove_dir_all(&folder)?;
            }
            print(&format!(
                "bare {:.2} s, with store and events {:.2} s: {:+.2} %",
                both[0],
                both[1],
                100.0 * (both[1] / both[0] - 1.0)
            ));
            sums[0] += both[0];
            sums[1] += both[1];
        }
        print(&format!(
            "all {times}: {:+.2} %",
            100.0 * (sums[1] / sums[0] - 1.0)
        ));
        Ok(())
    }
}

/// What must not depend on interruptions: every file but the store and the reports, whose times
/// differ; and of the report the verdicts and the loop.
fn result(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(place) = open.pop() {
        for entry in std::fs::read_dir(&place)? {
            let path = entry?.path();
            let name = path.strip_prefix(folder).unwrap_or(&path);
            let name = name.display().to_string();
            if path.is_dir() {
                open.push(path);
            } else if !["run.sqlite", "report.json", "report.html"].contains(&name.as_str()) {
                found.insert(name, std::fs::read(&path)?);
            }
        }
    }
    let report = std::fs::read_to_string(folder.join("report.json"))?;
    let report: ceg4n_report::Report = serde_json::from_str(&report)?;
    let report = report.without_times();
    for region in &report.regions {
        let key = format!("verdict of {} on {}", region.requirement, region.id);
        found.insert(key, serde_json::to_vec(region)?);
    }
    found.insert("report.json".into(), serde_json::to_vec(&report)?);
    Ok(found)
}
