//! What a network is without this compiler: a straightforward int8 loop with the requantization of
//! TensorFlow Lite (B. Jacob et al., "Quantization and Training of Neural Networks for Efficient
//! Integer-Arithmetic-Only Inference", CVPR 2018), and float C.

use super::net::Net;
use ceg4n_base::Exact;
use ceg4n_boards::Source;
use ceg4n_boards::measure::{Expected, Vector};
use ceg4n_ir::Op;
use std::fmt::{Display, Write};

/// A dense layer, with what follows it.
pub(crate) struct Layer {
    rows: usize,
    cols: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
    relu: bool,
}

/// C of a network, with its vectors.
pub(crate) struct Made {
    pub(crate) sources: Vec<Source>,
    pub(crate) vectors: Vec<Vector>,
    /// Bytes of an input element.
    pub(crate) input_bytes: usize,
}

/// The layers of a network of dense layers and ReLU; `None` for another one.
pub(crate) fn chain(net: &Net) -> Option<Vec<Layer>> {
    let network = &net.module.network;
    let mut layers: Vec<Layer> = Vec::new();
    let mut at = network.input();
    for (v, value) in network.values().iter() {
        match &value.op {
            Op::Input | Op::Const(_) => continue,
            Op::Dense { x, weight, bias } if *x == at => {
                let shape = &network.value(*weight).shape.0;
                let [rows, cols] = shape[..] else {
                    return None;
                };
                let data = |c| network.constant(c).map(|c| c.data.to_vec());
                layers.push(Layer {
                    rows,
                    cols,
                    weight: data(*weight)?,
                    bias: bias.and_then(data).unwrap_or_else(|| vec![0.0; rows]),
                    relu: false,
                });
            }
            // What a model's normalization leaves when its mean is zero.
            Op::Add { x, c } | Op::Sub { x, c } if *x == at => {
                let zero = network.constant(*c)?.data.iter().all(|v| *v == 0.0);
                zero.then_some(())?;
            }
            Op::Relu { x } if *x == at => layers.last_mut().filter(|l| !l.relu)?.relu = true,
            Op::Flatten { x } | Op::Reshape { x, .. } | Op::Identity { x } if *x == at => {}
            Op::Dense { .. }
            | Op::Relu { .. }
            | Op::Flatten { .. }
            | Op::Reshape { .. }
            | Op::Identity { .. }
            | Op::Conv { .. }
            | Op::MaxPool { .. }
            | Op::AveragePool { .. }
            | Op::Add { .. }
            | Op::Sub { .. }
            | Op::Mul { .. }
            | Op::Div { .. }
            | Op::Sum { .. }
            | Op::Concat { .. }
            | Op::Pad { .. }
            | Op::Transpose { .. }
            | Op::Clip { .. }
            | Op::LeakyRelu { .. }
            | Op::Unary { .. }
            | Op::Curve { .. }
            | Op::Snap { .. } => return None,
        }
        at = v;
    }
    (at == network.output() && !layers.is_empty()).then_some(layers)
}

/// Outputs of every layer.
fn forward(layers: &[Layer], x: &[f64]) -> Vec<Vec<f64>> {
    let mut all: Vec<Vec<f64>> = Vec::new();
    for l in layers {
        let x = all.last().map_or(x, |v| &v[..]);
        let row = |j: usize| {
            let w = &l.weight[j * l.cols..(j + 1) * l.cols];
            let products = w.iter().zip(x).map(|(w, x)| f64::from(*w) * x);
            let sum = f64::from(l.bias[j]) + products.sum::<f64>();
            if l.relu { sum.max(0.0) } else { sum }
        };
        let y = (0..l.rows).map(row).collect();
        all.push(y);
    }
    all
}

fn greatest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m: f64, v| m.max(v.abs()))
}

/// The step of 127 that reaches a magnitude.
fn step(magnitude: f64) -> f64 {
    if magnitude > 0.0 {
        magnitude / 127.0
    } else {
        1.0
    }
}

fn doubles(x: &[Exact]) -> Vec<f64> {
    x.iter().map(Exact::to_f64).collect()
}

/// Symmetric int8 with a step for each tensor, chosen on the centres and corners of the regions.
pub(crate) fn int8(net: &Net, layers: &[Layer]) -> Made {
    let regions = net.module.regions.iter();
    let points: Vec<Vec<f64>> = regions
        .flat_map(|r| [doubles(&r.lower), doubles(&r.upper), doubles(&r.center())])
        .collect();
    let mut steps = vec![step(points.iter().map(|x| greatest(x)).fold(0.0, f64::max))];
    let traces: Vec<Vec<Vec<f64>>> = points.iter().map(|x| forward(layers, x)).collect();
    for l in 0..layers.len() {
        let most = traces.iter().map(|t| greatest(&t[l]));
        steps.push(step(most.fold(0.0, f64::max)));
    }
    let mut code = format!("#include \"{}.h\"\n\n{INT8}", net.name);
    let mut calls = Vec::new();
    for (i, l) in layers.iter().enumerate() {
        let weights: Vec<f64> = l.weight.iter().map(|w| f64::from(*w)).collect();
        let ws = step(greatest(&weights));
        let acc = steps[i] * ws;
        let whole = |v: f64| v.round() as i64;
        let w = weights.iter().map(|w| whole(w / ws).clamp(-127, 127));
        let bound = i64::from(i32::MAX);
        let b = l.bias.iter();
        let b = b.map(|b| whole(f64::from(*b) / acc).clamp(-bound, bound));
        table(&mut code, "int8_t", &format!("w{i}"), w);
        table(&mut code, "int32_t", &format!("b{i}"), b);
        let (multiplier, shift) = quantized_multiplier(acc / steps[i + 1]);
        let least = if l.relu { 0 } else { -128 };
        calls.push(format!("{multiplier}, {shift}, {least}"));
    }
    code.push_str(&infer(net, layers, &calls));
    let input = |x: &Vec<Exact>| {
        let q = |v: f64| (v / steps[0]).round().clamp(-128.0, 127.0).to_string();
        doubles(x).into_iter().map(q).collect()
    };
    made(net, layers, code, "int8_t", 1, input)
}

/// A factor as `multiplier·2^(shift − 31)` with the multiplier in [2^30, 2^31).
fn quantized_multiplier(factor: f64) -> (i64, i32) {
    let mut shift = 0;
    let mut f = factor;
    while f >= 1.0 {
        f /= 2.0;
        shift += 1;
    }
    while f < 0.5 && shift > -62 {
        f *= 2.0;
        shift -= 1;
    }
    let multiplier = (f * 2f64.powi(31)).round() as i64;
    if multiplier == 1 << 31 {
        return (1 << 30, shift + 1);
    }
    (multiplier, shift)
}

/// The network as it is, in float.
pub(crate) fn float(net: &Net, layers: &[Layer]) -> Made {
    let mut code = format!("#include \"{}.h\"\n\n{FLOAT}", net.name);
    let mut calls = Vec::new();
    for (i, l) in layers.iter().enumerate() {
        table(
            &mut code,
            "float",
            &format!("w{i}"),
            l.weight.iter().map(single),
        );
        table(
            &mut code,
            "float",
            &format!("b{i}"),
            l.bias.iter().map(single),
        );
        calls.push(u8::from(l.relu).to_string());
    }
    code.push_str(&infer(net, layers, &calls));
    let input = |x: &Vec<Exact>| doubles(x).iter().map(|v| single(&(*v as f32))).collect();
    made(net, layers, code, "float", 4, input)
}

/// A float literal that reads back as the same number.
fn single(v: &f32) -> String {
    format!("{v:e}f")
}

fn table<T: Display>(out: &mut String, ty: &str, name: &str, data: impl Iterator<Item = T>) {
    let values: Vec<String> = data.map(|v| v.to_string()).collect();
    // Writing to a string succeeds.
    let _ = write!(out, "static const FLASH {ty} {name}[] = {{\n    ");
    let _ = writeln!(out, "{}\n}};", values.join(",\n    "));
}

/// The function that calls the layers in turn, with what each call has at its end.
fn infer(net: &Net, layers: &[Layer], calls: &[String]) -> String {
    let name = &net.name;
    let mut out = format!(
        "\nvoid {name}_infer(const {name}_in_t *in, {name}_out_t *out, {name}_scratch *s)\n{{\n"
    );
    let last = layers.len() - 1;
    if last == 0 {
        out.push_str("    (void)s;\n");
    }
    for (i, (l, call)) in layers.iter().zip(calls).enumerate() {
        let x = match i {
            0 => "in".to_owned(),
            _ => format!("s->v{}", (i - 1) % 2),
        };
        let y = match i == last {
            true => "out".to_owned(),
            false => format!("s->v{}", i % 2),
        };
        let _ = writeln!(
            out,
            "    layer({x}, {}, w{i}, b{i}, {}, {y}, {call});",
            l.cols, l.rows
        );
    }
    out.push_str("}\n");
    out
}

fn made(
    net: &Net,
    layers: &[Layer],
    code: String,
    ty: &str,
    input_bytes: usize,
    input: impl Fn(&Vec<Exact>) -> Vec<String>,
) -> Made {
    let name = &net.name;
    let inner = &layers[..layers.len() - 1];
    let widest = inner.iter().map(|l| l.rows).max().unwrap_or(1);
    let (inputs, outputs) = (layers[0].cols, layers[layers.len() - 1].rows);
    let header = format!(
        "#include <stdint.h>
#define {name}_IN_SIZE {inputs}
#define {name}_OUT_SIZE {outputs}
typedef {ty} {name}_in_t;
typedef {ty} {name}_out_t;
typedef struct {{ {ty} v0[{widest}]; {ty} v1[{widest}]; }} {name}_scratch;
void {name}_infer(const {name}_in_t *in, {name}_out_t *out, {name}_scratch *s);
"
    );
    let vectors = net.centres.iter().zip(&net.classes);
    Made {
        sources: vec![
            Source::new(format!("{name}.h"), header),
            Source::new(format!("{name}.c"), code),
        ],
        vectors: vectors
            .map(|(x, class)| Vector {
                input: input(x),
                expected: Expected::Class(*class),
            })
            .collect(),
        input_bytes,
    }
}

const INT8: &str = "#ifdef __AVR__
#define FLASH __flash
#else
#define FLASH
#endif

/* x * multiplier * 2^(shift - 31), rounded twice as TensorFlow Lite does. */
static int32_t requantize(int32_t x, int32_t multiplier, int shift)
{
    const int left = shift > 0 ? shift : 0;
    const int right = shift > 0 ? 0 : -shift;
    const int64_t product = (int64_t)(x * ((int32_t)1 << left)) * multiplier;
    const int32_t nudge = product >= 0 ? ((int32_t)1 << 30) : (1 - ((int32_t)1 << 30));
    const int32_t high = (int32_t)((product + nudge) / ((int64_t)1 << 31));
    const int32_t mask = (int32_t)(((int64_t)1 << right) - 1);
    const int32_t rest = high & mask;
    const int32_t half = (mask >> 1) + (high < 0 ? 1 : 0);
    return (high >> right) + (rest > half ? 1 : 0);
}

static void layer(const int8_t *x, int cols, const FLASH int8_t *w, const FLASH int32_t *b,
                  int rows, int8_t *y, int32_t multiplier, int shift, int32_t least)
{
    for (int j = 0; j < rows; ++j) {
        int32_t acc = b[j];
        for (int k = 0; k < cols; ++k) {
            acc += w[k] * x[k];
        }
        w += cols;
        acc = requantize(acc, multiplier, shift);
        if (acc < least) {
            acc = least;
        }
        if (acc > 127) {
            acc = 127;
        }
        y[j] = (int8_t)acc;
    }
}

";

const FLOAT: &str = "#ifdef __AVR__
#define FLASH __flash
#else
#define FLASH
#endif

static void layer(const float *x, int cols, const FLASH float *w, const FLASH float *b, int rows,
                  float *y, int relu)
{
    for (int j = 0; j < rows; ++j) {
        float acc = b[j];
        for (int k = 0; k < cols; ++k) {
            acc += w[k] * x[k];
        }
        w += cols;
        y[j] = relu && acc < 0.0f ? 0.0f : acc;
    }
}

";
