//! Random fixed-point programs, and what they mean: an evaluator written from the semantics page
//! over the network and its annotations, sharing nothing with the lowered kernel.

use ceg4n_emit::{Claim, EmitInfo, EmitInput, OutputFile, TestVector};
use ceg4n_ir::{
    Annotation, Checked, Constant, Format, Network, NetworkBuilder, Op, Origin, Program, Rounding,
    Shape, TensorFormat, ValueId, check,
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

/// A constant of given shape; mantissas are set by the annotations, the floats are unused.
pub(crate) fn constant(b: &mut NetworkBuilder, name: &str, shape: &[usize], value: f32) -> ValueId {
    let n = shape.iter().product();
    let op = Op::Const(Constant {
        data: vec![value; n].into(),
        origin: Origin::Inline,
    });
    b.push(name, op, Some(Shape(shape.to_vec())), None)
}

pub(crate) fn format(text: &str) -> Format {
    text.parse().unwrap()
}

/// `round(m·2^-s)` by Euclidean division of exact integers.
fn rounded(rounding: Rounding, m: i128, s: i64) -> i128 {
    if s <= 0 {
        let up = (-s).min(90) as u32;
        return m.clamp(-(1 << 36), 1 << 36) * 2i128.pow(up.min(90));
    }
    let unit = 2i128.pow(s.min(100) as u32);
    match rounding {
        Rounding::Floor => m.div_euclid(unit),
        Rounding::HalfUp => (2 * m + unit).div_euclid(2 * unit),
        Rounding::HalfEven => {
            let q = (2 * m + unit).div_euclid(2 * unit);
            let tie = (2 * m + unit).rem_euclid(2 * unit) == 0;
            if tie && q.rem_euclid(2) == 1 {
                q - 1
            } else {
                q
            }
        }
    }
}

fn channel_format(program: &Program, c: ValueId, i: usize, len: usize) -> Format {
    let rows = program.network.value(c).shape.0[0];
    let format = program.annotations.format(c).unwrap();
    format.channel(i / (len / rows)).unwrap()
}

/// Mantissa and fraction bits of element `i` of a constant with explicit mantissas.
fn element(program: &Program, c: ValueId, i: usize) -> (i128, i64) {
    let Some(Annotation::Fixed { mantissas, .. }) = program.annotations.get(c) else {
        panic!("constants of the tests have formats");
    };
    let m = mantissas
        .as_ref()
        .expect("constants of the tests have mantissas");
    let f = channel_format(program, c, i, m.len());
    (i128::from(m[i]), i64::from(f.frac()))
}

/// Runs a program on input integers, straight from the semantics page.
pub(crate) fn evaluate(program: &Program, input: &[i64]) -> Vec<i64> {
    let net = &program.network;
    let rounding = program.annotations.rounding;
    // Per value: exact mantissas and their fraction bits.
    let mut known: BTreeMap<ValueId, Vec<(i128, i64)>> = BTreeMap::new();
    for (v, value) in net.values().iter() {
        let scaled = |c: ValueId, i: usize, to: i64| {
            let (m, f) = element(program, c, i);
            m * 2i128.pow(u32::try_from(to - f).unwrap())
        };
        let constant_index =
            |c: ValueId, i: usize| if net.value(c).shape.len() == 1 { 0 } else { i };
        let mut result: Vec<(i128, i64)> = match &value.op {
            Op::Const(_) => continue,
            Op::Input => {
                let f = program.annotations.format(v).unwrap().single().unwrap();
                let clamp = |m: &i64| {
                    (
                        i128::from((*m).clamp(f.min(), f.max())),
                        i64::from(f.frac()),
                    )
                };
                input.iter().map(clamp).collect()
            }
            Op::Dense { x, weight, bias } => {
                let x = &known[x];
                let row = |j: usize| {
                    let f = x[0].1 + element(program, *weight, j * x.len()).1;
                    let sum: i128 = (0..x.len())
                        .map(|k| x[k].0 * element(program, *weight, j * x.len() + k).0)
                        .sum();
                    (sum + bias.map_or(0, |b| scaled(b, j, f)), f)
                };
                (0..value.shape.len()).map(row).collect()
            }
            Op::Add { x, c } => {
                let add = |(i, (m, f)): (usize, &(i128, i64))| {
                    (m + scaled(*c, constant_index(*c, i), *f), *f)
                };
                known[x].iter().enumerate().map(add).collect()
            }
            Op::Sub { x, c } => {
                let sub = |(i, (m, f)): (usize, &(i128, i64))| {
                    (m - scaled(*c, constant_index(*c, i), *f), *f)
                };
                known[x].iter().enumerate().map(sub).collect()
            }
            Op::Div { x, c } => {
                let k = net.constant(*c).unwrap().data[0].log2() as i64;
                known[x].iter().map(|(m, f)| (*m, f + k)).collect()
            }
            Op::Relu { x } => known[x].iter().map(|(m, f)| (0.max(*m), *f)).collect(),
            Op::Reshape { x } | Op::Flatten { x } | Op::Identity { x } => known[x].clone(),
        };
        if let Some(TensorFormat::Tensor(y)) = program.annotations.format(v) {
            for (m, f) in &mut result {
                let exact = rounded(rounding, *m, *f - i64::from(y.frac()));
                *m = exact.clamp(i128::from(y.min()), i128::from(y.max()));
                *f = i64::from(y.frac());
            }
        }
        known.insert(v, result);
    }
    let out = &known[&net.output()];
    let top = out.iter().map(|(_, f)| *f).max().unwrap();
    out.iter()
        .map(|(m, f)| i64::try_from(m * 2i128.pow((top - f) as u32)).unwrap())
        .collect()
}

/// A random format; mostly narrow, sometimes up to `widest`.
fn random_format(rng: &mut impl Rng, widest: u8, frac: i32) -> Format {
    let width = if rng.random_bool(0.2) {
        rng.random_range(1..=widest)
    } else {
        rng.random_range(1..=widest.min(9))
    };
    Format::new(rng.random_bool(0.5), width, frac).unwrap()
}

/// Mantissas of a format: uniform, all at one end, or mostly zero.
fn random_mantissas(rng: &mut impl Rng, formats: &[Format], per_row: usize) -> Arc<[i32]> {
    let mut all = Vec::new();
    for f in formats {
        let style = rng.random_range(0..8);
        for _ in 0..per_row {
            let m = match style {
                0 => f.min(),
                1 => f.max(),
                2 => 0,
                _ => rng.random_range(f.min()..=f.max()),
            };
            all.push(i32::try_from(m).unwrap());
        }
    }
    all.into()
}

/// State of the generator: the network so far and what its annotations will be.
struct Growing<'a> {
    rng: &'a mut ChaCha8Rng,
    b: NetworkBuilder,
    formats: Vec<(ValueId, TensorFormat, Option<Arc<[i32]>>)>,
    at: ValueId,
    len: usize,
    frac: i32,
    count: usize,
}

impl Growing<'_> {
    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}{}", self.count)
    }

    fn push(&mut self, what: &str, op: Op) {
        let name = self.name(what);
        self.at = self.b.push(name, op, None, None);
    }

    fn constant(&mut self, shape: &[usize], formats: Vec<Format>, value: f32) -> ValueId {
        let name = self.name("k");
        let c = constant(&mut self.b, &name, shape, value);
        let per_row = shape.iter().product::<usize>() / shape[0];
        let rows = shape[0];
        let all: Vec<Format> = (0..rows).map(|j| formats[j % formats.len()]).collect();
        let m = random_mantissas(self.rng, &all, per_row);
        let f = if formats.len() == 1 {
            TensorFormat::Tensor(formats[0])
        } else {
            TensorFormat::Channels(all.into())
        };
        self.formats.push((c, f, Some(m)));
        c
    }

    /// Requantizes the value at hand to a format near its scale.
    fn requantize(&mut self) {
        let frac = self.frac - self.rng.random_range(-3..=12);
        let f = random_format(self.rng, 32, frac);
        self.formats.push((self.at, f.into(), None));
        self.frac = frac;
    }

    fn dense(&mut self) {
        let rows = self.rng.random_range(1..=6);
        let frac = self.rng.random_range(-2..=8);
        let channels = if self.rng.random_bool(0.4) { rows } else { 1 };
        let mut formats = Vec::new();
        for _ in 0..channels {
            let spread = if channels > 1 {
                self.rng.random_range(0..=4)
            } else {
                0
            };
            let f = random_format(self.rng, 16, frac + spread);
            formats.push(f);
        }
        let weight = self.constant(&[rows, self.len], formats, 1.0);
        self.frac += frac;
        let bias = self.rng.random_bool(0.7).then(|| {
            let frac = self.frac - self.rng.random_range(0..=4);
            let width = self.rng.random_range(1..=16);
            let f = Format::new(true, width, frac).unwrap();
            self.constant(&[rows], vec![f], 1.0)
        });
        self.len = rows;
        let x = self.at;
        self.push("dense", Op::Dense { x, weight, bias });
    }

    /// An operator that is no dense layer; the constants' scales fit most of the time.
    fn small(&mut self) {
        let x = self.at;
        match self.rng.random_range(0..6) {
            0 | 1 => self.push("relu", Op::Relu { x }),
            2 | 3 => {
                let n = if self.rng.random_bool(0.5) {
                    1
                } else {
                    self.len
                };
                let width = self.rng.random_range(1..=12);
                let f = Format::new(true, width, self.frac - self.rng.random_range(0..=3)).unwrap();
                let c = self.constant(&[n], vec![f], 1.0);
                let op = if self.rng.random_bool(0.5) {
                    Op::Add { x, c }
                } else {
                    Op::Sub { x, c }
                };
                self.push("sum", op);
            }
            4 => {
                let k = self.rng.random_range(-2..=3);
                let f = Format::new(true, 8, 0).unwrap();
                let c = self.constant(&[1], vec![f], 2f32.powi(k));
                self.push("div", Op::Div { x, c });
                self.frac += k;
            }
            _ => self.push("same", Op::Identity { x }),
        }
    }
}

/// A random program, or `None` where the checker refuses it.
pub(crate) fn random_program(rng: &mut ChaCha8Rng) -> Option<Checked<Program>> {
    let frac = rng.random_range(-1..=9);
    let input = random_format(rng, 32, frac);
    let mut b = NetworkBuilder::new("random");
    let shape = if rng.random_bool(0.3) {
        vec![2, rng.random_range(1..=4)]
    } else {
        vec![rng.random_range(1..=7)]
    };
    let len = shape.iter().product();
    let x = b.push("x", Op::Input, Some(Shape(shape)), None);
    let mut g = Growing {
        rng,
        b,
        formats: vec![(x, input.into(), None)],
        at: x,
        len,
        frac,
        count: 0,
    };
    g.push("flat", Op::Flatten { x });
    let layers = g.rng.random_range(0..=4);
    for layer in 0..=layers {
        if layer > 0 {
            g.dense();
        }
        for _ in 0..g.rng.random_range(0..=2) {
            g.small();
            if g.rng.random_bool(0.2) {
                g.requantize();
            }
        }
        let last = layer == layers;
        if g.rng.random_bool(if last {
            0.5
        } else if layer == 0 {
            0.2
        } else {
            1.0
        }) {
            g.requantize();
        }
        if g.rng.random_bool(0.3) {
            g.small();
        }
    }
    let rounding = Rounding::ALL[g.rng.random_range(0..3)];
    let (b, formats, output) = (g.b, g.formats, g.at);
    let net = Arc::new(b.finish(output).unwrap());
    let mut patch = Program::reference(net).patch().rounding(rounding);
    for (v, f, m) in formats {
        patch = match m {
            Some(m) => patch.mantissas(v, f, m),
            None => patch.format(v, f),
        };
    }
    check(patch.finish()).ok()
}

/// The values that the storage type of a format holds.
fn storage(f: Format) -> (i64, i64) {
    let bits = f.width().next_power_of_two().max(8);
    if f.signed() {
        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    } else {
        (0, (1 << bits) - 1)
    }
}

/// Vectors with extreme, uniform and small inputs, some outside the format but not the type.
pub(crate) fn vectors(program: &Checked<Program>, rng: &mut impl Rng, n: usize) -> Vec<TestVector> {
    let kernel = program.kernel().unwrap();
    let f = kernel.input_format;
    let (lo, hi) = storage(f);
    let one = |i: usize, rng: &mut _| {
        let element = |rng: &mut _| -> i64 {
            match if i < 4 {
                i
            } else {
                Rng::next_u32(rng) as usize % 8
            } {
                0 => lo,
                1 => hi,
                2 => f.min(),
                3 => f.max(),
                4 => RngExt::random_range(rng, lo..=hi),
                5 => RngExt::random_range(rng, -9..=9i64).clamp(lo, hi),
                _ => RngExt::random_range(rng, f.min()..=f.max()),
            }
        };
        let input: Vec<i64> = (0..kernel.input_len()).map(|_| element(rng)).collect();
        let output = evaluate(program.program(), &input);
        TestVector {
            input,
            output,
            note: format!("vector \"{i}\" %d"),
        }
    };
    (0..n).map(|i| one(i, rng)).collect()
}

/// A program to emit with its vectors.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) program: Checked<Program>,
    pub(crate) vectors: Vec<TestVector>,
}

impl Case {
    pub(crate) fn input(&self) -> EmitInput<'_> {
        EmitInput {
            program: &self.program,
            name: &self.name,
            claim: Claim::Unverified {
                reason: "a test */ ??/".to_owned(),
            },
            vectors: &self.vectors,
            info: EmitInfo {
                tool_version: "0.0.0".to_owned(),
                requirement: vec!["top1 domain real /*".to_owned()],
                regions: vec!["line\nfeed \u{202e}".to_owned()],
                hashes: vec![],
            },
        }
    }
}

/// Programs that the checker accepts, in a fixed order.
pub(crate) fn random_cases(seed: u64, programs: usize, per_program: usize) -> Vec<Case> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut cases = Vec::new();
    while cases.len() < programs {
        if let Some(program) = random_program(&mut rng) {
            let vectors = vectors(&program, &mut rng, per_program);
            cases.push(Case {
                name: format!("p{}", cases.len()),
                program,
                vectors,
            });
        }
    }
    cases
}

/// Writes emitted files below a folder, without their first component if `flat`.
pub(crate) fn write(files: &[OutputFile], to: &Path) {
    for f in files {
        let path = to.join(&f.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &f.content).unwrap();
    }
}

/// Runs a command; panics with its output unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Output {
    let out = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        out.status.success(),
        "{command:?}: {}\n{}\n{}",
        out.status,
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    out
}

/// A network of two dense layers with given formats, for tests of the text.
pub(crate) fn tiny() -> Checked<Program> {
    let mut b = NetworkBuilder::new("tiny");
    let x = b.push("x", Op::Input, Some(Shape::vector(2)), None);
    let w0 = constant(&mut b, "w0", &[2, 2], 1.0);
    let b0 = constant(&mut b, "b0", &[2], 1.0);
    let h0 = b.push(
        "h0",
        Op::Dense {
            x,
            weight: w0,
            bias: Some(b0),
        },
        None,
        None,
    );
    let r0 = b.push("r0", Op::Relu { x: h0 }, None, None);
    let w1 = constant(&mut b, "w1", &[3, 2], 1.0);
    let y = b.push(
        "y",
        Op::Dense {
            x: r0,
            weight: w1,
            bias: None,
        },
        None,
        None,
    );
    let net: Network = b.finish(y).unwrap();
    let per_channel: Arc<[Format]> = [format("s3q1"), format("s3q2"), format("s3q1")].into();
    let patch = Program::reference(Arc::new(net))
        .patch()
        .format(x, format("s9q8"))
        .mantissas(w0, format("s4q2"), [3, -2, 7, -8].into())
        .mantissas(b0, format("s5q4"), [1, -3].into())
        .format(r0, format("u8q5"))
        .mantissas(
            w1,
            TensorFormat::Channels(per_channel),
            [1, -1, 3, -4, 2, 2].into(),
        );
    check(patch.finish()).unwrap()
}

/// A fresh folder.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The program that an environment variable names, or a default.
pub(crate) fn tool(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| default.into(), PathBuf::from)
}
