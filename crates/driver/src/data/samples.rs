//! Agreement outside the regions, on random points: evidence where no data say what inputs look
//! like. A kernel that is proved on a few regions may be another function everywhere else.

use super::binomial::agreement_lower;
use super::classes::{kernel_classes, reference_classes};
use ceg4n_base::{Diagnostic, Exact, codes};
use ceg4n_import::{DataSet, Values};
use ceg4n_ir::Region;
use ceg4n_jit::Evaluator;
use ceg4n_report::{AgreementSample, Report};
use ceg4n_verify::Reference;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Points of each kind.
pub const SAMPLES: usize = 2000;

/// Centres that are mixed into one point.
const MIXED: usize = 3;

/// From so many regions on nothing is warned of.
const MANY_REGIONS: usize = 1000;

/// The share of random points on which kernel and reference have one class, for two kinds of
/// points: `hull`, uniform in the smallest box around all regions, and, where regions have
/// different centres, `mixtures`, means of three region centres drawn at random with random
/// weights. A seed and the regions decide the points. Empty without regions and for networks
/// without classes.
///
/// # Errors
/// [`codes::INTERNAL`] for regions of another length than the programs' inputs.
pub fn random_agreement(
    reference: &Reference,
    kernel: &Evaluator,
    regions: &[Region],
    seed: u64,
    jobs: usize,
) -> Result<Vec<AgreementSample>, Diagnostic> {
    let Some(first) = regions.first() else {
        return Ok(Vec::new());
    };
    if reference.output_len() < 2 {
        return Ok(Vec::new());
    }
    let columns = first.lower.len();
    if regions
        .iter()
        .any(|r| r.lower.len() != columns || r.upper.len() != columns)
    {
        let text = "regions of different lengths";
        return Err(Diagnostic::error(codes::INTERNAL, text));
    }
    let mut kinds = vec![("hull", hull(regions, &mut ChaCha8Rng::seed_from_u64(seed)))];
    let centers: Vec<Vec<f64>> = regions.iter().map(|r| floats(&r.center())).collect();
    if centers.iter().any(|c| *c != centers[0]) {
        // A stream of its own, so that no kind depends on another.
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(1);
        kinds.push(("mixtures", mixtures(&centers, &mut rng)));
    }
    let mut out = Vec::new();
    for (kind, inputs) in kinds {
        let set = DataSet {
            name: kind.to_owned(),
            rows: 0..SAMPLES,
            columns,
            inputs: Values::F64(inputs),
            labels: None,
        };
        let of_reference = reference_classes(reference, &set, jobs)?;
        let of_kernel = kernel_classes(kernel, &set, jobs)?;
        let pairs = of_reference.iter().zip(&of_kernel);
        let agreeing = pairs.filter(|(r, k)| r == k).count() as u64;
        out.push(AgreementSample {
            kind: kind.to_owned(),
            samples: SAMPLES as u64,
            agreement: agreeing as f64 / SAMPLES as f64,
            lower: agreement_lower(agreeing, SAMPLES as u64),
        });
    }
    Ok(out)
}

fn floats(list: &[Exact]) -> Vec<f64> {
    list.iter().map(Exact::to_f64).collect()
}

fn hull(regions: &[Region], rng: &mut ChaCha8Rng) -> Vec<f64> {
    let columns = regions.first().map_or(0, |r| r.lower.len());
    let mut ends = vec![(f64::INFINITY, f64::NEG_INFINITY); columns];
    for r in regions {
        for ((lo, hi), (l, u)) in ends.iter_mut().zip(r.lower.iter().zip(&r.upper)) {
            *lo = lo.min(l.to_f64());
            *hi = hi.max(u.to_f64());
        }
    }
    let mut out = Vec::with_capacity(SAMPLES * columns);
    for _ in 0..SAMPLES {
        for (lo, hi) in &ends {
            let t: f64 = rng.random();
            out.push(mix(*lo, *hi, t));
        }
    }
    out
}

fn mixtures(centers: &[Vec<f64>], rng: &mut ChaCha8Rng) -> Vec<f64> {
    let columns = centers.first().map_or(0, Vec::len);
    let mut out = Vec::with_capacity(SAMPLES * columns);
    for _ in 0..SAMPLES {
        let mut chosen = [0; MIXED];
        let mut weights = [0.0; MIXED];
        for (c, w) in chosen.iter_mut().zip(&mut weights) {
            *c = rng.random_range(0..centers.len());
            // Exponential weights, divided by their sum, are uniform on the simplex.
            let u: f64 = rng.random();
            *w = -(1.0 - u).ln();
        }
        let sum: f64 = weights.iter().sum();
        let sum = if sum > 0.0 { sum } else { 1.0 };
        out.extend((0..columns).map(|i| {
            let terms = chosen.iter().zip(&weights);
            let v: f64 = terms.map(|(c, w)| centers[*c][i] * (w / sum)).sum();
            // Only where numbers leave the range of floats.
            if v.is_finite() {
                v
            } else {
                centers[chosen[0]][i]
            }
        }));
    }
    out
}

/// A point between two ends, also where their difference is no float.
fn mix(lo: f64, hi: f64, t: f64) -> f64 {
    let v = lo * (1.0 - t) + hi * t;
    let v = if v.is_finite() { v } else { 0.0 };
    v.max(lo.max(f64::MIN)).min(hi.min(f64::MAX))
}

/// For a run without data: writes [`random_agreement`] into the report; returns the warning.
///
/// # Errors
/// As for [`random_agreement`].
pub fn without_data(
    report: &mut Report,
    reference: &Reference,
    kernel: &Evaluator,
    regions: &[Region],
    seed: u64,
    jobs: usize,
) -> Result<Option<Diagnostic>, Diagnostic> {
    report.agreement_samples = random_agreement(reference, kernel, regions, seed, jobs)?;
    Ok(few_regions_warning(
        regions.len(),
        &report.agreement_samples,
    ))
}

/// What a user is told of a kernel compiled from few regions and no data; `None` where there are
/// many regions, or nothing was sampled.
pub fn few_regions_warning(regions: usize, samples: &[AgreementSample]) -> Option<Diagnostic> {
    if regions >= MANY_REGIONS || samples.is_empty() {
        return None;
    }
    let of_kind = |s: &AgreementSample| {
        let points = match s.kind.as_str() {
            "hull" => "random points of the box around the regions",
            "mixtures" => "random mixtures of the regions' centres",
            other => other,
        };
        format!(
            "{} % of {} {points} (at least {} % with 95 % confidence)",
            percent(s.agreement),
            s.samples,
            percent(s.lower)
        )
    };
    let evidence: Vec<_> = samples.iter().map(of_kind).collect();
    let count = match regions {
        1 => "1 region".to_owned(),
        n => format!("{n} regions"),
    };
    let text = format!(
        "{count} and no data: outside the regions nothing holds the kernel to the network; it has the network's class on {}",
        evidence.join(" and ")
    );
    Some(Diagnostic::warning(codes::NO_DATA, text).help(
        "give inputs like those it will meet with --data FILE, and a demand: --min-agreement 0.99, or with --labels FILE --max-accuracy-drop 0.5%",
    ))
}

/// A share in percent with one digit, rounded down: what is not all of it does not look like it.
fn percent(share: f64) -> String {
    let tenths = (share * 1000.0 + 1e-9).floor();
    format!("{:.1}", tenths / 10.0)
}
