//! What can go wrong, whichever the backend.

use crate::bridge_fdb::BridgeError;
use crate::command::CommandError;
use crate::ebpf::EbpfError;
use crate::sriov::SriovError;
use crate::tc_flower::TcFlowerError;

/// Steering failed: the message says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SteeringError {
    /// In the backend `ebpf`.
    #[error(transparent)]
    Ebpf(#[from] EbpfError),
    /// In the backend `bridge-fdb`.
    #[error(transparent)]
    BridgeFdb(#[from] BridgeError),
    /// In the backend `sriov-mac` or `sriov-vlan`.
    #[error(transparent)]
    Sriov(#[from] SriovError),
    /// In the backend `tc-flower`.
    #[error(transparent)]
    TcFlower(#[from] TcFlowerError),
    /// In the backend `command`.
    #[error(transparent)]
    Command(#[from] CommandError),
}
