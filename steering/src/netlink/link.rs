//! Network devices.

use std::io;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};

use super::Netlink;

/// A network device as the kernel shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) up: bool,
    /// It is up and has a link partner.
    pub(crate) carrier: bool,
    /// Its Ethernet address, if it is an Ethernet device.
    pub(crate) address: Option<[u8; 6]>,
}

impl Netlink {
    /// The device called `name`, or `None` if there is none.
    pub(crate) fn link_by_name(&self, name: &str) -> io::Result<Option<Link>> {
        let mut question = LinkMessage::default();
        question
            .attributes
            .push(LinkAttribute::IfName(name.to_owned()));
        self.link(question)
    }

    /// The device with interface index `index`, or `None` if there is none.
    pub(crate) fn link_by_index(&self, index: u32) -> io::Result<Option<Link>> {
        let mut question = LinkMessage::default();
        question.header.index = index;
        self.link(question)
    }

    /// The packets that a device has sent, or `None` if there is none.
    pub(crate) fn packets_sent(&self, index: u32) -> io::Result<Option<u64>> {
        let mut question = LinkMessage::default();
        question.header.index = index;
        Ok(self.answer(question)?.and_then(sent_by))
    }

    fn link(&self, question: LinkMessage) -> io::Result<Option<Link>> {
        Ok(self.answer(question)?.and_then(as_link))
    }

    pub(super) fn answer(&self, question: LinkMessage) -> io::Result<Option<LinkMessage>> {
        match self.get(RouteNetlinkMessage::GetLink(question)) {
            Ok(answers) => Ok(answers.into_iter().find_map(as_answer)),
            Err(error) if is_no_device(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn as_answer(message: RouteNetlinkMessage) -> Option<LinkMessage> {
    if let RouteNetlinkMessage::NewLink(link) = message {
        Some(link)
    } else {
        None
    }
}

fn sent_by(link: LinkMessage) -> Option<u64> {
    link.attributes.into_iter().find_map(|attribute| {
        if let LinkAttribute::Stats64(statistics) = attribute {
            Some(statistics.tx_packets)
        } else {
            None
        }
    })
}

fn as_link(link: LinkMessage) -> Option<Link> {
    let up = link.header.flags.contains(LinkFlags::Up);
    let carrier = link.header.flags.contains(LinkFlags::LowerUp);
    let (mut name, mut address) = (None, None);
    for attribute in link.attributes {
        if let LinkAttribute::IfName(its) = attribute {
            name = Some(its);
        } else if let LinkAttribute::Address(its) = attribute {
            address = its.try_into().ok();
        }
    }
    Some(Link {
        index: link.header.index,
        name: name?,
        up,
        carrier,
        address,
    })
}

/// ENODEV: no such device. ERANGE: the name is longer than any device's can be.
fn is_no_device(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let errno = error.raw_os_error();
    errno == Some(Errno::ENODEV as i32) || errno == Some(Errno::ERANGE as i32)
}
