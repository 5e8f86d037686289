//! Constraints on outputs at one point where a program runs in single precision: they count as met
//! if they are in every run.

use super::Subject;
use crate::bounds::backward::Rows;
use crate::bounds::graph::Graph;
use crate::float::Bound;
use crate::reference::{Precision, Reference, hull, is_single, lower};
use crate::requirement::scaled;
use ceg4n_base::Exact;
use ceg4n_base::elementary::Enclosure;
use ceg4n_ir::{OutputConstraint, OutputSpec, Property};

/// The outputs of one program at a point.
#[derive(Clone, Copy)]
pub(super) enum Side<'a> {
    /// As they are.
    Exact(&'a [Exact]),
    /// Anything within these bounds.
    Within(&'a [Enclosure]),
    /// Of every single-precision run of the graph.
    Runs(&'a Graph, &'a [Bound]),
}

impl<'a> Side<'a> {
    /// The reference at a point, in its precision.
    fn of_reference(reference: &'a Reference, x: &'a [Bound], outputs: &'a [Enclosure]) -> Self {
        match reference.precision() {
            Precision::Real => Self::Within(outputs),
            Precision::Float32 => Self::Runs(reference.graph(), x),
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Exact(y) => y.len(),
            Self::Within(y) => y.len(),
            Self::Runs(graph, _) => graph.output_len(),
        }
    }

    /// At least `Σ a_j·y_j` in every run.
    fn most(self, terms: &[(usize, Exact)]) -> Option<Exact> {
        match self {
            Self::Exact(y) => terms
                .iter()
                .try_fold(Exact::zero(), |sum, (j, a)| Some(&sum + &(a * y.get(*j)?))),
            Self::Within(y) => terms.iter().try_fold(Exact::zero(), |sum, (j, a)| {
                let (lo, hi) = y.get(*j)?;
                Some(&sum + &(a * if a.signum() < 0 { lo } else { hi }))
            }),
            Self::Runs(_, _) if terms.is_empty() => Some(Exact::zero()),
            Self::Runs(graph, x) => {
                let (row, scale) = scaled(terms, graph.output_len())?;
                let least = lower(graph, x, Rows::new(1, row.iter().map(|a| -a).collect()));
                (-&Exact::from_f64(*least.first()?)?).checked_div(&scale)
            }
        }
    }
}

/// True if in every run a case is met. The outputs of `sides` follow each other.
pub(super) fn met(spec: &OutputSpec, sides: &[Side<'_>]) -> bool {
    let holds = |c: &OutputConstraint| {
        let (mut most, mut from) = (c.constant.clone(), 0);
        for side in sides {
            let own = from..from + side.len();
            let terms = c.coefficients.iter().filter(|(j, _)| own.contains(j));
            let terms: Vec<_> = terms.map(|(j, a)| (j - from, a.clone())).collect();
            match side.most(&terms) {
                Some(m) => most = &most + &m,
                None => return false,
            }
            from = own.end;
        }
        most.signum() < i32::from(!c.strict)
    };
    spec.cases.iter().any(|case| case.iter().all(holds))
}

/// True if the outputs of a kernel and of every run of the reference meet a case at `x`.
pub(super) fn against_kernel(
    reference: &Reference,
    spec: &OutputSpec,
    x: &[Exact],
    kernel: &[Exact],
) -> bool {
    let x = hull(x, x);
    met(
        spec,
        &[Side::Runs(reference.graph(), &x), Side::Exact(kernel)],
    )
}

/// True if every run of a subject in single precision breaks the property at `x`, whatever the
/// reference's run; of a specification only, and only at float32 points.
pub(super) fn broken(
    reference: &Reference,
    subject: &Subject,
    property: &Property,
    x: &[Exact],
    outputs: &[Enclosure],
) -> bool {
    if !x.iter().all(is_single) {
        return false;
    }
    let x = hull(x, x);
    let own = Side::Runs(subject.graph(), &x);
    match property {
        Property::Spec(spec) => met(spec, &[own]),
        Property::Joint(spec) => met(spec, &[Side::of_reference(reference, &x, outputs), own]),
        Property::Top1 | Property::Top1Margin(_) | Property::TopK(_) | Property::Eps(_) => false,
    }
}
