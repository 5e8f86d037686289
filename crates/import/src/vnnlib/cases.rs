//! From a formula to disjunctive normal form, and from that to input boxes with output cases.

use super::linear::Demand;
use ceg4n_base::{ContentHash, Diagnostic, Exact, Hasher, Span, codes};
use ceg4n_ir::OutputConstraint;
use std::collections::BTreeMap;

/// More cases than this are refused.
pub(crate) const MAX_CASES: usize = 4096;
/// More demands than this, counted over all cases, are refused.
const MAX_DEMANDS: usize = 10_000_000;
/// More bounds than this, counted over all boxes, are refused.
const MAX_BOUNDS: usize = 4_000_000;

/// A demand by its place in a list.
pub(crate) type DemandId = u32;

/// What an assertion says.
#[derive(Debug)]
pub(crate) enum Formula {
    One(DemandId),
    All(Vec<Formula>),
    Any(Vec<Formula>),
}

/// A conjunction.
type Case = Vec<DemandId>;

/// Multiplied out, the query has too many cases.
#[derive(Debug)]
pub(crate) struct TooMany;

/// The cases of a formula. Recurses as deep as parentheses nest, which is limited.
fn cases(f: &Formula) -> Result<Vec<Case>, TooMany> {
    match f {
        Formula::One(d) => Ok(vec![vec![*d]]),
        Formula::Any(list) => {
            let mut out = Vec::new();
            for f in list {
                out.extend(cases(f)?);
                limit(&out)?;
            }
            Ok(out)
        }
        Formula::All(list) => list
            .iter()
            .try_fold(vec![Vec::new()], |so_far, f| product(so_far, cases(f)?)),
    }
}

/// Every case of the one with every case of the other.
fn product(mut left: Vec<Case>, right: Vec<Case>) -> Result<Vec<Case>, TooMany> {
    if let [only] = &right[..] {
        for case in &mut left {
            case.extend(only);
        }
        return limit(&left).map(|()| left);
    }
    if left.len().saturating_mul(right.len()) > MAX_CASES {
        return Err(TooMany);
    }
    let total = |list: &[Case]| list.iter().map(Vec::len).sum::<usize>();
    let demands = total(&left) * right.len() + total(&right) * left.len();
    if demands > MAX_DEMANDS {
        return Err(TooMany);
    }
    let both = |l: &Case, r: &Case| l.iter().chain(r).copied().collect();
    Ok(left
        .iter()
        .flat_map(|l| right.iter().map(move |r| both(l, r)))
        .collect())
}

fn limit(list: &[Case]) -> Result<(), TooMany> {
    let demands: usize = list.iter().map(Vec::len).sum();
    if list.len() > MAX_CASES || demands > MAX_DEMANDS {
        return Err(TooMany);
    }
    Ok(())
}

/// Assertions, joined one by one. What holds in every case is kept once: files state thousands
/// of bounds so.
#[derive(Debug)]
pub(crate) struct Assertions {
    common: Case,
    cases: Vec<Case>,
}

impl Default for Assertions {
    fn default() -> Self {
        Self {
            common: Case::new(),
            cases: vec![Case::new()],
        }
    }
}

impl Assertions {
    pub(crate) fn add(&mut self, f: &Formula) -> Result<(), TooMany> {
        let mut more = cases(f)?;
        if more.len() == 1 {
            self.common.extend(more.pop().into_iter().flatten());
        } else {
            self.cases = product(std::mem::take(&mut self.cases), more)?;
        }
        Ok(())
    }
}

/// A box of inputs and what must not happen in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Lower bounds, where there are any.
    pub(crate) lower: Vec<Option<Exact>>,
    /// Upper bounds.
    pub(crate) upper: Vec<Option<Exact>>,
    /// In disjunctive normal form.
    pub(crate) cases: Vec<Vec<OutputConstraint>>,
}

impl Part {
    fn unbounded(inputs: usize) -> Self {
        Self {
            lower: vec![None; inputs],
            upper: vec![None; inputs],
            cases: Vec::new(),
        }
    }

    fn tighten(&mut self, demand: &Demand) {
        match demand {
            Demand::AtLeast(i, bound) => {
                let old = self.lower[*i].take();
                self.lower[*i] = Some(old.map_or_else(|| bound.clone(), |o| o.max(bound.clone())));
            }
            Demand::AtMost(i, bound) => {
                let old = self.upper[*i].take();
                self.upper[*i] = Some(old.map_or_else(|| bound.clone(), |o| o.min(bound.clone())));
            }
            Demand::Constant(_) | Demand::Output(_) => {}
        }
    }

    /// The first input without a point between its bounds.
    fn empty_at(&self) -> Option<usize> {
        let bounds = self.lower.iter().zip(&self.upper);
        bounds
            .into_iter()
            .position(|(l, u)| matches!((l, u), (Some(l), Some(u)) if l > u))
    }

    fn box_hash(&self) -> ContentHash {
        let mut h = Hasher::new("vnnlib-box");
        for v in self.lower.iter().chain(&self.upper) {
            match v {
                Some(v) => h.str(&v.to_string()),
                None => h.str(""),
            };
        }
        h.finish()
    }
}

/// Sorts cases by their boxes, in the order of the file. Cases that no point can satisfy drop
/// out.
pub(crate) fn parts(
    assertions: &Assertions,
    demands: &[(Demand, Span)],
    inputs: usize,
) -> Result<Vec<Part>, Diagnostic> {
    let get = |d: &DemandId| &demands[*d as usize].0;
    let is_input = |d: &DemandId| matches!(get(d), Demand::AtLeast(..) | Demand::AtMost(..));
    let mut common = Part::unbounded(inputs);
    assertions
        .common
        .iter()
        .for_each(|d| common.tighten(get(d)));
    let mut found = Parts::default();
    // Places of boxes by the input demands that make them: `None` for a box without a point.
    let mut known: BTreeMap<Case, Option<usize>> = BTreeMap::new();
    for case in &assertions.cases {
        let (on_inputs, rest): (Case, Case) = case.iter().partition(|d| is_input(d));
        let on_outputs = rest.iter().chain(&assertions.common);
        let Some(constraints) = constraints(on_outputs.map(get)) else {
            continue;
        };
        let place = match known.get(&on_inputs) {
            Some(place) => *place,
            None => {
                if known.len().saturating_mul(inputs) > MAX_BOUNDS {
                    let message = "the query has too many input boxes";
                    return Err(Diagnostic::error(codes::QUERY, message));
                }
                let mut part = common.clone();
                on_inputs.iter().for_each(|d| part.tighten(get(d)));
                let all = on_inputs.iter().chain(&assertions.common);
                let place = found.place(part, all, demands);
                known.insert(on_inputs, place);
                place
            }
        };
        if let Some(place) = place {
            found.list[place].cases.push(constraints);
        }
    }
    match found.empty {
        Some(d) if found.list.is_empty() => Err(d),
        _ => Ok(found.list),
    }
}

/// The constraints of a case; `None` if one is never true.
fn constraints<'d>(demands: impl Iterator<Item = &'d Demand>) -> Option<Vec<OutputConstraint>> {
    let mut out = Vec::new();
    for d in demands {
        match d {
            Demand::Constant(false) => return None,
            Demand::Constant(true) | Demand::AtLeast(..) | Demand::AtMost(..) => {}
            Demand::Output(c) => out.push(c.clone()),
        }
    }
    Some(out)
}

#[derive(Default)]
struct Parts {
    list: Vec<Part>,
    by_box: BTreeMap<ContentHash, usize>,
    /// What is wrong with the first box without a point.
    empty: Option<Diagnostic>,
}

impl Parts {
    /// The place of a box in the list; `None` for one without a point.
    fn place<'d>(
        &mut self,
        part: Part,
        made_by: impl Iterator<Item = &'d DemandId>,
        demands: &[(Demand, Span)],
    ) -> Option<usize> {
        if let Some(i) = part.empty_at() {
            self.empty
                .get_or_insert_with(|| empty(&part, i, made_by, demands));
            return None;
        }
        let list = &mut self.list;
        Some(*self.by_box.entry(part.box_hash()).or_insert_with(|| {
            list.push(part);
            list.len() - 1
        }))
    }
}

fn empty<'d>(
    part: &Part,
    i: usize,
    made_by: impl Iterator<Item = &'d DemandId>,
    demands: &[(Demand, Span)],
) -> Diagnostic {
    let (mut lower, mut upper) = (None, None);
    for (demand, span) in made_by.filter_map(|d| demands.get(*d as usize)) {
        match demand {
            Demand::AtLeast(j, v) if *j == i && Some(v) == part.lower[i].as_ref() => {
                lower = Some((v, *span));
            }
            Demand::AtMost(j, v) if *j == i && Some(v) == part.upper[i].as_ref() => {
                upper = Some((v, *span));
            }
            _ => {}
        }
    }
    let show = |b: Option<(&Exact, Span)>| b.map_or_else(String::new, |(v, _)| format!(" {v}"));
    let message = format!(
        "the box is empty: lower bound{} above upper bound{} at X_{i}",
        show(lower),
        show(upper)
    );
    Diagnostic::error(codes::REGION, message)
        .at(lower.map(|(_, s)| s), "this lower bound")
        .related(upper.map(|(_, s)| s), "this upper bound")
}
