//! The parts that a division makes of a region.
//!
//! In domain real a part's coordinate is `[lo, hi]`, or `[lo, hi)` where a cut ends it: the cut
//! itself belongs to the upper part. In domain grid it is a range of grid integers.

use crate::recheck::number::{Span, integer};
use ceg4n_base::Exact;
use ceg4n_ir::{Domain, Format, Region};
use ceg4n_verify::tree::Cut;
use num_bigint::BigInt;

/// One coordinate of a part.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Axis {
    Real { lo: Exact, hi: Exact, open: bool },
    Grid { grid: Format, lo: i64, hi: i64 },
}

/// A part of a region.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) axes: Vec<Axis>,
}

fn clamped(v: BigInt, f: Format) -> Result<i64, String> {
    integer(v.clamp(BigInt::from(f.min()), BigInt::from(f.max())))
}

/// The mantissa that `x` is rounded to.
fn nearest(f: Format, x: &Exact) -> Result<i64, String> {
    let v = &x.shifted(i64::from(f.frac())) + &Exact::dyadic(1, -1);
    clamped(v.floor(), f)
}

/// The greatest mantissa that a number below `x` is rounded to.
fn nearest_below(f: Format, x: &Exact) -> Result<i64, String> {
    let v = &x.shifted(i64::from(f.frac())) + &Exact::dyadic(1, -1);
    // The supremum of the floors below v is ceil(v) - 1.
    clamped(-(-&v).floor() - BigInt::from(1), f)
}

impl Part {
    /// All of a region.
    pub(crate) fn root(region: &Region, domain: Domain) -> Result<Self, String> {
        let ends = region.lower.iter().zip(&region.upper);
        let axis = |(l, u): (&Exact, &Exact)| {
            if l > u {
                return Err("a region without a point".to_owned());
            }
            match domain {
                Domain::Real => Ok(Axis::Real {
                    lo: l.clone(),
                    hi: u.clone(),
                    open: false,
                }),
                Domain::Grid(grid) => {
                    let frac = i64::from(grid.frac());
                    let first: BigInt = -(-&l.shifted(frac)).floor();
                    let last = u.shifted(frac).floor();
                    let lo = first.max(BigInt::from(grid.min()));
                    let hi = last.min(BigInt::from(grid.max()));
                    if lo > hi {
                        return Err("a region without a grid point".to_owned());
                    }
                    let (lo, hi) = (integer(lo)?, integer(hi)?);
                    Ok(Axis::Grid { grid, lo, hi })
                }
            }
        };
        let axes = ends.map(axis).collect::<Result<_, _>>()?;
        Ok(Self { axes })
    }

    /// Both sides of a cut along an input.
    pub(crate) fn cut(&self, cut: &Cut) -> Result<[Self; 2], String> {
        let (element, sides) = match *cut {
            Cut::Real { element, at } => {
                let at = Exact::from_f64(at).ok_or("a cut at no number")?;
                let Some(Axis::Real { lo, hi, open }) = self.axes.get(element) else {
                    return Err("a real cut of something else".into());
                };
                // At a closed end only the end itself lies above.
                if !(*lo < at && (at < *hi || (at == *hi && !open))) {
                    return Err(format!("a cut at {at} outside {lo} to {hi}"));
                }
                let below = Axis::Real {
                    lo: lo.clone(),
                    hi: at.clone(),
                    open: true,
                };
                let above = Axis::Real {
                    lo: at,
                    hi: hi.clone(),
                    open: *open,
                };
                (element, [below, above])
            }
            Cut::Grid { element, at } => {
                let Some(Axis::Grid { grid, lo, hi }) = self.axes.get(element) else {
                    return Err("a grid cut of something else".into());
                };
                if !(*lo..*hi).contains(&at) {
                    return Err(format!("a cut at {at} outside {lo} to {hi}"));
                }
                let (grid, lo, hi) = (*grid, *lo, *hi);
                let below = Axis::Grid { grid, lo, hi: at };
                let lo = at + 1;
                (element, [below, Axis::Grid { grid, lo, hi }])
            }
            Cut::Relu { .. } => return Err("a cut by sign divides no box".into()),
        };
        Ok(sides.map(|side| {
            let mut part = self.clone();
            part.axes[element] = side;
            part
        }))
    }

    /// A closed box around the part's points, with short ends.
    pub(crate) fn hull(&self) -> Vec<Span> {
        let span = |a: &Axis| match a {
            Axis::Real { lo, hi, .. } => Span::new(lo.clone(), hi.clone()).short(),
            Axis::Grid { grid, lo, hi } => Span::new(grid.value(*lo), grid.value(*hi)),
        };
        self.axes.iter().map(span).collect()
    }

    /// The kernel inputs that the part's points are rounded to lie in these ranges.
    pub(crate) fn inputs(&self, f: Format) -> Result<Vec<(i64, i64)>, String> {
        let range = |a: &Axis| match a {
            Axis::Real { lo, hi, open: true } => Ok((nearest(f, lo)?, nearest_below(f, hi)?)),
            Axis::Real { lo, hi, .. } => Ok((nearest(f, lo)?, nearest(f, hi)?)),
            Axis::Grid { grid, lo, hi } => {
                Ok((nearest(f, &grid.value(*lo))?, nearest(f, &grid.value(*hi))?))
            }
        };
        self.axes.iter().map(range).collect()
    }

    /// Every kernel input that a point of the part is rounded to, at most `most`.
    pub(crate) fn every_input(&self, f: Format, most: usize) -> Result<Vec<Vec<i64>>, String> {
        let axis = |(a, (lo, hi)): (&Axis, (i64, i64))| -> Result<Vec<i64>, String> {
            match a {
                Axis::Real { .. } => range(lo, hi, most),
                Axis::Grid { grid, lo, hi } => {
                    let points = range(*lo, *hi, most)?;
                    let mut seen = points
                        .into_iter()
                        .map(|m| nearest(f, &grid.value(m)))
                        .collect::<Result<Vec<_>, _>>()?;
                    seen.dedup();
                    Ok(seen)
                }
            }
        };
        let axes = self.axes.iter().zip(self.inputs(f)?);
        product(axes.map(axis).collect::<Result<_, _>>()?, most)
    }

    /// Every point of the part, at most `most`; none where there is no end of them.
    pub(crate) fn every_point(&self, most: usize) -> Result<Vec<Vec<Exact>>, String> {
        let axis = |a: &Axis| -> Result<Vec<Exact>, String> {
            match a {
                Axis::Real { lo, hi, .. } if lo == hi => Ok(vec![lo.clone()]),
                Axis::Real { .. } => Err("the points of an interval have no number".into()),
                Axis::Grid { grid, lo, hi } => {
                    let points = range(*lo, *hi, most)?;
                    Ok(points.into_iter().map(|m| grid.value(m)).collect())
                }
            }
        };
        product(self.axes.iter().map(axis).collect::<Result<_, _>>()?, most)
    }
}

fn range(lo: i64, hi: i64, most: usize) -> Result<Vec<i64>, String> {
    if i128::from(hi) - i128::from(lo) >= most as i128 {
        return Err("too many points to look at".into());
    }
    Ok((lo..=hi).collect())
}

fn product<T: Clone>(axes: Vec<Vec<T>>, most: usize) -> Result<Vec<Vec<T>>, String> {
    let count = axes.iter().fold(1usize, |n, a| n.saturating_mul(a.len()));
    if count > most {
        return Err("too many points to look at".into());
    }
    let mut all = vec![Vec::new()];
    for axis in axes {
        let longer = |p: Vec<T>| {
            axis.iter().map(move |v| {
                let mut p = p.clone();
                p.push(v.clone());
                p
            })
        };
        all = all.into_iter().flat_map(longer).collect();
    }
    Ok(all)
}
