//! The soundness check at any size: `cargo run -p ceg4n-verify --example soundness -- 20000`
//! compares the verdicts of that many random questions per domain with the oracles of the tests
//! and prints the counts. A second number is the first seed.

#![expect(clippy::print_stdout, reason = "a program for the command line")]

#[expect(dead_code, reason = "only tests look at evidence")]
#[path = "../tests/it/compare.rs"]
mod compare;
#[path = "../tests/it/generate.rs"]
mod generate;
#[path = "../tests/it/model.rs"]
mod model;
#[path = "../tests/it/oracle.rs"]
mod oracle;
#[path = "../tests/it/pieces.rs"]
mod pieces;
#[path = "../tests/it/questions.rs"]
mod questions;

fn main() -> Result<(), String> {
    let mut numbers = Vec::new();
    for a in std::env::args().skip(1) {
        numbers.push(a.parse().map_err(|_| format!("`{a}` is no number"))?);
    }
    let cases = numbers.first().copied().unwrap_or(20_000);
    let first = numbers.get(1).copied().unwrap_or(0);
    let domains = [false, true]
        .map(|real| std::thread::spawn(move || (real, compare::series(real, first, cases))));
    let mut all = compare::Counts::default();
    for domain in domains {
        let (real, counts) = domain.join().map_err(|_| "a thread died".to_owned())?;
        let counts = counts?;
        println!("domain {}: {counts}", if real { "real" } else { "grid" });
        add(&mut all, &counts);
    }
    println!("together: {all}");
    Ok(())
}

fn add(all: &mut compare::Counts, part: &compare::Counts) {
    for (k, n) in &part.verdicts {
        *all.verdicts.entry(k.clone()).or_default() += n;
    }
    for (k, n) in &part.labels {
        *all.labels.entry(k).or_default() += n;
    }
    all.cases += part.cases;
    all.refused += part.refused;
    all.solver += part.solver;
    all.empty += part.empty;
}
