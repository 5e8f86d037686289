//! A fixed-point kernel; see [`infer`].
//!
//! ```text
//! lib.rs: fixed-point kernel written by ceg4nc 0.1.0
//!
//! VERIFIED:
//!   PROVED: 1 strict
//! requirement: top1 domain real
//! region: "a" PROVED
//! program sha256: 4e5fef1c6f72ff3ce5529a0725924c60478aa24ae373fb37eaf8f3a69197dbe2
//! network sha256: bc9c34032cf6d6d536687ef54e9f4c251d335a4972682b32d0aa7271715b9312
//! regions sha256: 00ff
//! ```
//!
//! ```
//! use tiny::{argmax, infer, In, Input, Out, Output, Scratch, IN_SIZE, OUT_SIZE};
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
pub const IN_SIZE: usize = 2;
/// Bits of an input that count.
pub const IN_BITS: u32 = 9;
/// True if inputs are two's complement.
pub const IN_SIGNED: bool = true;
/// An input m stands for m * 2^-IN_FRAC.
pub const IN_FRAC: i32 = 8;
/// Number of outputs.
pub const OUT_SIZE: usize = 3;
/// An output m stands for m * 2^-OUT_FRAC.
pub const OUT_FRAC: i32 = 7;
/// True if the claim above says VERIFIED.
pub const VERIFIED: bool = true;

/// Inputs; s9q8: integer m in [-256, 255] stands for m * 2^-8; other values are clamped.
pub type Input = [In; IN_SIZE];

/// Outputs; integer m stands for m * 2^-7; proved range [-456, 624].
pub type Output = [Out; OUT_SIZE];

/// Working memory of one inference.
#[derive(Clone, Debug)]
pub struct Scratch {
    v0: [i16; 2],
    v1: [u8; 2],
}

impl Scratch {
    /// Zeroed memory; its content never matters.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            v0: [0; 2],
            v1: [0; 2],
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
    stage0(input, &mut scratch.v0[..2]);
    stage1(&scratch.v0[..2], &mut scratch.v1[..2]);
    stage2(&scratch.v1[..2], output);
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

// input: clamped as s9q8
fn stage0(x: &[In], y: &mut [i16]) {
    for (y, x) in y.iter_mut().zip(x) {
        let acc = i32::from(x.0);
        let acc = acc.clamp(-256, 255);
        *y = acc as i16;
    }
}

// h0: dense 2 -> 2, weights s4q2; accumulator at scale 2^-10, any order of sums in 13 bits; proved range [-4024, 3641]
// r0: relu; proved range [0, 3641]
// r0: requantize to u8q5, shift right 5, rounding half-up; proved range [0, 114]
fn stage1(x: &[i16], y: &mut [u8]) {
    for ((y, w), b) in y.iter_mut().zip(weights::W0.chunks_exact(2)).zip(&weights::B0) {
        let mut acc: i32 = i32::from(*b);
        for (w, x) in w.iter().zip(x) {
            acc += i32::from(*w) * i32::from(*x);
        }
        let acc = (acc + 16) >> 5;
        let acc = acc.max(0);
        *y = acc as u8;
    }
}

// y: dense 2 -> 3, weights per channel (s3q1, s3q2, s3q1, ...); accumulator at a scale per channel, any order of sums in 11 bits; proved range [-456, 312]
// y: channels aligned to scale 2^-7; proved range [-456, 624]
fn stage2(x: &[u8], y: &mut [Out]) {
    for ((y, w), c0) in y.iter_mut().zip(weights::W1.chunks_exact(2)).zip(&weights::S0) {
        let mut acc: i32 = 0;
        for (w, x) in w.iter().zip(x) {
            acc += i32::from(*w) * i32::from(*x);
        }
        let acc = acc * (1_i32 << -*c0);
        *y = Out(acc);
    }
}
