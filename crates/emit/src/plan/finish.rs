//! Rewritings of a finished stage that save instructions and change no value.

use super::build::Builder;
use super::{Body, Data, Dense, Operand, Stage, Step, StepKind};
use crate::elem::Elem;
use ceg4n_ir::Rounding;
use std::borrow::Cow;

impl Builder<'_> {
    /// Applies every rewriting.
    pub(super) fn finish(&mut self, stage: &mut Stage) {
        relu_into_clamp(&mut stage.steps);
        self.rounding_into_bias(stage);
    }

    /// In tiles, whose biases are words anyway, the addend of a rounding is part of the bias.
    fn rounding_into_bias(&mut self, stage: &mut Stage) {
        let Body::Dense(Dense {
            bias: Some(bias),
            tiles,
            license,
            ..
        }) = &stage.body
        else {
            return;
        };
        let Some(Step {
            word: Elem::I32,
            kind: StepKind::Shift(Operand::Uniform(s @ 1..=31)),
        }) = stage.steps.first()
        else {
            return;
        };
        let half = match self.kernel.rounding {
            Rounding::HalfUp => 1i64 << (s - 1),
            Rounding::Floor => 0,
            Rounding::HalfEven => return,
        };
        let table = &mut self.plan.tables[*bias];
        if tiles.is_empty() || table.ty != Elem::I32 || half > license.room() {
            return;
        }
        let data: Vec<i64> = table.data.iter().map(|b| b + half).collect();
        let (lo, hi) = Elem::I32.range();
        if data.iter().any(|b| !(lo..=hi).contains(b)) {
            return;
        }
        table.data = Data::Wide(Cow::Owned(data));
        stage.steps[0].kind = StepKind::Floor(*s as u32);
    }
}

/// A relu before a right shift and a clamp is the clamp's lower bound: rounding is monotone and
/// keeps 0.
fn relu_into_clamp(steps: &mut Vec<Step>) {
    let found = steps.windows(3).position(|w| {
        let [a, b, c] = w else { return false };
        a.word == b.word
            && matches!(a.kind, StepKind::Relu)
            && matches!(b.kind, StepKind::Shift(Operand::Uniform(1..)))
            && matches!(c.kind, StepKind::Clamp { .. })
    });
    let Some(i) = found else {
        return;
    };
    if let StepKind::Clamp { lo, .. } = &mut steps[i + 2].kind {
        *lo = Some(lo.map_or(0, |lo| lo.max(0)));
        steps.remove(i);
    }
}
