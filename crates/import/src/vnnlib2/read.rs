//! Commands to declarations and formulas.

use super::Query;
use super::declare::{ElementType, NetworkDeclaration, Relation, Tensor};
use super::formula::{Comparator, Comparison, Formula};
use super::grammar::{Rule, command, parts};
use crate::vnnlib::grammar::{Place, commands};
use crate::vnnlib::linear::{Linear, number};
use crate::vnnlib::read::sorted;
use ceg4n_base::codes::Code;
use ceg4n_base::suggest::did_you_mean;
use ceg4n_base::{Diagnostic, Diagnostics, Exact, SourceId, Span, codes};
use pest::iterators::Pair;
use std::collections::BTreeMap;

/// Elements of all tensors together; beyond it is no network that could be read.
const MAX_ELEMENTS: usize = 1 << 24;

/// Reads a whole text.
pub(super) fn query(source: SourceId, text: &str) -> Result<Query, Diagnostics> {
    let mut reader = Reader::default();
    let ranges = commands(source, text, &mut reader.errors);
    for range in ranges {
        let place = Place {
            source,
            base: range.start,
        };
        let body = &text[range];
        match command(body, place) {
            Ok(pairs) => {
                for pair in pairs.flat_map(parts) {
                    reader.command(pair, place);
                }
            }
            Err(d) => {
                reader.broken |= body.contains("declare");
                reader.errors.push(d);
            }
        }
    }
    reader.finish(source)
}

#[derive(Default)]
struct Reader {
    errors: Vec<Diagnostic>,
    networks: Vec<NetworkDeclaration>,
    /// Tensors by name: network, and index among its tensors.
    tensors: BTreeMap<String, Tensor>,
    /// Where each name was declared first.
    names: BTreeMap<String, Span>,
    elements: usize,
    /// A declaration is broken: unknown names are not reported.
    broken: bool,
    started: bool,
    assertions: Vec<Formula>,
}

/// An error at a pair.
fn fault(
    code: Code,
    message: impl Into<String>,
    at: &Pair<'_, Rule>,
    place: Place,
    label: impl Into<String>,
) -> Diagnostic {
    Diagnostic::error(code, message).at(Some(place.of(at)), label)
}

impl Reader {
    fn command(&mut self, pair: Pair<'_, Rule>, place: Place) {
        match pair.as_rule() {
            Rule::version => self.version(&pair, place),
            Rule::network => {
                if !self.assertions.is_empty() {
                    let message = "networks are declared before the first assertion";
                    let d = fault(codes::SYNTAX, message, &pair, place, "too late");
                    self.errors.push(d);
                }
                if let Err(d) = self.network(pair, place) {
                    self.broken = true;
                    self.errors.push(d);
                }
            }
            Rule::assert => {
                for formula in parts(pair) {
                    let read = self.formula(formula, place);
                    self.assertions.push(read);
                }
            }
            _ => {}
        }
        self.started = true;
    }

    fn version(&mut self, pair: &Pair<'_, Rule>, place: Place) {
        if self.started {
            let message = "the version is the first command of a query";
            let d = fault(codes::SYNTAX, message, pair, place, "too late");
            self.errors.push(d);
        }
        let Some(n) = parts(pair.clone()).next() else {
            return;
        };
        if n.as_str() != "<2.0>" {
            let message = format!("VNN-LIB {} is another version", n.as_str());
            let d = fault(codes::VERSION, message, &n, place, "not this one");
            self.errors.push(d.help("2.0 and 1 are read"));
        }
    }

    /// Declares a name; once.
    fn name(&mut self, pair: &Pair<'_, Rule>, place: Place) -> String {
        let (name, span) = (pair.as_str().to_owned(), place.of(pair));
        if let Some(first) = self.names.get(&name) {
            let message = format!("{name} is declared twice");
            let d = fault(
                codes::DUPLICATE_NAME,
                message,
                pair,
                place,
                "second declaration",
            );
            self.errors
                .push(d.related(Some(*first), "first declaration"));
        } else {
            self.names.insert(name.clone(), span);
        }
        name
    }

    fn network(&mut self, pair: Pair<'_, Rule>, place: Place) -> Result<(), Diagnostic> {
        let whole = place.of(&pair);
        let mut network = NetworkDeclaration {
            name: String::new(),
            relation: None,
            inputs: Vec::new(),
            hidden: Vec::new(),
            outputs: Vec::new(),
            span: whole,
        };
        for p in parts(pair.clone()) {
            match p.as_rule() {
                Rule::name => {
                    network.name = self.name(&p, place);
                    network.span = place.of(&p);
                }
                Rule::relation => network.relation = Some(self.relation(p, place)?),
                Rule::input => network.inputs.push(self.tensor(p, place)?),
                Rule::hidden => network.hidden.push(self.tensor(p, place)?),
                Rule::output => network.outputs.push(self.tensor(p, place)?),
                _ => {}
            }
        }
        for (list, what) in [(&network.inputs, "input"), (&network.outputs, "output")] {
            if list.is_empty() {
                let message = format!("{} declares no {what}", network.name);
                let d = Diagnostic::error(codes::SYNTAX, message);
                return Err(d.at(Some(network.span), format!("a network has an {what}")));
            }
        }
        self.check_relation(&network)?;
        self.networks.push(network);
        Ok(())
    }

    fn relation(
        &self,
        pair: Pair<'_, Rule>,
        place: Place,
    ) -> Result<(Relation, usize), Diagnostic> {
        let whole = pair.clone();
        let inner = parts(pair).next().unwrap_or(whole);
        let relation = match inner.as_rule() {
            Rule::equal_to => Relation::EqualTo,
            _ => Relation::IsomorphicTo,
        };
        let of = parts(inner.clone()).next().unwrap_or(inner);
        let Some(k) = self.networks.iter().position(|n| n.name == of.as_str()) else {
            let message = format!("there is no network {} before this one", of.as_str());
            let known = self.networks.iter().map(|n| n.name.as_str());
            let near = did_you_mean(of.as_str(), known);
            let d = fault(codes::UNKNOWN_NAME, message, &of, place, "not defined");
            return Err(d.help_if(near));
        };
        if let Some((other, _)) = self.networks[k].relation {
            let message = format!("{} is itself declared by {}", of.as_str(), other.name());
            let d = fault(
                codes::QUERY,
                message,
                &of,
                place,
                "refers to another network",
            );
            return Err(d.help("refer to the network that it refers to"));
        }
        Ok((relation, k))
    }

    /// What is like another network has its shapes; what equals it, its types too.
    fn check_relation(&self, network: &NetworkDeclaration) -> Result<(), Diagnostic> {
        let Some((relation, of)) = network.relation else {
            return Ok(());
        };
        let other = &self.networks[of];
        let differ = |what: String, at: Span, there: Option<Span>| {
            let message = format!("{} and {} have different {what}", network.name, other.name);
            let d = Diagnostic::error(codes::SHAPE, message);
            let d = d.at(Some(at), format!("declared {}", relation.name()));
            Err(d.related(there, "the other one"))
        };
        let sides = [
            (&network.inputs, &other.inputs, "inputs"),
            (&network.outputs, &other.outputs, "outputs"),
        ];
        for (own, others, what) in sides {
            if own.len() != others.len() {
                return differ(format!("numbers of {what}"), network.span, Some(other.span));
            }
            for (a, b) in own.iter().zip(others) {
                if a.shape != b.shape {
                    return differ(format!("shapes of {what}"), a.span, Some(b.span));
                }
                if relation == Relation::EqualTo && a.element != b.element {
                    return differ(format!("element types of {what}"), a.span, Some(b.span));
                }
            }
        }
        Ok(())
    }

    fn tensor(&mut self, pair: Pair<'_, Rule>, place: Place) -> Result<Tensor, Diagnostic> {
        let mut tensor = Tensor {
            name: String::new(),
            element: ElementType::Real,
            shape: Vec::new(),
            node: None,
            initialized: false,
            first: self.elements,
            span: place.of(&pair),
        };
        for p in parts(pair) {
            match p.as_rule() {
                Rule::name => {
                    tensor.name = self.name(&p, place);
                    tensor.span = place.of(&p);
                }
                Rule::element => {
                    let Some(element) = ElementType::from_name(p.as_str()) else {
                        let message = format!("{} is no element type", p.as_str());
                        let d = fault(codes::SYNTAX, message, &p, place, "unknown type");
                        return Err(d.help("real, or a type of ONNX like float32 or int8"));
                    };
                    tensor.element = element;
                }
                Rule::shape => tensor.shape = indices(p, place)?,
                Rule::node => tensor.node = Some(p.as_str().trim_matches('"').to_owned()),
                Rule::kw_initialized => tensor.initialized = true,
                _ => {}
            }
        }
        let mut dims = tensor.shape.iter();
        let size = dims.try_fold(1usize, |n, d| n.checked_mul(*d));
        let size = size.filter(|n| *n <= MAX_ELEMENTS - self.elements);
        let Some(size) = size else {
            let message = "the tensors of the query have too many elements";
            let d = Diagnostic::error(codes::QUERY, message);
            return Err(d.at(
                Some(tensor.span),
                format!("more than {MAX_ELEMENTS} with this one"),
            ));
        };
        self.elements += size;
        self.tensors.insert(tensor.name.clone(), tensor.clone());
        Ok(tensor)
    }

    /// Recurses as deep as parentheses nest, which is limited. What is wrong is kept among the
    /// errors.
    fn formula(&mut self, pair: Pair<'_, Rule>, place: Place) -> Formula {
        let mut all = Vec::new();
        for inner in parts(pair) {
            all.push(match inner.as_rule() {
                Rule::conjunction => {
                    Formula::All(parts(inner).map(|f| self.formula(f, place)).collect())
                }
                Rule::disjunction => {
                    Formula::Any(parts(inner).map(|f| self.formula(f, place)).collect())
                }
                _ => match self.comparison(inner, place) {
                    Ok(c) => Formula::One(c),
                    Err(d) => {
                        // Where a declaration is broken its names are missing.
                        if !(self.broken && d.code == codes::UNKNOWN_NAME) {
                            self.errors.push(d);
                        }
                        Formula::All(Vec::new())
                    }
                },
            });
        }
        match all.len() {
            1 => all.remove(0),
            _ => Formula::All(all),
        }
    }

    fn comparison(&self, pair: Pair<'_, Rule>, place: Place) -> Result<Comparison, Diagnostic> {
        let whole = pair.clone();
        let mut inner = parts(pair);
        let sign = inner.next().map_or("", |p| p.as_str());
        let sides: Vec<Linear<usize>> = inner
            .map(|t| self.term(t, place))
            .collect::<Result<_, _>>()?;
        let [left, right] = &sides[..] else {
            let message = "a comparison has two sides";
            return Err(fault(codes::SYNTAX, message, &whole, place, ""));
        };
        let (comparator, less, more) = match sign {
            "<" => (Comparator::Less, left, right),
            ">" => (Comparator::Less, right, left),
            ">=" => (Comparator::AtMost, right, left),
            "<=" => (Comparator::AtMost, left, right),
            "!=" => (Comparator::Unequal, left, right),
            _ => (Comparator::Equal, left, right),
        };
        let difference = less.clone().plus(more, &Exact::from(-1));
        if difference.is_too_long() {
            let message = "the products give numbers of too many digits";
            return Err(fault(
                codes::NUMBER,
                message,
                &whole,
                place,
                "in this comparison",
            ));
        }
        Ok(Comparison {
            comparator,
            difference,
            span: place.of(&whole),
        })
    }

    /// Recurses as deep as parentheses nest, which is limited.
    fn term(&self, pair: Pair<'_, Rule>, place: Place) -> Result<Linear<usize>, Diagnostic> {
        let Some(inner) = parts(pair.clone()).next() else {
            return Err(fault(codes::SYNTAX, "expected a term", &pair, place, ""));
        };
        match inner.as_rule() {
            Rule::number => match number(inner.as_str()) {
                Ok(v) => Ok(Linear::number(v, 1)),
                Err(m) => Err(fault(codes::NUMBER, m, &inner, place, "not this number")),
            },
            Rule::place => self.element(inner, place).map(Linear::variable),
            _ => {
                let whole = inner.clone();
                let mut rest = parts(inner);
                let operator = rest.next().map_or("", |p| p.as_str());
                let terms = rest
                    .map(|t| self.term(t, place))
                    .collect::<Result<_, _>>()?;
                Linear::operation(operator, terms)
                    .map_err(|(message, label)| fault(codes::QUERY, message, &whole, place, label))
            }
        }
    }

    /// The index of an element among those of all tensors.
    fn element(&self, pair: Pair<'_, Rule>, place: Place) -> Result<usize, Diagnostic> {
        let whole = pair.clone();
        let mut inner = parts(pair);
        let (Some(name), Some(shape)) = (inner.next(), inner.next()) else {
            return Err(fault(
                codes::SYNTAX,
                "expected an element",
                &whole,
                place,
                "",
            ));
        };
        let Some(tensor) = self.tensors.get(name.as_str()) else {
            let message = format!("{} is not declared", name.as_str());
            let near = did_you_mean(name.as_str(), self.tensors.keys().map(String::as_str));
            let d = fault(codes::UNKNOWN_NAME, message, &name, place, "not defined");
            return Err(d.help_if(near));
        };
        let at = indices(shape, place)?;
        let dims = tensor.dimensions();
        let wrong = |message: String, label: String| {
            let d = fault(codes::SHAPE, message, &whole, place, label);
            Err(d.related(Some(tensor.span), "declared here"))
        };
        if at.len() != tensor.shape.len() {
            let (n, of) = (at.len(), tensor.shape.len());
            let message = format!("{} has {of} dimensions, not {n}", tensor.name);
            return wrong(message, format!("its shape is {dims}"));
        }
        let mut position = 0;
        for (i, d) in at.iter().zip(&tensor.shape) {
            if i >= d {
                let message = format!("{} is outside of {}", whole.as_str(), tensor.name);
                return wrong(
                    message,
                    format!("its shape is {dims}, indices count from 0"),
                );
            }
            position = position * d + i;
        }
        Ok(tensor.first + position)
    }

    fn finish(mut self, source: SourceId) -> Result<Query, Diagnostics> {
        if self.networks.is_empty() && self.errors.is_empty() {
            let d = Diagnostic::error(codes::SYNTAX, "the query declares no network");
            self.errors.push(d.at(Some(Span::new(source, 0..0)), ""));
        }
        if self.assertions.is_empty() && self.errors.is_empty() {
            let d = Diagnostic::error(codes::SYNTAX, "the query asserts nothing");
            self.errors.push(d.at(Some(Span::new(source, 0..0)), ""));
        }
        if !self.errors.is_empty() || self.broken {
            return Err(sorted(self.errors));
        }
        Ok(Query {
            networks: self.networks,
            assertions: self.assertions,
        })
    }
}

/// `[1,5]`.
fn indices(pair: Pair<'_, Rule>, place: Place) -> Result<Vec<usize>, Diagnostic> {
    let one = |p: Pair<'_, Rule>| {
        p.as_str().parse().map_err(|_| {
            let message = format!("{} is too large", p.as_str());
            fault(codes::NUMBER, message, &p, place, "not this number")
        })
    };
    parts(pair).map(one).collect()
}
