//! Both programs on one part: the pieces of their relus and clamps are decided one after another,
//! then the ranges of rounded values divided between two multiples of their unit, until linear
//! inequalities show that no violation of the property is left.

use crate::recheck::bounds::{Care, Sign, enclose};
use crate::recheck::chain::{Chain, Op};
use crate::recheck::linear::{Answer, System, solve};
use crate::recheck::number::{Span, mul};
use crate::recheck::world::{Decided, Element, Open, Piece, Rounded, World};
use ceg4n_base::Exact;
use ceg4n_ir::Property;

/// Systems that one violation may cost.
const MOST: usize = 3000;
/// Ranges that one case of a violation may have divided one after another.
const DIVIDED: usize = 4;
/// A value is no multiple of a unit if it is that far (in units) from all of them.
const APART: f64 = 1e-6;

/// The reference.
pub(crate) const REFERENCE: usize = 0;
/// The subject.
pub(crate) const SUBJECT: usize = 1;

/// Reference and subject on a part.
pub(crate) struct Pair<'a> {
    /// Reference, subject.
    pub(crate) chains: [&'a Chain; 2],
    /// A closed box around the part.
    pub(crate) hull: Vec<Span>,
    /// The exact range of each program's rounded inputs, in real units, where it rounds them.
    pub(crate) rounded: [Option<Vec<Span>>; 2],
    /// Signs of each program's relu operands.
    pub(crate) signs: [Vec<Sign>; 2],
}

impl Pair<'_> {
    /// The property holds on the part.
    pub(crate) fn holds(&self, property: &Property) -> Result<(), String> {
        let Some(known) = self.known() else {
            return Ok(());
        };
        for violation in self.violations(property)? {
            let mut left = MOST;
            self.never(&known, &violation, &self.start(), &mut left)?;
        }
        Ok(())
    }

    /// No point satisfies the signs.
    pub(crate) fn is_empty(&self) -> Result<(), String> {
        let Some(known) = self.known() else {
            return Ok(());
        };
        let mut left = MOST;
        self.never(&known, &Violation::default(), &self.start(), &mut left)
    }

    fn known(&self) -> Option<[Vec<Vec<Span>>; 2]> {
        let side = |s: usize| {
            let chain = self.chains[s];
            let mut all = enclose(chain, &self.hull, &self.signs[s], Care::Much)?;
            if let Some(exact) = &self.rounded[s] {
                // Starting from the exact range of the rounded inputs.
                let rest = enclose_from(chain, exact, &self.signs[s], all.clone())?;
                for (a, b) in all.iter_mut().zip(rest) {
                    for (a, b) in a.iter_mut().zip(b) {
                        *a = a.meet(&b);
                    }
                }
            }
            let empty = all.iter().flatten().any(Span::is_empty);
            (!empty).then_some(all)
        };
        Some([side(REFERENCE)?, side(SUBJECT)?])
    }

    fn start(&self) -> Decided {
        let of = |side: usize| {
            let piece = |s: &Sign| {
                if s.active {
                    Piece::Inside
                } else {
                    Piece::Below
                }
            };
            let signs = self.signs[side].iter();
            signs.map(move |s| ((side, s.node, s.element), piece(s)))
        };
        Decided {
            pieces: of(REFERENCE).chain(of(SUBJECT)).collect(),
            ..Decided::default()
        }
    }

    /// No point of the part violates, under decided pieces.
    fn never(
        &self,
        known: &[Vec<Vec<Span>>; 2],
        violation: &Violation,
        decided: &Decided,
        left: &mut usize,
    ) -> Result<(), String> {
        *left = left.checked_sub(1).ok_or("too many pieces to look at")?;
        let mut world = World {
            vars: self.hull.clone(),
            ..World::default()
        };
        let mut outputs = Vec::new();
        for side in [REFERENCE, SUBJECT] {
            match world.run(self.chains[side], side, decided, &known[side]) {
                Some(out) => outputs.push(out),
                None => return Ok(()),
            }
        }
        let mut system = violation.system(&outputs[REFERENCE], &outputs[SUBJECT]);
        system.weak.append(&mut world.weak);
        let point = match solve(&world.vars, &system, world.open.is_empty()) {
            Answer::None => return Ok(()),
            Answer::Perhaps(point) => point,
        };
        let parts = by_piece(&world, &point, decided)
            .or_else(|| by_range(&world, &point, decided))
            .ok_or_else(|| format!("{violation:?} was not excluded"))?;
        for part in &parts {
            self.never(known, violation, part, left)?;
        }
        Ok(())
    }

    /// All ways to violate the property.
    fn violations(&self, property: &Property) -> Result<Vec<Violation>, String> {
        let n = self.chains[REFERENCE].outputs();
        let unit = self.chains[SUBJECT].unit.clone();
        let others = |c: usize| (0..n).filter(move |j| *j != c);
        // The subject answers k.
        let answers = |k: usize| Violation {
            precedes: others(k).map(|j| (k, j)).collect(),
            unit: unit.clone(),
            ..Violation::default()
        };
        let mut all = Vec::new();
        match property {
            Property::Top1 => {
                for k in 0..n {
                    for c in others(k) {
                        let mut v = answers(k);
                        v.wins = Some(c);
                        all.push(v);
                    }
                }
            }
            Property::Top1Margin(m) => {
                if m.signum() < 0 {
                    return Err("no answer meets a negative margin".into());
                }
                for k in 0..n {
                    for j in others(k) {
                        let mut v = answers(k);
                        v.exceeds = Some((j, k, m.clone()));
                        all.push(v);
                    }
                }
            }
            Property::TopK(first) => {
                for c in 0..n {
                    for set in subsets(&others(c).collect::<Vec<_>>(), *first as usize) {
                        all.push(Violation {
                            precedes: set.into_iter().map(|i| (i, c)).collect(),
                            unit: unit.clone(),
                            wins: Some(c),
                            ..Violation::default()
                        });
                    }
                }
            }
            Property::Eps(e) => {
                for j in 0..n {
                    for sign in [1, -1] {
                        all.push(Violation {
                            apart: Some((j, sign, e.clone())),
                            ..Violation::default()
                        });
                    }
                }
            }
            Property::Spec(_) | Property::Joint(_) => {
                return Err("specifications are not re-checked".into());
            }
        }
        Ok(all)
    }
}

/// The pieces of the relu or clamp whose result at `point` is farthest from the operator's;
/// `None` if all are decided.
fn by_piece(world: &World, point: &[f64], decided: &Decided) -> Option<Vec<Decided>> {
    let gap = |o: &Open| {
        let z = o.z.at(point).max(o.lo.to_f64());
        let most = o.hi.as_ref().map_or(f64::INFINITY, Exact::to_f64);
        let scale = world.vars[o.y].hi.to_f64() - world.vars[o.y].lo.to_f64();
        (point[o.y] - z.min(most)).abs() / scale.max(f64::MIN_POSITIVE)
    };
    let by_gap = |a: &&Open, b: &&Open| gap(a).total_cmp(&gap(b)).then(b.key.cmp(&a.key));
    let widest = world.open.iter().max_by(by_gap)?;
    let with = |piece: &Piece| {
        let mut decided = decided.clone();
        decided.pieces.insert(widest.key, *piece);
        decided
    };
    Some(widest.pieces.iter().map(with).collect())
}

/// Both sides of the rounded value that is at `point` farthest from a multiple of its unit, cut
/// between the two next to it; `None` if all are multiples, or enough are divided.
fn by_range(world: &World, point: &[f64], decided: &Decided) -> Option<Vec<Decided>> {
    let scaled = |r: &Rounded| point[r.var] * 2f64.powi(r.frac);
    let apart = |r: &Rounded| (scaled(r) - scaled(r).round()).abs();
    let by_gap = |a: &&Rounded, b: &&Rounded| apart(a).total_cmp(&apart(b)).then(b.key.cmp(&a.key));
    let farthest = world.rounded.iter().max_by(by_gap)?;
    if apart(farthest) < APART || decided.ranges.len() >= DIVIDED {
        return None;
    }
    let unit = Exact::dyadic(1, -i64::from(farthest.frac));
    let at = mul(&Exact::from_f64(scaled(farthest).floor())?, &unit);
    let all = &world.vars[farthest.var];
    let sides = [
        Span::new(all.lo.clone(), at.clone()),
        Span::new(&at + &unit, all.hi.clone()),
    ];
    let with = |side: Span| {
        let mut decided = decided.clone();
        decided.ranges.insert(farthest.key, side);
        decided
    };
    Some(sides.into_iter().map(with).collect())
}

/// Continues from the rounded inputs; places before them keep their enclosures.
fn enclose_from(
    chain: &Chain,
    exact: &[Span],
    signs: &[Sign],
    before: Vec<Vec<Span>>,
) -> Option<Vec<Vec<Span>>> {
    // Input, rounding, clamp: the chain behind them starts at the clamp's result.
    let mut rest = chain.clone();
    rest.ops.drain(..2);
    rest.len.drain(..2);
    rest.frac.drain(..2);
    rest.ops[0] = Op::Input;
    let shifted = signs.iter().map(|s| Sign {
        node: s.node - 2,
        ..*s
    });
    let behind = enclose(&rest, exact, &shifted.collect::<Vec<_>>(), Care::Much)?;
    Some(before.into_iter().take(2).chain(behind).collect())
}

/// All subsets of a size.
fn subsets(of: &[usize], size: usize) -> Vec<Vec<usize>> {
    match (size, of.split_first()) {
        (0, _) => vec![Vec::new()],
        (_, None) => Vec::new(),
        (_, Some((first, rest))) => {
            let mut all = subsets(rest, size - 1);
            all.iter_mut().for_each(|s| s.push(*first));
            all.extend(subsets(rest, size));
            all
        }
    }
}

/// What must happen at once.
#[derive(Clone, Debug, Default)]
struct Violation {
    /// The subject ranks the first before the second.
    precedes: Vec<(usize, usize)>,
    /// The subject's outputs are multiples of it.
    unit: Option<Exact>,
    /// This output of the reference exceeds all others.
    wins: Option<usize>,
    /// The first exceeds the second by more than that, in the reference.
    exceeds: Option<(usize, usize, Exact)>,
    /// `sign·(K_j - N_j)` exceeds that.
    apart: Option<(usize, i64, Exact)>,
}

impl Violation {
    fn system(&self, n: &[Element], k: &[Element]) -> System {
        let mut system = System::default();
        for (i, j) in &self.precedes {
            let lead = k[*i].lin.minus(&k[*j].lin);
            match &self.unit {
                _ if i < j => system.weak.push(lead),
                Some(unit) => system.weak.push(lead.plus(&-unit)),
                None => system.strict.push(lead),
            }
        }
        if let Some(c) = self.wins {
            let others = (0..n.len()).filter(|j| *j != c);
            system
                .strict
                .extend(others.map(|j| n[c].lin.minus(&n[j].lin)));
        }
        if let Some((j, k, m)) = &self.exceeds {
            system.strict.push(n[*j].lin.minus(&n[*k].lin).plus(&-m));
        }
        if let Some((j, sign, e)) = &self.apart {
            let d = k[*j].lin.minus(&n[*j].lin).times(&Exact::from(*sign));
            system.strict.push(d.plus(&-e));
        }
        system
    }
}

/// Mantissa ranges in real units.
pub(crate) fn in_units(ranges: &[(i64, i64)], frac: i32) -> Vec<Span> {
    let unit = Exact::dyadic(1, -i64::from(frac));
    let at = |m: i64| mul(&Exact::from(m), &unit);
    ranges
        .iter()
        .map(|(l, h)| Span::new(at(*l), at(*h)))
        .collect()
}
