//! Compiled functions: compilation, the call, and the release of code memory. All unsafe code of
//! the workspace is here.

use crate::buffer::{Buffer, Weights};
use crate::codegen;
use crate::error::JitError;
use crate::shape::{Args, Body, Elem, LANES, ProductQuad, Quad, Row, Shape, TILE, VectorEpilogue};
use crate::work::Epilogue;
use cranelift_codegen::Context;
use cranelift_codegen::ir::{AbiParam, types};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, ModuleError, default_libcall_names};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Modules of this process whose code memory is not freed yet.
static LIVE_MODULES: AtomicUsize = AtomicUsize::new(0);

/// The number of compiled functions of this process whose code memory is still held.
pub fn live_modules() -> usize {
    LIVE_MODULES.load(Ordering::SeqCst)
}

/// True if the host has the vector instructions that [`Body::DenseVector`] lowers to.
pub(crate) fn host_has_vectors() -> bool {
    #[cfg(target_arch = "x86_64")]
    let vectors = is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1");
    #[cfg(not(target_arch = "x86_64"))]
    let vectors = cfg!(all(target_arch = "aarch64", target_endian = "little"));
    vectors
}

/// One native function and the module that owns its memory.
pub(crate) struct Code {
    shape: Shape,
    entry: unsafe extern "C" fn(*const Args),
    /// Present until `drop`. A module may move between threads but not be shared; the lock, which
    /// nobody takes while the code lives, makes the whole shareable.
    module: Mutex<Option<JITModule>>,
}

impl Code {
    /// Compiles the function of a shape.
    pub(crate) fn compile(shape: Shape, verify_ir: bool) -> Result<Self, JitError> {
        let mut module = new_module(verify_ir)?;
        // From here on the counter and `drop` see the module, also after an error.
        LIVE_MODULES.fetch_add(1, Ordering::SeqCst);
        let function = define(&mut module, shape);
        let address = function.map(|id| module.get_finalized_function(id));
        let module = Mutex::new(Some(module));
        match address {
            Ok(address) => {
                // SAFETY: `address` is the entry of a finalized function whose signature is
                // `fn(*const Args)` in the host's C calling convention (`define`).
                let entry = unsafe {
                    std::mem::transmute::<*const u8, unsafe extern "C" fn(*const Args)>(address)
                };
                Ok(Self {
                    shape,
                    entry,
                    module,
                })
            }
            Err(e) => {
                free(&module);
                Err(JitError::Compile(e.to_string()))
            }
        }
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Runs the function on `n` rows: `rows × cols` as the body means them.
    ///
    /// # Panics
    /// If data and shape do not fit, or a buffer is too short: a defect of the caller.
    pub(crate) fn run(&self, call: Call<'_>) {
        let Call { x, y, n, .. } = &call;
        let (cols, rows, segments) = (call.cols, call.rows, call.segments);
        if *n == 0 || segments.0 == 0 {
            return;
        }
        // What is read of a row: the last segment ends last.
        let used = (segments.0 - 1).checked_mul(segments.1);
        let used = used.and_then(|u| u.checked_add(cols));
        let read = used.is_some_and(|used| fits(*n, (x.0.len(), x.1, x.2), used));
        assert!(x.0.elem() == self.shape.x && read);
        assert!(y.0.elem() == self.shape.y && fits(*n, (y.0.len(), y.1, y.2), rows));
        let wanted = rows.checked_mul(cols);
        let wanted = wanted.and_then(|w| w.checked_mul(segments.0));
        let (weights, first) = call.weights;
        let weighed = |elem: Elem| {
            let end = wanted.and_then(|w| w.checked_add(first));
            weights.elem() == elem && end.is_some_and(|end| end <= weights.len())
        };
        let elementwise = match self.shape.body {
            Body::Map { .. } | Body::Sum { .. } | Body::ElementVector { .. } => true,
            Body::Dense { .. } | Body::DenseVector { .. } => false,
        };
        assert!(!elementwise || (rows == cols && segments.0 == 1));
        let mut z_at = (std::ptr::null(), 0);
        match self.shape.body {
            Body::Map { .. } => {}
            Body::Sum { z: elem } => z_at = Self::second(call.z, elem, *n, cols),
            Body::ElementVector { z: elem, epilogue } => {
                assert!(self.shape.x != Elem::I64 && elem != Some(Elem::I64));
                assert!(epilogue != VectorEpilogue::Wide && rows.is_multiple_of(TILE));
                if let Some(elem) = elem {
                    z_at = Self::second(call.z, elem, *n, cols);
                }
            }
            Body::Dense { weight } => assert!(weighed(weight) && segments.0 == 1),
            Body::DenseVector { .. } => {
                assert!(weighed(Elem::I16));
                assert!(rows.is_multiple_of(TILE) && cols.is_multiple_of(LANES));
            }
        }
        let args = Args {
            x: x.0.at(x.1),
            z: z_at.0,
            weight: weights.at(first),
            epilogue: self.epilogue(call.epilogue.0, call.epilogue.1, rows),
            n: *n,
            cols,
            rows,
            segments: segments.0,
            segment: segments.1 * self.shape.x.size(),
            x_stride: x.2 * self.shape.x.size(),
            z_stride: z_at.1,
            y_stride: y.2 * self.shape.y.size(),
            y: call.y.0.at_mut(call.y.1),
        };
        // SAFETY:
        // - the code is mapped: only `drop` frees it, and `self` is borrowed;
        // - `args` outlives the call, and the function keeps no pointer;
        // - by `codegen`, it reads elements `0..cols` of `n` rows of `x` (of each segment; and of `z`,
        //   if the body is a sum), writes elements `0..rows` of `n` rows of `y`, each a stride after
        //   the one before, reads `rows·cols·segments` weights if the body is dense and `rows`
        //   epilogues: the assertions say that so many exist, of the shape's element types;
        // - `y` is borrowed exclusively, so nothing else sees the writes, and it overlaps nothing
        //   that is read; every bit pattern is a valid integer;
        // - the code has no trapping instruction, calls nothing and unwinds never.
        unsafe { (self.entry)(&raw const args) }
    }

    /// The address of a sum's second operand, and the bytes from one of its rows to the next.
    ///
    /// # Panics
    /// If there is none, or it has another type or too few elements.
    fn second(
        z: Option<(&Buffer, usize, usize)>,
        elem: Elem,
        n: usize,
        cols: usize,
    ) -> (*const u8, usize) {
        let (z, first, stride) = z.expect("a sum has two operands");
        assert!(z.elem() == elem && fits(n, (z.len(), first, stride), cols));
        (z.at(first), stride * elem.size())
    }

    /// The address of the epilogues of `rows` outputs from `first` on.
    ///
    /// # Panics
    /// If they are not those of the body, or too few.
    fn epilogue(&self, epilogue: &Epilogue, first: usize, rows: usize) -> *const u8 {
        let kind = match self.shape.body {
            Body::DenseVector { epilogue } | Body::ElementVector { epilogue, .. } => epilogue,
            Body::Map { .. } | Body::Sum { .. } | Body::Dense { .. } => VectorEpilogue::Wide,
        };
        let fours = first / TILE..(first + rows) / TILE;
        match epilogue {
            Epilogue::Rows(list) => {
                assert!(kind == VectorEpilogue::Wide);
                list[first..first + rows].as_ptr().cast()
            }
            Epilogue::Quads(list) => {
                assert!(kind == VectorEpilogue::Narrow && first.is_multiple_of(TILE));
                list[fours].as_ptr().cast()
            }
            Epilogue::ProductQuads(list) => {
                assert!(kind == VectorEpilogue::Product && first.is_multiple_of(TILE));
                list[fours].as_ptr().cast()
            }
        }
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        free(&self.module);
    }
}

/// True if `n` rows of which so much is used lie within a buffer: its length, the first element of
/// the first row, the elements from one row to the next. `n` is not 0.
fn fits(n: usize, (len, first, stride): (usize, usize, usize), used: usize) -> bool {
    let last = (n - 1).checked_mul(stride);
    let end = last.and_then(|l| l.checked_add(first)?.checked_add(used));
    end.is_some_and(|end| end <= len)
}

/// The operands of one call. Buffers come with the first element of the first row, and the
/// elements from one row to the next; weights and epilogues with the first that is used.
pub(crate) struct Call<'a> {
    pub(crate) x: (&'a Buffer, usize, usize),
    /// The second operand of a sum.
    pub(crate) z: Option<(&'a Buffer, usize, usize)>,
    pub(crate) y: (&'a mut Buffer, usize, usize),
    pub(crate) weights: (&'a Weights, usize),
    pub(crate) epilogue: (&'a Epilogue, usize),
    /// Rows of the buffers.
    pub(crate) n: usize,
    /// Elements that are read of a row, or of each of its segments.
    pub(crate) cols: usize,
    /// Segments of a row, and the elements from one to the next; `(1, 0)` but for products.
    pub(crate) segments: (usize, usize),
    /// Elements that are written to a row.
    pub(crate) rows: usize,
}

/// Frees a module's memory, which the module itself would leak. The entry must not be called
/// afterwards.
fn free(module: &Mutex<Option<JITModule>>) {
    let module = module.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(module) = module {
        // SAFETY: called where no `Code` with this module exists any more, or its `drop` runs:
        // then no call is in progress (`run` borrows the `Code`) and none follows. The entry is
        // private to `Code`.
        unsafe { module.free_memory() };
        LIVE_MODULES.fetch_sub(1, Ordering::SeqCst);
    }
}

fn new_module(verify_ir: bool) -> Result<JITModule, JitError> {
    let host = |e: &dyn std::fmt::Display| JitError::Host(e.to_string());
    let mut flags = settings::builder();
    let verifier = if verify_ir { "true" } else { "false" };
    for (name, value) in [
        ("opt_level", "speed"),
        ("enable_verifier", verifier),
        ("use_colocated_libcalls", "false"),
        ("is_pic", "false"),
    ] {
        flags.set(name, value).map_err(|e| host(&e))?;
    }
    let isa = cranelift_native::builder()
        .map_err(|e| host(&e))?
        .finish(settings::Flags::new(flags))
        .map_err(|e| host(&e))?;
    if isa.pointer_type() != types::I64 || size_of::<usize>() != 8 {
        return Err(JitError::Host("pointers are not 64 bits wide".to_owned()));
    }
    let builder = JITBuilder::with_isa(isa, default_libcall_names());
    Ok(JITModule::new(builder))
}

/// Defines and finalizes the function of a shape.
fn define(module: &mut JITModule, shape: Shape) -> Result<FuncId, Box<ModuleError>> {
    let mut signature = module.make_signature();
    signature.params.push(AbiParam::new(types::I64));
    let id = module.declare_function("stage", Linkage::Local, &signature)?;
    let mut context = Context::new();
    context.func.signature = signature;
    let mut builder_context = FunctionBuilderContext::new();
    let mut b = FunctionBuilder::new(&mut context.func, &mut builder_context);
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    let args = b.block_params(entry)[0];
    codegen::emit(&mut b, shape, args);
    b.seal_all_blocks();
    b.finalize(module.target_config());
    module.define_function(id, &mut context)?;
    module.finalize_definitions()?;
    Ok(id)
}

// Native code reads these by offset and multiplies by their sizes.
const _: () =
    assert!(size_of::<Row>() == 88 && size_of::<Quad>() == 120 && size_of::<ProductQuad>() == 96);
