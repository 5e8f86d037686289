//! Not written yet.

use super::{Laid, tiles};
use crate::elem::Elem;
use ceg4n_target::Form;

/// Not written yet.
pub(super) fn lay_out(
    _form: Form,
    weight: &[i64],
    _bias: Option<&[i64]>,
    rows: usize,
    ty: Elem,
) -> Laid {
    Laid {
        weight: weight.to_vec(),
        ty,
        bias: None,
        tiles: tiles(rows, &[1]),
        columns: 1,
    }
}
