//! `rules`: proofs of the rewrite rules, their list, or what they make of an expression.

use super::{Done, json};
use crate::args::{Format, RulesArgs};
use crate::console::Console;
use crate::{render, translate};
use ceg4n_driver::rules::RulesOptions;
use ceg4n_driver::simplify::{SimplifyOptions, simplify};

pub(super) fn rules(args: &RulesArgs, console: &mut Console<'_>) -> Done {
    let options = translate::rules(args)?;
    if let Some(expression) = &args.simplify {
        return simplified(expression, args, &options, console);
    }
    if args.list {
        let list = ceg4n_driver::rules::list(&options)?;
        let text = match args.format.format {
            Format::Json => json(&list)?,
            Format::Text => render::rule_list(&list, console.manners.table()),
        };
        return Ok((text, 0));
    }
    let run = ceg4n_driver::rules::rules;
    let found = console.watch(args.progress, |p, c| run(&options, p, c))?;
    let text = match args.format.format {
        Format::Json => json(&found)?,
        Format::Text => render::rules(&found, console.manners.table()),
    };
    Ok((text, found.exit_code()))
}

fn simplified(
    expression: &str,
    args: &RulesArgs,
    options: &RulesOptions,
    console: &Console<'_>,
) -> Done {
    let asked = SimplifyOptions {
        expression: expression.to_owned(),
        ranges: args.range.clone(),
        cost: translate::cost_model(args.cost.as_deref())?,
    };
    let found = simplify(&asked, options, &console.cancel)?;
    let text = match args.format.format {
        Format::Json => json(&found)?,
        Format::Text => render::simplification(&found),
    };
    Ok((text, found.exit_code()))
}
