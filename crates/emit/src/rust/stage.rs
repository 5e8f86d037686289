//! The Rust function of one stage.

mod steps;
mod walk;
mod windows;

use crate::elem::Elem;
use crate::plan::{Axis, Body, Dense, Loop, Nest, Plan, Source, Stage, StepKind};
use crate::text::Code;
use ceg4n_target::Form;
use walk::Walk;

/// The text of stage `number`.
pub(crate) fn function(plan: &Plan<'_>, number: usize, stage: &Stage) -> String {
    let last = number + 1 == plan.stages.len();
    let this = Printer { plan, stage, last };
    let mut code = Code::default();
    let mut parameters: Vec<String> = (0..stage.reads.len())
        .map(|i| {
            format!(
                "{}{}: &[{}]",
                this.unread(i),
                this.operand(i),
                this.element(i)
            )
        })
        .collect();
    let result = if last { "Out" } else { stage.ty.rust() };
    parameters.push(format!("y: &mut [{result}]"));
    code.open(format!("fn stage{number}({}) {{", parameters.join(", ")));
    match &stage.body {
        Body::Load => {
            let mut walk = Walk::new(stage.inner);
            walk.elements("x", "x");
            this.walk_steps(&mut walk);
            walk.open(&mut code);
            let x = cast(&this.entry(0, "x"), stage.reads[0].ty, stage.word);
            code.line(format!("let acc = {x};"));
            this.steps(&mut code);
            code.close(walk.blocks());
        }
        Body::Dense(d) => this.dense(&mut code, d),
        Body::Windows(w) => this.windows(&mut code, w),
        Body::Copy { fill, nests } => this.copy(&mut code, *fill, nests),
        Body::Pick { index, fill } => this.pick(&mut code, *index, *fill),
    }
    code.close(1);
    code.finish()
}

/// A value as another type, without a cast where none is needed.
fn cast(expr: &str, from: Elem, to: Elem) -> String {
    if from == to {
        expr.to_owned()
    } else if to.range().0 <= from.range().0 && from.range().1 <= to.range().1 {
        format!("{}::from({expr})", to.rust())
    } else {
        format!("{expr} as {}", to.rust())
    }
}

/// A cast value as an operand of a sum or product.
fn factor(expr: &str, from: Elem, to: Elem) -> String {
    let text = cast(expr, from, to);
    if text.contains(" as ") {
        format!("({text})")
    } else {
        text
    }
}

struct Printer<'a> {
    plan: &'a Plan<'a>,
    stage: &'a Stage,
    /// The stage writes the output.
    last: bool,
}

impl Printer<'_> {
    /// The name of a vector that the stage reads.
    fn operand(&self, i: usize) -> String {
        match (&self.stage.body, i) {
            (Body::Copy { .. }, i) if self.stage.reads.len() > 1 => format!("x{i}"),
            (_, 0) => "x".to_owned(),
            (_, i) => format!("z{i}"),
        }
    }

    /// What marks the name of an operand that is not read: windows of padding alone, and vectors
    /// that are only filled.
    fn unread(&self, i: usize) -> &'static str {
        match &self.stage.body {
            Body::Windows(w) if i == 0 && w.axes.iter().any(Axis::is_empty) => "_",
            Body::Copy { nests, .. } if nests.is_empty() => "_",
            Body::Windows(_)
            | Body::Load
            | Body::Dense(_)
            | Body::Copy { .. }
            | Body::Pick { .. } => "",
        }
    }

    /// The type of a vector's elements: those of the input have one of their own.
    fn element(&self, i: usize) -> &'static str {
        match self.stage.reads[i].source {
            Source::Input => "In",
            Source::Stage(_) => self.stage.reads[i].ty.rust(),
        }
    }

    /// The integer behind a reference to an element of vector `i`.
    fn entry(&self, i: usize, name: &str) -> String {
        match self.stage.reads[i].source {
            Source::Input => format!("{name}.0"),
            Source::Stage(_) => format!("*{name}"),
        }
    }

    /// The integer at a place of vector `i`.
    fn at(&self, i: usize, place: &str) -> String {
        let x = format!("{}[{place}]", self.operand(i));
        match self.stage.reads[i].source {
            Source::Input => format!("{x}.0"),
            Source::Stage(_) => x,
        }
    }

    /// An integer as an element of the result.
    fn result(&self, value: &str) -> String {
        match self.last {
            true => format!("Out({value})"),
            false => value.to_owned(),
        }
    }

    fn table(&self, id: usize) -> String {
        format!(
            "weights::{}",
            self.plan.tables[id].name.to_ascii_uppercase()
        )
    }

    /// The loops also walk over the operands of the steps.
    fn walk_steps(&self, walk: &mut Walk) {
        for (i, step) in self.stage.steps.iter().enumerate() {
            if let StepKind::AddVector(k) = step.kind {
                let z = self.operand(k);
                walk.elements(&z, &z);
            }
            if let Some(t) = step.kind.constants() {
                let by = self.plan.tables[t].by;
                walk.table(&format!("c{i}"), by, &format!("&{}", self.table(t)));
            }
        }
    }

    fn dense(&self, code: &mut Code, d: &Dense) {
        if let Form::Packed { bits } = d.license.form() {
            self.packed(code, d, bits);
        } else {
            self.rows(code, d);
        }
    }

    /// Row by row, each weight unpacked before its product.
    fn packed(&self, code: &mut Code, d: &Dense, bits: u8) {
        let mut walk = Walk::new(self.stage.inner);
        let word = self.stage.word;
        if let Some(b) = d.bias {
            walk.blocks_of("b", format!("&{}", self.table(b)));
        }
        self.walk_steps(&mut walk);
        code.line(format!("let mut bytes = {}.iter();", self.table(d.weight)));
        let buffer = "let (mut bits, mut have) = (0_u32, 0_u32);";
        // Rows of halves of bytes begin with a byte.
        let aligned = bits == 4;
        if !aligned {
            code.line(buffer);
        }
        walk.open(code);
        if aligned {
            code.line(buffer);
        }
        self.start(code, d.bias);
        code.open("for x in x {");
        code.open(format!("while have < {bits} {{"));
        code.line("bits |= u32::from(bytes.next().copied().unwrap_or(0)) << have;");
        code.line("have += 8;");
        code.close(1);
        let up = 32 - bits;
        code.line(format!("let v = (bits << {up}).cast_signed() >> {up};"));
        code.line(format!("bits >>= {bits};"));
        code.line(format!("have -= {bits};"));
        let v = factor("v", Elem::I32, word);
        let x = factor(&self.entry(0, "x"), self.stage.reads[0].ty, word);
        code.line(format!("acc += {v} * {x};"));
        code.close(1);
        self.steps(code);
        code.close(walk.blocks());
    }

    /// Row by row.
    fn rows(&self, code: &mut Code, d: &Dense) {
        let mut walk = Walk::new(self.stage.inner);
        let (word, tables) = (self.stage.word, &self.plan.tables);
        walk.blocks_of(
            "w",
            format!("{}.chunks_exact({})", self.table(d.weight), d.cols),
        );
        if let Some(b) = d.bias {
            walk.blocks_of("b", format!("&{}", self.table(b)));
        }
        self.walk_steps(&mut walk);
        walk.open(code);
        self.start(code, d.bias);
        code.open("for (w, x) in w.iter().zip(x) {");
        let w = factor("*w", tables[d.weight].ty, word);
        let x = factor(&self.entry(0, "x"), self.stage.reads[0].ty, word);
        code.line(format!("acc += {w} * {x};"));
        code.close(1);
        self.steps(code);
        code.close(walk.blocks());
    }

    /// Declares the accumulator of a sum.
    fn start(&self, code: &mut Code, bias: Option<usize>) {
        code.line(self.first(bias, "let mut acc"));
    }

    /// A declaration of what a sum starts from.
    fn first(&self, bias: Option<usize>, declare: &str) -> String {
        let word = self.stage.word;
        let start = match bias {
            Some(b) => cast("*b", self.plan.tables[b].ty, word),
            None => "0".to_owned(),
        };
        format!("{declare}: {} = {start};", word.rust())
    }

    fn copy(&self, code: &mut Code, fill: Option<i64>, nests: &[Nest]) {
        let ty = self.stage.ty;
        if let Some(fill) = fill {
            code.line(format!("y.fill({});", self.result(&fill.to_string())));
        }
        for nest in nests {
            let mut outer = nest.clone();
            let inner = outer.loops.pop();
            for (k, l) in outer.loops.iter().enumerate() {
                code.open(format!("for i{k} in 0..{} {{", l.count));
            }
            let (from, to) = outer.places();
            match inner {
                Some(l) => self.run(code, nest.read, &from, &to, l),
                None => {
                    let x = cast(
                        &self.at(nest.read, &from),
                        self.stage.reads[nest.read].ty,
                        ty,
                    );
                    code.line(format!("y[{to}] = {};", self.result(&x)));
                }
            }
            code.close(outer.loops.len());
        }
    }

    /// Copies elements along one loop, from and to the places of the first.
    fn run(&self, code: &mut Code, read: usize, from: &str, to: &str, l: Loop) {
        let (of_x, ty) = (self.stage.reads[read].ty, self.stage.ty);
        let (x, count) = (self.operand(read), l.count.to_string());
        let plain = !self.last && self.element(read) != "In" && of_x == ty;
        if plain && l.from == 1 && l.to == 1 {
            let (to, from) = (range("y", to, &count), range(&x, from, &count));
            code.line(format!("{to}.copy_from_slice(&{from});"));
            return;
        }
        let y = along("y", to, l.to, &count).replacen(".iter()", ".iter_mut()", 1);
        let entry = match l.from {
            0 => {
                code.open(format!("for y in {} {{", borrowed(&y, "&mut ")));
                self.at(read, from)
            }
            step => {
                let x = along(&x, from, step, &count);
                code.open(format!("for (y, x) in {y}.zip({}) {{", borrowed(&x, "&")));
                self.entry(read, "x")
            }
        };
        let value = cast(&entry, of_x, ty);
        code.line(format!("*y = {};", self.result(&value)));
        code.close(1);
    }

    fn pick(&self, code: &mut Code, index: usize, fill: Option<(i64, usize)>) {
        let (from, to) = (self.stage.reads[0].ty, self.stage.ty);
        code.open(format!(
            "for (y, k) in y.iter_mut().zip(&{}) {{",
            self.table(index)
        ));
        let value = match fill {
            None => cast(&self.at(0, "*k as usize"), from, to),
            Some((fill, _)) => {
                let x = cast(&self.entry(0, "v"), from, to);
                format!("x.get(*k as usize).map_or({fill}, |v| {x})")
            }
        };
        code.line(format!("*y = {};", self.result(&value)));
        code.close(1);
    }
}

/// So many elements of a slice from a place on, as a slice.
fn range(slice: &str, place: &str, count: &str) -> String {
    match place {
        "0" => format!("{slice}[..{count}]"),
        place => format!("{slice}[{place}..][..{count}]"),
    }
}

/// So many elements of a slice from a place on, in steps, as an iterator.
fn along(slice: &str, place: &str, step: usize, count: &str) -> String {
    match (step, place) {
        (1, _) => format!("{}.iter()", range(slice, place, count)),
        (_, "0") => format!("{slice}.iter().step_by({step}).take({count})"),
        (_, _) => format!("{slice}[{place}..].iter().step_by({step}).take({count})"),
    }
}

/// An iterator over a slice as the slice, behind a reference of its kind; another one as it is.
fn borrowed(iterator: &str, by: &str) -> String {
    let slice = iterator.strip_suffix(".iter()");
    let slice = slice.or_else(|| iterator.strip_suffix(".iter_mut()"));
    slice.map_or(iterator.to_owned(), |s| format!("{by}{s}"))
}
