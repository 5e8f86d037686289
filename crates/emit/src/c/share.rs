//! Stages whose functions differ only in constants share one, which takes these as parameters.
//!
//! On a microcontroller this saves most of the code of a deep network. On a large processor each
//! layer keeps a function of its own, whose constants the compiler sees.

use super::stage;
use crate::EmitOptions;
use crate::plan::Plan;
use crate::text::{Template, line};
use ceg4n_target::{KernelChoice, Target};
use std::fmt::Write;

/// A function and the stages that call it.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) text: String,
    /// In order.
    pub(super) stages: Vec<usize>,
    /// Of each stage, what it passes besides its vectors.
    arguments: Vec<Vec<String>>,
}

/// What a stage's function is printed from.
struct Printed {
    parameters: Vec<String>,
    template: Template,
}

impl Printed {
    /// True if the functions differ in nothing but what `may_differ` says of a type.
    fn is_like(&self, other: &Self, may_differ: impl Fn(&str) -> bool) -> bool {
        let (a, b) = (&self.template, &other.template);
        let mut holes = a.holes.iter().zip(&b.holes);
        self.parameters == other.parameters
            && a.texts == b.texts
            && holes.all(|((t, v), (u, w))| t == u && (v == w || may_differ(t)))
    }
}

/// The functions of all stages, in the order of their first ones.
pub(super) fn functions(name: &str, plan: &Plan<'_>, options: &EmitOptions) -> Vec<Function> {
    let stages = plan.stages.iter().map(|s| {
        let (parameters, body) = stage::function(name, plan, s);
        let template = Template::new(&body);
        Printed {
            parameters,
            template,
        }
    });
    let printed: Vec<Printed> = stages.collect();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (i, p) in printed.iter().enumerate() {
        let alike = groups.iter_mut().find(|g| match options.kernel {
            KernelChoice::Size => printed[g[0]].is_like(p, |_| true),
            KernelChoice::Auto | KernelChoice::Speed | KernelChoice::Unrolled => {
                match options.target {
                    Target::Generic => false,
                    Target::CortexM0 | Target::CortexM4 => printed[g[0]].is_like(p, |_| true),
                    // A shift by a variable is a loop.
                    Target::Avr => printed[g[0]].is_like(p, |ty| ty != "int"),
                }
            }
        });
        match alike {
            Some(group) => group.push(i),
            None => groups.push(vec![i]),
        }
    }
    // Compilers do not see how long inline assembly is.
    let attribute = match options.target {
        Target::Generic => String::new(),
        Target::CortexM0 | Target::CortexM4 | Target::Avr => format!("{name}_SHARED "),
    };
    let one = |stages: Vec<usize>| {
        let attribute = if stages.len() > 1 { &attribute } else { "" };
        function(name, &printed, stages, attribute)
    };
    groups.into_iter().map(one).collect()
}

/// Defines the attribute of shared functions, if one has it.
pub(super) fn attribute(name: &str, functions: &[Function]) -> String {
    let word = format!("{name}_SHARED");
    if !functions.iter().any(|f| f.text.contains(&word)) {
        return String::new();
    }
    format!(
        "/* What several layers call stays one function. */\n#if defined(__GNUC__)\n#define {word} __attribute__((noinline))\n#else\n#define {word}\n#endif\n\n"
    )
}

/// The function of a group of stages, with an attribute or none.
fn function(name: &str, printed: &[Printed], stages: Vec<usize>, attribute: &str) -> Function {
    let first = &printed[stages[0]];
    let holes = &first.template.holes;
    let values = |hole: usize| -> Vec<&str> {
        let of = |i: &usize| printed[*i].template.holes[hole].1.as_str();
        stages.iter().map(of).collect()
    };
    // Holes of one type that hold the same in every stage are one parameter.
    let mut passed: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut names: Vec<Option<String>> = Vec::new();
    for (hole, (ty, first_value)) in holes.iter().enumerate() {
        let values = values(hole);
        if values.iter().all(|v| v == first_value) {
            names.push(None);
            continue;
        }
        let known = passed.iter().position(|(t, v)| t == ty && *v == values);
        let k = known.unwrap_or_else(|| {
            passed.push((ty, values));
            passed.len() - 1
        });
        names.push(Some(format!("p{k}")));
    }
    let mut parameters = first.parameters.clone();
    parameters.extend(passed.iter().enumerate().map(|(k, (ty, _))| {
        let space = if ty.ends_with('*') { "" } else { " " };
        format!("{ty}{space}p{k}")
    }));
    let function = format!("{name}_stage{}", stages[0]);
    let body = first.template.fill(|hole| {
        let own = &holes[hole].1;
        names[hole].clone().unwrap_or_else(|| own.clone())
    });
    let mut text = String::new();
    line!(
        text,
        "static {attribute}void {function}({})",
        parameters.join(", ")
    );
    line!(text, "{body}");
    let argument = |stage: usize| passed.iter().map(|(_, v)| v[stage].to_owned()).collect();
    let arguments = (0..stages.len()).map(argument).collect();
    Function {
        name: function,
        text,
        stages,
        arguments,
    }
}

/// The function of a stage, and what the stage passes besides its vectors.
pub(super) fn arguments(functions: &[Function], stage: usize) -> Option<(&Function, &[String])> {
    functions.iter().find_map(|f| {
        let k = f.stages.iter().position(|i| *i == stage)?;
        Some((f, &f.arguments[k][..]))
    })
}
