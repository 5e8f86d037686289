//! A new folder takes the place of an earlier one. At every instant, and after a loss of power, the
//! earlier one or the new one stands in the place, or the next run puts the earlier one back.

use crate::parallel::parallel;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Two folders change places: at once where the system can, else one after the other.
///
/// # Errors
/// What the file system says; then both stand where they stood.
pub(crate) fn exchange(new: &Path, target: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if at_once() {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, new, CWD, target, RenameFlags::EXCHANGE).is_ok() {
            return Ok(());
        }
    }
    in_turn(new, target)
}

/// As [`exchange`]; in between, the earlier folder has a name that [`recover`] looks for.
fn in_turn(new: &Path, target: &Path) -> io::Result<()> {
    let aside = beside(target, std::process::id());
    fs::rename(target, &aside)?;
    point();
    if let Err(e) = fs::rename(new, target) {
        let _ = fs::rename(&aside, target);
        return Err(e);
    }
    point();
    if let Err(e) = fs::rename(&aside, new) {
        let _ = fs::rename(target, new);
        let _ = fs::rename(&aside, target);
        return Err(e);
    }
    Ok(())
}

/// Where a folder stands while another takes its place.
fn beside(target: &Path, process: u32) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{process}.replaced"))
}

/// Puts an earlier output back that a killed run had put aside. Where the new one was in its place
/// already, the earlier one is kept beside.
pub(crate) fn recover(target: &Path) {
    for found in abandoned(target, ".replaced") {
        if !target.exists() {
            let _ = fs::rename(&found, target);
            continue;
        }
        for name in ceg4n_store::FILES {
            if target.join(name).exists() {
                let _ = fs::remove_file(found.join(name));
            }
        }
        let _ = fs::rename(&found, free_name(target));
    }
}

/// Removes the unfinished folders of processes that are gone.
pub(crate) fn clear_abandoned(target: &Path) {
    for found in abandoned(target, ".partial") {
        let _ = fs::remove_dir_all(found);
    }
}

/// What processes that are gone left beside a folder. Only where the system tells which processes
/// live.
fn abandoned(target: &Path, suffix: &str) -> Vec<PathBuf> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.");
    if !Path::new("/proc/self").exists() {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir(parent(target)) else {
        return Vec::new();
    };
    let gone = |path: &PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let process = file
            .strip_prefix(&prefix)
            .and_then(|rest| rest.strip_suffix(suffix))
            .and_then(|pid| pid.parse::<u32>().ok());
        process.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(gone).collect();
    found.sort();
    found
}

/// The folder that a path stands in.
pub(crate) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// `NAME.previous`, `NAME.previous-2`, …: the first that is free.
pub(crate) fn free_name(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let numbered = |i: u32| match i {
        1 => target.with_file_name(format!("{name}.previous")),
        _ => target.with_file_name(format!("{name}.previous-{i}")),
    };
    (1..)
        .map(numbered)
        .find(|p| !p.exists())
        .unwrap_or_else(|| numbered(1))
}

/// Brings files of a folder to the disk, and the names of all of them: a loss of power shall not
/// leave a folder of empty files. Files that are waited for at the same time share a write of the
/// file system's journal.
pub(crate) fn sync_files(folder: &Path, files: &[&str]) -> io::Result<()> {
    let paths: Vec<PathBuf> = files.iter().map(|f| folder.join(f)).collect();
    let synced = parallel(AT_ONCE, paths.len(), |i| File::open(&paths[i])?.sync_all());
    synced.into_iter().collect::<io::Result<()>>()?;
    let below = |path: &PathBuf| {
        let folders = path.ancestors().skip(1).take_while(|p| *p != folder);
        folders.map(Path::to_owned).collect::<Vec<_>>()
    };
    let folders: BTreeSet<PathBuf> = paths.iter().flat_map(below).collect();
    folders.iter().try_for_each(|p| sync_folder(p))
}

/// So many files are waited for at a time.
const AT_ONCE: usize = 8;

/// Brings the names in a folder to the disk.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems know no such thing.
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

/// Brings the names in a folder to the disk: the system does it by itself.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// A place where tests kill the process.
#[cfg(not(test))]
pub(crate) fn point() {}

#[cfg(not(test))]
#[cfg(target_os = "linux")]
fn at_once() -> bool {
    true
}

#[cfg(test)]
pub(crate) use tests::{at_once, point};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Staged;
    use std::collections::BTreeMap;
    use std::process::Command;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// In a child: where to write, at which point to die, whether an earlier output is kept, and
    /// whether folders change places at once.
    const FOLDER: &str = "CEG4N_TEST_FOLDER";
    const DIES_AT: &str = "CEG4N_TEST_DIES_AT";
    const KEEPS: &str = "CEG4N_TEST_KEEPS";
    const IN_TURN: &str = "CEG4N_TEST_IN_TURN";

    static PASSED: AtomicU32 = AtomicU32::new(0);

    pub(crate) fn point() {
        let at = std::env::var(DIES_AT).ok().and_then(|t| t.parse().ok());
        if at == Some(PASSED.fetch_add(1, Ordering::Relaxed)) {
            std::process::abort();
        }
    }

    pub(crate) fn at_once() -> bool {
        std::env::var_os(IN_TURN).is_none()
    }

    fn write(target: &Path, text: &str, keep: bool) {
        let staged = Staged::begin(target).unwrap();
        staged.write("report.json", text.as_bytes()).unwrap();
        staged.write("c/a.c", text.as_bytes()).unwrap();
        staged.commit(keep).unwrap();
    }

    /// The content of a whole folder.
    fn content(folder: &Path) -> Option<String> {
        let text = fs::read_to_string(folder.join("report.json")).ok()?;
        let same = fs::read_to_string(folder.join("c/a.c")).ok()? == text;
        (same && folder.join("MANIFEST").exists()).then_some(text)
    }

    /// What a process does that the next test kills; nothing in a run of the tests themselves.
    #[test]
    fn in_a_child() {
        if let Some(folder) = std::env::var_os(FOLDER) {
            write(Path::new(&folder), "new", std::env::var_os(KEEPS).is_some());
        }
    }

    /// Lets a child die at a point; true if it came to its end.
    fn child(target: &Path, point: u32, flags: &[&str]) -> bool {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "replace::tests::in_a_child"])
            .env(FOLDER, target)
            .env(DIES_AT, point.to_string());
        for flag in flags {
            command.env(flag, "1");
        }
        command.output().unwrap().status.success()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_kill_at_any_point_leaves_a_whole_folder() {
        for flags in [&[][..], &[KEEPS], &[IN_TURN], &[KEEPS, IN_TURN]] {
            let mut ends = BTreeMap::new();
            let least = 4;
            for point in 0.. {
                let dir = tempfile::tempdir().unwrap();
                let target = dir.path().join("out");
                write(&target, "earlier", false);
                fs::write(target.join(ceg4n_store::FILE), "store").unwrap();
                let through = child(&target, point, flags);
                // The next run, and what it must find.
                drop(Staged::begin(&target).unwrap());
                let place = format!("{flags:?} killed at point {point}");
                let found = content(&target).expect(&place);
                let store = fs::read_to_string(target.join(ceg4n_store::FILE)).unwrap();
                assert_eq!(store, "store", "{place}");
                let mut all = vec![found.clone()];
                for entry in fs::read_dir(dir.path()).unwrap() {
                    let path = entry.unwrap().path();
                    let name = path.file_name().unwrap().to_string_lossy().into_owned();
                    if name != "out" {
                        assert!(name.starts_with("out.previous"), "{place}: {name}");
                        all.push(content(&path).expect(&place));
                    }
                }
                let kept = all.iter().any(|t| t == "earlier");
                assert!(kept || !flags.contains(&KEEPS), "{place}: {all:?}");
                *ends.entry(found).or_insert(0) += 1;
                if through {
                    assert!(point >= least, "{flags:?} has {point} points");
                    break;
                }
            }
            assert!(
                ends["earlier"] > 0 && ends["new"] > 1,
                "{flags:?}: {ends:?}"
            );
        }
    }
}
