//! `cargo run -p ceg4n-dev -- book`: writes the generated pages of the book.

use ceg4n_dev::{Tree, book};
use std::process::ExitCode;

#[expect(
    clippy::print_stderr,
    reason = "a command-line tool reports its errors"
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
        _ => {
            eprintln!("usage: cargo run -p ceg4n-dev -- book");
            ExitCode::from(2)
        }
    }
}
