//! Command lines as people copy them into a shell.

/// A word as a shell of Unix reads it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// Words as one command line.
pub fn command_line(words: &[String]) -> String {
    let all: Vec<String> = words.iter().map(|w| quoted(w)).collect();
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("--data"), "--data");
        assert_eq!(quoted("it's here"), "'it'\\''s here'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("$(rm)"), "'$(rm)'");
        let words = ["a", "b c"].map(str::to_owned);
        assert_eq!(command_line(&words), "a 'b c'");
    }
}
