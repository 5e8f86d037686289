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

/// A relu before a shift or a clamp is a lower bound behind the shift: rounding is monotone and
/// keeps 0.
fn relu_into_clamp(steps: &mut Vec<Step>) {
    let Some(i) = steps.iter().position(|s| matches!(s.kind, StepKind::Relu)) else {
        return;
    };
    let word = steps[i].word;
    let next = |i: usize| steps.get(i).filter(|s| s.word == word).map(|s| s.kind);
    let shifts = matches!(next(i + 1), Some(StepKind::Shift(Operand::Uniform(_))));
    let at = if shifts { i + 2 } else { i + 1 };
    match next(at) {
        Some(StepKind::Clamp { lo, hi }) => {
            let lo = Some(lo.map_or(0, |lo| lo.max(0)));
            steps[at].kind = StepKind::Clamp { lo, hi };
        }
        _ if shifts => {
            let kind = StepKind::Clamp {
                lo: Some(0),
                hi: None,
            };
            steps.insert(at, Step { word, kind });
        }
        _ => return,
    }
    steps.remove(i);
}
