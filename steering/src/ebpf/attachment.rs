//! Our filters on network devices: found, put and removed. Their names are all the state there is.
//!
//! A name reads `vswsup steering 1 nic` or `vswsup steering 1 to 7` (7: the NIC's interface index), and
//! ends in ` +clsact` where the qdisc was added with the filter and goes with it.

use std::os::fd::AsFd;

use super::Netdev;
use super::error::{Doing, EbpfError};
use super::program::Program;
use crate::netlink::Netlink;
use crate::netlink::tc::{Filter, Hook, Place};

/// The filter on the NIC.
pub(super) const NIC: &str = "nic";

/// 1 is the version of the map's layout.
const PREFIX: &str = "vswsup steering ";
const VERSION: &str = "1 ";
const MADE_CLSACT: &str = " +clsact";

/// Before all filters of others.
const PLACE: Place = Place {
    priority: 1,
    handle: 1,
};

/// A filter of ours on a device.
#[derive(Debug)]
pub(super) struct Attachment {
    /// The id of the BPF program.
    pub(super) program: u32,
    role: String,
    made_clsact: bool,
}

/// The filter on a port whose packets go to the NIC with this interface index.
pub(super) fn port_of(nic: u32) -> String {
    format!("to {nic}")
}

/// The filter with this role on a device. A filter of others that runs before ours is an error.
pub(super) fn find(
    netlink: &Netlink,
    netdev: &Netdev,
    role: &str,
) -> Result<Option<Attachment>, EbpfError> {
    let filters = first_filters(netlink, netdev)?;
    refuse_foreign(&filters, netdev)?;
    Ok(ours(filters, netdev)?.filter(|found| found.role == role))
}

/// Puts a filter on a device, in place of the one of ours that may be there.
pub(super) fn put(
    netlink: &Netlink,
    netdev: &Netdev,
    role: &str,
    program: &Program,
) -> Result<(), EbpfError> {
    let filters = first_filters(netlink, netdev)?;
    refuse_foreign(&filters, netdev)?;
    let before = ours(filters, netdev)?;
    let failed = || Doing::Attach(netdev.name.clone()).failed();
    let added = netlink.add_clsact(netdev.index).map_err(failed())?;
    let made_clsact = added || before.is_some_and(|found| found.made_clsact);
    let mark = if made_clsact { MADE_CLSACT } else { "" };
    let name = format!("{PREFIX}{VERSION}{role}{mark}");
    netlink
        .put_bpf(netdev.index, PLACE, &name, program.as_fd())
        .map_err(|error| {
            if added {
                // The error that is told is the filter's.
                let _ = netlink.delete_clsact(netdev.index);
            }
            failed()(error)
        })
}

/// Removes our filter, if there is one, and the qdisc that was added with it unless others use it now.
pub(super) fn remove(netlink: &Netlink, netdev: &Netdev) -> Result<(), EbpfError> {
    let Some(found) = ours(first_filters(netlink, netdev)?, netdev)? else {
        return Ok(());
    };
    let failed = || Doing::Detach(netdev.name.clone()).failed();
    netlink.delete_bpf(netdev.index, PLACE).map_err(failed())?;
    let ingress = netlink
        .filters(netdev.index, Hook::Ingress)
        .map_err(failed())?;
    let egress = netlink
        .filters(netdev.index, Hook::Egress)
        .map_err(failed())?;
    if found.made_clsact && ingress.is_empty() && egress.is_empty() {
        netlink.delete_clsact(netdev.index).map_err(failed())?;
    }
    Ok(())
}

/// The filters that see a packet no later than ours.
fn first_filters(netlink: &Netlink, netdev: &Netdev) -> Result<Vec<Filter>, EbpfError> {
    let failed = Doing::ListFilters(netdev.name.clone()).failed();
    let mut filters = netlink
        .filters(netdev.index, Hook::Ingress)
        .map_err(failed)?;
    filters.retain(|filter| filter.place.priority <= PLACE.priority);
    Ok(filters)
}

fn is_ours(filter: &Filter) -> bool {
    filter
        .name
        .as_ref()
        .is_some_and(|name| name.starts_with(PREFIX))
}

fn refuse_foreign(filters: &[Filter], netdev: &Netdev) -> Result<(), EbpfError> {
    match filters.iter().find(|filter| !is_ours(filter)) {
        None => Ok(()),
        Some(Filter { name, kind, .. }) => Err(EbpfError::Foreign {
            device: netdev.name.clone(),
            filter: name.as_ref().unwrap_or(kind).clone(),
        }),
    }
}

fn ours(filters: Vec<Filter>, netdev: &Netdev) -> Result<Option<Attachment>, EbpfError> {
    match filters.into_iter().find(is_ours) {
        None => Ok(None),
        Some(Filter {
            name: Some(name),
            program: Some(program),
            ..
        }) => read_name(&name, program, netdev).map(Some),
        Some(Filter { kind, .. }) => Err(EbpfError::OtherVersion {
            device: netdev.name.clone(),
            filter: kind,
        }),
    }
}

fn read_name(name: &str, program: u32, netdev: &Netdev) -> Result<Attachment, EbpfError> {
    let label = name
        .strip_prefix(PREFIX)
        .and_then(|label| label.strip_prefix(VERSION));
    let Some(label) = label else {
        return Err(EbpfError::OtherVersion {
            device: netdev.name.clone(),
            filter: name.to_owned(),
        });
    };
    let role = label.strip_suffix(MADE_CLSACT);
    let made_clsact = role.is_some();
    Ok(Attachment {
        program,
        role: role.unwrap_or(label).to_owned(),
        made_clsact,
    })
}
