//! A network with what formats are chosen from: its layers, the activations that a kernel stores,
//! and their ranges.

use crate::assignment::Assignment;
use crate::formats::{RangeChoice, activation_format, capped_format, scale_format};
use crate::ranges::{Range, RangeOptions, ranges};
use crate::structure::{self, Layer, Stored};
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

/// Bits of constants that values are multiplied by outside of layers.
pub const FACTOR_BITS: u8 = 12;

/// What assignments of one network are quantized with.
#[derive(Clone, Debug)]
pub struct Model {
    network: Arc<Network>,
    layers: Vec<Layer>,
    stored: Stored,
    ranges: BTreeMap<ValueId, Range>,
    options: RangeOptions,
    rounding: Rounding,
    /// Stored bits of constants that are added or subtracted: the same for every assignment.
    summand_bits: u64,
    /// In how many places each constant is used.
    users: BTreeMap<ValueId, usize>,
}

impl Model {
    /// The model of a network on regions, with the default [`RangeOptions`]. `reference` is its
    /// real-valued program.
    pub fn new(
        reference: &Reference,
        network: Arc<Network>,
        regions: &[Region],
        rounding: Rounding,
    ) -> Self {
        Self::with_options(
            reference,
            network,
            regions,
            rounding,
            &RangeOptions::default(),
        )
    }

    /// As [`Self::new`], with a say in what activation formats are chosen from.
    pub fn with_options(
        reference: &Reference,
        network: Arc<Network>,
        regions: &[Region],
        rounding: Rounding,
        options: &RangeOptions,
    ) -> Self {
        let stored = Stored::new(&network);
        let ranges = reference
            .real()
            .map(|r| ranges(reference, r, regions, &stored.tensors, options))
            .unwrap_or_default();
        Self {
            options: options.clone(),
            ..Self::from_ranges(network, ranges, rounding)
        }
    }

    /// The model of a network whose ranges are known.
    pub fn from_ranges(
        network: Arc<Network>,
        ranges: BTreeMap<ValueId, Range>,
        rounding: Rounding,
    ) -> Self {
        Self {
            summand_bits: structure::elements(&network, &structure::summands(&network))
                * u64::from(SUMMAND_BITS)
                + structure::elements(&network, &structure::factors(&network))
                    * u64::from(FACTOR_BITS),
            users: structure::users(&network),
            layers: structure::layers(&network),
            stored: Stored::new(&network),
            network,
            ranges,
            options: RangeOptions::default(),
            rounding,
        }
    }

    /// What activation formats are chosen from, by value.
    pub fn ranges(&self) -> &BTreeMap<ValueId, Range> {
        &self.ranges
    }

    /// The network.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The layers with weights, in order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The values whose format an assignment's activation bits choose: the input, then what
    /// operators need stored, each once.
    pub fn tensors(&self) -> &[ValueId] {
        &self.stored.tensors
    }

    /// What activation formats were chosen from; with the regions, part of what a program is a
    /// function of.
    pub fn options(&self) -> &RangeOptions {
        &self.options
    }

    /// The rounding of every requantization.
    pub fn rounding(&self) -> Rounding {
        self.rounding
    }

    /// The data of a constant, row-major; empty for another value.
    pub fn data(&self, v: ValueId) -> &[f32] {
        self.network.constant(v).map_or(&[], |c| &c.data)
    }

    /// Biases and constants that are added or subtracted.
    pub fn summands(&self) -> BTreeSet<ValueId> {
        let biases = self.layers.iter().filter_map(|l| l.bias);
        biases.chain(structure::summands(&self.network)).collect()
    }

    /// Stored bits of constants that are neither weights nor biases of a layer.
    pub fn summand_bits(&self) -> u64 {
        self.summand_bits
    }

    /// The same bits everywhere.
    pub fn uniform(&self, weights: u8, biases: u8, activations: u8) -> Assignment {
        Assignment {
            weights: vec![weights; self.layers.len()],
            biases: vec![biases; self.layers.len()],
            activations: vec![activations; self.stored.tensors.len()],
        }
    }

    /// Annotations with the formats of the input, of every stored activation, and of constants
    /// that values are multiplied by.
    pub fn activations(&self, a: &Assignment, version: u32) -> Annotations {
        let mut notes = Annotations {
            version,
            rounding: self.rounding,
            ..Annotations::default()
        };
        for (i, v) in self.stored.tensors.iter().enumerate() {
            let bits = self.stored.bits(i, &a.activations);
            self.set(&mut notes, *v, self.activation(*v, bits).into(), None);
        }
        for c in structure::factors(&self.network) {
            let format = scale_format(self.data(c), FACTOR_BITS, RangeChoice::MaxAbs);
            self.set(&mut notes, c, format.into(), None);
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

    /// In how many places each constant is used.
    pub(crate) fn users(&self) -> &BTreeMap<ValueId, usize> {
        &self.users
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
    /// summand that has a format already keeps it. Biases of a layer whose weight has a format per
    /// channel have one per channel too.
    pub fn complete(&self, notes: &mut Annotations, a: &Assignment) {
        for (c, addend) in self.addends(notes, a) {
            if notes.format(c).is_none() {
                let format = addend.format(self.data(c));
                self.set(notes, c, format, None);
            }
        }
    }

    /// The format of a summand with these values, as [`Self::complete`] would choose it under the
    /// formats that stand in `notes`; `None` for a value that enters no sum.
    pub(crate) fn addend_format(
        &self,
        notes: &Annotations,
        a: &Assignment,
        c: ValueId,
        data: &[f32],
    ) -> Option<TensorFormat> {
        self.addends(notes, a)
            .get(&c)
            .map(|addend| addend.format(data))
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
        let mut frac: BTreeMap<ValueId, i32> = BTreeMap::new();
        let mut addends: BTreeMap<ValueId, Addend> = BTreeMap::new();
        for (v, value) in self.network.values().iter() {
            let of = |x: &ValueId| frac.get(x).copied().unwrap_or(0);
            let natural = match &value.op {
                Op::Input | Op::Const(_) => 0,
                Op::Dense { x, weight, bias }
                | Op::Conv {
                    x, weight, bias, ..
                } => {
                    let target: Vec<i32> = self
                        .fracs(notes, *weight)
                        .iter()
                        .map(|f| of(x) + f)
                        .collect();
                    let coarsest = target.iter().min().copied().unwrap_or(of(x));
                    if let Some(b) = bias {
                        let bits = bits_of.get(&v).copied().unwrap_or(1);
                        match notes.format(*weight) {
                            Some(TensorFormat::Channels(_)) => {
                                enter(&mut addends, *b, bits, target);
                            }
                            Some(TensorFormat::Tensor(_)) | None => {
                                enter(&mut addends, *b, bits, vec![coarsest]);
                            }
                        }
                    }
                    // Of formats per channel the coarsest counts for what is added later.
                    coarsest
                }
                Op::Add { x, c } | Op::Sub { x, c } => {
                    enter(&mut addends, *c, SUMMAND_BITS, vec![of(x)]);
                    of(x)
                }
                // Division by 2^k moves the point; the checker refuses any other.
                Op::Div { x, c } => of(x) + self.data(*c).first().map_or(0, |d| exponent(*d)),
                Op::Mul { x, c } => of(x) + self.fracs(notes, *c).iter().min().unwrap_or(&0),
                Op::LeakyRelu { x, shift } => of(x) + i32::from(*shift),
                // Of one scale with its operands; a pool's mean has a format.
                Op::Concat { xs, .. } => xs.first().map_or(0, of),
                Op::Unary { x, function } => function.format().map_or_else(|| of(x), Format::frac),
                Op::Relu { x }
                | Op::MaxPool { x, .. }
                | Op::AveragePool { x, .. }
                | Op::Sum { x, .. }
                | Op::Pad { x, .. }
                | Op::Transpose { x, .. }
                | Op::Clip { x, .. }
                | Op::Curve { x, .. }
                | Op::Snap { x, .. }
                | Op::Reshape { x }
                | Op::Flatten { x }
                | Op::Identity { x } => of(x),
            };
            let fixed = self.fracs(notes, v).iter().min().copied();
            frac.insert(v, fixed.unwrap_or(natural));
        }
        addends
    }

    /// Fraction bits of every index of a value's first dimension; empty without a format.
    fn fracs(&self, notes: &Annotations, v: ValueId) -> Vec<i32> {
        let rows = self.network.value(v).shape.0.first().copied().unwrap_or(1);
        match notes.format(v) {
            Some(f) => (0..rows.max(1))
                .filter_map(|j| f.channel(j))
                .map(Format::frac)
                .collect(),
            None => Vec::new(),
        }
    }

    /// The format of a stored activation of so many bits.
    pub fn activation(&self, v: ValueId, bits: u8) -> Format {
        activation_format(self.range(v), bits)
    }

    /// What the format of a stored activation is chosen from: its range and those of the
    /// activations that it shares a format with.
    pub fn range(&self, v: ValueId) -> Range {
        let unknown = Range { lo: -1.0, hi: 1.0 };
        let of = |v: &ValueId| self.ranges.get(v).copied().unwrap_or(unknown);
        match self.stored.index(v) {
            Some(i) => {
                let all = self.stored.tied(i).map(|k| of(&self.stored.tensors[k]));
                all.reduce(Range::hull).unwrap_or(unknown)
            }
            None => of(&v),
        }
    }
}

/// A constant that enters sums.
struct Addend {
    bits: u8,
    /// No finer than this, or the checker refuses it: one for all elements, or one each.
    max_frac: Vec<i32>,
}

impl Addend {
    fn format(&self, data: &[f32]) -> TensorFormat {
        match &self.max_frac[..] {
            [one] => capped_format(data, self.bits, *one).into(),
            all => {
                let one = |(w, f): (&f32, &i32)| capped_format(&[*w], self.bits, *f);
                TensorFormat::Channels(data.iter().zip(all).map(one).collect())
            }
        }
    }
}

/// A sum that `c` enters, with the fraction bits of one or of each element.
fn enter(addends: &mut BTreeMap<ValueId, Addend>, c: ValueId, bits: u8, max_frac: Vec<i32>) {
    let Some(a) = addends.get_mut(&c) else {
        addends.insert(c, Addend { bits, max_frac });
        return;
    };
    a.bits = a.bits.max(bits);
    if a.max_frac.len() == max_frac.len() {
        for (old, new) in a.max_frac.iter_mut().zip(max_frac) {
            *old = (*old).min(new);
        }
    } else {
        let least = a.max_frac.iter().chain(&max_frac).min().copied();
        a.max_frac = vec![least.unwrap_or(0)];
    }
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
