//! The SAT solver: CaDiCaL, under a conflict limit and a terminator.

use super::blast::Formula;
use crate::solver::Limits;

/// The answer of the SAT solver.
#[cfg_attr(
    not(feature = "cadical"),
    expect(dead_code, reason = "without the solver only `Unknown` is built")
)]
pub(super) enum Sat {
    /// The value of every variable of the formula, from variable 1 on.
    Satisfiable(Vec<bool>),
    /// No assignment.
    Unsatisfiable,
    /// A limit was reached.
    Unknown(String),
}

/// The solver's name and version; `None` if it is not built in.
#[cfg(not(feature = "cadical"))]
pub(super) fn version() -> Option<String> {
    None
}

/// Without the feature `cadical` there is no solver.
#[cfg(not(feature = "cadical"))]
pub(super) fn solve(_: &Formula, _: &Limits) -> Sat {
    Sat::Unknown("built without the embedded solver".into())
}

#[cfg(feature = "cadical")]
pub(super) use with_cadical::{solve, version};

#[cfg(feature = "cadical")]
mod with_cadical {
    use super::{Formula, Limits, Sat};
    use cadical_sys::{CaDiCal, Status, Terminator};

    /// The solver's name and version.
    pub(in super::super) fn version() -> Option<String> {
        Some(format!("CaDiCaL {}", CaDiCal::version()))
    }

    struct Stop(Limits);

    impl Terminator for Stop {
        fn terminated(&mut self) -> bool {
            self.0.stop().is_some()
        }
    }

    /// Searches for an assignment.
    pub(in super::super) fn solve(formula: &Formula, limits: &Limits) -> Sat {
        let cnf = &formula.cnf;
        let variables = cnf.variables().cast_signed();
        let mut solver = CaDiCal::new();
        if variables > 0 {
            solver.declare_more_variables(variables);
        }
        for &l in cnf.clauses() {
            solver.add(l);
        }
        if let Some(conflicts) = limits.conflicts {
            solver.limit("conflicts", i32::try_from(conflicts).unwrap_or(i32::MAX));
        }
        solver.connect_terminator(Stop(limits.clone()));
        match solver.solve() {
            Status::SATISFIABLE => {
                // A value is the literal itself if it is true.
                Sat::Satisfiable((1..=variables).map(|v| solver.val(v) > 0).collect())
            }
            Status::UNSATISFIABLE => Sat::Unsatisfiable,
            Status::UNKNOWN => Sat::Unknown(match (limits.stop(), limits.conflicts) {
                (Some(reason), _) => reason.to_owned(),
                (None, Some(n)) => format!("conflict limit of {n}"),
                (None, None) => "the SAT solver gave up".to_owned(),
            }),
        }
    }
}
