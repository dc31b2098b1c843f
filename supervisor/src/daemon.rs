//! Turns readiness into events and actions into system calls.
