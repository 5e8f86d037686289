//! Bit-exactness on random programs: shapes, formats, roundings, shifts of both signs, extreme
//! mantissas, with and without bias, relu, constants, output formats.

use crate::common::{CACHES, Rng, compare, random_program, reference};

const PROGRAMS: u64 = 3000;

#[test]
fn random_programs_agree_with_the_reference() {
    let mut accepted = 0;
    for seed in 0..PROGRAMS {
        let rng = &mut Rng(seed);
        let Some(program) = random_program(rng) else {
            continue;
        };
        accepted += 1;
        let kernel = program.kernel().expect("a kernel");
        // Odd counts end in a single sample; some exceed a chunk.
        let n = if rng.one_in(40) {
            1500
        } else {
            rng.range(1, 7)
        } as usize;
        let inputs: Vec<i64> = (0..n * kernel.input_len())
            .map(|_| rng.mantissa(kernel.input_format))
            .collect();
        compare(&program, &inputs, n, &format!("seed {seed}"));
        let first = &inputs[..kernel.input_len()];
        assert_eq!(
            ceg4n_eval::kernel_outputs(kernel, first).expect("exact outputs"),
            reference(program.program(), first),
            "seed {seed}: the two references"
        );
    }
    assert!(
        accepted > PROGRAMS / 2,
        "only {accepted} programs were checked"
    );
    // Every kind of function took part.
    let functions = format!("{CACHES:?}");
    for body in [
        "Map { before: Nothing }",
        "Dense { weight: I16 }",
        "Dense { weight: I32 }",
        "DenseVector { epilogue: Wide }",
        "DenseVector { epilogue: Product }",
        "DenseVector { epilogue: Narrow }",
    ] {
        let vectors = !body.starts_with("DenseVector") || CACHES[0].options().vectors;
        let seen = functions.contains(&format!("body: {body}, x: I16"));
        assert!(seen || !vectors, "{body} was not tested");
    }
}
