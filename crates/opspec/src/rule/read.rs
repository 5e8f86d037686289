//! The TOML of a rule file, and its way to a [`RewriteRule`].

use super::resolve::{Part, Resolver, check_left};
use super::{Direction, RewriteRule, Term, Truth, Variable, VariableId, VariableKind};
use crate::parse::{self, Origin, Raw};
use ceg4n_base::codes::{self, Code};
use ceg4n_base::entity::PrimaryMap;
use ceg4n_base::{Diagnostic, Diagnostics, SourceId, Sources, Span};
use serde::Deserialize;
use std::sync::LazyLock;
use toml::Spanned;

/// The files of `ir-specs/rules`: path inside `ir-specs`, and text.
pub const EMBEDDED_RULES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// Longer expressions are refused, as are deeper ones: what reads them is recursive.
const LONGEST: usize = 1000;
const DEEPEST: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    summary: String,
    #[serde(default)]
    doc: String,
    lhs: Spanned<String>,
    rhs: Spanned<String>,
    when: Option<Spanned<String>>,
    #[serde(default)]
    direction: DirectionWord,
    #[serde(default)]
    variable: Vec<VariableTable>,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
enum DirectionWord {
    #[default]
    Forward,
    Both,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VariableTable {
    name: Spanned<String>,
    kind: Kind,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Value,
    Truth,
    Constant,
    Shift,
}

impl From<Kind> for VariableKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Value => Self::Value,
            Kind::Truth => Self::Truth,
            Kind::Constant => Self::Constant,
            Kind::Shift => Self::Shift,
        }
    }
}

type Result<T> = std::result::Result<T, Diagnostic>;

/// The rules of the embedded files, in the order of their names.
pub fn rewrite_rules() -> &'static [RewriteRule] {
    static RULES: LazyLock<Vec<RewriteRule>> = LazyLock::new(|| {
        let mut sources = Sources::default();
        read_rules(EMBEDDED_RULES, &mut sources).unwrap_or_else(|d| {
            panic!(
                "the embedded rules are read, which a test checks:\n{}",
                sources.render(&d, false)
            )
        })
    });
    &RULES
}

/// Reads rule files, given as path and text, one rule each; the order stays.
///
/// # Errors
/// Every file that cannot be read or contradicts itself, and every name that two of them have. The
/// texts are added to `sources`, so that the places can be shown.
pub fn read_rules(
    files: &[(&str, &str)],
    sources: &mut Sources,
) -> std::result::Result<Vec<RewriteRule>, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let mut rules: Vec<RewriteRule> = Vec::new();
    for (path, text) in files {
        let source = sources.add(*path, *text);
        let reader = Reader { source, text };
        match reader.rule(path) {
            Ok(rule) => match rules.iter().find(|r| r.name == rule.name) {
                Some(first) => {
                    let message = format!("two rules are called `{}`", rule.name);
                    let other = format!("the other is `{}`", first.file);
                    let duplicate = Diagnostic::error(codes::DUPLICATE_NAME, message);
                    diagnostics.push(duplicate.place(*path).help(other));
                }
                None => rules.push(rule),
            },
            Err(d) => diagnostics.0.extend(d.0),
        }
    }
    diagnostics.or(rules)
}

struct Reader<'t> {
    source: SourceId,
    text: &'t str,
}

impl Reader<'_> {
    fn rule(&self, path: &str) -> std::result::Result<RewriteRule, Diagnostics> {
        let file: File = toml::from_str(self.text).map_err(|e| {
            let span = e.span().map(|r| Span::new(self.source, r));
            Diagnostic::error(codes::SPEC, "the file is no rewrite rule")
                .at(span, e.message().to_owned())
        })?;
        self.check_name(path, &file.name)?;
        let variables = self.variables(&file.variable)?;
        let mut wrong = Diagnostics::default();
        let mut keep = |side: Result<Term>| side.map_err(|d| wrong.push(d)).ok();
        let lhs = keep(self.side(&file.lhs, &variables, Part::Left));
        let rhs = keep(self.side(&file.rhs, &variables, Part::Right));
        let when = file.when.as_ref().map(|w| self.when(w, &variables));
        let when = when.transpose().map_err(|d| wrong.push(d)).ok().flatten();
        let (Some(lhs), Some(rhs), false) = (lhs, rhs, wrong.has_errors()) else {
            return Err(wrong);
        };
        let direction = match file.direction {
            DirectionWord::Forward => Direction::Forward,
            DirectionWord::Both => Direction::Both,
        };
        let source = |text: &Spanned<String>| text.get_ref().trim().to_owned();
        let rule = RewriteRule {
            name: file.name.get_ref().clone(),
            file: path.to_owned(),
            summary: file.summary.trim().to_owned(),
            doc: file.doc.trim().to_owned(),
            direction,
            variables,
            lhs,
            rhs,
            when,
            lhs_source: source(&file.lhs),
            rhs_source: source(&file.rhs),
            when_source: file.when.as_ref().map(source),
        };
        self.check_sides(&file, &rule)?;
        Ok(rule)
    }

    fn error<T>(&self, code: Code, at: &Spanned<T>, message: impl Into<String>) -> Diagnostic {
        let span = Span::new(self.source, at.span());
        Diagnostic::error(code, message).at(Some(span), "here")
    }

    fn check_name(&self, path: &str, name: &Spanned<String>) -> Result<()> {
        let text = name.get_ref();
        let stem = path.rsplit(['/', '\\']).next();
        if stem.and_then(|f| f.strip_suffix(".toml")) != Some(text) {
            let message = format!("the name is not that of the file `{path}`");
            return Err(self.error(codes::SPEC, name, message));
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !text.chars().all(plain) {
            let message = "the name of a rule has small letters, digits and hyphens";
            return Err(self.error(codes::SPEC, name, message));
        }
        Ok(())
    }

    fn variables(&self, tables: &[VariableTable]) -> Result<PrimaryMap<VariableId, Variable>> {
        let mut variables: PrimaryMap<VariableId, Variable> = PrimaryMap::new();
        for table in tables {
            let name = table.name.get_ref();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(plain) {
                let message = "the name of a variable has letters, digits and underscores";
                return Err(self.error(codes::SPEC, &table.name, message));
            }
            if variables.values().any(|v| v.name == *name) {
                let message = format!("`{name}` is defined already");
                return Err(self.error(codes::DUPLICATE_NAME, &table.name, message));
            }
            variables.push(Variable {
                name: name.clone(),
                kind: table.kind.into(),
            });
        }
        Ok(variables)
    }

    fn side(
        &self,
        text: &Spanned<String>,
        variables: &PrimaryMap<VariableId, Variable>,
        part: Part,
    ) -> Result<Term> {
        let raw = self.parse(text)?;
        let term = Resolver { variables, part }.side(&raw)?;
        if part == Part::Left {
            check_left(&term, variables)
                .map_err(|message| self.error(codes::SPEC, text, message))?;
        }
        Ok(term)
    }

    fn when(
        &self,
        text: &Spanned<String>,
        variables: &PrimaryMap<VariableId, Variable>,
    ) -> Result<Truth> {
        let raw = self.parse(text)?;
        let part = Part::When;
        let when = Resolver { variables, part }.truth(&raw)?;
        match when.is_known(variables) {
            true => Ok(when),
            false => Err(self
                .error(
                    codes::SPEC,
                    text,
                    "a condition is about known integers and facts",
                )
                .help("say what is proved of a value: `lo(x)`, `hi(x)`, `zeros(x)`")),
        }
    }

    fn parse(&self, text: &Spanned<String>) -> Result<Raw> {
        let mut depth = 0usize;
        let deepest = text.get_ref().chars().map(|c| {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth
        });
        if deepest.max() > Some(DEEPEST) || text.get_ref().len() > LONGEST {
            let message = format!(
                "an expression has at most {LONGEST} characters and {DEEPEST} brackets inside \
                 each other"
            );
            return Err(self.error(codes::SPEC, text, message));
        }
        let origin = Origin::of(self.source, self.text, text)
            .ok_or_else(|| self.error(codes::SPEC, text, "an expression cannot contain escapes"))?;
        parse::condition(text.get_ref(), origin)
    }

    /// What only shows with both sides at hand.
    fn check_sides(&self, file: &File, rule: &RewriteRule) -> std::result::Result<(), Diagnostics> {
        let mut wrong = Diagnostics::default();
        if rule.lhs == rule.rhs {
            let message = "the right side is the left side";
            wrong.push(self.error(codes::SPEC, &file.rhs, message));
        }
        let (mut left, mut right, mut when) = (Vec::new(), Vec::new(), Vec::new());
        rule.lhs.for_each_variable(&mut |v| left.push(v));
        rule.rhs.for_each_variable(&mut |v| right.push(v));
        if let Some(w) = &rule.when {
            w.for_each_variable(&mut |v| when.push(v));
        }
        for ((id, variable), table) in rule.variables.iter().zip(&file.variable) {
            let name = &variable.name;
            if left.contains(&id) {
                continue;
            }
            let (at, message) = match (right.contains(&id), when.contains(&id), &file.when) {
                (true, _, _) => (&file.rhs, format!("the left side does not bind `{name}`")),
                (_, true, Some(text)) => (text, format!("the left side does not bind `{name}`")),
                _ => (&table.name, format!("`{name}` is not used")),
            };
            wrong.push(self.error(codes::SPEC, at, message));
        }
        if rule.direction == Direction::Both {
            if let Err(message) = check_left(&rule.rhs, &rule.variables) {
                let message = format!("for both directions: {message}");
                wrong.push(self.error(codes::SPEC, &file.rhs, message));
            }
            if let Some((_, v)) = rule.variables.iter().find(|(id, _)| !right.contains(id)) {
                let message = format!("for both directions the right side needs `{}`", v.name);
                wrong.push(self.error(codes::SPEC, &file.rhs, message));
            }
        }
        wrong.or(())
    }
}
