//! What must not be confirmed: damaged evidence, and made-up evidence for what is false.

use crate::compare::{Proof, series_with};
use crate::oracle::Prop;
use crate::recheck::cases::Setting;
use crate::recheck::tests::{close_proofs, pair_proofs};
use crate::recheck::{integers, recheck};
use ceg4n_base::{ContentHash, Exact};
use ceg4n_ir::{Domain, Property};
use ceg4n_verify::tree::{Closure, Cut, Slopes, Tree, TreeNode};
use ceg4n_verify::verdict::{Evidence, Method, Robust};
use std::collections::BTreeMap;

/// By kind of damage: how often it was refused, of how many.
#[derive(Debug, Default)]
struct Refused(BTreeMap<&'static str, (u64, u64)>);

impl Refused {
    /// Evidence after damage, its summary made to fit.
    fn ask(&mut self, kind: &'static str, setting: &Setting, mut e: Evidence) {
        e.method = Method::of(&e.tree);
        let count = self.0.entry(kind).or_default();
        count.0 += u64::from(setting.recheck(&e).is_err());
        count.1 += 1;
    }

    /// At least so many refused, and all (or at least so many in a hundred) of them.
    fn check(&self, kind: &str, least: u64, percent: u64) {
        let (refused, of) = self.0.get(kind).copied().unwrap_or_default();
        let enough = refused >= least && refused * 100 >= of * percent;
        assert!(enough, "{kind}: {refused} of {of} refused\n{self:#?}");
    }
}

/// A division of evidence.
type Division = (Tree, fn(&mut Evidence) -> &mut Tree);

/// Both divisions of evidence, as a way to change them.
fn trees(e: &Evidence) -> Vec<Division> {
    let mut all: Vec<Division> = vec![(e.tree.clone(), |e| &mut e.tree)];
    if let Some(r) = &e.robust {
        all.push((r.tree.clone(), |e| {
            &mut e.robust.as_mut().expect("a label's proof").tree
        }));
    }
    all
}

/// One node changed at a time.
fn nodes(refused: &mut Refused, setting: &Setting, e: &Evidence) {
    for (tree, of) in trees(e) {
        for (i, node) in tree.nodes.iter().enumerate() {
            let mut with = |kind, node: TreeNode| {
                let mut e = e.clone();
                of(&mut e).nodes[i] = node;
                refused.ask(kind, setting, e);
            };
            match node {
                TreeNode::Open => {}
                TreeNode::Closed(c) => {
                    with("a part left open", TreeNode::Open);
                    for (kind, closure) in relabelled(c) {
                        with(kind, TreeNode::Closed(closure));
                    }
                    if let Closure::Slopes(s) = c {
                        for (kind, s) in other_slopes(s) {
                            with(kind, TreeNode::Closed(Closure::Slopes(Box::new(s))));
                        }
                    }
                }
                TreeNode::Divided(cut, a, b) => {
                    with("a part twice", TreeNode::Divided(*cut, *a, *a));
                    with(
                        "a part nowhere",
                        TreeNode::Divided(*cut, *a, tree.nodes.len()),
                    );
                    with("a part inside itself", TreeNode::Divided(*cut, i, *b));
                    with("sides exchanged", TreeNode::Divided(*cut, *b, *a));
                    for (kind, cut) in other_cuts(cut) {
                        with(kind, TreeNode::Divided(cut, *a, *b));
                    }
                    // The first side's proof for all of it; the rest forgotten.
                    let mut e = e.clone();
                    *of(&mut e) = without(&tree, i, *a);
                    refused.ask("a subtree dropped", setting, e);
                }
            }
        }
    }
}

/// The tree with node `at` replaced by the subtree at `by`.
fn without(tree: &Tree, at: usize, by: usize) -> Tree {
    fn copy(from: &Tree, i: usize, swap: (usize, usize), to: &mut Tree, place: usize) {
        let i = if i == swap.0 { swap.1 } else { i };
        match &from.nodes[i] {
            TreeNode::Divided(cut, a, b) => {
                let [l, r] = to.divide(place, *cut);
                copy(from, *a, swap, to, l);
                copy(from, *b, swap, to, r);
            }
            node => to.nodes[place] = node.clone(),
        }
    }
    let mut out = Tree::default();
    copy(tree, 0, (at, by), &mut out, 0);
    out
}

fn relabelled(c: &Closure) -> Vec<(&'static str, Closure)> {
    let mut all = vec![("labelled empty", Closure::Empty)];
    match c {
        Closure::Slopes(_) => all.push(("slopes forgotten", Closure::Backward)),
        Closure::Backward => all.push(("labelled intervals", Closure::Intervals)),
        Closure::Differential => all.push(("labelled backward", Closure::Backward)),
        Closure::Enumeration(n) => all.push(("points miscounted", Closure::Enumeration(n + 1))),
        Closure::Empty => return vec![("labelled enumerated", Closure::Enumeration(1))],
        Closure::Intervals | Closure::Solver => {}
    }
    all
}

fn other_slopes(s: &Slopes) -> Vec<(&'static str, Slopes)> {
    let changed = |f: fn(&mut f64), g: fn(&mut f64)| {
        let mut s = s.clone();
        s.alpha.iter_mut().flatten().for_each(f);
        s.beta.iter_mut().flatten().for_each(g);
        s
    };
    let same = |_: &mut f64| {};
    let mut all = vec![
        ("slopes mirrored", changed(|a| *a = 1.0 - *a, same)),
        ("slopes without a number", changed(|a| *a = f64::NAN, same)),
    ];
    if s.beta.iter().flatten().any(|b| *b > 0.0) {
        all.push(("multipliers forgotten", changed(same, |b| *b = 0.0)));
        all.push((
            "multipliers too large",
            changed(same, |b| *b = 1e6 * (*b + 1.0)),
        ));
        all.push(("multipliers negative", changed(same, |b| *b = -*b)));
    }
    let mut short = s.clone();
    short.alpha.pop();
    all.push(("slopes of another network", short));
    all
}

fn other_cuts(cut: &Cut) -> Vec<(&'static str, Cut)> {
    match *cut {
        Cut::Real { element, at } => vec![
            (
                "cut outside",
                Cut::Real {
                    element,
                    at: at + 1e60,
                },
            ),
            (
                "cut at no number",
                Cut::Real {
                    element,
                    at: f64::NAN,
                },
            ),
            ("cut of no input", Cut::Real { element: 99, at }),
        ],
        Cut::Grid { element, at } => vec![
            (
                "cut outside",
                Cut::Grid {
                    element,
                    at: at + (1 << 40),
                },
            ),
            (
                "cut moved",
                Cut::Grid {
                    element,
                    at: at + 1,
                },
            ),
            (
                "cut moved",
                Cut::Grid {
                    element,
                    at: at - 1,
                },
            ),
            ("cut of no input", Cut::Grid { element: 99, at }),
            (
                "cut in another domain",
                Cut::Real {
                    element,
                    at: at as f64,
                },
            ),
        ],
        Cut::Relu {
            of_subject,
            node,
            element,
        } => other_signs(of_subject, node, element),
    }
}

fn other_signs(of_subject: bool, node: usize, element: usize) -> Vec<(&'static str, Cut)> {
    let relu = |of_subject, node, element| Cut::Relu {
        of_subject,
        node,
        element,
    };
    vec![
        ("sign of another node", relu(of_subject, node - 1, element)),
        ("sign of no element", relu(of_subject, node, 99)),
        (
            "sign of another element",
            relu(of_subject, node, element ^ 1),
        ),
        (
            "sign of the other program",
            relu(!of_subject, node, element),
        ),
    ]
}

/// What evidence is about, changed.
fn about(refused: &mut Refused, setting: &Setting, e: &Evidence) {
    let mut with = |kind, change: &dyn Fn(&mut Evidence)| {
        let mut e = e.clone();
        change(&mut e);
        refused.ask(kind, setting, e);
    };
    let other = ContentHash::of(b"another");
    with("another subject", &|e| e.program = other);
    with("another reference", &|e| e.reference = other);
    with("another region", &|e| e.region = other);
    if let Some(r) = &e.robust {
        let class = r.class;
        with("another class", &move |e| {
            e.robust.as_mut().expect("a label's proof").class = class ^ 1;
        });
        with("no class", &|e| {
            e.robust.as_mut().expect("a label's proof").class = 99
        });
        with("no label", &|e| e.robust = None);
        with("a property that a class does not show", &|e| {
            e.property = Property::Eps(Exact::from(1_000_000));
        });
        with("a negative margin", &|e| {
            e.property = Property::Top1Margin(Exact::from(-1));
        });
    } else {
        with("a label from nowhere", &|e| {
            e.robust = Some(Robust {
                class: 0,
                tree: Tree::leaf(Closure::Backward),
            });
        });
    }
    if let Property::Eps(e) = &e.property {
        let tight = e.shifted(-2);
        with("a tighter tolerance", &move |e| {
            e.property = Property::Eps(tight.clone())
        });
    }
    // The same proof for a region twenty times as large.
    let mut wide = setting.clone();
    for (l, u) in wide.region.lower.iter_mut().zip(&mut wide.region.upper) {
        let more = (&*u - &*l).shifted(4);
        (*l, *u) = (&*l - &more, &*u + &more);
    }
    let mut e = e.clone();
    e.region = wide.region.hash();
    refused.ask("a widened region", &wide, e);
}

#[test]
fn damaged_proofs_by_sign_are_refused() {
    let mut refused = Refused::default();
    for (setting, e) in close_proofs(73, 3) {
        about(&mut refused, &setting, &e);
        nodes(&mut refused, &setting, &e);
    }
    println!("{refused:#?}");
    for kind in [
        "a part left open",
        "a part twice",
        "a part nowhere",
        "a part inside itself",
        "another subject",
        "another reference",
        "another region",
        "another class",
        "no class",
        "no label",
        "a property that a class does not show",
        "a negative margin",
        "a widened region",
        "sign of another node",
        "sign of no element",
        "sign of the other program",
        "slopes without a number",
        "slopes of another network",
        "slopes forgotten",
        "labelled empty",
    ] {
        refused.check(kind, 1, 100);
    }
    for (kind, least, percent) in [
        ("a subtree dropped", 30, 80),
        ("sides exchanged", 30, 50),
        ("sign of another element", 30, 50),
        ("slopes mirrored", 30, 50),
        ("multipliers forgotten", 20, 50),
        ("multipliers too large", 20, 90),
        ("multipliers negative", 20, 50),
        ("labelled intervals", 30, 50),
    ] {
        refused.check(kind, least, percent);
    }
}

#[test]
fn damaged_proofs_of_pairs_are_refused() {
    let mut refused = Refused::default();
    for (setting, e) in pair_proofs(74, 1) {
        about(&mut refused, &setting, &e);
        if e.tree.nodes.len() < 40 {
            nodes(&mut refused, &setting, &e);
        }
    }
    println!("{refused:#?}");
    for kind in [
        "a part left open",
        "a part twice",
        "a part nowhere",
        "a part inside itself",
        "another subject",
        "another reference",
        "another region",
        "a label from nowhere",
        "a widened region",
        "a tighter tolerance",
        "sign of another node",
        "sign of no element",
        "labelled backward",
    ] {
        refused.check(kind, 1, 100);
    }
    // Some parts are indeed empty.
    refused.check("labelled empty", 1, 70);
}

/// Divisions of boxes: of a grid, and of reals.
#[test]
fn damaged_divisions_are_refused() {
    let mut refused = Refused::default();
    for real in [false, true] {
        let look = &mut |p: &Proof<'_>| {
            let size = p.evidence.tree.nodes.len();
            if (3..20).contains(&size) {
                nodes(&mut refused, &Setting::of(p), p.evidence);
            }
            Ok(())
        };
        if let Err(e) = series_with(real, 70_000, 40, look) {
            panic!("{e}");
        }
    }
    println!("{refused:#?}");
    for kind in [
        "a part left open",
        "a part twice",
        "a part nowhere",
        "a part inside itself",
        "cut outside",
        "cut of no input",
        "cut in another domain",
        "points miscounted",
        "labelled empty",
    ] {
        refused.check(kind, 5, 100);
    }
    refused.check("cut at no number", 1, 100);
    refused.check("cut moved", 30, 50);
}

/// Proofs made up for what the oracle knows to be false, and for what just fails.
fn made_up(real: bool) -> Refused {
    let mut refused = Refused::default();
    let look = &mut |p: &Proof<'_>| {
        let setting = Setting::of(p);
        let hair = |v: Exact| &v - &v.shifted(-30);
        let mut false_ones = Vec::new();
        for property in [
            Property::Eps(hair(p.answer.tolerance())),
            Property::Top1Margin(hair(p.answer.margin())),
            Property::Top1,
        ] {
            let prop = match &property {
                Property::Eps(e) => Prop::Eps(e.clone()),
                Property::Top1Margin(m) => Prop::Margin(m.clone()),
                Property::Top1 | Property::TopK(_) | Property::Spec(_) | Property::Joint(_) => {
                    Prop::Top1
                }
            };
            if p.answer.broken(&prop).is_some() {
                false_ones.push(property);
            }
        }
        for property in false_ones {
            let mut e = p.evidence.clone();
            e.property = property;
            for closure in [Closure::Differential, Closure::Empty] {
                e.robust = None;
                e.tree = Tree::leaf(closure);
                refused.ask("a false property of a pair", &setting, e.clone());
            }
        }
        for class in 0..2 {
            if p.answer.always_wins(class) {
                continue;
            }
            let mut e = p.evidence.clone();
            e.property = Property::Top1;
            for closure in [Closure::Backward, Closure::Empty, Closure::Enumeration(1)] {
                let tree = Tree::leaf(closure);
                e.tree = tree.clone();
                e.robust = Some(Robust { class, tree });
                refused.ask("a false class", &setting, e.clone());
            }
        }
        Ok(())
    };
    if let Err(e) = series_with(real, 50_000, 30, look) {
        panic!("{e}");
    }
    refused
}

#[test]
fn what_is_false_is_not_confirmed() {
    for real in [false, true] {
        let refused = made_up(real);
        println!("{refused:#?}");
        refused.check("a false property of a pair", 100, 100);
        refused.check("a false class", 200, 100);
    }
}

/// A proof about the grid says nothing of the points between.
#[test]
fn the_domain_counts() {
    let mut between = 0;
    let look = &mut |p: &Proof<'_>| {
        let mut e = p.evidence.clone();
        e.domain = Domain::Real;
        if e.tree
            .closures()
            .any(|c| matches!(c, Closure::Enumeration(_)))
            && e.robust.is_none()
        {
            between += 1;
            if recheck(&e, p.reference, p.subject, p.region).is_ok() {
                return Err("points of a grid taken for all".to_owned());
            }
        }
        Ok(())
    };
    if let Err(e) = series_with(false, 60_000, 60, look) {
        panic!("{e}");
    }
    assert!(between > 10, "{between}");
}

/// A range or a register that is one too small.
#[test]
fn damaged_ranges_are_refused() {
    let mut seen = 0;
    let mut all = close_proofs(75, 1);
    all.truncate(4);
    for (setting, _) in all {
        let kernel = setting.subject.kernel().expect("a kernel");
        assert_eq!(integers::ranges_hold(kernel), Ok(()));
        for id in kernel.nodes.keys() {
            let mut narrow = kernel.as_ref().clone();
            narrow.nodes[id].width -= 1;
            assert!(integers::ranges_hold(&narrow).is_err(), "{id:?}");
            for j in 0..kernel.nodes[id].len {
                for (lo, hi) in [(1, 0), (0, 1)] {
                    let mut damaged = kernel.as_ref().clone();
                    let mut ranges = damaged.nodes[id].range.to_vec();
                    (ranges[j].lo, ranges[j].hi) = (ranges[j].lo + lo, ranges[j].hi - hi);
                    damaged.nodes[id].range = ranges.into();
                    assert!(integers::ranges_hold(&damaged).is_err(), "{id:?} {j}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 100, "{seen}");
}
