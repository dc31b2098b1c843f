//! The vswitch process, one instance of the pair.
fn main() {}
