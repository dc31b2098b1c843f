//! NICs for a system under test, made of what a [`crate::nic_machine`] has. Everything here runs inside.

mod bridge;
mod device;
mod mishap;
mod virtual_functions;

pub use bridge::virtio_on_a_bridge;
pub use mishap::Mishap;
pub use virtual_functions::{one_virtual_function, virtual_functions};

/// A NIC as the supervisor is told of it, and the far end of its wire.
#[derive(Clone, Debug)]
pub struct RealNic {
    /// The lines of `[uplink]`.
    pub uplink: String,
    /// The lines of `[steering]`, if there is something to steer.
    pub steering: Option<String>,
    /// The network device that sends to the NIC and receives from it.
    pub wire: String,
    /// What makes the uplink of `a` deaf, and that of `b`.
    pub deafness: [Mishap; 2],
    /// What makes both deaf until their ports are started anew, where there is such a thing.
    pub reset: Option<Mishap>,
}

/// An emulated machine may be late with everything.
const DEAF_AFTER: &str = "deaf_after = 10\n";

impl RealNic {
    /// Its part of the supervisor's file.
    pub fn configuration(&self) -> String {
        let steering = self.steering.as_ref();
        let steering = steering.map(|lines| format!("\n[steering]\n{lines}"));
        format!(
            "\n[uplink]\n{}{}",
            self.uplink,
            steering.unwrap_or_default()
        )
    }
}
