//! Stored rows: `DIR/NETWORK/RADIUS/PRESET.json` beside the folder `PRESET` that the run wrote.
//! A file of a row is complete or absent.

use crate::failure::Failure;
use ceg4n_base::{Diagnostic, codes};
use ceg4n_report::{CompileBench, CompileRow};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file of the whole table.
const TABLE: &str = "bench.json";

/// Where rows are kept.
pub(super) struct Store {
    folder: PathBuf,
    /// The folder goes when the run ends.
    temporary: bool,
}

fn cannot(what: &str, path: &Path, e: &io::Error) -> Diagnostic {
    let text = format!("cannot {what} {}: {e}", path.display());
    Diagnostic::error(codes::FILE_WRITE, text)
        .help("choose another folder with -o, or mend its permissions")
}

impl Store {
    /// The store of a folder; without one, a temporary folder.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub(super) fn open(folder: Option<&Path>) -> Result<Self, Diagnostic> {
        let (folder, temporary) = match folder {
            Some(folder) => (folder.to_owned(), false),
            None => (free_folder(), true),
        };
        fs::create_dir_all(&folder).map_err(|e| cannot("create", &folder, &e))?;
        Ok(Self { folder, temporary })
    }

    /// The folder that the run of a row writes.
    pub(super) fn folder(&self, place: &Path) -> PathBuf {
        self.folder.join(place)
    }

    fn file(&self, place: &Path) -> PathBuf {
        let mut name = self.folder.join(place).into_os_string();
        name.push(".json");
        name.into()
    }

    /// A stored row; none where there is no file of one.
    pub(super) fn row(&self, place: &Path) -> Option<CompileRow> {
        read(&self.file(place))
    }

    /// Stores a row in place of an earlier one.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn put(&self, place: &Path, row: &CompileRow) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(row).map_err(|e| {
            Diagnostic::error(codes::INTERNAL, format!("a row cannot be written: {e}"))
        })?;
        whole(&self.file(place), &(text + "\n"))?;
        Ok(())
    }

    /// Every stored row, in no particular order.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub(super) fn all(&self) -> Result<Vec<CompileRow>, Failure> {
        let mut rows = Vec::new();
        for network in entries(&self.folder)? {
            for radius in entries(&network)? {
                let files = entries(&radius)?;
                rows.extend(files.iter().filter_map(|file| read(file)));
            }
        }
        Ok(rows)
    }

    /// Writes the table.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn finish(&self, bench: &CompileBench) -> Result<(), Failure> {
        if !self.temporary {
            whole(&self.folder.join(TABLE), &bench.to_json())?;
        }
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.temporary {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A folder of this process that does not exist.
fn free_folder() -> PathBuf {
    let base = std::env::temp_dir();
    let name = |i: u32| base.join(format!("ceg4nc-bench-{}-{i}", std::process::id()));
    let free = (0..).map(name).find(|p| !p.exists());
    free.unwrap_or(base)
}

/// A row's file; anything else is none.
fn read(file: &Path) -> Option<CompileRow> {
    let is_row = file.extension().is_some_and(|e| e == "json") && file.is_file();
    let text = is_row.then(|| fs::read_to_string(file).ok()).flatten()?;
    serde_json::from_str(&text).ok()
}

/// What a folder holds, sorted; nothing of what is no folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let unreadable = |e: io::Error| cannot("read", folder, &e);
    let mut list = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        list.push(entry.map_err(unreadable)?.path());
    }
    list.sort();
    Ok(list)
}

/// Writes a file beside its place and renames it.
fn whole(file: &Path, text: &str) -> Result<(), Diagnostic> {
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).map_err(|e| cannot("create", parent, &e))?;
    }
    let partial = file.with_extension(format!("{}.partial", std::process::id()));
    let written = fs::write(&partial, text).and_then(|()| fs::rename(&partial, file));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written.map_err(|e| cannot("write", file, &e))
}
