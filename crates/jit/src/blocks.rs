//! Samples block by block, in order, with an early end: how candidates are raced, on one core or
//! on several.

use crate::error::JitError;
use crate::evaluator::Evaluator;
use crate::prefix::PrefixCache;
use crate::samples::Samples;
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

/// What sees the blocks: their samples and their outputs (`samples × output_len`); it may break
/// off.
pub type VisitBlock<'a> = dyn FnMut(Range<usize>, &[i64]) -> ControlFlow<()> + 'a;

/// How [`Evaluator::for_each_block`] goes through samples. No option changes what is visited.
#[derive(Clone, Copy, Debug)]
pub struct Blocks<'a> {
    /// Samples a block, at least 1 is taken. With a cache, multiples of 128 waste nothing.
    pub block: usize,
    /// The blocks to visit, by number, in this order: those on which candidates failed belong to
    /// the front. `None`: all, from the first on.
    pub order: Option<&'a [usize]>,
    /// Threads that evaluate; up to 1: the caller's. Worth it from about a millisecond of work.
    pub threads: usize,
    /// Where activations of the first layers are looked up and kept.
    pub cache: Option<&'a PrefixCache>,
}

/// How far [`Evaluator::for_each_block`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "only `Race::Complete` says that every block was seen"]
pub enum Race {
    /// The visitor saw every block that was asked for.
    Complete {
        /// How many.
        samples: usize,
    },
    /// The visitor broke off.
    Stopped {
        /// How many samples it saw.
        samples: usize,
    },
}

impl Evaluator {
    /// Evaluates samples block by block and shows the blocks to `visit` in order, which may break
    /// off. Which blocks are visited does not depend on the number of threads.
    ///
    /// # Errors
    /// [`JitError::InputFormat`] and [`JitError::InputLength`] if the samples are not the
    /// program's, [`JitError::SampleRange`] for a block beyond the last. Nothing was visited then.
    pub fn for_each_block(
        &self,
        samples: &Samples,
        blocks: Blocks<'_>,
        visit: &mut VisitBlock<'_>,
    ) -> Result<Race, JitError> {
        let job = self.job(samples, blocks.cache)?;
        let size = blocks.block.max(1);
        let all = samples.len().div_ceil(size);
        if let Some(block) = blocks.order.into_iter().flatten().find(|b| **b >= all) {
            return Err(JitError::SampleRange {
                end: block.saturating_add(1).saturating_mul(size),
                samples: samples.len(),
            });
        }
        let count = blocks.order.map_or(all, <[usize]>::len);
        let range = |i: usize| {
            let block = blocks.order.map_or(i, |order| order[i]);
            block * size..((block + 1) * size).min(samples.len())
        };
        let compute = |i: usize, outputs: &mut Vec<i64>| job.run(range(i), outputs);
        let visit = &mut |i: usize, outputs: &[i64]| visit(range(i), outputs);
        let threads = blocks.threads.min(count);
        let (seen, end) = if threads > 1 {
            in_order(count, threads, &compute, visit)
        } else {
            one_by_one(count, &compute, visit)
        };
        let samples = (0..seen).map(|i| range(i).len()).sum();
        Ok(match end {
            ControlFlow::Continue(()) => Race::Complete { samples },
            ControlFlow::Break(()) => Race::Stopped { samples },
        })
    }
}

/// Appends the outputs of a turn.
type Compute<'a> = dyn Fn(usize, &mut Vec<i64>) + Sync + 'a;

/// Sees the outputs of a turn.
type VisitTurn<'a> = dyn FnMut(usize, &[i64]) -> ControlFlow<()> + 'a;

/// How many turns were visited, and whether the visitor broke off.
type Seen = (usize, ControlFlow<()>);

fn one_by_one(count: usize, compute: &Compute<'_>, visit: &mut VisitTurn<'_>) -> Seen {
    let mut outputs = Vec::new();
    for i in 0..count {
        outputs.clear();
        compute(i, &mut outputs);
        if visit(i, &outputs).is_break() {
            return (i + 1, ControlFlow::Break(()));
        }
    }
    (count, ControlFlow::Continue(()))
}

/// Threads take the next turn each; this one puts their outputs in order.
fn in_order(
    count: usize,
    threads: usize,
    compute: &Compute<'_>,
    visit: &mut VisitTurn<'_>,
) -> Seen {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let send = send.clone();
            let (next, stop) = (&next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= count {
                        return;
                    }
                    let mut outputs = Vec::new();
                    compute(i, &mut outputs);
                    if send.send((i, outputs)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut seen = 0;
        let mut early = BTreeMap::new();
        // Ends with the last thread; a panic in one comes out of the scope.
        for (i, outputs) in receive {
            early.insert(i, outputs);
            while let Some(outputs) = early.remove(&seen) {
                let end = visit(seen, &outputs);
                seen += 1;
                if end.is_break() {
                    stop.store(true, Ordering::Relaxed);
                    return (seen, end);
                }
            }
        }
        (seen, ControlFlow::Continue(()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every even turn ends after the odd one that follows it.
    #[test]
    fn turns_are_visited_in_order_whenever_they_end() {
        const COUNT: usize = 20;
        let done: [AtomicBool; COUNT] = std::array::from_fn(|_| AtomicBool::new(false));
        let compute = |i: usize, outputs: &mut Vec<i64>| {
            while i.is_multiple_of(2) && !done[i + 1].load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            outputs.push(i as i64);
            done[i].store(true, Ordering::Release);
        };
        let mut seen = vec![];
        let end = in_order(COUNT, 2, &compute, &mut |i, y| {
            assert_eq!(y, [i as i64]);
            seen.push(i);
            ControlFlow::Continue(())
        });
        assert_eq!(end, (COUNT, ControlFlow::Continue(())));
        assert_eq!(seen, (0..COUNT).collect::<Vec<_>>());
    }
}
