//! Independent pieces of work on several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `n` independent pieces of work on up to `jobs` threads; results in order, the same for
/// any number of threads if each piece is.
pub(crate) fn parallel<T: Send>(jobs: usize, n: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let jobs = jobs.max(1).min(n);
    if jobs <= 1 {
        return (0..n).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<T>>> = (0..n).map(|_| Mutex::new(None)).collect();
    std::thread::scope(|s| {
        for _ in 0..jobs {
            s.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(slot) = results.get(i) else { break };
                    let value = work(i);
                    if let Ok(mut slot) = slot.lock() {
                        *slot = Some(value);
                    }
                }
            });
        }
    });
    // A thread that panicked ends the scope with its panic, so every slot is filled.
    results
        .into_iter()
        .filter_map(|m| m.into_inner().ok().flatten())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::parallel;

    #[test]
    fn results_come_in_order_for_any_number_of_threads() {
        let squares: Vec<usize> = (0..100).map(|i| i * i).collect();
        for jobs in [0, 1, 3, 200] {
            assert_eq!(parallel(jobs, 100, |i| i * i), squares);
        }
        assert!(parallel(4, 0, |i| i).is_empty());
    }
}
