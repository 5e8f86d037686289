//! Output specifications: what a VNN-LIB query says about the outputs, exactly.

use ceg4n_base::{ContentHash, Exact, Hasher};
use serde::{Deserialize, Serialize};

/// What must NOT happen: on a region it holds if no point's outputs satisfy every constraint of
/// some case. In disjunctive normal form; no case at all holds everywhere, a case without
/// constraints nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSpec {
    /// The VNN-LIB file as written, relative to whatever named it.
    pub path: String,
    /// How many outputs the file declares.
    pub outputs: usize,
    /// The forbidden cases, each a conjunction.
    pub cases: Vec<Vec<OutputConstraint>>,
}

/// `Σ a_j·Y_j + b ≤ 0`, or `< 0`. `Y_j` is output `j` in real units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputConstraint {
    /// Output and coefficient; the outputs ascend, no coefficient is zero.
    pub coefficients: Vec<(usize, Exact)>,
    /// The constant `b`.
    pub constant: Exact,
    /// `<` instead of `≤`.
    pub strict: bool,
}

impl OutputSpec {
    /// True if these outputs are forbidden: some case's constraints are all true of them.
    ///
    /// # Panics
    /// With less than [`Self::outputs`] outputs.
    pub fn violated(&self, outputs: &[Exact]) -> bool {
        self.cases
            .iter()
            .any(|case| case.iter().all(|c| c.holds(outputs)))
    }

    /// Hash of what is forbidden; the path does not count.
    pub fn hash(&self) -> ContentHash {
        let mut h = Hasher::new("output-spec");
        let length = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        h.int(length(self.outputs)).int(length(self.cases.len()));
        for case in &self.cases {
            h.int(length(case.len()));
            for c in case {
                h.int(length(c.coefficients.len()));
                for (j, a) in &c.coefficients {
                    h.int(length(*j)).str(&a.to_string());
                }
                h.str(&c.constant.to_string()).int(i64::from(c.strict));
            }
        }
        h.finish()
    }
}

impl OutputConstraint {
    /// `Σ a_j·Y_j + b`.
    ///
    /// # Panics
    /// If an output is missing.
    pub fn value(&self, outputs: &[Exact]) -> Exact {
        let add = |sum: Exact, (j, a): &(usize, Exact)| &sum + &(a * &outputs[*j]);
        self.coefficients.iter().fold(self.constant.clone(), add)
    }

    /// True if the outputs satisfy the constraint.
    ///
    /// # Panics
    /// If an output is missing.
    pub fn holds(&self, outputs: &[Exact]) -> bool {
        match self.value(outputs).signum() {
            0 => !self.strict,
            sign => sign < 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constraint(a: &[(usize, i64)], b: &str, strict: bool) -> OutputConstraint {
        OutputConstraint {
            coefficients: a.iter().map(|(j, a)| (*j, Exact::from(*a))).collect(),
            constant: b.parse().unwrap(),
            strict,
        }
    }

    fn spec(cases: Vec<Vec<OutputConstraint>>) -> OutputSpec {
        OutputSpec {
            path: "p.vnnlib".to_owned(),
            outputs: 2,
            cases,
        }
    }

    fn outputs(y: [&str; 2]) -> Vec<Exact> {
        y.iter().map(|v| v.parse().unwrap()).collect()
    }

    /// The boundary belongs to `≤` and not to `<`, to the last digit.
    #[test]
    fn boundaries_are_exact() {
        // Y_0 - Y_1 + 0.1 (≤ or <) 0
        for strict in [false, true] {
            let s = spec(vec![vec![constraint(&[(0, 1), (1, -1)], "0.1", strict)]]);
            assert_eq!(s.violated(&outputs(["0.2", "0.3"])), !strict);
            let above = "0.3000000000000000000000000000000000000001";
            assert!(s.violated(&outputs(["0.2", above])));
            let below = "0.2999999999999999999999999999999999999999";
            assert!(!s.violated(&outputs(["0.2", below])));
        }
    }

    /// All constraints of one case, not some of each.
    #[test]
    fn cases_are_conjunctions() {
        let s = spec(vec![
            vec![
                constraint(&[(0, 1)], "0", false),
                constraint(&[(1, 1)], "0", false),
            ],
            vec![
                constraint(&[(0, -1)], "1", false),
                constraint(&[(1, -1)], "1", false),
            ],
        ]);
        assert!(s.violated(&outputs(["-1", "-1"])) && s.violated(&outputs(["1", "2"])));
        assert!(!s.violated(&outputs(["-1", "2"])) && !s.violated(&outputs(["0.5", "0.5"])));
        assert!(!spec(Vec::new()).violated(&outputs(["0", "0"])));
        assert!(spec(vec![Vec::new()]).violated(&outputs(["0", "0"])));
    }

    #[test]
    fn hashes_tell_specifications_apart_and_json_brings_them_back() {
        let a = spec(vec![vec![constraint(&[(0, 1)], "1/3", false)]]);
        let mut named = a.clone();
        named.path = "other".to_owned();
        assert_eq!(a.hash(), named.hash());
        for other in [
            spec(vec![vec![constraint(&[(0, 1)], "1/3", true)]]),
            spec(vec![vec![constraint(&[(1, 1)], "1/3", false)]]),
            spec(vec![vec![constraint(&[(0, 1)], "0.3", false)]]),
            spec(vec![vec![constraint(&[(0, 1)], "1/3", false); 2]]),
            spec(vec![vec![constraint(&[(0, 1)], "1/3", false)]; 2]),
        ] {
            assert_ne!(a.hash(), other.hash(), "{other:?}");
        }
        let text = serde_json::to_string(&a).unwrap();
        assert_eq!(serde_json::from_str::<OutputSpec>(&text).unwrap(), a);
    }
}
