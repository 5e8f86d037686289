//! Where reference and kernel part on a stored point, value by value.
//!
//! The difference of a value is the sum of four exact parts: what its operand brings along (the
//! reference's operator on the kernel's operand, less the reference's value), what the kernel's own
//! constants add, what rounding adds, and what clamping adds. Whether a value costs the decision is
//! asked of the reference itself: it goes on from the kernel's value in exact arithmetic.

use super::ExplainOptions;
use super::folder::{Folder, Versioned, asked};
use crate::Failure;
use crate::optimality::certificate::Certificate;
use ceg4n_base::entity::PrimaryMap;
use ceg4n_base::{Diagnostic, Diagnostics, Exact, codes};
use ceg4n_eval::{
    EvalError, Trace, kernel_outputs, kernel_trace, real_outputs, real_trace, strict_winner,
};
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{
    Checked, Kernel, KernelOp, NodeId, Program, Property, RealNode, RealOp, RealProgram, ValueId,
};
use ceg4n_refine::Ended;
pub use ceg4n_report::{Cause, Divergence, LayerRow};
use ceg4n_verify::Reference;
use ceg4n_verify::subject::breaks;
use num_traits::ToPrimitive;

/// The divergence that the options ask for; `None` where no version was refuted and none was
/// asked for.
pub(super) fn divergence(
    folder: &Folder,
    options: &ExplainOptions,
) -> Result<Option<Divergence>, Failure> {
    let Some((version, point)) = choose(&folder.certificate, options)? else {
        return Ok(None);
    };
    let versioned = folder.version(version)?;
    let found = of(folder, &versioned, version, point);
    found.map(Some).map_err(|d| versioned.loaded.fail(d))
}

fn usage(text: String, help: String) -> Diagnostic {
    Diagnostic::error(codes::USAGE, text).help(help)
}

/// Version and point.
fn choose(c: &Certificate, options: &ExplainOptions) -> Result<Option<(u32, usize)>, Diagnostic> {
    let of_version = |k: u32| {
        let found = c.versions.iter().find(|v| v.version == k);
        let known = format!("the versions are v1 to v{}", c.versions.len());
        found.ok_or_else(|| usage(format!("there is no version v{k}"), known))
    };
    if let Some(i) = options.counterexample {
        let Some(p) = c.counterexamples.get(i) else {
            let known = format!("there are {}, counted from 0", c.counterexamples.len());
            return Err(usage(format!("there is no stored point {i}"), known));
        };
        let result = c.result.as_ref().map(|r| r.version);
        let last = c.versions.last().map(|v| v.version);
        let version = options.version.or(p.ended).or(result).or(last);
        return match version {
            Some(k) => of_version(k).map(|v| Some((v.version, i))),
            None => Ok(None),
        };
    }
    if let Some(k) = options.version {
        return match &of_version(k)?.ended {
            Ended::Refuted(i) => Ok(Some((k, *i))),
            Ended::Proved | Ended::Unknown(_) => Err(usage(
                format!("version v{k} was not refuted"),
                "say on which stored point, with --counterexample I".to_owned(),
            )),
        };
    }
    let refuted = c.versions.iter().rev().find_map(|v| match v.ended {
        Ended::Refuted(i) => Some((v.version, i)),
        Ended::Proved | Ended::Unknown(_) => None,
    });
    Ok(refuted)
}

fn internal(e: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::error(codes::INTERNAL, e.to_string())
}

fn of(
    folder: &Folder,
    versioned: &Versioned,
    version: u32,
    place: usize,
) -> Result<Divergence, Diagnostics> {
    let c = &folder.certificate;
    let foreign = |what: &str| Diagnostic::error(codes::FILE_READ, what.to_owned());
    let point = c.counterexamples.get(place);
    let question = point.and_then(|p| Some((p, c.questions.get(p.question)?)));
    let Some((point, question)) = question else {
        return Err(foreign("a version names a stored point that the certificate lacks").into());
    };
    if asked(&versioned.loaded, question).is_none() {
        return Err(foreign("the certificate asks what the network does not require").into());
    }
    if versioned.program.kernel().is_none() {
        return Err(foreign("the version is no fixed-point program").into());
    }
    let reference = folder.reference(&versioned.loaded)?;
    let stored = Point {
        version,
        counterexample: Some(place),
        ended: point.ended,
        region: &question.region,
        property: &question.requirement,
        x: &point.x,
    };
    Ok(diverge(&reference, &versioned.program, &stored)?)
}

/// A point, and what is asked of a version there.
pub(crate) struct Point<'a> {
    pub version: u32,
    /// Its place among the stored ones, if it is one of them.
    pub counterexample: Option<usize>,
    /// The version that it ended.
    pub ended: Option<u32>,
    pub region: &'a str,
    pub property: &'a Property,
    pub x: &'a [Exact],
}

/// Follows reference and kernel of one network through a point.
///
/// # Errors
/// [`codes::INTERNAL`] for a program without a kernel or a reference that is not real.
pub(crate) fn diverge(
    reference: &Reference,
    program: &Checked<Program>,
    point: &Point<'_>,
) -> Result<Divergence, Diagnostic> {
    let kernel = program
        .kernel()
        .ok_or_else(|| internal("the version is no fixed-point program"))?;
    let real = reference
        .real()
        .ok_or_else(|| internal("the reference is not real"))?;
    let property = point.property;
    let outputs = reference.outputs(point.x).map_err(internal)?;
    let integers = kernel_outputs(kernel, &kernel.quantize_input(point.x)).map_err(internal)?;
    let values = kernel.output_values(&integers);
    let network = &program.program().network;
    let mut layers = Vec::new();
    if is_plain(real) {
        let walk = Walk::new(real, kernel, point.x).map_err(internal)?;
        for node in chain(real) {
            let name = network.value(real.nodes[node].value).name.clone();
            layers.extend(walk.row(node, name, property, &outputs)?);
        }
    }
    let zero = |r: &&LayerRow| !r.difference.is_zero();
    let lost = layers.iter().rposition(|r| !r.broken).map_or(0, |i| i + 1);
    let classes = outputs.len() > 1;
    Ok(Divergence {
        version: point.version,
        counterexample: point.counterexample,
        ended: point.ended,
        region: point.region.to_owned(),
        requirement: property.to_string(),
        x: point.x.to_vec(),
        reference_class: classes.then(|| strict_winner(&outputs)).flatten(),
        kernel_class: classes.then(|| argmax(&integers)).flatten(),
        broken: breaks(property, &outputs, &values),
        first: layers.iter().find(zero).map(|r| r.name.clone()),
        lost_at: layers.get(lost).map(|r| r.name.clone()),
        reference: outputs,
        kernel: values,
        layers,
    })
}

/// The nodes on the way from input to output: every operator has one operand that is no constant.
fn chain(real: &RealProgram) -> Vec<NodeId> {
    let mut out = vec![real.output];
    let mut at = real.output;
    while let Some(x) = operand(&real.nodes[at].op) {
        out.push(x);
        at = x;
    }
    out.reverse();
    out
}

fn operand(op: &RealOp) -> Option<NodeId> {
    op.operands().first().copied()
}

/// True if the parts of differences can be told: no operator has two operands, no value two users,
/// and every value is exact.
fn is_plain(real: &RealProgram) -> bool {
    let single = |n: &RealNode| n.op.operands().len() <= 1;
    let on_way = chain(real).len() == real.nodes.len();
    real.is_exact() && on_way && real.nodes.values().all(single)
}

/// The reference from the value of `from` on, up to `to`: a program whose input that value is.
fn part(real: &RealProgram, from: NodeId, to: NodeId) -> RealProgram {
    let mut nodes: PrimaryMap<NodeId, RealNode> = PrimaryMap::new();
    let start = &real.nodes[from];
    let input = nodes.push(RealNode {
        value: start.value,
        op: RealOp::Input,
        len: start.len,
    });
    let (mut output, mut at) = (input, from);
    for n in chain(real).into_iter().skip_while(|n| *n != from).skip(1) {
        if at == to {
            break;
        }
        let node = &real.nodes[n];
        output = nodes.push(RealNode {
            value: node.value,
            op: node.op.map_operands(|_| output),
            len: node.len,
        });
        at = n;
    }
    RealProgram {
        nodes,
        input,
        output,
    }
}

/// Both programs on one point.
struct Walk<'a> {
    program: &'a RealProgram,
    kernel: &'a Kernel,
    x: &'a [Exact],
    real: Trace<Exact>,
    fixed: Trace<i128>,
}

impl<'a> Walk<'a> {
    fn new(
        program: &'a RealProgram,
        kernel: &'a Kernel,
        x: &'a [Exact],
    ) -> Result<Self, EvalError> {
        Ok(Self {
            real: real_trace(program, x)?,
            fixed: kernel_trace(kernel, &kernel.quantize_input(x))?,
            program,
            kernel,
            x,
        })
    }

    fn integers(&self, node: NodeId) -> Result<Vec<i64>, Diagnostic> {
        let values = self.fixed.node(node).iter();
        let narrow = |m: &i128| {
            m.to_i64()
                .ok_or_else(|| internal("a mantissa exceeds 64 bits"))
        };
        values.map(narrow).collect()
    }

    /// A node of the kernel in real units.
    fn values(&self, node: NodeId) -> Result<Vec<Exact>, Diagnostic> {
        let n = &self.kernel.nodes[node];
        let mantissas = self.integers(node)?;
        let value = |(j, m): (usize, i64)| {
            let m = i128::from(m) * i128::from(n.multiplier(j));
            Exact::dyadic(m, -i64::from(n.frac[j]))
        };
        Ok(mantissas.into_iter().enumerate().map(value).collect())
    }

    /// The kernel's nodes of a value, in order: the operator, then what stores it.
    fn nodes(&self, v: ValueId) -> Vec<NodeId> {
        let nodes = self.kernel.nodes.iter();
        nodes
            .filter(|(_, n)| n.value == v)
            .map(|(id, _)| id)
            .collect()
    }

    /// The row of a node of the reference; `None` where the kernel has no such value.
    fn row(
        &self,
        node: NodeId,
        name: String,
        property: &Property,
        outputs: &[Exact],
    ) -> Result<Option<LayerRow>, Diagnostic> {
        let value = self.program.nodes[node].value;
        let nodes = self.nodes(value);
        let (Some(first), Some(last)) = (nodes.first(), nodes.last()) else {
            return Ok(None);
        };
        let (reference, kernel) = (self.real.node(node), self.values(*last)?);
        let differences: Vec<Exact> = kernel.iter().zip(reference).map(|(k, n)| k - n).collect();
        let magnitude = |v: &Exact| if v.signum() < 0 { -v } else { v.clone() };
        let most = |i: &usize| magnitude(&differences[*i]);
        // The first among equals.
        let element = (0..differences.len()).rev().max_by_key(most).unwrap_or(0);
        let parts = self.parts(node, (*first, *last), element)?;
        let format = nodes
            .iter()
            .rev()
            .find_map(|n| self.kernel.nodes[*n].format);
        let clamped = self.clamped(&nodes, format)?;
        let (slack, broken) = self.decision(node, &kernel, property, outputs)?;
        let range = reference
            .iter()
            .fold((Exact::zero(), Exact::zero()), |(lo, hi), v| {
                (lo.min(v.clone()), hi.max(v.clone()))
            });
        let width = (&range.1 - &range.0).to_f64();
        let difference = differences
            .get(element)
            .cloned()
            .unwrap_or_else(Exact::zero);
        let size = difference.to_f64().abs();
        let [inherited, constants, rounding, clamping] = parts;
        Ok(Some(LayerRow {
            name,
            format: format.map(|f| f.to_string()),
            element,
            reference: reference.get(element).cloned().unwrap_or_else(Exact::zero),
            kernel: kernel.get(element).cloned().unwrap_or_else(Exact::zero),
            relative: if size == 0.0 {
                0.0
            } else {
                size / width.max(f64::MIN_POSITIVE)
            },
            cause: cause(&[&inherited, &constants, &rounding, &clamping]),
            difference,
            inherited,
            constants,
            rounding,
            clamping,
            clamped,
            slack,
            broken,
        }))
    }

    /// The parts of an element's difference: inherited, constants, rounding, clamping.
    fn parts(
        &self,
        node: NodeId,
        (first, last): (NodeId, NodeId),
        element: usize,
    ) -> Result<[Exact; 4], Diagnostic> {
        let at = |v: &[Exact]| v.get(element).cloned().unwrap_or_else(Exact::zero);
        let reference = at(self.real.node(node));
        let stored = at(&self.values(last)?);
        let (passed, natural) = match operand(&self.program.nodes[node].op) {
            // The input itself: all that happens to it is that it is stored.
            None => (reference.clone(), at(self.x)),
            Some(x) => {
                let from = self.nodes(self.program.nodes[x].value);
                let Some(from) = from.last() else {
                    return Err(internal("the kernel lacks a value of the reference"));
                };
                let one = part(self.program, x, node);
                let passed = real_outputs(&one, &self.values(*from)?).map_err(internal)?;
                (at(&passed), at(&self.values(first)?))
            }
        };
        let kept = &stored - &natural;
        let (rounding, clamping) = match self.is_clamped(last, element, &kept)? {
            true => (Exact::zero(), kept),
            false => (kept, Exact::zero()),
        };
        Ok([&passed - &reference, &natural - &passed, rounding, clamping])
    }

    /// True if the value that was stored is an end of its format and further than a step from what
    /// was to be stored: rounding alone does not do that.
    fn is_clamped(&self, node: NodeId, element: usize, moved: &Exact) -> Result<bool, Diagnostic> {
        let Some(format) = self.kernel.nodes[node].format else {
            return Ok(false);
        };
        let mantissa = self.integers(node)?.get(element).copied();
        let at_end = mantissa.is_some_and(|m| m == format.min() || m == format.max());
        let step = format.value(1);
        Ok(at_end && (*moved > step || *moved < -&step))
    }

    /// Elements that are clamped where a value is stored.
    fn clamped(
        &self,
        nodes: &[NodeId],
        format: Option<ceg4n_ir::Format>,
    ) -> Result<usize, Diagnostic> {
        if format.is_none() {
            return Ok(0);
        }
        let mut count = 0;
        for id in nodes {
            let before = match &self.kernel.nodes[*id].op {
                KernelOp::Input { .. } => self.x.to_vec(),
                KernelOp::Requantize { x, .. } => self.values(*x)?,
                KernelOp::Dense { .. }
                | KernelOp::Conv { .. }
                | KernelOp::MaxPool { .. }
                | KernelOp::SumPool { .. }
                | KernelOp::AddConst { .. }
                | KernelOp::MulConst { .. }
                | KernelOp::Sum { .. }
                | KernelOp::Concat { .. }
                | KernelOp::Gather { .. }
                | KernelOp::Relu { .. }
                | KernelOp::Clip { .. }
                | KernelOp::LeakyRelu { .. }
                | KernelOp::Unary { .. }
                | KernelOp::Table { .. }
                | KernelOp::Align { .. }
                | KernelOp::Move { .. } => continue,
            };
            for (i, (b, a)) in before.iter().zip(self.values(*id)?).enumerate() {
                count += usize::from(self.is_clamped(*id, i, &(&a - b))?);
            }
        }
        Ok(count)
    }

    /// What is left of the requirement if the reference goes on from the kernel's value.
    fn decision(
        &self,
        node: NodeId,
        kernel: &[Exact],
        property: &Property,
        outputs: &[Exact],
    ) -> Result<(Option<Exact>, bool), Diagnostic> {
        let rest = part(self.program, node, self.program.output);
        let reached = real_outputs(&rest, kernel).map_err(internal)?;
        let broken = breaks(property, outputs, &reached);
        Ok((slack(property, outputs, &reached), broken))
    }
}

/// How far outputs are from breaking a property, given the reference's; `None` where that has no
/// measure.
fn slack(property: &Property, reference: &[Exact], outputs: &[Exact]) -> Option<Exact> {
    match property {
        Property::Top1 => {
            let c = strict_winner(reference)?;
            let others = outputs.iter().enumerate().filter(|(j, _)| *j != c);
            let rival = others.map(|(_, v)| v).max()?;
            Some(outputs.get(c)? - rival)
        }
        Property::Top1Margin(m) => {
            let k = argmax(outputs)?;
            let lost = reference.iter().max()? - reference.get(k)?;
            Some(m - &lost)
        }
        Property::Eps(e) => {
            let pairs = outputs.iter().zip(reference);
            let far = pairs
                .map(|(k, n)| if k > n { k - n } else { n - k })
                .max()?;
            Some(e - &far)
        }
        Property::TopK(_) | Property::Spec(_) | Property::Joint(_) => None,
    }
}

/// The greatest part; the later one among equals.
fn cause(parts: &[&Exact; 4]) -> Cause {
    let names = [
        Cause::Inherited,
        Cause::Constants,
        Cause::Rounding,
        Cause::Clamping,
    ];
    let size = |v: &Exact| if v.signum() < 0 { -v } else { v.clone() };
    let greatest = parts.iter().zip(names).max_by_key(|(v, _)| size(v));
    match greatest {
        Some((v, name)) if !v.is_zero() => name,
        Some(_) | None => Cause::None,
    }
}
