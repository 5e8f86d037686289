//! Folders of images, good and bad.

use super::{Ask, Scene, balls, e, ids, regions_of};
use crate::data::{DataRequest, DataSet, DataSource, FileKind, LabelSource, read_data_set};
use ceg4n_base::{Diagnostics, Location, codes};
use std::path::{Path, PathBuf};

fn pgm(pixels: [u8; 2]) -> Vec<u8> {
    [b"P5\n# made by hand\n2 1\n255\n".as_slice(), &pixels].concat()
}

/// A folder of grey images of two pixels, some in class folders.
fn folder(scene: &Scene, images: &[(&str, [u8; 2])]) -> PathBuf {
    let root = scene.0.path().join("images");
    for (name, pixels) in images {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, pgm(*pixels)).unwrap();
    }
    root
}

/// The first message with its place below the scene's folder.
fn said(scene: &Scene, errors: &Diagnostics) -> String {
    let d = &errors.0[0];
    let Location::Place(place) = &d.location else {
        panic!("no place: {errors}");
    };
    let folder = format!("{}/", scene.0.path().display());
    let place = place.strip_prefix(&folder).unwrap_or(place);
    format!("{} at {place}", d.message)
}

fn read(data: &Path, labels: &str, classes: usize) -> Result<DataSet, Diagnostics> {
    read_data_set(&DataRequest {
        data: &DataSource::from_path(data),
        labels: Some(&LabelSource::from_text(labels)),
        rows: None,
        rows_option: "--data-rows",
        shape: &[1, 1, 2],
        classes,
        pixels: None,
    })
}

#[test]
fn images_are_rows_in_the_order_of_their_names() {
    let scene = Scene::new();
    let images = [
        ("b.pgm", [255, 0]),
        ("a.PGM", [0, 51]),
        ("class/c.pgm", [1, 2]),
    ];
    let root = folder(&scene, &images);
    std::fs::write(root.join("labels.csv"), "0\n1\n1\n").unwrap();
    std::fs::write(root.join(".hidden.png"), "").unwrap();
    assert_eq!(FileKind::of(&root), Some(FileKind::Folder));
    let regions = regions_of(&root, &balls("0.5"), &[2]).unwrap();
    assert_eq!(ids(&regions), ["a.PGM", "b.pgm", "class/c.pgm"]);
    assert_eq!(regions[1].upper, ["1.5", "0.5"].map(e));
    let some = Ask {
        rows: Some(1..3),
        samples: Some(1),
        ..balls("0")
    };
    assert_eq!(ids(&regions_of(&root, &some, &[2]).unwrap()), ["b.pgm"]);
    let alone = regions_of(&root.join("b.pgm"), &balls("0"), &[2]).unwrap();
    assert_eq!(ids(&alone), ["b.pgm"]);
    let labels = root.join("labels.csv");
    let set = read(&root, &labels.display().to_string(), 2).unwrap();
    assert_eq!(set.labels, Some(vec![0, 1, 1]));
}

#[test]
fn class_folders_are_numbers_or_counted() {
    let scene = Scene::new();
    let root = folder(&scene, &[("10/x.pgm", [0, 0]), ("2/y.pgm", [0, 0])]);
    let set = read(&root, "folders", 11).unwrap();
    assert_eq!(set.labels, Some(vec![10, 2]));
    let errors = read(&root, "folders", 3).unwrap_err();
    assert!(
        errors.to_string().contains("label of row 0 is 10"),
        "{errors}"
    );
    // An empty class counts too.
    std::fs::create_dir(root.join("a class")).unwrap();
    let set = read(&root, "folders", 3).unwrap();
    assert_eq!(set.labels, Some(vec![0, 1]));
    let root = folder(&scene, &[("top.pgm", [0, 0])]);
    let text = said(&scene, &read(&root, "folders", 3).unwrap_err());
    assert!(text.contains("in no class folder"), "{text}");
    assert!(text.contains("at images/top.pgm"), "{text}");
    let file = scene.file("d.csv", "0,0\n");
    let errors = read(&file, "folders", 3).unwrap_err();
    assert_eq!(errors.0[0].code, codes::USAGE);
}

#[test]
fn labels_by_the_names_of_images() {
    let scene = Scene::new();
    let root = folder(&scene, &[("b.pgm", [0, 0]), ("x/a.pgm", [0, 0])]);
    let with = |text: &str| {
        let file = scene.file("labels.csv", text);
        read(&root, &file.display().to_string(), 3)
    };
    for text in [
        "image,label\nx/a.pgm,2\nother.pgm,9\nb.pgm,1\n",
        "x/a.pgm,2\nb.pgm,1\n",
    ] {
        assert_eq!(with(text).unwrap().labels, Some(vec![1, 2]), "{text}");
    }
    for (text, want) in [
        ("b.pgm,1\n", "image x/a.pgm has no label"),
        ("b.pgm,1\nb.pgm,1\n", "image b.pgm (line 2) has two labels"),
        ("b.pgm,1\nx/a.pgm\n", "entry 1 (line 2) has 1 columns"),
        ("b.pgm,1\nx/a.pgm,tree\n", "label of row 1 is no number"),
        ("b.pgm,tree\nx/a.pgm,1\n", "label of row 0 is no number"),
        ("b.pgm,1\nx/a.pgm,3\n", "label of row 1 is 3"),
        ("1\n", "1 labels for 2 rows"),
    ] {
        let errors = with(text).unwrap_err();
        assert!(errors.to_string().contains(want), "{errors} / {want}");
        assert_eq!(errors.0[0].code, codes::DATA);
    }
}

#[test]
fn folders_that_are_not_read() {
    let scene = Scene::new();
    let root = folder(&scene, &[("a.pgm", [0, 0]), ("b.pgm", [0, 0])]);
    let error = |shape: &[usize]| {
        let errors = regions_of(&root, &balls("0"), shape).expect_err("an error");
        assert_eq!(errors.0.len(), 1);
        said(&scene, &errors)
    };
    let text = error(&[3]);
    assert!(text.contains("1 rows and 2 columns, grey"), "{text}");
    assert!(text.contains("at images/a.pgm"), "{text}");
    std::fs::write(root.join("b.pgm"), "P5 2 1 255 ").unwrap();
    let text = error(&[2]);
    assert!(text.contains("2 bytes of samples, 0 follow"), "{text}");
    assert!(text.contains("at images/b.pgm"), "{text}");
    std::fs::write(root.join("c.jpg"), "").unwrap();
    let text = error(&[2]);
    assert!(text.contains("another kind, such as c.jpg"), "{text}");
    let empty = scene.0.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let errors = regions_of(&empty, &balls("0"), &[2]).expect_err("an error");
    assert!(errors.to_string().contains("no image"), "{errors}");
    let text = regions_of(&scene.0.path().join("no.png"), &balls("0"), &[2]);
    assert_eq!(text.expect_err("an error").0[0].code, codes::FILE_READ);
}
