//! `merge-neurons`: neurons that are the same are computed once.

use crate::draft::Draft;
use crate::drop_dead_neurons::weights;
use crate::fold_affine::constant;
use crate::neurons::{Link, Meets, constants, with_constants};
use crate::pass::{Keeps, Pass};
use crate::tensors::{Lowered, gathered_note, lowered, put_constant};
use ceg4n_base::{Diagnostics, Exact};
use ceg4n_ir::kernel::multiplier;
use ceg4n_ir::{Annotation, Constant, KernelNode, KernelOp, Module, Network, Op, TensorFormat};
use std::sync::Arc;

/// Rows of dense layers and filters of convolutions that are equal, with their biases and with the
/// constants that act on them, in the real numbers and in the mantissas of every version: the first
/// stays, and its weights in the next layer become the sums. Where a sum does not fit the format of
/// its row, or is no sum of two float64, both stay.
pub(crate) struct MergeNeurons;

impl Pass for MergeNeurons {
    fn name(&self) -> &'static str {
        "merge-neurons"
    }

    fn description(&self) -> &'static str {
        "compute neurons and channels that are equal once; the next layer's weights for them are added"
    }

    fn keeps(&self, _: Option<&str>) -> Keeps {
        Keeps::ALL
    }

    fn run(&self, module: &Module, _: Option<&str>) -> Result<Module, Diagnostics> {
        let net = &module.network;
        let layers = net.weight_layers().into_iter();
        let names: Vec<String> = layers.map(|v| net.value(v).name.clone()).collect();
        let mut now = module.clone();
        for name in names {
            if let Some(next) = behind(&now, &name)? {
                now = next;
            }
        }
        Ok(now)
    }
}

/// The module with the equal neurons of one layer merged; `None` if there are none that can be.
fn behind(module: &Module, layer: &str) -> Result<Option<Module>, Diagnostics> {
    let net = &module.network;
    let link = net.find(layer).and_then(|v| Link::behind(net, v));
    let Some(link) = link else {
        return Ok(None);
    };
    let (Some(versions), Some(meets)) = (lowered(module)?, link.meets(net)) else {
        return Ok(None);
    };
    let Some(mut sums) = Sums::of(module, &link, &meets, &versions) else {
        return Ok(None);
    };
    let mut keep: Vec<usize> = Vec::new();
    for j in 0..link.count {
        let twin = keep.iter().copied().find(|i| {
            equal_rows(net, &link, *i, j) && versions.iter().all(|v| equal_nodes(v, &link, *i, j))
        });
        let merged = twin.is_some_and(|i| sums.add(i, j));
        if !merged {
            keep.push(j);
        }
    }
    if keep.len() == link.count {
        return Ok(None);
    }
    match merged(module, &link, &meets, &sums, &keep) {
        Some(draft) => draft.finish().map(Some),
        None => Ok(None),
    }
}

/// True if the real function computes the same for both neurons.
fn equal_rows(net: &Network, link: &Link, i: usize, j: usize) -> bool {
    let Some((weight, bias)) = constants(net, link.from) else {
        return false;
    };
    let row = |c: &Constant, k: usize| {
        let n = c.data.len() / link.count;
        k * n..(k + 1) * n
    };
    let own = [Some(weight), bias].into_iter().flatten();
    let same = |c: &Constant| {
        let pairs = || row(c, i).zip(row(c, j));
        let narrow = pairs().all(|(a, b)| c.data[a] == c.data[b]);
        let wide = |w: &ceg4n_ir::network::Wide| {
            pairs().all(|(a, b)| w.high[a] == w.high[b] && w.low[a] == w.low[b])
        };
        !c.enclosed() && narrow && c.wide.as_ref().is_none_or(|w| wide(w))
    };
    own.into_iter().all(|c| net.constant(c).is_some_and(same))
        && link
            .path
            .iter()
            .all(|v| equal_constants(net, link, *v, [i, j]))
}

/// True if the constant of an element operator, if it has one, is the same for both neurons.
fn equal_constants(net: &Network, link: &Link, v: ceg4n_ir::ValueId, pair: [usize; 2]) -> bool {
    let (Op::Add { c, .. } | Op::Sub { c, .. } | Op::Mul { c, .. } | Op::Div { c, .. }) =
        &net.value(v).op
    else {
        return true;
    };
    let shape = &net.value(v).shape;
    let index = net.value(*c).shape.spread_over(shape);
    let Some(data) = net.constant(*c).filter(|c| !c.enclosed()) else {
        return false;
    };
    let block = shape.len() / link.count;
    let at = |k: usize| &index[k * block..(k + 1) * block];
    let mut pairs = at(pair[0]).iter().zip(at(pair[1]));
    pairs.all(|(a, b)| a == b || data.center(*a) == data.center(*b))
}

/// True if a version computes the same for both neurons.
fn equal_nodes(version: &Lowered, link: &Link, i: usize, j: usize) -> bool {
    let values = std::iter::once(link.from).chain(link.path.iter().copied());
    let mut nodes = values.flat_map(|v| version.all(v));
    nodes.all(|n| equal_blocks(n, link.count, i, j))
}

/// What a node does with the elements of both neurons is the same: their scales, and the constants
/// that it has for each element. The rest follows from scales and from the geometry.
fn equal_blocks(node: &KernelNode, count: usize, i: usize, j: usize) -> bool {
    fn same<T: PartialEq>(list: &[T], count: usize, i: usize, j: usize) -> bool {
        let n = list.len() / count;
        list[i * n..(i + 1) * n] == list[j * n..(j + 1) * n]
    }
    let factors = node.multiplier.as_deref();
    let n = node.len / count;
    let scales = (0..n).all(|e| {
        let (a, b) = (i * n + e, j * n + e);
        node.frac[a] == node.frac[b] && multiplier(factors, a) == multiplier(factors, b)
    });
    let own = match &node.op {
        KernelOp::Dense { weight, bias, .. } | KernelOp::Conv { weight, bias, .. } => {
            let bias = bias.as_ref().is_none_or(|b| same(b, count, i, j));
            bias && same(weight, count, i, j)
        }
        KernelOp::AddConst { c, .. } => same(c, count, i, j),
        // Fewer than neurons: each is for whole groups of them.
        KernelOp::MulConst { c, .. } => {
            let at = |e: usize| c[e / (node.len / c.len())];
            (0..n).all(|e| at(i * n + e) == at(j * n + e))
        }
        KernelOp::Requantize { shift, .. } => same(shift, count, i, j),
        KernelOp::Align { shift, .. } => same(shift, count, i, j),
        KernelOp::Clip { lo, hi, .. } => same(lo, count, i, j) && same(hi, count, i, j),
        KernelOp::Input { .. }
        | KernelOp::MaxPool { .. }
        | KernelOp::SumPool { .. }
        | KernelOp::Sum { .. }
        | KernelOp::Concat { .. }
        | KernelOp::Gather { .. }
        | KernelOp::Relu { .. }
        | KernelOp::LeakyRelu { .. }
        | KernelOp::Unary { .. }
        | KernelOp::Table { .. }
        | KernelOp::Move { .. } => true,
    };
    scales && own
}

/// The weights of the second layer, as they become.
struct Sums {
    meets: Meets,
    real: Vec<Exact>,
    /// Only enclosed: no two of them are added.
    enclosed: bool,
    /// By version, with the format of the weights.
    mantissas: Vec<(Vec<i32>, TensorFormat)>,
}

impl Sums {
    fn of(module: &Module, link: &Link, meets: &Meets, versions: &[Lowered]) -> Option<Self> {
        let net = &module.network;
        let (weight, _) = constants(net, link.to)?;
        let c = net.constant(weight)?;
        let mut mantissas = Vec::with_capacity(versions.len());
        for (version, a) in versions.iter().zip(&module.versions) {
            let m = weights(version.first(link.to)?)?;
            mantissas.push((m.to_vec(), a.format(weight)?.clone()));
        }
        Some(Self {
            meets: *meets,
            real: (0..c.data.len()).map(|i| c.center(i)).collect(),
            enclosed: c.enclosed(),
            mantissas,
        })
    }

    /// Adds the weights of neuron `j` to those of `i`, if every sum fits.
    fn add(&mut self, i: usize, j: usize) -> bool {
        if self.enclosed {
            return false;
        }
        let pairs: Vec<(usize, usize, usize)> = (0..self.meets.rows)
            .flat_map(|r| {
                let each = self.meets.weights(r, i).zip(self.meets.weights(r, j));
                each.map(move |(a, b)| (r, a, b))
            })
            .collect();
        let fits = |(m, format): &(Vec<i32>, TensorFormat)| {
            pairs.iter().all(|(r, a, b)| {
                let sum = i64::from(m[*a]) + i64::from(m[*b]);
                let inside = format.channel(*r).is_some_and(|f| f.contains(sum));
                inside && i32::try_from(sum).is_ok()
            })
        };
        let sums: Vec<Exact> = pairs
            .iter()
            .map(|(_, a, b)| &self.real[*a] + &self.real[*b])
            .collect();
        let exact = constant(&sums).is_some_and(|c| !c.enclosed());
        if !exact || !self.mantissas.iter().all(fits) {
            return false;
        }
        for ((_, a, b), sum) in pairs.iter().zip(sums) {
            self.real[*a] = sum;
            for (m, _) in &mut self.mantissas {
                m[*a] += m[*b];
            }
        }
        true
    }
}

fn merged<'m>(
    module: &'m Module,
    link: &Link,
    meets: &Meets,
    sums: &Sums,
    keep: &[usize],
) -> Option<Draft<'m>> {
    let net = &module.network;
    let (weight, bias) = constants(net, link.to)?;
    let index = meets.kept(keep);
    let real: Vec<Exact> = index.iter().map(|i| sums.real[*i].clone()).collect();
    let data = constant(&real).filter(|c| !c.enclosed())?;
    let rows: Vec<usize> = (0..meets.rows).collect();
    let mut draft = Draft::new(module);
    link.shrink(module, &mut draft, keep)?;
    let notes: Option<Vec<Option<Annotation>>> = sums
        .mantissas
        .iter()
        .map(|(m, format)| {
            let whole: Arc<[i32]> = m.as_slice().into();
            let note = Annotation::Fixed {
                format: format.clone(),
                mantissas: Some(whole),
            };
            gathered_note(&note, &index, Some(&rows)).map(Some)
        })
        .collect();
    let shape = meets.shape(&net.value(weight).shape, link.count, keep.len());
    let weight = put_constant(&mut draft, net, weight, link.to, data, shape, notes?);
    let to = net.value(link.to);
    draft.set(
        link.to,
        with_constants(&to.op, weight, bias),
        to.shape.clone(),
    );
    Some(draft)
}
