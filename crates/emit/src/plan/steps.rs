//! What elementwise operators do to an accumulator.

use super::build::Builder;
use super::operands::{Constants, is_block};
use super::{Data, Operand, Stage, StepKind};
use crate::EmitError;
use crate::elem::{Elem, hull};
use ceg4n_ir::{Format, Interval, KernelOp, NodeId, Rounding, Unary};
use std::borrow::Cow;

/// True if an element is always zero, whatever it is multiplied with or shifted by.
fn is_zero(r: &Interval) -> bool {
    r.lo == 0 && r.hi == 0
}

/// The constants of elements with given ranges; any would do for one that is always zero.
fn constants_of(of_x: &[Interval], value: impl Fn(usize) -> i64) -> Constants {
    let list = of_x.iter().enumerate();
    list.map(|(j, r)| (!is_zero(r)).then(|| value(j))).collect()
}

impl Stage {
    /// Along what constants change, in words.
    fn along(&self, values: &Constants) -> &'static str {
        if self.inner == 1 || is_block(values, self.inner) {
            "by channel"
        } else {
            "by position"
        }
    }
}

impl<'a> Builder<'a> {
    /// Appends an elementwise node to a stage; tells what it does.
    pub(super) fn step(&mut self, stage: &mut Stage, n: NodeId) -> Result<String, EmitError> {
        let node = self.node(n);
        let of_x: &'a [Interval] = self.source(n).map_or(&[][..], |x| &self.node(x).range);
        let x = hull(of_x);
        let width = self.width(n);
        let word = Elem::word(width);
        Ok(match &node.op {
            KernelOp::AddConst { c, .. } => {
                self.add(stage, n, width, c);
                "add constants".to_owned()
            }
            KernelOp::MulConst { c, .. } => {
                let part = node.len / c.len().max(1);
                let values = constants_of(of_x, |j| i64::from(c[j / part.max(1)]));
                let comment = format!("{}: factors", self.name(n));
                let factor = self.constants('f', values, 1, comment);
                stage.push(word, StepKind::Multiply(factor));
                "multiply by constants".to_owned()
            }
            KernelOp::Sum { .. } => self.add_vector(stage, n, width)?,
            KernelOp::Relu { .. } => {
                if x.lo < 0 {
                    stage.push(word, StepKind::Relu);
                }
                "relu".to_owned()
            }
            KernelOp::Clip { lo, hi, .. } => {
                self.clip(stage, n, word, lo, hi);
                "clip".to_owned()
            }
            KernelOp::LeakyRelu { shift, .. } => {
                if x.hi > 0 {
                    stage.push(word, StepKind::LeakyRelu(*shift));
                }
                format!("leaky relu of slope 2^-{shift}, with {shift} more fraction bits")
            }
            KernelOp::Unary { function, .. } => {
                if *function != Unary::Abs || x.lo < 0 {
                    stage.push(word, StepKind::Unary(*function));
                }
                function.name().to_owned()
            }
            KernelOp::Table {
                least,
                table,
                format,
                curve,
                ..
            } => {
                self.look_up(stage, n, *least, table)?;
                format!("{} by a table of {format}", curve.name())
            }
            KernelOp::Requantize {
                multiplier,
                shift,
                format,
                ..
            } => self.requantize(stage, n, multiplier.as_deref(), shift, *format)?,
            KernelOp::Align { shift, .. } => {
                let left: Vec<i32> = shift.iter().map(|s| -s).collect();
                self.shift(stage, n, of_x, &left)?;
                format!("channels aligned to scale 2^{}", -self.kernel.output_frac)
            }
            KernelOp::Input { .. }
            | KernelOp::Move { .. }
            | KernelOp::Dense { .. }
            | KernelOp::Conv { .. }
            | KernelOp::MaxPool { .. }
            | KernelOp::SumPool { .. }
            | KernelOp::Concat { .. }
            | KernelOp::Gather { .. } => {
                return Err(EmitError::Internal(format!("{n} is no elementwise node")));
            }
        })
    }

    fn add(&mut self, stage: &mut Stage, n: NodeId, width: u8, c: &[i64]) {
        let values = c.iter().map(|c| Some(*c)).collect();
        let comment = format!("{}: added constants", self.name(n));
        let add = self.constants('c', values, 0, comment);
        // A sum may be narrower than what is added.
        let (Operand::Uniform(lo) | Operand::Table(_, lo, _)) = add;
        let (Operand::Uniform(hi) | Operand::Table(_, _, hi)) = add;
        let width = width.max(Interval::new(lo, hi).signed_width());
        stage.push(Elem::word(width), StepKind::Add(add));
    }

    fn add_vector(&mut self, stage: &mut Stage, n: NodeId, width: u8) -> Result<String, EmitError> {
        let y = self.added_vector(n)?;
        let (of_y, name) = match self.added(n) {
            Some(y) => (hull(&self.node(y).range), self.name(y)),
            None => (Interval::new(0, 0), ""),
        };
        stage.reads.push(y);
        let word = Elem::word(width.max(of_y.signed_width()));
        stage.push(word, StepKind::AddVector(stage.reads.len() - 1));
        Ok(format!("add {name}"))
    }

    /// Bounds that cannot act are those of the range.
    fn clip(&mut self, stage: &mut Stage, n: NodeId, word: Elem, lo: &[i64], hi: &[i64]) {
        let x = self.operand_range(n);
        let all = x.hull(hull(&self.node(n).range));
        let inside = |b: &i64| Some((*b).clamp(all.lo, all.hi));
        let name = self.name(n);
        let least = lo.iter().map(inside).collect();
        let lo = self.constants('l', least, all.lo, format!("{name}: lower bounds"));
        let most = hi.iter().map(inside).collect();
        let hi = self.constants('h', most, all.hi, format!("{name}: upper bounds"));
        match (lo, hi) {
            (Operand::Uniform(lo), Operand::Uniform(hi)) => {
                let clamp = StepKind::Clamp {
                    lo: (x.lo < lo).then_some(lo),
                    hi: (x.hi > hi).then_some(hi),
                };
                stage.push(word, clamp);
            }
            (lo, hi) => {
                stage.push(word, StepKind::AtLeast(lo));
                stage.push(word, StepKind::AtMost(hi));
            }
        }
    }

    fn look_up(
        &mut self,
        stage: &mut Stage,
        n: NodeId,
        least: i64,
        entries: &'a [i32],
    ) -> Result<(), EmitError> {
        if !entries.len().is_power_of_two() {
            let text = format!("{n} has {} entries", entries.len());
            return Err(EmitError::Internal(text));
        }
        let ends = entries.iter().map(|e| i64::from(*e));
        let ends = ends.fold((0, 0), |(lo, hi), e| (e.min(lo), e.max(hi)));
        let comment = format!("{}: entries from operand {least} on", self.name(n));
        let ty = Elem::holding(ends.0, ends.1);
        let table = self.table('t', ty, Data::Narrow(entries), comment);
        let kind = StepKind::Lookup { table, least };
        // Operand and entries are mantissas of at most 32 bits, but the former may lie in a wider
        // word.
        stage.push(Elem::word(self.width(n)), kind);
        Ok(())
    }

    fn requantize(
        &mut self,
        stage: &mut Stage,
        n: NodeId,
        multiplier: Option<&[u16]>,
        shift: &[i32],
        format: Format,
    ) -> Result<String, EmitError> {
        let of_x: &'a [Interval] = self.source(n).map_or(&[][..], |x| &self.node(x).range);
        let (product, factor) = match multiplier {
            None => (Cow::Borrowed(of_x), String::new()),
            Some(m) => self.multiply(stage, n, of_x, m),
        };
        let rounding = self.kernel.rounding;
        let clamp = acting_clamp(rounding, &product, shift, format);
        let (word, text) = self.shift(stage, n, &product, shift)?;
        stage.push(word, clamp);
        let rounding = rounding.name();
        Ok(format!(
            "requantize to {format}, {factor}{text}, rounding {rounding}"
        ))
    }

    /// Appends the product with multipliers; returns its ranges and what it does.
    fn multiply(
        &mut self,
        stage: &mut Stage,
        n: NodeId,
        of_x: &[Interval],
        multiplier: &[u16],
    ) -> (Cow<'static, [Interval]>, String) {
        let values = constants_of(of_x, |j| i64::from(multiplier[j]));
        // The checker proved that 64 bits hold the products.
        let product = |(r, m): (&Interval, &Option<i64>)| {
            let m = m.unwrap_or(1);
            Interval::new(r.lo * m, r.hi * m)
        };
        let products: Vec<Interval> = of_x.iter().zip(&values).map(product).collect();
        let comment = format!("{}: multipliers", self.name(n));
        let by = stage.along(&values);
        let factor = self.constants('m', values, 1, comment);
        let text = match &factor {
            Operand::Uniform(1) => String::new(),
            Operand::Uniform(m) => format!("times {m}, "),
            Operand::Table(_, lo, hi) => format!("times {lo} to {hi} {by}, "),
        };
        stage.push(Elem::word(self.width(n)), StepKind::Multiply(factor));
        (Cow::Owned(products), text)
    }

    /// Appends shifts; returns their word and what they do.
    fn shift(
        &mut self,
        stage: &mut Stage,
        n: NodeId,
        of_x: &[Interval],
        shift: &[i32],
    ) -> Result<(Elem, String), EmitError> {
        let values = constants_of(of_x, |j| i64::from(shift[j]));
        let comment = format!("{}: right shifts (negative: left)", self.name(n));
        let by = stage.along(&values);
        let shift = self.constants('s', values, 0, comment);
        let word = Elem::word(shift_width(self.width(n), &shift)?);
        let text = shift_text(&shift, by);
        stage.push(word, StepKind::Shift(shift));
        Ok((word, text))
    }
}

/// The sides of a format's clamp that the rounded operand can reach.
fn acting_clamp(rounding: Rounding, of_x: &[Interval], shift: &[i32], format: Format) -> StepKind {
    let end = |m: i64, s: &i32| rounding.shift(i128::from(m), *s);
    let rounded = of_x.iter().zip(shift);
    let (lo, hi) = rounded.fold((0, 0), |(lo, hi), (r, s)| {
        (end(r.lo, s).min(lo), end(r.hi, s).max(hi))
    });
    StepKind::Clamp {
        lo: (lo < i128::from(format.min())).then_some(format.min()),
        hi: (hi > i128::from(format.max())).then_some(format.max()),
    }
}

/// The word that a shift needs: besides what the IR proved, the power of two itself.
fn shift_width(width: u8, shift: &Operand) -> Result<u8, EmitError> {
    let (lo, hi) = match shift {
        Operand::Uniform(s) => (*s, *s),
        Operand::Table(_, lo, hi) => (*lo, *hi),
    };
    let power = if lo < 0 { 2 - lo } else { 0 }.max(hi + 1);
    u8::try_from(power)
        .ok()
        .map(|p| p.max(width))
        .filter(|w| *w <= 64)
        .ok_or_else(|| EmitError::Internal(format!("shifts {lo} to {hi} exceed 64 bits")))
}

fn shift_text(shift: &Operand, by: &str) -> String {
    match shift {
        Operand::Uniform(s) if *s < 0 => format!("shift left {}", -s),
        Operand::Uniform(s) => format!("shift right {s}"),
        Operand::Table(_, lo, hi) => format!("shift right {lo} to {hi} {by}"),
    }
}
