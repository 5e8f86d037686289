//! Annotations: the formats of one IR version, and the patch API that makes the next one.

use crate::network::{Network, ValueId};
use crate::types::{Rounding, TensorFormat};
use ceg4n_base::{ContentHash, Hasher, Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is said of one value. A value without an annotation is real in a real program; in a
/// fixed-point program it has its natural type: an operand's format, or an accumulator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Annotation {
    /// The value is requantized to (or, a constant, stored in) this format.
    Fixed {
        /// One format, or for constants one per output channel.
        format: TensorFormat,
        /// Explicit mantissas of a constant, row-major; without them they follow from the format.
        mantissas: Option<Arc<[i32]>>,
    },
    /// The value is an exact accumulator.
    Acc(AccAnnotation),
}

/// `acc`, with the width that the author expects, if any (`acc s18`); the checker refuses a
/// width that the type ranges do not fit in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccAnnotation {
    /// Bits, two's complement, 1 to 64.
    pub width: Option<u8>,
}

/// The formats of one IR version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotations {
    /// `v3` in the text; grows with each patch.
    pub version: u32,
    /// The rounding of every requantization.
    pub rounding: Rounding,
    /// What is said, by value.
    pub values: BTreeMap<ValueId, Annotation>,
    /// Where it was written, by value.
    #[serde(skip)]
    pub spans: BTreeMap<ValueId, Span>,
}

impl Annotations {
    /// The annotation of a value.
    pub fn get(&self, v: ValueId) -> Option<&Annotation> {
        self.values.get(&v)
    }

    /// The format of a value, if it has one.
    pub fn format(&self, v: ValueId) -> Option<&TensorFormat> {
        match self.values.get(&v) {
            Some(Annotation::Fixed { format, .. }) => Some(format),
            Some(Annotation::Acc(_)) | None => None,
        }
    }
}

/// An IR version: a network under annotations. A value; changing it gives a new one.
#[derive(Clone, Debug)]
pub struct Program {
    /// The network.
    pub network: Arc<Network>,
    /// Its formats.
    pub annotations: Arc<Annotations>,
}

impl Program {
    /// The reference: no annotations, every value real.
    pub fn reference(network: Arc<Network>) -> Self {
        Self {
            network,
            annotations: Arc::default(),
        }
    }

    /// A network under given annotations.
    pub fn new(network: Arc<Network>, annotations: Annotations) -> Self {
        Self {
            network,
            annotations: Arc::new(annotations),
        }
    }

    /// Starts the next version.
    pub fn patch(&self) -> Patch {
        let mut next = Annotations::clone(&self.annotations);
        next.version += 1;
        Patch {
            network: self.network.clone(),
            next,
        }
    }

    /// Hash of everything that decides the program's meaning: structure, constants, formats,
    /// mantissas, rounding. Names, spans and the version number do not count.
    pub fn hash(&self) -> ContentHash {
        let mut h = Hasher::new("program");
        h.str(&self.network.hash().to_string());
        if !self.annotations.values.is_empty() {
            h.str(self.annotations.rounding.name());
        }
        for (v, a) in &self.annotations.values {
            h.int(i64::from(v.as_u32()));
            match a {
                Annotation::Acc(_) => {
                    h.str("acc");
                }
                Annotation::Fixed { format, mantissas } => {
                    match format {
                        TensorFormat::Tensor(f) => {
                            h.str(&f.to_string());
                        }
                        TensorFormat::Channels(list) => {
                            h.str("channels").int(list.len() as i64);
                            for f in list.iter() {
                                h.str(&f.to_string());
                            }
                        }
                    }
                    if let Some(m) = mantissas {
                        let bytes: Vec<u8> = m.iter().flat_map(|m| m.to_le_bytes()).collect();
                        h.bytes(&bytes);
                    }
                }
            }
        }
        h.finish()
    }
}

/// A change of annotations; [`Self::finish`] yields the new IR version. The old one stays.
#[derive(Clone, Debug)]
pub struct Patch {
    network: Arc<Network>,
    next: Annotations,
}

impl Patch {
    /// Gives a value a format; a constant's mantissas follow from it again.
    #[must_use]
    pub fn format(mut self, v: ValueId, format: impl Into<TensorFormat>) -> Self {
        self.next.values.insert(
            v,
            Annotation::Fixed {
                format: format.into(),
                mantissas: None,
            },
        );
        self.next.spans.remove(&v);
        self
    }

    /// Gives a constant a format and explicit mantissas, row-major.
    #[must_use]
    pub fn mantissas(
        mut self,
        v: ValueId,
        format: impl Into<TensorFormat>,
        mantissas: Arc<[i32]>,
    ) -> Self {
        let a = Annotation::Fixed {
            format: format.into(),
            mantissas: Some(mantissas),
        };
        self.next.values.insert(v, a);
        self.next.spans.remove(&v);
        self
    }

    /// Makes a value an accumulator.
    #[must_use]
    pub fn accumulator(mut self, v: ValueId) -> Self {
        self.next
            .values
            .insert(v, Annotation::Acc(AccAnnotation { width: None }));
        self.next.spans.remove(&v);
        self
    }

    /// Takes a value's annotation away.
    #[must_use]
    pub fn clear(mut self, v: ValueId) -> Self {
        self.next.values.remove(&v);
        self.next.spans.remove(&v);
        self
    }

    /// Sets the rounding of every requantization.
    #[must_use]
    pub fn rounding(mut self, rounding: Rounding) -> Self {
        self.next.rounding = rounding;
        self
    }

    /// The new version.
    pub fn finish(self) -> Program {
        Program {
            network: self.network,
            annotations: Arc::new(self.next),
        }
    }
}
