//! A region in floating point: its ends, its grid, and the kernel's cells. Points that come from
//! here lie in region and domain up to the last bit, which the exact snap settles.

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
    cell: Format,
}

/// How much of a cell stays between a point just below a rounding midpoint and that midpoint:
/// small against what the cell gives, and a number of few bits.
const BELOW: f64 = 1.0 / 4096.0;

impl Frame {
    /// `None` for a region without a grid point.
    pub(crate) fn new(space: &Space) -> Option<Self> {
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
        Some(Self {
            lo,
            hi,
            grid,
            cell: space.format,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.lo.len()
    }

    /// Moves a point to the nearest one of region and domain.
    pub(crate) fn settle(&self, x: &mut [f64]) {
        if let Some(g) = self.grid {
            let (up, down) = (2f64.powi(g.frac()), 2f64.powi(-g.frac()));
            x.iter_mut()
                .for_each(|v| *v = (*v * up + 0.5).floor() * down);
        }
        for (v, (lo, hi)) in x.iter_mut().zip(self.lo.iter().zip(&self.hi)) {
            *v = v.max(*lo).min(*hi);
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

    /// In domain `real`: moves every coordinate within its kernel cell (so that the kernel sees
    /// the same integers) as far as the region allows along the sign of `g`; where `g` is zero
    /// it stays.
    pub(crate) fn to_cell_edges(&self, x: &mut [f64], g: &[f64]) {
        if self.grid.is_some() {
            return;
        }
        let (up, down) = (2f64.powi(self.cell.frac()), 2f64.powi(-self.cell.frac()));
        let (min, max) = (self.cell.min() as f64, self.cell.max() as f64);
        let ends = self.lo.iter().zip(&self.hi);
        for ((x, g), (lo, hi)) in x.iter_mut().zip(g).zip(ends) {
            let m = (*x * up + 0.5).floor().max(min).min(max);
            if *g > 0.0 {
                // The last cell has no upper end.
                let end = if m < max { (m + 0.5 - BELOW) * down } else { *hi };
                *x = end.max(*x).min(*hi);
            } else if *g < 0.0 {
                let end = if m > min { (m - 0.5) * down } else { *lo };
                *x = end.min(*x).max(*lo);
            }
        }
    }
}
