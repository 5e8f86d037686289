//! Steps to simpler formats: fewer entries, fewer bits, nothing but a width.

use super::session::{Session, Stop};
use super::structure::plain;
use ceg4n_ir::{Annotation, Format, Module, TensorFormat, ValueId};
use std::sync::Arc;

/// Drops entries of format blocks, and what entries say beyond a format; then makes formats
/// narrower and takes fraction bits and multipliers away.
pub(super) fn formats(session: &mut Session<'_>) -> Result<(), Stop> {
    for k in 0..session.module.versions.len() {
        session.drop_runs(&|m| m.versions[k].values.len(), &|m, range| {
            let mut new = m.clone();
            let entries = m.versions[k].values.keys().enumerate();
            for (_, v) in entries.filter(|(i, _)| range.contains(i)) {
                new.versions[k].values.remove(v);
                new.comments.remove(&ceg4n_ir::Anchor::FormatEntry(k, *v));
            }
            Some(new)
        })?;
        let entries: Vec<ValueId> = session.module.versions[k].values.keys().copied().collect();
        for v in entries {
            entry(session, k, v)?;
        }
    }
    Ok(())
}

/// One entry, until nothing about it becomes simpler.
fn entry(session: &mut Session<'_>, k: usize, v: ValueId) -> Result<(), Stop> {
    loop {
        let Some(old) = session.module.versions[k].values.get(&v) else {
            return Ok(());
        };
        let mut any = false;
        for annotation in plain(old).into_iter().chain(narrower(old)) {
            let mut new = session.module.clone();
            new.versions[k].values.insert(v, annotation);
            if session.try_module(new)? {
                any = true;
                break;
            }
        }
        if !any {
            return Ok(());
        }
    }
}

/// The same entry with simpler formats; mantissas are cut to their range.
fn narrower(annotation: &Annotation) -> Vec<Annotation> {
    let Annotation::Fixed { format, mantissas } = annotation else {
        return Vec::new();
    };
    let steps: [&dyn Fn(Format) -> Option<Format>; 6] = [
        &|f| f.with_multiplier(1),
        &|f| with_width(f, 2),
        &|f| with_width(f, f.width() / 2),
        &|f| with_width(f, f.width() - 1),
        &|f| with_frac(f, 0),
        &|f| with_frac(f, f.frac() / 2),
    ];
    let mut found = Vec::new();
    for step in steps {
        let simpler = |f: &Format| step(*f).unwrap_or(*f);
        let new = match format {
            TensorFormat::Tensor(f) => TensorFormat::Tensor(simpler(f)),
            TensorFormat::Channels(list) => {
                TensorFormat::Channels(list.iter().map(simpler).collect())
            }
        };
        if new == *format {
            continue;
        }
        let cut = |m: &Arc<[i32]>| cut(m, &new);
        found.push(Annotation::Fixed {
            mantissas: mantissas.as_ref().map(cut),
            format: new,
        });
    }
    found
}

/// The format with fewer bits.
fn with_width(f: Format, width: u8) -> Option<Format> {
    let narrower = Format::new(f.signed(), width, f.frac()).filter(|_| width < f.width())?;
    narrower.with_multiplier(f.multiplier())
}

/// The format with fewer fraction bits, or less below none.
fn with_frac(f: Format, frac: i32) -> Option<Format> {
    let simpler = frac.abs() < f.frac().abs();
    let new = Format::new(f.signed(), f.width(), frac).filter(|_| simpler)?;
    new.with_multiplier(f.multiplier())
}

fn cut(mantissas: &[i32], format: &TensorFormat) -> Arc<[i32]> {
    let channels = match format {
        TensorFormat::Tensor(_) => 1,
        TensorFormat::Channels(list) => list.len().max(1),
    };
    let per_channel = (mantissas.len() / channels).max(1);
    let within = |(i, m): (usize, &i32)| match format.channel(i / per_channel) {
        // A format of at most 32 bits has bounds that a mantissa of 32 bits is cut to.
        Some(f) => i64::from(*m).clamp(f.min(), f.max()) as i32,
        None => *m,
    };
    mantissas.iter().enumerate().map(within).collect()
}

/// Drops every explicit list of mantissas at once; one by one is [`formats`]' work.
pub(super) fn no_mantissas(session: &mut Session<'_>) -> Result<(), Stop> {
    session.change_runs(0..1, &|m: &Module, _| {
        let mut new = m.clone();
        let mut any = false;
        for a in new.versions.iter_mut().flat_map(|a| a.values.values_mut()) {
            if let Annotation::Fixed { mantissas, .. } = a {
                any |= mantissas.take().is_some();
            }
        }
        any.then_some(new)
    })
}
