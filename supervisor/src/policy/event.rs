//! What the policy hears and what it wants done.

use super::{Health, Life, Timer};
use std::collections::BTreeSet;
use std::time::Duration;
use vhost_transfer::message::Standing;
use vhost_transfer::{InstanceId, PortId, Term};

/// Names one request of an operator, so that its outcome finds the way back.
pub type Request = u64;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Begin: start both instances.
    Start,
    /// Leave in order; the second time, leave at once.
    Stop,
    /// An operator wants the standby to become active.
    Promote {
        /// To be answered by one [`Action::Answer`].
        request: Request,
        /// The active one is to close its vhost-user connections first.
        reconnect: bool,
    },
    /// An instance of a supervisor before this one goes on under this one.
    Adopted {
        /// Which.
        instance: InstanceId,
        /// What it is.
        standing: Standing,
        /// The term of the lanes that run, or ran last.
        term: Term,
        /// The ports that it knows.
        ports: BTreeSet<PortId>,
    },
    /// An adopted standby has this device.
    Restored {
        /// Which.
        instance: InstanceId,
        /// The device's port.
        port: PortId,
        /// Of the device.
        revision: u64,
    },
    /// The NIC delivers to this instance; a supervisor before this one has steered it.
    Delivers(InstanceId),
    /// The port is configured.
    PortAdded(PortId),
    /// The port is no longer configured.
    PortRemoved(PortId),
    /// An instance said something.
    Said(InstanceId, Word),
    /// An instance is beyond use, though its process may still be there.
    Broken(InstanceId, String),
    /// A thread of an instance hangs; in which way, for people.
    Hung(InstanceId, String),
    /// The process of an instance has ended, or could not be started.
    Died(InstanceId, String),
    /// The death or the hang of an instance points at this port.
    Blamed(InstanceId, PortId),
    /// An operator wants nothing to take over by itself. To be answered by one [`Action::Answer`].
    Pin(Request),
    /// An operator wants failover again. To be answered by one [`Action::Answer`].
    Unpin(Request),
    /// What was given up is to be tried once more.
    TryAgain,
    /// The uplink of an instance is this now. Before it is said, it is well.
    Uplink(InstanceId, Health),
    /// The one uplink of both is this now.
    OneUplink(Health),
    /// The answer to the [`Action::Steer`] before: it was done and verified, or why not.
    Steered(Result<(), String>),
    /// The answer to the [`Action::CountStray`] before: so many packets are lost, as far as is known.
    Strayed(u64),
    /// A timer ran out.
    TimedOut(Timer),
}

/// What an instance says: `vhost_transfer::message::FromInstance` without what the policy never
/// looks into.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Word {
    /// It runs, and can be talked to.
    Hello,
    /// It is completely started.
    Warm,
    /// A device changes.
    Device {
        /// The device's port.
        port: PortId,
        /// Counted by the instance.
        revision: u64,
    },
    /// A device's connection is closed.
    DeviceGone(PortId),
    /// It has mapped a device, or could not.
    Mapped {
        /// The device's port.
        port: PortId,
        /// Of the device.
        revision: u64,
        /// Why it could not be mapped.
        trouble: Option<String>,
    },
    /// It is prepared to take over.
    Prepared(Term),
    /// It can neither prepare nor quiesce.
    Refused(Term, String),
    /// It has sent all changes of devices.
    Quiesced(Term),
    /// Its lanes have let go.
    Released {
        /// The term that the move leads to.
        term: Term,
        /// Packets taken from the uplink after steering.
        drained: u64,
    },
    /// Its lanes run.
    Active {
        /// The term that began.
        term: Term,
        /// The lanes before died with their locks.
        after_death: bool,
        /// Length of the freeze, ns.
        freeze_ns: Option<u64>,
    },
    /// Its lanes wait for the lane locks.
    StandingBy,
    /// Its lanes wait no longer for the lane locks.
    StoodDown,
    /// It is as before the handover.
    Aborted {
        /// The term that the move would have led to.
        term: Term,
        /// Packets lost in it.
        discarded: u64,
    },
}

/// Something to be done, in the order given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Start the instance's process.
    Spawn(InstanceId),
    /// SIGKILL to the instance.
    Kill(InstanceId),
    /// Tell the instance.
    Tell(InstanceId, Order),
    /// Put the device update that has just come into the vault.
    Keep(PortId),
    /// Close what the vault has of this port.
    Forget(PortId),
    /// Close the port's socket; who configured it is told why.
    Quarantine(PortId),
    /// Let the NIC deliver to this instance, verify it, and report by [`Event::Steered`]: at once, or
    /// later where the one device moves from the other instance. In a handover every packet from now
    /// on waits for the new lanes.
    Steer(InstanceId),
    /// Write the release word: the old lanes let go. This is the commit point of a handover.
    ReleaseFor(Term),
    /// Take the release word back: the old lanes do not let go, or take their locks again at once.
    Revoke(Term),
    /// Find out what the NIC has delivered to this instance since it was a standby, and report by
    /// [`Event::Strayed`] at once.
    CountStray(InstanceId),
    /// Report [`Event::TimedOut`] after so long.
    StartTimer(Timer, Duration),
    /// Forget about the timer.
    StopTimer(Timer),
    /// The outcome of a request.
    Answer(Request, Outcome),
    /// The outcome of a handover that nobody asked for.
    Moved(Outcome),
    /// The active one serves for the first time.
    Ready,
    /// For the log and the history.
    Note(Note),
    /// Both instances are gone and nothing is left to do.
    Exit,
    /// Both instances are gone, and starting them again has led to nothing.
    GiveUp,
}

/// What an instance is told: `vhost_transfer::message::ToInstance` without what the daemon adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// How to start.
    Setup,
    /// There is a port.
    AddPort(PortId),
    /// The port is no more.
    RemovePort(PortId),
    /// Map the device as the vault has it.
    Device(PortId),
    /// The device is no more.
    DeviceGone(PortId),
    /// The update of a device is safe.
    Stored {
        /// The device's port.
        port: PortId,
        /// Of the device.
        revision: u64,
    },
    /// Wait for the lane locks.
    StandBy,
    /// Wait for the lane locks no longer.
    StandDown,
    /// Take the lane locks, which nobody holds.
    Activate(Term),
    /// Get ready to take over.
    Prepare(Term),
    /// Send what there is to send, and watch the release word.
    Quiesce {
        /// The term that the move leads to.
        term: Term,
        /// Close the vhost-user connections.
        reconnect: bool,
    },
    /// The handover is off.
    Abort(Term),
    /// Leave.
    Stop,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The standby became active.
    Promoted(Promoted),
    /// It is done, and there is nothing to tell.
    Done,
    /// Nothing was begun.
    Refused {
        /// Why.
        reason: String,
    },
    /// The old instance is still active, and has the NIC's traffic.
    Failed {
        /// Why.
        reason: String,
        /// Packets that the NIC had already delivered to the standby: they are lost. Of a standby that
        /// died it may have forwarded some.
        discarded: u64,
    },
    /// Something is not as it should be: traffic was or is disturbed.
    Degraded {
        /// What happened.
        reason: String,
        /// As in `Failed`.
        discarded: u64,
    },
}

/// A handover that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Promoted {
    /// The active one before.
    pub from: InstanceId,
    /// The active one now.
    pub to: InstanceId,
    /// The term that began.
    pub term: Term,
    /// Length of the freeze, ns.
    pub freeze_ns: Option<u64>,
    /// Packets that the old one took from its uplink after steering.
    pub drained: u64,
    /// The old one is the spare now.
    pub spare: bool,
}

/// For people.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Note {
    /// An instance owns the lanes by itself, not by a promote.
    Began {
        /// Which.
        instance: InstanceId,
        /// The term that began.
        term: Term,
        /// Whose place it took, when that one died.
        after: Option<InstanceId>,
        /// Length of the freeze, ns, as far as the instance could tell.
        freeze_ns: Option<u64>,
    },
    /// An instance that had another supervisor is this now.
    Adopted(InstanceId, Life),
    /// An instance is the spare now.
    Spare(InstanceId),
    /// An instance is of no more use.
    Dropped(InstanceId, String),
    /// A thread of an instance hangs: it is killed.
    Hung(InstanceId, String),
    /// An instance was killed and is still there: nobody takes over from it.
    Unfenced(InstanceId),
    /// An instance's process has ended.
    Died(InstanceId, String),
    /// An instance died so many times in a row that it is not started again.
    GivenUp(InstanceId, u32, String),
    /// An instance died, or hung, over this port.
    Blamed(InstanceId, PortId),
    /// Automatic failover is switched off, or on again.
    Pinned(bool),
    /// A device could not be brought back; its front end must connect again.
    DeviceLost(PortId, String),
    /// The uplink of an instance is this now.
    Uplink(InstanceId, Health),
    /// The NIC delivers elsewhere than to the active instance.
    SteeringFailed(InstanceId, String),
    /// An instance said what it had no business to say now.
    Ignored(InstanceId, String),
}
