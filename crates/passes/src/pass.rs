//! The pass trait.

use ceg4n_base::Diagnostics;
use ceg4n_ir::Module;

/// Which functions a pass leaves as they are, on every input, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeps {
    /// The network's real function.
    pub reference: bool,
    /// The integer function of every version; also that there are as many as before.
    pub kernels: bool,
}

impl Keeps {
    /// Everything: an exact rewrite.
    pub const ALL: Self = Self {
        reference: true,
        kernels: true,
    };

    /// What is kept, in words.
    pub fn words(self) -> &'static str {
        match (self.reference, self.kernels) {
            (true, true) => "reference and kernels",
            (true, false) => "reference",
            (false, true) => "kernels",
            (false, false) => "nothing",
        }
    }

    /// What follows for a proof about a version before the pass: `exact`, it holds of the version
    /// after it too, which has the same integers for every input; `refining`, versions may differ,
    /// and are to be verified anew.
    pub fn invariant(self) -> &'static str {
        match self.kernels {
            true => "exact",
            false => "refining",
        }
    }
}

/// A parameter that a pass takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// What may stand behind the colon; parts in capitals are to be filled in.
    pub syntax: &'static str,
    /// What it does.
    pub does: &'static str,
}

/// A rewrite of a module.
pub trait Pass: Sync {
    /// What the command line calls it: words with hyphens.
    fn name(&self) -> &'static str;

    /// What it does, one sentence without a full stop.
    fn description(&self) -> &'static str;

    /// The parameters it takes, one at a time (`name:PARAMETER` in a pipeline). Most passes take
    /// none.
    fn parameters(&self) -> &'static [Parameter] {
        &[]
    }

    /// What it leaves as it is under a parameter.
    fn keeps(&self, parameter: Option<&str>) -> Keeps;

    /// Refuses a parameter that the pass does not understand. Without another definition the words
    /// of [`Self::parameters`] are understood, and none is needed.
    ///
    /// # Errors
    /// What was expected, as the end of a sentence.
    fn check_parameter(&self, parameter: Option<&str>) -> Result<(), String> {
        let known = self.parameters();
        let taken = |p: &str| known.iter().any(|k| k.syntax == p);
        if parameter.is_none_or(taken) {
            return Ok(());
        }
        let words: Vec<_> = known.iter().map(|k| k.syntax).collect();
        match words.is_empty() {
            true => Err("takes no parameter".to_owned()),
            false => Err(format!("takes the parameter {}", words.join(" or "))),
        }
    }

    /// Rewrites the module. The parameter has passed [`Self::check_parameter`].
    ///
    /// # Errors
    /// If the module is not what the pass demands.
    fn run(&self, module: &Module, parameter: Option<&str>) -> Result<Module, Diagnostics>;
}
