//! How a run was called: its words, its time, and the files that it reads, with their hashes.

use crate::options::{CompileOptions, DataSource, Demand, FileKind, LabelSource};
use ceg4n_base::ContentHash;
use ceg4n_report::{InputFile, Run};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::time::{SystemTime, UNIX_EPOCH};

/// What there is to say of a run when it begins: the files are hashed before anything is decided,
/// since they may be other ones when it ends.
pub(crate) fn begin(options: &CompileOptions) -> Run {
    let budget = &options.budget;
    let seconds = |t: std::time::Duration| t.as_secs_f64();
    Run {
        command_line: options.command_line.clone(),
        started: rfc3339(SystemTime::now()),
        platform: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        effort: budget.effort,
        solver: budget.solver.clone(),
        jobs: budget.jobs,
        time_limit: budget.time_limit.map(seconds),
        region_time_limit: budget.region_time_limit.map(seconds),
        memory_limit: budget.memory_limit_mib,
        inputs: inputs(options),
    }
}

/// The files of the options; what cannot be read is left out, since loading has said so.
fn inputs(options: &CompileOptions) -> Vec<InputFile> {
    let (load, data) = (&options.load, &options.data);
    let mut files = vec![("network", DataSource::from(load.net.as_path()))];
    let regions = load.regions.iter().map(|p| DataSource::from_path(p));
    files.extend(regions.map(|s| ("regions", s)));
    if let Some(Demand::Query(path)) = &load.require {
        files.push(("query", DataSource::from(path.as_path())));
    }
    let labels = |source: &Option<LabelSource>| match source {
        Some(LabelSource::File(file)) => Some(file.clone()),
        Some(LabelSource::Column(_) | LabelSource::Folders) | None => None,
    };
    let others = [
        ("labels", labels(&load.region_labels)),
        ("data", data.data.clone()),
        ("labels", labels(&data.labels)),
        ("test data", data.test_data.clone()),
        ("test labels", labels(&data.test_labels)),
    ];
    files.extend(others.into_iter().filter_map(|(role, s)| Some((role, s?))));
    let input = |(role, source): (&str, DataSource)| {
        let (bytes, sha256) = hash(&source).ok()?;
        Some(InputFile {
            path: source.to_string(),
            role: role.to_owned(),
            bytes,
            sha256,
        })
    };
    files.into_iter().filter_map(input).collect()
}

/// Bytes and SHA-256 of a file; of a folder of images those of all images, in order.
fn hash(source: &DataSource) -> io::Result<(u64, ContentHash)> {
    let files = match source.kind() {
        Some(FileKind::Folder) => source
            .files()
            .map_err(|d| io::Error::other(d.to_string()))?,
        Some(_) | None => vec![source.path.clone()],
    };
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    let mut block = vec![0; 1 << 16];
    for path in files {
        let mut file = File::open(path)?;
        loop {
            let n = file.read(&mut block)?;
            if n == 0 {
                break;
            }
            bytes += n as u64;
            digest.update(&block[..n]);
        }
    }
    Ok((bytes, ContentHash(digest.finalize().into())))
}

/// A time of RFC 3339, in UTC, to the second; the beginning of 1970 for what is before.
fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (mut days, rest) = (seconds / 86_400, seconds % 86_400);
    let is_leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let mut year = 1970;
    let length = |y| if is_leap(y) { 366 } else { 365 };
    while days >= length(year) {
        days -= length(year);
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (h, m, s) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{:02}T{h:02}:{m:02}:{s:02}Z", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_written_in_utc() {
        // As `date -u -d @N` has them.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn files_are_hashed_and_missing_ones_left_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let net = dir.path().join("a.nnir");
        std::fs::write(&net, b"abc").expect("a file");
        let mut options = CompileOptions::new(&net);
        options.load.regions = vec![dir.path().join("missing.json")];
        let found = begin(&options).inputs;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].role.as_str(), found[0].bytes), ("network", 3));
        assert_eq!(
            found[0].sha256.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
