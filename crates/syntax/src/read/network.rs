//! Statements of a network block.

use super::{Reader, next};
use crate::ast::{Attribute, Name, Notes, Operation, Value};
use crate::grammar::{Rule, parts};
use ceg4n_base::{Span, codes};
use ceg4n_ir::Shape;
use pest::iterators::Pair;

/// A statement of a network block.
pub(crate) enum Item {
    Value(Value),
    Output(Name, Notes),
}

/// Reads `network_item`.
pub(crate) fn item(reader: &mut Reader<'_>, pair: Pair<'_, Rule>, notes: Notes) -> Option<Item> {
    let statement = next(&mut parts(pair));
    if statement.as_rule() == Rule::output {
        let name = reader.name(next(&mut parts(statement)))?;
        return Some(Item::Output(name, notes));
    }
    let span = reader.span(&statement);
    let mut inner = parts(statement);
    let name = reader.name(next(&mut inner))?;
    let operation = operation(reader, next(&mut inner));
    let shape = match inner.next() {
        Some(pair) => Some(shape(reader, pair)?),
        None => None,
    };
    Some(Item::Value(Value {
        name,
        operation: operation?,
        shape,
        span,
        notes,
    }))
}

fn operation(reader: &mut Reader<'_>, pair: Pair<'_, Rule>) -> Option<Operation> {
    match pair.as_rule() {
        Rule::input => Some(Operation::Input),
        Rule::wide => {
            let mut inner = parts(pair);
            let keyword = next(&mut inner);
            let data = next(&mut inner);
            Some(Operation::Wide {
                enclosed: keyword.as_rule() == Rule::kw_enclosed,
                data: reader.data(data)?,
            })
        }
        Rule::constant => {
            let data = next(&mut parts(pair));
            Some(Operation::Const(reader.data(data)?))
        }
        _ => {
            let mut inner = parts(pair);
            let operator = reader.name(next(&mut inner))?;
            let (mut operands, mut attributes) = (Vec::new(), Vec::new());
            for part in inner {
                if part.as_rule() == Rule::attribute {
                    attributes.push(attribute(reader, part)?);
                } else {
                    operands.push(reader.name(part)?);
                }
            }
            Some(Operation::Call {
                operator,
                operands,
                attributes,
            })
        }
    }
}

fn attribute(reader: &mut Reader<'_>, pair: Pair<'_, Rule>) -> Option<Attribute> {
    let mut inner = parts(pair);
    let name = reader.name(next(&mut inner))?;
    let value = next(&mut inner);
    let span = reader.span(&value);
    let list = value.as_rule() == Rule::counts;
    let numbers = match list {
        true => parts(value).map(|n| n.as_str().to_owned()).collect(),
        false => vec![value.as_str().to_owned()],
    };
    Some(Attribute {
        name,
        numbers,
        list,
        span,
    })
}

fn shape(reader: &mut Reader<'_>, pair: Pair<'_, Rule>) -> Option<(Shape, Span)> {
    let span = reader.span(&pair);
    let dims: Option<Vec<usize>> = parts(pair.clone())
        .map(|d| d.as_str().parse().ok())
        .collect();
    match dims {
        Some(dims) => Some((Shape(dims), span)),
        None => reader.fail(codes::NUMBER, &pair, "this dimension is too large", ""),
    }
}
