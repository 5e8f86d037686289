//! The program: the real streams, and Ctrl-C.

use ceg4nc::{Console, Manners};
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a program that was interrupted returns, by the custom of shells.
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let cancel = Arc::new(AtomicBool::new(false));
    let flag = cancel.clone();
    // Without a handler Ctrl-C still ends the program, only without a result.
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED);
        }
        let _ = writeln!(io::stderr(), "stopping; press Ctrl-C again to abort");
    });
    let mut console = Console {
        out: &mut io::stdout(),
        err: &mut io::stderr(),
        input: &mut io::stdin(),
        err_is_terminal: io::stderr().is_terminal(),
        colours: std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        manners: Manners::of_process(),
        cancel,
    };
    let code = ceg4nc::run_on(std::env::args_os(), &mut console);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
