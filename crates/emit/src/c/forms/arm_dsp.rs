//! Cortex-M4: sums of tiles by multiplications of two 16-bit halves, and plain C that reads the
//! same weights.
//!
//! `w = NAME_FORM_ROWS_X_Y(w, b, x, cols, y, n)` computes `n` tiles, one at least. Where all that is
//! done to a sum is a shift and a saturation, the function does that too; else it gives sums.

mod assembler;
mod plain;

use crate::elem::Elem;
use crate::plan::{Body, Operand, Plan, Stage, StepKind};
use crate::text::{c_comment, line};
use ceg4n_target::Form;
use ceg4n_target::dsp::{Unit, units};
use std::collections::BTreeSet;
use std::fmt::Write;

/// When the instructions are used; `NAME` is replaced.
const WHEN: &str = r"/* 1: instructions of the DSP extension, which load words from any address; 0: plain C. */
#ifndef NAME_DSP
#if defined(__GNUC__) && defined(__ARM_FEATURE_DSP) && defined(__ARM_ARCH_PROFILE) && !defined(__ARM_BIG_ENDIAN)
#if __ARM_ARCH_PROFILE == 'M'
#define NAME_DSP 1
#endif
#endif
#endif
#ifndef NAME_DSP
#define NAME_DSP 0
#endif

";

/// By how many bits a sum is shifted right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::c) enum Shift {
    /// By so many; left, if negative.
    By(i8),
    /// First left by so many, then right by what an argument says.
    Argument { up: u8 },
}

/// The README's section, if a plan has such stages; `NAME` is to be replaced.
pub(super) fn readme(plan: &Plan<'_>) -> String {
    if !plan.stages.iter().any(|s| kind(s).is_some()) {
        return String::new();
    }
    README.to_owned()
}

const README: &str = r"
## Instructions

Where `NAME_DSP` is 1, sums are computed by inline assembly, each loop in a function of its own
(Dir 4.3), with the plain C of the same loop beside it. It is 1 for compilers of GNU C and a
Cortex-M with the DSP extension (M4, M7, M33 and larger ones), unless it is defined before. The
assembly restores `r7` and names every other register that it changes; it takes up to 36 bytes of
stack, which `-fstack-usage` does not count. It loads words from addresses that are no multiple of
four, which these processors do unless `CCR.UNALIGN_TRP` is set. Define `NAME_DSP` as 0
for plain C, which gives the same integers.
";

/// What becomes of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::c) enum Store {
    /// It is stored.
    Words,
    /// It is shifted, saturated and stored.
    Saturated {
        /// The result's type.
        y: Elem,
        /// `u` or `s`: saturation to unsigned or signed numbers.
        op: char,
        /// Of these numbers.
        bits: u8,
        shift: Shift,
    },
}

impl Store {
    /// What a stage does to its sums, if it can be done here.
    fn of(stage: &Stage) -> Option<Self> {
        let all: Vec<(Elem, StepKind)> = stage.steps.iter().map(|s| (s.word, s.kind)).collect();
        let shift = |kind: StepKind| match kind {
            StepKind::Floor(s) => i8::try_from(s).ok(),
            StepKind::Shift(Operand::Uniform(s)) if s < 0 => i8::try_from(s).ok(),
            _ => None,
        };
        let (shift, lo, hi) = match all[..] {
            [] if stage.ty == Elem::I32 => return Some(Self::Words),
            [] => (0, None, None),
            [(Elem::I32, StepKind::Clamp { lo, hi })] => (0, lo, hi),
            [(Elem::I32, kind)] => (shift(kind)?, None, None),
            [(Elem::I32, kind), (Elem::I32, StepKind::Clamp { lo, hi })] => (shift(kind)?, lo, hi),
            _ => return None,
        };
        // What is taken out of a weighted sum is shifted right by up to 12 bits more.
        if stage.word != Elem::I32 || stage.ty.bytes() > 2 || !(-16..=19).contains(&shift) {
            return None;
        }
        // A bound that is not there is the type's, which then is proved.
        let (least, greatest) = stage.ty.range();
        let (lo, hi) = (lo.unwrap_or(least), hi.unwrap_or(greatest));
        let bits = |greatest: i64| {
            let n = u64::try_from(greatest + 1).ok()?;
            n.is_power_of_two().then(|| n.ilog2() as u8)
        };
        let (op, bits) = match lo {
            0 => ('u', bits(hi)?),
            lo if lo == -hi - 1 => ('s', bits(hi)? + 1),
            _ => return None,
        };
        Some(Self::Saturated {
            y: stage.ty,
            op,
            bits,
            shift: Shift::By(shift),
        })
    }

    /// An argument tells the shift.
    fn takes_shift(self) -> bool {
        matches!(
            self,
            Self::Saturated {
                shift: Shift::Argument { .. },
                ..
            }
        )
    }

    /// The type of results.
    fn y(self) -> Elem {
        match self {
            Self::Words => Elem::I32,
            Self::Saturated { y, .. } => y,
        }
    }

    /// For a function's name.
    fn name(self) -> String {
        match self {
            Self::Words => String::new(),
            Self::Saturated { y, op, bits, shift } => {
                let shift = match shift {
                    Shift::By(s) if s < 0 => format!("_left{}", -s),
                    Shift::By(s) => format!("_{s}"),
                    Shift::Argument { .. } => String::new(),
                };
                format!("_{}_{op}{bits}{shift}", y.rust())
            }
        }
    }
}

/// What a stage's functions do to sums, and their argument for that; `None` if its steps are not
/// among what they can do. A shift that all such stages have in common is part of the functions.
pub(in crate::c) fn store(plan: &Plan<'_>, stage: &Stage) -> Option<(Store, i8)> {
    kind(stage)?;
    let own = Store::of(stage)?;
    let Store::Saturated {
        y,
        op,
        bits,
        shift: Shift::By(shift),
    } = own
    else {
        return Some((own, 0));
    };
    // Shifts of what else is saturated like this, and the most bits of such sums.
    let (mut least, mut greatest, mut width) = (shift, shift, 0);
    for other in &plan.stages {
        if let (
            Body::Dense(d),
            Some(_),
            Some(Store::Saturated {
                y: y1,
                op: op1,
                bits: bits1,
                shift: Shift::By(s),
            }),
        ) = (&other.body, kind(other), Store::of(other))
            && (y1, op1, bits1) == (y, op, bits)
        {
            (least, greatest) = (least.min(s), greatest.max(s));
            width = d.width.max(width);
        }
    }
    let up = (-least).max(0);
    // A sum with the addend of its rounding, shifted up, is a word still.
    let needed = i32::from(width).max(greatest.into()) + 1 + i32::from(up);
    let shared = least < greatest && up <= 4 && needed <= 32;
    let (shift, argument) = if shared {
        (Shift::Argument { up: up as u8 }, shift + up)
    } else {
        (Shift::By(shift), 0)
    };
    Some((Store::Saturated { y, op, bits, shift }, argument))
}

/// The form and the operand of a stage of a form here.
fn kind(stage: &Stage) -> Option<(Form, Elem)> {
    let Body::Dense(d) = &stage.body else {
        return None;
    };
    let form = d.license.form();
    matches!(form, Form::Dual { .. } | Form::Pair | Form::Quad).then_some((form, stage.reads[0].ty))
}

/// A function for tiles of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::c) struct Use {
    pub(in crate::c) form: Form,
    pub(in crate::c) rows: usize,
    /// The operand's type.
    pub(in crate::c) x: Elem,
    pub(in crate::c) store: Store,
}

impl Use {
    /// Its name without the kernel's.
    pub(in crate::c) fn name(self) -> String {
        let (rows, x, store) = (self.rows, self.x.rust(), self.store.name());
        format!("{}_{rows}_{x}{store}", super::form_name(self.form))
    }

    /// Arguments besides those of all.
    pub(in crate::c) fn more(self, shift: &str) -> String {
        let mut text = String::new();
        if self.store.takes_shift() {
            text.push_str(", ");
            text.push_str(shift);
        }
        if self.takes_sum() {
            text.push_str(", s");
        }
        text
    }

    /// An argument tells eight times the sum of the operand.
    fn takes_sum(self) -> bool {
        units(self.form, self.rows)
            .iter()
            .any(|u| u.offset_rows() > 0)
    }
}

/// True if a function makes two turns before it tests for the end: where that is for long rows alone,
/// of an even number of turns.
fn makes_two_turns(plan: &Plan<'_>, u: &Use) -> bool {
    let mut users = plan.stages.iter().filter(|s| {
        kind(s) == Some((u.form, u.x)) && store(plan, s).map_or(Store::Words, |s| s.0) == u.store
    });
    let long = |s: &Stage| match &s.body {
        Body::Dense(d) => d.cols >= 128 && d.cols.div_ceil(2) / 2 % 2 == 0,
        Body::Load | Body::Windows(_) | Body::Copy { .. } | Body::Pick { .. } => false,
    };
    u.form != Form::Quad && users.all(long)
}

/// Every function that a plan calls.
pub(super) fn support(name: &str, plan: &Plan<'_>) -> String {
    let mut uses = BTreeSet::new();
    for stage in &plan.stages {
        let Some((form, x)) = kind(stage) else {
            continue;
        };
        let store = store(plan, stage).map_or(Store::Words, |s| s.0);
        let sizes = super::sizes(plan, stage);
        uses.extend(sizes.iter().map(|t| Use {
            form,
            rows: t.rows,
            x,
            store,
        }));
    }
    if uses.is_empty() {
        return String::new();
    }
    let mut out = WHEN.replace("NAME", name);
    let all: Vec<Unit> = uses.iter().flat_map(|u| units(u.form, u.rows)).collect();
    plain::units(&mut out, name, &all);
    let quads = uses.iter().filter(|u| u.takes_sum());
    let operands: BTreeSet<Elem> = quads.map(|u| u.x).collect();
    for x in operands {
        sum(&mut out, name, x);
    }
    for u in &uses {
        let turns = if makes_two_turns(plan, u) { 2 } else { 1 };
        function(&mut out, name, u, turns);
    }
    out
}

/// The name of the function that gives eight times the sum of the operand.
pub(super) fn sum_name(name: &str, x: Elem) -> String {
    format!("{name}_sum8_{}", x.rust())
}

/// Eight times the sum of the operand: what digits `w + 8` add to a row's sum.
fn sum(out: &mut String, name: &str, x: Elem) {
    c_comment(out, ["Eight times the sum of x, modulo 2^32."]);
    line!(
        out,
        "static uint32_t {}(const {} *x, size_t cols)\n{{",
        sum_name(name, x),
        x.c()
    );
    line!(out, "    uint32_t s = 0;\n#if {name}_DSP");
    line!(out, "    size_t n = cols & ~(size_t)7U;");
    line!(out, "    cols -= n;");
    let (add, done) = match x {
        Elem::U8 => ("usada8 %0, %3, %4, %0", ""),
        // Each byte plus 128, without a sign.
        Elem::I8 => (
            "eor %3, %3, #0x80808080\\n\\tusada8 %0, %3, %4, %0",
            "    s -= (uint32_t)n * 128U;\n",
        ),
        Elem::I16 | Elem::U16 | Elem::I32 | Elem::U32 | Elem::I64 => ("smlad %0, %3, %4, %0", ""),
    };
    let loads = 2 * x.bytes();
    let ones = if x.bytes() == 1 { 0 } else { 0x0001_0001 };
    line!(
        out,
        "    if (n > 0U) {{\n        uint32_t v;\n        size_t k = n;"
    );
    line!(out, "        __asm__ volatile(\n            \"1:\\n\\t\"");
    for _ in 0..loads {
        line!(
            out,
            "            \"ldr %3, [%1], #4\\n\\t\"\n            \"{add}\\n\\t\""
        );
    }
    line!(
        out,
        "            \"subs %2, %2, #8\\n\\t\"\n            \"bne 1b\""
    );
    line!(
        out,
        "            : \"+&r\"(s), \"+&r\"(x), \"+&r\"(k), \"=&r\"(v)"
    );
    line!(
        out,
        "            : \"r\"({ones})\n            : \"cc\", \"memory\");\n{done}    }}\n#endif"
    );
    line!(
        out,
        "    for (; cols > 0; --cols) {{\n        const int32_t v = *x;\n        s += (uint32_t)v;\n        ++x;\n    }}"
    );
    line!(out, "    return 8U * s;\n}}\n");
}

/// The function of tiles of one size, with so many turns between tests for the end.
fn function(out: &mut String, name: &str, u: &Use, turns: usize) {
    let units = units(u.form, u.rows);
    let quad = u.takes_sum();
    let (x, y, rows) = (u.x.c(), u.store.y().c(), u.rows);
    let mut more = String::new();
    if u.store.takes_shift() {
        more.push_str(", int shift");
    }
    if quad {
        more.push_str(", uint32_t s");
    }
    line!(
        out,
        "static const {name}_FLASH uint32_t *{name}_{}(const {name}_FLASH uint32_t *w, const {name}_FLASH int32_t *b, const {x} *x, size_t cols, {y} *y, size_t n{more})\n{{",
        u.name()
    );
    line!(out, "#if {name}_DSP");
    let mut operands = vec!["w_", "b_", "x_", "end_", "y_", "last_", "left_"];
    let mut clobbered = vec!["r10", "r11", "r12", "lr", "cc", "memory"];
    for (ty, place, value) in [
        ("const uint32_t *w_", "r0", "w"),
        ("const int32_t *b_", "r1", "b"),
        (&format!("const {x} *x_"), "r2", "x"),
        (
            &format!("const {x} *end_"),
            "r3",
            "x + ((cols + 1U) & ~(size_t)3U)",
        ),
        (&format!("{y} *y_"), "r4", "y"),
        (&format!("{y} *last_"), "r5", &format!("y + n * {rows}U")),
        ("size_t left_", "r6", "(cols + 1U) & 2U"),
    ] {
        line!(out, "    register {ty} __asm__(\"{place}\") = {value};");
    }
    if u.store.takes_shift() {
        line!(out, "    register int shift_ __asm__(\"r8\") = shift;");
        operands.push("shift_");
    } else {
        clobbered.insert(0, "r8");
    }
    if quad {
        line!(out, "    register uint32_t s_ __asm__(\"r9\") = s;");
        operands.push("s_");
    } else {
        clobbered.insert(0, "r9");
    }
    line!(out, "    __asm__ volatile(");
    for l in assembler::tiles(&units, u.x, u.store, turns) {
        line!(out, "        \"{l}\\n\\t\"");
    }
    let operands: Vec<String> = operands.iter().map(|o| format!("\"+r\"({o})")).collect();
    let clobbered: Vec<String> = clobbered.iter().map(|c| format!("\"{c}\"")).collect();
    line!(out, "        : {}", operands.join(", "));
    line!(out, "        :\n        : {});", clobbered.join(", "));
    line!(out, "    return w_;\n#else");
    if quad {
        line!(out, "    (void)s;");
    }
    plain::tiles(out, name, &units, u);
    line!(out, "#endif\n}}\n");
}
