//! Life without a supervisor: traffic goes on, the lanes still fail over by their locks, and the
//! next supervisor is looked for and told everything.
//!
//! What changes a device waits for the next supervisor, since its vault protects the change. A front
//! end must not wait for ever: after [`ALONE_AFTER`] changes are made without the vault. The standby
//! then lacks them, and the ledger says so: it closes such a connection instead of serving it wrongly.

use super::ControlError;
use super::handover::Stance;
use super::instance::{Instance, tokens};
use super::startup::hello;
use crate::port::{Backend, Handled};
use crate::program::say;
use mio::Interest;
use mio::unix::SourceFd;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Release;
use std::time::{Duration, Instant};
use vhost_transfer::lifeline::LifelineError;
use vhost_transfer::message::{FromInstance, Rejoin, Standing};
use vhost_transfer::{Lifeline, PortId};

/// Between two looks for a supervisor.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a front end's message waits for a supervisor.
const ALONE_AFTER: Duration = Duration::from_secs(2);

/// Whether there is a supervisor, and where the next one will be.
pub(super) struct Guardian {
    rejoin_at: Option<PathBuf>,
    lost: Option<Instant>,
    next_look: Instant,
    /// It asked for the last handover itself: it may undo it, and steer the NIC back at once. No other
    /// supervisor does.
    may_undo: bool,
}

impl Guardian {
    /// There is one; `rejoin_at` is where it, or the next one, listens.
    pub(super) fn present(rejoin_at: Option<String>) -> Self {
        Self {
            rejoin_at: rejoin_at.map(PathBuf::from),
            lost: None,
            next_look: Instant::now(),
            may_undo: false,
        }
    }

    /// It asks for a handover.
    pub(super) fn begins_handover(&mut self) {
        self.may_undo = true;
    }

    /// When to look for the next one, `None` while there is one.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.lost.map(|_| self.next_look)
    }

    /// One that came and went at once does not make a front end wait longer.
    fn lose(&mut self) {
        let now = Instant::now();
        self.lost.get_or_insert(now);
        self.next_look = now + LOOK_EVERY;
        self.may_undo = false;
    }

    fn is_lost_for(&self, time: Duration) -> bool {
        self.lost.is_some_and(|since| since.elapsed() > time)
    }
}

impl Instance {
    /// Whether it serves, or stands by, without a supervisor. One that is not ready yet is of no use.
    pub(super) fn outlives_supervisor(&self) -> bool {
        self.guardian.rejoin_at.is_some() && self.stance != Stance::Warm
    }

    /// The supervisor is gone: a handover that it had begun is off.
    pub(super) fn lose_supervisor(&mut self) {
        self.tell_people("the supervisor is gone; going on, and waiting for the next one");
        if let Some(lifeline) = self.host.lose_lifeline() {
            // It is registered; nothing else can fail here.
            let _ = self
                .poll
                .registry()
                .deregister(&mut SourceFd(&lifeline.as_raw_fd()));
        }
        self.guardian.lose();
        self.contend_on();
        self.abandon_handover();
    }

    /// A handover whose release word is written goes on by itself, also when the successor has begun and
    /// the lanes have still to say that they let go.
    fn abandon_handover(&mut self) {
        let handover = self.host.lanes.shared.ledger.handover();
        let term = handover.term();
        let has_let_go =
            matches!(self.stance, Stance::Quiescing { term: next, .. } if term >= next);
        if !handover.must_release(term) && !has_let_go {
            self.abort(term.next());
        }
    }

    /// A standby whose handover nobody undoes any more holds nothing in its uplink for it, and empties it
    /// again as it does in peace.
    pub(super) fn settle_handover(&mut self) {
        if self.guardian.may_undo || self.stance != Stance::Standby {
            return;
        }
        self.let_uplink_go_if_succeeded();
        let shared = &self.host.lanes.shared;
        let handover = shared.ledger.handover();
        if !handover.must_release(handover.term()) {
            shared.alert.store(false, Release);
        }
    }

    /// Looks for the next supervisor, when it is time to.
    pub(super) fn look_for_supervisor(&mut self) {
        let now = Instant::now();
        if self.guardian.next_look().is_none_or(|at| at > now) {
            return;
        }
        self.guardian.next_look = now + LOOK_EVERY;
        let found = self.find_supervisor();
        match found.map(|lifeline| self.rejoin(lifeline)) {
            Some(Ok(())) => {}
            Some(Err(_)) => self.lose_supervisor(),
            None if self.guardian.is_lost_for(ALONE_AFTER) => self.go_on_alone(),
            None => {}
        }
    }

    /// Whatever keeps it from being found now may be over at the next look.
    fn find_supervisor(&self) -> Option<Lifeline> {
        let path = self.guardian.rejoin_at.as_deref()?;
        Lifeline::connect(path).ok().flatten()
    }

    /// Who read this instance's standard error may have gone with the supervisor.
    fn tell_people(&self, what: &str) {
        say(format_args!("vswitch {}: {what}", self.id));
    }

    fn rejoin(&mut self, lifeline: Lifeline) -> Result<(), ControlError> {
        let both_ways = Interest::READABLE | Interest::WRITABLE;
        let fd = lifeline.as_raw_fd();
        self.poll
            .registry()
            .register(&mut SourceFd(&fd), tokens::LIFELINE, both_ways)?;
        self.introduce(lifeline)?;
        self.guardian.lost = None;
        self.tell_people("there is a supervisor again");
        Ok(())
    }

    /// Tells a supervisor that knows nothing what there is.
    fn introduce(&mut self, mut lifeline: Lifeline) -> Result<(), LifelineError> {
        let ledger = &self.host.lanes.shared.ledger;
        let rejoin = Rejoin {
            instance: self.id,
            hello: hello(),
            standing: if self.stance.owns() {
                Standing::Active
            } else {
                Standing::Standby
            },
            term: ledger.handover().term(),
        };
        lifeline.send(&FromInstance::Rejoin(rejoin), &[ledger.fd()])?;
        for port in self.ports.values() {
            let (message, listener) = port.as_message();
            let fds: Vec<_> = listener.into_iter().collect();
            lifeline.send(&FromInstance::Port(message), &fds)?;
        }
        self.host.have_lifeline(lifeline);
        for port in self.ports.values() {
            port.store_again(&mut self.host);
        }
        self.host.say(FromInstance::Rejoined);
        Ok(())
    }

    /// Takes every change that waits for the vault for stored.
    fn go_on_alone(&mut self) {
        let waiting: Vec<(PortId, u64)> = self
            .ports
            .values()
            .filter_map(|port| Some((port.id(), port.waits_for()?)))
            .collect();
        for (port, revision) in waiting {
            self.tell_people(&format!(
                "port {port} goes on without a supervisor; it is not protected"
            ));
            // Before anybody can rely on it: the standby does not have it.
            let noted = self.host.noted(port);
            self.host.note(port, Handled { revision, ..noted });
            if let Some(port) = self.ports.get_mut(&port) {
                port.on_stored(revision, &mut self.host);
            }
        }
    }
}
