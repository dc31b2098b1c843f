//! A lane's thread, made known to DPDK.

use std::marker::PhantomData;

use super::error::{Code, Messages};
use super::{DpdkError, Eal};

/// While it lives, the thread that made it is one of DPDK's lcores, with its own cache in every mempool.
///
/// Without it, each allocation and release goes to the mempool's shared ring. Stays on its thread:
///
/// ```compile_fail,E0277
/// fn needs_send<T: Send>() {}
/// needs_send::<vswitch::dpdk::LaneRegistration>();
/// ```
#[derive(Debug)]
pub struct LaneRegistration {
    _eal: Eal,
    _stays_on_its_thread: PhantomData<*const ()>,
}

impl LaneRegistration {
    /// Registers the calling thread (`rte_thread_register`).
    ///
    /// # Errors
    /// [`DpdkError::Call`] when the thread is registered already, or all of DPDK's lcores are taken
    /// (`RTE_MAX_LCORE`, 128 on Debian).
    pub fn new(eal: &Eal) -> Result<Self, DpdkError> {
        if Self::registered() {
            return Err(Self::failure(libc::EEXIST));
        }
        // SAFETY: the EAL is up, and this thread is not registered.
        match unsafe { dpdk_sys::rte_thread_register() } {
            0 => Ok(Self {
                _eal: eal.clone(),
                _stays_on_its_thread: PhantomData,
            }),
            // SAFETY: reads this thread's rte_errno.
            _ => Err(Self::failure(unsafe { dpdk_sys::dpdk_sys_errno() })),
        }
    }

    fn registered() -> bool {
        // SAFETY: reads a thread-local of DPDK.
        unsafe { dpdk_sys::rte_lcore_id() != dpdk_sys::LCORE_ID_ANY }
    }

    fn failure(errno: i32) -> DpdkError {
        DpdkError::Call {
            call: "rte_thread_register",
            on: std::thread::current().name().unwrap_or("a lane").to_owned(),
            code: Code(errno),
            log: Messages::default(),
        }
    }
}

impl Drop for LaneRegistration {
    fn drop(&mut self) {
        // SAFETY: this thread was registered by `new`, since the guard cannot leave it.
        unsafe { dpdk_sys::rte_thread_unregister() };
    }
}
