//! Runs that are killed, crowded, or robbed of their place: what is said, with which exit code,
//! and that earlier output stays. Each run is a process of its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

fn net(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/networks");
    folder.canonicalize().unwrap().join(name)
}

/// `ceg4nc compile` in a folder, which is also where it is called.
fn call(place: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ceg4nc"));
    command
        .arg("compile")
        .args(arguments)
        .current_dir(place)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn compile(place: &Path, network: &str) -> Command {
    let network = net(network);
    call(
        place,
        &[
            network.to_str().unwrap(),
            "-o",
            "out",
            "--progress",
            "never",
        ],
    )
}

fn ended(mut command: Command) -> (i32, String) {
    told(&command.output().unwrap())
}

fn told(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.code().unwrap_or(-1), text)
}

/// What a run that goes on must give too: the kernel, the formats, the versions, the verdicts.
fn result(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(place) = open.pop() {
        for entry in fs::read_dir(&place).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            if path.is_dir() {
                open.push(path);
            } else if !["lock", "run.sqlite", "report.json", "report.html"].contains(&name.as_str())
            {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let report = fs::read_to_string(folder.join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    for region in report["regions"].as_array().unwrap() {
        let verdict = format!("{} {}", region["verdict"], region["method"]);
        found.insert(region["id"].to_string(), verdict.into_bytes());
    }
    found
}

/// Waits until a run has entered itself into the store.
fn under_way(place: &Path) {
    while !ceg4n_store::read_runs(&place.join("out")).is_ok_and(|runs| !runs.is_empty()) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn spawned(mut command: Command) -> Child {
    command.spawn().unwrap()
}

#[test]
fn a_killed_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    fs::create_dir(&whole).unwrap();
    assert_eq!(ended(compile(&whole, "iris.nnir")).0, 0);
    let wanted = result(&whole.join("out"));
    // Wherever the kills fall, the result is the same; a run that was through has it already.
    for (i, milliseconds) in [0, 60, 400, 1100].into_iter().enumerate() {
        let place = dir.path().join(i.to_string());
        fs::create_dir(&place).unwrap();
        let mut run = spawned(compile(&place, "iris.nnir"));
        under_way(&place);
        std::thread::sleep(Duration::from_millis(milliseconds));
        run.kill().unwrap();
        run.wait().unwrap();
        let (code, text) = ended(call(&place, &["--resume", "out"]));
        assert_eq!(code, 0, "{text}");
        assert!(
            result(&place.join("out")) == wanted,
            "killed after {milliseconds} ms"
        );
        assert!(!place.join("out/lock").exists());
        assert_eq!(
            fs::read_dir(&place).unwrap().count(),
            1,
            "nothing lies beside"
        );
    }
}

#[test]
fn a_folder_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path();
    assert_eq!(ended(compile(place, "tiny.nnir")).0, 0);
    let before = result(&place.join("out"));
    let lock = ceg4n_store::Lock::take(&place.join("out")).unwrap();
    for command in [
        compile(place, "tiny.nnir"),
        call(place, &["--resume", "out"]),
    ] {
        let finished = command.get_args().any(|a| a == "--resume");
        let (code, text) = ended(command);
        if finished {
            // It only tells the result.
            assert_eq!(code, 0, "{text}");
            continue;
        }
        assert_eq!(code, 3, "{text}");
        let pid = std::process::id();
        assert!(text.contains("error[E0504]"), "{text}");
        assert!(
            text.contains(&format!("process {pid} is at work in")),
            "{text}"
        );
    }
    assert!(result(&place.join("out")) == before);
    drop(lock);
    // A lock that a dead process left holds nobody up.
    fs::write(place.join("out/lock"), "4294967295\n").unwrap();
    assert_eq!(ended(compile(place, "tiny.nnir")).0, 0);
}

#[test]
fn a_damaged_store_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path();
    assert_eq!(ended(compile(place, "tiny.nnir")).0, 0);
    let before = result(&place.join("out"));
    let store = place.join("out/run.sqlite");
    let whole = fs::read(&store).unwrap();
    for content in [
        &whole[..5000],
        b"not a database at all, but long enough to be looked at",
    ] {
        fs::write(&store, content).unwrap();
        for command in [
            compile(place, "tiny.nnir"),
            call(place, &["--resume", "out"]),
        ] {
            let (code, text) = ended(command);
            assert_eq!(code, 3, "{text}");
            assert!(text.contains("error[E0503]"), "{text}");
            assert!(text.contains("damaged"), "{text}");
            assert!(text.contains("move"), "{text}");
        }
        assert!(result(&place.join("out")) == before);
        assert_eq!(fs::read(&store).unwrap(), content);
    }
    // As the message says: without the file a new store is begun.
    fs::remove_file(&store).unwrap();
    assert_eq!(ended(compile(place, "tiny.nnir")).0, 0);
}

#[test]
fn a_folder_that_goes_away_ends_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path();
    let run = spawned(compile(place, "iris.nnir"));
    under_way(place);
    fs::remove_dir_all(place.join("out")).unwrap();
    let (code, text) = told(&run.wait_with_output().unwrap());
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("error[E0502]"), "{text}");
    assert!(text.contains("out/run.sqlite"), "{text}");
}

#[test]
fn a_run_goes_on_only_as_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path();
    let (code, text) = ended(call(place, &["--resume", "nowhere"]));
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("no run to go on with"), "{text}");
    let mut run = spawned(compile(place, "iris.nnir"));
    under_way(place);
    run.kill().unwrap();
    run.wait().unwrap();
    let (code, text) = ended(call(
        place,
        &["--resume", "out", "--effort", "2", "--cost", "flash"],
    ));
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("--effort belongs to the beginning"), "{text}");
    assert!(text.contains("--cost belongs to the beginning"), "{text}");
    let mut runs = Command::new(env!("CARGO_BIN_EXE_ceg4nc"));
    runs.args(["runs", "out"]).current_dir(place);
    let (code, text) = ended(runs);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("killed") && !text.contains("running"),
        "{text}"
    );
    let other = place.join("other");
    fs::create_dir(&other).unwrap();
    let (code, text) = ended(call(&other, &["--resume", "../out", "--jobs", "1"]));
    assert_eq!(code, 0, "{text}");
    let began = fs::canonicalize(place).unwrap();
    let remark = format!("goes on in {}, where", began.display());
    assert!(text.contains(&remark), "{text}");
    assert_eq!(fs::read_dir(&other).unwrap().count(), 0, "nothing is here");
}

#[test]
fn a_run_goes_on_where_its_files_were_moved_to() {
    let dir = tempfile::tempdir().unwrap();
    let begun = |name: &str| {
        let place = dir.path().join(name);
        fs::create_dir(&place).unwrap();
        fs::copy(net("iris.nnir"), place.join("iris.nnir")).unwrap();
        let run = call(&place, &["iris.nnir", "-o", "out", "--progress", "never"]);
        (place, run)
    };
    let (whole, run) = begun("whole");
    assert_eq!(ended(run).0, 0);
    let (before, run) = begun("before");
    let mut run = spawned(run);
    under_way(&before);
    run.kill().unwrap();
    run.wait().unwrap();
    let after = dir.path().join("after");
    fs::rename(&before, &after).unwrap();
    let (code, text) = ended(call(&after, &["--resume", "out"]));
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("goes on in"), "{text}");
    assert!(result(&after.join("out")) == result(&whole.join("out")));
}

/// A file system of this size at `place`, or why there is none.
#[cfg(target_os = "linux")]
fn mounted(place: &Path, options: &str) -> Result<(), String> {
    let output = Command::new("mount")
        .args(["-t", "tmpfs", "-o", options, "none"])
        .arg(place)
        .output()
        .map_err(|e| e.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// Unmounts when a test ends, however it ends.
#[cfg(target_os = "linux")]
struct Mount(PathBuf);

#[cfg(target_os = "linux")]
impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_and_a_read_only_one() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("disk");
    fs::create_dir(&place).unwrap();
    if let Err(why) = mounted(&place, "size=4m") {
        // `.ci/run` finds out first whether the machine lets anybody mount.
        let set = |name: &str, to: &str| std::env::var(name).is_ok_and(|v| v == to);
        let required = set("CEG4N_REQUIRE_TOOLS", "1") && !set("CEG4N_MOUNTS", "0");
        assert!(!required, "cannot mount a small file system: {why}");
        eprintln!("skipped: cannot mount a small file system: {why}");
        return;
    }
    let mount = Mount(place.clone());
    assert_eq!(ended(compile(&place, "tiny.nnir")).0, 0);
    let before = result(&place.join("out"));

    // A file takes what is left, but for a few blocks.
    let filler = place.join("filler");
    let mut size = 4_000_000;
    while size > 0 && fs::write(&filler, vec![1; size]).is_err() {
        size -= 4096;
    }
    let shorter = OpenOptions::new().write(true).open(&filler).unwrap();
    shorter.set_len(size.saturating_sub(16_384) as u64).unwrap();
    let (code, text) = ended(compile(&place, "iris.nnir"));
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("error[E0502]"), "{text}");
    assert!(text.contains("cannot write"), "{text}");
    assert!(
        result(&place.join("out")) == before,
        "the earlier output is as it was"
    );

    // With room again the run goes on.
    drop(shorter);
    fs::remove_file(&filler).unwrap();
    let (code, text) = ended(call(&place, &["--resume", "out"]));
    assert_eq!(code, 0, "{text}");
    let before = result(&place.join("out"));

    let status = Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(&place)
        .status()
        .unwrap();
    assert!(status.success());
    for arguments in [["-o", "out"], ["-o", "new"]] {
        let network = net("tiny.nnir");
        let mut words = vec![network.to_str().unwrap()];
        words.extend(arguments);
        let (code, text) = ended(call(&place, &words));
        assert_eq!(code, 3, "{text}");
        assert!(text.contains("error[E0502]"), "{text}");
        assert!(text.contains("Read-only file system"), "{text}");
    }
    assert!(result(&place.join("out")) == before);
    drop(mount);
}
