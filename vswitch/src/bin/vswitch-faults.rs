//! One instance of the vswitch, which fails on demand.

fn main() -> std::process::ExitCode {
    vswitch::program::main()
}
