//! The options of `reduce`.

use super::{Reader, Refusal, expected, positive, seconds};
use crate::args::ReduceArgs;
use ceg4n_base::Diagnostics;
use ceg4n_driver::reduce::{Expectation, ReduceOptions, Signal};
use std::time::Duration;

/// Seconds for a run.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Runs.
const LIMIT: u32 = 100_000;

/// The options of `reduce`.
///
/// # Errors
/// [`ceg4n_base::codes::USAGE`].
pub fn reduce(args: &ReduceArgs) -> Result<ReduceOptions, Diagnostics> {
    let mut r = Reader::default();
    let limit = r.option("limit", args.limit.as_deref(), positive);
    let options = ReduceOptions {
        net: args.net.clone(),
        command: args.command.clone(),
        expect: Expectation {
            exit: r.option("expect-exit", args.expect_exit.as_deref(), exit),
            signal: r.option("expect-signal", args.expect_signal.as_deref(), signal),
            text: args.expect_text.clone(),
        },
        timeout: r
            .option("timeout", args.timeout.as_deref(), seconds)
            .unwrap_or(TIMEOUT),
        limit: u64::from(limit.unwrap_or(LIMIT)),
        output: args.output.clone(),
        in_place: args.in_place,
    };
    r.errors.or(options)
}

fn exit(text: &str) -> Result<i32, Refusal> {
    match text.parse::<u8>() {
        Ok(code) => Ok(i32::from(code)),
        Err(_) => expected("an exit code from 0 to 255"),
    }
}

fn signal(text: &str) -> Result<Signal, Refusal> {
    let signal = text.parse();
    signal.or_else(|()| expected("any, a signal's number, or a name like SEGV"))
}
