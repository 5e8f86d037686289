//! Regions and requirements.

use super::{Reader, format, next};
use crate::ast::{List, Name, Notes, Property, Region, RegionKind, Require};
use crate::grammar::{Rule, parts};
use ceg4n_base::{Exact, Span, codes};
use ceg4n_ir::Domain;
use pest::iterators::Pair;

/// Reads `region "id" = …;`.
pub(crate) fn region(
    reader: &mut Reader<'_>,
    pair: Pair<'_, Rule>,
    notes: Notes,
) -> Option<Region> {
    let span = reader.span(&pair);
    let mut inner = parts(pair);
    let id = reader.name(next(&mut inner))?;
    let body = next(&mut inner);
    let kind = match body.as_rule() {
        Rule::region_box => region_box(reader, body)?,
        Rule::region_ball => ball(reader, body)?,
        _ => {
            let message = "regions from VNN-LIB files are not built yet";
            return reader.fail(codes::NOT_BUILT, &body, message, "write a box or a ball");
        }
    };
    Some(Region {
        id,
        kind,
        span,
        notes,
    })
}

fn region_box(reader: &mut Reader<'_>, pair: Pair<'_, Rule>) -> Option<RegionKind> {
    let mut inner = parts(pair);
    let lower = reader.exact_list(next(&mut inner));
    let upper = reader.exact_list(next(&mut inner));
    let (mut center, mut radius) = (None, None);
    for part in inner {
        let is_center = part.as_rule() == Rule::center;
        let value = next(&mut parts(part));
        if is_center {
            center = Some(reader.exact_list(value)?);
        } else {
            radius = Some(reader.exact(&value)?);
        }
    }
    Some(RegionKind::Box {
        lower: lower?,
        upper: upper?,
        center,
        radius,
    })
}

fn ball(reader: &mut Reader<'_>, pair: Pair<'_, Rule>) -> Option<RegionKind> {
    let mut inner = parts(pair);
    let center = next(&mut inner);
    if center.as_rule() == Rule::identifier {
        let message = "balls around data sets are not built yet";
        return reader.fail(codes::NOT_BUILT, &center, message, "write the centre");
    }
    let center: List<Exact> = reader.exact_list(center)?;
    let number = next(&mut inner);
    let radius = (reader.exact(&number)?, reader.span(&number));
    let clip = match inner.next() {
        None => None,
        Some(pair) => {
            let list = next(&mut parts(pair));
            let bounds = reader.exact_list(list.clone())?;
            match <[Exact; 2]>::try_from(bounds.data) {
                Ok([lo, hi]) => Some((lo, hi)),
                Err(_) => {
                    let message = "clip has a lower and an upper bound, like clip=[0, 1]";
                    return reader.fail(codes::REGION, &list, message, "");
                }
            }
        }
    };
    Some(RegionKind::Ball {
        center,
        radius,
        clip,
    })
}

/// Reads `require …;`.
pub(crate) fn require(
    reader: &mut Reader<'_>,
    pair: Pair<'_, Rule>,
    notes: Notes,
) -> Option<Require> {
    let span = reader.span(&pair);
    let mut inner = parts(pair);
    let property = property(reader, next(&mut parts(next(&mut inner))));
    let mut domain = Domain::Real;
    let mut regions = None;
    for part in inner {
        if part.as_rule() == Rule::domain {
            if let Some(word) = parts(part).next() {
                let grid = format::format(reader, &word)?;
                if grid.multiplier() != 1 {
                    let message = "a grid has no multiplier";
                    return reader.fail(codes::FORMAT, &word, message, "a format like u8q8");
                }
                domain = Domain::Grid(grid);
            }
        } else {
            let ids: Option<Vec<Name>> = parts(part).map(|p| reader.name(p)).collect();
            regions = Some(ids?);
        }
    }
    Some(Require {
        property: property?,
        domain,
        regions,
        span,
        notes,
    })
}

fn property(reader: &mut Reader<'_>, pair: Pair<'_, Rule>) -> Option<Property> {
    let rule = pair.as_rule();
    let Some(value) = parts(pair).next() else {
        return Some(Property::Top1);
    };
    let span: Span = reader.span(&value);
    match rule {
        Rule::spec => reader.name(value).map(Property::Spec),
        Rule::topk => match value.as_str().parse() {
            Ok(k) => Some(Property::TopK(k, span)),
            Err(_) => {
                let message = format!("`{}` is no number of classes", value.as_str());
                reader.fail(codes::NUMBER, &value, message, "expected an integer like 3")
            }
        },
        Rule::eps => reader.exact(&value).map(|e| Property::Eps(e, span)),
        _ => reader.exact(&value).map(|m| Property::Margin(m, span)),
    }
}
