//! Labels and verdicts as the rows of a result.

use super::work::{PerRegion, Run, Subjects, Timed, Verdicts, label_name};
use crate::outcome::report_open;
use ceg4n_base::Exact;
use ceg4n_ir::Property;
use ceg4n_report::{BenchLabel, BenchRegion, ClassPoint, Counterexample};
use ceg4n_verify::{Label, Labelled, RegionResult, Verdict};

impl Run<'_> {
    /// The labels as rows.
    pub(super) fn label_rows(&self, labels: &PerRegion<Labelled>) -> Vec<BenchLabel> {
        if !self.needs_labels() {
            return Vec::new();
        }
        let wanted = self.pieces(|_, _, item| item.wanted);
        let row = |(n, i): (usize, usize)| {
            let (net, item) = self.at((n, i));
            let label = &self.label(labels, n, i).label;
            let own = labels[n][i].as_ref();
            let (class, change) = match label {
                Label::Robust(c) => (Some(*c), None),
                Label::Changes(c) => {
                    let point = |p: &(Vec<Exact>, usize)| ClassPoint {
                        x: p.0.clone(),
                        class: p.1,
                    };
                    (None, Some(vec![point(&c.a), point(&c.b)]))
                }
                Label::Undecided => (None, None),
            };
            BenchLabel {
                network: net.name.clone(),
                ball_size: item.ball_size.clone(),
                id: item.asked.region.id.clone(),
                label: label_name(label).to_owned(),
                class,
                class_change: change,
                equal_to: item.equal.map(|i| net.items[i].asked.region.id.clone()),
                clock_limited: self.label_limited(labels, n, i),
                seconds: own.map_or(0.0, |t| t.seconds),
                cpu_seconds: own.map_or(0.0, |t| t.cpu),
            }
        };
        wanted.into_iter().map(row).collect()
    }

    /// The verdicts as rows.
    pub(super) fn region_rows(
        &self,
        labels: &PerRegion<Labelled>,
        subjects: &Subjects,
        verdicts: &[Verdicts],
    ) -> Vec<BenchRegion> {
        let mut out = Vec::new();
        for (p, (preset, v)) in self.options.presets.iter().zip(verdicts).enumerate() {
            for (n, i) in self.pieces(|_, _, item| item.wanted) {
                let (net, item) = self.at((n, i));
                if !matches!(subjects.kernels[p][n][item.group], Some(Ok(_))) {
                    continue;
                }
                let same = v.same.get(&(n, i)).copied();
                let Some(t) = &v.results[n][same.unwrap_or(i)] else {
                    continue;
                };
                let mut row = region_row(t);
                row.preset = preset.to_string();
                row.network = net.name.clone();
                row.ball_size = item.ball_size.clone();
                row.id = item.asked.region.id.clone();
                row.label = if self.needs_labels() {
                    label_name(&self.label(labels, n, i).label).to_owned()
                } else {
                    "none".to_owned()
                };
                if let Some(first) = same {
                    row.equal_to = Some(net.items[first].asked.region.id.clone());
                    (row.seconds, row.cpu_seconds) = (0.0, 0.0);
                }
                out.push(row);
            }
        }
        out
    }
}

/// What a verdict says, without the names of what it speaks of.
fn region_row(t: &Timed<RegionResult>) -> BenchRegion {
    let r = &t.value;
    let (method, reason, counterexample) = match &r.verdict {
        Verdict::Proved(e) => (e.method.to_string(), None, None),
        Verdict::Refuted(w) => {
            let c = Counterexample {
                x: w.x.clone(),
                reference: w.reference.clone(),
                kernel: w.kernel.clone(),
            };
            ("replay".to_owned(), None, Some(c))
        }
        Verdict::Unknown(reason) => ("none".to_owned(), Some(reason.clone()), None),
    };
    let under_margin = matches!(r.property, Property::Top1Margin(_));
    BenchRegion {
        preset: String::new(),
        network: String::new(),
        ball_size: None,
        id: r.id.clone(),
        requirement: r.property.to_string(),
        label: String::new(),
        verdict: r.verdict.name().to_owned(),
        method,
        vacuous: r.vacuous.is_some(),
        vacuous_constant: r.vacuous.clone(),
        margin_proved: r.margin_proved.filter(|_| under_margin),
        boxes: r.boxes,
        points: r.points,
        seconds: t.seconds,
        cpu_seconds: t.cpu,
        open: r
            .open
            .as_ref()
            .filter(|_| reason.is_some())
            .map(report_open),
        reason,
        counterexample,
        equal_to: None,
        clock_limited: r.clock_limited,
    }
}
