//! Which regions are asked about: those of the file, of region files, data sets and queries, and
//! of these the ones that are kept.

use crate::load::few;
use crate::options::LoadOptions;
use ceg4n_base::{Diagnostic, Diagnostics, Sources, codes};
use ceg4n_import::vnnlib::{self, Query};
use ceg4n_import::{Balls, FileKind, RegionEntry, regions_from_data, regions_from_file};
use ceg4n_ir::{Anchor, Module, Region};
use std::path::Path;

/// Refuses region files of no known kind, data sets without a radius, and options for data sets
/// without one.
///
/// # Errors
/// [`codes::USAGE`].
pub(crate) fn check_options(options: &LoadOptions) -> Result<(), Diagnostics> {
    let mut errors = Diagnostics::default();
    let mut usage = |text: String, help: &str| {
        errors.push(Diagnostic::error(codes::USAGE, text).help(help));
    };
    let mut data = false;
    for file in &options.regions {
        let name = file.display();
        match FileKind::of(file) {
            None => usage(
                format!("--regions {name}: the name does not say what the file is"),
                "region files are .json and .vnnlib, data sets .csv, .npy, .safetensors, .idx and …-ubyte, each also .gz",
            ),
            Some(kind) if kind.is_data() => {
                data = true;
                if options.radius.is_none() {
                    usage(
                        format!("--regions {name} is a data set and has no radius"),
                        "say how far around each row with --radius R",
                    );
                }
            }
            Some(_) => {}
        }
    }
    let of_data = [
        ("radius", options.radius.is_some()),
        ("clip", options.clip.is_some()),
        ("rows", options.rows.is_some()),
    ];
    for (name, given) in of_data {
        if given && !data {
            usage(
                format!("--{name} has no effect: no data set is among --regions"),
                "leave it out, or give --regions a .csv, .npy, .safetensors or idx file",
            );
        }
    }
    errors.or(())
}

/// Replaces the regions by those of `--regions`, or else by the boxes of a query that is
/// required; keeps those of `--ball-size` and `--region`.
pub(crate) fn choose(
    module: &mut Module,
    options: &LoadOptions,
    query: Option<(&Query, &Path)>,
    sources: &mut Sources,
) -> Result<(), Diagnostics> {
    let query = query.filter(|(q, _)| q.has_box());
    let replaced = !options.regions.is_empty() || query.is_some();
    if !options.regions.is_empty() {
        module.regions = read(options, module.network.input_len(), sources)?;
    } else if let Some((query, path)) = query {
        module.regions = query.regions(&vnnlib::stem(path))?;
    }
    if let Some(id) = options
        .region_ids
        .iter()
        .find(|id| module.region(id).is_none())
    {
        let known = module.regions.iter().map(|r| r.id.as_str());
        return Err(
            Diagnostic::error(codes::USAGE, format!("there is no region \"{id}\""))
                .help(few("regions", known))
                .into(),
        );
    }
    let wanted = |r: &Region| {
        let id = options.region_ids.is_empty() || options.region_ids.contains(&r.id);
        let ball = options.ball_sizes.is_empty()
            || (r.ball_size.as_ref()).is_some_and(|b| options.ball_sizes.contains(b));
        id && ball
    };
    if !module.regions.is_empty() && !module.regions.iter().any(wanted) {
        return Err(none_left(&module.regions).into());
    }
    let before = module.regions.len();
    module.regions.retain(wanted);
    if module.regions.len() != before || replaced {
        // Comments stand before regions by their place, which is another now.
        module
            .comments
            .retain(|a, _| !matches!(a, Anchor::Region(_)));
    }
    Ok(())
}

fn none_left(regions: &[Region]) -> Diagnostic {
    let mut sizes: Vec<_> = regions.iter().filter_map(|r| r.ball_size.clone()).collect();
    sizes.sort();
    sizes.dedup();
    let sizes: Vec<_> = sizes.iter().map(ToString::to_string).collect();
    let help = if sizes.is_empty() {
        "no region states the radius it was made with".to_owned()
    } else {
        few("radii", sizes.iter().map(String::as_str))
    };
    let text = "--ball-size and --region leave no region";
    Diagnostic::error(codes::USAGE, text).help(help)
}

fn read(
    options: &LoadOptions,
    inputs: usize,
    sources: &mut Sources,
) -> Result<Vec<Region>, Diagnostics> {
    let mut regions: Vec<Region> = Vec::new();
    let mut errors = Diagnostics::default();
    let mut ids = std::collections::BTreeSet::new();
    for file in &options.regions {
        let place = file.display().to_string();
        let list = match read_one(file, options, inputs, sources) {
            Ok(list) => list,
            Err(e) => {
                errors.0.extend(e.0);
                continue;
            }
        };
        for region in list {
            if !ids.insert(region.id.clone()) {
                let text = format!("region \"{}\" occurs in two files", region.id);
                errors.push(Diagnostic::error(codes::DUPLICATE_NAME, text).place(&place));
            } else if let Err(d) = region.check(inputs) {
                errors.push(d.place(&place));
            }
            regions.push(region);
        }
    }
    errors.or(regions)
}

fn read_one(
    file: &Path,
    options: &LoadOptions,
    inputs: usize,
    sources: &mut Sources,
) -> Result<Vec<Region>, Diagnostics> {
    match FileKind::of(file) {
        Some(FileKind::Vnnlib) => {
            let query = vnnlib::query_from_file(sources, file)?;
            Ok(query.regions(&vnnlib::stem(file))?)
        }
        Some(FileKind::Csv | FileKind::Npy | FileKind::Idx | FileKind::Safetensors) => {
            let balls = Balls {
                // Absent only where the options were not checked.
                radius: options
                    .radius
                    .clone()
                    .unwrap_or_else(ceg4n_base::Exact::zero),
                clip: options.clip.clone(),
                rows: options.rows.clone(),
            };
            regions_from_data(file, &balls, inputs)
        }
        Some(FileKind::Json) | None => {
            let region = |e: RegionEntry| e.region;
            Ok(regions_from_file(file)?.into_iter().map(region).collect())
        }
    }
}
