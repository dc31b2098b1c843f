//! The policy against a small model of the world that it rules.

mod examples;
mod failures;
mod one_device;
mod properties;
mod search;
mod uplinks;
mod world;
