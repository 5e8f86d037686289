//! A slow second opinion on evidence: every step of a proof again, over rationals.
//!
//! Shares no code with the tiers that found the proof, only the data types of evidence and the
//! checked programs. [`recheck`] accepts evidence only if the hashes are those of the programs
//! and the region, the division is a tree of cuts whose parts cover the region, and each part's
//! closure is confirmed by its own method: integer intervals, backward bounds (with the stored
//! slopes and multipliers), evaluation of every point, and for bounds of both programs linear
//! inequalities piece by piece.

mod bounds;
mod cases;
mod chain;
mod class;
mod damage;
mod integers;
mod linear;
mod number;
mod pair;
mod part;
mod tests;
mod world;

use bounds::Sign;
use ceg4n_base::Exact;
use ceg4n_ir::{Checked, Program, Property, Region};
use ceg4n_verify::tree::{Closure, Cut, Tree, TreeNode};
use ceg4n_verify::verdict::{Evidence, Method};
use chain::Chain;
use class::{Keeps, View};
use number::Span;
use pair::{Pair, REFERENCE, SUBJECT, in_units};
use part::Part;
use std::collections::BTreeMap;

/// Points that one part may have.
const POINTS: usize = 1 << 15;

/// How many parts were confirmed, by question (`label`, `class` of the subject, `pair`) and
/// closure.
pub(crate) type Confirmed = BTreeMap<String, u64>;

/// Confirms evidence about `subject` against `reference` on `region`.
///
/// # Errors
/// What could not be confirmed.
pub(crate) fn recheck(
    e: &Evidence,
    reference: &Checked<Program>,
    subject: &Checked<Program>,
    region: &Region,
) -> Result<Confirmed, String> {
    let same = [
        (e.program == subject.hash(), "subject"),
        (e.reference == reference.hash(), "reference"),
        (e.region == region.hash(), "region"),
    ];
    if let Some((_, what)) = same.iter().find(|s| !s.0) {
        return Err(format!("evidence about another {what}"));
    }
    for program in [reference, subject] {
        if let Some(kernel) = program.kernel() {
            integers::ranges_hold(kernel)?;
        }
    }
    if e.method != Method::of(&e.tree) {
        return Err(format!("{} is not the strongest method", e.method));
    }
    let root = Part::root(region, e.domain)?;
    let chains = [Chain::over_reals(reference), Chain::over_reals(subject)];
    let [r, s] = &chains;
    if r.outputs() != s.outputs() || r.len[0] != s.len[0] || r.len[0] != root.axes.len() {
        return Err("programs and region do not go together".into());
    }
    let mut confirmed = Confirmed::new();
    match &e.robust {
        Some(robust) => {
            match &e.property {
                Property::Top1 => {}
                Property::Top1Margin(m) if m.signum() >= 0 => {}
                p => return Err(format!("keeping a class does not show {p}")),
            }
            let label = Keeps::of(reference, robust.class, View::Reals)?;
            label.all(&robust.tree, &root, "label", &mut confirmed)?;
            let keeps = Keeps::of(subject, robust.class, View::Inputs)?;
            keeps.all(&e.tree, &root, "class", &mut confirmed)?;
        }
        None => {
            let question = Question {
                reference,
                subject,
                property: &e.property,
                chains: &chains,
            };
            walk(&e.tree, &root, &[r, s], &mut |leaf| {
                question
                    .confirm(leaf)
                    .map_err(|m| format!("{m} on {:?}", leaf.part))?;
                note(&mut confirmed, "pair", leaf.closure);
                Ok(())
            })?;
        }
    }
    Ok(confirmed)
}

fn note(confirmed: &mut Confirmed, of: &str, closure: &Closure) {
    let name = match closure {
        Closure::Intervals => "intervals",
        Closure::Backward => "backward",
        Closure::Slopes(s) => {
            let used = s.beta.iter().flatten().any(|b| *b > 0.0);
            if used {
                "slopes with multipliers"
            } else {
                "slopes"
            }
        }
        Closure::Differential => "differential",
        Closure::Empty => "empty",
        Closure::Enumeration(_) => "enumeration",
        Closure::Solver => "solver",
    };
    *confirmed.entry(format!("{of} {name}")).or_default() += 1;
}

/// A part with its constraints and how it was closed.
struct LeafOf<'a> {
    part: &'a Part,
    /// Of the reference (or the one program), of the subject.
    signs: &'a [Vec<Sign>; 2],
    closure: &'a Closure,
}

/// Visits every leaf; each node of the tree belongs to exactly one part.
fn walk(
    tree: &Tree,
    root: &Part,
    chains: &[&Chain],
    visit: &mut dyn FnMut(&LeafOf<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let mut seen = vec![false; tree.nodes.len()];
    let mut open = vec![(0usize, root.clone(), [Vec::new(), Vec::new()])];
    while let Some((at, part, signs)) = open.pop() {
        let node = tree.nodes.get(at).ok_or("a part that is nowhere")?;
        if std::mem::replace(&mut seen[at], true) {
            return Err("one node for two parts".into());
        }
        match node {
            TreeNode::Open => return Err("a part that was not decided".into()),
            TreeNode::Closed(closure) => visit(&LeafOf {
                part: &part,
                signs: &signs,
                closure,
            })?,
            TreeNode::Divided(cut, a, b) => match cut {
                Cut::Real { .. } | Cut::Grid { .. } => {
                    for (at, part) in [*a, *b].into_iter().zip(part.cut(cut)?) {
                        open.push((at, part, signs.clone()));
                    }
                }
                Cut::Relu {
                    of_subject,
                    node,
                    element,
                } => {
                    let side = usize::from(*of_subject);
                    let chain = chains.get(side).ok_or("a sign of no program")?;
                    if !chain.is_relu(*node) || *element >= chain.len[*node] {
                        return Err("a sign of something else".into());
                    }
                    for (at, active) in [(*a, true), (*b, false)] {
                        let mut signs = signs.clone();
                        signs[side].push(Sign {
                            node: *node,
                            element: *element,
                            active,
                        });
                        open.push((at, part.clone(), signs));
                    }
                }
            },
        }
    }
    if seen.contains(&false) {
        return Err("a node that belongs to no part".into());
    }
    Ok(())
}

/// Both programs and what must hold.
struct Question<'a> {
    reference: &'a Checked<Program>,
    subject: &'a Checked<Program>,
    property: &'a Property,
    chains: &'a [Chain; 2],
}

impl Question<'_> {
    fn confirm(&self, leaf: &LeafOf<'_>) -> Result<(), String> {
        let unconstrained = leaf.signs.iter().all(Vec::is_empty);
        match leaf.closure {
            Closure::Differential => self.pair(leaf)?.holds(self.property),
            Closure::Empty => self.pair(leaf)?.is_empty(),
            Closure::Enumeration(n) => {
                // A single point needs no sign.
                if self.every(leaf.part)? == *n {
                    Ok(())
                } else {
                    Err(format!("{n} is not the number of the part's points"))
                }
            }
            Closure::Solver if unconstrained => self.every(leaf.part).map(|_| ()),
            c @ (Closure::Intervals | Closure::Backward | Closure::Slopes(_) | Closure::Solver) => {
                Err(format!("{c:?} says nothing of two programs"))
            }
        }
    }

    fn pair(&self, leaf: &LeafOf<'_>) -> Result<Pair<'_>, String> {
        let rounded = |p: &Checked<Program>| -> Result<Option<Vec<Span>>, String> {
            p.kernel()
                .map(|k| {
                    let ranges = leaf.part.inputs(k.input_format)?;
                    Ok(in_units(&ranges, k.input_format.frac()))
                })
                .transpose()
        };
        Ok(Pair {
            chains: [&self.chains[REFERENCE], &self.chains[SUBJECT]],
            hull: leaf.part.hull(),
            rounded: [rounded(self.reference)?, rounded(self.subject)?],
            signs: leaf.signs.clone(),
        })
    }

    fn every(&self, part: &Part) -> Result<u64, String> {
        let all = part.every_point(POINTS)?;
        for x in &all {
            let [n, k] = [REFERENCE, SUBJECT].map(|s| self.chains[s].at(x));
            if is_broken(self.property, &n, &k) {
                return Err(format!("{x:?} breaks it"));
            }
        }
        Ok(all.len() as u64)
    }
}

/// Do these outputs break the property?
fn is_broken(property: &Property, n: &[Exact], k: &[Exact]) -> bool {
    let answer = (1..k.len()).fold(0, |b, i| if k[i] > k[b] { i } else { b });
    let winner = (0..n.len()).find(|c| (0..n.len()).all(|j| j == *c || n[*c] > n[j]));
    match property {
        Property::Top1 => winner.is_some_and(|c| c != answer),
        Property::Top1Margin(m) => n.iter().any(|v| &n[answer] + m < *v),
        Property::TopK(first) => winner.is_some_and(|c| {
            let before = |i: &usize| k[*i] > k[c] || (k[*i] == k[c] && *i < c);
            (0..k.len()).filter(before).count() >= *first as usize
        }),
        Property::Eps(e) => n.iter().zip(k).any(|(n, k)| {
            let d = k - n;
            d > *e || -&d > *e
        }),
        Property::Spec(_) | Property::Joint(_) => true,
    }
}
