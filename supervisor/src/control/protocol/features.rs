//! Feature bits by name, for people.

/// Virtio 1.3, sections 5.1.3 and 6; 26 and 30 are those of vhost-user.
const VIRTIO_NET: &[(u32, &str)] = &[
    (0, "CSUM"),
    (1, "GUEST_CSUM"),
    (2, "CTRL_GUEST_OFFLOADS"),
    (3, "MTU"),
    (5, "MAC"),
    (7, "GUEST_TSO4"),
    (8, "GUEST_TSO6"),
    (9, "GUEST_ECN"),
    (10, "GUEST_UFO"),
    (11, "HOST_TSO4"),
    (12, "HOST_TSO6"),
    (13, "HOST_ECN"),
    (14, "HOST_UFO"),
    (15, "MRG_RXBUF"),
    (16, "STATUS"),
    (17, "CTRL_VQ"),
    (18, "CTRL_RX"),
    (19, "CTRL_VLAN"),
    (20, "CTRL_RX_EXTRA"),
    (21, "GUEST_ANNOUNCE"),
    (22, "MQ"),
    (23, "CTRL_MAC_ADDR"),
    (24, "NOTIFY_ON_EMPTY"),
    (26, "LOG_ALL"),
    (27, "ANY_LAYOUT"),
    (28, "INDIRECT_DESC"),
    (29, "EVENT_IDX"),
    (30, "PROTOCOL_FEATURES"),
    (32, "VERSION_1"),
    (33, "ACCESS_PLATFORM"),
    (34, "RING_PACKED"),
    (35, "IN_ORDER"),
    (36, "ORDER_PLATFORM"),
    (37, "SR_IOV"),
    (38, "NOTIFICATION_DATA"),
    (40, "RING_RESET"),
    (52, "VQ_NOTF_COAL"),
    (53, "NOTF_COAL"),
    (54, "GUEST_USO4"),
    (55, "GUEST_USO6"),
    (56, "HOST_USO"),
    (57, "HASH_REPORT"),
    (59, "GUEST_HDRLEN"),
    (60, "RSS"),
    (61, "RSC_EXT"),
    (62, "STANDBY"),
    (63, "SPEED_DUPLEX"),
];

/// QEMU `docs/interop/vhost-user.rst`, "Protocol features".
const VHOST_USER: &[(u32, &str)] = &[
    (0, "MQ"),
    (1, "LOG_SHMFD"),
    (2, "RARP"),
    (3, "REPLY_ACK"),
    (4, "MTU"),
    (5, "BACKEND_REQ"),
    (6, "CROSS_ENDIAN"),
    (7, "CRYPTO_SESSION"),
    (8, "PAGEFAULT"),
    (9, "CONFIG"),
    (10, "BACKEND_SEND_FD"),
    (11, "HOST_NOTIFIER"),
    (12, "INFLIGHT_SHMFD"),
    (13, "RESET_DEVICE"),
    (14, "INBAND_NOTIFICATIONS"),
    (15, "CONFIGURE_MEM_SLOTS"),
    (16, "STATUS"),
    (17, "XEN_MMAP"),
    (18, "SHARED_OBJECT"),
    (19, "DEVICE_STATE"),
];

/// Names of the bits of virtio-net features; a bit without a name is `bit N`.
pub fn virtio_names(features: u64) -> Vec<String> {
    names(features, VIRTIO_NET)
}

/// Names of the bits of vhost-user protocol features.
pub fn protocol_names(features: u64) -> Vec<String> {
    names(features, VHOST_USER)
}

fn names(features: u64, table: &[(u32, &str)]) -> Vec<String> {
    (0..u64::BITS)
        .filter(|bit| features & (1 << bit) != 0)
        .map(
            |bit| match table.iter().find(|(number, _)| *number == bit) {
                Some((_, name)) => (*name).to_owned(),
                None => format!("bit {bit}"),
            },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_have_their_names_and_unknown_ones_their_number() {
        let bits = 1 << 15 | 1 << 32 | 1 << 41;
        assert_eq!(virtio_names(bits), ["MRG_RXBUF", "VERSION_1", "bit 41"]);
        assert_eq!(protocol_names(1 << 3 | 1 << 63), ["REPLY_ACK", "bit 63"]);
        assert_eq!(virtio_names(u64::MAX).len(), 64);
    }

    #[test]
    fn tables_are_in_order_without_twins() {
        for table in [VIRTIO_NET, VHOST_USER] {
            assert!(table.is_sorted_by(|(one, _), (other, _)| one < other));
        }
    }
}
