//! Data sets as idx, the format of MNIST: unsigned bytes under a header of big-endian dimensions.

use super::array::{Array, Element};
use super::malformed;
use ceg4n_base::Diagnostic;

/// The element type of unsigned bytes.
const UNSIGNED_BYTES: u8 = 0x08;

/// The array of a file: images, or labels.
pub(super) fn array(bytes: &[u8]) -> Result<Array<'_>, Diagnostic> {
    let [0, 0, kind, dimensions, rest @ ..] = bytes else {
        return Err(malformed("no idx file: it does not start with two zeros"));
    };
    if *kind != UNSIGNED_BYTES {
        return Err(malformed(format!(
            "idx elements of type 0x{kind:02x}; only unsigned bytes (0x08) are read"
        )));
    }
    let (sizes, data) = rest
        .split_at_checked(4 * usize::from(*dimensions))
        .ok_or_else(|| malformed("the idx file ends in its header"))?;
    let (sizes, _) = sizes.as_chunks::<4>();
    let array = Array {
        kind: "idx",
        element: Element::Pixel,
        code: format!("0x{kind:02x}"),
        shape: (sizes.iter().map(|s| u32::from_be_bytes(*s) as usize)).collect(),
        data,
    };
    array.check_size()
}
