//! What a virtio-net driver and its device agree on (virtio 1.2, section 5.1).

use super::front_end::feature;

/// Bytes of `struct virtio_net_hdr` as VERSION_1 has it.
pub(crate) const HEADER_SIZE: usize = 12;
/// Longest frame that is sent or received: 1518 bytes on a wire, less the frame check sequence.
pub(crate) const LONGEST_FRAME: usize = 1514;
/// Ring of the frames that the guest receives.
pub(crate) const RX: usize = 0;
/// Ring of the frames that the guest sends.
pub(crate) const TX: usize = 1;

/// The negotiated features that change what the driver does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Negotiated {
    pub(crate) mergeable: bool,
    pub(crate) indirect: bool,
    pub(crate) event_idx: bool,
}

impl Negotiated {
    pub(crate) fn new(features: u64) -> Self {
        Self {
            mergeable: features & feature::MRG_RXBUF != 0,
            indirect: features & feature::INDIRECT_DESC != 0,
            event_idx: features & feature::EVENT_IDX != 0,
        }
    }
}
