//! Finding programs, and asking them for a line.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take to say its version.
const VERSION_TIME: Duration = Duration::from_secs(5);

/// Where a program is, by the path of the environment.
pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&path)
        .map(|folder| folder.join(&file))
        .find(|p| p.is_file())
}

/// The first line that a program prints, to be shown as its version.
pub(super) fn first_line(path: &Path, arguments: &[&str]) -> String {
    match output(path, arguments) {
        Ok(text) => match text.lines().next().unwrap_or("").trim() {
            "" => "unknown version".to_owned(),
            line => line.to_owned(),
        },
        Err(e) => format!("unusable: {e}"),
    }
}

/// What a program prints, at most a few KiB; one that does not answer in time is killed.
pub(super) fn output(path: &Path, arguments: &[&str]) -> Result<String, String> {
    let child = Command::new(path)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child.map_err(|e| e.to_string())?;
    let end = Instant::now() + VERSION_TIME;
    // A version is far shorter than a pipe's buffer, so that waiting first blocks nobody.
    while Instant::now() < end {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Ok(Some(_)) => {
                let mut text = Vec::new();
                if let Some(out) = child.stdout.take() {
                    // What could not be read counts as not said.
                    let _ = out.take(4096).read_to_end(&mut text);
                }
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
            Err(e) => return Err(e.to_string()),
        }
    }
    // It may have ended just now; then there is nothing to kill.
    let _ = child.kill();
    let _ = child.wait();
    Err("no answer".to_owned())
}
