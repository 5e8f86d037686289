//! `rules`: proofs of the rewrite rules, or their list.

use super::{Done, json};
use crate::args::{Format, RulesArgs};
use crate::console::Console;
use crate::{render, translate};

pub(super) fn rules(args: &RulesArgs, console: &Console<'_>) -> Done {
    let options = translate::rules(args)?;
    if args.list {
        let list = ceg4n_driver::rules::list(&options)?;
        let text = match args.format.format {
            Format::Json => json(&list)?,
            Format::Text => render::rule_list(&list),
        };
        return Ok((text, 0));
    }
    let found = ceg4n_driver::rules::rules(&options, &console.cancel)?;
    let text = match args.format.format {
        Format::Json => json(&found)?,
        Format::Text => render::rules(&found),
    };
    Ok((text, found.exit_code()))
}
