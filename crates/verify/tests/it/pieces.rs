//! Exact answers about a pair of models on all real points of a box with one or two inputs, by
//! cutting it at the rounding boundaries of the input formats and at the hinges of the relus.
//!
//! On a piece both programs are affine, a fixed-point one constant. A piece is a closed convex
//! polytope of dimension one or two (its corners in cyclic order) together with strict upper
//! limits: the cell `[a, b)` of an input ends before `b`, because a midpoint rounds up. Every
//! question is whether a piece has a point where some affine functions are positive and others
//! not negative. Let R be the piece cut by all their closed half-planes. If such a point exists,
//! each of the first is positive somewhere on R and negative nowhere, hence positive in R's
//! relative interior, where the mean of R's corners lies. So that mean decides.

use crate::model::{Affine, Fmt, Layer, Meaning, Model};
use crate::oracle::{Answer, Prop};
use ceg4n_base::Exact;

/// A part of the region on which both programs are affine.
pub(crate) struct Piece {
    pub(crate) corners: Vec<Vec<Exact>>,
    /// Positive on the piece, strictly.
    strict: Vec<Affine>,
    pub(crate) reference: Vec<Affine>,
    pub(crate) kernel: Vec<Affine>,
}

/// What must be positive, and what must not be negative.
#[derive(Clone, Default)]
struct Wanted {
    positive: Vec<Affine>,
    closed: Vec<Affine>,
}

impl Wanted {
    fn and(mut self, positive: impl IntoIterator<Item = Affine>) -> Self {
        self.positive.extend(positive);
        self
    }
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
    /// A point of the piece where all that is wanted holds.
    fn point(&self, wanted: &Wanted) -> Option<Vec<Exact>> {
        let mut r = self.corners.clone();
        let positive = || wanted.positive.iter().chain(&self.strict);
        for h in wanted.closed.iter().chain(positive()) {
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
        let inside = positive().all(|h| h.at(&mean).signum() > 0);
        inside.then_some(mean)
    }

    /// Output `c` of the reference exceeds all others.
    fn wins(&self, c: usize) -> impl Iterator<Item = Affine> {
        let n = &self.reference;
        let others = (0..n.len()).filter(move |j| *j != c);
        others.map(move |j| n[c].minus(&n[j]))
    }

    /// Output `i` of the kernel precedes output `j`: the lower index does among equals.
    fn precedes(&self, i: usize, j: usize, wanted: &mut Wanted) {
        let lead = self.kernel[i].minus(&self.kernel[j]);
        let list = if i < j {
            &mut wanted.closed
        } else {
            &mut wanted.positive
        };
        list.push(lead);
    }

    /// The kernel answers `k`.
    fn answers(&self, k: usize) -> Wanted {
        let mut wanted = Wanted::default();
        for j in (0..self.kernel.len()).filter(|j| *j != k) {
            self.precedes(k, j, &mut wanted);
        }
        wanted
    }

    /// At least `n` outputs of the kernel precede output `c`, each such set of `n` on its own.
    fn preceded(&self, c: usize, n: usize) -> Vec<Wanted> {
        let sets = (0u32..1 << self.kernel.len())
            .filter(|s| s & (1 << c) == 0 && s.count_ones() as usize == n);
        sets.map(|s| {
            let mut wanted = Wanted::default();
            for i in (0..self.kernel.len()).filter(|i| s & (1 << i) != 0) {
                self.precedes(i, c, &mut wanted);
            }
            wanted
        })
        .collect()
    }

    pub(crate) fn broken(&self, prop: &Prop) -> Option<Vec<Exact>> {
        let n = &self.reference;
        let mut outputs = 0..n.len();
        match prop {
            Prop::Top1 => outputs.find_map(|k| {
                let others = (0..n.len()).filter(|c| *c != k);
                others
                    .map(|c| self.answers(k).and(self.wins(c)))
                    .find_map(|w| self.point(&w))
            }),
            Prop::Margin(m) => outputs.find_map(|k| {
                let excess = |j: usize| n[j].minus(&n[k]).plus(&-m);
                (0..n.len())
                    .map(|j| self.answers(k).and([excess(j)]))
                    .find_map(|w| self.point(&w))
            }),
            Prop::TopK(first) => outputs.find_map(|c| {
                let sets = self.preceded(c, *first).into_iter();
                sets.map(|w| w.and(self.wins(c)))
                    .find_map(|w| self.point(&w))
            }),
            Prop::Eps(e) => outputs.find_map(|j| {
                let above = n[j].minus(&self.kernel[j]).plus(&-e);
                let below = self.kernel[j].minus(&n[j]).plus(&-e);
                let far = [above, below].map(|h| Wanted::default().and([h]));
                far.iter().find_map(|w| self.point(w))
            }),
            Prop::Spec(spec) | Prop::Joint(spec) => spec.cases.iter().find_map(|case| {
                let both = matches!(prop, Prop::Joint(_));
                let mut wanted = Wanted::default();
                for c in case {
                    let sum = self.weighted(&c.coefficients, both);
                    let short = sum.plus(&c.constant).negated();
                    let list = if c.strict {
                        &mut wanted.positive
                    } else {
                        &mut wanted.closed
                    };
                    list.push(short);
                }
                self.point(&wanted)
            }),
        }
    }

    /// `Σ a_j·K_j`, or of the outputs of both, the reference's first.
    pub(crate) fn weighted(&self, coefficients: &[(usize, Exact)], both: bool) -> Affine {
        let outputs = match both {
            true => [&self.reference[..], &self.kernel[..]].concat(),
            false => self.kernel.clone(),
        };
        let mut sum = Affine::fixed(outputs.len(), Exact::zero());
        for (j, a) in coefficients {
            sum.slope[*j] = a.clone();
        }
        sum.after(&outputs)
    }

    /// How far the best output of the reference is above the one that the kernel answers, at
    /// most.
    pub(crate) fn margin(&self) -> Exact {
        let n = &self.reference;
        let most = |k: usize| {
            let mut r = self.corners.clone();
            let wanted = self.answers(k);
            for h in wanted.closed.iter().chain(&wanted.positive) {
                r = clip(&r, h);
            }
            // A tie that the kernel answers otherwise is no case of this.
            let own = |h: &Affine| r.iter().any(|x| h.at(x).signum() > 0);
            let own = wanted.positive.iter().all(own);
            let leads = n.iter().map(|f| f.minus(&n[k]));
            own.then(|| {
                leads
                    .flat_map(|f| r.iter().map(|x| f.at(x)).collect::<Vec<_>>())
                    .reduce(Exact::max)
            })
            .flatten()
        };
        let all = (0..n.len()).filter_map(most);
        all.reduce(Exact::max)
            .expect("the kernel answers something")
    }

    /// The largest value of a function over the closed piece.
    pub(crate) fn largest(&self, f: &Affine) -> Exact {
        let values = self.corners.iter().map(|x| f.at(x));
        values.reduce(Exact::max).expect("corners")
    }
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
    kernel: (&Model, Meaning),
    reference: (&Model, Meaning),
    lower: &[Exact],
    upper: &[Exact],
) -> Answer {
    let n = lower.len();
    assert!(n == 1 || n == 2, "the oracle is for one and two inputs");
    // Per coordinate: first point, last point, whether the last point belongs to the cell.
    let axes: Vec<Vec<(Exact, Exact, bool)>> = (0..n)
        .map(|i| {
            let mut cuts = Vec::new();
            for (model, meaning) in [kernel, reference] {
                if meaning == Meaning::Fixed {
                    cuts.extend(boundaries(model.input, &lower[i], &upper[i]));
                }
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
    let [kernel, reference] = [kernel, reference].map(Side::new);
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
        for (corners, outputs) in reference.parts(&first, corners) {
            for (corners, k) in kernel.parts(&first, corners) {
                pieces.push(Piece {
                    corners,
                    strict: strict.clone(),
                    reference: outputs.clone(),
                    kernel: k,
                });
            }
        }
    }
    Answer::Real(pieces)
}

/// One of the two programs.
struct Side<'a> {
    model: &'a Model,
    /// `None` for a fixed-point program.
    layers: Option<Vec<Layer>>,
}

impl<'a> Side<'a> {
    fn new((model, meaning): (&'a Model, Meaning)) -> Self {
        let layers = match meaning {
            Meaning::Fixed => None,
            Meaning::Real | Meaning::Constants => Some(model.affine_layers(meaning)),
        };
        Self { model, layers }
    }

    /// The parts of a polytope in one cell of the rounding, whose first point is given, on which
    /// the program is affine.
    fn parts(&self, first: &[Exact], corners: Vec<Vec<Exact>>) -> Vec<Part> {
        let n = first.len();
        match &self.layers {
            None => {
                let outputs = self.model.outputs_at(Meaning::Fixed, first);
                let fixed = outputs.into_iter().map(|v| Affine::fixed(n, v));
                vec![(corners, fixed.collect())]
            }
            Some(layers) => {
                let identity = (0..n).map(|i| Affine::coordinate(n, i, &Exact::from(1)));
                split(layers, corners, identity.collect())
            }
        }
    }
}

/// Corners of a polytope, and the outputs on it.
type Part = (Vec<Vec<Exact>>, Vec<Affine>);

/// Cuts a polytope at every hinge; the function on each part.
fn split(layers: &[Layer], corners: Vec<Vec<Exact>>, values: Vec<Affine>) -> Vec<Part> {
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
