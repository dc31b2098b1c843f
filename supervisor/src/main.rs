//! The binary: see the library.

fn main() -> vswsup::ExitStatus {
    vswsup::cli::main()
}
