//! Tensors whose data are in another file, beside the model or below its folder.

use super::proto::TensorProto;
use ceg4n_base::{Diagnostic, codes};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// Where the data of a model's tensors may be.
#[derive(Debug)]
pub(crate) struct Store {
    /// The model's folder; `None` for a model that is no file.
    folder: Option<PathBuf>,
}

impl Store {
    /// The files below a folder.
    pub(crate) fn below(folder: Option<&Path>) -> Self {
        Self {
            folder: folder.map(Path::to_path_buf),
        }
    }

    /// The bytes of a tensor that keeps them elsewhere; `what` names it, `size` is how many bytes
    /// its dimensions ask for.
    ///
    /// # Errors
    /// [`codes::ONNX_GRAPH`] for a place outside the folder or another length,
    /// [`codes::FILE_READ`] for a file that cannot be read.
    pub(crate) fn read(
        &self,
        t: &TensorProto,
        what: &str,
        size: usize,
    ) -> Result<Vec<u8>, Diagnostic> {
        let graph = |m: String| Diagnostic::error(codes::ONNX_GRAPH, m);
        let entry = |key: &str| {
            let found = t.external_data.iter().find(|e| e.key == key);
            found.map(|e| e.value.as_str())
        };
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => text
                .parse::<u64>()
                .map(Some)
                .map_err(|_| graph(format!("{what} is stored with the {key} {text:?}"))),
        };
        let Some(folder) = &self.folder else {
            return Err(graph(format!("{what} keeps its data in another file"))
                .help("import the model from its file, beside which the data are"));
        };
        let location = entry("location")
            .ok_or_else(|| graph(format!("{what} does not say in which file its data are")))?;
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        if length.is_some_and(|n| n != size as u64) {
            return Err(graph(format!(
                "{what} needs {size} bytes but {} are stored",
                length.unwrap_or(0)
            )));
        }
        let path = inside(folder, location).ok_or_else(|| {
            graph(format!(
                "{what} keeps its data in {location:?}, which is not below the model's folder"
            ))
            .help("save the model in one file, or its data beside it")
        })?;
        part(&path, offset, size).map_err(|m| {
            let text = format!("cannot read the data of {what} in {}: {m}", path.display());
            Diagnostic::error(codes::FILE_READ, text)
                .help("the model's data files belong beside it: fetch or copy them too")
        })
    }
}

/// The path of a file below a folder; `None` for one that leads elsewhere, also by a link.
fn inside(folder: &Path, location: &str) -> Option<PathBuf> {
    let relative = Path::new(location);
    let plain = |c: Component<'_>| matches!(c, Component::Normal(_) | Component::CurDir);
    if location.is_empty() || !relative.components().all(plain) {
        return None;
    }
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let path = folder.join(relative);
    match (path.canonicalize(), folder.canonicalize()) {
        (Ok(real), Ok(root)) => real.starts_with(root).then_some(path),
        // A missing file is told by reading it.
        _ => Some(path),
    }
}

fn part(path: &Path, offset: u64, size: usize) -> Result<Vec<u8>, String> {
    let kind = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if !kind.is_file() {
        return Err("it is no file".to_owned());
    }
    let end = offset.checked_add(size as u64);
    if end.is_none_or(|end| end > kind.len()) {
        return Err(format!(
            "it has {} bytes, not {size} from {offset} on",
            kind.len()
        ));
    }
    let mut file = File::open(path).map_err(|e| e.to_string())?;
    file.seek(SeekFrom::Start(offset))
        .map_err(|e| e.to_string())?;
    let mut bytes = vec![0; size];
    file.read_exact(&mut bytes).map_err(|e| e.to_string())?;
    Ok(bytes)
}
