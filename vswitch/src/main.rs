//! One instance of the vswitch.

fn main() -> std::process::ExitCode {
    vswitch::program::main()
}
