//! The binary: see the library.

fn main() -> vswsup::ExitStatus {
    die_of_panics();
    vswsup::cli::main()
}

/// Unwinding would kill the instances; without their supervisor they go on, and the next one takes
/// them over.
fn die_of_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}
