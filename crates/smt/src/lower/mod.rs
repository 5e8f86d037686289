//! From programs to questions in QF_BV or QF_LIA: kernel, reference and requirement over the
//! integers of a box. Both logics ask the same, exactly; no solver's answer depends on which.
//!
//! Operators mean what `ir-specs` says: the walk of `ceg4n-eval` over the domain of terms.

mod domain;
mod miter;
mod scalar;

pub use domain::{LowerError, Number, Terms, Truth};
pub use miter::differs;

use crate::model::{Model, Value};
use crate::query::Query;
use crate::term::Logic;
use ceg4n_base::Exact;
use ceg4n_eval::{Domain, interpret_kernel, interpret_real, rounding_name};
use ceg4n_ir::{Format, Interval, Kernel, Property, RealProgram};
use ceg4n_opspec::{Cmp, InputName, Interpreter, catalogue};
use num_traits::ToPrimitive;

/// A question about a box of integers: satisfiable exactly if an input of the box breaks the
/// property.
#[derive(Debug)]
pub struct Question {
    /// The script.
    pub query: Query,
    /// Per input: the name of its variable, and its least value, which a vector is the offset from.
    /// Without a name it is fixed.
    inputs: Vec<(Option<String>, i64)>,
}

impl Question {
    /// The input that a model stands for; `None` if the model lacks a variable.
    pub fn input(&self, model: &Model) -> Option<Vec<i64>> {
        self.inputs
            .iter()
            .map(|(name, lo)| match name {
                None => Some(*lo),
                Some(n) => match model.get(n)? {
                    Value::Int(v) => i64::try_from(v).ok(),
                    Value::Bits { bits, .. } => {
                        let offset = i128::try_from(bits).ok()?;
                        i64::try_from(i128::from(*lo).checked_add(offset)?).ok()
                    }
                    Value::Bool(_) => None,
                },
            })
            .collect()
    }
}

/// Whether a kernel is rewritten on the scalar level before it becomes terms. Either way the
/// question is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rewriting {
    /// Rewritten, over the ranges of the box that the question is about.
    #[default]
    On,
    /// As `ir-specs` says it.
    Off,
}

struct Builder {
    terms: Terms,
    inputs: Vec<(Option<String>, i64)>,
}

impl Builder {
    fn new(logic: Logic, input: &[Interval]) -> Result<(Self, Vec<Number>), LowerError> {
        let mut this = Self {
            terms: Terms::over(logic),
            inputs: Vec::new(),
        };
        let mut numbers = Vec::with_capacity(input.len());
        for (i, r) in input.iter().enumerate() {
            let name = format!("x{i}");
            numbers.push(this.terms.input(&name, r.lo.into(), r.hi.into())?);
            this.inputs.push(((r.lo < r.hi).then_some(name), r.lo));
        }
        Ok((this, numbers))
    }

    fn finish(mut self, broken: Truth) -> Result<Question, LowerError> {
        let t = self.terms.term(broken)?;
        self.terms.query.assert(t)?;
        Ok(Question {
            query: self.terms.query,
            inputs: self.inputs,
        })
    }

    /// For every output `j` other than `c`, in order: does it come before `c`, being larger, or
    /// equal with a smaller index?
    fn before(&mut self, y: &[Number], c: usize) -> Result<Vec<Truth>, LowerError> {
        let mut rivals = Vec::with_capacity(y.len());
        for j in (0..y.len()).filter(|j| *j != c) {
            let op = if j < c { Cmp::Ge } else { Cmp::Gt };
            rivals.push(self.terms.cmp(op, &y[j], &y[c])?);
        }
        Ok(rivals)
    }

    /// The same from what each other output, in order, is ahead of `c` (before it) or behind it
    /// (after it).
    fn behind(&mut self, leads: &[Number], c: usize) -> Result<Vec<Truth>, LowerError> {
        let zero = Number::constant(0, 0);
        let mut rivals = Vec::with_capacity(leads.len());
        for (j, lead) in leads.iter().enumerate() {
            let op = if j < c { Cmp::Ge } else { Cmp::Lt };
            rivals.push(self.terms.cmp(op, lead, &zero)?);
        }
        Ok(rivals)
    }

    fn any(&mut self, parts: Vec<Truth>) -> Result<Truth, LowerError> {
        parts
            .iter()
            .try_fold(Truth::Known(false), |a, b| self.terms.or(&a, b))
    }

    fn all(&mut self, parts: Vec<Truth>) -> Result<Truth, LowerError> {
        parts
            .iter()
            .try_fold(Truth::Known(true), |a, b| self.terms.and(&a, b))
    }
}

/// Is there an input of the box on which the kernel's class is not `class`?
///
/// # Errors
/// Numbers too wide for a vector; a class or a box that does not fit the kernel.
pub fn leaves_class(
    logic: Logic,
    kernel: &Kernel,
    input: &[Interval],
    class: usize,
    rewriting: Rewriting,
) -> Result<Question, LowerError> {
    if class >= kernel.output_len() || !fits(kernel.input_format, kernel.input_len(), input) {
        return Err(LowerError::Question(
            "the class or the box does not fit the kernel",
        ));
    }
    let (mut b, x) = Builder::new(logic, input)?;
    let leads = match rewriting {
        Rewriting::On => scalar::leads(&mut b.terms, kernel, input, &x, class)?,
        Rewriting::Off => None,
    };
    let rivals = match leads {
        Some(leads) => b.behind(&leads, class)?,
        None => {
            let y = interpret_kernel(kernel, &mut b.terms, x)?.take(kernel.output);
            b.before(&y, class)?
        }
    };
    let broken = b.any(rivals)?;
    b.finish(broken)
}

/// True for a box of `len` intervals, none empty, of integers of the format.
fn fits(format: Format, len: usize, points: &[Interval]) -> bool {
    let inside = |r: &Interval| format.contains(r.lo) && r.lo <= r.hi && format.contains(r.hi);
    points.len() == len && points.iter().all(inside)
}

/// Is there a point of the grid box on which the kernel breaks the property against the
/// reference? The box holds integers of `grid`; the kernel rounds each point to its own format.
///
/// # Errors
/// Numbers too wide for a vector, divisions by other constants than powers of two, a property
/// about something else.
pub fn breaks_on_grid(
    logic: Logic,
    reference: &RealProgram,
    kernel: &Kernel,
    grid: Format,
    points: &[Interval],
    property: &Property,
    rewriting: Rewriting,
) -> Result<Question, LowerError> {
    let same = reference.input_len() == kernel.input_len()
        && reference.output_len() == kernel.output_len();
    if !same || !fits(grid, kernel.input_len(), points) {
        return Err(LowerError::Question("reference, kernel and box do not fit"));
    }
    let (mut b, g) = Builder::new(logic, points)?;
    let mut real = Vec::with_capacity(g.len());
    let mut quantized = Vec::with_capacity(g.len());
    let rules = Interpreter::new(catalogue(), rounding_name(kernel.rounding));
    let f = kernel.input_format;
    for g in &g {
        let x = b.terms.scale(g, -i64::from(grid.frac()))?;
        quantized.push(rules.input(
            InputName::FromReal,
            &mut b.terms,
            x.clone(),
            f.frac().into(),
            (f.min(), f.max()),
        )?);
        real.push(x);
    }
    let n = interpret_real(reference, &mut b.terms, real, |_, ends| dyadic(&ends))?
        .take(reference.output);
    let rewritten = match rewriting {
        Rewriting::On => scalar::outputs(&mut b.terms, kernel, &quantized)?,
        Rewriting::Off => None,
    };
    let k = match rewritten {
        Some(k) => k,
        None => interpret_kernel(kernel, &mut b.terms, quantized)?.take(kernel.output),
    };
    let k: Vec<Number> = k
        .iter()
        .map(|y| b.terms.scale(y, -i64::from(kernel.output_frac)))
        .collect::<Result<_, _>>()?;
    let broken = b.broken(property, &n, &k)?;
    b.finish(broken)
}

/// A constant of the reference; one that is only enclosed is no number of the query.
fn dyadic((lo, hi): &(Exact, Exact)) -> Result<Number, LowerError> {
    if lo != hi {
        return Err(LowerError::Question(
            "a reference whose constants are known between bounds only",
        ));
    }
    let (m, e) = lo.as_dyadic().ok_or(LowerError::Width)?;
    Ok(Number::constant(m.to_i128().ok_or(LowerError::Width)?, e))
}

impl Builder {
    /// The outputs `n` of the reference and `k` of the kernel break the property.
    fn broken(
        &mut self,
        property: &Property,
        n: &[Number],
        k: &[Number],
    ) -> Result<Truth, LowerError> {
        let mut cases = Vec::new();
        match property {
            Property::Top1 => {
                for c in 0..n.len() {
                    cases.push(self.pushed_out(n, k, c, 1)?);
                }
            }
            Property::TopK(first) => {
                for c in 0..n.len() {
                    cases.push(self.pushed_out(n, k, c, *first as usize)?);
                }
            }
            Property::Top1Margin(m) => {
                for c in 0..n.len() {
                    cases.push(self.wins_from_afar(n, k, c, m)?);
                }
            }
            Property::Eps(e) => {
                for (n, k) in n.iter().zip(k) {
                    cases.push(self.exceeds(k, n, e)?);
                    cases.push(self.exceeds(n, k, e)?);
                }
            }
            Property::Spec(_) | Property::Joint(_) => {
                return Err(LowerError::Question("an output specification"));
            }
        }
        self.any(cases)
    }

    /// Output `c` is the strict winner of `n`, but not among the `first` of `k`.
    fn pushed_out(
        &mut self,
        n: &[Number],
        k: &[Number],
        c: usize,
        first: usize,
    ) -> Result<Truth, LowerError> {
        let mut strict = Vec::new();
        for j in (0..n.len()).filter(|j| *j != c) {
            strict.push(self.terms.cmp(Cmp::Gt, &n[c], &n[j])?);
        }
        let strict = self.all(strict)?;
        let before = self.before(k, c)?;
        let pushed_out = self.at_least_of(&before, first)?;
        self.terms.and(&strict, &pushed_out)
    }

    /// Output `c` is the class of `k`, and some output of `n` exceeds `n[c]` by more than `m`.
    fn wins_from_afar(
        &mut self,
        n: &[Number],
        k: &[Number],
        c: usize,
        m: &Exact,
    ) -> Result<Truth, LowerError> {
        let before = self.before(k, c)?;
        let beaten = self.any(before)?;
        let wins = self.terms.not(&beaten)?;
        let mut far = Vec::new();
        for other in n {
            far.push(self.exceeds(other, &n[c], m)?);
        }
        let far = self.any(far)?;
        self.terms.and(&wins, &far)
    }

    /// `a - b > e` for an exact, perhaps not dyadic, `e`: over the integers `d·2^exp > e` is
    /// `d > floor(e·2^-exp)`.
    fn exceeds(&mut self, a: &Number, b: &Number, e: &Exact) -> Result<Truth, LowerError> {
        let d = self.terms.sub(a, b)?;
        let exp = d.exponent();
        let limit = e.shifted(-exp).floor().to_i128().ok_or(LowerError::Width)?;
        self.terms.cmp(Cmp::Gt, &d, &Number::constant(limit, exp))
    }

    /// At least `n` of the truths hold.
    fn at_least_of(&mut self, truths: &[Truth], n: usize) -> Result<Truth, LowerError> {
        if n > truths.len() {
            return Ok(Truth::Known(false));
        }
        // reached[i]: at least i of those seen so far.
        let mut reached = vec![Truth::Known(false); n + 1];
        reached[0] = Truth::Known(true);
        for t in truths {
            for i in (1..=n).rev() {
                let more = self.terms.and(&reached[i - 1], t)?;
                reached[i] = self.terms.or(&reached[i], &more)?;
            }
        }
        Ok(reached[n])
    }
}
