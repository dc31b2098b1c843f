//! tc: the clsact qdisc and BPF filters in it. Source: Linux `net/sched/cls_api.c`, `sch_ingress.c`, `cls_bpf.c`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpf, TcFilterBpfOption, TcHandle, TcMessage, TcOption,
};

use super::Netlink;

const CLSACT: TcHandle = TcHandle {
    major: 0xffff,
    minor: 0,
};
const ETH_P_ALL: u16 = 3;

/// The two points at which clsact runs filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Ingress,
    Egress,
}

impl Hook {
    fn parent(self) -> TcHandle {
        let minor = match self {
            Hook::Ingress => TcHandle::MIN_INGRESS,
            Hook::Egress => TcHandle::MIN_EGRESS,
        };
        TcHandle {
            major: CLSACT.major,
            minor,
        }
    }
}

/// Where a filter is found among a hook's filters: lower priorities run first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) priority: u16,
    pub(crate) handle: u32,
}

/// A filter as the kernel shows it. Name and program are those of BPF filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) place: Place,
    pub(crate) kind: String,
    pub(crate) name: Option<String>,
    pub(crate) program: Option<u32>,
}

impl Filter {
    /// Its name, or its kind if that has no names.
    pub(crate) fn label(&self) -> &str {
        self.name.as_ref().unwrap_or(&self.kind)
    }
}

impl Netlink {
    /// Adds clsact to a device. `false`: it was there.
    pub(crate) fn add_clsact(&self, link: u32) -> io::Result<bool> {
        let request = RouteNetlinkMessage::NewQueueDiscipline(clsact(link));
        match self.change(request, NLM_F_CREATE | NLM_F_EXCL) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes clsact, and every filter in it, from a device.
    pub(crate) fn delete_clsact(&self, link: u32) -> io::Result<()> {
        self.change(RouteNetlinkMessage::DelQueueDiscipline(clsact(link)), 0)
    }

    /// Removes clsact from a device, unless somebody has filters in it.
    pub(crate) fn delete_empty_clsact(&self, link: u32) -> io::Result<()> {
        for hook in [Hook::Ingress, Hook::Egress] {
            if !self.filters(link, hook)?.is_empty() {
                return Ok(());
            }
        }
        self.delete_clsact(link)
    }

    /// The filters at a hook of a device.
    pub(crate) fn filters(&self, link: u32, hook: Hook) -> io::Result<Vec<Filter>> {
        let answers = self.dump(RouteNetlinkMessage::GetTrafficFilter(at(link, hook)))?;
        Ok(answers.into_iter().filter_map(as_filter).collect())
    }

    /// Puts a BPF program at `place` of the ingress hook; a filter that is there is replaced in one step.
    pub(crate) fn put_bpf(
        &self,
        link: u32,
        place: Place,
        name: &str,
        program: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let mut request = filter_at(link, place, TcFilterBpf::KIND);
        request.attributes.push(TcAttribute::Options(vec![
            TcOption::Bpf(TcFilterBpfOption::ProgFd(
                program.as_raw_fd().cast_unsigned(),
            )),
            TcOption::Bpf(TcFilterBpfOption::ProgName(name.to_owned())),
            TcOption::Bpf(TcFilterBpfOption::Flags(TcBpfFlags::DirectAction)),
        ]));
        self.change(RouteNetlinkMessage::NewTrafficFilter(request), NLM_F_CREATE)
    }

    /// Removes the BPF filter at `place` of the ingress hook.
    pub(crate) fn delete_bpf(&self, link: u32, place: Place) -> io::Result<()> {
        let filter = filter_at(link, place, TcFilterBpf::KIND);
        self.change(RouteNetlinkMessage::DelTrafficFilter(filter), 0)
    }
}

fn message(link: u32, parent: TcHandle) -> TcMessage {
    let mut message = TcMessage::with_index(link.cast_signed());
    message.header.parent = parent;
    message
}

fn clsact(link: u32) -> TcMessage {
    let mut message = message(link, TcHandle::CLSACT);
    message.header.handle = CLSACT;
    message
        .attributes
        .push(TcAttribute::Kind("clsact".to_owned()));
    message
}

pub(super) fn at(link: u32, hook: Hook) -> TcMessage {
    message(link, hook.parent())
}

/// A filter of the ingress hook, for all protocols.
pub(super) fn filter_at(link: u32, place: Place, kind: &str) -> TcMessage {
    let mut message = at(link, Hook::Ingress);
    message.header.handle = TcHandle::from(place.handle);
    message.header.info = u32::from(place.priority) << 16 | u32::from(ETH_P_ALL.to_be());
    message.attributes.push(TcAttribute::Kind(kind.to_owned()));
    message
}

/// Where a filter of a dump is. Handle 0 is the head of a priority, not a filter.
pub(super) fn place_of(message: &TcMessage) -> Option<Place> {
    let handle = u32::from(message.header.handle);
    (handle != 0).then_some(Place {
        priority: (message.header.info >> 16) as u16,
        handle,
    })
}

fn as_filter(message: RouteNetlinkMessage) -> Option<Filter> {
    let RouteNetlinkMessage::NewTrafficFilter(message) = message else {
        return None;
    };
    let mut filter = Filter {
        place: place_of(&message)?,
        kind: String::new(),
        name: None,
        program: None,
    };
    for attribute in message.attributes {
        if let TcAttribute::Kind(kind) = attribute {
            filter.kind = kind;
        } else if let TcAttribute::Options(options) = attribute {
            read_options(&mut filter, options);
        }
    }
    Some(filter)
}

fn read_options(filter: &mut Filter, options: Vec<TcOption>) {
    for option in options {
        if let TcOption::Bpf(TcFilterBpfOption::ProgName(name)) = option {
            filter.name = Some(name);
        } else if let TcOption::Bpf(TcFilterBpfOption::ProgId(id)) = option {
            filter.program = Some(id);
        }
    }
}
