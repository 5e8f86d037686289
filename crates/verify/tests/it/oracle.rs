//! What must hold, and exact answers: every point of a grid, or every real point of one or two
//! inputs by pieces.

use crate::model::{Fmt, Meaning, Model};
use crate::pieces::Piece;
use ceg4n_base::Exact;
use ceg4n_ir::OutputSpec;
use std::sync::Arc;

/// What must hold; mirrors the semantics page.
#[derive(Clone, Debug)]
pub(crate) enum Prop {
    Top1,
    Margin(Exact),
    TopK(usize),
    Eps(Exact),
    Spec(Arc<OutputSpec>),
    Joint(Arc<OutputSpec>),
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
        Prop::Spec(spec) => meets(spec, k),
        Prop::Joint(spec) => meets(spec, &[n, k].concat()),
    }
}

/// Are all constraints of some case true of these outputs?
fn meets(spec: &OutputSpec, y: &[Exact]) -> bool {
    spec.cases.iter().any(|case| {
        case.iter().all(|c| {
            let sum = weighted(&c.coefficients, y, &c.constant);
            sum.signum() < i32::from(!c.strict)
        })
    })
}

/// `Σ a_j·y_j + b`.
fn weighted(coefficients: &[(usize, Exact)], y: &[Exact], constant: &Exact) -> Exact {
    let terms = coefficients.iter().map(|(j, a)| a * &y[*j]);
    terms.fold(constant.clone(), |s, t| &s + &t)
}

/// The question's points with everything known of them.
pub(crate) enum Answer {
    /// Point, reference, kernel.
    Grid(Vec<(Vec<Exact>, Vec<Exact>, Vec<Exact>)>),
    /// Pieces.
    Real(Vec<Piece>),
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
            Self::Real(pieces) => pieces.iter().map(Piece::margin).collect(),
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
                        let d = f.minus(k);
                        p.largest(&d).max(p.largest(&d.negated()))
                    })
                })
                .collect(),
        };
        all.into_iter().reduce(Exact::max).expect("a point")
    }

    /// The least value of `Σ a_j·K_j`, or of a sum over the outputs of both, the reference's
    /// first, up to what open ends leave out.
    pub(crate) fn least(&self, coefficients: &[(usize, Exact)], both: bool) -> Exact {
        let all: Vec<Exact> = match self {
            Self::Grid(points) => points
                .iter()
                .map(|(_, n, k)| match both {
                    true => weighted(coefficients, &[&n[..], k].concat(), &Exact::zero()),
                    false => weighted(coefficients, k, &Exact::zero()),
                })
                .collect(),
            Self::Real(pieces) => pieces
                .iter()
                .map(|p| -&p.largest(&p.weighted(coefficients, both).negated()))
                .collect(),
        };
        all.into_iter().reduce(Exact::min).expect("a point")
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
    kernel: (&Model, Meaning),
    reference: (&Model, Meaning),
    points: Vec<Vec<Exact>>,
) -> Answer {
    let all = points.into_iter().map(|x| {
        let n = reference.0.outputs_at(reference.1, &x);
        let k = kernel.0.outputs_at(kernel.1, &x);
        (x, n, k)
    });
    Answer::Grid(all.collect())
}
