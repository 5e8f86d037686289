//! `rules` as text.

use super::{count, table};
use ceg4n_driver::rules::{RuleReport, RulesReport, VerdictReport};
use std::fmt::Write;

/// A row per rule with its verdict; the law too where it is not proved.
pub(crate) fn rules(report: &RulesReport, columns: Option<usize>) -> String {
    let mut rows = Vec::new();
    let mut laws = Vec::new();
    for rule in &report.rules {
        let (text, is_proved) = match &rule.verdict {
            Some(VerdictReport::Proved { text, .. }) => (text.as_str(), true),
            Some(
                VerdictReport::Vacuous { text }
                | VerdictReport::Refuted { text, .. }
                | VerdictReport::Unknown { text },
            ) => (text.as_str(), false),
            None => ("", true),
        };
        rows.push(vec![rule.name.clone(), text.to_owned()]);
        laws.push((!is_proved).then_some(&rule.law));
    }
    // A law stands under the line of its rule.
    let columns = columns.filter(|_| laws.iter().all(Option::is_none));
    let lines = table(&rows, 0, columns);
    let mut out = String::new();
    // Writing to a string does not fail, here and below.
    let laws = laws.into_iter().chain(std::iter::repeat(None));
    for (line, law) in lines.lines().zip(laws) {
        let _ = writeln!(out, "{line}");
        if let Some(law) = law {
            let _ = writeln!(out, "  {law}");
        }
    }
    let _ = write!(out, "{}", count(report.rules.len(), "rule"));
    let parts = [
        (report.proved, "proved"),
        (report.refuted, "refuted"),
        (report.vacuous, "vacuous"),
        (report.unknown, "unknown"),
    ];
    for (i, (n, what)) in parts.iter().filter(|(n, _)| *n > 0).enumerate() {
        let gap = if i == 0 { ": " } else { ", " };
        let _ = write!(out, "{gap}{n} {what}");
    }
    let _ = writeln!(out);
    let _ = writeln!(out, "seconds: {:.2}", report.seconds);
    out
}

/// Names and laws.
pub(crate) fn rule_list(list: &[RuleReport], columns: Option<usize>) -> String {
    let rows: Vec<_> = list
        .iter()
        .map(|r| vec![r.name.clone(), r.law.clone()])
        .collect();
    table(&rows, 0, columns)
}
