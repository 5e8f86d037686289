//! Tests of the emitters: compiled and run against an evaluator of their own, and golden text.

#![expect(
    clippy::unwrap_used,
    reason = "test support: a failure is a failed test"
)]

mod c;
mod common;
mod esbmc;
mod float;
mod forms;
mod frama_c;
mod golden;
mod interpreter;
mod large;
mod misra;
mod onnx;
mod package;
mod rust;
mod rust_float;
mod sizes;
mod small;
mod targets;
