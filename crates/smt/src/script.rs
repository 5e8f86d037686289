//! A [`Query`] as SMT-LIB 2 commands: one `declare-const` or `define-fun` per value.
//!
//! Arguments are names or literals, so every term is at most four levels deep: the AST of
//! smtlib-lowlevel prints and parses by recursion and writes shared values out as trees.
//!
//! A floor of `a·2^-s` is a fresh integer `y` under `0 ≤ a - 2^s·y ≤ 2^s - 1`, which leaves it
//! exactly one value.

use crate::query::Query;
use crate::term::{MAX_SHIFT, Op, Sort, TermId};
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
        let mut out = vec![Command::SetLogic(Symbol(self.logic().name()))];
        let mut unnamed = 0usize;
        for (id, d) in self.terms() {
            let name = match &d.name {
                _ if d.op.is_constant() => None,
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
                    let own = identifier(st, name);
                    match &d.op {
                        Op::Var => out.push(Command::DeclareConst(symbol, sort)),
                        Op::FloorShift(a, s) => {
                            out.push(Command::DeclareConst(symbol, sort));
                            out.push(Command::Assert(writer.quotient(*a, *s, own)));
                        }
                        op => {
                            let body = writer.body(op, d.sort);
                            out.push(Command::DefineFun(FunctionDef(symbol, &[], sort, body)));
                        }
                    }
                    writer.reference[id] = Some(own);
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
        Sort::Int => ast::Sort::new_simple("Int"),
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
            (Op::Int(v), _) => self.number(*v),
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

    fn on(&self, name: &'static str, arguments: &[&'st Term<'st>]) -> &'st Term<'st> {
        self.st.alloc_term(Term::Application(
            QualIdentifier::Identifier(Identifier::simple(name)),
            self.st.alloc_slice(arguments),
        ))
    }

    /// An integer; SMT-LIB has no negative literals.
    fn number(&self, value: i128) -> &'st Term<'st> {
        let numeral = ast::SpecConstant::Numeral(Numeral::from_u128(value.unsigned_abs()));
        let size = self.st.alloc_term(Term::SpecConstant(numeral));
        if value < 0 {
            self.on("-", &[size])
        } else {
            size
        }
    }

    fn product(&self, coefficient: i128, t: &'st Term<'st>) -> &'st Term<'st> {
        match coefficient {
            1 => t,
            -1 => self.on("-", &[t]),
            _ => self.on("*", &[self.number(coefficient), t]),
        }
    }

    fn affine(&self, products: &[(i128, TermId)], constant: i128) -> &'st Term<'st> {
        let mut operands = Vec::with_capacity(products.len() + 1);
        for &(c, t) in products {
            operands.push(self.product(c, self.get(t)));
        }
        if constant != 0 || operands.is_empty() {
            operands.push(self.number(constant));
        }
        match operands.as_slice() {
            [one] => one,
            _ => self.on("+", &operands),
        }
    }

    /// What makes `y` the floor of `a·2^-s`.
    fn quotient(&self, a: TermId, s: u32, y: &'st Term<'st>) -> &'st Term<'st> {
        let power = 1i128 << s.min(MAX_SHIFT);
        let rest = self.on("+", &[self.get(a), self.product(-power, y)]);
        self.on("<=", &[self.number(0), rest, self.number(power - 1)])
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
            Sort::Bool | Sort::Int => 0,
        };
        self.indexed(name, &[by], a)
    }

    fn body(&self, op: &Op, sort: Sort) -> &'st Term<'st> {
        match op {
            Op::Var | Op::Bool(_) | Op::Bits(_) | Op::Int(_) => self.literal(op, sort),
            Op::Affine(products, constant) => self.affine(products, *constant),
            Op::AtMost(a, b) => self.apply("<=", &[*a, *b]),
            // Of no use as a definition: the floor is declared, see `commands`.
            Op::FloorShift(a, _) => self.get(*a),
            Op::Unary(op, a) => self.apply(op.name(), &[*a]),
            Op::Binary(op, a, b) => self.apply(op.name(), &[*a, *b]),
            Op::SignExtend(a) => self.extension("sign_extend", *a, sort),
            Op::ZeroExtend(a) => self.extension("zero_extend", *a, sort),
            Op::Extract(a, low) => {
                let width = match sort {
                    Sort::Bits(width) => width,
                    Sort::Bool | Sort::Int => 1,
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
