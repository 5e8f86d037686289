//! The program: the real streams, and Ctrl-C.

use ceg4nc::{Console, Manners, Screen};
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a program that was interrupted returns, by the custom of shells.
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let cancel = Arc::new(AtomicBool::new(false));
    let screen = Screen::of_process();
    clear_before_panics(screen.clone());
    let (flag, shown) = (cancel.clone(), screen.clone());
    // Without a handler Ctrl-C still ends the program, only without a result.
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            shown.hide();
            std::process::exit(INTERRUPTED);
        }
        shown.interrupt("stopping; press Ctrl-C again to abort");
    });
    let mut console = Console {
        out: &mut io::stdout(),
        err: &mut io::stderr(),
        input: &mut io::stdin(),
        err_is_terminal: io::stderr().is_terminal(),
        colours: std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        manners: Manners::of_process(),
        screen,
        cancel,
    };
    let code = ceg4nc::run_on(std::env::args_os(), &mut console);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// A panic is told where nothing is drawn.
fn clear_before_panics(screen: Screen) {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        screen.hide();
        tell(info);
    }));
}
