//! Ranges by linear bounds: each sum is bounded by lines in the inputs, through everything between.
//!
//! Plain ranges forget that two terms of a sum depend on the same inputs. Here every node that is
//! no sum has a line in its operand above and one below it, and a sum's bound is found by putting
//! those lines in for its terms, layer by layer, down to the inputs (G. Singh et al., An abstract
//! domain for certifying neural networks, POPL 2019; H. Zhang et al., Efficient neural network
//! robustness certification with general activation functions, NeurIPS 2018). All numbers are
//! integers over `2^32`; what a division leaves over is added to the bound, so every bound holds
//! exactly.

use crate::DagError;
use crate::dag::{Dag, DagId, Node};
use crate::facts::Facts;

/// Coefficients count in units of `2^-UNIT`.
const UNIT: u32 = 32;
const ONE: i128 = 1 << UNIT;

/// Coefficients that are put in until no further sum is bounded this way: about 10 ns each.
const WORK: u64 = 20_000_000;

/// `v` against `slope·operand + offset`, both over `2^UNIT`.
#[derive(Clone, Copy)]
struct Line {
    slope: i128,
    offset: i128,
}

impl Dag {
    /// Narrows what is known of the nodes that `roots` depend on.
    ///
    /// # Errors
    /// [`DagError::Contradiction`]: a defect, since both ways to a range are sound.
    pub fn tighten(&mut self, roots: &[DagId]) -> Result<(), DagError> {
        let nodes = self.reachable(roots);
        // Sums of inputs alone have the best range already.
        let mut deep = vec![false; self.len()];
        let mut work = 0u64;
        let mut state = vec![0i128; self.len()];
        for id in nodes {
            self.refresh(id)?;
            let at = id.as_u32() as usize;
            match self.node(id) {
                Node::Input(_) => {}
                Node::Linear(form) => {
                    deep[at] = form.terms.iter().any(|(t, _)| deep[t.as_u32() as usize]);
                    let open = self.facts(id).known().is_none() && form.terms.len() > 1;
                    if deep[at] && open && work < WORK {
                        let upper = self.bound(id, 1, &mut state, &mut work);
                        let lower = self.bound(id, -1, &mut state, &mut work);
                        let old = self.facts(id);
                        let hi = upper.map_or(old.hi, |u| u.min(old.hi));
                        let lo = lower.map_or(old.lo, |l| (-l).max(old.lo));
                        if lo > hi {
                            return Err(DagError::Contradiction);
                        }
                        self.learn(id, Facts::within(lo, hi))?;
                    }
                }
                Node::Shr(..)
                | Node::Low(..)
                | Node::Min(..)
                | Node::Max(..)
                | Node::Negative(_)
                | Node::Not(_)
                | Node::And(..)
                | Node::Or(..)
                | Node::Select(..)
                | Node::Lookup(..) => deep[at] = true,
            }
        }
        Ok(())
    }

    /// A bound that `sign` times a sum never exceeds; `None` beyond what is represented.
    fn bound(&self, id: DagId, sign: i128, state: &mut [i128], work: &mut u64) -> Option<i128> {
        let mut open = std::collections::BTreeSet::from([id]);
        state[id.as_u32() as usize] = sign * ONE;
        let mut constant = 0i128;
        let mut result = Some(());
        while let Some(t) = open.pop_last() {
            // What is left when the bound is given up must not count in the next one.
            let c = std::mem::take(&mut state[t.as_u32() as usize]);
            if result.is_some() {
                result = self.put_in(t, c, state, &mut open, &mut constant, work);
            }
        }
        result?;
        // An integer below a fraction is at most its floor.
        Some(constant >> UNIT)
    }

    /// Replaces `c·t` by its bound in the operands of `t`.
    fn put_in(
        &self,
        t: DagId,
        c: i128,
        state: &mut [i128],
        open: &mut std::collections::BTreeSet<DagId>,
        constant: &mut i128,
        work: &mut u64,
    ) -> Option<()> {
        if c == 0 {
            return Some(());
        }
        let facts = self.facts(t);
        let mut add = |to: DagId, c: i128| {
            let at = &mut state[to.as_u32() as usize];
            *at = at.checked_add(c)?;
            open.insert(to);
            Some(())
        };
        *work += 1;
        let line = match self.node(t) {
            Node::Linear(form) if facts.known().is_none() => {
                for (to, w) in &form.terms {
                    add(*to, c.checked_mul(*w)?)?;
                }
                *work += form.terms.len() as u64;
                *constant = constant.checked_add(c.checked_mul(form.constant)?)?;
                return Some(());
            }
            Node::Shr(a, s) => self.shr_line(*a, *s, c > 0),
            Node::Max(a, b) => self.max_line(*a, *b, c > 0),
            Node::Min(a, b) => self.min_line(*a, *b, c > 0),
            Node::Input(_)
            | Node::Linear(_)
            | Node::Low(..)
            | Node::Negative(_)
            | Node::Not(_)
            | Node::And(..)
            | Node::Or(..)
            | Node::Select(..)
            | Node::Lookup(..) => None,
        };
        let line = line.filter(|_| facts.known().is_none());
        let Some((a, line)) = line else {
            let end = if c > 0 { facts.hi } else { facts.lo };
            *constant = constant.checked_add(c.checked_mul(end)?)?;
            return Some(());
        };
        let slope = c.checked_mul(line.slope)?;
        let (whole, rest) = (slope >> UNIT, slope & (ONE - 1));
        if whole != 0 {
            add(a, whole)?;
        }
        // `rest·a/2^UNIT` and `c·offset/2^UNIT`, rounded upwards.
        let range = self.facts(a);
        let left = if rest == 0 {
            0
        } else {
            rest.checked_mul(range.hi)?
        };
        let offset = c.checked_mul(line.offset)?;
        let sum = left.checked_add(offset)?.checked_add(ONE - 1)?;
        *constant = constant.checked_add(sum >> UNIT)?;
        Some(())
    }

    /// `a/2^s - 1 + 2^-s ≤ floor(a/2^s) ≤ a/2^s`.
    fn shr_line(&self, a: DagId, s: u32, above: bool) -> Option<(DagId, Line)> {
        let slope = ONE.checked_shr(s).filter(|_| s <= UNIT)?;
        let offset = if above { 0 } else { slope - ONE };
        Some((a, Line { slope, offset }))
    }

    /// `max(a, b)` with one of them known.
    fn max_line(&self, a: DagId, b: DagId, above: bool) -> Option<(DagId, Line)> {
        let (a, k) = self.with_constant(a, b)?;
        let Facts { lo, hi, .. } = self.facts(a);
        if lo >= k {
            return Some((a, identity()));
        }
        if hi <= k {
            return None;
        }
        if above {
            // Through (lo, k) and (hi, hi), the slope rounded up: `k + slope·(a - lo)` is above
            // both ends, so above a convex function between them.
            let slope = div_up((hi - k).checked_mul(ONE)?, hi - lo);
            let offset = k.checked_mul(ONE)?.checked_sub(slope.checked_mul(lo)?)?;
            return Some((a, Line { slope, offset }));
        }
        // The line that leaves the smaller triangle.
        (hi - k > k - lo).then_some((a, identity()))
    }

    /// `min(a, b) = -max(-a, -b)`.
    fn min_line(&self, a: DagId, b: DagId, above: bool) -> Option<(DagId, Line)> {
        let (a, k) = self.with_constant(a, b)?;
        let Facts { lo, hi, .. } = self.facts(a);
        if hi <= k {
            return Some((a, identity()));
        }
        if lo >= k {
            return None;
        }
        if !above {
            // Through (lo, lo) and (hi, k): `k + slope·(a - hi)`, below both ends.
            let slope = div_up((k - lo).checked_mul(ONE)?, hi - lo);
            let offset = k.checked_mul(ONE)?.checked_sub(slope.checked_mul(hi)?)?;
            return Some((a, Line { slope, offset }));
        }
        (k - lo > hi - k).then_some((a, identity()))
    }

    fn with_constant(&self, a: DagId, b: DagId) -> Option<(DagId, i128)> {
        match (self.facts(a).known(), self.facts(b).known()) {
            (_, Some(k)) => Some((a, k)),
            (Some(k), None) => Some((b, k)),
            (None, None) => None,
        }
    }
}

fn identity() -> Line {
    Line {
        slope: ONE,
        offset: 0,
    }
}

/// The ceiling of `a / b`, for a ≥ 0 and b > 0.
fn div_up(a: i128, b: i128) -> i128 {
    a / b + i128::from(a % b != 0)
}
