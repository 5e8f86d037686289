//! Branch and bound over serialisable work items: worst bound and smallest part first, in waves of a fixed size that are
//! worked on by all threads, so that no result depends on their number.

use crate::budget::{Share, Stop, Stopped};
use crate::subject::Trouble;
use crate::tree::{Closure, Cut, Partial, Tree, TreeNode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Items of one wave.
const WAVE: usize = 32;
/// Of so many items of a wave one has the worst bound, the others are the smallest.
const WORST_EVERY: usize = 4;

/// What can be said of a part, and how it can be divided.
pub trait Problem: Sync {
    /// A part.
    type Item: Send + Sync;
    /// What ends the whole search, for instance a replayed counterexample.
    type Found: Send;

    /// Looks at a part; a pure function of it.
    ///
    /// # Errors
    /// A defect of the tool.
    fn look(&self, item: &Self::Item) -> Result<Look<Self::Item, Self::Found>, Trouble>;
}

/// The answer about one part.
#[derive(Debug)]
pub enum Look<I, F> {
    /// Decided; `slack` is what it needed (of a margin), else 0.
    Closed {
        /// How.
        closure: Closure,
        /// See above.
        slack: f64,
        /// Inputs evaluated one by one.
        points: u64,
    },
    /// Divided in two. `bound` is the part's bound, negative: how far it is from holding.
    Divided {
        /// How.
        cut: Cut,
        /// The parts.
        parts: Box<[I; 2]>,
        /// See above.
        bound: f64,
        /// Inputs evaluated one by one.
        points: u64,
    },
    /// The search is over.
    Found(F),
    /// Neither decided nor divisible.
    Stuck {
        /// Why.
        reason: String,
        /// As for a division.
        bound: f64,
    },
}

/// A part that is not decided.
#[derive(Debug)]
pub struct OpenPart<I> {
    /// The part.
    pub item: I,
    /// Its node of the tree.
    pub node: usize,
    /// The bound of the part, or of the one that it was divided from.
    pub bound: f64,
    /// Its share of the region, by halving.
    pub share: f64,
}

/// How a search ended.
#[derive(Debug)]
pub struct Ended<I, F> {
    /// What ended it early.
    pub found: Option<F>,
    /// Parts left, worst bound first.
    pub open: Vec<OpenPart<I>>,
    /// Parts that can not be divided, and why.
    pub stuck: Vec<(OpenPart<I>, String)>,
    /// The division.
    pub tree: Tree,
    /// Parts looked at.
    pub boxes: u64,
    /// Inputs evaluated one by one.
    pub points: u64,
    /// The largest slack that was needed.
    pub slack: f64,
    /// The clock or a cancellation ended it.
    pub stopped: Option<Stopped>,
}

impl<I, F> Ended<I, F> {
    /// Every part is decided.
    pub fn is_proved(&self) -> bool {
        self.found.is_none() && self.open.is_empty() && self.stuck.is_empty()
    }
}

/// Open parts in two orders: by bound, where a counterexample is likeliest, and by size, so that
/// what is begun is finished and the proved share grows.
struct Queue<I> {
    parts: BTreeMap<usize, OpenPart<I>>,
    by_bound: BTreeSet<(i64, usize)>,
    by_size: BTreeSet<(i64, i64, usize)>,
}

/// Integers in the order of `f64::total_cmp`.
fn ordered(v: f64) -> i64 {
    let bits = v.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

impl<I> Queue<I> {
    fn new(start: Vec<OpenPart<I>>) -> Self {
        let mut queue = Self {
            parts: BTreeMap::new(),
            by_bound: BTreeSet::new(),
            by_size: BTreeSet::new(),
        };
        for part in start {
            queue.push(part);
        }
        queue
    }

    fn push(&mut self, part: OpenPart<I>) {
        let (bound, share) = (ordered(part.bound), ordered(part.share));
        self.by_bound.insert((bound, part.node));
        self.by_size.insert((share, bound, part.node));
        self.parts.insert(part.node, part);
    }

    fn take(&mut self, node: usize) -> Option<OpenPart<I>> {
        let part = self.parts.remove(&node)?;
        let (bound, share) = (ordered(part.bound), ordered(part.share));
        self.by_bound.remove(&(bound, node));
        self.by_size.remove(&(share, bound, node));
        Some(part)
    }

    /// The parts to look at next, at most so many.
    fn wave(&mut self, most: usize) -> Vec<OpenPart<I>> {
        let mut wave = Vec::with_capacity(most);
        while wave.len() < most {
            let node = if wave.len() % WORST_EVERY == 0 {
                self.by_bound.first().map(|k| k.1)
            } else {
                self.by_size.first().map(|k| k.2)
            };
            match node.and_then(|n| self.take(n)) {
                Some(part) => wave.push(part),
                None => break,
            }
        }
        wave
    }

    /// All parts, worst bound first.
    fn into_parts(mut self) -> Vec<OpenPart<I>> {
        let order: Vec<usize> = self.by_bound.iter().map(|k| k.1).collect();
        order.into_iter().filter_map(|n| self.take(n)).collect()
    }
}

/// A division found before.
#[derive(Clone, Copy, Debug)]
pub enum Earlier<'a> {
    /// Of another program on the same region: only where it cuts is taken over.
    Division(&'a Tree),
    /// Of this very question: what is decided stays decided.
    Partial(&'a Partial),
}

/// Where a search starts.
#[derive(Debug)]
pub struct Start<I> {
    /// The division so far.
    pub tree: Tree,
    /// Its open parts.
    pub parts: Vec<OpenPart<I>>,
    /// The largest slack of the parts that are decided.
    pub slack: f64,
}

impl<I> Start<I> {
    /// The whole region, or the leaves of an earlier division; cuts that do not divide a part
    /// are passed over.
    pub fn new(
        earlier: Option<Earlier<'_>>,
        root: I,
        divide: impl Fn(&I, &Cut) -> Option<[I; 2]>,
    ) -> Self {
        let (nodes, partial) = match earlier {
            Some(Earlier::Division(t)) => (&t.nodes[..], None),
            Some(Earlier::Partial(p)) => (&p.tree.nodes[..], Some(p)),
            None => (&[][..], None),
        };
        let mut start = Self {
            tree: Tree::default(),
            parts: Vec::new(),
            slack: partial.map_or(0.0, |p| p.slack),
        };
        let mut stack = vec![(0, 0, root, 1.0)];
        while let Some((old, node, item, share)) = stack.pop() {
            match nodes.get(old) {
                // Parts come after what they are parts of; other trees would never end.
                Some(TreeNode::Divided(cut, a, b)) if *a > old && *b > old => {
                    if let Some(items) = divide(&item, cut) {
                        let made = start.tree.divide(node, *cut);
                        let halves = [*a, *b].into_iter().zip(made).zip(items);
                        stack.extend(halves.map(|((o, n), i)| (o, n, i, share / 2.0)));
                        continue;
                    }
                }
                Some(TreeNode::Closed(closure)) if partial.is_some() => {
                    start.tree.nodes[node] = TreeNode::Closed(closure.clone());
                    continue;
                }
                Some(TreeNode::Open | TreeNode::Closed(_) | TreeNode::Divided(..)) | None => {}
            }
            start.parts.push(OpenPart {
                item,
                node,
                bound: f64::NEG_INFINITY,
                share,
            });
        }
        start
    }
}

/// Runs a search over at most `boxes` parts, and until more than `points` inputs were evaluated.
///
/// # Errors
/// The first defect, in the order of the parts.
pub fn run<P: Problem>(
    problem: &P,
    start: Start<P::Item>,
    (boxes, points): (u64, u64),
    stop: &Stop,
) -> Result<Ended<P::Item, P::Found>, Trouble> {
    let mut open = Queue::new(start.parts);
    let mut ended = Ended {
        found: None,
        open: Vec::new(),
        stuck: Vec::new(),
        tree: start.tree,
        boxes: 0,
        points: 0,
        slack: start.slack,
        stopped: None,
    };
    let mut share = Share::new(stop);
    while !open.parts.is_empty() && ended.boxes < boxes && ended.points <= points {
        ended.stopped = stop.now();
        if ended.stopped.is_some() {
            break;
        }
        let left = usize::try_from(boxes - ended.boxes).unwrap_or(WAVE);
        share.set(open.parts.len() as u64, ended.boxes);
        let wave = open.wave(WAVE.min(left));
        let looks = look_at(problem, &wave, stop);
        for (part, look) in wave.into_iter().zip(looks) {
            let Some(look) = look else {
                // The clock ran out within the wave.
                ended.stopped = ended.stopped.or_else(|| stop.now());
                open.push(part);
                continue;
            };
            ended.boxes += 1;
            if ended.take(part, look?, &mut open) {
                ended.open = open.into_parts();
                return Ok(ended);
            }
        }
        if ended.stopped.is_some() {
            break;
        }
    }
    ended.open = open.into_parts();
    Ok(ended)
}

impl<I, F> Ended<I, F> {
    /// Takes in one answer; true if the search is over.
    fn take(&mut self, part: OpenPart<I>, look: Look<I, F>, open: &mut Queue<I>) -> bool {
        match look {
            Look::Closed {
                closure,
                slack,
                points,
            } => {
                self.tree.nodes[part.node] = TreeNode::Closed(closure);
                self.slack = self.slack.max(slack);
                self.points += points;
            }
            Look::Divided {
                cut,
                parts,
                bound,
                points,
            } => {
                self.points += points;
                let nodes = self.tree.divide(part.node, cut);
                for (item, node) in parts.into_iter().zip(nodes) {
                    open.push(OpenPart {
                        item,
                        node,
                        bound,
                        share: part.share / 2.0,
                    });
                }
            }
            Look::Found(found) => {
                self.found = Some(found);
                return true;
            }
            Look::Stuck { reason, bound } => {
                self.stuck.push((OpenPart { bound, ..part }, reason));
            }
        }
        false
    }
}

type Looks<P> = Vec<Option<Result<Look<<P as Problem>::Item, <P as Problem>::Found>, Trouble>>>;

/// Looks at all parts of a wave, in order; `None` for those that the clock left no time for.
fn look_at<P: Problem>(problem: &P, wave: &[OpenPart<P::Item>], stop: &Stop) -> Looks<P> {
    let one = |p: &OpenPart<P::Item>| stop.now().is_none().then(|| problem.look(&p.item));
    let jobs = stop.jobs.max(1).min(wave.len());
    if jobs <= 1 {
        return wave.iter().map(one).collect();
    }
    let next = AtomicUsize::new(0);
    let slots: Vec<Mutex<Option<_>>> = wave.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|s| {
        for _ in 0..jobs {
            s.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(part) = wave.get(i) else { break };
                    let look = one(part);
                    if let Ok(mut slot) = slots[i].lock() {
                        *slot = look;
                    }
                }
            });
        }
    });
    let lost = |_| Some(Err(Trouble("a worker left no answer".into())));
    let answers = slots.into_iter();
    answers
        .map(|m| m.into_inner().unwrap_or_else(lost))
        .collect()
}
