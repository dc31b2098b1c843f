//! The backend for a host without an uplink.

use std::time::Duration;

use crate::{Contract, Side, Steering, SteeringError, Way};

/// Steers nothing, and remembers where to.
#[derive(Debug, Default)]
pub(crate) struct Nowhere {
    side: Option<Side>,
}

impl Steering for Nowhere {
    fn contract(&self) -> Contract {
        Contract {
            atomic: true,
            make_before_break: true,
            may_lose: false,
            may_double: false,
            in_flight: Duration::ZERO,
        }
    }

    fn steer(&mut self, to: Side) -> Result<(), SteeringError> {
        self.side = Some(to);
        Ok(())
    }

    fn current(&self) -> Result<Option<Side>, SteeringError> {
        Ok(self.side)
    }

    fn delivered(&self, _: Side) -> Option<u64> {
        Some(0)
    }

    fn way(&self, _: Side) -> Option<Way> {
        None
    }

    fn close(self: Box<Self>) -> Result<(), SteeringError> {
        Ok(())
    }
}
