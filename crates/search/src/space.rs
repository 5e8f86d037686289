//! The annotation space: bits per layer, and the quantizer that makes a program of them.
//!
//! The program is a pure function of the assignment: scales are powers of two per tensor, chosen
//! from the weights (least squared error among three shifts) and from the ranges of the
//! reference's values on the regions.

use crate::ranges::{Range, ranges};
use ceg4n_base::Diagnostics;
use ceg4n_ir::types::FRAC_LIMIT;
use ceg4n_ir::{
    Annotations, Checked, Format, Network, Op, Program, Region, Rounding, ValueId, check,
};
use ceg4n_verify::Reference;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Biases have at least this many bits: they are few and enter every sum.
pub const MIN_BIAS_BITS: u8 = 8;

/// Bits of constants that are added or subtracted: as fine as the sums they enter.
pub const SUMMAND_BITS: u8 = 24;

/// Bits of every layer's weights, and of all activations and the input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Assignment {
    /// Per dense layer, in order.
    pub weights: Vec<u8>,
    /// Shared by the input and every activation.
    pub activations: u8,
}

/// One dense layer of the network.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The dense value.
    pub value: ValueId,
    /// Its weight.
    pub weight: ValueId,
    /// Its bias.
    pub bias: Option<ValueId>,
    /// The value whose format is the operand's: behind reshapes.
    pub operand: ValueId,
    /// Number of weights.
    pub weights: usize,
    /// Number of biases.
    pub biases: usize,
}

/// What an assignment is quantized with.
#[derive(Clone, Debug)]
pub struct AnnotationSpace {
    network: Arc<Network>,
    layers: Vec<Layer>,
    /// Stored bits of constants that are added or subtracted: the same for every assignment.
    summand_bits: u64,
    ranges: BTreeMap<ValueId, Range>,
    rounding: Rounding,
    /// Least and greatest bits of a layer's weights.
    pub weight_bits: (u8, u8),
    /// Least and greatest bits of activations.
    pub activation_bits: (u8, u8),
}

impl AnnotationSpace {
    /// The space of a network on regions. `reference` is its real-valued program.
    pub fn new(
        reference: &Reference,
        network: Arc<Network>,
        regions: &[Region],
        rounding: Rounding,
        weight_bits: (u8, u8),
        activation_bits: (u8, u8),
    ) -> Self {
        let ranges = reference
            .real()
            .map(|r| ranges(reference, r, regions))
            .unwrap_or_default();
        let layers = layers(&network);
        Self {
            summand_bits: summands(&network) * u64::from(SUMMAND_BITS),
            network,
            layers,
            ranges,
            rounding,
            weight_bits,
            activation_bits,
        }
    }

    /// The layers, in order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The name under which an optimality claim about this space is made.
    pub fn name(&self) -> String {
        format!(
            "weights {}..{} bits per layer, biases max({MIN_BIAS_BITS}, weights) bits, activations {}..{} bits shared, power-of-two scales per tensor (weights: least squared error of three), rounding {}",
            self.weight_bits.0,
            self.weight_bits.1,
            self.activation_bits.0,
            self.activation_bits.1,
            self.rounding.name()
        )
    }

    /// Stored bits of weights, biases and other constants.
    pub fn cost(&self, a: &Assignment) -> u64 {
        let layers = self.layers.iter().zip(&a.weights);
        let bits: u64 = layers.map(|(l, b)| layer_cost(l, *b)).sum();
        bits + self.summand_bits
    }

    /// The program of an assignment, checked.
    ///
    /// # Errors
    /// Formats that the checker refuses, for instance accumulators beyond 64 bits.
    pub fn program(&self, a: &Assignment, version: u32) -> Result<Checked<Program>, Diagnostics> {
        let mut notes = Annotations {
            version,
            rounding: self.rounding,
            ..Annotations::default()
        };
        let set = |notes: &mut Annotations, v: ValueId, f: Format| {
            notes.values.insert(
                v,
                ceg4n_ir::Annotation::Fixed {
                    format: f.into(),
                    mantissas: None,
                },
            );
        };
        let input = self.network.input();
        set(&mut notes, input, self.activation(input, a.activations));
        for layer in &self.layers {
            let operand = self.activation(layer.operand, a.activations);
            set(&mut notes, layer.operand, operand);
        }
        let mut bits: BTreeMap<ValueId, u8> = BTreeMap::new();
        for (layer, b) in self.layers.iter().zip(&a.weights) {
            // Layers that share a weight store it once, in the widest format asked for.
            let most = bits.entry(layer.weight).or_insert(*b);
            *most = (*most).max(*b);
        }
        for (weight, b) in bits {
            set(&mut notes, weight, weight_format(self.data(weight), b));
        }
        for (c, Addend { bits, max_frac }) in self.addends(&notes, a) {
            set(&mut notes, c, capped_format(self.data(c), bits, max_frac));
        }
        check(Program::new(self.network.clone(), notes))
    }

    /// Every constant that enters a sum: its bits, and the scale of the coarsest sum it enters.
    fn addends(&self, notes: &Annotations, a: &Assignment) -> BTreeMap<ValueId, Addend> {
        let bits_of: BTreeMap<ValueId, u8> = self
            .layers
            .iter()
            .zip(&a.weights)
            .map(|(l, b)| (l.value, *b))
            .collect();
        let fixed = |v: ValueId| notes.format(v).and_then(|f| f.single()).map(Format::frac);
        let mut frac: BTreeMap<ValueId, i32> = BTreeMap::new();
        let mut addends: BTreeMap<ValueId, Addend> = BTreeMap::new();
        for (v, value) in self.network.values().iter() {
            let of = |x: &ValueId| frac.get(x).copied().unwrap_or(0);
            let natural = match &value.op {
                Op::Input | Op::Const(_) => 0,
                Op::Dense { x, weight, bias } => {
                    let target = of(x) + fixed(*weight).unwrap_or(0);
                    if let Some(b) = bias {
                        let bits = bits_of.get(&v).copied().unwrap_or(0).max(MIN_BIAS_BITS);
                        enter(&mut addends, *b, bits, target);
                    }
                    target
                }
                Op::Add { x, c } | Op::Sub { x, c } => {
                    enter(&mut addends, *c, SUMMAND_BITS, of(x));
                    of(x)
                }
                // Division by 2^k moves the point; the checker refuses any other.
                Op::Div { x, c } => of(x) + self.data(*c).first().map_or(0, |d| exponent(*d)),
                Op::Relu { x } | Op::Reshape { x } | Op::Flatten { x } | Op::Identity { x } => {
                    of(x)
                }
            };
            frac.insert(v, fixed(v).unwrap_or(natural));
        }
        addends
    }

    fn data(&self, v: ValueId) -> &[f32] {
        self.network.constant(v).map_or(&[], |c| &c.data)
    }

    fn activation(&self, v: ValueId, bits: u8) -> Format {
        let r = self
            .ranges
            .get(&v)
            .copied()
            .unwrap_or(Range { lo: -1.0, hi: 1.0 });
        activation_format(r, bits)
    }
}

/// A constant that enters sums.
struct Addend {
    bits: u8,
    /// No finer than this, or the checker refuses it.
    max_frac: i32,
}

fn enter(addends: &mut BTreeMap<ValueId, Addend>, c: ValueId, bits: u8, max_frac: i32) {
    let a = addends.entry(c).or_insert(Addend { bits, max_frac });
    a.bits = a.bits.max(bits);
    a.max_frac = a.max_frac.min(max_frac);
}

/// `k` of `±2^k`; for other numbers that of the next power below.
fn exponent(v: f32) -> i32 {
    if v == 0.0 || !v.is_finite() {
        return 0;
    }
    let v = f64::from(v.abs());
    // Every finite float32 is a normal float64.
    (v.to_bits() >> 52) as i32 - 1023
}

fn layer_cost(l: &Layer, bits: u8) -> u64 {
    l.weights as u64 * u64::from(bits) + l.biases as u64 * u64::from(bits.max(MIN_BIAS_BITS))
}

/// Elements of constants that are added or subtracted.
fn summands(network: &Network) -> u64 {
    let constants: BTreeSet<ValueId> = network
        .values()
        .values()
        .filter_map(|v| match &v.op {
            Op::Add { c, .. } | Op::Sub { c, .. } => Some(*c),
            Op::Input
            | Op::Const(_)
            | Op::Dense { .. }
            | Op::Div { .. }
            | Op::Relu { .. }
            | Op::Reshape { .. }
            | Op::Flatten { .. }
            | Op::Identity { .. } => None,
        })
        .collect();
    let len = |v: &ValueId| network.value(*v).shape.len() as u64;
    constants.iter().map(len).sum()
}

fn layers(network: &Network) -> Vec<Layer> {
    let len = |v: ValueId| network.value(v).shape.len();
    let behind_moves = |mut v: ValueId| {
        while let Op::Reshape { x } | Op::Flatten { x } | Op::Identity { x } = &network.value(v).op
        {
            v = *x;
        }
        v
    };
    network
        .values()
        .iter()
        .filter_map(|(value, v)| match &v.op {
            Op::Dense { x, weight, bias } => Some(Layer {
                value,
                weight: *weight,
                bias: *bias,
                operand: behind_moves(*x),
                weights: len(*weight),
                biases: bias.map_or(0, len),
            }),
            Op::Input
            | Op::Const(_)
            | Op::Add { .. }
            | Op::Sub { .. }
            | Op::Div { .. }
            | Op::Relu { .. }
            | Op::Reshape { .. }
            | Op::Flatten { .. }
            | Op::Identity { .. } => None,
        })
        .collect()
}

/// Fraction bits of an operand or a weight lie within ±this, so that those of their product are
/// within [`FRAC_LIMIT`] and a bias of that scale has a format.
const OPERAND_FRAC: i32 = FRAC_LIMIT / 2;

/// The largest `F` within ±[`OPERAND_FRAC`] with `magnitude·2^F ≤ limit`, or the least if there
/// is none: then values clip.
fn frac_for(magnitude: f64, limit: f64) -> i32 {
    if magnitude <= 0.0 || !magnitude.is_finite() {
        return 0;
    }
    let most = f64::from(OPERAND_FRAC);
    let mut f = (limit / magnitude).log2().floor().clamp(-most, most) as i32;
    while f > -OPERAND_FRAC && magnitude * 2f64.powi(f) > limit {
        f -= 1;
    }
    f
}

fn signed(bits: u8, frac: i32) -> Format {
    let frac = frac.clamp(-FRAC_LIMIT, FRAC_LIMIT);
    // Bits come from ranges within 1..=32.
    Format::new(true, bits.clamp(1, 32), frac).unwrap_or(Format::S32)
}

/// Power-of-two scale for weights: the largest that does not clip, or one of the next two if its
/// squared error is smaller.
pub fn weight_format(data: &[f32], bits: u8) -> Format {
    let most = data.iter().fold(0f64, |m, v| m.max(f64::from(v.abs())));
    let limit = 2f64.powi(i32::from(bits) - 1) - 1.0;
    let base = frac_for(most, limit.max(1.0));
    let error = |f: i32| {
        let scale = 2f64.powi(f);
        let (lo, hi) = (
            -2f64.powi(i32::from(bits) - 1),
            2f64.powi(i32::from(bits) - 1) - 1.0,
        );
        data.iter()
            .map(|w| {
                let w = f64::from(*w);
                let q = (w * scale + 0.5).floor().clamp(lo, hi) / scale;
                (w - q) * (w - q)
            })
            .sum::<f64>()
    };
    let best = (base..(base + 3).min(OPERAND_FRAC + 1))
        .min_by(|a, b| error(*a).total_cmp(&error(*b)))
        .unwrap_or(base);
    signed(bits, best)
}

/// A format for constants that is no finer than `max_frac`.
fn capped_format(data: &[f32], bits: u8, max_frac: i32) -> Format {
    let most = data.iter().fold(0f64, |m, v| m.max(f64::from(v.abs())));
    let limit = 2f64.powi(i32::from(bits) - 1) - 1.0;
    let f = if most > 0.0 {
        frac_for(most, limit.max(1.0))
    } else {
        max_frac
    };
    signed(bits, f.min(max_frac))
}

/// A format for values of a range: unsigned where nothing is negative.
pub fn activation_format(r: Range, bits: u8) -> Format {
    let bits = bits.clamp(1, 32);
    if r.lo >= 0.0 {
        let f = frac_for(r.hi, 2f64.powi(i32::from(bits)) - 1.0);
        return Format::new(false, bits, f).unwrap_or(Format::S32);
    }
    let limit = (2f64.powi(i32::from(bits) - 1) - 1.0).max(1.0);
    signed(bits, frac_for(r.hi.abs().max(r.lo.abs()), limit))
}
