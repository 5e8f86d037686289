//! The MNIST test set.

use crate::Failure;
use ceg4n_ir::Format;
use std::ops::Range;
use std::path::Path;

/// Pixels per image.
const PIXELS: usize = 784;

/// Images as inputs of a network, with their labels.
pub(crate) struct Images {
    /// 0 to 1, image by image.
    pub(crate) pixels: Vec<f32>,
    pub(crate) labels: Vec<u8>,
}

impl Images {
    pub(crate) fn rows(&self, rows: Range<usize>) -> Self {
        Self {
            pixels: self.pixels[rows.start * PIXELS..rows.end * PIXELS].to_vec(),
            labels: self.labels[rows].to_vec(),
        }
    }

    pub(crate) fn images(&self) -> impl Iterator<Item = &[f32]> {
        self.pixels.chunks_exact(PIXELS)
    }

    /// The kernel's inputs.
    pub(crate) fn mantissas(&self, format: Format) -> Vec<i64> {
        let scale = 2f64.powi(format.frac());
        let one = |v: &f32| {
            ((f64::from(*v) * scale + 0.5).floor() as i64).clamp(format.min(), format.max())
        };
        self.pixels.iter().map(one).collect()
    }
}

pub(crate) fn load(benchmarks: &Path) -> Result<Images, Failure> {
    let read = |name: &str, header: usize| -> Result<Vec<u8>, Failure> {
        let raw = std::fs::read(benchmarks.join("mnist").join(name))?;
        Ok(ceg4n_import::unpacked(name, raw)?.split_off(header))
    };
    let pixels = read("t10k-images-idx3-ubyte.gz", 16)?;
    Ok(Images {
        pixels: pixels.iter().map(|p| f32::from(*p) / 255.0).collect(),
        labels: read("t10k-labels-idx1-ubyte.gz", 8)?,
    })
}
