//! The attributes of an operator as text, those with their usual value left out.

use super::words;
use ceg4n_ir::{Op, Slide};
use std::fmt::Write as _;

/// ` name value` for each attribute.
pub(super) fn attributes(op: &Op) -> String {
    let mut out = Attributes(String::new());
    match op {
        Op::Conv { slide, groups, .. } => {
            out.slide(slide);
            if *groups != 1 {
                out.add("groups", groups);
            }
        }
        Op::MaxPool { kernel, slide, .. } => {
            out.list("kernel", kernel);
            out.slide(slide);
        }
        Op::AveragePool {
            kernel,
            slide,
            count_pad,
            ..
        } => {
            out.list("kernel", kernel);
            out.slide(slide);
            if *count_pad {
                out.add("count_pad", 1);
            }
        }
        Op::Concat { axis, .. } => out.add("axis", axis),
        Op::Pad {
            before,
            after,
            value,
            ..
        } => {
            out.list("before", before);
            out.list("after", after);
            if value.to_bits() != 0 {
                out.add("value", words::float32(*value));
            }
        }
        Op::Transpose { perm, .. } => out.list("perm", perm),
        Op::Clip { lo, hi, .. } => {
            for (name, end) in [("min", lo), ("max", hi)] {
                if let Some(v) = end {
                    out.add(name, words::float32(*v));
                }
            }
        }
        Op::LeakyRelu { shift, .. } => out.add("shift", shift),
        Op::Snap {
            scale,
            zero_point,
            lo,
            hi,
            ..
        } => {
            out.add("scale", words::float32(*scale));
            out.add("zero", zero_point);
            out.add("min", lo);
            out.add("max", hi);
        }
        Op::Input
        | Op::Const(_)
        | Op::Dense { .. }
        | Op::Add { .. }
        | Op::Sub { .. }
        | Op::Mul { .. }
        | Op::Div { .. }
        | Op::Sum { .. }
        | Op::Relu { .. }
        | Op::Unary { .. }
        | Op::Curve { .. }
        | Op::Reshape { .. }
        | Op::Flatten { .. }
        | Op::Identity { .. } => {}
    }
    out.0
}

struct Attributes(String);

impl Attributes {
    fn add(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a string does not fail.
        let _ = write!(self.0, " {name} {value}");
    }

    fn list(&mut self, name: &str, list: &[usize]) {
        let items: Vec<String> = list.iter().map(ToString::to_string).collect();
        self.add(name, format!("[{}]", items.join(", ")));
    }

    fn slide(&mut self, slide: &Slide) {
        let lists = [
            ("stride", &slide.strides, 1),
            ("dilation", &slide.dilations, 1),
            ("before", &slide.before, 0),
            ("after", &slide.after, 0),
        ];
        for (name, list, usual) in lists {
            if list.iter().any(|v| *v != usual) {
                self.list(name, list);
            }
        }
    }
}
