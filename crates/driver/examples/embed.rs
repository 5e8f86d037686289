//! The compiler inside another program: a network that stands in memory is compiled, watched and
//! cancelled, verified anew and evaluated.
//!
//! `cargo run -p ceg4n-driver --example embed`

use ceg4n_driver::{
    Cancel, Compilation, CompileOptions, Event, LoadOptions, Progress, Quiet, RunOptions, Status,
    VerifyOptions, compile, run, verify,
};
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, mpsc};

/// Which of two sensors reads more?
const NETWORK: &str = r#"
nnir 1;

network @sensors {
  %x = input : tensor<2>;
  %w0 = const [[1, -0.75], [-0.5, 1.25]] : tensor<2x2>;
  %b0 = const [0.125, -0.0625] : tensor<2>;
  %h = dense %x, %w0, %b0 : tensor<2>;
  %r = relu %h : tensor<2>;
  %w1 = const [[1.5, -0.5], [-0.25, 1]] : tensor<2x2>;
  %b1 = const [0, 0.25] : tensor<2>;
  %y = dense %r, %w1, %b1 : tensor<2>;
  output %y;
}

region "left" = box([0.7, 0.1], [0.9, 0.3]);
region "right" = box([0.1, 0.6], [0.2, 0.8]);

require top1 domain real on "left", "right";
"#;

/// Sends the events of a run to another thread, which may cancel it.
struct Channel(Mutex<mpsc::Sender<Event>>);

impl Progress for Channel {
    fn note(&self, event: &Event) {
        if let Ok(sender) = self.0.lock() {
            // Whoever does not listen any more is not told.
            let _ = sender.send(event.clone());
        }
    }
}

/// The options of a compile that writes to a folder.
fn options(output: &Path) -> CompileOptions {
    let mut options = CompileOptions::of(LoadOptions::from_text("sensors.nnir", NETWORK));
    options.output = Some(output.to_owned());
    options.budget.jobs = 2;
    options
}

/// Compiles on a thread of its own while this one watches, and cancels after `most` iterations.
fn watched(output: &Path, most: usize, out: &mut dyn Write) -> Result<Compilation, Box<dyn Error>> {
    let (sender, events) = mpsc::channel();
    let (channel, cancel) = (Channel(Mutex::new(sender)), Cancel::default());
    std::thread::scope(|s| {
        // The channel goes with the run, so that the loop below ends with it.
        let flag = cancel.clone();
        let work = s.spawn(move || compile(&options(output), &channel, &flag));
        let mut iterations = 0;
        for event in events {
            if let Event::Iteration { version, ended, .. } = event {
                iterations += 1;
                writeln!(out, "  version {version} is {ended}")?;
                cancel.fetch_or(iterations >= most, Ordering::Relaxed);
            }
        }
        let made = work.join().map_err(|_| "the run panicked")?;
        // A failure knows the text that it speaks of: it is shown as the program shows it.
        made.map_err(|failure| failure.render(false).into())
    })
}

/// All of it, into folders below `place`.
pub(crate) fn embed(place: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    writeln!(out, "a compile:")?;
    let made = watched(&place.join("whole"), usize::MAX, out)?;
    let cost = made.report.cost.as_ref().map_or(0, |c| c.value);
    writeln!(out, "{:?} with {cost} bits of weights", made.report.status)?;

    writeln!(out, "one that may be cancelled after its first iteration:")?;
    let cut = watched(&place.join("cut"), 1, out)?;
    writeln!(out, "it ends as {:?}", cut.report.status)?;

    let kernel = made.folder.join("sensors.final.nnir");
    let mut again = VerifyOptions::new(&kernel);
    again.budget.jobs = 1;
    let found = verify(&again, &Quiet, &Cancel::default())?;
    let proved = found.report.status == Status::Proved;
    writeln!(out, "what was written is proved: {proved}")?;

    let input = vec!["0.8".parse()?, "0.2".parse()?];
    let (_, results) = run(&RunOptions::new(LoadOptions::new(&kernel), vec![input]))?;
    for result in &results {
        let kernel = result.kernel.as_ref().and_then(|k| k.class);
        let reference = result.reference.class;
        writeln!(out, "classes {reference:?} and {kernel:?}")?;
    }

    writeln!(out, "a mistake is a value:")?;
    let text = NETWORK.replace("relu %h", "relu %nothing");
    let wrong = CompileOptions::of(LoadOptions::from_text("wrong.nnir", text));
    match compile(&wrong, &Quiet, &Cancel::default()) {
        Ok(_) => Err("a name that is not defined was accepted".into()),
        Err(failure) => Ok(writeln!(out, "{}", failure.render(false).trim_end())?),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    embed(place.path(), &mut io::stdout())
}
