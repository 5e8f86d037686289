//! Evidence of random questions, and of questions made to need every kind of closure, is
//! confirmed; it survives serialisation.

use crate::compare::{Proof, series_with};
use crate::generate::Rng;
use crate::model::Meaning;
use crate::recheck::cases::{Setting, close, difference, network, region, settled};
use crate::recheck::{Confirmed, recheck};
use ceg4n_base::Exact;
use ceg4n_ir::{Domain, Property};
use ceg4n_verify::tree::{Closure, Tree};
use ceg4n_verify::verdict::Evidence;

/// Random questions of domain grid, twice as many as of domain real; `CEG4N_RECHECK_CASES` asks for more.
fn cases() -> u64 {
    let asked = std::env::var("CEG4N_RECHECK_CASES").ok();
    asked.and_then(|v| v.parse().ok()).unwrap_or(200)
}

fn merge(all: &mut Confirmed, some: Confirmed) {
    for (k, n) in some {
        *all.entry(k).or_default() += n;
    }
}

fn at_least(all: &Confirmed, least: &[(&str, u64)]) {
    for (name, n) in least {
        let found = all.get(*name).copied().unwrap_or(0);
        assert!(found >= *n, "{found} parts by {name}: {all:?}");
    }
}

/// Through JSON and back: nothing changes, floats included.
fn survives(e: &Evidence) -> Result<(), String> {
    let text = serde_json::to_string(e).map_err(|e| e.to_string())?;
    let back: Evidence = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    if back == *e {
        Ok(())
    } else {
        Err(format!("{text} is not what was written"))
    }
}

fn random(real: bool, n: u64) -> Confirmed {
    let mut all = Confirmed::new();
    let (mut proofs, mut specifications) = (0, 0);
    let look = &mut |p: &Proof<'_>| {
        survives(p.evidence)?;
        if let Property::Spec(_) | Property::Joint(_) = p.evidence.property {
            // The re-checker knows no specifications yet; oracles judge those verdicts.
            specifications += 1;
            return Ok(());
        }
        proofs += 1;
        let confirmed = recheck(p.evidence, p.reference, p.subject, p.region)?;
        merge(&mut all, confirmed);
        Ok(())
    };
    if let Err(e) = series_with(real, 0, n, look) {
        panic!("{e}");
    }
    let counts = format!("{proofs} proofs re-checked, {specifications} of specifications were not");
    assert!(proofs > n && specifications > 0, "{counts}: {all:#?}");
    all
}

#[test]
fn random_grid_proofs_are_confirmed() {
    let all = random(false, cases());
    println!("{all:#?}");
    at_least(
        &all,
        &[
            ("label backward", 100),
            ("label enumeration", 1),
            ("class intervals", 50),
            ("pair differential", 50),
            ("pair enumeration", 50),
        ],
    );
    let solved = ["class solver", "pair solver"].map(|k| all.get(k).copied().unwrap_or(0));
    assert!(solved.iter().sum::<u64>() > 0, "{all:?}");
}

#[test]
fn random_real_proofs_are_confirmed() {
    let all = random(true, cases() / 2);
    println!("{all:#?}");
    at_least(
        &all,
        &[
            ("label backward", 60),
            ("class intervals", 40),
            ("pair differential", 70),
        ],
    );
}

/// A sum is rounded to one value that the ranges of its terms do not show: linear inequalities
/// alone would leave any value within the rounding error, down to -40.
#[test]
fn a_value_that_rounding_settles_is_confirmed() {
    let setting = settled();
    // The difference is greatest at -72: -32 + 72/32.
    let most = Exact::dyadic(119, -2);
    let hair = Exact::dyadic(1, -20);
    let grid = Domain::Grid(setting.subject.kernel().expect("a kernel").input_format);
    for domain in [grid, Domain::Real] {
        let eps = Property::Eps(&most + &hair);
        let e = setting.proof(&eps, domain, 100).expect("a proof");
        assert_eq!(e.tree, Tree::leaf(Closure::Differential));
        assert_eq!(
            setting.recheck(&e),
            Ok(Confirmed::from([("pair differential".into(), 1)]))
        );
        // A tighter tolerance is not: it is broken.
        let tight = Evidence {
            property: Property::Eps(&most - &hair),
            ..e
        };
        assert!(setting.recheck(&tight).is_err());
    }
}

/// Small boxes near a change of class, with few boxes to divide them into: what bounds leave open
/// is enumerated.
#[test]
fn proofs_by_enumeration_are_confirmed() {
    let mut rng = Rng::new(73);
    let mut all = Confirmed::new();
    for round in 0..60 {
        let mut model = network(&mut rng, &[2, 6, 3], 5);
        let (lower, upper) = region(&mut rng, 2, 4 + round % 12);
        close(&mut rng, &mut model, &lower, &upper, 0.05);
        let setting = Setting::new(&model, Meaning::Fixed, &lower, &upper);
        let domain = Domain::Grid(model.input.ir());
        if let Some(e) = setting.proof(&Property::Top1, domain, 400) {
            survives(&e).expect("JSON and back");
            let confirmed = setting
                .recheck(&e)
                .unwrap_or_else(|m| panic!("{m}\n{e:#?}"));
            merge(&mut all, confirmed);
        }
    }
    println!("{all:#?}");
    at_least(&all, &[("class enumeration", 5)]);
}

/// Sizes of networks and the radius of their boxes.
pub(crate) const WIDE: [(&[usize], i64); 7] = [
    (&[13, 8, 2], 30),
    (&[14, 10, 2], 30),
    (&[13, 8, 6, 2], 16),
    (&[15, 6, 6, 3], 24),
    (&[13, 12, 2], 30),
    (&[13, 5, 4, 3], 12),
    (&[16, 5, 2], 20),
];

/// Proofs of top-1 close to a change of class; signs are divided, slopes and multipliers matter.
pub(crate) fn close_proofs(seed: u64, rounds: usize) -> Vec<(Setting, Evidence)> {
    let mut rng = Rng::new(seed);
    let mut out = Vec::new();
    for round in 0..rounds {
        for (sizes, radius) in WIDE {
            let mut model = network(&mut rng, sizes, 7);
            let (lower, upper) = region(&mut rng, sizes[0], radius);
            let meaning = if round % 4 == 3 {
                Meaning::Constants
            } else {
                Meaning::Fixed
            };
            let domain = match round % 3 {
                0 => Domain::Grid(model.input.ir()),
                _ => Domain::Real,
            };
            for share in [0.05, 0.1, 0.2, 0.3, 0.4] {
                close(&mut rng, &mut model, &lower, &upper, share);
                let setting = Setting::new(&model, meaning, &lower, &upper);
                if let Some(e) = setting.proof(&Property::Top1, domain, 40_000) {
                    out.push((setting, e));
                }
            }
        }
    }
    out
}

#[test]
fn proofs_by_sign_are_confirmed() {
    let mut all = Confirmed::new();
    for (setting, e) in close_proofs(71, 12) {
        survives(&e).expect("JSON and back");
        let confirmed = setting
            .recheck(&e)
            .unwrap_or_else(|m| panic!("{m}\n{e:#?}"));
        merge(&mut all, confirmed);
    }
    println!("{all:#?}");
    at_least(
        &all,
        &[
            ("label backward", 50),
            ("label slopes", 5),
            ("label slopes with multipliers", 50),
            ("label empty", 1),
            ("class backward", 50),
            ("class slopes", 5),
            ("class slopes with multipliers", 50),
            ("class empty", 1),
        ],
    );
}

/// Proofs of tolerances and margins near what holds, divided by the signs of both programs.
pub(crate) fn pair_proofs(seed: u64, rounds: usize) -> Vec<(Setting, Evidence)> {
    let mut rng = Rng::new(seed);
    let mut out = Vec::new();
    for round in 0..rounds {
        for (sizes, radius) in [
            (&[13, 5, 2][..], 20),
            (&[14, 6, 2], 12),
            (&[13, 4, 3, 3], 12),
        ] {
            let mut model = network(&mut rng, sizes, 6);
            let (lower, upper) = region(&mut rng, sizes[0], radius);
            close(&mut rng, &mut model, &lower, &upper, -0.2);
            let meaning = if round % 4 == 3 {
                Meaning::Constants
            } else {
                Meaning::Fixed
            };
            let setting = Setting::new(&model, meaning, &lower, &upper);
            let near = difference(&mut rng, &model, &lower, &upper);
            for factor in [1.5, 2.0, 2.5, 3.0] {
                let about = Exact::from_f64(near * factor).expect("a number");
                for property in [Property::Eps(about.clone()), Property::Top1Margin(about)] {
                    if let Some(e) = setting.proof(&property, Domain::Real, 6400) {
                        out.push((setting.clone(), e));
                    }
                }
            }
        }
    }
    out
}

#[test]
fn proofs_of_pairs_are_confirmed() {
    let mut all = Confirmed::new();
    for (setting, e) in pair_proofs(72, 4) {
        survives(&e).expect("JSON and back");
        let confirmed = setting
            .recheck(&e)
            .unwrap_or_else(|m| panic!("{m}\n{e:#?}"));
        merge(&mut all, confirmed);
    }
    println!("{all:#?}");
    at_least(&all, &[("pair differential", 100), ("pair empty", 1)]);
}
