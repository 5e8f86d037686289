//! Numbers and requirements as people read them.

use crate::Span;
use ceg4n_base::Exact;

/// A narrow space that no line breaks at, between groups of digits and before units.
const THIN: char = '\u{202f}';

/// A whole number, its digits in groups of three from five digits on.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(THIN);
        }
        out.push(d);
    }
    out
}

/// A whole number with its sign.
pub(super) fn integer(n: i64) -> String {
    let sign = if n < 0 { "−" } else { "" };
    format!("{sign}{}", count(n.unsigned_abs()))
}

/// The place of the greatest output, the first among equals: the class that a kernel gives.
pub(super) fn greatest(outputs: &[Exact]) -> Option<usize> {
    let first = outputs.first().map(|_| 0)?;
    Some(
        (1..outputs.len()).fold(first, |best, i| match outputs[i] > outputs[best] {
            true => i,
            false => best,
        }),
    )
}

/// `1 region`, `3 regions`.
pub(super) fn of(n: u64, one: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {one}{s}", count(n))
}

/// A real number with at most `digits` digits that count; a minus sign is a minus sign.
pub(super) fn real(v: f64, digits: usize) -> String {
    if v == 0.0 {
        return "0".to_owned();
    }
    let size = v.abs();
    let text = if (1e-4..1e7).contains(&size) {
        // So many places that the digits that count are there.
        let above = size.log10().floor();
        let places = (digits as f64 - 1.0 - above).clamp(0.0, 12.0) as usize;
        let text = format!("{size:.places$}");
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    } else {
        let text = format!("{size:.*e}", digits.saturating_sub(1));
        match text.split_once('e') {
            Some((m, e)) if m.contains('.') => {
                format!("{}e{e}", m.trim_end_matches('0').trim_end_matches('.'))
            }
            Some(_) | None => text,
        }
    };
    let sign = if v < 0.0 { "−" } else { "" };
    format!("{sign}{}", text.replace("e-", "e−"))
}

/// An exact number, shortened.
pub(super) fn exact(v: &Exact) -> String {
    real(v.to_f64(), 6)
}

/// Both ends of a span.
pub(super) fn span(s: Span) -> String {
    format!("{} … {}", real(s.least, 5), real(s.greatest, 5))
}

/// A share of so many samples in per cent, rounded down to two places: what is not all of it does
/// not look like it.
pub(super) fn percent_of(share: f64, samples: u64) -> String {
    // A file may say anything; what is no share is shown as it stands.
    if !(0.0..=1.0).contains(&share) {
        return percent(share);
    }
    let rows = (share * samples as f64).round() as u128;
    let hundredths = rows * 10_000 / u128::from(samples.max(1));
    format!("{}.{:02}{THIN}%", hundredths / 100, hundredths % 100)
}

/// A share in per cent, rounded down to two places.
pub(super) fn percent(share: f64) -> String {
    // What rounding to float64 took away does not count.
    let hundredths = (share * 1e4 + 1e-7).floor();
    format!("{:.2}{THIN}%", hundredths / 100.0)
}

/// Bytes.
pub(super) fn bytes(n: u64) -> String {
    format!("{}{THIN}B", count(n))
}

/// A time.
pub(super) fn time(seconds: f64) -> String {
    if seconds < 0.0005 {
        format!("<{THIN}1{THIN}ms")
    } else if seconds < 1.0 {
        format!("{:.0}{THIN}ms", seconds * 1e3)
    } else if seconds < 60.0 {
        format!("{seconds:.1}{THIN}s")
    } else {
        let whole = seconds.round() as u64;
        let (h, m, s) = (whole / 3600, whole / 60 % 60, whole % 60);
        match h {
            0 => format!("{m}{THIN}min {s:02}{THIN}s"),
            _ => format!("{h}{THIN}h {m:02}{THIN}min"),
        }
    }
}

/// The first of a list of formats, and how many there are.
pub(super) fn format(text: &str) -> String {
    let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) else {
        return text.to_owned();
    };
    let all: Vec<&str> = inner.split(", ").collect();
    match all.as_slice() {
        [one] => (*one).to_owned(),
        [first, .., last] => format!("{first} … {last}, {} channels", all.len()),
        [] => text.to_owned(),
    }
}

/// A statement that begins and ends as a sentence does.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{}{}{end}", first.unwrap_or_default(), chars.as_str())
}

/// What a requirement demands of a kernel on an input, as the rest of a sentence that begins with
/// "the kernel".
pub(super) fn demand(requirement: &str) -> String {
    if requirement == "top1" {
        return "gives the class that the network gives, wherever the network has one strict winner"
            .to_owned();
    }
    if let Some(m) = requirement.strip_prefix("top1 margin ") {
        return format!(
            "gives a class whose output in the network is at most {m} below the network's greatest output"
        );
    }
    if let Some(k) = requirement.strip_prefix("topk ") {
        return format!(
            "has the network's strict winner among the {k} classes with its greatest outputs"
        );
    }
    if let Some(e) = requirement.strip_prefix("eps ") {
        return format!("differs from the network by at most {e} in every output");
    }
    match requirement.split_once(' ') {
        Some(("spec" | "joint", path)) => {
            format!("has no outputs that the query {path} describes")
        }
        Some(_) | None => format!("satisfies {requirement}"),
    }
}

/// What a method does, for the glossary; `None` for what is no method.
pub(super) fn method(name: &str) -> Option<&'static str> {
    Some(match name {
        "intervals" => "bounds of every value from bounds of its operands",
        "backward" => "linear bounds of the outputs, carried back to the inputs",
        "slopes" => "backward bounds whose relaxations were tuned for the question",
        "differential" => {
            "linear bounds of the difference between network and kernel, both followed together"
        }
        "enumeration" => "every input that the kernel can tell apart was evaluated",
        "smt" => "a solver of bit-vector or integer formulas; its answer is a proof",
        "replay" => "a point was evaluated exactly in network and kernel",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_do_not_lie() {
        for (v, text) in [
            (0.0, "0"),
            (-0.5, "−0.5"),
            (1.0 / 3.0, "0.33333"),
            (123456.0, "123456"),
            (0.1 + 0.2, "0.3"),
            (1.5e-7, "1.5e−7"),
            (-2e12, "−2e12"),
            (99999.96, "100000"),
        ] {
            assert_eq!(real(v, 5), text);
        }
        assert_eq!(count(9999), "9999");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(of(1, "region"), "1 region");
        assert_eq!(percent(0.9733), "97.33\u{202f}%");
        assert_eq!(percent(0.99999), "99.99\u{202f}%");
        assert_eq!(percent_of(145.0 / 150.0, 150), "96.66\u{202f}%");
        assert_eq!(percent_of(1.0, 150), "100.00\u{202f}%");
        // No share: what a file may say all the same.
        for odd in [1e308, -1e308, 5e17, -1.0] {
            assert!(percent_of(odd, u64::MAX).ends_with('%'));
        }
        assert_eq!(time(0.0), "<\u{202f}1\u{202f}ms");
        assert_eq!(time(61.0), "1\u{202f}min 01\u{202f}s");
        assert_eq!(format("[s4q2, s4q1, s3q0]"), "s4q2 … s3q0, 3 channels");
    }
}
