//! Lists of numbers, nested as deep as the tensor has dimensions.

use super::{Reader, number};
use crate::ast::List;
use crate::grammar::{Rule, parts};
use ceg4n_base::{Diagnostic, Exact, codes};
use pest::iterators::Pair;

/// Of one list so many bad numbers are reported.
const MAX_REPORTS: usize = 3;

/// What a list may hold.
pub(crate) trait Element: Sized {
    fn read(text: &str) -> Result<Self, String>;
}

impl Element for f32 {
    fn read(text: &str) -> Result<Self, String> {
        number::float32(text)
    }
}

impl Element for i32 {
    fn read(text: &str) -> Result<Self, String> {
        number::int32(text)
    }
}

impl Element for Exact {
    fn read(text: &str) -> Result<Self, String> {
        number::exact(text)
    }
}

/// A list, or a single number as a tensor without dimensions. Rows of different lengths are
/// an error.
pub(crate) fn read<T: Element>(reader: &mut Reader<'_>, pair: Pair<'_, Rule>) -> Option<List<T>> {
    let span = reader.place.of(&pair);
    let depth = match pair.as_rule() {
        Rule::tensor1 => 1,
        Rule::tensor2 => 2,
        Rule::tensor3 => 3,
        Rule::tensor4 => 4,
        _ => 0,
    };
    let mut filler = Filler {
        reader,
        dims: vec![None; depth],
        data: Vec::new(),
        bad: 0,
    };
    filler.fill(pair, 0);
    let Filler {
        dims, data, bad, ..
    } = filler;
    let dims = dims.into_iter().flatten().collect();
    (bad == 0).then_some(List { dims, data, span })
}

struct Filler<'r, 'e, T> {
    reader: &'r mut Reader<'e>,
    dims: Vec<Option<usize>>,
    data: Vec<T>,
    bad: usize,
}

impl<T: Element> Filler<'_, '_, T> {
    /// Recurses at most four levels: the grammar has no more.
    fn fill(&mut self, pair: Pair<'_, Rule>, level: usize) {
        if level == self.dims.len() {
            match T::read(pair.as_str()) {
                Ok(v) => self.data.push(v),
                Err(message) => self.report(codes::NUMBER, &pair, message, "not this number"),
            }
            return;
        }
        let mut count = 0;
        for part in parts(pair.clone()) {
            self.fill(part, level + 1);
            count += 1;
        }
        let expected = *self.dims[level].get_or_insert(count);
        if count != expected {
            let message =
                format!("this row has {count} elements, the first one of its kind {expected}");
            self.report(codes::SHAPE, &pair, message, "this row");
        }
    }

    fn report(&mut self, code: codes::Code, pair: &Pair<'_, Rule>, message: String, label: &str) {
        self.bad += 1;
        if self.bad <= MAX_REPORTS {
            let span = self.reader.place.of(pair);
            let d = Diagnostic::error(code, message).at(Some(span), label);
            self.reader.errors.push(d);
        }
    }
}
