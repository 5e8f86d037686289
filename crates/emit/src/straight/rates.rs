//! What straight-line code takes on a processor: instructions, cycles on AVR.

use super::Straight;
use ceg4n_scalar::{Dag, DagId, Facts, Node};
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

    /// A graph: what its operations take where registers hold all values.
    pub(super) fn all(self, straight: &Straight) -> u64 {
        let nodes = straight.nodes.iter();
        nodes.map(|id| self.node(&straight.dag, *id)).sum()
    }

    fn node(self, dag: &Dag, id: DagId) -> u64 {
        let own = dag.facts(id);
        if own.known().is_some() {
            return 0;
        }
        let mut widest = own.width();
        let node = dag.node(id);
        node.for_each_operand(|o| widest = widest.max(dag.facts(o).width()));
        let bytes = u64::from(widest.max(9).div_ceil(8).next_power_of_two());
        let (compare, of_bit) = match self.0 {
            Target::Generic => (2, 0),
            Target::CortexM0 | Target::CortexM4 => (3 * bytes.div_ceil(4), 0),
            Target::Avr => (1 + 2 * bytes, bytes),
        };
        match node {
            Node::Input(_) => 1,
            Node::Linear(form) => {
                let term = |(t, c): &(DagId, i128)| self.product(*c, dag.facts(*t), own);
                let terms: u64 = form.terms.iter().map(term).sum();
                let first = form.terms.first().filter(|(_, c)| *c > 0);
                let first = first.map_or(0, |(t, _)| self.add(dag.facts(*t), own));
                let constant = u64::from(form.constant != 0) * self.add(own, own);
                terms - first + constant
            }
            Node::Shr(_, s) | Node::Low(_, s) => {
                // Whole bytes are moves.
                1 + of_bit * u64::from(s % 8)
            }
            Node::Min(..) | Node::Max(..) | Node::Select(..) => compare,
            Node::Negative(_) | Node::Not(_) | Node::And(..) | Node::Or(..) => 2,
            Node::Lookup(..) => 4,
        }
    }
}
