//! The head of the page, how to run again, and the words that need a meaning.

use super::regions::{Kind, number};
use super::words::{self, bytes, count, of, percent_of, time};
use crate::{Report, Status};
use ceg4n_base::shell::command_line;
use serde::Serialize;

/// What was asked, what is proved, and what is not.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub network: String,
    /// `proved`, `refuted` or `unknown`.
    pub status: &'static str,
    pub headline: String,
    pub reason: Option<String>,
    /// What the reader must know before anything else.
    pub notes: Vec<String>,
    pub facts: Vec<Fact>,
    pub asked: Vec<Asked>,
    pub domain: String,
    pub reference: String,
    pub proved: Vec<String>,
    pub not_proved: Vec<String>,
}

/// A figure with its name.
#[derive(Debug, Serialize)]
pub(super) struct Fact {
    pub name: &'static str,
    pub value: String,
    pub more: String,
}

/// One requirement and how many regions it was asked of.
#[derive(Debug, Serialize)]
pub(super) struct Asked {
    pub requirement: String,
    pub regions: String,
    pub text: String,
}

pub(super) fn summary(r: &Report) -> Summary {
    let (status, headline) = match r.status {
        Status::Proved => ("proved", proved_headline(r)),
        Status::Refuted => ("refuted", "Not proved: refuted".to_owned()),
        Status::Unknown if number(r, Kind::Open) == 0 && number(r, Kind::Vacuous) > 0 => {
            ("unknown", "Not proved: vacuous".to_owned())
        }
        Status::Unknown => ("unknown", "Not proved: open".to_owned()),
    };
    let mut notes = Vec::new();
    if !r.complete {
        notes.push(
            "The search went on when this was written: a better result may replace it.".to_owned(),
        );
    }
    if r.clock_limited {
        notes.push("A limit of time or memory, or an interruption, ended some work: another run may find more.".to_owned());
    }
    Summary {
        network: r.network.name.clone(),
        status,
        headline,
        reason: r.reason.clone(),
        notes,
        facts: facts(r),
        asked: asked(r),
        domain: domain(&r.domain),
        reference: reference(&r.reference),
        proved: proved(r),
        not_proved: not_proved(r),
    }
}

fn proved_headline(r: &Report) -> String {
    let (strict, margin) = (number(r, Kind::Proved), number(r, Kind::Margin));
    match (strict, margin) {
        (n, 0) => format!("Proved on {}", of(n, "region")),
        (0, m) => format!("Proved under a margin on {}", of(m, "region")),
        (n, m) => format!(
            "Proved on {}, under a margin on {} more",
            of(n, "region"),
            count(m)
        ),
    }
}

fn facts(r: &Report) -> Vec<Fact> {
    let mut out = vec![Fact {
        name: "Regions proved",
        value: format!(
            "{} of {}",
            count(number(r, Kind::Proved) + number(r, Kind::Margin)),
            count(r.regions.len() as u64)
        ),
        more: match number(r, Kind::Margin) {
            0 => String::new(),
            m => format!("{} of them under a margin", count(m)),
        },
    }];
    if let Some(c) = &r.cost {
        out.push(Fact {
            name: "Cost",
            value: count(c.value),
            more: c.metric.clone(),
        });
        out.push(Fact {
            name: "Constants",
            value: bytes(c.flash_bytes),
            more: format!("and {} of scratch memory", bytes(c.ram_bytes)),
        });
    }
    if let Some(a) = &r.accuracy {
        out.push(Fact {
            name: "Agreement on data",
            value: percent_of(a.agreement, a.samples),
            more: format!("of {}", of(a.samples, "row")),
        });
    }
    out.push(Fact {
        name: "Network",
        value: count(r.network.parameters as u64),
        more: format!(
            "parameters, {} multiplications",
            count(r.network.macs as u64)
        ),
    });
    out.push(Fact {
        name: "Time",
        value: time(r.seconds.total),
        more: format!("{} of it for verdicts", time(r.seconds.verify)),
    });
    out
}

fn asked(r: &Report) -> Vec<Asked> {
    let mut groups: Vec<(&str, u64)> = Vec::new();
    for region in &r.regions {
        match groups.iter_mut().find(|g| g.0 == region.requirement) {
            Some(g) => g.1 += 1,
            None => groups.push((&region.requirement, 1)),
        }
    }
    if groups.is_empty() {
        groups.extend(r.requirement.lines().map(|l| (l, 0)));
    }
    let asked = |(requirement, n): (&str, u64)| Asked {
        requirement: requirement.to_owned(),
        regions: match n {
            0 => "in its regions".to_owned(),
            n => format!("in {}", of(n, "region")),
        },
        text: words::demand(requirement),
    };
    groups.into_iter().map(asked).collect()
}

fn domain(domain: &str) -> String {
    match domain {
        "real" => {
            "every point of a region counts, whether a number format can hold it or not".to_owned()
        }
        other => match other.strip_prefix("grid ") {
            Some(format) if !format.contains(", ") => {
                format!("every point of a region counts that the format {format} can hold")
            }
            Some(_) | None => format!("the points of a region that count: {other}"),
        },
    }
}

fn reference(reference: &str) -> String {
    match reference {
        "real" => "the network means its exact real function, without any rounding".to_owned(),
        "f32" => "the network means its runs in float32, whatever their order of sums".to_owned(),
        other => format!("the network means the program {other}"),
    }
}

fn proved(r: &Report) -> Vec<String> {
    let mut out = Vec::new();
    let strict = number(r, Kind::Proved);
    if strict > 0 {
        out.push(format!(
            "On {} the requirement holds for every point that counts.",
            of(strict, "region")
        ));
    }
    let margin = number(r, Kind::Margin);
    if margin > 0 {
        let least = r.regions.iter().filter_map(|x| x.margin_proved);
        let most = least.fold(0.0, f64::max);
        out.push(format!(
            "On {} the requirement with a margin holds; a margin of {} would do.",
            of(margin, "region"),
            words::real(most, 4)
        ));
    }
    let inactive = r.layers.iter().filter_map(|l| l.activation.clamp_inactive);
    let (all, held) = inactive.fold((0, 0), |(a, h), x| (a + 1, h + u64::from(x)));
    // Of every layer it must be known.
    if all > 0 && all == held && all == r.layers.len() as u64 {
        out.push("On no point of the regions a stored value is clamped.".to_owned());
    }
    if !r.layers.is_empty() {
        out.push("No sum overflows, on any input that the kernel can be given.".to_owned());
    }
    out
}

fn not_proved(r: &Report) -> Vec<String> {
    let mut out = Vec::new();
    let refuted = number(r, Kind::Refuted);
    if refuted > 0 {
        out.push(format!("{} refuted by a point.", be(refuted)));
    }
    let open = number(r, Kind::Open);
    if open > 0 {
        out.push(format!("{} open: neither proved nor refuted.", be(open)));
    }
    let vacuous = number(r, Kind::Vacuous);
    if vacuous > 0 {
        out.push(format!(
            "{} vacuous: a constant answer would do there, and nothing is counted as proved.",
            be(vacuous)
        ));
    }
    let margin = number(r, Kind::Margin);
    if margin > 0 {
        out.push(format!(
            "On {} under a margin the kernel may give another class than the network, where both classes are nearly as good.",
            of(margin, "region")
        ));
    }
    if let Some(missed) = r.demands.as_ref().and_then(|d| d.missed.as_ref()) {
        out.push(format!("A demand on data: {missed}."));
    }
    out.push("Anything about inputs outside of the regions; data and random points below are evidence, no proof.".to_owned());
    out.push(
        "That the network itself is right: the kernel is compared with the network alone."
            .to_owned(),
    );
    out
}

fn be(n: u64) -> String {
    let verb = if n == 1 { "is" } else { "are" };
    format!("{} {verb}", of(n, "region"))
}

/// What a run takes to be repeated.
#[derive(Debug, Serialize)]
pub(super) struct Again {
    /// For a shell.
    pub command: Option<String>,
    pub rows: Vec<Pair>,
    pub files: Vec<File>,
    pub seconds: Vec<Pair>,
}

#[derive(Debug, Serialize)]
pub(super) struct Pair {
    pub name: String,
    pub value: String,
    /// Printed with letters of one width.
    pub code: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct File {
    pub role: String,
    pub path: String,
    pub bytes: String,
    pub sha256: String,
}

fn pair(name: &str, value: impl Into<String>, code: bool) -> Pair {
    Pair {
        name: name.to_owned(),
        value: value.into(),
        code,
    }
}

pub(super) fn again(r: &Report) -> Again {
    let run = r.run.as_ref();
    let mut rows = vec![
        pair("Tool", format!("ceg4nc {}", r.tool_version), false),
        pair("Seed", r.seed.to_string(), false),
    ];
    if let Some(run) = run {
        rows.push(pair("Effort", run.effort.to_string(), false));
        rows.push(pair("Solver", &*run.solver, false));
        rows.push(pair(
            "Threads",
            format!("{}; no result depends on it", run.jobs),
            false,
        ));
        let limits = [
            ("Time limit", run.time_limit.map(time)),
            ("Time limit of a region", run.region_time_limit.map(time)),
            (
                "Memory limit",
                run.memory_limit.map(|m| format!("{} MiB", count(m))),
            ),
        ];
        for (name, value) in limits {
            rows.extend(value.map(|v| pair(name, v, false)));
        }
        rows.push(pair("Started", &*run.started, false));
        rows.push(pair("Platform", &*run.platform, false));
    }
    rows.push(pair("Network file", r.network.sha256.to_string(), true));
    if let Some(program) = &r.program {
        let name = match r.status {
            Status::Proved => "Program proved",
            Status::Refuted | Status::Unknown => "Program",
        };
        rows.push(pair(name, program.to_string(), true));
    }
    if let Some(hash) = r.loop_.as_ref().and_then(|l| l.certificate.as_ref()) {
        rows.push(pair("Certificate", hash.to_string(), true));
    }
    let s = &r.seconds;
    Again {
        command: run
            .filter(|c| !c.command_line.is_empty())
            .map(|c| command_line(&c.command_line)),
        rows,
        files: run
            .iter()
            .flat_map(|c| &c.inputs)
            .map(|f| File {
                role: f.role.clone(),
                path: f.path.clone(),
                bytes: bytes(f.bytes),
                sha256: f.sha256.to_string(),
            })
            .collect(),
        seconds: vec![
            pair("search", time(s.search), false),
            pair("verdicts", time(s.verify), false),
            pair("writing", time(s.emit), false),
            pair("in all", time(s.total), false),
        ],
    }
}

/// A word and what it means here.
#[derive(Debug, Serialize)]
pub(super) struct Term {
    pub word: String,
    pub text: String,
}

/// The words that occur on the page.
pub(super) fn glossary(r: &Report) -> Vec<Term> {
    let always = [
        (
            "Region",
            "a box of inputs: a lower and an upper end for each input.",
        ),
        (
            "Proved",
            "holds for every point of the region that counts, by a method that errs on the safe side only.",
        ),
        (
            "Refuted",
            "broken by a point that was evaluated exactly in network and kernel.",
        ),
        (
            "Open",
            "neither; a limit of work was reached. Nothing is claimed.",
        ),
        (
            "Counterexample",
            "a point on which a version of the kernel breaks the requirement. Each later version must get all of them right.",
        ),
        (
            "Vacuous",
            "a requirement that a constant answer would satisfy.",
        ),
        (
            "Box",
            "a part of a region that is decided at once; hard regions are split into many.",
        ),
        (
            "Format",
            "sWqF holds whole numbers of W bits, divided by 2 to the power F; u is without sign.",
        ),
    ];
    let margin = (
        "Margin",
        "how far the network's output for the kernel's class may lie below the network's greatest output. Asked where the network itself changes class in the region, so that no kernel can follow it everywhere.",
    );
    let lower = (
        "At least, with 95 % confidence",
        "the one-sided lower limit by Clopper and Pearson, for inputs of which the rows are a random sample.",
    );
    let measured = r.accuracy.is_some() || !r.agreement_samples.is_empty();
    let extra = [(number(r, Kind::Margin) > 0, margin), (measured, lower)];
    let extra = extra.into_iter().filter(|e| e.0).map(|e| e.1);
    let term = |(word, text): (&str, &str)| Term {
        word: word.to_owned(),
        text: text.to_owned(),
    };
    let mut out: Vec<Term> = always.into_iter().chain(extra).map(term).collect();
    let mut methods: Vec<&str> = r.regions.iter().map(|x| x.method.as_str()).collect();
    methods.sort_unstable();
    methods.dedup();
    for name in methods {
        out.extend(words::method(name).map(|text| Term {
            word: format!("Method {name}"),
            text: format!("{text}."),
        }));
    }
    out
}
