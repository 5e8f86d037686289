//! A small network of windows, joins, moves and tables with given formats, for tests of the text.

use super::{format, numbers};
use ceg4n_ir::network::{Curve, Slide};
use ceg4n_ir::{Checked, Format, NetworkBuilder, Op, Program, Shape, TensorFormat, ValueId, check};
use std::sync::Arc;

/// The network under construction, with its annotations.
struct Graph {
    b: NetworkBuilder,
    formats: Vec<(ValueId, TensorFormat)>,
    constants: Vec<(ValueId, TensorFormat, Arc<[i32]>)>,
}

impl Graph {
    fn push(&mut self, name: &str, op: Op, f: Option<&str>) -> ValueId {
        let v = self.b.push(name, op, None, None);
        if let Some(f) = f {
            self.formats.push((v, format(f).into()));
        }
        v
    }

    /// A constant with the mantissas -3, -2, … 3, -3, ….
    fn constant(&mut self, name: &str, shape: &[usize], f: TensorFormat) -> ValueId {
        let len: usize = shape.iter().product();
        let c = numbers(&mut self.b, name, shape, &vec![0.5; len]);
        let m = (0..len as i32).map(|i| i % 7 - 3).collect();
        self.constants.push((c, f, m));
        c
    }

    fn conv(&mut self, name: &str, x: ValueId, shape: &[usize], slide: Slide, f: TensorFormat) {
        let weight = self.constant(&format!("{name}_w"), shape, f);
        let groups = if shape[1] == 1 { shape[0] / 2 } else { 1 };
        let op = Op::Conv {
            x,
            weight,
            bias: None,
            slide,
            groups,
        };
        self.b.push(name, op, None, None);
    }
}

fn slide(strides: usize, dilations: usize, pad: usize) -> Slide {
    Slide {
        strides: vec![strides; 2],
        dilations: vec![dilations; 2],
        before: vec![pad; 2],
        after: vec![pad; 2],
    }
}

/// Both operands of the sum and of the concatenation have several users.
pub(crate) fn graph() -> Checked<Program> {
    let mut g = Graph {
        b: NetworkBuilder::new("graph"),
        formats: vec![],
        constants: vec![],
    };
    let x = g.b.push("x", Op::Input, Some(Shape(vec![6, 6, 2])), None);
    g.formats.push((x, format("s8q4").into()));
    let perm = vec![2, 0, 1];
    let first = g.push("first", Op::Transpose { x, perm }, None);
    let channels: Arc<[Format]> = ["s3q1", "s3q2", "s3q1*3", "s3q0"].map(format).into();
    g.conv(
        "c0",
        first,
        &[4, 2, 3, 3],
        slide(1, 1, 1),
        TensorFormat::Channels(channels),
    );
    let c0 = g.b.find("c0").unwrap();
    let r0 = g.push("r0", Op::Relu { x: c0 }, Some("u8q4"));
    g.conv(
        "c1",
        r0,
        &[8, 1, 3, 3],
        slide(2, 2, 3),
        format("s3q1").into(),
    );
    let c1 = g.b.find("c1").unwrap();
    let leaky = g.push("leaky", Op::LeakyRelu { x: c1, shift: 3 }, Some("s8q3"));
    let perm = vec![0, 2, 1];
    let turned = g.push("turned", Op::Transpose { x: leaky, perm }, None);
    let sum = g.push(
        "sum",
        Op::Sum {
            x: turned,
            y: leaky,
        },
        Some("s8q2"),
    );
    let (lo, hi) = (Some(-4.0), Some(6.0));
    let clip = g.push("clip", Op::Clip { x: sum, lo, hi }, Some("s8q3"));
    let op = Op::AveragePool {
        x: clip,
        kernel: vec![3, 2],
        slide: slide(2, 1, 1),
        count_pad: false,
    };
    let average = g.push("average", op, Some("s7q3"));
    let op = Op::MaxPool {
        x: clip,
        kernel: vec![3, 2],
        slide: slide(2, 1, 1),
    };
    let max = g.push("max", op, Some("s7q3"));
    let xs = vec![average, max, average];
    let joined = g.push("joined", Op::Concat { xs, axis: 1 }, None);
    let op = Op::Pad {
        x: joined,
        before: vec![0, 1, 0],
        after: vec![0, 0, 2],
        value: 0.5,
    };
    let padded = g.push("padded", op, None);
    let scale = g.constant("scale", &[8, 1, 1], format("s4q2").into());
    let op = Op::Mul {
        x: padded,
        c: scale,
    };
    let scaled = g.push("scaled", op, Some("s8q4"));
    let curve = Curve::Tanh;
    let tanh = g.push("tanh", Op::Curve { x: scaled, curve }, Some("s8q7"));
    let flat = g.push("flat", Op::Flatten { x: tanh }, None);
    let len = g.b.values()[flat].shape.len();
    let weight = g.constant("w", &[3, len], format("s3q2").into());
    let bias = None;
    let y = g.push(
        "y",
        Op::Dense {
            x: flat,
            weight,
            bias,
        },
        None,
    );
    let net = Arc::new(g.b.finish(y).unwrap());
    let mut patch = Program::reference(net).patch();
    for (v, f) in g.formats {
        patch = patch.format(v, f);
    }
    for (v, f, m) in g.constants {
        patch = patch.mantissas(v, f, m);
    }
    check(patch.finish()).unwrap()
}
