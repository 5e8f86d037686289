//! Random modules, and comparing modules by what they mean.

pub(crate) mod dice;

use ceg4n_base::Exact;
use ceg4n_ir::{
    AccAnnotation, Anchor, Annotation, Annotations, Constant, Curve, Domain, Format, Module,
    Network, NetworkBuilder, Op, Origin, OutputConstraint, OutputSpec, Program, Property, Region,
    Requirement, Rounding, Selection, Shape, Slide, TensorFormat, Unary, ValueId, Wide,
};
use dice::Dice;
use std::sync::Arc;

impl Dice {
    fn float(&mut self) -> f32 {
        let v = f32::from_bits(self.next() as u32);
        if v.is_finite() && v != 0.0 { v } else { -0.5 }
    }

    fn exact(&mut self) -> Exact {
        let n = self.next() as i64 >> self.below(60);
        let d = *self.pick(&[1i64, 3, 10, 1000, 1 << 20]);
        let v = Exact::ratio(n, d).expect("a positive denominator");
        v.shifted(self.below(80) as i64 - 70)
    }

    fn format(&mut self) -> Format {
        let width = 1 + self.below(31) as u8;
        Format::new(self.below(2) == 0, width, self.below(40) as i32 - 8)
            .expect("inside the limits")
    }

    /// A format as constants may have it.
    fn multiplied(&mut self) -> Format {
        let m = [1, 2, 23170, 32767][self.below(4)];
        self.format().with_multiplier(m).expect("inside the limits")
    }

    fn name(&mut self, k: usize) -> String {
        let odd = [
            "",
            "onnx::",
            "/a/b ",
            "\"q\\",
            "x.y_",
            "é\u{7f}\n",
            "//",
            "%;{}",
        ];
        format!("{}{k}", self.pick(&odd))
    }

    fn comment(&mut self) -> Vec<String> {
        let lines = ["", "one", "  indented // twice", "; } {", "\"open"];
        (0..1 + self.below(2))
            .map(|_| self.pick(&lines).to_string())
            .collect()
    }
}

fn constant(dice: &mut Dice, b: &mut NetworkBuilder, shape: Shape) -> ValueId {
    let data = (0..shape.len()).map(|_| dice.float()).collect();
    let origin = match dice.below(4) {
        0 => Origin::File {
            path: dice
                .pick(&["w.safetensors", "sub dir/v.safetensors"])
                .to_string(),
            tensor: dice.pick(&["t", "u/\"1\""]).to_string(),
        },
        _ => Origin::Inline,
    };
    let name = dice.name(b.values().len());
    let plain = Constant {
        data,
        origin,
        wide: None,
    };
    let c = match dice.below(4) {
        0 => wide(dice, &plain),
        _ => plain,
    };
    b.push(name, Op::Const(c), Some(shape), None)
}

/// Numbers near those of `plain` that are no float32.
fn wide(dice: &mut Dice, plain: &Constant) -> Constant {
    let high: Vec<f64> = plain
        .data
        .iter()
        .map(|v| f64::from(*v) * (1.0 + dice.below(1000) as f64 * f64::EPSILON))
        .collect();
    let low = high
        .iter()
        .map(|v| v * 2f64.powi(-60) * dice.below(3) as f64);
    let wide = Wide {
        low: low.collect(),
        high: high.into(),
        enclosed: dice.below(2) == 0,
    };
    let Some(c) = Constant::wide(wide) else {
        return plain.clone();
    };
    Constant {
        origin: plain.origin.clone(),
        ..c
    }
}

/// An operator with attributes on a tensor of this shape.
fn attributed(dice: &mut Dice, b: &mut NetworkBuilder, x: ValueId, shape: &Shape) -> Op {
    let axes = shape.0.len().saturating_sub(1);
    let pads =
        |dice: &mut Dice, n: usize| -> Vec<usize> { (0..n).map(|_| dice.below(3)).collect() };
    let slide = Slide {
        strides: (0..axes).map(|_| 1 + dice.below(3)).collect(),
        dilations: (0..axes).map(|_| 1 + dice.below(2)).collect(),
        before: pads(dice, axes),
        after: pads(dice, axes),
    };
    let value = [0.0, -0.0, 0.1, -3.5][dice.below(4)];
    match dice.below(9) {
        0 | 1 if (1..=2).contains(&axes) => {
            let kernel: Vec<usize> = vec![1; axes];
            let depth = [vec![2, shape.0[0]], kernel.clone()].concat();
            if dice.below(2) == 0 {
                let weight = constant(dice, b, Shape(depth));
                let groups = 1;
                return Op::Conv {
                    x,
                    weight,
                    bias: None,
                    slide,
                    groups,
                };
            }
            let slide = Slide {
                strides: slide.strides,
                ..Slide::dense(axes)
            };
            match dice.below(2) {
                0 => Op::MaxPool { x, kernel, slide },
                _ => Op::AveragePool {
                    x,
                    kernel,
                    slide,
                    count_pad: dice.below(2) == 0,
                },
            }
        }
        2 if !shape.0.is_empty() => Op::Concat {
            xs: vec![x; 1 + dice.below(3)],
            axis: dice.below(shape.0.len()),
        },
        3 => Op::Pad {
            x,
            before: pads(dice, shape.0.len()),
            after: pads(dice, shape.0.len()),
            value,
        },
        4 => Op::Transpose {
            x,
            perm: (0..shape.0.len()).rev().collect(),
        },
        5 => Op::Clip {
            x,
            lo: (dice.below(2) == 0).then_some(-6.0),
            hi: Some(0.1),
        },
        6 => Op::LeakyRelu {
            x,
            shift: 1 + dice.below(30) as u8,
        },
        7 => Op::Snap {
            x,
            scale: 0.1,
            zero_point: dice.below(7) as i32 - 3,
            lo: -128,
            hi: 127,
        },
        _ => match dice.below(4) {
            0 | 1 => Op::Unary {
                x,
                function: *dice.pick(Unary::ALL),
            },
            2 => Op::Curve {
                x,
                curve: *dice.pick(&[Curve::Sigmoid, Curve::Tanh]),
            },
            _ => Op::Sum { x, y: x },
        },
    }
}

fn network(dice: &mut Dice) -> Network {
    let mut b = NetworkBuilder::new(dice.name(0));
    let shapes = [
        vec![3],
        vec![1, 2, 2],
        vec![2, 2],
        vec![1, 1, 2, 1, 2],
        vec![],
    ];
    let dims = dice.pick(&shapes);
    let mut x = b.push("in put", Op::Input, Some(Shape(dims.clone())), None);
    for _ in 0..1 + dice.below(5) {
        let shape = b.values()[x].shape.clone();
        let (op, declared) = match dice.below(15) {
            8..=13 => (attributed(dice, &mut b, x, &shape), None),
            0 => (Op::Relu { x }, None),
            1 => (Op::Identity { x }, None),
            2 => (Op::Flatten { x }, None),
            3 => (Op::Reshape { x }, Some(Shape(vec![1, shape.len(), 1]))),
            4 => (
                Op::Add {
                    x,
                    c: constant(dice, &mut b, shape),
                },
                None,
            ),
            5 => (
                Op::Sub {
                    x,
                    c: constant(dice, &mut b, Shape(vec![])),
                },
                None,
            ),
            6 => (
                Op::Mul {
                    x,
                    c: constant(dice, &mut b, shape),
                },
                None,
            ),
            7 => (
                Op::Div {
                    x,
                    c: constant(dice, &mut b, shape),
                },
                None,
            ),
            _ => {
                let name = dice.name(b.values().len());
                let n = shape.len();
                let x = b.push(name, Op::Flatten { x }, None, None);
                let m = 1 + dice.below(12);
                let weight = constant(dice, &mut b, Shape(vec![m, n]));
                let bias = (dice.below(2) == 0).then(|| constant(dice, &mut b, Shape(vec![m])));
                (Op::Dense { x, weight, bias }, None)
            }
        };
        let name = dice.name(b.values().len());
        x = b.push(name, op, declared, None);
    }
    b.finish(x).expect("a well-formed network")
}

fn annotations(dice: &mut Dice, net: &Network, version: u32) -> Annotations {
    let mut a = Annotations {
        version,
        rounding: *dice.pick(&Rounding::ALL),
        ..Annotations::default()
    };
    for (id, value) in net.values().iter() {
        let n = value.shape.len();
        let annotation = match dice.below(5) {
            0 => continue,
            1 => Annotation::Acc(AccAnnotation {
                width: (dice.below(2) == 0).then(|| 1 + dice.below(64) as u8),
            }),
            2 => Annotation::Fixed {
                format: TensorFormat::Channels((0..3).map(|_| dice.multiplied()).collect()),
                mantissas: None,
            },
            3 => Annotation::Fixed {
                format: dice.multiplied().into(),
                mantissas: Some((0..n).map(|_| dice.next() as i32).collect()),
            },
            _ => Annotation::Fixed {
                format: dice.multiplied().into(),
                mantissas: None,
            },
        };
        a.values.insert(id, annotation);
    }
    a
}

fn region(dice: &mut Dice, k: usize, inputs: usize) -> Region {
    let (lower, upper) = (0..inputs)
        .map(|_| {
            let (a, b) = (dice.exact(), dice.exact());
            (a.clone().min(b.clone()), a.max(b))
        })
        .unzip();
    Region {
        id: dice.name(k),
        lower,
        upper,
        center: (dice.below(2) == 0).then(|| (0..inputs).map(|_| dice.exact()).collect()),
        ball_size: (dice.below(2) == 0).then(|| dice.exact()),
        span: None,
    }
}

/// What one of a few queries forbids; the path and what it says belong together.
fn spec(dice: &mut Dice, outputs: usize) -> OutputSpec {
    let k = dice.below(3);
    let constraint = OutputConstraint {
        coefficients: vec![(outputs - 1, Exact::dyadic(k as i64 - 5, -2))],
        constant: "-0.1".parse().expect("a number"),
        strict: k == 1,
    };
    OutputSpec {
        path: format!("a \"b{k}\".vnnlib"),
        outputs,
        cases: vec![vec![constraint; k + 1], vec![]],
    }
}

/// A module that the parser accepts, from a seed.
pub(crate) fn module(seed: u64) -> Module {
    let dice = &mut Dice(seed);
    let mut m = Module::new(network(dice));
    let net = m.network.clone();
    m.versions = (0..dice.below(3))
        .map(|k| annotations(dice, &net, 3 * k as u32))
        .collect();
    m.regions = (0..dice.below(4))
        .map(|k| region(dice, k, net.input_len()))
        .collect();
    for _ in 0..dice.below(4) {
        let bound = dice.exact();
        let bound = bound.clone().max(-&bound);
        let property = match dice.below(5) {
            0 => Property::Eps(bound),
            1 => Property::Spec(Arc::new(spec(dice, net.output_len()))),
            2 if net.output_len() > 1 => Property::Top1Margin(bound),
            3 if net.output_len() > 1 => Property::TopK(1 + dice.below(net.output_len()) as u32),
            _ if net.output_len() > 1 => Property::Top1,
            _ => Property::Eps(Exact::zero()),
        };
        let domain = match dice.below(2) {
            0 => Domain::Real,
            _ => Domain::Grid(dice.format()),
        };
        let regions = if m.regions.is_empty() || dice.below(2) == 0 {
            Selection::All
        } else {
            Selection::Ids(m.regions.iter().map(|r| r.id.clone()).collect())
        };
        m.requirements.push(Requirement {
            property,
            domain,
            regions,
            span: None,
        });
    }
    let mut anchors = vec![Anchor::Header, Anchor::Network, Anchor::Output, Anchor::End];
    anchors.extend(net.values().keys().map(Anchor::Value));
    anchors.extend((0..m.regions.len()).map(Anchor::Region));
    anchors.extend((0..m.requirements.len()).map(Anchor::Requirement));
    for (i, a) in m.versions.iter().enumerate() {
        anchors.push(Anchor::Format(i));
        anchors.extend(a.values.keys().map(|v| Anchor::FormatEntry(i, *v)));
    }
    for anchor in anchors {
        if dice.below(3) == 0 {
            let lines = dice.comment();
            m.comments.insert(anchor, lines);
        }
    }
    m
}

/// Everything of a module but its spans.
pub(crate) fn describe(m: &Module) -> Vec<String> {
    let mut out = vec![
        m.network.name().to_owned(),
        m.network.hash().to_string(),
        format!("{:?}", m.comments),
    ];
    for v in m.network.values().values() {
        out.push(format!("{} {} {}", v.name, v.op.name(), v.shape));
    }
    for a in &m.versions {
        let hash = Program::new(m.network.clone(), a.clone()).hash();
        out.push(format!(
            "v{} {:?} {hash} {:?}",
            a.version, a.rounding, a.values
        ));
    }
    for r in &m.regions {
        let texts = |v: &[Exact]| v.iter().map(ToString::to_string).collect::<Vec<_>>();
        let center = r.center.as_deref().map(texts);
        let size = r.ball_size.as_ref().map(ToString::to_string);
        out.push(format!("{} {} {center:?} {size:?}", r.id, r.hash()));
    }
    for r in &m.requirements {
        // Saving may give a query another file.
        let property = match &r.property {
            Property::Spec(s) => s.hash().to_string(),
            other => other.to_string(),
        };
        out.push(format!("{property} {} {:?}", r.domain, r.regions));
    }
    out
}
