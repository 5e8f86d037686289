//! Operators that move elements, and shape arithmetic.

use super::{Attribute, Model};

fn counted(n: usize) -> Vec<f64> {
    (0..n).map(|i| i as f64).collect()
}

#[test]
fn transposes_of_images() {
    let perm = |p: &[i64]| {
        Model::new(&[-99, 2, 3, 2]).node(
            "Transpose",
            &["x"],
            "y",
            &[Attribute::Ints("perm", p.to_vec())],
        )
    };
    let channels_first = perm(&[0, 3, 1, 2]);
    assert_eq!(channels_first.shape(), [2, 2, 3]);
    assert_eq!(
        channels_first.run(&counted(12)),
        [0., 2., 4., 6., 8., 10., 1., 3., 5., 7., 9., 11.]
    );
    // The batch elsewhere.
    let odd = perm(&[3, 0, 2, 1]);
    assert_eq!(odd.shape(), [2, 1, 3, 2]);
    assert_eq!(
        odd.run(&counted(12)),
        [0., 6., 2., 8., 4., 10., 1., 7., 3., 9., 5., 11.]
    );
    let ones = Model::new(&[1, 3, 1]).node("Transpose", &["x"], "y", &[]);
    assert_eq!(ones.ops(), ["input", "reshape"]);
    assert_eq!(ones.shape(), [3, 1]);
    assert!(perm(&[0, 1, 1, 2]).errors().1.contains("no permutation"));
    assert!(perm(&[0, 1]).errors().1.contains("no permutation"));
}

#[test]
fn padding() {
    let m = |x: &[i64], pads: &[i64], rest: &[&str]| {
        let operands: Vec<&str> = ["x", "p"].iter().chain(rest).copied().collect();
        Model::new(x)
            .ints("p", pads)
            .ints("axes", &[-1])
            .floats("v", &[], &[7.0])
            .node("Pad", &operands, "y", &[])
    };
    let all = m(&[1, 1, 1, 2], &[0, 0, 1, 0, 0, 0, 0, 1], &["v"]);
    assert_eq!(all.run(&[1.0, 2.0]), [7., 7., 7., 1., 2., 7.]);
    assert_eq!(all.shape(), [1, 2, 3]);
    let last = m(&[1, 1, 2], &[1, 0], &["", "axes"]);
    assert_eq!(last.run(&[1.0, 2.0]), [0., 1., 2.]);
    assert_eq!(m(&[1, 2], &[0; 4], &[]).ops(), ["input", "identity"]);
    let batch = m(&[1, 2], &[1, 0, 0, 0], &[]);
    assert_eq!(
        (batch.run(&[1.0, 2.0]), batch.shape()),
        (vec![0., 0., 1., 2.], vec![2, 2])
    );
    assert!(
        m(&[1, 2], &[0, -1, 0, 0], &[])
            .errors()
            .1
            .contains("take elements away")
    );
    assert!(m(&[1, 2], &[0, 1], &[]).errors().1.contains("of 2 axes"));
    let old = |mode| {
        Model::new(&[1, 2]).node(
            "Pad",
            &["x"],
            "y",
            &[
                Attribute::Ints("pads", vec![0, 1, 0, 0]),
                Attribute::Float("value", 3.0),
                Attribute::Text("mode", mode),
            ],
        )
    };
    assert_eq!(old("constant").run(&[1.0, 2.0]), [3., 1., 2.]);
    assert!(old("reflect").errors().1.contains("reflect"));
}

#[test]
fn concatenation() {
    let m = |axis| {
        Model::new(&[1, 2, 1, 2])
            .node("Neg", &["x"], "n", &[])
            .node("Concat", &["x", "n"], "y", &[Attribute::Int("axis", axis)])
    };
    let x = [1.0, 2.0, 3.0, 4.0];
    assert_eq!(m(1).run(&x), [1., 2., 3., 4., -1., -2., -3., -4.]);
    assert_eq!(m(1).shape(), [4, 1, 2]);
    assert_eq!(m(-1).run(&x), [1., 2., -1., -2., 3., 4., -3., -4.]);
    assert_eq!(m(0).shape(), [2, 2, 1, 2]);
    assert!(m(4).errors().1.contains("no axis 4"));
    let mixed = |operands: &[&str], axis| {
        Model::new(&[1, 2, 2])
            .floats("c", &[1, 1, 2], &[8.0, 9.0])
            .floats("d", &[1, 2, 1], &[7.0, 6.0])
            .node("Concat", operands, "y", &[Attribute::Int("axis", axis)])
    };
    let x = [1.0, 2.0, 3.0, 4.0];
    let rows = mixed(&["c", "x", "c"], 1);
    assert_eq!(rows.run(&x), [8., 9., 1., 2., 3., 4., 8., 9.]);
    assert_eq!(rows.ops(), ["input", "pad", "concat", "add"]);
    let columns = mixed(&["x", "d", "x"], 2);
    assert_eq!(columns.run(&x), [1., 2., 7., 1., 2., 3., 4., 6., 3., 4.]);
    assert_eq!(columns.shape(), [2, 5]);
    assert!(
        mixed(&["x", "c"], 2)
            .errors()
            .1
            .contains("Concat along axis 2")
    );
    let batch = mixed(&["x", "x", "x"], 0);
    assert_eq!(batch.shape(), [3, 2, 2]);
}

#[test]
fn dimensions_of_size_one_come_and_go() {
    let axes = |v: &[i64]| [Attribute::Ints("axes", v.to_vec())];
    let m = |op: &str, a: &[Attribute]| Model::new(&[1, 2, 1, 3]).node(op, &["x"], "y", a);
    assert_eq!(m("Squeeze", &axes(&[2])).shape(), [2, 3]);
    assert_eq!(m("Squeeze", &[]).shape(), [2, 3]);
    assert_eq!(m("Unsqueeze", &axes(&[-1, 0])).shape(), [1, 2, 1, 3, 1]);
    assert!(m("Squeeze", &axes(&[1])).errors().1.contains("axis 1"));
    assert!(m("Unsqueeze", &axes(&[5, 5])).errors().1.contains("twice"));
    assert!(m("Unsqueeze", &axes(&[6])).errors().1.contains("no axis 6"));
    let operand =
        Model::new(&[1, 2, 1, 3])
            .ints("axes", &[2])
            .node("Squeeze", &["x", "axes"], "y", &[]);
    assert_eq!(operand.shape(), [2, 3]);
}

/// How exporters with a symbolic batch flatten: `x.view(x.size(0), -1)`.
#[test]
fn shapes_computed_from_shapes() {
    let m = Model::new(&[-99, 2, 3])
        .node("Shape", &["x"], "s", &[])
        .node("Constant", &[], "zero", &[Attribute::Int("value_int", 0)])
        .node("Gather", &["s", "zero"], "batch", &[])
        .node(
            "Unsqueeze",
            &["batch"],
            "first",
            &[Attribute::Ints("axes", vec![0])],
        )
        .node(
            "Constant",
            &[],
            "rest",
            &[Attribute::Ints("value_ints", vec![-1])],
        )
        .node(
            "Concat",
            &["first", "rest"],
            "to",
            &[Attribute::Int("axis", 0)],
        )
        .node("Reshape", &["x", "to"], "y", &[]);
    assert_eq!(m.ops(), ["input", "reshape"]);
    assert_eq!(m.shape(), [6]);
    let columns = Model::new(&[1, 4])
        .floats("c", &[2, 3], &[1., 2., 3., 4., 5., 6.])
        .ints("i", &[2, 0])
        .node("Gather", &["c", "i"], "d", &[Attribute::Int("axis", 1)])
        .ints("to", &[4])
        .node("Reshape", &["d", "to"], "e", &[])
        .node("Add", &["x", "e"], "y", &[]);
    assert_eq!(columns.run(&[0.0; 4]), [3., 1., 6., 4.]);
    let product = Model::new(&[-99, 2, 3])
        .ints("start", &[1])
        .ints("end", &[9])
        .node("Shape", &["x"], "s", &[])
        .node("Slice", &["s", "start", "end"], "t", &[])
        .node("ReduceProd", &["t"], "p", &[])
        .ints("one", &[1])
        .node("Concat", &["one", "p"], "to", &[Attribute::Int("axis", 0)])
        .node("Reshape", &["x", "to"], "y", &[]);
    assert_eq!(product.shape(), [6]);
    let chosen = Model::new(&[1, 2, 3])
        .ints("minus", &[-1, 3])
        .ints("test", &[-1, -1])
        .ints("ones", &[2, 2])
        .node("Equal", &["minus", "test"], "e", &[])
        .node("Where", &["e", "ones", "minus"], "to", &[])
        .node("Reshape", &["x", "to"], "y", &[]);
    assert_eq!(chosen.shape(), [2, 3]);
    let range = Model::new(&[1, 2, 3])
        .ints("a", &[3])
        .ints("b", &[1])
        .ints("step", &[-1])
        .node("Range", &["a", "b", "step"], "to", &[])
        .node("Reshape", &["x", "to"], "y", &[]);
    assert_eq!(range.shape(), [3, 2]);
}

#[test]
fn slices_of_constants_and_of_everything() {
    let slice = |starts: &[i64], ends: &[i64], steps: &[i64]| {
        Model::new(&[1, 2])
            .floats("c", &[4], &[1.0, 2.0, 3.0, 4.0])
            .ints("s", starts)
            .ints("e", ends)
            .ints("a", &[0])
            .ints("t", steps)
            .node("Slice", &["c", "s", "e", "a", "t"], "d", &[])
            .node("Add", &["x", "d"], "y", &[])
    };
    assert_eq!(slice(&[1], &[3], &[1]).run(&[0.0; 2]), [2.0, 3.0]);
    assert_eq!(slice(&[-1], &[i64::MIN], &[-2]).run(&[0.0; 2]), [4.0, 2.0]);
    assert_eq!(slice(&[0], &[i64::MAX], &[3]).run(&[0.0; 2]), [1.0, 4.0]);
    assert!(slice(&[0], &[1], &[0]).errors().1.contains("Slice"));
    let whole = |end| {
        Model::new(&[1, 2])
            .ints("s", &[0])
            .ints("e", &[end])
            .ints("a", &[1])
            .node("Slice", &["x", "s", "e", "a"], "y", &[])
    };
    assert_eq!(whole(2).run(&[1.0, 2.0]), [1.0, 2.0]);
    assert!(whole(1).errors().1.contains("Slice of a computed value"));
}

#[test]
fn several_rows_become_a_convolution() {
    let right = Model::new(&[1, 3, 2])
        .floats("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0])
        .floats("b", &[2], &[10.0, 20.0])
        .node("MatMul", &["x", "w"], "h", &[])
        .node("Add", &["h", "b"], "y", &[]);
    let ops = right.ops();
    assert!(ops.contains(&"conv") && !ops.contains(&"add"), "{ops:?}");
    assert_eq!(
        right.run(&[1., 0., 0., 1., 1., 1.]),
        [11., 22., 13., 24., 14., 26.]
    );
    assert_eq!(right.shape(), [3, 2]);
    let left = Model::new(&[1, 2, 3])
        .floats("w", &[1, 2], &[1.0, 2.0])
        .node("MatMul", &["w", "x"], "y", &[]);
    assert_eq!(left.run(&[1., 2., 3., 4., 5., 6.]), [9., 12., 15.]);
    let both = Model::new(&[2, 2, 2])
        .floats("w", &[1, 2], &[1.0, 2.0])
        .node("MatMul", &["w", "x"], "y", &[]);
    assert_eq!(both.run(&counted(8)), [4., 7., 16., 19.]);
    let turned = Model::new(&[2, 3])
        .floats("w", &[2, 1], &[1.0, 2.0])
        .floats("c", &[3, 1], &[0.0, 10.0, 20.0])
        .node(
            "Gemm",
            &["x", "w", "c"],
            "y",
            &[Attribute::Int("transA", 1)],
        );
    assert_eq!(turned.run(&counted(6)), [6., 19., 32.]);
    let constant_left = Model::new(&[2, 1])
        .floats("w", &[2, 3], &[1., 2., 3., 4., 5., 6.])
        .node("Gemm", &["w", "x"], "y", &[Attribute::Int("transA", 1)]);
    assert_eq!(constant_left.run(&[1.0, 10.0]), [41., 52., 63.]);
}
