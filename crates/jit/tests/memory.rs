//! Code memory is freed with its last user. Alone in its process, whose modules it counts.

use ceg4n_ir::{Checked, Format, NetworkBuilder, Op, Program, Shape, check};
use ceg4n_jit::{CodeCache, Evaluator, live_modules};
use std::sync::Arc;

fn relu_program(output: &str) -> Checked<Program> {
    let mut net = NetworkBuilder::new("t");
    let x = net.push("x", Op::Input, Some(Shape::vector(2)), None);
    let y = net.push("y", Op::Relu { x }, None, None);
    let net = Arc::new(net.finish(y).expect("a network"));
    let format = |text: &str| text.parse::<Format>().expect("a format");
    let patch = Program::reference(net).patch();
    let patch = patch.format(x, format("s20q3")).format(y, format(output));
    check(patch.finish()).expect("a valid program")
}

/// Mappings of this process that are executable and belong to no file.
#[cfg(target_os = "linux")]
fn executable_mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the mappings");
    let anonymous = |l: &&str| l.split_whitespace().count() == 5;
    let executable = |l: &&str| l.split_whitespace().nth(1).is_some_and(|m| m.contains('x'));
    maps.lines().filter(anonymous).filter(executable).count()
}

#[cfg(not(target_os = "linux"))]
fn executable_mappings() -> usize {
    live_modules()
}

#[test]
fn code_memory_is_freed_with_its_last_user() {
    let before = executable_mappings();
    assert_eq!(live_modules(), 0);
    let cache = CodeCache::new();
    let first = Evaluator::new(&relu_program("u8q0"), &cache).unwrap();
    assert_eq!(live_modules(), 1);
    let second = Evaluator::new(&relu_program("u8q1"), &cache).unwrap();
    assert_eq!(live_modules(), 1, "the same shape");
    assert_eq!(executable_mappings(), before + 1);
    drop(first);
    drop(cache);
    assert_eq!(live_modules(), 1, "the second evaluator still runs");
    let mut y = vec![];
    second.eval_batch(&[-9, 17], 1, &mut y).unwrap();
    assert_eq!(y, [0, 4]);
    drop(second);
    assert_eq!(live_modules(), 0);
    assert_eq!(executable_mappings(), before, "the memory is unmapped");
    for _ in 0..20 {
        let cache = CodeCache::new();
        let clone = cache.clone();
        Evaluator::new(&relu_program("u8q0"), &cache).unwrap();
        drop(cache);
        assert_eq!(clone.len(), 1);
    }
    assert_eq!(live_modules(), 0);
    assert_eq!(executable_mappings(), before);
}
