//! Stages whose loops are compiled ahead of time: they move elements, or do so little with each
//! that generated code would gain nothing. All arithmetic is modulo a power of two that holds
//! every result, so no intermediate sum needs more room.

use crate::buffer::{Buffer, Element, Storage, typed};
use crate::order::Order;
use crate::plan::{Moves, Run};
use ceg4n_ir::kernel::FILL;
use ceg4n_ir::window::{Conv, Window};
use std::sync::Arc;

/// Channels whose sums are kept in registers.
const BLOCK: usize = 16;

/// The rows of a buffer from a sample on.
type Samples<'a> = (&'a Buffer, usize);

/// One row per sample, from a sample on.
fn rows<T>(storage: &[T], buffer: (usize, usize)) -> impl Iterator<Item = &[T]> {
    let (first, row_len) = buffer;
    storage[first * row_len..].chunks_exact(row_len)
}

/// The same, to write.
fn rows_mut<T>(storage: &mut [T], buffer: (usize, usize)) -> impl Iterator<Item = &mut [T]> {
    let (first, row_len) = buffer;
    storage[first * row_len..].chunks_exact_mut(row_len)
}

/// The positions of the result, row-major: rows and columns.
fn positions(w: &Window) -> impl Iterator<Item = (usize, usize)> {
    let [height, width] = w.out;
    (0..height).flat_map(move |y| (0..width).map(move |x| (y, x)))
}

/// A pool over channels that lie next to each other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pool {
    window: Arc<Window>,
    greatest: bool,
    x_pitch: usize,
    y_pitch: usize,
}

impl Pool {
    /// `greatest` or else the sum; orders of operand and result.
    pub(crate) fn new(window: &Arc<Window>, greatest: bool, x: Order, y: Order) -> Self {
        let c = window.channels;
        Self {
            window: window.clone(),
            greatest,
            x_pitch: x.pitch_of(c, window.plane()).unwrap_or(c),
            y_pitch: y.pitch_of(c, window.windows()).unwrap_or(c),
        }
    }

    pub(crate) fn run(&self, x: Samples<'_>, y: (&mut Buffer, usize), n: usize) {
        let (x_rows, y_rows) = ((x.1, x.0.row_len()), (y.1, y.0.row_len()));
        typed!(x.0.storage(), from => typed!(y.0.storage_mut(), to => {
            for (x, y) in rows(from, x_rows).zip(rows_mut(to, y_rows)).take(n) {
                match self.greatest {
                    true => self.sample(x, y, |y, x| y.max(x)),
                    false => self.sample(x, y, i64::wrapping_add),
                }
            }
        }));
    }

    fn sample<T: Element, U: Element>(&self, x: &[T], y: &mut [U], join: impl Fn(i64, i64) -> i64) {
        let w = &self.window;
        for (p, (row, column)) in positions(w).enumerate() {
            let y = &mut y[p * self.y_pitch..][..w.channels];
            for (i, tap) in w.taps(row, column).enumerate() {
                let x = &x[tap.position * self.x_pitch..][..w.channels];
                for (y, x) in y.iter_mut().zip(x) {
                    let x: i64 = (*x).into();
                    *y = U::narrow(if i == 0 { x } else { join((*y).into(), x) });
                }
            }
        }
    }
}

/// A convolution with one filter for each channel, over channels that lie next to each other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Depthwise {
    conv: Arc<Conv>,
    /// Tap by tap, channel by channel.
    weight: Storage,
    x_pitch: usize,
    y_pitch: usize,
}

impl Depthwise {
    /// Lays the weights out.
    pub(crate) fn new(weight: &[i32], conv: &Arc<Conv>, x: Order, y: Order) -> Self {
        let (c, size) = (conv.window.channels, conv.window.size());
        let laid = (0..size).flat_map(|t| (0..c).map(move |m| weight[m * size + t]));
        let fits = weight.iter().all(|m| i32::from(*m as i16) == *m);
        Self {
            weight: match fits {
                true => Storage::I16(laid.map(|m| m as i16).collect()),
                false => Storage::I32(laid.collect()),
            },
            x_pitch: x.pitch_of(c, conv.window.plane()).unwrap_or(c),
            y_pitch: y.pitch_of(c, conv.window.windows()).unwrap_or(c),
            conv: conv.clone(),
        }
    }

    pub(crate) fn run(&self, x: Samples<'_>, y: (&mut Buffer, usize), n: usize) {
        let (x_rows, y_rows) = ((x.1, x.0.row_len()), (y.1, y.0.row_len()));
        typed!(x.0.storage(), from => typed!(y.0.storage_mut(), to => {
            for (x, y) in rows(from, x_rows).zip(rows_mut(to, y_rows)).take(n) {
                typed!(&self.weight, w => self.sample(x, w, y));
            }
        }));
    }

    fn sample<T: Element, W: Element, U: Element>(&self, x: &[T], weight: &[W], y: &mut [U]) {
        let w = &self.conv.window;
        for (p, (row, column)) in positions(w).enumerate() {
            let y = &mut y[p * self.y_pitch..][..w.channels];
            for (block, y) in y.chunks_mut(BLOCK).enumerate() {
                let at = block * BLOCK;
                let mut sums = [U::default(); BLOCK];
                for tap in w.taps(row, column) {
                    let x = &x[tap.position * self.x_pitch + at..][..y.len()];
                    let weight = &weight[tap.index * w.channels + at..][..y.len()];
                    // A whole block has a constant length, for vector code.
                    if let (Ok(x), Ok(weight)) =
                        (<&[T; BLOCK]>::try_from(x), <&[W; BLOCK]>::try_from(weight))
                    {
                        for i in 0..BLOCK {
                            sums[i] = plus_product(sums[i], x[i], weight[i]);
                        }
                    } else {
                        for ((sum, x), w) in sums.iter_mut().zip(x).zip(weight) {
                            *sum = plus_product(*sum, *x, *w);
                        }
                    }
                }
                y.copy_from_slice(&sums[..y.len()]);
            }
        }
    }

    /// Bytes of the weights.
    pub(crate) fn data_bytes(&self) -> usize {
        self.weight.len() * self.weight.elem().size()
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.weight.fingerprint()
    }
}

fn plus_product<T: Element, W: Element, U: Element>(sum: U, x: T, w: W) -> U {
    let (sum, x, w): (i64, i64, i64) = (sum.into(), x.into(), w.into());
    U::narrow(sum.wrapping_add(x.wrapping_mul(w)))
}

/// Moves elements.
pub(crate) fn run_moves(moves: &Moves, xs: &[Samples<'_>], y: (&mut Buffer, usize), n: usize) {
    let (y_first, y_row) = (y.1, y.0.row_len());
    for (operand, (x, x_first)) in xs.iter().enumerate() {
        let x_row = x.row_len();
        let own = |r: &&Run| r.operand == operand as u32;
        typed!(x.storage(), from => typed!(y.0.storage_mut(), to => {
            let from = rows(from, (*x_first, x_row));
            for (x, y) in from.zip(rows_mut(to, (y_first, y_row))).take(n) {
                moves.runs.iter().filter(own).for_each(|run| copy(run, x, y));
            }
        }));
    }
    let filled: Vec<&Run> = moves.runs.iter().filter(|r| r.operand == FILL).collect();
    if filled.is_empty() {
        return;
    }
    typed!(y.0.storage_mut(), to => {
        for y in rows_mut(to, (y_first, y_row)).take(n) {
            for run in &filled {
                y[run.to as usize..][..run.len as usize].fill(Element::narrow(moves.fill));
            }
        }
    });
}

fn copy<T: Element, U: Element>(run: &Run, x: &[T], y: &mut [U]) {
    let len = run.len as usize;
    let x = &x[run.from as usize..][..len];
    for (y, x) in y[run.to as usize..][..len].iter_mut().zip(x) {
        *y = U::narrow((*x).into());
    }
}

/// A table look-up for every element of an order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    pub(crate) least: i64,
    pub(crate) table: Arc<[i32]>,
    pub(crate) order: Order,
}

impl Table {
    pub(crate) fn run(&self, x: Samples<'_>, y: (&mut Buffer, usize), n: usize) {
        let (x_rows, y_rows) = ((x.1, x.0.row_len()), (y.1, y.0.row_len()));
        let places = self.order.places();
        typed!(x.0.storage(), from => typed!(y.0.storage_mut(), to => {
            for (x, y) in rows(from, x_rows).zip(rows_mut(to, y_rows)).take(n) {
                self.sample(x, &mut y[..places]);
            }
        }));
    }

    fn sample<T: Element, U: Element>(&self, x: &[T], y: &mut [U]) {
        for (y, x) in y.iter_mut().zip(x) {
            // What lies between positions is no element and may be anything.
            let x: i64 = (*x).into();
            let entry = self.table.get(x.wrapping_sub(self.least) as usize);
            *y = U::narrow(entry.copied().unwrap_or(0).into());
        }
    }
}
