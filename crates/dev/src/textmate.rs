//! A TextMate grammar for `.nnir` files, which many editors colour by. It is made from the parser's
//! grammar (keywords), the tables of operators and attributes, and the names of `ir-specs`.
//!
//! A pattern is a regular expression without lookaround, so that any engine reads it, and matches
//! within a line; quoted text alone has a begin and an end.

use ceg4n_opspec::RoundingName;
use serde_json::{Value, json};

/// Where the grammar is in the repository.
pub const PATH: &str = "grammar/nnir.tmLanguage.json";

/// The parser's grammar.
const PEST: &str = include_str!("../../../grammar/nnir.pest");

/// What a keyword is about. One that the parser's grammar has and no class is an ordinary keyword.
const CLASSES: &[(&str, &[&str])] = &[
    (
        "keyword.declaration.nnir",
        &[
            "nnir", "network", "format", "region", "require", "data", "output", "rounding",
        ],
    ),
    (
        "support.constant.property.nnir",
        &["top1", "topk", "eps", "spec"],
    ),
    ("constant.language.domain.nnir", &["real", "grid"]),
    (
        "support.type.nnir",
        &[
            "input",
            "const",
            "wide",
            "enclosed",
            "file",
            "box",
            "ball",
            "vnnlib",
            "acc",
            "channels",
            "mantissas",
        ],
    ),
];

/// Words inside of what a statement says.
const ORDINARY: &str = "keyword.other.nnir";

/// The text of the grammar.
pub fn grammar() -> String {
    let value = json!({
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "NNIR",
        "scopeName": "source.nnir",
        "fileTypes": ["nnir"],
        "patterns": patterns(),
    });
    // Nothing in it has keys that are no strings, so that writing it does not fail.
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}

/// The patterns, of which the first that matches at a place counts.
fn patterns() -> Vec<Value> {
    let word = |name: &str, words: &[&str]| plain(name, &format!(r"\b({})\b", choice(words)));
    let roundings: Vec<_> = RoundingName::ALL.iter().map(|r| r.as_str()).collect();
    let operators: Vec<_> = ceg4n_syntax::operators().collect();
    let attributes: Vec<_> = ceg4n_syntax::attributes().into_iter().collect();
    let mut all = vec![
        plain("comment.line.double-slash.nnir", "//.*$"),
        string(),
        // A quoted name: the quotes are a string behind the mark.
        plain("variable.other.value.nnir", r"%[A-Za-z0-9_.]*"),
        plain("entity.name.namespace.nnir", r"@[A-Za-z0-9_.]*"),
        plain("constant.other.hash.nnir", "#[0-9A-Fa-f]+"),
        plain("storage.type.tensor.nnir", r"\btensor<[0-9x]*>"),
        plain(
            "storage.type.format.nnir",
            r"\b[su][0-9]+q-?[0-9]+(\*[0-9]+)?\b",
        ),
        plain("storage.type.accumulator.nnir", r"\bs[0-9]+\b"),
        plain("constant.other.version.nnir", r"\bv[0-9]+\b"),
        plain(
            "constant.numeric.hex.nnir",
            r"[-+]?0[xX][0-9A-Fa-f]*(\.[0-9A-Fa-f]*)?([pP][-+]?[0-9]+)?",
        ),
        plain(
            "constant.numeric.decimal.nnir",
            r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?(/[0-9]+)?",
        ),
        word("constant.language.rounding.nnir", &roundings),
    ];
    for (name, words) in CLASSES {
        all.push(word(name, words));
    }
    all.push(word("support.function.operator.nnir", &operators));
    all.push(word(
        "variable.parameter.attribute.nnir",
        &except(&attributes, &operators),
    ));
    let known: Vec<&str> = CLASSES
        .iter()
        .flat_map(|(_, words)| *words)
        .copied()
        .collect();
    let known = [known, operators, attributes].concat();
    all.push(word(ORDINARY, &except(&keywords(), &known)));
    all.push(plain("keyword.operator.assignment.nnir", "="));
    all.push(plain("punctuation.separator.nnir", "[,:]"));
    all.push(plain("punctuation.terminator.nnir", ";"));
    all.push(plain("punctuation.section.nnir", r"[\[\](){}]"));
    all
}

/// A pattern of one regular expression.
fn plain(name: &str, regex: &str) -> Value {
    json!({ "name": name, "match": regex })
}

/// Quoted text, which ends with its line if not before.
fn string() -> Value {
    json!({
        "name": "string.quoted.double.nnir",
        "begin": "\"",
        "end": "\"|$",
        "patterns": [
            plain(
                "constant.character.escape.nnir",
                r#"\\(["\\nrt]|u\{[0-9A-Fa-f]{1,6}\})"#,
            ),
            plain("invalid.illegal.escape.nnir", r"\\."),
        ],
    })
}

/// Words as alternatives, longer ones first: some engines take the first that matches.
fn choice(words: &[&str]) -> String {
    let mut words = words.to_vec();
    words.sort_unstable_by_key(|w| (std::cmp::Reverse(w.len()), *w));
    words.join("|")
}

/// Those of `words` that are not among `others`.
fn except<'a>(words: &[&'a str], others: &[&str]) -> Vec<&'a str> {
    let kept = words.iter().copied();
    kept.filter(|w| !others.contains(w)).collect()
}

/// The keywords of the parser's grammar: its rules `kw_… = @{ "word" ~ !word_char }`.
fn keywords() -> Vec<&'static str> {
    let of_line = |line: &'static str| {
        let (_, rest) = line.strip_prefix("kw_")?.split_once("@{ \"")?;
        Some(rest.split_once('"')?.0)
    };
    PEST.lines().filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tree;
    use ceg4n_base::Sources;
    use regex::bytes::{Regex, RegexBuilder};

    /// A pattern, compiled.
    struct Pattern {
        name: String,
        begin: Regex,
        /// Of quoted text: its end and what may stand inside.
        inside: Option<(Regex, Vec<Pattern>)>,
    }

    fn compiled(patterns: &Value) -> Vec<Pattern> {
        let regex = |value: &Value| {
            let text = value.as_str().unwrap();
            RegexBuilder::new(text).unicode(false).build().unwrap()
        };
        let all = patterns.as_array().unwrap().iter();
        let pattern = |p: &Value| Pattern {
            name: p["name"].as_str().unwrap().to_owned(),
            begin: regex(p.get("match").unwrap_or(&p["begin"])),
            inside: p
                .get("end")
                .map(|end| (regex(end), compiled(&p["patterns"]))),
        };
        all.map(pattern).collect()
    }

    fn patterns_of_the_grammar() -> Vec<Pattern> {
        let grammar: Value = serde_json::from_str(&grammar()).unwrap();
        compiled(&grammar["patterns"])
    }

    /// The pattern that begins first from a place on, and where; of several the first one.
    fn next<'a>(
        patterns: &'a [Pattern],
        line: &[u8],
        at: usize,
    ) -> Option<(&'a Pattern, usize, usize)> {
        let found = patterns.iter().filter_map(|p| {
            let m = p.begin.find_at(line, at)?;
            (!m.is_empty()).then_some((p, m.start(), m.end()))
        });
        found.min_by_key(|(_, start, _)| *start)
    }

    /// The tokens of a line as editors find them: scope and text. What has no scope has "".
    fn tokens(patterns: &[Pattern], line: &str) -> Vec<(String, String)> {
        let bytes = line.as_bytes();
        let text = |from: usize, to: usize| line[from..to].to_owned();
        let (mut at, mut all) = (0, Vec::new());
        while let Some((pattern, start, end)) = next(patterns, bytes, at) {
            all.push((String::new(), text(at, start)));
            let mut stop = end;
            if let Some((close, inside)) = &pattern.inside {
                while let Some((_, from, to)) = next(inside, bytes, stop)
                    && close
                        .find_at(bytes, stop)
                        .is_some_and(|m| m.start() >= from)
                {
                    stop = to;
                }
                stop = close.find_at(bytes, stop).map_or(bytes.len(), |m| m.end());
            }
            all.push((pattern.name.clone(), text(start, stop)));
            at = stop;
        }
        all.push((String::new(), text(at, line.len())));
        all.retain(|(_, t)| !t.trim().is_empty());
        all
    }

    fn scopes(line: &str) -> Vec<(String, String)> {
        let short = |name: &str| name.trim_end_matches(".nnir").to_owned();
        let all = tokens(&patterns_of_the_grammar(), line).into_iter();
        all.map(|(name, text)| (short(&name), text)).collect()
    }

    #[track_caller]
    fn check(line: &str, expected: &[(&str, &str)]) {
        let found = scopes(line);
        let found: Vec<_> = found
            .iter()
            .map(|(s, t)| (s.as_str(), t.as_str()))
            .collect();
        let punctuation = |s: &str| s.starts_with("punctuation") || s.ends_with("assignment");
        let found: Vec<_> = found.into_iter().filter(|(s, _)| !punctuation(s)).collect();
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn lines_are_classified() {
        let value = "variable.other.value";
        let declaration = "keyword.declaration";
        let kind = "support.type";
        let decimal = "constant.numeric.decimal";
        let format = "storage.type.format";
        check(
            "  %w0 = const wide [[1, -0.75e-3], [0x1.8p-3, 1/3]] : tensor<2x2>; // so",
            &[
                (value, "%w0"),
                (kind, "const"),
                (kind, "wide"),
                (decimal, "1"),
                (decimal, "-0.75e-3"),
                ("constant.numeric.hex", "0x1.8p-3"),
                (decimal, "1/3"),
                ("storage.type.tensor", "tensor<2x2>"),
                ("comment.line.double-slash", "// so"),
            ],
        );
        check(
            "  %y = conv %\"a \\\" %b\", %relu stride [2, 2] groups 1;",
            &[
                (value, "%y"),
                ("support.function.operator", "conv"),
                (value, "%"),
                ("string.quoted.double", "\"a \\\" %b\""),
                (value, "%relu"),
                ("variable.parameter.attribute", "stride"),
                (decimal, "2"),
                (decimal, "2"),
                ("variable.parameter.attribute", "groups"),
                (decimal, "1"),
            ],
        );
        check(
            "format @tiny v12 { %b: channels [s4q20*23170, u4q-2]; %h: acc s18; rounding half-up; }",
            &[
                (declaration, "format"),
                ("entity.name.namespace", "@tiny"),
                ("constant.other.version", "v12"),
                (value, "%b"),
                (kind, "channels"),
                (format, "s4q20*23170"),
                (format, "u4q-2"),
                (value, "%h"),
                (kind, "acc"),
                ("storage.type.accumulator", "s18"),
                (declaration, "rounding"),
                ("constant.language.rounding", "half-up"),
            ],
        );
        check(
            "require top1 margin 0.1 domain grid u8q8 on \"left\";",
            &[
                (declaration, "require"),
                ("support.constant.property", "top1"),
                (ORDINARY.trim_end_matches(".nnir"), "margin"),
                (decimal, "0.1"),
                (ORDINARY.trim_end_matches(".nnir"), "domain"),
                ("constant.language.domain", "grid"),
                (format, "u8q8"),
                (ORDINARY.trim_end_matches(".nnir"), "on"),
                ("string.quoted.double", "\"left\""),
            ],
        );
    }

    #[test]
    fn every_word_of_the_language_has_a_scope() {
        let patterns = patterns_of_the_grammar();
        let roundings = RoundingName::ALL.iter().map(|r| r.as_str());
        let words = keywords().into_iter().chain(roundings);
        let words = words
            .chain(ceg4n_syntax::operators())
            .chain(ceg4n_syntax::attributes());
        for word in words {
            let found = tokens(&patterns, word);
            assert_eq!(found.len(), 1, "{word}: {found:?}");
            assert_ne!(found[0].0, "", "{word}");
        }
        // The classes have nothing that the language does not.
        let known = keywords();
        assert!(known.len() > 20, "{known:?}");
        for word in CLASSES.iter().flat_map(|(_, words)| *words) {
            assert!(known.contains(word), "{word} is no keyword");
        }
        assert_eq!(scopes("denser")[0].0, "");
    }

    #[test]
    fn everything_in_shipped_networks_has_a_scope() {
        let patterns = patterns_of_the_grammar();
        let tree = Tree::read(&Tree::root()).unwrap();
        let mut seen = 0;
        for (path, text) in tree.texts() {
            // Files that are wrong on purpose may have anything.
            let shipped = path.starts_with("tests/networks/") || path.starts_with("tests/run/");
            if !path.ends_with(".nnir") || !shipped {
                continue;
            }
            seen += 1;
            for line in text.lines() {
                for (scope, token) in tokens(&patterns, line) {
                    assert_ne!(scope, "", "{path}: {token:?} in {line}");
                }
            }
            let operators = text.lines().flat_map(|l| tokens(&patterns, l));
            let operators = operators.filter(|(s, _)| s.starts_with("support.function"));
            let file = Tree::root().join(path);
            let module = ceg4n_syntax::load(&mut Sources::default(), &file).unwrap();
            let values = module.network.values().values();
            let computed = values.filter(|v| !v.op.operands().is_empty());
            assert_eq!(operators.count(), computed.count(), "{path}");
        }
        assert!(seen > 3);
    }
}
