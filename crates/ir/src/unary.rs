//! Functions of one element and nothing else, which a change of scale passes through. All rooms
//! that need only their values, image or name ask here, so that another one costs few arms.

use crate::{Format, Interval};
use ceg4n_opspec::OpName;

macro_rules! functions {
    ($(#[$doc:meta])* $enum:ident {
        $($(#[$variant_doc:meta])* $variant:ident: values $values:expr, format $format:expr;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $enum {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $enum {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// What it means.
            pub fn spec(self) -> OpName {
                match self {
                    $(Self::$variant => OpName::$variant,)*
                }
            }

            /// The values at -1, 0 and 1.
            fn values(self) -> [i8; 3] {
                match self {
                    $(Self::$variant => $values,)*
                }
            }

            /// The format of its results as `(signed, width)`, at scale 1; `None` if they are at
            /// the scale of the operand.
            fn own(self) -> Option<(bool, u8)> {
                match self {
                    $(Self::$variant => $format,)*
                }
            }
        }
    };
}

functions! {
    /// A positively homogeneous function: `f(s·x) = s·f(x)` for every `s > 0`, or `f(s·x) = f(x)`
    /// if its results have a format of their own. Its values at -1, 0 and 1 then say everything,
    /// and a mantissa can be mapped without its scale.
    Unary {
        /// `|x|`.
        Abs: values [1, 0, 1], format None;
        /// -1, 0 or 1.
        Sign: values [-1, 0, 1], format Some((true, 2));
    }
}

impl Unary {
    /// The name in `.nnir`.
    pub fn name(self) -> &'static str {
        self.spec().as_str()
    }

    /// The function that `.nnir` calls so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|f| f.name() == name)
    }

    /// The format of its results; `None` if they are at the scale of the operand, in an accumulator.
    pub fn format(self) -> Option<Format> {
        let (signed, width) = self.own()?;
        Format::new(signed, width, 0)
    }

    /// The mantissa of the result for a mantissa of the operand; saturates at the ends of `i128`.
    pub fn mantissa(self, m: i128) -> i128 {
        let at = i128::from(self.at(m.signum() as i8));
        match self.own() {
            Some(_) => at,
            None => m.saturating_abs().saturating_mul(at),
        }
    }

    /// The value at a number that is not NaN; exact, as the factors are -1, 0 and 1.
    pub fn real(self, x: f64) -> f64 {
        let at = f64::from(self.at(i8::from(x > 0.0) - i8::from(x < 0.0)));
        match self.own() {
            Some(_) => at,
            None if at == 0.0 => 0.0,
            None => x.abs() * at,
        }
    }

    /// The least and the greatest mantissa of the result over a range of the operand.
    pub fn image(self, range: Interval) -> (i128, i128) {
        let inside = [-1, 0, 1]
            .into_iter()
            .filter(|m| (range.lo..=range.hi).contains(m));
        // On either side of 0 the function is linear or constant.
        let ends = [range.lo, range.hi].into_iter().chain(inside);
        let of = ends.map(|m| self.mantissa(m.into()));
        of.fold((i128::MAX, i128::MIN), |(lo, hi), v| (lo.min(v), hi.max(v)))
    }

    fn at(self, sign: i8) -> i8 {
        self.values()[usize::from((sign + 1).unsigned_abs())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_values_have_the_format() {
        for f in Unary::ALL {
            assert_eq!(Unary::from_name(f.name()), Some(*f));
            let values = (-3..=3).map(|m| f.mantissa(m));
            match f.format() {
                Some(format) => {
                    let (lo, hi) = (format.min().into(), format.max().into());
                    assert!(values.clone().all(|v: i128| (lo..=hi).contains(&v)));
                }
                None => assert_eq!(f.mantissa(0), 0, "a value at every scale"),
            }
            for m in -3..=3 {
                assert_eq!(f.real(f64::from(m)), f.mantissa(m.into()) as f64);
            }
        }
        assert_eq!(Unary::from_name("relu"), None);
    }

    #[test]
    fn images_are_hulls() {
        for f in Unary::ALL {
            for lo in -4..=4i64 {
                for hi in lo..=4 {
                    let all = || (lo..=hi).map(|m| f.mantissa(m.into()));
                    let hull = (all().min().unwrap(), all().max().unwrap());
                    assert_eq!(f.image(Interval::new(lo, hi)), hull, "{f:?} {lo} {hi}");
                }
            }
        }
        let all = Interval::new(i64::MIN, i64::MAX);
        assert_eq!(Unary::Abs.image(all), (0, 1 << 63));
    }
}
