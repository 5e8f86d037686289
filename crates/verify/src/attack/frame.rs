//! A region in floating point: its ends, its grid, and the kernel's cells. Points that come from
//! here lie in region and domain up to the last bit, which the exact snap settles.

use super::float::floor;
use crate::space::Space;
use ceg4n_ir::{Domain, Format};

/// Ends and steps of a region, per input.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Lower ends; grid points in domain `grid`.
    pub(crate) lo: Vec<f64>,
    /// Upper ends.
    pub(crate) hi: Vec<f64>,
    grid: Option<Format>,
    /// What the kernel rounds its inputs to; `None` if it sees the points themselves.
    cell: Option<Format>,
}

/// How much of a cell stays between a point just below a rounding midpoint and that midpoint:
/// small against what the cell gives, and a number of few bits.
const BELOW: f64 = 1.0 / 4096.0;

impl Frame {
    /// For a program that rounds its inputs to `cell`, or that does not round; `None` for a region
    /// without a grid point.
    pub(crate) fn new(space: &Space, cell: Option<Format>) -> Option<Self> {
        let f = |v: &[ceg4n_base::Exact]| v.iter().map(ceg4n_base::Exact::to_f64).collect();
        let (lo, hi, grid) = match space.domain {
            Domain::Real => (f(&space.lower), f(&space.upper), None),
            Domain::Grid(g) => {
                let real = space.root().ok()?.real;
                let ends = real.iter().map(|b| (b.lo, b.hi));
                let (lo, hi): (Vec<_>, Vec<_>) = ends.unzip();
                (lo, hi, Some(g))
            }
        };
        Some(Self { lo, hi, grid, cell })
    }

    pub(crate) fn len(&self) -> usize {
        self.lo.len()
    }

    /// Moves a point to the nearest one of region and domain.
    pub(crate) fn settle(&self, x: &mut [f64]) {
        let (up, down) = self.grid.map_or((1.0, 1.0), scales);
        for (v, (lo, hi)) in x.iter_mut().zip(self.lo.iter().zip(&self.hi)) {
            *v = v.max(*lo).min(*hi);
            if self.grid.is_some() {
                *v = (floor(*v * up + 0.5) * down).max(*lo).min(*hi);
            }
        }
    }

    /// Moves every coordinate by `rate` of its range along the sign of `g`.
    pub(crate) fn step(&self, x: &mut [f64], g: &[f64], rate: f64) {
        let ends = self.lo.iter().zip(&self.hi);
        for ((x, g), (lo, hi)) in x.iter_mut().zip(g).zip(ends) {
            let way = f64::from(i8::from(*g > 0.0) - i8::from(*g < 0.0));
            *x = (*x + rate * (hi - lo) * way).max(*lo).min(*hi);
        }
        if rate < 1.0 && self.grid.is_some() {
            self.settle(x);
        }
    }

    /// Moves every coordinate to where `kernel·(what the kernel sees) + reference·x` is greatest,
    /// not further than `rate` of its range. In domain `real` that is at an end, or just beside a
    /// rounding midpoint near one: a kernel sees its cell's middle, a reference the point itself.
    pub(crate) fn step_both(&self, x: &mut [f64], kernel: &[f64], reference: &[f64], rate: f64) {
        let ends = self.lo.iter().zip(&self.hi);
        let pulls = kernel.iter().zip(reference);
        for ((x, (k, r)), (lo, hi)) in x.iter_mut().zip(pulls).zip(ends) {
            let reach = rate * (hi - lo);
            let (l, h) = ((*x - reach).max(*lo), (*x + reach).min(*hi));
            *x = match (self.grid, self.cell) {
                (None, Some(cell)) => best_in(cell, *x, (l, h), *k, *r),
                (Some(_), _) | (None, None) if k + r > 0.0 => h,
                (Some(_), _) | (None, None) if k + r < 0.0 => l,
                (Some(_), _) | (None, None) => *x,
            };
        }
        if rate < 1.0 && self.grid.is_some() {
            self.settle(x);
        }
    }

    /// In domain `real`: moves every coordinate within its cell, which the kernel cannot tell, as
    /// far along the sign of `g` as region and cell allow.
    pub(crate) fn within_cells(&self, x: &mut [f64], g: &[f64]) {
        let (None, Some(cell)) = (self.grid, self.cell) else {
            return;
        };
        let ends = self.lo.iter().zip(&self.hi);
        for ((x, g), (lo, hi)) in x.iter_mut().zip(g).zip(ends) {
            if *g != 0.0 {
                let (low, high) = cell_ends(cell, see(cell, *x), *lo, *hi);
                *x = if *g > 0.0 { high.max(low) } else { low };
            }
        }
    }
}

/// What a kernel with input format `cell` sees of a number.
fn see(cell: Format, v: f64) -> f64 {
    let (min, max) = (cell.min() as f64, cell.max() as f64);
    let scaled = v * scales(cell).0;
    floor(scaled.max(min).min(max) + 0.5).min(max)
}

/// The ends of the cell of integer `m` within an interval; the outermost cells are unbounded on
/// one side.
fn cell_ends(cell: Format, m: f64, lo: f64, hi: f64) -> (f64, f64) {
    let down = scales(cell).1;
    let low = if m > cell.min() as f64 {
        (m - 0.5) * down
    } else {
        lo
    };
    let high = if m < cell.max() as f64 {
        (m + 0.5 - BELOW) * down
    } else {
        hi
    };
    (low.max(lo), high.min(hi))
}

/// The point of `[lo, hi]` where `k·(what a kernel sees of it) + r·(itself)` is greatest; `x` where
/// nothing pulls.
fn best_in(cell: Format, x: f64, (lo, hi): (f64, f64), k: f64, r: f64) -> f64 {
    if k == 0.0 && r == 0.0 {
        return x;
    }
    let down = scales(cell).1;
    let (first, last) = (see(cell, lo), see(cell, hi));
    let mut best = (f64::NEG_INFINITY, x);
    for m in [
        first,
        last,
        (first + 1.0).min(last),
        (last - 1.0).max(first),
    ] {
        let (low, high) = cell_ends(cell, m, lo, hi);
        let v = if r > 0.0 {
            high.max(low)
        } else if r < 0.0 {
            low
        } else {
            (m * down).max(low).min(high)
        };
        let value = k * m * down + r * v;
        if value > best.0 {
            best = (value, v);
        }
    }
    best.1
}

/// What makes integers of values of a format, and values of its integers.
fn scales(format: Format) -> (f64, f64) {
    (2f64.powi(format.frac()), 2f64.powi(-format.frac()))
}
