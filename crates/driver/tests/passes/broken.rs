//! Wrong passes: each of the checks finds one, alone.

use ceg4n_base::Diagnostics;
use ceg4n_driver::opt;
use ceg4n_driver::validate::{Pair, compare};
use ceg4n_ir::{Annotation, Checked, Format, Module, Program, check};
use ceg4n_jit::CodeCache;
use ceg4n_passes::{Keeps, Pass, Pipeline, verify_step};

const SMALL: &str = "
nnir 1;
network @n {
  %x = input : tensor<3>;
  %w = const [[1, -0.5, 0.25], [0.5, 0.5, -1]] : tensor<2x3>;
  %h = dense %x, %w : tensor<2>;
  %r = relu %h : tensor<2>;
  output %r;
}
format @n v1 {
  %x: s8q4;
  %w: s4q2;
  %r: u8q3;
  rounding half-up;
}
";

fn module() -> Module {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("n.nnir");
    std::fs::write(&path, SMALL).expect("written");
    let options = ceg4n_driver::options::LoadOptions {
        net: path,
        ..Default::default()
    };
    ceg4n_driver::load::load(&options)
        .expect("it is well-formed")
        .module
}

/// Claims to be exact, and gives one value another format.
struct Narrows(&'static str);

impl Pass for Narrows {
    fn name(&self) -> &'static str {
        "narrows"
    }

    fn description(&self) -> &'static str {
        "clamp what may occur"
    }

    fn keeps(&self, _: Option<&str>) -> Keeps {
        Keeps::ALL
    }

    fn run(&self, module: &Module, _: Option<&str>) -> Result<Module, Diagnostics> {
        let mut out = module.clone();
        let r = out.network.find("r").expect("it has one");
        let format: Format = self.0.parse().expect("a format");
        let note = Annotation::Fixed {
            format: format.into(),
            mantissas: None,
        };
        out.versions[0].values.insert(r, note);
        Ok(out)
    }
}

fn checked(module: &Module) -> Checked<Program> {
    let a = module.versions[0].clone();
    check(Program::new(module.network.clone(), a)).expect("it is well-formed")
}

fn message<T: std::fmt::Debug>(found: Result<T, Diagnostics>) -> String {
    found.expect_err("the pass is wrong").0[0].to_string()
}

#[test]
fn each_check_finds_a_wrong_pass() {
    let before = module();
    let after = Narrows("u6q3").run(&before, None).expect("it runs");
    let found = message(verify_step("narrows", Keeps::ALL, &before, &after));
    assert!(found.contains("changed version v1 at"), "{found}");

    let (old, new) = (checked(&before), checked(&after));
    let pair = Pair {
        pass: "narrows",
        version: 1,
        old: &old,
        new: &new,
    };
    let found = message(pair.by_native_code(&CodeCache::new()));
    assert!(found.contains("native code found"), "{found}");
    let found = message(pair.by_solver());
    assert!(found.contains("a solver found"), "{found}");
    assert!(compare("narrows", Keeps::ALL, &before, &after, &CodeCache::new()).is_err());
    let kept = Keeps {
        kernels: false,
        ..Keeps::ALL
    };
    let found = compare("narrows", kept, &before, &after, &CodeCache::new());
    assert_eq!(found.expect("nothing is claimed"), []);
}

#[test]
fn a_difference_on_few_inputs_is_found_by_the_solver() {
    let before = module();
    let old = checked(&before);
    let most = |p: &Checked<Program>| {
        let k = p.kernel().expect("an integer program");
        k.nodes[k.output].range.iter().map(|r| r.hi).max()
    };
    assert_eq!(most(&old), Some(128));
    // One less than the largest: that takes inputs near one corner of 2^24.
    let after = Clips.run(&before, None).expect("it runs");
    let new = checked(&after);
    let pair = Pair {
        pass: "clips",
        version: 1,
        old: &old,
        new: &new,
    };
    let found = message(pair.by_solver());
    assert!(found.contains("a solver found"), "{found}");
}

/// Claims to be exact, and clips just below what the type range allows.
struct Clips;

impl Pass for Clips {
    fn name(&self) -> &'static str {
        "clips"
    }

    fn description(&self) -> &'static str {
        "clip what hardly occurs"
    }

    fn keeps(&self, _: Option<&str>) -> Keeps {
        Keeps::ALL
    }

    fn run(&self, module: &Module, _: Option<&str>) -> Result<Module, Diagnostics> {
        let mut b = module.network.rebuild();
        let op = ceg4n_ir::Op::Clip {
            x: module.network.output(),
            lo: None,
            hi: Some(15.875),
        };
        let y = b.push("y", op, None, None);
        Ok(Module {
            network: b.finish(y)?.into(),
            ..module.clone()
        })
    }
}

#[test]
fn opt_stops_at_a_wrong_pass() {
    let wrong: &dyn Pass = &Narrows("u7q2");
    let pipeline = Pipeline::parse("narrows", &[wrong]).expect("it is known");
    let found = opt::run(&module(), &pipeline, true, &mut |_, _| {});
    assert!(message(found).contains("pass `narrows` changed version v1"));
    assert!(opt::run(&module(), &pipeline, false, &mut |_, _| {}).is_ok());
    // Kept where the type range is within the format.
    let right: &dyn Pass = &Narrows("s9q3");
    let pipeline = Pipeline::parse("narrows", &[right]).expect("it is known");
    let mut found = Vec::new();
    let ran = opt::run(&module(), &pipeline, true, &mut |a, _| {
        found.push(a.clone())
    });
    assert!(ran.is_ok());
    assert_eq!(found[0].compared[0].open, None);
}
