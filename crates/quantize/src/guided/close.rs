//! Where kernel and reference meet, the kernel must stay close to the reference on whole boxes: the
//! corner where they differ most is sought anew for every step.
//!
//! On a box both programs are nearly linear, so the difference of two forms is worst at the corner
//! given by the signs of its gradient at the centre. A corner kept from before is worth little: what
//! makes the difference there small makes it large at another one, as every input's share counts
//! with its own sign.

use super::chain::Tensors;
use super::examples::{Aim, RegionAim};
use super::pass::Pass;
use super::rows::Rows;
use super::worst::{CLASSES, Search, widened};

/// The share of what is allowed that is aimed at.
const SHARE: f64 = 0.85;
/// Differences below this share of it are not looked at in every step.
const IDLE: f64 = 0.5;

/// A form of the outputs whose difference `K - N` shall not fall below `-tolerance` on a box.
pub(super) struct Close<'a> {
    region: &'a RegionAim,
    form: Form,
    tolerance: f64,
    weight: f32,
    /// The reference's gradient at the centre.
    gradient: Vec<f32>,
    /// It was near its tolerance when all were looked at.
    pub active: bool,
}

#[derive(Clone, Copy)]
enum Form {
    /// `right - wrong`.
    Pair { right: usize, wrong: usize },
    /// `sign·output`.
    One { output: usize, sign: f32 },
}

impl Form {
    fn coefficients(self, outputs: usize) -> Vec<f32> {
        let mut c = vec![0.0; outputs];
        match self {
            Self::Pair { right, wrong } => (c[right], c[wrong]) = (1.0, -1.0),
            Self::One { output, sign } => c[output] = sign,
        }
        c
    }
}

/// The differences that a region's aim asks to be small.
pub(super) fn closes<'a>(
    search: &Search<'_>,
    region: &'a RegionAim,
    weight: f32,
) -> Vec<Close<'a>> {
    let n = search.answer(&region.center);
    let forms: Vec<(Form, f64)> = match region.aim {
        Aim::Fidelity | Aim::Class { .. } | Aim::Lead { .. } => Vec::new(),
        Aim::Near { margin } => {
            let mut classes: Vec<usize> = (0..n.len()).collect();
            classes.sort_by(|a, b| n[*b].total_cmp(&n[*a]));
            classes.truncate(CLASSES);
            let pairs = classes
                .iter()
                .flat_map(|a| classes.iter().map(move |b| (*a, *b)));
            let pairs = pairs.filter(|(a, b)| a != b);
            pairs
                .map(|(right, wrong)| (Form::Pair { right, wrong }, margin))
                .collect()
        }
        Aim::Within { eps } => (0..n.len())
            .flat_map(|output| [1.0, -1.0].map(|sign| (Form::One { output, sign }, eps)))
            .collect(),
    };
    let close = |(form, allowed): (Form, f64)| {
        let c: Vec<f64> = form
            .coefficients(n.len())
            .iter()
            .map(|c| f64::from(*c))
            .collect();
        let own = search.reference.gradient(&widened(&region.center), &c);
        let gradient: Vec<f32> = own.iter().map(|g| *g as f32).collect();
        // Where one output leads the other on the whole box, so much may be lost.
        let tolerance = match form {
            Form::Pair { right, wrong } => {
                let x = corner(region, &gradient);
                let y = search.answer(&x);
                allowed.max(f64::from(y[right]) - f64::from(y[wrong]))
            }
            Form::One { .. } => allowed,
        };
        Close {
            region,
            form,
            tolerance: SHARE * tolerance,
            weight,
            gradient,
            active: true,
        }
    };
    forms.into_iter().map(close).collect()
}

/// The corner of the box where a linear function of this gradient is least.
fn corner(region: &RegionAim, gradient: &[f32]) -> Vec<f32> {
    let ends = region.lower.iter().zip(&region.upper).zip(&region.center);
    let end = |(g, ((lo, hi), c)): (&f32, ((&f32, &f32), &f32))| {
        if *g > 0.0 {
            *lo
        } else if *g < 0.0 {
            *hi
        } else {
            *c
        }
    };
    gradient.iter().zip(ends).map(end).collect()
}

/// The worst corners of the active differences (or of `all`, whose activity is settled) as rows.
pub(super) fn corners(
    closes: &mut [Close<'_>],
    search: &Search<'_>,
    pass: &mut Pass<'_>,
    values: &Tensors,
    all: bool,
) -> Rows {
    let mut rows = Rows::new();
    for close in closes.iter_mut().filter(|c| all || c.active) {
        let region = close.region;
        let mut row = Rows::new();
        row.push(search.chain, &region.center, &[], region.aim, 1.0);
        pass.outputs(values, row.row(0));
        let form = close.form.coefficients(search.chain.outputs);
        let mut g = search.gradient(pass, values, &region.center, &form, &[]);
        g.iter_mut().zip(&close.gradient).for_each(|(g, n)| *g -= n);
        let x = corner(region, &g);
        let n = search.answer(&x);
        let mut row = Rows::new();
        let value = |y: &[f32]| -> f64 {
            let terms = form.iter().zip(y);
            terms.map(|(f, y)| f64::from(*f) * f64::from(*y)).sum()
        };
        if all {
            row.push(search.chain, &x, &[], region.aim, 1.0);
            let k = pass.outputs(values, row.row(0));
            close.active = value(&n) - value(k) > IDLE * close.tolerance;
        }
        let aim = match close.form {
            Form::Pair { right, wrong } => Aim::Lead {
                right,
                wrong,
                lead: value(&n) - close.tolerance,
            },
            Form::One { .. } => region.aim,
        };
        rows.push(search.chain, &x, &n, aim, close.weight);
    }
    rows
}
