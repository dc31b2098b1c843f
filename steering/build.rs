//! Compiles `bpf/steering.bpf.c` into the BPF object that the `ebpf` backend loads.

use std::env;
use std::path::Path;
use std::process::Command;

const SOURCE: &str = "bpf/steering.bpf.c";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    let out_dir = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let object = Path::new(&out_dir).join("steering.bpf.o");
    let status = Command::new("clang")
        .args([
            "-target", "bpf", "-O2", "-Wall", "-Wextra", "-Werror", "-c", SOURCE, "-o",
        ])
        .arg(&object)
        .status()
        .expect("clang, which compiles the BPF program, did not start: is the package clang here?");
    assert!(
        status.success(),
        "clang could not compile {SOURCE}: {status}"
    );
}
