//! Texts from nobody: parsing never panics and never overflows the stack.

#[path = "common/dice.rs"]
mod dice;

use ceg4n_base::Sources;
use ceg4n_syntax::{PrintOptions, parse, print};
use dice::Dice;
use std::collections::BTreeMap;

/// Parses, and renders what is wrong; the point is to come back.
fn survive(text: &str) -> bool {
    let mut sources = Sources::default();
    let query = "(declare-const Y_0 Real)(declare-const Y_1 Real)(assert (<= Y_0 Y_1))";
    let files = BTreeMap::from([("props/a \"b\".vnnlib".to_owned(), query.into())]);
    match parse(&mut sources, "t.nnir", text, &files) {
        Ok(m) => {
            print(&m, &PrintOptions::default());
            true
        }
        Err(e) => {
            assert!(e.has_errors());
            assert!(!sources.render(&e, false).is_empty());
            false
        }
    }
}

#[test]
fn mutated_texts() {
    let seeds = [
        include_str!("examples/classifier.nnir"),
        include_str!("examples/versions.nnir"),
        include_str!("examples/regions.in.nnir"),
    ];
    let snippets: [&[u8]; 14] = [
        b"[",
        b"]",
        b"\"",
        b";",
        b"{",
        b"}",
        b"//",
        b"%",
        b"\\u{ffffffff}",
        b"1e999",
        b"\xc3\xa9",
        b"tensor<99999999999999999999x3>",
        b"tensor<65536x65536x65536x65536>",
        b"\n",
    ];
    let dice = &mut Dice(7);
    let mut accepted = 0;
    for _ in 0..3000 {
        let mut bytes = dice.pick(&seeds).as_bytes().to_vec();
        for _ in 0..1 + dice.below(4) {
            let at = dice.below(bytes.len());
            match dice.below(5) {
                0 => bytes[at] = dice.below(256) as u8,
                1 => drop(bytes.remove(at)),
                2 => drop(bytes.splice(at..at, dice.pick(&snippets).iter().copied())),
                3 => bytes.truncate(at.max(1)),
                _ => {
                    let end = (at + dice.below(40)).min(bytes.len());
                    let copy = bytes[at..end].to_vec();
                    let to = dice.below(bytes.len());
                    drop(bytes.splice(to..to, copy));
                }
            }
        }
        accepted += usize::from(survive(&String::from_utf8_lossy(&bytes)));
    }
    assert!(
        accepted > 100,
        "most mutations should not be all fatal: {accepted}"
    );
}

#[test]
fn deep_and_long_texts() {
    let n = 100_000;
    for text in [
        "[".repeat(n),
        format!("nnir 1; network @n {{ %w = const {};", "[".repeat(n)),
        format!("nnir 1; {}", "network @n {".repeat(n / 20)),
        "}".repeat(n),
        "\"".repeat(n),
        "\\\"".repeat(n),
        "// x\n".repeat(n),
        format!("nnir 1; region \"a\" = box([{}], [1]);", "9".repeat(n)),
        format!(
            "nnir 1; region \"a\" = box([{}1], [1]);",
            "1e5000, ".repeat(200)
        ),
        "%x = input : tensor<2>\n".repeat(n / 20),
        format!("nnir 1; network @n {{\n{}", "%x = relu %x\n".repeat(n / 20)),
    ] {
        assert!(!survive(&text));
    }
}

#[test]
fn broken_tensor_files() {
    let text = "nnir 1;\nnetwork @n {\n%x = input : tensor<2>;\n%w = const file(\"w.st\", \"w\") : tensor<2>;\n%y = add %x, %w;\noutput %y;\n}\n";
    let header = "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
    let mut good = (header.len() as u64).to_le_bytes().to_vec();
    good.extend(header.bytes());
    good.extend([0u8; 8]);
    let read = |bytes: Vec<u8>| {
        let files = BTreeMap::from([("w.st".to_owned(), bytes)]);
        parse(&mut Sources::default(), "t.nnir", text, &files).is_ok()
    };
    assert!(read(good.clone()));
    let dice = &mut Dice(11);
    for _ in 0..2000 {
        let mut bytes = good.clone();
        let at = dice.below(bytes.len() - 8);
        match dice.below(3) {
            0 => bytes[at] = dice.below(256) as u8,
            1 => bytes.truncate(at),
            _ => bytes.insert(at, dice.below(256) as u8),
        }
        read(bytes);
    }
}
