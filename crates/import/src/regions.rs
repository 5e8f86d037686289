//! Region files: a JSON list of `{id, lower_bounds, upper_bounds, x?, y?, ball_size?}`.
//!
//! Bounds may be nested like the network's input or flat; other fields are ignored. A number
//! stands for the float64 nearest to its text, so that a bound is exactly the number that the
//! tool which wrote it had.

mod apart;

use crate::file;
use ceg4n_base::{Diagnostic, Diagnostics, Exact, codes};
use ceg4n_ir::Region;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

/// A region, and what its file says besides.
#[derive(Clone, Debug)]
pub struct RegionEntry {
    /// The box.
    pub region: Region,
    /// The network's outputs at the centre as the file's authors computed them.
    pub y: Option<Vec<f64>>,
}

/// Reads a region file, which may be packed (`.gz`).
///
/// # Errors
/// [`codes::FILE_READ`], or as [`regions_from_json`].
pub fn regions_from_file(path: impl AsRef<Path>) -> Result<Vec<RegionEntry>, Diagnostics> {
    let text = file::text(path.as_ref())?;
    regions_from_json(&text, &path.as_ref().display().to_string())
}

/// Reads the text of a region file; `file` stands in the messages.
///
/// # Errors
/// [`codes::REGION_FILE`] with line and column for text that is no list of regions, and for each of
/// the first entries of a list that is no region,
/// [`codes::REGION`] for every region without a point or with lists of different lengths,
/// [`codes::DUPLICATE_NAME`] for ids that occur twice.
pub fn regions_from_json(text: &str, file: &str) -> Result<Vec<RegionEntry>, Diagnostics> {
    let progress = RefCell::new(Progress::default());
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Entries(&progress)
        .deserialize(&mut json)
        .and_then(|list| json.end().map(|()| list));
    let (entries, mut errors) = match read {
        Ok(list) => (
            list.into_iter().enumerate().collect(),
            Diagnostics::default(),
        ),
        Err(e) if e.is_data() && progress.borrow().entry.is_some() => apart::entries(text, file),
        Err(e) => return Err(error_at(&e, Start::default(), &progress.borrow(), file).into()),
    };
    let mut ids = BTreeSet::new();
    let mut out = Vec::with_capacity(entries.len());
    for (i, entry) in entries {
        let place = format!("{file}: entry {i}, id \"{}\"", entry.id);
        if !ids.insert(entry.id.clone()) {
            let text = format!("region \"{}\" occurs twice", entry.id);
            errors.push(Diagnostic::error(codes::DUPLICATE_NAME, text).place(&place));
        }
        match entry.check() {
            Ok(entry) => out.push(entry),
            Err(d) => errors.push(d.place(place)),
        }
    }
    errors.or(out)
}

/// How far reading came, for messages.
#[derive(Debug, Default)]
struct Progress {
    /// The entry being read; `None` before the first.
    entry: Option<usize>,
    id: Option<String>,
}

/// Where in a file a part of it begins: lines before it, and bytes before it on its line.
#[derive(Clone, Copy, Debug, Default)]
struct Start {
    lines: usize,
    columns: usize,
}

impl Start {
    /// The place in the file of a place (from 1) in the part.
    fn place(self, line: usize, column: usize) -> (usize, usize) {
        let before = if line <= 1 { self.columns } else { 0 };
        (self.lines + line, before + column)
    }
}

/// An error in the part of a file that begins at `start`.
fn error_at(e: &serde_json::Error, start: Start, progress: &Progress, file: &str) -> Diagnostic {
    let (line, column) = start.place(e.line(), e.column());
    let full = e.to_string();
    let tail = format!(" at line {} column {}", e.line(), e.column());
    let message = match e.is_eof() {
        true => "the file ends before its list does",
        false => full.strip_suffix(&tail).unwrap_or(&full),
    };
    let entry = match (progress.entry, &progress.id) {
        (None, _) => String::new(),
        (Some(i), None) => format!("entry {i}: "),
        (Some(i), Some(id)) => format!("entry {i}, id \"{id}\": "),
    };
    Diagnostic::error(codes::REGION_FILE, format!("{entry}{message}"))
        .place(format!("{file}:{line}:{column}"))
        .help("a region file is a list of {\"id\", \"lower_bounds\", \"upper_bounds\", \"x\"?} with finite numbers")
}

/// An entry as it stands in the file.
struct Entry {
    id: String,
    lower: Vec<f64>,
    upper: Vec<f64>,
    x: Option<Vec<f64>>,
    y: Option<Vec<f64>>,
    ball_size: Option<f64>,
}

impl Entry {
    fn check(self) -> Result<RegionEntry, Diagnostic> {
        let id = self.id;
        let fail = |m: String| {
            let text = format!("region \"{id}\" {m}");
            Err(Diagnostic::error(codes::REGION, text))
        };
        let n = self.lower.len();
        if n == 0 || n != self.upper.len() {
            let upper = self.upper.len();
            return fail(format!("has {n} lower and {upper} upper bounds"));
        }
        let exact = |list: &[f64]| -> Option<Vec<Exact>> {
            list.iter().map(|v| Exact::from_f64(*v)).collect()
        };
        let center = match &self.x {
            Some(x) => match exact(x) {
                Some(x) => Some(x),
                None => return fail("has a centre that is not finite".to_owned()),
            },
            None => None,
        };
        let (Some(lower), Some(upper)) = (exact(&self.lower), exact(&self.upper)) else {
            return fail("has a bound that is not finite".to_owned());
        };
        // The text that users give to --ball-size is the shortest one of the float.
        let ball_size = match self.ball_size.map(|b| b.to_string().parse::<Exact>()) {
            None => None,
            Some(Ok(b)) if b.signum() >= 0 => Some(b),
            Some(_) => return fail("has a ball_size that is no radius".to_owned()),
        };
        let region = Region {
            id: id.clone(),
            lower,
            upper,
            center,
            ball_size,
            span: None,
        };
        region.check(n)?;
        if let Some(c) = &region.center
            && !region.contains(c)
        {
            return fail("has its centre x outside its box".to_owned());
        }
        Ok(RegionEntry { region, y: self.y })
    }
}

/// The list, entry by entry.
struct Entries<'a>(&'a RefCell<Progress>);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = Vec<Entry>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Vec<Entry>, D::Error> {
        d.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = Vec<Entry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of regions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Entry>, A::Error> {
        let mut out = Vec::new();
        loop {
            *self.0.borrow_mut() = Progress {
                entry: Some(out.len()),
                id: None,
            };
            match seq.next_element_seed(OneEntry(self.0))? {
                Some(entry) => out.push(entry),
                None => return Ok(out),
            }
        }
    }
}

struct OneEntry<'a>(&'a RefCell<Progress>);

impl<'de> DeserializeSeed<'de> for OneEntry<'_> {
    type Value = Entry;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Entry, D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneEntry<'_> {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a region")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let (mut id, mut lower, mut upper) = (None, None, None);
        let (mut x, mut y, mut ball_size) = (None, None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "id" => {
                    let text = map.next_value_seed(Id)?;
                    self.0.borrow_mut().id = Some(text.clone());
                    id = Some(text);
                }
                "lower_bounds" => lower = Some(map.next_value_seed(Numbers)?),
                "upper_bounds" => upper = Some(map.next_value_seed(Numbers)?),
                "x" => x = map.next_value_seed(Optional)?,
                "y" => y = map.next_value_seed(Optional)?,
                "ball_size" => ball_size = map.next_value::<Option<f64>>()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Entry {
            id: id.ok_or_else(|| A::Error::missing_field("id"))?,
            lower: lower.ok_or_else(|| A::Error::missing_field("lower_bounds"))?,
            upper: upper.ok_or_else(|| A::Error::missing_field("upper_bounds"))?,
            x,
            y,
            ball_size,
        })
    }
}

/// A string, or a number as its shortest text.
struct Id;

impl<'de> DeserializeSeed<'de> for Id {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<String, D::Error> {
        d.deserialize_any(self)
    }
}

impl Visitor<'_> for Id {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a number")
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<String, E> {
        Ok(v.to_owned())
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<String, E> {
        Ok(v.to_string())
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<String, E> {
        Ok(v.to_string())
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<String, E> {
        Ok(format!("{v:?}"))
    }
}

/// Numbers in lists of lists of any depth, in order. The parser limits the depth.
struct Numbers;

impl<'de> DeserializeSeed<'de> for Numbers {
    type Value = Vec<f64>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Vec<f64>, D::Error> {
        let mut out = Vec::new();
        d.deserialize_seq(Nested(&mut out))?;
        Ok(out)
    }
}

/// The same, or null.
struct Optional;

impl<'de> DeserializeSeed<'de> for Optional {
    type Value = Option<Vec<f64>>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Optional {
    type Value = Option<Vec<f64>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        Numbers.deserialize(d).map(Some)
    }
}

struct Nested<'a>(&'a mut Vec<f64>);

impl<'de> DeserializeSeed<'de> for Nested<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a list of numbers")
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<(), E> {
        self.0.push(v);
        Ok(())
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<(), E> {
        self.visit_f64(v as f64)
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<(), E> {
        self.visit_f64(v as f64)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Nested(self.0))?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests;
