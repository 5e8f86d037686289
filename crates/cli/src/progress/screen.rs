//! The terminal that progress is drawn on, shared with whoever must clear it: the handlers of
//! Ctrl-C and of panics.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// Between two lines where there is no terminal.
const BEAT: Duration = Duration::from_secs(5);
/// The most redraws in a second.
const REDRAWS: u8 = 20;
/// How often, and after what pauses, a screen that is in use is asked for.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(1);
/// Where a terminal does not tell its width.
const COLUMNS: usize = 80;
/// What stands before a line: a turning mark and a space; and the last column, which stays free.
const FRAME: usize = 3;

/// What is on the screen at this moment.
#[derive(Debug, Default)]
pub(crate) enum Shown {
    /// Only lines.
    #[default]
    Nothing,
    /// A line that is redrawn.
    Bar(ProgressBar),
    /// Events as JSON: nothing else may stand between them.
    Events,
}

/// Standard error as a place for progress; a clone is the same place. The default is no terminal
/// and shows nothing by the clock, so that what is written does not depend on it.
#[derive(Clone, Debug, Default)]
pub struct Screen {
    is_terminal: bool,
    beat: Option<Duration>,
    shown: Arc<Mutex<Shown>>,
}

impl Screen {
    /// What standard error is: lines are redrawn on a terminal that can.
    pub fn of_process() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        Self {
            is_terminal: io::stderr().is_terminal() && !dumb,
            beat: Some(BEAT),
            shown: Arc::default(),
        }
    }

    /// Says something in the middle of a command, below a line that is drawn no more. Nothing is
    /// said between events, which tell it themselves.
    pub fn interrupt(&self, text: &str) {
        let mut shown = self.lock();
        match &*shown {
            Shown::Events => return,
            Shown::Bar(bar) => bar.finish_and_clear(),
            Shown::Nothing => {}
        }
        *shown = Shown::Nothing;
        // There is no other place to complain.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Leaves the terminal as it was found. For a thread that panics or is about to end the
    /// process: it gives up where another one, or it itself, is in the middle of drawing and stays
    /// there.
    pub fn hide(&self) {
        let mut tries = (0..TRIES).filter_map(|i| {
            if i > 0 {
                std::thread::sleep(PAUSE);
            }
            match self.shown.try_lock() {
                Ok(shown) => Some(shown),
                Err(TryLockError::Poisoned(e)) => Some(e.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            }
        });
        let Some(mut shown) = tries.next() else {
            return;
        };
        if let Shown::Bar(bar) = &*shown {
            bar.finish_and_clear();
            *shown = Shown::Nothing;
        }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    pub(crate) fn beat(&self) -> Option<Duration> {
        self.beat
    }

    /// Columns for the text of a line.
    pub(crate) fn columns(&self) -> usize {
        let size = terminal_size::terminal_size_of(io::stderr());
        let width = size.map_or(COLUMNS, |(w, _)| usize::from(w.0));
        width.saturating_sub(FRAME)
    }

    pub(crate) fn begin(&self, with: Shown) {
        *self.lock() = with;
    }

    pub(crate) fn end(&self) {
        let mut shown = self.lock();
        if let Shown::Bar(bar) = &*shown {
            bar.finish_and_clear();
        }
        *shown = Shown::Nothing;
    }

    /// Redraws the line.
    pub(crate) fn draw(&self, line: &str) {
        if let Shown::Bar(bar) = &*self.lock() {
            bar.set_message(line.to_owned());
            bar.tick();
            // The bar is padded to the last column, where the echo of a Ctrl-C would wrap and
            // leave it behind. That it cannot be moved is no reason to stop.
            let _ = io::stderr().write_all(b"\r");
        }
    }

    /// Writes lines above the one that is redrawn, which is `line` from then on.
    pub(crate) fn print(&self, text: &str, line: String) {
        if let Shown::Bar(bar) = &*self.lock() {
            bar.set_message(line);
            bar.suspend(|| {
                // Progress that cannot be shown is no reason to stop.
                let _ = writeln!(io::stderr(), "{text}");
            });
        }
    }

    #[cfg(test)]
    pub(crate) fn is_drawing(&self) -> bool {
        matches!(&*self.lock(), Shown::Bar(_))
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line to be redrawn; nothing is drawn yet.
pub(crate) fn bar() -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(REDRAWS);
    let bar = ProgressBar::with_draw_target(None, target);
    match ProgressStyle::with_template("{spinner} {msg}") {
        Ok(style) => bar.with_style(style.tick_chars("|/-\\ ")),
        Err(_) => bar,
    }
}
