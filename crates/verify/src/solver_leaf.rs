//! The solver tier: questions about the integers of one box, to the embedded solver or a process,
//! in the logic that it prefers.

use crate::budget::{Effort, Stop};
use crate::leaf::{GridBox, Leaf, LeafAnswer};
use ceg4n_base::Diagnostic;
use ceg4n_ir::{Interval, Kernel};
use ceg4n_smt::lower::{LowerError, Question, Rewriting, breaks_on_grid, leaves_class};
use ceg4n_smt::solver::{Limits, Outcome, Solver};

/// A solver behind the [`Leaf`] interface.
pub struct SolverLeaf {
    solver: Box<dyn Solver>,
    memory_mib: Option<u64>,
}

impl SolverLeaf {
    /// The solver of a name: `embedded`, `z3`, `cvc5`, `bitwuzla` or a program.
    ///
    /// # Errors
    /// A solver that is not there.
    pub fn new(name: &str, memory_mib: Option<u64>) -> Result<Self, Diagnostic> {
        Ok(Self {
            solver: ceg4n_smt::solver::from_name(name)?,
            memory_mib,
        })
    }

    fn ask(
        &mut self,
        question: Result<Question, LowerError>,
        effort: &Effort,
        stop: &Stop,
    ) -> LeafAnswer {
        let question = match question {
            Ok(q) => q,
            Err(e) => return LeafAnswer::Unknown(e.to_string()),
        };
        let limits = Limits {
            conflicts: Some(effort.conflicts),
            clauses: Some(effort.clauses),
            deadline: stop.deadline,
            memory_mib: self.memory_mib,
            cancel: stop.cancel.clone(),
        };
        match self.solver.solve(&question.query, &limits) {
            Outcome::Unsat => LeafAnswer::Never,
            Outcome::Unknown(reason) => LeafAnswer::Unknown(reason),
            Outcome::Sat(model) => match question.input(&model) {
                Some(input) => LeafAnswer::At(input),
                None => LeafAnswer::Unknown("the solver's model lacks an input".to_owned()),
            },
        }
    }
}

impl Leaf for SolverLeaf {
    fn name(&self) -> String {
        self.solver.name()
    }

    fn leaves_class(
        &mut self,
        kernel: &Kernel,
        input: &[Interval],
        class: usize,
        effort: &Effort,
        stop: &Stop,
    ) -> LeafAnswer {
        let question = leaves_class(self.solver.logic(), kernel, input, class, Rewriting::On);
        self.ask(question, effort, stop)
    }

    fn breaks_on_grid(&mut self, b: GridBox<'_>, effort: &Effort, stop: &Stop) -> LeafAnswer {
        let logic = self.solver.logic();
        let question = breaks_on_grid(
            logic,
            b.reference,
            b.kernel,
            b.grid,
            b.points,
            b.property,
            Rewriting::On,
        );
        self.ask(question, effort, stop)
    }
}
