//! Element types, and constants in other files.

use super::{Attribute, Model, value};
use crate::onnx::import_onnx_file;
use crate::onnx::proto::{StringEntryProto, TensorProto, data_type};
use ceg4n_base::{Exact, codes};

fn raw(name: &str, kind: i32, dims: &[i64], bytes: &[u8]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: kind,
        raw_data: bytes.to_vec(),
        ..TensorProto::default()
    }
}

fn adds(t: TensorProto) -> Model {
    let mut m = Model::new(&[1, 2]).node("Add", &["x", "c"], "y", &[]);
    m.graph().initializer.push(t);
    m
}

#[test]
fn weights_of_every_float_type() {
    let half = raw("c", data_type::FLOAT16, &[2], &[0x00, 0x3c, 0x00, 0xc0]);
    assert_eq!(adds(half).run(&[0.0; 2]), [1.0, -2.0]);
    let brain = raw("c", data_type::BFLOAT16, &[2], &[0x80, 0x3f, 0x00, 0xc0]);
    assert_eq!(adds(brain).run(&[0.0; 2]), [1.0, -2.0]);
    let typed = TensorProto {
        name: "c".to_owned(),
        dims: vec![2],
        data_type: data_type::FLOAT16,
        int32_data: vec![0x3c00, 0xc000],
        ..TensorProto::default()
    };
    assert_eq!(adds(typed).run(&[0.0; 2]), [1.0, -2.0]);
    let bytes: Vec<u8> = [0.1f64, 1.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let double = adds(raw("c", data_type::DOUBLE, &[2], &bytes));
    let n = double.import().unwrap().network;
    let c = n.constant(n.find("c").unwrap()).unwrap();
    assert_eq!(c.center(0), Exact::from_f64(0.1).unwrap());
    assert!(!c.enclosed() && n.is_exact());
    let huge: Vec<u8> = [1e300f64, 1.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let (codes, text) = adds(raw("c", data_type::DOUBLE, &[2], &huge)).errors();
    assert_eq!(codes, [codes::NUMBER]);
    assert!(text.contains("beyond the range"), "{text}");
}

#[test]
fn inputs_of_other_floats_and_casts_between_them() {
    let mut m = Model::new(&[1, 2])
        .node("Cast", &["x"], "a", &[Attribute::Int("to", 1)])
        .node("Relu", &["a"], "y", &[]);
    for kind in [data_type::DOUBLE, data_type::FLOAT16, data_type::BFLOAT16] {
        let mut input = value("x", &[1, 2]);
        let t = input.r#type.as_mut().unwrap();
        t.tensor_type.as_mut().unwrap().elem_type = kind;
        m.graph().input[0] = input;
        assert_eq!(m.run(&[-1.0, 2.0]), [0.0, 2.0]);
    }
    let integer = Model::new(&[1, 2]).node("Cast", &["x"], "a", &[Attribute::Int("to", 7)]);
    let integer = integer.node("Relu", &["a"], "y", &[]);
    assert!(
        integer
            .errors()
            .1
            .contains("Cast of computed values to int64")
    );
}

fn entry(key: &str, value: &str) -> StringEntryProto {
    StringEntryProto {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn elsewhere(entries: &[(&str, &str)]) -> Model {
    adds(TensorProto {
        name: "c".to_owned(),
        dims: vec![2],
        data_type: data_type::FLOAT,
        data_location: 1,
        external_data: entries.iter().map(|(k, v)| entry(k, v)).collect(),
        ..TensorProto::default()
    })
}

#[test]
fn data_in_another_file() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("model");
    std::fs::create_dir_all(folder.join("data")).unwrap();
    let bytes: Vec<u8> = [9.0f32, 1.0, 2.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    std::fs::write(folder.join("data/c.bin"), &bytes).unwrap();
    std::fs::write(dir.path().join("outside.bin"), &bytes).unwrap();
    let import = |entries: &[(&str, &str)]| {
        let path = folder.join("m.onnx");
        std::fs::write(&path, elsewhere(entries).bytes()).unwrap();
        import_onnx_file(&path)
    };
    let read = import(&[("location", "data/c.bin"), ("offset", "4"), ("length", "8")]);
    let n = read.unwrap().network;
    assert_eq!(*n.constant(n.find("c").unwrap()).unwrap().data, [1.0, 2.0]);
    let cases: [(&[(&str, &str)], &str); 9] = [
        (&[("location", "../outside.bin")], "not below"),
        (&[("location", "data/../../outside.bin")], "not below"),
        (&[("location", "/etc/passwd")], "not below"),
        (&[("location", "")], "not below"),
        (&[("location", "data/missing.bin")], "missing.bin"),
        (&[("location", "data")], "it is no file"),
        (
            &[("location", "data/c.bin"), ("offset", "8")],
            "has 12 bytes",
        ),
        (
            &[("location", "data/c.bin"), ("length", "12")],
            "needs 8 bytes",
        ),
        (&[("location", "data/c.bin"), ("offset", "-4")], "offset"),
    ];
    for (entries, want) in cases {
        let errors = import(entries).unwrap_err();
        let text = format!("{errors:?}");
        assert!(text.contains(want), "{want}: {text}");
    }
    assert!(format!("{:?}", import(&[]).unwrap_err()).contains("in which file"));
    let overflow = import(&[
        ("location", "data/c.bin"),
        ("offset", &u64::MAX.to_string()),
    ]);
    assert!(overflow.is_err());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../outside.bin", folder.join("link.bin")).unwrap();
        let errors = import(&[("location", "link.bin")]).unwrap_err();
        assert!(format!("{errors:?}").contains("not below"), "{errors:?}");
    }
}
