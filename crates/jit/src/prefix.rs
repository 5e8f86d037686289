//! Activations that candidates share: a candidate that differs from an earlier one in a late layer
//! only starts there.

use crate::buffer::Buffer;
use crate::plan::Source;
use crate::samples::Samples;
use crate::stage::Stage;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Samples that are kept, and computed, together.
pub(crate) const BLOCK: usize = 128;

/// What a [`PrefixCache`] holds and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixStats {
    /// Stages whose activations are held.
    pub entries: usize,
    /// Bytes of activations and of the stages' data, at most the limit.
    pub bytes: usize,
    /// Samples of a stage that were computed.
    pub computed: u64,
    /// Samples of a stage that were not computed because they or later ones were held.
    pub reused: u64,
}

/// Activations by what they were computed from: the samples, and the data of every stage up to
/// theirs (weights, biases, shifts, clamps, element types, rounding). Shared by evaluators and
/// threads; it changes no result, only the time.
///
/// A stage is found by comparing its data, not only their fingerprint, so that nothing stale is
/// ever taken for the activations of another program. The outputs of a program's last stage are
/// not kept. Beyond the limit the least recently used stages go first; a program that would exceed
/// it with one block of samples does not use the cache.
pub struct PrefixCache {
    limit: usize,
    inner: Mutex<Inner>,
    computed: AtomicU64,
    reused: AtomicU64,
}

/// One stage's activations for one set of samples, by blocks of [`BLOCK`] samples.
pub(crate) struct Entry {
    stage: Arc<Stage>,
    blocks: Vec<OnceLock<Buffer>>,
}

impl Entry {
    fn new(stage: Arc<Stage>, samples: usize) -> Self {
        Self {
            stage,
            blocks: (0..samples.div_ceil(BLOCK))
                .map(|_| OnceLock::new())
                .collect(),
        }
    }

    /// The stage's outputs for a block, if they are computed.
    pub(crate) fn block(&self, block: usize) -> Option<&Buffer> {
        self.blocks.get(block)?.get()
    }

    /// Stores the outputs of a block. If another thread was faster, its outputs stay: the same.
    pub(crate) fn fill(&self, block: usize, outputs: Buffer) {
        if let Some(cell) = self.blocks.get(block) {
            let _ = cell.set(outputs);
        }
    }
}

/// What a stage reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Parent {
    /// [`Samples::id`].
    Samples(u64),
    /// The number of an entry.
    Entry(u64),
}

/// Where entries are looked for: what they read and the fingerprint of their data.
type Key = (Vec<Parent>, u64);

struct Held {
    entry: Arc<Entry>,
    key: Key,
    bytes: usize,
    used: u64,
}

#[derive(Default)]
struct Inner {
    /// By number. Numbers are never used twice, so an entry whose parent went is never found.
    held: BTreeMap<u64, Held>,
    numbers: BTreeMap<Key, Vec<u64>>,
    next: u64,
    clock: u64,
    bytes: usize,
}

impl PrefixCache {
    /// An empty cache that holds at most about so many bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            inner: Mutex::default(),
            computed: AtomicU64::new(0),
            reused: AtomicU64::new(0),
        }
    }

    /// What it holds and did so far.
    pub fn stats(&self) -> PrefixStats {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        PrefixStats {
            entries: inner.held.len(),
            bytes: inner.bytes,
            computed: self.computed.load(Ordering::Relaxed),
            reused: self.reused.load(Ordering::Relaxed),
        }
    }

    /// The most bytes that it holds.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The entries of stages that read the samples and each other, made where they are missing.
    pub(crate) fn path(&self, samples: &Samples, stages: &[Arc<Stage>]) -> Vec<Arc<Entry>> {
        // Whole after a panic too as far as results go: entries are found by comparison.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut numbers: Vec<u64> = Vec::with_capacity(stages.len());
        for stage in stages {
            let parent = |source: &Source| match source {
                Source::Input => Parent::Samples(samples.id()),
                Source::Stage(s) => Parent::Entry(numbers[*s]),
            };
            let parents = stage.sources().iter().map(parent).collect();
            let key = (parents, stage.fingerprint());
            let number = inner
                .find(&key, stage)
                .unwrap_or_else(|| inner.insert(key, stage, samples.len()));
            numbers.push(number);
        }
        // A stage counts as used later than those that read it, so that it outlives them.
        for number in numbers.iter().rev() {
            inner.touch(*number);
        }
        let path = numbers
            .iter()
            .filter_map(|n| inner.held.get(n).map(|h| h.entry.clone()))
            .collect();
        inner.shrink(self.limit);
        path
    }

    pub(crate) fn count(&self, computed: usize, reused: usize) {
        self.computed.fetch_add(computed as u64, Ordering::Relaxed);
        self.reused.fetch_add(reused as u64, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for PrefixCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrefixCache")
            .field("limit", &self.limit)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn find(&self, key: &Key, stage: &Arc<Stage>) -> Option<u64> {
        let same = |n: &&u64| {
            self.held.get(n).is_some_and(|h| {
                Arc::ptr_eq(&h.entry.stage, stage) || h.entry.stage.computes_as(stage)
            })
        };
        self.numbers.get(key)?.iter().find(same).copied()
    }

    fn insert(&mut self, key: Key, stage: &Arc<Stage>, samples: usize) -> u64 {
        let number = self.next;
        self.next += 1;
        let bytes = samples * stage.output_bytes() + stage.data_bytes();
        let held = Held {
            entry: Arc::new(Entry::new(stage.clone(), samples)),
            key: key.clone(),
            bytes,
            used: 0,
        };
        self.bytes += bytes;
        self.held.insert(number, held);
        self.numbers.entry(key).or_default().push(number);
        number
    }

    fn touch(&mut self, number: u64) {
        self.clock += 1;
        let clock = self.clock;
        if let Some(held) = self.held.get_mut(&number) {
            held.used = clock;
        }
    }

    /// Drops the least recently used entries until the rest is within the limit.
    fn shrink(&mut self, limit: usize) {
        while self.bytes > limit {
            let oldest = self
                .held
                .iter()
                .min_by_key(|(_, h)| h.used)
                .map(|(n, _)| *n);
            let Some((number, gone)) = oldest.and_then(|n| Some((n, self.held.remove(&n)?))) else {
                return;
            };
            self.bytes -= gone.bytes;
            if let Some(list) = self.numbers.get_mut(&gone.key) {
                list.retain(|n| *n != number);
                if list.is_empty() {
                    self.numbers.remove(&gone.key);
                }
            }
        }
    }
}
