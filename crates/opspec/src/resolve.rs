//! Names to ids, and types: values of the domain apart from concrete integers.

use crate::ast::{
    Binary, Cond, Expr, Guard, IndexId, IntExpr, LocalId, Logic, Reduction, Rule, Smooth,
};
use crate::catalogue::Folder;
use crate::names::SaturationName;
use crate::parse::{Infix, Name, Raw, RawKind};
use crate::spec::{Meaning, OperandDecl, OperandId, ParameterDecl, ParameterId, SizeId};
use ceg4n_base::codes::{self, Code};
use ceg4n_base::entity::{EntityRef, PrimaryMap};
use ceg4n_base::{Diagnostic, Span};

type Result<T> = std::result::Result<T, Diagnostic>;

/// What the expressions of one spec may name.
#[derive(Debug)]
pub(crate) struct Declarations {
    pub(crate) operands: PrimaryMap<OperandId, OperandDecl>,
    pub(crate) parameters: PrimaryMap<ParameterId, ParameterDecl>,
    pub(crate) sizes: PrimaryMap<SizeId, String>,
    /// Index variables of the result.
    pub(crate) result: Vec<(String, SizeId)>,
    /// Index sets that no shape names, and what they are.
    pub(crate) sets: Vec<(SizeId, String)>,
    pub(crate) folder: Folder,
}

/// An expression of one of the four types.
enum Typed {
    Int(IntExpr),
    Value(Expr),
    Guard(Guard),
    Cond(Cond),
}

/// What a name stands for inside a `sum` or after a `let`.
#[derive(Clone)]
enum Bound {
    Index(IndexId),
    Int(IntExpr),
    Local(LocalId),
}

/// Resolves the expressions of one spec, for one kind of numbers.
pub(crate) struct Resolver<'a> {
    decls: &'a Declarations,
    /// The expression must have a meaning over the rationals.
    real: bool,
    /// The expression must have a meaning over integers.
    fixed: bool,
    scope: Vec<(String, Bound)>,
    /// Index sets of all index variables seen, the result's first.
    indices: PrimaryMap<IndexId, SizeId>,
    locals: usize,
    /// `round` is called.
    rounds: bool,
    /// The filter of the reduction whose block has just been resolved.
    filter: Option<Guard>,
    /// Index variables that an enclosing guard compares: it may keep them inside another set.
    guarded: Vec<IndexId>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(decls: &'a Declarations, real: bool, fixed: bool) -> Self {
        let mut indices = PrimaryMap::new();
        let scope = decls
            .result
            .iter()
            .map(|(name, size)| (name.clone(), Bound::Index(indices.push(*size))))
            .collect();
        Self {
            decls,
            real,
            fixed,
            scope,
            indices,
            locals: 0,
            rounds: false,
            filter: None,
            guarded: Vec::new(),
        }
    }

    /// The typed body of a meaning, with what interpreting it needs to know.
    pub(crate) fn meaning(mut self, raw: &Raw, source: &str) -> Result<Meaning> {
        let body = self.value(raw)?;
        Ok(Meaning {
            source: source.trim().to_owned(),
            body,
            indices: self.indices.len(),
            locals: self.locals,
            rounds: self.rounds,
        })
    }

    fn value(&mut self, raw: &Raw) -> Result<Expr> {
        as_value(self.typed(raw)?, raw.span)
    }

    pub(crate) fn condition(&mut self, raw: &Raw) -> Result<Cond> {
        as_condition(self.typed(raw)?, raw.span)
    }

    fn int(&mut self, raw: &Raw) -> Result<IntExpr> {
        match self.typed(raw)? {
            Typed::Int(e) => Ok(e),
            Typed::Value(_) | Typed::Guard(_) | Typed::Cond(_) => Err(mistake(
                raw.span,
                "a shift amount, index or bound must be known beforehand",
                "not an integer made of parameters, indices and literals",
            )),
        }
    }

    fn typed(&mut self, raw: &Raw) -> Result<Typed> {
        match &raw.kind {
            RawKind::Integer(v) => Ok(Typed::Int(IntExpr::Literal(*v))),
            RawKind::Name(name) => self.element(name, &[], raw.span),
            RawKind::Element(name, indices) => self.element(name, indices, raw.span),
            RawKind::Call(name, arguments) => self.call(name, arguments, raw.span),
            RawKind::Neg(a) => Ok(match self.typed(a)? {
                Typed::Int(a) => Typed::Int(IntExpr::Neg(Box::new(a))),
                other => Typed::Value(Expr::Neg(Box::new(as_value(other, a.span)?))),
            }),
            RawKind::Not(a) => Ok(match self.typed(a)? {
                Typed::Guard(a) => Typed::Guard(Logic::Not(Box::new(a))),
                other => Typed::Cond(Logic::Not(Box::new(as_condition(other, a.span)?))),
            }),
            RawKind::Infix(op, a, b) => self.infix(*op, a, b, raw.span),
            RawKind::Reduce(how, over, body) => self.reduce(*how, over, body),
            RawKind::Where(body, filter) => self.terms(body, filter),
            RawKind::Let(name, value, body) => self.binding(name, value, body),
        }
    }

    fn infix(&mut self, op: Infix, a: &Raw, b: &Raw, span: Span) -> Result<Typed> {
        match op {
            Infix::Arithmetic(op) => self.binary(op, a, b),
            Infix::Div => {
                self.real_only("/", span)?;
                let (a, b) = (self.value(a)?, self.value(b)?);
                Ok(Typed::Value(Expr::Div(Box::new(a), Box::new(b))))
            }
            Infix::Cmp(op) => Ok(match (self.typed(a)?, self.typed(b)?) {
                (Typed::Int(a), Typed::Int(b)) => Typed::Guard(Logic::Cmp(op, a, b)),
                (left, right) => Typed::Cond(Logic::Cmp(
                    op,
                    as_value(left, a.span)?,
                    as_value(right, b.span)?,
                )),
            }),
            Infix::And => self.logic(a, b, Logic::And, Logic::And),
            Infix::Or => self.logic(a, b, Logic::Or, Logic::Or),
        }
    }

    fn binary(&mut self, op: Binary, a: &Raw, b: &Raw) -> Result<Typed> {
        Ok(match (self.typed(a)?, self.typed(b)?) {
            (Typed::Int(a), Typed::Int(b)) => {
                Typed::Int(IntExpr::Binary(op, Box::new(a), Box::new(b)))
            }
            (left, right) => Typed::Value(Expr::Binary(
                op,
                Box::new(as_value(left, a.span)?),
                Box::new(as_value(right, b.span)?),
            )),
        })
    }

    fn logic(
        &mut self,
        a: &Raw,
        b: &Raw,
        guard: impl Fn(Box<Guard>, Box<Guard>) -> Guard,
        cond: impl Fn(Box<Cond>, Box<Cond>) -> Cond,
    ) -> Result<Typed> {
        Ok(match (self.typed(a)?, self.typed(b)?) {
            (Typed::Guard(a), Typed::Guard(b)) => Typed::Guard(guard(Box::new(a), Box::new(b))),
            (left, right) => Typed::Cond(cond(
                Box::new(as_condition(left, a.span)?),
                Box::new(as_condition(right, b.span)?),
            )),
        })
    }

    fn reduce(&mut self, reduction: Reduction, over: &[(Name, Name)], body: &Raw) -> Result<Typed> {
        let depth = self.scope.len();
        let resolved = self.over(over).and_then(|over| {
            let body = Box::new(self.value(body)?);
            Ok((over, body))
        });
        self.scope.truncate(depth);
        let (over, body) = resolved?;
        Ok(Typed::Value(Expr::Reduce {
            reduction,
            over,
            filter: self.filter.take(),
            body,
        }))
    }

    fn over(&mut self, over: &[(Name, Name)]) -> Result<Vec<(IndexId, SizeId)>> {
        let mut bound = Vec::with_capacity(over.len());
        for (index, set) in over {
            let size = self
                .size(&set.text)
                .ok_or_else(|| unknown(set.span, "index set", &set.text))?;
            let id = self.indices.push(size);
            self.enter(index, Bound::Index(id))?;
            bound.push((id, size));
        }
        Ok(bound)
    }

    /// The terms of a reduction with a filter, which is left for [`Self::reduce`].
    fn terms(&mut self, body: &Raw, filter: &Raw) -> Result<Typed> {
        let Typed::Guard(guard) = self.typed(filter)? else {
            return Err(mistake(
                filter.span,
                "the terms of a reduction must be known beforehand",
                "not a truth value over parameters, indices and literals",
            ));
        };
        let body = self.guarded_by(&guard, |r| r.value(body))?;
        self.filter = Some(guard);
        Ok(Typed::Value(body))
    }

    /// Resolves what is interpreted only where a guard has been looked at.
    fn guarded_by<T>(
        &mut self,
        guard: &Guard,
        resolve: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let before = self.guarded.len();
        let guarded = &mut self.guarded;
        guard.for_each(&mut |e: &IntExpr| e.for_each_index(&mut |i| guarded.push(i)));
        let resolved = resolve(self);
        self.guarded.truncate(before);
        resolved
    }

    /// A bound concrete integer is put in where it is named, so that it stays concrete.
    fn binding(&mut self, name: &Name, value: &Raw, body: &Raw) -> Result<Typed> {
        let value = match self.typed(value)? {
            Typed::Int(e) => {
                self.enter(name, Bound::Int(e))?;
                let body = self.typed(body);
                self.scope.pop();
                return body;
            }
            other => as_value(other, value.span)?,
        };
        let id = LocalId::new(self.locals);
        self.locals += 1;
        self.enter(name, Bound::Local(id))?;
        let body = self.value(body);
        self.scope.pop();
        Ok(Typed::Value(Expr::Let(
            id,
            Box::new(value),
            Box::new(body?),
        )))
    }

    fn enter(&mut self, name: &Name, bound: Bound) -> Result<()> {
        if self.is_defined(&name.text) {
            return Err(error(
                codes::DUPLICATE_NAME,
                name.span,
                format!("`{}` is defined already", name.text),
                "choose another name",
            ));
        }
        self.scope.push((name.text.clone(), bound));
        Ok(())
    }

    fn is_defined(&self, name: &str) -> bool {
        self.scope.iter().any(|(n, _)| n == name)
            || self.decls.operands.values().any(|o| o.name == name)
            || self.decls.parameters.values().any(|p| p.name == name)
            || self.size(name).is_some()
    }

    fn size(&self, name: &str) -> Option<SizeId> {
        let mut sizes = self.decls.sizes.iter();
        sizes.find_map(|(id, n)| (n == name).then_some(id))
    }

    fn element(&mut self, name: &str, indices: &[Raw], span: Span) -> Result<Typed> {
        if let Some((id, o)) = self.decls.operands.iter().find(|(_, o)| o.name == name) {
            let indices = self.indices(name, indices, &o.shape, span)?;
            return Ok(Typed::Value(Expr::Operand(id, indices)));
        }
        if let Some((id, p)) = self.decls.parameters.iter().find(|(_, p)| p.name == name) {
            if let ([index], [set]) = (indices, &p.shape[..])
                && let Typed::Value(at) = self.typed(index)?
            {
                self.fixed_only("a list at an index of the domain", span)?;
                return Ok(Typed::Value(Expr::Lookup(id, *set, Box::new(at))));
            }
            let indices = self.indices(name, indices, &p.shape, span)?;
            return Ok(Typed::Int(IntExpr::Parameter(id, indices)));
        }
        let bound = self.scope.iter().find(|(n, _)| n == name);
        let typed = match bound.map(|(_, b)| b.clone()) {
            Some(Bound::Index(id)) => Typed::Int(IntExpr::Index(id)),
            Some(Bound::Int(e)) => Typed::Int(e),
            Some(Bound::Local(id)) => Typed::Value(Expr::Local(id)),
            None => match self.size(name) {
                Some(id) => Typed::Int(IntExpr::Size(id)),
                None => return Err(unknown(span, "operand, parameter or index", name)),
            },
        };
        self.indices(name, indices, &[], span)?;
        Ok(typed)
    }

    /// Indices of an element: as many as dimensions, and an index variable runs over the set that
    /// the dimension has.
    fn indices(
        &mut self,
        name: &str,
        indices: &[Raw],
        shape: &[SizeId],
        span: Span,
    ) -> Result<Vec<IntExpr>> {
        if indices.len() != shape.len() {
            let message = format!(
                "`{name}` has {} dimensions and {} indices",
                shape.len(),
                indices.len()
            );
            return Err(error(codes::SHAPE, span, message, "here"));
        }
        let mut resolved = Vec::new();
        for (raw, set) in indices.iter().zip(shape) {
            let index = self.int(raw)?;
            if let IntExpr::Index(id) = index
                && self.indices[id] != *set
                && !self.guarded.contains(&id)
            {
                let sizes = &self.decls.sizes;
                let message = format!(
                    "this dimension of `{name}` is `{}`, the index runs over `{}`",
                    sizes[*set], sizes[self.indices[id]]
                );
                return Err(error(codes::SHAPE, raw.span, message, "here"));
            }
            resolved.push(index);
        }
        Ok(resolved)
    }

    fn call(&mut self, name: &str, arguments: &[Raw], span: Span) -> Result<Typed> {
        let binary = |r: &mut Self, op| {
            let [a, b] = exactly(name, arguments, span)?;
            r.binary(op, a, b)
        };
        let shift = |r: &mut Self, make: fn(Box<Expr>, IntExpr) -> Expr| {
            let [a, s] = exactly(name, arguments, span)?;
            Ok(Typed::Value(make(Box::new(r.value(a)?), r.int(s)?)))
        };
        match name {
            "min" => binary(self, Binary::Min),
            "max" => binary(self, Binary::Max),
            "shl" => shift(self, Expr::Shl),
            "shr" => {
                self.fixed_only(name, span)?;
                shift(self, Expr::Shr)
            }
            "mod_pow2" => {
                self.fixed_only(name, span)?;
                shift(self, Expr::ModPow2)
            }
            "scale" => {
                self.real_only(name, span)?;
                shift(self, Expr::Scale)
            }
            "floor" => {
                self.real_only(name, span)?;
                let [a] = exactly(name, arguments, span)?;
                Ok(Typed::Value(Expr::Floor(Box::new(self.value(a)?))))
            }
            "select" => self.select(exactly(name, arguments, span)?),
            "div" => {
                let [a, b] = exactly(name, arguments, span)?;
                let (a, b) = (self.int(a)?, self.int(b)?);
                Ok(Typed::Int(IntExpr::Div(Box::new(a), Box::new(b))))
            }
            _ => match Smooth::ALL.into_iter().find(|s| s.name() == name) {
                Some(smooth) => {
                    self.real_only(name, span)?;
                    let [a] = exactly(name, arguments, span)?;
                    Ok(Typed::Value(Expr::Smooth(smooth, Box::new(self.value(a)?))))
                }
                None => self.rule(name, arguments, span),
            },
        }
    }

    fn select(&mut self, [condition, a, b]: [&Raw; 3]) -> Result<Typed> {
        Ok(Typed::Value(match self.typed(condition)? {
            Typed::Guard(g) => {
                let branches = |r: &mut Self| Ok((Box::new(r.value(a)?), Box::new(r.value(b)?)));
                let (a, b) = self.guarded_by(&g, branches)?;
                Expr::If(g, a, b)
            }
            other => {
                let condition = as_condition(other, condition.span)?;
                let (a, b) = (self.value(a)?, self.value(b)?);
                Expr::Select(Box::new(condition), Box::new(a), Box::new(b))
            }
        }))
    }

    fn rule(&mut self, name: &str, arguments: &[Raw], span: Span) -> Result<Typed> {
        let Some((rule, folder)) = rule_named(name) else {
            return Err(unknown(span, "function or rule", name));
        };
        if !self.decls.folder.may_call() {
            let message = format!("a rule of `{}` cannot call rules", self.decls.folder.name());
            return Err(mistake(span, &message, "here"));
        }
        if folder == Folder::Rounding {
            self.fixed_only(name, span)?;
            self.rounds = true;
        }
        let (values, ints) = folder.arity().unwrap_or_default();
        if arguments.len() != values + ints {
            return Err(argument_count(name, values + ints, arguments.len(), span));
        }
        let (first, rest) = arguments.split_at(values);
        let first = first.iter().map(|a| self.value(a)).collect::<Result<_>>()?;
        let rest = rest.iter().map(|a| self.int(a)).collect::<Result<_>>()?;
        Ok(Typed::Value(Expr::Call(rule, first, rest)))
    }

    fn real_only(&self, form: &str, span: Span) -> Result<()> {
        if self.fixed {
            let message = format!("`{form}` has no meaning over integers");
            return Err(mistake(span, &message, "the spec applies to fixed"));
        }
        Ok(())
    }

    fn fixed_only(&self, form: &str, span: Span) -> Result<()> {
        if self.real {
            let message = format!("`{form}` is for integers");
            return Err(mistake(span, &message, "the spec applies to real"));
        }
        Ok(())
    }
}

/// The rule that a name calls.
fn rule_named(name: &str) -> Option<(Rule, Folder)> {
    if name == "round" {
        return Some((Rule::Round, Folder::Rounding));
    }
    let saturation = SaturationName::from_name(name);
    saturation.map(|n| (Rule::Saturation(n), Folder::Saturation))
}

fn as_value(typed: Typed, span: Span) -> Result<Expr> {
    match typed {
        Typed::Int(e) => Ok(Expr::Int(e)),
        Typed::Value(e) => Ok(e),
        Typed::Guard(_) | Typed::Cond(_) => {
            Err(mistake(span, "a number is needed here", "a truth value"))
        }
    }
}

fn as_condition(typed: Typed, span: Span) -> Result<Cond> {
    match typed {
        Typed::Guard(g) => Ok(g.map(&Expr::Int)),
        Typed::Cond(c) => Ok(c),
        Typed::Int(_) | Typed::Value(_) => {
            Err(mistake(span, "a truth value is needed here", "a number"))
        }
    }
}

fn exactly<'r, const N: usize>(
    name: &str,
    arguments: &'r [Raw],
    span: Span,
) -> Result<[&'r Raw; N]> {
    let all: Vec<&Raw> = arguments.iter().collect();
    <[&Raw; N]>::try_from(all).map_err(|all| argument_count(name, N, all.len(), span))
}

fn argument_count(name: &str, needed: usize, given: usize, span: Span) -> Diagnostic {
    let message = format!("`{name}` takes {needed} arguments, not {given}");
    error(codes::SPEC, span, message, "here")
}

fn unknown(span: Span, what: &str, name: &str) -> Diagnostic {
    let message = format!("there is no {what} `{name}`");
    error(codes::UNKNOWN_NAME, span, message, "not declared")
}

fn mistake(span: Span, message: &str, label: &str) -> Diagnostic {
    error(codes::SPEC, span, message, label)
}

fn error(code: Code, span: Span, message: impl Into<String>, label: &str) -> Diagnostic {
    Diagnostic::error(code, message).at(Some(span), label)
}
