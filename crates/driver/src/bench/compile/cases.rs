//! What is compared: networks with the regions of one radius, and the data that fit them.

use super::{BenchData, CompileBenchOptions};
use crate::bench::inputs::{common_name, first_error, names, network_files, stem};
use crate::engine::questions;
use crate::failure::Failure;
use crate::load::load;
use crate::options::LoadOptions;
use ceg4n_base::{ContentHash, Diagnostic, Diagnostics, Exact, codes};
use ceg4n_import::{DataRequest, LabelSource, Pixels, read_data_set};
use ceg4n_ir::Region;
use ceg4n_report::{BenchNetwork, Skipped};
use std::collections::BTreeMap;
use std::path::Path;

/// Everything that was read.
pub(super) struct Cases {
    pub networks: Vec<BenchNetwork>,
    /// The networks that cannot be used, and why.
    pub skipped: Vec<Skipped>,
    /// By network, then by radius.
    pub list: Vec<Case>,
}

/// A network and a radius.
pub(super) struct Case {
    pub network: BenchNetwork,
    /// What the patterns of options are held against: the file's name without its extension.
    pub stem: String,
    pub ball_size: Option<Exact>,
    /// Dimensions of the network's input.
    pub shape: Vec<usize>,
    /// What loads the network with these regions alone.
    pub load: LoadOptions,
    /// Hash of the regions, with their ids.
    pub regions: ContentHash,
    /// Questions.
    pub asked: u64,
    /// The data set that fits, by its place, with a hash of its files.
    pub data: Option<(usize, ContentHash)>,
}

/// Reads a folder.
///
/// # Errors
/// A folder that cannot be read or holds no usable network; a data set that cannot be read or
/// fits no network.
pub(super) fn read(options: &CompileBenchOptions) -> Result<Cases, Failure> {
    let files = network_files(&options.folder, &options.networks)?;
    let names = names(&files);
    let stems: Vec<String> = files.iter().map(|f| stem(f)).collect();
    options.check_patterns(&stems)?;
    let mut cases = Cases {
        networks: Vec::new(),
        skipped: Vec::new(),
        list: Vec::new(),
    };
    for (file, name) in files.iter().zip(names) {
        match read_network(options, file, &name) {
            Ok((network, list)) => {
                cases.networks.push(network);
                cases.list.extend(list);
            }
            Err(reason) => cases.skipped.push(Skipped { name, reason }),
        }
    }
    if cases.list.is_empty() {
        let folder = options.folder.display();
        let mut d = Diagnostic::error(codes::USAGE, format!("no network of {folder} can be used"));
        if let Some(s) = cases.skipped.first() {
            d = d.help(format!("{}: {}", s.name, s.reason));
        }
        return Err(d.into());
    }
    cases.name_families();
    cases.find_data(&options.data, options.compile.data.pixels)?;
    Ok(cases)
}

/// One network with its radii; a reason if it cannot be used.
fn read_network(
    options: &CompileBenchOptions,
    file: &Path,
    name: &str,
) -> Result<(BenchNetwork, Vec<Case>), String> {
    let mut all = LoadOptions {
        net: file.to_owned(),
        require: options.requirement(&stem(file)),
        ..options.compile.load.clone()
    };
    let regions = options.folder.join("regions");
    let regions = regions.join(format!("{}.json", stem(file)));
    if all.regions.is_empty() && regions.exists() {
        all.regions = vec![regions];
    }
    let loaded = load(&all).map_err(|f| first_error(&f))?;
    let net = &loaded.module.network;
    let network = BenchNetwork {
        name: name.to_owned(),
        family: String::new(),
        sha256: loaded.sha256,
        inputs: net.input_len(),
        outputs: net.output_len(),
        parameters: net.parameters(),
    };
    let asked = match questions(&loaded) {
        Ok(asked) => asked,
        Err(d) => return Err(first_error(&loaded.fail(d))),
    };
    let mut radii: Vec<Option<Exact>> =
        (asked.iter().map(|a| a.region.ball_size.clone())).collect();
    radii.sort_by(|a, b| (a.is_none(), a).cmp(&(b.is_none(), b)));
    radii.dedup();
    let case = |radius: &Option<Exact>| {
        let own = asked.iter().filter(|a| a.region.ball_size == *radius);
        let own: Vec<&Region> = own.map(|a| &a.region).collect();
        let mut load = all.clone();
        match radius {
            Some(r) => load.ball_sizes = vec![r.clone()],
            // No radius can be asked for; ids can.
            None if radii.len() > 1 => {
                load.region_ids = own.iter().map(|r| r.id.clone()).collect();
            }
            None => {}
        }
        Case {
            network: network.clone(),
            stem: stem(file),
            ball_size: radius.clone(),
            shape: loaded.shape().to_vec(),
            load,
            regions: hash_of(&own),
            asked: own.len() as u64,
            data: None,
        }
    };
    let list = radii.iter().map(case).collect();
    Ok((network, list))
}

/// Hash of regions, their ids included.
fn hash_of(regions: &[&Region]) -> ContentHash {
    let mut h = ceg4n_base::Hasher::new("regions");
    for r in regions {
        h.str(&r.id).bytes(&r.hash().0);
    }
    h.finish()
}

impl Cases {
    /// Networks of one shape are a family.
    fn name_families(&mut self) {
        let shape = |n: &BenchNetwork| (n.inputs, n.outputs);
        let mut members: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
        for n in &self.networks {
            members.entry(shape(n)).or_default().push(&n.name);
        }
        let name = |(inputs, outputs): (usize, usize), members: &[&str]| {
            Some(common_name(members))
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| format!("{inputs} to {outputs}"))
        };
        let names: BTreeMap<_, String> = members
            .into_iter()
            .map(|(shape, members)| (shape, name(shape, &members)))
            .collect();
        let own = self.list.iter_mut().map(|c| &mut c.network);
        for n in self.networks.iter_mut().chain(own) {
            n.family = names.get(&shape(n)).cloned().unwrap_or_default();
        }
    }

    /// Finds the first data set that fits each network.
    fn find_data(&mut self, data: &[BenchData], pixels: Option<Pixels>) -> Result<(), Failure> {
        for (i, set) in data.iter().enumerate() {
            let mut fits: BTreeMap<Vec<usize>, Result<(), Diagnostics>> = BTreeMap::new();
            let hash = files_hash(set, pixels)?;
            for case in self.list.iter_mut().filter(|c| c.data.is_none()) {
                // Classes are asked of networks with several outputs only.
                let try_it = || try_data(set, &case.shape, pixels);
                let fit = fits.entry(case.shape.clone()).or_insert_with(try_it);
                if case.network.outputs > 1 && fit.is_ok() {
                    case.data = Some((i, hash));
                }
            }
            let used = self.list.iter().any(|c| c.data.is_some_and(|d| d.0 == i));
            if !used {
                let text = format!("--data {} fits no network of this run", set.data);
                let first = fits.into_values().find_map(Result::err);
                let first = first.and_then(|d| Some(d.0.first()?.message.clone()));
                let d = Diagnostic::error(codes::USAGE, text);
                let why = first.unwrap_or_else(|| "an earlier one serves them".to_owned());
                return Err(d.help(why).into());
            }
        }
        Ok(())
    }
}

/// Reads the first row for networks with an input of this shape.
fn try_data(set: &BenchData, shape: &[usize], pixels: Option<Pixels>) -> Result<(), Diagnostics> {
    let request = DataRequest {
        data: &set.data,
        labels: set.labels.as_ref(),
        rows: Some(0..1),
        rows_option: "--data-rows",
        shape,
        classes: u32::MAX as usize,
        pixels,
    };
    read_data_set(&request).map(|_| ())
}

/// Hash of a data set's files.
fn files_hash(set: &BenchData, pixels: Option<Pixels>) -> Result<ContentHash, Diagnostic> {
    let mut h = ceg4n_base::Hasher::new("data files");
    let mut add = |path: &Path| {
        let bytes = std::fs::read(path).map_err(|e| {
            let text = format!("cannot read {}: {e}", path.display());
            Diagnostic::error(codes::FILE_READ, text)
        })?;
        h.bytes(&bytes);
        Ok::<(), Diagnostic>(())
    };
    for path in set.data.files()? {
        add(&path)?;
    }
    let label = match &set.labels {
        Some(LabelSource::File(source)) => {
            add(&source.path)?;
            source.tensor.clone()
        }
        Some(source @ (LabelSource::Column(_) | LabelSource::Folders)) => Some(source.to_string()),
        None => None,
    };
    h.str(&format!("{:?} {label:?} {pixels:?}", set.data.tensor));
    Ok(h.finish())
}
