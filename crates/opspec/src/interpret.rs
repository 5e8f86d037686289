//! Evaluates meanings over a domain.

use crate::ast::{Binary, Cond, Expr, Guard, IndexId, IntExpr, LocalId, Logic, Reduction, Rule};
use crate::catalogue::Catalogue;
use crate::domain::{Domain, MeaningError, Operands};
use crate::names::{InputName, RoundingName, SaturationName};
use crate::spec::{Condition, Meaning, OperandId, ParameterId, SizeId, Spec};
use ceg4n_base::entity::EntityRef;

/// Operands and parameters have at most this many dimensions.
pub(crate) const MAX_RANK: usize = 4;

/// Evaluates specs of a catalogue, under one rounding rule.
#[derive(Clone, Copy, Debug)]
pub struct Interpreter<'c> {
    catalogue: &'c Catalogue,
    rounding: RoundingName,
}

impl<'c> Interpreter<'c> {
    /// `rounding` is what `round` stands for: the network's rounding option.
    pub fn new(catalogue: &'c Catalogue, rounding: RoundingName) -> Self {
        Self {
            catalogue,
            rounding,
        }
    }

    /// One element of the result, at `position` (one index per dimension of the result).
    ///
    /// # Errors
    /// Those of the domain and of the operands; [`MeaningError`] for a shift or index without
    /// meaning. Side conditions are not checked: see [`Self::condition`].
    pub fn element<D: Domain, O: Operands<D>>(
        &self,
        spec: &Spec,
        position: &[usize],
        domain: &mut D,
        operands: &mut O,
    ) -> Result<D::Value, D::Error> {
        self.evaluate(spec, &spec.meaning, position, domain, operands)
    }

    /// Every element of the result, row-major.
    ///
    /// # Errors
    /// As [`Self::element`].
    pub fn tensor<D: Domain, O: Operands<D>>(
        &self,
        spec: &Spec,
        domain: &mut D,
        operands: &mut O,
    ) -> Result<Vec<D::Value>, D::Error> {
        let mut extents = Vec::with_capacity(spec.result.index.len());
        for (_, size) in &spec.result.index {
            extents.push(operands.size(*size)?);
        }
        let mut result = Vec::new();
        let mut position = vec![0; extents.len()];
        if extents.contains(&0) {
            return Ok(result);
        }
        loop {
            result.push(self.element(spec, &position, domain, operands)?);
            let mut axis = extents.len();
            loop {
                if axis == 0 {
                    return Ok(result);
                }
                axis -= 1;
                position[axis] += 1;
                if position[axis] < extents[axis] {
                    break;
                }
                position[axis] = 0;
            }
        }
    }

    /// The rational definition of a rule that has one (see [`Spec::definition`]), at `position`.
    ///
    /// # Errors
    /// As [`Self::element`].
    pub fn definition<D: Domain, O: Operands<D>>(
        &self,
        spec: &Spec,
        position: &[usize],
        domain: &mut D,
        operands: &mut O,
    ) -> Result<D::Value, D::Error> {
        let meaning = spec.definition.as_ref().unwrap_or(&spec.meaning);
        self.evaluate(spec, meaning, position, domain, operands)
    }

    /// A side condition of `spec` at `position`.
    ///
    /// # Errors
    /// As [`Self::element`].
    pub fn condition<D: Domain, O: Operands<D>>(
        &self,
        spec: &Spec,
        condition: &Condition,
        position: &[usize],
        domain: &mut D,
        operands: &mut O,
    ) -> Result<D::Bool, D::Error> {
        check_rank(spec, position)?;
        let indices = position.to_vec();
        let mut frame = Frame::new(self, domain, operands, indices, 0);
        frame.cond(&condition.holds)
    }

    /// `round(acc · 2^-s)` under a named rule.
    ///
    /// # Errors
    /// As [`Self::element`].
    pub fn round<D: Domain>(
        &self,
        rule: RoundingName,
        domain: &mut D,
        acc: D::Value,
        s: i64,
    ) -> Result<D::Value, D::Error> {
        self.rule(self.catalogue.rounding(rule), domain, &[acc], &[s])
    }

    /// `v` brought into `lo ..= hi` by a saturation rule.
    ///
    /// # Errors
    /// As [`Self::element`].
    pub fn saturate<D: Domain>(
        &self,
        rule: SaturationName,
        domain: &mut D,
        v: D::Value,
        (lo, hi): (i64, i64),
    ) -> Result<D::Value, D::Error> {
        self.rule(self.catalogue.saturation(rule), domain, &[v], &[lo, hi])
    }

    /// The integer of a format with `f` fraction bits and range `lo ..= hi` that a real `x` enters
    /// as. Over rationals only. Mantissas of constants follow the same rule.
    ///
    /// # Errors
    /// As [`Self::element`].
    pub fn input<D: Domain>(
        &self,
        rule: InputName,
        domain: &mut D,
        x: D::Value,
        f: i64,
        (lo, hi): (i64, i64),
    ) -> Result<D::Value, D::Error> {
        self.rule(self.catalogue.input(rule), domain, &[x], &[f, lo, hi])
    }

    /// A spec over scalars, its operands and parameters in the order of declaration.
    fn rule<D: Domain>(
        &self,
        spec: &Spec,
        domain: &mut D,
        values: &[D::Value],
        ints: &[i64],
    ) -> Result<D::Value, D::Error> {
        self.element(spec, &[], domain, &mut Arguments { values, ints })
    }

    fn evaluate<D: Domain, O: Operands<D>>(
        &self,
        spec: &Spec,
        meaning: &Meaning,
        position: &[usize],
        domain: &mut D,
        operands: &mut O,
    ) -> Result<D::Value, D::Error> {
        check_rank(spec, position)?;
        let mut indices = position.to_vec();
        indices.resize(meaning.indices, 0);
        Frame::new(self, domain, operands, indices, meaning.locals).value(&meaning.body)
    }
}

fn check_rank(spec: &Spec, position: &[usize]) -> Result<(), MeaningError> {
    let expected = spec.result.index.len();
    if position.len() == expected {
        return Ok(());
    }
    Err(MeaningError::Rank {
        given: position.len(),
        expected,
    })
}

/// The operands of a rule that is called: scalars only, which loading has checked.
struct Arguments<'a, V> {
    values: &'a [V],
    ints: &'a [i64],
}

impl<D: Domain> Operands<D> for Arguments<'_, D::Value> {
    fn get(&mut self, _: &mut D, id: OperandId, _: &[usize]) -> Result<D::Value, D::Error> {
        let v = self.values.get(id.index());
        v.cloned()
            .ok_or_else(|| out_of(id.index(), self.values.len()).into())
    }

    fn parameter(&mut self, id: ParameterId, _: &[usize]) -> Result<i64, D::Error> {
        let v = self.ints.get(id.index());
        v.copied()
            .ok_or_else(|| out_of(id.index(), self.ints.len()).into())
    }

    fn size(&mut self, id: SizeId) -> Result<usize, D::Error> {
        Err(out_of(id.index(), 0).into())
    }
}

fn out_of(index: usize, extent: usize) -> MeaningError {
    MeaningError::Index {
        index: i64::try_from(index).unwrap_or(i64::MAX),
        extent,
    }
}

/// Evaluation of one expression at one position.
struct Frame<'a, 'c, D: Domain, O> {
    interpreter: &'a Interpreter<'c>,
    domain: &'a mut D,
    operands: &'a mut O,
    indices: Vec<usize>,
    locals: Vec<Option<D::Value>>,
}

impl<'a, 'c, D: Domain, O: Operands<D>> Frame<'a, 'c, D, O> {
    fn new(
        interpreter: &'a Interpreter<'c>,
        domain: &'a mut D,
        operands: &'a mut O,
        indices: Vec<usize>,
        locals: usize,
    ) -> Self {
        Self {
            interpreter,
            domain,
            operands,
            indices,
            locals: vec![None; locals],
        }
    }

    fn value(&mut self, e: &Expr) -> Result<D::Value, D::Error> {
        match e {
            Expr::Int(v) => {
                let v = self.int(v)?;
                self.domain.int(v.into())
            }
            Expr::Operand(id, indices) => self.operand(*id, indices),
            Expr::Local(id) => Ok(self.local(*id)),
            Expr::Neg(a) => {
                let a = self.value(a)?;
                self.domain.neg(&a)
            }
            Expr::Binary(op, a, b) => self.binary(*op, a, b),
            Expr::Div(a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.domain.div(&a, &b)
            }
            Expr::Floor(a) => {
                let a = self.value(a)?;
                self.domain.floor(&a)
            }
            Expr::Scale(a, k) => {
                let (a, k) = (self.value(a)?, self.int(k)?);
                self.domain.scale(&a, k)
            }
            Expr::Shr(a, s) => self.shifted(a, s, D::shr_floor),
            Expr::Shl(a, s) => self.shifted(a, s, D::shl),
            Expr::ModPow2(a, s) => self.shifted(a, s, D::mod_pow2),
            Expr::If(guard, a, b) => {
                let chosen = if self.guard(guard)? { a } else { b };
                self.value(chosen)
            }
            Expr::Select(cond, a, b) => {
                let cond = self.cond(cond)?;
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.domain.select(&cond, &a, &b)
            }
            Expr::Reduce {
                reduction,
                over,
                filter,
                body,
            } => self.reduce(*reduction, over, filter.as_ref(), body),
            Expr::Smooth(f, a) => {
                let a = self.value(a)?;
                self.domain.smooth(*f, &a)
            }
            Expr::Lookup(id, over, at) => {
                let (at, len) = (self.value(at)?, self.operands.size(*over)?);
                let operands = &mut *self.operands;
                let mut entry = |i: usize| operands.parameter(*id, &[i]);
                self.domain.lookup(&at, len, &mut entry)
            }
            Expr::Let(id, bound, body) => {
                let bound = self.value(bound)?;
                self.locals[id.index()] = Some(bound);
                self.value(body)
            }
            Expr::Call(rule, values, ints) => self.call(*rule, values, ints),
        }
    }

    fn binary(&mut self, op: Binary, a: &Expr, b: &Expr) -> Result<D::Value, D::Error> {
        let (a, b) = (self.value(a)?, self.value(b)?);
        match op {
            Binary::Add => self.domain.add(&a, &b),
            Binary::Sub => self.domain.sub(&a, &b),
            Binary::Mul => self.domain.mul(&a, &b),
            Binary::Min => self.domain.min(&a, &b),
            Binary::Max => self.domain.max(&a, &b),
        }
    }

    fn shifted(
        &mut self,
        a: &Expr,
        s: &IntExpr,
        shift: impl Fn(&mut D, &D::Value, u32) -> Result<D::Value, D::Error>,
    ) -> Result<D::Value, D::Error> {
        let (a, s) = (self.value(a)?, self.amount(s)?);
        shift(self.domain, &a, s)
    }

    /// A sum of products goes to the domain as a whole, so that it can be fast or keep its shape.
    fn reduce(
        &mut self,
        reduction: Reduction,
        over: &[(IndexId, SizeId)],
        filter: Option<&Guard>,
        body: &Expr,
    ) -> Result<D::Value, D::Error> {
        match (reduction, body) {
            (Reduction::Sum, Expr::Binary(Binary::Mul, a, b)) => {
                let mut terms = Vec::new();
                self.each(over, filter, &mut |frame| {
                    terms.push((frame.value(a)?, frame.value(b)?));
                    Ok(())
                })?;
                self.domain.dot(terms)
            }
            (Reduction::Sum, _) => {
                let mut items = Vec::new();
                self.each(over, filter, &mut |frame| {
                    items.push(frame.value(body)?);
                    Ok(())
                })?;
                self.domain.sum(items)
            }
            (Reduction::Max, _) => {
                let mut most = None;
                self.each(over, filter, &mut |frame| {
                    let next = frame.value(body)?;
                    most = Some(match most.take() {
                        None => next,
                        Some(m) => frame.domain.max(&m, &next)?,
                    });
                    Ok(())
                })?;
                most.ok_or_else(|| MeaningError::Empty.into())
            }
        }
    }

    /// Visits every position of the index sets that the filter lets through.
    fn each(
        &mut self,
        over: &[(IndexId, SizeId)],
        filter: Option<&Guard>,
        visit: &mut impl FnMut(&mut Self) -> Result<(), D::Error>,
    ) -> Result<(), D::Error> {
        let Some(((index, size), rest)) = over.split_first() else {
            let wanted = filter.map_or(Ok(true), |g| self.guard(g))?;
            return if wanted { visit(self) } else { Ok(()) };
        };
        for k in 0..self.operands.size(*size)? {
            self.indices[index.index()] = k;
            self.each(rest, filter, visit)?;
        }
        Ok(())
    }

    fn call(
        &mut self,
        rule: Rule,
        values: &[Expr],
        ints: &[IntExpr],
    ) -> Result<D::Value, D::Error> {
        let values = values
            .iter()
            .map(|v| self.value(v))
            .collect::<Result<Vec<_>, _>>()?;
        let ints = ints
            .iter()
            .map(|v| self.int(v))
            .collect::<Result<Vec<_>, _>>()?;
        let catalogue = self.interpreter.catalogue;
        let spec = match rule {
            Rule::Round => catalogue.rounding(self.interpreter.rounding),
            Rule::Saturation(name) => catalogue.saturation(name),
        };
        self.interpreter.rule(spec, self.domain, &values, &ints)
    }

    #[inline]
    fn operand(&mut self, id: OperandId, indices: &[IntExpr]) -> Result<D::Value, D::Error> {
        let mut buffer = [0; MAX_RANK];
        let position = self.position(indices, &mut buffer)?;
        self.operands.get(self.domain, id, position)
    }

    #[inline]
    fn position<'b>(
        &mut self,
        indices: &[IntExpr],
        buffer: &'b mut [usize; MAX_RANK],
    ) -> Result<&'b [usize], D::Error> {
        for (slot, index) in buffer.iter_mut().zip(indices) {
            *slot = match index {
                IntExpr::Index(id) => self.indices[id.index()],
                other => {
                    let index = self.int(other)?;
                    let none = MeaningError::Index { index, extent: 0 };
                    usize::try_from(index).map_err(|_| none)?
                }
            };
        }
        Ok(&buffer[..indices.len()])
    }

    fn local(&self, id: LocalId) -> D::Value {
        self.locals[id.index()]
            .clone()
            .expect("scoping puts a use of a local inside its `let`")
    }

    fn amount(&mut self, e: &IntExpr) -> Result<u32, D::Error> {
        let s = self.int(e)?;
        u32::try_from(s).map_err(|_| MeaningError::Shift(s).into())
    }

    fn int(&mut self, e: &IntExpr) -> Result<i64, D::Error> {
        let result = match e {
            IntExpr::Literal(v) => Some(*v),
            IntExpr::Parameter(id, indices) => {
                let mut buffer = [0; MAX_RANK];
                let position = self.position(indices, &mut buffer)?;
                Some(self.operands.parameter(*id, position)?)
            }
            IntExpr::Index(id) => i64::try_from(self.indices[id.index()]).ok(),
            IntExpr::Size(id) => i64::try_from(self.operands.size(*id)?).ok(),
            IntExpr::Neg(a) => self.int(a)?.checked_neg(),
            IntExpr::Div(a, b) => {
                let (a, b) = (self.int(a)?, self.int(b)?);
                if b <= 0 {
                    return Err(MeaningError::DivisionByZero.into());
                }
                Some(a.div_euclid(b))
            }
            IntExpr::Binary(op, a, b) => {
                let (a, b) = (self.int(a)?, self.int(b)?);
                match op {
                    Binary::Add => a.checked_add(b),
                    Binary::Sub => a.checked_sub(b),
                    Binary::Mul => a.checked_mul(b),
                    Binary::Min => Some(a.min(b)),
                    Binary::Max => Some(a.max(b)),
                }
            }
        };
        result.ok_or_else(|| MeaningError::Overflow.into())
    }

    fn guard(&mut self, g: &Guard) -> Result<bool, D::Error> {
        Ok(match g {
            Logic::Cmp(op, a, b) => op.holds(self.int(a)?.cmp(&self.int(b)?)),
            Logic::Not(a) => !self.guard(a)?,
            Logic::And(a, b) => self.guard(a)? && self.guard(b)?,
            Logic::Or(a, b) => self.guard(a)? || self.guard(b)?,
        })
    }

    fn cond(&mut self, c: &Cond) -> Result<D::Bool, D::Error> {
        match c {
            Logic::Cmp(op, a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.domain.cmp(*op, &a, &b)
            }
            Logic::Not(a) => {
                let a = self.cond(a)?;
                self.domain.not(&a)
            }
            Logic::And(a, b) => {
                let (a, b) = (self.cond(a)?, self.cond(b)?);
                self.domain.and(&a, &b)
            }
            Logic::Or(a, b) => {
                let (a, b) = (self.cond(a)?, self.cond(b)?);
                self.domain.or(&a, &b)
            }
        }
    }
}
