//! What becomes of an assignment: which stored point its program breaks first.

use crate::demand::Demanded;
use ceg4n_base::{ContentHash, Exact};
use ceg4n_ir::{Checked, Format, Kernel, Program, Property};
use ceg4n_jit::{CodeCache, Evaluator};
use ceg4n_quantize::Assignment;
use ceg4n_refine::Counterexample;
use ceg4n_search::AnnotationSpace;
use ceg4n_verify::Reference;
use ceg4n_verify::subject::breaks_at;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// So many points are evaluated before it is looked at their outputs.
const BLOCK: usize = 16;

/// What becomes of an assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its program breaks a stored point, by its place.
    Refuted(usize),
    /// The checker refuses its formats.
    Refused,
    /// It misses a demand on data.
    MissedDemand,
    /// A version with its program stayed open.
    SetAside(u32),
    /// None of these.
    Open,
}

/// The stored points of a run, and what they were asked.
pub(crate) struct Stored<'a> {
    pub space: &'a AnnotationSpace,
    pub reference: &'a Reference,
    /// By question.
    properties: Vec<Property>,
    points: &'a [Counterexample],
    /// The reference's outputs; empty where a point decides nothing.
    known: Vec<Vec<Exact>>,
    /// Programs that stayed open, with their versions.
    set_aside: BTreeMap<ContentHash, u32>,
    demands: Option<Demanded<'a>>,
    cache: CodeCache,
    /// Input mantissas of the points by format.
    mantissas: Mutex<BTreeMap<String, Arc<Vec<i64>>>>,
}

impl<'a> Stored<'a> {
    pub(crate) fn new(
        space: &'a AnnotationSpace,
        reference: &'a Reference,
        properties: Vec<Property>,
        points: &'a [Counterexample],
        set_aside: BTreeMap<ContentHash, u32>,
    ) -> Self {
        // A point about nothing, or of another length, decides nothing.
        let outputs = |p: &Counterexample| match properties.get(p.question) {
            Some(_) => reference.outputs(&p.x).unwrap_or_default(),
            None => Vec::new(),
        };
        Self {
            known: points.iter().map(outputs).collect(),
            space,
            reference,
            properties,
            points,
            set_aside,
            demands: None,
            cache: CodeCache::new(),
            mantissas: Mutex::default(),
        }
    }

    /// The same with demands on data.
    pub(crate) fn with_demands(mut self, demands: Option<Demanded<'a>>) -> Self {
        self.demands = demands;
        self
    }

    /// What becomes of an assignment.
    ///
    /// # Errors
    /// If interpreter and native code disagree: a defect of the tool.
    pub(crate) fn fate(&self, a: &Assignment) -> Result<Fate, String> {
        let Ok(program) = self.space.program(a, 0) else {
            return Ok(Fate::Refused);
        };
        if let Some(i) = self.broken(&program)? {
            return Ok(Fate::Refuted(i));
        }
        if let Some(version) = self.set_aside.get(&program.hash()) {
            return Ok(Fate::SetAside(*version));
        }
        let met = |d: &Demanded<'_>| d.met(&program, &self.cache);
        if self.demands.as_ref().is_none_or(met) {
            Ok(Fate::Open)
        } else {
            Ok(Fate::MissedDemand)
        }
    }

    /// The first stored point that a program breaks: found by native code, confirmed by the
    /// interpreter.
    ///
    /// # Errors
    /// As for [`Self::fate`].
    pub(crate) fn broken(&self, program: &Checked<Program>) -> Result<Option<usize>, String> {
        let Some(kernel) = program.kernel() else {
            return Ok(None);
        };
        let evaluator = Evaluator::new(program, &self.cache).map_err(|e| e.to_string())?;
        let inputs = self.mantissas(kernel.input_format);
        let (n, m) = (kernel.input_len(), kernel.output_len());
        let mut outputs = Vec::new();
        for (b, block) in inputs.chunks((BLOCK * n).max(1)).enumerate() {
            let count = block.len() / n.max(1);
            evaluator
                .eval_batch(block, count, &mut outputs)
                .map_err(|e| e.to_string())?;
            for k in 0..count {
                let raw = &outputs[k * m..(k + 1) * m];
                let i = b * BLOCK + k;
                if self.breaks(kernel, i, raw) {
                    confirm(kernel, &block[k * n..(k + 1) * n], raw)?;
                    return Ok(Some(i));
                }
            }
        }
        Ok(None)
    }

    fn breaks(&self, kernel: &Kernel, i: usize, raw: &[i64]) -> bool {
        let (n, p) = (&self.known[i], &self.points[i]);
        if n.is_empty() {
            return false;
        }
        let y = kernel.output_values(raw);
        breaks_at(self.reference, &self.properties[p.question], &p.x, n, &y)
    }

    /// The points as mantissas of a format, one after the other; a point that decides nothing as
    /// zeros, so that places agree.
    fn mantissas(&self, format: Format) -> Arc<Vec<i64>> {
        let mut all = self
            .mantissas
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let entry = all.entry(format.to_string()).or_default();
        if entry.is_empty() {
            let n = self.reference.input_len();
            let list = Arc::make_mut(entry);
            for (p, known) in self.points.iter().zip(&self.known) {
                match known.is_empty() {
                    true => list.extend(std::iter::repeat_n(format.min().max(0), n)),
                    false => list.extend(p.x.iter().map(|x| format.quantize(x))),
                }
            }
        }
        entry.clone()
    }
}

/// The interpreter's outputs are those of native code.
fn confirm(kernel: &Kernel, input: &[i64], raw: &[i64]) -> Result<(), String> {
    let exact = ceg4n_eval::kernel_outputs(kernel, input).map_err(|e| e.to_string())?;
    if exact == raw {
        Ok(())
    } else {
        Err(format!(
            "native code and interpreter disagree on input {input:?}"
        ))
    }
}
