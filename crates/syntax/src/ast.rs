//! Syntax trees of the statements, with places; names are not looked up yet.

use ceg4n_base::{Exact, Span};
use ceg4n_ir::{Domain, Rounding, Shape, TensorFormat};
use std::collections::BTreeSet;

/// Comment lines that belong to a statement, without `//`.
pub(crate) type Notes = Vec<String>;

/// A name or quoted text with its place.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// A list as it is nested in the text; row-major.
#[derive(Clone, Debug)]
pub(crate) struct List<T> {
    pub(crate) dims: Vec<usize>,
    pub(crate) data: Vec<T>,
    pub(crate) span: Span,
}

/// Numbers in the text, or in a `.safetensors` file.
#[derive(Debug)]
pub(crate) enum Data<T> {
    Inline(List<T>),
    File { path: Name, tensor: Name },
}

/// `name value` behind the operands of an operator.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) name: Name,
    /// As written.
    pub(crate) numbers: Vec<String>,
    /// In brackets.
    pub(crate) list: bool,
    /// Of the value.
    pub(crate) span: Span,
}

/// The right side of a value.
#[derive(Debug)]
pub(crate) enum Operation {
    Input,
    Const(Data<f32>),
    /// Constants beyond float32, exact or (`enclosed`) within a relative error.
    Wide {
        enclosed: bool,
        data: Data<Exact>,
    },
    Call {
        operator: Name,
        operands: Vec<Name>,
        attributes: Vec<Attribute>,
    },
}

/// `%name = operation : shape;`
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) name: Name,
    pub(crate) operation: Operation,
    pub(crate) shape: Option<(Shape, Span)>,
    pub(crate) span: Span,
    pub(crate) notes: Notes,
}

/// `network @name { … }`
#[derive(Debug, Default)]
pub(crate) struct Network {
    /// `None` where the head is broken.
    pub(crate) name: Option<Name>,
    pub(crate) values: Vec<Value>,
    pub(crate) outputs: Vec<Name>,
    pub(crate) notes: Notes,
    pub(crate) output_notes: Notes,
    /// Names that broken statements define.
    pub(crate) broken_names: BTreeSet<String>,
    /// Some statement is broken.
    pub(crate) broken: bool,
}

/// What a format block says of a value.
#[derive(Debug)]
pub(crate) enum EntryKind {
    Acc(Option<u8>),
    Fixed {
        format: TensorFormat,
        mantissas: Option<Data<i32>>,
    },
}

/// `%name: annotation;`
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: Name,
    pub(crate) kind: EntryKind,
    pub(crate) span: Span,
    pub(crate) notes: Notes,
}

/// `format @name vN { … }`
#[derive(Debug, Default)]
pub(crate) struct FormatBlock {
    /// `None` where the head is broken.
    pub(crate) network: Option<Name>,
    pub(crate) version: u32,
    pub(crate) version_span: Option<Span>,
    pub(crate) roundings: Vec<(Rounding, Span)>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) notes: Notes,
}

/// The right side of a region.
#[derive(Debug)]
pub(crate) enum RegionKind {
    Box {
        lower: List<Exact>,
        upper: List<Exact>,
        center: Option<List<Exact>>,
        radius: Option<Exact>,
    },
    Ball {
        center: List<Exact>,
        radius: (Exact, Span),
        clip: Option<(Exact, Exact)>,
    },
}

/// `region "id" = …;`
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) id: Name,
    pub(crate) kind: RegionKind,
    pub(crate) span: Span,
    pub(crate) notes: Notes,
}

/// What is required, with the place of its number.
#[derive(Debug)]
pub(crate) enum Property {
    Top1,
    Margin(Exact, Span),
    TopK(u32, Span),
    Eps(Exact, Span),
    Spec(Name),
}

/// `require property domain on …;`
#[derive(Debug)]
pub(crate) struct Require {
    pub(crate) property: Property,
    pub(crate) domain: Domain,
    /// `None`: all regions.
    pub(crate) regions: Option<Vec<Name>>,
    pub(crate) span: Span,
    pub(crate) notes: Notes,
}

/// A whole text.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) header_notes: Notes,
    pub(crate) networks: Vec<Network>,
    pub(crate) formats: Vec<FormatBlock>,
    pub(crate) regions: Vec<Region>,
    /// Regions that broken statements define.
    pub(crate) broken_regions: bool,
    pub(crate) requires: Vec<Require>,
    pub(crate) end_notes: Notes,
}
