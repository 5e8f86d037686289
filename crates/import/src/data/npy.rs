//! Data sets as npy: float32 or float64 in C order, and integers as labels.

use super::array::{Array, Element};
use super::malformed;
use ceg4n_base::Diagnostic;
use pest::Parser;

/// pest's derive makes items without documentation; they stay in this module.
mod generated {
    #[derive(pest_derive::Parser)]
    #[grammar = "../../grammar/npy.pest"]
    pub(super) struct HeaderParser;
}
use generated::{HeaderParser, Rule};

/// The element type of a code: floats, and integers for labels.
fn element(code: &str) -> Option<Element> {
    let (order, kind) = code.split_at_checked(1)?;
    let big = match order {
        "<" => false,
        ">" => true,
        // One byte has no order.
        "|" if matches!(kind, "i1" | "u1") => false,
        _ => return None,
    };
    let integer = |bytes| Element::Integer {
        bytes,
        signed: kind.starts_with('i'),
        big,
    };
    match kind {
        "f4" => Some(Element::F32 { big }),
        "f8" => Some(Element::F64 { big }),
        "i1" | "u1" => Some(integer(1)),
        "i2" | "u2" => Some(integer(2)),
        "i4" | "u4" => Some(integer(4)),
        "i8" | "u8" => Some(integer(8)),
        _ => None,
    }
}

/// The array of a file.
pub(super) fn array(bytes: &[u8]) -> Result<Array<'_>, Diagnostic> {
    let (header, data) = split(bytes).ok_or_else(|| {
        malformed("no npy file: it does not start with \\x93NUMPY, a version and a header")
    })?;
    let (element, code, shape) = parse(header)?;
    let array = Array {
        kind: "npy",
        element,
        code,
        shape,
        data,
    };
    array.check_size()
}

/// How many dimensions the array has that a file with this start holds; `None` if it is no plain
/// array of numbers.
pub(super) fn dimensions(start: &[u8]) -> Option<usize> {
    let (header, _) = split(start)?;
    parse(header).ok().map(|(_, _, shape)| shape.len())
}

/// Header text and data.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(b"\x93NUMPY")?;
    let (version, rest) = rest.split_first_chunk::<2>()?;
    let (length, rest) = match version[0] {
        1 => {
            let (n, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_le_bytes(*n)), rest)
        }
        2 | 3 => {
            let (n, rest) = rest.split_first_chunk()?;
            (u32::from_le_bytes(*n) as usize, rest)
        }
        _ => return None,
    };
    let (header, data) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(header).ok()?, data))
}

/// Element type, with its name, and shape of a header.
fn parse(header: &str) -> Result<(Element, String, Vec<usize>), Diagnostic> {
    let mut pairs = HeaderParser::parse(Rule::header, header).map_err(|_| {
        malformed("the npy header is no plain array; only float32 and float64 are read")
    })?;
    let (mut found, mut shape) = (None, None);
    for entry in pairs.next().into_iter().flat_map(|p| p.into_inner()) {
        match entry.as_rule() {
            Rule::descr => {
                let code = entry
                    .into_inner()
                    .next()
                    .and_then(|t| t.into_inner().next());
                let code = code.map_or("", |c| c.as_str());
                let element = element(code).ok_or_else(|| {
                    malformed(format!(
                        "npy elements of type {code}; only float32 and float64 are read"
                    ))
                })?;
                found = Some((element, code.to_owned()));
            }
            Rule::order if entry.clone().into_inner().any(|f| f.as_str() == "True") => {
                let d = malformed("the npy array is in Fortran order");
                return Err(d.help("save numpy.ascontiguousarray(array)"));
            }
            Rule::shape => {
                let counts: Result<Vec<usize>, _> =
                    entry.into_inner().map(|c| c.as_str().parse()).collect();
                let too_large = |_| malformed("the npy array has too large a dimension");
                shape = Some(counts.map_err(too_large)?);
            }
            _ => {}
        }
    }
    match (found, shape) {
        (Some((e, code)), Some(s)) => Ok((e, code, s)),
        _ => Err(malformed("the npy header lacks `descr` or `shape`")),
    }
}
