//! Runs the kernel on vectors whose outputs are known.

use tiny::{infer, In, Out, Output, Scratch, IN_SIZE, OUT_SIZE};

/// Inputs, outputs, and where they come from.
type Vector = ([i16; IN_SIZE], [i32; OUT_SIZE], &'static str);

#[rustfmt::skip]
static VECTORS: [Vector; 2] = [
    ([
        -32_768, -32_768,
    ], [
        -4, -8, 8,
    ], "vector \"0\" %d"),
    ([
        32_767, 32_767,
    ], [
        20, 30, 40,
    ], "vector \"1\" %d"),
];

#[test]
fn vectors_give_the_expected_outputs() {
    let mut scratch = Scratch::new();
    let mut output: Output = [Out(0); OUT_SIZE];
    for (input, expected, note) in &VECTORS {
        infer(&input.map(In), &mut scratch, &mut output);
        assert_eq!(output, expected.map(Out), "{note}");
    }
}

#[cfg(feature = "float")]
#[test]
fn inputs_are_what_they_stand_for() {
    for m in [In::MIN, In(0), In::MAX] {
        assert_eq!(In::from_f64(m.to_f64()), m);
    }
}
