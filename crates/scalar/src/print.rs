//! A graph as text: one line a node, its name, what is proved of it, its expression.

use crate::dag::{Dag, DagId, LinearForm, Node};
use crate::facts::Facts;
use std::fmt::{self, Write};

impl fmt::Display for Facts {
    /// `-4..=12`, `-4..=12 step 4`, or the one value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(v) = self.known() {
            return write!(f, "{v}");
        }
        write!(f, "{}..={}", self.lo, self.hi)?;
        match self.zeros {
            0 => Ok(()),
            z @ 1..127 => write!(f, " step {}", 1u128 << z),
            z => write!(f, " step 2^{z}"),
        }
    }
}

impl Dag {
    /// Everything that `roots` depend on, operands first, and a last line with the roots.
    pub fn to_text(&self, roots: &[DagId]) -> String {
        let mut out = String::new();
        for id in self.reachable(roots) {
            if self.constant_of(id).is_some() {
                continue;
            }
            // Writing to a string does not fail.
            let _ = writeln!(out, "{id} in {} = {}", self.facts(id), self.node_text(id));
        }
        let names: Vec<String> = roots.iter().map(|r| self.operand(*r)).collect();
        let _ = writeln!(out, "output {}", names.join(", "));
        out
    }

    fn constant_of(&self, id: DagId) -> Option<i128> {
        match self.node(id) {
            Node::Linear(form) => form.known(),
            Node::Input(_)
            | Node::Shr(..)
            | Node::Low(..)
            | Node::Min(..)
            | Node::Max(..)
            | Node::Negative(_)
            | Node::Not(_)
            | Node::And(..)
            | Node::Or(..)
            | Node::Select(..)
            | Node::Lookup(..) => None,
        }
    }

    fn operand(&self, id: DagId) -> String {
        match self.constant_of(id) {
            Some(v) => v.to_string(),
            None => id.to_string(),
        }
    }

    fn node_text(&self, id: DagId) -> String {
        let of = |a: &DagId| self.operand(*a);
        match self.node(id) {
            Node::Input(i) => format!("x[{i}]"),
            Node::Linear(form) => sum(form),
            Node::Shr(a, s) => format!("shr({}, {s})", of(a)),
            Node::Low(a, s) => format!("mod_pow2({}, {s})", of(a)),
            Node::Min(a, b) => format!("min({}, {})", of(a), of(b)),
            Node::Max(a, b) => format!("max({}, {})", of(a), of(b)),
            Node::Negative(a) => format!("{} < 0", of(a)),
            Node::Not(a) => format!("not {}", of(a)),
            Node::And(a, b) => format!("{} and {}", of(a), of(b)),
            Node::Or(a, b) => format!("{} or {}", of(a), of(b)),
            Node::Select(c, a, b) => format!("select({}, {}, {})", of(c), of(a), of(b)),
            Node::Lookup(a, table) => {
                let entries: Vec<String> = table.iter().map(i64::to_string).collect();
                format!("[{}][{}]", entries.join(", "), of(a))
            }
        }
    }
}

fn sum(form: &LinearForm) -> String {
    let mut out = String::new();
    for (t, c) in &form.terms {
        let sign = match (out.is_empty(), *c < 0) {
            (true, false) => "",
            (true, true) => "-",
            (false, false) => " + ",
            (false, true) => " - ",
        };
        let _ = match c.unsigned_abs() {
            1 => write!(out, "{sign}{t}"),
            c => write!(out, "{sign}{c}*{t}"),
        };
    }
    let _ = match (out.is_empty(), form.constant) {
        (true, c) => write!(out, "{c}"),
        (false, 0) => Ok(()),
        (false, c) if c < 0 => write!(out, " - {}", c.unsigned_abs()),
        (false, c) => write!(out, " + {c}"),
    };
    out
}
