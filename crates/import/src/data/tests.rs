//! Data sets, good and bad.

mod choice;
mod images;
mod sets;

use super::*;
use ceg4n_base::codes::Code;
use ceg4n_base::{Exact, Location};
use ceg4n_ir::Region;
use std::path::Path;
use std::path::PathBuf;
use tempfile::TempDir;

fn e(text: &str) -> Exact {
    text.parse().unwrap()
}

/// What a test asks for: balls around some rows.
#[derive(Clone)]
struct Ask {
    balls: Balls,
    rows: Option<Range<usize>>,
    samples: Option<usize>,
    pixels: Option<Pixels>,
}

fn balls(radius: &str) -> Ask {
    Ask {
        balls: Balls {
            radius: e(radius),
            clip: None,
        },
        rows: None,
        samples: None,
        pixels: None,
    }
}

fn clipped(radius: &str, lo: &str, hi: &str) -> Ask {
    let mut ask = balls(radius);
    ask.balls.clip = Some((e(lo), e(hi)));
    ask
}

/// The regions of a file for an input of this shape.
fn regions_of(path: &Path, ask: &Ask, shape: &[usize]) -> Result<Vec<Region>, Diagnostics> {
    let request = DataRequest {
        data: &DataSource::from_path(path),
        labels: None,
        rows: ask.rows.clone(),
        rows_option: "--rows",
        shape,
        classes: 3,
        pixels: ask.pixels,
    };
    let choice = Choice {
        samples: ask.samples,
        keep: None,
    };
    regions_from_data(&request, &ask.balls, choice)
}

struct Scene(TempDir);

impl Scene {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn read(
        &self,
        name: &str,
        bytes: impl AsRef<[u8]>,
        ask: &Ask,
        inputs: usize,
    ) -> Result<Vec<Region>, Diagnostics> {
        regions_of(&self.file(name, bytes), ask, &[inputs])
    }

    /// The one error for two inputs: its code, the end of its place, its message.
    fn error(&self, name: &str, bytes: impl AsRef<[u8]>, ask: &Ask) -> (Code, String, String) {
        let errors = self.read(name, bytes, ask, 2).expect_err("an error");
        assert_eq!(errors.0.len(), 1, "{errors}");
        let Location::Place(place) = &errors.0[0].location else {
            panic!("no place: {errors}");
        };
        let folder = format!("{}/", self.0.path().display());
        let place = place.strip_prefix(&folder).unwrap_or(place).to_owned();
        (errors.0[0].code, place, errors.0[0].message.clone())
    }
}

fn ids(regions: &[Region]) -> Vec<&str> {
    regions.iter().map(|r| r.id.as_str()).collect()
}

fn npy(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}   \n");
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(data);
    out
}

fn idx(kind: u8, sizes: &[u32], data: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0, kind, sizes.len() as u8];
    out.extend(sizes.iter().flat_map(|s| s.to_be_bytes()));
    out.extend(data);
    out
}

#[test]
fn names_say_what_a_file_is() {
    let kind = |name: &str| FileKind::of(Path::new(name));
    assert_eq!(kind("a/r.json"), Some(FileKind::Json));
    assert_eq!(kind("p.vnnlib.gz"), Some(FileKind::Vnnlib));
    assert_eq!(kind("d.CSV"), Some(FileKind::Csv));
    assert_eq!(kind("d.npy"), Some(FileKind::Npy));
    assert_eq!(kind("d.safetensors.gz"), Some(FileKind::Safetensors));
    for name in [
        "t10k-images-idx3-ubyte.gz",
        "t10k-images.idx3-ubyte",
        "x.idx",
    ] {
        assert_eq!(kind(name), Some(FileKind::Idx), "{name}");
    }
    for name in ["net.nnir", "data", "csv", ".gz", ""] {
        assert_eq!(kind(name), None, "{name}");
    }
}

/// Centres are the float64 of the text, radius and clip the exact decimals, sums exact.
#[test]
fn csv_with_and_without_names() {
    let scene = Scene::new();
    let half = clipped("0.1", "0", "0.55");
    let text = "left, \"right, far\"\n0.5,0.25\n\n -1e-1 ,0.05\n";
    let first = Ask {
        rows: Some(0..1),
        ..half.clone()
    };
    let regions = scene.read("d.csv", text, &first, 2).unwrap();
    assert_eq!(ids(&regions), ["0"]);
    assert_eq!(regions[0].lower, [e("0.4"), e("0.15")]);
    assert_eq!(regions[0].upper, [e("0.55"), e("0.35")]);
    assert_eq!(regions[0].center, Some(vec![e("0.5"), e("0.25")]));
    assert_eq!(regions[0].ball_size, Some(e("0.1")));
    // The float64 nearest to -0.1 lies below it, so that the ball ends just below the clip.
    let errors = scene.read("d.csv", "-0.1,0.05", &half, 2).unwrap_err();
    assert_eq!(errors.0[0].code, codes::REGION);
    let wide = clipped("0.2", "0", "0.55");
    let regions = scene.read("d.csv", text, &wide, 2).unwrap();
    assert_eq!(ids(&regions), ["0", "1"]);
    let minus = Exact::from_f64(-0.1).unwrap();
    assert_eq!(regions[1].upper[0], &minus + &e("0.2"));
    assert_eq!(regions[1].lower[0], e("0"));
    assert_eq!(regions[1].center, None);
    assert!(regions[1].upper[0] < e("0.1"));
}

#[test]
fn rows_are_chosen_by_number() {
    let scene = Scene::new();
    let text = "a,b\n1,1\n2,2\n3,3\n4,4\n";
    let some = |rows: Range<usize>| Ask {
        rows: Some(rows),
        ..balls("0")
    };
    let regions = scene.read("d.csv", text, &some(1..3), 2).unwrap();
    assert_eq!(ids(&regions), ["1", "2"]);
    assert_eq!(regions[0].lower, [e("2"), e("2")]);
    let pixels = idx(8, &[4, 1, 2], &[0, 51, 102, 153, 204, 255, 1, 2]);
    let regions = scene.read("x.idx", &pixels, &some(2..4), 2).unwrap();
    assert_eq!(ids(&regions), ["2", "3"]);
    assert_eq!(regions[0].lower, [Exact::from_f32(0.8).unwrap(), e("1")]);
    for name in ["d.csv", "x.idx"] {
        let bytes = if name == "d.csv" {
            text.as_bytes()
        } else {
            &pixels
        };
        let (code, place, message) = scene.error(name, bytes, &some(3..5));
        assert_eq!((code, place.as_str()), (codes::USAGE, name));
        assert_eq!(message, "--rows 3..5 of a data set with 4 rows");
    }
}

/// A row behind those chosen may be broken: it is not read.
#[test]
fn csv_errors_have_row_and_line() {
    let scene = Scene::new();
    let text = "a,b\n1,2\n3,x\n5\n";
    let first = Ask {
        rows: Some(0..1),
        ..balls("0")
    };
    assert!(scene.read("d.csv", text, &first, 2).is_ok());
    let (code, _, message) = scene.error("d.csv", text, &balls("0"));
    assert_eq!(code, codes::REGION_FILE);
    assert_eq!(
        message,
        "row 1 has no finite number in column 1 (line 3): `x`"
    );
    // Whatever ends the lines, and whatever lies between them.
    let (_, _, message) = scene.error("d.csv", "a,b\r\n1,2\r\n\r\n3,x\r\n", &balls("0"));
    assert_eq!(
        message,
        "row 1 has no finite number in column 1 (line 4): `x`"
    );
    let (code, _, message) = scene.error("d.csv", "1,2\n5\n", &balls("0"));
    assert_eq!(code, codes::REGION);
    assert_eq!(
        message,
        "row 1 (line 2) has 1 numbers, the network 2 inputs"
    );
    // A name among numbers is no line of names.
    for bad in ["1,b\n1,2\n", "1,nan", "inf,1", "1,", "1e999,2"] {
        let (code, _, message) = scene.error("d.csv", bad, &balls("0"));
        assert_eq!(code, codes::REGION_FILE, "{bad}: {message}");
    }
    let (code, ..) = scene.error("d.csv", b"1,\xff", &balls("0"));
    assert_eq!(code, codes::REGION_FILE);
    assert!(scene.read("d.csv", "", &balls("0"), 2).unwrap().is_empty());
}

#[test]
fn npy_of_both_types_and_byte_orders() {
    let scene = Scene::new();
    let values = [0.1f64, -2.5, 1e-300, 4.0];
    let want: Vec<Exact> = values
        .iter()
        .map(|v| Exact::from_f64(*v).unwrap())
        .collect();
    let little: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let big: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
    for (descr, data) in [("'<f8'", &little), ("\">f8\"", &big)] {
        let bytes = npy(descr, "False", "(2, 2)", data);
        let regions = scene.read("d.npy", bytes, &balls("0"), 2).unwrap();
        assert_eq!(regions[0].upper, want[..2], "{descr}");
        assert_eq!(regions[1].upper, want[2..], "{descr}");
    }
    let narrow: Vec<u8> = [0.1f32, 7.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let bytes = npy("'<f4'", "False", "(1, 1, 2,)", &narrow);
    let regions = scene.read("d.npy", bytes, &balls("0.5"), 2).unwrap();
    assert_eq!(
        regions[0].lower[0],
        &Exact::from_f32(0.1).unwrap() - &e("0.5")
    );
}

#[test]
fn npy_that_is_not_read() {
    let scene = Scene::new();
    let data = [0u8; 32];
    let cases = [
        (
            npy("'<i8'", "False", "(2, 2)", &data),
            "npy elements of type <i8",
        ),
        (npy("'<f8'", "True", "(2, 2)", &data), "Fortran order"),
        (npy("'<f8'", "False", "(4,)", &data), "one dimension, of 4"),
        (npy("'<f8'", "False", "()", &data[..8]), "no dimension"),
        (
            npy("'<f8'", "False", "(2, 3)", &data),
            "speaks of 48 bytes, 32 follow",
        ),
        (
            npy("'<f8'", "False", "(2, 99999999999999999999999)", &data),
            "too large",
        ),
        (
            npy(
                "'<f8'",
                "False",
                "(4294967296, 4294967296, 4294967296)",
                &data,
            ),
            "speaks of",
        ),
        (
            npy("[('a', '<f8')]", "False", "(2, 2)", &data),
            "no plain array",
        ),
        (npy("'<f8'", "None", "(2, 2)", &data), "no plain array"),
        (b"\x93NUMPY\x01\x00\xff\xff{".to_vec(), "no npy file"),
        (b"\x93NUMPY\x09\x00\x00\x00".to_vec(), "no npy file"),
        (b"PK\x03\x04".to_vec(), "no npy file"),
        (
            b"\x93NUMPY\x01\x00\x02\x00{}".to_vec(),
            "lacks `descr` or `shape`",
        ),
    ];
    for (bytes, want) in cases {
        let (code, place, message) = scene.error("d.npy", bytes, &balls("0"));
        assert_eq!((code, place.as_str()), (codes::REGION_FILE, "d.npy"));
        assert!(message.contains(want), "{message} / {want}");
    }
    let nan: Vec<u8> = [1.0f64, f64::NAN]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let (_, _, message) = scene.error("d.npy", npy("'<f8'", "False", "(1, 2)", &nan), &balls("0"));
    assert_eq!(message, "row 0 has no finite number in column 1");
    let whole = npy("'<f8'", "False", "(2, 2)", &data);
    assert!(scene.read("d.npy", &whole, &balls("0"), 2).is_ok());
    for n in 0..whole.len() {
        scene.error("d.npy", &whole[..n], &balls("0"));
    }
}

#[test]
fn idx_that_is_not_read() {
    let scene = Scene::new();
    let cases = [
        (idx(0x0d, &[1, 2], &[0; 8]), "type 0x0d"),
        (idx(8, &[2], &[1, 2]), "one dimension, of 2"),
        (idx(8, &[2, 2], &[1, 2, 3]), "speaks of 4 bytes, 3 follow"),
        (idx(8, &[u32::MAX; 9], &[1]), "1 follow"),
        (vec![0, 0, 8, 3, 0, 0], "ends in its header"),
        (b"P5 1 2".to_vec(), "two zeros"),
        (Vec::new(), "two zeros"),
    ];
    for (bytes, want) in cases {
        let (code, _, message) = scene.error("x-idx3-ubyte", bytes, &balls("0"));
        assert_eq!(code, codes::REGION_FILE);
        assert!(message.contains(want), "{message} / {want}");
    }
    let (code, _, message) = scene.error("x.idx", idx(8, &[1, 3], &[1, 2, 3]), &balls("0"));
    assert_eq!(code, codes::REGION);
    assert_eq!(message, "rows have 3 numbers, the network 2 inputs");
}

/// Regions of many rows would fill the memory.
#[test]
fn not_too_many_rows_at_once() {
    let scene = Scene::new();
    let bytes = idx(8, &[1_100_000, 1, 2], &vec![0; 2_200_000]);
    let (code, _, message) = scene.error("x.idx", &bytes, &balls("0"));
    assert_eq!(code, codes::USAGE);
    assert_eq!(message, "more than 1048576 rows of 2 numbers at once");
    let some = Ask {
        rows: Some(1_099_999..1_100_000),
        ..balls("0")
    };
    assert_eq!(
        ids(&scene.read("x.idx", &bytes, &some, 2).unwrap()),
        ["1099999"]
    );
}
