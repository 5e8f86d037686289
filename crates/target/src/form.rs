//! Forms of dense layers and their side conditions.

mod arm_dsp;
mod arm_small;
mod avr;

pub use arm_small::{Chunk, QUARTERS_COLUMNS, QUARTERS_ROWS, quarters_chunks};

use crate::{KernelChoice, Target};
use ceg4n_ir::Interval;

/// How a dense layer's weights are stored and walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// Row by row, a weight an element of the smallest integer type: exact wherever the
    /// accumulator is wide enough.
    Plain,
    /// Row by row, weights of so many bits without gaps, the low bits of a byte first.
    Packed {
        /// 1 to 16.
        bits: u8,
    },
    /// Cortex-M4: two columns a multiplication.
    Dual {
        /// Of a weight's storage: 8 or 16.
        bits: u8,
    },
    /// Cortex-M4: two rows' weights in a halfword, `256·odd + even`.
    Pair,
    /// Cortex-M4: four rows' weights in a halfword.
    Quad,
    /// Cortex-M0: unsigned bytes `w + 128`, up to four rows a turn.
    Offset,
    /// Cortex-M0: four rows' weights in a word, columns in chunks whose sums fit 16 bits.
    Quarters,
    /// AVR: 16-bit sums.
    Short,
    /// AVR: 24-bit or 32-bit sums of 8-bit products.
    Bytes,
}

/// What a form needs to know of a dense layer.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// `rows·cols` mantissas.
    pub weight: &'a [i32],
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub cols: usize,
    /// Values that an operand can take: its type range, over all columns.
    pub operand: Interval,
    /// Bits of the operand's storage type: 8, 16 or 32.
    pub operand_bits: u8,
    /// The operand's storage type is signed.
    pub operand_signed: bool,
    /// Type range of each row's sum with its bias.
    pub sums: &'a [Interval],
    /// Bits that hold every partial sum in any order.
    pub width: u8,
}

impl Layer<'_> {
    /// Least and greatest weight; `[0, 0]` for none.
    pub fn weights(&self) -> Interval {
        let ends = self.weight.iter().map(|w| i64::from(*w));
        ends.fold(Interval::new(0, 0), |r, w| r.hull(Interval::new(w, w)))
    }

    /// All sums.
    pub fn all_sums(&self) -> Interval {
        let sums = self.sums.iter().copied();
        sums.reduce(Interval::hull).unwrap_or(Interval::new(0, 0))
    }
}

/// That a form computes a layer's sums exactly; only [`Form::license`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct License {
    form: Form,
    reason: String,
    room: i64,
}

impl License {
    /// That of [`Form::Plain`], which needs none.
    pub fn plain() -> Self {
        Self {
            form: Form::Plain,
            reason: String::new(),
            room: i64::MAX,
        }
    }

    /// The form.
    pub fn form(&self) -> Form {
        self.form
    }

    /// What may be added to every sum so that the side condition still holds.
    pub fn room(&self) -> i64 {
        self.room
    }

    /// The side condition and the proved range that satisfies it, for the layer's comment.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Why a form is not exact for a layer, or not made for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet(pub String);

impl Form {
    /// The forms to try on a target, the fastest (or smallest) first; the last always applies.
    pub fn candidates(target: Target, choice: KernelChoice, bits: u8) -> Vec<Self> {
        let packed = Self::Packed { bits };
        match (choice, target) {
            (KernelChoice::Size, _) => vec![packed, Self::Plain],
            (KernelChoice::Unrolled, _) | (_, Target::Generic) => vec![Self::Plain],
            (_, Target::CortexM4) => {
                let (short, long) = (Self::Dual { bits: 8 }, Self::Dual { bits: 16 });
                vec![Self::Quad, Self::Pair, short, long, Self::Plain]
            }
            (_, Target::CortexM0) => vec![Self::Quarters, Self::Offset, Self::Plain],
            (_, Target::Avr) => vec![Self::Short, Self::Bytes, Self::Plain],
        }
    }

    /// Checks the form's side condition against proved ranges.
    ///
    /// # Errors
    /// The condition that does not hold.
    pub fn license(self, layer: &Layer<'_>) -> Result<License, Unmet> {
        let reason = match self {
            Self::Plain => Ok(free(String::new())),
            Self::Packed { bits } => packed(layer, bits).map(free),
            Self::Dual { bits } => arm_dsp::dual(layer, bits),
            Self::Pair => arm_dsp::pair(layer),
            Self::Quad => arm_dsp::quad(layer),
            Self::Offset => arm_small::offset(layer),
            Self::Quarters => arm_small::quarters(layer),
            Self::Short => avr::short(layer),
            Self::Bytes => avr::bytes(layer),
        };
        reason.map(|(reason, room)| License {
            form: self,
            reason,
            room,
        })
    }
}

/// No condition on sums but their width.
fn free(reason: String) -> (String, i64) {
    (reason, i64::MAX)
}

/// The widths of types are no gain over plain storage.
fn packed(layer: &Layer<'_>, bits: u8) -> Result<String, Unmet> {
    let w = layer.weights();
    if bits > 16 || matches!(bits, 0 | 8 | 16) {
        return Err(Unmet(format!("weights of {bits} bits are not packed")));
    }
    if w.signed_width() > bits {
        return Err(Unmet(format!("weights need {} bits", w.signed_width())));
    }
    if layer.width > 32 {
        return Err(Unmet(format!("sums need {} bits", layer.width)));
    }
    Ok(format!("weights packed, {bits} bits each"))
}
