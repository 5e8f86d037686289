//! Shared by the tests of both languages: programs with vectors, files, compilers.

mod dense;
pub(crate) mod eva;
mod generate;
mod graph;
mod large;
mod meaning;
mod mlp;
mod tools;
mod ways;

pub(crate) use dense::{deep_shifts, dense_cases, wide_dense};
pub(crate) use graph::graph;
pub(crate) use large::{large_dense, large_image};
pub(crate) use meaning::evaluate;
pub(crate) use mlp::mlp_cases;
pub(crate) use tools::{available, compilers, run, skip, tool};
pub(crate) use ways::{forms, ways};

use ceg4n_emit::{Claim, EmitInfo, EmitInput, EmitOptions, KernelChoice, OutputFile, TestVector};
use ceg4n_ir::{
    Checked, Constant, Domain, Format, Network, NetworkBuilder, Op, Origin, Program, Property,
    Region, Rounding, Shape, TensorFormat, ValueId, check,
};
use ceg4n_jit::CodeCache;
use ceg4n_verify::label::label;
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::space::Space;
use ceg4n_verify::{Effort, Obligation, Question, Reference, Stop, Subject, Verified, decide};
use generate::{random_dag, random_program};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;
use std::sync::Arc;

/// A constant of given shape; mantissas are set by the annotations, the floats are unused.
pub(crate) fn constant(b: &mut NetworkBuilder, name: &str, shape: &[usize], value: f32) -> ValueId {
    let n = shape.iter().product();
    numbers(b, name, shape, &vec![value; n])
}

/// A constant with its elements.
fn numbers(b: &mut NetworkBuilder, name: &str, shape: &[usize], data: &[f32]) -> ValueId {
    let op = Op::Const(Constant {
        data: data.into(),
        origin: Origin::Inline,
        wide: None,
    });
    b.push(name, op, Some(Shape(shape.to_vec())), None)
}

pub(crate) fn format(text: &str) -> Format {
    text.parse().unwrap()
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

/// Loops, whatever the size of a program, for no processor in particular.
pub(crate) fn speed() -> EmitOptions {
    EmitOptions {
        kernel: KernelChoice::Speed,
        ..EmitOptions::default()
    }
}

/// A program to emit with its vectors.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) program: Checked<Program>,
    pub(crate) vectors: Vec<TestVector>,
    pub(crate) options: EmitOptions,
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
            options: self.options,
        }
    }
}

/// Programs that the checker accepts, in a fixed order.
fn accepted(
    prefix: &str,
    seed: u64,
    programs: usize,
    per_program: usize,
    random: fn(&mut ChaCha8Rng) -> Option<Checked<Program>>,
) -> Vec<Case> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut cases = Vec::new();
    while cases.len() < programs {
        if let Some(program) = random(&mut rng) {
            let vectors = vectors(&program, &mut rng, per_program);
            cases.push(Case {
                name: format!("{prefix}{}", cases.len()),
                program,
                vectors,
                options: speed(),
            });
        }
    }
    cases
}

/// Chains of dense layers and what stands between them.
pub(crate) fn random_cases(seed: u64, programs: usize, per_program: usize) -> Vec<Case> {
    accepted("p", seed, programs, per_program, random_program)
}

/// The graph of the golden text.
pub(crate) fn graph_case(per_program: usize) -> Case {
    let program = graph();
    let vectors = vectors(&program, &mut ChaCha8Rng::seed_from_u64(6), per_program);
    Case {
        name: "graph".to_owned(),
        program,
        vectors,
        options: speed(),
    }
}

/// Programs of every operator.
pub(crate) fn dag_cases(seed: u64, programs: usize, per_program: usize) -> Vec<Case> {
    accepted("d", seed, programs, per_program, random_dag)
}

/// One element, requantized by every shift near its width under every rounding; the vectors are
/// every input of eight bits.
pub(crate) fn exhaustive_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (r, rounding) in Rounding::ALL.into_iter().enumerate() {
        for (i, from) in ["s8q0", "u8q0", "s5q0"].into_iter().enumerate() {
            for shift in -3..=10 {
                let mut b = NetworkBuilder::new("one");
                let x = b.push("x", Op::Input, Some(Shape::vector(1)), None);
                let y = b.push("y", Op::Identity { x }, None, None);
                let net = Arc::new(b.finish(y).unwrap());
                let to = Format::new(shift % 2 == 0, 5, -shift).unwrap();
                let patch = Program::reference(net).patch().rounding(rounding);
                let patch = patch.format(x, format(from)).format(y, to);
                let program = check(patch.finish()).unwrap();
                let (lo, hi) = storage(format(from));
                let vector = |m| TestVector {
                    input: vec![m],
                    output: evaluate(program.program(), &[m]),
                    note: String::new(),
                };
                let vectors = (lo..=hi).map(vector).collect();
                let name = format!("one_{r}_{i}_{}", shift + 3);
                cases.push(Case {
                    name,
                    program,
                    vectors,
                    options: speed(),
                });
            }
        }
    }
    cases
}

/// One input into rows of one weight each, every row at a scale of its own (weight, fraction bits,
/// multiplier), requantized to `to` or aligned; the vectors are every input.
fn scaled_rows(
    name: &str,
    input: &str,
    rows: &[(i32, i32, u16)],
    to: Option<&str>,
    r: Rounding,
) -> Case {
    let mut b = NetworkBuilder::new("rows");
    let x = b.push("x", Op::Input, Some(Shape::vector(1)), None);
    let weight = constant(&mut b, "w", &[rows.len(), 1], 1.0);
    let bias = None;
    let y = b.push("y", Op::Dense { x, weight, bias }, None, None);
    let net = Arc::new(b.finish(y).unwrap());
    let own = |(_, frac, m): &(i32, i32, u16)| {
        let plain = Format::new(true, 2, *frac).unwrap();
        plain.with_multiplier(*m).unwrap()
    };
    let formats = rows.iter().map(own);
    let mantissas: Vec<i32> = rows.iter().map(|(m, ..)| *m).collect();
    let patch = Program::reference(net).patch().rounding(r);
    let mut patch = patch.format(x, format(input)).mantissas(
        weight,
        TensorFormat::Channels(formats.collect()),
        mantissas.into(),
    );
    if let Some(to) = to {
        patch = patch.format(y, format(to));
    }
    let program = check(patch.finish()).unwrap();
    let (lo, hi) = storage(format(input));
    let vector = |m| TestVector {
        input: vec![m],
        output: evaluate(program.program(), &[m]),
        note: String::new(),
    };
    // Every input of eight bits, or some of more.
    let step = ((hi - lo) / 255).max(1) as usize;
    let ends = (hi - 2..=hi).filter(|_| step > 1);
    let vectors = (lo..=hi).step_by(step).chain(ends).map(vector).collect();
    Case {
        name: name.to_owned(),
        program,
        vectors,
        options: speed(),
    }
}

/// A relu before an upper bound below 0: all that is left is the bound.
pub(crate) fn bound_below_zero() -> Case {
    let mut b = NetworkBuilder::new("bound");
    let x = b.push("x", Op::Input, Some(Shape::vector(3)), None);
    let at = b.push("r", Op::Relu { x }, None, None);
    let (lo, hi) = (Some(-100.0), Some(-64.0));
    let y = b.push("y", Op::Clip { x: at, lo, hi }, None, None);
    let net = Arc::new(b.finish(y).unwrap());
    let patch = Program::reference(net).patch().format(x, format("s8q0"));
    let program = check(patch.finish()).unwrap();
    Case {
        name: "bound".to_owned(),
        vectors: vectors(&program, &mut ChaCha8Rng::seed_from_u64(4), 12),
        program,
        options: speed(),
    }
}

/// Shifts by channel: all right, none left, none right, mixed; rows that are always zero at an
/// extreme scale; an alignment by the whole word.
pub(crate) fn channel_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (r, rounding) in Rounding::ALL.into_iter().enumerate() {
        for (what, rows) in [
            ("right", [(1, 1), (1, 2), (-1, 3), (-1, 5)]),
            ("mixed", [(1, -2), (1, 0), (-1, 1), (-1, 4)]),
            ("left", [(1, -3), (1, -1), (-1, 0), (-1, 0)]),
            ("down", [(1, 0), (1, 0), (-1, 2), (-1, 1)]),
            ("zero", [(1, 1), (0, -200), (-1, 1), (0, 90)]),
        ] {
            let name = format!("rows_{what}_{r}");
            let rows = rows.map(|(m, frac)| (m, frac, 1));
            cases.push(scaled_rows(&name, "s8q0", &rows, Some("s6q0"), rounding));
        }
        // The last is always zero: its multiplier does not count.
        for (what, rows) in [
            (
                "times",
                [(1, 17, 32767), (-1, 15, 3), (1, 16, 257), (-1, 2, 1)],
            ),
            (
                "time",
                [(1, 10, 999), (-1, 9, 999), (1, 11, 999), (0, 8, 5)],
            ),
            ("up", [(1, 0, 3), (-1, -2, 7), (1, 0, 1), (0, 300, 32767)]),
            (
                "wide",
                [(1, 38, 32767), (-1, 37, 32766), (1, 38, 1), (-1, 38, 2)],
            ),
        ] {
            let name = format!("rows_{what}_{r}");
            let rows = rows.map(|(m, frac, factor)| (m, frac.min(250), factor));
            let (from, to) = match what {
                "wide" => ("s24q0", "s20q0"),
                _ => ("s8q0", "s6q0"),
            };
            cases.push(scaled_rows(&name, from, &rows, Some(to), rounding));
        }
    }
    let whole_word = [(-1, 0, 1), (1, 31, 1), (0, -120, 1)];
    cases.push(scaled_rows(
        "rows_word",
        "u1q0",
        &whole_word,
        None,
        Rounding::HalfUp,
    ));
    cases
}

/// Operand and sum fit 32 bits, but what is added does not.
pub(crate) fn wide_constant() -> Case {
    let mut b = NetworkBuilder::new("wide");
    let x = b.push("x", Op::Input, Some(Shape::vector(2)), None);
    let (lo, hi) = (None, Some(-1.0));
    let negative = b.push("negative", Op::Clip { x, lo, hi }, None, None);
    let c = constant(&mut b, "c", &[1], 1.0);
    let y = b.push("y", Op::Add { x: negative, c }, None, None);
    let net = Arc::new(b.finish(y).unwrap());
    let patch = Program::reference(net).patch().format(x, format("s32q0"));
    let patch = patch.mantissas(c, format("s2q-31"), [1].into());
    let program = check(patch.finish()).unwrap();
    let vectors = vectors(&program, &mut ChaCha8Rng::seed_from_u64(3), 20);
    Case {
        name: "wide".to_owned(),
        program,
        vectors,
        options: speed(),
    }
}

/// Writes emitted files below a folder.
pub(crate) fn write(files: &[OutputFile], to: &Path) {
    for f in files {
        let path = to.join(&f.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &f.content).unwrap();
    }
}

/// A network of two dense layers with given formats, for tests of the text; every constant is
/// exact in its format.
pub(crate) fn tiny() -> Checked<Program> {
    let mut b = NetworkBuilder::new("tiny");
    let x = b.push("x", Op::Input, Some(Shape::vector(2)), None);
    let w0 = numbers(&mut b, "w0", &[2, 2], &[0.75, -0.5, 1.75, -2.0]);
    let b0 = numbers(&mut b, "b0", &[2], &[0.0625, -0.1875]);
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
    let w1 = numbers(&mut b, "w1", &[3, 2], &[0.5, -0.5, 0.75, -1.0, 1.0, 1.0]);
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

/// Proves a program on `[0.5, 0.75]×[0.25, 0.5]`, where the reference of [`tiny`] keeps class 2;
/// panics unless the verifier does prove it.
pub(crate) fn prove(program: &Checked<Program>) -> Verified<Program> {
    let exact = |texts: [&str; 2]| texts.map(|t| t.parse().unwrap()).to_vec();
    let region = Region {
        id: "a".to_owned(),
        lower: exact(["0.5", "0.25"]),
        upper: exact(["0.75", "0.5"]),
        center: None,
        ball_size: None,
        span: None,
    };
    let network = program.program().network.clone();
    let reference = Reference::new(&check(Program::reference(network)).unwrap());
    let subject = Subject::new(program.clone(), &CodeCache::new()).unwrap();
    let (effort, stop) = (Effort::default(), Stop::default());
    let space = Space::new(&region, Domain::Real, subject.input_format());
    let root = space.root().unwrap();
    let label = label(&reference, &space, &region.center(), &root, &effort, &stop);
    let question = Question {
        reference: &reference,
        subject: &subject,
        region: &region,
        property: &Property::Top1,
        domain: Domain::Real,
        label: &label,
    };
    let result = decide(&question, &effort, &stop, &mut NoLeaf);
    let asked = Obligation {
        reference: reference.hash(),
        region: region.hash(),
        property: Property::Top1,
        domain: Domain::Real,
    };
    Verified::new(program.clone(), &[asked], &[result]).unwrap()
}

/// A fresh folder.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}
