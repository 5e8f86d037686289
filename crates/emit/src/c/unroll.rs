//! Straight-line code in C: a statement for each operation of the graph, weights as numbers.
//!
//! Every variable has a type that holds its value, and every operation is done in a word that holds
//! its operands, its result and, for a sum, each product and each partial sum in the order in which
//! they are written. Words follow from the ranges of the operands, so that no operation overflows.

use super::stage::literal;
use crate::elem::Elem;
use crate::plan::{Plan, Table};
use crate::straight::{Straight, number};
use crate::text::c_comment;
use ceg4n_scalar::{DagId, Facts, LinearForm, Node};
use ceg4n_target::Target;
use std::collections::BTreeMap;

/// Before the inference function; `NAME` is replaced.
pub(super) const STRAIGHT: &str = r#"/* Armv6-M multiplies in a cycle, but GCC's -O2 prefers longer chains of shifts. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__thumb__) && !defined(__thumb2__)
__attribute__((optimize("Os")))
#endif
"#;

/// The body of the inference function.
pub(super) fn body(name: &str, plan: &Plan<'_>, straight: &Straight, target: Target) -> String {
    let mut this = Printer {
        name,
        plan,
        straight,
        types: types(plan, straight, target),
        out: String::new(),
    };
    this.print();
    this.out
}

/// Of every node the word of its operation and the type of its variable.
fn types(plan: &Plan<'_>, straight: &Straight, target: Target) -> Vec<(Elem, Elem)> {
    let dag = &straight.dag;
    let mut types = vec![(Elem::I64, Elem::I64); dag.len()];
    for (id, node) in dag.nodes() {
        let own = dag.facts(id);
        let mut within = own;
        node.for_each_operand(|o| within = within.either(dag.facts(o)));
        match node {
            Node::Input(_) => {
                let (lo, hi) = plan.input.range();
                within = within.either(Facts::within(lo.into(), hi.into()));
            }
            Node::Linear(form) => within = within.either(passed(straight, form)),
            Node::Low(_, s) => {
                within = within.either(Facts::within(0, (1i128 << (*s).min(100)) - 1));
            }
            Node::Shr(..)
            | Node::Min(..)
            | Node::Max(..)
            | Node::Negative(_)
            | Node::Not(_)
            | Node::And(..)
            | Node::Or(..)
            | Node::Select(..)
            | Node::Lookup(..) => {}
        }
        let word = word(target, within);
        let is_sum = matches!(node, Node::Linear(_));
        let ty = match (node, target) {
            (Node::Input(_), _) if !clamps(plan) => plan.input,
            (_, Target::Avr) if !is_sum => narrow(own),
            _ => word,
        };
        types[number(id)] = (word, ty);
    }
    types
}

/// The word that holds all values.
fn word(target: Target, f: Facts) -> Elem {
    match f.width() {
        0..=16 if target == Target::Avr => Elem::I16,
        0..=32 => Elem::I32,
        _ => Elem::I64,
    }
}

/// The smallest type for a variable in registers of 8 bits.
fn narrow(f: Facts) -> Elem {
    match (f.lo, f.hi) {
        (0.., ..=255) => Elem::U8,
        (-128.., ..=127) => Elem::I8,
        _ => word(Target::Avr, f),
    }
}

/// True if the input's storage type has values outside its format.
fn clamps(plan: &Plan<'_>) -> bool {
    let f = plan.kernel.input_format;
    plan.input.range() != (f.min(), f.max())
}

/// The terms in the order in which they are added: what is subtracted follows.
fn ordered(form: &LinearForm) -> Vec<(DagId, i128)> {
    let (mut all, rest): (Vec<_>, Vec<_>) = form.terms.iter().partition(|(_, c)| *c > 0);
    all.extend(rest);
    all
}

/// Everything that a sum passes: coefficients, products, partial sums.
fn passed(straight: &Straight, form: &LinearForm) -> Facts {
    let wide = Facts::within(i128::from(i64::MIN), i128::from(i64::MAX));
    let mut all = Facts::constant(form.constant);
    let mut sum = Facts::constant(0);
    let starts_with_constant = ordered(form).first().is_none_or(|(_, c)| *c < 0);
    if starts_with_constant {
        sum = Facts::constant(form.constant);
    }
    for (t, c) in ordered(form) {
        let size = c.abs();
        let product = straight.dag.facts(t).times(size);
        let next = product.and_then(|p| sum.add(p.times(c.signum())?));
        let (Some(product), Some(next)) = (product, next) else {
            return wide;
        };
        sum = next;
        all = all
            .either(Facts::constant(size))
            .either(product)
            .either(sum);
    }
    all
}

struct Printer<'a> {
    name: &'a str,
    plan: &'a Plan<'a>,
    straight: &'a Straight,
    types: Vec<(Elem, Elem)>,
    out: String,
}

impl Printer<'_> {
    fn print(&mut self) {
        let dag = &self.straight.dag;
        let mut uses: BTreeMap<DagId, Vec<usize>> = BTreeMap::new();
        for (j, id) in self.straight.outputs.iter().enumerate() {
            uses.entry(*id).or_default().push(j);
        }
        let is_input = |id: &&DagId| matches!(dag.node(**id), Node::Input(_));
        if !self.straight.nodes.iter().any(|id| is_input(&id)) {
            self.line("(void)in;");
        }
        let mut read = vec![false; dag.len()];
        let mut section = 0;
        for id in &self.straight.nodes {
            let node = dag.node(*id);
            if !matches!(node, Node::Input(_)) {
                self.notes(&mut section, number(*id));
                node.for_each_operand(|o| self.read(&mut read, o));
                self.node(*id, node);
            } else if uses.contains_key(id) {
                self.read(&mut read, *id);
            }
            for j in uses.get(id).into_iter().flatten() {
                let value = self.operand(*id, self.plan.output);
                self.line(&format!("out[{j}] = {value};"));
            }
        }
        self.notes(&mut section, usize::MAX);
    }

    fn line(&mut self, text: &str) {
        self.out.push_str("    ");
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// The notes of the stages that begin before a node.
    fn notes(&mut self, section: &mut usize, before: usize) {
        while let Some(first) = self.straight.sections.get(*section)
            && *first <= before
        {
            let mut notes = String::new();
            if let Some(stage) = self.plan.stages.get(*section) {
                c_comment(&mut notes, &stage.notes);
            }
            for line in notes.lines() {
                self.line(line);
            }
            *section += 1;
        }
    }

    /// Reads an input where it is first used.
    fn read(&mut self, read: &mut [bool], id: DagId) {
        let Node::Input(i) = self.straight.dag.node(id) else {
            return;
        };
        let i = *i;
        if std::mem::replace(&mut read[number(id)], true) {
            return;
        }
        let (word, ty) = self.types[number(id)];
        if !clamps(self.plan) {
            return self.line(&format!("const {} x{i} = in[{i}];", ty.c()));
        }
        let f = self.plan.kernel.input_format;
        let (lo, hi) = self.plan.input.range();
        let w = word.c();
        self.line(&format!("{w} r{i} = ({w})in[{i}];"));
        if lo < f.min() {
            let bound = literal(word, f.min());
            self.line(&format!("if (r{i} < {bound}) {{ r{i} = {bound}; }}"));
        }
        if hi > f.max() {
            let bound = literal(word, f.max());
            self.line(&format!("if (r{i} > {bound}) {{ r{i} = {bound}; }}"));
        }
        self.line(&format!("const {} x{i} = ({})r{i};", ty.c(), ty.c()));
    }

    /// A node's value in a word.
    fn operand(&self, id: DagId, word: Elem) -> String {
        if let Some(v) = self.straight.dag.facts(id).known() {
            return match word {
                Elem::I16 | Elem::I32 | Elem::I64 => literal(word, wide(v)),
                Elem::I8 | Elem::U8 | Elem::U16 | Elem::U32 => {
                    format!("({}){}", word.c(), literal(word.own_word(), wide(v)))
                }
            };
        }
        let name = self.variable(id);
        match self.types[number(id)].1 == word {
            true => name,
            false => format!("({}){name}", word.c()),
        }
    }

    /// The name of a node's variable.
    fn variable(&self, id: DagId) -> String {
        match self.straight.dag.node(id) {
            Node::Input(i) => format!("x{i}"),
            Node::Linear(_)
            | Node::Shr(..)
            | Node::Low(..)
            | Node::Min(..)
            | Node::Max(..)
            | Node::Negative(_)
            | Node::Not(_)
            | Node::And(..)
            | Node::Or(..)
            | Node::Select(..)
            | Node::Lookup(..) => format!("v{}", number(id)),
        }
    }

    /// Declares a node's variable with its value.
    fn node(&mut self, id: DagId, node: &Node) {
        if self.straight.dag.facts(id).known().is_some() {
            return;
        }
        let (word, ty) = self.types[number(id)];
        let of = |a: &DagId| self.operand(*a, word);
        let choice = |a: &DagId, op: &str, b: &DagId| {
            let (a, b) = (of(a), of(b));
            format!("({a} {op} {b}) ? {a} : {b}")
        };
        let one = || (literal(word, 1), literal(word, 0));
        let value = match node {
            Node::Input(_) => return,
            Node::Linear(form) => return self.sum(id, form),
            Node::Shr(a, s) => {
                let most = 8 * word.bytes() as u32 - 1;
                format!("{} >> {}", of(a), (*s).min(most))
            }
            Node::Low(a, s) => {
                let mask = (1i128 << (*s).min(62)) - 1;
                format!("{} & {}", of(a), literal(word, wide(mask)))
            }
            Node::Min(a, b) => choice(a, "<", b),
            Node::Max(a, b) => choice(a, ">", b),
            Node::Negative(a) => {
                let (one, zero) = one();
                format!("({} < 0) ? {one} : {zero}", of(a))
            }
            Node::Not(a) => format!("{} - {}", one().0, of(a)),
            Node::And(a, b) => format!("{} & {}", of(a), of(b)),
            Node::Or(a, b) => format!("{} | {}", of(a), of(b)),
            Node::Select(c, a, b) => format!("({} != 0) ? {} : {}", of(c), of(a), of(b)),
            Node::Lookup(a, table) => {
                let stored = table_of(self.plan, table);
                let stored = stored.map_or("", |t| t.name.as_str());
                format!("{}_{stored}[{}]", self.name, of(a))
            }
        };
        let name = self.variable(id);
        let is_plain = ty == word && matches!(word, Elem::I32 | Elem::I64);
        self.line(&match is_plain {
            true => format!("const {} {name} = {value};", ty.c()),
            false => format!("const {} {name} = ({})({value});", ty.c(), ty.c()),
        });
    }

    /// A sum, term after term.
    fn sum(&mut self, id: DagId, form: &LinearForm) {
        let (word, _) = self.types[number(id)];
        let (w, name) = (word.c(), self.variable(id));
        let terms = ordered(form);
        let product = |(t, c): &(DagId, i128)| {
            let x = self.operand(*t, word);
            match c.abs() {
                1 => x,
                size => format!("{} * {x}", literal(word, wide(size))),
            }
        };
        let mut steps: Vec<(char, String)> = Vec::new();
        let mut terms = terms.iter().peekable();
        let constant = || literal(word, wide(form.constant.abs()));
        let start = match terms.peek() {
            Some((_, c)) if *c > 0 => terms.next().map(product).unwrap_or_default(),
            _ => literal(word, wide(form.constant)),
        };
        let started_with_constant = terms.len() == form.terms.len();
        for t in terms {
            steps.push((if t.1 < 0 { '-' } else { '+' }, product(t)));
        }
        if form.constant != 0 && !started_with_constant {
            steps.push((if form.constant < 0 { '-' } else { '+' }, constant()));
        }
        let short = word == Elem::I16;
        let cast = |text: String| match short {
            true => format!("({w})({text})"),
            false => text,
        };
        let (declared, start) = match &steps[..] {
            [(op, x)] => (true, cast(format!("{start} {op} {x}"))),
            [] => (true, cast(start)),
            _ => (false, cast(start)),
        };
        let constness = if declared { "const " } else { "" };
        let mut lines = vec![format!("{constness}{w} {name} = {start};")];
        if !declared {
            lines.extend(steps.iter().map(|(op, x)| match short {
                true => format!("{name} = ({w})({name} {op} ({x}));"),
                false => format!("{name} {op}= {x};"),
            }));
        }
        lines.iter().for_each(|l| self.line(l));
    }
}

/// The ranges of sums were checked to fit 64 bits.
fn wide(v: i128) -> i64 {
    i64::try_from(v).unwrap_or(if v < 0 { i64::MIN } else { i64::MAX })
}

/// The stored table of these entries.
fn table_of<'a>(plan: &'a Plan<'_>, entries: &[i64]) -> Option<&'a Table<'a>> {
    let mut all = plan.stored();
    all.find(|t| t.data.len() == entries.len() && t.data.iter().eq(entries.iter().copied()))
}

/// True for straight-line code in which 64 bits hold every value, product and partial sum.
pub(crate) fn fits(plan: &Plan<'_>) -> bool {
    let Some(straight) = &plan.straight else {
        return false;
    };
    let inside = |f: Facts| f.width() <= 64 && f.lo > i128::from(i64::MIN);
    straight.nodes.iter().all(|id| {
        let own = inside(straight.dag.facts(*id));
        let sums = match straight.dag.node(*id) {
            Node::Linear(form) => inside(passed(straight, form)),
            Node::Low(_, s) => *s < 62,
            Node::Lookup(_, table) => table_of(plan, table).is_some(),
            Node::Input(_)
            | Node::Shr(..)
            | Node::Min(..)
            | Node::Max(..)
            | Node::Negative(_)
            | Node::Not(_)
            | Node::And(..)
            | Node::Or(..)
            | Node::Select(..) => true,
        };
        own && sums
    })
}
