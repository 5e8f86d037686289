//! Comparisons of linear terms: a bound of one input, or a constraint on outputs.

use super::grammar::{Place, Rule, parts};
use ceg4n_base::{Diagnostic, Exact, Span, codes};
use ceg4n_ir::OutputConstraint;
use pest::iterators::Pair;
use std::collections::BTreeMap;

/// Longer numbers are refused: reading them takes quadratic time.
const MAX_DIGITS: usize = 20_000;
/// Larger exponents are refused; float64 ends at 308.
const MAX_EXPONENT: u32 = 400;
/// Products of more numbers than this are refused: each adds digits to the result.
const MAX_FACTORS: usize = 16;

/// `X_i` or `Y_j`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Variable {
    Input(usize),
    Output(usize),
}

/// What a comparison demands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Demand {
    /// Always or never true.
    Constant(bool),
    /// `X_i ≥ bound`.
    AtLeast(usize, Exact),
    /// `X_i ≤ bound`.
    AtMost(usize, Exact),
    /// Of the outputs.
    Output(OutputConstraint),
}

/// `Σ a·v + b`, no coefficient zero.
#[derive(Clone, Debug)]
pub(crate) struct Linear<V> {
    pub(crate) terms: BTreeMap<V, Exact>,
    constant: Option<Exact>,
    /// So many numbers of the text are multiplied in some coefficient, at most.
    factors: usize,
}

impl<V> Default for Linear<V> {
    fn default() -> Self {
        Self {
            terms: BTreeMap::new(),
            constant: None,
            factors: 0,
        }
    }
}

impl<V: Ord + Copy> Linear<V> {
    pub(crate) fn number(value: Exact, factors: usize) -> Self {
        Self {
            constant: Some(value),
            factors,
            ..Self::default()
        }
    }

    pub(crate) fn variable(v: V) -> Self {
        Self {
            terms: BTreeMap::from([(v, Exact::from(1))]),
            ..Self::default()
        }
    }

    pub(crate) fn constant(&self) -> Exact {
        self.constant.clone().unwrap_or_else(Exact::zero)
    }

    /// `self + factor·other`.
    pub(crate) fn plus(mut self, other: &Self, factor: &Exact) -> Self {
        self.factors = self.factors.max(other.factors);
        if let Some(b) = &other.constant {
            self.constant = Some(&self.constant() + &(b * factor));
        }
        for (v, a) in &other.terms {
            let a = a * factor;
            let sum = self.terms.remove(v).map_or_else(|| a.clone(), |s| &s + &a);
            if !sum.is_zero() {
                self.terms.insert(*v, sum);
            }
        }
        self
    }

    /// Products gave numbers of more digits than are read.
    pub(crate) fn is_too_long(&self) -> bool {
        let too_long = |v: &Exact| self.factors > 1 && v.to_string().len() > MAX_DIGITS;
        self.terms.values().any(too_long) || too_long(&self.constant())
    }

    /// What an operator makes of terms, at least one.
    ///
    /// # Errors
    /// A message and a label.
    pub(crate) fn operation(
        operator: &str,
        terms: Vec<Self>,
    ) -> Result<Self, (String, &'static str)> {
        let one = Exact::from(1);
        let minus = Exact::from(-1);
        match (operator, &terms[..]) {
            ("*", _) => Self::product(terms),
            ("-", [only]) => Ok(Self::default().plus(only, &minus)),
            ("-", [first, rest @ ..]) => {
                let subtract = |sum: Self, t: &Self| sum.plus(t, &minus);
                Ok(rest.iter().fold(first.clone(), subtract))
            }
            _ => {
                let add = |sum: Self, t: &Self| sum.plus(t, &one);
                Ok(terms.iter().fold(Self::default(), add))
            }
        }
    }

    fn product(terms: Vec<Self>) -> Result<Self, (String, &'static str)> {
        let mut product = Self::number(Exact::from(1), 0);
        for t in terms {
            let factors = product.factors + t.factors;
            if factors > MAX_FACTORS {
                let message = format!("a product of more than {MAX_FACTORS} numbers");
                return Err((message, "multiply them out"));
            }
            let (linear, factor) = match (product.terms.is_empty(), t.terms.is_empty()) {
                (_, true) => (product, t.constant()),
                (true, false) => (t, product.constant()),
                (false, false) => {
                    let message = "products of variables are not supported".to_owned();
                    return Err((message, "one factor may be a variable"));
                }
            };
            product = Self::default().plus(&linear, &factor);
            product.factors = factors;
        }
        Ok(product)
    }
}

/// Reads the comparisons of one command.
pub(super) struct Comparisons<'a> {
    /// Where the command stands.
    pub(super) place: Place,
    /// Looks a variable up.
    pub(super) declared: &'a dyn Fn(&str) -> Option<Variable>,
}

impl Comparisons<'_> {
    fn fail<T>(
        &self,
        code: codes::Code,
        at: &Pair<'_, Rule>,
        message: impl Into<String>,
        label: &str,
    ) -> Result<T, Diagnostic> {
        Err(Diagnostic::error(code, message).at(Some(self.place.of(at)), label))
    }

    /// A comparison as demands that must all hold: `(<= a b c)` is two of them, so is `(= a b)`.
    pub(super) fn read(&self, pair: Pair<'_, Rule>) -> Result<Vec<(Demand, Span)>, Diagnostic> {
        let whole = pair.clone();
        let mut inner = parts(pair);
        let relation = inner.next().map_or("", |p| p.as_str());
        let sides: Vec<Linear<Variable>> = inner
            .map(|term| self.term(term))
            .collect::<Result<_, _>>()?;
        let mut demands = Vec::new();
        for two in sides.windows(2) {
            let [a, b] = two else { continue };
            // Each as `difference ≤ 0` or `< 0`.
            let orders: &[(&Linear<Variable>, &Linear<Variable>, bool)] = match relation {
                "<=" => &[(a, b, false)],
                "<" => &[(a, b, true)],
                ">=" => &[(b, a, false)],
                ">" => &[(b, a, true)],
                _ => &[(a, b, false), (b, a, false)],
            };
            for (less, more, strict) in orders {
                let difference = (*less).clone().plus(more, &Exact::from(-1));
                let demand = self.demand(&whole, difference, *strict)?;
                demands.push((demand, self.place.of(&whole)));
            }
        }
        Ok(demands)
    }

    /// `difference ≤ 0` (or `< 0`) as a demand on one side of the network.
    fn demand(
        &self,
        at: &Pair<'_, Rule>,
        difference: Linear<Variable>,
        strict: bool,
    ) -> Result<Demand, Diagnostic> {
        let constant = difference.constant();
        if difference.is_too_long() {
            let message = "the products give numbers of too many digits";
            return self.fail(codes::NUMBER, at, message, "in this comparison");
        }
        let inputs = difference.terms.keys().filter(|v| v.is_input()).count();
        if inputs == 0 {
            let coefficients: Vec<(usize, Exact)> = difference
                .terms
                .into_iter()
                .map(|(v, a)| (v.index(), a))
                .collect();
            if coefficients.is_empty() {
                let sign = constant.signum();
                return Ok(Demand::Constant(sign < 0 || (sign == 0 && !strict)));
            }
            return Ok(Demand::Output(OutputConstraint {
                coefficients,
                constant,
                strict,
            }));
        }
        if inputs < difference.terms.len() {
            let message = "constraints between inputs and outputs are not supported";
            return self.fail(codes::QUERY, at, message, "X and Y in one comparison");
        }
        if inputs > 1 {
            let message = "constraints between inputs are not supported: regions are boxes";
            return self.fail(
                codes::QUERY,
                at,
                message,
                "several inputs in one comparison",
            );
        }
        if strict {
            let message = "strict bounds of inputs are not supported: regions are closed boxes";
            return self.fail(codes::QUERY, at, message, "write `<=` or `>=`");
        }
        let bound = difference.terms.into_iter().find_map(|(v, a)| {
            let bound = (-&constant).checked_div(&a)?;
            Some((v.index(), a.signum(), bound))
        });
        match bound {
            Some((i, 1, bound)) => Ok(Demand::AtMost(i, bound)),
            Some((i, _, bound)) => Ok(Demand::AtLeast(i, bound)),
            None => self.fail(codes::QUERY, at, "this comparison has no meaning", ""),
        }
    }

    /// Recurses as deep as parentheses nest, which is limited.
    fn term(&self, pair: Pair<'_, Rule>) -> Result<Linear<Variable>, Diagnostic> {
        let Some(inner) = parts(pair.clone()).next() else {
            return self.fail(codes::SYNTAX, &pair, "expected a term", "");
        };
        match inner.as_rule() {
            Rule::number => match number(inner.as_str()) {
                Ok(v) => Ok(Linear::number(v, 1)),
                Err(message) => self.fail(codes::NUMBER, &inner, message, "not this number"),
            },
            Rule::variable => match (self.declared)(inner.as_str()) {
                Some(v) => Ok(Linear::variable(v)),
                None => {
                    let message = format!("{} is not declared", inner.as_str());
                    self.fail(codes::UNKNOWN_NAME, &inner, message, "not defined")
                }
            },
            _ => self.operation(inner),
        }
    }

    fn operation(&self, pair: Pair<'_, Rule>) -> Result<Linear<Variable>, Diagnostic> {
        let whole = pair.clone();
        let mut inner = parts(pair);
        let operator = inner.next().map_or("", |p| p.as_str());
        let terms: Vec<_> = inner
            .map(|term| self.term(term))
            .collect::<Result<_, _>>()?;
        Linear::operation(operator, terms)
            .or_else(|(message, label)| self.fail(codes::QUERY, &whole, message, label))
    }
}

impl Variable {
    fn is_input(self) -> bool {
        matches!(self, Self::Input(_))
    }

    fn index(self) -> usize {
        match self {
            Self::Input(i) | Self::Output(i) => i,
        }
    }
}

/// The exact value of a decimal.
pub(crate) fn number(text: &str) -> Result<Exact, String> {
    if text.len() > MAX_DIGITS {
        return Err(format!("a number of {} characters is too long", text.len()));
    }
    if let Some((_, exponent)) = text.split_once(['e', 'E']) {
        let digits = exponent.trim_start_matches(['+', '-']);
        let digits = digits.trim_start_matches('0');
        if digits.len() > 9 || digits.parse().is_ok_and(|e: u32| e > MAX_EXPONENT) {
            return Err(format!(
                "the exponent of `{text}` is beyond {MAX_EXPONENT} in absolute value"
            ));
        }
    }
    text.parse()
        .map_err(|e: ceg4n_base::exact::ParseExactError| e.0)
}
