//! What rewriting on the scalar level does to formulas: size and solving time of a fixed list of
//! questions about the benchmark networks, with the rewriter and without, in one run.

use crate::Error;
use crate::kernels::net::load;
use ceg4n_base::Exact;
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Interval, Kernel};
use ceg4n_smt::Logic;
use ceg4n_smt::lower::{Question, Rewriting, leaves_class};
use ceg4n_smt::solver::embedded::{EmbeddedSolver, clauses};
use ceg4n_smt::solver::{Limits, Outcome, Solver};
use ceg4n_smt::term::Sort;
use clap::Parser;
use std::path::PathBuf;
use std::time::Duration;

/// Network, bits of weights and activations, region by its place in the file, and eighths of the
/// region's radius.
type Row = (&'static str, &'static str, usize, i64);

/// Twenty questions that intervals alone leave open.
const QUERIES: &[Row] = &[
    ("iris_4x2", "8:8", 5, 16),
    ("iris_4x2", "5:10", 5, 16),
    ("iris_10x2", "8:8", 5, 8),
    ("iris_10x2", "8:8", 5, 16),
    ("iris_10x2", "4:12", 5, 16),
    ("seeds_10x1", "8:8", 2, 8),
    ("seeds_10x1", "8:8", 8, 12),
    ("seeds_10x1", "4:8", 2, 8),
    ("seeds_10x1", "4:8", 8, 12),
    ("seeds_6x1", "8:12", 2, 8),
    ("seeds_6x1", "8:12", 8, 16),
    ("mnist_64_10x1", "4:6", 2, 8),
    ("mnist_64_10x1", "4:6", 14, 12),
    ("mnist_64_25x1", "8:8", 5, 12),
    ("mnist_64_10x2", "4:8", 2, 2),
    ("mnist_64_10x2", "8:8", 3, 8),
    ("mnist_64_25x2", "4:8", 3, 12),
    ("ACASXU_run2a_1_1_batch_2000", "8:8", 0, 1),
    ("ACASXU_run2a_1_1_batch_2000", "8:8", 3, 2),
    ("ACASXU_run2a_1_1_batch_2000", "4:8", 3, 2),
];

/// `formulas`.
#[derive(Debug, Parser)]
#[command(
    about = "Formulas with and without the rewriter",
    bin_name = "ceg4n-dev formulas"
)]
pub struct Options {
    /// The folder of the benchmarks
    #[arg(long, env = "CEG4N_BENCHMARKS")]
    benchmarks: PathBuf,
    /// Seconds for an answer
    #[arg(long, default_value_t = 60)]
    time: u64,
    /// Only queries whose network's name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Sizes alone, no answers
    #[arg(long)]
    sizes: bool,
    /// How often each question is answered; the least time counts
    #[arg(long, default_value_t = 2)]
    repeat: u32,
}

/// What is measured of one question.
struct Measured {
    terms: usize,
    bits: u64,
    clauses: usize,
    seconds: f64,
    building: f64,
    answer: &'static str,
}

/// Measures and prints, row by row.
///
/// # Errors
/// Networks that cannot be read, questions that cannot be asked, answers that contradict.
pub fn table(options: &Options, print: &mut dyn FnMut(&str)) -> Result<(), Error> {
    print("| question | terms | bits | clauses | ratio | build | seconds | ratio | answer |\n");
    print("|---|---|---|---|---|---|---|---|---|\n");
    let (mut sizes, mut times) = (Vec::new(), Vec::new());
    let mut all_bits = Vec::new();
    for (name, formats, region, eighths) in QUERIES {
        if !name.contains(&options.only) {
            continue;
        }
        let folder = options.benchmarks.join("ceg4n");
        let file = folder.join("networks").join(format!("{name}.onnx"));
        let regions = folder.join("regions").join(format!("{name}.json"));
        let net = load(&file, Some(&regions), &[(*formats).to_owned()])?;
        let bad = |message: String| Error::Content {
            place: format!("{name} {formats} {region}"),
            message,
        };
        let candidate = net.candidates.first();
        let kernel = candidate.and_then(|c| c.program.kernel());
        let (Some(kernel), Some(region_)) = (kernel, net.module.regions.get(*region)) else {
            return Err(bad("no such kernel or region".to_owned()));
        };
        let (input, class) = question(kernel, &region_.lower, &region_.upper, *eighths)
            .ok_or_else(|| bad("no class".to_owned()))?;
        let mut both = [None, None];
        for _ in 0..options.repeat.max(1) {
            for (slot, rewriting) in both.iter_mut().zip([Rewriting::Off, Rewriting::On]) {
                let now = measure(kernel, &input, class, rewriting, options).map_err(bad)?;
                let faster = slot
                    .as_ref()
                    .is_none_or(|b: &Measured| now.seconds < b.seconds);
                if faster {
                    *slot = Some(now);
                }
            }
        }
        let [Some(off), Some(on)] = both else {
            return Err(bad("nothing measured".to_owned()));
        };
        let known = |m: &Measured| m.answer == "sat" || m.answer == "unsat";
        if known(&off) && known(&on) && off.answer != on.answer {
            return Err(bad(format!("{} without, {} with", off.answer, on.answer)));
        }
        let size = on.clauses as f64 / (off.clauses as f64).max(1.0);
        let time = on.seconds / off.seconds.max(1e-9);
        sizes.push(size);
        all_bits.push(on.bits as f64 / (off.bits as f64).max(1.0));
        if known(&off) || known(&on) {
            times.push(time);
        }
        print(&format!(
            "| {name} {formats} #{region} {eighths}/8 | {} → {} | {} → {} | {} → {} | {size:.2} | {:.3} → {:.3} | {:.2} → {:.2} | {time:.2} | {}, {} |\n",
            off.terms,
            on.terms,
            off.bits,
            on.bits,
            off.clauses,
            on.clauses,
            off.building,
            on.building,
            off.seconds,
            on.seconds,
            off.answer,
            on.answer
        ));
    }
    print(&format!(
        "medians: bits {:.2}, clauses {:.2}, seconds {:.2} of {} answered\n",
        median(all_bits),
        median(sizes),
        median(times.clone()),
        times.len()
    ));
    Ok(())
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    match (all.len() / 2, all.len() % 2) {
        (0, 0) => f64::NAN,
        (m, 0) => f64::midpoint(all[m - 1], all[m]),
        (m, _) => all[m],
    }
}

/// The box of integers around the region's centre, and the kernel's class there.
fn question(
    kernel: &Kernel,
    lower: &[Exact],
    upper: &[Exact],
    eighths: i64,
) -> Option<(Vec<Interval>, usize)> {
    let part = Exact::dyadic(eighths, -4);
    let mut input = Vec::with_capacity(lower.len());
    let mut centre = Vec::with_capacity(lower.len());
    for (lo, hi) in lower.iter().zip(upper) {
        let middle = lo.midpoint(hi);
        let radius = &(hi - lo) * &part;
        let end = |v: Exact| kernel.input_format.quantize(&v);
        let (a, b) = (end(&middle - &radius), end(&middle + &radius));
        input.push(Interval::new(a, b));
        centre.push(end(middle));
    }
    let y = ceg4n_eval::kernel_outputs(kernel, &centre).ok()?;
    Some((input, argmax(&y)?))
}

/// Processor time of this thread: a machine's other work is not in it.
fn cpu_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn measure(
    kernel: &Kernel,
    input: &[Interval],
    class: usize,
    rewriting: Rewriting,
    options: &Options,
) -> Result<Measured, String> {
    let start = cpu_seconds();
    let asked = leaves_class(Logic::Bv, kernel, input, class, rewriting);
    let Question { query, .. } = asked.map_err(|e| e.to_string())?;
    let building = cpu_seconds() - start;
    let width = |sort: Sort| match sort {
        Sort::Bits(w) => u64::from(w),
        Sort::Bool | Sort::Int => 1,
    };
    let bits = query.terms().map(|(_, d)| width(d.sort)).sum();
    let formula = clauses(&query, &Limits::default())?;
    let clauses = formula.literals.iter().filter(|l| **l == 0).count();
    let start = cpu_seconds();
    let answer = if options.sizes {
        "not asked"
    } else {
        let limits = Limits::default().within(Duration::from_secs(options.time));
        match EmbeddedSolver.solve(&query, &limits) {
            Outcome::Sat(_) => "sat",
            Outcome::Unsat => "unsat",
            Outcome::Unknown(_) => "open",
        }
    };
    Ok(Measured {
        terms: query.len(),
        bits,
        clauses,
        seconds: cpu_seconds() - start + building,
        building,
        answer,
    })
}
