//! Output folders: complete or absent, and nothing that a user had is lost.
//!
//! A folder of ours has a manifest of the files that the tool wrote. It is replaced only if it
//! holds nothing else; a proved result that a run without proof would replace is kept beside.
//!
//! The files of the run store stay where they are while the rest is replaced: a new folder gets links
//! to them before it takes the place of the old one.

use crate::replace::{
    clear_abandoned, exchange, free_name, parent, point, recover, sync_files, sync_folder,
};
use ceg4n_base::{Diagnostic, codes};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file that marks a folder as one of ours and lists what it holds.
const MANIFEST: &str = "MANIFEST";
/// Its first line.
const TITLE: &str = "ceg4nc output; files:";

/// A folder under construction beside its final place.
#[derive(Debug)]
pub struct Staged {
    target: PathBuf,
    temporary: PathBuf,
    committed: bool,
}

fn cannot(what: &str, path: &Path, e: &io::Error) -> Diagnostic {
    Diagnostic::error(
        codes::FILE_WRITE,
        format!("cannot {what} {}: {e}", path.display()),
    )
    .help(match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or choose another folder with -o"
        }
        _ => "choose another folder with -o, or mend its permissions",
    })
}

impl Staged {
    /// Starts a folder that will stand at `target`. Called before the work begins, so that a
    /// place that cannot be written is told at once.
    ///
    /// # Errors
    /// A target that exists and holds anything that this tool did not write, or that cannot be
    /// written.
    pub fn begin(target: &Path) -> Result<Self, Diagnostic> {
        let target = place(target);
        recover(&target);
        refuse_foreign(&target)?;
        let name = target
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let parent = parent(&target);
        fs::create_dir_all(&parent).map_err(|e| cannot("create", &parent, &e))?;
        clear_abandoned(&target);
        let temporary = parent.join(format!(".{name}.{}.partial", std::process::id()));
        if temporary.exists() {
            fs::remove_dir_all(&temporary).map_err(|e| cannot("clear", &temporary, &e))?;
        }
        fs::create_dir(&temporary).map_err(|e| cannot("write into", &parent, &e))?;
        Ok(Self {
            target,
            temporary,
            committed: false,
        })
    }

    /// Where files are being collected.
    pub fn folder(&self) -> &Path {
        &self.temporary
    }

    /// Writes a file below the folder; `/` separates components.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, path: &str, content: &[u8]) -> Result<(), Diagnostic> {
        let file = path
            .split('/')
            .fold(self.temporary.clone(), |p, part| p.join(part));
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).map_err(|e| cannot("create", parent, &e))?;
        }
        fs::write(&file, content).map_err(|e| cannot("write", &file, &e))
    }

    /// Puts the folder in its place once all of it is on the disk. An earlier output of this tool
    /// there is replaced; with `keep_earlier` it is moved beside, and the place is returned.
    ///
    /// # Errors
    /// What the file system says; then the earlier output stands as it was.
    pub fn commit(mut self, keep_earlier: bool) -> Result<Option<PathBuf>, Diagnostic> {
        let files = files_of(&self.temporary).map_err(|e| cannot("read", &self.temporary, &e))?;
        let list: Vec<String> = files.into_iter().collect();
        self.write(
            MANIFEST,
            format!("{TITLE}\n{}\n", list.join("\n")).as_bytes(),
        )?;
        refuse_foreign(&self.target)?;
        point();
        let had = self.target.exists();
        if had {
            link_store(&self.target, &self.temporary)?;
        }
        point();
        self.sync(&list)
            .map_err(|e| cannot("write", &self.temporary, &e))?;
        if !had {
            fs::rename(&self.temporary, &self.target)
                .map_err(|e| cannot("write", &self.target, &e))?;
            self.committed = true;
            let _ = sync_folder(&parent(&self.target));
            return Ok(None);
        }
        self.replace(keep_earlier)
    }

    /// Brings the new folder to the disk, the store's names in it too.
    fn sync(&self, files: &[String]) -> io::Result<()> {
        let files: Vec<&str> = files.iter().map(String::as_str).chain([MANIFEST]).collect();
        sync_files(&self.temporary, &files)?;
        sync_folder(&self.temporary)
    }

    /// The new folder takes the place of the earlier one.
    fn replace(&mut self, keep_earlier: bool) -> Result<Option<PathBuf>, Diagnostic> {
        // An earlier output that is to be kept stands under its new name from the moment on that it
        // is replaced.
        let from = match keep_earlier {
            true => {
                let kept = free_name(&self.target);
                fs::rename(&self.temporary, &kept).map_err(|e| cannot("write", &kept, &e))?;
                kept
            }
            false => self.temporary.clone(),
        };
        point();
        if let Err(e) = exchange(&from, &self.target) {
            let _ = fs::rename(&from, &self.temporary);
            return Err(cannot("replace", &self.target, &e));
        }
        self.committed = true;
        point();
        // The earlier folder goes only after the disk knows the new one.
        let _ = sync_folder(&parent(&self.target));
        if !keep_earlier {
            let _ = fs::remove_dir_all(&from);
            return Ok(None);
        }
        for name in ceg4n_store::FILES {
            let _ = fs::remove_file(from.join(name));
        }
        Ok(Some(from))
    }

    /// The text of a file of the earlier output, if there is one.
    pub fn earlier(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.target.join(path)).ok()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.committed {
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}

/// Where a folder really stands: a link stays what it is; what it points to is replaced.
fn place(target: &Path) -> PathBuf {
    match fs::symlink_metadata(target) {
        Ok(m) if m.is_symlink() => fs::canonicalize(target).unwrap_or_else(|_| target.to_owned()),
        Ok(_) | Err(_) => target.to_owned(),
    }
}

/// Makes an output folder for a run that has no result yet, unless there is one; returns its place,
/// and whether it was made.
///
/// # Errors
/// As [`Staged::begin`].
pub(crate) fn prepare(target: &Path) -> Result<(PathBuf, bool), Diagnostic> {
    let target = place(target);
    recover(&target);
    refuse_foreign(&target)?;
    let had = target.exists();
    fs::create_dir_all(&target).map_err(|e| cannot("create", &target, &e))?;
    let manifest = target.join(MANIFEST);
    if !fs::read_to_string(&manifest).is_ok_and(|text| text.starts_with(TITLE)) {
        fs::write(&manifest, format!("{TITLE}\n")).map_err(|e| cannot("write", &manifest, &e))?;
    }
    if !had {
        sync_files(&target, &[MANIFEST])
            .and_then(|()| sync_folder(&target))
            .and_then(|()| sync_folder(&parent(&target)))
            .map_err(|e| cannot("write", &target, &e))?;
    }
    Ok((target, !had))
}

/// Removes a folder that was made for a run which came to nothing: it holds the store alone.
pub(crate) fn discard(folder: &Path) {
    for name in ceg4n_store::FILES.into_iter().chain([MANIFEST]) {
        let _ = fs::remove_file(folder.join(name));
    }
    // Whatever else is in it stays.
    let _ = fs::remove_dir(folder);
}

/// Gives the new folder the store of the old one.
fn link_store(old: &Path, new: &Path) -> Result<(), Diagnostic> {
    for name in ceg4n_store::FILES {
        let (from, to) = (old.join(name), new.join(name));
        match fs::hard_link(&from, &to) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => {
                let text = format!("cannot give {} a second name: {e}", from.display());
                return Err(Diagnostic::error(codes::FILE_WRITE, text).help(
                    "the store needs a file system with hard links: choose another folder with -o, or --no-store",
                ));
            }
            Ok(()) => {}
        }
    }
    Ok(())
}

/// Refuses a target that is no folder of ours, or holds files that this tool did not write.
fn refuse_foreign(target: &Path) -> Result<(), Diagnostic> {
    let foreign = |what: String| {
        Err(Diagnostic::error(codes::FILE_WRITE, what)
            .help("choose another folder with -o; nothing was changed"))
    };
    let place = target.display();
    if !target.exists() {
        return Ok(());
    }
    let Ok(found) = files_of(target) else {
        return foreign(format!("{place} exists and is no folder that can be read"));
    };
    if found.is_empty() {
        return Ok(());
    }
    let manifest = fs::read_to_string(target.join(MANIFEST)).unwrap_or_default();
    let own = |f: &String| f == MANIFEST || ceg4n_store::FILES.contains(&f.as_str());
    if TITLE.starts_with(&manifest) && found.contains(MANIFEST) && found.iter().all(own) {
        // A run was killed while it made the folder.
        return Ok(());
    }
    let mut lines = manifest.lines();
    if lines.next() != Some(TITLE) {
        return foreign(format!("{place} exists and is no output folder of ceg4nc"));
    }
    let ours: BTreeSet<&str> = lines.chain([MANIFEST]).chain(ceg4n_store::FILES).collect();
    match found.iter().find(|f| !ours.contains(f.as_str())) {
        Some(file) => foreign(format!("{place} holds {file}, which ceg4nc did not write")),
        None => Ok(()),
    }
}

/// Adds a file to the list of an output folder that does not have it; other folders stay as they
/// are.
///
/// # Errors
/// What the file system says.
pub(crate) fn list_in_manifest(folder: &Path, file: &str) -> Result<(), Diagnostic> {
    let manifest = folder.join(MANIFEST);
    let Ok(text) = fs::read_to_string(&manifest) else {
        return Ok(());
    };
    let mut lines = text.lines();
    if lines.next() != Some(TITLE) || lines.any(|l| l == file) {
        return Ok(());
    }
    let text = format!("{}\n{file}\n", text.trim_end());
    fs::write(&manifest, text).map_err(|e| cannot("write", &manifest, &e))
}

/// Every file below a folder, relative, with `/`. Links count as files.
fn files_of(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut open = vec![(folder.to_owned(), String::new())];
    while let Some((path, prefix)) = open.pop() {
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                open.push((entry.path(), format!("{name}/")));
            } else {
                found.insert(name);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        let staged = Staged::begin(&target).unwrap();
        staged.write("c/a.c", b"1").unwrap();
        assert!(!target.exists());
        drop(staged);
        assert_eq!(entries(dir.path()), 0);

        let staged = Staged::begin(&target).unwrap();
        staged.write("report.json", b"{}").unwrap();
        staged.commit(false).unwrap();
        let again = Staged::begin(&target).unwrap();
        assert_eq!(again.earlier("report.json").as_deref(), Some("{}"));
        again.write("report.json", b"2").unwrap();
        again.commit(false).unwrap();
        assert_eq!(fs::read(target.join("report.json")).unwrap(), b"2");
        assert_eq!(entries(dir.path()), 1);
    }

    #[test]
    fn what_a_user_had_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("thesis");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("report.json"), b"x").unwrap();
        assert_eq!(Staged::begin(&target).unwrap_err().code, codes::FILE_WRITE);
        let file = dir.path().join("file");
        fs::write(&file, b"x").unwrap();
        assert_eq!(Staged::begin(&file).unwrap_err().code, codes::FILE_WRITE);
        assert_eq!(
            Staged::begin(&file.join("below")).unwrap_err().code,
            codes::FILE_WRITE
        );
    }

    #[test]
    fn a_file_added_to_an_output_stops_its_replacement() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        let staged = Staged::begin(&target).unwrap();
        staged.write("c/a.c", b"1").unwrap();
        staged.commit(false).unwrap();
        let running = Staged::begin(&target).unwrap();
        fs::write(target.join("c/main.c"), b"mine").unwrap();
        let told = Staged::begin(&target).unwrap_err().message;
        assert!(told.contains("c/main.c"), "{told}");
        // Added while a run is under way, it is found when the run ends.
        assert!(running.commit(false).is_err());
        assert_eq!(fs::read(target.join("c/main.c")).unwrap(), b"mine");
        assert_eq!(entries(dir.path()), 1);
    }

    #[test]
    fn an_earlier_output_can_be_kept() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        for (text, keep) in [("1", false), ("2", true), ("3", true)] {
            let staged = Staged::begin(&target).unwrap();
            staged.write("report.json", text.as_bytes()).unwrap();
            staged.commit(keep).unwrap();
        }
        let read = |p: &str| fs::read_to_string(dir.path().join(p).join("report.json")).unwrap();
        assert_eq!(
            [read("out"), read("out.previous"), read("out.previous-2")],
            ["3", "1", "2"]
        );
    }

    #[test]
    fn a_folder_that_was_only_begun_is_ours() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "ceg4nc out"] {
            let target = dir.path().join(format!("out-{}", text.len()));
            fs::create_dir(&target).unwrap();
            fs::write(target.join(MANIFEST), text).unwrap();
            prepare(&target).unwrap();
            let manifest = fs::read_to_string(target.join(MANIFEST)).unwrap();
            assert!(manifest.starts_with(TITLE), "{manifest}");
            fs::write(target.join(MANIFEST), text).unwrap();
            fs::write(target.join("mine"), b"x").unwrap();
            assert!(prepare(&target).is_err());
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let staged = Staged::begin(&link).unwrap();
        staged.write("report.json", b"1").unwrap();
        staged.commit(false).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(real.join("report.json")).unwrap(), b"1");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_killed_runs_left_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        // No process has the largest number.
        fs::create_dir(dir.path().join(".out.4294967295.partial")).unwrap();
        drop(Staged::begin(&target).unwrap());
        assert_eq!(entries(dir.path()), 0);
    }
}
