//! Numbers and names as the text writes them.

use crate::read::number::MAX_EXPONENT;
use ceg4n_base::Exact;
use std::fmt::Write as _;

/// The shortest decimal that reads back as this float32.
pub(super) fn float32(v: f32) -> String {
    let text = format!("{v:?}");
    match text.strip_suffix(".0") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// The shortest of decimal, decimal with an exponent, and hex float; a ratio where there is
/// no finite decimal. Plain decimals win unless the other is clearly shorter.
pub(super) fn exact(v: &Exact) -> String {
    let plain = v.to_string();
    if plain.contains('/') {
        return plain;
    }
    let mut best = plain.clone();
    if let Some(text) = scientific(&plain)
        && text.len() + 4 < best.len()
    {
        best = text;
    }
    if let Some(text) = hex(v)
        && text.len() < best.len()
    {
        best = text;
    }
    best
}

/// `digits e exponent` of a plain decimal.
fn scientific(plain: &str) -> Option<String> {
    let (sign, body) = match plain.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", plain),
    };
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0').trim_end_matches('0');
    let trailing = all.len() - all.trim_end_matches('0').len();
    let exponent = i64::try_from(trailing).ok()? - i64::try_from(fraction.len()).ok()?;
    let small = exponent.unsigned_abs() <= u64::from(MAX_EXPONENT);
    (small && !digits.is_empty()).then(|| format!("{sign}{digits}e{exponent}"))
}

/// `0x1.8p-3`, the leading digit 1.
fn hex(v: &Exact) -> Option<String> {
    let (mantissa, exponent) = v.as_dyadic()?;
    let text = format!("{mantissa:x}");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.as_str()),
    };
    // Binary digits behind the first; then filled to whole hex digits.
    let bits = i64::try_from(mantissa.bits()).ok()?.checked_sub(1)?;
    let exponent = exponent.checked_add(bits)?;
    if bits < 0 || exponent.unsigned_abs() > u64::from(MAX_EXPONENT) {
        return None;
    }
    let shift = (4 - bits % 4) % 4;
    let aligned = if shift == 0 {
        digits.to_owned()
    } else {
        let wide = if sign.is_empty() {
            mantissa << shift as u64
        } else {
            -mantissa << shift as u64
        };
        format!("{wide:x}")
    };
    let fraction = &aligned[1..];
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}0x1{point}{fraction}p{exponent}"))
}

/// A name behind `%` or `@`, quoted where it needs to be.
pub(super) fn name(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// A text in quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::number;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_short() {
        let e = |t: &str| exact(&number::exact(t).unwrap());
        for same in [
            "0.1",
            "-0.25",
            "100",
            "0",
            "1/3",
            "1e-30",
            "-25e40",
            "0x1p-40",
            "0.001",
            "-0x1.8p100",
            "0x1.999999999999ap-4",
        ] {
            assert_eq!(e(same), same);
        }
        assert_eq!(float32(1.0), "1");
        assert_eq!(float32(-0.0), "-0");
        assert_eq!(float32(f32::MIN_POSITIVE), "1.1754944e-38");
    }

    proptest! {
        #[test]
        fn float32_reads_back(bits: u32) {
            let v = f32::from_bits(bits);
            prop_assume!(v.is_finite());
            prop_assert_eq!(number::float32(&float32(v)).unwrap().to_bits(), bits);
        }

        #[test]
        fn exact_reads_back(n: i64, d in 1i64..1000, k in -1200i64..1200) {
            let v = Exact::ratio(n, d).unwrap().shifted(k);
            prop_assert_eq!(number::exact(&exact(&v)).unwrap(), v);
        }

        #[test]
        fn hex_reads_back(n: i64, k in -1200i64..1200) {
            let v = Exact::dyadic(n, k);
            prop_assert_eq!(hex(&v).is_none(), n == 0);
            if let Some(text) = hex(&v) {
                prop_assert_eq!(number::exact(&text).unwrap(), v);
            }
        }
    }
}
