//! Output folders: complete or absent, and nothing that a user had is lost.

use ceg4n_base::{Diagnostic, codes};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file that marks a folder as one of ours.
const MARK: &str = "report.json";

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
    .help("choose another folder with -o, or mend its permissions")
}

impl Staged {
    /// Starts a folder that will stand at `target`. Called before the work begins, so that a
    /// place that cannot be written is told at once.
    ///
    /// # Errors
    /// A target that exists and is no output folder of this tool, or cannot be written.
    pub fn begin(target: &Path) -> Result<Self, Diagnostic> {
        if target.exists() && !is_ours(target) {
            let text = format!(
                "{} exists and is no output folder of ceg4nc",
                target.display()
            );
            return Err(Diagnostic::error(codes::FILE_WRITE, text)
                .help("choose another folder with -o; nothing was changed"));
        }
        let name = target
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let parent = match target.parent() {
            Some(p) if !p.as_os_str().is_empty() => p.to_owned(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&parent).map_err(|e| cannot("create", &parent, &e))?;
        let temporary = parent.join(format!(".{name}.{}.partial", std::process::id()));
        if temporary.exists() {
            fs::remove_dir_all(&temporary).map_err(|e| cannot("clear", &temporary, &e))?;
        }
        fs::create_dir(&temporary).map_err(|e| cannot("write into", &parent, &e))?;
        Ok(Self {
            target: target.to_owned(),
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

    /// Puts the folder in its place; an earlier output of this tool there is replaced.
    ///
    /// # Errors
    /// What the file system says; then the earlier output stands as it was.
    pub fn commit(mut self) -> Result<(), Diagnostic> {
        let old = self.temporary.with_extension("replaced");
        let had = self.target.exists();
        if had && !is_ours(&self.target) {
            let text = format!("{} was put there meanwhile", self.target.display());
            return Err(
                Diagnostic::error(codes::FILE_WRITE, text).help("choose another folder with -o")
            );
        }
        if had {
            fs::rename(&self.target, &old).map_err(|e| cannot("replace", &self.target, &e))?;
        }
        if let Err(e) = fs::rename(&self.temporary, &self.target) {
            if had {
                // The earlier output goes back to its place.
                let _ = fs::rename(&old, &self.target);
            }
            return Err(cannot("write", &self.target, &e));
        }
        self.committed = true;
        if had {
            let _ = fs::remove_dir_all(&old);
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.committed {
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}

/// An empty folder, or one with a report of this tool.
fn is_ours(folder: &Path) -> bool {
    folder.is_dir()
        && (folder.join(MARK).is_file()
            || fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        let staged = Staged::begin(&target).unwrap();
        staged.write("c/a.c", b"1").unwrap();
        assert!(!target.exists());
        drop(staged);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

        let staged = Staged::begin(&target).unwrap();
        staged.write(MARK, b"{}").unwrap();
        staged.commit().unwrap();
        let again = Staged::begin(&target).unwrap();
        again.write(MARK, b"2").unwrap();
        again.commit().unwrap();
        assert_eq!(fs::read(target.join(MARK)).unwrap(), b"2");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_user_had_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("thesis");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("chapter.tex"), b"x").unwrap();
        assert_eq!(Staged::begin(&target).unwrap_err().code, codes::FILE_WRITE);
        let file = dir.path().join("file");
        fs::write(&file, b"x").unwrap();
        assert_eq!(Staged::begin(&file).unwrap_err().code, codes::FILE_WRITE);
        assert_eq!(
            Staged::begin(&file.join("below")).unwrap_err().code,
            codes::FILE_WRITE
        );
    }
}
