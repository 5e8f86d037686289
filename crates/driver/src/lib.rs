//! `ceg4nc` as a library: what the program's commands do, as calls that return values.
//!
//! [`compile`](compile()) searches formats for a network, proves the kernel and writes it,
//! [`verify`](verify()) decides the requirements of an annotated network, and [`run`](run()) evaluates
//! reference and kernel on inputs. Each takes an options struct: plain fields, of which `new` or
//! `of` fills in the defaults of the command line. Other commands have their own modules:
//! [`check`], [`import`], [`opt`], [`query`], [`mod@bench`], [`explain`], [`reduce`], [`rules`],
//! [`runs`], [`doctor`].
//!
//! ```
//! use ceg4n_driver::{Cancel, CompileOptions, Event, LoadOptions, Progress, Status};
//! use ceg4n_driver::{RunOptions, VerifyOptions, compile, run, verify};
//!
//! const SENSORS: &str = r#"
//! nnir 1;
//! network @sensors {
//!   %x = input : tensor<2>;
//!   %w = const [[1, -0.75], [-0.5, 1.25]] : tensor<2x2>;
//!   %y = dense %x, %w : tensor<2>;
//!   output %y;
//! }
//! region "left" = box([0.7, 0.1], [0.9, 0.3]);
//! require top1 on "left";
//! "#;
//!
//! /// Says which versions are proved. Events come from any thread of the run.
//! struct Talk;
//!
//! impl Progress for Talk {
//!     fn note(&self, event: &Event) {
//!         if let Event::Iteration { version, ended, .. } = event {
//!             println!("version {version}: {ended}");
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let mut options = CompileOptions::of(LoadOptions::from_text("sensors.nnir", SENSORS));
//! options.output = Some(folder.path().join("out"));
//! options.budget.jobs = 2;
//!
//! // Another thread may set it at any time; the run then ends with what it has.
//! let cancel = Cancel::default();
//! let made = compile(&options, &Talk, &cancel)?;
//! assert_eq!(made.report.status, Status::Proved);
//!
//! // What was written can be verified anew, and evaluated.
//! let kernel = made.folder.join("sensors.final.nnir");
//! let found = verify(&VerifyOptions::new(&kernel), &Talk, &cancel)?;
//! assert_eq!(found.report.status, Status::Proved);
//! let input = vec!["0.8".parse()?, "0.2".parse()?];
//! let (_, results) = run(&RunOptions::new(LoadOptions::new(&kernel), vec![input]))?;
//! assert_eq!(results[0].reference.class, Some(0));
//! assert_eq!(results[0].kernel.as_ref().and_then(|k| k.class), Some(0));
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! Nothing here prints or ends the process. What is wrong with options or files is a [`Failure`]:
//! diagnostics with codes and places, which [`Failure::render`] shows as the program does. A verdict is
//! no error: REFUTED and UNKNOWN stand in the [`Report`].
//!
//! # Several runs at once
//!
//! Calls share nothing but tables that never change and counters that name things, so that runs
//! on several threads give what each gives alone, and cancelling one does not touch the others.
//! Two runs must write to different folders: the second of two in one folder is refused. The
//! working directory is only looked at for relative paths, of which the default output folder is
//! one; signal handlers, environment variables and streams are left as they are. What is the
//! process's, not a run's: a [`memory limit`](options::Budget::memory_limit_mib) counts all memory
//! of the process, and [`usage`] tells its time and memory.

mod account;
mod artifacts;
pub mod bench;
mod candidates;
pub mod check;
pub mod compile;
pub mod data;
mod demand;
pub mod doctor;
mod engine;
pub mod explain;
pub mod failure;
mod fit;
mod guide;
pub mod import;
mod layers;
pub mod load;
pub mod opt;
mod optimality;
pub mod options;
mod outcome;
pub mod output;
pub mod page;
mod parallel;
mod pareto;
mod plan;
pub mod points;
pub mod progress;
mod quantize_uniform;
pub mod query;
mod record;
pub mod reduce;
mod regions;
mod replace;
mod resources;
pub mod resume;
pub mod rules;
pub mod run;
pub mod runs;
pub mod scalar;
pub mod simplify;
pub mod smt;
mod told;
pub mod validate;
pub mod verify;

pub use ceg4n_base::{Diagnostic, Diagnostics, Exact, Sources};
pub use ceg4n_ir::{Domain, Property, Region, Rounding};
pub use ceg4n_report::{Report, Status};
pub use ceg4n_verify::Precision;
pub use compile::{Compilation, compile};
pub use failure::Failure;
pub use load::{Loaded, Obligation};
pub use options::{Budget, CompileOptions, LoadOptions, VerifyOptions};
pub use progress::{Cancel, Event, Live, Progress, Quiet, Stage};
pub use resources::{Usage, usage};
pub use run::{RunOptions, RunResult, run};
pub use verify::{Verification, verify};
