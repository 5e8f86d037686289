//! Diagnostics: what is wrong, where, and what to do about it.
//!
//! A diagnostic is data. Rooms return [`Diagnostics`]; [`Sources::render`] turns them into the
//! text that the CLI and the text tests show, so there is one renderer.

use crate::codes::Code;
use codespan_reporting::diagnostic as cs;
use codespan_reporting::files::SimpleFiles;
use codespan_reporting::term;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;

/// A source text inside [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SourceId(pub u32);

/// A byte range of one source text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Span {
    /// The text it points into.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A byte range of `source`.
    pub fn new(source: SourceId, range: std::ops::Range<usize>) -> Self {
        let clip = |v: usize| u32::try_from(v).unwrap_or(u32::MAX);
        Self {
            source,
            start: clip(range.start),
            end: clip(range.end),
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The command cannot go on.
    Error,
    /// The command goes on; the user should know.
    Warning,
    /// Nothing is wrong; something was done that the user may want to know.
    Note,
}

/// Where a diagnostic points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Location {
    /// A place in a text that [`Sources`] holds.
    Span(Span),
    /// A place in something that is no text: a file, an ONNX node (`model.onnx: node "Conv_3"`).
    Place(String),
    /// The command line, or nowhere in particular.
    None,
}

/// One message to the user.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnostic {
    /// Its entry in the table of codes.
    pub code: Code,
    /// Error, warning or note.
    pub severity: Severity,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// Where.
    pub location: Location,
    /// What stands beside the caret; may be empty.
    pub label: String,
    /// Further places with a word each.
    pub related: Vec<(Span, String)>,
    /// What to do, one sentence each.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error without a place; see [`Self::at`].
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            location: Location::None,
            label: String::new(),
            related: Vec::new(),
            help: Vec::new(),
        }
    }

    /// A warning without a place.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }

    /// A note without a place.
    pub fn note(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Note,
            ..Self::error(code, message)
        }
    }

    /// Points at a span, with a word beside the caret. `None` leaves the place as it was.
    #[must_use]
    pub fn at(mut self, span: Option<Span>, label: impl Into<String>) -> Self {
        if let Some(span) = span {
            self.location = Location::Span(span);
            self.label = label.into();
        }
        self
    }

    /// Points at something that is no text.
    #[must_use]
    pub fn place(mut self, place: impl Into<String>) -> Self {
        self.location = Location::Place(place.into());
        self
    }

    /// Adds a further place.
    #[must_use]
    pub fn related(mut self, span: Option<Span>, label: impl Into<String>) -> Self {
        self.related.extend(span.map(|s| (s, label.into())));
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

impl Diagnostic {
    /// Says what to do, if there is something.
    #[must_use]
    pub fn help_if(mut self, help: Option<String>) -> Self {
        self.help.extend(help);
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.code, self.message)
    }
}

/// One or more diagnostics: the error type of everything that reads user input.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// True if one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// Adds one.
    pub fn push(&mut self, d: Diagnostic) {
        self.0.push(d);
    }

    /// `Ok(value)` if there is no error among them, else all of them.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.has_errors() {
            Err(self)
        } else {
            Ok(value)
        }
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(d: Diagnostic) -> Self {
        Self(vec![d])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, d) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{d}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// The texts that spans point into.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<(String, String)>,
}

impl Sources {
    /// Adds a text under the name that messages show.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        self.files.push((name.into(), text.into()));
        SourceId(u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX))
    }

    /// The text of a source; empty for an id of another collection.
    pub fn text(&self, id: SourceId) -> &str {
        self.files.get(id.0 as usize).map_or("", |f| f.1.as_str())
    }

    /// The name of a source.
    pub fn name(&self, id: SourceId) -> &str {
        self.files.get(id.0 as usize).map_or("?", |f| f.0.as_str())
    }

    /// Line and column (from 1, columns in characters) of a span's start.
    pub fn line_column(&self, span: Span) -> (usize, usize) {
        let text = self.text(span.source);
        let before = text.get(..span.start as usize).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }

    /// The diagnostics as data: a JSON object a line with `severity`, `code`, `message`, `place`,
    /// `file`, `line`, `column`, `end_line`, `end_column` (of the first character behind), `label`,
    /// `related` (places with a `label` each) and `help`. What a diagnostic lacks is left out.
    pub fn json(&self, diagnostics: &Diagnostics) -> String {
        let lines = diagnostics.0.iter().map(|d| {
            let mut out = Map::new();
            let severity = match d.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            out.insert("severity".into(), severity.into());
            out.insert("code".into(), d.code.id.into());
            out.insert("message".into(), d.message.clone().into());
            match &d.location {
                Location::Span(span) => out.extend(self.place_json(*span, &d.label)),
                Location::Place(place) => {
                    out.insert("place".into(), place.clone().into());
                }
                Location::None => {}
            }
            if !d.related.is_empty() {
                let places = d.related.iter();
                let places = places.map(|(s, l)| Value::Object(self.place_json(*s, l)));
                out.insert("related".into(), places.collect());
            }
            if !d.help.is_empty() {
                out.insert("help".into(), d.help.clone().into());
            }
            format!("{}\n", Value::Object(out))
        });
        lines.collect()
    }

    fn place_json(&self, span: Span, label: &str) -> Map<String, Value> {
        let (line, column) = self.line_column(span);
        let end = Span {
            start: span.end,
            ..span
        };
        let (end_line, end_column) = self.line_column(end);
        let mut out = Map::new();
        out.insert("file".into(), self.name(span.source).into());
        out.insert("line".into(), line.into());
        out.insert("column".into(), column.into());
        out.insert("end_line".into(), end_line.into());
        out.insert("end_column".into(), end_column.into());
        if !label.is_empty() {
            out.insert("label".into(), label.into());
        }
        out
    }

    /// The diagnostics as text: code, file, line, column, caret and help. With ANSI colours if asked.
    pub fn render(&self, diagnostics: &Diagnostics, colour: bool) -> String {
        self.render_within(diagnostics, colour, None)
    }

    /// The same with messages and helps wrapped to a width in columns, if there is one. Lines of a
    /// source are never broken.
    pub fn render_within(
        &self,
        diagnostics: &Diagnostics,
        colour: bool,
        width: Option<usize>,
    ) -> String {
        let mut files = SimpleFiles::new();
        for (name, text) in &self.files {
            files.add(name.as_str(), text.as_str());
        }
        let mut buffer = if colour {
            term::termcolor::Buffer::ansi()
        } else {
            term::termcolor::Buffer::no_color()
        };
        let config = term::Config::default();
        for d in &diagnostics.0 {
            let d = to_codespan(&wrapped(d, width));
            // Writing to memory fails only for a span outside its text; the message still shows.
            if term::emit_to_write_style(&mut buffer, &config, &files, &d).is_err() {
                let bare = cs::Diagnostic {
                    labels: Vec::new(),
                    ..d
                };
                let _ = term::emit_to_write_style(&mut buffer, &config, &files, &bare);
            }
        }
        String::from_utf8_lossy(buffer.as_slice()).into_owned()
    }
}

/// Columns that the renderer keeps for line numbers, left of notes: up to three digits of them.
const GUTTER: usize = 6;

/// A diagnostic whose message and helps stand in lines of at most so many columns.
fn wrapped(d: &Diagnostic, width: Option<usize>) -> Diagnostic {
    let Some(width) = width else {
        return d.clone();
    };
    // What the renderer puts before the words: `warning[E0101]: `, ` = help: `.
    let fill = |text: &str, width: usize, before: usize| {
        let before = " ".repeat(before);
        let options = textwrap::Options::new(width.max(24))
            .initial_indent(&before)
            .subsequent_indent("  ")
            .break_words(false)
            // Options are copied from messages.
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        textwrap::fill(text, options)[before.len()..].to_owned()
    };
    Diagnostic {
        message: fill(&d.message, width, 16),
        // All lines of a help stand behind the gutter.
        help: d
            .help
            .iter()
            .map(|h| fill(h, width.saturating_sub(GUTTER), 7))
            .collect(),
        ..d.clone()
    }
}

fn to_codespan(d: &Diagnostic) -> cs::Diagnostic<usize> {
    let severity = match d.severity {
        Severity::Error => cs::Severity::Error,
        Severity::Warning => cs::Severity::Warning,
        Severity::Note => cs::Severity::Note,
    };
    let range = |s: &Span| s.start as usize..s.end as usize;
    let mut labels = Vec::new();
    let mut notes = Vec::new();
    match &d.location {
        Location::Span(s) => labels
            .push(cs::Label::primary(s.source.0 as usize, range(s)).with_message(d.label.clone())),
        Location::Place(place) => notes.push(format!("in {place}")),
        Location::None => {}
    }
    for (span, text) in &d.related {
        labels.push(
            cs::Label::secondary(span.source.0 as usize, range(span)).with_message(text.clone()),
        );
    }
    notes.extend(d.help.iter().map(|h| format!("help: {h}")));
    cs::Diagnostic::new(severity)
        .with_code(d.code.to_string())
        .with_message(d.message.clone())
        .with_labels(labels)
        .with_notes(notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;

    #[test]
    fn shows_code_place_caret_and_help() {
        let mut sources = Sources::default();
        let id = sources.add("net.nnir", "one\ntwo three\n");
        let d = Diagnostic::error(codes::SYNTAX, "expected a value")
            .at(Some(Span::new(id, 8..13)), "here")
            .help("write a value");
        let text = sources.render(&d.into(), false);
        for part in ["E0101", "net.nnir:2:5", "^^^^^ here", "help: write a value"] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }

    #[test]
    fn data_say_what_the_text_says() {
        let mut sources = Sources::default();
        let id = sources.add("net.nnir", "one\ntwo three\n");
        let first = Diagnostic::error(codes::SYNTAX, "expected a value")
            .at(Some(Span::new(id, 8..13)), "here")
            .related(Some(Span::new(id, 0..3)), "there")
            .help("write \"a\"");
        let second = Diagnostic::warning(codes::NO_DATA, "few").place("a file");
        let text = sources.json(&Diagnostics(vec![first, second]));
        let lines: Vec<Value> = text.lines().map(|l| l.parse().unwrap()).collect();
        assert_eq!(
            lines[0],
            serde_json::json!({
                "severity": "error", "code": "E0101", "message": "expected a value",
                "file": "net.nnir", "line": 2, "column": 5, "end_line": 2, "end_column": 10,
                "label": "here", "help": ["write \"a\""],
                "related": [{
                    "file": "net.nnir", "line": 1, "column": 1, "end_line": 1, "end_column": 4,
                    "label": "there"
                }]
            })
        );
        let wanted = serde_json::json!({
            "severity": "warning", "code": "E0407", "message": "few", "place": "a file"
        });
        assert_eq!(lines[1], wanted);
    }

    #[test]
    fn messages_fit_a_width() {
        let words = "--word ".repeat(40);
        let d = Diagnostic::error(codes::USAGE, words.trim()).help(words.trim());
        for width in [30, 60, 100] {
            let text = Sources::default().render_within(&d.clone().into(), false, Some(width));
            let widest = text.lines().map(str::len).max().unwrap();
            assert!(
                widest <= width && widest > width - 12,
                "{widest} of {width}:\n{text}"
            );
            assert_eq!(text.matches("--word").count(), 80);
        }
    }

    #[test]
    fn a_span_outside_its_text_still_shows_the_message() {
        let mut sources = Sources::default();
        let id = sources.add("net.nnir", "x");
        let d = Diagnostic::error(codes::SYNTAX, "odd").at(Some(Span::new(id, 90..99)), "");
        assert!(sources.render(&d.into(), false).contains("odd"));
    }
}
