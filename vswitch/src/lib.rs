//! The data plane: DPDK, vhost-user, rings, forwarding.

pub mod dpdk;
