//! Requantization in integers: multiply, add the rounding's addend, divide rounding down, clip.
//!
//! ONNX divides integers toward zero and has no arithmetic shift, so `floor(v / 2^s)` is
//! `(v - v mod 2^s) / 2^s`, where `mod` has the sign of the divisor; a `v` that is never negative
//! is divided at once.

use super::elementwise::around;
use super::graph::{Value, Word};
use super::lower::Lowering;
use crate::EmitError;
use ceg4n_ir::{Format, Interval, KernelNode, NodeId, Rounding};

/// Multiplier and right shift of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scale {
    multiplier: i64,
    shift: i32,
}

impl Scale {
    /// What stands for the same on operands of a range; no shift is above 62. `None` where the
    /// operand is always zero.
    fn reduced(self, of_x: Interval, rounding: Rounding) -> Option<Self> {
        let magnitude = i128::from(of_x.magnitude()) * i128::from(self.multiplier);
        if magnitude == 0 {
            return None;
        }
        // 2^bits exceeds the magnitude.
        let bits = (128 - magnitude.leading_zeros()) as i32;
        if bits >= self.shift {
            return Some(self);
        }
        // Less than half a unit: the nearest integer is 0, the floor 0 or -1.
        Some(match rounding {
            Rounding::HalfUp | Rounding::HalfEven => Self {
                multiplier: 0,
                shift: 0,
            },
            Rounding::Floor => Self {
                shift: bits,
                ..self
            },
        })
    }

    /// The exact factor before the division.
    fn factor(self) -> Result<i64, EmitError> {
        let up = (-self.shift).max(0);
        let wide = i128::from(self.multiplier) << up.min(64);
        i64::try_from(wide).map_err(|_| self.too_far())
    }

    /// `2^s`, or 1 for left shifts.
    fn divisor(self) -> Result<i64, EmitError> {
        match self.shift {
            ..=0 => Ok(1),
            s @ 1..=62 => Ok(1 << s),
            63.. => Err(self.too_far()),
        }
    }

    fn too_far(self) -> EmitError {
        EmitError::Internal(format!("a shift of {} exceeds 64 bits", self.shift))
    }
}

/// The scales of all elements; one that is always zero has that of a neighbour.
fn scales(
    of_x: &[Interval],
    multiplier: Option<&[u16]>,
    shift: &[i32],
    rounding: Rounding,
) -> Vec<Scale> {
    let own = |(j, r): (usize, &Interval)| {
        let scale = Scale {
            multiplier: multiplier.map_or(1, |m| i64::from(m[j])),
            shift: shift[j],
        };
        scale.reduced(*r, rounding)
    };
    let own: Vec<Option<Scale>> = of_x.iter().enumerate().map(own).collect();
    let mut last = own.iter().flatten().next().copied().unwrap_or(Scale {
        multiplier: 1,
        shift: 0,
    });
    let filled = own.into_iter().map(|s| {
        last = s.unwrap_or(last);
        last
    });
    filled.collect()
}

/// Constants of a requantization, by element.
struct Constants {
    factor: Vec<i64>,
    divisor: Vec<i64>,
    /// Half a divisor; 0 where nothing is divided.
    half: Vec<i64>,
}

impl Constants {
    fn new(scales: &[Scale]) -> Result<Self, EmitError> {
        let factor: Result<_, _> = scales.iter().map(|s| s.factor()).collect();
        let divisor: Result<Vec<i64>, _> = scales.iter().map(|s| s.divisor()).collect();
        let divisor = divisor?;
        Ok(Self {
            factor: factor?,
            half: divisor.iter().map(|d| d / 2).collect(),
            divisor,
        })
    }
}

/// All elements' interval under a function of the ends.
fn image(of_x: &[Interval], scales: &[Scale], f: impl Fn(i128, Scale) -> i128) -> (i128, i128) {
    let ends = of_x.iter().zip(scales);
    let mut ends = ends.flat_map(|(r, s)| [r.lo, r.hi].map(|m| f(i128::from(m), *s)));
    let first = ends.next().unwrap_or(0);
    ends.fold((first, first), |(lo, hi), e| (lo.min(e), hi.max(e)))
}

impl Lowering<'_> {
    pub(super) fn requantize(
        &mut self,
        node: &KernelNode,
        x: NodeId,
        multiplier: Option<&[u16]>,
        shift: &[i32],
        format: Format,
    ) -> Result<Value, EmitError> {
        let rounding = self.kernel.rounding;
        let of_x = &self.node(x).range;
        let scales = scales(of_x, multiplier, shift, rounding);
        let constants = Constants::new(&scales)?;
        let product = |m: i128, s: Scale| m * i128::from(s.multiplier);
        let rounded = |m: i128, s: Scale| rounding.shift(product(m, s), s.shift);
        let never_negative = image(of_x, &scales, product).0 >= 0;
        let (least, most) = image(of_x, &scales, rounded);

        let needed = around(&constants.factor).hull(around(&constants.divisor));
        let mut y = self.operand(node, x, needed)?;
        if constants.factor.iter().any(|f| *f != 1) {
            y = self.by_element("Mul", &y, constants.factor.clone())?;
        }
        y = self.divided(&y, &constants, rounding, never_negative)?;
        self.clamped(&y, (least, most), format)
    }

    /// `round(y / divisor)` by the network's rule.
    fn divided(
        &mut self,
        y: &Value,
        constants: &Constants,
        rounding: Rounding,
        never_negative: bool,
    ) -> Result<Value, EmitError> {
        let Constants { divisor, half, .. } = constants;
        if divisor.iter().all(|d| *d == 1) {
            return Ok(y.clone());
        }
        let addend = match rounding {
            Rounding::Floor => y.clone(),
            Rounding::HalfUp => self.by_element("Add", y, half.clone())?,
            Rounding::HalfEven => {
                // half - 1, and 1 more where the floor is odd.
                let floor = self.floor(y, divisor, never_negative)?;
                let mut odd = self.by_element("Mod", &floor, vec![2])?;
                let divides: Vec<i64> = half.iter().map(|h| (*h).min(1)).collect();
                if divides.contains(&0) {
                    odd = self.by_element("Mul", &odd, divides)?;
                }
                let less = half.iter().map(|h| (h - 1).max(0)).collect();
                let y = self.by_element("Add", y, less)?;
                self.graph.with_constant("Add", &y, &odd.name)
            }
        };
        self.floor(&addend, divisor, never_negative)
    }

    /// `floor(y / divisor)`.
    fn floor(
        &mut self,
        y: &Value,
        divisor: &[i64],
        never_negative: bool,
    ) -> Result<Value, EmitError> {
        let divisor = self.spread(y.word, divisor.to_vec(), &y.shape)?;
        let mut y = y.clone();
        if !never_negative {
            let rest = self.graph.with_constant("Mod", &y, &divisor);
            y = self.graph.with_constant("Sub", &y, &rest.name);
        }
        Ok(self.graph.with_constant("Div", &y, &divisor))
    }

    /// The sides of a format's clamp that values of a range can reach.
    fn clamped(
        &mut self,
        y: &Value,
        (least, most): (i128, i128),
        format: Format,
    ) -> Result<Value, EmitError> {
        let end = |this: &mut Self, acts: bool, end: i64| match acts {
            true => this.graph.integers(y.word, &[], [end]),
            false => Ok(String::new()),
        };
        let lo = end(self, least < i128::from(format.min()), format.min())?;
        let hi = end(self, most > i128::from(format.max()), format.max())?;
        let name = match (lo.as_str(), hi.as_str()) {
            ("", "") => return Ok(y.clone()),
            (lo, "") => self.graph.node("Clip", &[&y.name, lo], vec![]),
            (lo, hi) => self.graph.node("Clip", &[&y.name, lo, hi], vec![]),
        };
        Ok(y.renamed(name, y.word))
    }

    /// The input's integers, clamped to their format where their type holds more.
    pub(super) fn clamped_input(
        &mut self,
        y: &Value,
        (lo, hi): (i64, i64),
    ) -> Result<Value, EmitError> {
        let ends = (i128::from(lo), i128::from(hi));
        self.clamped(y, ends, self.kernel.input_format)
    }

    /// The word that holds the input's type.
    pub(super) fn input_word((lo, hi): (i64, i64)) -> Word {
        Word::holding(Interval::new(lo, hi))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On every operand of a range a reduced scale means what the scale means.
    #[test]
    fn reduced_scales_mean_the_same() {
        for rounding in Rounding::ALL {
            for multiplier in [1, 3, 32767] {
                for shift in -3..30 {
                    for magnitude in [0, 1, 5, 127] {
                        let of_x = Interval::new(-magnitude, magnitude);
                        let scale = Scale { multiplier, shift };
                        let reduced = scale.reduced(of_x, rounding);
                        for m in -magnitude..=magnitude {
                            let mean = |s: Scale| {
                                let product = i128::from(m) * i128::from(s.multiplier);
                                rounding.shift(product, s.shift)
                            };
                            let got = reduced.map_or(0, mean);
                            assert_eq!(got, mean(scale), "{scale:?} of {m}, {rounding:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_whole_word_is_shifted_out() {
        let wide = Interval::new(-(1 << 61), 1 << 61);
        let scale = Scale {
            multiplier: 1,
            shift: 63,
        };
        let nearest = scale.reduced(wide, Rounding::HalfUp).map(|s| s.multiplier);
        assert_eq!(nearest, Some(0));
        let floor = scale.reduced(wide, Rounding::Floor).map(|s| s.shift);
        assert_eq!(floor, Some(62));
    }

    #[test]
    fn zeros_take_the_scale_of_a_neighbour() {
        let some = Interval::new(-9, 9);
        let zero = Interval::new(0, 0);
        let all = scales(&[zero, some, zero], None, &[-63, 2, 40], Rounding::Floor);
        assert!(all.iter().all(|s| s.shift == 2 && s.multiplier == 1));
    }
}
