//! What solvers say: a splitter of the byte stream into expressions, and the reading of models.
//!
//! smtlib-lowlevel's parser panics on some malformed answers and reads literals of at most 63
//! bits, so answers are read here. Sizes and depths are bounded: a solver may say anything.

use crate::model::{Model, Value};
use crate::term::{MAX_WIDTH, mask};
use std::io::{self, BufRead};

/// The longest single answer, in bytes.
const MAX_ANSWER: usize = 1 << 26;
/// The deepest nesting read.
const MAX_DEPTH: usize = 64;

/// An S-expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sexp {
    /// A symbol, keyword, literal or string (with its quotes).
    Atom(String),
    /// A list.
    List(Vec<Sexp>),
}

/// The next balanced expression or atom of a stream, as text; `None` at its end.
///
/// # Errors
/// Of the stream; on an end inside an expression, a stray `)`, an overlong answer.
pub(super) fn next_expression(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    let mut depth = 0usize;
    let mut quote = None;
    loop {
        let Some(&byte) = input.fill_buf()?.first() else {
            return match text.is_empty() {
                true => Ok(None),
                // An atom may end with the stream.
                false if depth == 0 && quote.is_none() => Ok(Some(lossy(text))),
                false => Err(bad("an answer that breaks off")),
            };
        };
        if text.len() >= MAX_ANSWER {
            return Err(bad("an answer that is too long"));
        }
        if let Some(end) = quote {
            input.consume(1);
            text.push(byte);
            if byte == end {
                quote = None;
                if depth == 0 {
                    return Ok(Some(lossy(text)));
                }
            }
            continue;
        }
        let at_start = text.is_empty();
        match byte {
            b';' => {
                input.skip_until(b'\n')?;
                continue;
            }
            b if b.is_ascii_whitespace() => {
                input.consume(1);
                match (depth, at_start) {
                    (0, true) => {}
                    (0, false) => return Ok(Some(lossy(text))),
                    _ => text.push(byte),
                }
                continue;
            }
            // The next expression begins behind an atom.
            b'(' | b')' | b'"' | b'|' if depth == 0 && !at_start => {
                return Ok(Some(lossy(text)));
            }
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1).ok_or_else(|| bad("a stray `)`"))?,
            b'"' | b'|' => quote = Some(byte),
            _ => {}
        }
        input.consume(1);
        text.push(byte);
        if byte == b')' && depth == 0 {
            return Ok(Some(lossy(text)));
        }
    }
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

fn bad(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Reads one expression that is the whole text; `None` if it is anything else.
pub(super) fn parse(text: &str) -> Option<Sexp> {
    let mut open: Vec<Vec<Sexp>> = vec![Vec::new()];
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' => {
                if open.len() > MAX_DEPTH {
                    return None;
                }
                open.push(Vec::new());
                1
            }
            ')' => {
                let list = open.pop()?;
                open.last_mut()?.push(Sexp::List(list));
                1
            }
            '"' | '|' => {
                let length = rest[1..].find(first)? + 2;
                open.last_mut()?.push(Sexp::Atom(rest[..length].to_owned()));
                length
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || "()\"|".contains(c);
                let length = rest.find(ends).unwrap_or(rest.len());
                open.last_mut()?.push(Sexp::Atom(rest[..length].to_owned()));
                length
            }
        };
        rest = rest[length..].trim_start();
    }
    match (open.pop()?, open.is_empty()) {
        (mut all, true) if all.len() == 1 => all.pop(),
        _ => None,
    }
}

/// Adds the answer to a `get-value` of variables to a model.
///
/// # Errors
/// A sentence, if it is not a list of names and literals.
pub(super) fn read_values(answer: &str, model: &mut Model) -> Result<(), String> {
    let unreadable = || format!("an unreadable model: {}", shorten(answer));
    let Some(Sexp::List(pairs)) = parse(answer) else {
        return Err(unreadable());
    };
    for pair in &pairs {
        let Sexp::List(pair) = pair else {
            return Err(unreadable());
        };
        let [Sexp::Atom(name), value] = pair.as_slice() else {
            return Err(unreadable());
        };
        let value = read_value(value).ok_or_else(unreadable)?;
        model.insert(name.trim_matches('|'), value);
    }
    Ok(())
}

/// `true`, `#b01`, `#xff`, `(_ bv3 8)`, `3`, `(- 3)`.
fn read_value(value: &Sexp) -> Option<Value> {
    match value {
        Sexp::Atom(a) if a == "true" => Some(Value::Bool(true)),
        Sexp::Atom(a) if a == "false" => Some(Value::Bool(false)),
        Sexp::Atom(a) => {
            let (digits, radix, each) = match (a.strip_prefix("#b"), a.strip_prefix("#x")) {
                (Some(d), _) => (d, 2, 1),
                (None, Some(d)) => (d, 16, 4),
                (None, None) => return natural(a).map(Value::Int),
            };
            let width = u32::try_from(digits.len()).ok()?.checked_mul(each)?;
            vector(u128::from_str_radix(digits, radix).ok()?, width)
        }
        Sexp::List(parts) => match parts.as_slice() {
            [Sexp::Atom(mark), Sexp::Atom(value), Sexp::Atom(width)] if mark == "_" => {
                let bits = value.strip_prefix("bv")?.parse().ok()?;
                vector(bits, width.parse().ok()?)
            }
            [Sexp::Atom(minus), Sexp::Atom(size)] if minus == "-" => {
                Some(Value::Int(-natural(size)?))
            }
            _ => None,
        },
    }
}

/// A numeral: digits alone.
fn natural(digits: &str) -> Option<i128> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

fn vector(bits: u128, width: u32) -> Option<Value> {
    let fits = (1..=MAX_WIDTH).contains(&width) && bits & !mask(width) == 0;
    fits.then_some(Value::Bits { bits, width })
}

/// An answer for a message: its first words.
pub(super) fn shorten(answer: &str) -> String {
    const LONGEST: usize = 120;
    let answer = answer.trim();
    if answer.chars().count() <= LONGEST {
        return format!("`{answer}`");
    }
    let start: String = answer.chars().take(LONGEST).collect();
    format!("`{start}…`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let mut input = text.as_bytes();
        let mut out = Vec::new();
        while let Some(e) = next_expression(&mut input).unwrap() {
            out.push(e);
        }
        out
    }

    #[test]
    fn splits_a_stream() {
        assert_eq!(
            all("success\nsat ((x #b01)\n (|a)b| \"q)\"));c )\n \"end \" unsat"),
            [
                "success",
                "sat",
                "((x #b01)\n (|a)b| \"q)\"))",
                "\"end \"",
                "unsat"
            ]
        );
        assert_eq!(all("sat(a)b"), ["sat", "(a)", "b"]);
        assert!(next_expression(&mut "(a".as_bytes()).is_err());
        assert!(next_expression(&mut ")".as_bytes()).is_err());
        assert!(next_expression(&mut "\"a".as_bytes()).is_err());
    }

    #[test]
    fn reads_models() {
        let mut model = Model::default();
        let wide = "f".repeat(32);
        let text = format!("((x #b101) (y (_ bv9 4)) (p true)\n(|z| #x{wide}) (i 30) (j (- 4)))");
        read_values(&text, &mut model).unwrap();
        assert_eq!(model.get("x").unwrap().signed(), -3);
        assert_eq!(model.get("y").unwrap().signed(), -7);
        assert_eq!(model.get("p"), Some(Value::Bool(true)));
        assert_eq!(model.get("z").unwrap().signed(), -1);
        assert_eq!(model.get("i"), Some(Value::Int(30)));
        assert_eq!(model.get("j"), Some(Value::Int(-4)));
    }

    #[test]
    fn refuses_what_is_no_model() {
        for text in [
            "",
            "sat",
            "((x))",
            "((x #b))",
            "((x #b2))",
            "((x (_ bv9 3)))",
            "((x (_ bv9 0)))",
            "((x #b1)",
            "((x #b1)))",
            "((x 3.0))",
            "((x +3))",
            "((x -3))",
            "((x (- -3)))",
            "((x (- (- 3))))",
            "((x (/ 1 2)))",
            "((x (- 3 1)))",
            "((x 170141183460469231731687303715884105728))",
            "(error \"x\")",
            "((x #b1)) ((y #b1))",
        ] {
            assert!(read_values(text, &mut Model::default()).is_err(), "{text}");
        }
        let deep = "(".repeat(100_000);
        assert!(parse(&deep).is_none());
    }
}
