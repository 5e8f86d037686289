//! A witness that is easier to read: as few inputs as possible away from the region's centre, and
//! those at short decimals. Each result was replayed exactly and still breaks the property.

use super::climb::Outs;
use super::find::Target;
use super::float::Batch;
use super::goal::Breach;
use crate::subject::Trouble;
use crate::verdict::Witness;
use ceg4n_base::Exact;
use ceg4n_ir::Domain;
use num_bigint::BigInt;

/// Replays that one simplification may cost.
const REPLAYS: usize = 40;

/// Points that it may look at in floating point.
const LOOKS: usize = 600;

/// Significant digits that a coordinate may get.
const DIGITS: i64 = 20;

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
    simple.go_home()?;
    simple.shorten()?;
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

    /// Moves groups of inputs back to the centre, those that matter least first.
    fn go_home(&mut self) -> Result<(), Trouble> {
        let mut away = self.away();
        if away.is_empty() {
            return Ok(());
        }
        let mut looks = Looks::new(self.target, &self.home, &self.witness);
        let weight = looks.weights();
        away.sort_by(|a, b| weight[*a].total_cmp(&weight[*b]).then(a.cmp(b)));
        let few = looks.fewest(&away);
        let fewer = looks.thin(few.to_vec());
        if self.accept(&self.only(&fewer))? || self.accept(&self.only(few))? {
            return Ok(());
        }
        // Floating point misjudged: by exact steps only.
        let (mut cut, mut step) = (0, away.len() / 2);
        while step > 0 {
            if self.accept(&self.only(&away[cut + step..]))? {
                cut += step;
            }
            step /= 2;
        }
        Ok(())
    }

    /// In domain `real`: the shortest decimals that the kernel cannot tell from the witness, or,
    /// where the reference can, shorter ones close by.
    fn shorten(&mut self) -> Result<(), Trouble> {
        match self.target.space.domain {
            Domain::Grid(_) => return Ok(()),
            Domain::Real => {}
        }
        let away = self.away();
        // One cell of the kernel's input, then less and less of it.
        let cell = -i64::from(self.target.space.format.frac());
        for parts in [0, 3, 6, 9, 12, 18, 24] {
            let reach = Exact::dyadic(1, cell - parts);
            let mut x = self.witness.x.clone();
            for i in &away {
                if let Some(v) = self.shortest(*i, &reach) {
                    x[*i] = v;
                }
            }
            if x == self.witness.x || self.accept(&x)? {
                break;
            }
        }
        Ok(())
    }

    /// The number of fewest digits within `reach` of input `i`, in its cell and the region.
    fn shortest(&self, i: usize, reach: &Exact) -> Option<Exact> {
        let (x, space) = (&self.witness.x[i], self.target.space);
        let (lo, hi) = (x - reach, x + reach);
        let fits = |v: &Exact| {
            lo <= *v
                && *v <= hi
                && space.lower[i] <= *v
                && *v <= space.upper[i]
                && space.format.quantize(v) == self.witness.input[i]
        };
        let zero = Exact::zero();
        if fits(&zero) {
            return Some(zero);
        }
        let size = x.to_f64().abs().max(hi.to_f64().abs()).log10().floor();
        let first = -(size.clamp(-400.0, 400.0) as i64);
        (first..first + DIGITS).find_map(|places| {
            let power = BigInt::from(10).pow(places.unsigned_abs() as u32);
            let unit = if places >= 0 {
                Exact::ratio(1, power.clone())?
            } else {
                Exact::from(power.clone())
            };
            let scaled = if places >= 0 {
                x * &Exact::from(power)
            } else {
                x * &Exact::ratio(1, power)?
            };
            // The nearer neighbour first.
            let below = scaled.floor();
            let half = &scaled - &Exact::from(below.clone());
            let up = half > Exact::dyadic(1, -1);
            let order = if up { [1, 0] } else { [0, 1] };
            let near = order.map(|k| &Exact::from(&below + k) * &unit);
            near.into_iter().find(|v| fits(v))
        })
    }
}

/// Looks in floating point at points between the centre and a witness.
struct Looks<'a> {
    breach: Breach,
    kernel: Batch<'a>,
    reference: Batch<'a>,
    /// What kernel and reference see at the centre, and at the witness.
    home: [Vec<f64>; 2],
    out: [Vec<f64>; 2],
    left: usize,
}

impl<'a> Looks<'a> {
    fn new(target: &'a Target<'_>, home: &[Exact], witness: &Witness) -> Self {
        let kernel = |x: &[Exact]| -> Vec<f64> {
            let format = target.space.format;
            let see = x.iter().map(|v| format.value(format.quantize(v)).to_f64());
            see.collect()
        };
        let floats = |x: &[Exact]| x.iter().map(Exact::to_f64).collect();
        Self {
            breach: Breach::new(target.property, target.robust()),
            kernel: target.subject.net().batch(1),
            reference: target.reference.net().batch(1),
            home: [kernel(home), floats(home)],
            out: [kernel(&witness.x), floats(&witness.x)],
            left: LOOKS,
        }
    }

    fn point(&self, side: usize, away: &[usize]) -> Vec<f64> {
        let mut x = self.home[side].clone();
        away.iter().for_each(|i| x[*i] = self.out[side][*i]);
        x
    }

    /// True if the point with these inputs away from the centre looks broken.
    fn broken(&mut self, away: &[usize]) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let (k, n) = (self.point(0, away), self.point(1, away));
        let kernel = self.kernel.forward(&k);
        let reference: &[f64] = if self.breach.kernel_alone() {
            &[]
        } else {
            self.reference.forward(&n)
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
            goal.pull(at, &mut k, &mut n);
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
            if self.broken(&away[middle.min(away.len())..]) {
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
                if self.broken(&without) {
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
