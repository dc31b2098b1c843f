//! What threads and processes agree by, in every order of steps and with every value that a load may
//! see, and with a death before every step. `scripts/test-protocols` runs it: it is built with
//! `--cfg loom`, and empty without.
#![cfg(loom)]

mod fdb;
mod lanes;
mod ring;
mod words;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use vhost_transfer::sync::mortal;

/// Switches away from a thread that could go on, in one run: few bugs need more (Musuvathi and
/// Qadeer, "Iterative context bounding", PLDI 2007).
const PREEMPTIONS: usize = 2;

/// Runs `scenario` in every order.
fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    explore_with(PREEMPTIONS, scenario);
}

fn explore_with(preemptions: usize, scenario: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(scenario);
}

/// One that dies before its step number `limit`.
#[derive(Clone)]
struct Mortal {
    limit: u32,
    has_died: Arc<AtomicBool>,
}

impl Mortal {
    /// `None` when it died of it.
    fn live<T>(&self, life: impl FnOnce() -> T) -> Option<T> {
        let outcome = mortal::dies_at(self.limit, life, || {});
        self.has_died.fetch_or(outcome.is_none(), Relaxed);
        outcome
    }
}

/// Runs `scenario` in every order, with a mortal that dies before its first step, its second, and so
/// on until it lives to the end in all orders.
fn explore_deaths(scenario: impl Fn(&Mortal) + Send + Sync + 'static) {
    let scenario = Arc::new(scenario);
    for limit in 0.. {
        let mortal = Mortal {
            limit,
            has_died: Arc::default(),
        };
        let (scenario, one) = (Arc::clone(&scenario), mortal.clone());
        explore(move || scenario(&one));
        if !mortal.has_died.load(Relaxed) {
            assert!(limit > 0, "it took no step");
            return;
        }
    }
}
