//! Exact arithmetic on constants: what import computes stays a rational number until it is stored,
//! as a float32, as the sum of two float64, or as such a sum that encloses it.

use super::nodes::wrong;
use super::proto::data_type;
use super::tensor::{Data, Tensor, doubles};
use ceg4n_base::elementary::{split, sqrt};
use ceg4n_base::{Diagnostic, Exact, codes};
use ceg4n_ir::{Shape, Wide};
use std::sync::Arc;

/// Stored sums are within this relative distance of what they enclose; products of them stay
/// within the `2^-60` of the IR.
const CLOSE_LOG2: i64 = -80;

/// A closed interval around a number.
pub(super) type Ends = (Exact, Exact);

/// Real elements between ends: exact where both are the same and fit. `None` where the ends are
/// too far from each other, or beyond float64.
pub(super) fn stored(values: &[Ends]) -> Option<Data> {
    let narrow = |(lo, hi): &Ends| {
        let near = lo.to_f64() as f32;
        (lo == hi && near.is_finite() && Exact::from_f32(near)? == *lo).then_some(near)
    };
    if let Some(floats) = values.iter().map(narrow).collect::<Option<Arc<[f32]>>>() {
        return Some(Data::Float(floats));
    }
    let (mut high, mut low, mut enclosed) = (vec![], vec![], false);
    for (lo, hi) in values {
        let (h, l) = split(&lo.midpoint(hi))?;
        let sum = &Exact::from_f64(h)? + &Exact::from_f64(l)?;
        let reach = size(&sum).shifted(CLOSE_LOG2);
        if size(&(lo - &sum)) > reach || size(&(hi - &sum)) > reach {
            return None;
        }
        enclosed |= *lo != sum || *hi != sum;
        high.push(h);
        low.push(l);
    }
    Some(Data::Wide(Arc::new(Wide {
        high: high.into(),
        low: low.into(),
        enclosed,
    })))
}

fn size(x: &Exact) -> Exact {
    if x.signum() < 0 { -x } else { x.clone() }
}

/// Exact real elements.
///
/// # Errors
/// Numbers beyond float64.
pub(super) fn exactly(values: Vec<Exact>) -> Result<Data, Diagnostic> {
    let ends: Vec<Ends> = values.into_iter().map(|v| (v.clone(), v)).collect();
    stored(&ends).ok_or_else(out_of_range)
}

fn out_of_range() -> Diagnostic {
    wrong("a result of arithmetic on constants is beyond the range of float64")
}

/// `data·factor`, exactly; the factor is finite.
pub(super) fn scaled(data: &Data, factor: f32) -> Result<Data, Diagnostic> {
    if factor == 1.0 {
        return Ok(data.clone());
    }
    let Data::Float(floats) = data else {
        let f = Exact::from_f32(factor).ok_or_else(not_a_number)?;
        return map(data, |v| Some(v * &f));
    };
    // 24 + 24 significant bits and the sum of the exponents fit an f64.
    let products = floats.iter().map(|v| f64::from(*v) * f64::from(factor));
    Ok(doubles(products))
}

/// `f` of every element.
pub(super) fn map(data: &Data, f: impl Fn(&Exact) -> Option<Exact>) -> Result<Data, Diagnostic> {
    let values = (0..data.len()).map(|i| {
        let v = data.exact(i).ok_or_else(not_a_number)?;
        f(&v).ok_or_else(|| wrong("arithmetic on constants has no result"))
    });
    exactly(values.collect::<Result<_, _>>()?)
}

fn not_a_number() -> Diagnostic {
    wrong("arithmetic on constants meets one that is not finite, or only enclosed")
        .help("fold constants before export (for instance with onnxsim)")
}

/// For each element of a tensor whose dimension `i` is dimension `perm[i]` of one of dimensions
/// `dims`, the element there.
pub(super) fn permuted(dims: &[usize], perm: &[usize]) -> Vec<usize> {
    let mut steps = vec![1; dims.len()];
    for i in (1..dims.len()).rev() {
        steps[i - 1] = steps[i] * dims[i];
    }
    let mut index = vec![0];
    for p in perm {
        let (size, step) = (dims[*p], steps[*p]);
        let next = index
            .iter()
            .flat_map(|base| (0..size).map(move |k| base + k * step));
        index = next.collect();
    }
    index
}

/// A `rows x cols` matrix transposed.
pub(super) fn transposed(data: &Data, rows: usize, cols: usize) -> Data {
    data.picked(&permuted(&[rows, cols], &[1, 0]))
}

/// The dimensions of `x op c` under numpy broadcasting where `c` does not enlarge `x`; `None`
/// where it does or they do not fit.
pub(super) fn broadcast_dims(x: &[usize], c: &[usize]) -> Option<Vec<usize>> {
    let rank = x.len().max(c.len());
    let (x, c) = (padded(x, rank), padded(c, rank));
    let fits = x.iter().zip(&c).all(|(x, c)| c == x || *c == 1);
    fits.then_some(x)
}

/// Dimensions with as many ones in front as the rank needs.
pub(super) fn padded(dims: &[usize], rank: usize) -> Vec<usize> {
    let mut out = vec![1; rank.saturating_sub(dims.len())];
    out.extend_from_slice(dims);
    out
}

/// The IR's shape of a constant of dimensions `c` that broadcasts to a tensor of dimensions `x`,
/// which loses its batch.
pub(super) fn constant_shape(x: &[usize], c: &[usize]) -> Shape {
    let rank = super::lower::ir_shape(x).0.len();
    if c.iter().all(|d| *d == 1) {
        return Shape::vector(1);
    }
    let extra = c.len().saturating_sub(rank);
    Shape(c[extra..].to_vec())
}

/// The dimensions of two constants together, with neither enlarged beyond numpy's rules.
pub(super) fn common_dims(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let pairs = padded(a, rank).into_iter().zip(padded(b, rank));
    pairs
        .map(|(a, b)| match (a, b) {
            (a, b) if a == b => Some(a),
            (1, n) | (n, 1) => Some(n),
            _ => None,
        })
        .collect()
}

/// What folds two constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a·b`.
    Mul,
    /// `a / b`; of integers towards 0.
    Div,
    /// 1 if `a = b`, else 0.
    Equal,
    /// The larger.
    Max,
    /// The smaller.
    Min,
}

/// Two constants of common dimensions `dims`, folded.
///
/// # Errors
/// Different types, division by zero, numbers out of range.
pub(super) fn folded(
    op: Fold,
    dims: Vec<usize>,
    a: &Tensor,
    b: &Tensor,
) -> Result<Tensor, Diagnostic> {
    let shape = Shape(dims.clone());
    let index = |t: &Tensor| Shape(t.dims.clone()).spread_over(&shape);
    let pairs = index(a).into_iter().zip(index(b));
    let no_result = || wrong("arithmetic on constants divides by zero or leaves the range");
    if let (Data::Float(x), Data::Float(y)) = (&a.data, &b.data)
        && let Some(data) = quick(op, pairs.clone(), x, y)
    {
        return Ok(Tensor { dims, data });
    }
    let data = match (&a.data, &b.data) {
        (Data::Int(x, t), Data::Int(y, u)) if t == u => {
            let values = pairs.map(|(i, j)| fold_integers(op, x[i], y[j]));
            let kind = if op == Fold::Equal {
                data_type::BOOL
            } else {
                *t
            };
            let values: Option<Arc<[i64]>> = values.collect();
            Data::Int(values.ok_or_else(no_result)?, kind)
        }
        (Data::Float(_) | Data::Wide(_), Data::Float(_) | Data::Wide(_)) if op != Fold::Equal => {
            let mut values = Vec::with_capacity(shape.len());
            for (i, j) in pairs {
                let x = a.data.exact(i).ok_or_else(not_a_number)?;
                let y = b.data.exact(j).ok_or_else(not_a_number)?;
                values.push(match op {
                    Fold::Add => &x + &y,
                    Fold::Sub => &x - &y,
                    Fold::Mul => &x * &y,
                    Fold::Div => x.checked_div(&y).ok_or_else(no_result)?,
                    Fold::Max => x.max(y),
                    Fold::Min => x.min(y),
                    Fold::Equal => return Err(no_result()),
                });
            }
            exactly(values)?
        }
        _ => {
            return Err(Diagnostic::error(
                codes::ONNX_DTYPE,
                "arithmetic on constants of different types",
            ));
        }
    };
    Ok(Tensor { dims, data })
}

/// Sums, differences and products of floats in float64, which are exact with a rest; `None` for
/// other operations, and floats that are not finite.
fn quick(
    op: Fold,
    pairs: impl Iterator<Item = (usize, usize)> + Clone,
    x: &[f32],
    y: &[f32],
) -> Option<Data> {
    let sign = match op {
        Fold::Add | Fold::Mul => 1.0,
        Fold::Sub => -1.0,
        Fold::Div | Fold::Equal | Fold::Max | Fold::Min => return None,
    };
    if x.iter().chain(y).any(|v| !v.is_finite()) {
        return None;
    }
    let (mut high, mut low) = (vec![], vec![]);
    for (i, j) in pairs {
        let (a, b) = (f64::from(x[i]), sign * f64::from(y[j]));
        if op == Fold::Mul {
            high.push(a * b);
            continue;
        }
        // The sum and what it leaves (Knuth, The Art of Computer Programming 2, 4.2.2).
        let sum = a + b;
        let part = sum - a;
        high.push(sum);
        low.push((a - (sum - part)) + (b - part));
    }
    if low.iter().all(|l| *l == 0.0) {
        return Some(doubles(high.into_iter()));
    }
    Some(Data::Wide(Arc::new(Wide {
        high: high.into(),
        low: low.into(),
        enclosed: false,
    })))
}

fn fold_integers(op: Fold, a: i64, b: i64) -> Option<i64> {
    match op {
        Fold::Add => a.checked_add(b),
        Fold::Sub => a.checked_sub(b),
        Fold::Mul => a.checked_mul(b),
        Fold::Div => a.checked_div(b),
        Fold::Equal => Some(i64::from(a == b)),
        Fold::Max => Some(a.max(b)),
        Fold::Min => Some(a.min(b)),
    }
}

/// The parameters of one channel of a batch normalization, `(x - mean)·gamma/√(var + eps) + beta`.
#[derive(Clone, Debug)]
pub(super) struct Normalization {
    pub(super) gamma: Exact,
    pub(super) beta: Exact,
    pub(super) mean: Exact,
    /// `var + eps`, positive.
    pub(super) spread: Exact,
}

impl Normalization {
    /// The factor of `x`, enclosed to `bits` bits.
    fn scale(&self, bits: u32) -> Option<Ends> {
        let (lo, hi) = sqrt(&self.spread, bits)?;
        let (a, b) = (self.gamma.checked_div(&lo)?, self.gamma.checked_div(&hi)?);
        Some((a.clone().min(b.clone()), a.max(b)))
    }

    /// What is added after the factor, if `bias` was added before it.
    fn offset(&self, bias: &Exact, bits: u32) -> Option<Ends> {
        let (lo, hi) = self.scale(bits)?;
        let shift = bias - &self.mean;
        let (a, b) = (&(&shift * &lo) + &self.beta, &(&shift * &hi) + &self.beta);
        Some((a.clone().min(b.clone()), a.max(b)))
    }
}

/// Constants as enclosed ones, also where they happen to be exact: a run in single precision
/// rounds on the way to them, so that they must not be taken for the file's.
pub(super) fn enclosing(data: Data) -> Data {
    let wide = match data {
        Data::Wide(w) => Wide {
            enclosed: true,
            ..(*w).clone()
        },
        Data::Float(f) => Wide {
            enclosed: true,
            ..Wide::doubles(f.iter().map(|v| f64::from(*v)).collect::<Vec<_>>())
        },
        data @ Data::Int(..) => return data,
    };
    Data::Wide(Arc::new(wide))
}

/// The factors and the offsets of channels; `bias` is what a layer before them adds.
///
/// # Errors
/// Numbers out of range, offsets that cancel too far to be enclosed.
pub(super) fn normalization(
    channels: &[Normalization],
    bias: Option<&Data>,
) -> Result<(Data, Data), Diagnostic> {
    let biases = (0..channels.len()).map(|i| match bias {
        None => Ok(Exact::zero()),
        Some(b) => b.exact(i).ok_or_else(not_a_number),
    });
    let biases: Vec<Exact> = biases.collect::<Result<_, _>>()?;
    // A sum that nearly cancels needs more bits of its terms.
    for bits in [120, 400, 1600] {
        let scales = channels.iter().map(|c| c.scale(bits));
        let offsets = channels.iter().zip(&biases).map(|(c, b)| c.offset(b, bits));
        let ends = |all: Option<Vec<Ends>>| all.and_then(|all| stored(&all));
        if let (Some(scale), Some(offset)) = (ends(scales.collect()), ends(offsets.collect())) {
            return Ok((scale, offset));
        }
    }
    Err(wrong(
        "a batch normalization's constants cannot be enclosed to 2^-60 (out of range, or its offset cancels)",
    ))
}

/// `weight` times the factor of its output channel, the first dimension of `channels` entries.
///
/// # Errors
/// Weights that are only enclosed, products out of range.
pub(super) fn channelwise(
    weight: &Data,
    scale: &Data,
    channels: usize,
) -> Result<Data, Diagnostic> {
    let each = weight.len() / channels.max(1);
    let (Data::Float(w), Data::Wide(s)) = (weight, scale) else {
        return exact_channelwise(weight, scale, each);
    };
    let (mut high, mut low) = (Vec::with_capacity(w.len()), Vec::with_capacity(w.len()));
    for (i, w) in w.iter().enumerate() {
        let (w, h, l) = (f64::from(*w), s.high[i / each], s.low[i / each]);
        // w·h = product + rest exactly; l·w and the sums round at 2^-53 of the rest.
        let product = w * h;
        let rest = w.mul_add(h, -product) + w * l;
        let (sum, left) = (product + rest, rest - (product + rest - product));
        let plain = sum == 0.0 && w == 0.0;
        if !plain && !(1e-200..1e200).contains(&sum.abs()) {
            return Err(out_of_range());
        }
        high.push(sum);
        low.push(left);
    }
    Ok(Data::Wide(Arc::new(Wide {
        high: high.into(),
        low: low.into(),
        enclosed: true,
    })))
}

/// The same over the rationals.
fn exact_channelwise(weight: &Data, scale: &Data, each: usize) -> Result<Data, Diagnostic> {
    let (center, slack) = match scale {
        Data::Wide(s) => ((0..s.high.len()).map(|i| s.center(i)).collect(), s.enclosed),
        Data::Float(_) | Data::Int(..) => {
            let all = (0..scale.len()).map(|i| scale.exact(i));
            (all.collect::<Option<Vec<_>>>().unwrap_or_default(), false)
        }
    };
    let mut products = Vec::with_capacity(weight.len());
    for i in 0..weight.len() {
        let w = weight.exact(i).ok_or_else(not_a_number)?;
        products.push(&w * center.get(i / each).ok_or_else(not_a_number)?);
    }
    let data = exactly(products)?;
    Ok(match data {
        Data::Wide(w) if slack => Data::Wide(Arc::new(Wide {
            enclosed: true,
            ..(*w).clone()
        })),
        // Enclosed products are no float32; they happen to have floats as their middles.
        Data::Float(f) if slack => Data::Wide(Arc::new(Wide {
            enclosed: true,
            ..Wide::doubles(f.iter().map(|v| f64::from(*v)).collect::<Vec<_>>())
        })),
        data => data,
    })
}

#[cfg(test)]
#[path = "tests/arithmetic.rs"]
mod tests;
