//! Generates the declarations from the installed DPDK headers and compiles the wrappers of DPDK's
//! static inline functions. `PKG_CONFIG_PATH` chooses another DPDK than the system's.

use std::collections::HashSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use bindgen::callbacks::{IntKind, ParseCallbacks};

const HEADER: &str = "src/dpdk.h";

const FUNCTIONS: &[&str] = &[
    "dpdk_sys_.*",
    // EAL
    "rte_eal_(init|cleanup)",
    "rte_(version|strerror|lcore_id)",
    "rte_thread_(register|unregister)",
    "rte_log_(set_level_pattern|set_global_level)",
    // devices
    "rte_dev_(probe|remove|name)",
    // memory
    "rte_pktmbuf_(pool_create|alloc|alloc_bulk|free|free_bulk)",
    "rte_mempool_(free|avail_count|in_use_count)",
    "rte_malloc_heap_(create|get_socket|memory_add)",
    "rte_vfio_container_dma_map",
    // ports
    "rte_eth_iterator_(init|next|cleanup)",
    "rte_eth_find_next",
    "rte_eth_dev_(socket_id|get_port_by_name|get_name_by_port)",
    "rte_eth_dev_(info_get|configure|adjust_nb_rx_tx_desc|start|stop|close)",
    "rte_eth_dev_(get_mtu|set_mtu)",
    "rte_eth_dev_owner_(new|set)",
    "rte_eth_(rx|tx)_queue_setup",
    "rte_eth_macaddr_get",
    "rte_eth_promiscuous_(enable|disable|get)",
    "rte_eth_stats_(get|reset)",
    "rte_eth_xstats_(get|get_names|reset)",
    // bursts
    "rte_eth_(rx|tx)_burst",
    "rte_eth_tx_done_cleanup",
    "rte_eth_rx_queue_count",
    "rte_eth_(rx|tx)_descriptor_status",
];

const CONSTANTS: &[&str] = &[
    "DPDK_SYS_.*",
    "RTE_ETH_(RX|TX)_OFFLOAD_.*",
    "RTE_ETH_(RX|TX)_DESC_.*",
    "RTE_ETH_(NAME_MAX_LEN|XSTATS_NAME_SIZE)",
    "RTE_ETHER_.*",
    "RTE_LOG_.*",
    "RTE_MAX_(ETHPORTS|LCORE)",
    "RTE_MBUF_F_(RX|TX)_.*",
    "RTE_ETH_RSS_.*",
    "RTE_MBUF_DEFAULT_(BUF_SIZE|DATAROOM)",
    "RTE_MEMPOOL_CACHE_MAX_SIZE",
    "RTE_PKTMBUF_HEADROOM",
    "RTE_VFIO_DEFAULT_CONTAINER_FD",
    "LCORE_ID_ANY",
    "SOCKET_ID_ANY",
];

/// Structs that the product only points to, or whose fields differ between DPDK versions.
const OPAQUE: &[&str] = &[
    "rte_bus",
    "rte_class",
    "rte_device",
    "rte_eth_link",
    "rte_mbuf",
    "rte_mempool",
];

fn main() {
    println!("cargo::rerun-if-changed={HEADER}");
    for variable in [
        "PKG_CONFIG",
        "PKG_CONFIG_PATH",
        "PKG_CONFIG_LIBDIR",
        "PKG_CONFIG_SYSROOT_DIR",
    ] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let cflags = pkg_config(&["--cflags"]);
    generate(&out, &cflags);
    compile_wrappers(&out, &cflags);
    link();
}

/// The flags of libdpdk, whole: `-include rte_config.h` and `-march` matter as much as the paths.
fn pkg_config(what: &[&str]) -> Vec<String> {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    let output = Command::new(&program)
        .args(what)
        .arg("libdpdk")
        .output()
        .unwrap_or_else(|error| {
            panic!("cannot run {program}: {error}; run scripts/install-packages")
        });
    assert!(
        output.status.success(),
        "{program} does not find libdpdk; run scripts/install-packages\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .map(String::from)
        .collect()
}

/// Offload and mbuf flags are 64 bits wide in DPDK, also those whose value fits into 32.
#[derive(Debug)]
struct FlagWidth;

impl ParseCallbacks for FlagWidth {
    fn int_macro(&self, name: &str, _value: i64) -> Option<IntKind> {
        (["_OFFLOAD_", "RTE_MBUF_F_", "RTE_ETH_RSS_"]
            .iter()
            .any(|part| name.contains(part)))
        .then_some(IntKind::U64)
    }
}

fn generate(out: &Path, cflags: &[String]) {
    let mut builder = bindgen::builder()
        .header(HEADER)
        .clang_args(cflags)
        .use_core()
        .parse_callbacks(Box::new(FlagWidth))
        .wrap_unsafe_ops(true)
        .generate_comments(false)
        .derive_default(false)
        .prepend_enum_name(false)
        .allowlist_recursively(true)
        .wrap_static_fns(true)
        .wrap_static_fns_path(out.join("wrappers"))
        .clang_macro_fallback()
        .clang_macro_fallback_build_dir(out);
    builder = FUNCTIONS
        .iter()
        .fold(builder, |b, name| b.allowlist_function(name));
    builder = CONSTANTS
        .iter()
        .fold(builder, |b, name| b.allowlist_var(name));
    builder = OPAQUE.iter().fold(builder, |b, name| b.opaque_type(name));
    builder
        .allowlist_type("dpdk_sys_mbuf_offset")
        .generate()
        .expect("bindgen cannot read DPDK's headers")
        .write_to_file(out.join("bindings.rs"))
        .expect("cannot write the generated declarations");
}

fn compile_wrappers(out: &Path, cflags: &[String]) {
    let here = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let mut build = cc::Build::new();
    build
        .file(out.join("wrappers.c"))
        .include(here)
        .opt_level(3)
        .warnings(false);
    for flag in cflags {
        build.flag(flag);
    }
    build.compile("dpdk_sys_wrappers");
}

/// Kinds of drivers that a switch has use for.
const DRIVERS: [&str; 3] = ["bus", "mempool", "net"];
/// Makes itself known as drivers do.
const DEVICE_CLASS: &str = "rte_ethdev";

/// DPDK goes into the program, drivers and all: a folder of drivers would be loaded whole, whatever
/// the host has. That is hundreds of mappings, which each start would wait for, and which the kernel
/// lists in a core dump without letting anybody else have the CPU (`fill_files_note`, Linux
/// `fs/binfmt_elf.c`).
fn link() {
    for flag in pkg_config(&["--static", "--libs-only-L"]) {
        println!(
            "cargo::rustc-link-search=native={}",
            flag.trim_start_matches("-L")
        );
    }
    let flags = pkg_config(&["--static", "--libs-only-l"]);
    let (whole, rest): (Vec<_>, Vec<_>) = libraries(&flags)
        .into_iter()
        .partition(|name| is_driver(name) || *name == DEVICE_CLASS);
    // A driver makes itself known in a constructor, so nothing refers to it.
    for name in whole {
        println!("cargo::rustc-link-lib=static:+whole-archive,-bundle={name}");
    }
    // Of these the linker takes what is needed.
    for name in rest {
        if name.starts_with("rte_") {
            println!("cargo::rustc-link-lib=static:-bundle={name}");
        } else if is_shared(name) {
            println!("cargo::rustc-link-lib=dylib={name}");
        }
    }
}

/// Each library once, behind all that need it.
fn libraries(flags: &[String]) -> Vec<&str> {
    let mut seen = HashSet::new();
    let mut last: Vec<_> = flags
        .iter()
        .rev()
        .map(|flag| library(flag))
        .filter(|name| seen.insert(*name))
        .collect();
    last.reverse();
    last
}

/// `-lrte_eal` or `-l:librte_eal.a`: rte_eal.
fn library(flag: &str) -> &str {
    let name = flag.trim_start_matches("-l");
    let file = name.strip_prefix(":lib");
    file.map_or(name, |file| file.trim_end_matches(".a"))
}

/// `rte_net_ixgbe`, but not `rte_net`.
fn is_driver(library: &str) -> bool {
    DRIVERS
        .iter()
        .any(|kind| library.starts_with(&format!("rte_{kind}_")))
}

/// Drivers of other kinds name libraries that need not be there.
fn is_shared(library: &str) -> bool {
    let file = format!("lib{library}.so");
    let found = cc::Build::new()
        .get_compiler()
        .to_command()
        .arg(format!("-print-file-name={file}"))
        .output()
        .unwrap_or_else(|error| panic!("cannot run the C compiler: {error}"));
    String::from_utf8_lossy(&found.stdout).trim() != file
}
