//! Kernel names: one identifier that prefixes C symbols, names C files and a Rust crate.

use crate::EmitError;

/// Longer names are cut or refused: file systems and old linkers have limits.
const MAX_LEN: usize = 64;

/// Keywords of C and Rust, headers of the C library (`NAME.h` must not hide one), crates that
/// every Rust program sees, and names that cargo refuses.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "assert",
    "async",
    "auto",
    "await",
    "become",
    "box",
    "break",
    "build",
    "case",
    "char",
    "complex",
    "const",
    "continue",
    "core",
    "crate",
    "ctype",
    "default",
    "deps",
    "do",
    "double",
    "dyn",
    "else",
    "enum",
    "errno",
    "examples",
    "extern",
    "false",
    "fenv",
    "final",
    "float",
    "fn",
    "for",
    "gen",
    "goto",
    "if",
    "impl",
    "in",
    "incremental",
    "inline",
    "int",
    "inttypes",
    "iso646",
    "let",
    "limits",
    "locale",
    "long",
    "loop",
    "macro",
    "main",
    "match",
    "math",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "register",
    "restrict",
    "return",
    "self",
    "setjmp",
    "short",
    "signal",
    "signed",
    "sizeof",
    "static",
    "std",
    "stdarg",
    "stdbool",
    "stddef",
    "stdint",
    "stdio",
    "stdlib",
    "string",
    "struct",
    "super",
    "switch",
    "test",
    "tgmath",
    "time",
    "trait",
    "true",
    "try",
    "type",
    "typedef",
    "typeof",
    "union",
    "unsafe",
    "unsigned",
    "unsized",
    "use",
    "virtual",
    "void",
    "volatile",
    "wchar",
    "wctype",
    "where",
    "while",
    "yield",
];

fn reserved(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    RESERVED.binary_search(&lower.as_str()).is_ok()
}

/// A kernel name for any text: what is no letter, digit or underscore becomes `_`, a leading
/// digit or underscore gets a letter before it, a reserved word gets `_net` behind it.
/// [`check_identifier`] accepts the result.
pub fn c_identifier(name: &str) -> String {
    let mut id: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .take(MAX_LEN - "n_net".len())
        .collect();
    if !id.starts_with(|c: char| c.is_ascii_alphabetic()) {
        id.insert(0, 'n');
    }
    if reserved(&id) {
        id.push_str("_net");
    }
    id
}

/// Accepts a name that a user gives (`--prefix`) if it can prefix C symbols and name C files and
/// a Rust crate.
///
/// # Errors
/// [`EmitError::Name`] for no C identifier, a leading underscore, a reserved word, more than 64
/// characters.
pub fn check_identifier(name: &str) -> Result<(), EmitError> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let reason = if name.is_empty() {
        "it is empty"
    } else if !name.chars().all(word) || name.starts_with(|c: char| c.is_ascii_digit()) {
        "it is no C identifier (letters, digits and underscores, no digit first)"
    } else if name.starts_with('_') {
        "C reserves names that start with an underscore"
    } else if name.len() > MAX_LEN {
        "it is longer than 64 characters"
    } else if reserved(name) {
        "it is a keyword, a standard header or a reserved crate name"
    } else {
        return Ok(());
    };
    Err(EmitError::Name {
        name: name.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_sorted_for_the_search() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn any_text_becomes_a_name() {
        for (text, want) in [
            ("iris", "iris"),
            ("iris-3x2.v1", "iris_3x2_v1"),
            ("2nd", "n2nd"),
            ("", "n"),
            ("_x", "n_x"),
            ("für", "f_r"),
            ("while", "while_net"),
            ("stdint", "stdint_net"),
            ("Self", "Self_net"),
        ] {
            assert_eq!(c_identifier(text), want);
        }
        for text in ["", "数", "a b", "int", &"9".repeat(500), "string", "\0"] {
            assert_eq!(check_identifier(&c_identifier(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn bad_prefixes_are_refused() {
        for name in ["", "1a", "a-b", "_a", "int", "match", "stdint", "Std", "é"] {
            assert!(check_identifier(name).is_err(), "{name}");
        }
        assert!(check_identifier(&"a".repeat(65)).is_err());
        assert_eq!(check_identifier("Iris_3x2"), Ok(()));
    }
}
