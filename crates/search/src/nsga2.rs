//! NSGA-II (Deb, Pratap, Agarwal, Meyarivan 2002), the strategy of the CEG4N paper. Constraint
//! domination: an assignment that breaks a stored counterexample loses against one that does not.
//!
//! Two settings: the paper's (one individual, one objective, bit flips on Gray-coded genes), and a
//! population on two objectives, cost and activation bits.

use crate::space::{AnnotationSpace, Genes};
use ceg4n_quantize::Assignment;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Size and length of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Individuals of a generation.
    pub population: usize,
    /// Assignments evaluated in all, repeated ones included.
    pub evaluations: usize,
    /// Seed of every draw.
    pub seed: u64,
    /// How children are made, and what is compared.
    pub variation: Variation,
}

/// How children are made, and what is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variation {
    /// Uniform crossover and steps of single genes, on cost and activation bits.
    #[default]
    Steps,
    /// Each bit of the Gray-coded genes flips with probability one over their number; on cost
    /// alone.
    GrayFlips,
}

#[derive(Clone, Debug)]
struct Individual {
    genes: Genes,
    feasible: bool,
    objectives: [u64; 2],
    rank: usize,
    crowding: f64,
}

/// The cheapest feasible assignment found, then the one with the fewest activation bits.
pub fn nsga2(
    space: &AnnotationSpace,
    settings: Settings,
    feasible: &mut dyn FnMut(&Assignment) -> bool,
) -> Option<Assignment> {
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut known: BTreeMap<Genes, bool> = BTreeMap::new();
    let mut spent = 0;
    let mut make = |genes: Genes, spent: &mut usize| {
        *spent += 1;
        let ok = match known.get(&genes) {
            Some(ok) => *ok,
            None => {
                let ok = feasible(&space.assignment(&genes));
                known.insert(genes.clone(), ok);
                ok
            }
        };
        let width = match settings.variation {
            Variation::Steps => genes.last().copied().map_or(0, u64::from),
            Variation::GrayFlips => 0,
        };
        Individual {
            objectives: [space.cost_of_genes(&genes), width],
            genes,
            feasible: ok,
            rank: 0,
            crowding: 0.0,
        }
    };
    let size = settings.population.max(1);
    let mut population: Vec<Individual> = (0..size.min(settings.evaluations))
        .map(|_| make(random(space, &mut rng), &mut spent))
        .collect();
    sort(&mut population);
    while spent < settings.evaluations {
        // The last generation may be a part of one: the budget holds to the evaluation.
        let children: Vec<Individual> = (0..size.min(settings.evaluations - spent))
            .map(|_| make(child(space, settings, &population, &mut rng), &mut spent))
            .collect();
        population.extend(children);
        sort(&mut population);
        population.truncate(size);
    }
    known
        .into_iter()
        .filter(|(_, ok)| *ok)
        .map(|(g, _)| (space.cost_of_genes(&g), g.last().copied(), g))
        .min()
        .map(|(_, _, g)| space.assignment(&g))
}

fn random(space: &AnnotationSpace, rng: &mut ChaCha8Rng) -> Genes {
    let draw = |(lo, hi): (u8, u8)| rng.random_range(lo..=hi);
    space.genes().into_iter().map(draw).collect()
}

fn child(
    space: &AnnotationSpace,
    settings: Settings,
    population: &[Individual],
    rng: &mut ChaCha8Rng,
) -> Genes {
    let parent = tournament(population, rng);
    match settings.variation {
        Variation::Steps => {
            let other = tournament(population, rng);
            offspring(
                space,
                &population[parent].genes,
                &population[other].genes,
                rng,
            )
        }
        Variation::GrayFlips => flipped(space, &population[parent].genes, rng),
    }
}

/// Bits of a Gray-coded gene.
fn gray_bits((lo, hi): (u8, u8)) -> u32 {
    u8::BITS - (hi - lo).leading_zeros()
}

/// Flips each bit of the Gray-coded genes with probability one over their number. Of a code beyond
/// the greatest value the width of the range is taken away.
fn flipped(space: &AnnotationSpace, genes: &Genes, rng: &mut ChaCha8Rng) -> Genes {
    let limits = space.genes();
    let bits: u32 = limits.iter().map(|l| gray_bits(*l)).sum();
    let one = |(g, (lo, hi)): (&u8, &(u8, u8))| {
        let value = g - lo;
        let mut code = value ^ (value >> 1);
        for bit in 0..gray_bits((*lo, *hi)) {
            if rng.random_bool(1.0 / f64::from(bits)) {
                code ^= 1 << bit;
            }
        }
        let mut value = code;
        for shift in [1, 2, 4] {
            value ^= value >> shift;
        }
        let most = hi - lo;
        lo + if value > most { value - most } else { value }
    };
    genes.iter().zip(&limits).map(one).collect()
}

/// The better of two random individuals: lower rank, then less crowded.
fn tournament(population: &[Individual], rng: &mut ChaCha8Rng) -> usize {
    let (a, b) = (
        rng.random_range(0..population.len()),
        rng.random_range(0..population.len()),
    );
    let (x, y) = (&population[a], &population[b]);
    if (x.rank, -x.crowding) <= (y.rank, -y.crowding) {
        a
    } else {
        b
    }
}

/// Uniform crossover; each gene then moves by one, or anywhere, with probability `1/n`.
fn offspring(space: &AnnotationSpace, a: &Genes, b: &Genes, rng: &mut ChaCha8Rng) -> Genes {
    let n = a.len();
    let mut gene = |x: u8, y: u8, (lo, hi): (u8, u8)| {
        let g = if rng.random_bool(0.5) { x } else { y };
        if !rng.random_bool(1.0 / n as f64) {
            return g;
        }
        match rng.random_range(0..4) {
            0 => rng.random_range(lo..=hi),
            1 => g.saturating_add(1).min(hi),
            _ => g.saturating_sub(1).max(lo),
        }
    };
    let pairs = a.iter().zip(b).zip(space.genes());
    pairs.map(|((x, y), limits)| gene(*x, *y, limits)).collect()
}

fn dominates(a: &Individual, b: &Individual) -> bool {
    if a.feasible != b.feasible {
        return a.feasible;
    }
    let no_worse = a.objectives.iter().zip(&b.objectives).all(|(x, y)| x <= y);
    no_worse && a.objectives != b.objectives
}

/// Ranks by non-domination and crowding, best first.
fn sort(population: &mut [Individual]) {
    let n = population.len();
    let mut left: Vec<usize> = (0..n).collect();
    let mut rank = 0;
    while !left.is_empty() {
        let front: Vec<usize> = left
            .iter()
            .copied()
            .filter(|i| {
                !left
                    .iter()
                    .any(|j| dominates(&population[*j], &population[*i]))
            })
            .collect();
        crowd(population, &front);
        for i in &front {
            population[*i].rank = rank;
        }
        left.retain(|i| !front.contains(i));
        rank += 1;
    }
    population.sort_by(|a, b| {
        a.rank
            .cmp(&b.rank)
            .then(b.crowding.total_cmp(&a.crowding))
            .then(a.genes.cmp(&b.genes))
    });
}

fn crowd(population: &mut [Individual], front: &[usize]) {
    for i in front {
        population[*i].crowding = 0.0;
    }
    for m in 0..2 {
        let mut order = front.to_vec();
        order.sort_by_key(|i| (population[*i].objectives[m], population[*i].genes.clone()));
        let (Some(first), Some(last)) = (order.first().copied(), order.last().copied()) else {
            return;
        };
        let span = (population[last].objectives[m] - population[first].objectives[m]).max(1) as f64;
        population[first].crowding = f64::INFINITY;
        population[last].crowding = f64::INFINITY;
        for w in order.windows(3) {
            let gap = population[w[2]].objectives[m] - population[w[0]].objectives[m];
            population[w[1]].crowding += gap as f64 / span;
        }
    }
}
