//! The clauses of a query under an assignment of its variables.

use ceg4n_smt::Model;
use ceg4n_smt::solver::embedded::Clauses;

/// Whether the clauses hold under a model, by unit propagation from the bits of the variables:
/// every other variable is the output of a gate.
pub(crate) fn simulate(c: &Clauses, model: &Model) -> bool {
    let mut truth = vec![None; c.variables as usize + 1];
    for (name, bits) in &c.inputs {
        let value = model.get(name).unwrap().unsigned();
        for (i, l) in bits.iter().enumerate() {
            truth[l.unsigned_abs() as usize] = Some((value >> i & 1 == 1) == (*l > 0));
        }
    }
    loop {
        let (mut open, mut changed) = (false, false);
        for clause in c.iter() {
            let value = |l: &i32| truth[l.unsigned_abs() as usize].map(|v| v == (*l > 0));
            if clause.iter().any(|l| value(l) == Some(true)) {
                continue;
            }
            let mut unknown = clause.iter().filter(|l| value(l).is_none());
            match (unknown.next(), unknown.next()) {
                (None, _) => return false,
                (Some(l), None) => {
                    truth[l.unsigned_abs() as usize] = Some(*l > 0);
                    changed = true;
                }
                (Some(_), Some(_)) => open = true,
            }
        }
        if !changed {
            assert!(!open, "propagation from the inputs decides every clause");
            return true;
        }
    }
}
