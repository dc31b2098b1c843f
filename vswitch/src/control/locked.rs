//! What is mapped before any guest's memory is stays in memory: code above all. A lane that must read
//! its code from a busy disk stands still for so long that it is taken to hang.

use crate::program::say;
use nix::errno::Errno;
use nix::sys::mman::{MlockAllFlags, mlock, mlockall};
use std::ffi::c_void;
use std::fs::read_to_string;
use std::num::NonZero;
use std::ptr::NonNull;

/// Locks each page from its first use on: DPDK's memory is large, and to fill all of it in now would
/// take longer than everything else. Code is read from the disk now.
pub(super) fn lock() {
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    let outcome = mlockall(MlockAllFlags::MCL_CURRENT | on_fault).and_then(|()| lock_code());
    if let Err(error) = outcome {
        say(format_args!(
            "vswitch: memory is not locked ({error}), and a busy disk may stop lanes: give the \
             service LimitMEMLOCK=infinity, or CAP_IPC_LOCK"
        ));
    }
}

/// Reads code from the disk while something else is done. What fails here is told by [`lock`].
pub(super) fn read_code() {
    let _ = lock_code();
}

fn lock_code() -> Result<(), Errno> {
    let maps = read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines()
        .filter_map(code)
        .try_for_each(|(from, length)| {
            let from = NonNull::<c_void>::without_provenance(from);
            // SAFETY: mlock(2) changes no byte; what is mapped nowhere any more is only an error.
            match unsafe { mlock(from, length) } {
                Err(Errno::ENOMEM) if !is_mapped(from.addr()) => Ok(()),
                outcome => outcome,
            }
        })
}

/// A part of it may have gone since it was listed.
fn is_mapped(at: NonZero<usize>) -> bool {
    let maps = read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().filter_map(code).any(|(from, _)| from == at)
}

/// Begin and length of a mapping of code that is in a file (proc_pid_maps(5)).
fn code(line: &str) -> Option<(NonZero<usize>, usize)> {
    let mut fields = line.split_whitespace();
    let (range, access) = (fields.next()?, fields.next()?);
    let file = fields.nth(3)?;
    let (from, until) = range.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    let (from, until) = (number(from)?, number(until)?);
    let is_code = access.contains('x') && file.starts_with('/');
    Some((NonZero::new(from)?, until.checked_sub(from)?)).filter(|_| is_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_in_files_is_found_and_nothing_else() {
        let line = "7f00-8f00 r-xp 00001000 fe:00 77 /usr/lib/libx.so.1 (deleted)";
        let found = code(line).unwrap();
        assert_eq!((found.0.get(), found.1), (0x7f00, 0x1000));
        for other in [
            "7f00-8f00 r--p 00000000 fe:00 77 /usr/lib/libx.so.1",
            "7f00-8f00 rwxp 00000000 00:00 0",
            "7f00-8f00 r-xp 00000000 00:00 0 [vdso]",
            "",
        ] {
            assert_eq!(code(other), None, "{other}");
        }
        let own = read_to_string("/proc/self/maps").unwrap();
        assert!(own.lines().filter_map(code).count() > 1, "{own}");
    }
}
