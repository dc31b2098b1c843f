//! The policy against a small model of the world that it rules.

mod examples;
mod properties;
mod search;
mod world;
