//! `lower-snaps`: a quantized model as integers.

mod scale;

use crate::fold_affine::constant;
use crate::pass::{Keeps, Pass};
use ceg4n_base::{Diagnostic, Diagnostics, Exact, codes};
use ceg4n_ir::{
    Annotation, Annotations, Constant, Format, Module, Network, NetworkBuilder, Op, Shape,
    TensorFormat, ValueId,
};
use scale::{covering, factor, integers, magnitude};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Fraction bits of values between two scales: sums of tensors, means.
const BETWEEN: i32 = 8;
/// Steps of the input's format per step of the scale it is rounded to.
const FINER: i32 = 6;

/// Writes a network whose activations pass through snaps (the pairs of QuantizeLinear and
/// DequantizeLinear of an exported quantized model) in units of their integers, and adds a version
/// whose mantissas are those integers: zero points fold into ranges and biases, and every scale is
/// a multiplier `M·2^-s` with `M < 2^15`. The reference is that of the rewritten network, without
/// the snaps' rounding; what the version is worth is a question against the original.
///
/// A network without snaps stays as it is.
pub(crate) struct LowerSnaps;

impl Pass for LowerSnaps {
    fn name(&self) -> &'static str {
        "lower-snaps"
    }

    fn description(&self) -> &'static str {
        "write a quantized model in units of its integers, and add the version that computes with them"
    }

    fn keeps(&self, _: Option<&str>) -> Keeps {
        Keeps {
            reference: false,
            kernels: false,
        }
    }

    fn run(&self, module: &Module, _: Option<&str>) -> Result<Module, Diagnostics> {
        let net = &module.network;
        let snapped = |v: &ceg4n_ir::Value| matches!(v.op, Op::Snap { .. });
        if !net.values().values().any(snapped) {
            return Ok(module.clone());
        }
        if !module.versions.is_empty() {
            let text = "a network of snaps has a version already";
            return Err(Diagnostic::error(codes::NO_FIXED_MEANING, text)
                .help("take its versions away first: --passes clear-formats,lower-snaps")
                .into());
        }
        let mut lower = Lower {
            net,
            builder: NetworkBuilder::new(net.name()),
            made: BTreeMap::new(),
            notes: Annotations {
                version: 1,
                ..Annotations::default()
            },
        };
        for v in net.values().keys() {
            if net.constant(v).is_none() {
                let made = lower.value(v)?;
                lower.made.insert(v, made);
            }
        }
        let output = lower.output()?;
        let mut out = Module::new(lower.builder.finish(output)?);
        out.versions.push(lower.notes);
        out.regions.clone_from(&module.regions);
        out.requirements.clone_from(&module.requirements);
        Ok(out)
    }
}

/// A value in its new units.
#[derive(Clone, Debug)]
struct Made {
    id: ValueId,
    /// What 1 of the new value is in the original's units.
    unit: Exact,
    /// At least the magnitude of every element, in the new units.
    most: Exact,
    /// Its format, if it is stored.
    format: Option<Format>,
}

struct Lower<'a> {
    net: &'a Network,
    builder: NetworkBuilder,
    made: BTreeMap<ValueId, Made>,
    notes: Annotations,
}

type Outcome = Result<Made, Diagnostic>;

impl Lower<'_> {
    fn refuse(&self, v: ValueId, why: &str) -> Diagnostic {
        let value = self.net.value(v);
        let text = format!("{} %{} {why}", value.op.name(), value.name);
        Diagnostic::error(codes::NO_FIXED_MEANING, text).at(value.span, "")
    }

    fn of(&self, x: ValueId) -> Result<Made, Diagnostic> {
        let found = self.made.get(&x).cloned();
        found.ok_or_else(|| self.refuse(x, "is used before it is defined"))
    }

    /// The image of a value.
    fn value(&mut self, v: ValueId) -> Outcome {
        let op = self.net.value(v).op.clone();
        match &op {
            Op::Input => self.input(v),
            Op::Snap {
                x,
                scale,
                zero_point,
                lo,
                hi,
            } => {
                let ends = [lo, hi].map(|e| i64::from(*e) - i64::from(*zero_point));
                let unit = Exact::from_f32(*scale).unwrap_or_else(|| Exact::from(1i64));
                self.snap(v, *x, unit, ends)
            }
            Op::Dense { x, weight, bias }
            | Op::Conv {
                x, weight, bias, ..
            } => self.layer(v, *x, *weight, *bias),
            Op::Relu { x }
            | Op::LeakyRelu { x, .. }
            | Op::MaxPool { x, .. }
            | Op::Reshape { x }
            | Op::Flatten { x }
            | Op::Identity { x }
            | Op::Transpose { x, .. } => self.same_unit(v, *x),
            Op::AveragePool { x, .. } => {
                let made = self.same_unit(v, *x)?;
                self.store_between(made)
            }
            Op::Pad { x, value, .. } if *value == 0.0 => self.same_unit(v, *x),
            Op::Unary { x, function } if function.format().is_none() => self.same_unit(v, *x),
            Op::Clip { x, lo, hi } => self.clip(v, *x, *lo, *hi),
            Op::Sum { x, y } => self.sum(v, *x, *y),
            Op::Concat { xs, .. } => self.concat(v, xs),
            Op::Const(_)
            | Op::Add { .. }
            | Op::Sub { .. }
            | Op::Mul { .. }
            | Op::Div { .. }
            | Op::Pad { .. }
            | Op::Unary { .. }
            | Op::Curve { .. } => {
                Err(self.refuse(v, "cannot be computed in the integers of a quantized model"))
            }
        }
    }

    fn push(&mut self, wanted: &str, op: Op, shape: Shape) -> ValueId {
        let taken = |name: &String| self.builder.find(name).is_some();
        let name = std::iter::once(wanted.to_owned())
            .chain((2u64..).map(|k| format!("{wanted}.{k}")))
            .find(|n| !taken(n))
            .unwrap_or_else(|| wanted.to_owned());
        self.builder.push(name, op, Some(shape), None)
    }

    fn set(&mut self, v: ValueId, format: TensorFormat, mantissas: Option<Vec<i32>>) {
        let mantissas = mantissas.map(Arc::from);
        self.notes
            .values
            .insert(v, Annotation::Fixed { format, mantissas });
    }

    /// What a value holds the elements of.
    fn origin(&self, mut v: ValueId) -> ValueId {
        while let Op::Reshape { x }
        | Op::Flatten { x }
        | Op::Identity { x }
        | Op::Transpose { x, .. } = &self.net.value(v).op
        {
            v = *x;
        }
        v
    }

    /// Gives the input a power-of-two format, finer than the scale that it is snapped to.
    fn input(&mut self, v: ValueId) -> Outcome {
        let value = self.net.value(v);
        let snap = self.net.values().values().find_map(|user| {
            let Op::Snap {
                x,
                scale,
                zero_point,
                lo,
                hi,
            } = user.op
            else {
                return None;
            };
            (self.origin(x) == v).then_some((scale, zero_point, lo, hi))
        });
        let Some((scale, zero, lo, hi)) = snap else {
            return Err(self
                .refuse(v, "is not quantized")
                .help("the input of a quantized model passes through QuantizeLinear first"));
        };
        let exact = scale.to_bits() & 0x7f_ffff == 0 && scale.is_normal();
        let step = f64::from(scale).log2().floor() as i32;
        let frac = if exact { -step } else { FINER - step };
        let end = |e: i32| {
            let steps = Exact::from(i64::from(e) - i64::from(zero));
            let unit = Exact::from_f32(scale).unwrap_or_else(Exact::zero);
            &steps * &unit
        };
        let format = covering(&end(lo), &end(hi), frac);
        let format = format.ok_or_else(|| self.refuse(v, "has no format of 32 bits"))?;
        let (name, shape) = (value.name.clone(), value.shape.clone());
        let id = self.push(&name, Op::Input, shape);
        self.set(id, format.into(), None);
        Ok(Made {
            id,
            unit: Exact::from(1i64),
            most: magnitude(&[format.value(format.min()), format.value(format.max())]),
            format: Some(format),
        })
    }

    /// An operator that a change of unit passes through.
    fn same_unit(&mut self, v: ValueId, x: ValueId) -> Outcome {
        let made = self.of(x)?;
        let value = self.net.value(v);
        let (name, shape) = (value.name.clone(), value.shape.clone());
        let op = value.op.map_operands(|_| made.id);
        let keeps = !matches!(
            op,
            Op::Unary { .. } | Op::LeakyRelu { .. } | Op::AveragePool { .. }
        );
        let id = self.push(&name, op, shape);
        Ok(Made {
            id,
            format: made.format.filter(|_| keeps),
            ..made
        })
    }

    /// `x` in another unit, stored in `format`.
    fn rescaled(&mut self, made: &Made, unit: &Exact, format: Format) -> Outcome {
        let name = self.builder.values()[made.id].name.clone();
        let shape = self.builder.values()[made.id].shape.clone();
        let ratio = made.unit.checked_div(unit).unwrap_or_else(Exact::zero);
        let id = if ratio == Exact::from(1i64) {
            self.push(
                &format!("{name}.stored"),
                Op::Identity { x: made.id },
                shape,
            )
        } else {
            let (scale, _) = factor(&ratio).ok_or_else(|| unfit(&name))?;
            let data = constant(std::slice::from_ref(&ratio)).ok_or_else(|| unfit(&name))?;
            let c = self.push(&format!("{name}.scale"), Op::Const(data), Shape::vector(1));
            self.set(c, scale.into(), Some(vec![1]));
            let x = self.stored(made)?;
            self.push(&format!("{name}.scaled"), Op::Mul { x, c }, shape)
        };
        self.set(id, format.into(), None);
        Ok(Made {
            id,
            unit: unit.clone(),
            most: magnitude(&[format.value(format.min()), format.value(format.max())]),
            format: Some(format),
        })
    }

    /// The value stored, in its own unit.
    fn stored(&mut self, made: &Made) -> Result<ValueId, Diagnostic> {
        match made.format {
            Some(_) => Ok(made.id),
            None => Ok(self.store_between(made.clone())?.id),
        }
    }

    /// Stores an accumulator with [`BETWEEN`] fraction bits.
    fn store_between(&mut self, made: Made) -> Outcome {
        let name = self.builder.values()[made.id].name.clone();
        let format = covering(&-&made.most, &made.most, BETWEEN).ok_or_else(|| unfit(&name))?;
        let shape = self.builder.values()[made.id].shape.clone();
        let id = self.push(
            &format!("{name}.stored"),
            Op::Identity { x: made.id },
            shape,
        );
        self.set(id, format.into(), None);
        Ok(Made {
            id,
            format: Some(format),
            ..made
        })
    }

    /// Rounds to the integers of a scale, between `ends`.
    fn snap(&mut self, v: ValueId, x: ValueId, unit: Exact, ends: [i64; 2]) -> Outcome {
        let made = self.of(x)?;
        let name = self.net.value(v).name.clone();
        let [lo, hi] = ends.map(Exact::from);
        let format = covering(&lo, &hi, 0).ok_or_else(|| unfit(&name))?;
        let rounded = self.rescaled(&made, &unit, format)?;
        let shape = self.net.value(v).shape.clone();
        let most = magnitude(&[lo, hi]);
        // The ends of integer types are far below 2^24: float32 holds them.
        let fits = format.min() == ends[0] && format.max() == ends[1];
        let op = match fits {
            true => Op::Identity { x: rounded.id },
            false => Op::Clip {
                x: rounded.id,
                lo: Some(ends[0] as f32),
                hi: Some(ends[1] as f32),
            },
        };
        let id = self.push(&name, op, shape);
        Ok(Made {
            id,
            most,
            ..rounded
        })
    }

    /// A dense layer or convolution in the unit of the snap behind it, or in real units.
    fn layer(&mut self, v: ValueId, x: ValueId, weight: ValueId, bias: Option<ValueId>) -> Outcome {
        let made = self.of(x)?;
        let name = self.net.value(v).name.clone();
        let enclosed = |c: &Constant| c.enclosed();
        let (Some(w), b) = (
            self.net.constant(weight),
            bias.map(|b| self.net.constant(b)),
        ) else {
            return Err(self.refuse(v, "has no constant weight"));
        };
        let b = b.flatten();
        if enclosed(w) || b.is_some_and(enclosed) {
            return Err(self.refuse(v, "has weights that are no multiples of a scale"));
        }
        let target = self.snap_behind(v).unwrap_or_else(|| Exact::from(1i64));
        let rows = self.net.value(weight).shape.0.first().copied().unwrap_or(1);
        let found = integers(w, b, rows, &made.unit);
        let found = found.ok_or_else(|| {
            self.refuse(
                v,
                "has weights that are no small multiples of one scale per channel",
            )
        })?;
        let relative = |e: &Exact| e.checked_div(&target).unwrap_or_else(Exact::zero);
        let mut formats = Vec::with_capacity(rows);
        for step in &found.steps {
            let (f, _) = factor(&relative(&(step * &made.unit))).ok_or_else(|| unfit(&name))?;
            formats.push(f);
        }
        let x_most = made.most.clone();
        let x = self.stored(&made)?;
        let own = |c: &Constant, unit: &Exact| {
            let all: Vec<Exact> = (0..c.data.len())
                .map(|i| relative(&(&c.center(i) * unit)))
                .collect();
            constant(&all)
        };
        let shape = self.net.value(weight).shape.clone();
        let data = own(w, &made.unit).ok_or_else(|| unfit(&name))?;
        let wid = self.push(&format!("{name}.weight"), Op::Const(data), shape);
        let width = |bits: u8| {
            move |f: &Format| {
                Format::new(true, bits, f.frac()).and_then(|g| g.with_multiplier(f.multiplier()))
            }
        };
        let of_bits = |bits: u8| -> Result<TensorFormat, Diagnostic> {
            let all: Option<Vec<Format>> = formats.iter().map(width(bits)).collect();
            let all = all.ok_or_else(|| unfit(&name))?;
            Ok(match all.iter().all(|f| *f == all[0]) {
                true => all[0].into(),
                false => TensorFormat::Channels(all.into()),
            })
        };
        self.set(wid, of_bits(found.weight_bits)?, Some(found.weights));
        let bid = match b {
            None => None,
            Some(b) => {
                let data = own(b, &Exact::from(1i64)).ok_or_else(|| unfit(&name))?;
                let id = self.push(
                    &format!("{name}.bias"),
                    Op::Const(data),
                    Shape::vector(rows),
                );
                self.set(id, of_bits(found.bias_bits)?, Some(found.biases));
                Some(id)
            }
        };
        let mut op = self.net.value(v).op.clone();
        if let Op::Dense { x: a, weight, bias }
        | Op::Conv {
            x: a, weight, bias, ..
        } = &mut op
        {
            (*a, *weight, *bias) = (x, wid, bid);
        }
        let id = self.push(&name, op, self.net.value(v).shape.clone());
        let most = found
            .reach
            .iter()
            .zip(&formats)
            .map(|((sum, bias), f)| {
                let steps = &(&Exact::from(*sum) * &x_most) + &Exact::from(*bias);
                &steps * &f.value(1)
            })
            .max()
            .unwrap_or_else(Exact::zero);
        Ok(Made {
            id,
            unit: target,
            most,
            format: None,
        })
    }

    /// The scale of the snap that alone reads `v`, behind operators that a change of unit passes
    /// through.
    fn snap_behind(&self, v: ValueId) -> Option<Exact> {
        let mut at = v;
        loop {
            let reads = |u: &(ValueId, &ceg4n_ir::Value)| u.1.op.activations().contains(&at);
            let mut users = self.net.values().iter().filter(reads);
            let (user, value) = users.next()?;
            if users.next().is_some() || at == self.net.output() {
                return None;
            }
            match &value.op {
                Op::Snap { scale, .. } => return Exact::from_f32(*scale),
                Op::Unary { function, .. } if function.format().is_none() => at = user,
                Op::Relu { .. }
                | Op::Clip { .. }
                | Op::LeakyRelu { .. }
                | Op::MaxPool { .. }
                | Op::AveragePool { .. }
                | Op::Reshape { .. }
                | Op::Flatten { .. }
                | Op::Identity { .. }
                | Op::Transpose { .. } => at = user,
                Op::Input
                | Op::Const(_)
                | Op::Dense { .. }
                | Op::Conv { .. }
                | Op::Add { .. }
                | Op::Sub { .. }
                | Op::Mul { .. }
                | Op::Div { .. }
                | Op::Sum { .. }
                | Op::Concat { .. }
                | Op::Pad { .. }
                | Op::Unary { .. }
                | Op::Curve { .. } => return None,
            }
        }
    }

    fn clip(&mut self, v: ValueId, x: ValueId, lo: Option<f32>, hi: Option<f32>) -> Outcome {
        let made = self.of(x)?;
        let end = |e: Option<f32>| {
            let scaled = Exact::from_f32(e?)?.checked_div(&made.unit)?;
            Some(scaled.to_f64() as f32)
        };
        let op = Op::Clip {
            x: made.id,
            lo: end(lo),
            hi: end(hi),
        };
        let value = self.net.value(v);
        let (name, shape) = (value.name.clone(), value.shape.clone());
        let id = self.push(&name, op, shape);
        Ok(Made { id, ..made })
    }

    /// Operands in one unit and format, with fraction bits to spare.
    fn together(&mut self, v: ValueId, xs: &[ValueId]) -> Result<Vec<Made>, Diagnostic> {
        let all: Vec<Made> = xs.iter().map(|x| self.of(*x)).collect::<Result<_, _>>()?;
        let first = all[0].unit.clone();
        let alike = |m: &Made| m.unit == first && m.format.is_some() && m.format == all[0].format;
        if all.iter().all(alike) {
            return Ok(all);
        }
        let unit = self.snap_behind(v).unwrap_or(first);
        let sizes: Option<Vec<Exact>> = all
            .iter()
            .map(|m| Some(&m.most * &m.unit.checked_div(&unit)?))
            .collect();
        let most = sizes.and_then(|s| s.into_iter().max());
        let most = most.unwrap_or_else(Exact::zero);
        let name = &self.net.value(v).name;
        let format = covering(&-&most, &most, BETWEEN).ok_or_else(|| unfit(name))?;
        all.iter()
            .map(|m| self.rescaled(m, &unit, format))
            .collect()
    }

    fn sum(&mut self, v: ValueId, x: ValueId, y: ValueId) -> Outcome {
        let both = self.together(v, &[x, y])?;
        let op = Op::Sum {
            x: both[0].id,
            y: both[1].id,
        };
        let value = self.net.value(v);
        let (name, shape) = (value.name.clone(), value.shape.clone());
        let id = self.push(&name, op, shape);
        Ok(Made {
            id,
            unit: both[0].unit.clone(),
            most: &both[0].most + &both[1].most,
            format: None,
        })
    }

    fn concat(&mut self, v: ValueId, xs: &[ValueId]) -> Outcome {
        let all = self.together(v, xs)?;
        let value = self.net.value(v);
        let mut op = value.op.clone();
        if let Op::Concat { xs, .. } = &mut op {
            *xs = all.iter().map(|m| m.id).collect();
        }
        let (name, shape) = (value.name.clone(), value.shape.clone());
        let id = self.push(&name, op, shape);
        let most = all.iter().map(|m| m.most.clone()).max();
        Ok(Made {
            id,
            most: most.unwrap_or_else(Exact::zero),
            ..all[0].clone()
        })
    }

    /// The output in real units, stored so finely that rounding is an eighth of a step of what it is
    /// computed from.
    fn output(&mut self) -> Result<ValueId, Diagnostic> {
        let made = self.of(self.net.output())?;
        let name = self.net.value(self.net.output()).name.clone();
        let one = Exact::from(1i64);
        if made.unit == one && made.format.is_some() {
            return Ok(made.id);
        }
        let real = &made.most * &made.unit;
        // Outputs of layers are multiples of far smaller numbers; 24 bits of their range are enough.
        let bits = ceg4n_base::elementary::ilog2(&real).unwrap_or(0) + 1;
        let frac = i32::try_from(23 - bits).unwrap_or(0).clamp(-64, 64);
        let format = covering(&-&real, &real, frac).ok_or_else(|| unfit(&name))?;
        Ok(self.rescaled(&made, &one, format)?.id)
    }
}

fn unfit(name: &str) -> Diagnostic {
    let text = format!("%{name} needs a scale or more bits than formats have");
    Diagnostic::error(codes::NO_FIXED_MEANING, text)
}
