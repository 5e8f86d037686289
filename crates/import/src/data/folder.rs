//! Data sets as folders of images, straight in the folder or in one folder per class.
//!
//! Images are in the order of their names, byte by byte; those of a class folder are called
//! `CLASS/FILE`. Class folders whose names are all numbers are the classes of these numbers, others
//! are counted from 0 in the order of their names, also those without an image.

use super::image;
use super::{LabelSource, Request, Table, malformed};
use crate::file;
use ceg4n_base::{Diagnostic, codes};
use std::path::{Path, PathBuf};

/// Endings of images that are not read: that one is there is no oversight.
const OTHERS: [&str; 8] = ["jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp", "pbm"];

/// An image of a folder.
struct Entry {
    path: PathBuf,
    /// Its name within the folder, with `/`.
    name: String,
    /// The number of the class folder that it is in.
    class: Option<usize>,
}

/// The rows wanted of a folder of images, or of a single image.
pub(super) fn table(path: &Path, request: &Request<'_>) -> Result<Table, Diagnostic> {
    let place = |d: Diagnostic, at: &Path| d.place(at.display().to_string());
    let entries = if path.is_dir() {
        list(path)?
    } else {
        let name = file::plain_name(path);
        let path = path.to_owned();
        vec![Entry {
            path,
            name,
            class: None,
        }]
    };
    let chosen = request.of_rows(entries.len()).map_err(|d| place(d, path))?;
    let folders = matches!(request.label, Some(LabelSource::Folders));
    let mut table = Table::new(request.inputs());
    table
        .values
        .reserve(chosen.len().saturating_mul(request.inputs()));
    for row in chosen {
        let entry = &entries[row];
        let bytes = file::bytes(&entry.path)?;
        let pixels = request.pixels.unwrap_or(super::Pixels::Unit);
        image::append(&bytes, request.shape, pixels, |v| table.values.push(v))
            .map_err(|d| place(d, &entry.path))?;
        if folders {
            let class = entry.class.ok_or_else(|| {
                let d = malformed("the image is in no class folder");
                place(d, &entry.path).help("--labels folders is for images in one folder per class")
            })?;
            table.labels.push(class.to_string());
        }
        table.rows.push(row);
    }
    table.names = entries.into_iter().map(|e| e.name).collect();
    table.total = Some(table.names.len());
    Ok(table)
}

/// The paths of the images of a folder, in order.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    Ok(list(folder)?.into_iter().map(|e| e.path).collect())
}

/// The images of a folder, in order.
fn list(folder: &Path) -> Result<Vec<Entry>, Diagnostic> {
    let mut out = Vec::new();
    let mut others = Vec::new();
    let (files, folders) = children(folder)?;
    images(files, "", None, &mut out, &mut others);
    let numbers: Option<Vec<usize>> = folders.iter().map(|(n, _)| n.parse().ok()).collect();
    for (k, (name, path)) in folders.iter().enumerate() {
        let class = numbers.as_ref().map_or(k, |n| n[k]);
        let (files, _) = children(path)?;
        images(
            files,
            &format!("{name}/"),
            Some(class),
            &mut out,
            &mut others,
        );
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(name) = others.first() {
        let text = format!("{} images of another kind, such as {name}", others.len());
        return Err(malformed(text)
            .place(folder.display().to_string())
            .help("images are read as .png, .pgm and .ppm; convert the others"));
    }
    if out.is_empty() {
        let d = malformed("the folder has no image, nor has a folder in it");
        return Err(d
            .place(folder.display().to_string())
            .help("images are called .png, .pgm, .ppm or .pnm"));
    }
    Ok(out)
}

type Named = Vec<(String, PathBuf)>;

/// Files and folders in a folder by name, without hidden ones.
fn children(folder: &Path) -> Result<(Named, Named), Diagnostic> {
    let failed = |e: String| {
        let text = format!("cannot read {}: {e}", folder.display());
        Diagnostic::error(codes::FILE_READ, text)
    };
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(|e| failed(e.to_string()))? {
        let path = entry.map_err(|e| failed(e.to_string()))?.path();
        let name = path.file_name().unwrap_or_default();
        let Some(name) = name.to_str().map(ToOwned::to_owned) else {
            return Err(failed(format!(
                "the name {} is no UTF-8 text",
                path.display()
            )));
        };
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            folders.push((name, path));
        } else {
            files.push((name, path));
        }
    }
    files.sort();
    folders.sort();
    Ok((files, folders))
}

/// Sorts files into images and images of another kind.
fn images(
    files: Named,
    prefix: &str,
    class: Option<usize>,
    out: &mut Vec<Entry>,
    others: &mut Vec<String>,
) {
    for (name, path) in files {
        let extension = Path::new(&name).extension().and_then(|e| e.to_str());
        let extension = extension.unwrap_or_default().to_lowercase();
        let name = format!("{prefix}{name}");
        match super::FileKind::of(&path) {
            Some(super::FileKind::Image) => out.push(Entry { path, name, class }),
            _ if OTHERS.contains(&extension.as_str()) => others.push(name),
            // Labels and texts may stand beside.
            _ => {}
        }
    }
}
