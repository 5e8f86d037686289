//! Operands of one interpreted node: values of the domain and constants of the program.

use ceg4n_opspec::{Domain, MeaningError, OperandId, Operands, ParameterId, SizeId, Spec};

/// The data behind one operand, row-major.
pub(crate) enum Slot<'a, V> {
    /// Values computed before.
    Values(&'a [V]),
    /// 32-bit mantissas, `cols` per row (1 for a vector).
    Mantissas { data: &'a [i32], cols: usize },
    /// Aligned constants.
    Aligned(&'a [i64]),
    /// Real constants, `cols` per row, already in the domain.
    Reals { data: &'a [f64], cols: usize },
    /// Zero everywhere: an absent bias.
    Zero,
}

/// Brings a real constant into the domain.
pub type Constant<D> = fn(&mut D, f64) -> Result<<D as Domain>::Value, <D as Domain>::Error>;

/// Binds slots, sizes and parameters to a spec's declarations by name.
pub(crate) struct NodeOperands<'a, D: Domain> {
    slots: Vec<Slot<'a, D::Value>>,
    sizes: Vec<usize>,
    parameters: Vec<&'a [i64]>,
    real: Constant<D>,
}

impl<'a, D: Domain> NodeOperands<'a, D> {
    pub(crate) fn new(
        spec: &Spec,
        mut slots: Vec<(&str, Slot<'a, D::Value>)>,
        sizes: &[(&str, usize)],
        parameters: &[(&str, &'a [i64])],
        real: Constant<D>,
    ) -> Result<Self, MeaningError> {
        let missing = |name: &str| MeaningError::Unbound(name.to_owned());
        let mut ordered = Vec::new();
        for o in spec.operands.values() {
            let i = slots
                .iter()
                .position(|(n, _)| *n == o.name)
                .ok_or_else(|| missing(&o.name))?;
            ordered.push(slots.swap_remove(i).1);
        }
        let mut ints = Vec::new();
        for p in spec.parameters.values() {
            let found = parameters.iter().find(|(n, _)| *n == p.name);
            ints.push(found.ok_or_else(|| missing(&p.name))?.1);
        }
        let mut extents = Vec::new();
        for s in spec.sizes.values() {
            extents.push(
                sizes
                    .iter()
                    .find(|(n, _)| n == s)
                    .ok_or_else(|| missing(s))?
                    .1,
            );
        }
        Ok(Self {
            slots: ordered,
            sizes: extents,
            parameters: ints,
            real,
        })
    }
}

fn at<T>(data: &[T], index: usize) -> Result<&T, MeaningError> {
    data.get(index).ok_or(MeaningError::Index {
        index: i64::try_from(index).unwrap_or(i64::MAX),
        extent: data.len(),
    })
}

fn flat(indices: &[usize], cols: usize) -> usize {
    match indices {
        [i, j] => i * cols + j,
        [i] => *i,
        _ => 0,
    }
}

impl<D: Domain> Operands<D> for NodeOperands<'_, D> {
    fn get(&mut self, d: &mut D, id: OperandId, indices: &[usize]) -> Result<D::Value, D::Error> {
        match at(&self.slots, id.as_u32() as usize)? {
            Slot::Values(v) => Ok(at(v, flat(indices, 1))?.clone()),
            Slot::Mantissas { data, cols } => d.int(i128::from(*at(data, flat(indices, *cols))?)),
            Slot::Aligned(data) => d.int(i128::from(*at(data, flat(indices, 1))?)),
            Slot::Reals { data, cols } => (self.real)(d, *at(data, flat(indices, *cols))?),
            Slot::Zero => d.int(0),
        }
    }

    fn parameter(&mut self, id: ParameterId, indices: &[usize]) -> Result<i64, D::Error> {
        let data = at(&self.parameters, id.as_u32() as usize)?;
        Ok(*at(data, indices.first().copied().unwrap_or(0))?)
    }

    fn size(&mut self, id: SizeId) -> Result<usize, D::Error> {
        Ok(*at(&self.sizes, id.as_u32() as usize)?)
    }
}
