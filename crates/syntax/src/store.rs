//! Modules on disk. A file appears whole or not at all.

use crate::files::{Folder, holds, serialize};
use crate::print::{PrintOptions, whole};
use crate::resolve::parse;
use ceg4n_base::suggest::missing_file;
use ceg4n_base::{ContentHash, Diagnostic, Diagnostics, Sources, codes};
use ceg4n_import::vnnlib;
use ceg4n_ir::{Module, Origin, Property};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Reads a `.nnir` file and the tensors beside it. The text is added to `sources`, also where
/// it is refused, so that the diagnostics can be shown.
///
/// # Errors
/// `FILE_READ` if the file cannot be read or is no UTF-8 text, and all of [`parse`].
pub fn load(sources: &mut Sources, path: &Path) -> Result<Module, Diagnostics> {
    let fail = |message: String| {
        let d = Diagnostic::error(codes::FILE_READ, message).help_if(missing_file(path));
        Diagnostics::from(d.place(path.display().to_string()))
    };
    let name = path.display().to_string();
    let file = path.file_name().map(Path::new).unwrap_or(path);
    let bytes = crate::Files::read(&Folder(folder(path)), &file.to_string_lossy())
        .map_err(|e| fail(format!("cannot read {name}: {e}")))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        fail(format!("{name} is no UTF-8 text (byte {at})"))
    })?;
    parse(sources, &name, &text, &Folder(folder(path)))
}

/// Writes a module as a `.nnir` file, with a `.safetensors` file beside it if it is large.
///
/// Files of constants that hold their tensors already are referred to and left alone; other
/// tensors go to `STEM.safetensors`, or, where that holds something else, to
/// `STEM-HASH.safetensors`: no existing file of tensors is changed, so the text that stood at
/// `path` stays valid until the new one replaces it. The same goes for queries: a VNN-LIB file
/// that says what the module says is referred to, others are written anew.
///
/// # Errors
/// `FILE_WRITE` if a file cannot be written; nothing half-written remains.
pub fn save(path: &Path, module: &Module) -> Result<(), Diagnostic> {
    let folder = folder(path);
    let versions = module.versions.iter().collect();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut options = PrintOptions {
        keep_files: Some(valid_files(module, &folder)),
        taken: BTreeSet::new(),
        side_file: format!("{stem}.safetensors"),
        ..PrintOptions::default()
    };
    let (mut text, mut side) = whole(module, &versions, &options);
    let own = side.blobs().get(&options.side_file);
    if let Some(needed) = own
        && let Ok(present) = fs::read(folder.join(&options.side_file))
        && !holds(&present, needed)
    {
        let hash = ContentHash::of(&serialize(needed)).short();
        options.side_file = format!("{stem}-{hash}.safetensors");
        (text, side) = whole(module, &versions, &options);
    }
    let differs = |(name, text): (&String, &String)| {
        let present = fs::read(folder.join(name)).ok()?;
        (present != text.as_bytes()).then(|| name.clone())
    };
    options.taken = side.texts().iter().filter_map(differs).collect();
    if !options.taken.is_empty() {
        (text, side) = whole(module, &versions, &options);
    }
    for (name, query) in side.texts() {
        replace(&folder.join(name), query.as_bytes())?;
    }
    for (name, blobs) in side.blobs() {
        let target = folder.join(name);
        let present = fs::read(&target).is_ok_and(|bytes| holds(&bytes, blobs));
        if !present {
            replace(&target, &serialize(blobs))?;
        }
    }
    replace(path, text.as_bytes())
}

/// The files of constants and queries that hold, in this folder, what the module says they hold.
fn valid_files(module: &Module, folder: &Path) -> BTreeSet<String> {
    let network = &module.network;
    let origins: BTreeSet<&str> = network
        .values()
        .keys()
        .filter_map(|v| match &network.constant(v)?.origin {
            Origin::File { path, .. } => Some(path.as_str()),
            Origin::Inline => None,
        })
        .collect();
    // Without versions and inline constants: only what the origins name.
    let options = PrintOptions {
        inline_limit: usize::MAX,
        ..PrintOptions::default()
    };
    let (_, side) = whole(module, &Vec::new(), &options);
    let valid = |path: &str| {
        let blobs = side.blobs().get(path)?;
        let bytes = fs::read(folder.join(path)).ok()?;
        holds(&bytes, blobs).then(|| path.to_owned())
    };
    let tensors = origins.into_iter().filter_map(valid);
    tensors.chain(valid_queries(module, folder)).collect()
}

/// The paths of queries that stand for what the module says, wherever it says it.
fn valid_queries(module: &Module, folder: &Path) -> BTreeSet<String> {
    let mut paths: BTreeMap<&str, bool> = BTreeMap::new();
    for r in &module.requirements {
        let Property::Spec(spec) = &r.property else {
            continue;
        };
        let valid = paths.entry(&spec.path).or_insert(true);
        *valid = *valid && {
            let path = folder.join(&spec.path);
            let query = vnnlib::query_from_file(&mut Sources::default(), &path);
            query.is_ok_and(|q| {
                let on = q.on_regions(&spec.path, &r.regions, &module.regions);
                matches!(&on[..], [(s, _)] if s.hash() == spec.hash())
            })
        };
    }
    let valid = paths.into_iter().filter(|(_, valid)| *valid);
    valid.map(|(path, _)| path.to_owned()).collect()
}

/// The folder of a file.
fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Writes beside the target and renames.
fn replace(target: &Path, bytes: &[u8]) -> Result<(), Diagnostic> {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = target.with_file_name(name);
    let write = || -> io::Result<()> {
        let mut file = fs::File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, target)
    };
    write().map_err(|e| {
        // Where even that fails there is nothing left to do about the rest of the file.
        let _ = fs::remove_file(&beside);
        let name = target.display().to_string();
        Diagnostic::error(codes::FILE_WRITE, format!("cannot write {name}: {e}")).place(name)
    })
}
