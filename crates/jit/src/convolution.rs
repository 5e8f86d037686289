//! Convolutions as products: the elements that a window sees are copied next to each other, and
//! what follows is a dense product for each position of the result. Chellapilla, Puri and Simard,
//! "High Performance Convolutional Neural Networks for Document Processing" (2006).

use crate::buffer::{Buffer, Element, Storage};
use crate::cache::CodeCache;
use crate::error::JitError;
use crate::order::Order;
use crate::plan::StagePlan;
use crate::shape::{TILE, padded};
use crate::work::{Matrix, Product};
use ceg4n_ir::Rounding;
use ceg4n_ir::window::{Conv, Span};
use std::ops::Range;
use std::sync::Arc;

/// Bytes of patches that are laid out at once; about half a first-level cache.
const PATCH_BYTES: usize = 24 << 10;

/// Limits of their number.
const PATCHES: (usize, usize) = (8, 1024);

/// A convolution over channels that lie next to each other.
#[derive(Clone)]
pub(crate) struct Convolution {
    product: Product,
    conv: Arc<Conv>,
    /// Places from one position of the operand to the next.
    x_pitch: usize,
    /// Elements of a patch for each tap: the channels of a group, or the whole pitch.
    tap: usize,
    /// Patches are the operand itself.
    direct: bool,
    /// For each row of the result the window rows inside the operand.
    rows: Vec<Span>,
    /// The same of columns.
    columns: Vec<Span>,
}

impl PartialEq for Convolution {
    fn eq(&self, other: &Self) -> bool {
        (self.x_pitch, self.tap) == (other.x_pitch, other.tap)
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
        // Padding between positions meets weights 0. Copying it too is faster, if it is little.
        let whole = conv.groups == 1 && window.size() > 1 && x_pitch * 4 <= channels * 5;
        let tap = if whole { x_pitch } else { conv.depth() };
        let own = conv.filters / conv.groups;
        let matrix = Matrix {
            weight,
            cols: Order::planes(conv.depth(), window.size(), tap),
            groups: conv.groups,
            width,
            tiles_fit: conv.filters - own + own.next_multiple_of(TILE)
                <= padded(plan.order.channels()).max(plan.order.pitch()),
        };
        let product = Product::new(plan, &matrix, rounding, cache)?;
        let unmoved = window.size() == 1
            && (window.stride, window.pad) == ([1, 1], [0, 0])
            && window.out == [window.height, window.width];
        let direct = unmoved && conv.groups == 1 && product.cols <= x_pitch;
        Ok(Self {
            product,
            conv: conv.clone(),
            x_pitch,
            tap,
            direct,
            rows: (0..window.out[0]).map(|y| window.rows(y)).collect(),
            columns: (0..window.out[1]).map(|x| window.columns(x)).collect(),
        })
    }

    /// `n` samples.
    pub(crate) fn run(&self, x: (&Buffer, usize), y: (&mut Buffer, usize), n: usize) {
        let positions = self.conv.window.windows();
        let (x_row, y_row) = (x.0.row_len(), y.0.row_len());
        // Rows of a result with several positions have whole pitches.
        let y_pitch = y_row / positions;
        let y_at = |first: usize| y.1 * y_row + first * y_pitch;
        let total = n * positions;
        if self.direct && x_row == positions * self.x_pitch {
            let x = (x.0, x.1 * x_row, self.x_pitch);
            let first = y_at(0);
            return self.product.run(0, x, (y.0, first, y_pitch), total);
        }
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
                    samples: (x.1, x_row),
                    windows: windows.clone(),
                    stride,
                };
                match (x.0.storage(), patches.storage_mut()) {
                    (Storage::I16(from), Storage::I16(to)) => self.lay(&seen, from, to),
                    (Storage::I32(from), Storage::I32(to)) => self.lay(&seen, from, to),
                    (Storage::I64(from), Storage::I64(to)) => self.lay(&seen, from, to),
                    _ => debug_assert!(false, "patches have the operand's type"),
                }
                let x = (&patches, 0, stride);
                let y = (&mut *y.0, y_at(first), y_pitch);
                self.product.run(group, x, y, windows.len());
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
                    patch[to..][..len].copy_from_slice(from);
                    continue;
                }
                for k in 0..columns.count {
                    let from = (row + k * w.dilation[1]) * self.x_pitch + channel;
                    let from = &sample[from..][..self.tap];
                    patch[to + k * self.tap..][..self.tap].copy_from_slice(from);
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
