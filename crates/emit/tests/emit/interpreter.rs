//! What the tests expect of an emitted kernel is what the interpreter of `ir-specs` says.

use crate::common::{Case, channel_cases, dag_cases, graph_case, random_cases};
use ceg4n_eval::kernel_outputs;

#[test]
fn the_expectations_are_the_interpreters() {
    let mut cases: Vec<Case> = random_cases(1, 100, 10);
    cases.extend(dag_cases(7, 300, 10));
    cases.extend(channel_cases());
    cases.push(graph_case(10));
    for case in cases {
        let kernel = case.program.kernel().unwrap();
        let f = kernel.input_format;
        for v in &case.vectors {
            let clamped = v.input.iter().map(|m| (*m).clamp(f.min(), f.max()));
            let input: Vec<i64> = clamped.collect();
            let output = kernel_outputs(kernel, &input).unwrap();
            assert_eq!(output, v.output, "{}: {}", case.name, v.note);
        }
    }
}
