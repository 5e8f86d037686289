//! Where the command line reads and writes: results to one stream, messages and progress to the
//! other.

use crate::args::ProgressWhen;
use crate::manners::Manners;
use crate::progress::{self, Display, Screen};
use crate::render::folded;
use ceg4n_base::{Diagnostics, Severity, Sources};
use ceg4n_driver::{Cancel, Failure, Progress, Quiet};
use std::io::{self, Read, Write};

/// The streams of one call.
pub struct Console<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Messages and progress.
    pub err: &'a mut (dyn Write + Send + 'a),
    /// What `-` reads.
    pub input: &'a mut dyn Read,
    /// Colours are for terminals.
    pub err_is_terminal: bool,
    /// `NO_COLOR` was not set.
    pub colours: bool,
    /// Widths, and what the call asks for.
    pub manners: Manners,
    /// Where progress is drawn.
    pub screen: Screen,
    /// Set by the first Ctrl-C.
    pub cancel: Cancel,
}

impl<'a> Console<'a> {
    /// Writes a result.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Shows lines beside the result, on the message stream.
    pub fn say(&mut self, text: &str) {
        // Lines that cannot be shown are no reason to stop.
        let _ = self.err.write_all(text.as_bytes());
    }

    /// Shows a line about what a command does, unless programs or nobody read it.
    pub fn remark(&mut self, text: &str) {
        if !self.manners.quiet && !self.manners.json {
            self.say(&format!("{text}\n"));
        }
    }

    /// Shows lines that only `--verbose` asks for, wrapped.
    pub fn detail(&mut self, text: &str) {
        if self.manners.verbose {
            let lines = folded(text, Some(self.manners.messages()));
            self.say(&lines);
        }
    }

    /// Whether messages are coloured.
    pub fn colours_messages(&self) -> bool {
        self.manners.colours(self.err_is_terminal, self.colours)
    }

    /// Shows diagnostics; under `--quiet` the errors among them.
    pub fn show(&mut self, diagnostics: &Diagnostics, sources: &Sources) {
        let errors;
        let shown = match self.manners.quiet {
            true => {
                let all = diagnostics.0.iter();
                let all = all.filter(|d| d.severity == Severity::Error);
                errors = Diagnostics(all.cloned().collect());
                &errors
            }
            false => diagnostics,
        };
        let text = match self.manners.json {
            true => sources.json(shown),
            // Where nobody knows a width, lines are left whole for programs.
            false => {
                let width = self
                    .manners
                    .message_columns
                    .map(|_| self.manners.messages());
                sources.render_within(shown, self.colours_messages(), width)
            }
        };
        // There is no other place to complain about this one.
        let _ = self.err.write_all(text.as_bytes());
    }

    /// Shows why a command has no result; returns its exit code.
    pub fn fail(&mut self, failure: &Failure) -> i32 {
        self.show(&failure.diagnostics, &failure.sources);
        let errors = failure.diagnostics.0.iter();
        let first = errors
            .filter(|d| d.severity == Severity::Error)
            .map(|d| d.code);
        if let (true, false, Some(code)) = (self.err_is_terminal, self.manners.json, first.min()) {
            self.say(&format!(
                "`ceg4nc help {code}` explains it, with an example\n"
            ));
        }
        failure.exit_code()
    }

    /// Works, and shows how far the work is.
    pub(crate) fn watch<T>(
        &mut self,
        when: ProgressWhen,
        work: impl FnOnce(&dyn Progress, &Cancel) -> T,
    ) -> T {
        let Some(form) = progress::form(when, self.manners.quiet, &self.screen) else {
            return work(&Quiet, &self.cancel);
        };
        let manner = (form, self.manners.verbose);
        let display = Display::new(manner, &self.screen, &mut *self.err, &self.cancel);
        display.during(|shown| work(shown, &self.cancel))
    }
}
