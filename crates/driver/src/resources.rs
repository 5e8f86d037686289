//! What a run uses: processor time and memory; and the limit on memory.
//!
//! Memory is read from `/proc`, so that its limit and its peak exist on Linux alone.

use crate::progress::Cancel;
use ceg4n_verify::Stop;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often memory is looked at.
const PERIOD: Duration = Duration::from_millis(10);

/// Seconds of processor time of all threads since the program began; solver processes excluded.
pub(crate) fn process_seconds() -> f64 {
    seconds(clock_gettime(ClockId::ProcessCPUTime))
}

/// Seconds of processor time of the calling thread.
pub(crate) fn thread_seconds() -> f64 {
    seconds(clock_gettime(ClockId::ThreadCPUTime))
}

fn seconds(t: Timespec) -> f64 {
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

/// The most bytes of memory that were in use at one time since the program began.
pub(crate) fn peak_memory() -> Option<u64> {
    status("VmHWM:")
}

/// What the process has used since it began.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Seconds of processor time of all threads, without those of solver processes.
    pub cpu_seconds: f64,
    /// The most bytes of memory in use at a time; `None` where the system does not say.
    pub peak_memory: Option<u64>,
}

/// What the process has used until now.
pub fn usage() -> Usage {
    Usage {
        cpu_seconds: process_seconds(),
        peak_memory: peak_memory(),
    }
}

/// Bytes of memory of the machine.
pub(crate) fn total_memory() -> Option<u64> {
    size("/proc/meminfo", "MemTotal:")
}

/// The limit that the system sets on the memory of the group of processes that this one is in.
pub(crate) fn memory_ceiling() -> Option<u64> {
    let group = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = group.lines().find_map(|l| l.strip_prefix("0::"))?;
    let own = format!("/sys/fs/cgroup{}/memory.max", own.trim_end_matches('/'));
    let paths = [own.as_str(), "/sys/fs/cgroup/memory.max"];
    let read = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse().ok();
    paths.into_iter().filter_map(read).min()
}

/// Bytes of memory in use.
fn resident_memory() -> Option<u64> {
    status("VmRSS:")
}

/// A size of `/proc/self/status`, in bytes.
fn status(name: &str) -> Option<u64> {
    size("/proc/self/status", name)
}

/// The size that stands behind a name in a file of `/proc`, in bytes.
fn size(path: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|l| l.strip_prefix(name))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Stops work while the program uses more memory than it may. Work that ends frees its memory,
/// so that what comes after it may go on.
pub(crate) struct MemoryGuard {
    /// What solvers look at: the user's cancellation, or too much memory.
    cancel: Cancel,
    watcher: Option<Watcher>,
}

struct Watcher {
    over: Arc<AtomicBool>,
    reached: Arc<AtomicBool>,
    end: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl MemoryGuard {
    /// Watches a limit in MiB, if there is one and memory can be read.
    pub(crate) fn new(limit_mib: Option<u64>, cancel: &Cancel) -> Self {
        let limit = limit_mib.and_then(|m| m.checked_mul(1 << 20));
        let Some((limit, _)) = limit.zip(resident_memory()) else {
            return Self {
                cancel: cancel.clone(),
                watcher: None,
            };
        };
        let (user, own) = (cancel.clone(), Cancel::default());
        let [over, reached, end] = std::array::from_fn(|_| Arc::new(AtomicBool::new(false)));
        let flags = (own.clone(), over.clone(), reached.clone(), end.clone());
        let look = move |(own, over, reached, _): &(Cancel, _, Arc<AtomicBool>, _)| {
            let more: &Arc<AtomicBool> = over;
            let much = resident_memory().is_some_and(|m| m > limit);
            more.store(much, Ordering::Relaxed);
            reached.fetch_or(much, Ordering::Relaxed);
            own.store(much || user.load(Ordering::Relaxed), Ordering::Relaxed);
        };
        // Once here, so that a limit that is already passed stops the first piece of work.
        look(&flags);
        let watch = move || {
            let end: &Arc<AtomicBool> = &flags.3;
            while !end.load(Ordering::Relaxed) {
                look(&flags);
                std::thread::park_timeout(PERIOD);
            }
        };
        Self {
            cancel: own,
            watcher: Some(Watcher {
                over,
                reached,
                end,
                thread: std::thread::spawn(watch),
            }),
        }
    }

    /// What stops the run's work.
    pub(crate) fn stop(&self, deadline: Option<Instant>) -> Stop {
        Stop {
            deadline,
            cancel: Some(self.cancel.clone()),
            memory: self.watcher.as_ref().map(|w| w.over.clone()),
            jobs: 1,
            gauge: None,
        }
    }

    /// The limit was reached at some time, so that another run may find more.
    pub(crate) fn was_reached(&self) -> bool {
        let reached = |w: &Watcher| w.reached.load(Ordering::Relaxed);
        self.watcher.as_ref().is_some_and(reached)
    }
}

impl Drop for MemoryGuard {
    fn drop(&mut self) {
        if let Some(w) = self.watcher.take() {
            w.end.store(true, Ordering::Relaxed);
            w.thread.thread().unpark();
            // It does nothing that could panic, and there is nothing to tell.
            let _ = w.thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ceg4n_verify::Stopped;

    #[test]
    fn clocks_and_memory_are_read() {
        let (before, own) = (process_seconds(), thread_seconds());
        let x = (0..2_000_000u64).fold(1, |a, b| a ^ b.wrapping_mul(a));
        assert_ne!(x, 1);
        assert!(process_seconds() > before && thread_seconds() > own);
        if cfg!(target_os = "linux") {
            // In this order: other tests may use more at any time.
            let now = resident_memory();
            assert!(now > Some(1 << 16) && peak_memory() >= now);
        }
    }

    #[test]
    fn a_limit_that_is_passed_stops_work_and_says_why() {
        if !cfg!(target_os = "linux") {
            return;
        }
        let user = Cancel::default();
        let guard = MemoryGuard::new(Some(1), &user);
        assert_eq!(guard.stop(None).now(), Some(Stopped::Memory));
        assert!(guard.was_reached());
        assert!(!user.load(Ordering::Relaxed), "the user asked for nothing");

        let guard = MemoryGuard::new(Some(1 << 30), &user);
        let stop = guard.stop(None);
        assert_eq!(stop.now(), None);
        user.store(true, Ordering::Relaxed);
        let patience = Instant::now() + Duration::from_secs(10);
        while stop.now().is_none() && Instant::now() < patience {
            std::thread::sleep(PERIOD);
        }
        assert_eq!(stop.now(), Some(Stopped::Cancelled));
        assert!(!guard.was_reached());
    }
}
