//! One Ethernet port of DPDK, from its claim to its end.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use dpdk_sys::rte_eth_dev_info;

use super::eal::c_string;
use super::error::Code;
use super::{DpdkError, Eal, Mempool, diagnosis};

/// A port that this value owns: nobody else configures, starts or ends it.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) id: u16,
    pub(super) name: String,
    pub(super) started: bool,
    /// Its receive queues take buffers from here.
    _pool: Mempool,
    pub(super) eal: Eal,
}

impl Port {
    /// The port that `devargs` describe, probed unless the start of the EAL has done so.
    pub(super) fn open(eal: &Eal, devargs: &str, pool: &Mempool) -> Result<Self, DpdkError> {
        let name = devargs.split(',').next().unwrap_or_default().to_owned();
        let id = match find(&name)? {
            Some(id) => id,
            None => probe(eal, devargs, &name)?,
        };
        claim(eal, id, &name)?;
        let port = Self {
            id,
            name,
            started: false,
            _pool: pool.clone(),
            eal: eal.clone(),
        };
        if port.is_pci() {
            eal.show_files_to_device()?;
        }
        Ok(port)
    }

    /// A PCI address has colons, and no name of a virtual device does.
    fn is_pci(&self) -> bool {
        self.name.contains(':')
    }

    /// What the driver says of the device.
    pub(super) fn info(&self) -> Result<rte_eth_dev_info, DpdkError> {
        let mut info = MaybeUninit::zeroed();
        self.call("rte_eth_dev_info_get", || {
            // SAFETY: the port is ours, and info has room for the answer.
            unsafe { dpdk_sys::rte_eth_dev_info_get(self.id, info.as_mut_ptr()) }
        })?;
        // SAFETY: all zeroes is a value of this plain struct, and DPDK filled it in.
        Ok(unsafe { info.assume_init() })
    }

    /// The driver's name, such as `net_e1000_igb_vf`.
    pub(super) fn driver(&self) -> Result<String, DpdkError> {
        let name = self.info()?.driver_name;
        // SAFETY: every driver has a name, a static string of the driver.
        Ok(unsafe { CStr::from_ptr(name) }
            .to_string_lossy()
            .into_owned())
    }

    pub(super) fn start(&mut self) -> Result<(), DpdkError> {
        if !self.started {
            // SAFETY: the port is ours and configured.
            self.call("rte_eth_dev_start", || unsafe {
                dpdk_sys::rte_eth_dev_start(self.id)
            })?;
            self.started = true;
        }
        Ok(())
    }

    pub(super) fn stop(&mut self) -> Result<(), DpdkError> {
        if self.started {
            // SAFETY: the port is ours, and no lane polls it: that takes a share in this value,
            // which excludes `&mut`.
            self.call("rte_eth_dev_stop", || unsafe {
                dpdk_sys::rte_eth_dev_stop(self.id)
            })?;
            self.started = false;
        }
        Ok(())
    }

    /// Runs a call about this port and explains its failure.
    pub(super) fn call(
        &self,
        name: &'static str,
        call: impl FnOnce() -> i32,
    ) -> Result<(), DpdkError> {
        self.eal.call(name, &self.name, call)
    }
}

impl Drop for Port {
    /// Ends the device, so that it can be opened again. What fails here is in DPDK's log.
    fn drop(&mut self) {
        let _ = self.stop();
        if let Ok(info) = self.info() {
            // SAFETY: the device is the port's, and the port is ours.
            let _ = unsafe { dpdk_sys::rte_dev_remove(info.device) };
        }
    }
}

fn find(name: &str) -> Result<Option<u16>, DpdkError> {
    let c_name = c_string(name)?;
    let mut id = 0;
    // SAFETY: the name is a string and id has room for the answer.
    let rc = unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(c_name.as_ptr(), &raw mut id) };
    Ok((rc == 0).then_some(id))
}

fn probe(eal: &Eal, devargs: &str, name: &str) -> Result<u16, DpdkError> {
    let c_devargs = c_string(devargs)?;
    // SAFETY: the EAL is up and the device arguments are a string that DPDK copies.
    let (rc, log) = eal.during(|| unsafe { dpdk_sys::rte_dev_probe(c_devargs.as_ptr()) });
    match find(name)? {
        Some(id) if rc == 0 => Ok(id),
        Some(_) | None => {
            let code = if rc == 0 { libc::ENODEV } else { -rc };
            Err(diagnosis::probe(devargs, Code(code), log))
        }
    }
}

/// Takes ownership of the port inside of this process (`rte_eth_dev_owner_set`).
fn claim(eal: &Eal, id: u16, name: &str) -> Result<(), DpdkError> {
    let mut owner = dpdk_sys::rte_eth_dev_owner {
        id: 0,
        name: [0; 64],
    };
    for (to, from) in owner.name.iter_mut().zip(b"vswitch") {
        *to = from.cast_signed();
    }
    // SAFETY: the EAL is up, and owner is a valid struct with a terminated name.
    eal.call("rte_eth_dev_owner_new", name, || unsafe {
        dpdk_sys::rte_eth_dev_owner_new(&raw mut owner.id)
    })?;
    // SAFETY: as above.
    let rc = unsafe { dpdk_sys::rte_eth_dev_owner_set(id, &raw const owner) };
    if rc == 0 {
        Ok(())
    } else {
        Err(DpdkError::AlreadyOpen(name.to_owned()))
    }
}
