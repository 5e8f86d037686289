//! Writes two-network queries for networks and regions of a folder: each network against itself
//! with rounded or perturbed weights, within a tolerance on every output, on boxes of the region
//! files. Deterministic.
//!
//! `two_networks DIR OUT [--networks PATTERN] [--count N] [--eps E] [--element TYPE] [--seconds S]`
//! reads `DIR/networks/*.onnx` whose name contains PATTERN and `DIR/regions/*.json`, and writes
//! `OUT/instances.csv` with its networks and queries, for `ceg4nc bench instances`.

use ceg4n_base::Exact;
use ceg4n_import::vnnlib2::Signature;
use ceg4n_import::{import_onnx, regions_from_file};
use ceg4n_ir::Region;
use std::error::Error;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Options {
    folder: PathBuf,
    out: PathBuf,
    networks: String,
    count: usize,
    eps: String,
    element: String,
    seconds: String,
}

fn options() -> Outcome<Options> {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().ok_or("two_networks DIR OUT [--count N] …");
    let mut o = Options {
        folder: next()?.into(),
        out: next()?.into(),
        networks: "ACASXU".to_owned(),
        count: 50,
        eps: "0.05".to_owned(),
        element: "float32".to_owned(),
        seconds: "30".to_owned(),
    };
    while let Some(name) = args.next() {
        let value = args.next().ok_or("an option without a value")?;
        match name.as_str() {
            "--networks" => o.networks = value,
            "--count" => o.count = value.parse()?,
            "--eps" => o.eps = value,
            "--element" => o.element = value,
            "--seconds" => o.seconds = value,
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(o)
}

/// What is done to the weights.
#[derive(Clone, Copy)]
enum Change {
    /// Each tensor to integers of so many bits times one scale.
    Rounded(u32),
    /// Each weight by up to so many 10000ths of itself.
    Perturbed(u32),
}

const CHANGES: [Change; 7] = [
    Change::Rounded(16),
    Change::Rounded(12),
    Change::Perturbed(10),
    Change::Rounded(10),
    Change::Rounded(8),
    Change::Perturbed(100),
    Change::Perturbed(1),
];

impl Change {
    fn name(self) -> String {
        match self {
            Self::Rounded(bits) => format!("{bits}bit"),
            Self::Perturbed(share) => format!("p{share}"),
        }
    }

    fn apply(self, weights: &mut [f32], random: &mut u64) {
        let most = weights.iter().fold(0f32, |m, w| m.max(w.abs()));
        for w in weights {
            *w = match self {
                Self::Rounded(bits) => {
                    let steps = f64::from((1u32 << (bits - 1)) - 1);
                    let scale = f64::from(most) / steps;
                    if scale > 0.0 {
                        ((f64::from(*w) / scale).round() * scale) as f32
                    } else {
                        *w
                    }
                }
                Self::Perturbed(share) => {
                    // Knuth's generator; the high bits are good enough.
                    *random = random
                        .wrapping_mul(6364136223846793005)
                        .wrapping_add(1442695040888963407);
                    let unit = (*random >> 40) as f64 / (1u64 << 23) as f64 - 1.0;
                    (f64::from(*w) * (1.0 + unit * f64::from(share) / 10000.0)) as f32
                }
            };
        }
    }
}

fn main() -> Outcome<()> {
    let o = options()?;
    std::fs::create_dir_all(&o.out)?;
    let mut nets: Vec<PathBuf> = std::fs::read_dir(o.folder.join("networks"))?
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| name(p).contains(&o.networks) && p.extension().is_some_and(|e| e == "onnx"))
        .collect();
    nets.sort();
    if nets.is_empty() {
        return Err("no network fits".into());
    }
    let mut list = String::new();
    for i in 0..o.count {
        let (path, turn) = (&nets[i % nets.len()], i / nets.len());
        let regions = regions_from_file(o.folder.join("regions").join(name(path) + ".json"))
            .map_err(|e| e.to_string())?;
        let region = &regions[(i * 7 + turn) % regions.len()].region;
        list += &instance(&o, path, region, CHANGES[i % CHANGES.len()])?;
    }
    std::fs::write(o.out.join("instances.csv"), list)?;
    Ok(())
}

/// Writes the files of one instance; returns its line.
fn instance(o: &Options, path: &Path, region: &Region, change: Change) -> Outcome<String> {
    let original = std::fs::read(path)?;
    let stem = name(path);
    let (f, g) = (
        format!("{stem}.onnx"),
        format!("{stem}_{}.onnx", change.name()),
    );
    let mut changed = original.clone();
    let mut random = 1;
    for range in weights(&original)? {
        let bytes = &mut changed[range];
        let mut values: Vec<f32> = (bytes.chunks_exact(4))
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        change.apply(&mut values, &mut random);
        for (to, v) in bytes.chunks_exact_mut(4).zip(values) {
            to.copy_from_slice(&v.to_le_bytes());
        }
    }
    let net = import_onnx(&changed, &stem)
        .map_err(|e| e.to_string())?
        .network;
    std::fs::write(o.out.join(&f), &original)?;
    std::fs::write(o.out.join(&g), &changed)?;
    let query = format!("{stem}_{}_{}.vnnlib", change.name(), region.id);
    let text = query_text(o, &Signature::of(&original), region, net.output_len())?;
    std::fs::write(o.out.join(&query), text)?;
    Ok(format!(
        "\"[('f', '{f}'), ('g', '{g}')]\",{query},{}\n",
        o.seconds
    ))
}

fn name(path: &Path) -> String {
    path.file_stem()
        .map_or_else(String::new, |s| s.to_string_lossy().into_owned())
}

/// `g` differs from `f` by more than the tolerance in some output, somewhere in the box.
fn query_text(
    o: &Options,
    signature: &Signature,
    region: &Region,
    outputs: usize,
) -> Outcome<String> {
    let dims = |ports: &[ceg4n_import::vnnlib2::Port], len: usize| {
        let shape = ports
            .first()
            .and_then(|p| p.shape.clone())
            .unwrap_or_default();
        let shape: Vec<usize> = shape.into_iter().map(|d| d.unwrap_or(1)).collect();
        if shape.iter().product::<usize>() == len {
            shape
        } else {
            vec![1, len]
        }
    };
    let inputs = region.lower.len();
    let (x, y) = (
        dims(&signature.inputs, inputs),
        dims(&signature.outputs, outputs),
    );
    let at = |t: &str, shape: &[usize], i: usize| {
        let mut indices = vec![0; shape.len()];
        let mut rest = i;
        for (k, d) in indices.iter_mut().zip(shape).rev() {
            (*k, rest) = (rest % d, rest / d);
        }
        let list: Vec<String> = indices.iter().map(ToString::to_string).collect();
        format!("{t}[{}]", list.join(","))
    };
    let shape = |s: &[usize]| {
        let list: Vec<String> = s.iter().map(ToString::to_string).collect();
        format!("[{}]", list.join(","))
    };
    let mut out = String::from("(vnnlib-version <2.0>)\n\n");
    for (n, relation, xs, ys) in [("f", "", "X", "Y"), ("g", " (isomorphic-to f)", "U", "V")] {
        writeln!(out, "(declare-network {n}{relation}")?;
        writeln!(out, "  (declare-input {xs} {} {})", o.element, shape(&x))?;
        writeln!(out, "  (declare-output {ys} {} {}))", o.element, shape(&y))?;
    }
    out.push('\n');
    for (i, (l, u)) in region.lower.iter().zip(&region.upper).enumerate() {
        let v = at("X", &x, i);
        writeln!(
            out,
            "(assert (and (>= {v} {}) (<= {v} {})))",
            decimal(l)?,
            decimal(u)?
        )?;
        writeln!(out, "(assert (== {v} {}))", at("U", &x, i))?;
    }
    writeln!(out, "\n(assert (or")?;
    for j in 0..outputs {
        let (a, b) = (at("Y", &y, j), at("V", &y, j));
        writeln!(out, "  (> (- {a} {b}) {0}) (> (- {b} {a}) {0})", o.eps)?;
    }
    writeln!(out, "))")?;
    Ok(out)
}

fn decimal(v: &Exact) -> Outcome<String> {
    let text = v.to_string();
    if text.contains('/') {
        return Err("a bound without a decimal".into());
    }
    Ok(text)
}

/// Where the float32 numbers of a model's initializers stand. The fields of a message are read as
/// protobuf writes them: a key, then a varint, 4 or 8 bytes, or a length and so many bytes.
fn weights(model: &[u8]) -> Outcome<Vec<Range<usize>>> {
    let mut found = Vec::new();
    for graph in fields(model, 0..model.len(), 7)? {
        for tensor in fields(model, graph, 5)? {
            for data in [9, 4] {
                found.extend(fields(model, tensor.clone(), data)?);
            }
        }
    }
    // A shape among the initializers has whole int64 numbers: as floats they are denormal or NaN.
    let plain = |r: &Range<usize>| {
        r.len().is_multiple_of(4)
            && model[r.clone()].chunks_exact(4).all(|b| {
                let v = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
                v == 0.0 || v.is_normal()
            })
    };
    found.retain(plain);
    Ok(found)
}

/// The contents of all fields with this number and a length.
fn fields(bytes: &[u8], within: Range<usize>, number: u64) -> Outcome<Vec<Range<usize>>> {
    let cut = "the model is cut off";
    let mut at = within.start;
    let varint = |at: &mut usize| -> Outcome<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let b = *bytes.get(*at).ok_or(cut)?;
            *at += 1;
            value |= u64::from(b & 127) << shift;
            if b < 128 {
                return Ok(value);
            }
        }
        Err("a number that is too long".into())
    };
    let mut found = Vec::new();
    while at < within.end {
        let key = varint(&mut at)?;
        let len = match key & 7 {
            0 => {
                varint(&mut at)?;
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut at)?)?,
            5 => 4,
            _ => return Err("a field of an unknown kind".into()),
        };
        let end = at
            .checked_add(len)
            .filter(|e| *e <= within.end)
            .ok_or(cut)?;
        if key >> 3 == number && key & 7 == 2 {
            found.push(at..end);
        }
        at = end;
    }
    Ok(found)
}
