//! Common subsums: what several sums, or one of them several times, have in common is added up
//! once.
//!
//! Coefficients are written in canonical signed digits, so that a sum is a set of signed, shifted
//! nodes. A pattern is a pair of those up to a common sign and shift; the pattern that saves most
//! becomes a node of its own, and takes part in further patterns. This is common subexpression
//! elimination for multiple constant multiplication (R. I. Hartley, Subexpression sharing in filters
//! using canonic signed digit multipliers, IEEE Trans. Circuits Syst. II 43(10), 1996), extended to
//! many variables.

use crate::DagError;
use crate::copy::{found, renamed};
use crate::dag::{Dag, DagId, LinearForm, Node};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

/// Pairs that are counted for the sums of one level, about: some 100 ns each. Where there are more,
/// nodes are taken in chunks, and pairs sought in a chunk alone.
const PAIRS: usize = 1_000_000;
/// The least chunk.
const CHUNK: usize = 8;

/// What sharing pays.
#[derive(Clone, Copy, Debug)]
pub struct Sharing {
    /// Patterns are pairs of shifted nodes up to a sign; without this, of nodes at one shift.
    pub shifts: bool,
    /// What a pattern must save at least, in adders of single bits.
    pub least: i64,
}

impl Default for Sharing {
    fn default() -> Self {
        Self {
            shifts: true,
            least: 1,
        }
    }
}

/// A pair `first + sign·second·2^shift`, with `first ≤ second`; for one node the shift is positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Pattern {
    first: DagId,
    second: DagId,
    shift: i16,
    negative: bool,
}

/// A signed digit of a sum: node and power of two, with its sign.
type Digit = ((DagId, i16), bool);

/// A sum as digits.
#[derive(Clone, Debug, Default)]
struct Row {
    /// `true` is negative.
    digits: BTreeMap<(DagId, i16), bool>,
    constant: i128,
}

/// The graph with common subsums as nodes, and its roots.
///
/// # Errors
/// As [`Dag::add`].
pub fn share(dag: &Dag, roots: &[DagId], sharing: &Sharing) -> Result<(Dag, Vec<DagId>), DagError> {
    let mut out = Dag::new(dag.inputs().to_vec());
    let mut new: HashMap<DagId, DagId> = HashMap::new();
    let reachable = dag.reachable(roots);
    let mut levels: BTreeMap<(u32, bool), Vec<DagId>> = BTreeMap::new();
    let mut depth: HashMap<DagId, u32> = HashMap::new();
    for id in &reachable {
        let node = dag.node(*id);
        let is_sum = matches!(node, Node::Linear(_));
        let mut below = 0;
        node.for_each_operand(|o| below = below.max(depth.get(&o).copied().unwrap_or(0)));
        let mut nested = false;
        node.for_each_operand(|o| nested |= matches!(dag.node(o), Node::Linear(_)));
        let own = below + u32::from(!is_sum || nested);
        depth.insert(*id, own);
        levels.entry((own, is_sum)).or_default().push(*id);
    }
    for ((_, is_sum), ids) in levels {
        if is_sum {
            let mut rows = Vec::with_capacity(ids.len());
            for id in &ids {
                rows.push(row(dag, *id, &new)?);
            }
            share_rows(&mut out, sharing, &mut rows)?;
            for (id, row) in ids.iter().zip(rows) {
                let sum = out.sum(row.form()?)?;
                out.learn(sum, dag.facts(*id))?;
                new.insert(*id, sum);
            }
        } else {
            for id in ids {
                let copy = out.add(renamed(dag, id, &new)?)?;
                out.learn(copy, dag.facts(id))?;
                new.insert(id, copy);
            }
        }
    }
    let roots = roots
        .iter()
        .map(|r| found(&new, *r))
        .collect::<Result<_, _>>()?;
    Ok((out, roots))
}

/// A sum's digits over the new graph's ids.
fn row(dag: &Dag, id: DagId, new: &HashMap<DagId, DagId>) -> Result<Row, DagError> {
    let Node::Linear(form) = renamed(dag, id, new)? else {
        return Err(DagError::Index);
    };
    let mut row = Row {
        constant: form.constant,
        ..Row::default()
    };
    for (t, c) in form.terms {
        for (shift, negative) in signed_digits(c) {
            row.digits.insert((t, shift), negative);
        }
    }
    Ok(row)
}

/// Canonical signed digits: no two neighbours are other than 0; `true` is -1.
pub fn signed_digits(c: i128) -> Vec<(i16, bool)> {
    let (mut rest, mut shift, mut digits) = (c, 0, Vec::new());
    while rest != 0 {
        if rest & 1 == 1 {
            let negative = rest & 3 == 3;
            digits.push((shift, negative));
            // Halves first: the sum with 1 might not be represented.
            rest = (rest >> 1) + i128::from(negative);
        } else {
            rest >>= 1;
        }
        shift += 1;
    }
    digits
}

impl Row {
    fn form(&self) -> Result<LinearForm, DagError> {
        let mut terms: Vec<(DagId, i128)> = Vec::new();
        for ((t, shift), negative) in &self.digits {
            let power = 1i128.checked_shl((*shift).cast_unsigned().into());
            let power = power.filter(|p| *p > 0).ok_or(DagError::Range)?;
            let digit = if *negative { -power } else { power };
            match terms.last_mut() {
                Some((last, c)) if last == t => {
                    *c = c.checked_add(digit).ok_or(DagError::Range)?;
                }
                _ => terms.push((*t, digit)),
            }
        }
        terms.retain(|(_, c)| *c != 0);
        Ok(LinearForm {
            terms,
            constant: self.constant,
        })
    }

    /// Adds a digit to one that may be there.
    fn put(&mut self, (at, negative): Digit) {
        let (t, mut shift) = at;
        loop {
            match self.digits.remove(&(t, shift)) {
                None => {
                    self.digits.insert((t, shift), negative);
                    return;
                }
                // Twice the same is once the double; opposite ones are nothing.
                Some(other) if other == negative => shift += 1,
                Some(_) => return,
            }
        }
    }
}

/// The pattern of two digits, with the place and the sign of its first digit.
fn pattern(a: Digit, b: Digit, shifts: bool) -> Option<Pattern> {
    let ((a, b), shift) = if (a.0.0, a.0.1) <= (b.0.0, b.0.1) {
        ((a, b), b.0.1 - a.0.1)
    } else {
        ((b, a), a.0.1 - b.0.1)
    };
    (shifts || shift == 0).then_some(Pattern {
        first: a.0.0,
        second: b.0.0,
        shift,
        negative: a.1 != b.1,
    })
}

fn power(shift: i16) -> Option<i128> {
    1i128
        .checked_shl(u32::try_from(shift).ok()?)
        .filter(|p| *p > 0)
}

/// Bits of a natural number up to this one.
fn bits(most: i128) -> i64 {
    i64::from(128 - most.max(0).leading_zeros())
}

/// Takes the nodes of a level in chunks.
fn share_rows(dag: &mut Dag, sharing: &Sharing, rows: &mut [Row]) -> Result<(), DagError> {
    let digits: usize = rows.iter().map(|r| r.digits.len()).sum();
    let mut nodes: Vec<DagId> = rows
        .iter()
        .flat_map(|r| r.digits.keys().map(|(t, _)| *t))
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    // A digit is paired with those of its chunk in its row.
    let dense = digits
        .div_ceil(rows.len().max(1) * nodes.len().max(1))
        .max(1);
    let size = (2 * PAIRS / digits.max(1) / dense).max(CHUNK);
    let mut done: Vec<Row> = rows
        .iter()
        .map(|r| Row {
            constant: r.constant,
            ..Row::default()
        })
        .collect();
    for chunk in nodes.chunks(size) {
        let (Some(first), Some(last)) = (chunk.first(), chunk.last()) else {
            continue;
        };
        let range = (*first, i16::MIN)..=(*last, i16::MAX);
        let part = |r: &Row| Row {
            digits: r
                .digits
                .range(range.clone())
                .map(|(k, v)| (*k, *v))
                .collect(),
            constant: 0,
        };
        let mut parts: Vec<Row> = rows.iter().map(part).collect();
        Sharer::new(dag, sharing).run(&mut parts)?;
        for (row, part) in done.iter_mut().zip(parts) {
            for digit in part.digits {
                row.put(digit);
            }
        }
    }
    rows.clone_from_slice(&done);
    Ok(())
}

struct Sharer<'a> {
    dag: &'a mut Dag,
    sharing: &'a Sharing,
    counts: FxHashMap<Pattern, i64>,
    /// By what they save; entries may be out of date.
    queue: BinaryHeap<(i64, std::cmp::Reverse<Pattern>)>,
    /// The queue is built: patterns that become more frequent enter it.
    counted: bool,
}

impl<'a> Sharer<'a> {
    fn new(dag: &'a mut Dag, sharing: &'a Sharing) -> Self {
        Self {
            dag,
            sharing,
            counts: FxHashMap::default(),
            queue: BinaryHeap::new(),
            counted: false,
        }
    }

    fn run(mut self, rows: &mut [Row]) -> Result<(), DagError> {
        for row in rows.iter() {
            let digits: Vec<Digit> = row.digits.iter().map(|(k, v)| (*k, *v)).collect();
            for (i, a) in digits.iter().enumerate() {
                for b in &digits[i + 1..] {
                    self.count(*a, *b, 1);
                }
            }
        }
        let mut queue = Vec::new();
        #[expect(
            clippy::iter_over_hash_type,
            reason = "the queue orders its entries, all of which differ"
        )]
        for (p, n) in &self.counts {
            if *n > 1 {
                queue.push((self.saving(p, *n), std::cmp::Reverse(*p)));
            }
        }
        queue.retain(|(saving, _)| *saving >= self.sharing.least);
        self.queue = queue.into();
        self.counted = true;
        while let Some((saving, std::cmp::Reverse(p))) = self.queue.pop() {
            let now = self.counts.get(&p).copied().unwrap_or(0);
            let current = self.saving(&p, now);
            if current != saving {
                if now > 1 && current >= self.sharing.least {
                    self.queue.push((current, std::cmp::Reverse(p)));
                }
                continue;
            }
            self.replace(&p, rows)?;
        }
        Ok(())
    }

    fn count(&mut self, a: Digit, b: Digit, by: i64) {
        let Some(p) = pattern(a, b, self.sharing.shifts) else {
            return;
        };
        let n = self.counts.entry(p).or_insert(0);
        *n += by;
        // Decreases are seen when the entry comes up.
        if by > 0 && *n > 1 && self.counted {
            let n = *n;
            let saving = self.saving(&p, n);
            if saving >= self.sharing.least {
                self.queue.push((saving, std::cmp::Reverse(p)));
            }
        }
    }

    /// Adders of one bit that `n` uses of a pattern save, its own deducted.
    fn saving(&self, p: &Pattern, n: i64) -> i64 {
        let (low, high) = (p.shift.min(0), p.shift.max(0));
        let (a, b) = (self.span(p.first), self.span(p.second));
        let (Some(up), Some(down)) = (power(high), power(-low)) else {
            return i64::MIN;
        };
        let whole = a
            .checked_mul(down)
            .and_then(|a| a.checked_add(b.checked_mul(up)?));
        let Some(whole) = whole.map(bits) else {
            return i64::MIN;
        };
        n * (bits(a) + bits(b) - whole) - (whole - i64::from(p.shift.abs()))
    }

    /// How far the values of a node are apart: a term counts from the least one where it can.
    fn span(&self, t: DagId) -> i128 {
        let f = self.dag.facts(t);
        match self.dag.node(t) {
            Node::Input(_) | Node::Linear(_) => f.hi - f.lo,
            Node::Shr(..)
            | Node::Low(..)
            | Node::Min(..)
            | Node::Max(..)
            | Node::Negative(_)
            | Node::Not(_)
            | Node::And(..)
            | Node::Or(..)
            | Node::Select(..)
            | Node::Lookup(..)
                if f.lo >= 0 =>
            {
                f.hi
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
            | Node::Lookup(..) => (1 << f.width()) - 1,
        }
    }

    /// Makes a node of a pattern and puts it in its places.
    fn replace(&mut self, p: &Pattern, rows: &mut [Row]) -> Result<(), DagError> {
        let mut places: Vec<(usize, (DagId, i16), bool)> = Vec::new();
        for (r, row) in rows.iter().enumerate() {
            let mut used: Vec<(DagId, i16)> = Vec::new();
            let firsts = row.digits.range((p.first, i16::MIN)..=(p.first, i16::MAX));
            for (at, negative) in firsts {
                let second = (p.second, at.1 + p.shift);
                let fits = row
                    .digits
                    .get(&second)
                    .is_some_and(|n| (n != negative) == p.negative);
                if fits && !used.contains(at) && !used.contains(&second) {
                    used.extend([*at, second]);
                    places.push((r, *at, *negative));
                }
            }
        }
        let n = i64::try_from(places.len()).unwrap_or(i64::MAX);
        self.counts.insert(*p, 0);
        if n < 2 || self.saving(p, n) < self.sharing.least {
            return Ok(());
        }
        // The pattern's own shift is not negative: a common power of two is taken out.
        let low = p.shift.min(0);
        let mut own = Row::default();
        own.put(((p.first, -low), false));
        own.put(((p.second, p.shift - low), p.negative));
        let sum = self.dag.sum(own.form()?)?;
        for (r, at, negative) in places {
            let second = (p.second, at.1 + p.shift);
            self.take(&mut rows[r], at);
            self.take(&mut rows[r], second);
            let digit = ((sum, at.1 + low), negative);
            // The sum may be there already, being one of the rows.
            let before: Vec<Digit> = rows[r].digits.iter().map(|(k, v)| (*k, *v)).collect();
            if before.iter().any(|(k, _)| *k == digit.0) {
                rows[r].put(digit);
                continue;
            }
            rows[r].put(digit);
            for other in before {
                self.count(digit, other, 1);
            }
        }
        Ok(())
    }

    /// Takes a digit out of a row.
    fn take(&mut self, row: &mut Row, at: (DagId, i16)) {
        let Some(negative) = row.digits.remove(&at) else {
            return;
        };
        let others: Vec<Digit> = row.digits.iter().map(|(k, v)| (*k, *v)).collect();
        for other in others {
            self.count((at, negative), other, -1);
        }
    }
}
