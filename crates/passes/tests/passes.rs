//! Passes on hand-made and random networks, and the check that catches a wrong one.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use ceg4n_base::{Diagnostics, Exact};
use ceg4n_ir::{
    Anchor, Annotation, Annotations, Constant, Format, Module, Network, NetworkBuilder, Op, Origin,
    Program, Region, Shape, ValueId, check,
};
use ceg4n_passes::{Keeps, Pipeline, REGISTRY, verify_step};
use proptest::prelude::*;

fn constant(data: &[f32]) -> Op {
    Op::Const(Constant {
        data: data.into(),
        origin: Origin::Inline,
        wide: None,
    })
}

fn format(text: &str) -> Annotation {
    let format: Format = text.parse().unwrap();
    Annotation::Fixed {
        format: format.into(),
        mantissas: None,
    }
}

fn annotations(network: &Network, list: &[(&str, &str)]) -> Annotations {
    let mut a = Annotations {
        version: 1,
        ..Annotations::default()
    };
    for (name, text) in list {
        a.values.insert(network.find(name).unwrap(), format(text));
    }
    a
}

/// `y = w1·i2(i1(relu(w0·x)))`, and a value that nobody uses.
fn sample() -> Module {
    let mut b = NetworkBuilder::new("t");
    let x = b.push("x", Op::Input, Some(Shape::vector(2)), None);
    let dense = |b: &mut NetworkBuilder, name: &str, x: ValueId, w: &[f32]| {
        let shape = Some(Shape(vec![2, 2]));
        let weight = b.push(format!("w_{name}"), constant(w), shape, None);
        let op = Op::Dense {
            x,
            weight,
            bias: None,
        };
        b.push(name, op, None, None)
    };
    let h = dense(&mut b, "h", x, &[1.0, -0.75, -0.5, 1.25]);
    let dead = dense(&mut b, "dead", x, &[1.0, 1.0, 1.0, 1.0]);
    b.push("dead2", Op::Relu { x: dead }, None, None);
    let r = b.push("r", Op::Relu { x: h }, None, None);
    let i1 = b.push("i1", Op::Identity { x: r }, None, None);
    let i2 = b.push("i2", Op::Flatten { x: i1 }, None, None);
    let y = dense(&mut b, "y", i2, &[1.5, -0.5, -0.25, 1.0]);
    let network = b.finish(y).unwrap();
    let fixed = [
        ("x", "u8q8"),
        ("w_h", "s4q2"),
        ("w_y", "s4q2"),
        ("w_dead", "s4q2"),
    ];
    let on = |extra: &[(&str, &str)]| annotations(&network, &[&fixed, extra].concat());
    let versions = vec![on(&[("i2", "u8q6")]), on(&[("r", "u8q6"), ("i1", "u8q6")])];
    let entry = Anchor::FormatEntry(0, network.find("i2").unwrap());
    let value = Anchor::Value(network.find("i1").unwrap());
    let mut module = Module::new(network);
    module.versions = versions;
    module.comments.insert(entry, vec!["why six".into()]);
    module.comments.insert(value, vec!["moves".into()]);
    module.regions.push(Region {
        id: "a".into(),
        lower: vec![Exact::from(0), Exact::from(0)],
        upper: vec![Exact::from(1), Exact::from(1)],
        center: None,
        ball_size: None,
        span: None,
    });
    module
}

fn run(module: &Module, passes: &str) -> Module {
    let pipeline = Pipeline::parse(passes, REGISTRY).unwrap();
    let checked = pipeline.run(module, &mut |step, before, after| {
        let keeps = step.pass.keeps(step.parameter.as_deref());
        verify_step(step.pass.name(), keeps, before, after)
    });
    checked.unwrap()
}

fn names(module: &Module) -> Vec<&str> {
    let values = module.network.values().values();
    values.map(|v| v.name.as_str()).collect()
}

#[test]
fn identities_go_and_their_formats_and_comments_stay() {
    let out = run(&sample(), "drop-identity");
    assert_eq!(
        names(&out),
        ["x", "w_h", "h", "w_dead", "dead", "dead2", "r", "w_y", "y"]
    );
    let r = out.network.find("r").unwrap();
    for a in &out.versions {
        assert_eq!(a.get(r), Some(&format("u8q6")));
    }
    assert_eq!(out.comments[&Anchor::FormatEntry(0, r)], ["why six"]);
    let next = out.network.find("w_y").unwrap();
    assert_eq!(out.comments[&Anchor::Value(next)], ["moves"]);
}

#[test]
fn an_identity_that_rounds_stays() {
    let mut module = sample();
    let i2 = module.network.find("i2").unwrap();
    module.versions[1].values.insert(i2, format("u5q4"));
    let out = run(&module, "drop-identity");
    assert!(out.network.find("i1").is_none());
    assert!(out.network.find("i2").is_some());
}

#[test]
fn a_format_does_not_move_to_a_value_that_others_see() {
    let mut b = NetworkBuilder::new("t");
    let x = b.push("x", Op::Input, Some(Shape::vector(1)), None);
    let c = b.push("c", constant(&[0.5]), None, None);
    let h = b.push("h", Op::Add { x, c }, None, None);
    b.push("i", Op::Identity { x: h }, None, None);
    let y = b.push("y", Op::Relu { x: h }, None, None);
    let network = b.finish(y).unwrap();
    let a = annotations(&network, &[("x", "s8q4"), ("c", "s4q3"), ("i", "s4q2")]);
    let mut module = Module::new(network);
    module.versions.push(a);
    assert_eq!(names(&run(&module, "drop-identity")).len(), 5);
    assert_eq!(names(&run(&module, "drop-unused")), ["x", "c", "h", "y"]);

    // The operand is the output: its format must not change either.
    let mut b = module.network.rebuild();
    b.push("z", Op::Relu { x: y }, None, None);
    let mut on_output = Module::new(b.finish(h).unwrap());
    on_output.versions = module.versions.clone();
    let h = on_output.network.find("h").unwrap();
    let out = run(&on_output, "drop-identity");
    assert_eq!(out.versions[0].get(h), None);
}

#[test]
fn unused_values_go() {
    let out = run(&sample(), "drop-unused");
    assert_eq!(names(&out), ["x", "w_h", "h", "r", "i1", "i2", "w_y", "y"]);
    assert_eq!(
        names(&run(&sample(), "cleanup")),
        ["x", "w_h", "h", "r", "w_y", "y"]
    );
}

#[test]
fn mantissas_are_written_out() {
    let out = run(&sample(), "cleanup,materialize");
    let w = out.network.find("w_h").unwrap();
    match out.versions[0].get(w) {
        Some(Annotation::Fixed {
            mantissas: Some(m), ..
        }) => assert_eq!(m[..], [4, -3, -2, 5]),
        other => panic!("{other:?}"),
    }
    assert!(run(&out, "clear-formats").versions.is_empty());
}

#[test]
fn a_pass_that_changes_a_function_is_caught() {
    let module = sample();
    let code = |r: Result<(), Diagnostics>| r.unwrap_err().0[0].to_string();
    let w = module.network.find("w_y").unwrap();

    let mut rounds_otherwise = module.clone();
    rounds_otherwise.versions[0]
        .values
        .insert(w, format("s4q1"));
    let found = code(verify_step("bad", Keeps::ALL, &module, &rounds_otherwise));
    assert!(found.contains("changed version v1 at"), "{found}");

    let mut b = module.network.rebuild();
    let y = b.push(
        "z",
        Op::Relu {
            x: module.network.output(),
        },
        None,
        None,
    );
    let clipped = Module {
        network: b.finish(y).unwrap().into(),
        ..module.clone()
    };
    let found = code(verify_step("bad", Keeps::ALL, &module, &clipped));
    assert!(found.contains("changed the reference at"), "{found}");

    let mut no_version = module.clone();
    no_version.versions.clear();
    assert!(verify_step("bad", Keeps::ALL, &module, &no_version).is_err());

    let mut unchecked = module.clone();
    unchecked.versions[0].values.remove(&w);
    let found = code(verify_step(
        "bad",
        Keeps {
            kernels: false,
            ..Keeps::ALL
        },
        &module,
        &unchecked,
    ));
    assert!(found.contains("has no format"), "{found}");
}

/// A network of adds, relus, identities and reshapes on random operands; formats on some.
fn random_module() -> impl Strategy<Value = Module> {
    let step = (
        0usize..5,
        0usize..8,
        prop::option::of((2u8..9, 0i32..6)),
        -8i32..8,
    );
    (prop::collection::vec(step, 1..12), 0usize..12).prop_map(|(steps, output)| {
        let mut b = NetworkBuilder::new("r");
        let x = b.push("x", Op::Input, Some(Shape::vector(2)), None);
        let mut tensors = vec![x];
        let mut formats = vec![(x, "s8q4".to_owned())];
        for (i, (kind, operand, format, value)) in steps.into_iter().enumerate() {
            let x = tensors[operand % tensors.len()];
            let op = match kind {
                0 => {
                    let c = b.push(format!("c{i}"), constant(&[value as f32 / 4.0]), None, None);
                    formats.push((c, "s6q2".to_owned()));
                    Op::Add { x, c }
                }
                1 => Op::Relu { x },
                2 => Op::Identity { x },
                3 => Op::Flatten { x },
                _ => Op::Reshape { x },
            };
            let shape = (kind == 4).then(|| Shape::vector(2));
            let v = b.push(format!("v{i}"), op, shape, None);
            formats.extend(format.map(|(w, f)| (v, format!("s{w}q{f}"))));
            tensors.push(v);
        }
        let network = b.finish(tensors[output % tensors.len()]).unwrap();
        let mut a = Annotations::default();
        for (v, text) in formats {
            a.values.insert(v, format(&text));
        }
        let mut module = Module::new(network);
        module.versions = vec![a];
        module
    })
}

proptest! {
    #[test]
    fn exact_rewrites_change_no_function(module in random_module()) {
        // Some formats of a random network are refused (a constant finer than its operand).
        let program = Program::new(module.network.clone(), module.versions[0].clone());
        prop_assume!(check(program).is_ok());
        let out = run(&module, "cleanup,materialize");
        let moves = out.network.values().iter().filter(|(v, value)| {
            matches!(value.op, Op::Identity { .. } | Op::Flatten { .. } | Op::Reshape { .. })
                && out.versions[0].get(*v).is_none()
        });
        prop_assert_eq!(moves.count(), 0);
    }
}
