//! What is done to each accumulator, and the store of the result.

use super::{Printer, cast, factor};
use crate::elem::Elem;
use crate::plan::{Operand, Step, StepKind};
use crate::text::{Code, grouped};
use ceg4n_ir::{Rounding, Unary};

impl Printer<'_> {
    /// All steps on the variable `acc`, and the store of the result.
    pub(super) fn steps(&self, code: &mut Code) {
        let mut word = self.stage.word;
        for (i, step) in self.stage.steps.iter().enumerate() {
            if step.word != word {
                code.line(format!("let acc = {};", cast("acc", word, step.word)));
                word = step.word;
            }
            code.line(format!("let acc = {};", self.expression(step, i)));
        }
        let value = cast("acc", word, self.stage.ty);
        code.line(format!("*y = {};", self.result(&value)));
    }

    /// The constant of step `i` as an operand; a table's entry is `c{i}`.
    fn constant(&self, word: Elem, i: usize, c: Operand) -> String {
        match c {
            Operand::Uniform(c) => grouped(c),
            Operand::Table(t, ..) => factor(&format!("*c{i}"), self.plan.tables[t].ty, word),
        }
    }

    /// `acc` bounded by the constant of step `i`.
    fn bound(&self, function: &str, word: Elem, i: usize, c: Operand) -> String {
        let c = match c {
            Operand::Uniform(c) => grouped(c),
            Operand::Table(t, ..) => cast(&format!("*c{i}"), self.plan.tables[t].ty, word),
        };
        format!("acc.{function}({c})")
    }

    /// The new value of `acc` after one step.
    fn expression(&self, step: &Step, i: usize) -> String {
        let word = step.word;
        match step.kind {
            StepKind::Relu => "acc.max(0)".to_owned(),
            StepKind::Floor(s) => format!("acc >> {s}"),
            StepKind::Clamp { lo, hi } => match (lo, hi) {
                (Some(lo), Some(hi)) => format!("acc.clamp({}, {})", grouped(lo), grouped(hi)),
                (Some(lo), None) => format!("acc.max({})", grouped(lo)),
                (None, Some(hi)) => format!("acc.min({})", grouped(hi)),
                (None, None) => "acc".to_owned(),
            },
            StepKind::AtLeast(c) => self.bound("max", word, i, c),
            StepKind::AtMost(c) => self.bound("min", word, i, c),
            StepKind::Add(c) => format!("acc + {}", self.constant(word, i, c)),
            StepKind::AddVector(k) => {
                let z = self.entry(k, &self.operand(k));
                format!("acc + {}", factor(&z, self.stage.reads[k].ty, word))
            }
            // What an operand is multiplied with when it is always zero.
            StepKind::Multiply(Operand::Uniform(0)) => "acc.clamp(0, 0)".to_owned(),
            StepKind::Multiply(Operand::Uniform(-1)) => "-acc".to_owned(),
            StepKind::Multiply(c) => format!("acc * {}", self.constant(word, i, c)),
            StepKind::LeakyRelu(s) => {
                format!(
                    "if acc > 0 {{ acc * {} }} else {{ acc }}",
                    grouped(1i64 << s)
                )
            }
            StepKind::Unary(Unary::Abs) => "acc.abs()".to_owned(),
            StepKind::Unary(Unary::Sign) => "acc.signum()".to_owned(),
            StepKind::Lookup { table, least } => {
                let t = &self.plan.tables[table];
                let index = match least {
                    0 => "acc".to_owned(),
                    least => format!("(acc + {})", grouped(-least)),
                };
                // The mask changes nothing and spares the check of the index.
                let mask = t.data.len() - 1;
                let entry = format!("{}[{index} as usize & {mask}]", self.table(table));
                cast(&entry, t.ty, word)
            }
            StepKind::Shift(Operand::Uniform(s)) => self.shift(s),
            StepKind::Shift(Operand::Table(_, least, greatest)) => {
                self.shift_by_table(word, i, least, greatest)
            }
        }
    }

    fn shift(&self, s: i64) -> String {
        if s < 0 {
            return format!("acc * {}", grouped(1i64 << -s));
        }
        let half = 1i64 << (s - 1);
        match self.plan.kernel.rounding {
            Rounding::Floor => format!("acc >> {s}"),
            Rounding::HalfUp => format!("(acc + {}) >> {s}", grouped(half)),
            Rounding::HalfEven if half == 1 => format!("(acc + ((acc >> {s}) & 1)) >> {s}"),
            Rounding::HalfEven => {
                let half = grouped(half - 1);
                format!("(acc + ({half} + ((acc >> {s}) & 1))) >> {s}")
            }
        }
    }

    fn shift_by_table(&self, word: Elem, i: usize, least: i64, greatest: i64) -> String {
        let word = word.rust();
        let (s, half) = (format!("*c{i}"), format!("(1_{word} << (*c{i} - 1))"));
        let right = match self.plan.kernel.rounding {
            Rounding::Floor => format!("acc >> {s}"),
            Rounding::HalfUp => format!("(acc + {half}) >> {s}"),
            Rounding::HalfEven => format!("(acc + ({half} - 1 + ((acc >> {s}) & 1))) >> {s}"),
        };
        let left = format!("acc * (1_{word} << -{s})");
        if least > 0 {
            right
        } else if greatest <= 0 {
            left
        } else {
            format!("if {s} > 0 {{ {right} }} else {{ {left} }}")
        }
    }
}
