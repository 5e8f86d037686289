//! Reading files: whole, of a limited size, unpacked where the name ends in `.gz`.

use ceg4n_base::suggest::missing_file;
use ceg4n_base::{Diagnostic, codes};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// More bytes than this are not read, before or after unpacking: a small `.gz` file could ask for
/// any amount of memory.
pub(crate) const MAX_BYTES: u64 = 1 << 30;

/// The bytes of a file, unpacked where its name ends in `.gz`.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Diagnostic> {
    read(path, MAX_BYTES).map_err(|message| {
        let text = format!("cannot read {}: {message}", path.display());
        Diagnostic::error(codes::FILE_READ, text).help_if(missing_file(path))
    })
}

/// The same for a file that must be UTF-8 text.
pub(crate) fn text(path: &Path) -> Result<String, Diagnostic> {
    String::from_utf8(bytes(path)?).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let text = format!("{} is no UTF-8 text (byte {at})", path.display());
        Diagnostic::error(codes::FILE_READ, text)
    })
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    // Devices and pipes could block or never end.
    let kind = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if !kind.is_file() {
        return Err("it is no file".to_owned());
    }
    let file = File::open(path).map_err(|e| e.to_string())?;
    let raw = take(file, limit)?;
    if is_packed(path) {
        unpack(&raw, limit)
    } else {
        Ok(raw)
    }
}

/// Bytes as they are, or unpacked where the name of their file ends in `.gz`.
///
/// # Errors
/// A message for the user, without the name.
pub fn unpacked(name: &str, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    if is_packed(Path::new(name)) {
        unpack(&bytes, MAX_BYTES)
    } else {
        Ok(bytes)
    }
}

fn unpack(raw: &[u8], limit: u64) -> Result<Vec<u8>, String> {
    take(flate2::read::MultiGzDecoder::new(raw), limit)
        .map_err(|e| format!("it cannot be unpacked: {e}"))
}

/// All bytes of a reader; a message for the user if there are more than `limit`.
pub(crate) fn take(from: impl Read, limit: u64) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut limited = from.take(limit + 1);
    limited.read_to_end(&mut out).map_err(|e| e.to_string())?;
    if out.len() as u64 > limit {
        return Err(format!("it has more than {limit} bytes"));
    }
    Ok(out)
}

fn is_packed(path: &Path) -> bool {
    let extension = path.extension();
    extension.is_some_and(|e| e.eq_ignore_ascii_case("gz"))
}

/// The name of a file without folder and `.gz`.
pub(crate) fn plain_name(path: &Path) -> String {
    let name = if is_packed(path) {
        path.file_stem()
    } else {
        path.file_name()
    };
    name.unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        e.write_all(bytes).unwrap();
        e.finish().unwrap()
    }

    #[test]
    fn packed_files_are_unpacked_and_limited() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("zeros.csv.gz");
        std::fs::write(&path, packed(&[b'0'; 5000])).unwrap();
        assert_eq!(bytes(&path).unwrap().len(), 5000);
        assert_eq!(plain_name(&path), "zeros.csv");
        assert!(read(&path, 4999).unwrap_err().contains("more than 4999"));
        assert!(read(&path, 5000).is_ok());
        assert_eq!(unpacked("a.gz", packed(b"x")).unwrap(), b"x");
        assert_eq!(unpacked("a", b"x".to_vec()).unwrap(), b"x");
    }

    #[test]
    fn broken_files_are_diagnostics() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.gz");
        std::fs::write(&path, b"no gzip").unwrap();
        assert!(bytes(&path).unwrap_err().message.contains("unpacked"));
        let cut = packed(&[1; 1000]);
        std::fs::write(&path, &cut[..cut.len() - 9]).unwrap();
        assert_eq!(bytes(&path).unwrap_err().code, codes::FILE_READ);
        assert!(bytes(dir.path()).unwrap_err().message.contains("no file"));
        let latin = dir.path().join("latin.vnnlib");
        std::fs::write(&latin, b"; \xe9").unwrap();
        assert!(text(&latin).unwrap_err().message.contains("byte 2"));
    }
}
