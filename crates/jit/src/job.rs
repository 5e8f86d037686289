//! An evaluation of packed samples, with or without activations that are kept.

use crate::buffer::Buffer;
use crate::evaluator::{Buffers, Evaluator};
use crate::plan::Source;
use crate::prefix::{BLOCK, Entry, PrefixCache};
use crate::samples::Samples;
use std::ops::Range;
use std::sync::Arc;

/// An evaluation of samples that are known to fit.
pub(crate) struct Job<'a> {
    evaluator: &'a Evaluator,
    samples: &'a Samples,
    cache: Option<&'a PrefixCache>,
    /// Where the activations of all stages but the last are kept; empty without a cache.
    path: Vec<Arc<Entry>>,
}

impl<'a> Job<'a> {
    /// Looks the stages up. A program of one stage has nothing to keep; nor has one whose
    /// activations for one block exceed what the cache may hold.
    pub(crate) fn new(
        evaluator: &'a Evaluator,
        samples: &'a Samples,
        cache: Option<&'a PrefixCache>,
    ) -> Self {
        let kept = &evaluator.stages[..evaluator.stages.len().saturating_sub(1)];
        let bytes: usize = kept.iter().map(|s| s.output_bytes()).sum();
        let room = |cache: &&PrefixCache| {
            !kept.is_empty() && bytes.saturating_mul(BLOCK.min(samples.len())) <= cache.limit()
        };
        let cache = cache.filter(room);
        Self {
            evaluator,
            samples,
            cache,
            path: cache.map_or(vec![], |cache| cache.path(samples, kept)),
        }
    }

    /// Appends the outputs of a range of the samples.
    pub(crate) fn run(&self, range: Range<usize>, outputs: &mut Vec<i64>) {
        let e = self.evaluator;
        if range.is_empty() {
            return;
        }
        outputs.reserve(range.len() * e.output_len());
        // With a cache, whole blocks are computed for any part of them.
        let most = self.cache.map_or(range.len(), |_| BLOCK);
        let mut scratch = e.buffers(most.min(e.chunk));
        match self.cache {
            None => self.run_whole(range, &mut scratch, outputs),
            Some(cache) => {
                let mut start = range.start;
                while start < range.end {
                    let block = start / BLOCK;
                    let end = range.end.min((block + 1) * BLOCK);
                    self.run_block(cache, block, start..end, &mut scratch, outputs);
                    start = end;
                }
            }
        }
        e.keep(scratch);
    }

    /// Every stage, chunk by chunk.
    fn run_whole(&self, range: Range<usize>, scratch: &mut Buffers, outputs: &mut Vec<i64>) {
        let e = self.evaluator;
        for first in range.clone().step_by(scratch.samples) {
            let n = scratch.samples.min(range.end - first);
            e.run((self.samples.rows(), first), &mut scratch.stages, n);
            if let Some(last) = scratch.stages.last() {
                last.append_to(outputs, e.output_len(), n);
            }
        }
    }

    /// The outputs of a part of a block. Stages that the last one depends on through stages whose
    /// activations are not held are computed for the whole block and kept, all but the last.
    fn run_block(
        &self,
        cache: &PrefixCache,
        block: usize,
        part: Range<usize>,
        scratch: &mut Buffers,
        outputs: &mut Vec<i64>,
    ) {
        let e = self.evaluator;
        let first = block * BLOCK;
        let len = BLOCK.min(self.samples.len() - first);
        let held: Vec<Option<&Buffer>> = self.path.iter().map(|p| p.block(block)).collect();
        let mut fresh: Vec<Option<Buffer>> = self
            .missing(&held)
            .into_iter()
            .zip(&e.stages)
            .map(|(missing, stage)| missing.then(|| stage.output(len)))
            .collect();
        for at in (0..len).step_by(scratch.samples) {
            let n = scratch.samples.min(len - at);
            for (i, stage) in e.stages[..fresh.len()].iter().enumerate() {
                let (before, rest) = fresh.split_at_mut(i);
                if let Some(y) = &mut rest[0] {
                    let xs = self.operands(stage.sources(), first, at, &held, before);
                    stage.run(&xs, (y, at), n);
                }
            }
            let wanted = part.start.max(first + at)..part.end.min(first + at + n);
            if let (Some(stage), Some(y)) = (e.stages.last(), scratch.stages.last_mut())
                && !wanted.is_empty()
            {
                let at = wanted.start - first;
                let xs = self.operands(stage.sources(), first, at, &held, &fresh);
                stage.run(&xs, (y, 0), wanted.len());
                y.append_to(outputs, e.output_len(), wanted.len());
            }
        }
        let computed = fresh.iter().flatten().count();
        cache.count(computed * len, (fresh.len() - computed) * len);
        for (entry, outputs) in self.path.iter().zip(fresh) {
            if let Some(outputs) = outputs {
                entry.fill(block, outputs);
            }
        }
    }

    /// Which stages, but for the last, the last one needs and are not held.
    fn missing(&self, held: &[Option<&Buffer>]) -> Vec<bool> {
        let stages = &self.evaluator.stages;
        let mut needed = vec![false; stages.len()];
        let mut missing = vec![false; held.len()];
        for (i, stage) in stages.iter().enumerate().rev() {
            let last = i == held.len();
            if !last && (!needed[i] || held[i].is_some()) {
                continue;
            }
            if let Some(missing) = missing.get_mut(i) {
                *missing = true;
            }
            for source in stage.sources() {
                if let Source::Stage(s) = source {
                    needed[*s] = true;
                }
            }
        }
        missing
    }

    /// What a stage reads: buffers, and the sample in them that is number `at` of the block, which
    /// begins at sample `first`.
    fn operands<'b>(
        &'b self,
        sources: &[Source],
        first: usize,
        at: usize,
        held: &[Option<&'b Buffer>],
        fresh: &'b [Option<Buffer>],
    ) -> Vec<(&'b Buffer, usize)> {
        let of = |source: &Source| match source {
            Source::Input => (self.samples.rows(), first + at),
            Source::Stage(s) => {
                let buffer = fresh[*s].as_ref().or(held[*s]);
                (buffer.expect("a stage that is read was computed"), at)
            }
        };
        sources.iter().map(of).collect()
    }
}
