//! What a model declares about its inputs and outputs.

use super::proto::ValueInfoProto;

/// A declared dimension.
#[derive(Clone, PartialEq)]
pub(super) enum Dim {
    /// A number, possibly nonsense.
    Size(i64),
    /// A name, or "?" for an unknown one.
    Symbol(String),
}

impl std::fmt::Debug for Dim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Size(n) => write!(f, "{n}"),
            Self::Symbol(s) => f.write_str(s),
        }
    }
}

/// The declared dimensions of an input or output.
pub(super) fn declared(info: &ValueInfoProto) -> Option<Vec<Dim>> {
    let tensor = info.r#type.as_ref()?.tensor_type.as_ref()?;
    let dims = tensor.shape.as_ref()?.dim.iter();
    Some(
        dims.map(|d| match (d.dim_value, &d.dim_param) {
            (Some(n), _) => Dim::Size(n),
            (None, Some(s)) => Dim::Symbol(s.clone()),
            (None, None) => Dim::Symbol("?".to_owned()),
        })
        .collect(),
    )
}

/// True unless a declared size is another one.
pub(super) fn agree(declared: &[Dim], dims: &[usize]) -> bool {
    declared.len() == dims.len()
        && declared.iter().zip(dims).all(|(d, n)| match d {
            Dim::Size(d) => *d == -1 || usize::try_from(*d) == Ok(*n),
            Dim::Symbol(_) => true,
        })
}
