//! What the reference does on a region: keeps one class, changes class, or neither shown.
//!
//! Decided once per region; strict top-1 on a robust region is then a question about the kernel
//! alone.

use crate::attack;
use crate::bounds::Form;
use crate::budget::{Effort, Stop};
use crate::float::Bound;
use crate::reference::Reference;
use crate::space::{Part, Space};
use crate::verdict::{ClassChange, Label};
use ceg4n_base::Exact;
use ceg4n_eval::strict_winner;
use ceg4n_ir::kernel::argmax;

/// Labels a region.
pub fn label(
    reference: &Reference,
    space: &Space,
    center: &[Exact],
    root: &Part,
    effort: &Effort,
    stop: &Stop,
) -> Label {
    let found = attack::class_change(reference, space, center, effort, stop);
    if let Some(change) = found.change {
        return Label::Changes(Box::new(change));
    }
    let first = found.first;
    let Some((_, class)) = first.clone() else {
        return Label::Undecided;
    };
    if stop.now().is_some() {
        return Label::Undecided;
    }
    prove(reference, space, root, first, class, effort, stop)
}

/// Replays a point whose floating-point class is new; a strict winner other than the first one
/// ends the search.
fn visit(
    reference: &Reference,
    space: &Space,
    x: &[f64],
    first: &mut Option<(Vec<Exact>, usize)>,
) -> Option<Label> {
    let guess = argmax(&reference.approximate(x))?;
    if first.as_ref().is_some_and(|f| f.1 == guess) {
        return None;
    }
    let point = space.snap(x)?;
    let class = strict_winner(&reference.outputs(&point).ok()?)?;
    match first {
        None => {
            *first = Some((point, class));
            None
        }
        Some(f) if f.1 != class => Some(Label::Changes(Box::new(ClassChange {
            a: f.clone(),
            b: (point, class),
        }))),
        Some(_) => None,
    }
}

/// Branch and bound on the reference's margins.
fn prove(
    reference: &Reference,
    space: &Space,
    root: &Part,
    mut first: Option<(Vec<Exact>, usize)>,
    class: usize,
    effort: &Effort,
    stop: &Stop,
) -> Label {
    let influence = influence(reference);
    let mut open = vec![root.clone()];
    let mut boxes = 0;
    while let Some(part) = open.pop() {
        boxes += 1;
        if boxes > effort.boxes_for(root.input.len()) || stop.now().is_some() {
            return Label::Undecided;
        }
        let bounds = reference.bounds(&part.real);
        let mut rivals = (0..reference.output_len()).filter(|j| *j != class);
        // NaN compares false: an undefined bound proves nothing.
        if rivals.all(|j| bounds.lower(Form::margin(class, j)) > 0.0) {
            continue;
        }
        let middle: Vec<f64> = part
            .real
            .iter()
            .map(|b: &Bound| b.lo + (b.hi - b.lo) / 2.0)
            .collect();
        if let Some(change) = visit(reference, space, &middle, &mut first) {
            return change;
        }
        match space.split(&part, &influence) {
            Some((a, b)) => open.extend([b, a]),
            None => {
                // One point of the grid: its exact outputs decide.
                let single = space.snap(&middle).filter(|_| space.is_point(&part));
                let winner = single
                    .and_then(|x| reference.outputs(&x).ok())
                    .and_then(|y| strict_winner(&y));
                if winner != Some(class) {
                    return Label::Undecided;
                }
            }
        }
    }
    Label::Robust(class)
}

/// How much each input moves the first layer: guides splitting.
pub fn influence(reference: &Reference) -> Vec<f64> {
    let n = reference.input_len();
    let Some(program) = reference.real() else {
        return vec![1.0; n];
    };
    for node in program.nodes.values() {
        if let ceg4n_ir::RealOp::Dense {
            weight, rows, cols, ..
        } = &node.op
            && *cols == n
        {
            return (0..n)
                .map(|i| (0..*rows).map(|j| weight[j * cols + i].abs()).sum::<f64>() + 1e-9)
                .collect();
        }
    }
    vec![1.0; n]
}
