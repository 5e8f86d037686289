//! The house rules hold in this repository. That each rule can be broken is shown beside it.

use ceg4n_dev::{Error, Finding, Tree, book, commands, layers, licences, listed, tidy, untested};
use clap::CommandFactory;

fn expect_none(findings: &[Finding]) {
    assert!(findings.is_empty(), "\n{}", listed(findings));
}

#[test]
fn dependencies_point_one_way() -> Result<(), Error> {
    let edges = layers::edges(&Tree::read(&Tree::root())?)?;
    assert!(edges.len() > 2, "crates were found");
    expect_none(&layers::check(&edges));
    Ok(())
}

#[test]
fn the_house_is_tidy() -> Result<(), Error> {
    expect_none(&tidy::check(&Tree::read(&Tree::root())?));
    Ok(())
}

#[test]
fn generated_pages_are_up_to_date() -> Result<(), Error> {
    if std::env::var_os("BLESS").is_some() {
        book::write(&Tree::root())?;
    }
    expect_none(&book::outdated(&Tree::read(&Tree::root())?));
    Ok(())
}

#[test]
fn links_and_quotations_are_right() -> Result<(), Error> {
    let tree = Tree::read(&Tree::root())?;
    expect_none(&book::links(&tree));
    expect_none(&book::quotation(&tree));
    Ok(())
}

#[test]
fn the_command_line_page_is_complete() -> Result<(), Error> {
    let tree = Tree::read(&Tree::root())?;
    expect_none(&commands::check(&tree, &ceg4nc::args::Cli::command()));
    Ok(())
}

#[test]
fn everything_has_a_text_test() -> Result<(), Error> {
    let tree = Tree::read(&Tree::root())?;
    let program = ceg4nc::args::Cli::command();
    expect_none(&untested::check(&tree, &program, untested::EXEMPT));
    Ok(())
}

#[test]
fn tests_hold_nothing_that_no_test_needs() -> Result<(), Error> {
    expect_none(&untested::unused(&Tree::read(&Tree::root())?));
    Ok(())
}

#[test]
fn licences_and_sources_are_allowed() -> Result<(), Error> {
    let root = Tree::root();
    let allowed = licences::allowed(&Tree::read(&root)?)?;
    let packages = licences::packages(&root, env!("HOST"))?;
    assert!(packages.len() > 20, "packages were found");
    expect_none(&licences::check(&packages, &allowed));
    Ok(())
}
