//! Whether a pass kept the integers of a version, beyond what the room of passes can ask: native
//! code on many inputs, and a solver about every input of a small program.

use ceg4n_base::{Diagnostic, Diagnostics, Exact, codes};
use ceg4n_eval::kernel_outputs;
use ceg4n_ir::{Checked, Interval, Kernel, KernelOp, Module, Program, check};
use ceg4n_jit::{CodeCache, Evaluator};
use ceg4n_passes::Keeps;
use ceg4n_smt::lower::differs;
use ceg4n_smt::solver::from_name;
use ceg4n_smt::{Limits, Outcome};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Inputs that native code compares at most, besides the corners.
const INPUTS: usize = 4096;
/// Corners at most.
const CORNERS: usize = 1024;
/// Multiplications that comparing by native code may take.
const WORK: usize = 1 << 28;
/// Programs of fewer weights and elements are small: a solver is asked about them.
const SMALL: usize = 2000;
/// Conflicts after which the solver gives up.
const CONFLICTS: u64 = 20_000;
/// Clauses beyond which it does not start.
const CLAUSES: u64 = 1_000_000;

/// What is known of two versions that are to have the same integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The version.
    pub version: u32,
    /// On how many inputs native code found no difference.
    pub inputs: usize,
    /// True if those were all that there are.
    pub exhaustive: bool,
    /// `None` if a solver found that there is no difference, else why that stays open.
    pub open: Option<String>,
}

/// Compares the versions of two modules, before and after a pass that keeps kernels, by native code
/// and by a solver. What the solver leaves open is said in the result; it is no agreement.
///
/// # Errors
/// [`codes::INTERNAL`] with an input on which a version changed, confirmed by exact evaluation; the
/// checker's diagnostics for a module that it refuses.
pub fn compare(
    pass: &str,
    keeps: Keeps,
    before: &Module,
    after: &Module,
    cache: &CodeCache,
) -> Result<Vec<Comparison>, Diagnostics> {
    let mut out = Vec::new();
    if !keeps.kernels {
        return Ok(out);
    }
    for (old, new) in before.versions.iter().zip(&after.versions) {
        let version = old.version;
        let old = check(Program::new(before.network.clone(), old.clone()))?;
        let new = check(Program::new(after.network.clone(), new.clone()))?;
        if old.hash() == new.hash() {
            continue;
        }
        let pair = Pair {
            pass,
            version,
            old: &old,
            new: &new,
        };
        if let Some(found) = pair.compare(cache)? {
            out.push(found);
        }
    }
    Ok(out)
}

/// A version before and after a pass.
pub struct Pair<'a> {
    /// The pass, for messages.
    pub pass: &'a str,
    /// The version, for messages.
    pub version: u32,
    /// Before.
    pub old: &'a Checked<Program>,
    /// After.
    pub new: &'a Checked<Program>,
}

impl Pair<'_> {
    /// Both comparisons; `None` for versions that are no integer functions.
    fn compare(&self, cache: &CodeCache) -> Result<Option<Comparison>, Diagnostics> {
        let (Some(old), Some(new)) = (self.old.kernel(), self.new.kernel()) else {
            return match self.old.kernel().is_none() && self.new.kernel().is_none() {
                true => Ok(None),
                false => Err(self.defect("made a version real, or an integer one of it")),
            };
        };
        if old.input_format != new.input_format || old.output_len() != new.output_len() {
            return Err(self.defect("changed the format of the input or the number of outputs"));
        }
        let (inputs, exhaustive) = self.by_native_code(cache)?;
        let open = match exhaustive {
            true => None,
            false => self.by_solver()?,
        };
        Ok(Some(Comparison {
            version: self.version,
            inputs,
            exhaustive,
            open,
        }))
    }

    /// Native code of both on corners and random inputs; how many, and whether these are all.
    ///
    /// # Errors
    /// [`codes::INTERNAL`] with an input on which they differ.
    pub fn by_native_code(&self, cache: &CodeCache) -> Result<(usize, bool), Diagnostics> {
        let failed = |e: ceg4n_jit::JitError| self.defect(&format!("cannot be compared: {e}"));
        let old = Evaluator::new(self.old, cache).map_err(failed)?;
        let new = Evaluator::new(self.new, cache).map_err(failed)?;
        let (inputs, exhaustive) = inputs(old.kernel());
        let n = inputs.len() / old.input_len().max(1);
        let (mut y, mut z) = (Vec::new(), Vec::new());
        old.eval_batch(&inputs, n, &mut y).map_err(failed)?;
        new.eval_batch(&inputs, n, &mut z).map_err(failed)?;
        let outputs = old.output_len().max(1);
        let scales = [old.kernel().output_frac, new.kernel().output_frac];
        let pairs = y.chunks(outputs).zip(z.chunks(outputs));
        let differ = |(_, (y, z)): &(usize, (&[i64], &[i64]))| !equal(y, z, scales);
        if let Some((at, _)) = pairs.enumerate().find(differ) {
            let x = &inputs[at * old.input_len()..(at + 1) * old.input_len()];
            return Err(self.changed(x, "native code"));
        }
        Ok((n, exhaustive))
    }

    /// A solver about every input; `None` if it shows that both agree, else why that stays open.
    ///
    /// # Errors
    /// [`codes::INTERNAL`] with an input on which they differ in exact evaluation.
    pub fn by_solver(&self) -> Result<Option<String>, Diagnostics> {
        let (Some(old), Some(new)) = (self.old.kernel(), self.new.kernel()) else {
            return Ok(Some("a version is real".to_owned()));
        };
        let size = size(old).max(size(new));
        if size > SMALL {
            let text = format!("{size} weights and elements, more than {SMALL}");
            return Ok(Some(text));
        }
        let mut solver = match from_name("embedded") {
            Ok(solver) => solver,
            Err(d) => return Ok(Some(d.message)),
        };
        let f = old.input_format;
        let whole = vec![Interval::new(f.min(), f.max()); old.input_len()];
        let question = match differs(solver.logic(), old, new, &whole) {
            Ok(question) => question,
            Err(e) => return Ok(Some(e.to_string())),
        };
        let limits = Limits {
            conflicts: Some(CONFLICTS),
            clauses: Some(CLAUSES),
            ..Limits::default()
        };
        match solver.solve(&question.query, &limits) {
            Outcome::Unsat => Ok(None),
            Outcome::Unknown(why) => Ok(Some(why)),
            Outcome::Sat(model) => {
                let x = question.input(&model);
                let x = x.ok_or_else(|| self.defect("has a model without an input"))?;
                let scales = [old.output_frac, new.output_frac];
                let value = |k: &Kernel| kernel_outputs(k, &x);
                match (value(old), value(new)) {
                    (Ok(y), Ok(z)) if equal(&y, &z, scales) => {
                        Ok(Some("the solver's input shows no difference".to_owned()))
                    }
                    _ => Err(self.changed(&x, "a solver")),
                }
            }
        }
    }

    fn changed(&self, x: &[i64], who: &str) -> Diagnostics {
        let list: Vec<String> = x.iter().map(ToString::to_string).collect();
        let text = format!(
            "changed version v{} at the integers [{}], which {who} found",
            self.version,
            list.join(", ")
        );
        self.defect(&text)
    }

    fn defect(&self, what: &str) -> Diagnostics {
        let text = format!("pass `{}` {what}", self.pass);
        Diagnostic::error(codes::INTERNAL, text).into()
    }
}

/// True if mantissas at two scales stand for the same numbers.
fn equal(y: &[i64], z: &[i64], scales: [i32; 2]) -> bool {
    if scales[0] == scales[1] {
        return y == z;
    }
    let value = |m: &i64, frac: i32| Exact::dyadic(*m, -i64::from(frac));
    let mut pairs = y.iter().zip(z);
    pairs.all(|(y, z)| value(y, scales[0]) == value(z, scales[1]))
}

/// Weights and elements.
fn size(kernel: &Kernel) -> usize {
    let nodes = kernel.nodes.values();
    nodes.map(|n| n.len.saturating_add(weights(&n.op))).sum()
}

/// Multiplications of one node.
fn weights(op: &KernelOp) -> usize {
    match op {
        KernelOp::Dense { weight, .. } => weight.len(),
        KernelOp::Conv { conv, .. } => conv.macs(),
        KernelOp::Input { .. }
        | KernelOp::AddConst { .. }
        | KernelOp::MaxPool { .. }
        | KernelOp::SumPool { .. }
        | KernelOp::MulConst { .. }
        | KernelOp::Sum { .. }
        | KernelOp::Concat { .. }
        | KernelOp::Gather { .. }
        | KernelOp::Relu { .. }
        | KernelOp::Clip { .. }
        | KernelOp::LeakyRelu { .. }
        | KernelOp::Unary { .. }
        | KernelOp::Table { .. }
        | KernelOp::Requantize { .. }
        | KernelOp::Align { .. }
        | KernelOp::Move { .. } => 0,
    }
}

/// Every input if they are few, else corners and random ones; and whether these are all.
fn inputs(kernel: &Kernel) -> (Vec<i64>, bool) {
    let (f, n) = (kernel.input_format, kernel.input_len());
    let most = (WORK / size(kernel).max(1)).clamp(64, INPUTS);
    let levels = f.max() - f.min() + 1;
    let all = u32::try_from(n).ok().and_then(|n| levels.checked_pow(n));
    if let Some(all) = all.filter(|all| *all <= most as i64) {
        let digit = |k: i64, i: u32| f.min() + k / levels.pow(i) % levels;
        let points = (0..all).flat_map(|k| (0..n as u32).map(move |i| digit(k, i)));
        return (points.collect(), true);
    }
    let end = |up: bool| if up { f.max() } else { f.min() };
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut out = Vec::new();
    let corners = match n {
        0..=10 => 1 << n,
        _ => CORNERS.min(most),
    };
    for k in 0..corners {
        for i in 0..n {
            let up = if n <= 10 {
                k >> i & 1 == 1
            } else {
                rng.random()
            };
            out.push(end(up));
        }
    }
    out.extend((0..most * n).map(|_| rng.random_range(f.min()..=f.max())));
    (out, false)
}
