//! Convolutions as products: the elements that a window sees are copied next to each other, or
//! its rows are read where they are; what follows is a dense product for each position of the
//! result. Chellapilla, Puri and Simard,
//! "High Performance Convolutional Neural Networks for Document Processing" (2006).

use crate::buffer::{Buffer, Element, Storage};
use crate::cache::CodeCache;
use crate::error::JitError;
use crate::order::Order;
use crate::plan::StagePlan;
use crate::shape::{LANES, TILE, padded};
use crate::work::{Inputs, Matrix, Product};
use ceg4n_ir::Rounding;
use ceg4n_ir::window::{Conv, Span, Window};
use std::ops::Range;
use std::sync::Arc;

/// Bytes of patches that are laid out at once; about half a first-level cache.
const PATCH_BYTES: usize = 24 << 10;

/// Limits of their number.
const PATCHES: (usize, usize) = (32, 1024);

/// Columns of a result from which on frames are faster: they take one call for each row of it.
const LEAST_COLUMNS: usize = 6;

/// A convolution over channels that lie next to each other.
#[derive(Clone)]
pub(crate) struct Convolution {
    product: Product,
    conv: Arc<Conv>,
    /// Places from one position of the operand to the next.
    x_pitch: usize,
    /// Elements of a patch for each tap: the channels of a group, or the whole pitch.
    tap: usize,
    source: Source,
    /// For each row of the result the window rows inside the operand.
    rows: Vec<Span>,
    /// The same of columns.
    columns: Vec<Span>,
}

/// Where products read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The operand: each position is a row of inputs.
    Operand,
    /// A copy of a sample with its padding: each row of a window is a segment.
    Frame {
        /// Rows and columns of the copy.
        extents: [usize; 2],
    },
    /// Copies of what each window sees.
    Patches,
}

impl PartialEq for Convolution {
    fn eq(&self, other: &Self) -> bool {
        (self.x_pitch, self.tap, self.source) == (other.x_pitch, other.tap, other.source)
            && self.conv == other.conv
            && self.product == other.product
    }
}

impl Convolution {
    /// Lays the weights out.
    pub(crate) fn new(
        plan: &StagePlan,
        (weight, conv, width): (&Arc<[i32]>, &Arc<Conv>, u8),
        rounding: Rounding,
        cache: &CodeCache,
    ) -> Result<Self, JitError> {
        let window = &conv.window;
        let (channels, plane) = (window.channels, window.plane());
        let order = plan.operands.first().map(|x| x.order);
        let x_pitch = order.and_then(|o| o.pitch_of(channels, plane));
        let x_pitch = x_pitch.unwrap_or(channels);
        // Padding between positions meets weights 0. Taking it too is faster, if it is little.
        let whole = conv.groups == 1 && window.size() > 1 && x_pitch * 3 <= channels * 4;
        let tap = if whole { x_pitch } else { conv.depth() };
        let segment = window.kernel[1] * tap;
        let framed = tap == x_pitch
            && conv.groups == 1
            && window.dilation[1] == 1
            && window.out[1] >= LEAST_COLUMNS
            && window.kernel[0] * padded(segment) * 2 <= padded(window.size() * tap) * 3;
        let own = conv.filters / conv.groups;
        let matrix = Matrix {
            weight,
            cols: Order::planes(conv.depth(), window.size(), tap),
            segments: if framed { window.kernel[0] } else { 1 },
            groups: conv.groups,
            width,
            tiles_fit: conv.filters - own + own.next_multiple_of(TILE)
                <= padded(plan.order.channels()).max(plan.order.pitch()),
        };
        let product = Product::new(plan, &matrix, rounding, cache)?;
        let unmoved = window.size() == 1
            && (window.stride, window.pad) == ([1, 1], [0, 0])
            && window.out == [window.height, window.width];
        let source = if unmoved && conv.groups == 1 && product.cols <= x_pitch {
            Source::Operand
        } else if framed && product.segments == window.kernel[0] {
            Source::Frame {
                extents: [frame(window, 0), frame(window, 1)],
            }
        } else {
            Source::Patches
        };
        Ok(Self {
            product,
            conv: conv.clone(),
            x_pitch,
            tap,
            source,
            rows: (0..window.out[0]).map(|y| window.rows(y)).collect(),
            columns: (0..window.out[1]).map(|x| window.columns(x)).collect(),
        })
    }

    /// `n` samples.
    pub(crate) fn run(&self, x: (&Buffer, usize), y: (&mut Buffer, usize), n: usize) {
        let positions = self.conv.window.windows();
        let (x_row, y_row) = (x.0.row_len(), y.0.row_len());
        // Rows of a result with several positions have whole pitches.
        let to = Results {
            first: y.1 * y_row,
            pitch: y_row / positions,
        };
        match self.source {
            Source::Operand if x_row == positions * self.x_pitch => {
                let inputs = Inputs {
                    buffer: x.0,
                    first: x.1 * x_row,
                    stride: self.x_pitch,
                    segment: 0,
                };
                let y = (y.0, to.first, to.pitch);
                self.product.run(0, inputs, y, n * positions);
            }
            Source::Frame { extents } => self.run_frames(extents, x, (y.0, to), n),
            Source::Operand | Source::Patches => self.run_patches(x, (y.0, to), n),
        }
    }

    /// Copies each sample, its padding included.
    fn run_frames(
        &self,
        [height, width]: [usize; 2],
        x: (&Buffer, usize),
        (y, to): (&mut Buffer, Results),
        n: usize,
    ) {
        let w = &self.conv.window;
        let row = width * self.x_pitch;
        // Behind the last segment there is room for what its last vector reads.
        let mut frame = Buffer::new(x.0.elem(), height * row + self.product.cols, 1);
        for sample in 0..n {
            let from = (x.1 + sample) * x.0.row_len();
            match (x.0.storage(), frame.storage_mut()) {
                (Storage::I16(x), Storage::I16(frame)) => self.frame(&x[from..], frame, row),
                (Storage::I32(x), Storage::I32(frame)) => self.frame(&x[from..], frame, row),
                (Storage::I64(x), Storage::I64(frame)) => self.frame(&x[from..], frame, row),
                _ => debug_assert!(false, "a frame has the operand's type"),
            }
            for oy in 0..w.out[0] {
                let inputs = Inputs {
                    buffer: &frame,
                    first: oy * w.stride[0] * row,
                    stride: w.stride[1] * self.x_pitch,
                    segment: w.dilation[0] * row,
                };
                let first = to.first + (sample * w.windows() + oy * w.out[1]) * to.pitch;
                self.product
                    .run(0, inputs, (&mut *y, first, to.pitch), w.out[1]);
            }
        }
    }

    /// Copies a sample into its frame, whose rows have so many places.
    fn frame<T: Element>(&self, x: &[T], frame: &mut [T], row: usize) {
        let w = &self.conv.window;
        let len = (row / self.x_pitch).saturating_sub(w.pad[1]).min(w.width) * self.x_pitch;
        let x_rows = x.chunks_exact(w.width * self.x_pitch).take(w.height);
        let rows = frame.chunks_exact_mut(row).skip(w.pad[0]);
        for (x, frame) in x_rows.zip(rows) {
            let first = row.min(w.pad[1] * self.x_pitch);
            frame[first..][..len].copy_from_slice(&x[..len]);
        }
    }

    /// Copies what each window sees.
    fn run_patches(&self, x: (&Buffer, usize), (y, to): (&mut Buffer, Results), n: usize) {
        let total = n * self.conv.window.windows();
        let cols = self.product.cols;
        let most = PATCH_BYTES / (cols * x.0.elem().size());
        // Even: vector code takes two at once.
        let most = (most.clamp(PATCHES.0, PATCHES.1) & !1).min(total);
        let mut patches = Buffer::new(x.0.elem(), cols, most);
        let stride = patches.row_len();
        for first in (0..total).step_by(most) {
            let windows = first..total.min(first + most);
            for group in 0..self.product.groups {
                let seen = Seen {
                    group,
                    samples: (x.1, x.0.row_len()),
                    windows: windows.clone(),
                    stride,
                };
                match (x.0.storage(), patches.storage_mut()) {
                    (Storage::I16(from), Storage::I16(to)) => self.lay(&seen, from, to),
                    (Storage::I32(from), Storage::I32(to)) => self.lay(&seen, from, to),
                    (Storage::I64(from), Storage::I64(to)) => self.lay(&seen, from, to),
                    _ => debug_assert!(false, "patches have the operand's type"),
                }
                let inputs = Inputs {
                    buffer: &patches,
                    first: 0,
                    stride,
                    segment: 0,
                };
                let y = (&mut *y, to.first + first * to.pitch, to.pitch);
                self.product.run(group, inputs, y, windows.len());
            }
        }
    }

    /// Copies what windows see of a group's channels.
    fn lay<T: Element>(&self, seen: &Seen, x: &[T], out: &mut [T]) {
        let w = &self.conv.window;
        let positions = w.windows();
        let contiguous = w.dilation[1] == 1 && self.tap == self.x_pitch;
        let channel = seen.group * self.conv.depth();
        let (first, row_len) = seen.samples;
        for (patch, window) in out.chunks_exact_mut(seen.stride).zip(seen.windows.clone()) {
            let (sample, position) = (window / positions, window % positions);
            let rows = self.rows[position / w.out[1]];
            let columns = self.columns[position % w.out[1]];
            if rows.count < w.kernel[0] || columns.count < w.kernel[1] {
                patch.fill(T::default());
            }
            if columns.count == 0 {
                continue;
            }
            let sample = &x[(first + sample) * row_len..][..row_len];
            for i in 0..rows.count {
                let row = (rows.start + i * w.dilation[0]) * w.width + columns.start;
                let to = ((rows.first + i) * w.kernel[1] + columns.first) * self.tap;
                if contiguous {
                    let len = columns.count * self.tap;
                    let from = &sample[row * self.x_pitch..][..len];
                    copy(from, &mut patch[to..][..len]);
                    continue;
                }
                for k in 0..columns.count {
                    let from = (row + k * w.dilation[1]) * self.x_pitch + channel;
                    let from = &sample[from..][..self.tap];
                    copy(from, &mut patch[to + k * self.tap..][..self.tap]);
                }
            }
        }
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.product.fingerprint()
    }

    pub(crate) fn data_bytes(&self) -> usize {
        self.product.data_bytes() + (self.rows.len() + self.columns.len()) * size_of::<Span>()
    }
}

/// Where results go.
#[derive(Clone, Copy)]
struct Results {
    /// The place of the first.
    first: usize,
    /// Places from one position to the next.
    pitch: usize,
}

/// Extent of a frame along an axis: what the windows reach.
fn frame(w: &Window, axis: usize) -> usize {
    (w.out[axis] - 1) * w.stride[axis] + (w.kernel[axis] - 1) * w.dilation[axis] + 1
}

/// What is copied at once.
struct Seen {
    group: usize,
    /// The first sample, and the places of a sample.
    samples: (usize, usize),
    /// Windows, counted over all samples from the first on.
    windows: Range<usize>,
    /// Elements from one patch to the next.
    stride: usize,
}

/// Copies slices of one length, mostly a short one: without a call.
#[inline(always)]
fn copy<T: Element>(from: &[T], to: &mut [T]) {
    let (blocks, rest) = from.as_chunks::<LANES>();
    let (to_blocks, to_rest) = to.as_chunks_mut::<LANES>();
    for (to, from) in to_blocks.iter_mut().zip(blocks) {
        *to = *from;
    }
    for (to, from) in to_rest.iter_mut().zip(rest) {
        *to = *from;
    }
}
