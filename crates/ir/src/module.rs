//! What a `.nnir` file holds: a network, versions of its formats, regions and requirements.

use crate::annotate::{Annotations, Program};
use crate::network::{Network, ValueId};
use crate::spec::OutputSpec;
use crate::types::Format;
use ceg4n_base::{ContentHash, Diagnostic, Exact, Hasher, Span, codes};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A box of inputs.
#[derive(Clone, Debug)]
pub struct Region {
    /// Unique in its file.
    pub id: String,
    /// Lower bound per input element, in real units.
    pub lower: Vec<Exact>,
    /// Upper bound per input element.
    pub upper: Vec<Exact>,
    /// A point to start from; the middle of the box if absent.
    pub center: Option<Vec<Exact>>,
    /// The radius it was made with, as a file states it; only for selecting regions.
    pub ball_size: Option<Exact>,
    /// Where it was written.
    pub span: Option<Span>,
}

impl Region {
    /// The centre, or the middle of the box.
    pub fn center(&self) -> Vec<Exact> {
        match &self.center {
            Some(c) => c.clone(),
            None => self
                .lower
                .iter()
                .zip(&self.upper)
                .map(|(l, u)| l.midpoint(u))
                .collect(),
        }
    }

    /// Refuses a region of another length than `inputs`, or without a point.
    pub fn check(&self, inputs: usize) -> Result<(), Diagnostic> {
        let fail =
            |m: String| Err(Diagnostic::error(codes::REGION, m).at(self.span, "this region"));
        if self.lower.len() != inputs || self.upper.len() != inputs {
            let counts = format!(
                "region \"{}\" has {} lower and {} upper bounds, the network {inputs} inputs",
                self.id,
                self.lower.len(),
                self.upper.len()
            );
            return fail(counts)
                .map_err(|d| d.help("give a bound for each input, in the network's order"));
        }
        if self.center.as_ref().is_some_and(|c| c.len() != inputs) {
            return fail(format!(
                "the centre of region \"{}\" has not {inputs} elements",
                self.id
            ));
        }
        match (0..inputs).find(|i| self.lower[*i] > self.upper[*i]) {
            Some(i) => fail(format!(
                "region \"{}\" is empty: lower bound {} above upper bound {} at input {i}",
                self.id,
                shortest(&self.lower[i]),
                shortest(&self.upper[i])
            )),
            None => Ok(()),
        }
    }

    /// True if the point lies in the box.
    pub fn contains(&self, x: &[Exact]) -> bool {
        x.len() == self.lower.len()
            && x.iter()
                .zip(self.lower.iter().zip(&self.upper))
                .all(|(x, (l, u))| l <= x && x <= u)
    }

    /// Hash of the box; the id does not count.
    pub fn hash(&self) -> ContentHash {
        let mut h = Hasher::new("region");
        for v in self.lower.iter().chain(&self.upper) {
            h.str(&v.to_string());
        }
        h.finish()
    }
}

/// A number for a message: of a float the text that people give for it.
fn shortest(v: &Exact) -> String {
    let float = v.to_f64();
    match Exact::from_f64(float) {
        Some(same) if same == *v => format!("{float}"),
        Some(_) | None => v.to_string(),
    }
}

/// What must hold on a region; semantics are in the book's semantics page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Property {
    /// A strict winner of the reference is the kernel's class.
    Top1,
    /// The kernel's class is within the margin of the reference's winner.
    Top1Margin(Exact),
    /// The strict winner is among the kernel's first `n`.
    TopK(u32),
    /// Every output within `e`, in real units.
    Eps(Exact),
    /// No point's outputs are what a VNN-LIB query asks for.
    Spec(Arc<OutputSpec>),
    /// No point's outputs of reference and subject together are what a query asks for. Of the
    /// [`OutputSpec::outputs`] the first half are the reference's, the others the subject's. Queries
    /// of two networks ask so; no `.nnir` file does.
    Joint(Arc<OutputSpec>),
}

/// Which inputs of a box count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Domain {
    /// Every real point.
    #[default]
    Real,
    /// Every point whose coordinates are values of the format.
    Grid(Format),
}

impl std::fmt::Display for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Real => f.write_str("real"),
            Self::Grid(format) => write!(f, "grid {format}"),
        }
    }
}

impl std::fmt::Display for Property {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Top1 => f.write_str("top1"),
            Self::Top1Margin(m) => write!(f, "top1 margin {m}"),
            Self::TopK(k) => write!(f, "topk {k}"),
            Self::Eps(e) => write!(f, "eps {e}"),
            Self::Spec(spec) => write!(f, "spec {:?}", spec.path),
            Self::Joint(spec) => write!(f, "joint {:?}", spec.path),
        }
    }
}

/// The regions that a requirement speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of the file.
    All,
    /// Those ids.
    Ids(Vec<String>),
}

/// A property demanded on regions.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// What must hold.
    pub property: Property,
    /// On which inputs.
    pub domain: Domain,
    /// In which regions.
    pub regions: Selection,
    /// Where it was written.
    pub span: Option<Span>,
}

/// What a comment stands before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anchor {
    /// The first line (`nnir 1;`).
    Header,
    /// The network.
    Network,
    /// A value of the network.
    Value(ValueId),
    /// The network's `output` line.
    Output,
    /// A format block, by its place in [`Module::versions`].
    Format(usize),
    /// An entry of a format block.
    FormatEntry(usize, ValueId),
    /// A region, by its place.
    Region(usize),
    /// A requirement, by its place.
    Requirement(usize),
    /// The end of the file.
    End,
}

/// Comment lines (without `//`), by what they stand before.
pub type Comments = BTreeMap<Anchor, Vec<String>>;

/// The content of a `.nnir` file.
#[derive(Clone, Debug)]
pub struct Module {
    /// The network.
    pub network: Arc<Network>,
    /// Its annotated versions, in file order.
    pub versions: Vec<Annotations>,
    /// Input boxes.
    pub regions: Vec<Region>,
    /// What must hold on them.
    pub requirements: Vec<Requirement>,
    /// Comments that printing keeps.
    pub comments: Comments,
}

impl Module {
    /// A module with a network and nothing else.
    pub fn new(network: Network) -> Self {
        Self {
            network: Arc::new(network),
            versions: Vec::new(),
            regions: Vec::new(),
            requirements: Vec::new(),
            comments: Comments::new(),
        }
    }

    /// The real-valued program.
    pub fn reference(&self) -> Program {
        Program::reference(self.network.clone())
    }

    /// The version with the number `version`, or the last one.
    pub fn version(&self, version: Option<u32>) -> Option<Program> {
        let a = match version {
            Some(k) => self.versions.iter().find(|a| a.version == k),
            None => self.versions.last(),
        }?;
        Some(Program::new(self.network.clone(), a.clone()))
    }

    /// A region by id.
    pub fn region(&self, id: &str) -> Option<&Region> {
        self.regions.iter().find(|r| r.id == id)
    }
}
