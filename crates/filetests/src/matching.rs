//! Comparing what came out with what was expected.

/// Does `actual` match `pattern`? `[..]` matches anything within a line, a line that is `...`
/// (with blanks around it) any number of lines.
///
/// # Errors
/// Both texts, and the first line that nothing matches.
pub fn matches(pattern: &str, actual: &str) -> Result<(), String> {
    let wanted: Vec<&str> = pattern.lines().collect();
    let found: Vec<&str> = actual.lines().collect();
    // reach[j]: the patterns so far match the first j lines.
    let mut reach = vec![false; found.len() + 1];
    reach[0] = true;
    for (i, line) in wanted.iter().enumerate() {
        let mut next = vec![false; found.len() + 1];
        let mut any = false;
        for j in 0..=found.len() {
            next[j] = if line.trim() == "..." {
                any |= reach[j];
                any
            } else {
                j > 0 && reach[j - 1] && line_matches(line, found[j - 1])
            };
        }
        if !next.contains(&true) {
            let furthest = reach.iter().rposition(|r| *r).unwrap_or(0);
            return Err(mismatch(i, line, found.get(furthest), actual));
        }
        reach = next;
    }
    if reach[found.len()] {
        return Ok(());
    }
    let furthest = reach.iter().rposition(|r| *r).unwrap_or(0);
    Err(mismatch(
        wanted.len(),
        "(nothing more)",
        found.get(furthest),
        actual,
    ))
}

fn mismatch(line: usize, wanted: &str, found: Option<&&str>, actual: &str) -> String {
    let found = found.map_or("(nothing more)", |f| *f);
    format!(
        "expected line {}: {wanted}\n         found : {found}\n--- all that was found ---\n{actual}",
        line + 1
    )
}

/// One line against a pattern with `[..]`. Parts are found from the left; the last one must end
/// the line.
fn line_matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split("[..]");
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_wildcards() {
        for (pattern, text) in [
            ("a\nb", "a\nb\n"),
            ("a [..] c", "a b c"),
            ("[..]", "\n"),
            ("a[..]b[..]c", "axbbxc"),
            ("...", ""),
            ("...\nz", "a\nb\nz"),
            ("a\n...\nb\n...", "a\nx\nb\nb"),
            ("", ""),
        ] {
            assert_eq!(matches(pattern, text), Ok(()), "{pattern:?} {text:?}");
        }
        for (pattern, text) in [
            ("a", "a\nb"),
            ("a\nb", "a"),
            ("a [..] c", "a c"),
            ("a[..]a", "a"),
            ("...\nz", "a\nz\nb"),
            ("", "a"),
            ("a.", "ab"),
        ] {
            assert!(matches(pattern, text).is_err(), "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn the_first_bad_line_is_named() {
        let e = matches("a\nb\nc", "a\nx\nc").unwrap_err();
        assert!(e.contains("line 2: b") && e.contains("found : x"), "{e}");
    }
}
