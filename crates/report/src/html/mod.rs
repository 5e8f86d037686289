//! `report.html`: a report as one page for people. It works offline and without scripts, in light
//! and dark and on paper, and has no figure that is not in the report.
//!
//! What stands on the page is computed here, as plain values; `templates/report.html` says where it
//! stands. The template escapes every text.

mod chart;
mod formats;
mod measured;
mod picture;
mod regions;
mod search;
mod summary;
mod trace;
mod words;

use crate::Report;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Serialize;

/// The page's structure and its style.
const PAGE: &str = include_str!("../../templates/report.html");
const STYLE: &str = include_str!("../../templates/report.css");
const MACROS: &str = include_str!("../../templates/macros.html");

/// Everything that the template shows.
#[derive(Serialize)]
struct View {
    summary: summary::Summary,
    regions: Vec<regions::Group>,
    formats: formats::Formats,
    search: Option<search::Search>,
    pareto: Option<search::Front>,
    trace: Option<trace::Trace>,
    pictures: Option<picture::Gallery>,
    measured: measured::Measured,
    targets: Vec<measured::Target>,
    optimality: Option<search::Optimum>,
    again: summary::Again,
    glossary: Vec<summary::Term>,
}

/// The page of a report: a function of the report alone.
pub fn html(report: &Report) -> String {
    let view = View {
        summary: summary::summary(report),
        regions: regions::groups(report),
        formats: formats::formats(report),
        search: search::search(report),
        pareto: search::front(report),
        trace: trace::trace(report),
        pictures: picture::gallery(report),
        measured: measured::measured(report),
        targets: measured::targets(report),
        optimality: search::optimum(report),
        again: summary::again(report),
        glossary: summary::glossary(report),
    };
    // The template is part of the program and tests render every branch of it; its filters are
    // total.
    render(&view).expect("the page's template fits its values")
}

fn render(view: &View) -> Result<String, minijinja::Error> {
    let mut env = Environment::new();
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    env.set_syntax(syntax);
    env.add_template("macros.html", MACROS)?;
    env.add_template("report.html", PAGE)?;
    let style = Value::from_safe_string(STYLE.to_owned());
    let page = env.get_template("report.html")?;
    page.render(minijinja::context! { style, ..Value::from(Serde(view)) })
}
