//! The frame by which the supervisor proves that an instance's uplink hears.
//!
//! It comes through the NIC like any other, so its content is what proves it: a token that only the
//! supervisor and the ledger know, and which was never used before.

/// For experiments on the local network (IEEE 802, 9.2.4): no router forwards it, and nobody claims it.
pub const ETHERTYPE: u16 = 0x88b6;
/// What every probe begins with, behind the EtherType.
const NAME: [u8; 8] = *b"vswsup\0p";
/// Bytes behind the EtherType: the least that Ethernet carries.
pub const PAYLOAD: usize = 46;
/// Where the EtherType stands in a frame without a tag.
const AT: usize = 12;
const TOKEN_AT: usize = AT + 2 + NAME.len();

/// One question to an instance's uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// What the answer is known by.
    pub token: u64,
}

impl Probe {
    /// What the frame carries behind its EtherType.
    pub fn payload(self) -> [u8; PAYLOAD] {
        let mut payload = [0; PAYLOAD];
        let (name, rest) = payload.split_at_mut(NAME.len());
        name.copy_from_slice(&NAME);
        rest[..8].copy_from_slice(&self.token.to_be_bytes());
        payload
    }

    /// The probe that `frame`, from its destination address on, is. `None`: it is none. Whether it was
    /// asked for is another question.
    #[inline]
    pub fn read(frame: &[u8]) -> Option<Self> {
        let name = frame.get(AT..TOKEN_AT)?;
        if name[..2] != ETHERTYPE.to_be_bytes() || name[2..] != NAME {
            return None;
        }
        let (token, _) = frame[TOKEN_AT..].split_first_chunk()?;
        let token = u64::from_be_bytes(*token);
        Some(Self { token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(probe: Probe) -> Vec<u8> {
        let header = [&[0xff; 6][..], &[2; 6], &ETHERTYPE.to_be_bytes()].concat();
        [header, probe.payload().to_vec()].concat()
    }

    #[test]
    fn a_probe_is_known_by_all_of_its_name() {
        let probe = Probe {
            token: 0x0123_4567_89ab_cdef,
        };
        let whole = frame(probe);
        assert_eq!(Probe::read(&whole), Some(probe));
        for at in AT..TOKEN_AT {
            let mut other = whole.clone();
            other[at] ^= 1;
            assert_eq!(Probe::read(&other), None, "byte {at}");
        }
    }

    #[test]
    fn one_that_was_cut_off_is_none() {
        let whole = frame(Probe { token: 7 });
        for length in 0..TOKEN_AT + 8 {
            assert_eq!(Probe::read(&whole[..length]), None, "{length} bytes");
        }
        assert!(Probe::read(&whole[..TOKEN_AT + 8]).is_some());
    }
}
