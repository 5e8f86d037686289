//! Many finite numbers in little memory.

/// Finite numbers: in single precision as long as every one of them is a float32 exactly.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// All of them are float32.
    F32(Vec<f32>),
    /// Some are not.
    F64(Vec<f64>),
}

impl Default for Values {
    fn default() -> Self {
        Self::F32(Vec::new())
    }
}

impl Values {
    /// Adds a number; exactly, whatever it is.
    pub fn push(&mut self, v: f64) {
        match self {
            Self::F32(list) => {
                let narrow = v as f32;
                // Also the sign of a zero survives, and NaN, which is no number of a data set.
                if f64::from(narrow).to_bits() == v.to_bits() {
                    list.push(narrow);
                } else {
                    let mut wide: Vec<f64> = list.iter().map(|v| f64::from(*v)).collect();
                    wide.push(v);
                    *self = Self::F64(wide);
                }
            }
            Self::F64(list) => list.push(v),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(list) => list.len(),
            Self::F64(list) => list.len(),
        }
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number at a place below [`Self::len`].
    pub fn at(&self, i: usize) -> f64 {
        match self {
            Self::F32(list) => f64::from(list[i]),
            Self::F64(list) => list[i],
        }
    }

    /// Replaces `out` by the numbers of a range within [`Self::len`].
    pub fn copy(&self, range: std::ops::Range<usize>, out: &mut Vec<f64>) {
        out.clear();
        match self {
            Self::F32(list) => out.extend(list[range].iter().map(|v| f64::from(*v))),
            Self::F64(list) => out.extend_from_slice(&list[range]),
        }
    }

    /// Makes room for more.
    pub(super) fn reserve(&mut self, n: usize) {
        match self {
            Self::F32(list) => list.reserve(n),
            Self::F64(list) => list.reserve(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_exact_and_single_as_long_as_they_can() {
        let mut v = Values::default();
        for x in [
            1.0,
            -0.0,
            0.1f32.into(),
            f32::from_bits(1).into(),
            f32::MAX.into(),
        ] {
            v.push(x);
        }
        let Values::F32(list) = &v else {
            panic!("all are single: {v:?}");
        };
        assert_eq!(list.len(), 5);
    }

    #[test]
    fn the_first_double_widens_all() {
        let mut v = Values::default();
        let list = [-0.0, f64::from(0.1f32), 0.1, 1e300, 5e-324];
        list.iter().for_each(|x| v.push(*x));
        assert!(matches!(v, Values::F64(_)));
        let back: Vec<u64> = (0..v.len()).map(|i| v.at(i).to_bits()).collect();
        assert_eq!(back, list.map(f64::to_bits));
        let mut part = Vec::new();
        v.copy(1..3, &mut part);
        assert_eq!(part, list[1..3]);
    }
}
