//! The proved programs of a run: what they cost and how good they are.

use ceg4n_refine::Version;
use ceg4n_report::plot::{Plot, Series};
use ceg4n_report::{Pareto, ParetoPoint};

/// The points of proved versions with their measures, the cheapest first.
pub(crate) fn points(versions: &[(&Version, f64)]) -> Vec<ParetoPoint> {
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
