//! `drop-dead-neurons`: neurons that never matter, or are the same for every input.

use crate::draft::Draft;
use crate::fold_affine::constant;
use crate::neurons::{Link, Meets, constants, with_constants};
use crate::pass::{Keeps, Parameter, Pass};
use crate::ranges::{Range, real_ranges};
use crate::tensors::{
    Lowered, gathered, gathered_note, is_zero, lowered, put_constant, real_value,
};
use ceg4n_base::{Diagnostics, Exact};
use ceg4n_ir::{
    Annotation, Constant, Format, KernelNode, KernelOp, Module, Network, Op, Shape, TensorFormat,
    ValueId,
};
use std::sync::Arc;

/// Takes out rows of dense layers and filters of convolutions whose values meet zero weights alone
/// in the next layer, or are constant over every input (a zero row; a value that its type range
/// leaves one number); a constant goes into the next bias. That must hold of the real function and
/// of every version; with the parameter `kernels` of the versions alone.
pub(crate) struct DropDeadNeurons;

/// The parameter that leaves the real function aside.
pub(crate) const KERNELS: Parameter = Parameter {
    syntax: "kernels",
    does: "judge by the versions alone; the reference may change",
};

impl Pass for DropDeadNeurons {
    fn name(&self) -> &'static str {
        "drop-dead-neurons"
    }

    fn description(&self) -> &'static str {
        "remove neurons and channels that only zero weights read, or that are constant, which the next bias takes up"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[KERNELS]
    }

    fn keeps(&self, parameter: Option<&str>) -> Keeps {
        Keeps {
            reference: parameter.is_none(),
            kernels: true,
        }
    }

    fn run(&self, module: &Module, parameter: Option<&str>) -> Result<Module, Diagnostics> {
        let kernels_alone = parameter.is_some();
        if kernels_alone && module.versions.is_empty() {
            return Ok(module.clone());
        }
        let net = &module.network;
        // From the last to the first: what a neuron that goes alone reads may go too.
        let names = net.weight_layers().into_iter().rev();
        let names: Vec<String> = names.map(|v| net.value(v).name.clone()).collect();
        let mut now = module.clone();
        for name in names {
            if let Some(next) = behind(&now, &name, kernels_alone)? {
                now = next;
            }
        }
        Ok(now)
    }
}

/// The module without the dead neurons of one layer; `None` if there are none that can go.
fn behind(
    module: &Module,
    layer: &str,
    kernels_alone: bool,
) -> Result<Option<Module>, Diagnostics> {
    let net = &module.network;
    let link = net.find(layer).and_then(|v| Link::behind(net, v));
    let Some(link) = link else {
        return Ok(None);
    };
    let (Some(versions), Some(meets)) = (lowered(module)?, link.meets(net)) else {
        return Ok(None);
    };
    let Some(found) = Found::of(net, &link, &meets, &versions, kernels_alone) else {
        return Ok(None);
    };
    let mut gone: Vec<usize> = (0..link.count).filter(|j| found.is_dead(*j)).collect();
    // A layer has a neuron.
    if gone.len() == link.count {
        gone.remove(0);
    }
    // All at once if their constants fit the bias, else those that bring none.
    let without: Vec<usize> = gone
        .iter()
        .copied()
        .filter(|j| found.is_silent(*j))
        .collect();
    for gone in [gone, without] {
        if gone.is_empty() {
            continue;
        }
        if let Some(next) = dropped(module, &link, &meets, &versions, &found, &gone) {
            return next.finish().map(Some);
        }
    }
    Ok(None)
}

/// What each neuron of a link adds to the sums of the second layer: by view (the real function, then
/// each version), by element, a constant; 0 also where no weight reads it. `None` if it varies.
struct Found {
    reference: Vec<Option<Vec<Exact>>>,
    versions: Vec<Vec<Option<Vec<i64>>>>,
}

impl Found {
    fn of(
        net: &Network,
        link: &Link,
        meets: &Meets,
        versions: &[Lowered],
        kernels_alone: bool,
    ) -> Option<Self> {
        let padded = reaches_beyond(net, link.to);
        let allowed = |all_equal: bool, all_zero: bool| {
            // A convolution sees elements of a plane at many places, and 0 beyond it.
            meets.dense || all_zero || (all_equal && !padded)
        };
        let mut by_version = Vec::with_capacity(versions.len());
        for version in versions {
            let node = version.last(link.last())?;
            let weights = weights(version.first(link.to)?)?;
            let one = |j: usize| {
                let read = |i| weights[meets.weights(i, j)].iter().any(|w| *w != 0);
                if !(0..meets.rows).any(read) {
                    return Some(vec![0; meets.elements]);
                }
                let range = &node.range[j * meets.elements..(j + 1) * meets.elements];
                let c: Vec<i64> = range.iter().map(|r| r.lo).collect();
                let fits = allowed(c.iter().all(|v| *v == c[0]), c.iter().all(|v| *v == 0));
                (range.iter().all(|r| r.lo == r.hi) && fits).then_some(c)
            };
            by_version.push((0..link.count).map(one).collect::<Vec<_>>());
        }
        let reference = match (kernels_alone, versions.last(), by_version.last()) {
            (false, _, _) => {
                let ranges = real_ranges(net);
                let ranges = ranges.get(&link.last())?;
                reference(net, link, meets, ranges, &allowed)?
            }
            // The real function takes what the last version has.
            (true, Some(version), Some(found)) => {
                let node = version.last(link.last())?;
                let value = |(e, m): (usize, &i64)| real_value(node, e, *m);
                let first = |j: usize| j * meets.elements;
                let real = |(j, c): (usize, &Option<Vec<i64>>)| {
                    let c = c.as_ref()?.iter().enumerate();
                    Some(c.map(|(e, m)| value((first(j) + e, m))).collect())
                };
                found.iter().enumerate().map(real).collect()
            }
            (true, _, _) => return None,
        };
        Some(Self {
            reference,
            versions: by_version,
        })
    }

    fn is_dead(&self, j: usize) -> bool {
        self.reference[j].is_some() && self.versions.iter().all(|v| v[j].is_some())
    }

    /// True for a dead neuron that adds nothing to any sum.
    fn is_silent(&self, j: usize) -> bool {
        let none = |c: &Option<Vec<i64>>| c.as_ref().is_some_and(|c| c.iter().all(|v| *v == 0));
        let real = self.reference[j].as_ref();
        real.is_some_and(|c| c.iter().all(Exact::is_zero))
            && self.versions.iter().all(|v| none(&v[j]))
    }
}

/// Constants of the real function, by neuron.
fn reference(
    net: &Network,
    link: &Link,
    meets: &Meets,
    ranges: &[Range],
    allowed: &dyn Fn(bool, bool) -> bool,
) -> Option<Vec<Option<Vec<Exact>>>> {
    let (weight, _) = constants(net, link.to)?;
    let weight = net.constant(weight)?;
    let one = |j: usize| {
        let read = |i: usize| meets.weights(i, j).any(|k| !is_zero(weight, k));
        if !(0..meets.rows).any(read) {
            return Some(vec![Exact::zero(); meets.elements]);
        }
        let own = &ranges[j * meets.elements..(j + 1) * meets.elements];
        let c: Option<Vec<Exact>> = own.iter().map(|r| r.constant().cloned()).collect();
        c.filter(|c| allowed(c.iter().all(|v| *v == c[0]), c.iter().all(Exact::is_zero)))
    };
    Some((0..link.count).map(one).collect())
}

/// True for a convolution with windows that reach beyond its operand.
fn reaches_beyond(net: &Network, layer: ValueId) -> bool {
    let Op::Conv { slide, .. } = &net.value(layer).op else {
        return false;
    };
    slide.before.iter().chain(&slide.after).any(|p| *p > 0)
}

/// The mantissas of a layer's weights.
pub(crate) fn weights(node: &KernelNode) -> Option<&Arc<[i32]>> {
    let (KernelOp::Dense { weight, .. } | KernelOp::Conv { weight, .. }) = &node.op else {
        return None;
    };
    Some(weight)
}

/// The draft without the neurons `gone`; `None` where a constant has no place.
fn dropped<'m>(
    module: &'m Module,
    link: &Link,
    meets: &Meets,
    versions: &[Lowered],
    found: &Found,
    gone: &[usize],
) -> Option<Draft<'m>> {
    let net = &module.network;
    let keep: Vec<usize> = (0..link.count).filter(|j| !gone.contains(j)).collect();
    let mut draft = Draft::new(module);
    let (weight, bias) = constants(net, link.to)?;
    let new_bias = match gone.iter().all(|j| found.is_silent(*j)) {
        true => bias,
        false => folded(module, &mut draft, link, meets, versions, found, gone)?,
    };
    link.shrink(module, &mut draft, &keep)?;
    let index = meets.kept(&keep);
    let all_rows: Vec<usize> = (0..meets.rows).collect();
    let notes: Option<Vec<Option<Annotation>>> = (0..module.versions.len())
        .map(|k| match module.versions[k].get(weight) {
            None => Some(None),
            Some(note) => gathered_note(note, &index, Some(&all_rows)).map(Some),
        })
        .collect();
    let data = gathered(net.constant(weight)?, &index);
    let shape = meets.shape(&net.value(weight).shape, link.count, keep.len());
    let weight = put_constant(&mut draft, net, weight, link.to, data, shape, notes?);
    let to = net.value(link.to);
    let op = with_constants(&to.op, weight, new_bias);
    draft.set(link.to, op, to.shape.clone());
    Some(draft)
}

/// The bias of the second layer with the constants of the neurons `gone` in it; `None` inside if
/// there is none and none is needed.
fn folded(
    module: &Module,
    draft: &mut Draft<'_>,
    link: &Link,
    meets: &Meets,
    versions: &[Lowered],
    found: &Found,
    gone: &[usize],
) -> Option<Option<ValueId>> {
    let net = &module.network;
    let (weight, bias) = constants(net, link.to)?;
    let w = net.constant(weight)?;
    let old = match bias {
        Some(b) => Some(net.constant(b)?),
        None => None,
    };
    if old.is_some_and(Constant::enclosed) {
        return None;
    }
    // Which constant the `k`-th weight of a neuron meets.
    let element = |k: usize| if meets.dense { k } else { 0 };
    let mut sums = Vec::with_capacity(meets.rows);
    for i in 0..meets.rows {
        let mut terms = Vec::new();
        for j in gone {
            let c = found.reference[*j].as_ref()?;
            for (k, at) in meets.weights(i, *j).enumerate() {
                if is_zero(w, at) || c[element(k)].is_zero() {
                    continue;
                }
                if w.enclosed() {
                    return None;
                }
                terms.push((w.center(at), c[element(k)].clone()));
            }
        }
        let b = old.map_or_else(Exact::zero, |b| b.center(i));
        sums.push(&b + &Exact::dot(&terms));
    }
    let data = constant(&sums).filter(|c| !c.enclosed())?;
    let mut notes = Vec::with_capacity(versions.len());
    for (version, found) in versions.iter().zip(&found.versions) {
        let node = version.first(link.to)?;
        let (KernelOp::Dense { weight, bias, .. } | KernelOp::Conv { weight, bias, .. }) = &node.op
        else {
            return None;
        };
        let mut aligned = Vec::with_capacity(meets.rows);
        for i in 0..meets.rows {
            let mut sum = i128::from(bias.as_ref().map_or(0, |b| b[i]));
            for j in gone {
                let c = found[*j].as_ref()?;
                for (k, at) in meets.weights(i, *j).enumerate() {
                    sum += i128::from(weight[at]) * i128::from(c[element(k)]);
                }
            }
            aligned.push(sum);
        }
        notes.push(aligned);
    }
    let positions = node_step(net, link.to);
    let annotated: Option<Vec<Option<Annotation>>> = notes
        .iter()
        .enumerate()
        .map(|(k, aligned)| {
            let node = versions[k].first(link.to)?;
            let scale = |i: usize| (node.frac[i * positions], node.multiplier(i * positions));
            let format = bias.and_then(|b| draft.note(k, b)).cloned();
            written(aligned, &scale, format.as_ref()).map(Some)
        })
        .collect();
    let shape = Shape::vector(meets.rows);
    let id = match bias {
        Some(b) => put_constant(draft, net, b, link.to, data, shape, annotated?),
        None => {
            let name = format!("{}.bias", net.value(link.to).name);
            let id = draft.insert(link.to, &name, Op::Const(data), shape);
            for (k, note) in annotated?.into_iter().enumerate() {
                draft.annotate(k, id, note);
            }
            id
        }
    };
    Some(Some(id))
}

/// Elements of a layer's result for each of its rows.
fn node_step(net: &Network, layer: ValueId) -> usize {
    net.conv(layer).map_or(1, |c| c.window.windows())
}

/// A bias that is `sums` at the scales `scale` of its accumulator: in the format that it had, if that
/// holds them, else in the coarsest of one for all rows, else of one for each. `None` beyond 32 bits.
pub(crate) fn written(
    sums: &[i128],
    scale: &dyn Fn(usize) -> (i32, u16),
    old: Option<&Annotation>,
) -> Option<Annotation> {
    let in_format = |i: usize, f: Format| {
        let (frac, multiplier) = scale(i);
        let up = u32::try_from(frac - f.frac()).ok().filter(|up| *up < 100)?;
        let m = sums[i] >> up;
        let exact = m << up == sums[i] && f.multiplier() == multiplier;
        let m = i64::try_from(m).ok().filter(|m| exact && f.contains(*m))?;
        i32::try_from(m).ok()
    };
    let mantissas = |format: &TensorFormat| -> Option<Arc<[i32]>> {
        (0..sums.len())
            .map(|i| in_format(i, format.channel(i)?))
            .collect()
    };
    if let Some(Annotation::Fixed { format, .. }) = old
        && let Some(m) = mantissas(format)
    {
        return Some(fixed(format.clone(), m));
    }
    // The coarsest scale on which each sum lies.
    let own = |i: usize| {
        let (frac, multiplier) = scale(i);
        let zeros = match sums[i] {
            0 => 0,
            s => s.trailing_zeros().min(96) as i32,
        };
        (frac - zeros, frac, multiplier)
    };
    let needed = |i: usize, frac: i32| {
        let (_, whole, _) = own(i);
        let up = u32::try_from(whole - frac).ok()?;
        let m = i64::try_from(sums[i] >> up.min(126)).ok()?;
        Some(ceg4n_ir::Interval::new(m, m).signed_width())
    };
    let format = |rows: &mut dyn Iterator<Item = usize>| {
        let rows: Vec<usize> = rows.collect();
        let used = |i: &&usize| sums[**i] != 0;
        let least = || rows.iter().map(|i| own(*i).1).min();
        let frac = rows.iter().filter(used).map(|i| own(*i).0).max();
        let frac = frac.or_else(least)?.min(least()?);
        let widths: Option<Vec<u8>> = rows.iter().map(|i| needed(*i, frac)).collect();
        let width = widths?.into_iter().max()?;
        Format::new(true, width, frac)?.with_multiplier(own(rows[0]).2)
    };
    let one = format(&mut (0..sums.len())).map(TensorFormat::Tensor);
    if let Some(format) = one
        && let Some(m) = mantissas(&format)
    {
        return Some(fixed(format, m));
    }
    let each: Option<Vec<Format>> = (0..sums.len()).map(|i| format(&mut (i..=i))).collect();
    let format = TensorFormat::Channels(each?.into());
    let m = mantissas(&format)?;
    Some(fixed(format, m))
}

fn fixed(format: TensorFormat, m: Arc<[i32]>) -> Annotation {
    Annotation::Fixed {
        format,
        mantissas: Some(m),
    }
}
