//! Straight-line code: every element a variable, every weight a number in the code, so that the
//! compiler folds weights into shifts and additions and leaves out those that are zero.

use super::stage::{Printer, literal};
use crate::elem::Elem;
use crate::plan::{Body, Dense, Plan, Source, Stage, Vector};
use crate::text::{Code, Template, c_comment};
use ceg4n_target::Target;
use std::collections::BTreeSet;

/// Before the inference function; `NAME` is replaced.
pub(super) const STRAIGHT: &str = r#"/* Armv6-M multiplies in a cycle, but GCC's -O2 prefers longer chains of shifts. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__thumb__) && !defined(__thumb2__)
__attribute__((optimize("Os")))
#endif
"#;

/// The body of the inference function.
pub(super) fn body(name: &str, plan: &Plan<'_>) -> String {
    let mut out = String::new();
    let live = live(name, plan);
    let reads_input = plan.stages.iter().enumerate().any(|(number, stage)| {
        let this = Unrolled {
            name,
            plan,
            stage,
            number,
        };
        !this.inputs(&live[number]).is_empty()
    });
    if !reads_input {
        out.push_str("    (void)in;\n");
    }
    for (number, stage) in plan.stages.iter().enumerate() {
        let mut notes = String::new();
        c_comment(&mut notes, &stage.notes);
        for line in notes.lines() {
            out.push_str("    ");
            out.push_str(line);
            out.push('\n');
        }
        let this = Unrolled {
            name,
            plan,
            stage,
            number,
        };
        out.push_str(&this.text(&live[number]));
    }
    out
}

/// The elements of every stage that the output depends on.
fn live(name: &str, plan: &Plan<'_>) -> Vec<Vec<bool>> {
    let mut live: Vec<Vec<bool>> = plan.stages.iter().map(|s| vec![false; s.len]).collect();
    if let Some(last) = live.last_mut() {
        last.fill(true);
    }
    for (number, stage) in plan.stages.iter().enumerate().rev() {
        let this = Unrolled {
            name,
            plan,
            stage,
            number,
        };
        for (i, k) in this.read(&live[number]) {
            if let Source::Stage(s) = stage.reads[i].source {
                live[s][k] = true;
            }
        }
    }
    live
}

/// One stage.
struct Unrolled<'a> {
    name: &'a str,
    plan: &'a Plan<'a>,
    stage: &'a Stage,
    number: usize,
}

impl Unrolled<'_> {
    fn text(&self, live: &[bool]) -> String {
        let is_last = self.number + 1 == self.plan.stages.len();
        let (mut outer, mut code) = (Code::default(), Code::default());
        code.open("{");
        for (i, k) in self.inputs(live) {
            let Vector { source, ty } = self.stage.reads[i];
            let x = element(source, k);
            code.line(format!("const {} {x}_{i} = in[{k}];", ty.c()));
        }
        let ty = self.stage.ty.c();
        for j in (0..self.stage.len).filter(|j| live[*j]) {
            if !is_last {
                let y = element(Source::Stage(self.number), j);
                outer.line(format!("{ty} {y};"));
            }
            self.element(&mut code, j, is_last);
        }
        code.close(1);
        let all = outer.finish() + &code.finish();
        let lines = all.lines().map(|l| format!("    {l}\n"));
        lines.collect()
    }

    /// The elements that live elements read, each as the number of its vector and its place.
    fn read(&self, live: &[bool]) -> BTreeSet<(usize, usize)> {
        let mut read = BTreeSet::new();
        for j in (0..self.stage.len).filter(|j| live[*j]) {
            match &self.stage.body {
                Body::Dense(d) => {
                    let row = self.row(d, j);
                    let columns = row.iter().enumerate().filter(|(_, w)| **w != 0);
                    read.extend(columns.map(|(k, _)| (0, k)));
                }
                Body::Load | Body::Windows(_) | Body::Copy { .. } | Body::Pick { .. } => {
                    read.insert((0, j));
                }
            }
            read.extend((1..self.stage.reads.len()).map(|i| (i, j)));
        }
        read
    }

    /// Those of the caller's vector.
    fn inputs(&self, live: &[bool]) -> Vec<(usize, usize)> {
        let read = self.read(live).into_iter();
        read.filter(|(i, _)| self.stage.reads[*i].source == Source::Input)
            .collect()
    }

    fn row(&self, d: &Dense, j: usize) -> Vec<i64> {
        let weights = self.plan.tables[d.weight].data.iter();
        weights.skip(j * d.cols).take(d.cols).collect()
    }

    /// The name of an element of a vector that the stage reads.
    fn operand(&self, i: usize, k: usize) -> String {
        let source = self.stage.reads[i].source;
        match source {
            Source::Input => format!("{}_{i}", element(source, k)),
            Source::Stage(_) => element(source, k),
        }
    }

    /// Computes one element.
    fn element(&self, code: &mut Code, j: usize, is_last: bool) {
        let word = self.stage.word;
        let ty = word.c();
        let start = match &self.stage.body {
            Body::Dense(d) => {
                let bias = d.bias.and_then(|b| self.plan.tables[b].data.iter().nth(j));
                literal(word, bias.unwrap_or(0))
            }
            Body::Load | Body::Windows(_) | Body::Copy { .. } | Body::Pick { .. } => {
                format!("({ty}){}", self.operand(0, j))
            }
        };
        code.open("{");
        code.line(format!("{ty} acc = {start};"));
        if let Body::Dense(d) = &self.stage.body {
            for (k, w) in self.row(d, j).into_iter().enumerate() {
                let x = format!("({ty}){}", self.operand(0, k));
                // The product with the magnitude, which other rows may share.
                let (sign, size) = if w < 0 { ('-', -w) } else { ('+', w) };
                let product = match size {
                    0 => continue,
                    1 => x,
                    _ => format!("{} * {x}", literal(word, size)),
                };
                code.line(match word {
                    // A sum of narrow numbers is an int.
                    Elem::I16 => format!("acc = ({ty})(acc {sign} ({product}));"),
                    _ => format!("acc {sign}= {product};"),
                });
            }
        }
        let printer = Printer {
            name: self.name,
            plan: self.plan,
            stage: self.stage,
            element: Some(j),
        };
        let mut steps = Code::default();
        let acc = printer.steps_only(&mut steps, &|i| self.operand(i, j));
        let template = Template::new(&steps.finish());
        let steps = template.fill(|i| template.holes[i].1.clone());
        for line in steps.lines() {
            code.line(line);
        }
        let to = if is_last {
            format!("out[{j}]")
        } else {
            element(Source::Stage(self.number), j)
        };
        code.line(format!("{to} = ({}){acc};", self.stage.ty.c()));
        code.close(1);
    }
}

/// The variable of an element.
fn element(source: Source, k: usize) -> String {
    match source {
        Source::Input => format!("x{k}"),
        Source::Stage(i) => format!("v{i}_{k}"),
    }
}

/// True if straight-line code can be written for a plan.
pub(crate) fn applies(plan: &Plan<'_>) -> bool {
    let simple = |s: &Stage| matches!(s.body, Body::Load | Body::Dense(_));
    plan.stages.iter().all(simple)
}

/// Words for elements, which no memory holds; but not where registers are narrower.
pub(crate) fn widen(plan: &mut Plan<'_>, target: Target) {
    if target == Target::Avr {
        return;
    }
    let last = plan.stages.len().saturating_sub(1);
    for i in 0..last {
        let word = plan.stages[i].ty.own_word();
        plan.stages[i].ty = word;
        let is_this = |v: &&mut Vector| v.source == Source::Stage(i);
        let readers = plan.stages.iter_mut().flat_map(|s| &mut s.reads);
        readers.filter(is_this).for_each(|v| v.ty = word);
    }
    debug_assert!(
        plan.stages[..last]
            .iter()
            .all(|s| matches!(s.ty, Elem::I32 | Elem::I64))
    );
}
