//! Rings with a driver that keeps to the rules, and with drivers that do not.

mod driver;
mod hostile;
mod ordinary;
