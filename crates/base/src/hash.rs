//! Content hashes: a program, a region and a requirement are identified by what they say.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// SHA-256 of a canonical encoding. Two values with one hash mean the same thing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// The hash of a byte string.
    pub fn of(bytes: &[u8]) -> Self {
        let mut h = Hasher::new("bytes");
        h.raw(bytes);
        h.finish()
    }

    /// The first 12 hex digits: for messages, never for identity.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for ContentHash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let digit = |i: usize| {
            text.as_bytes()
                .get(i)
                .and_then(|b| char::from(*b).to_digit(16))
                .map(|v| v as u8)
                .ok_or_else(|| serde::de::Error::custom("a content hash has 64 hex digits"))
        };
        let mut out = [0; 32];
        for (i, byte) in out.iter_mut().enumerate() {
            *byte = digit(2 * i)? << 4 | digit(2 * i + 1)?;
        }
        Ok(Self(out))
    }
}

/// Builds a [`ContentHash`] from fields; every field is length-prefixed, so that
/// two different sequences of fields never give the same bytes.
#[derive(Clone)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Starts a hash in a named domain (`"network"`, `"region"`, …).
    pub fn new(domain: &str) -> Self {
        let mut h = Self(Sha256::new());
        h.str(domain);
        h
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds a byte string.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.raw(&(bytes.len() as u64).to_le_bytes());
        self.raw(bytes);
        self
    }

    /// Adds a string.
    pub fn str(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Adds an integer.
    pub fn int(&mut self, value: i64) -> &mut Self {
        self.raw(&value.to_le_bytes());
        self
    }

    /// The hash of everything added.
    pub fn finish(&self) -> ContentHash {
        ContentHash(self.0.clone().finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_boundaries_matter() {
        let two = |a: &str, b: &str| Hasher::new("t").str(a).str(b).finish();
        assert_ne!(two("ab", "c"), two("a", "bc"));
    }

    #[test]
    fn survives_json() {
        let h = ContentHash::of(b"x");
        let text = h.to_string();
        assert_eq!(text.len(), 64);
        let de = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(&text);
        assert_eq!(ContentHash::deserialize(de).unwrap(), h);
    }
}
