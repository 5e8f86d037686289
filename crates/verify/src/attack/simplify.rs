//! A witness that is easier to read: as few inputs as possible away from the region's centre, and
//! those at short decimals. Each result was replayed exactly and still breaks the property.

use super::climb::Outs;
use super::find::Target;
use super::float::Batch;
use super::goal::Breach;
use crate::subject::Trouble;
use crate::verdict::Witness;
use ceg4n_base::Exact;
use ceg4n_ir::{Domain, Format};
use num_bigint::BigInt;

/// Replays that one simplification may cost.
const REPLAYS: usize = 40;

/// Points that it may look at in floating point.
const LOOKS: usize = 250;

/// Significant digits that a coordinate may get.
const DIGITS: i32 = 16;

/// How far a coordinate may move to become short, one try after the other: parts of a cell of the
/// kernel's input, by their binary logarithm.
const PARTS: [i64; 12] = [-8, -6, -4, -2, 0, 3, 6, 9, 12, 18, 24, 30];

/// Simplifies a witness of the target. What is returned breaks the target's property too, and lies
/// in region and domain; it is the witness itself where nothing simpler was found. Deterministic.
///
/// # Errors
/// A defect found by replay.
pub fn simplify(target: &Target<'_>, witness: Witness) -> Result<Witness, Trouble> {
    let home = if target.space.contains(target.center) {
        Some(target.center.to_vec())
    } else {
        let center: Vec<f64> = target.center.iter().map(Exact::to_f64).collect();
        target.space.snap(&center)
    };
    let Some(home) = home.filter(|h| h.len() == witness.x.len()) else {
        return Ok(witness);
    };
    let mut simple = Simple {
        target,
        home,
        witness,
        left: REPLAYS,
    };
    simple.run()?;
    Ok(simple.witness)
}

struct Simple<'a> {
    target: &'a Target<'a>,
    home: Vec<Exact>,
    witness: Witness,
    /// Replays left.
    left: usize,
}

impl Simple<'_> {
    /// Replays `x`; it is the new witness if it breaks the property.
    fn accept(&mut self, x: &[Exact]) -> Result<bool, Trouble> {
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        let found = self.target.replay(x)?;
        let kept = found.is_some();
        if let Some(w) = found {
            self.witness = w;
        }
        Ok(kept)
    }

    /// Inputs that are away from the centre.
    fn away(&self) -> Vec<usize> {
        let x = &self.witness.x;
        (0..x.len()).filter(|i| x[*i] != self.home[*i]).collect()
    }

    /// The witness with all inputs but these at the centre.
    fn only(&self, away: &[usize]) -> Vec<Exact> {
        let mut x = self.home.clone();
        away.iter().for_each(|i| x[*i] = self.witness.x[*i].clone());
        x
    }

    /// Moves groups of inputs back to the centre, those that matter least first, and shortens the
    /// others.
    fn run(&mut self) -> Result<(), Trouble> {
        let mut away = self.away();
        if away.is_empty() {
            return Ok(());
        }
        let mut looks = Looks::new(self.target, &self.home, &self.witness);
        let weight = looks.weights();
        away.sort_by(|a, b| weight[*a].total_cmp(&weight[*b]).then(a.cmp(b)));
        let few = looks.fewest(&away).to_vec();
        let fewer = looks.thin(few.clone());
        // All at once first: mostly it holds, and a replay is dear.
        let x = self.only(&fewer);
        for parts in PARTS {
            let x = self.short(x.clone(), &fewer, parts);
            if looks.broken(&x) && self.accept(&x)? {
                return Ok(());
            }
        }
        if self.accept(&x)? || self.accept(&self.only(&few))? {
            return Ok(());
        }
        self.exactly(&away)
    }

    /// Where floating point misjudges: moves inputs back by exact steps alone.
    fn exactly(&mut self, away: &[usize]) -> Result<(), Trouble> {
        let (mut cut, mut step) = (0, away.len() / 2);
        while step > 0 {
            if self.accept(&self.only(&away[cut + step..]))? {
                cut += step;
            }
            step /= 2;
        }
        Ok(())
    }

    /// In domain `real`: `x` with the inputs `away` at the shortest decimals not further from it
    /// than `2^-parts` of a kernel's cell, and within their cells if that is not more than one.
    fn short(&self, mut x: Vec<Exact>, away: &[usize], parts: i64) -> Vec<Exact> {
        match self.target.space.domain {
            Domain::Grid(_) => {}
            Domain::Real => {
                for i in away {
                    if let Some(v) = self.shortest(*i, &x[*i], parts) {
                        x[*i] = v;
                    }
                }
            }
        }
        x
    }

    /// The number of fewest digits for input `i` near `x`, as for [`Self::short`]. Floating point
    /// proposes, exact comparison accepts.
    fn shortest(&self, i: usize, x: &Exact, parts: i64) -> Option<Exact> {
        let (space, format) = (self.target.space, self.target.rounds_to());
        // A program that does not round has no cells; parts are those of the region then.
        let whole = match format {
            Some(f) => Exact::dyadic(1, -i64::from(f.frac())),
            None => &space.upper[i] - &space.lower[i],
        };
        let reach = &whole.shifted(-parts);
        let mut ends = [
            (x - reach).max(space.lower[i].clone()),
            (x + reach).min(space.upper[i].clone()),
        ];
        let [lo, hi] = &mut ends;
        let cell = format.filter(|_| parts >= 0).map(|f| (f, f.quantize(x)));
        if let Some((f, seen)) = cell {
            let half = Exact::dyadic(1, -1 - i64::from(f.frac()));
            if seen > f.min() {
                *lo = lo.clone().max(&f.value(seen) - &half);
            }
            if seen < f.max() {
                *hi = hi.clone().min(&f.value(seen) + &half);
            }
        }
        let fits = |v: &Exact| {
            *lo <= *v && *v <= *hi && cell.is_none_or(|(f, seen)| f.quantize(v) == seen)
        };
        if fits(&Exact::zero()) {
            return Some(Exact::zero());
        }
        let (low, high, near) = (lo.to_f64(), hi.to_f64(), x.to_f64());
        let size = low.abs().max(high.abs()).log10().floor();
        let first = -(size.clamp(-300.0, 300.0) as i32);
        (first..first + DIGITS).find_map(|places| {
            let power = 10f64.powi(places);
            let k = (near * power).round();
            let inside = |k: &f64| low <= *k / power && *k / power <= high && k.abs() < 9e15;
            let k = [k, k - 1.0, k + 1.0].into_iter().find(inside)?;
            let unit = BigInt::from(10).pow(places.unsigned_abs());
            let v = if places < 0 {
                Exact::from(unit * BigInt::from(k as i64))
            } else {
                Exact::ratio(k as i64, unit)?
            };
            fits(&v).then_some(v)
        })
    }
}

/// Looks in floating point at points between the centre and a witness.
struct Looks<'a> {
    breach: Breach,
    format: Option<Format>,
    kernel: Batch<'a>,
    reference: Batch<'a>,
    /// What kernel and reference see at the centre, and at the witness.
    home: [Vec<f64>; 2],
    out: [Vec<f64>; 2],
    left: usize,
}

impl<'a> Looks<'a> {
    fn new(target: &'a Target<'_>, home: &[Exact], witness: &Witness) -> Self {
        let format = target.rounds_to();
        Self {
            breach: Breach::new(target.property, target.robust()),
            kernel: target.subject.net().batch(1),
            reference: target.reference.net().batch(1),
            home: [kernel_sees(format, home), floats(home)],
            out: [kernel_sees(format, &witness.x), floats(&witness.x)],
            format,
            left: LOOKS,
        }
    }

    fn point(&self, side: usize, away: &[usize]) -> Vec<f64> {
        let mut x = self.home[side].clone();
        away.iter().for_each(|i| x[*i] = self.out[side][*i]);
        x
    }

    /// True if the point with these inputs away from the centre looks broken.
    fn broken_at(&mut self, away: &[usize]) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let (k, n) = (self.point(0, away), self.point(1, away));
        self.look(&k, &n)
    }

    /// True if a point looks broken.
    fn broken(&mut self, x: &[Exact]) -> bool {
        let (k, n) = (kernel_sees(self.format, x), floats(x));
        self.look(&k, &n)
    }

    fn look(&mut self, k: &[f64], n: &[f64]) -> bool {
        let kernel = self.kernel.forward(k);
        let reference: &[f64] = if self.breach.kernel_alone() {
            &[]
        } else {
            self.reference.forward(n)
        };
        self.breach.at(Outs { kernel, reference }) > 0.0
    }

    /// How much each input's way from the centre adds to the break, by the gradients at the
    /// witness.
    fn weights(&mut self) -> Vec<f64> {
        let kernel = self.kernel.forward(&self.out[0]).to_vec();
        let reference = self.reference.forward(&self.out[1]).to_vec();
        let at = Outs {
            kernel: &kernel,
            reference: &reference,
        };
        let (mut k, mut n) = (vec![0.0; kernel.len()], vec![0.0; reference.len()]);
        if let Some(goal) = self.breach.goal(at) {
            goal.pull(&self.breach, at, &mut k, &mut n);
        }
        let inputs = self.out[0].len();
        let (mut gk, mut gn) = (vec![0.0; inputs], vec![0.0; inputs]);
        self.kernel.backward(&k, &mut gk);
        if !self.breach.kernel_alone() {
            self.reference.backward(&n, &mut gn);
        }
        let way = |s: usize, i: usize| self.out[s][i] - self.home[s][i];
        (0..inputs)
            .map(|i| gk[i] * way(0, i) + gn[i] * way(1, i))
            .collect()
    }

    /// The shortest end of `away` that looks broken, by bisection.
    fn fewest<'x>(&mut self, away: &'x [usize]) -> &'x [usize] {
        let (mut cut, mut bad) = (0, away.len() + 1);
        while bad - cut > 1 {
            let middle = (cut + bad) / 2;
            if self.broken_at(&away[middle.min(away.len())..]) {
                cut = middle;
            } else {
                bad = middle;
            }
        }
        &away[cut.min(away.len())..]
    }

    /// Leaves out ever smaller groups that are not needed.
    fn thin(&mut self, mut away: Vec<usize>) -> Vec<usize> {
        let mut size = away.len() / 2;
        while size > 0 {
            let mut at = 0;
            while at < away.len() {
                let end = (at + size).min(away.len());
                let without = [&away[..at], &away[end..]].concat();
                if self.broken_at(&without) {
                    away = without;
                } else {
                    at = end;
                }
            }
            size /= 2;
        }
        away
    }
}

/// A point as a kernel of an input format sees it.
fn kernel_sees(format: Option<Format>, x: &[Exact]) -> Vec<f64> {
    match format {
        None => floats(x),
        Some(f) => {
            let see = x.iter().map(|v| f.value(f.quantize(v)).to_f64());
            see.collect()
        }
    }
}

fn floats(x: &[Exact]) -> Vec<f64> {
    x.iter().map(Exact::to_f64).collect()
}
