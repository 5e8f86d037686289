//! One program keeps a class on the parts of a region: the label of a reference, and the kernel's
//! side of strict top-1.

use crate::recheck::bounds::{Care, Choice, Form, back, enclose, image, lower};
use crate::recheck::chain::Chain;
use crate::recheck::number::{Span, float, least};
use crate::recheck::pair::in_units;
use crate::recheck::part::Part;
use crate::recheck::{Confirmed, LeafOf, POINTS, integers, note, walk};
use ceg4n_base::Exact;
use ceg4n_ir::{Checked, Kernel, Lowered, Program};
use ceg4n_verify::tree::{Closure, Slopes, Tree};

/// What a program starts from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Reals,
    /// A kernel's own inputs; real points for a real-valued program.
    Inputs,
}

/// One program keeps a class.
pub(crate) struct Keeps<'a> {
    program: &'a Checked<Program>,
    chain: Chain,
    class: usize,
    view: View,
}

impl<'a> Keeps<'a> {
    pub(crate) fn of(
        program: &'a Checked<Program>,
        class: usize,
        view: View,
    ) -> Result<Self, String> {
        let chain = match (view, program.lowered()) {
            (View::Inputs, Lowered::Fixed(k)) => Chain::over_inputs(k),
            (View::Reals | View::Inputs, _) => Chain::over_reals(program),
        };
        if class >= chain.outputs() {
            return Err("a class that is none".into());
        }
        Ok(Self {
            program,
            chain,
            class,
            view,
        })
    }

    pub(crate) fn all(
        &self,
        tree: &Tree,
        root: &Part,
        name: &str,
        confirmed: &mut Confirmed,
    ) -> Result<(), String> {
        walk(tree, root, &[&self.chain], &mut |leaf| {
            self.confirm(leaf).map_err(|e| format!("{name}: {e}"))?;
            note(confirmed, name, leaf.closure);
            Ok(())
        })
    }

    /// The kernel, if it is asked on its own inputs.
    fn kernel(&self) -> Option<&Kernel> {
        match (self.view, self.program.kernel()) {
            (View::Inputs, Some(k)) => Some(k),
            (View::Reals | View::Inputs, _) => None,
        }
    }

    fn others(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.chain.outputs()).filter(|j| *j != self.class)
    }

    fn input(&self, part: &Part) -> Result<Vec<Span>, String> {
        match self.kernel() {
            Some(k) => Ok(in_units(
                &part.inputs(k.input_format)?,
                k.input_format.frac(),
            )),
            None => Ok(part.hull()),
        }
    }

    /// A lower bound of the lead over `j` suffices: strictly over reals; a kernel's outputs are
    /// multiples of a unit, and the lower index wins ties.
    fn suffices(&self, j: usize, lead: &Exact) -> bool {
        match (self.view, &self.chain.unit) {
            (View::Inputs, Some(unit)) if j > self.class => *lead > -unit,
            (View::Reals | View::Inputs, _) => lead.signum() > 0,
        }
    }

    fn confirm(&self, leaf: &LeafOf<'_>) -> Result<(), String> {
        let unconstrained = leaf.signs.iter().all(Vec::is_empty);
        match leaf.closure {
            Closure::Intervals if self.kernel().is_some() && unconstrained => self.intervals(leaf),
            Closure::Backward => self.backward(leaf, None),
            Closure::Slopes(s) => self.backward(leaf, Some(s)),
            Closure::Empty => self.empty(leaf),
            Closure::Enumeration(n) if unconstrained => {
                if self.every(leaf.part)? == *n {
                    Ok(())
                } else {
                    Err(format!("{n} is not the number of the part's points"))
                }
            }
            Closure::Solver if self.kernel().is_some() && unconstrained => {
                self.every(leaf.part).map(|_| ())
            }
            c @ (Closure::Intervals
            | Closure::Enumeration(_)
            | Closure::Solver
            | Closure::Differential) => Err(format!("{c:?} says nothing of such a part")),
        }
    }

    fn intervals(&self, leaf: &LeafOf<'_>) -> Result<(), String> {
        let mut spans = vec![self.input(leaf.part)?];
        // Intervals only: no signs, nothing carried back.
        for i in 1..self.chain.ops.len() {
            spans.push(image(&self.chain.ops[i], &spans[i - 1]));
        }
        let last = spans.len() - 1;
        for j in self.others() {
            let mut form = Form::margin(self.chain.outputs(), self.class, j);
            let mut at = last;
            let mut lead = least(&form.c, &spans[at], &form.k);
            // Merged through the last affine places.
            while at > 0 && self.chain.ops[at].is_affine() {
                form = back(&self.chain.ops[at], &spans[at - 1], form, None);
                at -= 1;
                lead = lead.max(least(&form.c, &spans[at], &form.k));
            }
            if !self.suffices(j, &lead) {
                return Err(format!(
                    "intervals show a lead of {} over {j}",
                    lead.to_f64()
                ));
            }
        }
        Ok(())
    }

    fn backward(&self, leaf: &LeafOf<'_>, slopes: Option<&Slopes>) -> Result<(), String> {
        let with = |care| self.backward_with(leaf, slopes, care);
        with(Care::Much).or_else(|_| with(Care::Floats))
    }

    fn backward_with(
        &self,
        leaf: &LeafOf<'_>,
        slopes: Option<&Slopes>,
        care: Care,
    ) -> Result<(), String> {
        let [signs, _] = leaf.signs;
        let Some(spans) = enclose(&self.chain, &self.input(leaf.part)?, signs, care) else {
            return Ok(());
        };
        let last = self.chain.ops.len() - 1;
        let forms = self.chain.outputs() - 1;
        for (r, j) in self.others().enumerate() {
            let choice = match slopes {
                Some(s) => self.choice(s, r, forms)?,
                None => Choice::default(),
            };
            let form = Form::margin(self.chain.outputs(), self.class, j);
            let lead = lower(&self.chain, &spans, signs, last, form, &choice);
            if !self.suffices(j, &lead) {
                return Err(format!(
                    "backward bounds show a lead of {} over {j}",
                    lead.to_f64()
                ));
            }
        }
        Ok(())
    }

    /// Slopes and multipliers of form `r`.
    fn choice(&self, s: &Slopes, r: usize, forms: usize) -> Result<Choice, String> {
        let rows = |lists: &[Vec<f64>]| {
            if lists.len() != self.chain.ops.len() {
                return Err("as many lists of slopes as places".to_owned());
            }
            let row = |(i, l): (usize, &Vec<f64>)| {
                let n = self.chain.len[i];
                if l.is_empty() {
                    return Ok(Vec::new());
                }
                if !self.chain.is_relu(i) || l.len() != forms * n {
                    return Err("slopes of something else".to_owned());
                }
                l[r * n..(r + 1) * n].iter().map(|v| float(*v)).collect()
            };
            lists.iter().enumerate().map(row).collect()
        };
        Ok(Choice {
            alpha: rows(&s.alpha)?,
            beta: rows(&s.beta)?,
        })
    }

    fn empty(&self, leaf: &LeafOf<'_>) -> Result<(), String> {
        match enclose(
            &self.chain,
            &self.input(leaf.part)?,
            &leaf.signs[0],
            Care::Much,
        ) {
            None => Ok(()),
            Some(_) => Err("a part that is not shown to be empty".into()),
        }
    }

    /// Every point of a part keeps the class; how many there are.
    fn every(&self, part: &Part) -> Result<u64, String> {
        if let Some(k) = self.kernel() {
            let all = part.every_input(k.input_format, POINTS)?;
            for x in &all {
                let y = integers::at(k, x);
                if integers::class(&y) != self.class {
                    return Err(format!("{x:?} leaves the class"));
                }
            }
            return Ok(all.len() as u64);
        }
        let all = part.every_point(POINTS)?;
        for x in &all {
            let y = self.chain.at(x);
            if self.others().any(|j| y[self.class] <= y[j]) {
                return Err(format!("{x:?} leaves the class"));
            }
        }
        Ok(all.len() as u64)
    }
}
