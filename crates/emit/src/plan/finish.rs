//! Rewritings of a finished stage that save instructions and change no value.

use super::build::Builder;
use super::{Body, Data, Dense, Operand, Stage, Step, StepKind};
use crate::elem::Elem;
use ceg4n_ir::Rounding;
use ceg4n_target::Form;
use std::borrow::Cow;

impl Builder<'_> {
    /// Applies every rewriting.
    pub(super) fn finish(&mut self, stage: &mut Stage) {
        relu_into_clamp(stage);
        self.rounding_into_bias(stage);
        narrow(stage);
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
        let tiled = !tiles.is_empty() && table.ty == Elem::I32 && half <= license.room();
        if !tiled {
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

/// On a processor of 8 bits, sums of 16 bits, and sums of 24 whose low 8 bits a shift drops, go
/// on as 16 bits for as long as the steps allow.
fn narrow(stage: &mut Stage) {
    let Body::Dense(dense) = &stage.body else {
        return;
    };
    match (dense.license.form(), stage.steps.first()) {
        (Form::Short, _) => {}
        (
            Form::Bytes,
            Some(Step {
                kind: StepKind::Floor(8..),
                ..
            }),
        ) => {
            if saturates(&stage.steps, stage.ty).is_some() {
                // The form's functions do all of that.
                return;
            }
            if let StepKind::Floor(s) = &mut stage.steps[0].kind {
                *s -= 8;
            }
        }
        _ => return,
    }
    stage.word = Elem::I16;
    stage
        .steps
        .retain(|s| !matches!(s.kind, StepKind::Floor(0)));
    let (least, most) = Elem::I16.range();
    for step in &mut stage.steps {
        match &mut step.kind {
            // All beyond give the sign.
            StepKind::Floor(s) => *s = (*s).min(15),
            StepKind::Relu => {}
            StepKind::Clamp { lo, hi } => {
                let inside = |b: &Option<i64>| b.is_none_or(|b| (least..=most).contains(&b));
                if !inside(lo) || !inside(hi) {
                    return;
                }
            }
            StepKind::Add(_)
            | StepKind::AddVector(_)
            | StepKind::LeakyRelu(_)
            | StepKind::Unary(_)
            | StepKind::Multiply(_)
            | StepKind::Shift(_)
            | StepKind::AtLeast(_)
            | StepKind::AtMost(_)
            | StepKind::Lookup { .. } => return,
        }
        step.word = Elem::I16;
    }
}

/// By how much steps shift right before they saturate to unsigned bytes; `None` if they do
/// something else.
pub(crate) fn saturates(steps: &[Step], ty: Elem) -> Option<u32> {
    let (shift, rest) = match steps {
        [
            Step {
                kind: StepKind::Floor(s),
                ..
            },
            rest @ ..,
        ] => (*s, rest),
        rest => (0, rest),
    };
    // A bound that is not there is the type's, which then is proved.
    let bounds = match rest {
        [] => true,
        [step] => matches!(
            step.kind,
            StepKind::Clamp {
                lo: None | Some(0),
                hi: None | Some(255),
            }
        ),
        _ => false,
    };
    (ty == Elem::U8 && shift < 24 && bounds).then_some(shift)
}

/// A relu before a shift or a clamp is a lower bound behind the shift: rounding is monotone and
/// keeps 0. A shift left must leave room for negative sums, which the relu would have taken away.
fn relu_into_clamp(stage: &mut Stage) {
    let Some(i) = stage
        .steps
        .iter()
        .position(|s| matches!(s.kind, StepKind::Relu))
    else {
        return;
    };
    let bits = match &stage.body {
        Body::Dense(d) if i == 0 => Some(i64::from(d.width)),
        Body::Dense(_) | Body::Load | Body::Windows(_) | Body::Copy { .. } | Body::Pick { .. } => {
            None
        }
    };
    let steps = &mut stage.steps;
    let word = steps[i].word;
    let most = 8 * word.bytes() as i64;
    let next = |i: usize| steps.get(i).filter(|s| s.word == word).map(|s| s.kind);
    let shifts = match next(i + 1) {
        Some(StepKind::Shift(Operand::Uniform(s))) if s < 0 => bits.is_some_and(|b| b - s <= most),
        Some(StepKind::Shift(Operand::Uniform(_))) => true,
        _ => false,
    };
    let at = if shifts { i + 2 } else { i + 1 };
    match next(at) {
        Some(StepKind::Clamp { lo, hi }) => {
            // An upper bound below 0 is all that is left.
            let lo = Some(lo.unwrap_or(0).max(0).min(hi.unwrap_or(i64::MAX)));
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
