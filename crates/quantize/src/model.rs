//! A network with what formats are chosen from: its dense layers, the activations that a kernel
//! stores, and their ranges.

use crate::assignment::Assignment;
use crate::formats::{activation_format, capped_format};
use crate::ranges::{Range, ranges};
use ceg4n_base::Diagnostics;
use ceg4n_ir::{
    Annotation, Annotations, Checked, Format, Network, Op, Program, Region, Rounding, TensorFormat,
    ValueId, check,
};
use ceg4n_verify::Reference;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Bits of constants that are added or subtracted: as fine as the sums they enter.
pub const SUMMAND_BITS: u8 = 24;

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
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub cols: usize,
    /// Number of weights.
    pub weights: usize,
    /// Number of biases.
    pub biases: usize,
}

/// What assignments of one network are quantized with.
#[derive(Clone, Debug)]
pub struct Model {
    network: Arc<Network>,
    layers: Vec<Layer>,
    tensors: Vec<ValueId>,
    ranges: BTreeMap<ValueId, Range>,
    rounding: Rounding,
    /// Stored bits of constants that are added or subtracted: the same for every assignment.
    summand_bits: u64,
}

impl Model {
    /// The model of a network on regions. `reference` is its real-valued program.
    pub fn new(
        reference: &Reference,
        network: Arc<Network>,
        regions: &[Region],
        rounding: Rounding,
    ) -> Self {
        let ranges = reference
            .real()
            .map(|r| ranges(reference, r, regions))
            .unwrap_or_default();
        let layers = layers(&network);
        let mut tensors = vec![network.input()];
        for layer in &layers {
            if !tensors.contains(&layer.operand) {
                tensors.push(layer.operand);
            }
        }
        Self {
            summand_bits: summands(&network) * u64::from(SUMMAND_BITS),
            network,
            layers,
            tensors,
            ranges,
            rounding,
        }
    }

    /// The network.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The dense layers, in order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The values whose format an assignment's activation bits choose: the input, then the
    /// operands of dense layers, each once.
    pub fn tensors(&self) -> &[ValueId] {
        &self.tensors
    }

    /// The rounding of every requantization.
    pub fn rounding(&self) -> Rounding {
        self.rounding
    }

    /// The data of a constant, row-major; empty for another value.
    pub fn data(&self, v: ValueId) -> &[f32] {
        self.network.constant(v).map_or(&[], |c| &c.data)
    }

    /// Stored bits of constants that are neither weights nor biases of a dense layer.
    pub fn summand_bits(&self) -> u64 {
        self.summand_bits
    }

    /// The same bits everywhere.
    pub fn uniform(&self, weights: u8, biases: u8, activations: u8) -> Assignment {
        Assignment {
            weights: vec![weights; self.layers.len()],
            biases: vec![biases; self.layers.len()],
            activations: vec![activations; self.tensors.len()],
        }
    }

    /// Annotations with the formats of the input and of every stored activation.
    pub fn activations(&self, a: &Assignment, version: u32) -> Annotations {
        let mut notes = Annotations {
            version,
            rounding: self.rounding,
            ..Annotations::default()
        };
        for (v, bits) in self.tensors.iter().zip(&a.activations) {
            self.set(&mut notes, *v, self.activation(*v, *bits).into(), None);
        }
        notes
    }

    /// The weights and their bits. Layers that share a weight store it once, in the widest format
    /// asked for.
    pub fn weight_bits(&self, a: &Assignment) -> BTreeMap<ValueId, u8> {
        let mut bits: BTreeMap<ValueId, u8> = BTreeMap::new();
        for (layer, b) in self.layers.iter().zip(&a.weights) {
            let most = bits.entry(layer.weight).or_insert(*b);
            *most = (*most).max(*b);
        }
        bits
    }

    /// Gives a value a format, and a constant its mantissas.
    pub fn set(
        &self,
        notes: &mut Annotations,
        v: ValueId,
        format: TensorFormat,
        mantissas: Option<Arc<[i32]>>,
    ) {
        notes
            .values
            .insert(v, Annotation::Fixed { format, mantissas });
    }

    /// Adds the formats of biases and other summands; activations and weights have theirs. A
    /// summand that has a format already keeps it.
    pub fn complete(&self, notes: &mut Annotations, a: &Assignment) {
        for (c, Addend { bits, max_frac }) in self.addends(notes, a) {
            if notes.format(c).is_none() {
                let format = capped_format(self.data(c), bits, max_frac);
                self.set(notes, c, format.into(), None);
            }
        }
    }

    /// The program of annotations, checked.
    ///
    /// # Errors
    /// Formats that the checker refuses, for instance accumulators beyond 64 bits.
    pub fn check(&self, notes: Annotations) -> Result<Checked<Program>, Diagnostics> {
        check(Program::new(self.network.clone(), notes))
    }

    /// Every constant that enters a sum: its bits, and the scale of the coarsest sum it enters.
    fn addends(&self, notes: &Annotations, a: &Assignment) -> BTreeMap<ValueId, Addend> {
        let bits_of: BTreeMap<ValueId, u8> = self
            .layers
            .iter()
            .zip(&a.biases)
            .map(|(l, b)| (l.value, *b))
            .collect();
        // Of formats per channel the coarsest counts, so that a bias is aligned to each by a left shift.
        let fixed = |v: ValueId| {
            let rows = self.network.value(v).shape.0.first().copied().unwrap_or(1);
            let format = notes.format(v)?;
            (0..rows.max(1))
                .filter_map(|j| format.channel(j))
                .map(Format::frac)
                .min()
        };
        let mut frac: BTreeMap<ValueId, i32> = BTreeMap::new();
        let mut addends: BTreeMap<ValueId, Addend> = BTreeMap::new();
        for (v, value) in self.network.values().iter() {
            let of = |x: &ValueId| frac.get(x).copied().unwrap_or(0);
            let natural = match &value.op {
                Op::Input | Op::Const(_) => 0,
                Op::Dense { x, weight, bias } => {
                    let target = of(x) + fixed(*weight).unwrap_or(0);
                    if let Some(b) = bias {
                        let bits = bits_of.get(&v).copied().unwrap_or(1);
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

    /// The format of a stored activation of so many bits.
    pub fn activation(&self, v: ValueId, bits: u8) -> Format {
        activation_format(self.range(v), bits)
    }

    /// What the format of a stored activation is chosen from.
    pub fn range(&self, v: ValueId) -> Range {
        let unknown = Range { lo: -1.0, hi: 1.0 };
        self.ranges.get(&v).copied().unwrap_or(unknown)
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
                rows: network.value(*weight).shape.0.first().copied().unwrap_or(0),
                cols: network.value(*weight).shape.0.get(1).copied().unwrap_or(0),
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
