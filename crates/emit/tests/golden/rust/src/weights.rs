//! Constants of the kernel.

// h0: 2 rows of 2 weights, s4q2
#[rustfmt::skip]
pub(crate) static W0: [i8; 4] = [
    3, -2, 7, -8,
];

// h0: 2 biases at the accumulator's scale
#[rustfmt::skip]
pub(crate) static B0: [i16; 2] = [
    64, -192,
];

// y: 3 rows of 2 weights, per channel (s3q1, s3q2, s3q1, ...)
#[rustfmt::skip]
pub(crate) static W1: [i8; 6] = [
    1, -1, 3, -4, 2, 2,
];

// y: right shifts (negative: left)
#[rustfmt::skip]
pub(crate) static S0: [i8; 3] = [
    -1, 0, -1,
];
