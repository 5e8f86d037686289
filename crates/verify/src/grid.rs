//! The solver tier of domain `grid`: what bounds leave open is asked as one bit-vector question
//! about reference, kernel and property together.

use crate::bounds::differential::PairSplits;
use crate::budget::{Effort, Stop};
use crate::cells::{Celled, Cells, PairArea};
use crate::frontier::OpenPart;
use crate::keep::Tally;
use crate::leaf::{GridBox, Leaf, LeafAnswer};
use crate::space::Part;
use crate::subject::Trouble;
use crate::verdict::Witness;
use ceg4n_base::Exact;
use ceg4n_ir::{Domain, Format, Property};

impl Cells<'_> {
    /// Hands the open parts to the solver; `shown` is the margin that bounds have shown elsewhere.
    /// In domain `real`, or with more parts than queries, they stay open.
    #[expect(clippy::too_many_arguments, reason = "all that a search leaves behind")]
    pub(crate) fn by_solver(
        &self,
        open: &[OpenPart<PairArea>],
        reason: String,
        mut shown: Option<f64>,
        mut tally: Tally,
        effort: &Effort,
        stop: &Stop,
        leaf: &mut dyn Leaf,
    ) -> Result<Celled, Trouble> {
        let real = self.reference.real().filter(|_| self.reference.is_exact());
        let askable = match (self.space.domain, real, self.subject.kernel()) {
            (Domain::Grid(grid), Some(reference), Some(kernel)) => Some((grid, reference, kernel)),
            (Domain::Grid(_) | Domain::Real, _, _) => None,
        };
        // Constraints on signs are no part of a solver's question.
        let unconstrained = open.iter().all(|p| p.item.signs == PairSplits::default());
        let Some((grid, reference, kernel)) =
            askable.filter(|_| open.len() as u64 <= effort.queries && unconstrained)
        else {
            return Ok(Celled::Open(reason, tally));
        };
        for left in open {
            let part = &left.item.part;
            let question = GridBox {
                kernel,
                reference,
                grid,
                points: &part.grid,
                property: self.property,
            };
            match leaf.breaks_on_grid(question, effort, stop) {
                LeafAnswer::Never => {
                    tally.solved(left.node, leaf.name());
                    if let (Some(s), Property::Top1Margin(m)) = (shown, self.property) {
                        shown = Some(s.max(m.enclosure().1));
                    }
                }
                LeafAnswer::At(point) => {
                    return Ok(match self.model(part, grid, &point)? {
                        Some(w) => Celled::Broken(Box::new(w), tally),
                        None => Celled::Open("the solver's model does not replay".into(), tally),
                    });
                }
                LeafAnswer::Unknown(reason) => {
                    tally.clock_limited |= stop.now().is_some();
                    return Ok(Celled::Open(format!("solver: {reason}"), tally));
                }
            }
        }
        tally.open = None;
        Ok(Celled::Holds(shown, tally))
    }

    /// A solver's model counts only after replay.
    fn model(&self, part: &Part, grid: Format, point: &[i64]) -> Result<Option<Witness>, Trouble> {
        let within = |(v, r): (&i64, &ceg4n_ir::Interval)| r.lo <= *v && *v <= r.hi;
        if point.len() != part.grid.len() || !point.iter().zip(&part.grid).all(within) {
            return Ok(None);
        }
        let x: Vec<Exact> = point.iter().map(|g| grid.value(*g)).collect();
        self.subject
            .replay(self.reference, self.space, self.property, &x)
    }
}
