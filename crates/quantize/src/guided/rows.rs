//! Points as the first dense operator sees them: rounded to the input format, zeros left out.

use super::chain::Chain;
use super::examples::Aim;

/// Points and what is aimed at there.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    /// Where each row's entries begin; one more than rows.
    start: Vec<usize>,
    index: Vec<u32>,
    value: Vec<f32>,
    /// The reference's outputs, one row after the other.
    outputs: Vec<f32>,
    aims: Vec<Aim>,
    /// Of each row's loss in the objective.
    weights: Vec<f32>,
}

/// One row's entries.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub index: &'a [u32],
    pub value: &'a [f32],
}

impl<'a> Row<'a> {
    #[inline(always)]
    pub(super) fn entries(self) -> impl Iterator<Item = (usize, f32)> + Clone + 'a {
        let places = self.index.iter().map(|k| *k as usize);
        places.zip(self.value.iter().copied())
    }
}

impl Rows {
    pub(super) fn new() -> Self {
        Self {
            start: vec![0],
            ..Self::default()
        }
    }

    /// Adds a point.
    pub(super) fn push(
        &mut self,
        chain: &Chain,
        x: &[f32],
        reference: &[f32],
        aim: Aim,
        weight: f32,
    ) {
        let mut x = x.to_vec();
        let mut slope = vec![1.0; x.len()];
        chain
            .before
            .iter()
            .for_each(|e| e.apply(&mut x, &mut slope));
        for (k, v) in x.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            self.index.push(k as u32);
            self.value.push(*v);
        }
        self.start.push(self.index.len());
        self.outputs.extend_from_slice(reference);
        self.aims.push(aim);
        self.weights.push(weight);
    }

    pub(super) fn len(&self) -> usize {
        self.aims.len()
    }

    #[inline(always)]
    pub(super) fn row(&self, i: usize) -> Row<'_> {
        let of = self.start[i]..self.start[i + 1];
        Row {
            index: &self.index[of.clone()],
            value: &self.value[of],
        }
    }

    /// Reference outputs, aim and weight of a row.
    pub(super) fn target(&self, i: usize, outputs: usize) -> (&[f32], Aim, f32) {
        let reference = &self.outputs[i * outputs..(i + 1) * outputs];
        (reference, self.aims[i], self.weights[i])
    }

    /// Shortens to the first `n` rows.
    pub(super) fn truncate(&mut self, n: usize, outputs: usize) {
        self.start.truncate(n + 1);
        let entries = self.start.last().copied().unwrap_or(0);
        self.index.truncate(entries);
        self.value.truncate(entries);
        self.outputs.truncate(n * outputs);
        self.aims.truncate(n);
        self.weights.truncate(n);
    }
}
