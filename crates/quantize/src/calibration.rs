//! Samples that quantizers measure activations on.

use crate::ranges::space_of;
use ceg4n_base::{ContentHash, Hasher};
use ceg4n_ir::Region;
use ceg4n_verify::attack;

/// Inputs of a network: what data it is meant for, or points of its regions.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    inputs: Vec<f32>,
    len: usize,
    hash: ContentHash,
}

impl Calibration {
    /// Samples of `len` features each, one after the other.
    ///
    /// # Errors
    /// A sentence on what is wrong: no whole number of samples, none at all, a value that is no
    /// finite number.
    pub fn new(inputs: Vec<f32>, len: usize) -> Result<Self, String> {
        if len == 0 || inputs.is_empty() || !inputs.len().is_multiple_of(len) {
            return Err(format!(
                "{} values are not one or more samples of {len} features",
                inputs.len()
            ));
        }
        if let Some(i) = inputs.iter().position(|v| !v.is_finite()) {
            return Err(format!(
                "feature {} of sample {} is {}",
                i % len,
                i / len,
                inputs[i]
            ));
        }
        let mut h = Hasher::new("calibration");
        h.int(len as i64);
        let bytes: Vec<u8> = inputs.iter().flat_map(|v| v.to_le_bytes()).collect();
        h.bytes(&bytes);
        let hash = h.finish();
        Ok(Self { inputs, len, hash })
    }

    /// Points of regions: centre, corners and `per_region` random ones of each.
    ///
    /// # Errors
    /// As [`Self::new`], for instance without a region.
    pub fn from_regions(regions: &[Region], per_region: u64) -> Result<Self, String> {
        let len = regions.first().map_or(0, |r| r.lower.len());
        let mut inputs = Vec::new();
        for region in regions {
            for x in attack::seeds(&space_of(region), &region.center(), per_region) {
                inputs.extend(x.iter().map(|v| *v as f32));
            }
        }
        Self::new(inputs, len)
    }

    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.inputs.len() / self.len
    }

    /// Features of a sample.
    pub fn features(&self) -> usize {
        self.len
    }

    /// The samples, one after the other.
    pub fn inputs(&self) -> &[f32] {
        &self.inputs
    }

    /// Hash of the samples in their order.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }
}

impl std::fmt::Display for Calibration {
    /// `1000 samples (1f2e3d4c5b6a)`: what the name of a search space tells of it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} samples ({})", self.samples(), self.hash.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_sets_are_refused() {
        assert!(Calibration::new(vec![], 2).is_err());
        assert!(Calibration::new(vec![1.0], 0).is_err());
        assert!(Calibration::new(vec![1.0; 3], 2).is_err());
        let e = Calibration::new(vec![0.0, 0.0, 0.0, f32::NAN], 2).unwrap_err();
        assert_eq!(e, "feature 1 of sample 1 is NaN");
        assert!(Calibration::from_regions(&[], 3).is_err());
    }

    #[test]
    fn the_hash_tells_sets_apart() {
        let set = |v: &[f32], n| Calibration::new(v.to_vec(), n).unwrap();
        let a = set(&[0.0, 1.0, 2.0, 3.0], 2);
        assert_eq!((a.samples(), a.features()), (2, 2));
        assert_eq!(a.hash(), set(&[0.0, 1.0, 2.0, 3.0], 2).hash());
        assert_ne!(a.hash(), set(&[0.0, 1.0, 2.0, 3.0], 4).hash());
        assert_ne!(a.hash(), set(&[1.0, 0.0, 2.0, 3.0], 2).hash());
    }
}
