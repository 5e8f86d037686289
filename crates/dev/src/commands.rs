//! The book's command-line page names every command and option, and none that does not exist.

use crate::{Finding, Tree};
use clap::Command;
use std::collections::BTreeSet;

const PAGE: &str = "book/src/cli.md";

/// Compares the page with the commands as clap sees them. Hidden ones are planned and refused, so
/// they do not belong on the page.
pub fn check(tree: &Tree, program: &Command) -> Vec<Finding> {
    let page = tree.text(PAGE).unwrap_or_default();
    let mut findings = Vec::new();
    let mut known = BTreeSet::new();
    for command in program.get_subcommands().filter(|c| !c.is_hide_set()) {
        let name = command.get_name();
        let row = format!("| `{name}");
        if !page.lines().any(|l| l.starts_with(&row)) {
            findings.push(Finding::new(PAGE, format!("no row for `{name}`")));
        }
        // A command may have commands of its own: `bench verify`.
        let own = command.get_subcommands().filter(|c| !c.is_hide_set());
        for command in own.chain([command]) {
            let visible = command.get_arguments().filter(|a| !a.is_hide_set());
            known.extend(visible.filter_map(|a| a.get_long()));
        }
    }
    // Options of every command.
    let everywhere = program.get_arguments().filter(|a| a.is_global_set());
    known.extend(everywhere.filter_map(|a| a.get_long()));
    known.extend(["help", "version"]);
    let mentioned = mentioned(page);
    for option in &known {
        if !mentioned.iter().any(|(_, m)| m == option) && !matches!(*option, "output" | "version") {
            findings.push(Finding::new(PAGE, format!("`--{option}` is missing")));
        }
    }
    for (line, option) in mentioned {
        if !known.contains(option) {
            let message = format!("`--{option}` does not exist");
            findings.push(Finding::new(PAGE, message).line(line));
        }
    }
    findings
}

/// Lines and names of the long options that a text mentions.
fn mentioned(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for (at, _) in line.match_indices("--") {
            let rest = &line[at + 2..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            let name = &rest[..end.unwrap_or(rest.len())];
            // Neither the rule of a table nor a dash.
            if line[..at].ends_with(['`', '[', ' ']) && name.starts_with(char::is_alphabetic) {
                found.push((number, name));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    #[test]
    fn both_directions_are_compared() {
        let seed = Arg::new("seed").long("seed");
        let later = Arg::new("later").long("later").hide(true);
        let quiet = Arg::new("quiet").long("quiet").global(true);
        let program = Command::new("p")
            .arg(quiet)
            .subcommand(Command::new("make").arg(seed).arg(later))
            .subcommand(Command::new("plan").hide(true));
        let found = |page: &str| -> Vec<String> {
            let tree = Tree::of(&[(PAGE, page)]);
            let found = check(&tree, &program);
            found.iter().map(ToString::to_string).collect()
        };
        let good = "| `make NET [--seed N]` |\n|---|\n`make --help` -- so `--quiet`\n";
        assert!(found(good).is_empty());
        assert_eq!(
            found("| `plan` |\n`--help` and `--later`, `--quiet`\n"),
            [
                "book/src/cli.md: no row for `make`",
                "book/src/cli.md: `--seed` is missing",
                "book/src/cli.md:2: `--later` does not exist",
            ]
        );
    }
}
