//! What the attack finds on the CEG4N networks, and how long it takes.
//!
//! `CEG4N_BENCHMARKS=DIR cargo run -p ceg4n-verify --example attack` counts the regions in which
//! the reference changes its class. With two numbers `W A` it attacks kernels with weights of `W`
//! and activations of `A` bits, under top-1 where the reference keeps its class and under top-1
//! with margin 1/16 where not; with `W A top1`, `W A eps E` or `W A margin M` under that everywhere. The
//! environment variable `STARTS` sets another number of random starts.

#![expect(clippy::print_stdout, reason = "a program for the command line")]

#[path = "../tests/it/uniform.rs"]
mod uniform;

use ceg4n_base::Exact;
use ceg4n_ir::{Domain, Format, Property};
use ceg4n_jit::CodeCache;
use ceg4n_verify::attack::{Target, class_change, find_break, simplify, split_cell};
use ceg4n_verify::space::Space;
use ceg4n_verify::{Effort, Label, Stop, Subject};
use std::path::PathBuf;
use uniform::{Benchmark, NETWORKS, RADII};

/// Milliseconds of this thread's work.
struct Clock(f64);

impl Clock {
    fn now() -> f64 {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        t.tv_sec as f64 * 1e3 + t.tv_nsec as f64 / 1e6
    }

    fn start() -> Self {
        Self(Self::now())
    }

    fn ms(&self) -> f64 {
        Self::now() - self.0
    }
}

/// Times, by outcome.
#[derive(Default)]
struct Times(Vec<(bool, f64)>);

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sum: f64 = self.0.iter().map(|t| t.1).sum();
        write!(
            f,
            "{:>3} of {:>3} found, {sum:8.1} ms",
            self.count(true),
            self.0.len()
        )?;
        for (found, name) in [(true, "found"), (false, "not")] {
            let of = self.0.iter().filter(|t| t.0 == found).map(|t| t.1);
            let mut t: Vec<f64> = of.collect();
            t.sort_by(f64::total_cmp);
            if let (Some(m), Some(l)) = (t.get(t.len() / 2), t.last()) {
                write!(f, "; {name}: median {m:.2}, most {l:.2}")?;
            }
        }
        Ok(())
    }
}

impl Times {
    fn count(&self, found: bool) -> usize {
        self.0.iter().filter(|t| t.0 == found).count()
    }
}

/// What is asked of the kernels.
struct Asked {
    bits: (u8, u8),
    property: Option<Property>,
}

fn main() -> Result<(), String> {
    let dir = std::env::var_os("CEG4N_BENCHMARKS").ok_or("CEG4N_BENCHMARKS is not set")?;
    let dir = PathBuf::from(dir);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let bits = |text: &String| {
        text.parse::<u8>()
            .map_err(|_| format!("`{text}`: no width"))
    };
    let asked = match &arguments[..] {
        [w, a, rest @ ..] => {
            let exact = |t: &String| t.parse::<Exact>().map_err(|e| e.to_string());
            let property = match rest {
                [kind, v] if kind == "eps" => Some(Property::Eps(exact(v)?)),
                [kind] if kind == "top1" => Some(Property::Top1),
                [kind, v] if kind == "margin" => Some(Property::Top1Margin(exact(v)?)),
                _ => None,
            };
            Some(Asked {
                bits: (bits(w)?, bits(a)?),
                property,
            })
        }
        _ => None,
    };
    let mut all = Results::default();
    for name in NETWORKS {
        let benchmark = Benchmark::load(&dir, name)?;
        for radius in RADII {
            let mut results = Results::default();
            network(&benchmark, radius, asked.as_ref(), &mut results)?;
            println!("{name} {radius}\n{results}");
            all.add(results);
        }
    }
    println!("together\n{all}");
    Ok(())
}

/// Of a number of regions.
#[derive(Default)]
struct Results {
    labels: Times,
    robust: Times,
    changing: Times,
    simple: Times,
    moved: usize,
    characters: usize,
}

impl Results {
    fn add(&mut self, other: Self) {
        self.labels.0.extend(other.labels.0);
        self.robust.0.extend(other.robust.0);
        self.changing.0.extend(other.changing.0);
        self.simple.0.extend(other.simple.0);
        self.moved += other.moved;
        self.characters += other.characters;
    }
}

impl std::fmt::Display for Results {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "  changes of class:    {}", self.labels)?;
        let breaks = [("one class", &self.robust), ("it changes", &self.changing)];
        for (name, times) in breaks.into_iter().filter(|b| !b.1.0.is_empty()) {
            writeln!(f, "  breaks, {name:<11} {times}")?;
        }
        let n = self.simple.0.len();
        if n > 0 {
            let inputs = self.moved as f64 / n as f64;
            let length = self.characters as f64 / self.moved.max(1) as f64;
            write!(f, "  made simple:         {}", self.simple)?;
            write!(f, "; {inputs:.1} inputs moved, {length:.1} characters each")?;
        }
        Ok(())
    }
}

fn network(
    benchmark: &Benchmark,
    radius: &str,
    asked: Option<&Asked>,
    results: &mut Results,
) -> Result<(), String> {
    let subject = match asked {
        Some(a) => {
            let program = benchmark.kernel(a.bits.0, a.bits.1)?;
            Some(Subject::new(program, &CodeCache::new()).map_err(|t| t.to_string())?)
        }
        None => None,
    };
    let stop = Stop::default();
    let effort = match std::env::var("STARTS").ok().and_then(|s| s.parse().ok()) {
        Some(starts) => Effort {
            starts,
            ..Effort::default()
        },
        None => Effort::default(),
    };
    for r in benchmark.of(radius) {
        let format = subject.as_ref().map_or(Format::S32, |s| s.input_format());
        let (space, center) = (Space::new(r, Domain::Real, format), r.center());
        let clock = Clock::start();
        let found = class_change(&benchmark.reference, &space, &center, &effort, &stop);
        results.labels.0.push((found.change.is_some(), clock.ms()));
        let (Some(subject), Some(asked)) = (&subject, asked) else {
            continue;
        };
        let (label, property) = match (found.change, found.first) {
            (Some(change), _) => (
                Label::Changes(Box::new(change)),
                Property::Top1Margin(Exact::dyadic(1, -4)),
            ),
            (None, Some((_, c))) => (Label::Robust(c), Property::Top1),
            (None, None) => (Label::Undecided, Property::Top1),
        };
        let target = Target {
            reference: &benchmark.reference,
            subject,
            space: &space,
            property: asked.property.as_ref().unwrap_or(&property),
            label: &label,
            center: &center,
            hints: &[],
        };
        attack(&target, &effort, &stop, results)?;
    }
    Ok(())
}

fn attack(
    target: &Target<'_>,
    effort: &Effort,
    stop: &Stop,
    results: &mut Results,
) -> Result<(), String> {
    let clock = Clock::start();
    let split = match (target.label, target.property) {
        (Label::Changes(change), Property::Top1) => split_cell(target, change),
        _ => Ok(None),
    };
    let witness = match split.map_err(|t| t.to_string())? {
        Some(w) => Some(w),
        None => find_break(target, effort, stop).map_err(|t| t.to_string())?,
    };
    let time = (witness.is_some(), clock.ms());
    match target.label {
        Label::Robust(_) => results.robust.0.push(time),
        Label::Changes(_) | Label::Undecided => results.changing.0.push(time),
    }
    if let Some(w) = witness {
        let clock = Clock::start();
        let w = simplify(target, w).map_err(|t| t.to_string())?;
        results.simple.0.push((true, clock.ms()));
        let moved = w.x.iter().zip(target.center).filter(|(x, c)| x != c);
        for (x, _) in moved {
            results.moved += 1;
            results.characters += x.to_string().len();
        }
    }
    Ok(())
}
