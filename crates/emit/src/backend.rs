//! The registry of backends: what `--emit` accepts.

use crate::{EmitError, EmitInput, OutputFile, emit_c, emit_onnx, emit_rust};
use std::collections::BTreeSet;

/// A way to write a kernel. It decides nothing about numbers.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    /// What `--emit` calls it; its files lie below the folder of this name.
    pub name: &'static str,
    /// What it writes, a phrase.
    pub description: &'static str,
    /// True if it writes unless `--emit` is given.
    pub usual: bool,
    /// Writes the files.
    pub files: fn(&EmitInput<'_>) -> Result<Vec<OutputFile>, EmitError>,
}

/// Every backend, in the order in which they write.
pub const BACKENDS: &[Backend] = &[
    Backend {
        name: EmitSet::C,
        description: "C99",
        usual: true,
        files: emit_c,
    },
    Backend {
        name: "rust",
        description: "a `no_std` crate",
        usual: true,
        files: emit_rust,
    },
    Backend {
        name: "onnx",
        description: "an ONNX model of the same integers",
        usual: false,
        files: emit_onnx,
    },
];

/// Which backends write a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmitSet(BTreeSet<&'static str>);

impl Default for EmitSet {
    fn default() -> Self {
        let usual = BACKENDS.iter().filter(|b| b.usual);
        Self(usual.map(|b| b.name).collect())
    }
}

impl EmitSet {
    /// The name of the backend whose kernel flash and RAM are counted for.
    pub const C: &'static str = "c";

    /// No backend.
    pub fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// The backend for C alone.
    pub fn only_c() -> Self {
        Self([Self::C].into())
    }

    /// Adds a backend; false if there is none of this name.
    pub fn insert(&mut self, name: &str) -> bool {
        let found = BACKENDS.iter().find(|b| b.name == name);
        self.0.extend(found.map(|b| b.name));
        found.is_some()
    }

    /// True if the backend is in the set.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Those in the set, in the order of the registry.
    pub fn backends(&self) -> impl Iterator<Item = &'static Backend> {
        BACKENDS.iter().filter(|b| self.has(b.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_sets_know_them() {
        let mut all = EmitSet::none();
        assert!(BACKENDS.iter().all(|b| all.insert(b.name)));
        assert!(!all.insert("java"));
        assert_eq!(all.0.len(), BACKENDS.len());
        let names = |set: EmitSet| set.backends().map(|b| b.name).collect::<Vec<_>>();
        assert_eq!(names(EmitSet::default()), ["c", "rust"]);
        assert_eq!(names(EmitSet::only_c()), ["c"]);
    }
}
