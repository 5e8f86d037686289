//! Native code for checked fixed-point programs, through Cranelift.
//!
//! An [`Evaluator`] runs many inputs through one [`ceg4n_ir::Kernel`], bit for bit as
//! `ceg4n-eval` does. What is compiled is no program but an operator *shape*: the operator, its
//! element types and the rounding. Sizes, weights, biases, shifts and clamps are data, so a new
//! candidate of a search costs only the preparation of its data; the code comes from a
//! [`CodeCache`] that all evaluators share.
//!
//! How a program becomes stages, each of which reads the outputs of earlier ones:
//! - every run `[dense | conv | sum | element operator] → [add] → [relu | clip] → [requantize |
//!   align] → [relu | clip]` of nodes with one user each is one stage;
//! - a convolution is a dense product for each position of its result, over a padded copy of the
//!   sample whose rows are read where they are, or over copies of what each window sees. Loops go
//!   over positions: neither code nor weights grow with them;
//! - between windows the channels of a position lie next to each other; the weights of
//!   a dense layer that follows are laid out accordingly;
//! - pools, depthwise convolutions, tables and moved elements are loops compiled ahead of time;
//! - element types of the buffers between stages come from type ranges (16, 32 or 64 bits);
//! - a product of 16-bit operands whose proved register width is at most 32 bits takes vectors with
//!   exact 32-bit accumulators; any other takes a scalar loop over 64 bits. Sums and requantizations
//!   of at most 32 bits take vectors too.
//!
//! Soundness: the checker proves that no register exceeds [`ceg4n_ir::KernelNode::width`] bits, so
//! two's complement arithmetic of at least that width is exact. Inputs outside the format, where
//! that proof says nothing, are refused before native code sees them.
//!
//! ```
//! use ceg4n_ir::{Format, NetworkBuilder, Op, Program, Shape, check};
//! use ceg4n_jit::{CodeCache, Evaluator};
//!
//! let mut net = NetworkBuilder::new("relu");
//! let x = net.push("x", Op::Input, Some(Shape::vector(2)), None);
//! let y = net.push("y", Op::Relu { x }, None, None);
//! let net = std::sync::Arc::new(net.finish(y).unwrap());
//! let format = |text: &str| text.parse::<Format>().unwrap();
//! let program = Program::reference(net).patch();
//! let program = program.format(x, format("s8q4")).format(y, format("u4q2"));
//! let program = check(program.finish()).unwrap();
//!
//! let evaluator = Evaluator::new(&program, &CodeCache::new())?;
//! let mut outputs = Vec::new();
//! evaluator.eval_batch(&[-9, 6, 127, 5], 2, &mut outputs)?;
//! assert_eq!(outputs, [0, 2, 15, 1]);
//! # Ok::<(), ceg4n_jit::JitError>(())
//! ```
//!
//! This is the workspace's only crate with `unsafe` code, all of it in `native.rs`: it frees code
//! memory and calls the generated functions.

mod blocks;
mod buffer;
mod cache;
mod codegen;
mod convolution;
mod error;
mod evaluator;
mod job;
mod layout;
mod loops;
mod native;
mod order;
mod plan;
mod prefix;
mod samples;
mod shape;
mod stage;
mod sweep;
mod work;

pub use blocks::{Blocks, Race, VisitBlock};
pub use cache::{CodeCache, CodeOptions, live_modules};
pub use error::JitError;
pub use evaluator::Evaluator;
pub use prefix::{PrefixCache, PrefixStats};
pub use samples::Samples;
pub use sweep::{Sweep, Visit, box_points};
