//! The data plane: DPDK, vhost-user, rings, forwarding.

pub mod control;
pub mod dpdk;
pub mod lane;
pub mod memory;
pub mod port;
pub mod program;
pub mod ring;
pub mod switch;
pub mod vhost_user;
