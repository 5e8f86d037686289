//! Structured linear maps `y = W·x + b` of a chain: dense blocks, convolutions that stay
//! convolutions, sparse rows, and ranges that are copied.
//!
//! A map's rows are cut into [`Block`]s. Each block reads one range of the operand, so that a layer
//! on one part of the state passes the other parts through for the price of a copy. Floating-point
//! errors are charged by the callers, from the sums that the methods here return.

use super::linalg;
use std::sync::Arc;

/// Constants with what their conversion to `f64` may have lost.
#[derive(Clone, Debug, Default)]
pub struct Constant {
    /// Nearest floats.
    pub value: Vec<f64>,
    /// Bounds of `|exact - value|`.
    pub error: Vec<f64>,
}

impl Constant {
    /// Constants that are floats.
    pub fn exact(value: Vec<f64>) -> Self {
        let error = vec![0.0; value.len()];
        Self { value, error }
    }
}

/// `y = W·x + b`.
#[derive(Clone, Debug)]
pub struct Linear {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub cols: usize,
    /// The matrix: every row belongs to one block, in order.
    blocks: Vec<Block>,
    /// `rows` constants.
    pub bias: Constant,
    /// Each weight is within `slack·2^-52` of its size of what it stands for. A row's sum is then
    /// off by at most `slack·2^-52·Σ|w|·|x|`, which [`super::forward::Bounds::loss`] holds.
    pub slack: usize,
    /// The most terms that a row has.
    terms: usize,
}

/// Some rows of a map: `map` applied to the operand's elements from `from` on.
#[derive(Clone, Debug)]
pub struct Block {
    /// The first row.
    pub at: usize,
    /// The first element of the operand that the map sees.
    pub from: usize,
    /// What it does.
    pub map: Map,
}

/// A matrix.
#[derive(Clone, Debug)]
pub enum Map {
    /// The identity on so many elements.
    Copy(usize),
    /// `rows × cols` weights, row-major.
    Dense {
        /// The weights.
        weight: Arc<[f64]>,
        /// Outputs.
        rows: usize,
        /// Inputs.
        cols: usize,
    },
    /// A convolution.
    Conv(Conv),
    /// Few terms per row.
    Sparse(Sparse),
}

/// A convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// `filters × channels/groups × kernel` weights.
    pub weight: Arc<[f64]>,
    /// Where the taps are.
    pub shape: Arc<ceg4n_ir::Conv>,
}

/// Rows of few terms: row `j` has those from `start[j]` to `start[j + 1]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sparse {
    start: Vec<u32>,
    col: Vec<u32>,
    weight: Vec<f64>,
    cols: usize,
}

impl Sparse {
    /// No rows, over `cols` elements.
    pub fn new(cols: usize) -> Self {
        Self {
            start: vec![0],
            cols,
            ..Self::default()
        }
    }

    /// Adds a row of terms `(column, weight)`.
    pub fn push(&mut self, terms: impl IntoIterator<Item = (usize, f64)>) {
        for (c, w) in terms {
            debug_assert!(c < self.cols, "a column of the operand");
            self.col.push(c as u32);
            self.weight.push(w);
        }
        self.start.push(self.col.len() as u32);
    }

    fn rows(&self) -> usize {
        self.start.len() - 1
    }

    fn row(&self, j: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.start[j] as usize..self.start[j + 1] as usize;
        let cols = self.col[range.clone()].iter().map(|c| *c as usize);
        cols.zip(self.weight[range].iter().copied())
    }
}

impl Conv {
    /// Runs of taps of output `j`: first column, first weight, number; columns and weights of a
    /// run are neighbours.
    fn runs(&self, j: usize, mut f: impl FnMut(usize, usize, usize)) {
        let (shape, window) = (&*self.shape, &self.shape.window);
        let (m, o) = (j / window.windows(), j % window.windows());
        let rows = window.rows(o / window.out[1]);
        let columns = window.columns(o % window.out[1]);
        let (first, weights) = (shape.first_channel(m), m * shape.filter_len());
        if columns.count == 0 {
            return;
        }
        let [down, across] = window.dilation;
        for c in 0..shape.depth() {
            for u in 0..rows.count {
                let y = rows.start + u * down;
                let at = (first + c) * window.plane() + y * window.width + columns.start;
                let tap = (rows.first + u) * window.kernel[1] + columns.first;
                let w = weights + c * window.size() + tap;
                if across == 1 {
                    f(at, w, columns.count);
                } else {
                    (0..columns.count).for_each(|v| f(at + v * across, w + v, 1));
                }
            }
        }
    }
}

impl Map {
    fn rows(&self) -> usize {
        match self {
            Self::Copy(n) => *n,
            Self::Dense { rows, .. } => *rows,
            Self::Conv(c) => c.shape.output_len(),
            Self::Sparse(s) => s.rows(),
        }
    }

    fn cols(&self) -> usize {
        match self {
            Self::Copy(n) => *n,
            Self::Dense { cols, .. } => *cols,
            Self::Conv(c) => c.shape.window.input_len(),
            Self::Sparse(s) => s.cols,
        }
    }

    fn terms(&self) -> usize {
        match self {
            Self::Copy(_) => 1,
            Self::Dense { cols, .. } => *cols,
            Self::Conv(c) => c.shape.filter_len(),
            Self::Sparse(s) => {
                let ends = s.start.windows(2).map(|w| (w[1] - w[0]) as usize);
                ends.max().unwrap_or(0)
            }
        }
    }

    fn each(&self, j: usize, mut f: impl FnMut(usize, f64)) {
        match self {
            Self::Copy(_) => f(j, 1.0),
            Self::Dense { weight, cols, .. } => {
                let row = &weight[j * cols..(j + 1) * cols];
                row.iter().enumerate().for_each(|(k, w)| f(k, *w));
            }
            Self::Conv(c) => c.runs(j, |at, w, n| {
                let weights = &c.weight[w..w + n];
                weights.iter().zip(at..).for_each(|(w, at)| f(at, *w));
            }),
            Self::Sparse(s) => s.row(j).for_each(|(k, w)| f(k, w)),
        }
    }

    /// `y = W·x` in plain floating point.
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        let dot = |w: &[f64], x: &[f64]| -> f64 { w.iter().zip(x).map(|(w, x)| w * x).sum() };
        match self {
            Self::Copy(n) => y.copy_from_slice(&x[..*n]),
            Self::Dense { weight, cols, .. } => {
                let rows = y.iter_mut().enumerate();
                rows.for_each(|(j, y)| *y = dot(&weight[j * cols..(j + 1) * cols], x));
            }
            Self::Conv(c) => {
                for (j, y) in y.iter_mut().enumerate() {
                    let mut sum = 0.0;
                    c.runs(j, |at, w, n| {
                        sum += dot(&c.weight[w..w + n], &x[at..at + n])
                    });
                    *y = sum;
                }
            }
            Self::Sparse(s) => {
                let rows = y.iter_mut().enumerate();
                rows.for_each(|(j, y)| *y = s.row(j).map(|(k, w)| w * x[k]).sum());
            }
        }
    }

    /// `y += a·W` for one row `a` of coefficients; rows of `W` with a coefficient of zero are
    /// passed over.
    fn back(&self, a: &[f64], y: &mut [f64]) {
        match self {
            Self::Dense { weight, cols, .. } => linalg::combine(&mut y[..*cols], a, weight, *cols),
            Self::Copy(_) => y.iter_mut().zip(a).for_each(|(y, a)| *y += a),
            Self::Conv(c) => {
                for (j, a) in a.iter().enumerate().filter(|(_, a)| **a != 0.0) {
                    c.runs(j, |at, w, n| {
                        let to = y[at..at + n].iter_mut();
                        to.zip(&c.weight[w..w + n]).for_each(|(y, w)| *y += a * w);
                    });
                }
            }
            Self::Sparse(s) => {
                for (j, a) in a.iter().enumerate().filter(|(_, a)| **a != 0.0) {
                    s.row(j).for_each(|(k, w)| y[k] += a * w);
                }
            }
        }
    }

    /// The same places of weights, if so: both lists of weights.
    fn weights<'a>(&'a self, other: &'a Self) -> Option<(&'a [f64], &'a [f64])> {
        match (self, other) {
            (Self::Copy(a), Self::Copy(b)) => (a == b).then_some((&[][..], &[][..])),
            (
                Self::Dense {
                    weight: a,
                    rows,
                    cols,
                },
                Self::Dense {
                    weight: b,
                    rows: r,
                    cols: c,
                },
            ) => ((rows, cols) == (r, c)).then_some((&a[..], &b[..])),
            (Self::Conv(a), Self::Conv(b)) => {
                (a.shape == b.shape).then_some((&a.weight[..], &b.weight[..]))
            }
            (Self::Sparse(a), Self::Sparse(b)) => {
                let same = a.start == b.start && a.col == b.col && a.cols == b.cols;
                same.then_some((&a.weight[..], &b.weight[..]))
            }
            (Self::Copy(_) | Self::Dense { .. } | Self::Conv(_) | Self::Sparse(_), _) => None,
        }
    }

    fn with(&self, weight: Vec<f64>) -> Self {
        match self {
            // The difference of two identities has no terms.
            Self::Copy(n) => {
                let mut zero = Sparse::new(*n);
                (0..*n).for_each(|_| zero.push([]));
                Self::Sparse(zero)
            }
            Self::Dense { rows, cols, .. } => Self::Dense {
                weight: weight.into(),
                rows: *rows,
                cols: *cols,
            },
            Self::Conv(c) => Self::Conv(Conv {
                weight: weight.into(),
                shape: c.shape.clone(),
            }),
            Self::Sparse(s) => Self::Sparse(Sparse {
                weight,
                ..s.clone()
            }),
        }
    }
}

impl Linear {
    /// A map of blocks; their first rows are set here, in order.
    pub fn new(
        cols: usize,
        blocks: impl IntoIterator<Item = (usize, Map)>,
        bias: Constant,
        slack: usize,
    ) -> Self {
        let mut at = 0;
        let mut placed: Vec<Block> = Vec::new();
        for (from, map) in blocks {
            debug_assert!(from + map.cols() <= cols, "a block reads the operand");
            let rows = map.rows();
            match placed.last_mut() {
                // Neighbours that are copied are one block.
                Some(Block {
                    from: first,
                    map: Map::Copy(n),
                    ..
                }) if *first + *n == from && matches!(map, Map::Copy(_)) => *n += rows,
                Some(_) | None => placed.push(Block { at, from, map }),
            }
            at += rows;
        }
        debug_assert!(
            bias.value.len() == at && bias.error.len() == at,
            "a bias a row"
        );
        Self {
            rows: at,
            cols,
            terms: placed.iter().map(|b| b.map.terms()).max().unwrap_or(0),
            blocks: placed,
            bias,
            slack,
        }
    }

    /// A dense layer: `rows × cols` weights, row-major.
    pub fn dense(weight: Arc<[f64]>, bias: Constant, cols: usize) -> Self {
        let rows = bias.value.len();
        Self::new(cols, [(0, Map::Dense { weight, rows, cols })], bias, 0)
    }

    /// The blocks, in the order of their rows.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The most terms that a row sums, without its bias.
    pub fn terms(&self) -> usize {
        self.terms
    }

    /// The weights, if the map is one dense matrix.
    pub fn matrix(&self) -> Option<&Arc<[f64]>> {
        match &self.blocks[..] {
            [
                Block {
                    from: 0,
                    map: Map::Dense { weight, cols, .. },
                    ..
                },
            ] if *cols == self.cols => Some(weight),
            _other_blocks => None,
        }
    }

    /// Calls `f` with each column and weight of row `j`; columns may come more than once.
    pub fn each(&self, j: usize, mut f: impl FnMut(usize, f64)) {
        let next = self.blocks.partition_point(|b| b.at <= j);
        if let Some(b) = next.checked_sub(1).map(|i| &self.blocks[i]) {
            b.map.each(j - b.at, |k, w| f(b.from + k, w));
        }
    }

    /// `W·x + b` in plain floating point.
    pub fn apply(&self, x: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; self.rows];
        self.apply_into(x, &mut y);
        y
    }

    /// As [`Self::apply`], into `y`.
    pub fn apply_into(&self, x: &[f64], y: &mut [f64]) {
        for b in &self.blocks {
            let (x, n) = (&x[b.from..], b.map.rows());
            b.map.apply(x, &mut y[b.at..b.at + n]);
        }
        y.iter_mut()
            .zip(&self.bias.value)
            .for_each(|(y, b)| *y += b);
    }

    /// For each row the sum `Σ|w|·size`; a zero weight adds nothing.
    pub fn reach(&self, size: &[f64]) -> Vec<f64> {
        (0..self.rows)
            .map(|j| {
                let mut s = 0.0;
                self.each(j, |k, w| {
                    if w != 0.0 {
                        s += w.abs() * size[k];
                    }
                });
                s
            })
            .collect()
    }

    /// For each row the sums `Σ w·c`, `Σ |w|·r` and `Σ |w|·s`.
    pub fn sums(&self, c: &[f64], r: &[f64], s: &[f64]) -> Vec<[f64; 3]> {
        let mut out = Vec::with_capacity(self.rows);
        for b in &self.blocks {
            if let Map::Dense { weight, cols, .. } = &b.map
                && *cols > 0
            {
                let of = b.from..b.from + cols;
                let (c, r, s) = (&c[of.clone()], &r[of.clone()], &s[of]);
                out.extend(linalg::row_sums(weight, c, r, s));
                continue;
            }
            for j in 0..b.map.rows() {
                let mut sums = [0.0; 3];
                b.map.each(j, |k, w| {
                    let k = b.from + k;
                    sums[0] += w * c[k];
                    sums[1] += w.abs() * r[k];
                    sums[2] += w.abs() * s[k];
                });
                out.push(sums);
            }
        }
        out
    }

    /// `coef·W` for `count` rows of coefficients; rows of `W` with a coefficient of zero are passed
    /// over, also where they are not finite.
    pub fn back(&self, count: usize, coef: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; count * self.cols];
        self.back_into(count, coef, &mut out);
        out
    }

    /// As [`Self::back`] for coefficients that are zero but at ascending `places`: also where the
    /// results may be other than zero, unless these are many.
    pub fn back_some(
        &self,
        count: usize,
        coef: &[f64],
        places: &[usize],
    ) -> (Vec<f64>, Option<Vec<usize>>) {
        let mut seen = vec![false; self.cols];
        places
            .iter()
            .for_each(|j| self.each(*j, |k, _| seen[k] = true));
        let support: Vec<usize> = (0..self.cols).filter(|k| seen[*k]).collect();
        if 4 * support.len() > self.cols {
            return (self.back(count, coef), None);
        }
        let mut out = vec![0.0; count * self.cols];
        let rows = coef.chunks_exact(self.rows.max(1));
        for (a, y) in rows.zip(out.chunks_exact_mut(self.cols.max(1))) {
            for j in places.iter().filter(|j| a[**j] != 0.0) {
                let a = a[*j];
                self.each(*j, |k, w| y[k] += a * w);
            }
        }
        (out, Some(support))
    }

    /// As [`Self::back`], added to `out`.
    pub fn back_into(&self, count: usize, coef: &[f64], out: &mut [f64]) {
        if let Some(weight) = self.matrix() {
            linalg::accumulate(out, coef, weight, (count, self.rows, self.cols));
            return;
        }
        if self.cols == 0 || self.rows == 0 {
            return;
        }
        for (a, y) in coef
            .chunks_exact(self.rows)
            .zip(out.chunks_exact_mut(self.cols))
        {
            for b in &self.blocks {
                let a = &a[b.at..b.at + b.map.rows()];
                b.map.back(a, &mut y[b.from..b.from + b.map.cols()]);
            }
        }
    }

    /// `y[:, ..n] += W·x`, `x` of `n` columns, `y` of rows of `stride` elements; rows of `x` that
    /// `used` denies are passed over.
    pub fn forward_into(
        &self,
        y: &mut [f64],
        stride: usize,
        x: &[f64],
        n: usize,
        used: impl Fn(usize) -> bool,
    ) {
        if n == 0 {
            return;
        }
        let mut terms = Vec::new();
        for (j, y) in y.chunks_exact_mut(stride).enumerate() {
            terms.clear();
            self.each(j, |k, w| {
                if w != 0.0 && used(k) {
                    terms.push((w, k * n));
                }
            });
            linalg::gather(&mut y[..n], &terms, x);
        }
    }

    /// True if both have their weights in the same places.
    pub fn is_like(&self, other: &Self) -> bool {
        let alike = |(a, b): (&Block, &Block)| {
            (a.at, a.from) == (b.at, b.from) && a.map.weights(&b.map).is_some()
        };
        (self.rows, self.cols, self.blocks.len()) == (other.rows, other.cols, other.blocks.len())
            && self.blocks.iter().zip(&other.blocks).all(alike)
    }

    /// `self - other`, each weight and constant rounded once; the constants' errors are summed.
    /// `None` where their weights are in different places.
    pub fn minus(&self, other: &Self) -> Option<Self> {
        if !self.is_like(other) {
            return None;
        }
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for (a, b) in self.blocks.iter().zip(&other.blocks) {
            let (x, y) = a.map.weights(&b.map)?;
            let weight = x.iter().zip(y).map(|(x, y)| x - y).collect();
            blocks.push((a.from, a.map.with(weight)));
        }
        let (p, q) = (&self.bias, &other.bias);
        let bias = Constant {
            value: p.value.iter().zip(&q.value).map(|(a, b)| a - b).collect(),
            error: p.error.iter().zip(&q.error).map(|(a, b)| a + b).collect(),
        };
        Some(Self::new(self.cols, blocks, bias, self.slack + other.slack))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(groups: usize, stride: usize, dilation: usize, pad: usize) -> ceg4n_ir::Conv {
        let (channels, height, width, kernel) = (4, 6, 5, [3, 2]);
        let out = |n: usize, k: usize| (n + 2 * pad - dilation * (k - 1) - 1) / stride + 1;
        ceg4n_ir::Conv {
            window: ceg4n_ir::Window {
                channels,
                height,
                width,
                kernel,
                stride: [stride; 2],
                dilation: [dilation; 2],
                pad: [pad; 2],
                out: [out(height, kernel[0]), out(width, kernel[1])],
            },
            filters: 4,
            groups,
        }
    }

    /// The matrix of a convolution by its terms.
    fn unrolled(shape: &ceg4n_ir::Conv, weight: &[f64]) -> Vec<f64> {
        let (w, cols) = (&shape.window, shape.window.input_len());
        let mut matrix = vec![0.0; shape.output_len() * cols];
        for j in 0..shape.output_len() {
            let (m, o) = (j / w.windows(), j % w.windows());
            for (k, t) in shape.terms(m, o / w.out[1], o % w.out[1]) {
                matrix[j * cols + k] += weight[t];
            }
        }
        matrix
    }

    fn number(i: usize) -> f64 {
        ((i * 7919 + 13) % 101) as f64 - 50.0
    }

    #[test]
    fn convolutions_are_their_matrices() {
        for (groups, stride, dilation, pad) in [
            (1, 1, 1, 0),
            (1, 2, 1, 1),
            (2, 1, 2, 2),
            (4, 3, 1, 3),
            (1, 2, 2, 0),
        ] {
            let shape = shape(groups, stride, dilation, pad);
            let weight: Arc<[f64]> = (0..shape.filters * shape.filter_len())
                .map(number)
                .collect();
            let matrix = unrolled(&shape, &weight);
            let (rows, cols) = (shape.output_len(), shape.window.input_len());
            let bias = Constant::exact((0..rows).map(|i| number(i + 3)).collect());
            let conv = Map::Conv(Conv {
                weight,
                shape: Arc::new(shape),
            });
            let a = Linear::new(cols, [(0, conv)], bias.clone(), 0);
            let b = Linear::dense(matrix.into(), bias, cols);
            let x: Vec<f64> = (0..cols).map(|i| number(i + 1)).collect();
            assert_eq!(a.apply(&x), b.apply(&x));
            let size: Vec<f64> = x.iter().map(|v| v.abs()).collect();
            assert_eq!(a.reach(&size), b.reach(&size));
            assert_eq!(a.sums(&x, &size, &size), b.sums(&x, &size, &size));
            let coef: Vec<f64> = (0..2 * rows).map(|i| number(i) % 3.0).collect();
            assert_eq!(a.back(2, &coef), b.back(2, &coef));
            let mut few = vec![0.0; 2 * rows];
            for j in [1, 3, rows - 1] {
                (few[j], few[rows + j]) = (number(j), -1.0);
            }
            let (some, support) = a.back_some(2, &few, &[1, 3, rows - 1]);
            assert_eq!(some, a.back(2, &few));
            let inside = |k: usize| support.as_ref().is_none_or(|s| s.contains(&(k % cols)));
            assert!((0..2 * cols).all(|k| some[k] == 0.0 || inside(k)));
            let wide: Vec<f64> = (0..cols * 3).map(number).collect();
            let (mut p, mut q) = (vec![0.0; rows * 4], vec![0.0; rows * 4]);
            a.forward_into(&mut p, 4, &wide, 3, |_| true);
            b.forward_into(&mut q, 4, &wide, 3, |_| true);
            assert_eq!(p, q);
        }
    }

    #[test]
    fn blocks_read_their_ranges() {
        let mut pairs = Sparse::new(4);
        pairs.push([(0, 1.0), (3, -2.0)]);
        pairs.push([]);
        let blocks = [
            (1, Map::Copy(2)),
            (3, Map::Copy(1)),
            (0, Map::Sparse(pairs)),
            (
                2,
                Map::Dense {
                    weight: [2.0, 3.0].into(),
                    rows: 1,
                    cols: 2,
                },
            ),
        ];
        let bias = Constant::exact(vec![0.0, 0.0, 0.0, 5.0, 7.0, 0.0]);
        let m = Linear::new(4, blocks, bias, 0);
        assert_eq!((m.blocks().len(), m.rows, m.terms()), (3, 6, 2));
        assert_eq!(
            m.apply(&[1.0, 10.0, 100.0, 1000.0]),
            [10.0, 100.0, 1000.0, -1994.0, 7.0, 3200.0]
        );
        let back = m.back(1, &[1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
        assert_eq!(back, [1.0, 1.0, 1.0, -1.0]);
        let gap = m.minus(&m).expect("the same places");
        assert!(gap.apply(&[3.0; 4]).iter().all(|v| *v == 0.0));
        assert!(
            m.minus(&Linear::dense([0.0; 24].into(), m.bias.clone(), 4))
                .is_none()
        );
    }
}
