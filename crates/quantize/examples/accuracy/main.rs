//! Test accuracy at equal bits: round to nearest, scales per channel, bias correction and greedy
//! path following on the MNIST networks of 784 inputs.
//!
//! `CEG4N_BENCHMARKS=DIR cargo run -p ceg4n-quantize --example accuracy [PLOT.svg]` prints a
//! markdown table and writes a plot. Every layer's weights have the bits of the column, biases as
//! many and at least 8, activations 12. Quantizers and formats see images 0 to 2000 of the MNIST
//! test set without their labels; accuracy is measured on images 5000 to 10000.

#![expect(clippy::print_stdout, reason = "a program for the command line")]

mod mnist;
mod plot;

use ceg4n_import::import_onnx_file;
use ceg4n_ir::{Program, Rounding, check};
use ceg4n_jit::{CodeCache, Evaluator};
use ceg4n_quantize::guided::Examples;
use ceg4n_quantize::{
    BiasRule, Calibration, Gpfq, Granularity, Guided, GuidedQuantizer, Model, Nearest, Quantizer,
    Radius, RangeOptions,
};
use ceg4n_verify::Reference;
use mnist::Images;
use std::path::Path;
use std::sync::Arc;

pub(crate) type Failure = Box<dyn std::error::Error>;

/// Weight bits, one column each.
const BITS: std::ops::RangeInclusive<u8> = 2..=8;
/// Bits of the input and of every stored activation.
const ACTIVATION_BITS: u8 = 12;

/// One line of the table: a method on one network.
pub(crate) struct Series {
    pub(crate) method: &'static str,
    /// Per cent, one for each of [`BITS`].
    pub(crate) accuracy: Vec<f64>,
}

/// A network with what its methods reach.
pub(crate) struct Panel {
    pub(crate) network: String,
    /// Per cent, of the real-valued reference.
    pub(crate) reference: f64,
    pub(crate) series: Vec<Series>,
}

fn main() -> Result<(), Failure> {
    let dir = std::env::var("CEG4N_BENCHMARKS")?;
    let images = mnist::load(Path::new(&dir))?;
    let (calibration, test) = (images.rows(0..2000), images.rows(5000..10_000));
    let mut files: Vec<_> = std::fs::read_dir(format!("{dir}/ceg4n/networks"))?
        .map(|f| f.map(|f| f.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let mut panels = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        if name.starts_with("mnist_784_") {
            panels.push(panel(&file, &name, &calibration, &test)?);
        }
    }
    table(&panels);
    if let Some(file) = std::env::args().nth(1) {
        std::fs::write(file, plot::svg(&panels, BITS))?;
    }
    Ok(())
}

/// What is compared. GPFQ with sweeps has the radius of least error and corrected biases.
fn methods(
    samples: &Arc<Calibration>,
    reference: &Reference,
) -> Vec<(&'static str, Box<dyn Quantizer>)> {
    let nearest = |granularity, correct: bool| {
        Box::new(Nearest {
            granularity,
            correct_biases: correct.then(|| samples.clone()),
            ..Nearest::default()
        })
    };
    let gpfq = |granularity, radius, sweeps: u32| {
        Box::new(Gpfq {
            granularity,
            radius,
            sweeps,
            correct_biases: sweeps > 0,
            calibration: samples.clone(),
        })
    };
    let (tensor, channel) = (Granularity::Tensor, Granularity::Channel);
    vec![
        ("nearest", nearest(tensor, false)),
        ("nearest, biases corrected", nearest(tensor, true)),
        ("nearest, per channel", nearest(channel, false)),
        ("GPFQ, radius median", gpfq(tensor, Radius::Median(1.0), 0)),
        ("GPFQ, radius max", gpfq(tensor, Radius::Max, 0)),
        ("GPFQ, four sweeps", gpfq(tensor, Radius::LeastError, 4)),
        (
            "GPFQ, four sweeps, per channel",
            gpfq(channel, Radius::LeastError, 4),
        ),
        (
            "guided by the images",
            Box::new(GuidedQuantizer {
                start: Arc::new(Nearest::default()),
                guided: Guided::default(),
                effort: 1,
                examples: Arc::new(Examples::from_rows(reference, samples.inputs())),
                regions: Arc::new([]),
            }),
        ),
    ]
}

fn panel(file: &Path, name: &str, calibration: &Images, test: &Images) -> Result<Panel, Failure> {
    let network = Arc::new(import_onnx_file(file).map_err(|d| d.to_string())?.network);
    let program = check(Program::reference(network.clone())).map_err(|d| d.to_string())?;
    let reference = Reference::new(&program);
    let samples = Arc::new(Calibration::new(
        calibration.pixels.clone(),
        network.input_len(),
    )?);
    let options = RangeOptions {
        data: Some(samples.clone()),
        ..RangeOptions::default()
    };
    let model = Model::with_options(&reference, network, &[], Rounding::HalfUp, &options);
    let right = |classes: &[usize]| {
        let hits = classes
            .iter()
            .zip(&test.labels)
            .filter(|(c, l)| **c == usize::from(**l));
        100.0 * hits.count() as f64 / classes.len() as f64
    };
    let real: Vec<usize> = test
        .images()
        .map(|x| {
            let x: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
            ceg4n_ir::kernel::argmax(&reference.approximate(&x)).unwrap_or(0)
        })
        .collect();
    let cache = CodeCache::new();
    let mut series = Vec::new();
    for (method, quantizer) in methods(&samples, &reference) {
        let mut accuracy = Vec::new();
        for bits in BITS {
            let a = model.uniform(bits, BiasRule::default().bits(bits), ACTIVATION_BITS);
            let program = quantizer
                .program(&model, &a, 1)
                .map_err(|d| d.to_string())?;
            let evaluator = Evaluator::new(&program, &cache)?;
            let format = evaluator.kernel().input_format;
            let mut classes = Vec::new();
            evaluator.argmax_batch(&test.mantissas(format), test.labels.len(), &mut classes)?;
            accuracy.push(right(&classes));
        }
        series.push(Series { method, accuracy });
    }
    Ok(Panel {
        network: name.to_owned(),
        reference: right(&real),
        series,
    })
}

fn table(panels: &[Panel]) {
    let bits: Vec<String> = BITS.map(|b| b.to_string()).collect();
    println!("| network (reference) | method | {} |", bits.join(" | "));
    println!("|---|---|{}", "---|".repeat(bits.len()));
    for p in panels {
        for s in &p.series {
            let cells: Vec<String> = s.accuracy.iter().map(|a| format!("{a:.1}")).collect();
            println!(
                "| {} ({:.1}) | {} | {} |",
                p.network,
                p.reference,
                s.method,
                cells.join(" | ")
            );
        }
    }
}
