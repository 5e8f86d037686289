//! What has no text test: passes, diagnostic codes, commands, options, operators and rewrite rules
//! that occur in no test below `tests/`; and files there that no test needs.

use crate::{Finding, Tree};
use ceg4n_base::codes;
use clap::Command;
use std::collections::BTreeSet;
use std::fmt;

/// What text tests cannot show, with the reason. An entry that a test does show, or that names
/// nothing, is a finding.
pub const EXEMPT: &[(Kind, &str, &str)] = &[
    (
        Kind::Code,
        "E0901",
        "says that the tool itself has a defect, which no input may cause",
    ),
    (
        Kind::Code,
        "E0504",
        "takes a second process; the example of its explanation has one, and tests of the store",
    ),
];

/// What a text test can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A pass or a pipeline: it runs.
    Pass,
    /// A diagnostic code: it is printed.
    Code,
    /// A command: it is called.
    Command,
    /// An option of any command: it is given.
    Option,
    /// An operator: a network has it.
    Operator,
    /// A rewrite rule: its name occurs.
    Rule,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Code => "code",
            Self::Command => "command",
            Self::Option => "option",
            Self::Operator => "operator",
            Self::Rule => "rule",
        })
    }
}

/// Something that a text test should show.
pub type Behaviour = (Kind, String);

/// Everything that text tests should show.
pub fn behaviours(tree: &Tree, program: &Command) -> BTreeSet<Behaviour> {
    let mut all = BTreeSet::new();
    let passes = ceg4n_driver::opt::passes();
    let passes = passes.iter().map(|p| p.name());
    let pipelines = ceg4n_driver::opt::pipelines().iter().map(|p| p.name);
    all.extend(passes.chain(pipelines).map(|n| (Kind::Pass, n.to_owned())));
    all.extend(codes::ALL.iter().map(|c| (Kind::Code, c.id.to_owned())));
    commands(program, "", &mut all);
    let operators = ceg4n_syntax::operators();
    all.extend(operators.map(|n| (Kind::Operator, n.to_owned())));
    let files = tree.paths();
    let rules = files.filter_map(|p| p.strip_prefix("ir-specs/rules/")?.strip_suffix(".toml"));
    all.extend(rules.map(|n| (Kind::Rule, n.to_owned())));
    all
}

/// Commands by their full names, and the long names of options.
fn commands(program: &Command, name: &str, all: &mut BTreeSet<Behaviour>) {
    let visible = program.get_arguments().filter(|a| !a.is_hide_set());
    let options = visible.filter_map(|a| a.get_long());
    all.extend(options.map(|o| (Kind::Option, o.to_owned())));
    for command in program.get_subcommands().filter(|c| !c.is_hide_set()) {
        let full = format!("{name} {}", command.get_name());
        let full = full.trim_start();
        if command.get_subcommands().next().is_none() {
            all.insert((Kind::Command, full.to_owned()));
        }
        commands(command, full, all);
    }
}

/// What the text tests of a tree show.
pub fn shown(tree: &Tree) -> BTreeSet<Behaviour> {
    let mut all = BTreeSet::new();
    for (path, text) in tree.texts().filter(|(p, _)| p.starts_with("tests/")) {
        if path.ends_with(".expect") {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric());
            all.extend(words.map(|w| (Kind::Code, w.to_owned())));
        }
        if path.ends_with(".nnir") || path.ends_with(".expect") {
            // What stands behind the name of a value: `%y = relu %x`.
            let named = text.split(" = ").skip(1);
            let operators = named.filter_map(|rest| rest.split_whitespace().next());
            all.extend(operators.map(|o| (Kind::Operator, o.to_owned())));
        }
        let rule = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        all.extend(text.split(rule).map(|w| (Kind::Rule, w.to_owned())));
        for call in calls(path, text) {
            all.extend(of_call(call));
        }
    }
    all
}

/// The commands that a test runs.
fn calls<'t>(path: &str, text: &'t str) -> impl Iterator<Item = &'t str> {
    let is_test = !is_input(path) && (path.ends_with(".nnir") || path.ends_with(".test"));
    let lines = text.lines().map_while(|l| l.strip_prefix("// RUN:"));
    lines.map(str::trim).filter(move |_| is_test)
}

fn is_input(path: &str) -> bool {
    path.split('/').any(|p| matches!(p, "inputs" | "networks"))
}

/// What one call of the program shows.
fn of_call(call: &str) -> Vec<Behaviour> {
    let mut words = call.split_whitespace();
    if words.next() != Some("ceg4nc") {
        return Vec::new();
    }
    let words: Vec<&str> = words.take_while(|w| *w != "--").collect();
    let mut found = Vec::new();
    // A command of a command has its name before any argument.
    let names: Vec<&str> = words
        .iter()
        .copied()
        .take_while(|w| w.chars().all(|c| c.is_ascii_lowercase()))
        .take(2)
        .collect();
    for n in 1..=names.len() {
        found.push((Kind::Command, names[..n].join(" ")));
    }
    for (k, word) in words.iter().enumerate() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (*word, words.get(k + 1).copied()),
        };
        let name = match name {
            "-o" => "output",
            "-j" => "jobs",
            "-V" => "version",
            _ => match name.strip_prefix("--") {
                Some(name) => name,
                None => continue,
            },
        };
        found.push((Kind::Option, name.to_owned()));
        if name == "passes" {
            let list = value.unwrap_or_default().split(',');
            let names = list.filter_map(|p| p.split(':').next());
            found.extend(names.map(|p| (Kind::Pass, p.to_owned())));
        }
    }
    found
}

/// What no text test shows though it should, and exemptions that are none any more.
pub fn check(tree: &Tree, program: &Command, exempt: &[(Kind, &str, &str)]) -> Vec<Finding> {
    let (wanted, shown) = (behaviours(tree, program), shown(tree));
    let is_exempt = |(kind, name): &Behaviour| exempt.iter().any(|e| e.0 == *kind && e.1 == name);
    let missing = wanted
        .difference(&shown)
        .filter(|b| !is_exempt(b))
        .map(|(kind, name)| Finding::new("tests", format!("no text test for {kind} {name}")));
    let stale = exempt.iter().filter_map(|(kind, name, _)| {
        let key = (*kind, (*name).to_owned());
        let why = match (wanted.contains(&key), shown.contains(&key)) {
            (false, _) => "does not exist",
            (true, true) => "has a text test",
            (true, false) => return None,
        };
        Some(Finding::new(
            "tests",
            format!("the exempt {kind} {name} {why}"),
        ))
    });
    missing.chain(stale).collect()
}

/// What has no text test, one line each, with the reason where there is one.
pub fn listing(tree: &Tree, program: &Command) -> String {
    let (wanted, shown) = (behaviours(tree, program), shown(tree));
    let mut out = format!(
        "{} of {} have a text test\n",
        { wanted.intersection(&shown).count() },
        wanted.len()
    );
    for (kind, name) in wanted.difference(&shown) {
        let exempt = EXEMPT.iter().find(|e| e.0 == *kind && e.1 == name);
        let reason = exempt.map_or("NO TEST", |e| e.2);
        out.push_str(&format!("{kind} {name}: {reason}\n"));
    }
    out
}

/// Files below `tests/` that nothing needs: expectations without their test, inputs that neither a
/// test nor another file names, and files that are neither.
pub fn unused(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in tree.paths().filter(|p| p.starts_with("tests/")) {
        // Code with a runner of its own, and what writes the networks.
        if path.starts_with("tests/python/") || path.ends_with(".py") {
            continue;
        }
        if let Some(test) = path.strip_suffix(".expect") {
            if !tree.contains(test) {
                findings.push(Finding::new(path, "an expectation without its test"));
            }
        } else if is_input(path) || !(path.ends_with(".nnir") || path.ends_with(".test")) {
            if !named(tree, path) {
                findings.push(Finding::new(path, "no test names this file"));
            }
        } else if !tree.contains(&format!("{path}.expect")) {
            findings.push(Finding::new(path, "a test without its expectation"));
        }
    }
    findings
}

/// True if another text names the file, or one of the folders that it is in below the folder of
/// its tests.
fn named(tree: &Tree, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let parts: Vec<&str> = path.split('/').collect();
    // `tests/check/inputs` is where inputs are; a test that names it alone needs all of them.
    let folders: Vec<String> = (3..parts.len()).map(|n| parts[..n].join("/")).collect();
    let whole = |text: &str, part: &str| {
        text.match_indices(part).any(|(at, _)| {
            let next = text[at + part.len()..].chars().next();
            next.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '.')))
        })
    };
    tree.texts()
        .filter(|(p, _)| *p != path && (p.starts_with("tests/") || p.starts_with("crates/")))
        .filter(|(p, _)| !p.ends_with(".expect"))
        .any(|(_, text)| whole(text, name) || folders.iter().any(|f| whole(text, f)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    fn program() -> Command {
        let option = |n: &'static str| Arg::new(n).long(n);
        let make = Command::new("make").arg(option("seed"));
        let bench = Command::new("bench").subcommand(Command::new("verify").arg(option("each")));
        let plan = Command::new("plan").hide(true).arg(option("later"));
        Command::new("p").subcommands([make, bench, plan])
    }

    #[test]
    fn calls_show_commands_options_and_passes() {
        let found = of_call("ceg4nc opt x.nnir --passes a:3,b --seed=4 -- --other");
        let texts: Vec<_> = found.iter().map(|(k, n)| format!("{k} {n}")).collect();
        assert_eq!(
            texts,
            [
                "command opt",
                "option passes",
                "pass a",
                "pass b",
                "option seed"
            ]
        );
        let found = of_call("ceg4nc bench verify DIR");
        assert!(found.contains(&(Kind::Command, "bench verify".to_owned())));
        assert!(of_call("cat --seed").is_empty());
    }

    #[test]
    fn what_no_test_shows_is_found_and_so_are_stale_exemptions() {
        let run = "// RUN: ceg4nc bench verify D --each\n";
        let tree = Tree::of(&[
            ("ir-specs/rules/max-max.toml", ""),
            ("tests/a.test", run),
            ("tests/a.test.expect", "error[E0101]: %r = relu %x"),
            ("tests/rules/inputs/b.test", "// RUN: ceg4nc make\n"),
        ]);
        let exempt = [
            (Kind::Code, "E0102", "cannot happen"),
            (Kind::Code, "E0101", "it does happen"),
            (Kind::Option, "later", "is hidden"),
        ];
        let found: Vec<_> = check(&tree, &program(), &exempt)
            .iter()
            .map(ToString::to_string)
            .filter(|f| !f.contains("pass ") && (!f.contains("code") || f.contains("E010")))
            .filter(|f| !f.contains("operator") || f.contains("elu"))
            .collect();
        let missing = |what: &str| format!("tests: no text test for {what}");
        let codes = ["code E0103", "code E0104", "code E0105", "code E0106"];
        let others = [
            "command make",
            "option seed",
            "operator leaky_relu",
            "rule max-max",
        ];
        let mut expected: Vec<_> = codes.iter().chain(&others).map(|w| missing(w)).collect();
        expected.push("tests: the exempt code E0101 has a text test".to_owned());
        expected.push("tests: the exempt option later does not exist".to_owned());
        assert_eq!(found, expected);
    }

    #[test]
    fn files_that_nothing_needs_are_found() {
        let tree = Tree::of(&[
            (
                "tests/a/x.test",
                "// RUN: ceg4nc check tests/a/inputs/one.nnir\n// RUN: ceg4nc bench tests/a/inputs/all\n",
            ),
            ("tests/a/x.test.expect", "two.nnir"),
            ("tests/a/inputs/one.nnir", "file(\"t.safetensors\")"),
            ("tests/a/inputs/two.nnir", ""),
            ("tests/a/inputs/t.safetensors", ""),
            ("tests/a/inputs/all/b.png", ""),
            ("tests/a/y.test.expect", ""),
            ("tests/a/z.nnir", ""),
            ("tests/a/notes.txt", ""),
        ]);
        let found: Vec<_> = unused(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "tests/a/inputs/two.nnir: no test names this file",
                "tests/a/notes.txt: no test names this file",
                "tests/a/y.test.expect: an expectation without its test",
                "tests/a/z.nnir: a test without its expectation",
            ]
        );
    }
}
