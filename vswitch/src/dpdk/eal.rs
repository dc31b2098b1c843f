//! Start and end of DPDK's environment abstraction layer (EAL).

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::error::{Code, Messages};
use super::files::{FileHeap, Mapped};
use super::log::LogTap;
use super::{DpdkError, EalConfig, diagnosis};

/// The longest name or device arguments passed to DPDK, in bytes.
pub(super) const NAME_MAX: usize = 1023;

/// This process's DPDK. Clones share it, as does everything opened with it; the last one ends it.
#[derive(Debug, Clone)]
pub struct Eal(Arc<Running>);

#[derive(Debug)]
struct Running {
    log: &'static LogTap,
    /// The heap of memory files, if there are any.
    files: OnceLock<FileHeap>,
}

impl Eal {
    /// Starts DPDK: takes the memory and probes the allowed PCI devices. 0.1 to 0.5 s.
    ///
    /// DPDK's log goes to stderr. The calling thread keeps its CPU affinity, which DPDK changes,
    /// and counts as DPDK's main lcore: it has mempool caches without a [`LaneRegistration`].
    ///
    /// # Errors
    /// DPDK starts once in a process only: afterwards [`DpdkError::AlreadyStarted`], also when it failed.
    /// Otherwise what is wrong with `config` or missing on the host.
    ///
    /// [`LaneRegistration`]: super::LaneRegistration
    pub fn init(config: &EalConfig) -> Result<Self, DpdkError> {
        let line = config.command_line()?;
        check_cpu(config.main_cpu)?;
        let log = LogTap::install().ok_or_else(|| DpdkError::Start {
            code: Code(libc::ENOMEM),
            log: Messages::default(),
        })?;
        let (result, messages) = log.during(|| keeping_affinity(|| start(&line)));
        match result? {
            Ok(()) => Ok(Self(Arc::new(Running {
                log,
                files: OnceLock::new(),
            }))),
            Err(code) => Err(diagnosis::start(config, code, messages)),
        }
    }

    /// As [`Self::init`] with [`Memory::Files`](super::Memory::Files), and maps `files` meanwhile:
    /// hugepage files, all of whose pages are there. Packet memory and queues come from these alone.
    ///
    /// # Errors
    /// As [`Self::init`]; [`DpdkError::MemoryFile`].
    pub fn init_on_files(config: &EalConfig, files: Vec<OwnedFd>) -> Result<Self, DpdkError> {
        let (eal, mapped) = std::thread::scope(|threads| {
            let mapping = threads.spawn(|| Mapped::all(files));
            let eal = Self::init(config);
            let mapped = mapping
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (eal, mapped)
        });
        let (eal, mapped) = (eal?, mapped?);
        let heap = FileHeap::new(&eal, mapped)?;
        eal.0.files.get_or_init(|| heap);
        Ok(eal)
    }

    /// Where memory for a device is to be allocated that is `near` a NUMA node, or near none: DPDK's
    /// number of a node or of a heap.
    pub(super) fn memory_near(&self, near: i32) -> i32 {
        self.0.files.get().map_or(near, |files| files.socket)
    }

    /// Lets a PCI device that has been opened see the memory files, if there are any.
    pub(super) fn show_files_to_device(&self) -> Result<(), DpdkError> {
        let files = self.0.files.get();
        files.map_or(Ok(()), |files| files.show_to_device(self))
    }

    /// Gets more out of the memory files; false when there is no more.
    pub(super) fn more_memory(&self) -> Result<bool, DpdkError> {
        let files = self.0.files.get();
        files.map_or(Ok(false), |files| files.grow(self))
    }

    /// Runs a call into DPDK that returns a negative number on failure, and explains the failure.
    pub(super) fn call(
        &self,
        name: &'static str,
        on: &str,
        call: impl FnOnce() -> i32,
    ) -> Result<(), DpdkError> {
        let (rc, log) = self.during(call);
        if rc >= 0 {
            return Ok(());
        }
        Err(DpdkError::Call {
            call: name,
            on: on.to_owned(),
            code: Code(-rc),
            log,
        })
    }

    /// Runs `call` and returns beside its result what DPDK wrote meanwhile.
    pub(super) fn during<T>(&self, call: impl FnOnce() -> T) -> (T, Messages) {
        self.0.log.during(call)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: everything opened in DPDK holds a clone of the Eal, so nothing is open any more.
        unsafe { dpdk_sys::rte_eal_cleanup() };
    }
}

/// A string for DPDK.
pub(super) fn c_string(text: &str) -> Result<CString, DpdkError> {
    match CString::new(text) {
        Ok(c) if text.len() <= NAME_MAX => Ok(c),
        Ok(_) | Err(_) => Err(DpdkError::Name(text.to_owned())),
    }
}

/// DPDK would answer with its whole usage text on stdout.
fn check_cpu(cpu: usize) -> Result<(), DpdkError> {
    let online = format!("/sys/devices/system/cpu/cpu{cpu}/topology/core_id");
    if Path::new(&online).exists() {
        Ok(())
    } else {
        Err(DpdkError::NoCpu(cpu))
    }
}

/// The outer result is about the command line, the inner one is DPDK's.
fn start(line: &[String]) -> Result<Result<(), Code>, DpdkError> {
    let strings = line
        .iter()
        .map(|arg| c_string(arg))
        .collect::<Result<Vec<_>, _>>()?;
    let mut argv: Vec<_> = strings.iter().map(|arg| arg.as_ptr().cast_mut()).collect();
    let argc = i32::try_from(argv.len()).map_err(|_| DpdkError::Name(line.join(" ")))?;
    argv.push(std::ptr::null_mut());
    // SAFETY: argv is an array of argc strings and a null; DPDK reorders the array, does not write
    // to the strings, and copies what it keeps.
    let rc = unsafe { dpdk_sys::rte_eal_init(argc, argv.as_mut_ptr()) };
    if rc >= 0 {
        return Ok(Ok(()));
    }
    // SAFETY: reads this thread's rte_errno.
    Ok(Err(Code(unsafe { dpdk_sys::dpdk_sys_errno() })))
}

/// The EAL pins the thread that starts it to the main lcore's CPU; lanes choose their own.
fn keeping_affinity<T>(call: impl FnOnce() -> T) -> T {
    let this_thread = Pid::from_raw(0);
    let before: nix::Result<CpuSet> = sched_getaffinity(this_thread);
    let result = call();
    if let Ok(cpus) = before {
        // Fails only if all of these CPUs went away meanwhile; then any affinity will do.
        let _ = sched_setaffinity(this_thread, &cpus);
    }
    result
}
