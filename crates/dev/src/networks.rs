//! Generated networks of two million parameters: what sizes are measured on.

use ceg4n_base::{Diagnostics, Exact};
use ceg4n_ir::{
    Constant, Domain, Module, Network, NetworkBuilder, Op, Property, Region, Requirement,
    Selection, Shape, Slide, ValueId,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Parameters of dense layers of this width, twice, and of what leads in and out.
const WIDTH: usize = 1000;
const SEED: u64 = 6;

/// A network by name, with a box around the middle of its inputs and top-1 on it; `None` for
/// another name.
pub fn module(name: &str) -> Option<Result<Module, Diagnostics>> {
    match name {
        "dense" => Some(dense().map(with_question)),
        "mobile" => Some(mobile().map(with_question)),
        _ => None,
    }
}

fn with_question(network: Network) -> Module {
    let n = network.input_len();
    let bound = |sign: i64| vec![Exact::ratio(128 + sign, 255).unwrap_or_else(Exact::zero); n];
    let mut module = Module::new(network);
    module.regions.push(Region {
        id: "middle".to_owned(),
        lower: bound(-1),
        upper: bound(1),
        center: None,
        ball_size: None,
        span: None,
    });
    module.requirements.push(Requirement {
        property: Property::Top1,
        domain: Domain::Real,
        regions: Selection::All,
        span: None,
    });
    module
}

struct Build {
    builder: NetworkBuilder,
    rng: ChaCha8Rng,
    last: ValueId,
}

impl Build {
    fn new(name: &str, shape: &[usize]) -> Self {
        let mut builder = NetworkBuilder::new(name);
        let last = builder.push("x", Op::Input, Some(Shape(shape.to_vec())), None);
        Self {
            builder,
            rng: ChaCha8Rng::seed_from_u64(SEED),
            last,
        }
    }

    fn push(&mut self, op: Op) -> ValueId {
        let name = format!("v{}", self.builder.values().len());
        self.last = self.builder.push(name, op, None, None);
        self.last
    }

    /// Uniform weights whose sums over `fan_in` inputs keep their size.
    fn constant(&mut self, shape: &[usize], fan_in: usize) -> ValueId {
        let shape = Shape(shape.to_vec());
        let most = (6.0 / fan_in as f32).sqrt();
        let data: Vec<f32> = (0..shape.len())
            .map(|_| self.rng.random_range(-most..most))
            .collect();
        let name = format!("c{}", self.builder.values().len());
        let op = Op::Const(Constant::inline(data));
        self.builder.push(name, op, Some(shape), None)
    }

    fn dense(&mut self, rows: usize) {
        let x = self.last;
        let cols = self.builder.values()[x].shape.len();
        let weight = self.constant(&[rows, cols], cols);
        let bias = Some(self.constant(&[rows], cols));
        self.push(Op::Dense { x, weight, bias });
    }

    fn conv(&mut self, filters: usize, kernel: usize, stride: usize, depthwise: bool) {
        let x = self.last;
        let channels = self.builder.values()[x].shape.0[0];
        let groups = if depthwise { channels } else { 1 };
        let depth = channels / groups;
        let fan_in = depth * kernel * kernel;
        let weight = self.constant(&[filters, depth, kernel, kernel], fan_in);
        let bias = Some(self.constant(&[filters], fan_in));
        let pad = vec![kernel / 2; 2];
        let slide = Slide {
            strides: vec![stride; 2],
            before: pad.clone(),
            after: pad,
            ..Slide::dense(2)
        };
        let x = self.push(Op::Conv {
            x,
            weight,
            bias,
            slide,
            groups,
        });
        self.push(Op::Clip {
            x,
            lo: Some(0.0),
            hi: Some(6.0),
        });
    }
}

/// 784 inputs, two hidden layers of 1000 relus, 250, 10 outputs: 2.05 million parameters.
fn dense() -> Result<Network, Diagnostics> {
    let mut b = Build::new("dense", &[784]);
    for rows in [WIDTH, WIDTH, WIDTH / 4] {
        b.dense(rows);
        let x = b.last;
        b.push(Op::Relu { x });
    }
    b.dense(10);
    b.builder.finish(b.last)
}

/// Depthwise separable convolutions (Howard et al. 2017) on images of 3x32x32: 2.1 million
/// parameters.
fn mobile() -> Result<Network, Diagnostics> {
    let mut b = Build::new("mobile", &[3, 32, 32]);
    b.conv(32, 3, 2, false);
    for (filters, stride) in [
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        (512, 1),
        (512, 1),
        (512, 1),
        (512, 1),
        (512, 1),
        (1024, 2),
    ] {
        let channels = b.builder.values()[b.last].shape.0[0];
        b.conv(channels, 3, stride, true);
        b.conv(filters, 1, 1, false);
    }
    let x = b.last;
    let kernel = b.builder.values()[x].shape.0[1..].to_vec();
    let slide = Slide::dense(2);
    let x = b.push(Op::AveragePool {
        x,
        kernel,
        slide,
        count_pad: false,
    });
    b.push(Op::Flatten { x });
    b.dense(10);
    b.builder.finish(b.last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_have_two_million_parameters() {
        for name in ["dense", "mobile"] {
            let n = module(name).expect("a network").expect("well-formed");
            let parameters = n.network.parameters();
            assert!(
                (1_900_000..2_200_000).contains(&parameters),
                "{name}: {parameters}"
            );
        }
        assert!(module("other").is_none());
    }
}
