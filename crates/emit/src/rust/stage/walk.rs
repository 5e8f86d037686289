//! Loops over zipped iterators.

use crate::plan::By;
use crate::text::Code;

/// What the loops of a stage walk over: one loop, or one over blocks and one within a block. Each
/// entry is a pattern and an iterator.
pub(super) struct Walk {
    inner: usize,
    outer: Vec<(String, String)>,
    within: Vec<(String, String)>,
}

impl Walk {
    /// Walks over the result, named `y`.
    pub(super) fn new(inner: usize) -> Self {
        let mut walk = Self {
            inner,
            outer: Vec::new(),
            within: Vec::new(),
        };
        let entry = |over: String| ("y".to_owned(), over);
        if inner > 1 {
            walk.outer
                .push(entry(format!("y.chunks_exact_mut({inner})")));
            walk.within.push(entry("y.iter_mut()".to_owned()));
        } else {
            walk.outer.push(entry("y.iter_mut()".to_owned()));
        }
        walk
    }

    /// Also over a slice of one entry per element.
    pub(super) fn elements(&mut self, name: &str, slice: &str) {
        let name = name.to_owned();
        if self.inner > 1 {
            let chunks = format!(
                "{}.chunks_exact({})",
                slice.trim_start_matches('&'),
                self.inner
            );
            self.outer.push((name.clone(), chunks));
            self.within.push((name.clone(), name));
        } else {
            self.outer.push((name, slice.to_owned()));
        }
    }

    /// Also over an iterator of one entry per block.
    pub(super) fn blocks_of(&mut self, name: &str, iterator: String) {
        self.outer.push((name.to_owned(), iterator));
    }

    /// Also over a table, by what picks its entries.
    pub(super) fn table(&mut self, name: &str, by: By, table: &str) {
        match by {
            By::Element => self.elements(name, table),
            By::Block => self.blocks_of(name, table.to_owned()),
            By::Position => self.within.push((name.to_owned(), table.to_owned())),
        }
    }

    /// Number of nested loops.
    pub(super) fn blocks(&self) -> usize {
        if self.inner > 1 { 2 } else { 1 }
    }

    /// Opens the loops.
    pub(super) fn open(&self, code: &mut Code) {
        self.open_outer(code, None);
        self.open_within(code, None);
    }

    /// Opens the outer loop, with a counter of blocks if one is named.
    pub(super) fn open_outer(&self, code: &mut Code, channel: Option<&str>) {
        code.open(zipped(&self.outer, channel));
    }

    /// Opens the loop within a block, with a counter of positions if one is named.
    pub(super) fn open_within(&self, code: &mut Code, position: Option<&str>) {
        if self.inner > 1 {
            code.open(zipped(&self.within, position));
        }
    }
}

/// The head of a loop over zipped iterators, with a counter if one is named.
fn zipped(entries: &[(String, String)], counter: Option<&str>) -> String {
    let (mut pattern, mut iterator) = (String::new(), String::new());
    for (i, (name, over)) in entries.iter().enumerate() {
        if i == 0 {
            (pattern, iterator) = (name.clone(), over.clone());
        } else {
            pattern = format!("({pattern}, {name})");
            iterator = format!("{iterator}.zip({over})");
        }
    }
    match counter {
        None => format!("for {pattern} in {iterator} {{"),
        Some(c) => format!("for ({c}, {pattern}) in {iterator}.enumerate() {{"),
    }
}
