//! Regions and requirements.

use super::specs::{self, Specs};
use super::{Known, comment, unknown};
use crate::ast::{self, RegionKind};
use ceg4n_base::{Diagnostic, Exact, Span, codes};
use ceg4n_ir::{Anchor, Comments, Property, Region, Requirement, Selection};
use std::collections::BTreeMap;

/// Reads every region; broken ones stay in the list so that their ids are known.
pub(super) fn regions(
    list: Vec<ast::Region>,
    known: &Known,
    comments: &mut Comments,
    errors: &mut Vec<Diagnostic>,
) -> Vec<Region> {
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let mut regions = Vec::new();
    for (i, r) in list.into_iter().enumerate() {
        comment(comments, Anchor::Region(i), r.notes);
        if let Some(first) = seen.insert(r.id.text.clone(), r.id.span) {
            let message = format!("region \"{}\" is defined twice", r.id.text);
            errors.push(
                Diagnostic::error(codes::DUPLICATE_NAME, message)
                    .at(Some(r.id.span), "second definition")
                    .related(Some(first), "first definition"),
            );
        }
        let mut region = Region {
            id: r.id.text,
            lower: Vec::new(),
            upper: Vec::new(),
            center: None,
            ball_size: None,
            span: Some(r.span),
        };
        match r.kind {
            RegionKind::Box {
                lower,
                upper,
                center,
                radius,
            } => {
                region.lower = lower.data;
                region.upper = upper.data;
                region.center = center.map(|c| c.data);
                region.ball_size = radius;
            }
            RegionKind::Ball {
                center,
                radius,
                clip,
            } => {
                if radius.0.signum() < 0 {
                    let d = Diagnostic::error(codes::REGION, "a radius is not negative");
                    errors.push(d.at(Some(radius.1), "this radius"));
                    regions.push(region);
                    continue;
                }
                ball(&mut region, center.data, radius.0, clip);
            }
        }
        let inputs = known.inputs.unwrap_or(region.lower.len());
        if let Err(d) = region.check(inputs) {
            errors.push(d);
        }
        regions.push(region);
    }
    regions
}

/// The box of a ball in the maximum norm, cut to the clip. The centre is kept where the box has it.
fn ball(region: &mut Region, center: Vec<Exact>, radius: Exact, clip: Option<(Exact, Exact)>) {
    let (mut lower, mut upper): (Vec<_>, Vec<_>) =
        center.iter().map(|c| (c - &radius, c + &radius)).unzip();
    if let Some((least, greatest)) = clip {
        lower = lower.into_iter().map(|v| v.max(least.clone())).collect();
        upper = upper.into_iter().map(|v| v.min(greatest.clone())).collect();
    }
    region.lower = lower;
    region.upper = upper;
    region.center = region.contains(&center).then_some(center);
    region.ball_size = Some(radius);
}

/// Reads every requirement. `regions` are those of the file, and whether some are broken. Where
/// the file has none, a query brings its own boxes.
pub(super) fn requirements(
    list: Vec<ast::Require>,
    (regions, some_broken): (&mut Vec<Region>, bool),
    known: &Known,
    specs: &mut Specs<'_>,
    comments: &mut Comments,
    errors: &mut Vec<Diagnostic>,
) -> Vec<Requirement> {
    let own_boxes = regions.is_empty() && !some_broken;
    let alone = list.len() == 1;
    let mut requirements: Vec<Requirement> = Vec::new();
    for mut r in list {
        let notes = std::mem::take(&mut r.notes);
        comment(comments, Anchor::Requirement(requirements.len()), notes);
        property_errors(&r, known, errors);
        let mut selection = match r.regions {
            None => Selection::All,
            Some(ids) => {
                selection_errors(&ids, (regions, some_broken), errors);
                Selection::Ids(ids.into_iter().map(|n| n.text).collect())
            }
        };
        let property = match r.property {
            ast::Property::Top1 => Property::Top1,
            ast::Property::Margin(m, _) => Property::Top1Margin(m),
            ast::Property::TopK(k, _) => Property::TopK(k),
            ast::Property::Eps(e, _) => Property::Eps(e),
            ast::Property::Spec(path) => {
                let Some(query) = specs.query(&path, known, errors) else {
                    continue;
                };
                if own_boxes && selection == Selection::All && query.has_box() {
                    let ids = specs::boxes(&query, &path, regions, errors);
                    if !alone {
                        selection = Selection::Ids(ids);
                    }
                }
                for (spec, regions) in query.on_regions(&path.text, &selection, regions) {
                    requirements.push(Requirement {
                        property: Property::Spec(spec),
                        domain: r.domain,
                        regions,
                        span: Some(r.span),
                    });
                }
                continue;
            }
        };
        requirements.push(Requirement {
            property,
            domain: r.domain,
            regions: selection,
            span: Some(r.span),
        });
    }
    requirements
}

fn selection_errors(
    ids: &[ast::Name],
    (regions, some_broken): (&[Region], bool),
    errors: &mut Vec<Diagnostic>,
) {
    let defined: std::collections::BTreeSet<&str> = regions.iter().map(|r| r.id.as_str()).collect();
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for id in ids {
        if !some_broken && !defined.contains(id.text.as_str()) {
            errors.push(unknown("region", id, "", defined.iter().copied()));
        }
        if let Some(first) = seen.insert(&id.text, id.span) {
            let message = format!("region \"{}\" is named twice", id.text);
            errors.push(
                Diagnostic::error(codes::DUPLICATE_NAME, message)
                    .at(Some(id.span), "named again")
                    .related(Some(first), "named here"),
            );
        }
    }
}

/// Requirements that cannot be asked of a network with so many outputs, and negative bounds.
fn property_errors(r: &ast::Require, known: &Known, errors: &mut Vec<Diagnostic>) {
    let mut fail = |span: Span, message: String, label: &str| {
        let d = Diagnostic::error(codes::REQUIREMENT, message);
        errors.push(d.at(Some(span), label));
    };
    match &r.property {
        ast::Property::Margin(m, at) if m.signum() < 0 => {
            fail(*at, "a margin is not negative".to_owned(), "this margin");
        }
        ast::Property::Eps(e, at) if e.signum() < 0 => {
            fail(*at, "eps is not negative".to_owned(), "this bound");
        }
        _ => {}
    }
    let Some(outputs) = known.outputs else {
        return;
    };
    let (class, name) = match &r.property {
        ast::Property::Top1 => (true, "top1"),
        ast::Property::Margin(..) => (true, "top1 margin"),
        ast::Property::TopK(..) => (true, "topk"),
        ast::Property::Eps(..) | ast::Property::Spec(_) => (false, ""),
    };
    if class && outputs < 2 {
        let message = format!("{name} needs two outputs or more, the network has {outputs}");
        fail(r.span, message, "this requirement");
    } else if let ast::Property::TopK(k, at) = &r.property
        && !(1..=outputs).contains(&(*k as usize))
    {
        let message = format!("topk {k} of {outputs} outputs; write 1 to {outputs}");
        fail(*at, message, "out of range");
    }
}
