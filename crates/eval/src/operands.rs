//! Operands of one interpreted node: values of the domain and constants of the program.

use ceg4n_base::Exact;
use ceg4n_base::elementary::Enclosure;
use ceg4n_ir::real::Reals;
use ceg4n_ir::window::{Conv, Window};
use ceg4n_opspec::{Domain, MeaningError, OpName, OperandId, Operands, ParameterId, SizeId, Spec};

/// The data behind one operand, row-major.
pub(crate) enum Slot<'a, V> {
    /// Values computed before.
    Values(&'a [V]),
    /// Values computed for this node.
    Owned(Vec<V>),
    /// 32-bit mantissas.
    Mantissas(&'a [i32]),
    /// Aligned constants.
    Aligned(&'a [i64]),
    /// Real constants.
    Reals(&'a Reals),
    /// One finite number everywhere.
    Every(f64),
    /// Zero everywhere: an absent bias.
    Zero,
}

/// Brings a real constant into the domain: what is known of it, which is a point if it is exact.
pub type Constant<D> = fn(&mut D, Enclosure) -> Result<<D as Domain>::Value, <D as Domain>::Error>;

/// An operator of the specification and what it is applied to, by the names of the spec.
pub(crate) struct Call<'a, V> {
    pub(crate) name: OpName,
    pub(crate) slots: Vec<(&'static str, Slot<'a, V>)>,
    pub(crate) sizes: Vec<(&'static str, usize)>,
    pub(crate) parameters: Vec<(&'static str, Vec<i64>)>,
}

impl<'a, V> Call<'a, V> {
    /// An operator on the `n` elements of one tensor.
    pub(crate) fn on(name: OpName, x: &'a [V], n: usize) -> Self {
        Self {
            name,
            slots: vec![("x", Slot::Values(x))],
            sizes: vec![("n", n)],
            parameters: Vec::new(),
        }
    }

    pub(crate) fn slot(mut self, name: &'static str, slot: Slot<'a, V>) -> Self {
        self.slots.push((name, slot));
        self
    }

    pub(crate) fn size(mut self, name: &'static str, size: usize) -> Self {
        self.sizes.push((name, size));
        self
    }

    pub(crate) fn parameter(mut self, name: &'static str, values: Vec<i64>) -> Self {
        self.parameters.push((name, values));
        self
    }

    /// A product with one constant for each of `parts` equal parts of the `len` elements.
    pub(crate) fn product(x: &'a [V], c: Slot<'a, V>, parts: usize, len: usize) -> Self {
        Self::on(OpName::MulConst, x, len.checked_div(parts).unwrap_or(0))
            .slot("c", c)
            .size("parts", parts)
    }

    /// A pool.
    pub(crate) fn pool(name: OpName, x: &'a [V], window: &Window) -> Self {
        Self::on(name, x, 0).window(window)
    }

    /// A convolution.
    pub(crate) fn conv(x: &'a [V], weight: Slot<'a, V>, bias: Slot<'a, V>, conv: &Conv) -> Self {
        let per_group = conv.filters.checked_div(conv.groups).unwrap_or(1);
        Self::on(OpName::Conv, x, 0)
            .slot("w", weight)
            .slot("b", bias)
            .size("filters", conv.filters)
            .size("depth", conv.depth())
            .parameter("q", vec![int(per_group)])
            .window(&conv.window)
    }

    fn window(self, w: &Window) -> Self {
        self.size("channels", w.channels)
            .size("height", w.height)
            .size("width", w.width)
            .size("rows", w.kernel[0])
            .size("cols", w.kernel[1])
            .size("out_rows", w.out[0])
            .size("out_cols", w.out[1])
            .parameter("sy", vec![int(w.stride[0])])
            .parameter("sx", vec![int(w.stride[1])])
            .parameter("dy", vec![int(w.dilation[0])])
            .parameter("dx", vec![int(w.dilation[1])])
            .parameter("py", vec![int(w.pad[0])])
            .parameter("px", vec![int(w.pad[1])])
    }

    /// Two tensors, part by part; `parts` divides both lengths.
    pub(crate) fn concat(x: Vec<V>, y: &'a [V], parts: usize) -> Self {
        let (a, b) = (x.len() / parts.max(1), y.len() / parts.max(1));
        Self {
            name: OpName::Concat,
            slots: vec![("x", Slot::Owned(x)), ("y", Slot::Values(y))],
            sizes: vec![("parts", parts), ("a", a), ("b", b), ("c", a + b)],
            parameters: Vec::new(),
        }
    }

    /// Elements in another order.
    pub(crate) fn gather(x: &'a [V], index: &[u32], fill: Slot<'a, V>) -> Self {
        let place = |i: &u32| match *i {
            ceg4n_ir::kernel::FILL => -1,
            i => i64::from(i),
        };
        Self::on(OpName::Gather, x, x.len())
            .slot("fill", fill)
            .size("m", index.len())
            .parameter("at", index.iter().map(place).collect())
    }
}

/// Extents are far below 2^63: each counts elements in memory.
pub(crate) fn int(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// One operand: its data, and the extents that its indices run over.
struct Bound<'a, V> {
    slot: Slot<'a, V>,
    extents: Vec<usize>,
}

/// Slots, sizes and parameters in the order of a spec's declarations.
pub(crate) struct NodeOperands<'a, D: Domain> {
    operands: Vec<Bound<'a, D::Value>>,
    sizes: Vec<usize>,
    parameters: Vec<Vec<i64>>,
    constant: Constant<D>,
}

impl<'a, D: Domain> NodeOperands<'a, D> {
    pub(crate) fn new(
        spec: &Spec,
        call: Call<'a, D::Value>,
        constant: Constant<D>,
    ) -> Result<Self, MeaningError> {
        let missing = |name: &str| MeaningError::Unbound(name.to_owned());
        let mut sizes = Vec::new();
        for s in spec.sizes.values() {
            let found = call.sizes.iter().find(|(n, _)| n == s);
            sizes.push(found.ok_or_else(|| missing(s))?.1);
        }
        let mut slots = call.slots;
        let mut operands = Vec::new();
        for o in spec.operands.values() {
            let found = slots.iter().position(|(n, _)| *n == o.name);
            let slot = slots.swap_remove(found.ok_or_else(|| missing(&o.name))?).1;
            let extents = o.shape.iter().map(|s| sizes[s.as_u32() as usize]).collect();
            operands.push(Bound { slot, extents });
        }
        let mut given = call.parameters;
        let mut parameters = Vec::new();
        for p in spec.parameters.values() {
            let found = given.iter().position(|(n, _)| *n == p.name);
            parameters.push(given.swap_remove(found.ok_or_else(|| missing(&p.name))?).1);
        }
        Ok(Self {
            operands,
            sizes,
            parameters,
            constant,
        })
    }
}

fn at<T>(data: &[T], index: usize) -> Result<&T, MeaningError> {
    data.get(index).ok_or(MeaningError::Index {
        index: int(index),
        extent: data.len(),
    })
}

fn flat(indices: &[usize], extents: &[usize]) -> Result<usize, MeaningError> {
    let mut flat = 0;
    for (index, extent) in indices.iter().zip(extents) {
        if index >= extent {
            return Err(MeaningError::Index {
                index: int(*index),
                extent: *extent,
            });
        }
        flat = flat * extent + index;
    }
    Ok(flat)
}

impl<D: Domain> Operands<D> for NodeOperands<'_, D> {
    fn get(&mut self, d: &mut D, id: OperandId, indices: &[usize]) -> Result<D::Value, D::Error> {
        let bound = at(&self.operands, id.as_u32() as usize)?;
        let i = flat(indices, &bound.extents)?;
        match &bound.slot {
            Slot::Values(v) => Ok(at(v, i)?.clone()),
            Slot::Owned(v) => Ok(at(v, i)?.clone()),
            Slot::Mantissas(data) => d.int(i128::from(*at(data, i)?)),
            Slot::Aligned(data) => d.int(i128::from(*at(data, i)?)),
            Slot::Reals(data) => {
                at(data.near(), i)?;
                (self.constant)(d, data.ends(i))
            }
            Slot::Every(v) => {
                // Every number of a checked program is finite.
                let v = Exact::from_f64(*v).ok_or(MeaningError::Overflow)?;
                (self.constant)(d, (v.clone(), v))
            }
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
