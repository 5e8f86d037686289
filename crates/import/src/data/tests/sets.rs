//! Data sets with labels, good and bad.

use super::{Scene, idx, npy};
use crate::data::{DataRequest, DataSet, DataSource, LabelSource, Values, read_data_set};
use ceg4n_base::Diagnostics;
use ceg4n_base::codes::{self, Code};
use safetensors::tensor::{Dtype, TensorView};
use std::ops::Range;
use std::path::Path;

/// Reads `data` for two inputs and three classes.
fn read(
    data: &Path,
    labels: Option<&LabelSource>,
    rows: Option<Range<usize>>,
) -> Result<DataSet, Diagnostics> {
    read_data_set(&DataRequest {
        data: &data.into(),
        labels,
        rows,
        rows_option: "--data-rows",
        shape: &[2],
        classes: 3,
        pixels: None,
    })
}

fn of_file(path: &Path) -> LabelSource {
    LabelSource::File(path.into())
}

fn column(name: &str) -> LabelSource {
    LabelSource::Column(name.to_owned())
}

fn error(result: Result<DataSet, Diagnostics>) -> (Code, String) {
    let errors = result.expect_err("an error");
    assert_eq!(errors.0.len(), 1, "{errors}");
    (errors.0[0].code, errors.0[0].message.clone())
}

fn numbers(set: &DataSet) -> Vec<f64> {
    let mut out = Vec::new();
    set.copy(0..set.len(), &mut out);
    out
}

fn le<const N: usize, T: Copy>(list: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    list.iter().flat_map(|v| bytes(*v)).collect()
}

#[test]
fn texts_say_where_numbers_stand() {
    let source = DataSource::from_text("a/b.safetensors.gz:x:y");
    assert_eq!(source.path, Path::new("a/b.safetensors.gz"));
    assert_eq!(source.tensor.as_deref(), Some("x:y"));
    assert_eq!(source.to_string(), "a/b.safetensors.gz:x:y");
    for plain in ["C:\\data.csv", "a.safetensors", "x"] {
        assert_eq!(DataSource::from_text(plain), Path::new(plain).into());
    }
    assert_eq!(LabelSource::from_text("column:kind"), column("kind"));
    assert_eq!(LabelSource::from_text("l.npy"), of_file(Path::new("l.npy")));
}

#[test]
fn labels_in_a_column_are_no_inputs() {
    let scene = Scene::new();
    let named = scene.file("d.csv", "left,kind,right\n0.1,2,0.25\n0.5,0,-1\n");
    for name in ["kind", "1"] {
        let set = read(&named, Some(&column(name)), None).unwrap();
        assert_eq!(numbers(&set), [0.1, 0.25, 0.5, -1.0], "{name}");
        assert!(matches!(set.inputs, Values::F64(_)));
        assert_eq!(set.labels, Some(vec![2, 0]));
        assert_eq!((set.rows, set.columns), (0..2, 2));
    }
    let bare = scene.file("e.csv", "0.5,0.25,1e0\n0.5,0,2.0\n0,0,1\n");
    let set = read(&bare, Some(&column("last")), Some(1..3)).unwrap();
    assert_eq!(set.labels, Some(vec![2, 1]));
    assert_eq!(set.rows, 1..3);
    assert_eq!(set.inputs, Values::F32(vec![0.5, 0.0, 0.0, 0.0]));
    // Without --labels the column counts as an input.
    let (code, message) = error(read(&bare, None, None));
    assert_eq!(code, codes::DATA);
    assert_eq!(
        message,
        "row 0 (line 1) has 3 numbers, the network 2 inputs"
    );
}

#[test]
fn columns_that_are_no_labels() {
    let scene = Scene::new();
    let case = |text: &str, name: &str| {
        let file = scene.file("d.csv", text);
        error(read(&file, Some(&column(name)), None))
    };
    for (text, name, code, want) in [
        ("a,b,c\n1,2,0\n", "kind", codes::USAGE, "no such column"),
        ("1,2,0\n", "c", codes::USAGE, "no such column"),
        ("1,2,0\n", "3", codes::USAGE, "no such column"),
        (
            "1,2,0\n1,2,3\n",
            "last",
            codes::DATA,
            "label of row 1 is 3; the network's classes are 0 to 2",
        ),
        ("1,2,-1\n", "last", codes::DATA, "label of row 0 is -1"),
        ("1,2,0.5\n", "last", codes::DATA, "label of row 0 is 0.5"),
        ("1,2,nan\n", "last", codes::DATA, "label of row 0 is NaN"),
        (
            "1,2,rose\n",
            "last",
            codes::DATA,
            "label of row 0 is no number: `rose`",
        ),
        ("1,2,\n", "last", codes::DATA, "label of row 0 is no number"),
        (
            "1,2,0\n1,2\n",
            "last",
            codes::DATA,
            "row 1 (line 2) has 2 columns, and its label should be in column 2, counted from 0",
        ),
        (
            "a,b,c\r\n1,2,0\r\n\r\n3,0\r\n",
            "c",
            codes::DATA,
            "row 1 (line 4) has 2 columns",
        ),
        (
            "1,0\n",
            "last",
            codes::DATA,
            "row 0 (line 1) has 1 numbers beside its label, the network 2 inputs",
        ),
        (
            "1,nan,0\n",
            "last",
            codes::DATA,
            "row 0 has no finite number in column 1 (line 1): `nan`",
        ),
        ("a,b,c\n", "c", codes::DATA, "the data set has no row"),
        ("", "c", codes::DATA, "the data set has no row"),
    ] {
        let (found, message) = case(text, name);
        assert_eq!(found, code, "{text}: {message}");
        assert!(message.contains(want), "{message} / {want}");
    }
    let bytes = idx(8, &[1, 2], &[0, 255]);
    let file = scene.file("x.idx", bytes);
    let (code, message) = error(read(&file, Some(&column("last")), None));
    assert_eq!(code, codes::USAGE);
    assert!(message.contains("csv"), "{message}");
}

#[test]
fn labels_in_files_of_every_kind() {
    let scene = Scene::new();
    let data = scene.file("x.idx3-ubyte", idx(8, &[3, 1, 2], &[0, 255, 51, 1, 2, 3]));
    let integers = le(&[2i64, 0, 1], i64::to_le_bytes);
    let floats = le(&[2f32, 0.0, 1.0], f32::to_be_bytes);
    let files = [
        scene.file("l.idx1-ubyte", idx(8, &[3], &[2, 0, 1])),
        scene.file("l.csv", "kind\n2\n0\n1\n"),
        scene.file("m.csv", "2\n0\n1\n"),
        scene.file("l.npy", npy("'<i8'", "False", "(3,)", &integers)),
        scene.file("m.npy", npy("'>f4'", "False", "(3, 1)", &floats)),
        scene.file("n.npy", npy("'|u1'", "False", "(3,)", &[2, 0, 1])),
    ];
    for file in &files {
        let set = read(&data, Some(&of_file(file)), None).unwrap();
        assert_eq!(set.labels, Some(vec![2, 0, 1]), "{}", file.display());
        assert_eq!(
            set.inputs,
            Values::F32(
                [0.0, 255.0, 51.0, 1.0, 2.0, 3.0]
                    .map(|p| p / 255.0)
                    .to_vec()
            )
        );
        let set = read(&data, Some(&of_file(file)), Some(1..2)).unwrap();
        assert_eq!(set.labels, Some(vec![0]));
        assert_eq!(numbers(&set), [51.0f32 / 255.0, 1.0 / 255.0].map(f64::from));
    }
}

#[test]
fn labels_that_do_not_fit() {
    let scene = Scene::new();
    let data = scene.file("x.npy", npy("'<f4'", "False", "(2, 2)", &[0; 16]));
    let with = |name: &str, bytes: &[u8]| {
        let file = scene.file(name, bytes);
        error(read(&data, Some(&of_file(&file)), Some(0..1)))
    };
    for (name, bytes, want) in [
        (
            "l.csv",
            b"0\n1\n2\n".to_vec(),
            "3 labels for 2 rows of data",
        ),
        ("l.csv", b"0\n".to_vec(), "1 labels for 2 rows of data"),
        (
            "l.csv",
            b"0,1\n1,2\n".to_vec(),
            "labels are one column, line 1 has 2",
        ),
        ("l.csv", b"7\n0\n".to_vec(), "the label of row 0 is 7"),
        (
            "l.npy",
            npy("'<i2'", "False", "(2, 2)", &[0; 8]),
            "shape (2, 2)",
        ),
        ("l.npy", npy("'<i2'", "False", "()", &[0; 2]), "shape ()"),
        ("l.npy", npy("'<c8'", "False", "(2,)", &[0; 16]), "type <c8"),
        ("l.json", b"[0, 1]".to_vec(), "none of a data set"),
        ("l-ubyte", idx(8, &[2], &[9, 0]), "the label of row 0 is 9"),
        ("l.safetensors", b"{}".to_vec(), "no safetensors file"),
    ] {
        let (code, message) = with(name, &bytes);
        assert_eq!(code, codes::DATA, "{message}");
        assert!(message.contains(want), "{message} / {want}");
    }
    // The end of a csv is not looked for where rows are chosen.
    let data = scene.file("x.csv", "0,0\n1,1\n2,2\n");
    let short = scene.file("s.csv", "0\n1\n");
    assert!(read(&data, Some(&of_file(&short)), Some(0..2)).is_ok());
    let (_, message) = error(read(&data, Some(&of_file(&short)), Some(1..3)));
    assert_eq!(message, "2 labels, rows 1..3 are asked for");
    let (code, message) = error(read(&data, None, Some(1..4)));
    assert_eq!(code, codes::USAGE);
    assert_eq!(message, "--data-rows 1..4 of a data set with 3 rows");
}

#[test]
fn tensors_by_name_or_alone() {
    let scene = Scene::new();
    let inputs = le(&[0.5f64, 0.1, 1.0, 2.0], f64::to_le_bytes);
    let classes = le(&[1i32, 2], i32::to_le_bytes);
    let view = |dtype, shape: &[usize], bytes| TensorView::new(dtype, shape.to_vec(), bytes);
    let one = [
        ("x", view(Dtype::F64, &[2, 1, 2], &inputs).unwrap()),
        ("y", view(Dtype::I32, &[2], &classes).unwrap()),
    ];
    let alone = scene.file("d.safetensors", safetensors::serialize(one, None).unwrap());
    let set = read(&alone, Some(&of_file(&alone)), None).unwrap();
    assert_eq!(numbers(&set), [0.5, 0.1, 1.0, 2.0]);
    assert_eq!(set.labels, Some(vec![1, 2]));

    let several = [
        ("a", view(Dtype::F64, &[2, 2], &inputs).unwrap()),
        ("b", view(Dtype::I32, &[1, 2], &classes).unwrap()),
        ("c", view(Dtype::BF16, &[2, 2], &classes).unwrap()),
    ];
    let many = scene.file(
        "m.safetensors",
        safetensors::serialize(several, None).unwrap(),
    );
    let named = |tensor: &str| {
        let source = DataSource::from_text(&format!("{}:{tensor}", many.display()));
        read_data_set(&DataRequest {
            data: &source,
            labels: None,
            rows: None,
            rows_option: "--data-rows",
            shape: &[2],
            classes: 3,
            pixels: None,
        })
    };
    assert_eq!(numbers(&named("a").unwrap()), [0.5, 0.1, 1.0, 2.0]);
    for (tensor, want) in [
        ("z", "there is no tensor \"z\""),
        ("b", "elements of type I32; only float32"),
        ("c", "elements of type BF16"),
    ] {
        let (code, message) = error(named(tensor));
        assert_eq!(code, codes::DATA);
        assert!(message.contains(want), "{message} / {want}");
    }
    let (_, message) = error(read(&many, None, None));
    assert_eq!(
        message,
        "3 tensors of two dimensions or more: which one is meant?"
    );
    let (_, message) = error(read(&alone, Some(&of_file(&many)), None));
    assert_eq!(message, "0 tensors of one dimension: which one is meant?");
}
