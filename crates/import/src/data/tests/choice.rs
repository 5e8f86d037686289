//! Which rows become regions: samples, rows that a caller keeps, and bytes that stand for inputs.

use super::{Ask, Scene, balls, e, ids, idx, npy, regions_of};
use crate::data::{
    Choice, DataRequest, DataSource, LabelSource, Pixels, read_data_set, regions_from_data,
    stretches,
};
use ceg4n_base::{Exact, codes};
use std::io::Write;
use zip::write::SimpleFileOptions;

fn samples(n: usize) -> Ask {
    Ask {
        samples: Some(n),
        ..balls("0")
    }
}

fn pixels(pixels: Pixels) -> Ask {
    Ask {
        pixels: Some(pixels),
        ..balls("0")
    }
}

#[test]
fn stretches_are_even_and_whole() {
    for n in 0..40usize {
        for most in 1..50 {
            let list: Vec<_> = stretches(n, most).collect();
            assert_eq!(list.len(), n.min(most));
            let rows: Vec<usize> = list.iter().flat_map(Clone::clone).collect();
            assert_eq!(rows, (0..n).collect::<Vec<_>>());
            let lengths = list.iter().map(ExactSizeIterator::len);
            let least = lengths.clone().min().unwrap_or_default();
            assert!(lengths.max().unwrap_or_default() <= least + 1);
        }
    }
    assert_eq!(stretches(usize::MAX, 2).count(), 2);
}

#[test]
fn samples_are_the_first_of_each_stretch() {
    let scene = Scene::new();
    let text: String = (0..10).map(|i| format!("{i},{i}\n")).collect();
    let bytes = idx(8, &[10, 2], &[0; 20]);
    for (name, file) in [("d.csv", text.as_bytes()), ("x.idx", &bytes)] {
        let of = |ask: &Ask| {
            let regions = scene.read(name, file, ask, 2).unwrap();
            ids(&regions).join(" ")
        };
        assert_eq!(of(&samples(3)), "0 3 6");
        assert_eq!(of(&samples(20)), "0 1 2 3 4 5 6 7 8 9");
        let some = Ask {
            rows: Some(4..9),
            ..samples(2)
        };
        assert_eq!(of(&some), "4 6");
    }
    // What counts is what is read.
    let bytes = idx(8, &[1_100_000, 1, 2], &vec![0; 2_200_000]);
    let regions = scene.read("x.idx", &bytes, &samples(2), 2).unwrap();
    assert_eq!(ids(&regions), ["0", "550000"]);
}

#[test]
fn kept_are_the_first_rows_of_each_stretch_that_a_caller_wants() {
    let scene = Scene::new();
    let text: String = (0..10).map(|i| format!("{i},{i},{}\n", i % 3)).collect();
    let file = scene.file("d.csv", text);
    let kept = |samples, wanted: &dyn Fn(f64, u32) -> bool| {
        let request = DataRequest {
            data: &DataSource::from_path(&file),
            labels: Some(&LabelSource::Column("last".to_owned())),
            rows: Some(1..10),
            rows_option: "--rows",
            shape: &[2],
            classes: 3,
            pixels: None,
        };
        let mut asked = 0;
        let choice = Choice {
            samples,
            keep: Some(Box::new(|x: &[f64], label| {
                asked += 1;
                Ok(wanted(x[0], label))
            })),
        };
        let regions = regions_from_data(&request, &balls("0").balls, choice).unwrap();
        (ids(&regions).join(" "), asked)
    };
    assert_eq!(kept(None, &|_, label| label == 1), ("1 4 7".to_owned(), 9));
    // Of 1 2 3, 4 5 6 and 7 8 9; nothing behind the first that is kept is looked at.
    assert_eq!(kept(Some(3), &|x, _| x > 4.0), ("5 7".to_owned(), 6));
}

#[test]
fn bytes_stand_for_what_the_user_says() {
    let scene = Scene::new();
    let bytes = npy("'|u1'", "False", "(1, 2)", &[51, 255]);
    let center = |name: &str, file: &[u8], p| {
        let regions = scene.read(name, file, &pixels(p), 2).unwrap();
        regions[0].lower.clone()
    };
    let idx = idx(8, &[1, 2], &[51, 255]);
    let floats: Vec<u8> = [51f32, 255.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let floats = npy("'<f4'", "False", "(1, 2)", &floats);
    for (name, file) in [("d.npy", &bytes), ("x.idx", &idx), ("f.npy", &floats)] {
        let unit = center(name, file, Pixels::Unit);
        assert_eq!(unit, [0.2f32, 1.0].map(|v| Exact::from_f32(v).unwrap()));
        assert_eq!(center(name, file, Pixels::Byte), ["51", "255"].map(e));
        let signed = center(name, file, Pixels::Signed);
        assert_eq!(signed[0], Exact::from_f32(-153.0 / 255.0).unwrap());
        assert_eq!(signed[1], e("1"));
    }
    assert_eq!(
        center("d.csv", b"51,255\n", Pixels::Byte),
        ["51", "255"].map(e)
    );
    let (code, _, message) = scene.error("d.npy", &bytes, &balls("0"));
    assert_eq!(code, codes::REGION_FILE);
    assert!(message.contains("type |u1"), "{message}");
    let (code, _, message) = scene.error("d.csv", "1,2\n0.5,1\n", &pixels(Pixels::Unit));
    assert_eq!(code, codes::REGION_FILE);
    assert_eq!(
        message,
        "column 0 of row 1 (line 2) has 0.5, no integer from 0 to 255"
    );
    let wide: Vec<u8> = [7i16, 300].iter().flat_map(|v| v.to_le_bytes()).collect();
    let wide = npy("'<i2'", "False", "(1, 2)", &wide);
    let (_, _, message) = scene.error("d.npy", &wide, &pixels(Pixels::Unit));
    assert_eq!(
        message,
        "column 1 of row 0 has 300, no integer from 0 to 255"
    );
}

#[test]
fn channels_are_where_the_network_has_them() {
    let scene = Scene::new();
    let last: Vec<u8> = (0..12u8).collect();
    let file = scene.file("d.npy", npy("'|u1'", "False", "(1, 2, 2, 3)", &last));
    let center = |shape: &[usize]| -> Vec<String> {
        let regions = regions_of(&file, &pixels(Pixels::Byte), shape).unwrap();
        regions[0].lower.iter().map(ToString::to_string).collect()
    };
    let plain = "0 1 2 3 4 5 6 7 8 9 10 11";
    assert_eq!(center(&[2, 2, 3]).join(" "), plain);
    assert_eq!(center(&[12]).join(" "), plain);
    assert_eq!(center(&[3, 2, 2]).join(" "), "0 3 6 9 1 4 7 10 2 5 8 11");
}

/// An archive as numpy writes it.
fn npz(packed: bool, arrays: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let method = if packed {
        zip::CompressionMethod::Deflated
    } else {
        zip::CompressionMethod::Stored
    };
    let options = SimpleFileOptions::default()
        .compression_method(method)
        .large_file(true);
    for (name, bytes) in arrays {
        out.start_file(format!("{name}.npy"), options).unwrap();
        out.write_all(bytes).unwrap();
    }
    out.finish().unwrap().into_inner()
}

#[test]
fn arrays_of_an_npz_by_name_or_alone() {
    let scene = Scene::new();
    let floats: Vec<u8> = (0..4).flat_map(|v| (v as f32).to_le_bytes()).collect();
    let x = npy("'<f4'", "False", "(2, 2)", &floats);
    let y = npy(
        "'<i8'",
        "False",
        "(2,)",
        &[[2u8, 0, 0, 0, 0, 0, 0, 0], [1; 8]].concat(),
    );
    for packed in [false, true] {
        let file = scene.file("d.npz", npz(packed, &[("x", &x), ("y", &y)]));
        let regions = regions_of(&file, &balls("0"), &[2]).unwrap();
        assert_eq!(regions[1].lower, ["2", "3"].map(e));
        let read = |rows, labels: &str| {
            read_data_set(&DataRequest {
                data: &DataSource::from_path(&file),
                labels: Some(&LabelSource::from_text(&format!(
                    "{}{labels}",
                    file.display()
                ))),
                rows: Some(rows),
                rows_option: "--data-rows",
                shape: &[2],
                classes: 3,
                pixels: None,
            })
        };
        for labels in ["", ":y"] {
            assert_eq!(read(0..1, labels).unwrap().labels, Some(vec![2]));
        }
        let errors = read(0..1, ":z").unwrap_err();
        assert!(
            errors.to_string().contains("there is no array \"z\""),
            "{errors}"
        );
        let errors = read(1..2, "").unwrap_err();
        assert!(errors.to_string().contains("label of row 1"), "{errors}");
    }
    let two = npz(true, &[("x_train", &x), ("x_test", &x)]);
    let (code, _, message) = scene.error("d.npz", &two, &balls("0"));
    assert_eq!(code, codes::REGION_FILE);
    assert_eq!(
        message,
        "2 arrays of two dimensions or more: which one is meant?"
    );
    let named = scene.file("d.npz", &two);
    let named = format!("{}:x_test", named.display());
    assert!(regions_of(named.as_ref(), &balls("0"), &[2]).is_ok());
    // Archives that are cut or hold something else.
    for n in (0..two.len()).step_by(7) {
        scene.error("d.npz", &two[..n], &balls("0"));
    }
    let (_, _, message) = scene.error("d.npz", npz(false, &[("x", b"no npy")]), &balls("0"));
    assert!(message.contains("0 arrays"), "{message}");
}
