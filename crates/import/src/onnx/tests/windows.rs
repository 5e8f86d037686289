//! Convolutions, pools and reductions against their definitions.

use super::{Attribute, Model};
use ceg4n_base::codes;

/// Small numbers that differ.
fn numbers(n: usize, step: i64) -> Vec<f32> {
    (0..n as i64).map(|i| ((i * step) % 7 - 3) as f32).collect()
}

fn wide(v: &[f32]) -> Vec<f64> {
    v.iter().map(|v| f64::from(*v)).collect()
}

/// A plane of extents `[h, w]` of channel `c`, 0 outside.
fn at(x: &[f64], [h, w]: [i64; 2], c: usize, y: i64, z: i64) -> Option<f64> {
    let inside = (0..h).contains(&y) && (0..w).contains(&z);
    inside.then(|| x[c * (h * w) as usize + (y * w + z) as usize])
}

struct Geometry {
    extents: [i64; 2],
    kernel: [i64; 2],
    strides: [i64; 2],
    dilations: [i64; 2],
    /// Before and after, as ONNX has it.
    pads: [i64; 4],
}

impl Geometry {
    fn out(&self, axis: usize) -> i64 {
        let reach = self.dilations[axis] * (self.kernel[axis] - 1) + 1;
        let padded = self.extents[axis] + self.pads[axis] + self.pads[axis + 2];
        (padded - reach) / self.strides[axis] + 1
    }

    /// The elements under a window; `None` for padding.
    fn window(&self, x: &[f64], c: usize, oy: i64, ox: i64) -> Vec<Option<f64>> {
        let mut seen = vec![];
        for u in 0..self.kernel[0] {
            for v in 0..self.kernel[1] {
                let y = oy * self.strides[0] + u * self.dilations[0] - self.pads[0];
                let z = ox * self.strides[1] + v * self.dilations[1] - self.pads[1];
                seen.push(at(x, self.extents, c, y, z));
            }
        }
        seen
    }

    fn attributes(&self) -> Vec<Attribute> {
        vec![
            Attribute::Ints("kernel_shape", self.kernel.to_vec()),
            Attribute::Ints("strides", self.strides.to_vec()),
            Attribute::Ints("dilations", self.dilations.to_vec()),
            Attribute::Ints("pads", self.pads.to_vec()),
        ]
    }
}

fn geometries() -> Vec<Geometry> {
    let g = |kernel, strides, dilations, pads| Geometry {
        extents: [5, 6],
        kernel,
        strides,
        dilations,
        pads,
    };
    vec![
        g([3, 3], [1, 1], [1, 1], [0; 4]),
        g([3, 2], [2, 1], [1, 2], [1, 0, 2, 1]),
        g([1, 1], [2, 3], [1, 1], [0; 4]),
        g([2, 3], [1, 2], [2, 1], [1, 1, 1, 1]),
    ]
}

#[test]
fn convolutions() {
    for g in geometries() {
        for groups in [1, 2, 4] {
            let (channels, filters) = (4usize, 8usize);
            let depth = channels / groups;
            let size = (g.kernel[0] * g.kernel[1]) as usize;
            let w = numbers(filters * depth * size, 5);
            let b = numbers(filters, 3);
            let x = wide(&numbers(channels * 30, 4));
            let dims = [filters as i64, depth as i64, g.kernel[0], g.kernel[1]];
            let mut attributes = g.attributes();
            attributes.push(Attribute::Int("group", groups as i64));
            let m = Model::new(&[-99, 4, 5, 6])
                .floats("w", &dims, &w)
                .floats("b", &[8], &b)
                .node("Conv", &["x", "w", "b"], "y", &attributes);
            let mut want = vec![];
            for f in 0..filters {
                for oy in 0..g.out(0) {
                    for ox in 0..g.out(1) {
                        let mut sum = f64::from(b[f]);
                        for c in 0..depth {
                            let from = f / (filters / groups) * depth + c;
                            let seen = g.window(&x, from, oy, ox);
                            for (t, v) in seen.iter().enumerate() {
                                sum += f64::from(w[(f * depth + c) * size + t]) * v.unwrap_or(0.0);
                            }
                        }
                        want.push(sum);
                    }
                }
            }
            assert_eq!(m.ops(), ["input", "conv"]);
            assert_eq!(m.run(&x), want, "{groups} groups");
        }
    }
}

#[test]
fn pools() {
    for g in geometries() {
        let x = wide(&numbers(60, 5));
        let (mut max, mut mean, mut counted) = (vec![], vec![], vec![]);
        for c in 0..2 {
            for oy in 0..g.out(0) {
                for ox in 0..g.out(1) {
                    let all = g.window(&x, c, oy, ox);
                    let seen: Vec<f64> = all.iter().copied().flatten().collect();
                    let sum: f64 = seen.iter().sum();
                    max.push(seen.iter().fold(f64::MIN, |m, v| m.max(*v)));
                    mean.push(sum / seen.len() as f64);
                    counted.push(sum / all.len() as f64);
                }
            }
        }
        let m = |op: &str, extra: Option<Attribute>| {
            let mut attributes = g.attributes();
            attributes.extend(extra);
            Model::new(&[1, 2, 5, 6]).node(op, &["x"], "y", &attributes)
        };
        let near = |a: Vec<f64>, b: &[f64]| {
            assert_eq!(a.len(), b.len());
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12));
        };
        assert_eq!(m("MaxPool", None).run(&x), max);
        near(m("AveragePool", None).run(&x), &mean);
        let pad = Attribute::Int("count_include_pad", 1);
        near(m("AveragePool", Some(pad)).run(&x), &counted);
    }
}

#[test]
fn padding_that_keeps_the_size() {
    let conv = |pad: &'static str, strides: Vec<i64>| {
        Model::new(&[1, 1, 4, 5])
            .floats("w", &[1, 1, 2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
            .node(
                "Conv",
                &["x", "w"],
                "y",
                &[
                    Attribute::Text("auto_pad", pad),
                    Attribute::Ints("strides", strides),
                ],
            )
    };
    assert_eq!(conv("SAME_UPPER", vec![1, 1]).shape(), [1, 4, 5]);
    assert_eq!(conv("SAME_LOWER", vec![2, 2]).shape(), [1, 2, 3]);
    assert_eq!(conv("VALID", vec![1, 1]).shape(), [1, 3, 3]);
    let mut one = vec![0.0; 20];
    one[0] = 1.0;
    // The first element under the last tap of the first window, or under one before it.
    assert_eq!(conv("SAME_LOWER", vec![1, 1]).run(&one)[0], 5.0);
    assert_eq!(conv("SAME_UPPER", vec![1, 1]).run(&one)[0], 2.0);
    assert!(conv("SOME", vec![1, 1]).errors().1.contains("auto_pad"));
}

#[test]
fn a_last_window_that_reaches_beyond_the_padding() {
    let pool = |op: &str, stride: i64, pads: Vec<i64>, extra: Option<Attribute>| {
        let mut attributes = vec![
            Attribute::Ints("kernel_shape", vec![3]),
            Attribute::Ints("strides", vec![stride]),
            Attribute::Ints("pads", pads),
            Attribute::Int("ceil_mode", 1),
        ];
        attributes.extend(extra);
        Model::new(&[1, 1, 6]).node(op, &["x"], "y", &attributes)
    };
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    assert_eq!(
        pool("MaxPool", 2, vec![0, 0], None).run(&x),
        [3.0, 5.0, 6.0]
    );
    assert_eq!(
        pool("AveragePool", 2, vec![0, 0], None).run(&x),
        [2.0, 4.0, 5.5]
    );
    // A window that would start in the padding behind is none.
    assert_eq!(pool("MaxPool", 4, vec![1, 1], None).run(&x), [2.0, 6.0]);
    let counted = Some(Attribute::Int("count_include_pad", 1));
    let (codes, text) = pool("AveragePool", 2, vec![0, 0], counted).errors();
    assert_eq!(codes, [codes::ONNX_UNSUPPORTED], "{text}");
}

#[test]
fn sequences() {
    let m = Model::new(&[1, 2, 4])
        .floats("w", &[1, 2, 2], &[1.0, 2.0, 3.0, 4.0])
        .node("Conv", &["x", "w"], "h", &[])
        .node(
            "MaxPool",
            &["h"],
            "y",
            &[Attribute::Ints("kernel_shape", vec![2])],
        );
    // 1·x0[i] + 2·x0[i+1] + 3·x1[i] + 4·x1[i+1]
    let x = [1.0, 0.0, 2.0, -1.0, 0.0, 1.0, 1.0, 0.0];
    assert_eq!(m.run(&x), [11.0, 11.0]);
    assert_eq!(m.shape(), [1, 2]);
}

#[test]
fn whole_axes() {
    let x: Vec<f64> = (1..=12).map(f64::from).collect();
    let m = |op: &str, attributes: &[Attribute]| {
        Model::new(&[1, 2, 2, 3]).node(op, &["x"], "y", attributes)
    };
    let axes = |v: &[i64]| Attribute::Ints("axes", v.to_vec());
    let gone = || Attribute::Int("keepdims", 0);
    assert_eq!(m("GlobalAveragePool", &[]).run(&x), [3.5, 9.5]);
    assert_eq!(m("GlobalAveragePool", &[]).shape(), [2, 1, 1]);
    assert_eq!(m("GlobalMaxPool", &[]).run(&x), [6.0, 12.0]);
    let mean = m("ReduceMean", &[axes(&[-1, 2]), gone()]);
    assert_eq!((mean.run(&x), mean.shape()), (vec![3.5, 9.5], vec![2]));
    let columns = m("ReduceMean", &[axes(&[2])]);
    assert_eq!(columns.run(&x), [2.5, 3.5, 4.5, 8.5, 9.5, 10.5]);
    assert_eq!(columns.shape(), [2, 1, 3]);
    let channels = m("ReduceMax", &[axes(&[1]), gone()]);
    assert_eq!(channels.run(&x), [7.0, 8.0, 9.0, 10.0, 11.0, 12.0]);
    let all = m("ReduceSum", &[gone()]);
    assert_eq!(all.run(&x), [78.0]);
    let batch = m("ReduceMean", &[axes(&[0])]);
    assert_eq!(batch.run(&x), x);
    let apart = m("ReduceMean", &[axes(&[1, 3])]);
    assert!(apart.errors().1.contains("no neighbours"));
    assert!(
        m("ReduceMean", &[axes(&[4])])
            .errors()
            .1
            .contains("no axis 4")
    );
    let operand =
        Model::new(&[1, 2, 2, 3])
            .ints("axes", &[3])
            .node("ReduceMax", &["x", "axes"], "y", &[]);
    assert_eq!(operand.run(&x), [3.0, 6.0, 9.0, 12.0]);
}

#[test]
fn windows_that_do_not_fit() {
    let conv = |x: &[i64], w: &[i64], attributes: &[Attribute]| {
        let n = w.iter().product::<i64>() as usize;
        Model::new(x)
            .floats("w", w, &vec![1.0; n])
            .node("Conv", &["x", "w"], "y", attributes)
    };
    let text = |m: Model| m.errors().1;
    assert!(text(conv(&[1, 2, 3, 3], &[1, 3, 1, 1], &[])).contains("see 3 of 2 channels"));
    assert!(text(conv(&[1, 1, 3, 3], &[1, 1, 4, 1], &[])).contains("reaches over 4"));
    assert!(text(conv(&[2, 1, 3, 3], &[1, 1, 1, 1], &[])).contains("one sample"));
    assert!(text(conv(&[1, 1, 3, 3, 3], &[1, 1, 1, 1, 1], &[])).contains("3 axes"));
    let with = |a| conv(&[1, 1, 3, 3], &[1, 1, 1, 1], &[a]);
    assert!(text(with(Attribute::Ints("strides", vec![0, 1]))).contains("strides [0, 1]"));
    assert!(text(with(Attribute::Ints("strides", vec![1]))).contains("strides [1]"));
    assert!(text(with(Attribute::Ints("pads", vec![-1, 0, 0, 0]))).contains("pads"));
    assert!(text(with(Attribute::Ints("dilations", vec![i64::MAX, 1]))).contains("dilations"));
    assert!(text(with(Attribute::Ints("kernel_shape", vec![2, 2]))).contains("kernel_shape"));
    assert!(text(with(Attribute::Int("group", 0))).contains("0 groups"));
    let pool = Model::new(&[1, 1, 3]).node("MaxPool", &["x"], "y", &[]);
    assert!(pool.errors().1.contains("kernel_shape"));
}
