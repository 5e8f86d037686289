//! The Rust function of one stage.

use crate::elem::Elem;
use crate::plan::{
    Axis, Body, By, Dense, Loop, Nest, Operand, Plan, Source, Stage, Step, StepKind, Taps, Windows,
};
use crate::text::{Code, grouped};
use ceg4n_ir::Rounding;
use ceg4n_target::Form;

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

/// What the loops of a stage walk over: one loop, or one over blocks and one within a block. Each
/// entry is a pattern and an iterator.
struct Walk {
    inner: usize,
    outer: Vec<(String, String)>,
    within: Vec<(String, String)>,
}

impl Walk {
    /// Walks over the result, named `y`.
    fn new(inner: usize) -> Self {
        let mut walk = Self {
            inner,
            outer: Vec::new(),
            within: Vec::new(),
        };
        let entry = |over: String| ("y".to_owned(), over);
        if inner > 1 {
            walk.outer
                .push(entry(format!("y.chunks_exact_mut({inner})")));
            walk.within.push(entry("y.iter_mut()".to_owned()));
        } else {
            walk.outer.push(entry("y.iter_mut()".to_owned()));
        }
        walk
    }

    /// Also over a slice of one entry per element.
    fn elements(&mut self, name: &str, slice: &str) {
        let name = name.to_owned();
        if self.inner > 1 {
            let chunks = format!(
                "{}.chunks_exact({})",
                slice.trim_start_matches('&'),
                self.inner
            );
            self.outer.push((name.clone(), chunks));
            self.within.push((name.clone(), name));
        } else {
            self.outer.push((name, slice.to_owned()));
        }
    }

    /// Also over an iterator of one entry per block.
    fn blocks_of(&mut self, name: &str, iterator: String) {
        self.outer.push((name.to_owned(), iterator));
    }

    /// Also over a table, by what picks its entries.
    fn table(&mut self, name: &str, by: By, table: &str) {
        match by {
            By::Element => self.elements(name, table),
            By::Block => self.blocks_of(name, table.to_owned()),
            By::Position => self.within.push((name.to_owned(), table.to_owned())),
        }
    }

    /// Number of nested loops.
    fn blocks(&self) -> usize {
        if self.inner > 1 { 2 } else { 1 }
    }

    /// Opens the loops.
    fn open(&self, code: &mut Code) {
        self.open_outer(code, None);
        self.open_within(code, None);
    }

    /// Opens the outer loop, with a counter of blocks if one is named.
    fn open_outer(&self, code: &mut Code, channel: Option<&str>) {
        code.open(zipped(&self.outer, channel));
    }

    /// Opens the loop within a block, with a counter of positions if one is named.
    fn open_within(&self, code: &mut Code, position: Option<&str>) {
        if self.inner > 1 {
            code.open(zipped(&self.within, position));
        }
    }
}

/// The head of a loop over zipped iterators, with a counter if one is named.
fn zipped(entries: &[(String, String)], counter: Option<&str>) -> String {
    let (mut pattern, mut iterator) = (String::new(), String::new());
    for (i, (name, over)) in entries.iter().enumerate() {
        if i == 0 {
            (pattern, iterator) = (name.clone(), over.clone());
        } else {
            pattern = format!("({pattern}, {name})");
            iterator = format!("{iterator}.zip({over})");
        }
    }
    match counter {
        None => format!("for {pattern} in {iterator} {{"),
        Some(c) => format!("for ({c}, {pattern}) in {iterator}.enumerate() {{"),
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

    /// What marks the name of an operand that is not read: windows of padding alone.
    fn unread(&self, i: usize) -> &'static str {
        match &self.stage.body {
            Body::Windows(w) if i == 0 && w.axes.iter().any(Axis::is_empty) => "_",
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
        code.line("let (mut bits, mut have) = (0_u32, 0_u32);");
        walk.open(code);
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

    fn windows(&self, code: &mut Code, w: &Windows) {
        let mut walk = Walk::new(self.stage.inner);
        // Padding alone, in every window.
        let empty = w.axes.iter().any(Axis::is_empty);
        if let Taps::Products { weight, bias } = w.taps {
            let rows = format!("{}.chunks_exact({})", self.table(weight), w.filter_len());
            if !empty {
                walk.blocks_of("w", rows);
            }
            if let Some(b) = bias {
                walk.blocks_of("b", format!("&{}", self.table(b)));
            }
        }
        let group = w.depth * w.plane;
        if !empty && !w.is_whole() && w.share == 1 {
            walk.blocks_of("x", format!("x.chunks_exact({group})"));
        }
        self.walk_steps(&mut walk);
        if empty || w.is_whole() || w.share == 1 {
            walk.open_outer(code, None);
        } else {
            walk.open_outer(code, Some("c"));
            let by = if group == 1 {
                String::new()
            } else {
                format!(" * {group}")
            };
            code.line(format!("let x = &x[c / {}{by}..];", w.share));
        }
        if empty {
            walk.open_within(code, None);
            let bias = match w.taps {
                Taps::Products { bias, .. } => bias,
                Taps::Max { .. } | Taps::Sum => None,
            };
            code.line(self.first(bias, "let acc"));
        } else {
            self.open_windows(code, &walk, w);
            self.taps(code, w);
        }
        self.steps(code);
        code.close(walk.blocks());
    }

    /// The loop over windows, and the taps of each.
    fn open_windows(&self, code: &mut Code, walk: &Walk, w: &Windows) {
        let [rows, columns] = &w.axes;
        match (rows.out, columns.out) {
            (1, 1) => walk.open_within(code, None),
            (1, _) => walk.open_within(code, Some("ox")),
            (_, 1) => walk.open_within(code, Some("oy")),
            (_, n) => {
                walk.open_within(code, Some("p"));
                code.line(format!("let (oy, ox) = (p / {n}, p % {n});"));
            }
        }
        bounds(code, rows, "oy", "u");
        bounds(code, columns, "ox", "v");
    }

    /// The accumulator of one window over its taps.
    fn taps(&self, code: &mut Code, w: &Windows) {
        match w.taps {
            Taps::Products { bias, .. } => self.start(code, bias),
            Taps::Max { least } => {
                let word = self.stage.word.rust();
                code.line(format!("let mut acc: {word} = {};", grouped(least)));
            }
            Taps::Sum => self.start(code, None),
        }
        let mut loops = tap_loops(w);
        let inner = loops.pop().filter(|l| l.hits);
        if inner.is_none() {
            loops = tap_loops(w);
        }
        for l in &loops {
            code.open(format!("for {} in {}..{} {{", l.name, l.low, l.high));
        }
        match inner {
            Some(l) => self.tap_iterator(code, w, &l),
            None => self.tap(code, w, "w[", &self.at(0, &w.operand_index())),
        }
        code.close(loops.len());
    }

    /// The taps along one axis, as iterators.
    fn tap_iterator(&self, code: &mut Code, w: &Windows, l: &TapLoop) {
        let names = ["k", "u", "v"].map(|n| if n == l.name { &l.low[..] } else { n });
        let x = along("x", &w.operand_index_of(names), l.x_step, &l.count);
        if let Taps::Products { .. } = w.taps {
            let weights = along("w", &w.weight_index_of(names), l.w_step, &l.count);
            code.open(format!(
                "for (w, x) in {weights}.zip({}) {{",
                borrowed(&x, "&")
            ));
        } else {
            code.open(format!("for x in {} {{", borrowed(&x, "&")));
        }
        self.tap(code, w, "*w", &self.entry(0, "x"));
        code.close(1);
    }

    /// One tap; `x` is its operand, `weight` the weight, or `w[` for one by index.
    fn tap(&self, code: &mut Code, w: &Windows, weight: &str, x: &str) {
        let (from, word) = (self.stage.reads[0].ty, self.stage.word);
        code.line(match w.taps {
            Taps::Products { weight: table, .. } => {
                let weight = match weight {
                    "w[" => format!("w[{}]", w.weight_index()),
                    name => name.to_owned(),
                };
                let weight = factor(&weight, self.plan.tables[table].ty, word);
                format!("acc += {weight} * {};", factor(x, from, word))
            }
            Taps::Max { .. } => format!("acc = acc.max({});", cast(x, from, word)),
            Taps::Sum => format!("acc += {};", cast(x, from, word)),
        });
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

    /// All steps on the variable `acc`, and the store of the result.
    fn steps(&self, code: &mut Code) {
        let mut word = self.stage.word;
        for (i, step) in self.stage.steps.iter().enumerate() {
            if step.word != word {
                code.line(format!("let acc = {};", cast("acc", word, step.word)));
                word = step.word;
            }
            code.line(format!("let acc = {};", self.expression(step, i)));
        }
        let value = cast("acc", word, self.stage.ty);
        code.line(format!("*y = {};", self.result(&value)));
    }

    /// The constant of step `i` as an operand; a table's entry is `c{i}`.
    fn constant(&self, word: Elem, i: usize, c: Operand) -> String {
        match c {
            Operand::Uniform(c) => grouped(c),
            Operand::Table(t, ..) => factor(&format!("*c{i}"), self.plan.tables[t].ty, word),
        }
    }

    /// `acc` bounded by the constant of step `i`.
    fn bound(&self, function: &str, word: Elem, i: usize, c: Operand) -> String {
        let c = match c {
            Operand::Uniform(c) => grouped(c),
            Operand::Table(t, ..) => cast(&format!("*c{i}"), self.plan.tables[t].ty, word),
        };
        format!("acc.{function}({c})")
    }

    /// The new value of `acc` after one step.
    fn expression(&self, step: &Step, i: usize) -> String {
        let word = step.word;
        match step.kind {
            StepKind::Relu => "acc.max(0)".to_owned(),
            StepKind::Floor(s) => format!("acc >> {s}"),
            StepKind::Clamp { lo, hi } => match (lo, hi) {
                (Some(lo), Some(hi)) => format!("acc.clamp({}, {})", grouped(lo), grouped(hi)),
                (Some(lo), None) => format!("acc.max({})", grouped(lo)),
                (None, Some(hi)) => format!("acc.min({})", grouped(hi)),
                (None, None) => "acc".to_owned(),
            },
            StepKind::AtLeast(c) => self.bound("max", word, i, c),
            StepKind::AtMost(c) => self.bound("min", word, i, c),
            StepKind::Add(c) => format!("acc + {}", self.constant(word, i, c)),
            StepKind::AddVector(k) => {
                let z = self.entry(k, &self.operand(k));
                format!("acc + {}", factor(&z, self.stage.reads[k].ty, word))
            }
            // What an operand is multiplied with when it is always zero.
            StepKind::Multiply(Operand::Uniform(0)) => "acc.clamp(0, 0)".to_owned(),
            StepKind::Multiply(Operand::Uniform(-1)) => "-acc".to_owned(),
            StepKind::Multiply(c) => format!("acc * {}", self.constant(word, i, c)),
            StepKind::LeakyRelu(s) => {
                format!(
                    "if acc > 0 {{ acc * {} }} else {{ acc }}",
                    grouped(1i64 << s)
                )
            }
            StepKind::Abs => "acc.abs()".to_owned(),
            StepKind::Sign => "acc.signum()".to_owned(),
            StepKind::Lookup { table, least } => {
                let t = &self.plan.tables[table];
                let index = match least {
                    0 => "acc".to_owned(),
                    least => format!("(acc + {})", grouped(-least)),
                };
                // The mask changes nothing and spares the check of the index.
                let mask = t.data.len() - 1;
                let entry = format!("{}[{index} as usize & {mask}]", self.table(table));
                cast(&entry, t.ty, word)
            }
            StepKind::Shift(Operand::Uniform(s)) => self.shift(s),
            StepKind::Shift(Operand::Table(_, least, greatest)) => {
                self.shift_by_table(word, i, least, greatest)
            }
        }
    }

    fn shift(&self, s: i64) -> String {
        if s < 0 {
            return format!("acc * {}", grouped(1i64 << -s));
        }
        let half = 1i64 << (s - 1);
        match self.plan.kernel.rounding {
            Rounding::Floor => format!("acc >> {s}"),
            Rounding::HalfUp => format!("(acc + {}) >> {s}", grouped(half)),
            Rounding::HalfEven if half == 1 => format!("(acc + ((acc >> {s}) & 1)) >> {s}"),
            Rounding::HalfEven => {
                let half = grouped(half - 1);
                format!("(acc + ({half} + ((acc >> {s}) & 1))) >> {s}")
            }
        }
    }

    fn shift_by_table(&self, word: Elem, i: usize, least: i64, greatest: i64) -> String {
        let word = word.rust();
        let (s, half) = (format!("*c{i}"), format!("(1_{word} << (*c{i} - 1))"));
        let right = match self.plan.kernel.rounding {
            Rounding::Floor => format!("acc >> {s}"),
            Rounding::HalfUp => format!("(acc + {half}) >> {s}"),
            Rounding::HalfEven => format!("(acc + ({half} - 1 + ((acc >> {s}) & 1))) >> {s}"),
        };
        let left = format!("acc * (1_{word} << -{s})");
        if least > 0 {
            right
        } else if greatest <= 0 {
            left
        } else {
            format!("if {s} > 0 {{ {right} }} else {{ {left} }}")
        }
    }
}

/// A loop over the taps of a window: over channels, rows or columns.
struct TapLoop {
    name: &'static str,
    low: String,
    high: String,
    /// How many taps, as an expression.
    count: String,
    /// Steps in operand and weights.
    x_step: usize,
    w_step: usize,
    /// Every window has a tap along it.
    hits: bool,
}

/// The loops that a window's taps need, outermost first.
fn tap_loops(w: &Windows) -> Vec<TapLoop> {
    let [rows, columns] = &w.axes;
    let mut all = Vec::new();
    if w.depth > 1 {
        all.push(TapLoop {
            name: "k",
            low: "0".to_owned(),
            high: w.depth.to_string(),
            count: w.depth.to_string(),
            x_step: w.plane,
            w_step: rows.kernel * columns.kernel,
            hits: true,
        });
    }
    for (axis, name, across) in [(rows, "u", w.width), (columns, "v", 1)] {
        if axis.is_point() {
            continue;
        }
        let bound =
            |b: Option<usize>, end: &str| b.map_or(format!("{name}{end}"), |n| n.to_string());
        let (low, high) = (bound(axis.low, "0"), bound(axis.high, "1"));
        let count = match (axis.low, axis.high) {
            (Some(low), Some(high)) => high.saturating_sub(low).to_string(),
            (Some(0), None) => high.clone(),
            (_, _) => format!("{high} - {low}"),
        };
        all.push(TapLoop {
            name,
            low,
            high,
            count,
            x_step: axis.dilation * across,
            w_step: if name == "u" { columns.kernel } else { 1 },
            hits: axis.always_hits(),
        });
    }
    all
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

/// Declares the bounds of an axis that differ from window to window.
fn bounds(code: &mut Code, axis: &Axis, o: &str, t: &str) {
    let origin = axis.origin(o);
    let taps = |to: usize| {
        let beyond = format!("{to}_usize.saturating_sub({origin})");
        match axis.dilation {
            1 => beyond,
            d => format!("{beyond}.div_ceil({d})"),
        }
    };
    if axis.low.is_none() {
        code.line(format!("let {t}0 = {};", taps(axis.pad)));
    }
    if axis.high.is_none() {
        let (kernel, inside) = (axis.kernel, taps(axis.reach()));
        code.line(format!("let {t}1 = {inside}.min({kernel});"));
    }
}
