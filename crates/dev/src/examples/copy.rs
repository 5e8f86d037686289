//! Copies of the repository and of what was built, made so that cargo builds little again.

use crate::{Error, Tree};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Copies the repository's own files and keeps the times that cargo compares. Files that have the
/// place of the repository compiled in are new, so that they are compiled for their new place.
///
/// # Errors
/// What cannot be read or written.
pub(super) fn tree(from: &Path, to: &Path) -> Result<(), Error> {
    let now = SystemTime::now();
    for path in Tree::read(from)?.paths() {
        let (source, target) = (from.join(path), to.join(path));
        make_parent(&target)?;
        let bytes = fs::read(&source).map_err(|e| file(&source, e))?;
        let has_place = bytes.windows(PLACE.len()).any(|w| w == PLACE.as_bytes());
        fs::copy(&source, &target).map_err(|e| file(&target, e))?;
        let time = match has_place {
            true => now,
            false => modified(&source)?,
        };
        set_modified(&target, time)?;
    }
    Ok(())
}

/// What a file says that has its package's folder compiled in.
const PLACE: &str = concat!("CARGO_MANIFEST", "_DIR");

/// Takes over what was built: libraries and programs as hard links, which compiler and linker
/// replace and never write into; all else, which cargo writes into, as copies with their times.
///
/// # Errors
/// What cannot be read or written.
pub(super) fn built(from: &Path, to: &Path) -> Result<(), Error> {
    for folder in [".fingerprint", "build", "deps"] {
        let mut open = vec![PathBuf::from(folder)];
        while let Some(relative) = open.pop() {
            let source = from.join(&relative);
            let target = to.join(&relative);
            fs::create_dir_all(&target).map_err(|e| file(&target, e))?;
            for entry in fs::read_dir(&source).map_err(|e| file(&source, e))? {
                let entry = entry.map_err(|e| file(&source, e))?;
                let kind = entry.file_type().map_err(|e| file(&entry.path(), e))?;
                if kind.is_dir() {
                    open.push(relative.join(entry.file_name()));
                } else if kind.is_file() {
                    take(&entry.path(), &target.join(entry.file_name()))?;
                }
            }
        }
    }
    Ok(())
}

fn take(source: &Path, target: &Path) -> Result<(), Error> {
    let large = fs::metadata(source).is_ok_and(|m| m.len() > 1 << 16);
    let extension = source.extension().and_then(|e| e.to_str());
    let replaced = matches!(extension, None | Some("rlib" | "rmeta" | "so" | "a" | "o"));
    if large && replaced && fs::hard_link(source, target).is_ok() {
        return Ok(());
    }
    fs::copy(source, target).map_err(|e| file(target, e))?;
    set_modified(target, modified(source)?)
}

pub(super) fn make_parent(path: &Path) -> Result<(), Error> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(|e| file(parent, e)),
        None => Ok(()),
    }
}

fn modified(path: &Path) -> Result<SystemTime, Error> {
    let time = fs::metadata(path).and_then(|m| m.modified());
    time.map_err(|e| file(path, e))
}

fn set_modified(path: &Path, time: SystemTime) -> Result<(), Error> {
    let opened = File::options().write(true).open(path);
    opened
        .and_then(|f| f.set_modified(time))
        .map_err(|e| file(path, e))
}

pub(super) fn file(path: &Path, source: std::io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        source,
    }
}
