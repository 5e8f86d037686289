//! The TOML of a spec file, and its way to a [`Spec`].

use crate::catalogue::Folder;
use crate::interpret::MAX_RANK;
use crate::names::RoundingName;
use crate::parse::{self, Name, Origin};
use crate::resolve::{Declarations, Resolver};
use crate::spec::{
    Condition, Example, Meaning, OperandDecl, OperandKind, ParameterDecl, ResultDecl, SizeId, Spec,
};
use ceg4n_base::codes::{self, Code};
use ceg4n_base::entity::PrimaryMap;
use ceg4n_base::{Diagnostic, Diagnostics, Exact, SourceId, Span};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    summary: String,
    doc: String,
    applies: Vec<Applies>,
    #[serde(default)]
    operand: Vec<Operand>,
    #[serde(default)]
    parameter: Vec<Parameter>,
    #[serde(default)]
    set: Vec<IndexSet>,
    result: ResultTable,
    meaning: Spanned<String>,
    definition: Option<Spanned<String>>,
    #[serde(default)]
    condition: Vec<ConditionTable>,
    #[serde(default)]
    example: Vec<Spanned<ExampleTable>>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Applies {
    Real,
    Fixed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Operand {
    name: Spanned<String>,
    kind: Kind,
    #[serde(default)]
    shape: Vec<String>,
    doc: String,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Scalar,
    Vector,
    Matrix,
    Tensor,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameter {
    name: Spanned<String>,
    #[serde(default)]
    shape: Vec<String>,
    doc: String,
}

/// An index set that no shape names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IndexSet {
    name: Spanned<String>,
    doc: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResultTable {
    name: String,
    #[serde(default)]
    index: Vec<Spanned<String>>,
    rule: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionTable {
    holds: Spanned<String>,
    doc: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExampleTable {
    rounding: Option<RoundingName>,
    #[serde(default)]
    sizes: BTreeMap<String, usize>,
    #[serde(default)]
    operands: BTreeMap<String, Numbers>,
    #[serde(default)]
    parameters: BTreeMap<String, Integers>,
    result: Numbers,
}

/// A number or a flat or nested list of numbers; fractions and decimals as text, so that they are
/// exact.
#[derive(Deserialize)]
#[serde(untagged)]
enum Numbers {
    Integer(i64),
    Text(Exact),
    List(Vec<Numbers>),
}

impl Numbers {
    fn flatten(&self, into: &mut Vec<Exact>) {
        match self {
            Self::Integer(v) => into.push(Exact::from(*v)),
            Self::Text(v) => into.push(v.clone()),
            Self::List(items) => items.iter().for_each(|i| i.flatten(into)),
        }
    }

    fn to_vec(&self) -> Vec<Exact> {
        let mut all = Vec::new();
        self.flatten(&mut all);
        all
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Integers {
    One(i64),
    List(Vec<i64>),
}

impl Integers {
    fn to_vec(&self) -> Vec<i64> {
        match self {
            Self::One(v) => vec![*v],
            Self::List(all) => all.clone(),
        }
    }
}

type Result<T> = std::result::Result<T, Diagnostic>;

/// Reads one file. Reports every expression that is wrong, not only the first.
pub(crate) fn read(
    folder: Folder,
    path: &str,
    source: SourceId,
    text: &str,
) -> std::result::Result<Spec, Diagnostics> {
    let reader = Reader { source, text };
    let file: File = toml::from_str(text).map_err(|e| {
        let span = e.span().map(|r| Span::new(source, r));
        Diagnostic::error(codes::SPEC, "the file is no specification")
            .at(span, e.message().to_owned())
    })?;
    let stem = path
        .rsplit('/')
        .next()
        .and_then(|f| f.strip_suffix(".toml"));
    if stem != Some(file.name.get_ref()) {
        let message = format!("the name is not that of the file `{path}`");
        Err(reader.error(codes::SPEC, &file.name, message))?;
    }
    let decls = reader.declarations(folder, &file)?;
    reader.check_arity(folder, &file, &decls)?;
    reader.spec(path, file, decls)
}

struct Reader<'t> {
    source: SourceId,
    text: &'t str,
}

impl Reader<'_> {
    fn error<T>(&self, code: Code, at: &Spanned<T>, message: impl Into<String>) -> Diagnostic {
        let span = Span::new(self.source, at.span());
        Diagnostic::error(code, message).at(Some(span), "here")
    }

    fn declarations(&self, folder: Folder, file: &File) -> Result<Declarations> {
        let mut names = Vec::new();
        let mut d = Declarations {
            operands: PrimaryMap::new(),
            parameters: PrimaryMap::new(),
            sizes: PrimaryMap::new(),
            result: Vec::new(),
            sets: Vec::new(),
            folder,
        };
        for o in &file.operand {
            self.declare(&o.name, &mut names)?;
            let kind = match o.kind {
                Kind::Scalar => OperandKind::Scalar,
                Kind::Vector => OperandKind::Vector,
                Kind::Matrix => OperandKind::Matrix,
                Kind::Tensor => OperandKind::Tensor,
            };
            if !kind.ranks().contains(&o.shape.len()) {
                let message = format!("a {} has {} dimensions", kind.as_str(), kind.dimensions());
                return Err(self.error(codes::SHAPE, &o.name, message));
            }
            let shape = sizes(&mut d.sizes, &o.shape);
            d.operands.push(OperandDecl {
                name: o.name.get_ref().clone(),
                kind,
                shape,
                doc: o.doc.clone(),
            });
        }
        for p in &file.parameter {
            self.declare(&p.name, &mut names)?;
            if p.shape.len() > MAX_RANK {
                return Err(self.error(codes::SHAPE, &p.name, "too many dimensions"));
            }
            let shape = sizes(&mut d.sizes, &p.shape);
            d.parameters.push(ParameterDecl {
                name: p.name.get_ref().clone(),
                shape,
                doc: p.doc.clone(),
            });
        }
        for index in &file.result.index {
            let (variable, set): (Name, Name) = parse::range(index.get_ref(), self.origin(index)?)?;
            let set = sizes(&mut d.sizes, &[set.text]);
            if names.contains(&variable.text) {
                return Err(self.duplicate(index, &variable.text));
            }
            names.push(variable.text.clone());
            d.result
                .extend(set.into_iter().map(|s| (variable.text.clone(), s)));
        }
        let mut sets = Vec::new();
        for set in &file.set {
            let before = d.sizes.len();
            let id = sizes(&mut d.sizes, std::slice::from_ref(set.name.get_ref()));
            if d.sizes.len() == before {
                return Err(self.duplicate(&set.name, set.name.get_ref()));
            }
            sets.extend(id.into_iter().map(|id| (id, set.doc.clone())));
        }
        d.sets = sets;
        match d.sizes.values().find(|s| names.contains(s)) {
            Some(size) => Err(self.duplicate(&file.name, size)),
            None => Ok(d),
        }
    }

    fn declare(&self, name: &Spanned<String>, names: &mut Vec<String>) -> Result<()> {
        if names.contains(name.get_ref()) {
            return Err(self.duplicate(name, name.get_ref()));
        }
        names.push(name.get_ref().clone());
        Ok(())
    }

    fn duplicate<T>(&self, at: &Spanned<T>, name: &str) -> Diagnostic {
        self.error(
            codes::DUPLICATE_NAME,
            at,
            format!("`{name}` is defined already"),
        )
    }

    /// Rules are called with a fixed number of scalars.
    fn check_arity(&self, folder: Folder, file: &File, d: &Declarations) -> Result<()> {
        let Some((operands, parameters)) = folder.arity() else {
            return Ok(());
        };
        let given = (d.operands.len(), d.parameters.len());
        if given != (operands, parameters) || !d.sizes.is_empty() || !d.result.is_empty() {
            let message = format!(
                "a rule of `{}` has {operands} scalar operands, {parameters} scalar parameters and \
                 a scalar result",
                folder.name()
            );
            return Err(self.error(codes::SPEC, &file.name, message));
        }
        Ok(())
    }

    fn spec(
        &self,
        path: &str,
        file: File,
        decls: Declarations,
    ) -> std::result::Result<Spec, Diagnostics> {
        let mut wrong = Diagnostics::default();
        let real = file.applies.contains(&Applies::Real);
        let fixed = file.applies.contains(&Applies::Fixed);
        let meaning = keep(self.meaning(&decls, real, fixed, &file.meaning), &mut wrong);
        let definition = file
            .definition
            .as_ref()
            .and_then(|d| keep(self.meaning(&decls, true, false, d), &mut wrong));
        let mut conditions = Vec::new();
        for c in &file.condition {
            conditions.extend(keep(self.condition(&decls, real, fixed, c), &mut wrong));
        }
        let mut examples = Vec::new();
        for e in &file.example {
            examples.extend(keep(self.example(&decls, e), &mut wrong));
        }
        if !real && !fixed {
            wrong.push(self.error(codes::SPEC, &file.name, "the spec applies to nothing"));
        }
        if examples.is_empty() && !wrong.has_errors() {
            wrong.push(self.error(codes::SPEC, &file.name, "the spec has no example"));
        }
        let Some(meaning) = meaning else {
            return Err(wrong);
        };
        wrong.or(Spec {
            name: file.name.into_inner(),
            file: path.to_owned(),
            summary: file.summary,
            doc: file.doc,
            real,
            fixed,
            operands: decls.operands,
            parameters: decls.parameters,
            sizes: decls.sizes,
            sets: decls.sets,
            result: ResultDecl {
                name: file.result.name,
                index: decls.result,
                rule: file.result.rule,
            },
            meaning,
            definition,
            conditions,
            examples,
        })
    }

    fn meaning(
        &self,
        decls: &Declarations,
        real: bool,
        fixed: bool,
        text: &Spanned<String>,
    ) -> Result<Meaning> {
        let raw = parse::meaning(text.get_ref(), self.origin(text)?)?;
        Resolver::new(decls, real, fixed).meaning(&raw, text.get_ref())
    }

    fn condition(
        &self,
        decls: &Declarations,
        real: bool,
        fixed: bool,
        c: &ConditionTable,
    ) -> Result<Condition> {
        let raw = parse::condition(c.holds.get_ref(), self.origin(&c.holds)?)?;
        let mut resolver = Resolver::new(decls, real, fixed);
        Ok(Condition {
            source: c.holds.get_ref().clone(),
            holds: resolver.condition(&raw)?,
            doc: c.doc.clone(),
        })
    }

    fn example(&self, d: &Declarations, at: &Spanned<ExampleTable>) -> Result<Example> {
        let e = at.get_ref();
        let wrong = |what: String| self.error(codes::SPEC, at, what);
        let missing = |name: &str| wrong(format!("the example does not give `{name}`"));
        let mut extents = PrimaryMap::new();
        for name in d.sizes.values() {
            extents.push(*e.sizes.get(name).ok_or_else(|| missing(name))?);
        }
        let count = |shape: &[SizeId]| {
            let extents = shape.iter().map(|s| extents[*s]);
            extents.fold(1usize, usize::saturating_mul)
        };
        let fits = |name: &str, given: usize, needed: usize| {
            if given == needed {
                return Ok(());
            }
            Err(wrong(format!(
                "`{name}` has {given} numbers instead of {needed}"
            )))
        };
        let mut operands = PrimaryMap::new();
        for o in d.operands.values() {
            let v = e.operands.get(&o.name).ok_or_else(|| missing(&o.name))?;
            let v = v.to_vec();
            fits(&o.name, v.len(), count(&o.shape))?;
            operands.push(v);
        }
        let mut parameters = PrimaryMap::new();
        for p in d.parameters.values() {
            let v = e.parameters.get(&p.name).ok_or_else(|| missing(&p.name))?;
            let v = v.to_vec();
            fits(&p.name, v.len(), count(&p.shape))?;
            parameters.push(v);
        }
        let given = (e.sizes.len(), e.operands.len(), e.parameters.len());
        if given != (d.sizes.len(), d.operands.len(), d.parameters.len()) {
            return Err(wrong(
                "the example gives a name that is not declared".into(),
            ));
        }
        let result = e.result.to_vec();
        let shape: Vec<SizeId> = d.result.iter().map(|(_, s)| *s).collect();
        fits("result", result.len(), count(&shape))?;
        Ok(Example {
            rounding: e.rounding.unwrap_or(RoundingName::HalfUp),
            sizes: extents,
            operands,
            parameters,
            result,
        })
    }

    fn origin(&self, text: &Spanned<String>) -> Result<Origin> {
        Origin::of(self.source, self.text, text)
            .ok_or_else(|| self.error(codes::SPEC, text, "an expression cannot contain escapes"))
    }
}

fn sizes(known: &mut PrimaryMap<SizeId, String>, names: &[String]) -> Vec<SizeId> {
    names
        .iter()
        .map(|name| {
            let found = known.iter().find_map(|(id, n)| (n == name).then_some(id));
            found.unwrap_or_else(|| known.push(name.clone()))
        })
        .collect()
}

fn keep<T>(result: Result<T>, wrong: &mut Diagnostics) -> Option<T> {
    match result {
        Ok(v) => Some(v),
        Err(d) => {
            wrong.push(d);
            None
        }
    }
}
