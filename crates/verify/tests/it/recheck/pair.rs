//! Both programs on one part, as linear inequalities over the inputs, the rounded values and the
//! results of relus and clamps whose piece is open; pieces are decided one after another until
//! no violation of the property is left. What is relaxed is only rounding: a rounded value is any
//! number within the error and the image of its operand's interval.

use crate::recheck::bounds::{Sign, enclose};
use crate::recheck::chain::{Chain, Op, Step};
use crate::recheck::linear::{Answer, Lin, System, solve};
use crate::recheck::number::{Span, mul};
use ceg4n_base::Exact;
use ceg4n_ir::Property;
use std::collections::BTreeMap;

/// Systems that one violation may cost.
const MOST: usize = 3000;

/// The reference.
pub(crate) const REFERENCE: usize = 0;
/// The subject.
pub(crate) const SUBJECT: usize = 1;

/// A piece of `clamp(z, lo, hi)`; a relu has no `hi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Below,
    Inside,
    Above,
}

/// A relu or clamp: side, place, element.
type Key = (usize, usize, usize);

type Decided = BTreeMap<Key, Piece>;

/// One element: what it is, and an enclosure.
#[derive(Clone, Debug)]
struct Element {
    lin: Lin,
    span: Span,
}

/// An open piece, and how its result is related to its operand.
struct Open {
    key: Key,
    pieces: Vec<Piece>,
    z: Lin,
    y: usize,
    lo: Exact,
    hi: Option<Exact>,
}

/// Variables and inequalities so far.
#[derive(Default)]
struct World {
    vars: Vec<Span>,
    weak: Vec<Lin>,
    open: Vec<Open>,
}

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
            let mut all = enclose(chain, &self.hull, &self.signs[s])?;
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
            let piece = |s: &Sign| if s.active { Piece::Inside } else { Piece::Below };
            let signs = self.signs[side].iter();
            signs.map(move |s| ((side, s.node, s.element), piece(s)))
        };
        of(REFERENCE).chain(of(SUBJECT)).collect()
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
        let gap = |o: &Open| {
            let z = o.z.at(&point).max(o.lo.to_f64());
            let most = o.hi.as_ref().map_or(f64::INFINITY, Exact::to_f64);
            let scale = world.vars[o.y].hi.to_f64() - world.vars[o.y].lo.to_f64();
            (point[o.y] - z.min(most)).abs() / scale.max(f64::MIN_POSITIVE)
        };
        let by_gap = |a: &&Open, b: &&Open| gap(a).total_cmp(&gap(b)).then(b.key.cmp(&a.key));
        let Some(widest) = world.open.iter().max_by(by_gap) else {
            return Err(format!("{violation:?} was not excluded"));
        };
        for piece in &widest.pieces {
            let mut decided = decided.clone();
            decided.insert(widest.key, *piece);
            self.never(known, violation, &decided, left)?;
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
            Property::Spec(_) => return Err("specifications are not re-checked".into()),
        }
        Ok(all)
    }
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
    rest.ops[0] = Op::Input;
    let shifted = signs.iter().map(|s| Sign {
        node: s.node - 2,
        ..*s
    });
    let behind = enclose(&rest, exact, &shifted.collect::<Vec<_>>())?;
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
            system.strict.extend(others.map(|j| n[c].lin.minus(&n[j].lin)));
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

impl World {
    fn variable(&mut self, span: Span) -> Lin {
        self.vars.push(span);
        Lin::variable(self.vars.len() - 1)
    }

    /// Carries the inputs through a program; `None` if the decided pieces leave nothing.
    fn run(
        &mut self,
        chain: &Chain,
        side: usize,
        decided: &Decided,
        known: &[Vec<Span>],
    ) -> Option<Vec<Element>> {
        let input = |i: usize| Element {
            lin: Lin::variable(i),
            span: self.vars[i].clone(),
        };
        let mut v: Vec<Element> = (0..chain.len[0]).map(input).collect();
        for (i, op) in chain.ops.iter().enumerate().skip(1) {
            let mut out = match op {
                Op::Input => v,
                Op::Dense { rows, bias } => {
                    let row = |(w, b): (&Vec<Exact>, &Exact)| {
                        let mut lin = Lin::constant(b.clone());
                        for (w, x) in w.iter().zip(&v) {
                            lin.add(&x.lin, w);
                        }
                        self.element(lin)
                    };
                    rows.iter().zip(bias).map(row).collect()
                }
                Op::Scale(by) => {
                    let pairs = v.iter().zip(by);
                    pairs.map(|(x, c)| self.element(x.lin.times(c))).collect()
                }
                Op::Shift(by) => {
                    let pairs = v.iter().zip(by);
                    pairs.map(|(x, c)| self.element(x.lin.plus(c))).collect()
                }
                Op::Round(steps) => {
                    // Behind a clamp that leaves them alone the rounded values are known.
                    let next = match chain.ops.get(i + 1) {
                        Some(Op::Clamp { lo, hi }) => Some((lo, hi, &known[i + 1])),
                        _ => None,
                    };
                    let round = |(j, (x, s)): (usize, (Element, &Step))| {
                        let mut image = s.image(&x.span).meet(&known[i][j]);
                        if let Some((lo, hi, known)) = next
                            && image.lo >= *lo
                            && image.hi <= *hi
                        {
                            image = image.meet(&known[j]);
                        }
                        self.round(x, s, image)
                    };
                    let pairs = v.into_iter().zip(steps).enumerate();
                    pairs.map(round).collect::<Option<_>>()?
                }
                Op::Relu => self.pieces(v, (side, i), decided, (&Exact::zero(), None))?,
                Op::Clamp { lo, hi } => self.pieces(v, (side, i), decided, (lo, Some(hi)))?,
            };
            for (x, k) in out.iter_mut().zip(&known[i]) {
                x.span = x.span.meet(k);
                if x.span.is_empty() {
                    return None;
                }
            }
            v = out;
        }
        Some(v)
    }

    fn element(&self, lin: Lin) -> Element {
        let span = lin.span(&self.vars).short();
        Element { lin, span }
    }

    fn round(&mut self, x: Element, step: &Step, image: Span) -> Option<Element> {
        if step.is_exact() {
            return Some(x);
        }
        if image.is_empty() {
            return None;
        }
        if image.is_point() {
            return Some(Element {
                lin: Lin::constant(image.lo.clone()),
                span: image,
            });
        }
        let r = self.variable(image.clone());
        let error = r.minus(&x.lin);
        self.weak.push(error.plus(&-&step.error.lo));
        self.weak.push(error.times(&Exact::from(-1)).plus(&step.error.hi));
        Some(Element {
            lin: r,
            span: image,
        })
    }

    fn pieces(
        &mut self,
        v: Vec<Element>,
        (side, i): (usize, usize),
        decided: &Decided,
        ends: (&Exact, Option<&Exact>),
    ) -> Option<Vec<Element>> {
        let each = |(j, z)| {
            let key = (side, i, j);
            match decided.get(&key) {
                Some(piece) => self.decided(z, *piece, ends),
                None => Some(self.undecided(z, key, ends)),
            }
        };
        v.into_iter().enumerate().map(each).collect()
    }

    fn decided(
        &mut self,
        z: Element,
        piece: Piece,
        (lo, hi): (&Exact, Option<&Exact>),
    ) -> Option<Element> {
        let fixed = |v: &Exact| Element {
            lin: Lin::constant(v.clone()),
            span: Span::point(v),
        };
        let mut above = |x: &Lin, least: &Exact| self.weak.push(x.plus(&-least));
        let negated = z.lin.times(&Exact::from(-1));
        match piece {
            Piece::Below => {
                above(&negated, &-lo);
                (z.span.lo <= *lo).then(|| fixed(lo))
            }
            Piece::Above => {
                let hi = hi?;
                above(&z.lin, hi);
                (z.span.hi >= *hi).then(|| fixed(hi))
            }
            Piece::Inside => {
                above(&z.lin, lo);
                if let Some(hi) = hi {
                    above(&negated, &-hi);
                }
                let top = hi.map_or(z.span.hi.clone(), |hi| hi.clone().min(z.span.hi.clone()));
                let span = Span::new(z.span.lo.max(lo.clone()), top);
                (!span.is_empty()).then_some(Element { lin: z.lin, span })
            }
        }
    }

    /// The result between convex and concave lines, where more than one piece is possible.
    fn undecided(&mut self, z: Element, key: Key, (lo, hi): (&Exact, Option<&Exact>)) -> Element {
        let fixed = |v: &Exact| Element {
            lin: Lin::constant(v.clone()),
            span: Span::point(v),
        };
        if z.span.hi <= *lo {
            return fixed(lo);
        }
        if let Some(hi) = hi.filter(|hi| z.span.lo >= **hi) {
            return fixed(hi);
        }
        let bends_low = z.span.lo < *lo;
        let bends_high = hi.is_some_and(|hi| z.span.hi > *hi);
        if !bends_low && !bends_high {
            return z;
        }
        let top = hi.map_or(z.span.hi.clone(), |hi| hi.clone().min(z.span.hi.clone()));
        let foot = z.span.lo.clone().max(lo.clone());
        let span = Span::new(foot.clone(), top.clone());
        let y = self.variable(span.clone());
        if bends_low {
            if !bends_high {
                self.weak.push(y.minus(&z.lin));
            }
            // Below the line from (z.lo, lo) to (top, top).
            let (run, rise) = (&top - &z.span.lo, &top - lo);
            let mut row = z.lin.plus(&-&z.span.lo).times(&rise);
            row.add(&y.plus(&-lo), &-&run);
            self.weak.push(row);
        }
        if bends_high {
            if !bends_low {
                self.weak.push(z.lin.minus(&y));
            }
            // Above the line from (foot, foot) to (z.hi, top).
            let (run, rise) = (&z.span.hi - &foot, &top - &foot);
            let mut row = y.plus(&-&top).times(&run);
            row.add(&z.lin.plus(&-&z.span.hi), &-&rise);
            self.weak.push(row);
        }
        let mut pieces = vec![Piece::Inside];
        if bends_low {
            pieces.push(Piece::Below);
        }
        if bends_high {
            pieces.push(Piece::Above);
        }
        self.open.push(Open {
            key,
            pieces,
            z: z.lin,
            y: self.vars.len() - 1,
            lo: lo.clone(),
            hi: hi.cloned(),
        });
        Element { lin: y, span }
    }
}

/// Mantissa ranges in real units.
pub(crate) fn in_units(ranges: &[(i64, i64)], frac: i32) -> Vec<Span> {
    let unit = Exact::dyadic(1, -i64::from(frac));
    let at = |m: i64| mul(&Exact::from(m), &unit);
    ranges.iter().map(|(l, h)| Span::new(at(*l), at(*h))).collect()
}
