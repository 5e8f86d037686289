//! Prints how well guided rounding keeps networks of the benchmarks: agreement and accuracy on
//! MNIST images that it never saw, and regions that are proved.
//!
//! `CEG4N_BENCHMARKS=DIR cargo run -p ceg4n-quantize --example guided [NET BITS]...`, for instance
//! `mnist_784_10x1 2,4`. `KEY=VALUE` among the arguments: `images` for calibration (rows from 0;
//! measured on rows from 5000), `biases` (bits), `radius` (of regions, or `none`), `effort`,
//! `epochs`, `batch`, `rate`, `share`, `flips`, `scales`, `lead` (of a robust class, as a share of
//! the typical lead), `prove`.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use ceg4n_ir::check::quantize_f32;
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{
    Annotations, Domain, Format, Program, Property, Region, Rounding, TensorFormat, check,
};
use ceg4n_jit::{CodeCache, Evaluator};
use ceg4n_quantize::formats::weight_format;
use ceg4n_quantize::guided::{Aim, Examples, Goal, Latents, RegionAim};
use ceg4n_quantize::{Assignment, Guided, Model, Nearest, Quantizer};
use ceg4n_verify::label::label;
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::space::Space;
use ceg4n_verify::{
    Effort, Label, Labelled, Question, Reference, RegionResult, Stop, Subject, Verdict, decide,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Rows for calibration end and rows for measuring begin here.
const HALF: usize = 5000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Images {
    calibration: Vec<f32>,
    test: Vec<f32>,
    labels: Vec<u8>,
}

fn idx(path: &Path) -> Result<Vec<u8>> {
    let name = path.display().to_string();
    let bytes = ceg4n_import::unpacked(&name, std::fs::read(path)?)?;
    let dimensions = usize::from(bytes[3]);
    Ok(bytes[4 + 4 * dimensions..].to_vec())
}

fn images(folder: &Path, inputs: usize, count: usize) -> Result<Images> {
    let name = match inputs {
        64 => "t10k-images-8x8-idx3-ubyte.gz",
        784 => "t10k-images-idx3-ubyte.gz",
        _ => return Err("no images of this size".into()),
    };
    let pixels: Vec<f32> = idx(&folder.join(name))?
        .iter()
        .map(|p| f32::from(*p) / 255.0)
        .collect();
    let labels = idx(&folder.join("t10k-labels-idx1-ubyte.gz"))?;
    Ok(Images {
        calibration: pixels[..count.min(HALF) * inputs].to_vec(),
        test: pixels[HALF * inputs..].to_vec(),
        labels: labels[HALF..].to_vec(),
    })
}

/// Settings from `KEY=VALUE` arguments.
struct Settings(BTreeMap<String, String>);

impl Settings {
    fn get<T: std::str::FromStr>(&self, key: &str, default: T) -> T {
        self.0
            .get(key)
            .and_then(|v| v.parse().ok())
            .unwrap_or(default)
    }
}

struct Bench {
    folder: PathBuf,
    settings: Settings,
    cache: CodeCache,
}

/// A region with what is asked there.
struct Asked {
    region: Region,
    property: Property,
    label: Labelled,
}

impl Bench {
    fn guided(&self) -> Guided {
        let d = Guided::default();
        let s = &self.settings;
        Guided {
            epochs: s.get("epochs", d.epochs),
            batch: s.get("batch", d.batch),
            rate: s.get("rate", d.rate),
            stay: s.get("stay", d.stay),
            evaluations: s.get("flips", d.evaluations),
            region_share: s.get("share", d.region_share),
            scales: s.get("scales", d.scales),
            seed: s.get("seed", d.seed),
        }
    }

    fn regions(&self, name: &str, reference: &Reference) -> Result<Vec<Asked>> {
        let path = self
            .folder
            .join("ceg4n/regions")
            .join(format!("{name}.json"));
        let radius = self.settings.get("radius", 0.01);
        let all = ceg4n_import::regions_from_file(path).map_err(|e| format!("{e:?}"))?;
        let of = |r: &Region| r.ball_size.as_ref().map_or(0.0, |b| b.to_f64());
        let regions = all.into_iter().map(|e| e.region);
        let regions: Vec<Region> = regions.filter(|r| (of(r) - radius).abs() < 1e-6).collect();
        let mut centres = Examples::new(reference.input_len(), reference.output_len());
        for r in &regions {
            let x: Vec<f32> = r.center().iter().map(|v| v.to_f64() as f32).collect();
            centres.push_rows(reference, &x, Aim::Fidelity, 1.0);
        }
        let margin = format!("{:.6}", centres.typical_lead() * 0.05).parse()?;
        let format = Format::new(true, 16, 8).ok_or("a format")?;
        let asked = regions.into_iter().map(|region| {
            let space = Space::new(&region, Domain::Real, format);
            let (effort, stop) = (Effort::default(), Stop::default());
            let label = match space.root() {
                Ok(root) => label(reference, &space, &region.center(), &root, &effort, &stop),
                Err(_) => Labelled::UNDECIDED,
            };
            let property = match label.label {
                Label::Robust(_) => Property::Top1,
                Label::Changes(_) | Label::Undecided => {
                    Property::Top1Margin(ceg4n_base::Exact::clone(&margin))
                }
            };
            Asked {
                region,
                property,
                label,
            }
        });
        Ok(asked.collect())
    }

    fn one(&self, name: &str, bits: &[u8]) -> Result<()> {
        let path = self
            .folder
            .join("ceg4n/networks")
            .join(format!("{name}.onnx"));
        let network = ceg4n_import::import_onnx_file(path).map_err(|e| format!("{e:?}"))?;
        let network = Arc::new(network.network);
        let reference = check(Program::reference(network.clone())).map_err(|e| format!("{e:?}"))?;
        let reference = Reference::new(&reference);
        let asked = self.regions(name, &reference)?;
        let boxes: Vec<Region> = asked.iter().map(|a| a.region.clone()).collect();
        let model = Model::new(&reference, network.clone(), &boxes, Rounding::HalfUp);
        let count = self.settings.get("images", HALF);
        let images = images(&self.folder.join("mnist"), reference.input_len(), count)?;
        let examples = Examples::from_rows(&reference, &images.calibration);
        let lead = examples.typical_lead() * self.settings.get("lead", 0.1);
        let aims: Vec<RegionAim> = asked
            .iter()
            .map(|a| RegionAim::new(&a.region, &a.label.label, &a.property, lead))
            .collect();
        let activations = self.settings.get("activations", 12);
        let mut assignment = model.uniform(8, 8, activations);
        for (i, b) in assignment.weights.iter_mut().enumerate() {
            *b = bits.get(i).or(bits.last()).copied().unwrap_or(2);
        }
        let biases = self.settings.get("biases", 8);
        assignment.biases.fill(biases);
        let mut start = Nearest::default()
            .annotate(&model, &assignment, 1)
            .map_err(|e| format!("{e:?}"))?;
        if self.settings.get("channels", false) {
            start = by_channel(&model, &assignment);
        }
        let began = Instant::now();
        let effort = self.settings.get("effort", 1);
        let (mut examples, mut aims) = (examples, aims);
        let mut guided = self.guided();
        let mut outcome = guided.improve(
            &model,
            &start,
            &Latents::new(),
            Goal {
                examples: &examples,
                regions: &aims,
            },
            effort,
            &|| false,
        );
        for _ in 0..self.settings.get("loop", 0) {
            let results = self.decide(&model, &outcome.annotations, &reference, &asked)?;
            if !strengthen(&reference, &results, &mut examples, &mut aims) {
                break;
            }
            let open = results
                .iter()
                .filter(|r| !matches!(r.verdict, Verdict::Proved(_)));
            let open: Vec<&str> = open.map(|r| r.id.as_str()).collect();
            println!("    not proved: {open:?}, objective {:.4}", outcome.after);
            guided.scales = false;
            guided.epochs = self.settings.get("again", 10);
            outcome = guided.improve(
                &model,
                &outcome.annotations,
                &outcome.latents,
                Goal {
                    examples: &examples,
                    regions: &aims,
                },
                effort,
                &|| false,
            );
        }
        let seconds = began.elapsed().as_secs_f64();
        let own = classes_of_reference(&reference, &images.test);
        let float = share(&own, |i| usize::from(images.labels[i]));
        let (near, new) = (
            self.classes(&model, &start, &images.test)?,
            self.classes(&model, &outcome.annotations, &images.test)?,
        );
        println!(
            "{name} {bits:?}: accuracy {:.2} (float {float:.2}, nearest {:.2}), agreement {:.2} (nearest {:.2}), objective {:.4} -> {:.4}, {} moved, held {:?}, {seconds:.1} s",
            share(&new, |i| usize::from(images.labels[i])),
            share(&near, |i| usize::from(images.labels[i])),
            share(&new, |i| own[i]),
            share(&near, |i| own[i]),
            outcome.before,
            outcome.after,
            outcome.moved,
            outcome.held,
        );
        if self.settings.get("prove", true) {
            for (what, notes) in [("nearest", &start), ("guided", &outcome.annotations)] {
                self.prove(what, &model, notes, &reference, &asked)?;
            }
        }
        Ok(())
    }

    fn decide(
        &self,
        model: &Model,
        notes: &Annotations,
        reference: &Reference,
        asked: &[Asked],
    ) -> Result<Vec<RegionResult>> {
        let program = model.check(notes.clone()).map_err(|e| format!("{e:?}"))?;
        let subject = Subject::new(program, &self.cache).map_err(|e| e.to_string())?;
        let result = |a: &Asked| {
            let question = Question {
                reference,
                subject: &subject,
                region: &a.region,
                property: &a.property,
                domain: Domain::Real,
                label: &a.label,
            };
            decide(&question, &Effort::default(), &Stop::default(), &mut NoLeaf)
        };
        Ok(asked.iter().map(result).collect())
    }

    fn prove(
        &self,
        what: &str,
        model: &Model,
        notes: &Annotations,
        reference: &Reference,
        asked: &[Asked],
    ) -> Result<()> {
        let began = Instant::now();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for r in self.decide(model, notes, reference, asked)? {
            let strict = if r.property == Property::Top1 {
                "strict"
            } else {
                "margin"
            };
            let key = format!("{} {strict}", r.verdict.name());
            *counts.entry(key).or_default() += 1;
        }
        println!(
            "    {what}: {counts:?} in {:.1} s",
            began.elapsed().as_secs_f64()
        );
        Ok(())
    }

    fn classes(&self, model: &Model, notes: &Annotations, rows: &[f32]) -> Result<Vec<usize>> {
        let program = model.check(notes.clone()).map_err(|e| format!("{e:?}"))?;
        let evaluator = Evaluator::new(&program, &self.cache)?;
        let format = evaluator.kernel().input_format;
        let x: Vec<i64> = rows
            .iter()
            .map(|v| i64::from(quantize_f32(format, *v)))
            .collect();
        let mut classes = Vec::new();
        evaluator.argmax_batch(&x, rows.len() / evaluator.input_len(), &mut classes)?;
        Ok(classes)
    }
}

/// Adds witnesses to the examples and raises what is aimed at where nothing was decided; false if
/// everything is proved.
fn strengthen(
    reference: &Reference,
    results: &[RegionResult],
    examples: &mut Examples,
    aims: &mut [RegionAim],
) -> bool {
    let mut open = false;
    for (r, a) in results.iter().zip(aims) {
        match &r.verdict {
            Verdict::Proved(_) => {}
            Verdict::Refuted(w) => {
                let x: Vec<f32> = w.x.iter().map(|v| v.to_f64() as f32).collect();
                examples.push_rows(reference, &x, a.aim, 2.0);
                a.weight *= 1.5;
                open = true;
            }
            Verdict::Unknown(_) => {
                if let Aim::Class { lead, .. } = &mut a.aim {
                    *lead *= 1.5;
                }
                a.weight *= 1.5;
                open = true;
            }
        }
    }
    open
}

fn classes_of_reference(reference: &Reference, rows: &[f32]) -> Vec<usize> {
    rows.chunks_exact(reference.input_len())
        .map(|x| {
            let x: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
            argmax(&reference.approximate(&x)).unwrap_or(0)
        })
        .collect()
}

/// A scale per output channel.
fn by_channel(model: &Model, a: &Assignment) -> Annotations {
    let mut notes = model.activations(a, 1);
    for (layer, bits) in model.layers().iter().zip(&a.weights) {
        let rows = model.data(layer.weight).chunks_exact(layer.cols.max(1));
        let formats: Arc<[Format]> = rows.map(|r| weight_format(r, *bits)).collect();
        model.set(
            &mut notes,
            layer.weight,
            TensorFormat::Channels(formats),
            None,
        );
    }
    model.complete(&mut notes, a);
    notes
}

/// Per cent of classes that are what they should be.
fn share(classes: &[usize], right: impl Fn(usize) -> usize) -> f64 {
    let hits = classes.iter().enumerate().filter(|(i, c)| **c == right(*i));
    100.0 * hits.count() as f64 / classes.len().max(1) as f64
}

fn main() -> Result<()> {
    let folder = std::env::var_os("CEG4N_BENCHMARKS").ok_or("CEG4N_BENCHMARKS is not set")?;
    let (pairs, others): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|a| a.contains('='));
    let pairs = pairs.iter().filter_map(|p| p.split_once('='));
    let bench = Bench {
        folder: folder.into(),
        settings: Settings(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()),
        cache: CodeCache::new(),
    };
    let jobs: Vec<(String, String)> = match &others[..] {
        [] => [
            "mnist_64_10x1",
            "mnist_64_25x2",
            "mnist_784_10x1",
            "mnist_784_10x2",
            "mnist_784_25x1",
            "mnist_784_25x2",
        ]
        .iter()
        .flat_map(|n| ["2", "2,4", "3"].map(|b| ((*n).to_owned(), b.to_owned())))
        .collect(),
        some => some
            .chunks_exact(2)
            .map(|c| (c[0].clone(), c[1].clone()))
            .collect(),
    };
    for (name, bits) in jobs {
        let bits: Vec<u8> = bits.split(',').filter_map(|b| b.parse().ok()).collect();
        bench.one(&name, &bits)?;
    }
    Ok(())
}
