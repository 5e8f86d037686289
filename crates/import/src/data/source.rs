//! What a data file is, by its name, and the array that is meant of a file of several.

use crate::file;
use ceg4n_base::Diagnostic;
use std::fmt;
use std::path::{Path, PathBuf};

/// What a region file is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A list of regions: `.json`.
    Json,
    /// A query: `.vnnlib`.
    Vnnlib,
    /// A data set: `.csv`.
    Csv,
    /// A data set: `.npy`.
    Npy,
    /// A data set: `.npz`, several npy arrays.
    Npz,
    /// A data set: `…-ubyte` or `.idx…`.
    Idx,
    /// A data set: `.safetensors`.
    Safetensors,
    /// A data set of one row: `.png`, `.pgm`, `.ppm` or `.pnm`.
    Image,
    /// A data set: a folder of images.
    Folder,
}

impl FileKind {
    /// The kind of a file, from its name without `.gz`; a folder is told by looking at it. `None`
    /// for a name that says nothing.
    pub fn of(path: &Path) -> Option<Self> {
        if path.is_dir() {
            return Some(Self::Folder);
        }
        let name = file::plain_name(path).to_lowercase();
        let extension = Path::new(&name).extension().and_then(|e| e.to_str());
        match extension.unwrap_or_default() {
            "json" => Some(Self::Json),
            "vnnlib" => Some(Self::Vnnlib),
            "csv" => Some(Self::Csv),
            "npy" => Some(Self::Npy),
            "npz" => Some(Self::Npz),
            "safetensors" => Some(Self::Safetensors),
            "png" | "pgm" | "ppm" | "pnm" => Some(Self::Image),
            e if e.starts_with("idx") || name.ends_with("-ubyte") => Some(Self::Idx),
            _ => None,
        }
    }

    /// True for data sets: their rows become regions only with a radius.
    pub fn is_data(self) -> bool {
        match self {
            Self::Json | Self::Vnnlib => false,
            Self::Csv
            | Self::Npy
            | Self::Npz
            | Self::Idx
            | Self::Safetensors
            | Self::Image
            | Self::Folder => true,
        }
    }
}

/// A data file and, of a file of several arrays, the one meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSource {
    /// The file, or a folder of images.
    pub path: PathBuf,
    /// The array of a `.npz` file, the tensor of a `.safetensors` file; the only fitting one if
    /// absent.
    pub tensor: Option<String>,
}

impl DataSource {
    /// Reads `FILE`, `FILE.npz:ARRAY` or `FILE.safetensors:TENSOR`.
    pub fn from_text(text: &str) -> Self {
        for ending in [".npz:", ".npz.gz:", ".safetensors:", ".safetensors.gz:"] {
            if let Some(at) = text.find(ending) {
                let (path, tensor) = text.split_at(at + ending.len());
                return Self {
                    path: path.trim_end_matches(':').into(),
                    tensor: Some(tensor.to_owned()),
                };
            }
        }
        Self {
            path: text.into(),
            tensor: None,
        }
    }

    /// The same of a path as it was typed.
    pub fn from_path(path: &Path) -> Self {
        path.to_str().map_or_else(|| path.into(), Self::from_text)
    }

    /// The file, or the images of a folder in order.
    ///
    /// # Errors
    /// A folder that cannot be read or has no image.
    pub fn files(&self) -> Result<Vec<PathBuf>, Diagnostic> {
        match self.kind() {
            Some(FileKind::Folder) => super::folder::files(&self.path),
            _ => Ok(vec![self.path.clone()]),
        }
    }

    /// What kind of file it is.
    pub fn kind(&self) -> Option<FileKind> {
        FileKind::of(&self.path)
    }
}

impl From<&Path> for DataSource {
    fn from(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            tensor: None,
        }
    }
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.tensor.as_ref().map_or(Ok(()), |t| write!(f, ":{t}"))
    }
}
