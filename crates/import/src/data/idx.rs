//! Data sets as idx, the format of MNIST: unsigned bytes under a header of big-endian dimensions.

use super::{Request, Row, malformed};
use ceg4n_base::{Diagnostic, Exact};

/// The element type of unsigned bytes.
const UNSIGNED_BYTES: u8 = 0x08;

/// The rows wanted: the first dimension counts them, the others are flattened. A byte `p` stands
/// for the float32 nearest to `p/255`, as float32 arithmetic has it.
pub(super) fn rows(bytes: &[u8], request: &Request<'_>) -> Result<Vec<Row>, Diagnostic> {
    let [0, 0, kind, dimensions, rest @ ..] = bytes else {
        return Err(malformed("no idx file: it does not start with two zeros"));
    };
    if *kind != UNSIGNED_BYTES {
        return Err(malformed(format!(
            "idx elements of type 0x{kind:02x}; only unsigned bytes (0x08) are read"
        )));
    }
    let dimensions = usize::from(*dimensions);
    if dimensions < 2 {
        let d = malformed("an idx file of one number per row");
        return Err(d.help("these may be labels; give the file of the images"));
    }
    let (sizes, data) = rest
        .split_at_checked(4 * dimensions)
        .ok_or_else(|| malformed("the idx file ends in its header"))?;
    let (sizes, _) = sizes.as_chunks::<4>();
    let size = |s: &[u8; 4]| u32::from_be_bytes(*s) as usize;
    let rows = sizes.first().map_or(0, size);
    let columns = sizes[1..].iter().map(size);
    let columns = columns.fold(1usize, usize::saturating_mul);
    if rows.saturating_mul(columns) != data.len() {
        return Err(malformed(format!(
            "the idx header speaks of {rows} rows of {columns} bytes, {} bytes follow",
            data.len()
        )));
    }
    let chosen = request.of_table(rows, columns)?;
    let pixel = |p: &u8| Exact::from_f32(f32::from(*p) / 255.0).unwrap_or_else(Exact::zero);
    let row = |index: usize| Row {
        index,
        line: None,
        values: data[index * columns..][..columns]
            .iter()
            .map(pixel)
            .collect(),
    };
    Ok(chosen.map(row).collect())
}
