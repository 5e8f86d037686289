//! Runs the kernel on vectors whose outputs are known.

use tiny::{infer, Input, Output, Scratch, OUT_SIZE};

#[rustfmt::skip]
static VECTORS: [(Input, Output, &str); 2] = [
    ([
        -32768, -32768,
    ], [
        -4, -8, 8,
    ], "vector \"0\" %d"),
    ([
        32767, 32767,
    ], [
        20, 30, 40,
    ], "vector \"1\" %d"),
];

#[test]
fn vectors_give_the_expected_outputs() {
    let mut scratch = Scratch::new();
    let mut output: Output = [0; OUT_SIZE];
    for (input, expected, note) in &VECTORS {
        infer(input, &mut scratch, &mut output);
        assert_eq!(&output, expected, "{note}");
    }
}
