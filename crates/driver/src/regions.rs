//! Which regions are asked about: those of the file, of region files, data sets and queries, and
//! of these the ones that are kept.

use crate::data::reference_class;
use crate::load::few;
use crate::options::LoadOptions;
use ceg4n_base::suggest::did_you_mean;
use ceg4n_base::{Diagnostic, Diagnostics, Sources, codes};
use ceg4n_import::vnnlib::{self, Query};
use ceg4n_import::{
    Balls, Choice, DataRequest, DataSource, FileKind, Keep, LabelSource, RegionEntry,
    regions_from_data, regions_from_file,
};
use ceg4n_ir::{Anchor, Module, Region, check};
use ceg4n_verify::Reference;
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
        match DataSource::from_path(file).kind() {
            None => usage(
                format!("--regions {name}: the name does not say what the file is"),
                "region files are .json and .vnnlib, data sets .csv, .npy, .npz, .safetensors, .idx, …-ubyte and folders of images, each also .gz",
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
        ("samples", options.samples.is_some()),
        ("region-labels", options.region_labels.is_some()),
        ("only-correct", options.only_correct),
    ];
    for (name, given) in of_data {
        if given && !data {
            usage(
                format!("--{name} has no effect: no data set is among --regions"),
                "leave it out, or give --regions a data set: a .csv, .npy, .npz, .safetensors or idx file, or a folder of images",
            );
        }
    }
    match (&options.region_labels, options.only_correct) {
        (None, true) if data => usage(
            "--only-correct needs the classes of the rows".to_owned(),
            "say where they stand with --region-labels FILE, column:NAME or folders",
        ),
        (Some(LabelSource::File(_) | LabelSource::Folders), false) if data => usage(
            "--region-labels has no effect without --only-correct".to_owned(),
            "leave one out or give both",
        ),
        // A column of labels is no input.
        (Some(_) | None, _) => {}
    }
    errors.or(())
}

/// True if rows of a data set are among the regions that are asked for.
pub(crate) fn has_data(options: &LoadOptions) -> bool {
    let kind = |file: &std::path::PathBuf| DataSource::from_path(file).kind();
    options
        .regions
        .iter()
        .filter_map(kind)
        .any(FileKind::is_data)
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
        module.regions = read(options, module, sources)?;
    } else if let Some((query, path)) = query {
        module.regions = query.regions(&vnnlib::stem(path))?;
    }
    let mut errors = Diagnostics::default();
    let ids = options.region_ids.iter();
    for id in ids.filter(|id| module.region(id).is_none()) {
        let known = || module.regions.iter().map(|r| r.id.as_str());
        let error = Diagnostic::error(codes::USAGE, format!("there is no region \"{id}\""));
        let error = error.help_if(did_you_mean(id, known()));
        errors.push(error.help(match module.regions.is_empty() {
            true => "there are no regions; --regions FILE reads them, --region ID chooses among them"
                .to_owned(),
            false => few("regions", known()),
        }));
    }
    if errors.has_errors() {
        return Err(errors);
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
    module: &Module,
    sources: &mut Sources,
) -> Result<Vec<Region>, Diagnostics> {
    let inputs = module.network.input_len();
    let mut regions: Vec<Region> = Vec::new();
    let mut errors = Diagnostics::default();
    let mut ids = std::collections::BTreeSet::new();
    for file in &options.regions {
        let place = file.display().to_string();
        let list = match read_one(file, options, module, sources) {
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
    module: &Module,
    sources: &mut Sources,
) -> Result<Vec<Region>, Diagnostics> {
    let source = DataSource::from_path(file);
    match source.kind() {
        Some(FileKind::Vnnlib) => {
            let query = vnnlib::query_from_file(sources, file)?;
            Ok(query.regions(&vnnlib::stem(file))?)
        }
        Some(kind) if kind.is_data() => around_rows(&source, options, module),
        Some(_) | None => {
            let region = |e: RegionEntry| e.region;
            Ok(regions_from_file(file)?.into_iter().map(region).collect())
        }
    }
}

/// A region around each row of a data set that is chosen.
fn around_rows(
    source: &DataSource,
    options: &LoadOptions,
    module: &Module,
) -> Result<Vec<Region>, Diagnostics> {
    let net = &module.network;
    let balls = Balls {
        // Absent only where the options were not checked.
        radius: options
            .radius
            .clone()
            .unwrap_or_else(ceg4n_base::Exact::zero),
        clip: options.clip.clone(),
    };
    let request = DataRequest {
        data: source,
        labels: options.region_labels.as_ref(),
        rows: options.rows.clone(),
        rows_option: "--rows",
        shape: &net.value(net.input()).shape.0,
        classes: net.output_len(),
        pixels: options.pixels,
    };
    let mut choice = Choice {
        samples: options.samples,
        keep: None,
    };
    if options.only_correct {
        choice.keep = Some(correct(module)?);
    }
    let regions = regions_from_data(&request, &balls, choice)?;
    if regions.is_empty() && options.only_correct {
        let text = "the reference gives no row the class of its label";
        return Err(Diagnostic::error(codes::NO_REGION, text)
            .place(source.to_string())
            .help("labels are the numbers of the network's outputs, counted from 0; --pixels says how bytes become inputs")
            .into());
    }
    Ok(regions)
}

/// Keeps the rows that the reference gives the class of their label.
fn correct(module: &Module) -> Result<Box<Keep<'static>>, Diagnostics> {
    if module.network.output_len() < 2 {
        let text = "--only-correct is about classes, the network has one output";
        return Err(Diagnostic::error(codes::USAGE, text).into());
    }
    let reference = Reference::new(&check(module.reference())?);
    Ok(Box::new(move |row, label| {
        Ok(reference_class(&reference, row)? == label)
    }))
}
