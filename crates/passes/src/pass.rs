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
}

/// A rewrite of a module.
pub trait Pass: Sync {
    /// What the command line calls it: words with hyphens.
    fn name(&self) -> &'static str;

    /// What it does, one sentence without a full stop.
    fn description(&self) -> &'static str;

    /// What it leaves as it is.
    fn keeps(&self) -> Keeps;

    /// Refuses a parameter (`name:PARAMETER` in a pipeline) that the pass does not understand.
    /// Most passes take none.
    ///
    /// # Errors
    /// What was expected, as the end of a sentence.
    fn check_parameter(&self, parameter: Option<&str>) -> Result<(), String> {
        match parameter {
            None => Ok(()),
            Some(_) => Err("takes no parameter".to_owned()),
        }
    }

    /// Rewrites the module. The parameter has passed [`Self::check_parameter`].
    ///
    /// # Errors
    /// If the module is not what the pass demands.
    fn run(&self, module: &Module, parameter: Option<&str>) -> Result<Module, Diagnostics>;
}
