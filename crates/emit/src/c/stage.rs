//! The C function of one stage.

use super::forms::{self, Use, arm_dsp, packed};
use crate::elem::Elem;
use crate::plan::{
    Axis, Body, By, Dense, Nest, Operand, Plan, Stage, Step, StepKind, Taps, Windows,
};
use crate::text::{Code, hole};
use ceg4n_ir::{Rounding, Unary};
use ceg4n_target::Form;

/// A stage's parameters and body, braces included, with holes where constants stand.
pub(crate) fn function(name: &str, plan: &Plan<'_>, stage: &Stage) -> (Vec<String>, String) {
    let this = Printer { name, plan, stage };
    let mut code = Code::default();
    let mut parameters: Vec<String> = (0..stage.reads.len())
        .map(|i| format!("const {} *{}", stage.reads[i].ty.c(), this.operand(i)))
        .collect();
    parameters.push(format!("{} *y", stage.ty.c()));
    code.open("{");
    match &stage.body {
        Body::Load => this.load(&mut code),
        Body::Dense(d) => this.dense(&mut code, d),
        Body::Windows(w) => this.windows(&mut code, w),
        Body::Copy { fill, nests } => this.copy(&mut code, *fill, nests),
        Body::Pick { index, fill } => this.pick(&mut code, *index, *fill),
    }
    for k in 0..stage.padding {
        code.line(format!("y[{}] = 0;", this.size(stage.len + k)));
    }
    code.close(1);
    (parameters, code.finish())
}

struct Printer<'a> {
    name: &'a str,
    plan: &'a Plan<'a>,
    stage: &'a Stage,
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

    fn table(&self, id: usize) -> String {
        let (name, table) = (self.name, &self.plan.tables[id]);
        let ty = format!("const {name}_FLASH {} *", table.ty.c());
        hole(&ty, format!("{name}_{}", table.name))
    }

    /// A number of elements.
    fn size(&self, n: usize) -> String {
        hole("size_t", n)
    }

    /// The entry of a table that belongs to the element at hand.
    fn entry(&self, id: usize) -> String {
        let index = match (self.plan.tables[id].by, &self.stage.body) {
            (By::Element, _) => "j".to_owned(),
            (By::Block, _) if self.stage.inner == 1 => "j".to_owned(),
            (By::Block, _) => "c".to_owned(),
            (By::Position, Body::Windows(w)) => {
                let [rows, columns] = &w.axes;
                match (rows.out, columns.out) {
                    (1, _) => "ox".to_owned(),
                    (_, 1) => "oy".to_owned(),
                    (_, n) => format!("oy * {n} + ox"),
                }
            }
            (By::Position, _) => "p".to_owned(),
        };
        format!("{}[{index}]", self.table(id))
    }

    fn load(&self, code: &mut Code) {
        let word = self.stage.word.c();
        let (len, inner) = (self.stage.len, self.stage.inner);
        let blocks = if inner > 1 {
            let (outer, inner) = (self.size(len / inner), self.size(inner));
            code.open(format!("for (size_t c = 0; c < {outer}; ++c) {{"));
            code.open(format!("for (size_t p = 0; p < {inner}; ++p) {{"));
            code.line(format!("const size_t j = c * {inner} + p;"));
            2
        } else {
            code.open(format!(
                "for (size_t j = 0; j < {}; ++j) {{",
                self.size(len)
            ));
            1
        };
        code.line(format!("{word} acc = ({word})x[j];"));
        self.steps(code);
        code.close(blocks);
    }

    fn dense(&self, code: &mut Code, d: &Dense) {
        match d.license.form() {
            Form::Plain => self.rows(code, d),
            Form::Packed { bits } => self.packed_rows(code, d, bits),
            form @ (Form::Dual { .. } | Form::Pair | Form::Quad) => {
                self.dsp_tiles(code, d, form);
            }
            form @ (Form::Offset | Form::Quarters | Form::Short | Form::Bytes) => {
                self.tiles(code, d, form)
            }
        }
    }

    /// Groups of rows, whose sums a function of the form's computes.
    fn tiles(&self, code: &mut Code, d: &Dense, form: Form) {
        self.weights(code, d.weight);
        if let Some(b) = d.bias {
            let (name, table) = (self.name, self.table(b));
            code.line(format!("const {name}_FLASH int32_t *b = {table};"));
        }
        code.line("size_t j = 0;");
        let shift = forms::saturation(self.stage);
        let x = match (form, self.stage.reads[0].ty) {
            (Form::Short | Form::Bytes, Elem::I8) => "(const uint8_t *)x",
            _ => "x",
        };
        let (word, cols) = (self.stage.word, self.size(d.cols));
        let done = shift.is_some() || (self.stage.steps.is_empty() && self.stage.ty == word);
        for t in forms::sizes(self.plan, self.stage) {
            let count = self.size(t.count);
            code.open(format!("for (size_t t = {count}; t > 0; --t) {{"));
            self.next_piece(code, d, t.rows, "t");
            let (name, rows) = (self.name, t.rows);
            let function = Use::of(self.stage, form, rows).name();
            let call = |to: &str| format!("w = {name}_{function}(w, b + j, {x}, {cols}, {to});");
            if done {
                code.line(match shift {
                    Some(s) => call(&format!("NULL, y + j, {}", hole("uint8_t", self.raised(s)))),
                    None => call(&format!("y + j, NULL, {}", self.raised(0))),
                });
                code.line(format!("j += {rows};"));
                code.close(1);
                continue;
            }
            code.line(format!("{} a[{rows}];", word.c()));
            code.line(call(&format!("a, NULL, {}", self.raised(0))));
            code.open(format!("for (size_t r = 0; r < {rows}; ++r) {{"));
            code.line(format!("{} acc = a[r];", word.c()));
            self.steps(code);
            code.line("++j;");
            code.close(2);
        }
    }

    /// A shift, plus 128 where a function is to raise signed operands itself.
    fn raised(&self, shift: u32) -> u32 {
        match (&self.stage.body, self.stage.reads[0].ty) {
            (Body::Dense(d), Elem::I8) if matches!(d.license.form(), Form::Short | Form::Bytes) => {
                shift + 128
            }
            _ => shift,
        }
    }

    /// Groups of rows by functions that compute several groups and, where they can, results.
    fn dsp_tiles(&self, code: &mut Code, d: &Dense, form: Form) {
        let x = self.stage.reads[0].ty;
        self.weights(code, d.weight);
        if let Some(b) = d.bias {
            let (name, table) = (self.name, self.table(b));
            code.line(format!("const {name}_FLASH int32_t *b = {table};"));
        }
        if let Some(before) = forms::before(self.name, form, x, &self.size(d.cols)) {
            code.line(before);
        }
        let done = arm_dsp::store(self.plan, self.stage);
        let (store, shift) = done.unwrap_or((arm_dsp::Store::Words, 0));
        let shift = hole("int", shift);
        code.line("size_t j = 0;");
        for t in forms::sizes(self.plan, self.stage) {
            let rows = t.rows;
            let u = arm_dsp::Use {
                form,
                rows,
                x,
                store,
            };
            let (name, function) = (self.name, u.name());
            let (count, cols, more) = (self.size(t.count), self.size(d.cols), u.more(&shift));
            if done.is_some() {
                code.open(format!("if ({count} > 0U) {{"));
                code.line(format!(
                    "w = {name}_{function}(w, b + j, x, {cols}, y + j, {count}{more});"
                ));
                code.line(format!("j += {};", self.size(t.count * rows)));
                code.close(1);
                continue;
            }
            code.open(format!("for (size_t t = {count}; t > 0; --t) {{"));
            code.line(format!("int32_t a[{rows}];"));
            code.line(format!(
                "w = {name}_{function}(w, b + j, x, {cols}, a, 1{more});"
            ));
            code.open(format!("for (size_t r = 0; r < {rows}; ++r) {{"));
            code.line("int32_t acc = a[r];");
            self.steps(code);
            code.line("++j;");
            code.close(2);
        }
    }

    /// Row by row, each weight unpacked before its product.
    fn packed_rows(&self, code: &mut Code, d: &Dense, bits: u8) {
        let x = self.stage.reads[0].ty;
        let start = d.bias.map_or(literal(Elem::I32, 0), |b| self.entry(b));
        code.open(format!(
            "for (size_t j = 0; j < {}; ++j) {{",
            self.size(self.stage.len)
        ));
        let row = hole("uint32_t", packed::row_step(bits, d.cols));
        code.line(format!(
            "int32_t acc = {}({}, (uint32_t)j * {row}, x, {}, {start});",
            packed::dot(self.name, bits, x),
            self.table(d.weight),
            self.size(d.cols),
        ));
        self.steps(code);
        code.close(1);
    }

    /// Row by row.
    fn rows(&self, code: &mut Code, d: &Dense) {
        let word = self.stage.word.c();
        self.weights(code, d.weight);
        code.open(format!(
            "for (size_t j = 0; j < {}; ++j) {{",
            self.size(self.stage.len)
        ));
        self.next_piece(code, d, 1, "j");
        self.start(code, d.bias);
        code.open(format!(
            "for (size_t k = 0; k < {}; ++k) {{",
            self.size(d.cols)
        ));
        code.line(format!("acc += ({word})w[k] * ({word})x[k];"));
        code.close(1);
        code.line(format!("w += {};", self.size(d.cols)));
        self.steps(code);
        code.close(1);
    }

    /// Where a layer has several tables: the step from one to the next.
    fn next_piece(&self, code: &mut Code, d: &Dense, rows: usize, at: &str) {
        for p in d.pieces.iter().filter(|p| p.rows == rows) {
            let (here, table) = (p.at, self.table(p.table));
            code.line(format!("if ({at} == {here}) {{ w = {table}; }}"));
        }
    }

    /// Declares the walking pointer of a layer's weights.
    fn weights(&self, code: &mut Code, weight: usize) {
        let ty = self.plan.tables[weight].ty.c();
        let (name, table) = (self.name, self.table(weight));
        code.line(format!("const {name}_FLASH {ty} *w = {table};"));
    }

    /// Declares the accumulator of a sum.
    fn start(&self, code: &mut Code, bias: Option<usize>) {
        let word = self.stage.word.c();
        code.line(match bias {
            Some(b) => format!("{word} acc = ({word}){};", self.entry(b)),
            None => format!("{word} acc = 0;"),
        });
    }

    fn windows(&self, code: &mut Code, w: &Windows) {
        let channels = self.stage.len / self.stage.inner.max(1);
        if let Taps::Products { weight, .. } = w.taps {
            self.weights(code, weight);
            if w.bits.is_some() {
                code.line("uint32_t at = 0;");
            }
        }
        // Where a plane is one element, its index is that of the channel.
        let c = if self.stage.inner > 1 { "c" } else { "j" };
        if self.stage.inner > 1 {
            code.line("size_t j = 0;");
        }
        code.open(format!("for (size_t {c} = 0; {c} < {channels}; ++{c}) {{"));
        let whole = w.is_whole();
        if !whole {
            let ty = self.stage.reads[0].ty.c();
            let group = match w.share {
                1 => c.to_owned(),
                n => format!("{c} / {n}"),
            };
            let step = w.depth * w.plane;
            code.line(format!("const {ty} *g = x + {group} * {step};"));
        }
        let mut blocks = 0;
        for (axis, [o, t]) in w.axes.iter().zip([["oy", "u"], ["ox", "v"]]) {
            if axis.out > 1 {
                code.open(format!(
                    "for (size_t {o} = 0; {o} < {}; ++{o}) {{",
                    axis.out
                ));
                blocks += 1;
            }
            bounds(code, axis, o, t);
        }
        self.taps(code, w, if whole { "x" } else { "g" });
        self.steps(code);
        if self.stage.inner > 1 {
            code.line("++j;");
        }
        code.close(blocks);
        if matches!(w.taps, Taps::Products { .. }) {
            code.line(match w.bits {
                None => format!("w += {};", w.filter_len()),
                Some(bits) => format!("at += {}U;", w.filter_len() * usize::from(bits)),
            });
        }
        code.close(1);
    }

    /// The accumulator of one window over its taps.
    fn taps(&self, code: &mut Code, w: &Windows, x: &str) {
        let word = self.stage.word.c();
        match w.taps {
            Taps::Products { bias, .. } => self.start(code, bias),
            Taps::Max { least } => {
                code.line(format!("{word} acc = {};", literal(self.stage.word, least)));
            }
            Taps::Sum => self.start(code, None),
        }
        let mut blocks = 0;
        if w.depth > 1 {
            code.open(format!("for (size_t k = 0; k < {}; ++k) {{", w.depth));
            blocks += 1;
        }
        for (axis, t) in w.axes.iter().zip(["u", "v"]) {
            if !axis.is_point() {
                let low = axis.low.map_or(format!("{t}0"), |n| n.to_string());
                let high = axis.high.map_or(format!("{t}1"), |n| n.to_string());
                code.open(format!("for (size_t {t} = {low}; {t} < {high}; ++{t}) {{"));
                blocks += 1;
            }
        }
        let tap = format!("({word}){x}[{}]", w.operand_index());
        match w.taps {
            Taps::Products { .. } => {
                let index = w.weight_index();
                let weight = match w.bits {
                    None => format!("({word})w[{index}]"),
                    Some(bits) => packed::entry(self.name, bits, &index),
                };
                code.line(format!("acc += {weight} * {tap};"));
            }
            Taps::Max { .. } => {
                code.line(format!("const {word} t = {tap};"));
                code.line("if (t > acc) { acc = t; }");
            }
            Taps::Sum => code.line(format!("acc += {tap};")),
        }
        code.close(blocks);
    }

    fn copy(&self, code: &mut Code, fill: Option<i64>, nests: &[Nest]) {
        let ty = self.stage.ty;
        if nests.is_empty() {
            code.line("(void)x;");
        }
        if let Some(fill) = fill {
            let value = literal(ty.own_word(), fill);
            code.open(format!(
                "for (size_t j = 0; j < {}; ++j) {{",
                self.stage.len
            ));
            code.line(format!("y[j] = ({}){value};", ty.c()));
            code.close(1);
        }
        for nest in nests {
            for (k, l) in nest.loops.iter().enumerate() {
                code.open(format!(
                    "for (size_t i{k} = 0; i{k} < {}; ++i{k}) {{",
                    l.count
                ));
            }
            let x = self.operand(nest.read);
            let (from, to) = nest.places();
            code.line(format!("y[{to}] = ({}){x}[{from}];", ty.c()));
            code.close(nest.loops.len());
        }
    }

    fn pick(&self, code: &mut Code, index: usize, fill: Option<(i64, usize)>) {
        let ty = self.stage.ty;
        code.open(format!(
            "for (size_t j = 0; j < {}; ++j) {{",
            self.stage.len
        ));
        code.line(format!(
            "const size_t k = (size_t){}[j];",
            self.table(index)
        ));
        code.line(match fill {
            None => format!("y[j] = ({})x[k];", ty.c()),
            Some((fill, len)) => {
                let value = literal(ty.own_word(), fill);
                let (ty, word) = (ty.c(), ty.own_word().c());
                format!("y[j] = ({ty})(k < {len} ? ({word})x[k] : {value});")
            }
        });
        code.close(1);
    }

    /// All steps on the variable `acc`, and the store of the result.
    fn steps(&self, code: &mut Code) {
        let mut word = self.stage.word.c();
        let mut acc = "acc".to_owned();
        for (i, step) in self.stage.steps.iter().enumerate() {
            if step.word.c() != word {
                // The value fits both words: the ranges are proved.
                word = step.word.c();
                code.line(format!("{word} acc{i} = ({word}){acc};"));
                acc = format!("acc{i}");
            }
            for text in self.statements(step, i, &acc) {
                code.line(text);
            }
        }
        code.line(format!("y[j] = ({}){acc};", self.stage.ty.c()));
    }

    /// A step's constant as an operand.
    fn constant(&self, word: Elem, c: Operand) -> String {
        match c {
            Operand::Uniform(c) => number(word, c),
            Operand::Table(t, ..) => format!("({}){}", word.c(), self.entry(t)),
        }
    }

    /// The statements of one step.
    fn statements(&self, step: &Step, i: usize, acc: &str) -> Vec<String> {
        let word = step.word;
        let bound = |op: char, v: String| format!("if ({acc} {op} {v}) {{ {acc} = {v}; }}");
        let table_bound = |op: char, c: Operand| match c {
            Operand::Uniform(c) => vec![bound(op, number(word, c))],
            Operand::Table(..) => vec![
                format!("const {} b{i} = {};", word.c(), self.constant(word, c)),
                bound(op, format!("b{i}")),
            ],
        };
        match step.kind {
            StepKind::Relu => vec![bound('<', "0".to_owned())],
            StepKind::Floor(s) if word == Elem::I16 => {
                vec![format!("{acc} = (int16_t)({acc} >> {});", hole("int", s))]
            }
            StepKind::Floor(s) => vec![format!("{acc} = {acc} >> {};", hole("int", s))],
            StepKind::Clamp { lo, hi } => {
                let ends = [(lo, '<'), (hi, '>')].into_iter();
                ends.filter_map(|(v, op)| Some(bound(op, number(word, v?))))
                    .collect()
            }
            StepKind::AtLeast(c) => table_bound('<', c),
            StepKind::AtMost(c) => table_bound('>', c),
            StepKind::Add(c) => vec![format!("{acc} = {acc} + {};", self.constant(word, c))],
            StepKind::AddVector(k) => {
                let (ty, z) = (word.c(), self.operand(k));
                vec![format!("{acc} = {acc} + ({ty}){z}[j];")]
            }
            StepKind::Multiply(c) => vec![format!("{acc} = {acc} * {};", self.constant(word, c))],
            StepKind::LeakyRelu(s) => {
                let factor = number(word, 1 << s);
                vec![format!("if ({acc} > 0) {{ {acc} = {acc} * {factor}; }}")]
            }
            StepKind::Unary(Unary::Abs) => vec![format!("if ({acc} < 0) {{ {acc} = -{acc}; }}")],
            StepKind::Unary(Unary::Sign) => {
                let ty = word.c();
                vec![format!("{acc} = ({ty})(({acc} > 0) - ({acc} < 0));")]
            }
            StepKind::Lookup { table, least } => {
                let index = match least {
                    0 => acc.to_owned(),
                    least => format!("{acc} + {}", number(word, -least)),
                };
                let ty = word.c();
                vec![format!("{acc} = ({ty}){}[{index}];", self.table(table))]
            }
            StepKind::Shift(Operand::Uniform(s)) => vec![self.shift(word, s, acc)],
            StepKind::Shift(Operand::Table(t, least, greatest)) => {
                self.shift_by_table(word, i, acc, (t, least, greatest))
            }
        }
    }

    fn shift(&self, word: Elem, s: i64, acc: &str) -> String {
        if s < 0 {
            return format!("{acc} = {acc} * {};", number(word, 1 << -s));
        }
        let half = 1i64 << (s - 1);
        let s = hole("int", s);
        match self.plan.kernel.rounding {
            Rounding::Floor => format!("{acc} = {acc} >> {s};"),
            Rounding::HalfUp => format!("{acc} = ({acc} + {}) >> {s};", number(word, half)),
            Rounding::HalfEven => format!(
                "{acc} = ({acc} + ({} + (({acc} >> {s}) & 1))) >> {s};",
                number(word, half - 1)
            ),
        }
    }

    fn shift_by_table(
        &self,
        word: Elem,
        i: usize,
        acc: &str,
        (t, least, greatest): (usize, i64, i64),
    ) -> Vec<String> {
        let s = format!("s{i}");
        let mut lines = vec![format!("const int {s} = {};", self.entry(t))];
        let one = format!("({})1", word.c());
        let half = format!("({one} << ({s} - 1))");
        let right = match self.plan.kernel.rounding {
            Rounding::Floor => format!("{acc} = {acc} >> {s};"),
            Rounding::HalfUp => format!("{acc} = ({acc} + {half}) >> {s};"),
            Rounding::HalfEven => {
                format!("{acc} = ({acc} + ({half} - 1 + (({acc} >> {s}) & 1))) >> {s};")
            }
        };
        let left = format!("{acc} = {acc} * ({one} << -{s});");
        lines.push(match (least > 0, greatest > 0, least < 0) {
            (true, _, _) => right,
            (false, false, _) => left,
            (false, true, false) => format!("if ({s} > 0) {{ {right} }}"),
            (false, true, true) => format!("if ({s} > 0) {{ {right} }} else {{ {left} }}"),
        });
        lines
    }
}

/// Declares the bounds of an axis that differ from window to window.
fn bounds(code: &mut Code, axis: &Axis, o: &str, t: &str) {
    let (origin, dilation) = (axis.origin(o), axis.dilation);
    let taps = |to: usize| match dilation {
        1 => format!("{origin} < {to} ? {to} - {origin} : 0"),
        d => format!("{origin} < {to} ? ({} - {origin}) / {d} : 0", to + d - 1),
    };
    if axis.low.is_none() {
        code.line(format!("const size_t {t}0 = {};", taps(axis.pad)));
    }
    if axis.high.is_none() {
        let (kernel, inside) = (axis.kernel, taps(axis.reach()));
        code.line(format!("const size_t {t}m = {inside};"));
        code.line(format!(
            "const size_t {t}1 = {t}m < {kernel} ? {t}m : {kernel};"
        ));
    }
}

/// An integer constant of a word's type that may become a parameter.
fn number(word: Elem, v: i64) -> String {
    hole(word.c(), literal(word, v))
}

/// An integer constant of a word's type.
pub(super) fn literal(word: Elem, v: i64) -> String {
    let suffix = match word {
        Elem::I64 => "INT64_C",
        Elem::I16 => "INT16_C",
        Elem::I8 | Elem::U8 | Elem::U16 | Elem::I32 | Elem::U32 => "INT32_C",
    };
    if v == word.range().0 {
        format!("(-{suffix}({}) - 1)", word.range().1)
    } else if v < 0 {
        format!("(-{suffix}({}))", v.unsigned_abs())
    } else {
        format!("{suffix}({v})")
    }
}
