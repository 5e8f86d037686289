//! Sums of two values that several sums have in common, computed once.
//!
//! A pair is two terms whose coefficients are equal or opposite. The pairs that most sums share go
//! first, as long as enough do; what replaces a pair takes part in further pairs. (Greedy
//! extraction of common subexpressions over the rows of a constant matrix, as in M. Potkonjak,
//! M. Srivastava, A. Chandrakasan, "Multiple constant multiplications", 1996.)

use super::Straight;
use super::sums::merged;
use ceg4n_scalar::{Dag, DagError, DagId, LinearForm, Node};
use std::collections::BTreeMap;

/// Rounds of extraction; each halves the terms of what is shared at best.
const ROUNDS: usize = 8;

/// Up to so many terms values stay in registers, where a pair that is kept costs about what it
/// saves in two sums.
const FEW_TERMS: usize = 64;

/// Pairs that are looked at in a round.
const MOST_PAIRS: usize = 4 << 20;

/// The graph with pairs that several sums share as nodes of their own.
pub(super) fn shared(straight: &Straight) -> Result<Straight, DagError> {
    let mut rows: BTreeMap<DagId, LinearForm> = BTreeMap::new();
    for id in &straight.nodes {
        if let Node::Linear(form) = straight.dag.node(*id)
            && form.terms.len() > 1
        {
            rows.insert(*id, form.clone());
        }
    }
    let terms: usize = rows.values().map(|form| form.terms.len()).sum();
    let mut found = Pairs {
        uses: if terms > FEW_TERMS { 2 } else { 3 },
        first: straight.dag.len(),
        pairs: Vec::new(),
    };
    let mut rows: Vec<(DagId, Vec<Term>)> = rows
        .into_iter()
        .map(|(id, form)| {
            let terms = form.terms.iter();
            (id, terms.map(|(t, c)| (super::number(*t), *c)).collect())
        })
        .collect();
    for _ in 0..ROUNDS {
        if !found.round(&mut rows) {
            break;
        }
    }
    found.apply(straight, rows)
}

/// A value and its coefficient; values from [`Pairs::first`] on are pairs.
type Term = (usize, i128);

/// Two values, and whether the second is subtracted.
type Pair = (usize, usize, bool);

struct Pairs {
    first: usize,
    pairs: Vec<Pair>,
    /// A pair of fewer sums is left alone.
    uses: usize,
}

impl Pairs {
    /// Replaces the pairs that most rows share; false if there were none.
    fn round(&mut self, rows: &mut [(DagId, Vec<Term>)]) -> bool {
        let all: usize = rows.iter().map(|(_, r)| r.len() * r.len()).sum();
        if all > MOST_PAIRS {
            return false;
        }
        let mut counts: BTreeMap<Pair, Vec<usize>> = BTreeMap::new();
        for (at, (_, row)) in rows.iter().enumerate() {
            for (i, (a, c)) in row.iter().enumerate() {
                for (b, d) in &row[i + 1..] {
                    if c.abs() == d.abs() {
                        counts.entry((*a, *b, c != d)).or_default().push(at);
                    }
                }
            }
        }
        let mut frequent: Vec<(Pair, Vec<usize>)> = counts
            .into_iter()
            .filter(|(_, rows)| rows.len() >= self.uses)
            .collect();
        frequent.sort_by_key(|(pair, rows)| (std::cmp::Reverse(rows.len()), *pair));
        let before = self.pairs.len();
        for (pair, at) in frequent {
            let has = |row: &Vec<Term>| {
                let find = |x: usize| row.iter().find(|(t, _)| *t == x).map(|(_, c)| *c);
                let (c, d) = (find(pair.0)?, find(pair.1)?);
                (d == if pair.2 { -c } else { c }).then_some(c)
            };
            let left: Vec<usize> = at
                .into_iter()
                .filter(|r| has(&rows[*r].1).is_some())
                .collect();
            if left.len() < self.uses {
                continue;
            }
            let value = self.first + self.pairs.len();
            self.pairs.push(pair);
            for r in left {
                let row = &mut rows[r].1;
                if let Some(c) = has(row) {
                    row.retain(|(t, _)| *t != pair.0 && *t != pair.1);
                    row.push((value, c));
                }
            }
        }
        self.pairs.len() > before
    }

    /// The graph with the pairs.
    fn apply(
        &self,
        straight: &Straight,
        rows: Vec<(DagId, Vec<Term>)>,
    ) -> Result<Straight, DagError> {
        let rows: BTreeMap<DagId, Vec<Term>> = rows.into_iter().collect();
        straight.mapped(
            |dag, mapping, id| match (rows.get(&id), straight.dag.node(id)) {
                (Some(row), Node::Linear(form)) => {
                    let mut terms = Vec::with_capacity(row.len());
                    for (t, c) in row {
                        terms.push((self.value(dag, mapping, *t)?, *c));
                    }
                    let mut sum = merged(terms);
                    sum.constant = form.constant;
                    dag.sum(sum)
                }
                (_, other) => dag.add(mapping.node(other)?),
            },
        )
    }

    /// The node of a value, which may be a pair of pairs.
    fn value(
        &self,
        dag: &mut Dag,
        mapping: &super::Mapping,
        value: usize,
    ) -> Result<DagId, DagError> {
        let Some(pair) = value.checked_sub(self.first) else {
            return mapping.at(value);
        };
        let (a, b, minus) = self.pairs[pair];
        let (a, b) = (self.value(dag, mapping, a)?, self.value(dag, mapping, b)?);
        dag.sum(merged(vec![(a, 1), (b, if minus { -1 } else { 1 })]))
    }
}
