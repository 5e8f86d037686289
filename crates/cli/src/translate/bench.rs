//! The options of `bench verify`.

use super::{
    Reader, Refusal, boundary, boundary_fits, budget, expected, pixels_used, positive, preset,
    question, reference, rounding,
};
use crate::args::{BenchVerifyArgs, Format};
use ceg4n_base::Diagnostics;
use ceg4n_driver::bench::{BenchOptions, BenchPreset, Scales};
use ceg4n_driver::options::{LoadOptions, Preset, WEIGHT_BITS};
use std::path::Path;

/// The options of `bench verify`.
///
/// # Errors
/// As for [`super::compile`].
pub fn bench_verify(args: &BenchVerifyArgs) -> Result<BenchOptions, Diagnostics> {
    let mut r = Reader::default();
    let mut options = BenchOptions::new(&args.folder);
    options.networks = args.network.clone();
    let asked = question(&mut r, Path::new(""), &args.question);
    options.load = LoadOptions {
        require: asked.require.or(options.load.require),
        ..asked
    };
    pixels_used(&mut r, &options.load, false);
    options.reference = reference(&mut r, &args.question);
    if !args.preset.is_empty() {
        let read = |t: &String| r.option("preset", Some(t), bench_preset);
        options.presets = args.preset.iter().filter_map(read).collect();
        let mut seen = Vec::new();
        for p in &options.presets {
            if seen.contains(p) {
                r.conflict(true, &format!("preset {p}"), "it is given twice");
            }
            seen.push(*p);
        }
    }
    let (rule, margin) = boundary(&mut r, &args.boundary);
    options.boundary = rule.unwrap_or(options.boundary);
    options.boundary_margin = margin;
    boundary_fits(&mut r, &options.load, options.boundary_margin.is_some());
    options.rounding = r
        .option("rounding", args.rounding.as_deref(), rounding)
        .unwrap_or_default();
    options.scales = r
        .option("scales", args.scales.as_deref(), |t| match t {
            "radius" => Ok(Scales::Radius),
            "network" => Ok(Scales::Network),
            _ => expected("radius or network"),
        })
        .unwrap_or_default();
    options.distinct = args.distinct;
    options.region_jobs = r
        .option("region-jobs", args.region_jobs.as_deref(), positive)
        .map_or(1, |n: u16| usize::from(n));
    let as_json = args.format.format == Format::Json;
    r.conflict(
        args.each && as_json,
        "each",
        "--format json has every region",
    );
    options.budget = budget(&mut r, &args.budget);
    r.errors.or(options)
}

fn bench_preset(text: &str) -> Result<BenchPreset, Refusal> {
    let what = "labels, uniform:W:A or weights:W with W in 2..16 and A in 4..24";
    if text == "labels" {
        return Ok(BenchPreset::Labels);
    }
    let weights = text.strip_prefix("weights:").map(str::parse);
    if let Some(Ok(bits)) = weights
        && WEIGHT_BITS.contains(&bits)
    {
        return Ok(BenchPreset::Weights(bits));
    }
    match preset(text) {
        Ok(Preset::Uniform {
            weight_bits,
            activation_bits,
        }) => Ok(BenchPreset::Uniform {
            weight_bits,
            activation_bits,
        }),
        Ok(Preset::Auto | Preset::UniformMin | Preset::Gpfq | Preset::Ceg4n) | Err(_) => {
            expected(what)
        }
    }
}
