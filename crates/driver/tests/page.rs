//! The page of a run in a browser: the figures that it shows are those of `report.json`, it fits a
//! window of 400 pixels, and it fetches nothing.
//!
//! Without Chromium, and for two networks without `CEG4N_BENCHMARKS`, the tests say that they were
//! skipped; with `CEG4N_REQUIRE_TOOLS=1` they fail then.

use ceg4n_driver::compile::compile;
use ceg4n_driver::options::{CompileOptions, DataSource, Demand, Preset};
use ceg4n_driver::{Cancel, Quiet};
use ceg4n_ir::Property;
use ceg4n_report::Report;
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn skip(name: &str, reason: &str) {
    let required = std::env::var("CEG4N_REQUIRE_TOOLS").is_ok_and(|v| v == "1");
    assert!(!required, "{reason}");
    // Past the test harness, which shows nothing of tests that pass.
    let _ = writeln!(std::io::stderr(), "SKIPPED {name}: {reason}");
}

/// What the page says of itself when it is shown.
const PROBE: &str = r##"<script>
addEventListener("load", () => {
  const cells = row => [...row.cells].map(c => c.innerText.trim());
  const rows = t => [...t.tBodies].flatMap(b => [...b.rows]).map(cells);
  const tables = {};
  for (const t of document.querySelectorAll("table")) tables[t.className] = rows(t);
  const seen = e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0; };
  const root = document.documentElement;
  const found = {
    width: innerWidth, scroll: root.scrollWidth,
    fetched: performance.getEntriesByType("resource").map(e => e.name).filter(n => !n.startsWith("data:")),
    pictures: [...document.images].map(i => [i.naturalWidth, i.naturalHeight]),
    charts: [...document.querySelectorAll("svg.chart")].filter(seen).length,
    marks: document.querySelectorAll("#search svg.chart g").length,
    bars: [...document.querySelectorAll("svg.bar")].filter(seen).length,
    headings: [...document.querySelectorAll("h2")].map(h => h.innerText),
    verdict: document.querySelector("#verdict").innerText,
    facts: document.querySelector(".facts").innerText,
    command: document.querySelector("#command") ? document.querySelector("#command").innerText : "",
    tables,
  };
  parent.postMessage(JSON.stringify(found), "*");
});
</script></head>"##;

/// Shows the page in a frame of its own width: a window of Chromium has at least 500 pixels.
const FRAME: &str = r##"<!DOCTYPE html><html><body style="margin:0"><pre id="found"></pre><script>
addEventListener("message", e => { document.querySelector("#found").textContent = encodeURIComponent(e.data); });
</script><iframe src="page.html" style="border:0;width:WIDTHpx;height:2000px"></iframe></body></html>"##;

/// Shows a page at a width; `None` without a browser.
fn shown(name: &str, page: &str, width: u32) -> Option<Value> {
    let dir = tempfile::tempdir().expect("a folder");
    // The page's own rule forbids scripts; the copy does without it, so that what a page would
    // fetch is seen.
    let policy = page.find("<meta http-equiv").expect("a policy");
    let end = policy + page[policy..].find("/>").expect("its end") + 2;
    let copy = format!("{}{}", &page[..policy], &page[end..]).replace("</head>", PROBE);
    std::fs::write(dir.path().join("page.html"), copy).expect("a file");
    let frame = FRAME.replace("WIDTH", &width.to_string());
    let file = dir.path().join("frame.html");
    std::fs::write(&file, frame).expect("a file");
    let run = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .args(["--disable-background-networking", "--no-first-run"])
        .args([
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--virtual-time-budget=5000",
        ])
        .arg(format!(
            "--user-data-dir={}",
            dir.path().join("profile").display()
        ))
        .arg(format!("--window-size={},2000", width.max(500)))
        .arg(format!("file://{}", file.display()))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let Ok(run) = run else {
        skip(name, "chromium is not installed");
        return None;
    };
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    let coded = text.split("<pre id=\"found\">").nth(1).expect("the frame");
    let coded = coded.split("</pre>").next().unwrap_or_default();
    let json = decoded(coded);
    Some(serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}: {text}")))
}

/// The text of percent encoding.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).filter(|_| *first == b'%');
        let code = code.and_then(|c| std::str::from_utf8(c).ok());
        match code.and_then(|c| u8::from_str_radix(c, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Compiles; the report and the page that were written.
fn written(options: &mut CompileOptions) -> (Report, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out");
    options.output = Some(out.clone());
    options.command_line = vec!["ceg4nc".to_owned(), "compile".to_owned(), "a b".to_owned()];
    compile(options, &Quiet, &Cancel::default()).unwrap_or_else(|f| panic!("{f}"));
    let read = |name: &str| std::fs::read_to_string(out.join(name)).expect(name);
    let report = serde_json::from_str(&read("report.json")).expect("a report");
    (report, read("report.html"))
}

fn cells<'a>(found: &'a Value, table: &str, column: usize) -> Vec<&'a str> {
    let rows = found["tables"][table].as_array();
    let rows = rows.map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter_map(|r| r[column].as_str()).collect()
}

/// Digits without the spaces between their groups.
fn plain(text: &str) -> String {
    text.replace('\u{202f}', "")
}

/// What holds of every page: size, no request, figures.
fn check(name: &str, report: &Report, page: &str) -> Option<Value> {
    assert!(page.len() < 1_000_000, "{name}: {} bytes", page.len());
    let narrow = shown(name, page, 400)?;
    assert_eq!(narrow["width"], 400, "{name}");
    let scroll = narrow["scroll"].as_u64().expect("a width");
    assert!(scroll <= 400, "{name}: {scroll} of 400 pixels");
    let wide = shown(name, page, 1280)?;
    assert_eq!(wide["fetched"], serde_json::json!([]), "{name}");
    let counted: usize = ["refuted", "open", "vacuous", "margin", "proved"]
        .iter()
        .map(|kind| cells(&wide, &format!("regions {kind}"), 0).len())
        .sum();
    assert_eq!(counted, report.regions.len(), "{name}");
    for r in &report.regions {
        let kinds = ["refuted", "open", "vacuous", "margin", "proved"];
        let found = kinds.iter().find(|k| {
            let ids = cells(&wide, &format!("regions {k}"), 0);
            ids.contains(&r.id.as_str())
        });
        let kind = found.unwrap_or_else(|| panic!("{name}: no region {}", r.id));
        let is = match (r.verdict.as_str(), r.vacuous) {
            ("proved", true) => *kind == "vacuous",
            ("proved", false) => matches!(*kind, "proved" | "margin"),
            ("refuted", _) => *kind == "refuted",
            _ => *kind == "open",
        };
        assert!(
            is,
            "{name}: region {} is {} in table {kind}",
            r.id, r.verdict
        );
    }
    if let Some(cost) = &report.cost {
        let facts = plain(wide["facts"].as_str().expect("facts"));
        assert!(
            facts.contains(&format!("Cost\n{}\n", cost.value)),
            "{name}: {facts}"
        );
    }
    let l = report.loop_.as_ref().expect("a loop");
    assert_eq!(
        wide["marks"].as_u64(),
        Some(l.versions.len() as u64),
        "{name}"
    );
    assert_eq!(l.iterations, l.versions.len() as u64, "{name}");
    let targets: Vec<&str> = report.targets.iter().map(|t| t.target.as_str()).collect();
    assert_eq!(cells(&wide, "targets", 0), targets, "{name}");
    let constants = cells(&wide, "targets", 2);
    for (t, cell) in report.targets.iter().zip(constants) {
        assert_eq!(plain(cell), format!("{}B", t.constant_bytes), "{name}");
    }
    let run = report.run.as_ref().expect("how it was run");
    let hashes: Vec<String> = run.inputs.iter().map(|f| f.sha256.to_string()).collect();
    assert_eq!(cells(&wide, "files", 3), hashes, "{name}");
    assert_eq!(wide["command"], "ceg4nc compile 'a b'", "{name}");
    Some(wide)
}

#[test]
fn the_page_of_iris_shows_its_report() {
    let networks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/networks");
    let mut options = CompileOptions::new(networks.join("iris.nnir"));
    options.data.data = Some(DataSource::from(networks.join("iris.csv").as_path()));
    options.data.labels = Some(ceg4n_driver::options::LabelSource::Column(
        "last".to_owned(),
    ));
    let (report, page) = written(&mut options);
    let Some(found) = check("iris", &report, &page) else {
        return;
    };
    assert_eq!(found["verdict"], "Proved on 3 regions");
    assert_eq!(found["charts"], 2);
    assert!(found["bars"].as_u64() > Some(10));
    // A counterexample was found on the way, and it is followed from the input to the output.
    let trace = report.divergence.as_ref().expect("a refuted version");
    let values = cells(&found, "trace", 0);
    let first = |v: &&str| v.split_whitespace().next().unwrap_or_default().to_owned();
    let shown: Vec<String> = values.iter().map(first).collect();
    let names: Vec<String> = trace
        .layers
        .iter()
        .map(|l| format!("%{}", l.name))
        .collect();
    assert_eq!(shown, names);
    let accuracy = report.accuracy.as_ref().expect("data");
    let agreement = (accuracy.agreement * accuracy.samples as f64).round() as u64 * 10_000;
    let agreement = agreement / accuracy.samples;
    let last = cells(&found, "accuracy", 1).last().map(|t| plain(t));
    let text = format!("{}.{:02}%", agreement / 100, agreement % 100);
    assert_eq!(last, Some(text));
}

fn benchmarks(name: &str) -> Option<PathBuf> {
    let dir = std::env::var_os("CEG4N_BENCHMARKS").map(PathBuf::from);
    if dir.is_none() {
        skip(name, "CEG4N_BENCHMARKS is not set");
    }
    dir
}

fn of_benchmarks(dir: &Path, name: &str, regions: &[&str]) -> CompileOptions {
    let mut options = CompileOptions::new(dir.join(format!("ceg4n/networks/{name}.onnx")));
    options.load.regions = vec![dir.join(format!("ceg4n/regions/{name}.json"))];
    options.load.region_ids = regions.iter().map(|r| (*r).to_owned()).collect();
    options
}

#[test]
fn pictures_are_shown_of_digits() {
    let name = "mnist_784_10x1";
    let Some(dir) = benchmarks(name) else {
        return;
    };
    let mut options = of_benchmarks(&dir, name, &["1.01", "2.01", "3.05", "4.05"]);
    options.load.require = Some(Demand::Property(Property::Top1));
    options.data.data = Some(DataSource::from(
        dir.join("mnist/t10k-images-idx3-ubyte.gz").as_path(),
    ));
    options.data.data_rows = Some(0..200);
    // Too few bits, so that there is a counterexample to be shown.
    options.preset = Preset::Uniform {
        weight_bits: 2,
        activation_bits: 4,
    };
    let (report, page) = written(&mut options);
    let images = report.images.as_ref().expect("pictures");
    assert_eq!((images.width, images.height, images.channels), (28, 28, 1));
    assert!(report.divergence.is_some(), "a counterexample");
    let Some(found) = check(name, &report, &page) else {
        return;
    };
    let pictures = found["pictures"].as_array().expect("pictures");
    assert!(pictures.len() >= 3 + images.centers.len(), "{pictures:?}");
    assert!(pictures.iter().all(|p| *p == serde_json::json!([28, 28])));
}

#[test]
fn the_page_of_acas_xu_shows_its_report() {
    let name = "ACASXU_run2a_1_1_batch_2000";
    let Some(dir) = benchmarks(name) else {
        return;
    };
    let mut options = of_benchmarks(&dir, name, &["3.1", "5.1"]);
    let eps = Property::Eps("0.05".parse().expect("a number"));
    options.load.require = Some(Demand::Property(eps));
    options.preset = Preset::Uniform {
        weight_bits: 14,
        activation_bits: 20,
    };
    let (report, page) = written(&mut options);
    let Some(found) = check(name, &report, &page) else {
        return;
    };
    assert_eq!(found["pictures"], serde_json::json!([]));
    let boxes: u64 = report.regions.iter().map(|r| r.boxes).sum();
    assert!(boxes > 0, "five inputs, so that the boxes are written out");
}
