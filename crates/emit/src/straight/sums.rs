//! How sums with constant coefficients are computed: terms of equal magnitude are added first, and
//! magnitudes either multiply what was added or, where they lie close, are counted up.
//!
//! With `G_m` the sum of the terms of magnitude `m`, `Σ m·G_m` over chosen magnitudes
//! `m_1 < … < m_n` is `Σ (m_i - m_{i-1})·T_i` with `T_i = G_{m_i} + … + G_{m_n}`: for consecutive
//! magnitudes no product is left. (The buckets of N. Pippenger, "On the evaluation of powers and
//! related problems", 1976, for sums.) What is counted up and what is multiplied is decided by the
//! processor's rates.

use super::rates::Rates;
use super::{Straight, pairs};
use ceg4n_scalar::{Dag, DagError, DagId, Facts, LinearForm, Node};
use ceg4n_target::Target;
use std::collections::{BTreeMap, HashMap};

/// The graph with its sums in cheap order, or as it is where that is cheaper.
pub(super) fn cheap(straight: &Straight, target: Target) -> Result<Straight, DagError> {
    let rates = Rates(target);
    let next = ordered(&pairs::shared(straight)?, rates)?;
    Ok(match rates.all(&next) <= rates.all(straight) {
        true => next,
        false => straight.clone(),
    })
}

fn ordered(shared: &Straight, rates: Rates) -> Result<Straight, DagError> {
    let mut times: HashMap<Vec<(DagId, i128)>, usize> = HashMap::new();
    for id in &shared.nodes {
        if let Node::Linear(form) = shared.dag.node(*id) {
            *times.entry(form.terms.clone()).or_default() += 1;
        }
    }
    shared.mapped(|dag, mapping, id| match shared.dag.node(id) {
        Node::Linear(form) => {
            let mut terms = Vec::with_capacity(form.terms.len());
            for (t, c) in &form.terms {
                terms.push((mapping.of(*t)?, *c));
            }
            terms.sort_unstable();
            // Sums that differ in their constants are one sum.
            let split = form.terms.len() > 1
                && form.constant != 0
                && times.get(&form.terms).is_some_and(|n| *n > 1);
            let constant = if split { 0 } else { form.constant };
            let sum = Sum { dag, rates }.computed(LinearForm { terms, constant })?;
            match split {
                false => Ok(sum),
                true => dag.sum(LinearForm {
                    terms: vec![(sum, 1)],
                    constant: form.constant,
                }),
            }
        }
        other => dag.add(mapping.node(other)?),
    })
}

struct Sum<'a> {
    dag: &'a mut Dag,
    rates: Rates,
}

/// The terms of one magnitude.
struct Group {
    magnitude: i128,
    /// With 1 or -1.
    terms: Vec<(DagId, i128)>,
    /// Of their sum.
    facts: Facts,
    /// Added first, then multiplied.
    together: bool,
    /// What that or the product of each takes.
    multiplied: u64,
    /// What the additions take.
    added: u64,
}

impl Sum<'_> {
    fn computed(&mut self, form: LinearForm) -> Result<DagId, DagError> {
        if form.terms.len() < 2 {
            return self.dag.sum(form);
        }
        let groups = self.groups(&form)?;
        let counted = self.counted(&groups, &form)?;
        let mut terms = Vec::new();
        for (g, _) in groups
            .iter()
            .zip(&counted)
            .filter(|(_, counted)| !**counted)
        {
            if g.together {
                let (sum, sign) = self.signed(plain(g.terms.clone()))?;
                terms.push((sum, sign * g.magnitude));
            } else {
                terms.extend(g.terms.iter().map(|(t, sign)| (*t, sign * g.magnitude)));
            }
        }
        // The largest magnitude is the first to be counted.
        let chosen = groups.iter().zip(&counted).filter(|(_, counted)| **counted);
        let chosen: Vec<&Group> = chosen.map(|(g, _)| g).collect();
        let mut running: Option<(DagId, i128)> = None;
        for (i, g) in chosen.iter().enumerate().rev() {
            let mut all = g.terms.clone();
            all.extend(running);
            let (total, sign) = self.signed(merged(all))?;
            running = Some((total, sign));
            let below = i.checked_sub(1).map_or(0, |i| chosen[i].magnitude);
            terms.push((total, sign * (g.magnitude - below)));
        }
        let mut sum = merged(terms);
        sum.constant = form.constant;
        self.dag.sum(sum)
    }

    /// A sum without constant as a node times 1 or -1, with few terms that are subtracted.
    fn signed(&mut self, form: LinearForm) -> Result<(DagId, i128), DagError> {
        let negative = form.terms.iter().filter(|(_, c)| *c < 0).count();
        let first = form.terms.first().is_some_and(|(_, c)| *c < 0);
        let flip = 2 * negative > form.terms.len() || 2 * negative == form.terms.len() && first;
        let sign = if flip { -1 } else { 1 };
        let form = form.times(sign).ok_or(DagError::Range)?;
        Ok((self.dag.sum(form)?, sign))
    }

    /// By ascending magnitude.
    fn groups(&self, form: &LinearForm) -> Result<Vec<Group>, DagError> {
        let whole = self.facts(form)?;
        let mut by: BTreeMap<i128, Vec<(DagId, i128)>> = BTreeMap::new();
        for (t, c) in &form.terms {
            by.entry(c.abs()).or_default().push((*t, c.signum()));
        }
        let group = |(magnitude, terms): (i128, Vec<(DagId, i128)>)| {
            let facts = self.facts(&plain(terms.clone()))?;
            let of = |t: &(DagId, i128)| self.dag.facts(t.0);
            let added = terms.iter().skip(1).map(|t| self.rates.add(of(t), facts));
            let added: u64 = added.sum();
            let each = |t| self.rates.product(magnitude, of(t), whole);
            let each: u64 = terms.iter().map(each).sum();
            let once = added + self.rates.product(magnitude, facts, whole);
            let together = terms.len() > 1 && magnitude > 1 && once <= each;
            Ok(Group {
                magnitude,
                multiplied: if together { once } else { each },
                terms,
                facts,
                together,
                added,
            })
        };
        by.into_iter().map(group).collect()
    }

    /// Which groups are counted up rather than multiplied.
    fn counted(&self, groups: &[Group], form: &LinearForm) -> Result<Vec<bool>, DagError> {
        let whole = self.facts(form)?;
        let none: u64 = groups.iter().map(|g| g.multiplied).sum();
        // The least cost of all groups up to one that is counted, and the counted one below it.
        let mut best: Vec<(u64, Option<usize>)> = Vec::with_capacity(groups.len());
        let mut above = vec![Facts::constant(0); groups.len()];
        let mut total = Facts::constant(0);
        for (i, g) in groups.iter().enumerate().rev() {
            total = total.add(g.facts).ok_or(DagError::Range)?;
            above[i] = total;
        }
        for (i, g) in groups.iter().enumerate() {
            let candidate = |j: Option<usize>| {
                let (before, below, running) = match j {
                    // Nothing below: its running total is no addition more than its own terms.
                    None => (0, 0, 0),
                    Some(j) => (best[j].0, groups[j].magnitude, self.rates.add(total, total)),
                };
                let skipped = groups[j.map_or(0, |j| j + 1)..i].iter();
                let skipped: u64 = skipped.map(|g| g.multiplied).sum();
                let step = self.rates.product(g.magnitude - below, above[i], whole);
                (before + skipped + g.added + running + step, j)
            };
            let all = std::iter::once(None).chain((0..i).map(Some)).map(candidate);
            best.push(all.min().unwrap_or((none, None)));
        }
        let after = |i: usize| groups[i + 1..].iter().map(|g| g.multiplied).sum::<u64>();
        let ends = best.iter().enumerate().map(|(i, b)| (b.0 + after(i), i));
        let mut counted = vec![false; groups.len()];
        if let Some((cost, end)) = ends.min()
            && cost < none
        {
            let mut at = Some(end);
            while let Some(i) = at {
                counted[i] = true;
                at = best[i].1;
            }
        }
        // One alone is multiplied.
        if counted.iter().filter(|c| **c).count() < 2 {
            counted.fill(false);
        }
        Ok(counted)
    }

    fn facts(&self, form: &LinearForm) -> Result<Facts, DagError> {
        let mut sum = Facts::constant(form.constant);
        for (t, c) in &form.terms {
            let product = self.dag.facts(*t).times(*c).ok_or(DagError::Range)?;
            sum = sum.add(product).ok_or(DagError::Range)?;
        }
        Ok(sum)
    }
}

/// A sum without constant.
fn plain(terms: Vec<(DagId, i128)>) -> LinearForm {
    LinearForm { terms, constant: 0 }
}

/// Terms in any order, of which some may be the same node.
pub(super) fn merged(mut terms: Vec<(DagId, i128)>) -> LinearForm {
    terms.sort_unstable();
    terms.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    terms.retain(|(_, c)| *c != 0);
    plain(terms)
}
