//! Cranelift IR of the epilogues: from a sum to the result's integer.

use super::load;
use crate::shape::{ProductQuad, Quad, Row, Shape};
use ceg4n_ir::Rounding;
use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, Value, types};
use cranelift_frontend::FunctionBuilder;
use std::mem::offset_of;

/// The epilogue of the [`Row`] at an address, on one 64-bit integer.
pub(super) fn wide_epilogue(
    b: &mut FunctionBuilder<'_>,
    acc: Value,
    row: Value,
    shape: Shape,
) -> Value {
    let field = |b: &mut FunctionBuilder<'_>, offset: usize| load(b, types::I64, row, offset);
    let bias = field(b, offset_of!(Row, bias));
    let floor = field(b, offset_of!(Row, floor));
    let ceil = field(b, offset_of!(Row, ceil));
    let left = field(b, offset_of!(Row, left));
    let right = field(b, offset_of!(Row, right));
    let v = b.ins().iadd(acc, bias);
    let v = b.ins().smax(v, floor);
    let mut v = b.ins().smin(v, ceil);
    if shape.multiplied {
        let multiplier = field(b, offset_of!(Row, multiplier));
        v = b.ins().imul(v, multiplier);
    }
    let v = b.ins().ishl(v, left);
    let addend = field(b, offset_of!(Row, addend));
    let odd = field(b, offset_of!(Row, odd));
    let v = round_shift(b, v, right, addend, odd, shape.rounding);
    let lo = field(b, offset_of!(Row, lo));
    let hi = field(b, offset_of!(Row, hi));
    let v = b.ins().smax(v, lo);
    b.ins().smin(v, hi)
}

/// The epilogue of the [`Quad`] at an address, on four 32-bit integers.
pub(super) fn narrow_epilogue(
    b: &mut FunctionBuilder<'_>,
    acc: Value,
    quad: Value,
    rounding: Rounding,
) -> Value {
    let field = |b: &mut FunctionBuilder<'_>, offset: usize| load(b, types::I32X4, quad, offset);
    let bias = field(b, offset_of!(Quad, bias));
    let floor = field(b, offset_of!(Quad, floor));
    let ceil = field(b, offset_of!(Quad, ceil));
    let left = load(b, types::I32, quad, offset_of!(Quad, left));
    let right = load(b, types::I32, quad, offset_of!(Quad, right));
    let v = b.ins().iadd(acc, bias);
    let v = b.ins().smax(v, floor);
    let v = b.ins().smin(v, ceil);
    let v = b.ins().ishl(v, left);
    let addend = field(b, offset_of!(Quad, addend));
    let odd = field(b, offset_of!(Quad, odd));
    let v = round_shift(b, v, right, addend, odd, rounding);
    let lo = field(b, offset_of!(Quad, lo));
    let hi = field(b, offset_of!(Quad, hi));
    let v = b.ins().smax(v, lo);
    b.ins().smin(v, hi)
}

/// The epilogue of the [`ProductQuad`] at an address, on four 32-bit integers.
pub(super) fn product_epilogue(
    b: &mut FunctionBuilder<'_>,
    acc: Value,
    quad: Value,
    rounding: Rounding,
) -> Value {
    let field = |b: &mut FunctionBuilder<'_>, offset: usize| load(b, types::I32X4, quad, offset);
    let bias = field(b, offset_of!(ProductQuad, bias));
    let floor = field(b, offset_of!(ProductQuad, floor));
    let ceil = field(b, offset_of!(ProductQuad, ceil));
    let factor = field(b, offset_of!(ProductQuad, factor));
    let v = b.ins().iadd(acc, bias);
    let v = b.ins().smax(v, floor);
    let v = b.ins().smin(v, ceil);
    let round = |b: &mut FunctionBuilder<'_>, v: Value| match rounding {
        Rounding::HalfUp => {
            let half = b.ins().iconst(types::I64, 1 << 31);
            let half = b.ins().splat(types::I64X2, half);
            b.ins().iadd(v, half)
        }
        Rounding::HalfEven => {
            let below = b.ins().iconst(types::I64, (1 << 31) - 1);
            let below = b.ins().splat(types::I64X2, below);
            let one = b.ins().iconst(types::I64, 1);
            let one = b.ins().splat(types::I64X2, one);
            let places = b.ins().iconst(types::I32, 32);
            let quotient = b.ins().ushr(v, places);
            let odd = b.ins().band(quotient, one);
            let v = b.ins().iadd(v, below);
            b.ins().iadd(v, odd)
        }
        Rounding::Floor => v,
    };
    // 32 times 32 bits: x64's `pmuldq`.
    let (vl, fl) = (b.ins().swiden_low(v), b.ins().swiden_low(factor));
    let (vh, fh) = (b.ins().swiden_high(v), b.ins().swiden_high(factor));
    let low = b.ins().imul(vl, fl);
    let high = b.ins().imul(vh, fh);
    let (low, high) = (round(b, low), round(b, high));
    let v = high_halves(b, low, high);
    let lo = field(b, offset_of!(ProductQuad, lo));
    let hi = field(b, offset_of!(ProductQuad, hi));
    let v = b.ins().smax(v, lo);
    b.ins().smin(v, hi)
}

/// The high 32 bits of four 64-bit integers.
fn high_halves(b: &mut FunctionBuilder<'_>, low: Value, high: Value) -> Value {
    // Vector code exists on little-endian hosts only (`native::host_has_vectors`).
    let order = MemFlagsData::new().with_endianness(Endianness::Little);
    let low = b.ins().bitcast(types::I8X16, order, low);
    let high = b.ins().bitcast(types::I8X16, order, high);
    let mask = [4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31];
    let mask = b.func.dfg.immediates.push((&mask[..]).into());
    let v = b.ins().shuffle(low, high, mask);
    b.ins().bitcast(types::I32X4, order, v)
}

/// `round(v·2^-right)` as [`Row`] says, on a scalar or a vector.
fn round_shift(
    b: &mut FunctionBuilder<'_>,
    v: Value,
    right: Value,
    addend: Value,
    odd: Value,
    rounding: Rounding,
) -> Value {
    let v = match rounding {
        Rounding::HalfUp => b.ins().iadd(v, addend),
        Rounding::HalfEven => {
            let quotient = b.ins().sshr(v, right);
            let odd = b.ins().band(quotient, odd);
            let v = b.ins().iadd(v, addend);
            b.ins().iadd(v, odd)
        }
        Rounding::Floor => v,
    };
    b.ins().sshr(v, right)
}
