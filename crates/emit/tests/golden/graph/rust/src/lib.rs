//! A fixed-point kernel; see [`infer`].
//!
//! ```text
//! lib.rs: fixed-point kernel written by ceg4nc 0.0.0
//!
//! NOT VERIFIED: a test * / ? ?/
//! requirement: top1 domain real / *
//! region: line feed \u{202e}
//! program sha256: 561d4f5607ec6c0ac9af16f47ff0dca4c97a88b8ad173d55395bbc8191494eb6
//! network sha256: bf8d48ddb3b856fa87bbcc9aced532d218acea205bba335ddf7a56bdbb18b921
//! ```
//!
//! ```
//! use graph::{argmax, infer, In, Input, Out, Output, Scratch, IN_SIZE, OUT_SIZE};
//!
//! let input: Input = [In(0); IN_SIZE];
//! let mut output: Output = [Out(0); OUT_SIZE];
//! let mut scratch = Scratch::new();
//! infer(&input, &mut scratch, &mut output);
//! assert!(argmax(&output) < OUT_SIZE);
//! ```
#![no_std]
#![forbid(unsafe_code)]
// The type ranges of all values are proved: no cast changes one.
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)]
// Vectors are passed by reference whatever their lengths.
#![allow(clippy::trivially_copy_pass_by_ref)]
// Places and taps are named as in the definition of a convolution.
#![allow(clippy::many_single_char_names, clippy::similar_names)]

mod format;
mod weights;

#[cfg(feature = "float")]
pub use format::{dequantize, quantize};
pub use format::{In, Out};

/// Number of inputs.
pub const IN_SIZE: usize = 72;
/// Bits of an input that count.
pub const IN_BITS: u32 = 8;
/// True if inputs are two's complement.
pub const IN_SIGNED: bool = true;
/// An input m stands for m * 2^-IN_FRAC.
pub const IN_FRAC: i32 = 4;
/// Number of outputs.
pub const OUT_SIZE: usize = 3;
/// An output m stands for m * 2^-OUT_FRAC.
pub const OUT_FRAC: i32 = 9;
/// True if the claim above says VERIFIED.
pub const VERIFIED: bool = false;

/// Inputs; s8q4: integer m in [-128, 127] stands for m * 2^-4; other values are clamped.
pub type Input = [In; IN_SIZE];

/// Outputs; integer m stands for m * 2^-9; proved range [-25080, 25620].
pub type Output = [Out; OUT_SIZE];

/// Working memory of one inference.
#[derive(Clone, Debug)]
pub struct Scratch {
    v0: [i8; 128],
    v1: [u8; 144],
    v2: [i8; 128],
    v3: [i8; 144],
}

impl Scratch {
    /// Zeroed memory; its content never matters.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            v0: [0; 128],
            v1: [0; 144],
            v2: [0; 128],
            v3: [0; 144],
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// Computes the outputs.
pub fn infer(input: &Input, scratch: &mut Scratch, output: &mut Output) {
    stage0(input, &mut scratch.v0[..72]);
    stage1(&scratch.v0[..72], &mut scratch.v1[..144]);
    stage2(&scratch.v1[..144], &mut scratch.v0[..128]);
    stage3(&scratch.v0[..128], &mut scratch.v2[..128]);
    stage4(&scratch.v2[..128], &scratch.v0[..128], &mut scratch.v3[..128]);
    stage5(&scratch.v3[..128], &mut scratch.v0[..48]);
    stage6(&scratch.v3[..128], &mut scratch.v2[..48]);
    stage7(&scratch.v0[..48], &scratch.v2[..48], &scratch.v0[..48], &mut scratch.v3[..144]);
    stage8(&scratch.v3[..144], &mut scratch.v0[..105]);
    stage9(&scratch.v0[..105], &mut scratch.v2[..105]);
    stage10(&scratch.v2[..105], output);
}

/// The class: index of the greatest output, the lowest index among equals.
#[must_use]
pub fn argmax(output: &Output) -> usize {
    let mut best = 0;
    let mut most = output[0];
    for (j, v) in output.iter().enumerate() {
        if *v > most {
            best = j;
            most = *v;
        }
    }
    best
}

// first: elements moved; proved range [-128, 127]
fn stage0(x: &[In], y: &mut [i8]) {
    for i0 in 0..2 {
        for (y, x) in y[i0 * 36..][..36].iter_mut().zip(x[i0..].iter().step_by(2).take(36)) {
            *y = x.0;
        }
    }
}

// c0: convolution 2 -> 4 channels, 3x3 window on 6x6, 6x6 results, padding 1x1, weights per channel (s3q1, s3q2, s3q1*3, s3q0, ...); accumulator at a scale per channel, any order of sums in 14 bits; proved range [-4335, 4335]
// r0: relu; proved range [0, 4335]
// r0: requantize to u8q4, times 1 to 3 by channel, shift right 0 to 2 by channel, rounding half-up; proved range [0, 255]
fn stage1(x: &[i8], y: &mut [u8]) {
    for (((y, w), c1), c2) in y.chunks_exact_mut(36).zip(weights::W0.chunks_exact(18)).zip(&weights::M0).zip(&weights::S0) {
        for (p, y) in y.iter_mut().enumerate() {
            let (oy, ox) = (p / 6, p % 6);
            let u0 = 1_usize.saturating_sub(oy);
            let u1 = 7_usize.saturating_sub(oy).min(3);
            let v0 = 1_usize.saturating_sub(ox);
            let v1 = 7_usize.saturating_sub(ox).min(3);
            let mut acc: i32 = 0;
            for k in 0..2 {
                for u in u0..u1 {
                    for (w, x) in w[k * 9 + u * 3 + v0..][..v1 - v0].iter().zip(&x[k * 36 + (oy + u - 1) * 6 + ox + v0 - 1..][..v1 - v0]) {
                        acc += i32::from(*w) * i32::from(*x);
                    }
                }
            }
            let acc = acc.max(0);
            let acc = acc * i32::from(*c1);
            let acc = if *c2 > 0 { (acc + (1_i32 << (*c2 - 1))) >> *c2 } else { acc * (1_i32 << -*c2) };
            let acc = acc.min(255);
            *y = acc as u8;
        }
    }
}

// c1: convolution 4 -> 8 channels in 4 groups, 3x3 window on 6x6, 4x4 results, stride 2x2, dilation 2x2, padding 3x3, weights s3q1; accumulator at scale 2^-5, any order of sums in 14 bits; proved range [-2805, 2805]
// leaky: leaky relu of slope 2^-3, with 3 more fraction bits; proved range [-2805, 22440]
// leaky: requantize to s8q3, shift right 5, rounding half-up; proved range [-88, 127]
fn stage2(x: &[u8], y: &mut [i8]) {
    for (c, (y, w)) in y.chunks_exact_mut(16).zip(weights::W1.chunks_exact(9)).enumerate() {
        let x = &x[c / 2 * 36..];
        for (p, y) in y.iter_mut().enumerate() {
            let (oy, ox) = (p / 4, p % 4);
            let u0 = 3_usize.saturating_sub(oy * 2).div_ceil(2);
            let u1 = 9_usize.saturating_sub(oy * 2).div_ceil(2).min(3);
            let v0 = 3_usize.saturating_sub(ox * 2).div_ceil(2);
            let v1 = 9_usize.saturating_sub(ox * 2).div_ceil(2).min(3);
            let mut acc: i32 = 0;
            for u in u0..u1 {
                for (w, x) in w[u * 3 + v0..][..v1 - v0].iter().zip(x[(oy * 2 + u * 2 - 3) * 6 + ox * 2 + v0 * 2 - 3..].iter().step_by(2).take(v1 - v0)) {
                    acc += i32::from(*w) * i32::from(*x);
                }
            }
            let acc = if acc > 0 { acc * 8 } else { acc };
            let acc = (acc + 16) >> 5;
            let acc = acc.min(127);
            *y = acc as i8;
        }
    }
}

// turned: elements moved; proved range [-88, 127]
fn stage3(x: &[i8], y: &mut [i8]) {
    for i0 in 0..8 {
        for i1 in 0..4 {
            for (y, x) in y[i0 * 16 + i1 * 4..][..4].iter_mut().zip(x[i0 * 16 + i1..].iter().step_by(4).take(4)) {
                *y = *x;
            }
        }
    }
}

// sum: add leaky; proved range [-176, 254]
// sum: requantize to s8q2, shift right 1, rounding half-up; proved range [-88, 127]
// clip: clip; proved range [-16, 24]
// clip: requantize to s8q3, shift left 1, rounding half-up; proved range [-32, 48]
fn stage4(x: &[i8], z1: &[i8], y: &mut [i8]) {
    for ((y, x), z1) in y.iter_mut().zip(x).zip(z1) {
        let acc = i32::from(*x);
        let acc = acc + i32::from(*z1);
        let acc = (acc + 1) >> 1;
        let acc = acc.clamp(-16, 24);
        let acc = acc * 2;
        *y = acc as i8;
    }
}

// average: sums of average pool, 8 channels, 3x2 window on 4x4, 2x3 results, stride 2x2, padding 1x1; at a scale per position, any order of sums in 10 bits; proved range [-192, 288]
// average: requantize to s7q3, times 1 to 21845 by position, shift right 1 to 17 by position, rounding half-up; proved range [-32, 48]
fn stage5(x: &[i8], y: &mut [i8]) {
    for (y, x) in y.chunks_exact_mut(6).zip(x.chunks_exact(16)) {
        for (p, ((y, c0), c1)) in y.iter_mut().zip(&weights::M1).zip(&weights::S1).enumerate() {
            let (oy, ox) = (p / 3, p % 3);
            let u0 = 1_usize.saturating_sub(oy * 2);
            let v0 = 1_usize.saturating_sub(ox * 2);
            let v1 = 5_usize.saturating_sub(ox * 2).min(2);
            let mut acc: i32 = 0;
            for u in u0..3 {
                for x in &x[(oy * 2 + u - 1) * 4 + ox * 2 + v0 - 1..][..v1 - v0] {
                    acc += i32::from(*x);
                }
            }
            let acc = acc * i32::from(*c0);
            let acc = (acc + (1_i32 << (*c1 - 1))) >> *c1;
            *y = acc as i8;
        }
    }
}

// max: max pool, 8 channels, 3x2 window on 4x4, 2x3 results, stride 2x2, padding 1x1; proved range [-32, 48]
// max: requantize to s7q3, shift right 0, rounding half-up; proved range [-32, 48]
fn stage6(x: &[i8], y: &mut [i8]) {
    for (y, x) in y.chunks_exact_mut(6).zip(x.chunks_exact(16)) {
        for (p, y) in y.iter_mut().enumerate() {
            let (oy, ox) = (p / 3, p % 3);
            let u0 = 1_usize.saturating_sub(oy * 2);
            let v0 = 1_usize.saturating_sub(ox * 2);
            let v1 = 5_usize.saturating_sub(ox * 2).min(2);
            let mut acc: i32 = -32;
            for u in u0..3 {
                for x in &x[(oy * 2 + u - 1) * 4 + ox * 2 + v0 - 1..][..v1 - v0] {
                    acc = acc.max(i32::from(*x));
                }
            }
            *y = acc as i8;
        }
    }
}

// joined: concatenation of 48 + 48 + 48 elements; proved range [-32, 48]
fn stage7(x0: &[i8], x1: &[i8], x2: &[i8], y: &mut [i8]) {
    for i0 in 0..8 {
        y[i0 * 18..][..6].copy_from_slice(&x0[i0 * 6..][..6]);
    }
    for i0 in 0..8 {
        y[6 + i0 * 18..][..6].copy_from_slice(&x1[i0 * 6..][..6]);
    }
    for i0 in 0..8 {
        y[12 + i0 * 18..][..6].copy_from_slice(&x2[i0 * 6..][..6]);
    }
}

// padded: elements moved; proved range [-32, 48]
// padded: of 280 elements removed: 136 constant, 39 never read
fn stage8(x: &[i8], y: &mut [i8]) {
    for (y, k) in y.iter_mut().zip(&weights::I0) {
        *y = x[*k as usize];
    }
}

// scaled: multiply by constants; proved range [-144, 144]
// scaled: of 280 elements removed: 154 constant, 21 never read
// scaled: requantize to s8q4, shift right 1, rounding half-up; proved range [-72, 72]
// scaled: of 280 elements removed: 154 constant, 21 never read
// tanh: tanh by a table of s8q7; proved range [-128, 127]
// tanh: of 280 elements removed: 154 constant, 21 never read
fn stage9(x: &[i8], y: &mut [i8]) {
    for ((y, x), c0) in y.chunks_exact_mut(15).zip(x.chunks_exact(15)).zip(&weights::F0) {
        for (y, x) in y.iter_mut().zip(x) {
            let acc = i32::from(*x);
            let acc = acc * i32::from(*c0);
            let acc = (acc + 1) >> 1;
            let acc = i32::from(weights::T0[(acc + 128) as usize & 255]);
            *y = acc as i8;
        }
    }
}

// y: dense 105 -> 3, weights s3q2; accumulator at scale 2^-9, any order of sums in 17 bits; proved range [-25080, 25620]
fn stage10(x: &[i8], y: &mut [Out]) {
    for ((y, w), b) in y.iter_mut().zip(weights::W2.chunks_exact(105)).zip(&weights::B0) {
        let mut acc: i32 = i32::from(*b);
        for (w, x) in w.iter().zip(x) {
            acc += i32::from(*w) * i32::from(*x);
        }
        *y = Out(acc);
    }
}
