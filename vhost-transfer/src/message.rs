//! What the supervisor and an instance say to each other.
//!
//! The order of a life: the instance says [`FromInstance::Hello`], the supervisor answers
//! [`ToInstance::Setup`], ports follow, the instance says [`FromInstance::Warm`], and is told to
//! [`ToInstance::Activate`] or to [`ToInstance::StandBy`].
//!
//! A handover to `term`: Prepare to the standby and Quiesce to the active one; Prepared and
//! Quiesced come back; steering; the release word of the ledger; Released and Active come back.
//!
//! Where both instances have the same device, steering is [`ToInstance::CloseUplink`] to the one that
//! has it, and then [`ToInstance::OpenUplink`] to the other.

mod both;
mod from_instance;
mod to_instance;

pub use both::{DeviceSummary, DeviceUpdate, PortRef, Revision, TermRef};
pub use from_instance::{
    Aborted, Active, DeviceGone, Fatal, FirstPacket, FromInstance, Hello, Mapped, Phase,
    PortTrouble, Refused, Rejoin, Released, Standing, UplinkOpened, Warm,
};
pub use to_instance::{AddPort, Poll, Quiesce, Setup, ToInstance};
