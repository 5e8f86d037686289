//! One program after the other as linear inequalities over the inputs, the rounded values and
//! the results of relus and clamps whose piece is open. What is relaxed is only rounding: a
//! rounded value is any number within the error and the image of its operand's interval. That it
//! is a multiple of a unit counts where its range is divided.

use crate::recheck::chain::{Chain, Op, Step};
use crate::recheck::linear::Lin;
use crate::recheck::number::Span;
use ceg4n_base::Exact;
use std::collections::BTreeMap;

/// A piece of `clamp(z, lo, hi)`; a relu has no `hi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Below,
    Inside,
    Above,
}

/// A relu, clamp or rounding: side, place, element.
pub(crate) type Key = (usize, usize, usize);

/// What is decided.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decided {
    /// Pieces of relus and clamps.
    pub(crate) pieces: BTreeMap<Key, Piece>,
    /// Ranges of rounded values; their ends are multiples of the unit.
    pub(crate) ranges: BTreeMap<Key, Span>,
}

/// One element: what it is, and an enclosure.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub(crate) lin: Lin,
    pub(crate) span: Span,
}

/// An open piece, and how its result is related to its operand.
pub(crate) struct Open {
    pub(crate) key: Key,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) z: Lin,
    pub(crate) y: usize,
    pub(crate) lo: Exact,
    pub(crate) hi: Option<Exact>,
}

/// A rounded value that is not known.
pub(crate) struct Rounded {
    pub(crate) key: Key,
    pub(crate) var: usize,
    /// It is a multiple of `2^-frac`.
    pub(crate) frac: i32,
}

/// Variables and inequalities so far.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) vars: Vec<Span>,
    pub(crate) weak: Vec<Lin>,
    pub(crate) open: Vec<Open>,
    pub(crate) rounded: Vec<Rounded>,
}

impl World {
    fn variable(&mut self, span: Span) -> Lin {
        self.vars.push(span);
        Lin::variable(self.vars.len() - 1)
    }

    /// Carries the inputs through a program; `None` if the decided pieces leave nothing.
    pub(crate) fn run(
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
                    let round = |(j, (x, s)): (usize, (Element, &Step))| {
                        let image = image(s, &x.span, chain, known, (i, j));
                        let key = (side, i, j);
                        self.round(x, s, image, (key, decided.ranges.get(&key)))
                    };
                    let pairs = v.into_iter().zip(steps).enumerate();
                    pairs.map(round).collect::<Option<_>>()?
                }
                Op::Relu => self.pieces(v, (side, i), decided, (&Exact::zero(), None))?,
                Op::Clamp { lo, hi } => self.pieces(v, (side, i), decided, (lo, Some(hi)))?,
            };
            for (x, k) in out.iter_mut().zip(&known[i]) {
                self.confine(x, k)?;
            }
            v = out;
        }
        Some(v)
    }

    fn element(&self, lin: Lin) -> Element {
        let span = lin.span(&self.vars).short();
        Element { lin, span }
    }

    /// What is known of an element besides; `None` if it contradicts.
    fn confine(&mut self, x: &mut Element, known: &Span) -> Option<()> {
        x.span = x.span.meet(known);
        if x.span.is_empty() {
            return None;
        }
        if x.span.is_point() {
            x.lin = Lin::constant(x.span.lo.clone());
            return Some(());
        }
        if let Some(i) = x.lin.is_variable() {
            self.vars[i] = self.vars[i].meet(&x.span);
            return (!self.vars[i].is_empty()).then_some(());
        }
        let range = x.lin.span(&self.vars);
        if x.span.lo > range.lo {
            self.weak.push(x.lin.plus(&-&x.span.lo));
        }
        if x.span.hi < range.hi {
            self.weak
                .push(x.lin.times(&Exact::from(-1)).plus(&x.span.hi));
        }
        Some(())
    }

    fn round(
        &mut self,
        x: Element,
        step: &Step,
        image: Span,
        (key, range): (Key, Option<&Span>),
    ) -> Option<Element> {
        if step.is_exact() {
            return Some(x);
        }
        let within = range.map_or(image.clone(), |r| image.meet(r));
        if within.is_empty() {
            return None;
        }
        let r = if within.is_point() {
            Lin::constant(within.lo.clone())
        } else {
            self.variable(within.clone())
        };
        // Where the operand's image is one value, nothing is known of the operand besides.
        if !image.is_point() {
            let error = r.minus(&x.lin);
            self.weak.push(error.plus(&-&step.error.lo));
            self.weak
                .push(error.times(&Exact::from(-1)).plus(&step.error.hi));
        }
        if let Some(var) = r.is_variable() {
            let frac = step.frac;
            self.rounded.push(Rounded { key, var, frac });
        }
        Some(Element {
            lin: r,
            span: within,
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
            match decided.pieces.get(&key) {
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

/// The values that element `j` of place `i` is rounded to.
fn image(
    step: &Step,
    x: &Span,
    chain: &Chain,
    known: &[Vec<Span>],
    (i, j): (usize, usize),
) -> Span {
    let image = step.image(x).meet(&known[i][j]);
    match chain.ops.get(i + 1) {
        // Behind a clamp that leaves them alone they are known.
        Some(Op::Clamp { lo, hi }) if image.lo >= *lo && image.hi <= *hi => {
            image.meet(&known[i + 1][j])
        }
        _ => image,
    }
}
