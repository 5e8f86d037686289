//! Numbers of the text: exact ones, and float32 constants.

use ceg4n_base::Exact;

/// Longer numbers are refused: reading them takes quadratic time.
const MAX_DIGITS: usize = 20_000;
/// Larger exponents are refused: a short text could ask for gigabytes. Far beyond every float.
pub(crate) const MAX_EXPONENT: u32 = 5_000;

/// The exact value of `-1.5e-3`, `0x1.8p-3` or `1/3`.
pub(crate) fn exact(text: &str) -> Result<Exact, String> {
    if text.len() > MAX_DIGITS {
        return Err(format!("a number of {} characters is too long", text.len()));
    }
    let marker = if is_hex(text) { ['p', 'P'] } else { ['e', 'E'] };
    if let Some((_, exponent)) = text.split_once(marker) {
        let digits = exponent
            .trim_start_matches(['+', '-'])
            .trim_start_matches('0');
        let large = digits.len() > 9 || digits.parse().is_ok_and(|e: u32| e > MAX_EXPONENT);
        if large {
            return Err(format!(
                "the exponent of `{text}` is beyond {MAX_EXPONENT} in absolute value"
            ));
        }
    }
    text.parse()
        .map_err(|e: ceg4n_base::exact::ParseExactError| e.0)
}

/// The float32 nearest to a decimal, or equal to a hex float.
pub(crate) fn float32(text: &str) -> Result<f32, String> {
    if is_hex(text) {
        return hex_float32(text);
    }
    let decimal = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    let value: Option<f32> = text
        .chars()
        .all(decimal)
        .then(|| text.parse().ok())
        .flatten();
    match value {
        Some(v) if v.is_finite() => Ok(v),
        Some(_) => Err(format!("`{text}` is too large for a float32")),
        None if text.contains('/') && exact(text).is_ok() => Err(format!(
            "`{text}` is no constant; constants are decimals or hex floats"
        )),
        None => Err(format!("`{text}` is not a number like -1.5e-3 or 0x1.8p-3")),
    }
}

/// A mantissa.
pub(crate) fn int32(text: &str) -> Result<i32, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no mantissa; mantissas are integers of 32 bits"))
}

fn is_hex(text: &str) -> bool {
    let body = text.trim_start_matches(['+', '-']);
    body.starts_with("0x") || body.starts_with("0X")
}

fn hex_float32(text: &str) -> Result<f32, String> {
    let value = exact(text)?;
    // Equal ends: the value is that float64. The cast then rounds, unless it is a float32.
    let (lo, hi) = value.enclosure();
    let narrow = lo as f32;
    if lo != hi || f64::from(narrow) != lo || !narrow.is_finite() {
        return Err(format!("`{text}` is not exactly a float32"));
    }
    let negative_zero = narrow == 0.0 && text.starts_with('-');
    Ok(if negative_zero { -0.0 } else { narrow })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_float32() {
        assert_eq!(float32("0.1"), Ok(0.1f32));
        assert_eq!(float32("16777217"), Ok(16_777_216.0));
        // Just above a midpoint: rounding twice, over float64, would go down.
        assert_eq!(float32("1.00000005960464477540"), Ok(1.000_000_1));
        assert_eq!(float32("-0x1.8p-3"), Ok(-0.1875));
        assert_eq!(float32("0x1p-149"), Ok(f32::from_bits(1)));
        assert_eq!(float32("-0").map(f32::to_bits), Ok((-0.0f32).to_bits()));
        assert_eq!(float32("-0x0p0").map(f32::to_bits), Ok((-0.0f32).to_bits()));
    }

    #[test]
    fn refuses_what_is_no_float32() {
        for text in [
            "1e39",
            "0x1p128",
            "0x1.0000001p0",
            "0x1p-150",
            "inf",
            "nan",
            "1/3",
            "1.2.3",
            "1e",
            "x",
            "1_0",
            "",
            "0x",
            "0x1p999999999999",
            "infinity",
        ] {
            assert!(float32(text).is_err(), "{text}");
        }
    }

    #[test]
    fn exact_numbers_are_exact_and_bounded() {
        assert_eq!(exact("1/3").map(|v| v.to_string()), Ok("1/3".to_owned()));
        assert_eq!(exact("1e-2"), exact("0.01"));
        assert_eq!(exact("0x1p+1"), exact("2"));
        for text in [
            "1e5001",
            "0x1p-5001",
            "1e99999999999",
            "1/0",
            "1/0x2",
            "e5",
            "-",
        ] {
            assert!(exact(text).is_err(), "{text}");
        }
        assert!(exact(&"9".repeat(30_000)).is_err());
    }
}
