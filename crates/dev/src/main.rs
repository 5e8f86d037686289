//! `cargo run -p ceg4n-dev -- book`: writes the generated pages of the book;
//! `… -- network NAME OUT.nnir`: writes a generated network;
//! `… -- kernels`: measures emitted kernels, see `--help`;
//! `… -- formulas`: measures formulas with and without the rewriter, see `--help`.

use ceg4n_dev::{Tree, book, formulas, kernels, networks};
use clap::Parser;
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
        ["kernels", ..] => {
            let options = kernels::Options::parse_from(&arguments);
            ended(kernels::table(&options, &mut |line| print!("{line}")))
        }
        ["formulas", ..] => {
            let options = formulas::Options::parse_from(&arguments);
            ended(formulas::table(&options, &mut |line| print!("{line}")))
        }
        _ => {
            eprintln!(
                "usage: cargo run -p ceg4n-dev -- book|network dense|mobile OUT.nnir|kernels [OPTIONS]|formulas [OPTIONS]"
            );
            ExitCode::from(2)
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a command-line tool reports its errors"
)]
fn ended(done: Result<(), ceg4n_dev::Error>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}
