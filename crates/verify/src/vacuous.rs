//! Requirements that any constant answer meets are vacuous and never count as proved.

use crate::attack;
use crate::bounds::{Form, margins};
use crate::reference::Reference;
use crate::space::{Part, Space};
use ceg4n_base::Exact;
use ceg4n_ir::Property;

/// The constant that would do, in words, if the property is vacuous on the region.
///
/// A margin is vacuous if no class violates it anywhere; a tolerance if one constant vector
/// stays within it. Shown by bounds over the whole region; a point (or two) that a constant
/// misses shows the contrary. Where neither is shown the property counts as vacuous.
pub(crate) fn vacuous(
    reference: &Reference,
    space: &Space,
    root: &Part,
    property: &Property,
    center: &[Exact],
) -> Option<String> {
    let outputs = reference.output_len();
    match property {
        Property::Top1 | Property::Spec(_) | Property::Joint(_) => None,
        Property::TopK(n) => {
            (*n as usize >= outputs).then(|| "any answer: k is the number of outputs".to_owned())
        }
        Property::Top1Margin(m) => {
            let points = attack::seeds(space, center, 64);
            let missed = points.iter().filter_map(|x| space.snap(x)).any(|x| {
                let Ok(n) = reference.enclosures(&x) else {
                    return false;
                };
                let most = n.iter().map(|(lo, _)| lo).max();
                most.is_some_and(|most| n.iter().any(|(_, hi)| *hi < most - m))
            });
            (!missed).then(|| {
                let limit = m.enclosure().0;
                let all = (0..outputs).all(|k| {
                    let lower = reference.lower(&root.real, margins(k, outputs));
                    lower.iter().all(|l| -l <= limit)
                });
                if all {
                    "every class: the outputs differ by less than the margin"
                } else {
                    "perhaps every class: no point was found that one misses"
                }
                .to_owned()
            })
        }
        Property::Eps(e) => eps(reference, space, &e.shifted(1), center),
    }
}

/// The middle of what each output was seen to take, unless some output moves by more than
/// `twice`: floating point finds the two points, exact evaluation decides.
fn eps(reference: &Reference, space: &Space, twice: &Exact, center: &[Exact]) -> Option<String> {
    let outputs = reference.output_len();
    let mut points = attack::seeds(space, center, 64);
    let start: Vec<f64> = center.iter().map(Exact::to_f64).collect();
    for j in 0..outputs {
        points.push(attack::descend(reference, space, &start, Form::output(j)));
    }
    let seen: Vec<Vec<f64>> = points.iter().map(|x| reference.approximate(x)).collect();
    let by = |j: usize| {
        let order = |a: &usize, b: &usize| seen[*a][j].total_cmp(&seen[*b][j]);
        let least = (0..points.len()).min_by(order);
        least.zip((0..points.len()).max_by(order))
    };
    let mut spans: Vec<(f64, usize, (usize, usize))> = (0..outputs)
        .filter_map(|j| by(j).map(|(l, m)| (seen[m][j] - seen[l][j], j, (l, m))))
        .collect();
    let middle = |(_, j, (l, m)): &(f64, usize, (usize, usize))| {
        format!("{:.4}", seen[*l][*j] + (seen[*m][*j] - seen[*l][*j]) / 2.0)
    };
    let constant: Vec<String> = spans.iter().map(middle).collect();
    spans.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let exactly = |at: usize| {
        space
            .snap(&points[at])
            .and_then(|x| reference.enclosures(&x).ok())
    };
    for (span, j, (least, most)) in spans {
        // Floating point is nowhere near that wrong.
        if span < twice.to_f64() * 0.99 {
            break;
        }
        if let (Some(l), Some(m)) = (exactly(least), exactly(most))
            && &m[j].0 - &l[j].1 > *twice
        {
            return None;
        }
    }
    Some(format!("the constant ({})", constant.join(", ")))
}
