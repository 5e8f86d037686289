//! Tensors beside the text, and modules on disk.

mod common;

use ceg4n_base::{Sources, codes};
use ceg4n_ir::{Constant, Module, NetworkBuilder, Op, Origin, Shape};
use ceg4n_syntax::{NoFiles, PrintOptions, load, parse, print, save};
use common::{describe, module};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A module with a constant of `n` elements.
fn large(n: usize, first: f32) -> Module {
    let mut b = NetworkBuilder::new("large");
    let x = b.push("x", Op::Input, Some(Shape(vec![n])), None);
    let mut data = vec![0.5; n];
    data[0] = first;
    let constant = Constant {
        data: data.into(),
        origin: Origin::Inline,
        wide: None,
    };
    let c = b.push("c", Op::Const(constant), None, None);
    let y = b.push("y", Op::Add { x, c }, None, None);
    Module::new(b.finish(y).expect("a well-formed network"))
}

fn read(path: &Path) -> Module {
    let mut sources = Sources::default();
    load(&mut sources, path).unwrap_or_else(|e| panic!("{}", sources.render(&e, false)))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> = entries
        .map(|e| {
            e.expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn large_constants_leave_the_text() {
    let printed = print(&large(4097, 1.0), &PrintOptions::default());
    let expected = "nnir 1;\n\nnetwork @large {\n  %x = input : tensor<4097>;\n  %c = const file(\"large.safetensors\", \"c\") : tensor<4097>;\n  %y = add %x, %c : tensor<4097>;\n  output %y;\n}\n";
    assert_eq!(printed.text, expected);
    assert_eq!(printed.side_files.len(), 1);
    assert!(
        print(&large(4096, 1.0), &PrintOptions::default())
            .side_files
            .is_empty()
    );
}

#[test]
fn tiny_constants_stay_in_the_text() {
    let options = PrintOptions {
        inline_limit: 0,
        ..PrintOptions::default()
    };
    assert!(print(&large(16, 1.0), &options).side_files.is_empty());
    assert_eq!(print(&large(17, 1.0), &options).side_files.len(), 1);
}

#[test]
fn saved_modules_load() {
    for seed in 0..40 {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("m.nnir");
        let m = module(seed);
        save(&path, &m).expect("a writable folder");
        assert_eq!(describe(&read(&path)), describe(&m));
        assert!(names(folder.path()).iter().all(|n| !n.ends_with(".tmp")));
    }
}

#[test]
fn a_second_save_never_changes_a_file_of_tensors() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("m.nnir");
    let (first, second) = (large(5000, 1.0), large(5000, 2.0));
    save(&path, &first).expect("a writable folder");
    assert_eq!(names(folder.path()), ["m.nnir", "m.safetensors"]);
    let before = fs::read(folder.path().join("m.safetensors")).expect("a file");
    // What was read keeps its file; the same again writes nothing new.
    let again = read(&path);
    save(&path, &again).expect("a writable folder");
    save(&folder.path().join("v2.nnir"), &again).expect("a writable folder");
    assert_eq!(names(folder.path()), ["m.nnir", "m.safetensors", "v2.nnir"]);
    // Other tensors under the same name go elsewhere.
    save(&path, &second).expect("a writable folder");
    assert_eq!(names(folder.path()).len(), 4);
    assert_eq!(
        fs::read(folder.path().join("m.safetensors")).expect("a file"),
        before
    );
    assert_eq!(describe(&read(&path)), describe(&second));
    assert_eq!(
        describe(&read(&folder.path().join("v2.nnir"))),
        describe(&first)
    );
    // In another folder the tensors are written again.
    let other = tempfile::tempdir().expect("a folder");
    save(&other.path().join("o.nnir"), &again).expect("a writable folder");
    assert_eq!(names(other.path()), ["o.nnir", "o.safetensors"]);
}

#[test]
fn unwritable_and_unreadable_files_are_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let d = save(&folder.path().join("none/m.nnir"), &module(1)).expect_err("no such folder");
    assert_eq!(d.code, codes::FILE_WRITE);
    // A folder stands where the file should; the beside file is removed again.
    fs::create_dir(folder.path().join("m.nnir")).expect("a folder");
    let d = save(&folder.path().join("m.nnir"), &large(3, 1.0)).expect_err("a folder is there");
    assert_eq!(d.code, codes::FILE_WRITE);
    assert_eq!(names(folder.path()), ["m.nnir"]);

    let refuse = |name: &str| {
        let found = load(&mut Sources::default(), &folder.path().join(name));
        found.expect_err("unreadable").0[0].clone()
    };
    assert_eq!(refuse("absent.nnir").code, codes::FILE_READ);
    assert_eq!(refuse("m.nnir").code, codes::FILE_READ);
    fs::write(folder.path().join("latin.nnir"), b"nnir 1; // \xe9").expect("a file");
    assert!(
        refuse("latin.nnir")
            .message
            .contains("no UTF-8 text (byte 11)")
    );
}

#[test]
fn bad_tensor_files_are_said() {
    let printed = print(&large(5000, 1.0), &PrintOptions::default());
    let refuse = |text: &str, files: &BTreeMap<String, Vec<u8>>| {
        let found = parse(&mut Sources::default(), "t.nnir", text, files);
        let d = found.expect_err("a bad file").0.remove(0);
        (d.code, d.message)
    };
    let mut files: BTreeMap<_, _> = printed.side_files.iter().cloned().collect();
    let (code, message) = refuse(&printed.text, &BTreeMap::new());
    assert_eq!(code, codes::FILE_READ);
    assert!(
        message.contains("cannot read large.safetensors"),
        "{message}"
    );
    let (code, message) = refuse(&printed.text.replace("\"c\"", "\"d\""), &files);
    assert_eq!(code, codes::FILE_READ);
    assert!(
        message.contains("no tensor \"d\"; did you mean \"c\"?"),
        "{message}"
    );
    let (code, message) = refuse(
        &printed
            .text
            .replace("\"c\") : tensor<5000>", "\"c\") : tensor<50x100>"),
        &files,
    );
    assert_eq!(code, codes::SHAPE);
    assert!(
        message.contains("\"c\" in large.safetensors is tensor<5000>"),
        "{message}"
    );
    let mantissas = printed.text.clone()
        + "format @large v1 {\n%c: s8q6 = mantissas file(\"large.safetensors\", \"c\");\n}\n";
    let (code, message) = refuse(&mantissas, &files);
    assert_eq!(code, codes::FILE_READ);
    assert!(message.contains("has elements F32, not I32"), "{message}");
    for bytes in files.values_mut() {
        bytes.truncate(1000);
    }
    let (code, message) = refuse(&printed.text, &files);
    assert_eq!(code, codes::FILE_READ);
    assert!(
        message.contains("no complete safetensors file"),
        "{message}"
    );
    assert!(parse(&mut Sources::default(), "t", &printed.text, &NoFiles).is_err());
}
