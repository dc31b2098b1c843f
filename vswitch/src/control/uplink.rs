//! When the uplink's device is open: from the start on, or only while this instance is to have it, where
//! both instances have one and the same device.
//!
//! It is opened by order, after the other one has closed it; by itself when the other one has died,
//! or when a handover is off. Each is tried for a while: the kernel may not have taken the device
//! from a dead process yet. Meanwhile guests' packets wait in their own rings
//! ([`UplinkPort::is_awaited`]); when it is over, guests at least reach each other, and what is tried
//! after that holds nobody up.

mod device;

pub(super) use device::UplinkDevice;

use super::fault::{self, Phase};
use super::instance::Instance;
#[cfg(doc)]
use crate::switch::UplinkPort;
use std::time::{Duration, Instant};
use vhost_transfer::ledger::{Predecessor, Tenure};
use vhost_transfer::message::{FromInstance, UplinkOpened};

/// By order: the device was closed, so that what does not work now does not work soon.
const BY_ORDER: Duration = Duration::from_millis(250);
/// After a death, or when the other one has still to close it.
const BY_ITSELF: Duration = Duration::from_secs(3);
/// How long lanes hold guests' packets back for a device that nobody orders to be opened.
const UNORDERED: Duration = Duration::from_secs(2);

impl Instance {
    /// The supervisor wants it open here.
    pub(super) fn open_uplink(&mut self) {
        if let Err(reason) = fault::at(self.id, Phase::Open) {
            return self.tell_of_uplink(Some(reason));
        }
        match &mut self.uplink {
            None => self.tell_of_uplink(Some("this switch has no uplink".to_owned())),
            Some(uplink) if uplink.is_open() => self.tell_of_uplink(None),
            Some(uplink) => {
                uplink.begin_to_open(BY_ORDER);
                self.go_on_with_uplink();
            }
        }
    }

    fn tell_of_uplink(&mut self, trouble: Option<String>) {
        let phases = Vec::new();
        let opened = UplinkOpened { trouble, phases };
        self.host.say(FromInstance::UplinkOpened(opened));
    }

    /// The supervisor wants it closed here. What the lanes have in hand is forwarded first; what is in
    /// the device's ring is lost, as all that comes until it is open again.
    pub(super) fn close_uplink(&mut self) {
        self.give_up_uplink();
        self.host.say(FromInstance::UplinkClosed);
    }

    /// The lanes have ended.
    pub(super) fn close_device(&mut self) {
        if let Some(uplink) = &mut self.uplink {
            uplink.close();
        }
    }

    fn give_up_uplink(&mut self) {
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        uplink.await_opening();
        if uplink.is_open() {
            self.host.lanes.await_round();
            uplink.close();
        }
    }

    /// The lanes run. After a death nobody else has the device; else somebody is about to say who has
    /// it.
    pub(super) fn see_to_uplink(&mut self, tenure: Tenure) {
        let Some(uplink) = self.uplink.as_mut().filter(|uplink| uplink.moves()) else {
            return;
        };
        if uplink.is_open() || uplink.is_opening() {
            return;
        }
        match tenure.predecessor {
            Predecessor::Died => uplink.begin_to_open(BY_ITSELF),
            Predecessor::Released => uplink.hold_guests_for(UNORDERED),
        }
        self.go_on_with_uplink();
    }

    /// A handover is off: who stays active has the device, and nobody else.
    pub(super) fn undo_move_of_uplink(&mut self) {
        let owns = self.stance.owns();
        let Some(uplink) = self.uplink.as_mut().filter(|uplink| uplink.moves()) else {
            return;
        };
        if !owns {
            self.give_up_uplink();
        } else if !uplink.is_open() {
            uplink.begin_to_open(BY_ITSELF);
            self.go_on_with_uplink();
        }
    }

    /// Tries again what is to be tried again, and ends what took too long.
    pub(super) fn go_on_with_uplink(&mut self) {
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        uplink.let_guests_go_in_time();
        if let Some(opened) = uplink.go_on_opening() {
            self.host.say(FromInstance::UplinkOpened(opened));
        }
    }

    /// When to look after it.
    pub(super) fn next_look_at_uplink(&self) -> Option<Instant> {
        self.uplink.as_ref()?.next_look()
    }
}
