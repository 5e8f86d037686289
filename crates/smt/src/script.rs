//! A [`Query`] as SMT-LIB 2 commands: one `declare-const` or `define-fun` per value.
//!
//! Arguments are names or literals, so every term is at most two levels deep: the AST of
//! smtlib-lowlevel prints and parses by recursion and writes shared values out as trees.

use crate::query::Query;
use crate::term::{Op, Sort, TermId};
use ceg4n_base::entity::SecondaryMap;
use smtlib_lowlevel::Storage;
use smtlib_lowlevel::ast::{self, Command, FunctionDef, Identifier, Index, QualIdentifier, Term};
use smtlib_lowlevel::lexicon::{Binary, Numeral, Symbol};
use std::fmt::Write;

impl Query {
    /// The script from `set-logic` to `check-sat`. It sets no option; see
    /// [`solve_on`](crate::solver::solve_on) for a whole dialogue.
    pub fn commands<'st>(&self, st: &'st Storage) -> Vec<Command<'st>> {
        let mut writer = Writer {
            st,
            query: self,
            reference: SecondaryMap::new(),
        };
        let mut out = vec![Command::SetLogic(Symbol("QF_BV"))];
        let mut unnamed = 0usize;
        for (id, d) in self.terms() {
            let name = match &d.name {
                _ if matches!(d.op, Op::Bits(_) | Op::Bool(_)) => None,
                Some(name) => Some(st.alloc_str(name)),
                None => {
                    unnamed += 1;
                    Some(st.alloc_str(&format!("${unnamed}")))
                }
            };
            let sort = sort(st, d.sort);
            match name {
                None => {
                    let literal = writer.literal(&d.op, d.sort);
                    writer.reference[id] = Some(literal);
                }
                Some(name) => {
                    let symbol = Symbol(name);
                    if d.op == Op::Var {
                        out.push(Command::DeclareConst(symbol, sort));
                    } else {
                        let body = writer.body(&d.op, d.sort);
                        out.push(Command::DefineFun(FunctionDef(symbol, &[], sort, body)));
                    }
                    writer.reference[id] = Some(identifier(st, name));
                }
            }
        }
        for &t in self.assertions() {
            out.push(Command::Assert(writer.get(t)));
        }
        out.push(Command::CheckSat);
        out
    }

    /// The script as text, one command a line. Equal queries give equal texts.
    pub fn to_smtlib(&self) -> String {
        let st = Storage::new();
        let mut text = String::new();
        for command in self.commands(&st) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{command}");
        }
        text
    }
}

pub(crate) fn identifier<'st>(st: &'st Storage, name: &'st str) -> &'st Term<'st> {
    st.alloc_term(Term::Identifier(QualIdentifier::Identifier(
        Identifier::simple(name),
    )))
}

fn index(value: u32) -> Index<'static> {
    Index::Numeral(Numeral::from_u128(value.into()))
}

fn sort(st: &Storage, sort: Sort) -> ast::Sort<'_> {
    match sort {
        Sort::Bool => ast::Sort::new_simple("Bool"),
        Sort::Bits(width) => ast::Sort::new_indexed("BitVec", st.alloc_slice(&[index(width)])),
    }
}

struct Writer<'st, 'q> {
    st: &'st Storage,
    query: &'q Query,
    /// How a value already written is referred to: its name, or its literal.
    reference: SecondaryMap<TermId, Option<&'st Term<'st>>>,
}

impl<'st> Writer<'st, '_> {
    fn get(&self, t: TermId) -> &'st Term<'st> {
        self.reference[t].expect("arguments are defined before their users")
    }

    fn literal(&self, op: &Op, sort: Sort) -> &'st Term<'st> {
        match (op, sort) {
            (Op::Bits(bits), Sort::Bits(width)) => {
                let text = format!("#b{bits:0width$b}", width = width as usize);
                let digits = Binary(self.st.alloc_str(&text));
                self.st
                    .alloc_term(Term::SpecConstant(ast::SpecConstant::Binary(digits)))
            }
            _ => identifier(
                self.st,
                if *op == Op::Bool(true) {
                    "true"
                } else {
                    "false"
                },
            ),
        }
    }

    fn apply(&self, name: &'static str, arguments: &[TermId]) -> &'st Term<'st> {
        self.apply_to(Identifier::simple(name), arguments)
    }

    fn indexed(&self, name: &'static str, indices: &[u32], argument: TermId) -> &'st Term<'st> {
        let indices: Vec<_> = indices.iter().map(|&i| index(i)).collect();
        let function = Identifier::indexed(name, self.st.alloc_slice(&indices));
        self.apply_to(function, &[argument])
    }

    fn apply_to(&self, function: Identifier<'st>, arguments: &[TermId]) -> &'st Term<'st> {
        let arguments: Vec<_> = arguments.iter().map(|&t| self.get(t)).collect();
        self.st.alloc_term(Term::Application(
            QualIdentifier::Identifier(function),
            self.st.alloc_slice(&arguments),
        ))
    }

    fn extension(&self, name: &'static str, a: TermId, to: Sort) -> &'st Term<'st> {
        let from = self.query.width(a).unwrap_or(0);
        let by = match to {
            Sort::Bits(width) => width - from,
            Sort::Bool => 0,
        };
        self.indexed(name, &[by], a)
    }

    fn body(&self, op: &Op, sort: Sort) -> &'st Term<'st> {
        match op {
            Op::Var | Op::Bool(_) | Op::Bits(_) => self.literal(op, sort),
            Op::Unary(op, a) => self.apply(op.name(), &[*a]),
            Op::Binary(op, a, b) => self.apply(op.name(), &[*a, *b]),
            Op::SignExtend(a) => self.extension("sign_extend", *a, sort),
            Op::ZeroExtend(a) => self.extension("zero_extend", *a, sort),
            Op::Extract(a, low) => {
                let width = match sort {
                    Sort::Bits(width) => width,
                    Sort::Bool => 1,
                };
                self.indexed("extract", &[low + width - 1, *low], *a)
            }
            Op::Concat(a, b) => self.apply("concat", &[*a, *b]),
            Op::Compare(op, a, b) => self.apply(op.name(), &[*a, *b]),
            Op::Equal(a, b) => self.apply("=", &[*a, *b]),
            Op::Not(a) => self.apply("not", &[*a]),
            Op::And(all) => self.apply("and", all),
            Op::Or(all) => self.apply("or", all),
            Op::Ite(c, a, b) => self.apply("ite", &[*c, *a, *b]),
        }
    }
}
