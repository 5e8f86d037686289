//! Cranelift IR of the native functions, one per [`Shape`].
//!
//! All addresses are `base + index` with an index below the counts in [`Args`]; the caller
//! (`stage.rs`) has checked that the buffers are that long. No instruction here can trap.

mod epilogue;

use crate::shape::{Args, Before, Body, Elem, ProductQuad, Quad, Row, Shape, TILE, VectorEpilogue};
use ceg4n_ir::Unary;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, Endianness, InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_frontend::FunctionBuilder;
use epilogue::{narrow_epilogue, product_epilogue, wide_epilogue};
use std::mem::{offset_of, size_of};

/// Samples that one vector tile takes at once; an odd last sample is taken alone.
const SAMPLES: usize = 2;

/// Unaligned, never trapping.
const MEM: MemFlagsData = MemFlagsData::new().with_notrap();

/// Fills the function `fn(*const Args)`; the builder stands in its entry block.
pub(crate) fn emit(b: &mut FunctionBuilder<'_>, shape: Shape, args: Value) {
    let field = |b: &mut FunctionBuilder<'_>, offset: usize| load(b, types::I64, args, offset);
    let f = Function {
        shape,
        x: field(b, offset_of!(Args, x)),
        z: field(b, offset_of!(Args, z)),
        y: field(b, offset_of!(Args, y)),
        weight: field(b, offset_of!(Args, weight)),
        epilogue: field(b, offset_of!(Args, epilogue)),
        n: field(b, offset_of!(Args, n)),
        cols: field(b, offset_of!(Args, cols)),
        rows: field(b, offset_of!(Args, rows)),
        segments: field(b, offset_of!(Args, segments)),
        segment: field(b, offset_of!(Args, segment)),
        x_stride: field(b, offset_of!(Args, x_stride)),
        z_stride: field(b, offset_of!(Args, z_stride)),
        y_stride: field(b, offset_of!(Args, y_stride)),
    };
    match shape.body {
        Body::Map { before } => f.map(b, before),
        Body::Sum { z } => f.sum(b, z),
        Body::ElementVector { z, epilogue } => f.element_vector(b, z, epilogue),
        Body::Dense { weight } => f.dense(b, weight),
        Body::DenseVector { epilogue } => f.dense_vector(b, epilogue),
    }
    b.ins().return_(&[]);
}

/// The shape and the loaded [`Args`].
struct Function {
    shape: Shape,
    x: Value,
    z: Value,
    y: Value,
    weight: Value,
    epilogue: Value,
    n: Value,
    cols: Value,
    rows: Value,
    segments: Value,
    segment: Value,
    x_stride: Value,
    z_stride: Value,
    y_stride: Value,
}

impl Function {
    /// `for s in 0..n, j in 0..rows: y[s][j] = epilogue(before(x[s][j]))`.
    fn map(&self, b: &mut FunctionBuilder<'_>, before: Before) {
        self.each_output(b, |b, at| {
            let x = element(b, at.x_row, at.j, self.shape.x);
            let x = load_wide(b, self.shape.x, x);
            let factor = |b: &mut FunctionBuilder<'_>| {
                load(b, types::I64, at.epilogue, offset_of!(Row, factor))
            };
            match before {
                Before::Nothing => x,
                Before::Scale => {
                    let factor = factor(b);
                    b.ins().imul(x, factor)
                }
                Before::Leaky => {
                    let places = factor(b);
                    let up = b.ins().ishl(x, places);
                    b.ins().smax(up, x)
                }
                Before::Unary(Unary::Abs) => b.ins().iabs(x),
                Before::Unary(Unary::Sign) => {
                    let above = b.ins().icmp_imm_s(IntCC::SignedGreaterThan, x, 0);
                    let below = b.ins().icmp_imm_s(IntCC::SignedLessThan, x, 0);
                    let above = b.ins().uextend(types::I64, above);
                    let below = b.ins().uextend(types::I64, below);
                    b.ins().isub(above, below)
                }
            }
        });
    }

    /// `for s in 0..n, j in 0..rows: y[s][j] = epilogue(x[s][j] + z[s][j])`.
    fn sum(&self, b: &mut FunctionBuilder<'_>, z: Elem) {
        self.each_output(b, |b, at| {
            let x = element(b, at.x_row, at.j, self.shape.x);
            let x = load_wide(b, self.shape.x, x);
            let z_row = offset(b, self.z, at.sample, self.z_stride);
            let other = element(b, z_row, at.j, z);
            let other = load_wide(b, z, other);
            b.ins().iadd(x, other)
        });
    }

    /// `for s in 0..n, j in 0..rows: y[s][j] = epilogue(Σ_k x[s][k]·w[j][k])` over 64 bits.
    fn dense(&self, b: &mut FunctionBuilder<'_>, weight: Elem) {
        self.each_output(b, |b, at| {
            let first = b.ins().imul(at.j, self.cols);
            let w_row = element(b, self.weight, first, weight);
            let zero = b.ins().iconst(types::I64, 0);
            let sum = counted(b, zero, self.cols, 1, &[zero], |b, k, acc| {
                let x = element(b, at.x_row, k, self.shape.x);
                let x = load_wide(b, self.shape.x, x);
                let w = element(b, w_row, k, weight);
                let w = load_wide(b, weight, w);
                let product = b.ins().imul(x, w);
                vec![b.ins().iadd(acc[0], product)]
            });
            sum[0]
        });
    }

    /// The loops of the scalar bodies; `acc` computes an output's accumulator.
    fn each_output(
        &self,
        b: &mut FunctionBuilder<'_>,
        acc: impl FnOnce(&mut FunctionBuilder<'_>, &Place) -> Value,
    ) {
        let zero = b.ins().iconst(types::I64, 0);
        counted(b, zero, self.n, 1, &[], |b, sample, _| {
            let x_row = offset(b, self.x, sample, self.x_stride);
            let y_row = offset(b, self.y, sample, self.y_stride);
            counted(b, zero, self.rows, 1, &[], |b, j, _| {
                let epilogue = scaled(b, self.epilogue, j, size_of::<Row>());
                let place = Place {
                    sample,
                    x_row,
                    j,
                    epilogue,
                };
                let v = acc(b, &place);
                let v = wide_epilogue(b, v, epilogue, self.shape);
                let at = element(b, y_row, j, self.shape.y);
                store_narrowed(b, self.shape.y, v, at, 0);
                vec![]
            });
            vec![]
        });
    }

    /// `y[s][j] = epilogue(x[s][j] + z[s][j])` by [`TILE`] elements; without `z` of `x` alone.
    fn element_vector(&self, b: &mut FunctionBuilder<'_>, z: Option<Elem>, kind: VectorEpilogue) {
        let zero = b.ins().iconst(types::I64, 0);
        let size = match kind {
            VectorEpilogue::Product => size_of::<ProductQuad>(),
            VectorEpilogue::Narrow | VectorEpilogue::Wide => size_of::<Quad>(),
        };
        counted(b, zero, self.n, 1, &[], |b, sample, _| {
            let x_row = offset(b, self.x, sample, self.x_stride);
            let y_row = offset(b, self.y, sample, self.y_stride);
            let z_row = z.map(|z| (z, offset(b, self.z, sample, self.z_stride)));
            counted(b, zero, self.rows, TILE as i64, &[], |b, j, _| {
                let mut acc = load_quad(b, self.shape.x, x_row, j);
                if let Some((elem, z_row)) = z_row {
                    let z = load_quad(b, elem, z_row, j);
                    acc = b.ins().iadd(acc, z);
                }
                let quad = b.ins().ushr_imm_u(j, i64::from(TILE.ilog2()));
                let epilogue = scaled(b, self.epilogue, quad, size);
                let rounding = self.shape.rounding;
                let v = match kind {
                    VectorEpilogue::Product => product_epilogue(b, acc, epilogue, rounding),
                    VectorEpilogue::Narrow | VectorEpilogue::Wide => {
                        narrow_epilogue(b, acc, epilogue, rounding)
                    }
                };
                let at = element(b, y_row, j, self.shape.y);
                store_quad(b, self.shape.y, v, at);
                vec![]
            });
            vec![]
        });
    }

    /// The vector body: tiles of [`TILE`] outputs times [`SAMPLES`] samples.
    fn dense_vector(&self, b: &mut FunctionBuilder<'_>, kind: VectorEpilogue) {
        let zero = b.ins().iconst(types::I64, 0);
        let tail = b.ins().band_imm_s(self.n, !(SAMPLES as i64 - 1));
        let row = b.ins().imul(self.cols, self.segments);
        counted(b, zero, self.rows, TILE as i64, &[], |b, j, _| {
            let elements = b.ins().imul(j, row);
            let tile = Tile {
                weight: element(b, self.weight, elements, Elem::I16),
                epilogue: match kind {
                    VectorEpilogue::Narrow => {
                        let quad = b.ins().ushr_imm_u(j, i64::from(TILE.ilog2()));
                        scaled(b, self.epilogue, quad, size_of::<Quad>())
                    }
                    VectorEpilogue::Product => {
                        let quad = b.ins().ushr_imm_u(j, i64::from(TILE.ilog2()));
                        scaled(b, self.epilogue, quad, size_of::<ProductQuad>())
                    }
                    VectorEpilogue::Wide => scaled(b, self.epilogue, j, size_of::<Row>()),
                },
                y: element(b, self.y, j, self.shape.y),
                kind,
            };
            counted(b, zero, tail, SAMPLES as i64, &[], |b, s, _| {
                self.vector_tile(b, &tile, s, SAMPLES);
                vec![]
            });
            counted(b, tail, self.n, 1, &[], |b, s, _| {
                self.vector_tile(b, &tile, s, 1);
                vec![]
            });
            vec![]
        });
    }

    /// One tile for the samples `s .. s + samples`.
    fn vector_tile(&self, b: &mut FunctionBuilder<'_>, tile: &Tile, s: Value, samples: usize) {
        let zero = b.ins().iconst(types::I64, 0);
        let lane = b.ins().iconst(types::I32, 0);
        let none = b.ins().splat(types::I32X4, lane);
        let mut x_rows = vec![offset(b, self.x, s, self.x_stride)];
        let mut y_rows = vec![offset(b, tile.y, s, self.y_stride)];
        for i in 1..samples {
            x_rows.push(b.ins().iadd(x_rows[i - 1], self.x_stride));
            y_rows.push(b.ins().iadd(y_rows[i - 1], self.y_stride));
        }
        let mut carried = vec![none; samples * TILE];
        carried.extend([zero, tile.weight]);
        let sums = counted(b, zero, self.segments, 1, &carried, |b, _, carried| {
            let (acc, rest) = carried.split_at(samples * TILE);
            let (first, weight) = (rest[0], rest[1]);
            let x_rows: Vec<Value> = x_rows.iter().map(|r| b.ins().iadd(*r, first)).collect();
            let mut next = self.vector_segment(b, &x_rows, weight, acc);
            next.push(b.ins().iadd(first, self.segment));
            let bytes = b.ins().imul_imm_s(self.cols, (2 * TILE) as i64);
            next.push(b.ins().iadd(weight, bytes));
            next
        });
        let sums = &sums[..samples * TILE];
        for (y, sums) in y_rows.iter().zip(sums.chunks(TILE)) {
            let low = b.ins().iadd_pairwise(sums[0], sums[1]);
            let high = b.ins().iadd_pairwise(sums[2], sums[3]);
            let acc = b.ins().iadd_pairwise(low, high);
            let rounding = self.shape.rounding;
            let v = match tile.kind {
                VectorEpilogue::Narrow => narrow_epilogue(b, acc, tile.epilogue, rounding),
                VectorEpilogue::Product => product_epilogue(b, acc, tile.epilogue, rounding),
                VectorEpilogue::Wide => {
                    self.store_lanes(b, tile, acc, *y);
                    continue;
                }
            };
            store_quad(b, self.shape.y, v, *y);
        }
    }

    /// The sums after one segment of the inputs, whose rows and weights begin at these addresses.
    fn vector_segment(
        &self,
        b: &mut FunctionBuilder<'_>,
        x_rows: &[Value],
        weight: Value,
        sums: &[Value],
    ) -> Vec<Value> {
        let zero = b.ins().iconst(types::I64, 0);
        // The index counts bytes of the inputs; a vector of inputs meets TILE vectors of weights.
        let bytes = b.ins().ishl_imm_u(self.cols, 1);
        counted(b, zero, bytes, 16, sums, |b, i, acc| {
            let w = scaled(b, weight, i, TILE);
            let w: Vec<Value> = (0..TILE)
                .map(|r| load(b, types::I16X8, w, 16 * r))
                .collect();
            let mut next = Vec::with_capacity(acc.len());
            for (row, acc) in x_rows.iter().zip(acc.chunks(TILE)) {
                let at = b.ins().iadd(*row, i);
                let x = load(b, types::I16X8, at, 0);
                for (w, acc) in w.iter().zip(acc) {
                    let products = pairwise_products(b, x, *w);
                    next.push(b.ins().iadd(*acc, products));
                }
            }
            next
        })
    }

    /// The 64-bit epilogue of each lane in turn.
    fn store_lanes(&self, b: &mut FunctionBuilder<'_>, tile: &Tile, acc: Value, y: Value) {
        for lane in 0..TILE {
            let v = b.ins().extractlane(acc, lane as u8);
            let v = b.ins().sextend(types::I64, v);
            let row = b
                .ins()
                .iadd_imm_s(tile.epilogue, (lane * size_of::<Row>()) as i64);
            let v = wide_epilogue(b, v, row, self.shape);
            store_narrowed(b, self.shape.y, v, y, lane * self.shape.y.size());
        }
    }
}

/// Where a scalar body computes.
struct Place {
    /// Which row.
    sample: Value,
    /// Address of its inputs.
    x_row: Value,
    /// Which output of it.
    j: Value,
    /// Address of the output's [`Row`].
    epilogue: Value,
}

/// Addresses of a vector tile: its weights, its epilogues, its outputs in the first sample.
struct Tile {
    weight: Value,
    epilogue: Value,
    y: Value,
    kind: VectorEpilogue,
}

/// `a[2i]·b[2i] + a[2i+1]·b[2i+1]` as 32-bit integers: x64's `pmaddwd`. Only two pairs of
/// (-32768, -32768) exceed 32 bits, and the proved register width excludes them.
fn pairwise_products(b: &mut FunctionBuilder<'_>, x: Value, w: Value) -> Value {
    let (xl, wl) = (b.ins().swiden_low(x), b.ins().swiden_low(w));
    let (xh, wh) = (b.ins().swiden_high(x), b.ins().swiden_high(w));
    let low = b.ins().imul(xl, wl);
    let high = b.ins().imul(xh, wh);
    b.ins().iadd_pairwise(low, high)
}

fn ir_type(elem: Elem) -> Type {
    match elem {
        Elem::I16 => types::I16,
        Elem::I32 => types::I32,
        Elem::I64 => types::I64,
    }
}

fn load(b: &mut FunctionBuilder<'_>, ty: Type, base: Value, offset: usize) -> Value {
    b.ins().load(ty, MEM, base, offset as i32)
}

/// Loads an element, sign-extended to 64 bits.
fn load_wide(b: &mut FunctionBuilder<'_>, elem: Elem, at: Value) -> Value {
    let v = load(b, ir_type(elem), at, 0);
    match elem {
        Elem::I16 | Elem::I32 => b.ins().sextend(types::I64, v),
        Elem::I64 => v,
    }
}

/// Loads four elements of at most 32 bits, from number `j` on, sign-extended to 32 bits.
fn load_quad(b: &mut FunctionBuilder<'_>, elem: Elem, row: Value, j: Value) -> Value {
    let at = element(b, row, j, elem);
    match elem {
        Elem::I16 => b.ins().sload16x4(MEM, at, 0),
        // `work` makes no vector code for wider elements.
        Elem::I32 | Elem::I64 => load(b, types::I32X4, at, 0),
    }
}

/// Stores a 64-bit integer that the element type holds.
fn store_narrowed(b: &mut FunctionBuilder<'_>, elem: Elem, v: Value, base: Value, offset: usize) {
    let v = match elem {
        Elem::I16 | Elem::I32 => b.ins().ireduce(ir_type(elem), v),
        Elem::I64 => v,
    };
    b.ins().store(MEM, v, base, offset as i32);
}

/// Stores four 32-bit integers that the element type holds.
fn store_quad(b: &mut FunctionBuilder<'_>, elem: Elem, v: Value, at: Value) {
    match elem {
        Elem::I16 => {
            let halves = b.ins().snarrow(v, v);
            // Vector code exists on little-endian hosts only (`native::host_has_vectors`).
            let order = MemFlagsData::new().with_endianness(Endianness::Little);
            let words = b.ins().bitcast(types::I64X2, order, halves);
            let word = b.ins().extractlane(words, 0);
            b.ins().store(MEM, word, at, 0);
        }
        Elem::I32 => {
            b.ins().store(MEM, v, at, 0);
        }
        Elem::I64 => {
            let low = b.ins().swiden_low(v);
            let high = b.ins().swiden_high(v);
            b.ins().store(MEM, low, at, 0);
            b.ins().store(MEM, high, at, 16);
        }
    }
}

/// `base + index·stride`.
fn offset(b: &mut FunctionBuilder<'_>, base: Value, index: Value, stride: Value) -> Value {
    let bytes = b.ins().imul(index, stride);
    b.ins().iadd(base, bytes)
}

/// `base + index·size`.
fn scaled(b: &mut FunctionBuilder<'_>, base: Value, index: Value, size: usize) -> Value {
    let bytes = b.ins().imul_imm_s(index, size as i64);
    b.ins().iadd(base, bytes)
}

/// The address of element `index`.
fn element(b: &mut FunctionBuilder<'_>, base: Value, index: Value, elem: Elem) -> Value {
    scaled(b, base, index, elem.size())
}

/// `for i in (from..to).step_by(step)` with values carried from turn to turn: `body` gets the
/// index and the carried values and returns the next ones. Yields the last ones.
fn counted(
    b: &mut FunctionBuilder<'_>,
    from: Value,
    to: Value,
    step: i64,
    carried: &[Value],
    body: impl FnOnce(&mut FunctionBuilder<'_>, Value, &[Value]) -> Vec<Value>,
) -> Vec<Value> {
    let turn = b.create_block();
    let exit = b.create_block();
    b.append_block_param(turn, types::I64);
    for v in carried {
        let ty = b.func.dfg.value_type(*v);
        b.append_block_param(turn, ty);
        b.append_block_param(exit, ty);
    }
    let branch = |b: &mut FunctionBuilder<'_>, i: Value, carried: &[Value]| {
        let out: Vec<BlockArg> = carried.iter().copied().map(BlockArg::from).collect();
        let again: Vec<BlockArg> = [BlockArg::from(i)]
            .into_iter()
            .chain(out.iter().copied())
            .collect();
        let more = b.ins().icmp(IntCC::SignedLessThan, i, to);
        b.ins().brif(more, turn, &again, exit, &out);
    };
    branch(b, from, carried);
    b.switch_to_block(turn);
    let params = b.block_params(turn).to_vec();
    let next = body(b, params[0], &params[1..]);
    let i = b.ins().iadd_imm_s(params[0], step);
    branch(b, i, &next);
    b.switch_to_block(exit);
    b.block_params(exit).to_vec()
}
