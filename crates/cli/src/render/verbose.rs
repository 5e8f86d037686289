//! What `--verbose` says on standard error: what was chosen, and what the call took.

use super::count;
use ceg4n_driver::options::{
    Boundary, Budget, CompileOptions, DEFAULT_ACTIVATION_BITS, Preset, Strategy, VerifyOptions,
};
use ceg4n_driver::{Precision, Usage};
use ceg4n_ir::Rounding;
use ceg4n_report::Seconds;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How `compile` goes about it, defaults included.
pub(crate) fn compile(o: &CompileOptions) -> String {
    let mut out = format!(
        "chosen: preset {}, strategy {}, cost {}, granularity {}\n",
        preset(o.preset),
        strategy(o.strategy),
        o.cost.name(),
        o.granularity,
    );
    let activations = match &o.activation_bits {
        Some(bits) => range(bits),
        None => format!(
            "{} unless the requirement or the processor asks for others",
            range(&DEFAULT_ACTIVATION_BITS)
        ),
    };
    // Writing to a string does not fail, here and below.
    let _ = writeln!(
        out,
        "chosen: weights of {} bits, activations of {activations}",
        range(&o.weight_bits)
    );
    let _ = writeln!(
        out,
        "chosen: rounding {}, reference {}, boundary {}",
        o.rounding.unwrap_or(Rounding::HalfUp).name(),
        precision(o.reference),
        boundary(o.boundary.unwrap_or(Boundary::Margin)),
    );
    let backends: Vec<_> = o.emit.backends().map(|b| b.name).collect();
    let _ = writeln!(
        out,
        "chosen: emit {} for {}",
        backends.join(", "),
        o.written.target.name()
    );
    out.push_str(&budget(&o.budget));
    out
}

/// How `verify` goes about it, defaults included.
pub(crate) fn verify(o: &VerifyOptions) -> String {
    let rounding = match o.rounding {
        Some(rounding) => rounding.name().to_owned(),
        None => "of the version".to_owned(),
    };
    let version = match o.ir_version {
        Some(version) => format!("v{version}"),
        None => "the last".to_owned(),
    };
    let mut out = format!(
        "chosen: version {version}, rounding {rounding}, reference {}, boundary {}\n",
        precision(o.reference),
        boundary(o.boundary.unwrap_or(Boundary::Refute)),
    );
    out.push_str(&budget(&o.budget));
    out
}

fn budget(b: &Budget) -> String {
    let limit = |name: &str, limit: Option<Duration>| {
        limit.map(|l| format!("{name} of {} s", l.as_secs_f64()))
    };
    let memory = b.memory_limit_mib.map(|m| format!("memory of {m} MiB"));
    let limits = [
        limit("time", b.time_limit),
        limit("region time", b.region_time_limit),
        memory,
    ];
    let limits: Vec<_> = limits.into_iter().flatten().collect();
    let limits = match limits.is_empty() {
        true => "no limits".to_owned(),
        false => format!("limits: {}", limits.join(", ")),
    };
    format!(
        "chosen: solver {}, effort {}, seed {}, {}, {limits}\n",
        b.solver,
        b.effort,
        b.seed,
        count(b.jobs, "thread"),
    )
}

/// The stages of a run.
pub(crate) fn stages(s: &Seconds) -> String {
    format!(
        "search: {:.3} s\nverify: {:.3} s\nemit: {:.3} s\n",
        s.search, s.verify, s.emit
    )
}

/// What the call took.
pub(crate) fn took(time: Duration, usage: &Usage) -> String {
    let memory = match usage.peak_memory {
        Some(bytes) => format!(", peak memory {} MiB", bytes >> 20),
        None => String::new(),
    };
    let (all, cpu) = (time.as_secs_f64(), usage.cpu_seconds);
    format!("seconds: {all:.2}, CPU {cpu:.2}{memory}\n")
}

fn range(bits: &RangeInclusive<u8>) -> String {
    format!("{} to {}", bits.start(), bits.end())
}

fn preset(p: Preset) -> String {
    match p {
        Preset::Auto => "auto".to_owned(),
        Preset::Uniform {
            weight_bits,
            activation_bits,
        } => format!("uniform:{weight_bits}:{activation_bits}"),
        Preset::UniformMin => "uniform-min".to_owned(),
        Preset::Gpfq => "gpfq".to_owned(),
        Preset::Ceg4n => "ceg4n".to_owned(),
    }
}

fn strategy(s: Strategy) -> &'static str {
    match s {
        Strategy::Auto => "auto",
        Strategy::Greedy => "greedy",
        Strategy::Exact => "exact",
        Strategy::Nsga2 => "nsga2",
    }
}

fn boundary(b: Boundary) -> &'static str {
    match b {
        Boundary::Margin => "margin",
        Boundary::Refute => "refute",
    }
}

fn precision(p: Precision) -> &'static str {
    match p {
        Precision::Real => "real",
        Precision::Float32 => "f32",
    }
}
