//! Embeds every file of `ir-specs`, so that a new file is picked up without a list.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const SPECS: &str = "../../ir-specs";
const GRAMMAR: &str = "../../grammar/spec.pest";

fn main() -> io::Result<()> {
    // Relative paths and embedded texts: a build folder that is moved or cached stays right.
    println!("cargo::rerun-if-changed={SPECS}");
    println!("cargo::rerun-if-changed={GRAMMAR}");
    let (mut specs, mut rules) = (String::from("&[\n"), String::from("&[\n"));
    for folder in sorted(Path::new(SPECS))?.into_iter().filter(|p| p.is_dir()) {
        let table = match last(&folder).as_str() {
            "rules" => &mut rules,
            _ => &mut specs,
        };
        for file in sorted(&folder)? {
            let name = format!("{}/{}", last(&folder), last(&file));
            let text = fs::read_to_string(&file)?;
            writeln!(table, "    ({name:?}, {text:?}),").map_err(io::Error::other)?;
        }
    }
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    for (file, mut table) in [("specs.rs", specs), ("rules.rs", rules)] {
        table.push(']');
        fs::write(Path::new(&out).join(file), table)?;
    }
    Ok(())
}

/// The entries of a folder, hidden files (those of editors) left out.
fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = fs::read_dir(folder)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<io::Result<Vec<_>>>()?;
    all.retain(|p| !last(p).starts_with('.'));
    all.sort();
    Ok(all)
}

fn last(path: &Path) -> String {
    path.file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default()
}
