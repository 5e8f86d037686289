//! What breaks a property, in floating point: the forms of the outputs that shall grow, and how
//! broken a point is.

use super::climb::Outs;
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{OutputConstraint, Property};

/// One thing to climb to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The kernel's output `rival` above its output `class`.
    Overtake { class: usize, rival: usize },
    /// The reference's output `rival` above its output `class`.
    Sway { class: usize, rival: usize },
    /// The kernel's output far above the reference's, or far below.
    Differ { output: usize, above: bool },
    /// The kernel leads with `kernel` over `reference` by more than the reference does.
    Part { kernel: usize, reference: usize },
    /// The reference's output `reference` above `kernel`, plus so many 64ths of the kernel's lead
    /// of `kernel`: with the right weight its maximum lies where the kernel just answers `kernel`.
    Trade {
        kernel: usize,
        reference: usize,
        weight: u16,
    },
    /// `ahead` outputs of the kernel above that of the reference's winner.
    Demote { ahead: usize },
    /// Every constraint of a case of [`Breach::Meets`].
    Meet { case: usize },
}

impl Goal {
    /// Both ways for `rival` to pass `class`.
    pub(crate) fn overtake_or_sway(class: usize, rival: usize) -> [Self; 2] {
        [Self::Overtake { class, rival }, Self::Sway { class, rival }]
    }

    /// Adds the coefficients of the form that shall grow; `breach` knows the cases.
    pub(crate) fn pull(
        self,
        breach: &Breach,
        at: Outs<'_>,
        kernel: &mut [f64],
        reference: &mut [f64],
    ) {
        match self {
            Self::Overtake { class, rival } => {
                kernel[rival] += 1.0;
                kernel[class] -= 1.0;
            }
            Self::Sway { class, rival } => {
                reference[rival] += 1.0;
                reference[class] -= 1.0;
            }
            Self::Differ { output, above } => {
                let sign = if above { 1.0 } else { -1.0 };
                kernel[output] += sign;
                reference[output] -= sign;
            }
            Self::Part {
                kernel: k,
                reference: j,
            } => {
                kernel[k] += 1.0;
                kernel[j] -= 1.0;
                reference[j] += 1.0;
                reference[k] -= 1.0;
            }
            Self::Trade {
                kernel: k,
                reference: j,
                weight,
            } => {
                let w = f64::from(weight) / 64.0;
                kernel[k] += w;
                kernel[j] -= w;
                reference[j] += 1.0;
                reference[k] -= 1.0;
            }
            Self::Demote { ahead } => {
                if let Some((winner, rival)) = demoted(at, ahead) {
                    kernel[rival] += 1.0;
                    kernel[winner] -= 1.0;
                }
            }
            Self::Meet { case } => {
                if let Some((_, (coefficients, _))) = breach.unmet(case, at) {
                    let first = breach.first_of_kernel();
                    for (j, a) in coefficients {
                        let of = match j.checked_sub(first) {
                            Some(k) => kernel.get_mut(k),
                            None => reference.get_mut(*j),
                        };
                        if let Some(c) = of {
                            *c -= a;
                        }
                    }
                }
            }
        }
    }

    /// The form's value.
    pub(crate) fn value(self, breach: &Breach, at: Outs<'_>) -> f64 {
        let (k, n) = (at.kernel, at.reference);
        match self {
            Self::Overtake { class, rival } => k[rival] - k[class],
            Self::Sway { class, rival } => n[rival] - n[class],
            Self::Differ { output, above } => {
                let d = k[output] - n[output];
                if above { d } else { -d }
            }
            Self::Part {
                kernel,
                reference: j,
            } => k[kernel] - k[j] + n[j] - n[kernel],
            Self::Trade {
                kernel,
                reference: j,
                weight,
            } => f64::from(weight) / 64.0 * (k[kernel] - k[j]) + n[j] - n[kernel],
            Self::Demote { ahead } => {
                demoted(at, ahead).map_or(f64::NEG_INFINITY, |(c, i)| k[i] - k[c])
            }
            // A case without constraints is met everywhere.
            Self::Meet { case } => breach.unmet(case, at).map_or(0.0, |(v, _)| -v),
        }
    }
}

/// The reference's winner, and the output that must pass it in the kernel for `ahead` to be
/// before it.
fn demoted(at: Outs<'_>, ahead: usize) -> Option<(usize, usize)> {
    let winner = argmax(at.reference)?;
    let mut others: Vec<usize> = (0..at.kernel.len()).filter(|j| *j != winner).collect();
    others.sort_by(|a, b| at.kernel[*b].total_cmp(&at.kernel[*a]));
    others
        .get(ahead.checked_sub(1)?)
        .map(|rival| (winner, *rival))
}

/// When a point breaks the property.
#[derive(Clone, Debug)]
pub(crate) enum Breach {
    /// The kernel's class is not this one.
    Leaves(usize),
    /// The kernel's class is more than this below the reference's best output.
    Behind(f64),
    /// The reference's strict winner has this many of the kernel's outputs before it.
    Demoted(usize),
    /// An output differs by more than this.
    Differs(f64),
    /// The outputs meet every constraint of some case.
    Meets {
        /// The cases.
        cases: Vec<Case>,
        /// Outputs of the reference, which come before the kernel's; 0 if it takes no part.
        first: usize,
    },
}

/// A conjunction of `Σ a_j·Y_j + b ≤ 0`: coefficients by output, and `b`.
pub(crate) type Case = Vec<Linear>;

/// One of its constraints.
pub(crate) type Linear = (Vec<(usize, f64)>, f64);

impl Breach {
    /// `robust`: the class that the reference keeps on the region.
    pub(crate) fn new(property: &Property, robust: Option<usize>) -> Self {
        match (property, robust) {
            (Property::Top1, Some(class)) => Self::Leaves(class),
            (Property::Top1, None) => Self::Behind(0.0),
            (Property::Top1Margin(m), _) => Self::Behind(m.enclosure().0),
            (Property::TopK(n), _) => Self::Demoted(*n as usize),
            (Property::Eps(e), _) => Self::Differs(e.enclosure().0),
            (Property::Spec(spec) | Property::Joint(spec), _) => {
                let linear = |c: &OutputConstraint| {
                    let terms = c.coefficients.iter().map(|(j, a)| (*j, a.to_f64()));
                    (terms.collect(), c.constant.to_f64())
                };
                let cases = spec.cases.iter();
                Self::Meets {
                    cases: cases.map(|c| c.iter().map(linear).collect()).collect(),
                    first: match property {
                        Property::Joint(spec) => spec.outputs / 2,
                        Property::Top1
                        | Property::Top1Margin(_)
                        | Property::TopK(_)
                        | Property::Eps(_)
                        | Property::Spec(_) => 0,
                    },
                }
            }
        }
    }

    /// The goal that leads deeper into the break at a broken point.
    pub(crate) fn goal(&self, at: Outs<'_>) -> Option<Goal> {
        let answer = argmax(at.kernel)?;
        match self {
            Self::Leaves(class) => Some(Goal::Overtake {
                class: *class,
                rival: answer,
            }),
            Self::Behind(_) => Some(Goal::Part {
                kernel: answer,
                reference: argmax(at.reference)?,
            }),
            Self::Demoted(ahead) => Some(Goal::Demote { ahead: *ahead }),
            Self::Differs(_) => {
                let d = |j: usize| at.kernel[j] - at.reference[j];
                let worst = |a: &usize, b: &usize| d(*a).abs().total_cmp(&d(*b).abs());
                let output = (0..at.kernel.len()).max_by(worst)?;
                Some(Goal::Differ {
                    output,
                    above: d(output) > 0.0,
                })
            }
            Self::Meets { cases, .. } => {
                let nearest = |a: &usize, b: &usize| {
                    let value = |c: usize| Goal::Meet { case: c }.value(self, at);
                    value(*a).total_cmp(&value(*b))
                };
                let case = (0..cases.len()).max_by(nearest)?;
                Some(Goal::Meet { case })
            }
        }
    }

    /// The constraint of a case that is furthest from being met, and its value.
    fn unmet(&self, case: usize, at: Outs<'_>) -> Option<(f64, &Linear)> {
        let Self::Meets { cases, first } = self else {
            return None;
        };
        let value = |(coefficients, b): &Linear| {
            let terms = coefficients.iter();
            terms.fold(*b, |sum, (j, a)| {
                let of = match j.checked_sub(*first) {
                    Some(k) => at.kernel.get(k),
                    None => at.reference.get(*j),
                };
                sum + a * of.unwrap_or(&0.0)
            })
        };
        let constraints = cases.get(case)?.iter().map(|c| (value(c), c));
        constraints.max_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// The index that the kernel's first output has in cases.
    fn first_of_kernel(&self) -> usize {
        match self {
            Self::Meets { first, .. } => *first,
            Self::Leaves(_) | Self::Behind(_) | Self::Demoted(_) | Self::Differs(_) => 0,
        }
    }

    /// True if the reference's outputs take no part.
    pub(crate) fn kernel_alone(&self) -> bool {
        match self {
            Self::Leaves(_) => true,
            Self::Meets { first, .. } => *first == 0,
            Self::Behind(_) | Self::Demoted(_) | Self::Differs(_) => false,
        }
    }

    /// How broken a point is: positive where the property is, as floating point sees it; less
    /// is further from it.
    pub(crate) fn at(&self, at: Outs<'_>) -> f64 {
        let (k, n) = (at.kernel, at.reference);
        let Some(answer) = argmax(k) else {
            return f64::NEG_INFINITY;
        };
        match self {
            Self::Leaves(class) => {
                let others = (0..k.len()).filter(|j| j != class).map(|j| k[j]);
                let lead = others.fold(f64::NEG_INFINITY, f64::max) - k[*class];
                // A tie with an earlier output counts.
                if answer == *class {
                    lead
                } else {
                    lead.max(f64::MIN_POSITIVE)
                }
            }
            Self::Behind(m) => n.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b)) - n[answer] - m,
            Self::Demoted(ahead) => match demoted(at, *ahead) {
                Some((c, i)) if k[i] == k[c] && i < c => f64::MIN_POSITIVE,
                Some((c, i)) => k[i] - k[c],
                None => f64::NEG_INFINITY,
            },
            Self::Differs(e) => {
                let worst = k.iter().zip(n).map(|(k, n)| (k - n).abs());
                worst.fold(f64::NEG_INFINITY, f64::max) - e
            }
            Self::Meets { cases, .. } => {
                let met = (0..cases.len()).map(|case| Goal::Meet { case }.value(self, at));
                let most = met.fold(f64::NEG_INFINITY, f64::max);
                // On the boundary only replay knows.
                if most == 0.0 { f64::MIN_POSITIVE } else { most }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two cases: `Y_0 ≤ Y_1` and `Y_0 ≤ Y_2` together, or `Y_0 ≤ -5`.
    fn breach() -> Breach {
        Breach::Meets {
            cases: vec![
                vec![
                    (vec![(0, 1.0), (1, -1.0)], 0.0),
                    (vec![(0, 1.0), (2, -1.0)], 0.0),
                ],
                vec![(vec![(0, 1.0)], 5.0)],
            ],
            first: 0,
        }
    }

    #[test]
    fn the_constraint_furthest_from_being_met_pulls() {
        let breach = breach();
        fn outs(kernel: &[f64]) -> Outs<'_> {
            Outs {
                kernel,
                reference: &[],
            }
        }
        let at = outs(&[3.0, 2.0, 1.0]);
        assert_eq!(breach.at(at), -2.0);
        assert_eq!(breach.goal(at), Some(Goal::Meet { case: 0 }));
        let mut pull = [0.0; 3];
        Goal::Meet { case: 0 }.pull(&breach, at, &mut pull, &mut []);
        assert_eq!(pull, [-1.0, 0.0, 1.0]);
        assert_eq!(Goal::Meet { case: 1 }.value(&breach, at), -8.0);
        for (y, met) in [
            ([1.0, 2.0, 1.5], true),
            ([1.0, 2.0, 1.0], true),
            ([1.0, 2.0, 0.5], false),
            ([-6.0, -7.0, 0.0], true),
        ] {
            assert_eq!(breach.at(outs(&y)) > 0.0, met, "{y:?}");
        }
        let nothing = Breach::Meets {
            cases: Vec::new(),
            first: 0,
        };
        assert_eq!(nothing.at(at), f64::NEG_INFINITY);
    }

    /// `N_0 + 1 ≤ K_0`, and `K_1 ≤ N_1`: outputs of the reference come first.
    #[test]
    fn cases_may_speak_of_both_programs() {
        let breach = Breach::Meets {
            cases: vec![vec![
                (vec![(0, 1.0), (2, -1.0)], 1.0),
                (vec![(1, -1.0), (3, 1.0)], 0.0),
            ]],
            first: 2,
        };
        assert!(!breach.kernel_alone());
        let at = |kernel: [f64; 2], reference: [f64; 2]| {
            let at = Outs {
                kernel: &kernel,
                reference: &reference,
            };
            let (mut k, mut n) = ([0.0; 2], [0.0; 2]);
            Goal::Meet { case: 0 }.pull(&breach, at, &mut k, &mut n);
            (breach.at(at), k, n)
        };
        assert_eq!(at([5.0, 0.0], [4.5, 2.0]), (-0.5, [1.0, 0.0], [-1.0, 0.0]));
        assert_eq!(at([5.0, 4.0], [1.0, 2.0]), (-2.0, [0.0, -1.0], [0.0, 1.0]));
        assert!(at([5.0, 1.0], [4.0, 2.0]).0 > 0.0);
    }
}
