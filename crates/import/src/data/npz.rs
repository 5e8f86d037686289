//! Data sets as npz: a zip archive of npy arrays, packed or not.

use super::safetensors::{Wanted, ambiguous};
use super::{malformed, npy};
use crate::file;
use ceg4n_base::Diagnostic;
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// So much of an array is looked at for its dimensions.
const HEADER: u64 = 1 << 16;

/// The npy file of an array by its name; without one, of the only array with the dimensions wanted.
pub(super) fn member(
    bytes: &[u8],
    name: Option<&str>,
    wanted: Wanted,
) -> Result<Vec<u8>, Diagnostic> {
    let mut archive =
        ZipArchive::new(Cursor::new(bytes)).map_err(|e| malformed(format!("no npz file: {e}")))?;
    let mut names: Vec<String> = archive
        .file_names()
        .filter_map(|n| Some(n.ok()?.strip_suffix(".npy")?.to_owned()))
        .collect();
    names.sort_unstable();
    let chosen = match name {
        Some(name) => match names.iter().find(|n| *n == name) {
            Some(found) => found.clone(),
            None => {
                let text = format!("there is no array \"{name}\"");
                return Err(malformed(text).help(format!("arrays: {}", names.join(", "))));
            }
        },
        None => {
            let mut fitting = Vec::new();
            for name in &names {
                let start = read(&mut archive, name, HEADER, true)?;
                let fits = match (npy::dimensions(&start), wanted) {
                    (Some(n), Wanted::Rows) => n >= 2,
                    (Some(n), Wanted::Labels) => n == 1,
                    (None, _) => false,
                };
                if fits {
                    fitting.push(name);
                }
            }
            match fitting[..] {
                [one] => one.clone(),
                _ => {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    return Err(ambiguous("npz", "array", wanted, &names, fitting.len()));
                }
            }
        }
    };
    read(&mut archive, &chosen, file::MAX_BYTES, false)
}

/// The bytes of an array; only the first ones where a part is enough.
fn read(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    name: &str,
    limit: u64,
    part: bool,
) -> Result<Vec<u8>, Diagnostic> {
    let failed = |e: String| malformed(format!("array \"{name}\" cannot be unpacked: {e}"));
    let entry = archive
        .by_name(&format!("{name}.npy"))
        .map_err(|e| failed(e.to_string()))?;
    if part {
        let mut out = Vec::new();
        let read = entry.take(limit).read_to_end(&mut out);
        read.map_err(|e| failed(e.to_string()))?;
        return Ok(out);
    }
    file::take(entry, limit).map_err(failed)
}
