//! Orders of the policy, made into messages with their fds.

use super::Daemon;
use crate::policy::{Event, Order};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vhost_transfer::message::{PortRef, Quiesce, Revision, Setup, TermRef, ToInstance};
use vhost_transfer::{InstanceId, PortId};

type Message<'a> = (ToInstance, Vec<BorrowedFd<'a>>);

impl Daemon {
    /// Whoever cannot be told is beyond use.
    pub(super) fn tell(&mut self, id: InstanceId, order: Order) {
        let Some(mut process) = self.processes[id as usize].take() else {
            return;
        };
        if let Some((message, fds)) = self.message(id, order)
            && let Err(error) = process.lifeline.send(&message, &fds)
        {
            self.events.push_back(Event::Broken(id, error.to_string()));
        }
        self.processes[id as usize] = Some(process);
    }

    fn message(&self, id: InstanceId, order: Order) -> Option<Message<'_>> {
        let plain = |message| Some((message, Vec::new()));
        match order {
            Order::Setup => Some(self.setup_with_fds(id)),
            Order::AddPort(port) => self.add_port(port),
            Order::RemovePort(port) => plain(ToInstance::RemovePort(PortRef { port })),
            Order::Device(port) => self.device(port),
            Order::DeviceGone(port) => plain(ToInstance::DeviceGone(PortRef { port })),
            Order::Stored { port, revision } => {
                plain(ToInstance::Stored(Revision { port, revision }))
            }
            Order::StandBy => plain(ToInstance::StandBy),
            Order::StandDown => plain(ToInstance::StandDown),
            Order::Activate(term) => plain(ToInstance::Activate(TermRef { term })),
            Order::Prepare(term) => plain(ToInstance::Prepare(TermRef { term })),
            Order::Quiesce { term, reconnect } => {
                plain(ToInstance::Quiesce(Quiesce { term, reconnect }))
            }
            Order::Abort(term) => plain(ToInstance::Abort(TermRef { term })),
            Order::Stop => plain(ToInstance::Stop),
        }
    }

    fn add_port(&self, port: PortId) -> Option<Message<'_>> {
        let (message, socket) = self.ports.get(port)?.as_message(port);
        Some((ToInstance::AddPort(message), socket))
    }

    fn device(&self, port: PortId) -> Option<Message<'_>> {
        let entry = self.vault.get(port)?;
        Some((ToInstance::Device(entry.update.clone()), entry.fds()))
    }

    fn setup_with_fds(&self, id: InstanceId) -> Message<'_> {
        let mut fds = vec![self.ledger.fd()];
        fds.extend(self.memory.of(id));
        (ToInstance::Setup(self.setup(id)), fds)
    }

    /// An instance that does not know of memory files is not to take hugepages instead.
    fn setup(&self, instance: InstanceId) -> Setup {
        let vswitch = &self.config.vswitch;
        let own = self.config.instance(instance);
        Setup {
            instance,
            lane_cpus: own.lanes.to_vec(),
            poll: vswitch.poll.into(),
            memory_mib: vswitch.memory.mib(),
            hugepages: vswitch.hugepages && self.config.memory.is_none(),
            file_prefix: file_prefix(&self.config.supervisor.runtime_dir, instance),
            uplink: self.uplinks.arguments(instance).map(str::to_owned),
            mac_aging_s: u32::try_from(vswitch.mac_aging.as_secs()).unwrap_or(u32::MAX),
            drain_us: self.drain_us(),
            rejoin_at: self.rejoin_at(),
            memory_files: self.number_of_files(instance),
            uplink_later: self.config.moves_uplink().then_some(true),
            first_packet: Some(true),
        }
    }

    fn number_of_files(&self, instance: InstanceId) -> Option<u16> {
        let count = self.memory.of(instance).len();
        u16::try_from(count).ok().filter(|&count| count > 0)
    }

    fn rejoin_at(&self) -> Option<String> {
        let path = self.runtime.rejoin_socket();
        path.to_str().map(str::to_owned)
    }

    /// As long as the configuration says, and as long as packets may still be on their way.
    fn drain_us(&self) -> u32 {
        let in_flight = self.steering.contract().in_flight;
        let uplink = self.config.uplink.as_ref();
        let drain = uplink.map_or(in_flight, |uplink| uplink.drain.max(in_flight));
        u32::try_from(drain.as_micros()).unwrap_or(u32::MAX)
    }
}

/// Each runtime directory has its own, the same after a restart, so that DPDK finds what a dead
/// instance left. FNV-1a keeps it short.
fn file_prefix(runtime_dir: &Path, instance: InstanceId) -> String {
    let bytes = runtime_dir.as_os_str().as_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("vswsup-{hash:016x}-{instance}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use InstanceId::{A, B};

    #[test]
    fn every_instance_on_a_host_has_its_own_prefix() {
        let prefix = |path, instance| file_prefix(Path::new(path), instance);
        assert_eq!(prefix("/run/vswsup", A), prefix("/run/vswsup", A));
        assert_ne!(prefix("/run/vswsup", A), prefix("/run/vswsup", B));
        assert_ne!(prefix("/run/vswsup", A), prefix("/run/other", A));
    }
}
