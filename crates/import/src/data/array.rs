//! Arrays of one element type: what npy, safetensors and idx files hold.

use super::{Pixels, Request, Table, layout, malformed, not_finite};
use ceg4n_base::Diagnostic;

/// An element type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Element {
    F32 {
        big: bool,
    },
    F64 {
        big: bool,
    },
    /// As labels, or as bytes where the request says what these stand for.
    Integer {
        bytes: usize,
        signed: bool,
        big: bool,
    },
    /// A byte of an idx file: as an input a pixel, of which 255 is one.
    Pixel,
}

impl Element {
    fn size(self) -> usize {
        match self {
            Self::F32 { .. } => 4,
            Self::F64 { .. } => 8,
            Self::Integer { bytes, .. } => bytes,
            Self::Pixel => 1,
        }
    }

    /// The number in so many bytes; large integers are rounded, and floats may be no numbers.
    fn read(self, bytes: &[u8]) -> f64 {
        // Little-endian, with the sign extended.
        let word = |big: bool, signed: bool| -> [u8; 8] {
            let mut word = [0; 8];
            for (k, b) in bytes.iter().enumerate() {
                word[if big { bytes.len() - 1 - k } else { k }] = *b;
            }
            if signed && word[bytes.len() - 1] >= 0x80 {
                word[bytes.len()..].fill(0xff);
            }
            word
        };
        match self {
            Self::F32 { big } => {
                let [a, b, c, d, ..] = word(big, false);
                f64::from(f32::from_le_bytes([a, b, c, d]))
            }
            Self::F64 { big } => f64::from_le_bytes(word(big, false)),
            Self::Integer {
                signed: true, big, ..
            } => i64::from_le_bytes(word(big, true)) as f64,
            Self::Integer {
                signed: false, big, ..
            } => u64::from_le_bytes(word(big, false)) as f64,
            Self::Pixel => f64::from(word(false, false)[0]),
        }
    }
}

/// An array; `data` has exactly the bytes of its elements, row-major.
pub(super) struct Array<'a> {
    /// What the file calls itself, for messages: `npy`.
    pub(super) kind: &'static str,
    pub(super) element: Element,
    /// The file's name of the element type.
    pub(super) code: String,
    pub(super) shape: Vec<usize>,
    pub(super) data: &'a [u8],
}

impl Array<'_> {
    /// Refuses data of another size than the shape says; `what` names the elements.
    pub(super) fn check_size(self) -> Result<Self, Diagnostic> {
        let count = self.shape.iter().copied().fold(1, usize::saturating_mul);
        let size = count.saturating_mul(self.element.size());
        if size == self.data.len() {
            return Ok(self);
        }
        Err(malformed(format!(
            "the {} header speaks of {size} bytes, {} follow",
            self.kind,
            self.data.len()
        )))
    }

    /// The rows wanted: the first dimension counts them, the others are flattened, and moved where
    /// they are an image whose channels the network has elsewhere.
    pub(super) fn table(&self, request: &Request<'_>) -> Result<Table, Diagnostic> {
        let kind = self.kind;
        let pixels = match (self.element, request.pixels) {
            (_, Some(pixels)) => Some(pixels),
            (Element::F32 { .. } | Element::F64 { .. }, None) => None,
            (Element::Pixel, None) => Some(Pixels::Unit),
            (Element::Integer { .. }, None) => return Err(self.no_floats()),
        };
        let [rows, dimensions @ ..] = &self.shape[..] else {
            return Err(malformed(format!("the {kind} array has no dimension")));
        };
        if dimensions.is_empty() {
            let d = malformed(format!(
                "the {kind} array has one dimension, of {rows}; rows need two"
            ));
            return Err(d.help("these may be labels; give the file of the inputs"));
        }
        let columns = dimensions.iter().copied().fold(1, usize::saturating_mul);
        let chosen = request.of_table(*rows, columns)?;
        let order = layout::moved(dimensions, request.shape);
        let size = self.element.size();
        let mut table = Table::new(columns);
        table.values.reserve(chosen.len() * columns);
        for row in &chosen {
            let data = &self.data[row * columns * size..(row + 1) * columns * size];
            for k in 0..columns {
                let from = order.as_ref().map_or(k, |o| o[k]);
                let v = self.element.read(&data[from * size..(from + 1) * size]);
                table.values.push(match pixels {
                    Some(p) => p.of_number(v, || format!("column {from} of row {row}"))?,
                    None if v.is_finite() => v,
                    None => return Err(not_finite(*row, from)),
                });
            }
        }
        table.rows = chosen;
        table.total = Some(*rows);
        Ok(table)
    }

    /// What scale integers would have as inputs is not known.
    fn no_floats(&self) -> Diagnostic {
        let d = malformed(format!(
            "{} elements of type {}; only float32 and float64 are read",
            self.kind, self.code
        ));
        if self.element.size() == 1 {
            d.help("bytes are read where --pixels says what they stand for: 0:1, 0:255 or -1:1")
        } else {
            d
        }
    }

    /// One number per row, for labels; large ones may be rounded.
    pub(super) fn numbers(&self) -> Result<Vec<f64>, Diagnostic> {
        let single = match &self.shape[..] {
            [_] => true,
            [_, rest @ ..] => rest.iter().all(|d| *d == 1),
            [] => false,
        };
        if !single {
            let sizes: Vec<_> = self.shape.iter().map(ToString::to_string).collect();
            return Err(malformed(format!(
                "labels are one number per row, the {} array has the shape ({})",
                self.kind,
                sizes.join(", ")
            )));
        }
        let elements = self.data.chunks_exact(self.element.size());
        Ok(elements.map(|b| self.element.read(b)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Element;

    #[test]
    fn elements_of_every_width_and_order() {
        let int = |bytes, signed, big| Element::Integer { bytes, signed, big };
        assert_eq!(int(1, true, false).read(&[0xff]), -1.0);
        assert_eq!(int(1, false, false).read(&[0xff]), 255.0);
        assert_eq!(int(2, true, true).read(&[0xff, 0xfe]), -2.0);
        assert_eq!(int(2, true, false).read(&[0xfe, 0xff]), -2.0);
        assert_eq!(int(4, false, true).read(&[0, 0, 1, 2]), 258.0);
        assert_eq!(int(8, true, false).read(&(-7i64).to_le_bytes()), -7.0);
        assert_eq!(int(8, false, true).read(&9u64.to_be_bytes()), 9.0);
        let v = -2.5f32;
        assert_eq!(Element::F32 { big: true }.read(&v.to_be_bytes()), -2.5);
        assert_eq!(Element::F32 { big: false }.read(&v.to_le_bytes()), -2.5);
        assert_eq!(Element::F64 { big: true }.read(&0.1f64.to_be_bytes()), 0.1);
        assert_eq!(Element::Pixel.read(&[7]), 7.0);
    }
}
