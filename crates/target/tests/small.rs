//! The arithmetic of the loops for Cortex-M0 and AVR, against exact sums: what has a license is
//! exact for every operand tried, and what lies just outside a condition goes wrong for some.

use ceg4n_ir::Interval;
use ceg4n_target::{Chunk, Form, Layer, QUARTERS_COLUMNS, quarters_chunks};

/// A repeatable sequence of numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as i64 % n
    }

    fn within(&mut self, lo: i64, hi: i64) -> i64 {
        lo + self.below(hi - lo + 1)
    }
}

fn exact(row: &[i32], x: &[i64]) -> i64 {
    row.iter().zip(x).map(|(w, x)| i64::from(*w) * x).sum()
}

/// The greatest and the least sum of a row.
fn range(row: &[i32], x: Interval) -> Interval {
    let ends = |w: &i32| [i64::from(*w) * x.lo, i64::from(*w) * x.hi];
    let sum = |pick: fn([i64; 2]) -> i64| row.iter().map(|w| pick(ends(w))).sum();
    Interval::new(sum(|[a, b]| a.min(b)), sum(|[a, b]| a.max(b)))
}

/// The operands that make a row's sum greatest or least.
fn extreme(row: &[i32], x: Interval, greatest: bool) -> Vec<i64> {
    let end = |w: &i32| if (*w > 0) == greatest { x.hi } else { x.lo };
    row.iter().map(end).collect()
}

fn layer<'a>(weight: &'a [i32], rows: usize, x: Interval, sums: &'a [Interval]) -> Layer<'a> {
    Layer {
        weight,
        rows,
        cols: weight.len() / rows,
        operand: x,
        operand_bits: 8,
        operand_signed: x.lo < 0,
        sums,
        width: 32,
    }
}

fn lengths(rows: &[&[i32]], x: Interval) -> Vec<usize> {
    let chunks = quarters_chunks(rows, x);
    chunks.iter().map(|c| c.columns.len()).collect()
}

/// What four rows in words give, in one chunk: the instructions' arithmetic.
fn quarters(rows: &[&[i32]], x: &[i64]) -> [i64; 4] {
    let (mut a, mut r, mut sum) = (0u32, 0u32, 0u32);
    for (c, x) in x.iter().enumerate() {
        let word = rows
            .iter()
            .rev()
            .fold(0u32, |word, row| word << 8 | (row[c] + 128) as u32);
        let swapped = (word & 0x00ff_00ff) << 8 | (word >> 8) & 0x00ff_00ff;
        a = a.wrapping_add(word.wrapping_mul(*x as u32));
        r = r.wrapping_add(swapped.wrapping_mul(*x as u32));
        sum = sum.wrapping_add(*x as u32);
    }
    let low = |d: u32| i64::from(d as u16 as i16);
    let high = |d: u32| {
        let s = low(d) as u32;
        i64::from((d.wrapping_sub(s).wrapping_add(s << 16) as i32) >> 16)
    };
    let raised = sum << 7;
    let odd = r.wrapping_sub(a << 8).wrapping_sub(raised);
    let even = a.wrapping_sub(r << 8).wrapping_sub(raised);
    [low(even), low(odd), high(even), high(odd)]
}

#[test]
fn chunks_of_four_rows_are_exact() {
    let mut n = Numbers(1);
    let mut again_seen = 0;
    for case in 0..2_000 {
        let x = [
            Interval::new(0, 255),
            Interval::new(-128, 127),
            Interval::new(0, 100),
        ][case % 3];
        let cols = n.within(1, 40) as usize;
        let most = [3, 20, 127][n.below(3) as usize];
        let rows: Vec<Vec<i32>> = (0..4)
            .map(|_| {
                let least = -most - n.below(2);
                (0..cols).map(|_| n.within(least, most) as i32).collect()
            })
            .collect();
        let rows: Vec<&[i32]> = rows.iter().map(|r| &r[..]).collect();
        let (mut done, mut kept) = (0, 0);
        for chunk in quarters_chunks(&rows, x) {
            let Chunk { columns, kept: own } = chunk;
            assert_eq!(own.start, kept);
            kept = own.end;
            // The next columns, or the last four once more.
            let again = columns.start < done;
            again_seen += usize::from(again);
            assert_eq!(
                columns.start,
                if again { done - QUARTERS_COLUMNS } else { done }
            );
            assert!(!again || columns.len() == QUARTERS_COLUMNS);
            done = columns.end;
            let part: Vec<Vec<i32>> = rows
                .iter()
                .map(|r| {
                    let one = |c| if own.contains(&c) { r[c] } else { 0 };
                    columns.clone().map(one).collect()
                })
                .collect();
            let part: Vec<&[i32]> = part.iter().map(|r| &r[..]).collect();
            let random = (0..part[0].len()).map(|_| n.within(x.lo, x.hi)).collect();
            let mut operands: Vec<Vec<i64>> = vec![random];
            for row in &part {
                operands.push(extreme(row, x, true));
                operands.push(extreme(row, x, false));
            }
            for x in operands {
                let want = [0, 1, 2, 3].map(|r| exact(part[r], &x));
                assert_eq!(quarters(&part, &x), want);
            }
        }
        assert_eq!(kept, cols);
        assert_eq!(done, cols.next_multiple_of(QUARTERS_COLUMNS));
    }
    assert!(again_seen > 500, "{again_seen} chunks walk columns again");
}

/// Chunks are as long as 16 bits allow: a sum of 2^15 - 1 has one, 2^15 has not, and would be
/// wrong. The same for -2^15 and less.
#[test]
fn chunks_end_where_sums_leave_16_bits() {
    let zero = [0; 8];
    let x = Interval::new(0, 128);
    for (row, sum) in [
        ([127, 127, 1, 0, 1, 0, 0, 0], 32_768),
        ([-127, -127, -1, 0, -1, -1, 0, 0], -32_896),
    ] {
        for place in 0..4 {
            let mut rows = [&zero[..]; 4];
            rows[place] = &row[..];
            assert_eq!(lengths(&rows, x), [4, 4]);
            let x = extreme(&row, x, sum > 0);
            assert_eq!(exact(&row, &x), sum);
            assert_ne!(quarters(&rows, &x)[place], sum);
        }
    }
    // The same to the last unit.
    let last = [
        [127, 127, 1, 0, 0, 0, 0, 0],
        [-127, -127, -1, 0, -1, 0, 0, 0],
    ];
    for row in &last {
        let rows = [&row[..], &zero, &row[..], &zero];
        assert_eq!(lengths(&rows, x), [8]);
        let x = extreme(row, x, row[0] > 0);
        assert_eq!(quarters(&rows, &x)[2], exact(row, &x));
    }
}

/// Four columns whose sums exceed 16 bits are walked several times, if this is worth it.
#[test]
fn four_columns_beyond_16_bits_are_walked_again() {
    let row = [127, -127, 127, 127];
    let x = Interval::new(0, 255);
    let chunks = quarters_chunks(&[&row, &row, &row, &row], x);
    let kept: Vec<_> = chunks.iter().map(|c| c.kept.clone()).collect();
    assert_eq!(kept, [0..2, 2..3, 3..4]);
    assert!(chunks.iter().all(|c| c.columns == (0..4)));
    let sums = [range(&row, x); 4];
    let weight = [row; 4].concat();
    let layer = layer(&weight, 4, x, &sums);
    assert!(Form::Quarters.license(&layer).is_err());
    assert!(Form::Offset.license(&layer).is_ok());
}

/// The sum of a row as the instructions give it, modulo two or three bytes.
fn wrapped(row: &[i32], start: i64, x: &[i64], form: Form, signed: bool) -> i64 {
    let mask = if form == Form::Short {
        0xffff
    } else {
        0xff_ffff
    };
    let mut sum = start;
    let mut operands = 0;
    for (w, x) in row.iter().zip(x) {
        if form == Form::Short {
            sum = (sum + i64::from(*w) * x) & mask;
        } else {
            let x = (if signed { x + 128 } else { *x }) & 0xff;
            sum = (sum + i64::from(w + 128) * x) & mask;
            operands = (operands + x) & mask;
        }
    }
    sum = (sum - 128 * operands) & mask;
    if sum > mask / 2 { sum - mask - 1 } else { sum }
}

#[test]
fn sums_of_few_bytes_are_exact_where_licensed_and_wrong_beyond() {
    let mut n = Numbers(2);
    for (form, limit) in [(Form::Short, 1i64 << 15), (Form::Bytes, 1 << 23)] {
        for case in 0..2_000 {
            let x = [Interval::new(0, 255), Interval::new(-128, 127)][case % 2];
            let cols = n.within(1, 40) as usize;
            let most = [3, 20, 127][n.below(3) as usize];
            let row: Vec<i32> = (0..cols)
                .map(|_| n.within(-most - 1, most) as i32)
                .collect();
            let own = range(&row, x);
            // The start that makes the greatest or the least sum just fit or just exceed.
            let (greatest, fits) = (n.below(2) == 0, n.below(2) == 0);
            let start = match (greatest, fits) {
                (true, true) => limit - 1 - own.hi,
                (true, false) => limit - own.hi,
                (false, true) => -limit - own.lo,
                (false, false) => -limit - 1 - own.lo,
            };
            let sums = [Interval::new(own.lo + start, own.hi + start)];
            let licensed = form.license(&layer(&row, 1, x, &sums));
            let inside = sums[0].lo >= -limit && sums[0].hi < limit;
            assert_eq!(licensed.is_ok(), inside);
            if let Ok(license) = licensed {
                assert_eq!(license.room(), limit - 1 - sums[0].hi);
            }
            let worst = extreme(&row, x, greatest);
            let want = exact(&row, &worst) + start;
            let signed = x.lo < 0;
            let raised = if form == Form::Bytes && signed {
                start - 128 * row.iter().map(|w| i64::from(*w)).sum::<i64>()
            } else {
                start
            };
            let got = wrapped(&row, raised, &worst, form, signed);
            assert_eq!(got == want, fits, "{form:?} {row:?} {start}");
        }
    }
}

#[test]
fn what_the_loops_cannot_read_has_no_license() {
    let x = Interval::new(0, 255);
    let small = [Interval::new(0, 0); 4];
    let mut wide = [0; 64];
    wide[9] = 128;
    let mut fine = [0; 64];
    fine[0] = -128;
    fine[63] = 127;
    for form in [Form::Offset, Form::Quarters, Form::Short, Form::Bytes] {
        assert!(form.license(&layer(&wide, 4, x, &small)).is_err());
        form.license(&layer(&fine, 4, x, &small)).unwrap();
        let mut words = layer(&fine, 4, x, &small);
        words.operand_bits = 32;
        assert!(form.license(&words).is_err());
    }
}
