//! The proved programs of a run: what they cost and how good they are.

use crate::data::{Data, random_agreement};
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_ir::Region;
use ceg4n_jit::{CodeCache, Evaluator};
use ceg4n_quantize::Model;
use ceg4n_refine::{Ended, State, Version};
use ceg4n_report::plot::{Plot, Series};
use ceg4n_report::{Pareto, ParetoPoint};
use ceg4n_verify::Reference;

/// How good a program is: its accuracy or its agreement on the deciding rows, and without data its
/// agreement on random mixtures of region centres (or, of one region, on random points of it).
pub(crate) struct Measure<'a> {
    pub data: Option<&'a Data>,
    pub reference: &'a Reference,
    pub regions: &'a [Region],
    pub seed: u64,
    pub jobs: usize,
}

impl Measure<'_> {
    /// Its name and the samples, in words.
    fn name(&self) -> (String, String) {
        match self.data {
            Some(data) => {
                let split = data.deciding();
                let samples = format!("{} {} rows", split.set.len(), split.kind.name());
                let labelled = split.set.labels.is_some();
                let name = if labelled { "accuracy" } else { "agreement" };
                (name.to_owned(), samples)
            }
            None => ("agreement".to_owned(), "random points".to_owned()),
        }
    }

    fn of(&self, kernel: &Evaluator) -> Result<f64, Diagnostic> {
        if let Some(data) = self.data {
            let found = data.deciding().of_kernel(kernel, self.jobs)?;
            let count = found.kernel_correct.unwrap_or(found.agreeing);
            return Ok(count as f64 / found.samples.max(1) as f64);
        }
        let (regions, seed) = (self.regions, self.seed);
        let samples = random_agreement(self.reference, kernel, regions, seed, self.jobs)?;
        Ok(samples.last().map_or(1.0, |s| s.agreement))
    }

    /// The proved versions of a run with their measures.
    ///
    /// # Errors
    /// A version that the checker or native code refuses: a defect.
    pub(crate) fn pareto(
        &self,
        state: &State,
        model: &Model,
        cache: &CodeCache,
    ) -> Result<Pareto, Diagnostics> {
        let mut measured = Vec::new();
        for v in state.versions.iter().filter(|v| v.ended == Ended::Proved) {
            let program = model.check((*v.annotations).clone())?;
            let kernel = Evaluator::new(&program, cache)
                .map_err(|e| Diagnostic::error(codes::INTERNAL, e.to_string()))?;
            measured.push((v, self.of(&kernel)?));
        }
        let (measure, samples) = self.name();
        Ok(Pareto {
            measure,
            samples,
            points: points(&measured),
        })
    }
}

/// The points of proved versions with their measures, the cheapest first.
fn points(versions: &[(&Version, f64)]) -> Vec<ParetoPoint> {
    let point = |(v, value): &(&Version, f64)| {
        let better = |(o, other): &(&Version, f64)| {
            let no_worse = o.cost <= v.cost && other >= value;
            no_worse && (o.cost < v.cost || other > value)
        };
        // Of equal ones the first counts.
        let same = |(o, other): &(&Version, f64)| {
            o.cost == v.cost && other == value && o.version < v.version
        };
        ParetoPoint {
            version: v.version,
            weight_bits: v.assignment.weights.clone(),
            bias_bits: v.assignment.biases.clone(),
            activation_bits: v.assignment.activations.clone(),
            cost: v.cost,
            value: *value,
            on_front: !versions.iter().any(|o| better(o) || same(o)),
        }
    };
    let mut points: Vec<ParetoPoint> = versions.iter().map(point).collect();
    points.sort_by_key(|p| (p.cost, p.version));
    points
}

/// The front as a plot.
pub(crate) fn plot(pareto: &Pareto, metric: &str, network: &str) -> Plot {
    let series = |name: &str, front: bool| Series {
        name: name.to_owned(),
        points: pareto
            .points
            .iter()
            .filter(|p| p.on_front == front)
            .map(|p| (p.cost as f64, p.value))
            .collect(),
        line: front,
    };
    Plot {
        title: format!("{network}: proved programs"),
        x_label: metric.to_owned(),
        y_label: format!("{} ({})", pareto.measure, pareto.samples),
        series: vec![series("front", true), series("dominated", false)],
    }
}

#[cfg(test)]
mod tests {
    use super::points;
    use ceg4n_base::ContentHash;
    use ceg4n_quantize::Assignment;
    use ceg4n_refine::{Ended, Version};

    fn version(version: u32, cost: u64) -> Version {
        Version {
            version,
            assignment: Assignment {
                weights: vec![2],
                biases: vec![2],
                activations: vec![8],
            },
            guided: false,
            program: ContentHash::of(b"p"),
            annotations: Default::default(),
            cost,
            ended: Ended::Proved,
            results: Vec::new(),
        }
    }

    #[test]
    fn the_front_is_what_nothing_dominates() {
        let all = [
            (1, 100, 0.9),
            (2, 50, 0.8),
            (3, 60, 0.8),
            (4, 50, 0.7),
            (5, 120, 0.95),
            (6, 120, 0.95),
        ];
        let versions: Vec<Version> = all.iter().map(|(v, c, _)| version(*v, *c)).collect();
        let pairs: Vec<(&Version, f64)> = versions
            .iter()
            .zip(all)
            .map(|(v, (_, _, a))| (v, a))
            .collect();
        let points = points(&pairs);
        let front: Vec<u32> = points
            .iter()
            .filter(|p| p.on_front)
            .map(|p| p.version)
            .collect();
        assert_eq!(front, [2, 1, 5]);
        assert!(points.is_sorted_by_key(|p| p.cost));
    }
}
