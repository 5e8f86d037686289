//! Dense products for bounds, with the widest vectors that the machine has. No operation is
//! fused or reordered by the choice of vectors, so results are the same on every machine.

use pulp::{Arch, WithSimd};

/// `c += a·b`: `a` is `m×k`, `b` is `k×n`, `c` is `m×n`, all row-major.
///
/// Rows of `b` whose coefficient is zero are passed over, also where they are not finite.
pub fn accumulate(c: &mut [f64], a: &[f64], b: &[f64], (m, k, n): (usize, usize, usize)) {
    debug_assert!(c.len() == m * n, "the sizes of a product agree");
    accumulate_into(c, n, a, b, (m, k, n));
}

/// As [`accumulate`], into the first `n` columns of rows of `stride` elements.
pub fn accumulate_into(
    c: &mut [f64],
    stride: usize,
    a: &[f64],
    b: &[f64],
    (m, k, n): (usize, usize, usize),
) {
    debug_assert!(c.len() == m * stride && a.len() == m * k && b.len() == k * n);
    if n == 0 || k == 0 {
        return;
    }
    Arch::new().dispatch(Product {
        c,
        stride,
        a,
        b,
        k,
        n,
    });
}

/// For each row `w` of `weights` the sums `Σ w·c`, `Σ |w|·r` and `Σ |w|·s`.
pub fn row_sums(weights: &[f64], c: &[f64], r: &[f64], s: &[f64]) -> Vec<[f64; 3]> {
    if c.is_empty() {
        return Vec::new();
    }
    Arch::new().dispatch(RowSums { weights, c, r, s })
}

/// `y += Σ_j a[j]·rows[j]` for the rows given by offset into `b`, each of `y`'s length.
pub fn combine(y: &mut [f64], a: &[f64], b: &[f64], stride: usize) {
    if y.is_empty() {
        return;
    }
    Arch::new().dispatch(Combine { y, a, b, stride });
}

/// `y += Σ w·b[at..]` over terms `(w, at)`.
pub fn gather(y: &mut [f64], terms: &[(f64, usize)], b: &[f64]) {
    if y.is_empty() || terms.is_empty() {
        return;
    }
    Arch::new().dispatch(Gather { y, terms, b });
}

/// `Σ |v|`, in four interleaved sums.
pub fn magnitude(v: &[f64]) -> f64 {
    Arch::new().dispatch(Magnitude(v))
}

struct Product<'a> {
    c: &'a mut [f64],
    stride: usize,
    a: &'a [f64],
    b: &'a [f64],
    k: usize,
    n: usize,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let outputs = self.c.chunks_exact_mut(self.stride);
        for (y, a) in outputs.zip(self.a.chunks_exact(self.k)) {
            rows(&mut y[..self.n], a, self.b, self.n);
        }
    }
}

struct RowSums<'a> {
    weights: &'a [f64],
    c: &'a [f64],
    r: &'a [f64],
    s: &'a [f64],
}

impl WithSimd for RowSums<'_> {
    type Output = Vec<[f64; 3]>;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Vec<[f64; 3]> {
        let rows = self.weights.chunks_exact(self.c.len());
        rows.map(|w| sums(w, self.c, self.r, self.s)).collect()
    }
}

/// Interleaved sums of one row.
#[inline(always)]
fn sums(w: &[f64], c: &[f64], r: &[f64], s: &[f64]) -> [f64; 3] {
    const LANES: usize = 8;
    let mut acc = [[0.0; LANES]; 3];
    let n = w.len() / LANES * LANES;
    let wide = w[..n].chunks_exact(LANES).zip(c[..n].chunks_exact(LANES));
    let sizes = r[..n].chunks_exact(LANES).zip(s[..n].chunks_exact(LANES));
    for ((w, c), (r, s)) in wide.zip(sizes) {
        for k in 0..LANES {
            acc[0][k] += w[k] * c[k];
            acc[1][k] += w[k].abs() * r[k];
            acc[2][k] += w[k].abs() * s[k];
        }
    }
    for i in n..w.len() {
        acc[0][0] += w[i] * c[i];
        acc[1][0] += w[i].abs() * r[i];
        acc[2][0] += w[i].abs() * s[i];
    }
    acc.map(|v| ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7])))
}

struct Combine<'a> {
    y: &'a mut [f64],
    a: &'a [f64],
    b: &'a [f64],
    stride: usize,
}

impl WithSimd for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        rows(self.y, self.a, self.b, self.stride);
    }
}

struct Gather<'a> {
    y: &'a mut [f64],
    terms: &'a [(f64, usize)],
    b: &'a [f64],
}

impl WithSimd for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        add_rows(self.y, self.terms.iter().copied(), self.b);
    }
}

/// Adds the rows of `b`, each times its coefficient, but for those of zero.
#[inline(always)]
fn rows(y: &mut [f64], a: &[f64], b: &[f64], stride: usize) {
    let terms = a.iter().enumerate().map(|(j, w)| (*w, j * stride));
    add_rows(y, terms, b);
}

/// Adds four scaled rows at a time, in the order of the rows, but for those of coefficient zero.
#[inline(always)]
fn add_rows(y: &mut [f64], terms: impl Iterator<Item = (f64, usize)>, b: &[f64]) {
    let n = y.len();
    let mut pending: [(f64, usize); 4] = [(0.0, 0); 4];
    let mut count = 0;
    for (w, at) in terms {
        if w == 0.0 {
            continue;
        }
        pending[count] = (w, at);
        count += 1;
        if count == 4 {
            count = 0;
            let [p, q, r, s] = pending;
            let (bp, bq) = (&b[p.1..p.1 + n], &b[q.1..q.1 + n]);
            let (br, bs) = (&b[r.1..r.1 + n], &b[s.1..s.1 + n]);
            for i in 0..n {
                let v = y[i] + p.0 * bp[i];
                let v = v + q.0 * bq[i];
                let v = v + r.0 * br[i];
                y[i] = v + s.0 * bs[i];
            }
        }
    }
    for (w, at) in &pending[..count] {
        let row = &b[*at..*at + n];
        for (v, x) in y.iter_mut().zip(row) {
            *v += w * x;
        }
    }
}

struct Magnitude<'a>(&'a [f64]);

impl WithSimd for Magnitude<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> f64 {
        let mut sums = [0.0; 8];
        let chunks = self.0.chunks_exact(8);
        let rest: f64 = chunks.remainder().iter().map(|v| v.abs()).sum();
        for c in chunks {
            for (s, v) in sums.iter_mut().zip(c) {
                *s += v.abs();
            }
        }
        sums.iter().sum::<f64>() + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_plain_loop() {
        let (m, k, n) = (3, 11, 13);
        let v = |i: usize| ((i * 7919 + 13) % 101) as f64 - 50.0;
        let a: Vec<f64> = (0..m * k).map(v).collect();
        let b: Vec<f64> = (0..k * n).map(|i| v(i + 5)).collect();
        let mut c = vec![1.0; m * n];
        accumulate(&mut c, &a, &b, (m, k, n));
        for i in 0..m {
            for j in 0..n {
                let exact: f64 = (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum();
                assert_eq!(c[i * n + j], exact + 1.0);
            }
        }
        let exact: f64 = a.iter().map(|v| v.abs()).sum();
        assert_eq!(magnitude(&a), exact);
    }

    #[test]
    fn a_zero_coefficient_hides_infinite_rows() {
        let mut c = vec![0.0; 2];
        accumulate(
            &mut c,
            &[0.0, 2.0],
            &[f64::INFINITY, f64::NAN, 1.0, 2.0],
            (1, 2, 2),
        );
        assert_eq!(c, [2.0, 4.0]);
    }
}
