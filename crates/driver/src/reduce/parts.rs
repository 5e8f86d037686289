//! Steps on what stands beside the network: versions, requirements, regions, comments, names.

use super::session::{Session, Stop};
use ceg4n_ir::{Anchor, Comments, Domain, Module, NetworkBuilder, Property, Rounding, Selection};
use std::ops::Range;
use std::sync::Arc;

/// Drops versions, requirements, regions and comments.
pub(super) fn drop_parts(session: &mut Session<'_>) -> Result<(), Stop> {
    session.drop_runs(&|m| m.versions.len(), &|m, range| {
        let mut new = m.clone();
        new.versions.drain(range.clone());
        new.comments = kept_comments(m, |a| match a {
            Anchor::Format(k) => shifted(*k, &range).map(Anchor::Format),
            Anchor::FormatEntry(k, v) => shifted(*k, &range).map(|k| Anchor::FormatEntry(k, *v)),
            other => Some(*other),
        });
        Some(new)
    })?;
    session.drop_runs(&|m| m.requirements.len(), &|m, range| {
        let mut new = m.clone();
        new.requirements.drain(range.clone());
        new.comments = kept_comments(m, |a| match a {
            Anchor::Requirement(k) => shifted(*k, &range).map(Anchor::Requirement),
            other => Some(*other),
        });
        Some(new)
    })?;
    session.drop_runs(&|m| m.regions.len(), &without_regions)?;
    session.drop_runs(&|m| m.comments.len(), &|m, range| {
        let mut new = m.clone();
        let kept = m.comments.iter().enumerate();
        let kept = kept.filter(|(k, _)| !range.contains(k));
        new.comments = kept.map(|(_, (a, lines))| (*a, lines.clone())).collect();
        Some(new)
    })
}

/// The module without some regions; requirements on them alone go with them.
fn without_regions(m: &Module, range: Range<usize>) -> Option<Module> {
    let mut new = m.clone();
    let gone: Vec<String> = new.regions.drain(range.clone()).map(|r| r.id).collect();
    for r in &mut new.requirements {
        if let Selection::Ids(ids) = &mut r.regions {
            ids.retain(|id| !gone.contains(id));
        }
    }
    let has_regions = |s: &Selection| !matches!(s, Selection::Ids(ids) if ids.is_empty());
    let empty: Vec<bool> = new
        .requirements
        .iter()
        .map(|r| !has_regions(&r.regions))
        .collect();
    new.requirements.retain(|r| has_regions(&r.regions));
    new.comments = kept_comments(m, |a| match a {
        Anchor::Region(k) => shifted(*k, &range).map(Anchor::Region),
        Anchor::Requirement(k) if empty.get(*k) == Some(&true) => None,
        Anchor::Requirement(k) => {
            let before = empty.iter().take(*k).filter(|e| **e).count();
            Some(Anchor::Requirement(k - before))
        }
        other => Some(*other),
    });
    Some(new)
}

/// The place of an item after those of `range` are gone; `None` for one of them.
fn shifted(k: usize, range: &Range<usize>) -> Option<usize> {
    match k {
        k if k < range.start => Some(k),
        k if k < range.end => None,
        k => Some(k - range.len()),
    }
}

fn kept_comments(m: &Module, place: impl Fn(&Anchor) -> Option<Anchor>) -> Comments {
    let comments = m.comments.iter();
    comments
        .filter_map(|(a, lines)| Some((place(a)?, lines.clone())))
        .collect()
}

/// Simpler properties on all regions and every point; the default rounding.
pub(super) fn simpler_demands(session: &mut Session<'_>) -> Result<(), Stop> {
    let all = |m: &Module| 0..m.requirements.len();
    session.change_runs(all(&session.module), &|m, range| {
        changed(m, range, |r| {
            let simple = !matches!(r.property, Property::Top1);
            r.property = Property::Top1;
            simple
        })
    })?;
    session.change_runs(all(&session.module), &|m, range| {
        changed(m, range, |r| {
            let simple = r.domain != Domain::Real;
            r.domain = Domain::Real;
            simple
        })
    })?;
    session.change_runs(all(&session.module), &|m, range| {
        changed(m, range, |r| {
            let simple = r.regions != Selection::All;
            r.regions = Selection::All;
            simple
        })
    })?;
    session.change_runs(0..session.module.versions.len(), &|m, range| {
        let mut new = m.clone();
        let mut any = false;
        for a in &mut new.versions[range] {
            any |= a.rounding != Rounding::default();
            a.rounding = Rounding::default();
        }
        any.then_some(new)
    })
}

/// The module with changed requirements; `None` if none changes.
fn changed(
    m: &Module,
    range: Range<usize>,
    change: impl Fn(&mut ceg4n_ir::Requirement) -> bool,
) -> Option<Module> {
    let mut new = m.clone();
    let list = new.requirements.get_mut(range)?;
    let mut any = false;
    for r in list {
        any |= change(r);
    }
    any.then_some(new)
}

/// Short names: of the network, of values by their places, of regions.
pub(super) fn short_names(session: &mut Session<'_>) -> Result<(), Stop> {
    let values = session.module.network.values().len();
    session.change_runs(0..values + 1, &|m, range| {
        let network = &m.network;
        let name = match range.contains(&values) {
            true => "n",
            false => network.name(),
        };
        let mut builder = NetworkBuilder::new(name);
        for (k, (_, value)) in network.values().iter().enumerate() {
            let short = format!("v{k}");
            let name = match range.contains(&k) && value.name.len() > short.len() {
                true => &short,
                false => &value.name,
            };
            builder.push(name, value.op.clone(), Some(value.shape.clone()), None);
        }
        let new = builder.finish(network.output()).ok()?;
        let same = new.name() == network.name()
            && new
                .values()
                .iter()
                .all(|(v, n)| n.name == network.value(v).name);
        (!same).then(|| Module {
            network: Arc::new(new),
            ..m.clone()
        })
    })?;
    session.change_runs(0..session.module.regions.len(), &|m, range| {
        let mut new = m.clone();
        for k in range {
            let short = format!("r{k}");
            let old = new.regions.get(k)?.id.clone();
            if old.len() <= short.len() {
                continue;
            }
            for r in &mut new.requirements {
                if let Selection::Ids(ids) = &mut r.regions {
                    ids.iter_mut()
                        .filter(|id| **id == old)
                        .for_each(|id| id.clone_from(&short));
                }
            }
            new.regions[k].id = short;
        }
        let same = new
            .regions
            .iter()
            .zip(&m.regions)
            .all(|(a, b)| a.id == b.id);
        (!same).then_some(new)
    })
}
