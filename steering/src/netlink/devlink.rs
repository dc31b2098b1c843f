//! devlink: in which mode the switch of a NIC is. Source: Linux `include/uapi/linux/devlink.h`,
//! `Documentation/networking/devlink/`.

use std::io;

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, NLM_F_ACK, Nla, NlasIterator, Parseable,
    ParseableParametrized,
};
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};

use super::Netlink;

const BUS_NAME: u16 = 1;
const DEV_NAME: u16 = 2;
const ESWITCH_MODE: u16 = 25;
const SWITCHDEV: u16 = 1;

/// DEVLINK_CMD_ESWITCH_GET, and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Eswitch(Vec<DefaultNla>);

/// A socket to devlink, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Devlink {
    netlink: Netlink,
    family: u16,
}

impl Devlink {
    /// # Errors
    /// `NotFound`: the kernel has no devlink.
    pub(crate) fn open() -> io::Result<Self> {
        let netlink = Netlink::open_generic()?;
        let question = GenlCtrl {
            cmd: GenlCtrlCmd::GetFamily,
            nlas: vec![GenlCtrlAttrs::FamilyName(Eswitch::family_name().to_owned())],
        };
        let answers = netlink.exchange(GenlMessage::from_payload(question), NLM_F_ACK)?;
        let family = answers
            .into_iter()
            .flat_map(|answer| answer.payload.nlas)
            .find_map(|attribute| {
                if let GenlCtrlAttrs::FamilyId(id) = attribute {
                    Some(id)
                } else {
                    None
                }
            });
        let family = family.ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { netlink, family })
    }

    /// The switch of a device is programmed by its representors, and does not switch by itself.
    ///
    /// # Errors
    /// What the kernel says of a device that has no such switch.
    pub(crate) fn is_switchdev(&self, bus: &str, device: &str) -> io::Result<bool> {
        let text = |kind, text: &str| DefaultNla::new(kind, [text.as_bytes(), b"\0"].concat());
        let question = Eswitch(vec![text(BUS_NAME, bus), text(DEV_NAME, device)]);
        let mut message = GenlMessage::from_payload(question);
        message.set_resolved_family_id(self.family);
        let answers = self.netlink.exchange(message, NLM_F_ACK)?;
        Ok(answers
            .iter()
            .any(|answer| answer.payload.mode() == Some(SWITCHDEV)))
    }
}

impl Eswitch {
    fn mode(&self) -> Option<u16> {
        let mode = self.0.iter().find(|nla| nla.kind() == ESWITCH_MODE)?;
        let mut bytes = [0; 2];
        (mode.value_len() == bytes.len()).then(|| {
            mode.emit_value(&mut bytes);
            u16::from_ne_bytes(bytes)
        })
    }
}

impl GenlFamily for Eswitch {
    fn family_name() -> &'static str {
        "devlink"
    }

    fn command(&self) -> u8 {
        29
    }

    fn version(&self) -> u8 {
        1
    }
}

impl Emitable for Eswitch {
    fn buffer_len(&self) -> usize {
        self.0.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.0.as_slice().emit(buffer);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for Eswitch {
    fn parse_with_param(bytes: &[u8], _: GenlHeader) -> Result<Self, DecodeError> {
        let attributes = NlasIterator::new(bytes).map(|nla| DefaultNla::parse(&nla?));
        Ok(Self(attributes.collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_read_whatever_is_beside_it() {
        let answer = |mode: u16| {
            let others = DefaultNla::new(26, vec![1]);
            let mode = DefaultNla::new(ESWITCH_MODE, mode.to_ne_bytes().to_vec());
            Eswitch(vec![others, mode])
        };
        for mode in [0, SWITCHDEV] {
            let mut bytes = vec![0; answer(mode).buffer_len()];
            answer(mode).emit(&mut bytes);
            let header = GenlHeader {
                cmd: 29,
                version: 1,
            };
            let read = Eswitch::parse_with_param(&bytes[..], header).unwrap();
            assert_eq!(read.mode(), Some(mode));
        }
        let short = Eswitch(vec![DefaultNla::new(ESWITCH_MODE, vec![1])]);
        assert_eq!(short.mode(), None);
    }
}
