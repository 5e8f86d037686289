//! From a [`Module`] to text. What is printed reads back as the same binary values.

mod attributes;
mod layout;
mod side;
mod words;

use ceg4n_ir::{
    Anchor, Annotation, Annotations, Comments, Module, Network, Op, Property, Region, Requirement,
    Selection, TensorFormat, Value, ValueId,
};
use layout::{Part, statement};
pub(crate) use side::Side;
use side::Versions;
use std::collections::BTreeSet;

/// How a text is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrintOptions {
    /// With more elements in constants than this, constants go to [`Self::side_file`]; so do
    /// mantissas, which count for themselves. Tiny ones stay in the text.
    pub inline_limit: usize,
    /// The `.safetensors` file for them, relative to the text's folder. Empty: the network's
    /// name.
    pub side_file: String,
    /// Which files of constants ([`ceg4n_ir::Origin::File`]) and queries ([`Property::Spec`])
    /// stay what they are; constants of other files move to [`Self::side_file`], queries to new
    /// files beside it. `None`: all.
    pub keep_files: Option<BTreeSet<String>>,
    /// Names that new files of queries must not have.
    pub taken: BTreeSet<String>,
    /// Lists are wrapped at this column.
    pub columns: usize,
}

impl Default for PrintOptions {
    fn default() -> Self {
        Self {
            inline_limit: 4096,
            side_file: String::new(),
            keep_files: None,
            taken: BTreeSet::new(),
            columns: 100,
        }
    }
}

/// A printed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// The text.
    pub text: String,
    /// The `.safetensors` files that it refers to, by path relative to its folder, each with the
    /// tensors that this text needs; and the new files of queries.
    pub side_files: Vec<(String, Vec<u8>)>,
}

/// Prints a whole module.
pub fn print(module: &Module, options: &PrintOptions) -> Printed {
    let versions: Versions<'_> = module.versions.iter().collect();
    let (text, side) = whole(module, &versions, options);
    Printed {
        text,
        side_files: side.files(),
    }
}

/// A module's text and tensors beside it.
pub(crate) fn whole(
    module: &Module,
    versions: &Versions<'_>,
    options: &PrintOptions,
) -> (String, Side) {
    let network = &module.network;
    let mut side = Side::new(network, versions, options);
    side.add_queries(&module.requirements, options);
    let mut p = Printer::new(options, &module.comments, side);
    p.notes(0, Anchor::Header);
    p.out.push_str("nnir 1;\n\n");
    p.network(network);
    for (i, version) in versions.iter().enumerate() {
        p.out.push('\n');
        p.annotations(network, i, version);
    }
    p.blank_line(module.regions.is_empty());
    for (i, region) in module.regions.iter().enumerate() {
        p.notes(0, Anchor::Region(i));
        p.region(region);
    }
    p.blank_line(module.requirements.is_empty());
    for (i, requirement) in module.requirements.iter().enumerate() {
        p.notes(0, Anchor::Requirement(i));
        p.requirement(requirement);
    }
    p.blank_line(!module.comments.contains_key(&Anchor::End));
    p.notes(0, Anchor::End);
    (p.out, p.side)
}

/// Prints a network block alone.
pub fn print_network(network: &Network, options: &PrintOptions) -> Printed {
    let comments = Comments::new();
    let side = Side::new(network, &Vec::new(), options);
    let mut p = Printer::new(options, &comments, side);
    p.network(network);
    p.printed()
}

/// Prints a format block alone.
pub fn print_annotations(
    network: &Network,
    annotations: &Annotations,
    options: &PrintOptions,
) -> Printed {
    let comments = Comments::new();
    let side = Side::new(network, &vec![annotations], options);
    let mut p = Printer::new(options, &comments, side.only_versions());
    p.annotations(network, 0, annotations);
    p.printed()
}

struct Printer<'m> {
    out: String,
    columns: usize,
    comments: &'m Comments,
    side: Side,
}

impl<'m> Printer<'m> {
    fn new(options: &PrintOptions, comments: &'m Comments, side: Side) -> Self {
        Self {
            out: String::new(),
            columns: options.columns,
            comments,
            side,
        }
    }

    fn printed(self) -> Printed {
        Printed {
            text: self.out,
            side_files: self.side.files(),
        }
    }

    fn blank_line(&mut self, unless: bool) {
        if !unless {
            self.out.push('\n');
        }
    }

    fn notes(&mut self, indent: usize, anchor: Anchor) {
        let lines = self.comments.get(&anchor).into_iter().flatten();
        for line in lines.flat_map(|l| l.split('\n')) {
            self.out.extend(std::iter::repeat_n(' ', indent));
            let line = format!("// {line}");
            self.out.push_str(line.trim_end());
            self.out.push('\n');
        }
    }

    fn line(&mut self, indent: usize, text: String) {
        statement(&mut self.out, indent, self.columns, &[Part::Text(text)]);
    }

    fn statement(&mut self, indent: usize, parts: &[Part]) {
        statement(&mut self.out, indent, self.columns, parts);
    }

    fn network(&mut self, network: &Network) {
        self.notes(0, Anchor::Network);
        self.line(0, format!("network @{} {{", words::name(network.name())));
        for (id, value) in network.values().iter() {
            self.notes(2, Anchor::Value(id));
            self.value(network, id, value);
        }
        self.notes(2, Anchor::Output);
        let output = value_name(network, network.output());
        self.line(2, format!("output {output};"));
        self.out.push_str("}\n");
    }

    fn value(&mut self, network: &Network, id: ValueId, value: &Value) {
        let head = format!("{} = {}", value_name(network, id), value.op.name());
        let tail = format!(" : tensor<{}>;", value.shape);
        let Op::Const(constant) = &value.op else {
            let operands: Vec<_> = value
                .op
                .operands()
                .into_iter()
                .map(|o| value_name(network, o))
                .collect();
            let space = if operands.is_empty() { "" } else { " " };
            let attributes = attributes::attributes(&value.op);
            let operands = operands.join(", ");
            return self.line(2, format!("{head}{space}{operands}{attributes}{tail}"));
        };
        let head = match &constant.wide {
            None => head,
            Some(w) if w.enclosed => head + " enclosed",
            Some(_) => head + " wide",
        };
        match self.side.constant(id) {
            Some((path, tensor)) => self.line(2, format!("{head} {}{tail}", file(path, tensor))),
            None => {
                let item = |i: usize| match &constant.wide {
                    None => words::float32(constant.data[i]),
                    Some(w) => words::exact(&w.center(i)),
                };
                let items = (0..constant.data.len()).map(item).collect();
                let list = Part::list(&value.shape.0, items);
                self.statement(2, &[Part::text(head + " "), list, Part::text(tail)]);
            }
        }
    }

    fn annotations(&mut self, network: &Network, index: usize, annotations: &Annotations) {
        self.notes(0, Anchor::Format(index));
        let name = words::name(network.name());
        self.line(0, format!("format @{name} v{} {{", annotations.version));
        for (id, annotation) in &annotations.values {
            self.notes(2, Anchor::FormatEntry(index, *id));
            let mut parts = vec![Part::Text(format!("{}: ", value_name(network, *id)))];
            match annotation {
                Annotation::Acc(acc) => parts.push(Part::Text(match acc.width {
                    Some(w) => format!("acc s{w}"),
                    None => "acc".to_owned(),
                })),
                Annotation::Fixed { format, mantissas } => {
                    parts.extend(tensor_format(format));
                    if let Some(m) = mantissas {
                        parts.push(Part::text(" = mantissas "));
                        parts.push(match self.side.mantissas(index, *id) {
                            Some((path, tensor)) => Part::Text(file(path, tensor)),
                            None => {
                                let items = m.iter().map(ToString::to_string).collect();
                                Part::list(&network.value(*id).shape.0, items)
                            }
                        });
                    }
                }
            }
            parts.push(Part::text(";"));
            self.statement(2, &parts);
        }
        self.line(2, format!("rounding {};", annotations.rounding.name()));
        self.out.push_str("}\n");
    }

    fn region(&mut self, region: &Region) {
        let list = |bounds: &[ceg4n_base::Exact]| {
            Part::list(&[bounds.len()], bounds.iter().map(words::exact).collect())
        };
        let mut parts = vec![
            Part::Text(format!("region {} = box(", words::quoted(&region.id))),
            list(&region.lower),
            Part::text(", "),
            list(&region.upper),
            Part::text(")"),
        ];
        if let Some(center) = &region.center {
            parts.push(Part::text(" center "));
            parts.push(list(center));
        }
        if let Some(radius) = &region.ball_size {
            parts.push(Part::Text(format!(" radius {}", words::exact(radius))));
        }
        parts.push(Part::text(";"));
        self.statement(0, &parts);
    }

    fn requirement(&mut self, r: &Requirement) {
        let property = match &r.property {
            Property::Top1 => "top1".to_owned(),
            Property::Top1Margin(m) => format!("top1 margin {}", words::exact(m)),
            Property::TopK(k) => format!("topk {k}"),
            Property::Eps(e) => format!("eps {}", words::exact(e)),
            Property::Spec(spec) => {
                format!("spec {}", words::quoted(self.side.query(spec)))
            }
            // The language has no word for it, and no module holds one.
            Property::Joint(spec) => format!("joint {}", words::quoted(&spec.path)),
        };
        let head = format!("require {property} domain {}", r.domain);
        // `on` without an id is no text; a requirement on no region says so by its absence.
        let Selection::Ids(ids) = &r.regions else {
            return self.line(0, head + ";");
        };
        if ids.is_empty() {
            return;
        }
        let ids: Vec<_> = ids.iter().map(|i| words::quoted(i)).collect();
        let one_line = format!("{head} on {};", ids.join(", "));
        if one_line.chars().count() <= self.columns {
            return self.line(0, one_line);
        }
        self.line(0, format!("{head} on"));
        let mut line = String::new();
        for (k, id) in ids.iter().enumerate() {
            let end = if k + 1 < ids.len() { "," } else { ";" };
            let width = line.chars().count() + id.chars().count() + 4;
            if !line.is_empty() && width > self.columns {
                self.line(2, std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(id);
            line.push_str(end);
        }
        self.line(2, line);
    }
}

fn value_name(network: &Network, id: ValueId) -> String {
    format!("%{}", words::name(&network.value(id).name))
}

fn file(path: &str, tensor: &str) -> String {
    format!("file({}, {})", words::quoted(path), words::quoted(tensor))
}

fn tensor_format(format: &TensorFormat) -> Vec<Part> {
    match format {
        TensorFormat::Tensor(f) => vec![Part::Text(f.to_string())],
        TensorFormat::Channels(list) => {
            let items = list.iter().map(ToString::to_string).collect();
            vec![Part::text("channels "), Part::list(&[list.len()], items)]
        }
    }
}
