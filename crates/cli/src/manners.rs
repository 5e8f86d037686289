//! How a call speaks: in which colours, how much, and how wide its lines are.

use crate::args::{ColorWhen, GlobalArgs};
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use terminal_size::{Height, Width, terminal_size_of};

/// The width of help where there is no terminal to ask, and the most that it takes of one.
pub(crate) const PROSE: usize = 100;
/// Narrower than this nothing is laid out.
const NARROWEST: usize = 20;

/// What is known of the streams, and what the call asked for. The default is a call without a
/// terminal that asked for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manners {
    /// Results go to a terminal.
    pub out_is_terminal: bool,
    /// The columns that results may take: those of the terminal, or what `COLUMNS` says; `None`
    /// without either.
    pub columns: Option<usize>,
    /// The same of messages, which go to standard error.
    pub message_columns: Option<usize>,
    /// `--quiet`.
    pub quiet: bool,
    /// `--verbose`.
    pub verbose: bool,
    /// `--color`.
    pub color: ColorWhen,
    /// `--format json`: messages are data too, a JSON object a line.
    pub json: bool,
}

impl Manners {
    /// What the process's streams are and how wide.
    pub fn of_process() -> Self {
        let said = columns(std::env::var_os("COLUMNS"));
        let width = |size: Option<(Width, Height)>| Some(usize::from(size?.0.0));
        Self {
            out_is_terminal: io::stdout().is_terminal(),
            columns: said.or_else(|| width(terminal_size_of(io::stdout()))),
            message_columns: said.or_else(|| width(terminal_size_of(io::stderr()))),
            ..Self::default()
        }
    }

    /// The same with what a call asks for.
    #[must_use]
    pub(crate) fn asked(self, args: GlobalArgs) -> Self {
        Self {
            quiet: args.quiet,
            verbose: args.verbose,
            color: args.color,
            ..self
        }
    }

    /// Whether a stream is coloured: `terminal` says what it is, `wanted` what the environment
    /// says.
    pub(crate) fn colours(self, terminal: bool, wanted: bool) -> bool {
        match self.color {
            ColorWhen::Auto => terminal && wanted,
            ColorWhen::Always => true,
            ColorWhen::Never => false,
        }
    }

    /// The columns of help.
    pub(crate) fn prose(self) -> usize {
        self.columns.unwrap_or(PROSE).clamp(NARROWEST, PROSE)
    }

    /// The columns of messages.
    pub(crate) fn messages(self) -> usize {
        self.message_columns
            .unwrap_or(PROSE)
            .clamp(NARROWEST, PROSE)
    }

    /// The columns that a table must fit into; `None` leaves every row on a line of its own.
    pub(crate) fn table(self) -> Option<usize> {
        self.columns.map(|c| c.max(NARROWEST))
    }
}

/// What `COLUMNS` says, if it is a number.
fn columns(value: Option<OsString>) -> Option<usize> {
    value?.to_str()?.parse().ok().filter(|c| *c > 0)
}

/// What `--color` says in a call, whether or not the rest of it can be read.
pub(crate) fn color_in(args: &[OsString]) -> ColorWhen {
    match last_of(args, "--color", &["auto", "always", "never"]).as_deref() {
        Some("always") => ColorWhen::Always,
        Some("never") => ColorWhen::Never,
        Some(_) | None => ColorWhen::Auto,
    }
}

/// Whether `--format` says in a call that messages are data too.
pub(crate) fn json_in(args: &[OsString]) -> bool {
    let formats = ["text", "json", "markdown"];
    last_of(args, "--format", &formats).as_deref() == Some("json")
}

/// The last value of an option among those that it can have.
fn last_of(args: &[OsString], option: &str, values: &[&str]) -> Option<String> {
    let mut found = None;
    let mut words = args.iter().map(|a| a.to_string_lossy());
    while let Some(word) = words.next() {
        let value = match word.strip_prefix(option) {
            _ if word == "--" => break,
            Some("") => words.next().map(|v| v.into_owned()),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        found = value.filter(|v| values.contains(&v.as_str())).or(found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_come_from_the_terminal_and_have_bounds() {
        let of = |columns| Manners {
            columns,
            ..Manners::default()
        };
        let widths = |c| (of(c).prose(), of(c).table());
        let messages = |message_columns| Manners {
            message_columns,
            ..of(Some(50))
        };
        assert_eq!(messages(None).messages(), PROSE);
        assert_eq!(messages(Some(72)).messages(), 72);
        assert_eq!(messages(Some(300)).messages(), PROSE);
        assert_eq!(widths(None), (PROSE, None));
        assert_eq!(widths(Some(72)), (72, Some(72)));
        assert_eq!(widths(Some(300)), (PROSE, Some(300)));
        assert_eq!(widths(Some(3)), (NARROWEST, Some(NARROWEST)));
    }

    #[test]
    fn columns_is_a_positive_number_or_nothing() {
        for (text, found) in [
            ("72", Some(72)),
            ("0", None),
            ("", None),
            ("wide", None),
            ("-3", None),
        ] {
            assert_eq!(columns(Some(text.into())), found);
        }
        assert_eq!(columns(None), None);
    }

    #[test]
    fn color_is_found_without_reading_the_call() {
        let of = |text: &str| {
            let words: Vec<OsString> = text.split(' ').map(OsString::from).collect();
            color_in(&words)
        };
        assert_eq!(of("p --color always --help"), ColorWhen::Always);
        assert_eq!(of("p --color=never x"), ColorWhen::Never);
        assert_eq!(of("p --color=never --color always"), ColorWhen::Always);
        assert_eq!(of("p reduce x -- q --color always"), ColorWhen::Auto);
        assert_eq!(of("p --colors=always --color=odd --color"), ColorWhen::Auto);
    }
}
