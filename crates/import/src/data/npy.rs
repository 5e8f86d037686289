//! Data sets as npy: float32 or float64 in C order.

use super::{Request, Row, malformed, not_finite};
use ceg4n_base::{Diagnostic, Exact};
use pest::Parser;

/// pest's derive makes items without documentation; they stay in this module.
mod generated {
    #[derive(pest_derive::Parser)]
    #[grammar = "../../grammar/npy.pest"]
    pub(super) struct HeaderParser;
}
use generated::{HeaderParser, Rule};

/// The element types that are read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Element {
    F32 { big: bool },
    F64 { big: bool },
}

impl Element {
    fn from_code(code: &str) -> Option<Self> {
        match code {
            "<f4" => Some(Self::F32 { big: false }),
            ">f4" => Some(Self::F32 { big: true }),
            "<f8" => Some(Self::F64 { big: false }),
            ">f8" => Some(Self::F64 { big: true }),
            _ => None,
        }
    }

    fn size(self) -> usize {
        match self {
            Self::F32 { .. } => 4,
            Self::F64 { .. } => 8,
        }
    }

    /// The element in the first bytes; `None` if it is not finite.
    fn read(self, bytes: &[u8]) -> Option<Exact> {
        match self {
            Self::F32 { big } => {
                let b = *bytes.first_chunk()?;
                Exact::from_f32(if big {
                    f32::from_be_bytes(b)
                } else {
                    f32::from_le_bytes(b)
                })
            }
            Self::F64 { big } => {
                let b = *bytes.first_chunk()?;
                Exact::from_f64(if big {
                    f64::from_be_bytes(b)
                } else {
                    f64::from_le_bytes(b)
                })
            }
        }
    }
}

/// The rows wanted: the first dimension counts them, the others are flattened.
pub(super) fn rows(bytes: &[u8], request: &Request<'_>) -> Result<Vec<Row>, Diagnostic> {
    let (header, data) = split(bytes).ok_or_else(|| {
        malformed("no npy file: it does not start with \\x93NUMPY, a version and a header")
    })?;
    let (element, shape) = parse(header)?;
    let [rows, columns @ ..] = &shape[..] else {
        return Err(malformed("the npy array has no dimension"));
    };
    if columns.is_empty() {
        return Err(malformed(format!(
            "the npy array has one dimension, of {rows}; rows need two"
        )));
    }
    let columns = columns.iter().copied().fold(1usize, usize::saturating_mul);
    let size = rows.saturating_mul(columns).saturating_mul(element.size());
    if size != data.len() {
        return Err(malformed(format!(
            "the npy header speaks of {size} bytes, {} follow",
            data.len()
        )));
    }
    let width = columns * element.size();
    let mut out = Vec::new();
    for index in request.of_table(*rows, columns)? {
        let elements = data[index * width..][..width].chunks_exact(element.size());
        let values: Vec<Option<Exact>> = elements.map(|b| element.read(b)).collect();
        if let Some(column) = values.iter().position(Option::is_none) {
            return Err(not_finite(index, column));
        }
        out.push(Row {
            index,
            line: None,
            values: values.into_iter().flatten().collect(),
        });
    }
    Ok(out)
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

/// Element type and shape of a header.
fn parse(header: &str) -> Result<(Element, Vec<usize>), Diagnostic> {
    let mut pairs = HeaderParser::parse(Rule::header, header).map_err(|_| {
        malformed("the npy header is no plain array; only float32 and float64 are read")
    })?;
    let (mut element, mut shape) = (None, None);
    for entry in pairs.next().into_iter().flat_map(|p| p.into_inner()) {
        match entry.as_rule() {
            Rule::descr => {
                let code = entry
                    .into_inner()
                    .next()
                    .and_then(|t| t.into_inner().next());
                let code = code.map_or("", |c| c.as_str());
                element = Some(Element::from_code(code).ok_or_else(|| {
                    malformed(format!(
                        "npy elements of type {code}; only float32 and float64 are read"
                    ))
                })?);
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
    match (element, shape) {
        (Some(e), Some(s)) => Ok((e, s)),
        _ => Err(malformed("the npy header lacks `descr` or `shape`")),
    }
}
