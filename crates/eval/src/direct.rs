//! A kernel on integers without the interpreter: the same values, fast enough for real networks.
//!
//! What an operator means is what `ir-specs` says; tests hold this evaluation against the
//! interpreter's, operator by operator.

use crate::kernel::Trace;
use crate::runs::runs;
use ceg4n_ir::window::{Conv, Window};
use ceg4n_ir::{FILL, Format, Kernel, KernelNode, KernelOp, NodeId, Rounding};
use ceg4n_opspec::MeaningError;

type Result<T> = std::result::Result<T, MeaningError>;

/// Every node of a kernel on integers of its input format.
pub(crate) fn kernel_trace(kernel: &Kernel, input: Vec<i128>) -> Result<Trace<i128>> {
    let mut trace = Trace::new();
    let mut input = input;
    for (id, node) in kernel.nodes.iter() {
        let values = if id == kernel.input {
            std::mem::take(&mut input)
        } else {
            node_values(node, kernel.rounding, &trace)?
        };
        trace.set(id, values);
    }
    Ok(trace)
}

fn node_values(node: &KernelNode, rule: Rounding, trace: &Trace<i128>) -> Result<Vec<i128>> {
    let each =
        |x: &NodeId, f: &dyn Fn(i128) -> i128| Ok(trace.node(*x).iter().map(|v| f(*v)).collect());
    match &node.op {
        KernelOp::Input { .. } => Ok(Vec::new()),
        KernelOp::Dense {
            x,
            weight,
            bias,
            rows,
            cols,
        } => dense(trace.node(*x), weight, bias.as_deref(), (*rows, *cols)),
        KernelOp::Conv {
            x,
            weight,
            bias,
            conv: geometry,
        } => conv(trace.node(*x), weight, bias.as_deref(), geometry),
        KernelOp::MaxPool { x, window } => pool(trace.node(*x), window, |a, b| Ok(a.max(b))),
        KernelOp::SumPool { x, window } => pool(trace.node(*x), window, |a, b| {
            a.checked_add(b).ok_or(MeaningError::Overflow)
        }),
        KernelOp::AddConst { x, c } => {
            let pairs = trace.node(*x).iter().zip(c.iter());
            pairs.map(|(x, c)| plus(*x, i128::from(*c))).collect()
        }
        KernelOp::MulConst { x, c } => {
            let xs = trace.node(*x);
            let part = xs.len().checked_div(c.len()).unwrap_or(0).max(1);
            let pairs = xs.chunks(part).zip(c.iter());
            pairs
                .flat_map(|(part, c)| part.iter().map(|x| times(*x, i128::from(*c))))
                .collect()
        }
        KernelOp::Sum { x, y } => {
            let pairs = trace.node(*x).iter().zip(trace.node(*y));
            pairs.map(|(x, y)| plus(*x, *y)).collect()
        }
        KernelOp::Concat { xs, outer } => Ok(concat(trace, xs, *outer)),
        KernelOp::Gather { x, index, fill } => gather(trace.node(*x), index, (*fill).into()),
        KernelOp::Relu { x } => each(x, &|v| v.max(0)),
        KernelOp::Clip { x, lo, hi } => {
            let ends = lo.iter().zip(hi.iter());
            let clip =
                |(x, (lo, hi)): (&i128, (&i64, &i64))| (*x).max((*lo).into()).min((*hi).into());
            Ok(trace.node(*x).iter().zip(ends).map(clip).collect())
        }
        KernelOp::LeakyRelu { x, shift } => {
            let image = |x: &i128| Ok(shl(*x, u32::from(*shift))?.max(*x));
            trace.node(*x).iter().map(image).collect()
        }
        KernelOp::Unary { x, function } => each(x, &|v| function.mantissa(v)),
        KernelOp::Table {
            x, least, table, ..
        } => lookup(trace.node(*x), *least, table),
        KernelOp::Requantize {
            x,
            multiplier,
            shift,
            format,
        } => {
            let entries = trace.node(*x).iter().zip(shift.iter()).enumerate();
            let one = |(j, (acc, s)): (usize, (&i128, &i32))| {
                let m = ceg4n_ir::kernel::multiplier(multiplier.as_deref(), j);
                requantize(times(*acc, i128::from(m))?, *s, *format, rule)
            };
            entries.map(one).collect()
        }
        KernelOp::Align { x, shift } => {
            let align = |(x, s): (&i128, &i32)| {
                let amount = u32::try_from(*s).map_err(|_| MeaningError::Shift((*s).into()))?;
                shl(*x, amount)
            };
            trace.node(*x).iter().zip(shift.iter()).map(align).collect()
        }
        KernelOp::Move { x } => Ok(trace.node(*x).to_vec()),
    }
}

fn plus(a: i128, b: i128) -> Result<i128> {
    a.checked_add(b).ok_or(MeaningError::Overflow)
}

fn times(a: i128, b: i128) -> Result<i128> {
    a.checked_mul(b).ok_or(MeaningError::Overflow)
}

fn shl(v: i128, s: u32) -> Result<i128> {
    if v == 0 {
        return Ok(0);
    }
    let factor = 1i128.checked_shl(s).filter(|f| *f > 0);
    factor
        .and_then(|f| v.checked_mul(f))
        .ok_or(MeaningError::Overflow)
}

fn requantize(acc: i128, s: i32, format: Format, rule: Rounding) -> Result<i128> {
    let rounded = match u32::try_from(s) {
        Ok(0) => acc,
        Ok(s) if s < 126 => {
            let floor = acc >> s;
            let half = 1i128 << (s - 1);
            let rest = acc - (floor << s);
            let up = match rule {
                Rounding::Floor => false,
                Rounding::HalfUp => rest >= half,
                Rounding::HalfEven => rest > half || (rest == half && floor & 1 == 1),
            };
            floor + i128::from(up)
        }
        Ok(s) => return Err(MeaningError::Shift(s.into())),
        Err(_) => shl(acc, s.unsigned_abs())?,
    };
    Ok(rounded.clamp(format.min().into(), format.max().into()))
}

fn lookup(x: &[i128], least: i64, table: &[i32]) -> Result<Vec<i128>> {
    let entry = |x: &i128| {
        let index = x - i128::from(least);
        let place = usize::try_from(index).ok().and_then(|i| table.get(i));
        place.map(|t| i128::from(*t)).ok_or(MeaningError::Index {
            index: i64::try_from(index).unwrap_or(i64::MAX),
            extent: table.len(),
        })
    };
    x.iter().map(entry).collect()
}

fn gather(x: &[i128], index: &[u32], fill: i128) -> Result<Vec<i128>> {
    let one = |i: &u32| match *i {
        FILL => Ok(fill),
        i => x.get(i as usize).copied().ok_or(MeaningError::Index {
            index: i.into(),
            extent: x.len(),
        }),
    };
    index.iter().map(one).collect()
}

/// For each of `parts` parts: that part of every operand.
pub(crate) fn concat<V: Clone>(trace: &Trace<V>, xs: &[NodeId], parts: usize) -> Vec<V> {
    let mut joined = Vec::new();
    for part in 0..parts {
        for x in xs {
            let all = trace.node(*x);
            let size = all.len() / parts;
            joined.extend_from_slice(&all[part * size..(part + 1) * size]);
        }
    }
    joined
}

fn pool(
    x: &[i128],
    window: &Window,
    join: impl Fn(i128, i128) -> Result<i128>,
) -> Result<Vec<i128>> {
    let mut all = Vec::with_capacity(window.channels * window.windows());
    for plane in x.chunks(window.plane().max(1)) {
        for oy in 0..window.out[0] {
            for ox in 0..window.out[1] {
                let mut taps = window.taps(oy, ox).map(|t| plane[t.position]);
                let first = taps.next().ok_or(MeaningError::Empty)?;
                all.push(taps.try_fold(first, &join)?);
            }
        }
    }
    Ok(all)
}

/// The operand in 64 bits and its largest magnitude.
fn narrow(x: &[i128]) -> Result<(Vec<i64>, u64)> {
    let all: std::result::Result<Vec<i64>, _> = x.iter().map(|v| i64::try_from(*v)).collect();
    // A checked program multiplies stored tensors.
    let all = all.map_err(|_| MeaningError::Overflow)?;
    let most = all.iter().map(|v| v.unsigned_abs()).max().unwrap_or(0);
    Ok((all, most))
}

/// Whether every partial sum of the weights times numbers up to `most` fits 64 bits.
fn fits(weight: &[i32], most: u64) -> bool {
    let sum: u128 = weight.iter().map(|w| u128::from(w.unsigned_abs())).sum();
    sum.checked_mul(most.into())
        .is_some_and(|s| s <= i64::MAX as u128)
}

fn dense(
    x: &[i128],
    weight: &[i32],
    bias: Option<&[i64]>,
    (rows, cols): (usize, usize),
) -> Result<Vec<i128>> {
    let (x, most) = narrow(x)?;
    let mut all = Vec::with_capacity(rows);
    for j in 0..rows {
        let row = &weight[j * cols..(j + 1) * cols];
        let terms = row.iter().zip(&x);
        let sum = if fits(row, most) {
            let sum: i64 = terms.map(|(w, x)| i64::from(*w) * x).sum();
            i128::from(sum)
        } else {
            terms.map(|(w, x)| i128::from(*w) * i128::from(*x)).sum()
        };
        all.push(sum + i128::from(bias.map_or(0, |b| b[j])));
    }
    Ok(all)
}

fn conv(x: &[i128], weight: &[i32], bias: Option<&[i64]>, conv: &Conv) -> Result<Vec<i128>> {
    let (x, most) = narrow(x)?;
    let windows = conv.window.windows();
    let mut all = Vec::with_capacity(conv.output_len());
    for m in 0..conv.filters {
        let filter = &weight[m * conv.filter_len()..(m + 1) * conv.filter_len()];
        let b = i128::from(bias.map_or(0, |b| b[m]));
        if fits(filter, most) {
            let mut plane = vec![0i64; windows];
            runs(conv, m, |r| {
                let w = i64::from(weight[r.weight]);
                let xs = x[r.x..].iter().step_by(r.step);
                for (y, x) in plane[r.y..r.y + r.count].iter_mut().zip(xs) {
                    *y += w * x;
                }
            });
            all.extend(plane.iter().map(|v| i128::from(*v) + b));
        } else {
            let mut plane = vec![b; windows];
            runs(conv, m, |r| {
                let w = i128::from(weight[r.weight]);
                let xs = x[r.x..].iter().step_by(r.step);
                for (y, x) in plane[r.y..r.y + r.count].iter_mut().zip(xs) {
                    *y += w * i128::from(*x);
                }
            });
            all.extend(plane);
        }
    }
    Ok(all)
}
