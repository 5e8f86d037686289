//! Demands on data, asked of many candidates: early out, and input mantissas kept.

use crate::data::{Data, Decided, DemandCheck, Split, quantized};
use ceg4n_ir::{Checked, Format, Program};
use ceg4n_jit::{CodeCache, Evaluator};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows between two looks at what they decide.
const BLOCK: usize = 256;

/// The demands of a run and the rows that decide them.
pub(crate) struct Demanded<'a> {
    data: &'a Data,
    /// Input mantissas by split and format.
    mantissas: Mutex<BTreeMap<(usize, String), Arc<Vec<i64>>>>,
}

impl<'a> Demanded<'a> {
    /// Nothing where nothing is demanded.
    pub(crate) fn new(data: Option<&'a Data>) -> Option<Self> {
        let data = data.filter(|d| !d.demands.is_empty())?;
        Some(Self {
            data,
            mantissas: Mutex::default(),
        })
    }

    /// True if the program meets every demand on the calibration rows and on the test rows.
    /// Where evaluation fails the measurement at the end is to say why.
    pub(crate) fn met(&self, program: &Checked<Program>, cache: &CodeCache) -> bool {
        let Ok(evaluator) = Evaluator::new(program, cache) else {
            return true;
        };
        let splits = [Some(&self.data.calibration), self.data.test.as_ref()];
        let mut splits = splits.into_iter().flatten().enumerate();
        splits.all(|(i, split)| self.split_met(i, split, &evaluator))
    }

    fn split_met(&self, i: usize, split: &Split, evaluator: &Evaluator) -> bool {
        let check = DemandCheck::new(split, &self.data.demands);
        let mut race = check.race();
        let inputs = self.mantissas(i, split, evaluator.kernel().input_format);
        let row_len = split.set.columns.max(1);
        let mut classes = Vec::new();
        for (b, block) in inputs.chunks(BLOCK * row_len).enumerate() {
            let n = block.len() / row_len;
            if evaluator.argmax_batch(block, n, &mut classes).is_err() {
                return true;
            }
            for (k, class) in classes.iter().enumerate() {
                race.add(b * BLOCK + k, u32::try_from(*class).unwrap_or(u32::MAX));
            }
            match race.decided() {
                Decided::Met => return true,
                Decided::Missed => return false,
                Decided::Open => {}
            }
        }
        race.decided() == Decided::Met
    }

    fn mantissas(&self, i: usize, split: &Split, format: Format) -> Arc<Vec<i64>> {
        let mut all = self
            .mantissas
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let entry = all.entry((i, format.to_string())).or_default();
        if entry.is_empty() {
            quantized(&split.set, 0..split.set.len(), format, Arc::make_mut(entry));
        }
        entry.clone()
    }
}
