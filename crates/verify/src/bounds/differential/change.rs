//! What an operator does to one element of the reference and of the difference, where it stands on
//! one side alone, and what a pair of relus does.

use super::zonotope::Enclosed;
use crate::bounds::curve::Function;
use crate::bounds::graph::{Constant, Node, Op};
use crate::float::{Bound, affine, down, pad, up};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Reference,
    Subject,
}

/// What happens to one element: `N' = a·N + b + n·ε`, `D' = p·D + q·N + c + d·ε ± r`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) a: f64,
    pub(super) b: f64,
    pub(super) n: f64,
    pub(super) d: f64,
    pub(super) p: f64,
    pub(super) q: f64,
    pub(super) c: f64,
    pub(super) r: f64,
}

impl Change {
    pub(super) const NONE: Self = Self {
        a: 1.0,
        b: 0.0,
        n: 0.0,
        d: 0.0,
        p: 1.0,
        q: 0.0,
        c: 0.0,
        r: 0.0,
    };

    /// `D'` from intervals of `N` and `D`.
    pub(super) fn interval(&self, n: Bound, d: Bound) -> Bound {
        if *self == Self::NONE {
            return d;
        }
        let b = affine([self.p, self.q], &[d, n], self.c, 0);
        let r = self.d.abs() + self.r;
        if r == 0.0 {
            return b;
        }
        let p = pad(3, 0, r + b.magnitude());
        Bound::new(down(b.lo - r, p), up(b.hi + r, p))
    }
}

/// A one-sided elementwise operator, on element `i` of the state.
pub(super) fn element(
    node: &Node,
    side: Side,
    i: usize,
    before: &Enclosed,
    noise: &[f64],
) -> Change {
    let (n, k) = (before.n[i], before.k[i]);
    let Some(slot) = node.slot(i) else {
        return Change::NONE;
    };
    let own = if side == Side::Reference { n } else { k };
    match &node.op {
        Op::Input | Op::Linear(_) | Op::Relu => unmatched(side),
        Op::Scale { by, slack } => {
            let s = by[slot];
            // A factor with roundings inside: its error is a symbol of that side.
            let lost = |b: Bound| {
                if *slack == 0 {
                    0.0
                } else {
                    up(pad(*slack, 0, (s * b.magnitude()).abs()), 0.0)
                }
            };
            match side {
                Side::Reference => Change {
                    a: s,
                    q: 1.0 - s,
                    n: lost(n),
                    d: -lost(n),
                    ..Change::NONE
                },
                Side::Subject => Change {
                    p: s,
                    q: s - 1.0,
                    r: lost(k),
                    ..Change::NONE
                },
            }
        }
        Op::Shift(c) => shift(side, c, slot),
        Op::Round(steps) => {
            if steps[slot].is_exact() || (own.lo == 0.0 && own.hi == 0.0) {
                return Change::NONE;
            }
            added(side, steps[slot].error)
        }
        Op::Float32 { .. } => added(side, Bound::new(-noise[slot], noise[slot])),
        Op::Clamp { lo, hi } => clamp(side, own, *lo, *hi),
        Op::Curve(f) => {
            let (slope, strip) = f.strip(own);
            sloped(side, slope, strip)
        }
    }
}

/// One curve on both sides, or a table near to it: `f(K) - f(N)` is a slope of the curve between
/// `N` and `K` times `D`.
pub(super) fn curves((f, g): (&Function, &Function), (n, k, d): (Bound, Bound, Bound)) -> Change {
    let (slope, strip) = f.strip(n);
    let mut out = sloped(Side::Reference, slope, strip);
    let (p, r) = moved((f, g), (n, k, d));
    out.p = p;
    (out.q, out.c, out.d, out.r) = (0.0, 0.0, 0.0, r);
    let (own, other) = (g.image(k), f.image(n));
    let flat = added(
        Side::Subject,
        Bound::new(down(own.lo - other.hi, 0.0), up(own.hi - other.lo, 0.0)),
    );
    // The images' difference, where that is less than what the slope leaves.
    if flat.r <= r {
        (out.p, out.c, out.r) = (0.0, flat.c, flat.r);
    }
    out
}

/// `D'` is `p·D`, up to `r`.
fn moved((f, g): (&Function, &Function), (n, k, d): (Bound, Bound, Bound)) -> (f64, f64) {
    let (Some((curve, a)), Some((_, b))) = (f.curve(), g.curve()) else {
        return (0.0, f64::INFINITY);
    };
    let s = curve.slopes(Bound::new(n.lo.min(k.lo), n.hi.max(k.hi)));
    let p = s.lo + (s.hi - s.lo) / 2.0;
    let off = (s.hi - p).max(p - s.lo);
    let r = off * d.magnitude() + a + b;
    (
        p,
        if r.is_nan() {
            f64::INFINITY
        } else {
            up(r, pad(4, 0, r))
        },
    )
}

/// Layers that have no partner are refused when programs are matched; should one come here, nothing
/// is known behind it.
fn unmatched(side: Side) -> Change {
    let lost = f64::INFINITY;
    match side {
        Side::Reference => Change {
            n: lost,
            d: -lost,
            ..Change::NONE
        },
        Side::Subject => Change {
            r: lost,
            ..Change::NONE
        },
    }
}

fn shift(side: Side, c: &Constant, i: usize) -> Change {
    let (v, e) = (c.value[i], c.error[i]);
    match side {
        Side::Reference => Change {
            b: v,
            c: -v,
            n: e,
            d: -e,
            ..Change::NONE
        },
        Side::Subject => Change {
            c: v,
            r: e,
            ..Change::NONE
        },
    }
}

/// An error within `e` is added to one side.
fn added(side: Side, e: Bound) -> Change {
    let c = e.lo + (e.hi - e.lo) / 2.0;
    let r = (e.hi - c).max(c - e.lo);
    let r = if c == 0.0 { r } else { up(r, pad(2, 0, r)) };
    match side {
        Side::Reference => Change {
            b: c,
            c: -c,
            n: r,
            d: -r,
            ..Change::NONE
        },
        Side::Subject => Change {
            c,
            r,
            ..Change::NONE
        },
    }
}

fn clamp(side: Side, z: Bound, lo: f64, hi: f64) -> Change {
    if z.lo >= lo && z.hi <= hi {
        return Change::NONE;
    }
    let (slope, offset) = if z.lo >= hi {
        (0.0, Bound::new(hi, hi))
    } else if z.hi <= lo {
        (0.0, Bound::new(lo, lo))
    } else {
        let at = |v: f64| v.clamp(lo, hi);
        let slope = (at(z.hi) - at(z.lo)) / (z.hi - z.lo);
        let slope = if (0.0..=1.0).contains(&slope) {
            slope
        } else {
            0.0
        };
        // clamp(z) - slope·z is piecewise linear: its extremes are at ends and kinks.
        let kinks = [z.lo, z.hi, lo.clamp(z.lo, z.hi), hi.clamp(z.lo, z.hi)];
        let gaps = kinks.map(|v| (at(v) - slope * v, at(v).abs() + (slope * v).abs()));
        let size = gaps.iter().fold(0.0f64, |m, g| m.max(g.1));
        let low = gaps.iter().fold(f64::INFINITY, |m, g| m.min(g.0));
        let high = gaps.iter().fold(f64::NEG_INFINITY, |m, g| m.max(g.0));
        let p = pad(3, 0, size);
        (slope, Bound::new(down(low, p), up(high, p)))
    };
    sloped(side, slope, offset)
}

/// One side becomes `slope·z` plus something of an interval.
fn sloped(side: Side, slope: f64, offset: Bound) -> Change {
    let e = added(side, offset);
    match side {
        Side::Reference => Change {
            a: slope,
            q: 1.0 - slope,
            ..e
        },
        Side::Subject => Change {
            p: slope,
            q: slope - 1.0,
            ..e
        },
    }
}

/// Relus of both sides on `N`, `K` and `D = K - N`.
pub(super) fn relu(n: Bound, k: Bound, d: Bound) -> Change {
    let mut out = Change::NONE;
    let mut height = f64::INFINITY;
    if n.hi <= 0.0 {
        out.a = 0.0;
    } else if n.lo < 0.0 {
        let slope = (n.hi / (n.hi - n.lo)).clamp(0.0, 1.0);
        let slope = if slope.is_nan() { 0.0 } else { slope };
        let most = ((1.0 - slope) * n.hi).max(-slope * n.lo);
        height = up(most, pad(3, 0, n.hi.max(-n.lo)));
        out.a = slope;
        out.b = height / 2.0;
        out.n = height / 2.0;
    }
    let constant = |out: &mut Change, p: f64, lo: f64, hi: f64| {
        let e = added(Side::Subject, Bound::new(lo, hi));
        (out.p, out.q, out.c, out.r) = (p, 0.0, e.c, e.r);
    };
    let (n_on, n_off) = (n.lo >= 0.0, n.hi <= 0.0);
    let (k_on, k_off) = (k.lo >= 0.0, k.hi <= 0.0);
    let (below, above) = ((-d.lo).max(0.0), d.hi.max(0.0));
    match (n_on, n_off, k_on, k_off) {
        (true, _, true, _) => {}
        (_, true, _, true) => out.p = 0.0,
        // D' = K, and 0 ≤ K ≤ D; D' = -N, and D ≤ -N ≤ 0.
        (_, true, true, _) => constant(&mut out, 0.0, 0.0, above.min(k.hi)),
        (true, _, _, true) => constant(&mut out, 0.0, -below.min(n.hi), 0.0),
        // D' = D + relu(-K), and -K ≤ -D where N ≥ 0.
        (true, _, _, _) => constant(&mut out, 1.0, 0.0, below.min(-k.lo)),
        // D' = D - relu(-N), and -N ≤ D where K ≥ 0.
        (_, _, true, _) => {
            let most = above.min(-n.lo);
            if most <= height {
                constant(&mut out, 1.0, -most, 0.0);
            } else {
                // D' = K - N': the reference's own relaxation, with its symbol.
                (out.q, out.c, out.d) = (1.0 - out.a, -out.b, -out.n);
            }
        }
        // D' = relu(K), and K ≤ D where N ≤ 0.
        (_, true, _, _) => constant(&mut out, 0.0, 0.0, above.min(k.hi)),
        // D' = -relu(N), and N ≤ -D where K ≤ 0.
        (_, _, _, true) => constant(&mut out, 0.0, -below.min(n.hi), 0.0),
        // A relu moves by at most as much as its operand does.
        (_, _, _, _) => {
            let half = below.max(above) / 2.0;
            constant(&mut out, 0.5, -half, half);
        }
    }
    out
}
