//! Parts of a region: a box of kernel inputs together with the real points that round into it.
//!
//! In domain `real` an integer stands for its whole cell `[g - 1/2, g + 1/2)·2^-F`, so a part
//! carries both; the real side is closed and rounded outward, a superset, which is sound for
//! proofs. In domain `grid` a part is a box of grid integers, from which both sides follow.

use crate::float::Bound;
use crate::reference::hull;
use crate::tree::Cut;
use ceg4n_base::{Diagnostic, Exact, codes};
use ceg4n_ir::{Domain, Format, Interval, Region};
use num_traits::ToPrimitive;

/// A region as the kernel with a given input format and the reference see it.
#[derive(Clone, Debug)]
pub struct Space {
    /// Lower ends of the region.
    pub lower: Vec<Exact>,
    /// Upper ends.
    pub upper: Vec<Exact>,
    /// Which points count.
    pub domain: Domain,
    /// The kernel's input format.
    pub format: Format,
}

/// A part of a [`Space`].
#[derive(Clone, Debug)]
pub struct Part {
    /// Grid integers, in domain `grid` (else empty).
    pub grid: Vec<Interval>,
    /// Kernel inputs: exactly those that points of the part round to, per coordinate.
    pub input: Vec<Interval>,
    /// A closed superset of the part's real points.
    pub real: Vec<Bound>,
}

impl Space {
    /// The space of a region.
    pub fn new(region: &Region, domain: Domain, format: Format) -> Self {
        Self {
            lower: region.lower.clone(),
            upper: region.upper.clone(),
            domain,
            format,
        }
    }

    /// The whole region.
    ///
    /// # Errors
    /// In domain `grid`: a region without a grid point.
    pub fn root(&self) -> Result<Part, Diagnostic> {
        match self.domain {
            Domain::Real => {
                let q = |v: &Exact| self.format.quantize(v);
                let input = self
                    .lower
                    .iter()
                    .zip(&self.upper)
                    .map(|(l, u)| Interval { lo: q(l), hi: q(u) });
                Ok(Part {
                    grid: Vec::new(),
                    input: input.collect(),
                    real: hull(&self.lower, &self.upper),
                })
            }
            Domain::Grid(g) => {
                let mut grid = Vec::with_capacity(self.lower.len());
                for (i, (l, u)) in self.lower.iter().zip(&self.upper).enumerate() {
                    let Some(range) = grid_range(g, l, u) else {
                        return Err(Diagnostic::error(
                            codes::REGION,
                            format!(
                                "the region has no point of grid {g} at input {i}, between {l} and {u}"
                            ),
                        ));
                    };
                    grid.push(range);
                }
                Ok(self.of_grid(g, grid))
            }
        }
    }

    fn of_grid(&self, g: Format, grid: Vec<Interval>) -> Part {
        let value = |m: i64| g.value(m);
        let input = grid
            .iter()
            .map(|r| Interval {
                lo: self.format.quantize(&value(r.lo)),
                hi: self.format.quantize(&value(r.hi)),
            })
            .collect();
        let (lower, upper): (Vec<_>, Vec<_>) =
            grid.iter().map(|r| (value(r.lo), value(r.hi))).unzip();
        Part {
            grid,
            input,
            real: hull(&lower, &upper),
        }
    }

    /// True if the part's points are at most one, its middle.
    pub fn is_point(&self, part: &Part) -> bool {
        match self.domain {
            Domain::Real => part.real.iter().all(|b| b.lo == b.hi),
            Domain::Grid(_) => volume(&part.grid) == 1,
        }
    }

    /// Halves a part along the coordinate of the largest score that can be divided; `None` if
    /// there is none.
    pub fn split(&self, part: &Part, score: impl Fn(usize) -> f64) -> Option<(Cut, [Part; 2])> {
        let splittable = |i: &usize| match self.domain {
            Domain::Grid(_) => part.grid[*i].lo < part.grid[*i].hi,
            Domain::Real => {
                part.input[*i].lo < part.input[*i].hi || middle(part.real[*i]).is_some()
            }
        };
        let best = largest((0..part.real.len()).filter(splittable), score)?;
        match self.domain {
            Domain::Grid(g) => Some(self.split_grid(g, part, best)),
            Domain::Real => self.split_real(part, best),
        }
    }

    /// Like [`Self::split`], but never divides a kernel input's cell.
    pub fn split_input(
        &self,
        part: &Part,
        score: impl Fn(usize) -> f64,
    ) -> Option<(Cut, [Part; 2])> {
        match self.domain {
            Domain::Grid(_) => self.split(part, score),
            Domain::Real => {
                let long = |i: &usize| part.input[*i].lo < part.input[*i].hi;
                let best = largest((0..part.input.len()).filter(long), score)?;
                self.split_real(part, best)
            }
        }
    }

    fn split_grid(&self, g: Format, part: &Part, i: usize) -> (Cut, [Part; 2]) {
        let r = part.grid[i];
        let at = r.lo + (r.hi - r.lo) / 2;
        let (mut left, mut right) = (part.grid.clone(), part.grid.clone());
        left[i].hi = at;
        right[i].lo = at + 1;
        let parts = [self.of_grid(g, left), self.of_grid(g, right)];
        (Cut::Grid { element: i, at }, parts)
    }

    /// The kernel inputs of coordinate `i` that points of the part round to, ascending; empty if
    /// there are more than `limit`.
    pub fn axis(&self, part: &Part, i: usize, limit: u64) -> Vec<i64> {
        let long = |r: Interval| (r.hi - r.lo).unsigned_abs() >= limit;
        match self.domain {
            Domain::Real if long(part.input[i]) => Vec::new(),
            Domain::Real => (part.input[i].lo..=part.input[i].hi).collect(),
            Domain::Grid(_) if long(part.grid[i]) => Vec::new(),
            Domain::Grid(g) => {
                let r = part.grid[i];
                let mut seen: Vec<i64> = (r.lo..=r.hi)
                    .map(|m| self.format.quantize(&g.value(m)))
                    .collect();
                seen.dedup();
                seen
            }
        }
    }

    fn split_real(&self, part: &Part, i: usize) -> Option<(Cut, [Part; 2])> {
        let (mut left, mut right) = (part.clone(), part.clone());
        let r = part.input[i];
        if r.lo < r.hi {
            let m = r.lo + (r.hi - r.lo) / 2;
            // Points below (m + 1/2)·2^-F round to at most m, all others to more.
            let cut = Exact::dyadic(2 * m + 1, -i64::from(self.format.frac()) - 1);
            let (lo, hi) = cut.enclosure();
            left.input[i].hi = m;
            left.real[i].hi = left.real[i].hi.min(hi);
            right.input[i].lo = m + 1;
            right.real[i].lo = right.real[i].lo.max(lo);
            // Mantissas have 32 bits: the midpoint is a float.
            Some((Cut::Real { element: i, at: lo }, [left, right]))
        } else {
            let m = middle(part.real[i])?;
            left.real[i].hi = m;
            right.real[i].lo = m;
            Some((Cut::Real { element: i, at: m }, [left, right]))
        }
    }

    /// The parts that a cut of another run makes of a part; `None` where it does not divide it.
    pub fn replay(&self, part: &Part, cut: &Cut) -> Option<[Part; 2]> {
        let (mut left, mut right) = (part.clone(), part.clone());
        match (self.domain, *cut) {
            (Domain::Grid(g), Cut::Grid { element: i, at }) => {
                let r = *part.grid.get(i)?;
                if !(r.lo..r.hi).contains(&at) {
                    return None;
                }
                left.grid[i].hi = at;
                right.grid[i].lo = at + 1;
                Some([self.of_grid(g, left.grid), self.of_grid(g, right.grid)])
            }
            (Domain::Real, Cut::Real { element: i, at }) => {
                let b = *part.real.get(i)?;
                if !(b.lo < at && at < b.hi) {
                    return None;
                }
                let exact = Exact::from_f64(at)?;
                let m = self.format.quantize(&exact);
                left.real[i].hi = at;
                right.real[i].lo = at;
                right.input[i].lo = right.input[i].lo.max(m);
                // A midpoint itself rounds up: only it would belong to the upper integer.
                let midpoint = Exact::dyadic(2 * m - 1, -i64::from(self.format.frac()) - 1);
                let below = if midpoint == exact { m - 1 } else { m };
                left.input[i].hi = left.input[i].hi.min(below);
                let there = left.input[i].lo <= left.input[i].hi;
                (there && right.input[i].lo <= right.input[i].hi).then_some([left, right])
            }
            (Domain::Grid(_) | Domain::Real, _) => None,
        }
    }

    /// A point of the region and the domain that the kernel sees as `input`, near `near`; `None`
    /// if there is none.
    pub fn point(&self, input: &[i64], near: Option<&[f64]>) -> Option<Vec<Exact>> {
        let x: Option<Vec<Exact>> = (0..input.len())
            .map(|i| match self.domain {
                Domain::Real => self.coordinate(i, input[i], near.map(|n| n[i])),
                Domain::Grid(g) => self.grid_coordinate(g, i, input[i], near.map(|n| n[i])),
            })
            .collect();
        x.filter(|x| self.format_sees(x, input))
    }

    fn format_sees(&self, x: &[Exact], input: &[i64]) -> bool {
        x.iter()
            .zip(input)
            .all(|(x, g)| self.format.quantize(x) == *g)
    }

    fn coordinate(&self, i: usize, g: i64, near: Option<f64>) -> Option<Exact> {
        let clip = |v: Exact| v.max(self.lower[i].clone()).min(self.upper[i].clone());
        let wanted = near.and_then(Exact::from_f64).map(clip);
        wanted
            .filter(|v| self.format.quantize(v) == g)
            .or_else(|| Some(clip(self.format.value(g))).filter(|v| self.format.quantize(v) == g))
    }

    fn grid_coordinate(&self, grid: Format, i: usize, g: i64, near: Option<f64>) -> Option<Exact> {
        let range = grid_range(grid, &self.lower[i], &self.upper[i])?;
        let start = match near.and_then(Exact::from_f64) {
            Some(v) => grid.quantize(&v),
            None => grid.quantize(&self.format.value(g)),
        }
        .clamp(range.lo, range.hi);
        // Rounding is monotone: walk towards the cell of g by bisection.
        let sees = |m: i64| self.format.quantize(&grid.value(m));
        if sees(start) == g {
            return Some(grid.value(start));
        }
        let (mut lo, mut hi) = (range.lo, range.hi);
        while lo < hi {
            let m = lo + (hi - lo) / 2;
            if sees(m) < g { lo = m + 1 } else { hi = m }
        }
        (sees(lo) == g).then(|| grid.value(lo))
    }

    /// The point of the domain nearest to `x` (by coordinate, clipped to the region).
    pub fn snap(&self, x: &[f64]) -> Option<Vec<Exact>> {
        (0..x.len())
            .map(|i| {
                let v = Exact::from_f64(x[i])?
                    .max(self.lower[i].clone())
                    .min(self.upper[i].clone());
                match self.domain {
                    Domain::Real => Some(v),
                    Domain::Grid(g) => {
                        let range = grid_range(g, &self.lower[i], &self.upper[i])?;
                        Some(g.value(g.quantize(&v).clamp(range.lo, range.hi)))
                    }
                }
            })
            .collect()
    }

    /// True if the point lies in the region and the domain.
    pub fn contains(&self, x: &[Exact]) -> bool {
        let inside = x.len() == self.lower.len()
            && x.iter()
                .zip(self.lower.iter().zip(&self.upper))
                .all(|(x, (l, u))| l <= x && x <= u);
        inside
            && match self.domain {
                Domain::Real => true,
                Domain::Grid(g) => x.iter().all(|v| g.value(g.quantize(v)) == *v),
            }
    }
}

/// Number of integer points of a box, saturating.
pub fn volume(input: &[Interval]) -> u64 {
    input.iter().fold(1u64, |n, r| {
        n.saturating_mul((r.hi - r.lo).unsigned_abs().saturating_add(1))
    })
}

/// The grid integers between two reals; `None` if there are none in the type.
fn grid_range(g: Format, lower: &Exact, upper: &Exact) -> Option<Interval> {
    let scaled = |v: &Exact| v.shifted(i64::from(g.frac()));
    let ceil = -(-&scaled(lower)).floor();
    let floor = scaled(upper).floor();
    let clip = |v: num_bigint::BigInt, end: i64| v.to_i64().unwrap_or(end);
    let lo = if ceil.to_i64().is_none() && lower.signum() > 0 {
        return None;
    } else {
        clip(ceil, g.min()).max(g.min())
    };
    let hi = if floor.to_i64().is_none() && upper.signum() < 0 {
        return None;
    } else {
        clip(floor, g.max()).min(g.max())
    };
    (lo <= hi).then_some(Interval { lo, hi })
}

/// The first index of the greatest score.
fn largest(of: impl Iterator<Item = usize>, score: impl Fn(usize) -> f64) -> Option<usize> {
    of.max_by(|a, b| score(*a).total_cmp(&score(*b)).then(b.cmp(a)))
}

/// A float strictly inside the interval.
fn middle(b: Bound) -> Option<f64> {
    let m = b.lo + (b.hi - b.lo) / 2.0;
    (b.lo < m && m < b.hi).then_some(m)
}
