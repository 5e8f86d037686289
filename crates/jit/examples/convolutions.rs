//! Prints how fast convolutional networks are prepared and evaluated, how much memory that takes,
//! and how fast the same loops are in C, where a C compiler is installed.
//!
//! `cargo run -p ceg4n-jit --example convolutions [PART OF A NAME]`; wall time, best of several
//! rounds.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use ceg4n_ir::network::{Constant, Slide};
use ceg4n_ir::{
    Checked, Format, KernelOp, NetworkBuilder, Op, Program, Rounding, Shape, ValueId, check,
};
use ceg4n_jit::{CodeCache, CodeOptions, Evaluator};
use std::error::Error;
use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;

/// A layer; each but the last ends in a relu and eight bits.
#[derive(Clone, Copy)]
enum Layer {
    /// Filters, extent, stride, padding, groups.
    Conv(usize, usize, usize, usize, usize),
    /// Two convolutions of extent 3 whose result is added to the operand.
    Residual(usize),
    /// A maximum over windows of such an extent.
    MaxPool(usize),
    /// A mean over all positions.
    Mean,
    Dense(usize),
}

use Layer::{Conv, Dense, MaxPool, Mean, Residual};

struct Builder {
    net: NetworkBuilder,
    formats: Vec<(ValueId, Format)>,
    state: u64,
    count: usize,
}

impl Builder {
    /// A seeded float in `-1..1`.
    fn noise(&mut self) -> f32 {
        let next = self.state.wrapping_mul(6_364_136_223_846_793_005);
        self.state = next.wrapping_add(1);
        (self.state >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn push(&mut self, op: Op, shape: Option<Shape>) -> ValueId {
        self.count += 1;
        self.net.push(format!("v{}", self.count), op, shape, None)
    }

    fn constant(&mut self, shape: Vec<usize>, format: Format) -> ValueId {
        let data: Vec<f32> = (0..shape.iter().product()).map(|_| self.noise()).collect();
        let v = self.push(Op::Const(Constant::inline(data)), Some(Shape(shape)));
        self.formats.push((v, format));
        v
    }

    fn stored(&mut self, x: ValueId, fan_in: usize, relu: bool) -> Option<ValueId> {
        let y = if relu {
            self.push(Op::Relu { x }, None)
        } else {
            x
        };
        let frac = 6 - (fan_in.ilog2() as i32) / 2;
        self.formats.push((y, Format::new(!relu, 8, frac)?));
        Some(y)
    }

    fn conv(&mut self, x: ValueId, layer: [usize; 5], relu: bool) -> Option<ValueId> {
        let [filters, k, stride, pad, groups] = layer;
        let depth = self.net.values()[x].shape.0[0] / groups;
        let weight = self.constant(vec![filters, depth, k, k], Format::new(true, 8, 7)?);
        let bias = Some(self.constant(vec![filters], Format::new(true, 8, 7)?));
        let slide = Slide {
            strides: vec![stride; 2],
            before: vec![pad; 2],
            after: vec![pad; 2],
            ..Slide::dense(2)
        };
        let op = Op::Conv {
            x,
            weight,
            bias,
            slide,
            groups,
        };
        let y = self.push(op, None);
        self.stored(y, depth * k * k, relu)
    }

    fn layer(&mut self, x: ValueId, layer: Layer, last: bool) -> Option<ValueId> {
        match layer {
            Conv(filters, k, stride, pad, groups) => {
                self.conv(x, [filters, k, stride, pad, groups], true)
            }
            Residual(filters) => {
                let a = self.conv(x, [filters, 3, 1, 1, 1], true)?;
                let b = self.conv(a, [filters, 3, 1, 1, 1], false)?;
                let c = self.push(Op::Identity { x }, None);
                let format = self.formats.last()?.1;
                self.formats.push((c, format));
                let sum = self.push(Op::Sum { x: b, y: c }, None);
                let y = self.push(Op::Relu { x: sum }, None);
                self.formats
                    .push((y, Format::new(false, 8, format.frac())?));
                Some(y)
            }
            MaxPool(k) => {
                let mut slide = Slide::dense(2);
                slide.strides = vec![k; 2];
                let kernel = vec![k; 2];
                Some(self.push(Op::MaxPool { x, kernel, slide }, None))
            }
            Mean => {
                let kernel = self.net.values()[x].shape.0[1..].to_vec();
                let op = Op::AveragePool {
                    x,
                    kernel,
                    slide: Slide::dense(2),
                    count_pad: false,
                };
                let y = self.push(op, None);
                self.stored(y, 1, true)
            }
            Dense(rows) => {
                let x = self.push(Op::Flatten { x }, None);
                let cols = self.net.values()[x].shape.len();
                let weight = self.constant(vec![rows, cols], Format::new(true, 8, 7)?);
                let bias = Some(self.constant(vec![rows], Format::new(true, 8, 7)?));
                let y = self.push(Op::Dense { x, weight, bias }, None);
                if last {
                    Some(y)
                } else {
                    self.stored(y, cols, true)
                }
            }
        }
    }
}

fn program(input: [usize; 3], layers: &[Layer]) -> Result<Checked<Program>, Box<dyn Error>> {
    let mut b = Builder {
        net: NetworkBuilder::new("convolutions"),
        formats: vec![],
        state: 1,
        count: 0,
    };
    let mut x = b.push(Op::Input, Some(Shape(input.to_vec())));
    b.formats
        .push((x, Format::new(false, 8, 8).ok_or("a format")?));
    for (i, layer) in layers.iter().enumerate() {
        x = b
            .layer(x, *layer, i + 1 == layers.len())
            .ok_or("a format")?;
    }
    let net = Arc::new(b.net.finish(x).map_err(|e| format!("{e:?}"))?);
    let mut patch = Program::reference(net).patch().rounding(Rounding::HalfUp);
    for (v, f) in b.formats {
        patch = patch.format(v, f);
    }
    Ok(check(patch.finish()).map_err(|e| format!("{e:?}"))?)
}

/// The shortest of several rounds.
fn best<T>(mut f: impl FnMut() -> T) -> (Duration, T) {
    let mut round = || {
        let start = Instant::now();
        let value = f();
        (start.elapsed(), value)
    };
    let mut best = round();
    for _ in 1..ROUNDS {
        let next = round();
        if next.0 < best.0 {
            best = next;
        }
    }
    best
}

/// The greatest resident size of this process so far, in MiB.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? >> 10)
}

fn measure(
    name: &str,
    input: [usize; 3],
    layers: &[Layer],
    samples: usize,
) -> Result<(), Box<dyn Error>> {
    if std::env::args()
        .nth(1)
        .is_some_and(|part| !name.contains(&part))
    {
        return Ok(());
    }
    let start = Instant::now();
    let checked = program(input, layers)?;
    let check_time = start.elapsed();
    let net = &checked.program().network;
    let (parameters, macs) = (net.parameters(), net.macs());
    println!("{name}: {parameters} parameters, {macs} multiplications");
    let cache = CodeCache::with_options(CodeOptions {
        verify_ir: false,
        ..CodeOptions::default()
    });
    let start = Instant::now();
    Evaluator::new(&checked, &cache)?;
    let compile = start.elapsed();
    let (prepare, evaluator) = best(|| Evaluator::new(&checked, &cache));
    let evaluator = evaluator?;
    let inputs: Vec<i64> = (0..samples * evaluator.input_len())
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 7) as i64 & 255)
        .collect();
    let mut outputs = Vec::new();
    let (time, done) = best(|| evaluator.eval_batch(&inputs, samples, &mut outputs));
    done?;
    let each = time.as_secs_f64() * 1e6 / samples as f64;
    let rate = macs as f64 / each / 1e3;
    println!(
        "  built and checked in {check_time:.2?}, {} functions compiled in {compile:.2?}, prepared in {prepare:.2?}",
        cache.len()
    );
    print!("  {each:.1} us a sample, {rate:.2} G multiplications/s");
    if let Some(mib) = resident() {
        print!(", {mib} MiB at most so far");
    }
    println!();
    if let Some(c) = in_c(&checked, &inputs[..evaluator.input_len()])? {
        assert_eq!(c.outputs, outputs[..evaluator.output_len()], "C differs");
        let times = c.micros / each;
        println!(
            "  C, gcc -O2: {:.1} us a sample, {times:.1} times as long",
            c.micros
        );
    }
    Ok(())
}

/// What the C program printed.
struct InC {
    micros: f64,
    outputs: Vec<i64>,
}

/// The same network as plain C loops with sizes known to the compiler; `None` for a network of other
/// operators, or without a compiler.
fn in_c(checked: &Checked<Program>, input: &[i64]) -> Result<Option<InC>, Box<dyn Error>> {
    let Some(source) = c_source(checked, input)? else {
        return Ok(None);
    };
    let folder = std::env::temp_dir().join(format!("convolutions-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (file, program) = (folder.join("net.c"), folder.join("net"));
    std::fs::write(&file, source)?;
    let gcc = Command::new("gcc")
        .arg("-O2")
        .arg("-o")
        .arg(&program)
        .arg(&file)
        .status();
    let found = match gcc {
        Ok(status) if status.success() => {
            let out = String::from_utf8(Command::new(&program).output()?.stdout)?;
            let mut words = out.split_whitespace();
            let micros = words.next().ok_or("no time")?.parse()?;
            let outputs = words.map(str::parse).collect::<Result<_, _>>()?;
            Some(InC { micros, outputs })
        }
        Ok(_) | Err(_) => None,
    };
    std::fs::remove_dir_all(&folder)?;
    Ok(found)
}

fn c_source(checked: &Checked<Program>, input: &[i64]) -> Result<Option<String>, Box<dyn Error>> {
    let kernel = checked.kernel().ok_or("a kernel")?;
    let mut data = String::from("#include <stdint.h>\n#include <stdio.h>\n#include <time.h>\n");
    let mut body = String::new();
    let list = |v: &mut dyn Iterator<Item = i64>| v.map(|v| format!("{v},")).collect::<String>();
    for (id, node) in kernel.nodes.iter() {
        let (k, len) = (id.as_u32(), node.len);
        let c = if node.format.is_some() {
            "int16_t"
        } else {
            "int32_t"
        };
        writeln!(data, "static {c} n{k}[{len}];")?;
        match &node.op {
            KernelOp::Input { .. } => {
                let xs = list(&mut input.iter().copied());
                writeln!(data, "static const int16_t in{k}[] = {{{xs}}};")?;
                writeln!(body, "for (int i = 0; i < {len}; i++) n{k}[i] = in{k}[i];")?;
            }
            KernelOp::Dense {
                x,
                weight,
                bias,
                rows,
                cols,
            } => {
                weights(&mut data, k, weight, bias.as_deref())?;
                let x = x.as_u32();
                writeln!(
                    body,
                    "for (int j = 0; j < {rows}; j++) {{ int32_t s = b{k}[j]; for (int i = 0; i < {cols}; i++) s += n{x}[i] * w{k}[j * {cols} + i]; n{k}[j] = s; }}"
                )?;
            }
            KernelOp::Conv {
                x,
                weight,
                bias,
                conv,
            } => {
                weights(&mut data, k, weight, bias.as_deref())?;
                conv_source(&mut body, k, x.as_u32(), conv)?;
            }
            KernelOp::Relu { x } => {
                let x = x.as_u32();
                writeln!(
                    body,
                    "for (int i = 0; i < {len}; i++) n{k}[i] = n{x}[i] > 0 ? n{x}[i] : 0;"
                )?;
            }
            KernelOp::Requantize {
                x,
                shift,
                format,
                multiplier: None,
            } if shift[0] > 0 => {
                let (x, s, lo, hi) = (x.as_u32(), shift[0], format.min(), format.max());
                writeln!(
                    body,
                    "for (int i = 0; i < {len}; i++) {{ int32_t v = (n{x}[i] + (1 << {})) >> {s}; n{k}[i] = v < {lo} ? {lo} : v > {hi} ? {hi} : v; }}",
                    s - 1
                )?;
            }
            KernelOp::Move { x } => {
                let x = x.as_u32();
                writeln!(body, "for (int i = 0; i < {len}; i++) n{k}[i] = n{x}[i];")?;
            }
            KernelOp::AddConst { .. }
            | KernelOp::MaxPool { .. }
            | KernelOp::SumPool { .. }
            | KernelOp::MulConst { .. }
            | KernelOp::Sum { .. }
            | KernelOp::Concat { .. }
            | KernelOp::Gather { .. }
            | KernelOp::Clip { .. }
            | KernelOp::LeakyRelu { .. }
            | KernelOp::Unary { .. }
            | KernelOp::Table { .. }
            | KernelOp::Requantize { .. }
            | KernelOp::Align { .. } => return Ok(None),
        }
    }
    let (y, len) = (kernel.output.as_u32(), kernel.output_len());
    Ok(Some(format!(
        "{data}static void run(void) {{\n{body}}}
int main(void) {{
 double best = 1e9;
 for (int round = 0; round < {ROUNDS}; round++) {{
  struct timespec a, b; clock_gettime(CLOCK_MONOTONIC, &a);
  for (int i = 0; i < 10; i++) {{ run(); __asm__ volatile (\"\" ::: \"memory\"); }}
  clock_gettime(CLOCK_MONOTONIC, &b);
  double t = ((b.tv_sec - a.tv_sec) * 1e6 + (b.tv_nsec - a.tv_nsec) * 1e-3) / 10;
  if (t < best) best = t;
 }}
 printf(\"%f\\n\", best);
 for (int i = 0; i < {len}; i++) printf(\"%d\\n\", (int)n{y}[i]);
}}
"
    )))
}

/// The loops of a convolution from node `x` to node `k`.
fn conv_source(
    out: &mut String,
    k: u32,
    x: u32,
    conv: &ceg4n_ir::window::Conv,
) -> std::fmt::Result {
    let w = &conv.window;
    let (depth, own) = (conv.depth(), conv.filters / conv.groups);
    let ([kh, kw], [oh, ow], [sh, sw], [ph, pw]) = (w.kernel, w.out, w.stride, w.pad);
    let (h, width, filters) = (w.height, w.width, conv.filters);
    writeln!(out, "for (int m = 0; m < {filters}; m++) for (int y = 0; y < {oh}; y++) for (int z = 0; z < {ow}; z++) {{ int32_t s = b{k}[m];
 for (int c = 0; c < {depth}; c++) for (int u = 0; u < {kh}; u++) {{ int r = y * {sh} + u - {ph}; if (r < 0 || r >= {h}) continue;
  for (int v = 0; v < {kw}; v++) {{ int q = z * {sw} + v - {pw}; if (q < 0 || q >= {width}) continue;
   s += n{x}[((m / {own}) * {depth} + c) * {plane} + r * {width} + q] * w{k}[((m * {depth} + c) * {kh} + u) * {kw} + v]; }} }}
 n{k}[(m * {oh} + y) * {ow} + z] = s; }}", plane = h * width)
}

fn weights(
    data: &mut String,
    k: u32,
    weight: &[i32],
    bias: Option<&[i64]>,
) -> Result<(), std::fmt::Error> {
    let w: String = weight.iter().map(|v| format!("{v},")).collect();
    let b: String = bias
        .unwrap_or_default()
        .iter()
        .map(|v| format!("{v},"))
        .collect();
    writeln!(data, "static const int8_t w{k}[] = {{{w}}};")?;
    writeln!(data, "static const int32_t b{k}[] = {{{b}}};")
}

fn main() -> Result<(), Box<dyn Error>> {
    let small = [
        Conv(8, 4, 2, 1, 1),
        Conv(16, 4, 2, 1, 1),
        Dense(100),
        Dense(10),
    ];
    measure("two convolutions, 32x32", [3, 32, 32], &small, 1000)?;
    let deep = [
        Conv(8, 3, 1, 1, 1),
        Conv(8, 4, 2, 1, 1),
        Conv(8, 3, 1, 1, 1),
        Conv(8, 4, 2, 1, 1),
        Dense(100),
        Dense(10),
    ];
    measure("four convolutions, 32x32", [3, 32, 32], &deep, 1000)?;
    let lenet = [
        Conv(6, 5, 1, 2, 1),
        MaxPool(2),
        Conv(16, 5, 1, 0, 1),
        MaxPool(2),
        Dense(120),
        Dense(84),
        Dense(10),
    ];
    measure("LeNet-like, 28x28", [1, 28, 28], &lenet, 1000)?;
    let wide = [
        Conv(64, 3, 1, 1, 1),
        Conv(64, 3, 2, 1, 1),
        Conv(64, 3, 1, 1, 1),
        Dense(10),
    ];
    measure("64 channels, 32x32", [3, 32, 32], &wide, 100)?;
    let residual = [
        Conv(16, 3, 1, 1, 1),
        Residual(16),
        Residual(16),
        Conv(32, 3, 2, 1, 1),
        Residual(32),
        Mean,
        Dense(10),
    ];
    measure("residual, 32x32", [3, 32, 32], &residual, 200)?;
    let mut mobile = vec![Conv(32, 3, 2, 1, 1)];
    let steps = [
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        (512, 1),
        (512, 1),
        (512, 1),
        (1024, 2),
    ];
    let mut channels = 32;
    for (filters, stride) in steps {
        mobile.push(Conv(channels, 3, stride, 1, channels));
        mobile.push(Conv(filters, 1, 1, 0, 1));
        channels = filters;
    }
    mobile.extend([Mean, Dense(1000)]);
    measure("MobileNet-like, 128x128", [3, 128, 128], &mobile, 8)
}
