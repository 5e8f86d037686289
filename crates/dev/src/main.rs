//! `cargo run -p ceg4n-dev -- book`: writes the generated pages of the book;
//! `… -- network NAME OUT.nnir`: writes a generated network;
//! `… -- examples [PAGE]`: carries out the worked examples of the book;
//! `… -- kernels`: measures emitted kernels, see `--help`;
//! `… -- formulas`: measures formulas with and without the rewriter, see `--help`;
//! `… -- kills COMPILE…`: kills runs and lets them go on, see `--help`;
//! `… -- untested`: lists what has no text test.

use ceg4n_dev::{Tree, book, examples, formulas, kernels, kills, networks, untested};
use clap::{CommandFactory, Parser};
use std::path::Path;
use std::process::ExitCode;

#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command-line tool prints its result and reports its errors"
)]
fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["book"] => match book::write(&Tree::root()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("error: {e}");
                ExitCode::FAILURE
            }
        },
        ["network", name, out] => match networks::module(name) {
            Some(made) => {
                let written = made.and_then(|m| Ok(ceg4n_syntax::save(Path::new(out), &m)?));
                match written {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(e) => {
                        eprintln!("error: {e}");
                        ExitCode::FAILURE
                    }
                }
            }
            None => {
                eprintln!("error: no network {name}; there are dense and mobile");
                ExitCode::from(2)
            }
        },
        ["examples", ref page @ ..] if page.len() < 2 => {
            let page = page.first().copied();
            ended(examples::run(page, &mut |line| println!("{line}")))
        }
        ["kernels", ..] => {
            let options = kernels::Options::parse_from(&arguments);
            ended(kernels::table(&options, &mut |line| print!("{line}")))
        }
        ["formulas", ..] => {
            let options = formulas::Options::parse_from(&arguments);
            ended(formulas::table(&options, &mut |line| print!("{line}")))
        }
        ["kills", ..] => {
            let options = kills::Options::parse_from(&arguments);
            ended(kills::run(&options, &mut |line| println!("{line}")))
        }
        ["untested"] => match Tree::read(&Tree::root()) {
            Ok(tree) => {
                print!(
                    "{}",
                    untested::listing(&tree, &ceg4nc::args::Cli::command())
                );
                ExitCode::SUCCESS
            }
            Err(e) => {
                eprintln!("error: {e}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!(
                "usage: cargo run -p ceg4n-dev -- book|network dense|mobile OUT.nnir|examples [PAGE]|kernels [OPTIONS]|formulas [OPTIONS]|kills COMPILE…|untested"
            );
            ExitCode::from(2)
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a command-line tool reports its errors"
)]
fn ended(done: Result<(), impl std::fmt::Display>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}
