//! Regions as pictures, where the network's shape or a data set says that inputs are.

use super::MOST_MULTIPLICATIONS;
use crate::engine::Engine;
use crate::load::Loaded;
use crate::options::CompileOptions;
use ceg4n_base::Exact;
use ceg4n_eval::strict_winner;
use ceg4n_import::{DataSource, FileKind, Picture, picture};
use ceg4n_ir::Region;
use ceg4n_report::{ImageCenter, Images, Report};

/// Centres in a report.
const MOST_CENTERS: usize = 12;
/// Of these, so many of refuted regions.
const MOST_REFUTED: usize = 6;
/// A shape without a data set is a picture only from so many rows and columns on.
const LEAST_SIDE: usize = 6;
/// Larger pictures are left out.
const MOST_NUMBERS: usize = 1 << 14;

/// The pictures of a run; `None` where inputs are none.
pub(super) fn images(
    options: &CompileOptions,
    loaded: &Loaded,
    engine: &Engine<'_>,
    report: &Report,
) -> Option<Images> {
    let inputs = loaded.module.network.input_len();
    let found = of_shape(loaded.shape()).or_else(|| of_data(options, inputs))?;
    if inputs > MOST_NUMBERS {
        return None;
    }
    let classes = loaded.module.network.macs() * MOST_CENTERS <= MOST_MULTIPLICATIONS;
    let center = |region: &Region| {
        let x = region.center();
        let class = classes
            .then(|| engine.reference.outputs(&x).ok())
            .flatten()
            .filter(|y| y.len() > 1)
            .and_then(|y| strict_winner(&y));
        ImageCenter {
            region: region.id.clone(),
            class,
            x: x.iter().map(Exact::to_f64).collect(),
        }
    };
    let regions = chosen(loaded, report);
    Some(Images {
        height: found.height,
        width: found.width,
        channels: found.channels,
        channels_last: found.channels_last,
        centers: regions.into_iter().map(center).collect(),
    })
}

/// The picture that the network's own shape states.
fn of_shape(shape: &[usize]) -> Option<Picture> {
    let found = Picture::of_shape(shape)?;
    let (h, w) = (found.height, found.width);
    // Long strips are time series, or tables.
    let square = h.max(w) <= 4 * h.min(w);
    (square && h.min(w) >= LEAST_SIDE).then_some(found)
}

/// The picture that a data set of the run states.
fn of_data(options: &CompileOptions, inputs: usize) -> Option<Picture> {
    let regions = options.load.regions.iter();
    let regions = regions.map(|p| DataSource::from_path(p));
    let data = [&options.data.data, &options.data.test_data];
    data.into_iter()
        .flatten()
        .cloned()
        .chain(regions)
        .filter(|s| s.kind().is_some_and(FileKind::is_data))
        .find_map(|s| picture(&s, inputs))
}

/// Regions to be shown: those of counterexamples first, then those with other centres.
fn chosen<'l>(loaded: &'l Loaded, report: &Report) -> Vec<&'l Region> {
    let module = &loaded.module;
    let of_trace = report.divergence.iter().map(|d| d.region.as_str());
    let refuted = report.regions.iter().filter(|r| r.counterexample.is_some());
    let refuted = refuted.map(|r| r.id.as_str()).take(MOST_REFUTED);
    let mut out: Vec<&Region> = Vec::new();
    for id in of_trace.chain(refuted) {
        if !out.iter().any(|r| r.id == id) {
            out.extend(module.region(id));
        }
    }
    for region in &module.regions {
        if out.len() >= MOST_CENTERS {
            break;
        }
        let center = region.center();
        if !out.iter().any(|r| r.center() == center) {
            out.push(region);
        }
    }
    out
}
