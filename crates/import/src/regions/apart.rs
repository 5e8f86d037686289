//! The entries of a list one by one: one that is no region does not hide what is wrong with the
//! next. Slower than reading the list at once, so only for a list with such an entry.

use super::{Entry, OneEntry, Progress, Start, error_at};
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use serde::de::{DeserializeSeed, IgnoredAny};
use serde_json::Deserializer;
use std::cell::RefCell;
use std::ops::Range;

/// So many entries that are no regions are told; more are counted.
const TOLD: usize = 20;

/// The regions of a list with their places in it (from 0), and an error for every other entry.
/// Text that is no JSON ends the list with an error. `file` stands in the messages.
pub(super) fn entries(text: &str, file: &str) -> (Vec<(usize, Entry)>, Diagnostics) {
    let (parts, rest) = parts(text);
    let mut regions = Vec::new();
    let mut errors = Diagnostics::default();
    let mut untold = 0usize;
    // Lines are counted once over the whole text.
    let (mut at, mut start) = (0, Start::default());
    for (i, part) in parts.into_iter().enumerate() {
        start = start.after(&text[at..part.start]);
        at = part.start;
        let progress = RefCell::new(Progress {
            entry: Some(i),
            id: None,
        });
        let mut json = Deserializer::from_str(&text[part]);
        match OneEntry(&progress).deserialize(&mut json) {
            Ok(entry) => regions.push((i, entry)),
            Err(_) if errors.0.len() == TOLD => untold += 1,
            Err(e) => errors.push(error_at(&e, start, &progress.borrow(), file)),
        }
    }
    errors.0.extend(rest.map(|e| {
        let progress = Progress::default();
        error_at(&e, Start::default(), &progress, file)
    }));
    if untold > 0 {
        let message = format!("{untold} more entries are no regions");
        errors.push(Diagnostic::error(codes::REGION_FILE, message).place(file));
    }
    (regions, errors)
}

impl Start {
    /// Where what follows `text` begins.
    fn after(self, text: &str) -> Self {
        match text.rsplit_once('\n') {
            None => Self {
                columns: self.columns + text.len(),
                ..self
            },
            Some((before, last)) => Self {
                lines: self.lines + 1 + before.matches('\n').count(),
                columns: last.len(),
            },
        }
    }
}

/// The elements of a list as ranges of `text`, as far as it is JSON, and why it is none further on.
fn parts(text: &str) -> (Vec<Range<usize>>, Option<serde_json::Error>) {
    let skip = |at: usize| {
        let rest = &text[at..];
        at + rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len()
    };
    let mut found = Vec::new();
    let mut at = skip(0);
    while text[at..].starts_with(['[', ',']) {
        let begin = skip(at + 1);
        let mut values = Deserializer::from_str(&text[begin..]).into_iter::<IgnoredAny>();
        let Some(Ok(_)) = values.next() else {
            break;
        };
        let end = begin + values.byte_offset();
        found.push(begin..end);
        at = skip(end);
        // The first character is that of the list alone.
        if text[at..].starts_with('[') {
            break;
        }
    }
    (found, serde_json::from_str::<IgnoredAny>(text).err())
}
