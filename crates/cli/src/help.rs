//! `help E0123`: what a diagnostic code means.

use crate::commands;
use crate::console::Console;
use ceg4n_base::{Diagnostic, codes};
use std::ffi::OsString;

/// The code that a call wants explained: `help` and a word like a code. Other words are commands.
pub(crate) fn code_in(args: &[OsString]) -> Option<String> {
    let words: Vec<_> = args.iter().skip(1).map(|a| a.to_string_lossy()).collect();
    let at = words.iter().position(|w| w == "help")?;
    // Options of every command may stand before it.
    let options = words[..at]
        .iter()
        .all(|w| w.starts_with('-') || is_value(w));
    let id = words.get(at + 1).filter(|_| options)?;
    let mut letters = id.chars();
    let like_a_code = letters.next().is_some_and(|c| "eEwW".contains(c))
        && letters.clone().count() > 0
        && letters.all(|c| c.is_ascii_digit());
    like_a_code.then(|| id.to_string())
}

fn is_value(word: &str) -> bool {
    ["auto", "always", "never", "json", "text"].contains(&word)
}

/// Explains a code; returns the exit code.
pub(crate) fn code(id: &str, console: &mut Console<'_>) -> i32 {
    let Some(code) = codes::Code::find(id) else {
        let near = codes::ALL.iter().filter(|c| {
            let group = |t: &str| t.chars().take(3).collect::<String>().to_ascii_uppercase();
            group(c.id) == group(id)
        });
        let near: Vec<&str> = near.map(|c| c.id).collect();
        let error = Diagnostic::error(codes::USAGE, format!("there is no code {id}"));
        let error = error.help(match near.is_empty() {
            true => "codes begin with E01 to E07 or E09; the book lists them".to_owned(),
            false => format!("codes of that group are {}", near.join(", ")),
        });
        return console.fail(&error.into());
    };
    let text = match console.manners.json {
        true => {
            let value = serde_json::json!({
                "code": code.id, "title": code.title, "explanation": code.explanation,
            });
            format!("{value:#}\n")
        }
        false => format!("{}: {}\n\n{}", code.id, code.title, code.explanation),
    };
    let written = console.print(&text);
    commands::finish(written, 0, console)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_from_commands() {
        let of = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            code_in(&words)
        };
        assert_eq!(of("ceg4nc help E0101").as_deref(), Some("E0101"));
        assert_eq!(of("ceg4nc --color never help e9").as_deref(), Some("e9"));
        assert_eq!(of("ceg4nc help explain"), None);
        assert_eq!(of("ceg4nc help"), None);
        assert_eq!(of("ceg4nc check help E0101"), None);
    }
}
