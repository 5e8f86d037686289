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

/// A new expectation for `actual`: what was found, with those lines of the old pattern that still
/// match kept as they were written. A line `...` is kept where the lines around it are.
pub(crate) fn renewed(pattern: &str, actual: &str) -> String {
    let old: Vec<&str> = pattern.lines().collect();
    let found: Vec<&str> = actual.lines().collect();
    let plan = Plan::new(&old, &found);
    let (mut lines, mut i, mut j) = (Vec::new(), 0, 0);
    // Over a line `...` one comes to a line that is kept.
    let mut over = plan.leading.map(|(_, to)| to);
    while i < old.len() || j < found.len() {
        if let Some(to) = over.take() {
            lines.push(old[i]);
            (i, j) = (i + 1, to);
            over = plan.kept[i].get(j).copied().flatten().and_then(|k| {
                lines.push(old[i]);
                (i, j) = (i + 1, j + 1);
                k.1
            });
            continue;
        }
        match plan.free[i][j].1 {
            Step::Drop => i += 1,
            Step::New => {
                lines.push(found[j]);
                j += 1;
            }
            Step::Keep => {
                lines.push(old[i]);
                over = plan.kept[i][j].and_then(|k| k.1);
                (i, j) = (i + 1, j + 1);
            }
        }
    }
    lines.iter().map(|l| format!("{l}\n")).collect()
}

/// What becomes of an old line, or of a found one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The found line is new.
    New,
    /// The old line is kept for the found one.
    Keep,
    /// The old line goes.
    Drop,
}

/// So many old lines are kept; and the found line that a line `...` behind the first of them
/// reaches to, if one is kept there.
type Kept = (usize, Option<usize>);

/// How many old lines can be kept.
struct Plan {
    /// From an old line and a found one on, and the step that does so.
    free: Vec<Vec<(usize, Step)>>,
    /// The same where the old line is kept for the found one, if it can be.
    kept: Vec<Vec<Option<Kept>>>,
    /// A line `...` at the beginning: the same, and the found line that it reaches to.
    leading: Option<(usize, usize)>,
}

impl Plan {
    fn new(old: &[&str], found: &[&str]) -> Self {
        let (n, m) = (old.len(), found.len());
        let mut plan = Self {
            free: vec![vec![(0, Step::Drop); m + 1]; n + 1],
            kept: vec![vec![None; m + 1]; n + 2],
            leading: None,
        };
        let any = |i: usize| old.get(i).is_some_and(|l: &&str| l.trim() == "...");
        plan.free[n] = vec![(0, Step::New); m + 1];
        for i in (0..n).rev() {
            for j in (0..=m).rev() {
                if j < m && !any(i) && line_matches(old[i], found[j]) {
                    let mut choice = (1 + plan.free[i + 1][j + 1].0, None);
                    if any(i + 1)
                        && let Some((kept, to)) = plan.beyond(i + 2, j + 1, n)
                        && kept + 2 > choice.0
                    {
                        choice = (kept + 2, Some(to));
                    }
                    plan.kept[i][j] = Some(choice);
                }
                let mut choice = (plan.free[i + 1][j].0, Step::Drop);
                if j < m && plan.free[i][j + 1].0 >= choice.0 {
                    choice = (plan.free[i][j + 1].0, Step::New);
                }
                if let Some((kept, _)) = plan.kept[i][j].filter(|k| k.0 > choice.0) {
                    choice = (kept, Step::Keep);
                }
                plan.free[i][j] = choice;
            }
        }
        if any(0) {
            plan.leading = plan.beyond(1, 0, n);
        }
        plan
    }

    /// The best place from `j` on where line `i`, which stands behind a line `...`, is kept; the end
    /// of all found lines where nothing stands behind it.
    fn beyond(&self, i: usize, j: usize, n: usize) -> Option<(usize, usize)> {
        let m = self.free[0].len() - 1;
        if i == n {
            return Some((0, m));
        }
        let places = (j..m).filter_map(|k| Some((self.kept[i][k]?.0, k)));
        places.max_by_key(|(kept, k)| (*kept, std::cmp::Reverse(*k)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_expectation_keeps_the_patterns_that_match() {
        for (old, found, new) in [
            ("", "a\nb\n", "a\nb\n"),
            ("a\n", "", ""),
            ("a [..]\nb\nc\n", "a 1\nx\nc\n", "a [..]\nx\nc\n"),
            ("a\nt: [..] s\n", "new\na\nt: 5 s\n", "new\na\nt: [..] s\n"),
            ("a\n...\nz\nend\n", "a\nb\nc\nz\nEND\n", "a\n...\nz\nEND\n"),
            ("a\n...\n", "A\nb\nc\n", "A\nb\nc\n"),
            ("a\n...\n", "a\nb\nc\n", "a\n...\n"),
            ("...\nz\n", "a\nb\nz\nc\n", "...\nz\nc\n"),
            (
                "a\n...\nm\n...\nz\n",
                "a\n1\nm\n2\nZ\n",
                "a\n...\nm\n2\nZ\n",
            ),
            ("a\n...\nz\n", "a\nb\ny\n", "a\nb\ny\n"),
            ("x [..]\nx [..]\n", "x 1\n", "x [..]\n"),
        ] {
            let text = renewed(old, found);
            assert_eq!(text, new, "{old:?} {found:?}");
            assert_eq!(matches(&text, found), Ok(()), "{old:?} {found:?}");
        }
    }

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
