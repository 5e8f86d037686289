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
mod damage;
mod integers;
mod linear;
mod number;
mod pair;
mod part;
mod tests;
mod world;

use bounds::{Care, Choice, Form, Sign, back, enclose, lower};
use ceg4n_base::Exact;
use ceg4n_ir::{Checked, Kernel, Lowered, Program, Property, Region};
use ceg4n_verify::tree::{Closure, Cut, Slopes, Tree, TreeNode};
use ceg4n_verify::verdict::{Evidence, Method};
use chain::Chain;
use number::{Span, float, least};
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
    summary(e)?;
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

/// The counts and the method that evidence names are those of its division.
fn summary(e: &Evidence) -> Result<(), String> {
    if e.method != Method::of(&e.tree) {
        return Err(format!("{} is not the strongest method", e.method));
    }
    let points = e.tree.closures().map(|c| match c {
        Closure::Enumeration(n) => *n,
        Closure::Intervals
        | Closure::Backward
        | Closure::Slopes(_)
        | Closure::Differential
        | Closure::Empty
        | Closure::Solver => 0,
    });
    if e.points != points.sum::<u64>() {
        return Err("the inputs evaluated are not those of the parts".into());
    }
    let solved = e.tree.closures().filter(|c| **c == Closure::Solver).count() as u64;
    match &e.solver {
        None if solved == 0 => Ok(()),
        Some((_, n)) if *n == solved => Ok(()),
        _ => Err("the solver's queries are not those of the parts".into()),
    }
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

/// What a program starts from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Reals,
    /// A kernel's own inputs; real points for a real-valued program.
    Inputs,
}

/// One program keeps a class.
struct Keeps<'a> {
    program: &'a Checked<Program>,
    chain: Chain,
    class: usize,
    view: View,
}

impl<'a> Keeps<'a> {
    fn of(program: &'a Checked<Program>, class: usize, view: View) -> Result<Self, String> {
        let chain = match (view, program.lowered()) {
            (View::Inputs, Lowered::Fixed(k)) => Chain::over_inputs(k),
            (View::Reals | View::Inputs, _) => Chain::over_reals(program),
        };
        if class >= chain.outputs() {
            return Err("a class that is none".into());
        }
        Ok(Self {
            program,
            chain,
            class,
            view,
        })
    }

    fn all(
        &self,
        tree: &Tree,
        root: &Part,
        name: &str,
        confirmed: &mut Confirmed,
    ) -> Result<(), String> {
        walk(tree, root, &[&self.chain], &mut |leaf| {
            self.confirm(leaf).map_err(|e| format!("{name}: {e}"))?;
            note(confirmed, name, leaf.closure);
            Ok(())
        })
    }

    /// The kernel, if it is asked on its own inputs.
    fn kernel(&self) -> Option<&Kernel> {
        match (self.view, self.program.kernel()) {
            (View::Inputs, Some(k)) => Some(k),
            (View::Reals | View::Inputs, _) => None,
        }
    }

    fn others(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.chain.outputs()).filter(|j| *j != self.class)
    }

    fn input(&self, part: &Part) -> Result<Vec<Span>, String> {
        match self.kernel() {
            Some(k) => Ok(in_units(
                &part.inputs(k.input_format)?,
                k.input_format.frac(),
            )),
            None => Ok(part.hull()),
        }
    }

    /// A lower bound of the lead over `j` suffices: strictly over reals; a kernel's outputs are
    /// multiples of a unit, and the lower index wins ties.
    fn suffices(&self, j: usize, lead: &Exact) -> bool {
        match (self.view, &self.chain.unit) {
            (View::Inputs, Some(unit)) if j > self.class => *lead > -unit,
            (View::Reals | View::Inputs, _) => lead.signum() > 0,
        }
    }

    fn confirm(&self, leaf: &LeafOf<'_>) -> Result<(), String> {
        let unconstrained = leaf.signs.iter().all(Vec::is_empty);
        match leaf.closure {
            Closure::Intervals if self.kernel().is_some() && unconstrained => self.intervals(leaf),
            Closure::Backward => self.backward(leaf, None),
            Closure::Slopes(s) => self.backward(leaf, Some(s)),
            Closure::Empty => self.empty(leaf),
            Closure::Enumeration(n) if unconstrained => {
                if self.every(leaf.part)? == *n {
                    Ok(())
                } else {
                    Err(format!("{n} is not the number of the part's points"))
                }
            }
            Closure::Solver if self.kernel().is_some() && unconstrained => {
                self.every(leaf.part).map(|_| ())
            }
            c @ (Closure::Intervals
            | Closure::Enumeration(_)
            | Closure::Solver
            | Closure::Differential) => Err(format!("{c:?} says nothing of such a part")),
        }
    }

    fn intervals(&self, leaf: &LeafOf<'_>) -> Result<(), String> {
        let mut spans = vec![self.input(leaf.part)?];
        // Intervals only: no signs, nothing carried back.
        for i in 1..self.chain.ops.len() {
            spans.push(bounds::image(&self.chain.ops[i], &spans[i - 1]));
        }
        let last = spans.len() - 1;
        for j in self.others() {
            let mut form = Form::margin(self.chain.outputs(), self.class, j);
            let mut at = last;
            let mut lead = least(&form.c, &spans[at], &form.k);
            // Merged through the last affine places.
            while at > 0 && self.chain.ops[at].is_affine() {
                form = back(&self.chain.ops[at], &spans[at - 1], form, None);
                at -= 1;
                lead = lead.max(least(&form.c, &spans[at], &form.k));
            }
            if !self.suffices(j, &lead) {
                return Err(format!(
                    "intervals show a lead of {} over {j}",
                    lead.to_f64()
                ));
            }
        }
        Ok(())
    }

    fn backward(&self, leaf: &LeafOf<'_>, slopes: Option<&Slopes>) -> Result<(), String> {
        let with = |care| self.backward_with(leaf, slopes, care);
        with(Care::Much).or_else(|_| with(Care::Little))
    }

    fn backward_with(
        &self,
        leaf: &LeafOf<'_>,
        slopes: Option<&Slopes>,
        care: Care,
    ) -> Result<(), String> {
        let [signs, _] = leaf.signs;
        let Some(spans) = enclose(&self.chain, &self.input(leaf.part)?, signs, care) else {
            return Ok(());
        };
        let last = self.chain.ops.len() - 1;
        let forms = self.chain.outputs() - 1;
        for (r, j) in self.others().enumerate() {
            let choice = match slopes {
                Some(s) => self.choice(s, r, forms)?,
                None => Choice::default(),
            };
            let form = Form::margin(self.chain.outputs(), self.class, j);
            let lead = lower(&self.chain, &spans, signs, last, form, &choice);
            if !self.suffices(j, &lead) {
                return Err(format!(
                    "backward bounds show a lead of {} over {j}",
                    lead.to_f64()
                ));
            }
        }
        Ok(())
    }

    /// Slopes and multipliers of form `r`.
    fn choice(&self, s: &Slopes, r: usize, forms: usize) -> Result<Choice, String> {
        let rows = |lists: &[Vec<f64>]| {
            if lists.len() != self.chain.ops.len() {
                return Err("as many lists of slopes as places".to_owned());
            }
            let row = |(i, l): (usize, &Vec<f64>)| {
                let n = self.chain.len[i];
                if l.is_empty() {
                    return Ok(Vec::new());
                }
                if !self.chain.is_relu(i) || l.len() != forms * n {
                    return Err("slopes of something else".to_owned());
                }
                l[r * n..(r + 1) * n].iter().map(|v| float(*v)).collect()
            };
            lists.iter().enumerate().map(row).collect()
        };
        Ok(Choice {
            alpha: rows(&s.alpha)?,
            beta: rows(&s.beta)?,
        })
    }

    fn empty(&self, leaf: &LeafOf<'_>) -> Result<(), String> {
        match enclose(
            &self.chain,
            &self.input(leaf.part)?,
            &leaf.signs[0],
            Care::Much,
        ) {
            None => Ok(()),
            Some(_) => Err("a part that is not shown to be empty".into()),
        }
    }

    /// Every point of a part keeps the class; how many there are.
    fn every(&self, part: &Part) -> Result<u64, String> {
        if let Some(k) = self.kernel() {
            let all = part.every_input(k.input_format, POINTS)?;
            for x in &all {
                let y = integers::at(k, x);
                if integers::class(&y) != self.class {
                    return Err(format!("{x:?} leaves the class"));
                }
            }
            return Ok(all.len() as u64);
        }
        let all = part.every_point(POINTS)?;
        for x in &all {
            let y = self.chain.at(x);
            if self.others().any(|j| y[self.class] <= y[j]) {
                return Err(format!("{x:?} leaves the class"));
            }
        }
        Ok(all.len() as u64)
    }
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
        Property::Spec(_) => true,
    }
}
