//! Demands on data, asked of many candidates: the rows that candidates failed on come first, and
//! what their first layers have in common is computed once.

use crate::data::{Data, Decided, DemandCheck, Split, quantized};
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Checked, Format, Program};
use ceg4n_jit::{Blocks, CodeCache, Evaluator, JitError, PrefixCache, Samples};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows between two looks at what they decide.
const BLOCK: usize = 128;
/// Bytes of activations that are kept between candidates.
const KEPT: usize = 64 << 20;

/// The demands of a run and the rows that decide them.
pub(crate) struct Demanded<'a> {
    data: &'a Data,
    /// Packed rows by split and input format.
    samples: Mutex<BTreeMap<(usize, String), Arc<Samples>>>,
    /// Per split and block, how many rows candidates had another class on than the reference.
    misses: Mutex<BTreeMap<usize, Vec<u64>>>,
    kept: PrefixCache,
}

impl<'a> Demanded<'a> {
    /// Nothing where nothing is demanded.
    pub(crate) fn new(data: Option<&'a Data>) -> Option<Self> {
        let data = data.filter(|d| !d.demands.is_empty())?;
        Some(Self {
            data,
            samples: Mutex::default(),
            misses: Mutex::default(),
            kept: PrefixCache::new(KEPT),
        })
    }

    /// True if the program meets every demand on the calibration rows and on the test rows; rows
    /// without labels say nothing of accuracy. Where evaluation fails the measurement at the end is
    /// to say why.
    pub(crate) fn met(&self, program: &Checked<Program>, cache: &CodeCache) -> bool {
        let Ok(evaluator) = Evaluator::new(program, cache) else {
            return true;
        };
        let splits = [Some(&self.data.calibration), self.data.test.as_ref()];
        let mut splits = splits.into_iter().flatten().enumerate();
        splits.all(|(i, split)| self.split_met(i, split, &evaluator).unwrap_or(true))
    }

    fn split_met(&self, i: usize, split: &Split, evaluator: &Evaluator) -> Result<bool, JitError> {
        let mut demands = self.data.demands.clone();
        if split.set.labels.is_none() {
            // The labels are the other rows'.
            (demands.min_accuracy, demands.max_accuracy_drop) = (None, None);
        }
        let check = DemandCheck::new(split, &demands);
        let mut race = check.race();
        let samples = self.samples(i, split, evaluator.kernel().input_format)?;
        let order = self.order(i, split);
        let blocks = Blocks {
            block: BLOCK,
            order: Some(&order),
            // Candidates run beside each other.
            threads: 1,
            cache: Some(&self.kept),
        };
        let outputs = evaluator.output_len().max(1);
        let mut missed: Vec<(usize, u64)> = Vec::new();
        let _ = evaluator.for_each_block(&samples, blocks, &mut |rows, y| {
            let mut other = 0;
            for (row, y) in rows.clone().zip(y.chunks_exact(outputs)) {
                let class = argmax(y).and_then(|c| u32::try_from(c).ok());
                let class = class.unwrap_or(u32::MAX);
                other += u64::from(split.reference.get(row) != Some(&class));
                race.add(row, class);
            }
            missed.push((rows.start / BLOCK, other));
            match race.decided() {
                Decided::Open => ControlFlow::Continue(()),
                Decided::Met | Decided::Missed => ControlFlow::Break(()),
            }
        })?;
        let mut misses = self.misses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = misses.get_mut(&i) {
            for (block, other) in missed {
                counts[block] += other;
            }
        }
        Ok(race.decided() == Decided::Met)
    }

    /// Blocks with the most misses so far first. What is decided does not depend on it.
    fn order(&self, i: usize, split: &Split) -> Vec<usize> {
        let blocks = split.set.len().div_ceil(BLOCK);
        let mut misses = self.misses.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = misses.entry(i).or_insert_with(|| vec![0; blocks]);
        let mut order: Vec<usize> = (0..blocks).collect();
        order.sort_by_key(|b| (std::cmp::Reverse(counts[*b]), *b));
        order
    }

    fn samples(&self, i: usize, split: &Split, format: Format) -> Result<Arc<Samples>, JitError> {
        let mut all = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (i, format.to_string());
        if let Some(samples) = all.get(&key) {
            return Ok(samples.clone());
        }
        let mut mantissas = Vec::new();
        quantized(&split.set, 0..split.set.len(), format, &mut mantissas);
        let samples = Samples::new(format, split.set.columns, &mantissas)?;
        let samples = Arc::new(samples);
        all.insert(key, samples.clone());
        Ok(samples)
    }
}
