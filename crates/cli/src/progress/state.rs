//! What events amount to: where a command stands.

use super::line::{Part, Rank, clock, thousands};
use ceg4n_driver::{Event, Live, Stage};
use std::sync::Arc;
use std::time::Duration;

/// An estimate needs so many finished pieces …
const PIECES: usize = 8;
/// … which are at least this share of all, as one of so many …
const SHARE: usize = 5;
/// … none of which, the ones under way included, took longer than so many of the others.
const UNIFORM: u32 = 8;

/// The stage under way.
#[derive(Clone, Debug)]
struct Now {
    stage: Stage,
    begun: Duration,
    /// Finished pieces of work, and how many there are.
    done: usize,
    of: Option<usize>,
    /// When a piece ended last.
    last: Duration,
    /// The longest time between two ends.
    longest: Duration,
}

/// Where a command stands.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Commands that are under way: a bench and the compile of its row.
    depth: usize,
    now: Option<Now>,
    /// Rows of a bench: what the one under way is about, how many are done, how many there are.
    row: Option<String>,
    rows: (usize, usize),
    /// The candidate before the verifier: version and widths.
    candidate: Option<(u32, String)>,
    /// Rounds of guided rounding since the last one.
    rounds: u64,
    candidates: u64,
    counterexamples: usize,
    best: Option<(u32, u64)>,
    /// Bytes and runs of a reduction.
    reduced: Option<(u64, u64)>,
    live: Option<Arc<Live>>,
}

impl Now {
    /// What its pieces of work are.
    fn unit(&self) -> &'static str {
        match self.stage {
            Stage::Label | Stage::Search | Stage::Verify => " regions",
            Stage::Kernels => " programs",
            Stage::Prove => " rules",
            Stage::Load | Stage::Emit | Stage::Optimality | Stage::Row | Stage::Reduce => "",
        }
    }
}

impl State {
    pub(crate) fn live(&self) -> Option<&Live> {
        self.live.as_deref()
    }

    pub(crate) fn watch(&mut self, live: Arc<Live>) {
        self.live = Some(live);
    }

    /// Takes an event in; what of it is worth a line for everybody.
    pub(crate) fn take(&mut self, event: &Event, now: Duration) -> Option<String> {
        match event {
            Event::Started { .. } => self.depth += 1,
            Event::Stage { stage, detail, of } => self.stage(*stage, detail, *of, now),
            Event::Loaded { .. } | Event::Written { .. } => {}
            Event::Guided { .. } => self.rounds += 1,
            Event::Labelled { done, of, .. }
            | Event::Region { done, of, .. }
            | Event::Rule { done, of, .. } => self.piece(*done, *of, now),
            Event::Candidate {
                version, formats, ..
            } => {
                self.candidate = Some((*version, formats.clone()));
                self.rounds = 0;
                self.restart(now);
            }
            Event::Iteration {
                candidates,
                counterexamples,
                best,
                best_cost,
                ..
            } => {
                (self.candidates, self.counterexamples) = (*candidates, *counterexamples);
                (self.candidate, self.rounds) = (None, 0);
                self.restart(now);
                let known = std::mem::replace(&mut self.best, best.zip(*best_cost));
                if self.best != known {
                    let told = |(v, cost)| format!("v{v} is proved, cost {cost}");
                    return self.best.map(told);
                }
            }
            Event::Row {
                name,
                result,
                done,
                of,
            } => {
                self.rows = (*done, *of);
                return Some(format!("{name}: {result}"));
            }
            Event::Reduced { bytes, runs, .. } => self.reduced = Some((*bytes, *runs)),
            Event::Note { text } => return Some(text.clone()),
            Event::Finished { .. } => self.depth = self.depth.saturating_sub(1),
        }
        None
    }

    fn stage(&mut self, stage: Stage, detail: &str, of: Option<usize>, now: Duration) {
        match stage {
            Stage::Row => {
                let rows = self.rows;
                let depth = self.depth;
                *self = Self {
                    depth,
                    rows,
                    row: Some(detail.to_owned()),
                    ..Self::default()
                };
            }
            Stage::Emit | Stage::Optimality => (self.candidate, self.rounds) = (None, 0),
            Stage::Load
            | Stage::Label
            | Stage::Kernels
            | Stage::Search
            | Stage::Verify
            | Stage::Prove
            | Stage::Reduce => {}
        }
        self.now = Some(Now {
            stage,
            begun: now,
            done: 0,
            of,
            last: now,
            longest: Duration::ZERO,
        });
    }

    /// A piece of work ended.
    fn piece(&mut self, done: usize, of: usize, now: Duration) {
        let Some(at) = &mut self.now else { return };
        // Threads tell in no fixed order.
        at.done = at.done.max(done);
        at.of = Some(of);
        at.longest = at.longest.max(now.saturating_sub(at.last));
        at.last = now;
    }

    /// Other pieces of work begin in the same stage.
    fn restart(&mut self, now: Duration) {
        if let Some(at) = &mut self.now {
            (at.done, at.of, at.last) = (0, None, now);
        }
    }

    /// The time that is left, where what was done says something about it: pieces of one pass
    /// that take about the same time each. Of a search nothing is known.
    fn left(&self, now: Duration) -> Option<Duration> {
        let at = self.now.as_ref()?;
        let uniform = match at.stage {
            Stage::Label | Stage::Verify => true,
            Stage::Load
            | Stage::Kernels
            | Stage::Search
            | Stage::Emit
            | Stage::Optimality
            | Stage::Row
            | Stage::Prove
            | Stage::Reduce => false,
        };
        let (done, of) = (at.done, at.of?);
        if !uniform || done < PIECES || done * SHARE < of || done >= of {
            return None;
        }
        let spent = at.last.saturating_sub(at.begun);
        let pieces = u32::try_from(done).ok()?;
        let mean = spent / pieces;
        // One that took long must not hide in the mean.
        let others = spent.saturating_sub(at.longest) / (pieces - 1);
        let longest = at.longest.max(now.saturating_sub(at.last));
        if longest > others * UNIFORM {
            return None;
        }
        let rest = mean * u32::try_from(of - done).ok()?;
        Some(rest.saturating_sub(now.saturating_sub(at.last)))
    }

    /// What is to be shown.
    pub(crate) fn parts(&self, now: Duration) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut add = |rank: Rank, text: String| parts.push(Part { rank, text });
        if let Some(row) = &self.row {
            let (done, of) = self.rows;
            let place = match of {
                0 => String::new(),
                _ => format!("row {} of {of}: ", done + 1),
            };
            add(Rank::Title, format!("{place}{row}"));
        }
        let stage = self.now.as_ref().map_or("start", |n| n.stage.name());
        add(Rank::Stage, stage.to_owned());
        add(Rank::Time, clock(now));
        if let Some((version, formats)) = &self.candidate {
            add(Rank::Iteration, format!("v{version}"));
            add(Rank::Formats, formats.clone());
        }
        if self.rounds > 0 {
            let n = thousands(self.rounds);
            add(Rank::Iteration, format!("{n} rounds of guided rounding"));
        }
        if let Some((at, of)) = self.now.as_ref().and_then(|n| Some((n, n.of?))) {
            add(Rank::Pieces, format!("{} of {of}{}", at.done, at.unit()));
        }
        if let Some(left) = self.left(now) {
            add(Rank::Left, format!("about {} left", clock(left)));
        }
        let through = self.live.as_ref().map_or(0, |l| l.assignments());
        if through > 0 {
            let n = thousands(through);
            add(Rank::Pieces, format!("{n} cheaper assignments"));
        }
        let open = self.live.as_ref().map_or(0, |l| l.open_boxes());
        if open > 0 {
            add(Rank::Boxes, format!("{} open boxes", thousands(open)));
        }
        if let Some((_, cost)) = self.best {
            add(Rank::Best, format!("best cost {cost}"));
        }
        if self.counterexamples > 0 {
            let n = self.counterexamples as u64;
            add(Rank::Points, format!("{} counterexamples", thousands(n)));
        }
        let tried = self.live.as_ref().map_or(0, |l| l.candidates());
        let tried = tried.max(self.candidates);
        if tried > 0 {
            add(Rank::Tried, format!("{} candidates", thousands(tried)));
        }
        if let Some((bytes, runs)) = self.reduced {
            add(Rank::Pieces, format!("{} bytes", thousands(bytes)));
            add(Rank::Points, format!("{} runs", thousands(runs)));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::line::whole;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn verify(of: usize) -> State {
        let mut state = State::default();
        let stage = Event::Stage {
            stage: Stage::Verify,
            detail: "regions".to_owned(),
            of: Some(of),
        };
        assert_eq!(state.take(&stage, s(0)), None);
        state
    }

    fn region(done: usize, of: usize) -> Event {
        Event::Region {
            id: "r".to_owned(),
            requirement: "top1".to_owned(),
            verdict: "proved",
            method: None,
            reason: None,
            done,
            of,
        }
    }

    #[test]
    fn time_is_estimated_after_a_share_of_uniform_work_alone() {
        let mut state = verify(40);
        for i in 1..8 {
            state.take(&region(i, 40), s(i as u64));
        }
        assert_eq!(state.left(s(7)), None, "too few");
        state.take(&region(8, 40), s(8));
        assert_eq!(state.left(s(8)), Some(s(32)));
        assert_eq!(state.left(s(12)), Some(s(28)), "time passes");
        assert_eq!(state.left(s(17)), None, "one of them takes long");
        state.take(&region(9, 40), s(60));
        assert_eq!(state.left(s(60)), None, "they are of different kinds");

        let mut state = verify(50);
        (1..10).for_each(|i| assert_eq!(state.take(&region(i, 50), s(i as u64)), None));
        assert_eq!(state.left(s(9)), None, "less than a fifth");

        let mut state = verify(10);
        (1..=10).for_each(|i| assert_eq!(state.take(&region(i, 10), s(i as u64)), None));
        assert_eq!(state.left(s(10)), None, "done");
    }

    #[test]
    fn nothing_is_foretold_of_a_search() {
        let mut state = State::default();
        let stage = Event::Stage {
            stage: Stage::Search,
            detail: "space".to_owned(),
            of: None,
        };
        state.take(&stage, s(0));
        (1..10).for_each(|i| assert_eq!(state.take(&region(i, 10), s(i as u64)), None));
        assert_eq!(state.left(s(9)), None);
        assert_eq!(whole(state.parts(s(9))), "search 0:09, 9 of 10 regions");
    }

    #[test]
    fn a_better_version_is_news_once() {
        let mut state = verify(1);
        let iteration = |best: u32, cost| Event::Iteration {
            version: best,
            ended: "proved",
            candidates: 12_345,
            counterexamples: 2,
            best: Some(best),
            best_cost: Some(cost),
        };
        let news = state.take(&iteration(3, 70), s(1));
        assert_eq!(news.as_deref(), Some("v3 is proved, cost 70"));
        assert_eq!(state.take(&iteration(3, 70), s(2)), None);
        assert!(state.take(&iteration(4, 60), s(3)).is_some());
        assert_eq!(
            whole(state.parts(s(75))),
            "verify 1:15, best cost 60, 2 counterexamples, 12,345 candidates"
        );
    }
}
