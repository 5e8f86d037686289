//! Rows of data sets as regions, chosen by what the reference says of them.

use super::{loaded, reference, shipped};
use crate::data::reference_classes;
use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::options::{DataSource, LabelSource, LoadOptions, Pixels};
use ceg4n_import::{DataRequest, read_data_set};
use ceg4n_ir::Property;
use std::path::PathBuf;

fn iris(samples: Option<usize>, correct: bool) -> LoadOptions {
    LoadOptions {
        net: shipped("iris.nnir"),
        regions: vec![shipped("iris.csv")],
        radius: "0.01".parse().ok(),
        samples,
        region_labels: Some(LabelSource::Column("class".to_owned())),
        only_correct: correct,
        require: Some(Property::Top1.into()),
        ..LoadOptions::default()
    }
}

fn regions(options: &LoadOptions) -> Vec<usize> {
    let l = load(options).unwrap_or_else(|f| panic!("{f}"));
    let ids = l.module.regions.iter().map(|r| r.id.parse().unwrap());
    ids.collect()
}

#[test]
fn only_rows_that_the_reference_classifies_as_labelled() {
    let source = DataSource::from(shipped("iris.csv").as_path());
    let set = read_data_set(&DataRequest {
        data: &source,
        labels: Some(&LabelSource::Column("class".to_owned())),
        rows: None,
        rows_option: "--rows",
        shape: &[4],
        classes: 3,
        pixels: None,
    });
    let set = set.unwrap();
    let classes = reference_classes(&reference(&loaded(shipped("iris.nnir"))), &set, 1).unwrap();
    let labels = set.labels.unwrap();
    let right: Vec<usize> = (0..150).filter(|i| classes[*i] == labels[*i]).collect();
    assert!(
        (140..150).contains(&right.len()),
        "some are wrong: {right:?}"
    );
    assert_eq!(regions(&iris(None, true)), right);
    assert_eq!(regions(&iris(None, false)).len(), 150);
    // One of each ten; none of them is all wrong.
    let first = |k: usize| *right.iter().find(|i| **i >= 10 * k).unwrap();
    let tens: Vec<usize> = (0..15).map(first).collect();
    assert_eq!(regions(&iris(Some(15), true)), tens);
}

#[test]
fn what_does_not_go_together() {
    let error = |options: LoadOptions| {
        let failure: Failure = load(&options).expect_err("an error");
        failure.to_string()
    };
    let wrong = LoadOptions {
        regions: vec![PathBuf::from("none.npz:x")],
        ..iris(None, true)
    };
    assert!(error(wrong).contains("is for data in a csv file"));
    let wrong = LoadOptions {
        pixels: Some(Pixels::Unit),
        ..iris(None, true)
    };
    assert!(error(wrong).contains("no integer from 0 to 255"));
    // Every label is another class.
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(shipped("iris.csv")).unwrap();
    let mut lines = text.lines();
    let mut file = format!("{}\n", lines.next().unwrap());
    for line in lines.take(5) {
        let (row, class) = line.rsplit_once(',').unwrap();
        let other = (class.parse::<u32>().unwrap() + 1) % 3;
        file += &format!("{row},{other}\n");
    }
    let path = dir.path().join("wrong.csv");
    std::fs::write(&path, file).unwrap();
    let wrong = LoadOptions {
        regions: vec![path],
        ..iris(None, true)
    };
    assert!(error(wrong).contains("gives no row the class of its label"));
}

#[test]
fn images_of_a_folder_become_regions() {
    let images = shipped("../check/inputs/images");
    let l: Loaded = load(&LoadOptions {
        net: shipped("tiny.nnir"),
        regions: vec![images],
        radius: "0.01".parse().ok(),
        region_labels: Some(LabelSource::Folders),
        only_correct: true,
        require: Some(Property::Top1.into()),
        ..LoadOptions::default()
    })
    .unwrap_or_else(|f| panic!("{f}"));
    let ids: Vec<&str> = l.module.regions.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids, ["0/left.pgm", "1/right.pgm"]);
}
