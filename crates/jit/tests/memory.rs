//! Code memory is freed with its last user. Alone in its process, whose modules it counts.

use ceg4n_ir::network::{Constant, Slide};
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

/// A convolution, a pool, a residual sum and a dense layer: functions of several kinds.
fn planes_program(extent: usize) -> Checked<Program> {
    let format = |text: &str| text.parse::<Format>().expect("a format");
    let mut net = NetworkBuilder::new("t");
    let constant = |net: &mut NetworkBuilder, name: &str, shape: Vec<usize>| {
        let ones = vec![1.0; shape.iter().product()];
        let op = Op::Const(Constant::inline(ones));
        net.push(name, op, Some(Shape(shape)), None)
    };
    let shape = Shape(vec![2, extent, extent]);
    let x = net.push("x", Op::Input, Some(shape), None);
    let w = constant(&mut net, "w", vec![2, 2, 1, 1]);
    let slide = Slide::dense(2);
    let conv = Op::Conv {
        x,
        weight: w,
        bias: None,
        slide: slide.clone(),
        groups: 1,
    };
    let c = net.push("c", conv, None, None);
    let s = net.push("s", Op::Sum { x: c, y: x }, None, None);
    let kernel = vec![2; 2];
    let pool = Op::MaxPool {
        x: s,
        kernel,
        slide,
    };
    let p = net.push("p", pool, None, None);
    let f = net.push("f", Op::Flatten { x: p }, None, None);
    let d = constant(&mut net, "d", vec![3, 2 * (extent - 1) * (extent - 1)]);
    let dense = Op::Dense {
        x: f,
        weight: d,
        bias: None,
    };
    let y = net.push("y", dense, None, None);
    let net = Arc::new(net.finish(y).expect("a network"));
    let mut patch = Program::reference(net).patch();
    for (v, text) in [
        (x, "s8q3"),
        (w, "s4q0"),
        (c, "s8q3"),
        (s, "s8q2"),
        (d, "s4q0"),
    ] {
        patch = patch.format(v, format(text));
    }
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
    let cache = CodeCache::new();
    let small = Evaluator::new(&planes_program(3), &cache).unwrap();
    let functions = live_modules();
    assert!(functions > 2 && functions == cache.len());
    let large = Evaluator::new(&planes_program(90), &cache).unwrap();
    assert_eq!(
        live_modules(),
        functions,
        "the same functions for more positions"
    );
    drop((small, cache));
    assert_eq!(live_modules(), functions, "the large one holds them");
    large.eval_batch(&[1; 2 * 90 * 90], 1, &mut y).unwrap();
    // Three eighths are two quarters; 2·89·89 of them.
    assert_eq!(y, [2 * 2 * 89 * 89; 3]);
    drop(large);
    assert_eq!(live_modules(), 0);
    assert_eq!(executable_mappings(), before);
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
