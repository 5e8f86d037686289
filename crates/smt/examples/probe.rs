//! Probe.
#![allow(clippy::print_stdout)]
use ceg4n_smt::law;
fn main() {
    for rule in ceg4n_opspec::rewrite_rules() {
        println!("{:20} {} {}", rule.name, law::identity(rule), rule.law());
    }
}
