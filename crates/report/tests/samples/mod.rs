//! Two reports: one with every field, one with none that may be absent.

use ceg4n_base::{ContentHash, Exact};
use ceg4n_report::{
    Accumulator, Accuracy, Activation, AgreementSample, Bias, Cause, ChangedRow, ClassPoint, Cost,
    Counterexample, DemandsReport, Divergence, ImageCenter, Images, InputFile, Layer, LayerRow,
    Loop, LoopVersion, Network, Open, Optimality, Pareto, ParetoPoint, RefutedBy, Region, Report,
    Run, SCHEMA_VERSION, Seconds, SetAside, SetAsideBy, Span, Status, TargetCost, Weight,
};

fn exact(text: &str) -> Exact {
    text.parse().expect("a number")
}

fn region(id: &str, verdict: &str, method: &str) -> Region {
    Region {
        id: id.to_owned(),
        lower: Vec::new(),
        upper: Vec::new(),
        verdict: verdict.to_owned(),
        requirement: "top1".to_owned(),
        margin_proved: None,
        reference_changes_class: false,
        class_change: None,
        vacuous: false,
        vacuous_constant: None,
        method: method.to_owned(),
        seconds: 0.25,
        boxes: 12,
        points: 3,
        reason: None,
        open: None,
        counterexample: None,
    }
}

/// `verify`, everything proved.
pub(crate) fn minimal() -> Report {
    Report {
        schema_version: SCHEMA_VERSION,
        tool_version: "0.1.0".to_owned(),
        command: "verify".to_owned(),
        network: Network {
            name: "tiny".to_owned(),
            sha256: ContentHash::of(b"file"),
            parameters: 12,
            macs: 8,
            input: Vec::new(),
            output: Vec::new(),
        },
        program: Some(ContentHash::of(b"program")),
        requirement: "top1".to_owned(),
        domain: "real".to_owned(),
        reference: "real".to_owned(),
        status: Status::Proved,
        complete: true,
        reason: None,
        regions: vec![region("left", "proved", "intervals")],
        clock_limited: false,
        layers: Vec::new(),
        cost: None,
        loop_: None,
        pareto: None,
        accuracy: None,
        calibration_accuracy: None,
        demands: None,
        agreement_samples: Vec::new(),
        divergence: None,
        images: None,
        targets: Vec::new(),
        run: None,
        seconds: Seconds::default(),
        seed: 0,
    }
}

/// A proved, a refuted and an open one.
fn regions() -> Vec<Region> {
    let proved = Region {
        lower: vec![exact("0.1"), exact("-4")],
        upper: vec![exact("0.2"), exact("1/3")],
        requirement: "top1 margin 0.1".to_owned(),
        margin_proved: Some(0.046875),
        reference_changes_class: true,
        class_change: Some(vec![
            ClassPoint {
                x: vec![exact("0.1"), exact("1/3")],
                class: 0,
            },
            ClassPoint {
                x: vec![exact("0.2"), exact("-4")],
                class: 1,
            },
        ]),
        vacuous: true,
        vacuous_constant: Some("class 1".to_owned()),
        ..region("middle", "proved", "smt")
    };
    let refuted = Region {
        counterexample: Some(Counterexample {
            x: vec![exact("0.5"), exact("-0.25")],
            reference: vec![exact("0"), exact("2/7")],
            kernel: vec![exact("12"), exact("-0.001953125")],
        }),
        ..region("left", "refuted", "replay")
    };
    let open = Region {
        reason: Some("boxes: 40000 of 40000".to_owned()),
        open: Some(Open {
            best: Some(-0.125),
            fraction: 0.75,
            boxes: 17,
        }),
        ..region("right", "unknown", "none")
    };
    vec![proved, refuted, open]
}

/// `compile` with a proved, a refuted and an open region, and every optional field.
pub(crate) fn full() -> Report {
    Report {
        command: "compile".to_owned(),
        network: Network {
            input: vec![1, 2],
            output: vec![2],
            ..minimal().network
        },
        requirement: "top1 margin 0.1\ntop1".to_owned(),
        domain: "real, grid u8q-2".to_owned(),
        status: Status::Refuted,
        reason: Some("region left is refuted".to_owned()),
        regions: regions(),
        clock_limited: true,
        layers: vec![layer("h0", "s4q2"), layer("y", "[s4q2, s4q-3]")],
        cost: Some(Cost {
            metric: "weight-bits".to_owned(),
            value: 64,
            weights_bits: 32,
            biases_bits: 32,
            ceg4n_bits: 48,
            flash_bytes: 12,
            ram_bytes: 4,
        }),
        loop_: Some(the_loop()),
        pareto: Some(pareto()),
        accuracy: Some(accuracy("test")),
        calibration_accuracy: Some(accuracy("calibration")),
        demands: Some(DemandsReport {
            min_accuracy: Some(exact("0.9")),
            max_accuracy_drop: Some(exact("1/3")),
            min_agreement: Some(exact("1")),
            missed: Some("--min-agreement 1 is missed".to_owned()),
        }),
        agreement_samples: vec![AgreementSample {
            kind: "hull".to_owned(),
            samples: 2000,
            agreement: 0.75,
            lower: 0.73,
        }],
        divergence: Some(divergence()),
        images: Some(images()),
        targets: vec![TargetCost {
            target: "cortex-m4".to_owned(),
            kernel: "auto".to_owned(),
            emitted: true,
            constant_bytes: 12,
            code_bytes: 400,
            scratch_bytes: 4,
            vector_bytes: 6,
            time: 230,
            time_unit: "instructions".to_owned(),
        }],
        run: Some(run()),
        seconds: Seconds {
            total: 1.5,
            search: 0.5,
            verify: 0.75,
            emit: 0.001,
        },
        seed: u64::MAX,
        ..minimal()
    }
}

fn divergence() -> Divergence {
    Divergence {
        version: 1,
        counterexample: Some(4),
        ended: Some(1),
        region: "left".to_owned(),
        requirement: "top1".to_owned(),
        x: vec![exact("0.5"), exact("-0.25")],
        reference: vec![exact("0"), exact("2/7")],
        kernel: vec![exact("12"), exact("-0.001953125")],
        reference_class: Some(1),
        kernel_class: Some(0),
        broken: true,
        first: Some("x".to_owned()),
        lost_at: Some("y".to_owned()),
        layers: vec![LayerRow {
            name: "y".to_owned(),
            format: Some("s4q2".to_owned()),
            element: 0,
            reference: exact("0"),
            kernel: exact("12"),
            difference: exact("12"),
            relative: 42.0,
            inherited: exact("1"),
            constants: exact("10"),
            rounding: exact("0.5"),
            clamping: exact("0.5"),
            cause: Cause::Constants,
            clamped: 1,
            slack: Some(exact("-12")),
            broken: true,
        }],
    }
}

fn images() -> Images {
    Images {
        height: 1,
        width: 2,
        channels: 1,
        channels_last: false,
        centers: vec![ImageCenter {
            region: "left".to_owned(),
            class: Some(1),
            x: vec![0.25, 0.5],
        }],
    }
}

fn run() -> Run {
    Run {
        command_line: ["ceg4nc", "compile", "tiny.nnir"]
            .map(str::to_owned)
            .to_vec(),
        started: "2026-01-02T03:04:05Z".to_owned(),
        platform: "x86_64-linux".to_owned(),
        effort: 1,
        solver: "embedded".to_owned(),
        jobs: 2,
        time_limit: Some(60.0),
        region_time_limit: Some(2.5),
        memory_limit: Some(2048),
        inputs: vec![InputFile {
            path: "tiny.nnir".to_owned(),
            role: "network".to_owned(),
            bytes: 800,
            sha256: ContentHash::of(b"file"),
        }],
    }
}

fn span(least: f64, greatest: f64) -> Option<Span> {
    Some(Span { least, greatest })
}

fn the_loop() -> Loop {
    Loop {
        iterations: 3,
        candidates: 40,
        counterexamples: 5,
        set_aside: vec![SetAside {
            version: 2,
            weight_bits: vec![3, 4],
            bias_bits: vec![8, 8],
            activation_bits: vec![8, 8],
            cost: 60,
            reason: "right: boxes".to_owned(),
        }],
        start_points: Some(3),
        versions: vec![
            LoopVersion {
                version: 1,
                weight_bits: vec![2, 4],
                bias_bits: vec![8, 8],
                activation_bits: vec![8, 8],
                cost: 50,
                guided: true,
                ended: "refuted".to_owned(),
                region: Some("left".to_owned()),
                counterexample: Some(4),
                reason: None,
            },
            LoopVersion {
                version: 2,
                weight_bits: vec![3, 4],
                bias_bits: vec![8, 8],
                activation_bits: vec![8, 8],
                cost: 60,
                guided: false,
                ended: "unknown".to_owned(),
                region: None,
                counterexample: None,
                reason: Some("right: boxes".to_owned()),
            },
        ],
        optimality: Some(Optimality {
            statement: "cost 64 is not shown to be least".to_owned(),
            space: "weights 2..16 bits".to_owned(),
            metric: "weight-bits".to_owned(),
            cost: 64,
            in_space: true,
            least: false,
            cheaper: 17,
            refuted: vec![RefutedBy {
                counterexample: 4,
                assignments: 10,
            }],
            refused: 3,
            missed_demand: 2,
            set_aside: vec![SetAsideBy {
                version: 2,
                assignments: 1,
            }],
            not_tried: 1,
            not_tried_from: Some(63),
        }),
        certificate: Some(ContentHash::of(b"certificate")),
    }
}

fn pareto() -> Pareto {
    Pareto {
        measure: "agreement".to_owned(),
        samples: "100 rows of the test".to_owned(),
        points: vec![ParetoPoint {
            version: 3,
            weight_bits: vec![4, 4],
            bias_bits: vec![8, 8],
            activation_bits: vec![8, 8],
            cost: 64,
            value: 0.75,
            on_front: true,
        }],
    }
}

fn layer(name: &str, format: &str) -> Layer {
    Layer {
        name: name.to_owned(),
        weight: Weight {
            format: format.to_owned(),
            bits: 4,
            parameters: 6,
            values: span(-1.5, 1.25),
            holds: span(-2.0, 1.75),
        },
        bias: Some(Bias {
            format: "s8q6".to_owned(),
            bits: 8,
            values: span(-0.5, 0.25),
            holds: span(-2.0, 1.984375),
        }),
        activation: Activation {
            format: "u8q8".to_owned(),
            clamp_inactive: Some(true),
            value: Some("x".to_owned()),
            bits: Some(8),
            holds: span(0.0, 0.99609375),
            types: span(-0.5, 3.0),
            regions: span(0.0, 0.75),
        },
        accumulator: Accumulator {
            format: "s64".to_owned(),
            proved_min: i64::MIN,
            proved_max: i64::MAX,
        },
    }
}

fn accuracy(split: &str) -> Accuracy {
    Accuracy {
        split: split.to_owned(),
        data: "digits.npy".to_owned(),
        rows: "10..14".to_owned(),
        samples: 4,
        reference_accuracy: Some(1.0),
        kernel_accuracy: Some(0.5),
        agreement: 0.5,
        agreement_lower: 0.09,
        changed_count: 2,
        changed: vec![ChangedRow {
            row: 11,
            label: Some(2),
            reference: 2,
            kernel: 1,
        }],
    }
}
