//! What activation formats cost and what they keep: formats whose clamps never act against those
//! that may clip.
//!
//! `CEG4N_BENCHMARKS=DIR cargo run -p ceg4n-quantize --example ranges W A [PART]` gives every
//! network of the CEG4N benchmarks (whose name contains PART) weights of W and activations of A
//! bits by round to nearest, and prints one line for each radius: the fraction bits of every
//! stored activation, in how many of them the clamp is proved inactive, and how many regions are
//! proved, refuted and open.

#![expect(clippy::print_stdout, reason = "a program for the command line")]

use ceg4n_base::Exact;
use ceg4n_import::{import_onnx_file, regions_from_file};
use ceg4n_ir::{Domain, Program, Property, Region, Rounding, check};
use ceg4n_quantize::{Clipping, Model, Nearest, Quantizer, RangeOptions, clamps};
use ceg4n_verify::label::label;
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::space::Space;
use ceg4n_verify::{Effort, Question, Reference, Stop, Subject, Verdict, decide};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let dir = std::env::var("CEG4N_BENCHMARKS")?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    let bits = |i: usize| args.get(i).map_or(Ok(8 + 4 * i as u8), |a| a.parse());
    let (w, a) = (bits(0)?, bits(1)?);
    let part = args.get(2).map_or("", String::as_str);
    let mut files: Vec<_> = std::fs::read_dir(format!("{dir}/ceg4n/networks"))?
        .map(|f| f.map(|f| f.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let regions = format!("{dir}/ceg4n/regions/{name}.json");
        if name.contains(part) && Path::new(&regions).exists() {
            network(&file, &name, Path::new(&regions), (w, a))?;
        }
    }
    Ok(())
}

fn network(file: &Path, name: &str, regions: &Path, bits: (u8, u8)) -> Result<(), Failure> {
    let network = Arc::new(import_onnx_file(file).map_err(|d| d.to_string())?.network);
    let program = check(Program::reference(network.clone())).map_err(|d| d.to_string())?;
    let reference = Reference::new(&program);
    let mut by_radius: BTreeMap<String, Vec<Region>> = BTreeMap::new();
    for entry in regions_from_file(regions).map_err(|d| d.to_string())? {
        let radius = entry.region.ball_size.as_ref().map(Exact::to_string);
        by_radius
            .entry(radius.unwrap_or_default())
            .or_default()
            .push(entry.region);
    }
    let property = if name.contains("ACAS") {
        Property::Eps("0.05".parse::<Exact>().map_err(|e| format!("{e:?}"))?)
    } else {
        Property::Top1
    };
    for (radius, regions) in by_radius {
        for clipping in [Clipping::Allowed, Clipping::Never] {
            let options = RangeOptions {
                clipping,
                data: None,
            };
            let clock = std::time::Instant::now();
            let model = Model::with_options(
                &reference,
                network.clone(),
                &regions,
                Rounding::HalfUp,
                &options,
            );
            let ms = clock.elapsed().as_secs_f64() * 1e3;
            line(&model, &reference, &regions, &property, bits, &|text| {
                println!("{name} {radius} {clipping:?} ({ms:.0} ms): {text}");
            })?;
        }
    }
    Ok(())
}

fn line(
    model: &Model,
    reference: &Reference,
    regions: &[Region],
    property: &Property,
    (w, a): (u8, u8),
    print: &dyn Fn(String),
) -> Result<(), Failure> {
    let assignment = model.uniform(w, w.max(8), a);
    let quantizer = Nearest::default();
    let program = quantizer
        .program(model, &assignment, 1)
        .map_err(|d| d.to_string())?;
    let formats: Vec<String> = model
        .tensors()
        .iter()
        .map(|v| model.activation(*v, a).to_string())
        .collect();
    let kernel = program.kernel().ok_or("a fixed-point program")?;
    let inactive = clamps(kernel, regions)
        .iter()
        .filter(|c| c.inactive)
        .count();
    let subject = Subject::new(program.clone(), &ceg4n_jit::CodeCache::new())
        .map_err(|e| format!("{e:?}"))?;
    let effort = Effort {
        boxes: 600,
        ..Effort::default()
    };
    let stop = Stop::default();
    let mut counts = [0; 3];
    for region in regions {
        let space = Space::new(region, Domain::Real, subject.input_format());
        let root = space.root().map_err(|d| format!("{d:?}"))?;
        let label = label(reference, &space, &region.center(), &root, &effort, &stop);
        let question = Question {
            reference,
            subject: &subject,
            region,
            property,
            domain: Domain::Real,
            label: &label,
        };
        let result = decide(&question, &effort, &stop, &mut NoLeaf);
        counts[match result.verdict {
            Verdict::Proved(_) => 0,
            Verdict::Refuted(_) => 1,
            Verdict::Unknown(_) => 2,
        }] += 1;
    }
    print(format!(
        "{}; {inactive} of {} inactive; {} proved, {} refuted, {} unknown",
        formats.join(" "),
        formats.len(),
        counts[0],
        counts[1],
        counts[2]
    ));
    Ok(())
}
