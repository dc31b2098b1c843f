//! PCI functions as uplinks: what the kernel tells of them, and how they are given to the instances.
//!
//! Everything here is sysfs, below a root that tests put elsewhere: no DPDK, no netlink.
//!
//! * [`Pf`] and [`Function`]: a NIC that has VFs, and any function of any device.
//! * [`Group`]: what an IOMMU keeps together, and gives to one process only.
//! * [`Claim`]: both instances' functions, bound to vfio-pci, and given back as they were found.

mod address;
mod claim;
mod error;
#[cfg(test)]
mod fake;
mod found;
mod function;
mod group;
mod holder;
mod iommu;
mod pf;
mod sysfs;
mod wanted;

pub use address::PciAddress;
pub(crate) use address::no_address;
pub(crate) use claim::Claim;
pub use error::PciError;
#[cfg(test)]
pub(crate) use fake::Fake;
pub(crate) use function::{Function, VFIO_PCI};
pub(crate) use group::{Group, require_apart};
pub(crate) use iommu::{advice as iommu_advice, has_groups};
pub(crate) use pf::Pf;
pub(crate) use sysfs::Sysfs;
pub(crate) use wanted::{Wanted, WantedFunction};
