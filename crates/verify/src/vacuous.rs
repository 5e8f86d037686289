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
        Property::Top1 | Property::Spec(_) => None,
        Property::TopK(n) => {
            (*n as usize >= outputs).then(|| "any answer: k is the number of outputs".to_owned())
        }
        Property::Top1Margin(m) => {
            let points = attack::seeds(space, center, 64);
            let missed = points.iter().filter_map(|x| space.snap(x)).any(|x| {
                let Ok(n) = reference.outputs(&x) else {
                    return false;
                };
                let most = n.iter().cloned().reduce(Exact::max);
                most.is_some_and(|most| n.iter().any(|v| *v < &most - m))
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
        Property::Eps(e) => {
            let mut least: Vec<Exact> = Vec::new();
            let mut most: Vec<Exact> = Vec::new();
            let mut points = attack::seeds(space, center, 64);
            let start: Vec<f64> = center.iter().map(Exact::to_f64).collect();
            for j in 0..outputs {
                points.push(attack::descend(reference, space, &start, Form::output(j)));
            }
            for x in points.iter().filter_map(|x| space.snap(x)) {
                let Ok(n) = reference.outputs(&x) else {
                    continue;
                };
                if least.is_empty() {
                    (least, most) = (n.clone(), n);
                } else {
                    least = least
                        .into_iter()
                        .zip(&n)
                        .map(|(a, b)| a.min(b.clone()))
                        .collect();
                    most = most
                        .into_iter()
                        .zip(&n)
                        .map(|(a, b)| a.max(b.clone()))
                        .collect();
                }
            }
            let twice = e.shifted(1);
            let moves = least.iter().zip(&most).any(|(a, b)| (b - a) > twice);
            (!moves).then(|| {
                let middle: Vec<String> = least
                    .iter()
                    .zip(&most)
                    .map(|(a, b)| format!("{:.4}", a.midpoint(b).to_f64()))
                    .collect();
                format!("the constant ({})", middle.join(", "))
            })
        }
    }
}
