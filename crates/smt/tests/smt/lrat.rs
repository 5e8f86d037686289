//! A checker of LRAT refutations by unit propagation. It knows DIMACS numbers and the format, and
//! shares no code with the solver or the bit-blaster.

use std::collections::HashMap;
use std::io::BufRead;

/// Why a refutation is refused.
pub(crate) type Refusal = String;

/// Reads a refutation line by line, and holds only the clauses that are not deleted.
pub(crate) struct Checker {
    clauses: HashMap<u64, Vec<i32>>,
    last: u64,
    refuted: bool,
}

impl Checker {
    /// The formula: its clauses have the numbers from 1 on.
    pub(crate) fn new<'a>(formula: impl Iterator<Item = &'a [i32]>) -> Self {
        let clauses: HashMap<_, _> = (1..).zip(formula.map(<[i32]>::to_vec)).collect();
        Self {
            last: clauses.len() as u64,
            clauses,
            refuted: false,
        }
    }

    /// Accepts a refutation, or says what is wrong with it.
    pub(crate) fn check(mut self, lrat: impl BufRead) -> Result<(), Refusal> {
        for line in lrat.lines() {
            self.line(&line.map_err(|e| e.to_string())?)?;
        }
        if self.refuted {
            Ok(())
        } else {
            Err("the empty clause is missing".into())
        }
    }

    fn line(&mut self, line: &str) -> Result<(), Refusal> {
        let mut words = line.split_ascii_whitespace();
        let number: u64 = parse(words.next())?;
        let rest: Vec<&str> = words.collect();
        if let Some((&"d", deleted)) = rest.split_first() {
            for n in until_zero(&mut deleted.iter())? {
                self.clauses
                    .remove(&n.unsigned_abs())
                    .ok_or_else(|| format!("{n} is deleted and not there"))?;
            }
            return Ok(());
        }
        let mut rest = rest.iter();
        let clause: Vec<i32> = until_zero(&mut rest)?
            .into_iter()
            .map(|l| i32::try_from(l).map_err(|e| e.to_string()))
            .collect::<Result<_, _>>()?;
        let hints = until_zero(&mut rest)?;
        if rest.next().is_some() {
            return Err(format!("{number}: words behind the last 0"));
        }
        if number <= self.last {
            return Err(format!("{number} after {}", self.last));
        }
        self.follows(&clause, &hints)
            .map_err(|e| format!("{number}: {e}"))?;
        self.refuted |= clause.is_empty();
        self.last = number;
        self.clauses.insert(number, clause);
        Ok(())
    }

    /// Supposes the clause false and propagates along the hints, each of which must then be unit,
    /// up to one that is false.
    fn follows(&self, clause: &[i32], hints: &[i64]) -> Result<(), Refusal> {
        let mut truth: HashMap<i32, bool> = HashMap::new();
        let set = |truth: &mut HashMap<i32, bool>, l: i32| {
            truth.insert(l, true);
            truth.insert(-l, false);
        };
        for l in clause {
            if truth.get(l) == Some(&true) {
                return Err("a clause that is always true".into());
            }
            set(&mut truth, -l);
        }
        for hint in hints {
            let number = u64::try_from(*hint).map_err(|_| "a hint of another kind")?;
            let hinted = self
                .clauses
                .get(&number)
                .ok_or_else(|| format!("the hint {number} is not there"))?;
            if hinted.iter().any(|l| truth.get(l) == Some(&true)) {
                return Err(format!("the hint {number} is satisfied"));
            }
            let mut open = hinted.iter().filter(|l| !truth.contains_key(l));
            match (open.next(), open.next()) {
                (None, _) => return Ok(()),
                (Some(unit), None) => set(&mut truth, *unit),
                (Some(_), Some(_)) => return Err(format!("the hint {number} is not unit")),
            }
        }
        Err("no hint is false".into())
    }
}

fn parse<T: std::str::FromStr>(word: Option<&str>) -> Result<T, Refusal> {
    let word = word.ok_or("a line that breaks off")?;
    word.parse().map_err(|_| format!("`{word}` is no number"))
}

fn until_zero<'a>(words: &mut impl Iterator<Item = &'a &'a str>) -> Result<Vec<i64>, Refusal> {
    let mut out = Vec::new();
    loop {
        match parse(words.next().copied())? {
            0 => return Ok(out),
            n => out.push(n),
        }
    }
}
