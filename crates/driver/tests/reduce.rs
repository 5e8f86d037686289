//! `reduce` with tests that are code: what remains is what the test looks for and nothing else.

use ceg4n_base::{Diagnostic, Exact, Sources};
use ceg4n_driver::reduce::{ReduceOptions, Reduction, Test, Verdict, reduce_with};
use ceg4n_driver::{Cancel, Quiet};
use ceg4n_eval::outputs;
use ceg4n_ir::{Module, Network, Op, Program, check};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Calls a predicate on every candidate, which must be a module that the checker takes.
struct Predicate<F>(F);

impl<F: FnMut(&Module) -> bool> Test for Predicate<F> {
    fn run(&mut self, candidate: &Path) -> Result<Verdict, Diagnostic> {
        let module = load(candidate);
        for a in &module.versions {
            let program = Program::new(module.network.clone(), a.clone());
            check(program).expect("every candidate passes the checker");
        }
        check(module.reference()).expect("every candidate passes the checker");
        Ok(Verdict {
            interesting: (self.0)(&module),
            how: "the predicate".to_owned(),
        })
    }
}

/// Calls a predicate on the text of every candidate.
struct Text(fn(&str) -> bool);

impl Test for Text {
    fn run(&mut self, candidate: &Path) -> Result<Verdict, Diagnostic> {
        let text = std::fs::read_to_string(candidate).expect("a candidate can be read");
        Ok(Verdict {
            interesting: (self.0)(&text),
            how: "the text".to_owned(),
        })
    }
}

fn load(path: &Path) -> Module {
    ceg4n_syntax::load(&mut Sources::default(), path).expect("every candidate can be read")
}

fn options(net: PathBuf, limit: u64) -> ReduceOptions {
    ReduceOptions {
        net,
        command: Vec::new(),
        expect: Default::default(),
        timeout: Duration::from_secs(1),
        limit,
        output: None,
        in_place: false,
    }
}

/// What a text is reduced to, and how.
fn reduced(text: &str, test: &mut dyn Test, limit: u64) -> (String, Reduction) {
    let folder = tempfile::tempdir().expect("a folder");
    let net = folder.path().join("net.nnir");
    std::fs::write(&net, text).expect("the text is written");
    let options = options(net, limit);
    let done = reduce_with(&options, test, &Quiet, &Cancel::default()).expect("a reduction");
    let text = std::fs::read_to_string(&done.output).expect("the result is written");
    (text, done)
}

/// The result of a predicate on modules.
fn module(text: &str, wanted: impl FnMut(&Module) -> bool) -> Module {
    let (text, done) = reduced(text, &mut Predicate(wanted), u64::MAX);
    assert_eq!(done.ended, "fixpoint");
    let mut sources = Sources::default();
    ceg4n_syntax::parse(&mut sources, "result", &text, &ceg4n_syntax::NoFiles)
        .unwrap_or_else(|e| panic!("{}\n{text}", sources.render(&e, false)))
}

/// One of every operator but `snap`, on tensors large enough that something can be taken away.
const EVERYTHING: &str = r#"nnir 1;

// Everything.
network @everything {
  %image = input : tensor<4x6x6>;
  %p = pad %image before [0, 1, 0] after [0, 1, 2] value 0.5 : tensor<4x8x8>;
  %k = const [
    [[[1, -1, 0.3], [1, 0.2, 1], [0, 0, 1]], [[1, -1, 0.3], [1, 0.2, 1], [0, 0, 1]]],
    [[[1, -1, 0.3], [1, 0.2, 1], [0, 0, 1]], [[1, -1, 0.3], [1, 0.2, 1], [0, 0, 1]]],
    [[[1, -1, 0.3], [1, 0.2, 1], [0, 0, 1]], [[1, -1, 0.3], [1, 0.2, 1], [0, 0, 1]]],
    [[[1, -1, 0.3], [1, 0.2, 1], [0, 0, 1]], [[1, -1, 0.3], [1, 0.2, 1], [0, 0, 1]]]
  ] : tensor<4x2x3x3>;
  %kb = const [1, 2, 3, 4] : tensor<4>;
  %c = conv %p, %k, %kb stride [1, 1] groups 2 : tensor<4x6x6>;
  %s = sum %c, %image : tensor<4x6x6>;
  %scale = const [[[0.5]], [[2]], [[1.5]], [[3]]] : tensor<4x1x1>;
  %mul = mul %s, %scale : tensor<4x6x6>;
  %div = div %mul, %scale : tensor<4x6x6>;
  %pool = max_pool %div kernel [2, 2] stride [2, 2] : tensor<4x3x3>;
  %mean = average_pool %div kernel [2, 2] stride [2, 2] : tensor<4x3x3>;
  %both = concat %pool, %mean axis 0 : tensor<8x3x3>;
  %turned = transpose %both perm [1, 2, 0] : tensor<3x3x8>;
  %r = reshape %turned : tensor<9x8>;
  %flat = flatten %r : tensor<72>;
  %w = const WEIGHT : tensor<3x72>;
  %d = dense %flat, %w : tensor<3>;
  %same = identity %d : tensor<3>;
  %off = const [1, 2, 3] : tensor<3>;
  %add = add %same, %off : tensor<3>;
  %sub = sub %add, %off : tensor<3>;
  %relu = relu %sub : tensor<3>;
  %clip = clip %relu min -1 max 6 : tensor<3>;
  %leaky = leaky_relu %clip shift 3 : tensor<3>;
  %abs = abs %leaky : tensor<3>;
  %sign = sign %abs : tensor<3>;
  %sig = sigmoid %sign : tensor<3>;
  %tanh = tanh %sig : tensor<3>;
  output %tanh;
}

region "all" = box(LOWER, UPPER) center LOWER radius 1;
region "again" = box(LOWER, UPPER);

require top1 margin 0.5 domain real on "all", "again";
require eps 3 domain real;
"#;

fn everything() -> String {
    let list = |n: usize, v: &str| format!("[{}]", vec![v; n].join(", "));
    let rows = vec![list(72, "0.25"); 3];
    EVERYTHING
        .replace("WEIGHT", &format!("[{}]", rows.join(", ")))
        .replace("LOWER", &list(144, "-0.75"))
        .replace("UPPER", &list(144, "1.25"))
}

fn has(network: &Network, name: &str) -> bool {
    network.values().values().any(|v| v.op.name() == name)
}

fn extents(network: &Network) -> usize {
    let shapes = network.values().values().map(|v| v.shape.len());
    shapes.max().unwrap_or(0)
}

/// Whatever operator a bug is in, the operator alone remains, on one element.
#[test]
fn one_operator_remains() {
    for name in [
        "conv",
        "max_pool",
        "average_pool",
        "sum",
        "mul",
        "div",
        "pad",
        "concat",
        "transpose",
        "reshape",
        "flatten",
        "dense",
        "identity",
        "add",
        "sub",
        "relu",
        "clip",
        "leaky_relu",
        "abs",
        "sign",
        "sigmoid",
        "tanh",
    ] {
        let m = module(&everything(), |m| has(&m.network, name));
        let net = &m.network;
        let operators = net.values().values();
        let operators = operators.filter(|v| !matches!(v.op, Op::Input | Op::Const(_)));
        assert_eq!(operators.count(), 1, "{name}");
        assert_eq!(extents(net), 1, "{name}");
        assert!(m.regions.is_empty() && m.requirements.is_empty() && m.comments.is_empty());
    }
}

/// The result of a bug in two operators at once: no more between them than shapes need.
#[test]
fn two_operators_remain() {
    let m = module(&everything(), |m| {
        has(&m.network, "conv") && has(&m.network, "sigmoid")
    });
    let operators = m.network.values().values();
    let names: Vec<&str> = operators.map(|v| v.op.name()).collect();
    assert_eq!(names, ["input", "const", "conv", "sigmoid"]);
    assert_eq!(extents(&m.network), 1);
}

/// Regions and requirements that the test needs stay, at their simplest.
#[test]
fn a_region_and_a_requirement_remain() {
    let m = module(&everything(), |m| {
        !m.regions.is_empty() && !m.requirements.is_empty()
    });
    assert_eq!((m.regions.len(), m.requirements.len()), (1, 1));
    let r = &m.regions[0];
    assert!(
        r.lower == r.upper && r.lower.iter().all(Exact::is_zero),
        "{r:?}"
    );
    assert_eq!(r.center, None);
    // Top-1 needs two outputs, and is simpler than a bound on errors.
    assert_eq!(m.network.output_len(), 1);
    assert_eq!(m.requirements[0].property.to_string(), "eps 3");
}

/// Sixteen neurons of which exactly two matter, together, and three inputs, whichever: these
/// remain.
#[test]
fn the_result_is_minimal_over_neurons() {
    let row = |j: usize| {
        let row: Vec<_> = (0..12).map(|k| format!("{}.3125", (j + k) % 5)).collect();
        format!("[{}]", row.join(", "))
    };
    let rows: Vec<_> = (0..16).map(row).collect();
    let biases: Vec<_> = (0..16).map(|j| format!("{j}.5")).collect();
    let text = format!(
        "nnir 1;\nnetwork @n {{\n%x = input : tensor<12>;\n%w = const [{}] : tensor<16x12>;\n\
         %b = const [{}] : tensor<16>;\n%d = dense %x, %w, %b : tensor<16>;\n\
         %r = relu %d : tensor<16>;\noutput %r;\n}}\n",
        rows.join(", "),
        biases.join(", ")
    );
    let biases = |net: &Network| {
        let dense = net.weight_layers().first().copied()?;
        match net.value(dense).op {
            Op::Dense { bias, .. } => Some(net.constant(bias?)?.data.to_vec()),
            _ => None,
        }
    };
    let wanted = |m: &Module| {
        let found = biases(&m.network).unwrap_or_default();
        found.contains(&3.5) && found.contains(&11.5) && m.network.input_len() >= 3
    };
    let m = module(&text, wanted);
    assert_eq!(biases(&m.network), Some(vec![3.5, 11.5]));
    assert_eq!(m.network.input_len(), 3);
    assert_eq!(m.network.values().len(), 4, "input, weight, bias, dense");
    let weight = m.network.find("w").and_then(|w| m.network.constant(w));
    assert_eq!(weight.map(|w| w.data.to_vec()), Some(vec![0.0; 6]));
}

/// A bug that the values show: what remains still shows it, on exact evaluation.
#[test]
fn a_difference_of_values_remains() {
    let text = std::fs::read_to_string("../../tests/networks/tiny.nnir").expect("a network");
    let differs = |m: &Module| {
        let Some(program) = m.version(None) else {
            return false;
        };
        let (kernel, reference) = (check(program), check(m.reference()));
        let (Ok(kernel), Ok(reference)) = (kernel, reference) else {
            return false;
        };
        m.regions.iter().any(|r| {
            let x = r.center();
            match (outputs(&kernel, &x), outputs(&reference, &x)) {
                (Ok(a), Ok(b)) => a != b,
                _ => false,
            }
        })
    };
    let m = module(&text, differs);
    assert!(differs(&m));
    assert_eq!(extents(&m.network), 1);
    assert_eq!((m.versions.len(), m.regions.len()), (1, 1));
}

/// The same again gives the same; fewer runs give the best so far, which is no larger.
#[test]
fn results_are_deterministic_and_runs_are_limited() {
    let wanted = |m: &Module| m.network.macs() >= 20;
    let (text, done) = reduced(&everything(), &mut Predicate(wanted), u64::MAX);
    let again = reduced(&everything(), &mut Predicate(wanted), u64::MAX);
    assert_eq!((&text, done.runs), (&again.0, again.1.runs));
    for limit in [2, 5, done.runs.runs / 2] {
        let (_, cut) = reduced(&everything(), &mut Predicate(wanted), limit);
        assert_eq!((cut.ended, cut.runs.runs), ("limit", limit));
        assert!(cut.after.bytes >= done.after.bytes && cut.after.bytes <= cut.before.bytes);
    }
}

/// What is interrupted has the best result so far.
#[test]
fn an_interrupted_reduction_writes_the_best_so_far() {
    let cancel = Cancel::default();
    let mut runs = 0;
    let mut test = Predicate(|m: &Module| {
        runs += 1;
        cancel.store(runs == 4, std::sync::atomic::Ordering::Relaxed);
        has(&m.network, "conv")
    });
    let folder = tempfile::tempdir().expect("a folder");
    let net = folder.path().join("net.nnir");
    std::fs::write(&net, everything()).expect("the text is written");
    let done = reduce_with(&options(net, u64::MAX), &mut test, &Quiet, &cancel);
    let done = done.expect("a reduction");
    assert_eq!((done.ended, done.runs.runs), ("interrupted", 4));
    assert!(done.after.bytes < done.before.bytes);
    assert!(has(&load(&done.output).network, "conv"));
}

/// What is no module is reduced as a text.
#[test]
fn texts_that_cannot_be_read_become_small() {
    let text = everything().replace("%off = const [1, 2, 3]", "%off = const [1, 2, 3");
    let mut test = Text(|t| t.contains("const [1, 2, 3 :"));
    let (text, done) = reduced(&text, &mut test, u64::MAX);
    assert_eq!(text, "const [1, 2, 3 :");
    assert_eq!((done.after.operators, done.ended), (0, "fixpoint"));
}

/// Where only the way it is written matters, the text is reduced though it is a module.
#[test]
fn what_the_printer_does_not_keep_is_reduced_as_text() {
    let text = "nnir 1;\nnetwork @n { %x = input : tensor<2>; output %x; }\n\
        region \"a\" = ball([0, 0], 0.5);\nregion \"b\" = ball([0, 1], 0.25);\n";
    let mut test = Text(|t| t.contains("ball(") && t.contains("0.25"));
    assert_eq!(reduced(text, &mut test, u64::MAX).0, "ball(0.25");
}

/// A module that the checker refuses stays one that can be read.
#[test]
fn modules_that_the_checker_refuses_are_reduced() {
    let text = "nnir 1;\nnetwork @n {\n%x = input : tensor<3>;\n\
        %w = const [[1, 2, 3], [4, 5, 6]] : tensor<2x3>;\n%b = const [1, 2] : tensor<2>;\n\
        %d = dense %x, %w, %b : tensor<2>;\noutput %d;\n}\n\
        format @n v1 {\n%x: s8q4;\n%w: s8q4;\n%b: s16q12;\n}\n";
    struct Refused;
    impl Test for Refused {
        fn run(&mut self, candidate: &Path) -> Result<Verdict, Diagnostic> {
            let m = load(candidate);
            let e = m.version(None).map(check);
            let interesting = matches!(e, Some(Err(e)) if e.0.iter().any(|d| d.code.id == "E0205"));
            let how = String::new();
            Ok(Verdict { interesting, how })
        }
    }
    let (text, done) = reduced(text, &mut Refused, u64::MAX);
    assert_eq!(
        (done.after.operators, done.after.parameters),
        (1, 2),
        "{text}"
    );
}

/// Every wrong choice of an output is told before anything runs.
#[test]
fn the_input_is_not_overwritten_by_accident() {
    struct Never;
    impl Test for Never {
        fn run(&mut self, _: &Path) -> Result<Verdict, Diagnostic> {
            panic!("nothing may run");
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let net = folder.path().join("net.nnir");
    std::fs::write(&net, everything()).expect("the text is written");
    for output in ["net.nnir", "net.onnx"] {
        let mut options = options(net.clone(), 9);
        options.output = Some(folder.path().join(output));
        let failure = reduce_with(&options, &mut Never, &Quiet, &Cancel::default());
        assert_eq!(failure.expect_err("refused").exit_code(), 2);
    }
}
