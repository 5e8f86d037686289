//! Native code on every input of the small programs: every operator, rounding and format of up to
//! four bits gives what `ir-specs` says.

use crate::common::compare_with;
use ceg4n_eval::small::{inputs, outputs, programs, sums};

#[test]
fn every_small_program_gives_what_is_meant() {
    for s in programs().into_iter().chain(sums()) {
        let kernel = s.program.kernel().expect("a kernel");
        let all = inputs(kernel);
        let meant = |x: &[i64]| outputs(kernel, x);
        compare_with(&s.program, &all.concat(), all.len(), &s.name, &meant);
    }
}
