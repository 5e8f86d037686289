//! Queries, good and bad.

mod errors;
mod hostile;
mod lists;

use super::*;
use ceg4n_base::codes;
use ceg4n_ir::OutputConstraint;

/// One network of two inputs and two outputs.
pub(super) const ONE: &str = "(vnnlib-version <2.0>)
(declare-network f (declare-input X real [1,2]) (declare-output Y real [2]))
";

/// Two networks on the same inputs.
pub(super) const TWO: &str = "(vnnlib-version <2.0>)
(declare-network f
  (declare-input X float32 [1,2]) (declare-output Y float32 [2]))
(declare-network g (isomorphic-to f)
  (declare-input U int8 [1,2]) (declare-output V real [2]))
(assert (and (== X[0,0] U[0,0]) (<= X[0,1] U[0,1])))
(assert (>= X[0,1] U[0,1]))
";

/// Bounds of the inputs of either.
pub(super) const BOX: &str = "(assert (and (>= X[0,0] 0) (<= X[0,0] 1.5)))
(assert (and (>= X[0,1] -1) (<= X[0,1] (+ 0.5 0.25))))
";

pub(super) fn read(text: &str) -> Result<Query, Diagnostics> {
    query(&mut Sources::default(), "q.vnnlib", text)
}

fn problem(text: &str) -> Problem {
    let q = read(text).unwrap_or_else(|e| panic!("{text}\n{e}"));
    q.problem("q").unwrap_or_else(|e| panic!("{text}\n{e}"))
}

fn e(text: &str) -> Exact {
    text.parse().unwrap()
}

fn list(numbers: &[&str]) -> Vec<Exact> {
    numbers.iter().map(|t| e(t)).collect()
}

#[test]
fn declarations_have_types_shapes_and_relations() {
    let text = "; comment
        (declare-network f (declare-input A float16 [2, 3] initialized \"in\") (declare-input B Real [])
          (declare-hidden H int8 [4] \"relu 1\") (declare-output Y bool [1,1]))
        (declare-network g (equal-to f) (declare-input C float16 [2,3]) (declare-input D real [])
          (declare-output Z bool [1,1]))
        (assert (<= B[] 1))";
    let q = read(text).unwrap();
    let [f, g] = q.networks() else {
        panic!("two networks")
    };
    assert_eq!((f.name.as_str(), f.relation), ("f", None));
    assert_eq!(g.relation, Some((Relation::EqualTo, 0)));
    let a = &f.inputs[0];
    assert_eq!(
        (a.element, &a.shape[..]),
        (ElementType::Float16, &[2, 3][..])
    );
    assert_eq!((a.node.as_deref(), a.initialized), (Some("in"), true));
    assert_eq!(f.inputs[1].element, ElementType::Real);
    assert_eq!(
        (f.inputs[1].dimensions(), f.inputs[1].len()),
        ("[]".into(), 1)
    );
    assert_eq!(f.hidden[0].node.as_deref(), Some("relu 1"));
    let firsts: Vec<(usize, usize)> = q.tensors().map(|(k, t)| (k, t.first)).collect();
    assert_eq!(
        firsts,
        [(0, 0), (0, 6), (0, 7), (0, 11), (1, 12), (1, 18), (1, 19)]
    );
    assert_eq!(a.element_name(4), "A[1,1]");
    for t in ElementType::ALL {
        assert_eq!(ElementType::from_name(t.name()), Some(*t));
    }
}

/// The formula's own value, whatever else is decided of it.
#[test]
fn the_text_is_true_of_some_values() {
    let rest = "(assert (or (and (< Y[0] 1) (!= (* 2 Y[1]) X[0,0])) (== (- Y[0] Y[1] 1) 0.5)))
                (assert (> (- X[0,0]) -3))";
    let q = read(&(ONE.to_owned() + rest)).unwrap();
    for (values, holds) in [
        (["2", "0", "0.5", "7"], true),
        (["2", "0", "0.5", "1"], false),
        (["2", "0", "1", "7"], false),
        (["2", "0", "8.5", "7"], true),
        (["3", "0", "8.5", "7"], false),
        (["2.99999999999999999999", "0", "8.5", "7"], true),
    ] {
        assert_eq!(q.holds(&list(&values)), holds, "{values:?}");
    }
    assert!(!q.holds(&list(&["2"])));
}

#[test]
fn one_network_gives_boxes_with_cases() {
    let rest = "(assert (or (<= Y[0] Y[1]) (and (> Y[0] 1e1) (< Y[1] 0))))";
    let p = problem(&format!("{ONE}{BOX}{rest}"));
    let [(r, spec)] = &p.parts[..] else {
        panic!("one box")
    };
    assert_eq!((r.id.as_str(), spec.outputs), ("q", 2));
    assert_eq!(
        (&r.lower, &r.upper),
        (&list(&["0", "-1"]), &list(&["1.5", "0.75"]))
    );
    assert!(!p.strict_inputs);
    assert_eq!(spec.cases.len(), 2);
    assert!(spec.violated(&list(&["3", "3"])) && spec.violated(&list(&["10.1", "-1"])));
    assert!(!spec.violated(&list(&["10", "-1"])) && !spec.violated(&list(&["11", "0"])));
}

#[test]
fn several_boxes_and_strict_bounds() {
    let rest =
        "(assert (or (and (< X[0,0] 1) (> X[0,0] 0) (<= Y[0] 7)) (and (== X[0,0] 5) (>= Y[0] 8))))
                (assert (and (<= X[0,1] 0) (<= 0 X[0,1])))";
    let p = problem(&(ONE.to_owned() + rest));
    let ids: Vec<&str> = p.parts.iter().map(|(r, _)| r.id.as_str()).collect();
    assert_eq!((ids, p.strict_inputs), (vec!["q.1", "q.2"], true));
    let x0 = |k: usize| (p.parts[k].0.lower[0].clone(), p.parts[k].0.upper[0].clone());
    assert_eq!([x0(0), x0(1)], [(e("0"), e("1")), (e("5"), e("5"))]);
    assert!(p.parts[0].1.violated(&list(&["7", "0"])));
    assert!(!p.parts[1].1.violated(&list(&["7", "0"])));
}

/// Inputs without a point leave nothing to decide.
#[test]
fn an_empty_box_has_no_part() {
    let p = problem(&format!(
        "{ONE}{BOX}(assert (>= X[0,0] 2)) (assert (<= Y[0] 0))"
    ));
    assert!(p.parts.is_empty());
    let p = problem(&format!("{ONE}{BOX}(assert (and (<= 1 0) (<= Y[0] 0)))"));
    assert!(p.parts.iter().all(|(_, spec)| spec.cases.is_empty()));
}

/// Inputs that are required to be equal are one; outputs follow each other.
#[test]
fn two_networks_share_their_inputs() {
    let rest = "(assert (or (> (- Y[0] V[0]) 0.05) (> (- V[1] Y[1] (- X[0,0] U[0,0])) 0.05)))";
    let p = problem(&format!("{TWO}{BOX}{rest}"));
    let [(r, spec)] = &p.parts[..] else {
        panic!("one box")
    };
    assert_eq!((r.lower.len(), spec.outputs), (2, 4));
    let above = |j: usize, k: usize| OutputConstraint {
        coefficients: vec![
            (j.min(k), e(if j < k { "-1" } else { "1" })),
            (j.max(k), e(if j < k { "1" } else { "-1" })),
        ],
        constant: e("0.05"),
        strict: true,
    };
    // 0.05 - Y_0 + V_0 < 0, and 0.05 - V_1 + Y_1 < 0.
    assert_eq!(spec.cases, [vec![above(0, 2)], vec![above(3, 1)]]);
    let q = read(&format!("{TWO}{BOX}{rest}")).unwrap();
    let values = |y0: &str| list(&["1", "0", y0, "0", "1", "0", "0", "0"]);
    assert!(q.holds(&values("0.051")) && !q.holds(&values("0.05")));
}

#[test]
fn versions_are_told_apart() {
    assert!(is_version_2(ONE) && is_version_2(&TWO[TWO.find("(declare").unwrap()..]));
    assert!(is_version_2("; hello\n\n  ( declare-network f"));
    assert!(!is_version_2("; declare-network\n(declare-const X_0 Real)"));
    assert!(!is_version_2(""));
}

#[test]
fn float32_and_real_tensors_are_written() {
    let bytes = tensor_proto("X", ElementType::Float32, &[1, 2], &[0.5, -2.0]).unwrap();
    use crate::onnx::proto::TensorProto;
    let back: TensorProto = prost::Message::decode(&bytes[..]).unwrap();
    assert_eq!(
        (back.name.as_str(), &back.dims[..], back.data_type),
        ("X", &[1, 2][..], 1)
    );
    assert_eq!(
        back.raw_data,
        [0.5f32.to_le_bytes(), (-2f32).to_le_bytes()].concat()
    );
    let bytes = tensor_proto("Y", ElementType::Real, &[], &[0.1]).unwrap();
    let back: TensorProto = prost::Message::decode(&bytes[..]).unwrap();
    assert_eq!(
        (back.data_type, back.raw_data),
        (11, 0.1f64.to_le_bytes().to_vec())
    );
    let d = tensor_proto("Y", ElementType::Int8, &[], &[0.1]).unwrap_err();
    assert_eq!(d.code, codes::QUERY);
}
