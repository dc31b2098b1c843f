//! The packet by which a guest's new place is made known (SEND_RARP).

const BROADCAST: [u8; 6] = [0xff; 6];
const ETHERTYPE_RARP: [u8; 2] = [0x80, 0x35];
/// Ethernet, IPv4, lengths 6 and 4, operation 3: request reverse (RFC 903).
const HEADER: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 3];
/// Without its checksum.
const SHORTEST_FRAME: usize = 60;

/// A RARP request from `mac` about itself, broadcast.
pub(super) fn announcement(mac: [u8; 6]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(SHORTEST_FRAME);
    for part in [
        &BROADCAST[..],
        &mac,
        &ETHERTYPE_RARP,
        &HEADER,
        &mac,
        &[0; 4],
        &mac,
        &[0; 4],
    ] {
        frame.extend_from_slice(part);
    }
    frame.resize(SHORTEST_FRAME, 0);
    frame
}
