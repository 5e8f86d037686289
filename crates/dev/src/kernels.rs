//! The table of emitted kernels: flash, RAM, stack, instructions or cycles of every form on every
//! board, beside a plain int8 loop and float C of the same network.

mod baseline;
pub(crate) mod net;
mod row;

use crate::{Error, Tree};
use ceg4n_boards::rust::Rust;
use ceg4n_boards::{Board, Level};
use ceg4n_emit::{EmitOptions, KernelChoice, Target};
use clap::Parser;
use net::{Candidate, Net};
use row::Row;
use std::path::PathBuf;

/// Networks of the benchmarks that are measured where none is named.
const NETWORKS: [&str; 5] = [
    "iris_4x2",
    "seeds_10x1",
    "mnist_64_25x1",
    "mnist_784_10x1",
    "ACASXU_run2a_1_1_batch_2000",
];

/// Multiplications up to which straight-line code is measured unasked: beyond, a compiler takes
/// minutes and more memory than a small machine has.
const STRAIGHT_MACS: usize = 2_000;

/// What is measured.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo run -p ceg4n-dev -- kernels")]
pub struct Options {
    /// A network: .onnx with --regions, or .nnir; one that has formats is measured with them.
    /// Default: five networks of the folder CEG4N_BENCHMARKS
    #[arg(long = "net", value_name = "FILE")]
    nets: Vec<PathBuf>,
    /// Regions of the networks that have none
    #[arg(long, value_name = "FILE")]
    regions: Option<PathBuf>,
    /// Bits of weights and activations that a network without formats gets
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "W:A",
        default_value = "8:8,4:8"
    )]
    formats: Vec<String>,
    /// Boards by name: m0, m3, m4, m7, m33, avr
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAME",
        default_value = "m4,m0,avr"
    )]
    boards: Vec<String>,
    /// Targets of the emitted C: the generic one, the board's own, or by name
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAME",
        default_value = "generic,own"
    )]
    targets: Vec<String>,
    /// Kernel choices by name; default: all, straight-line code for small networks only
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    kernels: Vec<String>,
    /// The optimisation at which instructions are counted: O0, O2, O3, Os
    #[arg(long, default_value = "O2")]
    level: String,
    /// Write the C of every row below this folder, to look at what a compiler makes of it
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// Measure the emitted Rust too, on Cortex-M; the first time this builds a core library
    #[arg(long)]
    rust: bool,
    /// Measure every kernel without the exact rewriter too
    #[arg(long)]
    effect: bool,
    /// Leave the plain int8 loop and float C out
    #[arg(long)]
    no_baselines: bool,
}

/// The table as Markdown, handed to `print` as it grows.
///
/// # Errors
/// Wrong names, networks that cannot be read or quantized, missing tools, what compilers refuse.
pub fn table(options: &Options, print: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let setup = Setup::new(options)?;
    print(&row::heading(setup.level));
    for (file, regions) in files(options)? {
        let net = net::load(&file, regions.as_deref(), &options.formats)?;
        for board in &setup.boards {
            for row in setup.rows(&net, *board)? {
                print(&row.markdown());
            }
        }
    }
    print(row::LEGEND);
    Ok(())
}

/// The options, understood.
struct Setup {
    boards: Vec<Board>,
    targets: Vec<String>,
    kernels: Vec<KernelChoice>,
    /// Straight-line code was asked for by name.
    unrolled: bool,
    level: Level,
    baselines: bool,
    /// With the rewriter, and without where asked for.
    rewrite: Vec<bool>,
    rust: Option<Rust>,
    keep: Option<PathBuf>,
}

fn wrong(what: &str, name: &str) -> Error {
    Error::Content {
        place: what.to_owned(),
        message: format!("there is none called `{name}`"),
    }
}

impl Setup {
    fn new(options: &Options) -> Result<Self, Error> {
        let board = |name: &String| match Board::named(name) {
            Some(b) if !b.is_host() => Ok(b),
            Some(_) | None => Err(wrong("--boards", name)),
        };
        let kernel =
            |name: &String| KernelChoice::from_name(name).ok_or_else(|| wrong("--kernels", name));
        let kernels: Result<Vec<_>, _> = options.kernels.iter().map(kernel).collect();
        let kernels = match kernels? {
            none if none.is_empty() => KernelChoice::ALL.to_vec(),
            some => some,
        };
        let unrolled = options
            .kernels
            .contains(&KernelChoice::Unrolled.name().to_owned());
        let levels = [Level::O0, Level::O2, Level::O3, Level::Os];
        let level = |l: &Level| l.flag().trim_start_matches('-') == options.level;
        let boards: Result<Vec<_>, _> = options.boards.iter().map(board).collect();
        let boards = boards?;
        for b in &boards {
            if let Some(tool) = b.missing() {
                return Err(row::failed(
                    &b.to_string(),
                    ceg4n_boards::Error::Missing(tool),
                ));
            }
        }
        let rust = match options.rust {
            false => None,
            true => Some(Rust::find().ok_or_else(|| Error::Content {
                place: "--rust".to_owned(),
                message: "there is no rustc with the sources of its library".to_owned(),
            })?),
        };
        Ok(Self {
            boards,
            targets: options.targets.clone(),
            kernels,
            unrolled,
            level: levels
                .into_iter()
                .find(level)
                .ok_or_else(|| wrong("--level", &options.level))?,
            baselines: !options.no_baselines,
            rewrite: match options.effect {
                true => vec![true, false],
                false => vec![true],
            },
            rust,
            keep: options.keep.clone(),
        })
    }

    /// The targets for a board, without repetition.
    fn targets(&self, board: Board) -> Result<Vec<Target>, Error> {
        let mut all = Vec::new();
        for name in &self.targets {
            let target = match name.as_str() {
                "own" => row::own_target(board),
                _ => Target::from_name(name).ok_or_else(|| wrong("--targets", name))?,
            };
            if !all.contains(&target) {
                all.push(target);
            }
        }
        Ok(all)
    }

    /// Whether a kernel choice is measured on a network.
    fn suits(&self, net: &Net, kernel: KernelChoice) -> bool {
        let small = net.module.network.macs() <= STRAIGHT_MACS;
        small || self.unrolled || kernel != KernelChoice::Unrolled
    }

    /// Every form of a network on a board; forms of the same text are one row.
    fn rows(&self, net: &Net, board: Board) -> Result<Vec<Row>, Error> {
        let mut rows: Vec<Row> = Vec::new();
        for candidate in &net.candidates {
            let mut texts: Vec<(Vec<ceg4n_boards::Source>, usize)> = Vec::new();
            for target in self.targets(board)? {
                let kernels = self.kernels.iter().filter(|k| self.suits(net, **k));
                let ways = kernels.flat_map(|k| self.rewrite.iter().map(move |r| (*k, *r)));
                for (kernel, rewrite) in ways {
                    let options = EmitOptions {
                        target,
                        kernel,
                        rewrite,
                        ..EmitOptions::default()
                    };
                    let sources = row::emitted(net, candidate, options)?;
                    let how = if rewrite { "" } else { ", no rewriting" };
                    let form = format!("{} {}{how}", target.name(), kernel.name());
                    let known = texts.iter().find(|(s, _)| *s == sources);
                    if let Some((_, at)) = known {
                        rows[*at].also(&form);
                        continue;
                    }
                    let vectors = row::vectors(net, candidate, board)?;
                    let subject = row::Form {
                        formats: &candidate.formats,
                        form: &form,
                        sources: &sources,
                        vectors: &vectors,
                        float_unit: false,
                        objects: [&[], &[]],
                        agree: Some(candidate.agree),
                    };
                    rows.push(self.row(net, board, &subject)?);
                    texts.push((sources, rows.len() - 1));
                }
            }
        }
        if let Some(rust) = self.rust.as_ref().filter(|_| board.is_cortex_m()) {
            for candidate in &net.candidates {
                rows.push(self.rust_row(net, candidate, board, rust)?);
            }
        }
        if self.baselines {
            rows.extend(self.baseline_rows(net, board)?);
        }
        Ok(rows)
    }

    fn rust_row(
        &self,
        net: &Net,
        candidate: &Candidate,
        board: Board,
        rust: &Rust,
    ) -> Result<Row, Error> {
        let (header, made) = row::emitted_rust(net, candidate)?;
        let cache = Tree::root().join("target").join("tmp");
        let compile = |level| {
            let compiled = rust.compile(board, level, std::slice::from_ref(&made), &cache);
            compiled.map_err(|e| row::failed(&net.name, e))
        };
        let (main, small) = (compile(self.level)?, compile(Level::Os)?);
        let form = row::Form {
            formats: &candidate.formats,
            form: "Rust",
            sources: &[header],
            vectors: &row::vectors(net, candidate, board)?,
            float_unit: false,
            objects: [&main.objects, &small.objects],
            agree: Some(candidate.agree),
        };
        self.row(net, board, &form)
    }

    fn row(&self, net: &Net, board: Board, form: &row::Form<'_>) -> Result<Row, Error> {
        if let Some(folder) = &self.keep {
            let name = format!("{} {} {}", board.name(), form.formats, form.form);
            let name = name.replace([' ', ':', ','], "-");
            row::keep(&folder.join(&net.name).join(name), form.sources)?;
        }
        row::measured(net, board, self.level, form)
    }

    fn baseline_rows(&self, net: &Net, board: Board) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        let Some(chain) = baseline::chain(net) else {
            return Ok(rows);
        };
        for (form, made, float_unit) in [
            ("plain int8", baseline::int8(net, &chain), false),
            ("float", baseline::float(net, &chain), false),
            ("float, FPU", baseline::float(net, &chain), true),
        ] {
            if float_unit && !board.has_float_unit() {
                continue;
            }
            let vectors = row::fitting(made.vectors, made.input_bytes, board);
            let subject = row::Form {
                formats: if form == "plain int8" {
                    "int8"
                } else {
                    "float"
                },
                form,
                sources: &made.sources,
                vectors: &vectors,
                float_unit,
                objects: [&[], &[]],
                agree: None,
            };
            rows.push(self.row(net, board, &subject)?);
        }
        Ok(rows)
    }
}

/// The networks with their regions.
fn files(options: &Options) -> Result<Vec<(PathBuf, Option<PathBuf>)>, Error> {
    if !options.nets.is_empty() {
        let with = |n: &PathBuf| (n.clone(), options.regions.clone());
        return Ok(options.nets.iter().map(with).collect());
    }
    let Some(folder) = std::env::var_os("CEG4N_BENCHMARKS") else {
        return Err(Error::Content {
            place: "kernels".to_owned(),
            message: "name networks with --net, or the benchmarks' folder in CEG4N_BENCHMARKS"
                .to_owned(),
        });
    };
    let folder = PathBuf::from(folder).join("ceg4n");
    let file = |name: &&str| {
        (
            folder.join(format!("networks/{name}.onnx")),
            Some(folder.join(format!("regions/{name}.json"))),
        )
    };
    Ok(NETWORKS.iter().map(file).collect())
}
