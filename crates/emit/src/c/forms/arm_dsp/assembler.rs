//! Armv7E-M instructions that compute the sums of a tile.
//!
//! The text behaves like a call: operands come in fixed registers and are kept on the stack, `r7`,
//! which compilers may reserve for the frame, among them; all others are named as changed. In a
//! tile `r0` walks the weights, `r2` the operand up to `r3`; the sums stand in ascending registers
//! from `r1` on, then words of weights, then the two words of operands, `r12` and `lr`. That is
//! every register there is.

use super::{Shift, Store};
use crate::elem::Elem;
use crate::plan::forms::arm_dsp::is_bytes;
use ceg4n_target::dsp::Unit;

/// Registers of sums and weights, in the order of multiple loads and stores.
const REGISTERS: [&str; 9] = ["r1", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11"];
/// The operand's words.
const XA: &str = "r12";
const XB: &str = "lr";

/// Offsets of what is kept on the stack: the starts of the next tile's sums, the operand, the end of
/// its whole turns, the next result, the end of the results, whether half a turn is left, `r7`, then
/// a shift and eight times the operand's sum if they are there.
const STARTS: &str = "[sp]";
const OPERAND: &str = "[sp, #4]";
const RESULTS: &str = "[sp, #12]";
const NEXT: &str = "[sp, #12]";
const LEFT: &str = "[sp, #20]";
const SHIFT: &str = "[sp, #28]";

/// All tiles of one size, one instruction a line; the number of turns is a multiple of `turns`.
pub(super) fn tiles(units: &[Unit], x: Elem, store: Store, turns: usize) -> Vec<String> {
    let rows: usize = units.iter().map(|u| u.rows()).sum();
    let (sums, words) = REGISTERS.split_at(rows);
    let mut asm = Assembler {
        units,
        x,
        store,
        sums,
        words,
        code: Vec::new(),
    };
    let mut kept = vec!["r1", "r2", "r3", "r4", "r5", "r6", "r7"];
    if store.takes_shift() {
        kept.push("r8");
    }
    if units.iter().any(|u| u.offset_rows() > 0) {
        kept.push("r9");
    }
    let kept = kept.join(", ");
    asm.push(format!("push {{{kept}}}"));
    asm.code.push("3:".to_owned());
    asm.start();
    asm.code.push("1:".to_owned());
    for _ in 0..turns {
        asm.turn();
    }
    asm.push("cmp r2, r3");
    asm.push("bne 1b");
    asm.half_turn();
    asm.finish();
    asm.push("bne 3b");
    asm.push(format!("pop {{{kept}}}"));
    asm.code
}

struct Assembler<'a> {
    units: &'a [Unit],
    /// The operand's type.
    x: Elem,
    store: Store,
    sums: &'a [&'static str],
    /// Free for words of weights; one at least.
    words: &'a [&'static str],
    code: Vec<String>,
}

/// A word of weights and what it is multiplied with.
#[derive(Clone, Copy)]
enum Word {
    /// Of a unit from a sum on, with halves of the operand.
    Whole(Unit, usize, &'static str),
    /// Of a unit of bytes.
    Bytes(Unit, usize),
}

impl Assembler<'_> {
    fn push(&mut self, line: impl Into<String>) {
        self.code.push(line.into());
    }

    /// Each unit with its first sum.
    fn placed(&self) -> Vec<(Unit, usize)> {
        let mut first = 0;
        let place = |u: &Unit| {
            first += u.rows();
            (*u, first - u.rows())
        };
        self.units.iter().map(place).collect()
    }

    /// Loads or stores registers at consecutive addresses, and moves the base behind them.
    fn multiple(&mut self, op: &str, base: &str, registers: &[&str]) {
        match registers {
            [one] => self.push(format!("{op}r {one}, [{base}], #4")),
            all => self.push(format!("{op}mia {base}!, {{{}}}", all.join(", "))),
        }
    }

    /// The sums' starts: what the loop adds to is the weighted sum of the lower digits' sums.
    fn start(&mut self) {
        let sums = self.sums;
        self.push(format!("ldr r2, {STARTS}"));
        self.multiple("ld", "r2", sums);
        self.push(format!("str r2, {STARTS}"));
        if self.units.iter().any(|u| u.offset_rows() > 0) {
            let at = if self.store.takes_shift() { 32 } else { 28 };
            self.push(format!("ldr r12, [sp, #{at}]"));
        }
        for (unit, s) in self.placed() {
            // r12: eight times the sum of the operand.
            for r in &sums[s..s + unit.offset_rows()] {
                self.push(format!("sub {r}, {r}, r12"));
            }
            for (k, digit) in unit.digits().iter().enumerate() {
                let (low, high) = (sums[s + k], sums[s + k + 1]);
                self.push(format!("add {high}, {low}, {high}, lsl #{digit}"));
            }
        }
        self.push(format!("ldrd r2, r3, {OPERAND}"));
    }

    /// Four columns.
    fn turn(&mut self) {
        match self.x {
            Elem::I8 => self.widen("sxtb16"),
            Elem::U8 => self.widen("uxtb16"),
            Elem::I16 | Elem::U16 | Elem::I32 | Elem::U32 | Elem::I64 => {
                self.push(format!("ldr {XA}, [r2], #4"));
                self.push(format!("ldr {XB}, [r2], #4"));
            }
        }
        let placed = self.placed();
        let mut all = Vec::new();
        for x in [XA, XB] {
            let whole = placed.iter().filter(|(u, _)| !is_bytes(*u));
            all.extend(whole.map(|(u, s)| Word::Whole(*u, *s, x)));
        }
        let bytes = placed.iter().filter(|(u, _)| is_bytes(*u));
        all.extend(bytes.map(|(u, s)| Word::Bytes(*u, *s)));
        self.products(&all);
    }

    /// Loads four bytes as halves.
    fn widen(&mut self, op: &str) {
        self.push(format!("ldr {XB}, [r2], #4"));
        self.push(format!("{op} {XA}, {XB}"));
        self.push(format!("{op} {XB}, {XB}, ror #8"));
    }

    /// Two columns, if so many are left.
    fn half_turn(&mut self) {
        self.push(format!("ldr r3, {LEFT}"));
        let branch = self.code.len();
        let widen = match self.x {
            Elem::I8 => "sxtb16",
            Elem::U8 => "uxtb16",
            Elem::I16 | Elem::U16 | Elem::I32 | Elem::U32 | Elem::I64 => "",
        };
        if widen.is_empty() {
            self.push(format!("ldr {XA}, [r2]"));
        } else {
            self.push(format!("ldrh {XA}, [r2]"));
            self.push(format!("pkhbt {XA}, {XA}, {XA}, lsl #8"));
            self.push(format!("{widen} {XA}, {XA}"));
        }
        let placed = self.placed().into_iter();
        let all: Vec<Word> = placed.map(|(u, s)| Word::Whole(u, s, XA)).collect();
        self.products(&all);
        // Reaches 126 bytes.
        let skip: &[&str] = if self.code.len() - branch <= 30 {
            &["cbz r3, 2f"]
        } else {
            &["cmp r3, #0", "beq 2f"]
        };
        let skip = skip.iter().map(|l| (*l).to_owned());
        self.code.splice(branch..branch, skip);
        self.code.push("2:".to_owned());
    }

    /// Loads words, as many at once as there are registers, and adds their products.
    fn products(&mut self, mut words: &[Word]) {
        while let Some(first) = words.first() {
            // The halves of bytes need a register besides.
            let spare = usize::from(matches!(first, Word::Bytes(..)));
            let n = (self.words.len() - spare).clamp(1, words.len());
            let (now, later) = words.split_at(n);
            let registers = self.words;
            self.multiple("ld", "r0", &registers[..n]);
            for (k, word) in now.iter().enumerate() {
                // Behind the last word, or the one that is done with.
                let free = if k == 0 {
                    registers.get(n)
                } else {
                    registers.first()
                };
                self.product(*word, registers[k], free.copied().unwrap_or(XB));
            }
            words = later;
        }
    }

    /// Adds the products of one word.
    fn product(&mut self, word: Word, k: &str, free: &str) {
        match word {
            Word::Whole(unit, s, x) => self.halves(unit, s, k, x),
            Word::Bytes(unit, s) => {
                self.push(format!("sxtb16 {free}, {k}"));
                self.halves(unit, s, free, XA);
                self.push(format!("sxtb16 {k}, {k}, ror #8"));
                self.halves(unit, s, k, XB);
            }
        }
    }

    /// Adds the products of halves, first with all digits, then with fewer and fewer.
    fn halves(&mut self, unit: Unit, s: usize, k: &str, x: &str) {
        let low = format!("and {k}, {k}, #0x000f000f");
        let cuts = match unit {
            Unit::Bytes | Unit::Halves => vec![],
            Unit::Two => vec![format!("sxtb16 {k}, {k}")],
            Unit::Nibbles => vec![low],
            Unit::Four => vec![
                format!("bic {k}, {k}, #0xf000f000"),
                format!("uxtb16 {k}, {k}"),
                low,
            ],
        };
        let sums = self.sums;
        let mut row = s + cuts.len();
        self.push(format!("smlad {0}, {k}, {x}, {0}", sums[row]));
        for cut in cuts {
            self.push(cut);
            row -= 1;
            self.push(format!("smlad {0}, {k}, {x}, {0}", sums[row]));
        }
    }

    /// Takes the weighted sums apart and stores the results; then the flags say whether these were
    /// the last.
    fn finish(&mut self) {
        let sums = self.sums;
        // By how many bits each sum is shifted left.
        let mut left = vec![0; sums.len()];
        for (unit, s) in self.placed() {
            let digits = unit.digits();
            left[s + 1..]
                .iter_mut()
                .zip(digits)
                .for_each(|(l, d)| *l = *d);
            for k in (1..=digits.len()).rev() {
                let (low, high) = (sums[s + k - 1], sums[s + k]);
                self.push(format!("subs {high}, {high}, {low}"));
            }
        }
        match self.store {
            Store::Words => {
                for (sum, l) in sums.iter().zip(left).filter(|(_, l)| *l > 0) {
                    self.push(format!("asrs {sum}, {sum}, #{l}"));
                }
                self.push(format!("ldrd r3, r2, {RESULTS}"));
                self.multiple("st", "r3", sums);
            }
            Store::Saturated { y, op, bits, shift } => {
                self.saturate(&left, &format!("{op}sat"), bits, shift);
                self.push(format!("ldrd r3, r2, {RESULTS}"));
                let (size, letter) = (y.bytes(), if y.bytes() == 1 { 'b' } else { 'h' });
                let all = size * sums.len();
                for (k, sum) in sums.iter().enumerate() {
                    self.push(if k == 0 {
                        format!("str{letter} {sum}, [r3], #{all}")
                    } else {
                        format!("str{letter} {sum}, [r3, #-{}]", all - k * size)
                    });
                }
            }
        }
        self.push(format!("str r3, {NEXT}"));
        self.push("cmp r3, r2");
    }

    /// Shifts the sums right, by so many bits more than they were shifted left, and bounds them.
    fn saturate(&mut self, left: &[u8], op: &str, bits: u8, shift: Shift) {
        let sums = self.sums;
        let up = match shift {
            Shift::By(shift) => {
                for (sum, l) in sums.iter().zip(left) {
                    let by = match i16::from(shift) + i16::from(*l) {
                        0 => String::new(),
                        s if s < 0 => format!(", lsl #{}", -s),
                        s => format!(", asr #{s}"),
                    };
                    self.push(format!("{op} {sum}, #{bits}, {sum}{by}"));
                }
                return;
            }
            Shift::Argument { up } => up,
        };
        self.push(format!("ldr r2, {SHIFT}"));
        for by in [0, 4, 8, 12] {
            let all = sums.iter().zip(left);
            let shifted: Vec<&str> = all.filter(|(_, l)| **l == by).map(|(s, _)| *s).collect();
            let mut count = "r2";
            if by > up && !shifted.is_empty() {
                self.push(format!("adds r3, r2, #{}", by - up));
                count = "r3";
            }
            for sum in shifted {
                if by < up {
                    self.push(format!("lsls {sum}, {sum}, #{}", up - by));
                }
                self.push(format!("asrs {sum}, {sum}, {count}"));
                self.push(format!("{op} {sum}, #{bits}, {sum}"));
            }
        }
    }
}
