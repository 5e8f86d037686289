//! One run at a time in a folder.

use crate::{Error, LOCK};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A lock that is held is tried so often again: it may be [`Lock::is_held`] that looks at it.
const PATIENCE: u32 = 3;
/// The time between two tries.
const GLANCE: Duration = Duration::from_millis(10);

/// A folder held by this process. The system gives the lock back when the process ends, however it
/// ends: a file that a killed run left holds nobody up.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Takes the lock of a folder that exists.
    ///
    /// # Errors
    /// [`Error::InUse`] while another process, or another run of this one, holds it; or the lock's
    /// file cannot be written.
    pub fn take(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(LOCK);
        let cannot = |source| Error::File {
            what: "write",
            path: path.clone(),
            source,
        };
        let mut patience = PATIENCE;
        loop {
            let mut options = OpenOptions::new();
            let file = options
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(cannot)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if patience > 0 => {
                    patience -= 1;
                    std::thread::sleep(GLANCE);
                    continue;
                }
                Err(TryLockError::WouldBlock) => {
                    let said = fs::read_to_string(&path).unwrap_or_default();
                    let pid = said.lines().next().unwrap_or_default().trim().to_owned();
                    return Err(Error::InUse {
                        folder: folder.to_owned(),
                        pid: if pid.is_empty() { "?".into() } else { pid },
                    });
                }
                Err(TryLockError::Error(e)) => return Err(cannot(e)),
            }
            // Its holder may have removed the file since it was opened: then another process may
            // hold a new one.
            if !same(&file, &path) {
                continue;
            }
            let mut lock = Self { path, file };
            lock.say().map_err(|source| Error::File {
                what: "write",
                path: lock.path.clone(),
                source,
            })?;
            return Ok(lock);
        }
    }

    /// True while a run holds a folder.
    pub fn is_held(folder: &Path) -> bool {
        // A shared lock, given back at once: two that look do not disturb each other.
        let looked = File::open(folder.join(LOCK)).map(|f| f.try_lock_shared());
        matches!(looked, Ok(Err(TryLockError::WouldBlock)))
    }

    fn say(&mut self) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file
            .write_all(format!("{}\n", std::process::id()).as_bytes())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only a file that is ours: the folder may have been replaced by somebody.
        if same(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(unix)]
fn same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(a), Ok(b)) => a.dev() == b.dev() && a.ino() == b.ino(),
        _ => false,
    }
}

#[cfg(not(unix))]
fn same(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!Lock::is_held(dir.path()));
        let lock = Lock::take(dir.path()).unwrap();
        assert!(Lock::is_held(dir.path()));
        let pid = std::process::id().to_string();
        match Lock::take(dir.path()) {
            Err(Error::InUse { pid: other, .. }) => assert_eq!(other, pid),
            other => panic!("{other:?}"),
        }
        drop(lock);
        assert!(!Lock::is_held(dir.path()));
        assert!(!dir.path().join(LOCK).exists());
        drop(Lock::take(dir.path()).unwrap());
    }

    #[test]
    fn a_file_without_a_holder_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(LOCK), "4294967295\n").unwrap();
        assert!(!Lock::is_held(dir.path()));
        let _lock = Lock::take(dir.path()).unwrap();
        let said = fs::read_to_string(dir.path().join(LOCK)).unwrap();
        assert_eq!(said.trim(), std::process::id().to_string());
    }
}
