//! Our filters on network devices: found, put and removed.

use std::os::fd::AsFd;

use super::error::{Doing, EbpfError};
use super::label::{Label, Role, is_ours};
use super::program::Program;
use crate::netdev::{Netdev, NetdevError};
use crate::netlink::Netlink;
use crate::netlink::tc::{Filter, Hook, Place};

/// Before all filters of others.
const PLACE: Place = Place {
    priority: 1,
    handle: 1,
};

/// A filter of ours on a device.
#[derive(Clone, Copy, Debug)]
struct Attachment {
    label: Label,
    program: u32,
}

/// The id of the program that has `role` on a device, if one has. A filter of others that runs before
/// ours, or a role in another software NIC, is an error.
pub(super) fn find(
    netlink: &Netlink,
    netdev: &Netdev,
    role: Role,
) -> Result<Option<u32>, EbpfError> {
    let found = occupant(netlink, netdev, role)?;
    Ok(found
        .filter(|found| found.label.role == role)
        .map(|found| found.program))
}

/// Gives a device its role, in place of one that it has in a software NIC which is gone.
pub(super) fn put(
    netlink: &Netlink,
    netdev: &Netdev,
    role: Role,
    program: &Program,
) -> Result<(), EbpfError> {
    let before = occupant(netlink, netdev, role)?;
    let failed = || Doing::Attach(netdev.name.clone()).failed();
    let added = netlink.add_clsact(netdev.index).map_err(failed())?;
    let made_clsact = added || before.is_some_and(|before| before.label.made_clsact);
    let name = Label { role, made_clsact }.to_string();
    let put = netlink.put_bpf(netdev.index, PLACE, &name, program.as_fd());
    if put.is_err() && added {
        // The error that is told is the filter's.
        let _ = netlink.delete_clsact(netdev.index);
    }
    put.map_err(failed())
}

/// Takes its role from a device, if it has it, and the qdisc that came with it unless others use it now.
pub(super) fn remove(netlink: &Netlink, netdev: &Netdev, role: Role) -> Result<(), EbpfError> {
    let found = ours(&first_filters(netlink, netdev)?, netdev)?;
    let Some(found) = found.filter(|found| found.label.role == role) else {
        return Ok(());
    };
    let failed = || Doing::Detach(netdev.name.clone()).failed();
    netlink.delete_bpf(netdev.index, PLACE).map_err(failed())?;
    if found.label.made_clsact {
        netlink
            .delete_empty_clsact(netdev.index)
            .map_err(failed())?;
    }
    Ok(())
}

/// The filter of ours that `role` finds on a device: the role itself, or one that may be replaced.
fn occupant(
    netlink: &Netlink,
    netdev: &Netdev,
    role: Role,
) -> Result<Option<Attachment>, EbpfError> {
    let filters = first_filters(netlink, netdev)?;
    refuse_foreign(&filters, netdev)?;
    let found = ours(&filters, netdev)?;
    match found {
        Some(Attachment { label, .. }) if label.role != role && is_live(netlink, label.role)? => {
            Err(EbpfError::OtherPair {
                device: netdev.name.clone(),
                filter: label.to_string(),
            })
        }
        Some(_) | None => Ok(found),
    }
}

/// Does the software NIC exist in which a device has this role?
fn is_live(netlink: &Netlink, role: Role) -> Result<bool, EbpfError> {
    match role {
        Role::Nic => Ok(true),
        Role::PortOf(nic) => {
            let link = netlink.link_by_index(nic).map_err(NetdevError::unknown)?;
            Ok(link.is_some())
        }
    }
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

fn refuse_foreign(filters: &[Filter], netdev: &Netdev) -> Result<(), EbpfError> {
    match filters.iter().find(|filter| !is_ours(filter.label())) {
        None => Ok(()),
        Some(filter) => Err(EbpfError::Foreign {
            device: netdev.name.clone(),
            filter: filter.label().to_owned(),
        }),
    }
}

fn ours(filters: &[Filter], netdev: &Netdev) -> Result<Option<Attachment>, EbpfError> {
    let Some(filter) = filters.iter().find(|filter| is_ours(filter.label())) else {
        return Ok(None);
    };
    match (Label::read(filter.label()), filter.program) {
        (Some(label), Some(program)) => Ok(Some(Attachment { label, program })),
        (None, _) | (_, None) => Err(EbpfError::OtherVersion {
            device: netdev.name.clone(),
            filter: filter.label().to_owned(),
        }),
    }
}
