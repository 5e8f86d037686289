//! What a benchmark folder holds: networks, families, regions, and which of them are asked about.

use super::{BenchOptions, Scales};
use crate::engine::{Asked, questions};
use crate::failure::Failure;
use crate::load::load;
use crate::options::{Demand, LoadOptions};
use crate::parallel::parallel;
use ceg4n_base::suggest::did_you_mean;
use ceg4n_base::{ContentHash, Diagnostic, Exact, Severity, codes};
use ceg4n_ir::{Network, Property, Region, check};
use ceg4n_verify::Reference;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What files of networks end in.
const KINDS: [&str; 2] = ["onnx", "nnir"];

/// Everything that was read.
pub(super) struct Inputs {
    /// The networks that can be used, by name.
    pub nets: Vec<Net>,
    /// Those that cannot, and why.
    pub skipped: Vec<(String, String)>,
}

/// A network and its regions.
pub(super) struct Net {
    pub name: String,
    pub family: String,
    pub sha256: ContentHash,
    pub network: Arc<Network>,
    pub reference: Reference,
    /// In file order.
    pub items: Vec<Item>,
    /// Regions by kernel: a radius, or all.
    pub groups: Vec<Group>,
}

/// A region of a network.
pub(super) struct Item {
    pub asked: Asked,
    /// As text, for tables.
    pub ball_size: Option<String>,
    /// Its place in [`Net::groups`].
    pub group: usize,
    /// It is to be decided; others only take part in choosing scales and margins.
    pub wanted: bool,
    /// The first wanted region with the same box, if there is an earlier one and equal boxes are
    /// decided once.
    pub equal: Option<usize>,
}

/// Regions that share kernels.
pub(super) struct Group {
    pub regions: Vec<Region>,
}

/// The requirement that is put to every network.
pub(super) fn requirement(load: &LoadOptions) -> Demand {
    let top1 = || Demand::Property(Property::Top1);
    load.require.clone().unwrap_or_else(top1)
}

/// Reads a folder.
///
/// # Errors
/// A folder that cannot be read or holds no usable network.
pub(super) fn read(options: &BenchOptions) -> Result<Inputs, Failure> {
    let files = network_files(&options.folder, &options.networks)?;
    let names = names(&files);
    let read = parallel(options.budget.jobs, files.len(), |i| {
        read_network(options, &files[i], &names[i])
    });
    let mut inputs = Inputs {
        nets: Vec::new(),
        skipped: Vec::new(),
    };
    for (name, net) in names.into_iter().zip(read) {
        match net {
            Ok(net) => inputs.nets.push(net),
            Err(reason) => inputs.skipped.push((name, reason)),
        }
    }
    if inputs.nets.is_empty() {
        let folder = options.folder.display();
        let text = format!("no network of {folder} can be used");
        let mut d = Diagnostic::error(codes::USAGE, text);
        if let Some((name, reason)) = inputs.skipped.first() {
            d = d.help(format!("{name}: {reason}"));
        }
        return Err(d.into());
    }
    name_families(&mut inputs.nets);
    Ok(inputs)
}

pub(super) fn stem(path: &Path) -> String {
    path.file_stem()
        .map(|s| s.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// What the networks are called: the stem of the file, with the extension where two share it.
pub(super) fn names(files: &[PathBuf]) -> Vec<String> {
    let stems: Vec<String> = files.iter().map(|f| stem(f)).collect();
    let twice = |s: &String| stems.iter().filter(|t| *t == s).count() > 1;
    let name = |(file, stem): (&PathBuf, &String)| match file.file_name() {
        Some(full) if twice(stem) => full.to_string_lossy().into_owned(),
        Some(_) | None => stem.clone(),
    };
    files.iter().zip(&stems).map(name).collect()
}

/// The files of the networks that were asked for, sorted by name.
pub(super) fn network_files(folder: &Path, networks: &[String]) -> Result<Vec<PathBuf>, Failure> {
    let folder = folder.join("networks");
    let unreadable = |e: std::io::Error| {
        let text = format!("cannot read {}: {e}", folder.display());
        Failure::from(
            Diagnostic::error(codes::FILE_READ, text)
                .help("a benchmark folder holds networks/NAME.onnx and regions/NAME.json"),
        )
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let kind = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        if kind.is_some_and(|k| KINDS.contains(&k.as_str())) {
            files.push(path);
        }
    }
    files.sort();
    if let Some(pattern) = networks
        .iter()
        .find(|p| !files.iter().any(|f| matches(p, &stem(f))))
    {
        let text = format!("there is no network {pattern} in {}", folder.display());
        let known: Vec<String> = files.iter().map(|f| stem(f)).collect();
        return Err(Diagnostic::error(codes::USAGE, text)
            .help_if(did_you_mean(pattern, known.iter().map(String::as_str)))
            .help("a name stands without its extension; * stands for anything")
            .into());
    }
    let wanted = |f: &PathBuf| {
        let name = stem(f);
        networks.is_empty() || networks.iter().any(|p| matches(p, &name))
    };
    files.retain(wanted);
    Ok(files)
}

/// Does a name match a pattern in which `*` stands for anything?
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// One network with its questions; a reason if it cannot be used.
fn read_network(options: &BenchOptions, file: &Path, name: &str) -> Result<Net, String> {
    let mut load_options = LoadOptions {
        net: file.to_owned(),
        require: Some(requirement(&options.load)),
        // Regions that are not asked about still take part in choosing scales.
        region_ids: Vec::new(),
        ..options.load.clone()
    };
    let regions = options.folder.join("regions");
    let regions = regions.join(format!("{}.json", stem(file)));
    if load_options.regions.is_empty() && regions.exists() {
        load_options.regions = vec![regions];
    }
    let mut loaded = load(&load_options).map_err(|f| first_error(&f))?;
    if let Err(d) = loaded.prepare(options.reference) {
        return Err(first_error(&loaded.fail(d)));
    }
    if loaded.original.is_some() {
        return Err("it is a quantized model, whose formats are its own".to_owned());
    }
    let prepared =
        questions(&loaded).and_then(|asked| Ok((asked, check(loaded.module.reference())?)));
    let (asked, program) = match prepared {
        Ok(p) => p,
        Err(d) => return Err(first_error(&loaded.fail(d))),
    };
    let mut net = Net {
        family: String::new(),
        sha256: loaded.sha256,
        network: loaded.module.network.clone(),
        reference: Reference::new(&program).with_precision(options.reference),
        items: Vec::new(),
        groups: Vec::new(),
        name: name.to_owned(),
    };
    sort_into_groups(options, &mut net, asked);
    if !net.items.iter().any(|i| i.wanted) {
        return Err("it has none of the regions asked for".to_owned());
    }
    Ok(net)
}

pub(super) fn first_error(f: &Failure) -> String {
    let errors = f.diagnostics.0.iter();
    errors
        .filter(|d| d.severity == Severity::Error)
        .map(|d| d.message.clone())
        .next()
        .unwrap_or_else(|| "it cannot be read".to_owned())
}

/// Groups regions by radius or not at all, and finds equal boxes.
fn sort_into_groups(options: &BenchOptions, net: &mut Net, asked: Vec<Asked>) {
    let ids = &options.load.region_ids;
    let mut radii: Vec<Option<Exact>> = Vec::new();
    let mut boxes: BTreeMap<(Vec<Exact>, Vec<Exact>), usize> = BTreeMap::new();
    for (i, asked) in asked.into_iter().enumerate() {
        let radius = match options.scales {
            Scales::Radius => asked.region.ball_size.clone(),
            Scales::Network => None,
        };
        let group = radii.iter().position(|r| *r == radius).unwrap_or_else(|| {
            radii.push(radius);
            net.groups.push(Group {
                regions: Vec::new(),
            });
            radii.len() - 1
        });
        net.groups[group].regions.push(asked.region.clone());
        let wanted = ids.is_empty() || ids.contains(&asked.region.id);
        let key = || (asked.region.lower.clone(), asked.region.upper.clone());
        let equal = match options.distinct && wanted {
            true => {
                let first = *boxes.entry(key()).or_insert(i);
                (first != i).then_some(first)
            }
            false => None,
        };
        net.items.push(Item {
            ball_size: asked.region.ball_size.as_ref().map(Exact::to_string),
            asked,
            group,
            wanted,
            equal,
        });
    }
}

/// Networks of one shape are a family; its name is what their names begin with.
fn name_families(nets: &mut [Net]) {
    let shape = |n: &Net| (n.reference.input_len(), n.reference.output_len());
    let mut families: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
    for n in nets.iter() {
        families.entry(shape(n)).or_default().push(&n.name);
    }
    let names: BTreeMap<(usize, usize), String> = families
        .into_iter()
        .map(|(shape, members)| (shape, common_name(&members)))
        .collect();
    for n in nets {
        let (inputs, outputs) = shape(n);
        n.family = match names.get(&(inputs, outputs)) {
            Some(name) if !name.is_empty() => name.clone(),
            Some(_) | None => format!("{inputs} to {outputs}"),
        };
    }
}

/// What names begin with, up to the last separator; all of a lone name.
pub(super) fn common_name(names: &[&str]) -> String {
    let [first, others @ ..] = names else {
        return String::new();
    };
    let same = |a: &str, b: &str| a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let Some(common) = others.iter().map(|n| same(first, n)).min() else {
        return (*first).to_owned();
    };
    let common: String = first.chars().take(common).collect();
    match common.rfind(|c: char| !c.is_alphanumeric()) {
        Some(at) => common[..at].to_owned(),
        None => common,
    }
}

#[cfg(test)]
mod tests {
    use super::{common_name, matches};

    #[test]
    fn families_are_called_what_their_names_begin_with() {
        for (names, family) in [
            (&["iris_3x2"][..], "iris_3x2"),
            (&["iris_3x2", "iris_10x2"], "iris"),
            (&["mnist_64_10x1", "mnist_64_10x2"], "mnist_64"),
            (&["mnist_784_10x1", "mnist-net_256x2"], "mnist"),
            (&["ab", "ac"], "a"),
            (&["a", "b"], ""),
            (&[], ""),
        ] {
            assert_eq!(common_name(names), family);
        }
    }

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name, hit) in [
            ("iris", "iris", true),
            ("iris", "iris_3x2", false),
            ("iris*", "iris_3x2", true),
            ("*_3x2", "iris_3x2", true),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), hit, "{pattern} {name}");
        }
    }
}
