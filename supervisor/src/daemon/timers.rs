//! Timers: by name, in the order in which they come due.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// At most one timer of each name runs.
#[derive(Debug)]
pub(super) struct Timers<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_name: BTreeMap<K, Instant>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self {
            by_time: BTreeSet::new(),
            by_name: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Copy> Timers<K> {
    pub(super) fn start(&mut self, name: K, now: Instant, limit: Duration) {
        self.stop(name);
        let at = now + limit;
        self.by_time.insert((at, name));
        self.by_name.insert(name, at);
    }

    pub(super) fn stop(&mut self, name: K) {
        if let Some(at) = self.by_name.remove(&name) {
            self.by_time.remove(&(at, name));
        }
    }

    /// How long until the next one comes due.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let (at, _) = self.by_time.first()?;
        Some(at.saturating_duration_since(now))
    }

    /// One that is due; it does not run any more.
    pub(super) fn pop(&mut self, now: Instant) -> Option<K> {
        let &(at, name) = self.by_time.first()?;
        (at <= now).then(|| {
            self.stop(name);
            name
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_due_in_order_and_once() {
        let now = Instant::now();
        let ms = Duration::from_millis;
        let mut timers = Timers::default();
        timers.start("late", now, ms(30));
        timers.start("early", now, ms(10));
        timers.start("stopped", now, ms(5));
        timers.start("late", now, ms(20));
        timers.stop("stopped");
        assert_eq!(timers.wait(now), Some(ms(10)));
        assert_eq!(timers.pop(now + ms(9)), None);
        assert_eq!(timers.pop(now + ms(25)), Some("early"));
        assert_eq!(timers.pop(now + ms(25)), Some("late"));
        assert_eq!(timers.pop(now + ms(99)), None);
        assert_eq!(timers.wait(now), None);
    }
}
