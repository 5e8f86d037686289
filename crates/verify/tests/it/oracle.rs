//! Exact answers about a pair of models on a region: every point of a grid, or every real point
//! by cutting the region at the rounding boundaries of the input formats and at the hinges of
//! the relus.
//!
//! On a piece the reference is affine and the kernel constant. A piece is a closed convex
//! polytope of dimension one or two (its corners in cyclic order) together with strict upper
//! limits: the cell `[a, b)` of an input ends before `b`, because a midpoint rounds up. Every
//! question is whether a piece has a point where some affine functions are all positive. Let R
//! be the piece cut by the closed half-planes. If such a point exists, each function is positive
//! somewhere on R and negative nowhere, hence positive in R's relative interior, where the mean
//! of R's corners lies. So that mean decides.

use crate::model::{Affine, Fmt, Layer, Meaning, Model};
use ceg4n_base::Exact;

/// What must hold; mirrors the semantics page.
#[derive(Clone, Debug)]
pub(crate) enum Prop {
    Top1,
    Margin(Exact),
    TopK(usize),
    Eps(Exact),
}

/// The first of the largest.
pub(crate) fn argmax(y: &[Exact]) -> usize {
    (1..y.len()).fold(0, |b, i| if y[i] > y[b] { i } else { b })
}

/// The output that exceeds all others.
pub(crate) fn winner(y: &[Exact]) -> Option<usize> {
    (0..y.len()).find(|c| (0..y.len()).all(|j| j == *c || y[*c] > y[j]))
}

/// The place of output `c` in the order: value descending, index ascending.
fn place(y: &[Exact], c: usize) -> usize {
    let mut order: Vec<usize> = (0..y.len()).collect();
    order.sort_by(|a, b| y[*b].cmp(&y[*a]).then(a.cmp(b)));
    order.iter().position(|i| *i == c).expect("an output")
}

/// Is the property broken at a point with these outputs?
pub(crate) fn breaks(prop: &Prop, n: &[Exact], k: &[Exact]) -> bool {
    let class = argmax(k);
    match prop {
        Prop::Top1 => winner(n).is_some_and(|c| c != class),
        Prop::Margin(m) => n.iter().any(|v| n[class] < v - m),
        Prop::TopK(first) => winner(n).is_some_and(|c| place(k, c) >= *first),
        Prop::Eps(e) => (0..n.len()).any(|j| {
            let d = &k[j] - &n[j];
            d > *e || -&d > *e
        }),
    }
}

/// The question's points with everything known of them.
pub(crate) enum Answer {
    /// Point, reference, kernel.
    Grid(Vec<(Vec<Exact>, Vec<Exact>, Vec<Exact>)>),
    /// Pieces.
    Real(Vec<Piece>),
}

/// A part of the region on which the reference is affine and the kernel constant.
pub(crate) struct Piece {
    corners: Vec<Vec<Exact>>,
    /// Positive on the piece, strictly.
    strict: Vec<Affine>,
    reference: Vec<Affine>,
    kernel: Vec<Exact>,
}

/// A closed polytope cut by a closed half-plane (Sutherland and Hodgman).
fn clip(corners: &[Vec<Exact>], h: &Affine) -> Vec<Vec<Exact>> {
    let v: Vec<Exact> = corners.iter().map(|x| h.at(x)).collect();
    if v.iter().all(|v| v.signum() >= 0) {
        return corners.to_vec();
    }
    let mut out = Vec::new();
    for i in 0..corners.len() {
        let j = (i + 1) % corners.len();
        if v[i].signum() >= 0 {
            out.push(corners[i].clone());
        }
        if v[i].signum() * v[j].signum() < 0 {
            let t = v[i].checked_div(&(&v[i] - &v[j])).expect("different signs");
            let between = corners[i].iter().zip(&corners[j]).map(|(a, b)| {
                let x = a + &(&t * &(b - a));
                x.checked_div(&Exact::from(1)).expect("one is not zero")
            });
            out.push(between.collect());
        }
    }
    out
}

impl Piece {
    /// A point of the piece where all of `h` are positive.
    fn point(&self, h: &[Affine]) -> Option<Vec<Exact>> {
        let mut r = self.corners.clone();
        for h in h.iter().chain(&self.strict) {
            r = clip(&r, h);
            if r.is_empty() {
                return None;
            }
        }
        let n = Exact::from(r.len() as i64);
        let mean: Vec<Exact> = (0..r[0].len())
            .map(|i| {
                let sum = r.iter().fold(Exact::zero(), |s, x| &s + &x[i]);
                sum.checked_div(&n).expect("corners")
            })
            .collect();
        let inside = h
            .iter()
            .chain(&self.strict)
            .all(|h| h.at(&mean).signum() > 0);
        inside.then_some(mean)
    }

    /// A point of the piece where `c` wins strictly.
    fn wins(&self, c: usize) -> Option<Vec<Exact>> {
        let others = (0..self.reference.len()).filter(|j| *j != c);
        let leads: Vec<Affine> = others
            .map(|j| self.reference[c].minus(&self.reference[j]))
            .collect();
        self.point(&leads)
    }

    fn broken(&self, prop: &Prop) -> Option<Vec<Exact>> {
        let n = &self.reference;
        let class = argmax(&self.kernel);
        let mut outputs = 0..n.len();
        match prop {
            Prop::Top1 => outputs.filter(|c| *c != class).find_map(|c| self.wins(c)),
            Prop::Margin(m) => outputs.find_map(|j| {
                let excess = n[j].minus(&n[class]).plus(&-m);
                self.point(&[excess])
            }),
            Prop::TopK(first) => outputs
                .filter(|c| place(&self.kernel, *c) >= *first)
                .find_map(|c| self.wins(c)),
            Prop::Eps(e) => outputs.find_map(|j| {
                let above = n[j].plus(&-&(&self.kernel[j] + e));
                let below = n[j].plus(&-&(&self.kernel[j] - e)).negated();
                self.point(&[above]).or_else(|| self.point(&[below]))
            }),
        }
    }

    /// The largest value of a function over the closed piece.
    fn largest(&self, f: &Affine) -> Exact {
        let values = self.corners.iter().map(|x| f.at(x));
        values.reduce(Exact::max).expect("corners")
    }
}

impl Answer {
    /// A point that breaks the property, if there is one.
    pub(crate) fn broken(&self, prop: &Prop) -> Option<Vec<Exact>> {
        match self {
            Self::Grid(points) => points
                .iter()
                .find(|(_, n, k)| breaks(prop, n, k))
                .map(|p| p.0.clone()),
            Self::Real(pieces) => pieces.iter().find_map(|p| p.broken(prop)),
        }
    }

    /// Does `c` win strictly at every point? The region is closed, and so are its pieces where
    /// the reference is real; a fixed-point reference is constant on each.
    pub(crate) fn always_wins(&self, c: usize) -> bool {
        match self {
            Self::Grid(points) => points.iter().all(|(_, n, _)| winner(n) == Some(c)),
            Self::Real(pieces) => pieces.iter().all(|p| {
                (0..p.reference.len())
                    .filter(|j| *j != c)
                    .all(|j| p.largest(&p.reference[j].minus(&p.reference[c])).signum() < 0)
            }),
        }
    }

    /// The least margin that holds, up to what open ends leave out.
    pub(crate) fn margin(&self) -> Exact {
        let at = |n: &[Exact], k: &[Exact]| {
            let most = n.iter().cloned().reduce(Exact::max).expect("outputs");
            &most - &n[argmax(k)]
        };
        let all: Vec<Exact> = match self {
            Self::Grid(points) => points.iter().map(|(_, n, k)| at(n, k)).collect(),
            Self::Real(pieces) => pieces
                .iter()
                .flat_map(|p| {
                    let class = argmax(&p.kernel);
                    p.reference
                        .iter()
                        .map(|f| p.largest(&f.minus(&p.reference[class])))
                        .collect::<Vec<_>>()
                })
                .collect(),
        };
        all.into_iter().reduce(Exact::max).expect("a point")
    }

    /// The least tolerance that holds, up to what open ends leave out.
    pub(crate) fn tolerance(&self) -> Exact {
        let all: Vec<Exact> = match self {
            Self::Grid(points) => points
                .iter()
                .flat_map(|(_, n, k)| n.iter().zip(k).map(|(n, k)| (n - k).max(k - n)))
                .collect(),
            Self::Real(pieces) => pieces
                .iter()
                .flat_map(|p| {
                    p.reference.iter().zip(&p.kernel).map(|(f, k)| {
                        let d = f.plus(&-k);
                        p.largest(&d).max(p.largest(&d.negated()))
                    })
                })
                .collect(),
        };
        all.into_iter().reduce(Exact::max).expect("a point")
    }

    /// Some class violates the margin somewhere, so that no class is always good enough for it.
    pub(crate) fn margin_means_something(&self, m: &Exact) -> bool {
        match self {
            Self::Grid(points) => points.iter().any(|(_, n, _)| {
                let most = n.iter().cloned().reduce(Exact::max).expect("outputs");
                n.iter().any(|v| *v < &most - m)
            }),
            Self::Real(pieces) => pieces.iter().any(|p| {
                let r = &p.reference;
                r.iter()
                    .any(|a| r.iter().any(|b| p.largest(&a.minus(b)) > *m))
            }),
        }
    }

    /// Some output moves by more than `2e`.
    pub(crate) fn tolerance_means_something(&self, e: &Exact, outputs: usize) -> bool {
        (0..outputs).any(|j| {
            let (most, least): (Vec<Exact>, Vec<Exact>) = match self {
                Self::Grid(points) => points
                    .iter()
                    .map(|(_, n, _)| (n[j].clone(), -&n[j]))
                    .unzip(),
                Self::Real(pieces) => pieces
                    .iter()
                    .map(|p| {
                        let f = &p.reference[j];
                        (p.largest(f), p.largest(&f.negated()))
                    })
                    .unzip(),
            };
            let top = |v: Vec<Exact>| v.into_iter().reduce(Exact::max).expect("a point");
            &top(most) + &top(least) > e.shifted(1)
        })
    }
}

/// All points of the grid in the box.
pub(crate) fn grid_points(grid: Fmt, lower: &[Exact], upper: &[Exact]) -> Vec<Vec<Exact>> {
    let mut points = vec![Vec::new()];
    for (l, u) in lower.iter().zip(upper) {
        let axis: Vec<Exact> = (grid.min()..=grid.max())
            .map(|m| grid.value(m))
            .filter(|v| l <= v && v <= u)
            .collect();
        points = points
            .into_iter()
            .flat_map(|p: Vec<Exact>| {
                axis.iter().map(move |v| {
                    let mut p = p.clone();
                    p.push(v.clone());
                    p
                })
            })
            .collect();
    }
    points
}

/// The answer for domain `grid`.
pub(crate) fn by_grid(
    kernel: &Model,
    reference: (&Model, Meaning),
    points: Vec<Vec<Exact>>,
) -> Answer {
    let all = points.into_iter().map(|x| {
        let n = reference.0.outputs_at(reference.1, &x);
        let k = kernel.fixed(&kernel.quantize(&x));
        (x, n, k)
    });
    Answer::Grid(all.collect())
}

/// Where coordinates between `l` and `u` change their mantissa: `(m + 1/2)·2^-F`, each the first
/// point of its cell.
pub(crate) fn boundaries(format: Fmt, l: &Exact, u: &Exact) -> Vec<Exact> {
    (format.min()..format.max())
        .map(|m| Exact::dyadic(2 * m + 1, -i64::from(format.frac) - 1))
        .filter(|b| l < b && b <= u)
        .collect()
}

/// The answer for domain `real`, one or two inputs.
pub(crate) fn by_pieces(
    kernel: &Model,
    reference: (&Model, Meaning),
    lower: &[Exact],
    upper: &[Exact],
) -> Answer {
    let n = lower.len();
    assert!(n == 1 || n == 2, "the oracle is for one and two inputs");
    // Per coordinate: first point, last point, whether the last point belongs to the cell.
    let axes: Vec<Vec<(Exact, Exact, bool)>> = (0..n)
        .map(|i| {
            let mut cuts = boundaries(kernel.input, &lower[i], &upper[i]);
            if reference.1 == Meaning::Fixed {
                cuts.extend(boundaries(reference.0.input, &lower[i], &upper[i]));
            }
            cuts.push(lower[i].clone());
            cuts.sort();
            cuts.dedup();
            let mut cells: Vec<_> = cuts
                .windows(2)
                .map(|w| (w[0].clone(), w[1].clone(), false))
                .collect();
            cells.push((cuts[cuts.len() - 1].clone(), upper[i].clone(), true));
            cells
        })
        .collect();
    let layers = match reference.1 {
        Meaning::Fixed => Vec::new(),
        Meaning::Real | Meaning::Constants => reference.0.affine_layers(reference.1),
    };
    let mut pieces = Vec::new();
    let mut cells: Vec<Vec<&(Exact, Exact, bool)>> = vec![Vec::new()];
    for axis in &axes {
        cells = cells
            .into_iter()
            .flat_map(|c| {
                axis.iter().map(move |a| {
                    let mut c = c.clone();
                    c.push(a);
                    c
                })
            })
            .collect();
    }
    for cell in cells {
        let first: Vec<Exact> = cell.iter().map(|c| c.0.clone()).collect();
        let corner = |pick: &[bool]| -> Vec<Exact> {
            cell.iter()
                .zip(pick)
                .map(|(c, up)| if *up { c.1.clone() } else { c.0.clone() })
                .collect()
        };
        let cycle: &[&[bool]] = if n == 1 {
            &[&[false], &[true]]
        } else {
            &[
                &[false, false],
                &[true, false],
                &[true, true],
                &[false, true],
            ]
        };
        let corners: Vec<Vec<Exact>> = cycle.iter().map(|p| corner(p)).collect();
        let strict: Vec<Affine> = (0..n)
            .filter(|i| !cell[*i].2)
            .map(|i| Affine::coordinate(n, i, &Exact::from(-1)).plus(&cell[i].1))
            .collect();
        let k = kernel.fixed(&kernel.quantize(&first));
        if reference.1 == Meaning::Fixed {
            let outputs = reference.0.outputs_at(Meaning::Fixed, &first);
            pieces.push(Piece {
                corners,
                strict,
                reference: outputs.into_iter().map(|v| Affine::fixed(n, v)).collect(),
                kernel: k,
            });
            continue;
        }
        let identity: Vec<Affine> = (0..n)
            .map(|i| Affine::coordinate(n, i, &Exact::from(1)))
            .collect();
        for (corners, outputs) in split(&layers, corners, identity) {
            pieces.push(Piece {
                corners,
                strict: strict.clone(),
                reference: outputs,
                kernel: k.clone(),
            });
        }
    }
    Answer::Real(pieces)
}

/// Cuts a polytope at every hinge; the function on each part.
fn split(
    layers: &[Layer],
    corners: Vec<Vec<Exact>>,
    values: Vec<Affine>,
) -> Vec<(Vec<Vec<Exact>>, Vec<Affine>)> {
    let Some((layer, rest)) = layers.split_first() else {
        return vec![(corners, values)];
    };
    match layer {
        Layer::Affine(rows) => {
            let next = rows.iter().map(|r| r.after(&values)).collect();
            split(rest, corners, next)
        }
        Layer::Relu => {
            let mut parts = vec![(corners, values)];
            for i in 0..parts[0].1.len() {
                let mut next = Vec::new();
                for (corners, values) in parts {
                    let n = corners[0].len();
                    let signs: Vec<i32> =
                        corners.iter().map(|x| values[i].at(x).signum()).collect();
                    if signs.iter().any(|s| *s > 0) {
                        let on = clip(&corners, &values[i]);
                        next.push((on, values.clone()));
                    }
                    if signs.iter().any(|s| *s < 0) || signs.iter().all(|s| *s == 0) {
                        let off = clip(&corners, &values[i].negated());
                        let mut values = values;
                        values[i] = Affine::fixed(n, Exact::zero());
                        next.push((off, values));
                    }
                }
                parts = next;
            }
            parts
                .into_iter()
                .flat_map(|(c, v)| split(rest, c, v))
                .collect()
        }
    }
}
