//! Network devices that a configuration names.

use std::error::Error;
use std::io;

use serde::Deserialize;

use crate::netlink::Netlink;

/// A network device for each side: the host ends of two veth pairs, or two taps.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    /// Leads to instance `a`.
    pub a: String,
    /// Leads to instance `b`.
    pub b: String,
}

/// A configured network device that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Netdev {
    /// Its key in the configuration.
    pub(crate) key: &'static str,
    pub(crate) name: String,
    pub(crate) index: u32,
}

/// A configured network device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetdevError {
    /// It does not exist.
    #[error(
        "steering.{key}: there is no network device `{name}` in this network namespace; \
         create it, or correct the name"
    )]
    Missing {
        /// The key in the configuration.
        key: &'static str,
        /// The device.
        name: String,
    },
    /// It is down.
    #[error(
        "steering.{key}: the network device `{name}` is down; set it up: ip link set {name} up"
    )]
    Down {
        /// The key in the configuration.
        key: &'static str,
        /// The device.
        name: String,
    },
    /// One device has two parts.
    #[error(
        "steering.{} and steering.{}: both are the network device `{name}`; name two devices",
        keys[0], keys[1]
    )]
    Same {
        /// The two keys in the configuration.
        keys: [&'static str; 2],
        /// The device.
        name: String,
    },
    /// The kernel did not answer.
    #[error(
        "could not look up network devices: {0}; the process needs netlink sockets (does a seccomp \
         filter or RestrictAddressFamilies= forbid them?)"
    )]
    Unknown(Box<dyn Error + Send + Sync>),
}

impl Netdev {
    /// Looks a device up; it must exist and be up.
    pub(crate) fn find(
        netlink: &Netlink,
        key: &'static str,
        name: &str,
    ) -> Result<Self, NetdevError> {
        let name = name.to_owned();
        match netlink.link_by_name(&name).map_err(NetdevError::unknown)? {
            None => Err(NetdevError::Missing { key, name }),
            Some(link) if !link.up => Err(NetdevError::Down { key, name }),
            Some(link) => Ok(Self {
                key,
                name,
                index: link.index,
            }),
        }
    }

    /// Looks a device up, whether it is up or not; `None` if there is none.
    pub(crate) fn existing(
        netlink: &Netlink,
        key: &'static str,
        name: &str,
    ) -> Result<Option<Self>, NetdevError> {
        let link = netlink.link_by_name(name).map_err(NetdevError::unknown)?;
        Ok(link.map(|link| Self {
            key,
            name: link.name,
            index: link.index,
        }))
    }

    /// Refuses one device in two places.
    pub(crate) fn must_differ(&self, other: &Self) -> Result<(), NetdevError> {
        if self.index != other.index {
            return Ok(());
        }
        Err(NetdevError::Same {
            keys: [self.key, other.key],
            name: self.name.clone(),
        })
    }
}

impl NetdevError {
    /// What the kernel said to a question for devices.
    pub(crate) fn unknown(error: io::Error) -> Self {
        Self::Unknown(error.into())
    }
}
