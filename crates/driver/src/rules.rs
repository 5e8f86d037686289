//! `rules`: proves the rewrite rules, shipped or of a folder.

use crate::failure::Failure;
use crate::parallel::parallel;
use crate::progress::{Cancel, Event, Progress, Stage, told};
use ceg4n_base::suggest::did_you_mean;
use ceg4n_base::{Diagnostic, Diagnostics, Sources, codes};
use ceg4n_opspec::{EMBEDDED_RULES, RewriteRule, read_rules};
use ceg4n_smt::law::{Effort, Evidence, Verdict, prove};
use ceg4n_smt::solver::from_name;
use serde::Serialize;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Which rules, and how hard to try.
#[derive(Clone, Debug)]
pub struct RulesOptions {
    /// A folder of rule files; `None` is the shipped ones.
    pub folder: Option<PathBuf>,
    /// Only the rules with these names; all if empty.
    pub names: Vec<String>,
    /// The solver, by name.
    pub solver: String,
    /// A factor on the counted budgets.
    pub effort: u64,
    /// Threads; no result depends on it.
    pub jobs: usize,
}

impl Default for RulesOptions {
    fn default() -> Self {
        Self {
            folder: None,
            names: Vec::new(),
            solver: "embedded".to_owned(),
            effort: 1,
            jobs: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        }
    }
}

/// What is known about each rule, in order of files.
#[derive(Clone, Debug, Serialize)]
pub struct RulesReport {
    /// The rules.
    pub rules: Vec<RuleReport>,
    /// How many are proved.
    pub proved: usize,
    /// How many have a condition that nothing meets.
    pub vacuous: usize,
    /// How many are wrong.
    pub refuted: usize,
    /// How many are left open.
    pub unknown: usize,
    /// Time of the whole.
    pub seconds: f64,
}

/// A rule, and its verdict if it was asked for one.
#[derive(Clone, Debug, Serialize)]
pub struct RuleReport {
    /// Its name.
    pub name: String,
    /// The file that it is from.
    pub file: String,
    /// One sentence.
    pub summary: String,
    /// Sides and condition.
    pub law: String,
    /// What is known about the law.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictReport>,
}

/// A verdict as data.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum VerdictReport {
    /// It holds at every width looked at.
    Proved {
        /// In a line.
        text: String,
        /// Each width with what proves the law there.
        widths: Vec<WidthReport>,
        /// Time.
        seconds: f64,
    },
    /// Nothing meets the condition.
    Vacuous {
        /// In a line.
        text: String,
    },
    /// It fails.
    Refuted {
        /// In a line.
        text: String,
        /// The width of the values.
        width: u32,
        /// Variables and facts, and their values.
        values: Vec<(String, String)>,
        /// The left side.
        left: String,
        /// The right side, or why it has no meaning.
        right: String,
    },
    /// Neither.
    Unknown {
        /// In a line.
        text: String,
    },
}

/// What proves a law at a width.
#[derive(Clone, Debug, Serialize)]
pub struct WidthReport {
    /// The width, in bits.
    pub width: u32,
    /// `smt`, `cases` or `identity`.
    pub by: &'static str,
    /// How many cases, if they were enumerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cases: Option<u64>,
}

impl RulesReport {
    /// 0 if every rule is proved, 10 if one is refuted or vacuous, else 20.
    pub fn exit_code(&self) -> i32 {
        match (self.refuted + self.vacuous, self.unknown) {
            (0, 0) => 0,
            (0, _) => 20,
            _ => 10,
        }
    }
}

/// Proves rules.
///
/// # Errors
/// Files that cannot be read or are no rules, a name that no rule has, a solver that cannot be
/// had. A rule that is wrong is no error but a result.
pub fn rules(
    options: &RulesOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<RulesReport, Failure> {
    let folder = options.folder.as_deref();
    let subject = folder.unwrap_or(Path::new("the shipped rules"));
    let status = |found: &RulesReport| match found.exit_code() {
        0 => "proved",
        10 => "refuted",
        _ => "unknown",
    };
    told(progress, ("rules", subject), status, || {
        prove_all(options, progress, cancel)
    })
}

/// The command without its first and last event.
fn prove_all(
    options: &RulesOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<RulesReport, Failure> {
    let rules = chosen(options)?;
    // A solver that cannot be had is told before the work begins.
    from_name(&options.solver)?;
    let base = Effort::default();
    let effort = Effort {
        conflicts: base.conflicts.saturating_mul(options.effort),
        cases: base.cases.saturating_mul(options.effort),
        cancel: Some(cancel.clone()),
    };
    progress.note(&Event::Stage {
        stage: Stage::Prove,
        detail: "rules".to_owned(),
        of: Some(rules.len()),
    });
    let done = AtomicUsize::new(0);
    let start = Instant::now();
    let verdicts = parallel(options.jobs, rules.len(), |i| {
        let start = Instant::now();
        let verdict = match (from_name(&options.solver), rules.get(i)) {
            (Ok(mut solver), Some(rule)) => prove(rule, &mut *solver, &effort),
            (Err(e), _) => Verdict::Unknown(e.message),
            (_, None) => Verdict::Unknown("no rule".into()),
        };
        progress.note(&Event::Rule {
            name: rules.get(i).map(|r| r.name.clone()).unwrap_or_default(),
            verdict: match &verdict {
                Verdict::Proved(_) => "proved",
                Verdict::Vacuous => "vacuous",
                Verdict::Refuted(_) => "refuted",
                Verdict::Unknown(_) => "unknown",
            },
            done: done.fetch_add(1, Ordering::Relaxed) + 1,
            of: rules.len(),
        });
        (verdict, start.elapsed().as_secs_f64())
    });
    let count = |is: fn(&Verdict) -> bool| verdicts.iter().filter(|(v, _)| is(v)).count();
    Ok(RulesReport {
        proved: count(|v| matches!(v, Verdict::Proved(_))),
        vacuous: count(|v| matches!(v, Verdict::Vacuous)),
        refuted: count(|v| matches!(v, Verdict::Refuted(_))),
        unknown: count(|v| matches!(v, Verdict::Unknown(_))),
        seconds: start.elapsed().as_secs_f64(),
        rules: rules
            .iter()
            .zip(&verdicts)
            .map(|(rule, (verdict, seconds))| RuleReport {
                verdict: Some(report(verdict, *seconds)),
                ..unproved(rule)
            })
            .collect(),
    })
}

/// The rules with their laws, nothing proved.
///
/// # Errors
/// As [`rules`].
pub fn list(options: &RulesOptions) -> Result<Vec<RuleReport>, Failure> {
    Ok(chosen(options)?.iter().map(unproved).collect())
}

fn unproved(rule: &RewriteRule) -> RuleReport {
    RuleReport {
        name: rule.name.clone(),
        file: rule.file.clone(),
        summary: rule.summary.clone(),
        law: rule.law(),
        verdict: None,
    }
}

fn report(verdict: &Verdict, seconds: f64) -> VerdictReport {
    let text = verdict.to_string();
    match verdict {
        Verdict::Proved(evidence) => VerdictReport::Proved {
            text,
            widths: evidence
                .iter()
                .map(|(width, by)| WidthReport {
                    width: *width,
                    by: match by {
                        Evidence::Solver => "smt",
                        Evidence::Cases(_) => "cases",
                        Evidence::Identity => "identity",
                    },
                    cases: match by {
                        Evidence::Cases(cases) => Some(*cases),
                        Evidence::Solver | Evidence::Identity => None,
                    },
                })
                .collect(),
            seconds,
        },
        Verdict::Vacuous => VerdictReport::Vacuous { text },
        Verdict::Refuted(at) => {
            let side = |side: &Result<_, _>| match side {
                Ok(value) => format!("{value}"),
                Err(reason) => format!("{reason}"),
            };
            VerdictReport::Refuted {
                text,
                width: at.width,
                values: at.entries.clone(),
                left: side(&at.sides.left),
                right: side(&at.sides.right),
            }
        }
        Verdict::Unknown(_) => VerdictReport::Unknown { text },
    }
}

/// The rules that the options name.
pub(crate) fn chosen(options: &RulesOptions) -> Result<Vec<RewriteRule>, Failure> {
    let files = match &options.folder {
        Some(folder) => read_folder(folder)?,
        None => {
            let shipped = EMBEDDED_RULES.iter();
            shipped
                .map(|(path, text)| (format!("ir-specs/{path}"), (*text).to_owned()))
                .collect()
        }
    };
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(p, t)| (p.as_str(), t.as_str()))
        .collect();
    let mut sources = Sources::default();
    let all = match read_rules(&files, &mut sources) {
        Ok(all) => all,
        Err(d) => return Err(Failure::new(d, sources)),
    };
    let mut wrong = Diagnostics::default();
    for name in &options.names {
        if !all.iter().any(|r| r.name == *name) {
            let text = format!("there is no rule `{name}`");
            let error = Diagnostic::error(codes::USAGE, text);
            let error = error.help_if(did_you_mean(name, all.iter().map(|r| r.name.as_str())));
            wrong.push(error.help("`ceg4nc rules --list` lists them"));
        }
    }
    let wanted = |r: &RewriteRule| options.names.is_empty() || options.names.contains(&r.name);
    Ok(wrong.or(all.into_iter().filter(wanted).collect())?)
}

/// Paths and texts of the `.toml` files of a folder, by name; hidden ones are left out.
fn read_folder(folder: &Path) -> Result<Vec<(String, String)>, Diagnostics> {
    let unreadable = |path: &Path, e: std::io::Error| {
        let text = format!("cannot read {}: {e}", path.display());
        Diagnostic::error(codes::FILE_READ, text)
    };
    let entries = std::fs::read_dir(folder).map_err(|e| unreadable(folder, e))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| unreadable(folder, e))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with('.') && name.ends_with(".toml") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let text = format!("{} holds no rule file", folder.display());
        let help = "a rule is a .toml file like those of ir-specs/rules";
        return Err(Diagnostic::error(codes::FILE_READ, text).help(help).into());
    }
    paths.sort();
    let mut files = Vec::with_capacity(paths.len());
    let mut wrong = Diagnostics::default();
    for path in paths {
        match std::fs::read_to_string(&path) {
            Ok(text) => files.push((path.to_string_lossy().into_owned(), text)),
            Err(e) => wrong.push(unreadable(&path, e)),
        }
    }
    wrong.or(files)
}
