//! "did you mean": the nearest of the names that exist.

/// Longer names are not compared: the distance is quadratic in their length.
const MAX_LENGTH: usize = 64;

/// The candidate nearest to `name`, if one is near enough to be a slip of the keyboard.
pub(crate) fn nearest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let word: Vec<char> = name.chars().collect();
    if word.is_empty() || word.len() > MAX_LENGTH {
        return None;
    }
    let limit = 1.max(word.len() / 3);
    candidates
        .into_iter()
        .filter(|c| c.len() <= MAX_LENGTH && *c != name)
        .map(|c| (distance(&word, c), c))
        .filter(|(d, c)| *d <= limit && *d < c.chars().count().max(2))
        .min()
        .map(|(_, c)| c)
}

/// Optimal string alignment distance: insertions, deletions, replacements, swaps of neighbours.
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_only() {
        let names = ["w0", "w1", "hidden", "relu"];
        assert_eq!(nearest("hiden", names), Some("hidden"));
        assert_eq!(nearest("rleu", names), Some("relu"));
        assert_eq!(nearest("wo", names), Some("w0"));
        assert_eq!(nearest("output", names), None);
        assert_eq!(nearest("", names), None);
    }
}
