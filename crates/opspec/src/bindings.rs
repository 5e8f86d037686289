//! Operands of a spec over slices.

use crate::domain::{Domain, MeaningError, Operands};
use crate::spec::{OperandId, ParameterId, SizeId, Spec};
use ceg4n_base::entity::{EntityRef, PrimaryMap};
use std::fmt;

/// Slices that do not fit the operands of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindError {
    /// The spec has no operand, parameter or index set of this name.
    Unknown(String),
    /// An operand, parameter or index set of the spec is missing.
    Missing(String),
    /// A slice of the wrong length.
    Length {
        /// Operand or parameter.
        name: String,
        /// Elements given.
        given: usize,
        /// Elements needed.
        needed: usize,
    },
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "the spec has no `{name}`"),
            Self::Missing(name) => write!(f, "`{name}` is missing"),
            Self::Length {
                name,
                given,
                needed,
            } => write!(f, "`{name}` has {given} elements instead of {needed}"),
        }
    }
}

impl std::error::Error for BindError {}

/// One array, row-major.
#[derive(Clone, Debug)]
struct Array<'a, T> {
    data: &'a [T],
    extents: Vec<usize>,
}

impl<T> Array<'_, T> {
    #[inline]
    fn get(&self, indices: &[usize]) -> Result<&T, MeaningError> {
        let mut flat = 0;
        for (&index, &extent) in indices.iter().zip(&self.extents) {
            if index >= extent {
                let index = i64::try_from(index).unwrap_or(i64::MAX);
                return Err(MeaningError::Index { index, extent });
            }
            flat = flat * extent + index;
        }
        // Lengths are checked on binding, so that an index in range is in the slice.
        self.data.get(flat).ok_or(MeaningError::Index {
            index: i64::try_from(flat).unwrap_or(i64::MAX),
            extent: self.data.len(),
        })
    }
}

/// Operands, parameters and sizes as slices, row-major, checked against the spec.
#[derive(Clone, Debug)]
pub struct Bindings<'a, V> {
    operands: PrimaryMap<OperandId, Array<'a, V>>,
    parameters: PrimaryMap<ParameterId, Array<'a, i64>>,
    sizes: PrimaryMap<SizeId, usize>,
}

impl<'a, V> Bindings<'a, V> {
    /// Binds every index set, operand and parameter of `spec` by its name.
    ///
    /// # Errors
    /// A name that is unknown or missing, a slice whose length is not the product of its extents.
    pub fn new(
        spec: &Spec,
        sizes: &[(&str, usize)],
        operands: &[(&str, &'a [V])],
        parameters: &[(&str, &'a [i64])],
    ) -> Result<Self, BindError> {
        known(sizes, |n| spec.size(n).is_some())?;
        known(operands, |n| spec.operand(n).is_some())?;
        known(parameters, |n| spec.parameter(n).is_some())?;
        let mut extents = PrimaryMap::new();
        for name in spec.sizes.values() {
            extents.push(find(sizes, name)?);
        }
        let mut arrays = PrimaryMap::new();
        for o in spec.operands.values() {
            arrays.push(bind(&o.name, &o.shape, &extents, operands)?);
        }
        let mut ints = PrimaryMap::new();
        for p in spec.parameters.values() {
            ints.push(bind(&p.name, &p.shape, &extents, parameters)?);
        }
        Ok(Self {
            operands: arrays,
            parameters: ints,
            sizes: extents,
        })
    }
}

fn known<T>(given: &[(&str, T)], is_known: impl Fn(&str) -> bool) -> Result<(), BindError> {
    match given.iter().find(|(name, _)| !is_known(name)) {
        Some((name, _)) => Err(BindError::Unknown((*name).to_owned())),
        None => Ok(()),
    }
}

fn find<T: Copy>(given: &[(&str, T)], name: &str) -> Result<T, BindError> {
    given
        .iter()
        .find_map(|(n, v)| (*n == name).then_some(*v))
        .ok_or_else(|| BindError::Missing(name.to_owned()))
}

fn bind<'a, T>(
    name: &str,
    shape: &[SizeId],
    sizes: &PrimaryMap<SizeId, usize>,
    given: &[(&str, &'a [T])],
) -> Result<Array<'a, T>, BindError> {
    let data = find(given, name)?;
    let extents: Vec<usize> = shape.iter().map(|s| sizes[*s]).collect();
    let needed = extents.iter().fold(1usize, |n, e| n.saturating_mul(*e));
    if data.len() != needed {
        return Err(BindError::Length {
            name: name.to_owned(),
            given: data.len(),
            needed,
        });
    }
    Ok(Array { data, extents })
}

impl<D: Domain> Operands<D> for Bindings<'_, D::Value> {
    #[inline]
    fn get(&mut self, _: &mut D, id: OperandId, indices: &[usize]) -> Result<D::Value, D::Error> {
        Ok(self.operands[id].get(indices)?.clone())
    }

    #[inline]
    fn parameter(&mut self, id: ParameterId, indices: &[usize]) -> Result<i64, D::Error> {
        Ok(*self.parameters[id].get(indices)?)
    }

    fn size(&mut self, id: SizeId) -> Result<usize, D::Error> {
        self.sizes.get(id).copied().ok_or_else(|| {
            MeaningError::Index {
                index: i64::try_from(id.index()).unwrap_or(i64::MAX),
                extent: 0,
            }
            .into()
        })
    }
}
