//! "did you mean": the nearest of the names that exist.

use std::path::Path;

/// Longer names are not compared: the distance is quadratic in their length.
const MAX_LENGTH: usize = 64;

/// The candidate nearest to `name`, if one is near enough to be a slip of the keyboard. A number is
/// near to nothing: another one would be another answer, not the same one spelt right.
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word: Vec<char> = name.chars().collect();
    let letters = |w: &str| w.chars().any(char::is_alphabetic);
    if word.len() > MAX_LENGTH || !letters(name) {
        return None;
    }
    let limit = 1.max(word.len() / 3);
    candidates
        .into_iter()
        .filter(|c| c.len() <= MAX_LENGTH && *c != name && letters(c))
        .map(|c| (distance(&word, c), c))
        .filter(|(d, c)| *d <= limit && *d < c.chars().count().max(2))
        .min()
        .map(|(_, c)| c)
}

/// [`nearest`] as a sentence: `did you mean greedy?`.
pub fn did_you_mean<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<String> {
    nearest(name, candidates).map(|c| format!("did you mean {c}?"))
}

/// For a file that is not there, what to do: the nearest name in its folder, or what is missing.
pub fn missing_file(path: &Path) -> Option<String> {
    if path.exists() {
        return None;
    }
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Some(format!(
            "there is no folder {}; paths begin where the program is called",
            folder.display()
        ));
    };
    let names: Vec<String> = entries
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    let name = path.file_name()?.to_string_lossy();
    Some(match nearest(&name, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {}?", path.with_file_name(near).display()),
        None => "check the name; paths begin where the program is called".to_owned(),
    })
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
        assert_eq!(nearest("256", ["0", "255"]), None);
        assert_eq!(nearest("0:2", ["0:1", "0:255"]), None);
    }

    #[test]
    fn finds_files_beside() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let told = |name: &str| missing_file(&here.join(name)).unwrap();
        assert!(told("sugest.rs").ends_with("suggest.rs?"));
        assert!(told("something-else").starts_with("check the name"));
        assert!(told("no/such/folder.rs").starts_with("there is no folder"));
        assert_eq!(missing_file(&here.join("suggest.rs")), None);
    }
}
