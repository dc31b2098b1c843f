//! tc: flower filters that redirect every packet, in hardware or in software. Source: Linux
//! `net/sched/cls_flower.c`, `act_mirred.c`, `include/uapi/linux/pkt_cls.h`.

use std::io;

use netlink_packet_core::NLM_F_CREATE;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAction, TcActionAttribute, TcActionMirror, TcActionMirrorOption, TcActionOption,
    TcActionType, TcAttribute, TcFilterFlower, TcFilterFlowerOption, TcMessage, TcMirror,
    TcMirrorActionType, TcOption,
};

use super::Netlink;
use super::tc::{Hook, Place, at, filter_at, place_of};

const SKIP_HW: u32 = 1;
const SKIP_SW: u32 = 1 << 1;
const IN_HW: u32 = 1 << 2;

/// Who carries a filter out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offload {
    /// The NIC, and the kernel never sees the packets.
    Hardware,
    /// The kernel.
    Software,
}

/// A filter as the kernel shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) place: Place,
    pub(crate) kind: String,
    /// The filter's flags.
    flags: u32,
    /// What its last action has of whoever made it; none of a filter without actions.
    pub(crate) cookie: Vec<u8>,
    /// Where it redirects to: an interface index; 0: nowhere, or to a device that is gone.
    pub(crate) to: u32,
}

impl Rule {
    /// It is carried out as it is meant to be.
    pub(crate) fn is_offloaded(&self, offload: Offload) -> bool {
        match offload {
            Offload::Hardware => self.flags & (SKIP_SW | IN_HW) == SKIP_SW | IN_HW,
            Offload::Software => self.flags & SKIP_SW == 0,
        }
    }
}

impl Netlink {
    /// The filters at the ingress hook of a device.
    pub(crate) fn rules(&self, link: u32) -> io::Result<Vec<Rule>> {
        let question = RouteNetlinkMessage::GetTrafficFilter(at(link, Hook::Ingress));
        Ok(self
            .dump(question)?
            .into_iter()
            .filter_map(as_rule)
            .collect())
    }

    /// Redirects every packet that comes in by `link` to the device `to`. A redirect that is at this
    /// place is replaced in one step.
    ///
    /// # Errors
    /// With [`Offload::Hardware`] also what the driver says; then nothing has changed.
    pub(crate) fn put_redirect(
        &self,
        link: u32,
        place: Place,
        (to, cookie): (u32, &str),
        offload: Offload,
    ) -> io::Result<()> {
        let mut request = filter_at(link, place, TcFilterFlower::KIND);
        let flags = match offload {
            Offload::Hardware => SKIP_SW,
            Offload::Software => SKIP_HW,
        };
        request.attributes.push(TcAttribute::Options(vec![
            TcOption::Flower(TcFilterFlowerOption::Flags(flags)),
            TcOption::Flower(TcFilterFlowerOption::Actions(vec![redirect(to, cookie)])),
        ]));
        self.change(RouteNetlinkMessage::NewTrafficFilter(request), NLM_F_CREATE)
    }

    /// Removes the flower filter at `place` of the ingress hook.
    pub(crate) fn delete_redirect(&self, link: u32, place: Place) -> io::Result<()> {
        let filter = filter_at(link, place, TcFilterFlower::KIND);
        self.change(RouteNetlinkMessage::DelTrafficFilter(filter), 0)
    }
}

fn redirect(to: u32, cookie: &str) -> TcAction {
    let mut parameters = TcMirror::default();
    parameters.generic.action = TcActionType::Stolen;
    parameters.eaction = TcMirrorActionType::EgressRedir;
    parameters.ifindex = to;
    let parameters = TcActionOption::Mirror(TcActionMirrorOption::Parms(parameters));
    let mut action = TcAction::default();
    action.attributes.extend([
        TcActionAttribute::Kind(TcActionMirror::KIND.to_owned()),
        TcActionAttribute::Cookie(cookie.as_bytes().to_vec()),
        TcActionAttribute::Options(vec![parameters]),
    ]);
    action
}

fn as_rule(message: RouteNetlinkMessage) -> Option<Rule> {
    let RouteNetlinkMessage::NewTrafficFilter(message) = message else {
        return None;
    };
    let mut rule = Rule {
        place: place_of(&message)?,
        ..Rule::default()
    };
    read(&mut rule, message);
    Some(rule)
}

fn read(rule: &mut Rule, message: TcMessage) {
    for attribute in message.attributes {
        if let TcAttribute::Kind(kind) = attribute {
            rule.kind = kind;
        } else if let TcAttribute::Options(options) = attribute {
            read_options(rule, options);
        }
    }
}

fn read_options(rule: &mut Rule, options: Vec<TcOption>) {
    for option in options {
        if let TcOption::Flower(TcFilterFlowerOption::Flags(flags)) = option {
            rule.flags = flags;
        } else if let TcOption::Flower(TcFilterFlowerOption::Actions(actions)) = option {
            let attributes = actions.into_iter().flat_map(|action| action.attributes);
            attributes.for_each(|attribute| read_action(rule, attribute));
        }
    }
}

fn read_action(rule: &mut Rule, attribute: TcActionAttribute) {
    if let TcActionAttribute::Cookie(cookie) = attribute {
        rule.cookie = cookie;
    } else if let TcActionAttribute::Options(options) = attribute {
        for option in options {
            if let TcActionOption::Mirror(TcActionMirrorOption::Parms(parameters)) = option {
                rule.to = parameters.ifindex;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_hardware_is_only_what_the_driver_took() {
        let rule = |flags| Rule {
            flags,
            ..Rule::default()
        };
        const NOT_IN_HW: u32 = 1 << 3;
        assert!(rule(SKIP_SW | IN_HW).is_offloaded(Offload::Hardware));
        for flags in [0, IN_HW, NOT_IN_HW, SKIP_SW, SKIP_SW | NOT_IN_HW, SKIP_HW] {
            assert!(!rule(flags).is_offloaded(Offload::Hardware), "{flags}");
        }
        assert!(rule(SKIP_HW | NOT_IN_HW).is_offloaded(Offload::Software));
        assert!(!rule(SKIP_SW | IN_HW).is_offloaded(Offload::Software));
    }

    /// What is sent reads back: the kernel answers in the same form.
    #[test]
    fn a_redirect_reads_back() {
        let mut message = filter_at(
            3,
            Place {
                priority: 2,
                handle: 1,
            },
            TcFilterFlower::KIND,
        );
        message.attributes.push(TcAttribute::Options(vec![
            TcOption::Flower(TcFilterFlowerOption::Flags(SKIP_SW | IN_HW)),
            TcOption::Flower(TcFilterFlowerOption::Actions(vec![redirect(7, "mine")])),
        ]));
        let rule = as_rule(RouteNetlinkMessage::NewTrafficFilter(message)).unwrap();
        assert_eq!((rule.place.priority, rule.place.handle), (2, 1));
        assert_eq!((rule.to, &rule.cookie[..]), (7, &b"mine"[..]));
        assert!(rule.is_offloaded(Offload::Hardware));
    }
}
