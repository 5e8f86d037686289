//! Elementwise operators.

use super::{Attribute, Model};
use ceg4n_ir::Op;

const X: [f64; 4] = [-3.0, -0.5, 0.75, 8.0];

fn one(op: &str, attributes: &[Attribute]) -> Model {
    Model::new(&[1, 4]).node(op, &["x"], "y", attributes)
}

fn each(m: &Model, f: impl Fn(f64) -> f64) {
    let want: Vec<f64> = X.iter().map(|v| f(*v)).collect();
    let have = m.run(&X);
    let near = have.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(near, "{have:?} {want:?}");
}

#[test]
fn functions_of_one_operand() {
    each(&one("Abs", &[]), f64::abs);
    each(&one("Sign", &[]), f64::signum);
    each(&one("Neg", &[]), |v| -v);
    each(&one("Sigmoid", &[]), |v| 1.0 / (1.0 + (-v).exp()));
    each(&one("Tanh", &[]), f64::tanh);
    let line = |v: f64| f64::from(0.2f32) * v + 0.5;
    each(&one("HardSigmoid", &[]), |v| line(v).clamp(0.0, 1.0));
    assert_eq!(
        one("HardSigmoid", &[]).ops(),
        ["input", "mul", "add", "clip"]
    );
}

#[test]
fn clips_of_every_operator_set() {
    let attributes = |lo, hi| [Attribute::Float("min", lo), Attribute::Float("max", hi)];
    each(&one("Clip", &attributes(-1.0, 6.0)), |v| v.clamp(-1.0, 6.0));
    let operands = |names: &[&str]| {
        Model::new(&[1, 4])
            .floats("lo", &[], &[0.0])
            .floats("hi", &[], &[6.0])
            .floats("low", &[], &[f32::MIN])
            .floats("nan", &[], &[f32::NAN])
            .node("Clip", names, "y", &[])
    };
    each(&operands(&["x", "lo", "hi"]), |v| v.clamp(0.0, 6.0));
    assert_eq!(operands(&["x", "lo"]).ops(), ["input", "relu"]);
    each(&operands(&["x", "", "hi"]), |v| v.min(6.0));
    each(&operands(&["x", "low", "hi"]), |v| v.min(6.0));
    assert_eq!(operands(&["x"]).ops(), ["input", "identity"]);
    assert!(
        operands(&["x", "hi", "lo"])
            .errors()
            .1
            .contains("Clip between")
    );
    assert!(operands(&["x", "nan"]).errors().1.contains("no number"));
}

#[test]
fn two_slopes() {
    let leaky = |alpha| one("LeakyRelu", &[Attribute::Float("alpha", alpha)]);
    let slope = |alpha: f64| move |v: f64| if v < 0.0 { alpha * v } else { v };
    each(&leaky(0.125), slope(0.125));
    let n = leaky(0.125).import().unwrap().network;
    assert!(matches!(
        n.value(n.output()).op,
        Op::LeakyRelu { shift: 3, .. }
    ));
    let tenth = f64::from(0.1f32);
    each(&leaky(0.1), slope(tenth));
    assert_eq!(leaky(0.1).ops(), ["input", "mul", "relu", "mul", "sum"]);
    each(&leaky(-2.0), slope(-2.0));
    assert_eq!(leaky(0.0).ops(), ["input", "relu"]);
    assert_eq!(leaky(1.0).ops(), ["input", "identity"]);
    each(&one("LeakyRelu", &[]), slope(f64::from(0.01f32)));
    // 1 - 0.1 as floats has no float; both slopes are exact.
    let n = leaky(0.1).import().unwrap().network;
    assert!(n.is_exact());

    let prelu = Model::new(&[1, 2, 1, 2])
        .floats("s", &[2, 1, 1], &[0.5, -1.0])
        .node("PRelu", &["x", "s"], "y", &[]);
    assert_eq!(prelu.run(&[-2.0, 2.0, -2.0, 2.0]), [-1.0, 2.0, 2.0, 2.0]);
    let unfit =
        Model::new(&[1, 2])
            .floats("s", &[3], &[0.5; 3])
            .node("PRelu", &["x", "s"], "y", &[]);
    assert!(unfit.errors().1.contains("do not fit"));
}

#[test]
fn of_two_tensors() {
    let m = |op: &str| {
        Model::new(&[1, 4])
            .node("Abs", &["x"], "a", &[])
            .node("Relu", &["x"], "b", &[])
            .node(op, &["a", "b"], "y", &[])
    };
    let relu = |v: f64| v.max(0.0);
    each(&m("Add"), |v| v.abs() + relu(v));
    each(&m("Sub"), |v| v.abs() - relu(v));
    each(&m("Sum"), |v| v.abs() + relu(v));
    each(&m("Max"), |v| v.abs().max(relu(v)));
    each(&m("Min"), |v| v.abs().min(relu(v)));
    assert!(m("Mul").errors().1.contains("of two computed operands"));
    let squares = Model::new(&[1, 4]).node("Add", &["x", "x"], "y", &[]);
    each(&squares, |v| v + v);
    // Of several, with constants among them.
    let many = Model::new(&[1, 4])
        .floats("c", &[4], &[1.0; 4])
        .node("Relu", &["x"], "a", &[])
        .node("Sum", &["x", "c", "a", "c", "x"], "y", &[]);
    each(&many, |v| 2.0 * v + relu(v) + 2.0);
    let unfit = Model::new(&[1, 2, 2])
        .node(
            "ReduceMean",
            &["x"],
            "a",
            &[Attribute::Ints("axes", vec![2])],
        )
        .node("Add", &["x", "a"], "y", &[]);
    assert!(unfit.errors().1.contains("not a computed operand"));
}

#[test]
fn extremes_with_constants() {
    let m = |op: &str, c: &[f32], first: bool| {
        let operands = if first { ["c", "x"] } else { ["x", "c"] };
        Model::new(&[1, 4])
            .floats("c", &[c.len() as i64], c)
            .node(op, &operands, "y", &[])
    };
    each(&m("Max", &[0.5], true), |v| v.max(0.5));
    each(&m("Min", &[0.5], false), |v| v.min(0.5));
    assert_eq!(m("Max", &[0.0], false).ops(), ["input", "relu"]);
    let c = [-4.0, 1.0, 2.0, 3.0];
    let with = |f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
        X.iter().zip(c).map(|(x, c)| f(*x, f64::from(c))).collect()
    };
    assert_eq!(m("Max", &c, true).run(&X), with(&f64::max));
    assert_eq!(m("Min", &c, false).run(&X), with(&f64::min));
}

#[test]
fn products_and_scalers() {
    let mul = Model::new(&[1, 2, 1, 2])
        .floats("c", &[1, 2, 1, 1], &[2.0, -3.0])
        .node("Mul", &["c", "x"], "y", &[]);
    assert_eq!(mul.run(&[1.0, 2.0, 3.0, 4.0]), [2.0, 4.0, -9.0, -12.0]);
    let mut scaler = one(
        "Scaler",
        &[
            Attribute::Floats("offset", vec![1.0, 2.0, 3.0, 4.0]),
            Attribute::Floats("scale", vec![0.5]),
        ],
    );
    scaler.graph().node[0].domain = "ai.onnx.ml".to_owned();
    assert_eq!(scaler.run(&X), [-2.0, -1.25, -1.125, 2.0]);
    let mut line = one(
        "LinearRegressor",
        &[
            Attribute::Floats("coefficients", vec![1.0, 0.0, 0.0, 2.0]),
            Attribute::Floats("intercepts", vec![0.5]),
        ],
    );
    line.graph().node[0].domain = "ai.onnx.ml".to_owned();
    assert_eq!(line.run(&X), [13.5]);
}
