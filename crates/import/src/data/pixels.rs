//! What a stored byte stands for: the range that a network takes pixels in.

use ceg4n_base::Diagnostic;
use std::fmt;

use super::malformed;

/// The range in which a network takes pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// From 0 to 1: a sample `p` of at most `m` stands for `p/m`.
    Unit,
    /// From 0 to 255: it stands for `255·p/m`.
    Byte,
    /// From -1 to 1: it stands for `2·p/m - 1`.
    Signed,
}

impl Pixels {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unit, Self::Byte, Self::Signed];

    /// The range of a name: `0:1`, `0:255` or `-1:1`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unit => "0:1",
            Self::Byte => "0:255",
            Self::Signed => "-1:1",
        }
    }

    /// The float32 nearest to what a sample `p` of at most `most` stands for; `most` is at least 1.
    pub(super) fn of(self, p: u16, most: u16) -> f64 {
        // Numerators have at most 24 bits: they are exact, and the quotient is rounded once.
        let (p, most) = (i32::from(p), i32::from(most));
        let numerator = match self {
            Self::Unit => p,
            Self::Byte => 255 * p,
            Self::Signed => 2 * p - most,
        };
        f64::from(numerator as f32 / most as f32)
    }

    /// The same of a number that must be a byte; `place` says which one it is.
    pub(super) fn of_number(
        self,
        v: f64,
        place: impl FnOnce() -> String,
    ) -> Result<f64, Diagnostic> {
        if v.fract() == 0.0 && (0.0..=255.0).contains(&v) {
            return Ok(self.of(v as u16, 255));
        }
        let text = format!("{} has {v}, no integer from 0 to 255", place());
        Err(malformed(text).help(
            "--pixels says that the file holds bytes; leave it out for numbers that are inputs as they are",
        ))
    }
}

impl fmt::Display for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Pixels;

    #[test]
    fn samples_are_rounded_once() {
        for most in [1u16, 15, 255, 1000, u16::MAX] {
            for p in (0..=most).step_by(usize::from(most / 255).max(1)) {
                let exact = f64::from(p) / f64::from(most);
                // A float64 quotient of 16-bit integers is never halfway between two float32
                // unless it is one exactly, so rounding it is rounding the quotient.
                assert_eq!(Pixels::Unit.of(p, most), f64::from(exact as f32));
                let byte = 255.0 * f64::from(p) / f64::from(most);
                assert_eq!(Pixels::Byte.of(p, most), f64::from(byte as f32));
            }
        }
        assert_eq!(Pixels::Signed.of(0, 255), -1.0);
        assert_eq!(Pixels::Signed.of(255, 255), 1.0);
        assert_eq!(Pixels::Signed.of(128, 255), f64::from(1.0f32 / 255.0));
        for p in Pixels::ALL {
            assert_eq!(Pixels::from_name(p.name()), Some(p));
        }
    }

    #[test]
    fn only_bytes_are_pixels() {
        let of = |v| Pixels::Unit.of_number(v, || "row 3".to_owned());
        assert_eq!(of(255.0), Ok(1.0));
        for v in [-1.0, 0.5, 256.0, f64::NAN] {
            assert!(of(v).unwrap_err().message.starts_with("row 3 has"));
        }
    }
}
