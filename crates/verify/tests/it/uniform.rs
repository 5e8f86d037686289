//! Benchmark networks from `CEG4N_BENCHMARKS`, and kernels of them with uniform widths.

use ceg4n_base::Exact;
use ceg4n_import::{import_onnx_file, regions_from_file};
use ceg4n_ir::{Checked, Format, Network, Op, Program, Region, ValueId, check};
use ceg4n_verify::Reference;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The networks that are asked for top-1.
pub(crate) const NETWORKS: [&str; 15] = [
    "iris_3x2",
    "iris_4x2",
    "iris_10x2",
    "seeds_2x1",
    "seeds_4x1",
    "seeds_6x1",
    "seeds_10x1",
    "mnist_64_10x1",
    "mnist_64_25x1",
    "mnist_64_10x2",
    "mnist_64_25x2",
    "mnist_784_10x1",
    "mnist_784_25x1",
    "mnist_784_10x2",
    "mnist_784_25x2",
];

/// The radii of their regions.
pub(crate) const RADII: [&str; 3] = ["0.01", "0.03", "0.05"];

/// A network and its regions.
pub(crate) struct Benchmark {
    pub(crate) network: Arc<Network>,
    pub(crate) reference: Reference,
    pub(crate) regions: Vec<Region>,
}

impl Benchmark {
    pub(crate) fn load(dir: &Path, name: &str) -> Result<Self, String> {
        let file = dir.join(format!("ceg4n/networks/{name}.onnx"));
        let imported = import_onnx_file(file).map_err(|d| format!("{d:?}"))?;
        let network = Arc::new(imported.network);
        let program = check(Program::reference(network.clone())).map_err(|d| format!("{d:?}"))?;
        let regions = regions_from_file(dir.join(format!("ceg4n/regions/{name}.json")));
        let regions = regions.map_err(|d| format!("{d:?}"))?;
        Ok(Self {
            network,
            reference: Reference::new(&program),
            regions: regions.into_iter().map(|e| e.region).collect(),
        })
    }

    /// A network and one box of a VNN-LIB file.
    #[allow(dead_code, reason = "one of the programs that share this file uses it")]
    pub(crate) fn of_query(network: &Path, query: &Path) -> Result<Self, String> {
        let imported = import_onnx_file(network).map_err(|d| format!("{d:?}"))?;
        let network = Arc::new(imported.network);
        let program = check(Program::reference(network.clone())).map_err(|d| format!("{d:?}"))?;
        let mut sources = ceg4n_base::Sources::default();
        let query = ceg4n_import::vnnlib::query_from_file(&mut sources, query);
        let query = query.map_err(|d| format!("{d:?}"))?;
        let regions = query.regions("query");
        Ok(Self {
            network,
            reference: Reference::new(&program),
            regions: regions.map_err(|d| format!("{d:?}"))?,
        })
    }

    /// The regions of a radius.
    pub(crate) fn of(&self, radius: &str) -> Vec<&Region> {
        let radius: Option<Exact> = radius.parse().ok();
        let regions = self.regions.iter();
        regions.filter(|r| r.ball_size == radius).collect()
    }

    /// Largest magnitude of every value at the ends and centres of the regions.
    fn sizes(&self) -> BTreeMap<ValueId, f64> {
        let mut sizes = BTreeMap::new();
        let Some(program) = self.reference.real() else {
            return sizes;
        };
        for r in &self.regions {
            for x in [&r.lower, &r.upper, &r.center()] {
                let x: Vec<f64> = x.iter().map(Exact::to_f64).collect();
                let all = self.reference.approximate_all(&x);
                for (node, values) in program.nodes.values().zip(all) {
                    let most = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
                    let size = sizes.entry(node.value).or_insert(0.0f64);
                    *size = size.max(most);
                }
            }
        }
        sizes
    }

    /// A kernel with weights of `w` and activations of `a` bits, scales by the largest value.
    pub(crate) fn kernel(&self, w: u8, a: u8) -> Result<Checked<Program>, String> {
        let sizes = self.sizes();
        let size = |v: ValueId| sizes.get(&v).copied().unwrap_or(1.0);
        let net = &self.network;
        let mut frac: BTreeMap<ValueId, i32> = BTreeMap::new();
        let mut notes = Vec::new();
        let mut give = |v: ValueId, f: Format| {
            notes.push((v, f));
            f.frac()
        };
        for (v, value) in net.values().iter() {
            let of = |x: &ValueId| frac.get(x).copied().unwrap_or(0);
            let f = match &value.op {
                Op::Const(_) => continue,
                Op::Dense { x, weight, bias }
                | Op::Conv {
                    x, weight, bias, ..
                } => {
                    let data = |c: ValueId| net.constant(c).map_or(&[][..], |c| &c.data);
                    let most = |d: &[f32]| d.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
                    let sum = of(x) + give(*weight, fitting(most(data(*weight)), w));
                    if let Some(b) = bias {
                        let format = fitting(most(data(*b)), w.max(16));
                        let capped = Format::new(true, format.width(), format.frac().min(sum));
                        give(*b, capped.unwrap_or(format));
                    }
                    sum
                }
                Op::Add { x, c } | Op::Sub { x, c } => {
                    let most = net.constant(*c).map_or(1.0, |c| {
                        c.data.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())))
                    });
                    let format = fitting(most, 16);
                    let capped = Format::new(true, 16, format.frac().min(of(x)));
                    give(*c, capped.unwrap_or(format));
                    give(v, fitting(size(v), a))
                }
                Op::Input
                | Op::Relu { .. }
                | Op::AveragePool { .. }
                | Op::Sum { .. }
                | Op::Clip { .. }
                | Op::LeakyRelu { .. }
                | Op::Unary { .. }
                | Op::Curve { .. }
                | Op::Mul { .. }
                | Op::Snap { .. } => give(v, fitting(size(v), a)),
                Op::MaxPool { x, .. }
                | Op::Pad { x, .. }
                | Op::Transpose { x, .. }
                | Op::Div { x, .. }
                | Op::Reshape { x }
                | Op::Flatten { x }
                | Op::Identity { x } => of(x),
                Op::Concat { xs, .. } => xs.first().map_or(0, of),
            };
            frac.insert(v, f);
        }
        let patch = Program::reference(net.clone()).patch();
        let patch = notes.into_iter().fold(patch, |p, (v, f)| p.format(v, f));
        check(patch.finish()).map_err(|d| format!("{d:?}"))
    }
}

/// The finest signed format of `bits` bits that holds `±size`.
fn fitting(size: f64, bits: u8) -> Format {
    let most = 2f64.powi(i32::from(bits) - 1) - 1.0;
    let mut f = 100;
    while f > -100 && size * 2f64.powi(f) > most {
        f -= 1;
    }
    Format::new(true, bits, f).unwrap_or(Format::S32)
}
