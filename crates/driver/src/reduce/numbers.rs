//! Steps to simpler numbers: constants, bounds of regions, mantissas. Simpler is 0, then 1 and -1,
//! then a power of two, then fewer digits.

use super::session::{Session, Stop};
use ceg4n_base::Exact;
use ceg4n_ir::{Annotation, Constant, Module, NetworkBuilder, Op, Origin, Region, ValueId};
use std::ops::Range;
use std::sync::Arc;

/// What a number may become, the simplest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Zero,
    One,
    PowerOfTwo,
    Digits(usize),
}

const LEVELS: [Level; 5] = [
    Level::Zero,
    Level::One,
    Level::PowerOfTwo,
    Level::Digits(1),
    Level::Digits(2),
];

/// How far a number is from simple; every step makes some number's rank less and none's greater.
fn rank(v: f64, text: &str) -> usize {
    let sign = usize::from(v < 0.0);
    if v == 0.0 {
        0
    } else if v.abs() == 1.0 {
        1 + sign
    } else if v.abs() == nearest_power(v.abs()) {
        3 + sign
    } else {
        5 + text.len()
    }
}

/// The power of two nearest to a positive finite number, on the logarithmic scale.
fn nearest_power(v: f64) -> f64 {
    v.log2().round().exp2()
}

/// What a finite number becomes at a level.
fn at_level(v: f64, level: Level) -> f64 {
    match level {
        Level::Zero => 0.0,
        Level::One => v.signum(),
        Level::PowerOfTwo if v == 0.0 => 0.0,
        Level::PowerOfTwo => v.signum() * nearest_power(v.abs()),
        Level::Digits(n) => with_digits(v, n).parse().unwrap_or(v),
    }
}

/// A decimal with so many significant digits.
fn with_digits(v: f64, n: usize) -> String {
    format!("{v:.*e}", n.saturating_sub(1))
}

/// The number with so many significant digits, or itself if it has no more.
pub(super) fn rounded(v: &Exact, digits: usize) -> Exact {
    let short = with_digits(v.to_f64(), digits).parse::<Exact>();
    match short {
        Ok(short) if short.to_string().len() < v.to_string().len() => short,
        Ok(_) | Err(_) => v.clone(),
    }
}

/// A float32 at a level, if that is simpler.
fn simpler_float(v: f32, level: Level) -> Option<f32> {
    let rank = |v: f32| {
        let (plain, short) = (v.to_string(), format!("{v:e}"));
        rank(
            f64::from(v),
            if plain.len() <= short.len() {
                &plain
            } else {
                &short
            },
        )
    };
    // Digits are those of the float32.
    let new = match level {
        Level::Digits(n) => format!("{v:.*e}", n - 1).parse().ok()?,
        Level::Zero | Level::One | Level::PowerOfTwo => at_level(f64::from(v), level) as f32,
    };
    (new.is_finite() && rank(new) < rank(v)).then_some(new)
}

fn simpler_exact(v: &Exact, level: Level) -> Option<Exact> {
    let rank = |v: &Exact| rank(v.to_f64(), &v.to_string());
    let f = v.to_f64();
    let new = match level {
        Level::Digits(n) => with_digits(f, n).parse().ok()?,
        Level::Zero | Level::One | Level::PowerOfTwo => Exact::from_f64(at_level(f, level))?,
    };
    (rank(&new) < rank(v)).then_some(new)
}

fn simpler_integer(v: i32, level: Level) -> Option<i32> {
    let rank = |v: i32| rank(f64::from(v), &v.to_string());
    // Mantissas have 32 bits at most; what is out of their format is refused later.
    let new = at_level(f64::from(v), level) as i32;
    (rank(new) < rank(v)).then_some(new)
}

/// Simplifies every element of a list in a range; `None` if none becomes simpler.
fn simplify<T: Clone>(
    list: &[T],
    range: Range<usize>,
    simpler: impl Fn(&T) -> Option<T>,
) -> Option<Vec<T>> {
    let mut new = list.to_vec();
    let mut any = false;
    for v in new.get_mut(range)? {
        if let Some(simple) = simpler(v) {
            *v = simple;
            any = true;
        }
    }
    any.then_some(new)
}

/// Simpler constants of the network, the longest lists first.
pub(super) fn constants(session: &mut Session<'_>) -> Result<(), Stop> {
    let network = &session.module.network;
    let lists = network.values().iter();
    let mut lists: Vec<(ValueId, usize)> = lists
        .filter_map(|(v, _)| Some((v, network.constant(v)?.data.len())))
        .collect();
    lists.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    for (v, n) in lists {
        session.change_runs(0..1, &|m, _| {
            let c = m.network.constant(v)?;
            c.wide.as_ref()?;
            with_constant(m, v, c.data.to_vec())
        })?;
        for level in LEVELS {
            session.change_runs(0..n, &|m, range| {
                let c = m.network.constant(v).filter(|c| c.wide.is_none())?;
                let data = simplify(&c.data, range, |x| simpler_float(*x, level))?;
                with_constant(m, v, data)
            })?;
        }
    }
    Ok(())
}

/// The module with other float32 numbers for a constant.
fn with_constant(m: &Module, v: ValueId, data: Vec<f32>) -> Option<Module> {
    let old = &m.network;
    let mut builder = NetworkBuilder::new(old.name());
    for (w, value) in old.values().iter() {
        let op = match w == v {
            true => Op::Const(Constant {
                data: data.clone().into(),
                origin: Origin::Inline,
                wide: None,
            }),
            false => value.op.clone(),
        };
        builder.push(&value.name, op, Some(value.shape.clone()), None);
    }
    Some(Module {
        network: Arc::new(builder.finish(old.output()).ok()?),
        ..m.clone()
    })
}

/// Regions that are points, and simpler bounds.
pub(super) fn regions(session: &mut Session<'_>) -> Result<(), Stop> {
    for k in 0..session.module.regions.len() {
        let inputs = session.module.network.input_len();
        session.change_runs(0..1, &|m, _| {
            let r = m.regions.get(k)?;
            let bare = r.center.is_none() && r.ball_size.is_none();
            let center = |r: &mut Region| (r.center, r.ball_size) = (None, None);
            (!bare).then(|| with_region(m, k, center))
        })?;
        // Points: the middle, else a corner.
        let ends: [fn(&Region) -> Vec<Exact>; 3] =
            [Region::center, |r| r.lower.clone(), |r| r.upper.clone()];
        for point in ends {
            session.change_runs(0..inputs, &|m, range| {
                let r = m.regions.get(k)?;
                let is_point = range.clone().all(|i| r.lower[i] == r.upper[i]);
                let point = point(r);
                (!is_point).then(|| {
                    with_region(m, k, |r| {
                        for i in range {
                            r.lower[i].clone_from(&point[i]);
                            r.upper[i].clone_from(&point[i]);
                        }
                    })
                })
            })?;
        }
        for level in LEVELS {
            session.change_runs(0..inputs, &|m, range| {
                let r = m.regions.get(k)?;
                let simpler = |v: &Exact| simpler_exact(v, level);
                let lower = simplify(&r.lower, range.clone(), simpler);
                let upper = simplify(&r.upper, range, simpler);
                (lower.is_some() || upper.is_some()).then(|| {
                    with_region(m, k, |r| {
                        r.lower = lower.unwrap_or(std::mem::take(&mut r.lower));
                        r.upper = upper.unwrap_or(std::mem::take(&mut r.upper));
                    })
                })
            })?;
        }
    }
    Ok(())
}

fn with_region(m: &Module, k: usize, change: impl FnOnce(&mut Region)) -> Module {
    let mut new = m.clone();
    if let Some(r) = new.regions.get_mut(k) {
        change(r);
    }
    new
}

/// Simpler explicit mantissas.
pub(super) fn mantissas(session: &mut Session<'_>) -> Result<(), Stop> {
    let lists: Vec<(usize, ValueId, usize)> = (session.module.versions.iter().enumerate())
        .flat_map(|(k, a)| a.values.iter().map(move |(v, a)| (k, *v, a)))
        .filter_map(|(k, v, a)| Some((k, v, explicit(a)?.len())))
        .collect();
    for (k, v, n) in lists {
        for level in LEVELS {
            session.change_runs(0..n, &|m, range| {
                let old = explicit(m.versions.get(k)?.get(v)?)?;
                let list = simplify(old, range, |x| simpler_integer(*x, level))?;
                let mut new = m.clone();
                let entry = new.versions.get_mut(k)?.values.get_mut(&v)?;
                if let Annotation::Fixed { mantissas, .. } = entry {
                    *mantissas = Some(list.into());
                }
                Some(new)
            })?;
        }
    }
    Ok(())
}

fn explicit(a: &Annotation) -> Option<&Arc<[i32]>> {
    match a {
        Annotation::Fixed { mantissas, .. } => mantissas.as_ref(),
        Annotation::Acc(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_simpler_and_never_the_same_again() {
        let all = |v: f32| LEVELS.map(|l| simpler_float(v, l));
        let (zero, one) = (Some(0.0), Some(1.0));
        assert_eq!(all(0.0), [None; 5]);
        assert_eq!(all(1.0), [zero, None, None, None, None]);
        assert_eq!(all(-1.0)[1], None);
        assert_eq!(all(0.5), [zero, one, None, None, None]);
        let power = Some(0.125);
        assert_eq!(all(0.123), [zero, one, power, Some(0.1), Some(0.12)]);
        assert_eq!(simpler_float(f32::MAX, Level::PowerOfTwo), None);
        assert_eq!(simpler_integer(-7, Level::PowerOfTwo), Some(-8));
        assert_eq!(simpler_integer(i32::MAX, Level::One), Some(1));
        let long: Exact = "-0.3333".parse().unwrap();
        assert_eq!(simpler_exact(&long, Level::Digits(2)), "-0.33".parse().ok());
        assert_eq!(rounded(&long, 2), "-0.33".parse().unwrap());
    }
}
