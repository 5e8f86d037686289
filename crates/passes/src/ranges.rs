//! What the values of the real function can be at all: intervals over every real input.

use crate::tensors::{is_zero, padded, transposed};
use ceg4n_base::Exact;
use ceg4n_ir::window::Window;
use ceg4n_ir::{Constant, Curve, Network, Op, Unary, ValueId};
use std::collections::BTreeMap;

/// An interval; an end that is `None` is infinite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) lo: Option<Exact>,
    pub(crate) hi: Option<Exact>,
}

impl Range {
    const ALL: Self = Self { lo: None, hi: None };

    fn point(v: Exact) -> Self {
        Self {
            lo: Some(v.clone()),
            hi: Some(v),
        }
    }

    fn between(lo: i64, hi: i64) -> Self {
        Self {
            lo: Some(Exact::from(lo)),
            hi: Some(Exact::from(hi)),
        }
    }

    /// The one value that there is.
    pub(crate) fn constant(&self) -> Option<&Exact> {
        self.lo.as_ref().filter(|_| self.lo == self.hi)
    }

    /// The image under a function that does not fall.
    fn rising(&self, f: impl Fn(&Exact) -> Exact) -> Self {
        Self {
            lo: self.lo.as_ref().map(&f),
            hi: self.hi.as_ref().map(&f),
        }
    }

    fn hull(&self, other: &Self) -> Self {
        let pick = |a: &Option<Exact>, b: &Option<Exact>, less: bool| {
            let (a, b) = (a.as_ref()?, b.as_ref()?);
            Some(if (a < b) == less {
                a.clone()
            } else {
                b.clone()
            })
        };
        Self {
            lo: pick(&self.lo, &other.lo, true),
            hi: pick(&self.hi, &other.hi, false),
        }
    }

    fn plus(&self, other: &Self) -> Self {
        let add = |a: &Option<Exact>, b: &Option<Exact>| Some(a.as_ref()? + b.as_ref()?);
        Self {
            lo: add(&self.lo, &other.lo),
            hi: add(&self.hi, &other.hi),
        }
    }

    fn times(&self, c: &Exact) -> Self {
        let scaled = |a: &Option<Exact>| a.as_ref().map(|a| a * c);
        let (a, b) = (scaled(&self.lo), scaled(&self.hi));
        match c.signum() {
            0 => Self::point(Exact::zero()),
            1 => Self { lo: a, hi: b },
            _ => Self { lo: b, hi: a },
        }
    }
}

/// The ranges of every value that is no constant, element by element. Sound: the real function
/// stays within them for every input; a constant that is only enclosed counts as anything of its
/// sign.
pub(crate) fn real_ranges(net: &Network) -> BTreeMap<ValueId, Vec<Range>> {
    let mut all = BTreeMap::new();
    for v in net.values().keys() {
        if net.constant(v).is_none() {
            let ranges = of(net, v, &all);
            all.insert(v, ranges);
        }
    }
    all
}

fn of(net: &Network, v: ValueId, all: &BTreeMap<ValueId, Vec<Range>>) -> Vec<Range> {
    let value = net.value(v);
    let unknown = || vec![Range::ALL; value.shape.len()];
    // Operands precede users, and none of these is a constant.
    let at = |x: &ValueId| all.get(x).cloned().unwrap_or_default();
    match &value.op {
        Op::Input | Op::Const(_) => unknown(),
        Op::Dense { x, weight, bias } => rows(net, &at(x), *weight, *bias).unwrap_or_else(unknown),
        Op::Conv {
            x, weight, bias, ..
        } => filters(net, v, &at(x), *weight, *bias).unwrap_or_else(unknown),
        Op::MaxPool { x, .. } => match net.pool(v) {
            Some(w) => pooled(&w, &at(x), false),
            None => unknown(),
        },
        Op::AveragePool { x, count_pad, .. } => match net.pool(v) {
            Some(w) => pooled(&w, &at(x), *count_pad),
            None => unknown(),
        },
        Op::Add { x, c } => with(net, v, &at(x), *c, |r, c| r.plus(&Range::point(c.clone()))),
        Op::Sub { x, c } => with(net, v, &at(x), *c, |r, c| r.plus(&Range::point(-c))),
        Op::Mul { x, c } => with(net, v, &at(x), *c, Range::times),
        Op::Div { x, c } => with(net, v, &at(x), *c, |r, c| {
            let inverse = Exact::from(1i64).checked_div(c);
            inverse.map_or(Range::ALL, |i| r.times(&i))
        }),
        Op::Sum { x, y } => at(x).iter().zip(&at(y)).map(|(a, b)| a.plus(b)).collect(),
        Op::Concat { xs, axis } => {
            let outer: usize = value.shape.0[..*axis].iter().product();
            let parts: Vec<Vec<Range>> = xs.iter().map(at).collect();
            let piece = |k: usize, p: &Vec<Range>| {
                let size = p.len() / outer.max(1);
                p[k * size..(k + 1) * size].to_vec()
            };
            (0..outer)
                .flat_map(|k| parts.iter().flat_map(move |p| piece(k, p)))
                .collect()
        }
        Op::Pad {
            x,
            before,
            value: fill,
            ..
        } => {
            let fill = Exact::from_f32(*fill).map_or(Range::ALL, Range::point);
            let (from, x) = (&net.value(*x).shape, at(x));
            let index = padded(from, before, &value.shape).into_iter();
            index
                .map(|i| i.map_or_else(|| fill.clone(), |i| x[i].clone()))
                .collect()
        }
        Op::Transpose { x, perm } => {
            let (from, x) = (&net.value(*x).shape, at(x));
            let index = transposed(from, perm).into_iter();
            index.map(|i| x[i].clone()).collect()
        }
        Op::Relu { x }
        | Op::Clip { x, .. }
        | Op::LeakyRelu { x, .. }
        | Op::Unary { x, .. }
        | Op::Curve { x, .. }
        | Op::Snap { x, .. } => at(x).iter().map(|r| activation(&value.op, r)).collect(),
        Op::Reshape { x } | Op::Flatten { x } | Op::Identity { x } => at(x),
    }
}

/// What an operator makes of each element, by its range.
fn activation(op: &Op, r: &Range) -> Range {
    let zero = Exact::zero();
    match op {
        Op::Relu { .. } => clipped(r, &[Some(zero), None]),
        Op::Clip { lo, hi, .. } => clipped(r, &[lo, hi].map(|e| e.and_then(Exact::from_f32))),
        Op::LeakyRelu { shift, .. } => r.rising(|e| match e.signum() {
            -1 => e.shifted(-i64::from(*shift)),
            _ => e.clone(),
        }),
        Op::Unary { function, .. } => mapped(*function, r),
        Op::Curve { curve, .. } => match curve {
            Curve::Sigmoid => Range::between(0, 1),
            Curve::Tanh => Range::between(-1, 1),
        },
        Op::Snap {
            scale,
            zero_point,
            lo,
            hi,
            ..
        } => {
            let end = |e: &i32| {
                let steps = Exact::from(i64::from(*e) - i64::from(*zero_point));
                Some(&steps * &Exact::from_f32(*scale)?)
            };
            Range {
                lo: end(lo),
                hi: end(hi),
            }
        }
        Op::Input
        | Op::Const(_)
        | Op::Dense { .. }
        | Op::Conv { .. }
        | Op::MaxPool { .. }
        | Op::AveragePool { .. }
        | Op::Add { .. }
        | Op::Sub { .. }
        | Op::Mul { .. }
        | Op::Div { .. }
        | Op::Sum { .. }
        | Op::Concat { .. }
        | Op::Pad { .. }
        | Op::Transpose { .. }
        | Op::Reshape { .. }
        | Op::Flatten { .. }
        | Op::Identity { .. } => Range::ALL,
    }
}

fn clipped(r: &Range, ends: &[Option<Exact>; 2]) -> Range {
    let [lo, hi] = ends;
    let inside = |e: Exact| {
        let e = lo.as_ref().map_or(e.clone(), |lo| e.max(lo.clone()));
        hi.as_ref().map_or(e.clone(), |hi| e.min(hi.clone()))
    };
    Range {
        lo: r.lo.clone().map_or_else(|| lo.clone(), |e| Some(inside(e))),
        hi: r.hi.clone().map_or_else(|| hi.clone(), |e| Some(inside(e))),
    }
}

/// The image under a function that is linear or constant on either side of 0.
fn mapped(f: Unary, r: &Range) -> Range {
    let at = |sign: i128| Exact::from(f.mantissa(sign) as i64);
    let side = |sign: i128, part: Range| match f.format() {
        Some(_) => Range::point(at(sign)),
        None => part.times(&Exact::from((sign * f.mantissa(sign)) as i64)),
    };
    let below = r.lo.as_ref().is_none_or(|e| e.signum() < 0);
    let above = r.hi.as_ref().is_none_or(|e| e.signum() > 0);
    let start = |e: &Option<Exact>| e.clone().map(|e| e.max(Exact::zero()));
    let negative = || Range {
        lo: r.lo.clone(),
        hi: Some(r.hi.clone().map_or(Exact::zero(), |e| e.min(Exact::zero()))),
    };
    let positive = || Range {
        lo: start(&r.lo).or(Some(Exact::zero())),
        hi: r.hi.clone(),
    };
    let has_zero = r.lo.as_ref().is_none_or(|e| e.signum() <= 0)
        && r.hi.as_ref().is_none_or(|e| e.signum() >= 0);
    let parts = [
        below.then(|| side(-1, negative())),
        has_zero.then(|| Range::point(at(0))),
        above.then(|| side(1, positive())),
    ];
    let hull = parts.into_iter().flatten().reduce(|a, b| a.hull(&b));
    hull.unwrap_or(Range::ALL)
}

/// An operator with a constant, element by element.
fn with(
    net: &Network,
    v: ValueId,
    x: &[Range],
    c: ValueId,
    f: impl Fn(&Range, &Exact) -> Range,
) -> Vec<Range> {
    let index = net.value(c).shape.spread_over(&net.value(v).shape);
    let Some(c) = net.constant(c).filter(|c| !c.enclosed()) else {
        return vec![Range::ALL; x.len()];
    };
    let each = x.iter().zip(index);
    each.map(|(r, i)| f(r, &c.center(i))).collect()
}

/// `bias + Σ w·x` over the weights `w` of one row.
fn weighted(c: &Constant, first: usize, x: &[&Range], bias: Option<(&Constant, usize)>) -> Range {
    let mut ends = [Some(Vec::new()), Some(Vec::new())];
    for (k, r) in x.iter().enumerate().filter(|(k, _)| !is_zero(c, first + k)) {
        // A number and its nearest float have one sign, or the float is 0 and says nothing.
        let w = c
            .wide
            .as_ref()
            .map_or(f64::from(c.data[first + k]), |w| w.high[first + k]);
        let own = if w > 0.0 {
            [&r.lo, &r.hi]
        } else {
            [&r.hi, &r.lo]
        };
        for (end, own) in ends.iter_mut().zip(own) {
            match own {
                Some(e) if e.is_zero() => {}
                Some(e) if !c.enclosed() => {
                    if let Some(end) = end {
                        end.push((c.center(first + k), e.clone()));
                    }
                }
                Some(_) | None => *end = None,
            }
        }
        if ends == [None, None] {
            return Range::ALL;
        }
    }
    let offset = match bias {
        None => Exact::zero(),
        Some((b, i)) if !b.enclosed() => b.center(i),
        Some(_) => return Range::ALL,
    };
    let [lo, hi] = ends.map(|e| e.map(|terms| &Exact::dot(&terms) + &offset));
    Range { lo, hi }
}

fn rows(net: &Network, x: &[Range], weight: ValueId, bias: Option<ValueId>) -> Option<Vec<Range>> {
    let c = net.constant(weight)?;
    let x: Vec<&Range> = x.iter().collect();
    let count = c.data.len() / x.len().max(1);
    let bias = bias.and_then(|b| net.constant(b));
    let one = |m: usize| weighted(c, m * x.len(), &x, bias.map(|b| (b, m)));
    Some((0..count).map(one).collect())
}

/// The hull of each plane, and 0 where windows reach beyond the operand and count it.
fn planes(window: &Window, x: &[Range], zero: bool) -> Vec<Range> {
    let beyond = zero && {
        let full = window.size();
        let mut all = (0..window.out[0]).flat_map(|y| (0..window.out[1]).map(move |x| (y, x)));
        all.any(|(y, x)| window.count(y, x) < full)
    };
    let hull = |plane: &[Range]| {
        let start = match beyond {
            true => Range::point(Exact::zero()),
            false => plane[0].clone(),
        };
        plane.iter().fold(start, |a, b| a.hull(b))
    };
    x.chunks(window.plane()).map(hull).collect()
}

fn filters(
    net: &Network,
    v: ValueId,
    x: &[Range],
    weight: ValueId,
    bias: Option<ValueId>,
) -> Option<Vec<Range>> {
    let conv = net.conv(v)?;
    let c = net.constant(weight)?;
    let bias = bias.and_then(|b| net.constant(b));
    let planes = planes(&conv.window, x, true);
    let size = conv.window.size();
    let one = |m: usize| {
        let first = conv.first_channel(m);
        let seen: Vec<&Range> = (0..conv.filter_len())
            .map(|k| &planes[first + k / size])
            .collect();
        weighted(c, m * conv.filter_len(), &seen, bias.map(|b| (b, m)))
    };
    let each = (0..conv.filters).flat_map(|m| std::iter::repeat_n(one(m), conv.window.windows()));
    Some(each.collect())
}

/// A maximum or mean of a window lies in the hull of its plane.
fn pooled(window: &Window, x: &[Range], zero: bool) -> Vec<Range> {
    let each = planes(window, x, zero).into_iter();
    each.flat_map(|r| std::iter::repeat_n(r, window.windows()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ceg4n_ir::{NetworkBuilder, Shape, Slide};

    #[test]
    fn images_of_functions_are_hulls() {
        for f in Unary::ALL {
            for lo in -3..=3i64 {
                for hi in lo..=3 {
                    let found = mapped(*f, &Range::between(lo, hi));
                    // Halves stand for what lies between.
                    let half = |k: i64| {
                        let unit = f.mantissa(k.signum().into()) as i64;
                        match f.format() {
                            Some(_) => Exact::from(unit),
                            None => Exact::dyadic(unit * k.abs(), -1),
                        }
                    };
                    let all = || (2 * lo..=2 * hi).map(half);
                    let ends = (all().min(), all().max());
                    assert_eq!((found.lo, found.hi), ends, "{f:?} {lo} {hi}");
                }
            }
        }
        let above = mapped(Unary::Abs, &Range::ALL);
        assert_eq!((above.lo, above.hi), (Some(Exact::zero()), None));
        assert_eq!(mapped(Unary::Sign, &Range::ALL), Range::between(-1, 1));
    }

    fn texts(net: &Network, name: &str) -> Vec<String> {
        let v = net.find(name).expect("it has the value");
        let end = |e: &Option<Exact>| e.as_ref().map_or("-".to_owned(), ToString::to_string);
        let ranges = &real_ranges(net)[&v];
        let each = ranges.iter();
        each.map(|r| format!("{}..{}", end(&r.lo), end(&r.hi)))
            .collect()
    }

    #[test]
    fn signs_and_zeros_decide_where_ends_are_infinite() {
        let mut b = NetworkBuilder::new("t");
        let x = b.push("x", Op::Input, Some(Shape::vector(3)), None);
        let r = b.push("r", Op::Relu { x }, None, None);
        let w = Constant::inline(vec![1., 2., 0., -1., 0., -0.5, 0., 0., 0., 1., -1., 0.]);
        let weight = b.push("w", Op::Const(w), Some(Shape(vec![4, 3])), None);
        let c = Op::Const(Constant::inline(vec![1., 2., 3., 4.]));
        let bias = Some(b.push("b", c, None, None));
        let y = b.push("y", Op::Dense { x: r, weight, bias }, None, None);
        let function = Unary::Sign;
        let s = b.push("s", Op::Unary { x: y, function }, None, None);
        let q = b.push(
            "q",
            Op::Clip {
                x: y,
                lo: Some(2.5),
                hi: None,
            },
            None,
            None,
        );
        let o = b.push("o", Op::Sum { x: s, y: q }, None, None);
        let net = b.finish(o).expect("it is well-formed");
        assert_eq!(texts(&net, "x")[0], "-..-");
        assert_eq!(texts(&net, "r")[0], "0..-");
        assert_eq!(texts(&net, "y"), ["1..-", "-..2", "3..3", "-..-"]);
        assert_eq!(texts(&net, "s"), ["1..1", "-1..1", "1..1", "-1..1"]);
        assert_eq!(texts(&net, "q"), ["2.5..-", "2.5..2.5", "3..3", "2.5..-"]);
    }

    #[test]
    fn windows_beyond_the_operand_see_zeros() {
        let mut b = NetworkBuilder::new("t");
        let x = b.push("x", Op::Input, Some(Shape(vec![1, 2])), None);
        let e = b.push(
            "e",
            Op::Clip {
                x,
                lo: Some(1.0),
                hi: Some(3.0),
            },
            None,
            None,
        );
        let w = Op::Const(Constant::inline(vec![2.0, -1.0]));
        let weight = b.push("w", w, Some(Shape(vec![1, 1, 2])), None);
        let slide = |before: usize| Slide {
            before: vec![before],
            ..Slide::dense(1)
        };
        let conv = |slide| Op::Conv {
            x: e,
            weight,
            bias: None,
            slide,
            groups: 1,
        };
        b.push("inside", conv(slide(0)), None, None);
        let y = b.push("beyond", conv(slide(1)), None, None);
        let net = b.finish(y).expect("it is well-formed");
        assert_eq!(texts(&net, "inside"), ["-1..5"]);
        assert_eq!(texts(&net, "beyond"), ["-3..6", "-3..6"]);
    }
}
