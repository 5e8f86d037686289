//! How large a module is: what passes are judged by.

use ceg4n_ir::{Annotation, Module, TensorFormat};
use std::fmt;

/// The size of a network and of its last version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Computed values, the input included.
    pub values: usize,
    /// Elements of constants.
    pub parameters: usize,
    /// Multiplications of one inference.
    pub macs: usize,
    /// Bits of the constants' mantissas in the last version; 0 without versions.
    pub constant_bits: usize,
    /// Bits of the activations that have formats in the last version; 0 without versions.
    pub activation_bits: usize,
}

impl Size {
    /// The size of a module.
    pub fn of(module: &Module) -> Self {
        let net = &module.network;
        let computed = net.values().keys().filter(|v| net.constant(*v).is_none());
        let mut size = Self {
            values: computed.count(),
            parameters: net.parameters(),
            macs: net.macs(),
            ..Self::default()
        };
        let Some(last) = module.versions.last() else {
            return size;
        };
        for (v, note) in &last.values {
            let Annotation::Fixed { format, .. } = note else {
                continue;
            };
            let len = net.value(*v).shape.len();
            let bits = match format {
                TensorFormat::Tensor(f) => usize::from(f.width()) * len,
                TensorFormat::Channels(list) => {
                    let all: usize = list.iter().map(|f| usize::from(f.width())).sum();
                    all * (len / list.len().max(1))
                }
            };
            match net.constant(*v) {
                Some(_) => size.constant_bits += bits,
                None => size.activation_bits += bits,
            }
        }
        size
    }
}

/// What changed from one size to another, or that nothing did.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// Before.
    pub before: Size,
    /// After.
    pub after: Size,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (a, b) = (&self.before, &self.after);
        let rows = [
            ("values", a.values, b.values),
            ("parameters", a.parameters, b.parameters),
            ("multiply-accumulates", a.macs, b.macs),
            ("bits of constants", a.constant_bits, b.constant_bits),
            ("bits of activations", a.activation_bits, b.activation_bits),
        ];
        let changed: Vec<String> = rows
            .iter()
            .filter(|(_, a, b)| a != b)
            .map(|(what, a, b)| format!("{what} {a} -> {b}"))
            .collect();
        match changed.is_empty() {
            true => f.write_str("as large as before"),
            false => f.write_str(&changed.join(", ")),
        }
    }
}
