//! Straight-line code: the kernel's expression graph, made cheap for a processor.
//!
//! The graph of a kernel has one node for each value and none twice, so constant and equal elements
//! are gone, and what no output depends on is not reached. Two rewritings follow: what ranges
//! decide ([`normal`]), and how sums are computed ([`sums`]). Both are exact, rest on type ranges,
//! and go from graph to graph; a printer then writes one statement a node.

mod normal;
mod pairs;
mod rates;
mod sums;
#[cfg(test)]
mod tests;

use crate::plan::Plan;
use ceg4n_base::entity::{EntityRef, SecondaryMap};
use ceg4n_ir::NodeId;
use ceg4n_scalar::{Dag, DagError, DagId, Node};
use ceg4n_target::Target;

/// A graph to print.
#[derive(Clone, Debug)]
pub(crate) struct Straight {
    pub(crate) dag: Dag,
    /// The outputs.
    pub(crate) outputs: Vec<DagId>,
    /// What the outputs depend on, operands first.
    pub(crate) nodes: Vec<DagId>,
    /// Of each stage of the plan the first node that is no earlier stage's.
    pub(crate) sections: Vec<usize>,
}

/// How straight-line code is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Making {
    pub(crate) target: Target,
    /// Rewrite at all.
    pub(crate) rewrite: bool,
}

impl Straight {
    /// That of a plan's kernel; `None` where it has no graph.
    pub(crate) fn new(plan: &Plan<'_>, making: Making) -> Option<Self> {
        Self::made(plan, making).ok()
    }

    fn made(plan: &Plan<'_>, making: Making) -> Result<Self, DagError> {
        let kernel = plan.kernel;
        let lowered = Dag::of_kernel(kernel, &kernel.nodes[kernel.input].range)?;
        let sections = sections(plan, &lowered.layers);
        let whole = Self::of(lowered.dag, lowered.outputs, sections);
        if !making.rewrite {
            return Ok(whole);
        }
        sums::cheap(&normal::decided(&whole)?, making.target)
    }

    fn of(dag: Dag, outputs: Vec<DagId>, sections: Vec<usize>) -> Self {
        Self {
            nodes: dag.reachable(&outputs),
            dag,
            outputs,
            sections,
        }
    }

    /// About the instructions that it takes on a processor; on AVR cycles.
    pub(crate) fn cost(&self, target: Target) -> u64 {
        rates::Rates(target).all(self)
    }

    /// The same graph under a rewriting of each node, in order.
    fn mapped(
        &self,
        mut rewrite: impl FnMut(&mut Dag, &Mapping, DagId) -> Result<DagId, DagError>,
    ) -> Result<Self, DagError> {
        let mut dag = Dag::new(self.dag.inputs().to_vec());
        let mut mapping = Mapping(vec![None; self.dag.len()]);
        let mut sections = Vec::new();
        for id in &self.nodes {
            while let Some(first) = self.sections.get(sections.len())
                && *first <= number(*id)
            {
                sections.push(dag.len());
            }
            let new = rewrite(&mut dag, &mapping, *id)?;
            mapping.0[number(*id)] = Some(new);
        }
        sections.resize(self.sections.len(), dag.len());
        let outputs = self.outputs.iter().map(|o| mapping.of(*o));
        let outputs = outputs.collect::<Result<_, _>>()?;
        Ok(Self::of(dag, outputs, sections))
    }
}

/// Where each node of a graph is in another one.
struct Mapping(Vec<Option<DagId>>);

impl Mapping {
    fn of(&self, id: DagId) -> Result<DagId, DagError> {
        self.at(number(id))
    }

    fn at(&self, number: usize) -> Result<DagId, DagError> {
        self.0.get(number).copied().flatten().ok_or(DagError::Index)
    }

    /// The node over the other graph's operands.
    fn node(&self, node: &Node) -> Result<Node, DagError> {
        let of = |id: &DagId| self.of(*id);
        Ok(match node {
            Node::Input(i) => Node::Input(*i),
            Node::Linear(form) => {
                let term = |(t, c): &(DagId, i128)| Ok((of(t)?, *c));
                let terms = form.terms.iter().map(term);
                let mut sum = sums::merged(terms.collect::<Result<_, DagError>>()?);
                sum.constant = form.constant;
                Node::Linear(sum)
            }
            Node::Shr(a, s) => Node::Shr(of(a)?, *s),
            Node::Low(a, s) => Node::Low(of(a)?, *s),
            Node::Min(a, b) => Node::Min(of(a)?, of(b)?),
            Node::Max(a, b) => Node::Max(of(a)?, of(b)?),
            Node::Negative(a) => Node::Negative(of(a)?),
            Node::Not(a) => Node::Not(of(a)?),
            Node::And(a, b) => Node::And(of(a)?, of(b)?),
            Node::Or(a, b) => Node::Or(of(a)?, of(b)?),
            Node::Select(c, a, b) => Node::Select(of(c)?, of(a)?, of(b)?),
            Node::Lookup(a, table) => Node::Lookup(of(a)?, table.clone()),
        })
    }
}

/// A node's place.
pub(crate) fn number(id: DagId) -> usize {
    id.index()
}

/// Of each stage the first node after those of the stages before.
fn sections(plan: &Plan<'_>, layers: &SecondaryMap<NodeId, Vec<DagId>>) -> Vec<usize> {
    let mut next = 0;
    let mut all = Vec::new();
    for stage in &plan.stages {
        all.push(next);
        let last = layers[stage.node].iter().map(|id| number(*id) + 1).max();
        next = last.unwrap_or(next).max(next);
    }
    all
}
