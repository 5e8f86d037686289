//! Storage types of vectors and tables, and the words that arithmetic is done in.

use ceg4n_ir::{Format, Interval};

/// A standard integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Elem {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
}

impl Elem {
    /// Smallest first; signed before unsigned.
    const ALL: [Self; 7] = [
        Self::I8,
        Self::U8,
        Self::I16,
        Self::U16,
        Self::I32,
        Self::U32,
        Self::I64,
    ];

    /// Least and greatest value.
    pub(crate) fn range(self) -> (i64, i64) {
        match self {
            Self::I8 => (i8::MIN.into(), i8::MAX.into()),
            Self::U8 => (0, u8::MAX.into()),
            Self::I16 => (i16::MIN.into(), i16::MAX.into()),
            Self::U16 => (0, u16::MAX.into()),
            Self::I32 => (i32::MIN.into(), i32::MAX.into()),
            Self::U32 => (0, u32::MAX.into()),
            Self::I64 => (i64::MIN, i64::MAX),
        }
    }

    /// The smallest type that holds `lo..=hi`.
    pub(crate) fn holding(lo: i64, hi: i64) -> Self {
        Self::ALL
            .into_iter()
            .find(|e| e.range().0 <= lo && hi <= e.range().1)
            .unwrap_or(Self::I64)
    }

    /// The storage type of a format: its signedness, 8, 16 or 32 bits.
    pub(crate) fn of_format(f: Format) -> Self {
        match (f.signed(), f.width()) {
            (true, ..=8) => Self::I8,
            (true, ..=16) => Self::I16,
            (true, _) => Self::I32,
            (false, ..=8) => Self::U8,
            (false, ..=16) => Self::U16,
            (false, _) => Self::U32,
        }
    }

    /// The word of an accumulator: 32 bits if they suffice, else 64.
    pub(crate) fn word(width: u8) -> Self {
        if width <= 32 { Self::I32 } else { Self::I64 }
    }

    /// The word that holds every value of this type.
    pub(crate) fn own_word(self) -> Self {
        let (lo, hi) = self.range();
        Self::word(Interval::new(lo, hi).signed_width())
    }

    /// Size in bytes.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 => 4,
            Self::I64 => 8,
        }
    }

    /// The C99 name.
    pub(crate) fn c(self) -> &'static str {
        match self {
            Self::I8 => "int8_t",
            Self::U8 => "uint8_t",
            Self::I16 => "int16_t",
            Self::U16 => "uint16_t",
            Self::I32 => "int32_t",
            Self::U32 => "uint32_t",
            Self::I64 => "int64_t",
        }
    }

    /// The Rust name.
    pub(crate) fn rust(self) -> &'static str {
        match self {
            Self::I8 => "i8",
            Self::U8 => "u8",
            Self::I16 => "i16",
            Self::U16 => "u16",
            Self::I32 => "i32",
            Self::U32 => "u32",
            Self::I64 => "i64",
        }
    }
}

/// The interval around all; `[0, 0]` for none.
pub(crate) fn hull(ranges: &[Interval]) -> Interval {
    ranges
        .iter()
        .copied()
        .reduce(Interval::hull)
        .unwrap_or(Interval::new(0, 0))
}
