//! What the reference does on a region: keeps one class, changes class, or neither shown.
//!
//! Decided once per region; strict top-1 on a robust region is then a question about the kernel
//! alone.

use crate::attack;
use crate::bounds::graph::Op;
use crate::bounds::margins;
use crate::budget::{Effort, Stop};
use crate::frontier;
use crate::margins::{Exactly, FEW_INPUTS, Margins, View, Whole};
use crate::reference::Reference;
use crate::space::{Part, Space};
use crate::subject::Trouble;
use crate::tree::{Closure, Tree};
use crate::verdict::{ClassChange, Label, Robust};
use ceg4n_base::Exact;
use ceg4n_ir::kernel::argmax;
use serde::{Deserialize, Serialize};

/// A label, and why the reference keeps its class if it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Labelled {
    /// The label.
    pub label: Label,
    /// For [`Label::Robust`]: the proof.
    pub proof: Option<Robust>,
}

impl Labelled {
    /// Nothing is shown.
    pub const UNDECIDED: Self = Self {
        label: Label::Undecided,
        proof: None,
    };

    fn robust(class: usize, tree: Tree) -> Self {
        Self {
            label: Label::Robust(class),
            proof: Some(Robust { class, tree }),
        }
    }

    fn changes(change: ClassChange) -> Self {
        Self {
            label: Label::Changes(Box::new(change)),
            proof: None,
        }
    }
}

/// Labels a region.
pub fn label(
    reference: &Reference,
    space: &Space,
    center: &[Exact],
    root: &Part,
    effort: &Effort,
    stop: &Stop,
) -> Labelled {
    if reference.refusal().is_some() {
        return Labelled::UNDECIDED;
    }
    // Most regions are far from a boundary: one pass of bounds says so.
    let middle: Vec<f64> = center.iter().map(Exact::to_f64).collect();
    let guess = argmax(&reference.approximate(&middle)).unwrap_or(0);
    let visit = |_: &[f64]| Ok(None::<ClassChange>);
    if with(reference, space, guess, &visit, |m| m.quick(root)) {
        return Labelled::robust(guess, Tree::leaf(Closure::Backward));
    }
    let found = attack::class_change(reference, space, center, effort, stop);
    if let Some(change) = found.change {
        return Labelled::changes(change);
    }
    match found.first {
        Some(first) if stop.now().is_none() => prove(reference, space, root, &first, effort, stop),
        Some(_) | None => Labelled::UNDECIDED,
    }
}

/// Branch and bound on the reference's margins; `first` is a point and its strict winner.
fn prove(
    reference: &Reference,
    space: &Space,
    root: &Part,
    first: &(Vec<Exact>, usize),
    effort: &Effort,
    stop: &Stop,
) -> Labelled {
    let boxes = effort.boxes_for(root.input.len());
    let visit = |x: &[f64]| Ok(visit(reference, space, x, first));
    let ended = with(reference, space, first.1, &visit, |m| {
        frontier::run(m, m.start(None, root), (boxes, effort.points), stop)
    });
    match ended {
        Ok(ended) if ended.is_proved() => Labelled::robust(first.1, ended.tree),
        Ok(ended) => ended.found.map_or(Labelled::UNDECIDED, Labelled::changes),
        Err(Trouble(_)) => Labelled::UNDECIDED,
    }
}

type Visit<'a> = &'a (dyn Fn(&[f64]) -> Result<Option<ClassChange>, Trouble> + Sync);

fn with<T>(
    reference: &Reference,
    space: &Space,
    class: usize,
    visit: Visit<'_>,
    run: impl FnOnce(&Margins<'_, ClassChange>) -> T,
) -> T {
    let outputs = reference.output_len();
    let exactly = |part: &Part| Ok(exactly(reference, space, part, class));
    run(&Margins {
        graph: reference.graph(),
        space,
        view: View::Reals,
        forms: margins(class, outputs),
        need: vec![0.0; outputs.saturating_sub(1)],
        cases: Vec::new(),
        by_sign: reference.input_len() > FEW_INPUTS,
        first: &|_| false,
        visit,
        exactly: &exactly,
        whole: Whole::default(),
    })
}

/// A point whose strict winner is another than that of `first`, evaluated exactly.
fn visit(
    reference: &Reference,
    space: &Space,
    x: &[f64],
    first: &(Vec<Exact>, usize),
) -> Option<ClassChange> {
    if argmax(&reference.approximate(x))? == first.1 {
        return None;
    }
    let point = reference.admissible(&space.snap(x)?, &space.lower, &space.upper);
    let class = reference.winner(&point).ok()??;
    (class != first.1).then(|| ClassChange {
        a: first.clone(),
        b: (point, class),
    })
}

/// One point of the grid: its exact outputs decide.
fn exactly(
    reference: &Reference,
    space: &Space,
    part: &Part,
    class: usize,
) -> Exactly<ClassChange> {
    if !space.is_point(part) {
        return Exactly::Open;
    }
    let middle: Vec<f64> = part
        .real
        .iter()
        .map(|b| b.lo + (b.hi - b.lo) / 2.0)
        .collect();
    let winner = space
        .snap(&middle)
        .and_then(|x| reference.winner(&x).ok().flatten());
    if winner == Some(class) {
        Exactly::Holds(1)
    } else {
        Exactly::Open
    }
}

/// How much each input moves the first layer: guides splitting.
pub fn influence(reference: &Reference) -> Vec<f64> {
    let n = reference.input_len();
    let mut sizes = vec![1e-9; n];
    for node in &reference.graph().nodes {
        if let Op::Linear(map) = &node.op
            && map.cols == n
            && reference.real().is_some()
        {
            (0..map.rows).for_each(|j| map.each(j, |k, w| sizes[k] += w.abs()));
            return sizes;
        }
    }
    vec![1.0; n]
}
