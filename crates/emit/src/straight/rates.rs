//! What additions and products of straight-line code take on a processor: instructions, cycles on
//! AVR. Loads are left out, because every form of a sum reads its operands once.

use ceg4n_scalar::Facts;
use ceg4n_target::Target;

/// The rates of a processor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates(pub(super) Target);

/// Values in a register of a byte, signed or not.
fn is_byte(f: Facts) -> bool {
    f.lo >= -128 && f.hi <= if f.lo < 0 { 127 } else { 255 }
}

impl Rates {
    /// Adds `x` to a sum.
    pub(super) fn add(self, x: Facts, sum: Facts) -> u64 {
        let width = sum.width();
        match self.0 {
            Target::Generic => 1,
            Target::CortexM0 | Target::CortexM4 if width <= 32 => 1,
            Target::CortexM0 | Target::CortexM4 => 3,
            Target::Avr => {
                // The sign of a byte is spread first.
                let spread = if x.lo < 0 && is_byte(x) { 2 } else { 0 };
                spread
                    + match width {
                        0..=16 => 2,
                        17..=32 => 4,
                        _ => 16,
                    }
            }
        }
    }

    /// Adds `c·x` to a sum.
    pub(super) fn product(self, c: i128, x: Facts, sum: Facts) -> u64 {
        let add = self.add(x, sum);
        let (c, width) = (c.unsigned_abs(), sum.width());
        if c == 1 {
            return add;
        }
        let shift = c.is_power_of_two();
        let by = u64::from(c.trailing_zeros());
        add + match self.0 {
            Target::Generic => 1,
            Target::CortexM4 if width <= 32 => u64::from(!shift),
            Target::CortexM4 => 2,
            Target::CortexM0 if width <= 32 => 2 - u64::from(shift),
            Target::CortexM0 => 40,
            Target::Avr => match (width, is_byte(x) && c < 256) {
                (0..=16, true) if shift => (1 + 2 * by).min(4),
                (0..=16, true) => 4,
                (0..=16, false) if shift => 1 + 2 * (by % 8).min(4),
                (0..=16, false) => 8,
                (17..=32, _) if shift => 2 + 4 * (by % 8).min(4),
                (17..=32, _) => 26,
                _ => 100,
            },
        }
    }

    /// From how many uses on a sum of two values is computed once for all.
    pub(super) fn uses(self) -> usize {
        3
    }
}
