//! Embeds every file of `ir-specs`, so that a new file is picked up without a list.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(required("CARGO_MANIFEST_DIR")?);
    let root = manifest.join("../../ir-specs").canonicalize()?;
    println!("cargo::rerun-if-changed={}", root.display());
    println!("cargo::rerun-if-changed=../../grammar/spec.pest");
    let mut table = String::from("&[\n");
    for folder in sorted(&root)?.into_iter().filter(|p| p.is_dir()) {
        for file in sorted(&folder)? {
            let name = format!("{}/{}", last(&folder), last(&file));
            writeln!(
                table,
                "    ({name:?}, include_str!({:?})),",
                file.display().to_string()
            )
            .map_err(io::Error::other)?;
        }
    }
    table.push(']');
    fs::write(Path::new(&required("OUT_DIR")?).join("specs.rs"), table)
}

fn required(variable: &str) -> io::Result<String> {
    env::var(variable).map_err(io::Error::other)
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = fs::read_dir(folder)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<io::Result<Vec<_>>>()?;
    all.sort();
    Ok(all)
}

fn last(path: &Path) -> String {
    path.file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default()
}
