//! The SAT solver: CaDiCaL, under a conflict limit and a terminator, with a proof if asked for.

use super::blast::Formula;
use super::proof::Recorder;
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
pub(super) fn solve(_: &Formula, _: &Limits, _: Option<Recorder>) -> (Sat, Option<String>) {
    let reason = "built without the embedded solver";
    (Sat::Unknown(reason.into()), None)
}

#[cfg(feature = "cadical")]
pub(super) use with_cadical::{solve, version};

#[cfg(feature = "cadical")]
mod with_cadical {
    use super::{Formula, Limits, Recorder, Sat};
    use cadical_sys::{CaDiCal, ProofTracer, Status, Terminator};
    use std::cell::RefCell;
    use std::rc::Rc;

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

    /// What the solver tells of its steps, for a recorder.
    struct Tracer {
        recorder: Rc<RefCell<Recorder>>,
        originals: u64,
    }

    impl ProofTracer for Tracer {
        fn add_original_clause(&mut self, id: i64, _: bool, _: &[i32], restored: bool) {
            if !restored {
                self.originals += 1;
                self.recorder.borrow_mut().original(id, self.originals);
            }
        }
        fn add_derived_clause(
            &mut self,
            id: i64,
            _: bool,
            witness: i32,
            clause: &[i32],
            antecedents: &[i64],
        ) {
            let mut recorder = self.recorder.borrow_mut();
            recorder.derived(id, clause, antecedents, witness == 0);
        }
        fn delete_clause(&mut self, id: i64, _: bool, _: &[i32]) {
            self.recorder.borrow_mut().deleted(id);
        }
        fn weaken_minus(&mut self, _: i64, _: &[i32]) {}
        fn strengthen(&mut self, _: i64) {}
        fn finalize_clause(&mut self, _: i64, _: &[i32]) {}
        fn add_assumption(&mut self, _: i32) {}
        fn add_constraint(&mut self, _: &[i32]) {}
        fn reset_assumptions(&mut self) {}
        fn add_assumption_clause(&mut self, _: i64, _: &[i32], _: &[i64]) {}
        fn conclude_sat(&mut self, _: i32, _: &[i32]) {}
        fn conclude_unsat(&mut self, _: i32, _: &[i64]) {}
        fn conclude_unknown(&mut self, _: &[i32]) {}
    }

    /// Searches for an assignment. With a recorder, an unsatisfiable formula comes with its
    /// refutation, unless that is too long.
    pub(in super::super) fn solve(
        formula: &Formula,
        limits: &Limits,
        recorder: Option<Recorder>,
    ) -> (Sat, Option<String>) {
        let mut solver = CaDiCal::new();
        let recorder = recorder.map(|mut recorder| {
            let originals = formula.cnf.clauses().iter().filter(|l| **l == 0).count();
            recorder.start_after(originals as u64);
            let recorder = Rc::new(RefCell::new(recorder));
            let tracer = Tracer {
                recorder: Rc::clone(&recorder),
                originals: 0,
            };
            solver.connect_proof_tracer1(tracer, true, false);
            recorder
        });
        let found = search(&mut solver, formula, limits);
        (found, recorder.and_then(|r| r.borrow_mut().finish()))
    }

    fn search(solver: &mut CaDiCal, formula: &Formula, limits: &Limits) -> Sat {
        let cnf = &formula.cnf;
        let variables = cnf.variables().cast_signed();
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
