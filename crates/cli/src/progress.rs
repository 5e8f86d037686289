//! What is shown on standard error while a command runs: one line that is redrawn on a terminal,
//! a line every few seconds elsewhere, or one JSON object per event.

mod json;
mod line;
mod screen;
mod state;

pub use screen::Screen;

use crate::args::ProgressWhen;
use ceg4n_driver::{Cancel, Event, Live, Progress};
use screen::Shown;
use state::State;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// Between two looks of a line that is redrawn: ten times a second.
const FRAME: Duration = Duration::from_millis(100);
/// Shorter commands show no such line.
const PATIENCE: Duration = Duration::from_millis(250);
/// Between two lines of numbers as JSON.
const SECOND: Duration = Duration::from_secs(1);
/// A line that would say what the last one said is left out so many times.
const SILENT: u32 = 6;

/// How a call shows progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A line that is redrawn.
    Bar,
    /// A line from time to time; never if that is `None`.
    Lines(Option<Duration>),
    /// An object per event.
    Json,
}

/// The form that a call asks for; `None` shows nothing.
pub(crate) fn form(when: ProgressWhen, quiet: bool, screen: &Screen) -> Option<Form> {
    match when {
        ProgressWhen::Never => None,
        ProgressWhen::Json => Some(Form::Json),
        ProgressWhen::Auto if quiet => None,
        ProgressWhen::Auto if screen.is_terminal() => Some(Form::Bar),
        ProgressWhen::Auto => Some(Form::Lines(screen.beat())),
    }
}

/// A display while a command runs.
pub(crate) struct Display<'d> {
    form: Form,
    /// Each event as a line besides.
    verbose: bool,
    screen: &'d Screen,
    err: Mutex<&'d mut (dyn Write + Send + 'd)>,
    cancel: &'d Cancel,
    state: Mutex<State>,
    begun: Instant,
    ended: Mutex<bool>,
    wake: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'d> Display<'d> {
    pub(crate) fn new(
        (form, verbose): (Form, bool),
        screen: &'d Screen,
        err: &'d mut (dyn Write + Send + 'd),
        cancel: &'d Cancel,
    ) -> Self {
        Self {
            form,
            verbose,
            screen,
            err: Mutex::new(err),
            cancel,
            state: Mutex::default(),
            begun: Instant::now(),
            ended: Mutex::new(false),
            wake: Condvar::new(),
        }
    }

    /// Works while a thread of its own keeps the display up to date. However the work ends, by a
    /// panic too, the display is gone after it.
    pub(crate) fn during<T>(&self, work: impl FnOnce(&dyn Progress) -> T) -> T {
        self.screen.begin(match self.form {
            Form::Bar => Shown::Bar(screen::bar()),
            Form::Lines(_) => Shown::Nothing,
            Form::Json => Shown::Events,
        });
        std::thread::scope(|s| {
            let _end = End(self);
            if self.form != Form::Lines(None) {
                // Without the thread there is less to be seen, which is no reason to stop.
                let _ = Builder::new().spawn_scoped(s, || self.keep());
            }
            work(self)
        })
    }

    /// Shows the state from time to time until the command ends.
    fn keep(&self) {
        match self.form {
            Form::Bar => self.draw(),
            Form::Lines(Some(beat)) => self.tell_every(beat),
            Form::Lines(None) => {}
            Form::Json => self.count_every(SECOND),
        }
    }

    /// Waits; false when the command has ended.
    fn wait(&self, time: Duration) -> bool {
        let ended = lock(&self.ended);
        let waited = self.wake.wait_timeout_while(ended, time, |ended| !*ended);
        let (ended, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !*ended
    }

    fn draw(&self) {
        let mut rest = PATIENCE;
        while self.wait(rest) {
            rest = FRAME;
            if self.cancel.load(Ordering::Relaxed) {
                // Who cancels says so below what was shown.
                self.screen.hide();
                continue;
            }
            let line = line::fit(self.parts(), self.screen.columns());
            self.screen.draw(&line);
        }
    }

    fn tell_every(&self, beat: Duration) {
        let mut last = String::new();
        let mut silent = 0;
        while self.wait(beat) {
            let parts = self.parts();
            let what = line::without_time(&parts);
            silent += 1;
            if what != last || silent >= SILENT {
                self.write(&format!("{}\n", line::whole(parts)));
                (last, silent) = (what, 0);
            }
        }
    }

    fn count_every(&self, beat: Duration) {
        let (mut last, mut stopping) = (None, false);
        // A cancellation is told sooner than at the next beat.
        let mut next = beat;
        while self.wait(FRAME) {
            if !stopping && self.cancel.load(Ordering::Relaxed) {
                stopping = true;
                self.write(&json::line(&json::Clocked::Stopping, self.begun.elapsed()));
            }
            if self.begun.elapsed() < next {
                continue;
            }
            next = self.begun.elapsed() + beat;
            let counts = lock(&self.state).live().map(json::Clocked::counts);
            if counts != last
                && let Some(counts) = &counts
            {
                self.write(&json::line(counts, self.begun.elapsed()));
            }
            last = counts;
        }
    }

    fn parts(&self) -> Vec<line::Part> {
        lock(&self.state).parts(self.begun.elapsed())
    }

    fn write(&self, text: &str) {
        // Progress that cannot be shown is no reason to stop.
        let _ = lock(&self.err).write_all(text.as_bytes());
    }
}

impl Progress for Display<'_> {
    fn note(&self, event: &Event) {
        let now = self.begun.elapsed();
        let news = lock(&self.state).take(event, now);
        let text = match self.verbose {
            true => line::of_event(event),
            false => news,
        };
        match (self.form, text) {
            (Form::Json, _) => self.write(&json::line(event, now)),
            (Form::Bar, Some(text)) => {
                let line = line::fit(self.parts(), self.screen.columns());
                self.screen.print(&text, line);
            }
            // Elsewhere than on a terminal news wait for the next line, or for the result.
            (Form::Lines(_), Some(text)) if self.verbose => self.write(&format!("{text}\n")),
            (Form::Bar | Form::Lines(_), _) => {}
        }
    }

    fn watch(&self, live: &Arc<Live>) {
        lock(&self.state).watch(live.clone());
    }
}

/// Ends a display.
struct End<'e, 'd>(&'e Display<'d>);

impl Drop for End<'_, '_> {
    fn drop(&mut self) {
        *lock(&self.0.ended) = true;
        self.0.wake.notify_all();
        self.0.screen.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ceg4n_driver::Stage;
    use std::io;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc::{Sender, channel};

    /// Hands each line to who waits for it.
    struct Lines(Sender<String>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.0.send(text).map_err(io::Error::other)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn stage() -> Event {
        Event::Stage {
            stage: Stage::Search,
            detail: String::new(),
            of: None,
        }
    }

    #[test]
    fn lines_come_by_the_clock_and_json_by_the_event() {
        let (sender, lines) = channel();
        let (mut err, cancel, screen) = (Lines(sender), Cancel::default(), Screen::default());
        let form = Form::Lines(Some(Duration::from_millis(1)));
        let display = Display::new((form, false), &screen, &mut err, &cancel);
        display.during(|progress| {
            progress.note(&stage());
            while !lines.recv().is_ok_and(|l| l.starts_with("search 0:")) {}
        });
        let display = Display::new((Form::Json, false), &screen, &mut err, &cancel);
        display.during(|progress| {
            while lines.try_recv().is_ok() {}
            progress.note(&stage());
            let line = lines.recv().unwrap_or_default();
            assert!(line.starts_with(r#"{"event":"stage","stage":"search","#));
            cancel.store(true, Ordering::Relaxed);
            let line = lines.recv().unwrap_or_default();
            assert!(line.starts_with(r#"{"event":"stopping","seconds":"#));
        });
    }

    #[test]
    fn without_a_clock_only_verbose_says_something() {
        for verbose in [false, true] {
            let mut err = Vec::new();
            let (cancel, screen) = (Cancel::default(), Screen::default());
            let form = form(ProgressWhen::Auto, false, &screen);
            assert_eq!(form, Some(Form::Lines(None)));
            let display = Display::new((Form::Lines(None), verbose), &screen, &mut err, &cancel);
            display.during(|progress| progress.note(&stage()));
            assert_eq!(err.is_empty(), !verbose);
        }
    }

    #[test]
    fn a_panic_leaves_nothing_on_the_screen() {
        let mut err = Vec::new();
        let (cancel, screen) = (Cancel::default(), Screen::default());
        let display = Display::new((Form::Bar, false), &screen, &mut err, &cancel);
        let work = || {
            display.during(|progress| {
                progress.note(&stage());
                assert!(screen.is_drawing());
                std::panic::resume_unwind(Box::new(()));
            })
        };
        assert!(catch_unwind(AssertUnwindSafe(work)).is_err());
        assert!(!screen.is_drawing());
    }
}
