//! The code cache: one compiled function per operator shape.

use crate::error::JitError;
use crate::layout::Layouts;
use crate::native::{Code, host_has_vectors};
use crate::shape::Shape;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

pub use crate::native::live_modules;

/// How code is generated. No option changes a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeOptions {
    /// Use vector instructions where the host has them and 32-bit accumulators are proved exact.
    pub vectors: bool,
    /// Run Cranelift's verifier over the generated IR.
    pub verify_ir: bool,
}

impl Default for CodeOptions {
    /// Vectors on; the verifier on where debug assertions are.
    fn default() -> Self {
        Self {
            vectors: true,
            verify_ir: cfg!(debug_assertions),
        }
    }
}

/// Compiled functions by operator shape, shared by all evaluators that are made with it. Cloning
/// gives another handle on the same cache; it may be used from any thread.
///
/// A function's memory is freed when neither the cache nor an evaluator holds it any more. The
/// number of shapes is small and independent of the programs, so code is never evicted.
///
/// It also remembers the native layout of the weights used last, by the identity of their
/// mantissas: programs that share an `Arc` of mantissas (`Patch::mantissas`) share it.
#[derive(Clone)]
pub struct CodeCache {
    options: CodeOptions,
    functions: Arc<Mutex<BTreeMap<Shape, Arc<Code>>>>,
    layouts: Arc<Layouts>,
}

impl CodeCache {
    /// An empty cache with the default options.
    pub fn new() -> Self {
        Self::with_options(CodeOptions::default())
    }

    /// An empty cache.
    pub fn with_options(options: CodeOptions) -> Self {
        let options = CodeOptions {
            vectors: options.vectors && host_has_vectors(),
            ..options
        };
        Self {
            options,
            functions: Arc::default(),
            layouts: Arc::default(),
        }
    }

    /// Weights that were laid out lately.
    pub(crate) fn layouts(&self) -> &Layouts {
        &self.layouts
    }

    /// What is in force; `vectors` is false on a host without them.
    pub fn options(&self) -> CodeOptions {
        self.options
    }

    /// The number of functions compiled so far.
    pub fn len(&self) -> usize {
        self.functions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// True if nothing was compiled yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The function of a shape, compiled at its first use.
    pub(crate) fn get(&self, shape: Shape) -> Result<Arc<Code>, JitError> {
        // The map is whole after a panic too: an entry is inserted in one step.
        let mut functions = self
            .functions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(code) = functions.get(&shape) {
            return Ok(code.clone());
        }
        let code = Arc::new(Code::compile(shape, self.options.verify_ir)?);
        functions.insert(shape, code.clone());
        Ok(code)
    }
}

impl Default for CodeCache {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for CodeCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let functions = self
            .functions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("CodeCache")
            .field("options", &self.options)
            .field("functions", &functions.keys())
            .finish_non_exhaustive()
    }
}
