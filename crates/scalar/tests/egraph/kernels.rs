//! Random kernels: their graph, rewritten, against the exact evaluator.

use crate::common::values;
use ceg4n_base::Sources;
use ceg4n_eval::kernel_outputs;
use ceg4n_ir::{Checked, Interval, Program, check};
use ceg4n_scalar::Dag;
use ceg4n_scalar::cost::{Cycles, SmtSize};
use ceg4n_scalar::egraph::{Options, Rules, rewrite};
use ceg4n_syntax::NoFiles;
use ceg4n_target::Target;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt::Write;

/// A list of constants of a format, with its fraction bits.
fn constants(rng: &mut ChaCha8Rng, count: usize, bits: u32, frac: i32) -> String {
    let most = 1i64 << (bits - 1);
    let step = if rng.random_bool(0.3) { 4 } else { 1 };
    let one = |rng: &mut ChaCha8Rng| {
        let m = rng.random_range(-most..most) / step * step;
        (m as f64 * f64::from(-frac).exp2()).to_string()
    };
    let all: Vec<String> = (0..count).map(|_| one(rng)).collect();
    all.join(", ")
}

/// A chain of dense layers with relus and formats, as text.
fn network(rng: &mut ChaCha8Rng) -> String {
    let (mut text, mut formats) = (String::new(), String::new());
    let (mut len, mut at, mut frac) = (rng.random_range(1..=12), "x".to_owned(), 4);
    let _ = writeln!(
        text,
        "nnir 1;\nnetwork @n {{\n  %x = input : tensor<{len}>;"
    );
    let _ = writeln!(formats, "  %x: s8q{frac};");
    for layer in 0..rng.random_range(1..=3) {
        let rows = rng.random_range(1..=4);
        let (bits, own) = (rng.random_range(2..=8), rng.random_range(0..=5));
        let row = |rng: &mut ChaCha8Rng| format!("[{}]", constants(rng, len, bits, own));
        let all: Vec<String> = (0..rows).map(|_| row(rng)).collect();
        let (w, b) = (format!("w{layer}"), format!("b{layer}"));
        let _ = writeln!(
            text,
            "  %{w} = const [{}] : tensor<{rows}x{len}>;",
            all.join(", ")
        );
        let bias = constants(rng, rows, 12, frac + own);
        let _ = writeln!(text, "  %{b} = const [{bias}] : tensor<{rows}>;");
        let _ = writeln!(
            text,
            "  %y{layer} = dense %{at}, %{w}, %{b} : tensor<{rows}>;"
        );
        let _ = writeln!(
            formats,
            "  %{w}: s{bits}q{own};\n  %{b}: s12q{};",
            frac + own
        );
        (len, at) = (rows, format!("y{layer}"));
        if rng.random_bool(0.7) {
            let _ = writeln!(text, "  %r{layer} = relu %{at} : tensor<{len}>;");
            at = format!("r{layer}");
        }
        frac = rng.random_range(-1..=5);
        let (sign, bits) = (
            if rng.random_bool(0.5) { "s" } else { "u" },
            rng.random_range(2..=9),
        );
        let _ = writeln!(formats, "  %{at}: {sign}{bits}q{frac};");
    }
    let rounding = ["half-up", "half-even", "floor"][rng.random_range(0..3)];
    format!("{text}  output %{at};\n}}\nformat @n v1 {{\n{formats}  rounding {rounding};\n}}\n")
}

fn checked(text: &str) -> Option<Checked<Program>> {
    let mut sources = Sources::default();
    let module = ceg4n_syntax::parse(&mut sources, "n.nnir", text, &NoFiles);
    let module = module.unwrap_or_else(|d| panic!("{}\n{text}", sources.render(&d, false)));
    check(module.version(None).unwrap()).ok()
}

#[test]
fn rewritten_kernels_compute_the_same() {
    let (mut kernels, mut replaced) = (0, 0);
    for seed in 0..150 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let text = network(&mut rng);
        let Some(program) = checked(&text) else {
            continue;
        };
        let kernel = program.kernel().unwrap();
        kernels += 1;
        let format = kernel.input_format;
        let ranges: Vec<Interval> = (0..kernel.input_len())
            .map(|_| {
                // The whole type, or a box.
                let (lo, hi) = (format.min(), format.max());
                match seed % 2 {
                    0 => Interval::new(lo, hi),
                    _ => {
                        let lo = rng.random_range(lo..=hi - 5);
                        Interval::new(lo, lo + 5)
                    }
                }
            })
            .collect();
        let lowered = Dag::of_kernel(kernel, &ranges).unwrap();
        let mut options = Options {
            rules: Rules::shipped(),
            cost: &SmtSize,
            limits: Default::default(),
        };
        if seed % 3 == 0 {
            options.cost = &Cycles(Target::Avr);
        }
        let made = rewrite(&lowered.dag, &lowered.outputs, &options).unwrap();
        assert_eq!(made.stats.contradictions, 0, "{text}");
        replaced += made.stats.replaced;
        for _ in 0..60 {
            let random = |r: &Interval| match rng.random_range(0..4) {
                0 => r.lo,
                1 => r.hi,
                _ => rng.random_range(r.lo..=r.hi),
            };
            let input: Vec<i64> = ranges.iter().map(random).collect();
            let expected = kernel_outputs(kernel, &input).unwrap();
            let wide: Vec<i128> = input.iter().map(|v| i128::from(*v)).collect();
            let found = values(&made.dag, &wide, &made.roots);
            let expected: Vec<i128> = expected.into_iter().map(i128::from).collect();
            assert_eq!(found, expected, "{input:?}\n{text}");
        }
    }
    assert!(kernels > 100 && replaced > 60, "{kernels}, {replaced}");
}
