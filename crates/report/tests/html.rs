//! The page of a report: it is well-formed, its figures are the report's, nothing of a report can
//! become markup, nothing is fetched, and its colours can be read.

mod samples;

use ceg4n_report::{ParetoPoint, Region, Report, Status, html};
use roxmltree::{Document, Node, ParsingOptions};
use samples::{full, minimal};
use serde_json::Value;
use std::collections::BTreeMap;

const STYLE: &str = include_str!("../templates/report.css");

fn parsed(page: &str) -> Document<'_> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(page, options).unwrap_or_else(|e| panic!("{e}"))
}

/// The text of a node, white space in one.
fn text(node: Node<'_, '_>) -> String {
    let parts = node.descendants().filter(Node::is_text);
    let all: String = parts.filter_map(|n| n.text()).collect();
    all.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn elements<'a>(doc: &'a Document<'_>, name: &str) -> Vec<Node<'a, 'a>> {
    let all = doc.descendants().filter(|n| n.has_tag_name(name));
    all.collect()
}

fn by_id<'a>(doc: &'a Document<'_>, id: &str) -> Option<Node<'a, 'a>> {
    doc.descendants().find(|n| n.attribute("id") == Some(id))
}

/// The rows of the table of a class: the text of each cell.
fn table(doc: &Document<'_>, class: &str) -> Vec<Vec<String>> {
    let is = |n: &Node<'_, '_>| {
        let classes = n.attribute("class").unwrap_or_default();
        n.has_tag_name("table") && classes.split(' ').any(|c| c == class)
    };
    let tables = doc.descendants().filter(is);
    let rows = tables.flat_map(|t| t.descendants().filter(|n| n.has_tag_name("tr")));
    let cells = |row: Node<'_, '_>| row.children().filter(Node::is_element).map(text).collect();
    rows.map(cells).collect()
}

fn many() -> Report {
    let one = minimal().regions[0].clone();
    let region = |i: usize| Region {
        id: format!("r{i}"),
        boxes: 70_000,
        ..one.clone()
    };
    Report {
        regions: (0..1500).map(region).collect(),
        ..minimal()
    }
}

#[test]
fn every_page_is_well_formed_and_says_what_it_is() {
    for report in [full(), minimal(), many()] {
        let page = html(&report);
        let doc = parsed(&page);
        let root = doc.root_element();
        assert_eq!(root.attribute("lang"), Some("en"));
        assert!(text(elements(&doc, "title")[0]).starts_with(&report.network.name));
        assert_eq!(elements(&doc, "h1").len(), 1);
        let mut ids: Vec<&str> = doc
            .descendants()
            .filter_map(|n| n.attribute("id"))
            .collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "an id occurs twice");
        for n in doc.descendants() {
            // What a reference within the page names is there.
            if let Some(target) = n.attribute("href") {
                let id = target
                    .strip_prefix('#')
                    .expect("only links within the page");
                assert!(by_id(&doc, id).is_some(), "{target}");
            }
            for list in [n.attribute("aria-labelledby")].into_iter().flatten() {
                for id in list.split(' ') {
                    assert!(by_id(&doc, id).is_some(), "{id}");
                }
            }
        }
    }
}

#[test]
fn tables_and_pictures_can_be_read_without_sight() {
    let page = html(&full());
    let doc = parsed(&page);
    for t in elements(&doc, "table") {
        assert!(
            t.children().any(|n| n.has_tag_name("caption")),
            "{}",
            text(t)
        );
        for th in t.descendants().filter(|n| n.has_tag_name("th")) {
            assert!(th.has_attribute("scope"), "{}", text(th));
        }
    }
    for svg in elements(&doc, "svg") {
        let named = svg.has_attribute("aria-label") || svg.has_attribute("aria-labelledby");
        let is_image = svg.attribute("role") == Some("img") && named;
        assert!(is_image || svg.attribute("aria-hidden") == Some("true"));
    }
    let images = elements(&doc, "img");
    // The centre, the counterexample, the difference; the centre in the gallery.
    assert_eq!(images.len(), 4);
    assert!(
        images
            .iter()
            .all(|i| i.attribute("alt").is_some_and(|a| !a.is_empty()))
    );
}

/// A page without what a browser would fetch, run, or follow.
#[test]
fn nothing_is_fetched_and_nothing_runs() {
    for report in [full(), minimal()] {
        let page = html(&report);
        assert!(!page.contains("http://") && !page.contains("https://"));
        for word in [
            "<script",
            "<link",
            "<iframe",
            "@import",
            "url(",
            "javascript:",
            "srcset",
        ] {
            assert!(!page.contains(word), "{word}");
        }
        assert!(page.contains("default-src 'none'"));
        let doc = parsed(&page);
        for n in doc.descendants() {
            let source = n.attribute("src").unwrap_or("data:");
            assert!(source.starts_with("data:"), "{source}");
            for a in n.attributes() {
                assert!(!a.name().starts_with("on"), "{}", a.name());
            }
        }
    }
}

/// Every text of a report, with markup in it.
fn hostile() -> Report {
    let evil = "<script>alert(1)</script>\"' onload=x &amp;<b>";
    let mut v = serde_json::to_value(full()).expect("plain data");
    fn poison(v: &mut Value, key: &str, evil: &str) {
        // These are no free texts: the page asks for their meaning, or they are numbers.
        let fixed = [
            "verdict",
            "ended",
            "cause",
            "status",
            "command",
            "sha256",
            "program",
            "certificate",
            "time_unit",
            "exact",
        ];
        let exact = [
            "x",
            "reference",
            "kernel",
            "difference",
            "inherited",
            "constants",
            "rounding",
            "clamping",
            "slack",
            "lower",
            "upper",
            "min_accuracy",
            "max_accuracy_drop",
            "min_agreement",
        ];
        match v {
            Value::String(s) => {
                let number = s.parse::<ceg4n_base::Exact>().is_ok() && exact.contains(&key);
                if !fixed.contains(&key) && !number {
                    *s = format!("{s}{evil}");
                }
            }
            Value::Array(a) => a.iter_mut().for_each(|v| poison(v, key, evil)),
            Value::Object(m) => {
                m.iter_mut().for_each(|(k, v)| poison(v, &k.clone(), evil));
            }
            _ => {}
        }
    }
    poison(&mut v, "", evil);
    serde_json::from_value(v).expect("texts are free")
}

#[test]
fn no_text_of_a_report_becomes_markup() {
    let report = hostile();
    let page = html(&report);
    assert!(
        !page.contains("<script") && !page.contains("<b>alert"),
        "markup got through"
    );
    let (doc, plain) = (parsed(&page), html(&full()));
    let plain = parsed(&plain);
    // The same elements: only texts are others.
    let count = |doc: &Document<'_>, name: &str| elements(doc, name).len();
    assert_eq!(count(&doc, "script"), 0);
    let shown = text(doc.root_element());
    let (evil, network) = (
        "<script>alert(1)</script>",
        format!("{}<script>", full().network.name),
    );
    assert!(shown.contains(evil) && shown.contains(&network));
    for name in ["section", "table", "h2", "svg", "img"] {
        assert_eq!(count(&doc, name), count(&plain, name), "{name}");
    }
    let command = text(by_id(&doc, "command").expect("a command"));
    assert!(
        command.contains("'\\''"),
        "a word of the command line is quoted: {command}"
    );
}

#[test]
fn figures_are_those_of_the_report() {
    let report = full();
    let page = html(&report);
    let doc = parsed(&page);
    let verdict = text(by_id(&doc, "verdict").expect("a verdict"));
    assert_eq!(verdict, "Not proved: refuted region left is refuted");
    // Each region stands in the table of its kind.
    let row = |class: &str| table(&doc, class).into_iter().nth(1).unwrap_or_default();
    assert_eq!(
        row("refuted"),
        ["left", "top1", "1, 0", "replay", "12", "3", "250 ms"]
    );
    assert_eq!(
        row("vacuous"),
        [
            "middle",
            "top1 margin 0.1",
            "class 1",
            "smt",
            "12",
            "3",
            "250 ms",
            "[0.1, 0.2] × [−4, 0.333333]"
        ]
    );
    assert_eq!(row("open")[..4], ["right", "top1", "75.00 %", "17"]);
    assert!(
        table(&doc, "proved").is_empty(),
        "a vacuous region is not proved"
    );
    let c = report.cost.as_ref().expect("a cost");
    let facts = text(elements(&doc, "dl")[0]);
    for part in [
        "Regions proved 0 of 3".to_owned(),
        format!("Cost {}", c.value),
        format!("Constants {} B", c.flash_bytes),
        "Agreement on data 50.00 % of 4 rows".to_owned(),
        "Time 1.5 s".to_owned(),
    ] {
        let squeezed = |t: &str| t.replace([' ', '\u{202f}'], "");
        assert!(
            squeezed(&facts).contains(&squeezed(&part)),
            "{part} in {facts}"
        );
    }
    let pareto = report.pareto.as_ref().expect("a front");
    let ParetoPoint { cost, .. } = &pareto.points[0];
    assert_eq!(
        row("pareto"),
        [
            "v3",
            "4 4",
            "8 8",
            "8 8",
            &cost.to_string(),
            "75.00 %",
            "yes"
        ]
    );
    let versions = table(&doc, "versions");
    let ends: Vec<&str> = versions[1..].iter().map(|r| r[5].as_str()).collect();
    assert_eq!(
        ends,
        ["refuted in region left, point 4", "set aside: right: boxes"]
    );
    assert_eq!(
        row("targets")[2..7],
        ["12 B", "400 B", "4 B", "6 B", "230 instructions"]
    );
    let optimality = table(&doc, "optimality");
    let counts: Vec<&str> = optimality[1..].iter().map(|r| r[1].as_str()).collect();
    assert_eq!(counts, ["10", "3", "2", "1", "1"]);
    let again = table(&doc, "again").concat().join(" ");
    for part in [report.seed.to_string(), report.tool_version.clone()] {
        assert!(again.contains(&part), "{part}");
    }
    assert!(again.contains(&report.network.sha256.to_string()));
}

#[test]
fn many_regions_are_folded_and_the_page_stays_small() {
    let page = html(&many());
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    let doc = parsed(&page);
    let rows = table(&doc, "proved").len() - 1;
    assert_eq!(rows, 1000);
    let details = elements(&doc, "details");
    assert!(text(details[0]).contains("500 more regions in report.json."));
    assert!(text(by_id(&doc, "regions").expect("regions")).contains("105 000 000 boxes"));
}

#[test]
fn what_is_under_a_margin_is_set_apart() {
    let mut report = minimal();
    let mut margin = report.regions[0].clone();
    margin.id = "edge".to_owned();
    margin.requirement = "top1 margin 0.5".to_owned();
    margin.margin_proved = Some(0.25);
    margin.reference_changes_class = true;
    report.regions.push(margin);
    let page = html(&report);
    let doc = parsed(&page);
    assert_eq!(report.status, Status::Proved);
    let verdict = text(by_id(&doc, "verdict").expect("a verdict"));
    assert_eq!(verdict, "Proved on 1 region, under a margin on 1 more");
    let row = &table(&doc, "margin")[1];
    assert_eq!(
        row[..4],
        [
            "edge",
            "top1 margin 0.5",
            "0.25",
            "yes, shown by two points"
        ]
    );
    assert_eq!(table(&doc, "proved").len(), 2);
}

/// The colours of a block of the style that begins with `start`, by name.
fn colours(start: &str) -> BTreeMap<String, [f64; 3]> {
    let block = STYLE.split_once(start).expect("a block").1;
    let block = block.split_once('}').expect("its end").0;
    let colour = |line: &str| {
        let (name, value) = line.trim().strip_prefix("--")?.split_once(": #")?;
        let level = |i: usize| {
            let c = u8::from_str_radix(value.get(i..i + 2)?, 16).ok()?;
            Some(f64::from(c) / 255.0)
        };
        Some((name.to_owned(), [level(0)?, level(2)?, level(4)?]))
    };
    block.lines().filter_map(colour).collect()
}

/// The contrast ratio of WCAG 2.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let linear = |c: f64| match c <= 0.04045 {
        true => c / 12.92,
        false => ((c + 0.055) / 1.055).powf(2.4),
    };
    let light = |[r, g, b]: [f64; 3]| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    let (a, b) = (light(a) + 0.05, light(b) + 0.05);
    a.max(b) / a.min(b)
}

#[test]
fn contrast_is_that_of_wcag_aa_in_light_and_dark() {
    let light = colours(":root {\n  color-scheme");
    let dark = colours("dark) {\n  :root {");
    assert_eq!(
        light.keys().collect::<Vec<_>>(),
        dark.keys().collect::<Vec<_>>(),
        "both schemes have the same names"
    );
    let texts = [
        ("ink", "paper"),
        ("ink", "panel"),
        ("soft", "paper"),
        ("soft", "panel"),
        ("link", "paper"),
        ("proved", "paper"),
        ("refuted", "paper"),
        ("open", "paper"),
        ("margin", "paper"),
        ("vacuous", "paper"),
        ("proved", "proved-panel"),
        ("refuted", "refuted-panel"),
        ("open", "open-panel"),
        ("ink", "proved-panel"),
        ("ink", "refuted-panel"),
        ("ink", "open-panel"),
        ("soft", "refuted-panel"),
    ];
    // Parts of pictures that mean something: 3 is enough.
    let marks = [
        ("edge", "paper"),
        ("values", "paper"),
        ("values", "holds"),
        ("types", "paper"),
        ("types", "holds"),
        ("weights", "holds"),
        ("biases", "holds"),
        ("operand", "holds"),
        ("inherited", "paper"),
        ("constants", "paper"),
        ("rounding", "paper"),
        ("clamping", "paper"),
        ("inherited", "refuted-panel"),
        ("constants", "refuted-panel"),
        ("rounding", "refuted-panel"),
        ("clamping", "refuted-panel"),
        ("proved", "holds"),
        ("ink", "holds"),
    ];
    for (scheme, of) in [("light", light), ("dark", dark)] {
        let pairs = texts
            .map(|p| (p, 4.5))
            .into_iter()
            .chain(marks.map(|p| (p, 3.0)));
        for ((a, b), least) in pairs {
            let found = contrast(of[a], of[b]);
            assert!(
                found >= least,
                "{scheme}: {a} on {b} has {found:.2}, not {least}"
            );
        }
    }
}

/// Every number of a value, one after the other, as a pointer.
fn numbers(value: &Value, at: String, out: &mut Vec<String>) {
    match value {
        Value::Number(_) => out.push(at),
        Value::Array(list) => {
            for (i, v) in list.iter().enumerate() {
                numbers(v, format!("{at}/{i}"), out);
            }
        }
        Value::Object(map) => {
            for (k, v) in map {
                numbers(v, format!("{at}/{k}"), out);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// A report may come from a file that anybody wrote: no number in it brings the page down.
#[test]
fn no_number_of_a_file_is_too_large() {
    let whole = serde_json::to_value(full()).unwrap();
    let mut places = Vec::new();
    numbers(&whole, String::new(), &mut places);
    let mut shown = 0;
    for place in places {
        for odd in [Value::from(u64::MAX), Value::from(1e308), Value::from(0)] {
            let mut changed = whole.clone();
            *changed.pointer_mut(&place).unwrap() = odd;
            if let Ok(report) = serde_json::from_value(changed) {
                assert!(html(&report).contains("</html>"));
                shown += 1;
            }
        }
    }
    assert!(shown > 300, "{shown} reports");
}
