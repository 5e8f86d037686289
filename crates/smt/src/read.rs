//! SMT-LIB commands back into a [`Query`]: what the embedded solver understands.
//!
//! The subset is the one that [`Query::commands`] writes, nested terms included up to
//! [`MAX_DEPTH`]. Everything else is refused with a sentence.

use crate::query::Query;
use crate::term::{Binary, Compare, Sort, TermError, TermId, Unary};
use smtlib_lowlevel::ast::{
    self, Command, FunctionDef, Identifier, Index, QualIdentifier, SpecConstant, Term,
};
use smtlib_lowlevel::lexicon::Symbol;
use std::collections::HashMap;

/// Terms nested deeper than this are refused: reading them recurses.
pub const MAX_DEPTH: usize = 200;

/// Why a command cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A term that is not well sorted, or a bad name.
    #[error(transparent)]
    Term(#[from] TermError),
    /// A name without a definition.
    #[error("`{0}` is not defined")]
    Undefined(String),
    /// Something outside the subset.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// A definition whose body has another sort than it says.
    #[error("`{name}` is declared {declared:?} and is {found:?}")]
    Sort {
        /// The defined name.
        name: String,
        /// The sort that the definition states.
        declared: Sort,
        /// The sort of its body.
        found: Sort,
    },
    /// A term nested deeper than [`MAX_DEPTH`].
    #[error("a term nested deeper than {MAX_DEPTH}")]
    Depth,
}

/// A query under construction from commands.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    query: Query,
    symbols: HashMap<String, TermId>,
}

impl Reader {
    /// What has been read so far.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The query.
    pub fn into_query(self) -> Query {
        self.query
    }

    /// Takes one declaration, definition or assertion. `set-logic QF_BV` has no effect.
    ///
    /// # Errors
    /// On anything else, and on terms that are not well sorted.
    pub fn command(&mut self, command: &Command) -> Result<(), ReadError> {
        match command {
            Command::SetLogic(Symbol("QF_BV")) => Ok(()),
            Command::DeclareConst(name, sort) | Command::DeclareFun(name, [], sort) => {
                self.declare(name.0, sort)
            }
            Command::DefineFun(FunctionDef(name, [], sort, body)) => {
                self.define(name.0, sort, body)
            }
            Command::Assert(term) => {
                let t = self.term(term)?;
                Ok(self.query.assert(t)?)
            }
            other => Err(ReadError::Unsupported(format!("`{other}`"))),
        }
    }

    fn declare(&mut self, name: &str, sort: &ast::Sort) -> Result<(), ReadError> {
        self.fresh(name)?;
        let t = match read_sort(sort)? {
            Sort::Bool => self.query.bool_var(name)?,
            Sort::Int => self.query.int_var(name)?,
            Sort::Bits(width) => self.query.var(name, width)?,
        };
        self.symbols.insert(name.to_owned(), t);
        Ok(())
    }

    fn define(&mut self, name: &str, sort: &ast::Sort, body: &Term) -> Result<(), ReadError> {
        self.fresh(name)?;
        let declared = read_sort(sort)?;
        let t = self.term(body)?;
        let found = self.query.definition(t)?.sort;
        if found != declared {
            let name = name.to_owned();
            return Err(ReadError::Sort {
                name,
                declared,
                found,
            });
        }
        if !name.starts_with('$') {
            self.query.name(t, name)?;
        }
        self.symbols.insert(name.to_owned(), t);
        Ok(())
    }

    fn fresh(&self, name: &str) -> Result<(), ReadError> {
        if self.symbols.contains_key(name) {
            return Err(TermError::Duplicate(name.to_owned()).into());
        }
        Ok(())
    }

    /// Adds a term to the query.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub fn term(&mut self, term: &Term) -> Result<TermId, ReadError> {
        self.nested(term, 0)
    }

    fn nested(&mut self, term: &Term, depth: usize) -> Result<TermId, ReadError> {
        if depth > MAX_DEPTH {
            return Err(ReadError::Depth);
        }
        match term {
            Term::SpecConstant(c) => self.literal(c),
            Term::Identifier(QualIdentifier::Identifier(Identifier::Simple(name))) => {
                self.symbol(name.0)
            }
            Term::Identifier(QualIdentifier::Identifier(Identifier::Indexed(name, indices))) => {
                self.numbered_literal(name.0, indices)
            }
            Term::Application(QualIdentifier::Identifier(function), arguments) => {
                let mut read = Vec::with_capacity(arguments.len());
                for a in *arguments {
                    read.push(self.nested(a, depth + 1)?);
                }
                self.apply(function, &read)
            }
            // Not printed in full: printing recurses, and nobody has bounded its depth.
            Term::Identifier(QualIdentifier::Sorted(..))
            | Term::Application(QualIdentifier::Sorted(..), _) => {
                Err(ReadError::Unsupported("`as`".into()))
            }
            Term::Annotation(..) => Err(ReadError::Unsupported("an annotation".into())),
            Term::Exists(..) | Term::Forall(..) => {
                Err(ReadError::Unsupported("a quantifier".into()))
            }
            Term::Let(..) => Err(ReadError::Unsupported("`let`".into())),
            Term::Match(..) => Err(ReadError::Unsupported("`match`".into())),
        }
    }

    fn symbol(&mut self, name: &str) -> Result<TermId, ReadError> {
        match name {
            "true" => Ok(self.query.boolean(true)?),
            "false" => Ok(self.query.boolean(false)?),
            _ => self
                .symbols
                .get(name)
                .copied()
                .ok_or_else(|| ReadError::Undefined(name.to_owned())),
        }
    }

    fn literal(&mut self, c: &SpecConstant) -> Result<TermId, ReadError> {
        let (digits, radix) = match c {
            SpecConstant::Binary(b) => (b.0, 2),
            SpecConstant::Hexadecimal(h) => (h.0, 16),
            SpecConstant::Decimal(_) | SpecConstant::Numeral(_) | SpecConstant::String(_) => {
                return Err(ReadError::Unsupported(format!("the literal {c}")));
            }
        };
        let digits = digits.get(2..).unwrap_or("");
        let width = digits.len() as u64 * if radix == 2 { 1 } else { 4 };
        let width = u32::try_from(width).unwrap_or(u32::MAX);
        // More digits than fit also fail the width check, which comes first.
        let bits = u128::from_str_radix(digits, radix).map_err(|_| TermError::Width(width))?;
        Ok(self.query.constant_bits(bits, width)?)
    }

    /// `(_ bv5 8)`.
    fn numbered_literal(&mut self, name: &str, indices: &[Index]) -> Result<TermId, ReadError> {
        let unsupported = || ReadError::Unsupported(format!("the identifier `{name}`"));
        let value: u128 = name
            .strip_prefix("bv")
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(unsupported)?;
        let indices = read_indices(indices).ok_or_else(unsupported)?;
        let &[width] = indices.as_slice() else {
            return Err(unsupported());
        };
        let t = self.query.constant_bits(value, width)?;
        if value & !crate::term::mask(width) != 0 {
            return Err(unsupported());
        }
        Ok(t)
    }

    fn apply(&mut self, function: &Identifier, a: &[TermId]) -> Result<TermId, ReadError> {
        match function {
            Identifier::Simple(name) => self.apply_simple(name.0, a),
            Identifier::Indexed(name, indices) => {
                let unsupported = || ReadError::Unsupported(format!("`{function}`"));
                let indices = read_indices(indices).ok_or_else(unsupported)?;
                match (name.0, indices.as_slice(), a) {
                    ("extract", &[high, low], &[a]) => Ok(self.query.extract(a, high, low)?),
                    ("sign_extend", &[by], &[a]) => {
                        let width = self.query.width(a)?.saturating_add(by);
                        Ok(self.query.sign_extend(a, width)?)
                    }
                    ("zero_extend", &[by], &[a]) => {
                        let width = self.query.width(a)?.saturating_add(by);
                        Ok(self.query.zero_extend(a, width)?)
                    }
                    _ => Err(unsupported()),
                }
            }
        }
    }

    fn apply_simple(&mut self, name: &str, arguments: &[TermId]) -> Result<TermId, ReadError> {
        let q = &mut self.query;
        let found = match (name, arguments) {
            ("not", &[a]) => q.not(a)?,
            ("and", [_, _, ..]) => q.and(arguments)?,
            ("or", [_, _, ..]) => q.or(arguments)?,
            ("=", &[a, b]) => q.equal(a, b)?,
            ("ite", &[c, a, b]) => q.ite(c, a, b)?,
            ("concat", &[a, b]) => q.concat(a, b)?,
            (_, &[a]) => match Unary::ALL.into_iter().find(|op| op.name() == name) {
                Some(op) => q.unary(op, a)?,
                None => return Err(unknown_function(name, 1)),
            },
            (_, &[a, b]) => {
                let binary = Binary::ALL.into_iter().find(|op| op.name() == name);
                let compare = Compare::ALL.into_iter().find(|op| op.name() == name);
                match (binary, compare) {
                    (Some(op), _) => q.binary(op, a, b)?,
                    (None, Some(op)) => q.compare(op, a, b)?,
                    (None, None) => return Err(unknown_function(name, 2)),
                }
            }
            _ => return Err(unknown_function(name, arguments.len())),
        };
        Ok(found)
    }
}

impl Query {
    /// The query that a script asks. A `check-sat` at its end is allowed.
    ///
    /// # Errors
    /// On a command outside the subset; see [`Reader`].
    pub fn from_commands(commands: &[Command]) -> Result<Self, ReadError> {
        let commands = match commands {
            [rest @ .., Command::CheckSat] => rest,
            all => all,
        };
        let mut reader = Reader::default();
        for command in commands {
            reader.command(command)?;
        }
        Ok(reader.into_query())
    }
}

fn unknown_function(name: &str, arguments: usize) -> ReadError {
    ReadError::Unsupported(format!("`{name}` on {arguments} arguments"))
}

fn read_indices(indices: &[Index]) -> Option<Vec<u32>> {
    let one = |i: &Index| match i {
        Index::Numeral(n) => n.into_u128().ok().and_then(|v| u32::try_from(v).ok()),
        Index::Symbol(_) => None,
    };
    indices.iter().map(one).collect()
}

fn read_sort(sort: &ast::Sort) -> Result<Sort, ReadError> {
    match sort {
        ast::Sort::Sort(Identifier::Simple(Symbol("Bool"))) => Ok(Sort::Bool),
        ast::Sort::Sort(Identifier::Indexed(Symbol("BitVec"), indices)) => {
            match read_indices(indices).as_deref() {
                Some(&[width]) => Ok(Sort::Bits(width)),
                _ => Err(ReadError::Unsupported(format!("the sort `{sort}`"))),
            }
        }
        _ => Err(ReadError::Unsupported(
            "a sort besides Bool and BitVec".into(),
        )),
    }
}
