//! Text to syntax trees with places; names are not looked up yet.

use crate::ast::{Binary, Cmp, Reduction};
use ceg4n_base::{Diagnostic, SourceId, Span, codes};
use pest::Parser;
use pest::error::InputLocation;
use pest::iterators::Pair;
use pest::pratt_parser::{Assoc, Op, PrattParser};
use std::sync::LazyLock;
use toml::Spanned;

/// pest's derive makes items without documentation; they stay in this module.
mod generated {
    #[derive(pest_derive::Parser)]
    #[grammar = "../../grammar/spec.pest"]
    pub(super) struct SpecParser;
}
use generated::{Rule, SpecParser};

/// Where a text stands: a part of a source from byte `start` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) source: SourceId,
    pub(crate) start: usize,
}

impl Origin {
    /// Where the content of a string of a TOML file starts: after its quotes. `None` for one with
    /// escapes, whose places are not those of the file.
    pub(crate) fn of(source: SourceId, file: &str, string: &Spanned<String>) -> Option<Self> {
        let content = string.get_ref();
        let written = file.get(string.span()).unwrap_or("");
        let offset = match content.is_empty() {
            true => 0,
            false => written.find(content.as_str())?,
        };
        let start = string.span().start + offset;
        Some(Self { source, start })
    }

    fn span(self, range: std::ops::Range<usize>) -> Span {
        Span::new(
            self.source,
            self.start + range.start..self.start + range.end,
        )
    }
}

/// A name with its place.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// An expression with its place.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) kind: RawKind,
    pub(crate) span: Span,
}

/// An operator between two expressions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Infix {
    Arithmetic(Binary),
    Div,
    Cmp(Cmp),
    And,
    Or,
}

#[derive(Clone, Debug)]
pub(crate) enum RawKind {
    Integer(i64),
    Name(String),
    Element(String, Vec<Raw>),
    Call(String, Vec<Raw>),
    Neg(Box<Raw>),
    Not(Box<Raw>),
    Infix(Infix, Box<Raw>, Box<Raw>),
    /// Pairs of index and index set, and the terms.
    Reduce(Reduction, Vec<(Name, Name)>, Box<Raw>),
    /// Terms and which of them there are; at the end of a reduction's block.
    Where(Box<Raw>, Box<Raw>),
    Let(Name, Box<Raw>, Box<Raw>),
}

type Result<T> = std::result::Result<T, Diagnostic>;

/// `let …; value`
pub(crate) fn meaning(text: &str, origin: Origin) -> Result<Raw> {
    block(first(parse(Rule::meaning, text, origin)?), origin)
}

/// A truth value.
pub(crate) fn condition(text: &str, origin: Origin) -> Result<Raw> {
    expr(first(parse(Rule::condition, text, origin)?), origin)
}

/// `j in m`
pub(crate) fn range(text: &str, origin: Origin) -> Result<(Name, Name)> {
    Ok(index_and_set(parse(Rule::range, text, origin)?, origin))
}

fn parse<'i>(rule: Rule, text: &'i str, origin: Origin) -> Result<Pair<'i, Rule>> {
    let mut pairs = SpecParser::parse(rule, text).map_err(|e| {
        let range = match e.location {
            InputLocation::Pos(p) => p..p + usize::from(p < text.len()),
            InputLocation::Span((a, b)) => a..b,
        };
        let message = e.variant.message().into_owned();
        Diagnostic::error(codes::SYNTAX, "the expression does not follow the grammar")
            .at(Some(origin.span(range)), message)
    })?;
    Ok(pairs.next().expect("a successful parse yields its rule"))
}

fn first(pair: Pair<'_, Rule>) -> Pair<'_, Rule> {
    pair.into_inner().next().expect("the rule has a part")
}

fn span(pair: &Pair<'_, Rule>, origin: Origin) -> Span {
    let s = pair.as_span();
    origin.span(s.start()..s.end())
}

fn name(pair: &Pair<'_, Rule>, origin: Origin) -> Name {
    Name {
        text: pair.as_str().to_owned(),
        span: span(pair, origin),
    }
}

fn block(pair: Pair<'_, Rule>, origin: Origin) -> Result<Raw> {
    let place = span(&pair, origin);
    let mut bindings = Vec::new();
    let mut body = None;
    for part in pair.into_inner() {
        if part.as_rule() == Rule::binding {
            let mut parts = part.into_inner().filter(|p| p.as_rule() != Rule::kw_let);
            let bound = parts.next().expect("a binding has a name");
            let value = parts.next().expect("a binding has a value");
            bindings.push((name(&bound, origin), expr(value, origin)?));
        } else if part.as_rule() == Rule::expr {
            let next = expr(part, origin)?;
            body = Some(match body {
                None => next,
                // A second expression follows `where`.
                Some(terms) => Raw {
                    kind: RawKind::Where(Box::new(terms), Box::new(next)),
                    span: place,
                },
            });
        }
    }
    let body = body.expect("a block ends with an expression");
    Ok(bindings.into_iter().rfold(body, |body, (name, value)| Raw {
        kind: RawKind::Let(name, Box::new(value), Box::new(body)),
        span: place,
    }))
}

static PRATT: LazyLock<PrattParser<Rule>> = LazyLock::new(|| {
    use Rule::{add, div, eq, ge, gt, kw_and, kw_not, kw_or, le, lt, mul, ne, neg, sub};
    let left = |rule| Op::infix(rule, Assoc::Left);
    PrattParser::new()
        .op(left(kw_or))
        .op(left(kw_and))
        .op(Op::prefix(kw_not))
        .op(left(le) | left(lt) | left(ge) | left(gt) | left(eq) | left(ne))
        .op(left(add) | left(sub))
        .op(left(mul) | left(div))
        .op(Op::prefix(neg))
});

fn expr(pair: Pair<'_, Rule>, origin: Origin) -> Result<Raw> {
    PRATT
        .map_primary(|p| atom(p, origin))
        .map_prefix(|op, a| {
            let a = a?;
            let start = span(&op, origin);
            let kind = if op.as_rule() == Rule::neg {
                RawKind::Neg
            } else {
                RawKind::Not
            };
            Ok(Raw {
                span: join(start, a.span),
                kind: kind(Box::new(a)),
            })
        })
        .map_infix(|a, op, b| {
            let (a, b) = (a?, b?);
            Ok(Raw {
                span: join(a.span, b.span),
                kind: RawKind::Infix(infix(op.as_rule()), Box::new(a), Box::new(b)),
            })
        })
        .parse(pair.into_inner())
}

fn join(a: Span, b: Span) -> Span {
    Span { end: b.end, ..a }
}

fn infix(rule: Rule) -> Infix {
    match rule {
        Rule::add => Infix::Arithmetic(Binary::Add),
        Rule::sub => Infix::Arithmetic(Binary::Sub),
        Rule::mul => Infix::Arithmetic(Binary::Mul),
        Rule::div => Infix::Div,
        Rule::lt => Infix::Cmp(Cmp::Lt),
        Rule::le => Infix::Cmp(Cmp::Le),
        Rule::gt => Infix::Cmp(Cmp::Gt),
        Rule::ge => Infix::Cmp(Cmp::Ge),
        Rule::eq => Infix::Cmp(Cmp::Eq),
        Rule::ne => Infix::Cmp(Cmp::Ne),
        Rule::kw_and => Infix::And,
        Rule::kw_or => Infix::Or,
        other => unreachable!("the grammar has no infix {other:?}"),
    }
}

fn atom(pair: Pair<'_, Rule>, origin: Origin) -> Result<Raw> {
    let place = span(&pair, origin);
    let kind = match pair.as_rule() {
        Rule::integer => RawKind::Integer(pair.as_str().parse().map_err(|_| {
            Diagnostic::error(codes::NUMBER, "the integer is too large")
                .at(Some(place), "beyond 2^63 - 1")
        })?),
        Rule::name => RawKind::Name(pair.as_str().to_owned()),
        Rule::expr => return expr(pair, origin),
        Rule::element => {
            let (name, parts) = name_and_parts(pair, origin)?;
            RawKind::Element(name, parts)
        }
        Rule::call => {
            let (name, parts) = name_and_parts(pair, origin)?;
            RawKind::Call(name, parts)
        }
        Rule::reduction => reduction(pair, origin)?,
        other => unreachable!("the grammar has no atom {other:?}"),
    };
    Ok(Raw { kind, span: place })
}

fn reduction(pair: Pair<'_, Rule>, origin: Origin) -> Result<RawKind> {
    let mut how = Reduction::Sum;
    let (mut over, mut body) = (Vec::new(), None);
    for part in pair.into_inner() {
        match part.as_rule() {
            Rule::kw_max => how = Reduction::Max,
            Rule::over => over.push(index_and_set(part, origin)),
            Rule::terms => body = Some(block(part, origin)?),
            _ => {}
        }
    }
    let body = body.expect("the grammar has terms in a reduction");
    Ok(RawKind::Reduce(how, over, Box::new(body)))
}

fn index_and_set(pair: Pair<'_, Rule>, origin: Origin) -> (Name, Name) {
    let names: Vec<Name> = pair
        .into_inner()
        .filter(|p| p.as_rule() == Rule::name)
        .map(|p| name(&p, origin))
        .collect();
    let [index, set] = <[Name; 2]>::try_from(names).expect("the grammar has two names");
    (index, set)
}

fn name_and_parts(pair: Pair<'_, Rule>, origin: Origin) -> Result<(String, Vec<Raw>)> {
    let mut parts = pair.into_inner();
    let head = parts.next().expect("calls and elements start with a name");
    let rest = parts.map(|p| expr(p, origin)).collect::<Result<_>>()?;
    Ok((head.as_str().to_owned(), rest))
}
