//! Orders and events that concern ports and their devices.

use super::fault::{self, Phase};
use super::host::Host;
use super::instance::{Instance, Next};
use crate::port::{Backend, VhostPort};
use std::os::fd::OwnedFd;
use std::time::Instant;
use vhost_transfer::message::{AddPort, DeviceUpdate, FromInstance, Mapped, Revision, ToInstance};
use vhost_transfer::{Device, PortId};

const MEMORY_LOST: &str = "guest memory was taken away: the file behind it is shorter than the front \
     end said; the connection is closed, to be made anew with memory that stays";

impl Instance {
    /// Does what the supervisor says.
    pub(super) fn handle(&mut self, message: ToInstance, fds: Vec<OwnedFd>) -> Next {
        match message {
            ToInstance::Setup(_) => {}
            ToInstance::AddPort(port) => self.add_port(port, fds),
            ToInstance::RemovePort(port) => self.remove_port(port.port),
            ToInstance::Device(update) => self.mirror(update, fds),
            ToInstance::DeviceGone(port) if self.stance.owns() => self.store_again(port.port),
            ToInstance::DeviceGone(port) => self.drop_device(port.port),
            ToInstance::Stored(stored) => self.stored(stored),
            ToInstance::StandBy => self.stand_by(),
            ToInstance::Activate(_) => self.host.lanes.contend(),
            ToInstance::Prepare(term) => self.prepare(term.term),
            ToInstance::Quiesce(quiesce) => self.quiesce(quiesce),
            ToInstance::Abort(term) => self.abort(term.term),
            ToInstance::Stop => return Next::Leave,
            ToInstance::StandDown => self.stand_down(),
            ToInstance::OpenUplink => self.open_uplink(),
            ToInstance::CloseUplink => self.close_uplink(),
        }
        self.prepared_when_filled();
        self.quiesced_when_settled();
        Next::GoOn
    }

    /// A socket of a port has something to read.
    pub(super) fn port_is_ready(&mut self, port: PortId) {
        self.at_port(port, |port, host| port.on_event(host));
        self.quiesced_when_settled();
    }

    /// Lets ports try again what has to be tried again.
    pub(super) fn tick(&mut self) {
        let now = Instant::now();
        let is_due = |port: &VhostPort| port.next_deadline().is_some_and(|at| at <= now);
        for id in self.ports_that(is_due) {
            self.at_port(id, |port, host| port.on_tick(now, host));
        }
    }

    /// Lets all ports listen to their front ends, or none.
    pub(super) fn serve_ports(&mut self, serve: bool) {
        for id in self.ports_that(|_| true) {
            self.at_port(id, |port, host| port.serve(serve, host));
        }
    }

    /// Closes the connections of guests whose memory was taken away; the others go on.
    pub(super) fn close_lost_devices(&mut self) {
        if !self.stance.owns() {
            return; // Whoever owns the lanes finds out; should it be this one, it looks again then.
        }
        for id in self.ports_that(VhostPort::has_lost_memory) {
            self.at_port(id, |port, host| port.close(MEMORY_LOST, host));
        }
        self.quiesced_when_settled();
    }

    /// Works for a port, if there is one, so that it is known over which port this thread dies.
    fn at_port<T>(
        &mut self,
        id: PortId,
        work: impl FnOnce(&mut VhostPort, &mut Host) -> T,
    ) -> Option<T> {
        let port = self.ports.get_mut(&id)?;
        self.host.beat();
        self.host.serves(id);
        let outcome = work(port, &mut self.host);
        self.host.serves(PortId::UPLINK);
        Some(outcome)
    }

    fn ports_that(&self, wanted: impl Fn(&VhostPort) -> bool) -> Vec<PortId> {
        let ports = self.ports.values().filter(|port| wanted(port));
        ports.map(VhostPort::id).collect()
    }

    fn add_port(&mut self, port: AddPort, fds: Vec<OwnedFd>) {
        let (id, listener) = (port.port, fds.into_iter().next());
        match VhostPort::new(port, listener, self.poll.registry()) {
            Ok(mut new) => {
                new.serve(self.stance.serves(), &mut self.host);
                self.ports.insert(id, new);
            }
            Err(error) => self
                .host
                .trouble(id, format!("port {id} cannot be added: {error}")),
        }
    }

    fn remove_port(&mut self, id: PortId) {
        self.drop_device(id);
        self.ports.remove(&id);
        self.host.lanes.shared.ledger.fdb().forget(id);
    }

    fn drop_device(&mut self, id: PortId) {
        self.at_port(id, |port, host| port.drop_device(host));
    }

    /// The supervisor took a device for lost with its owner, and this instance had it and has taken the
    /// lanes: its next death must find the device in the vault.
    fn store_again(&mut self, id: PortId) {
        self.at_port(id, |port, host| port.store_again(host));
    }

    fn stored(&mut self, stored: Revision) {
        self.at_port(stored.port, |port, host| {
            port.on_stored(stored.revision, host)
        });
    }

    /// Maps what the active instance's device is now, and says whether that went well.
    fn mirror(&mut self, update: DeviceUpdate, fds: Vec<OwnedFd>) {
        let (port, revision) = (update.port, update.revision);
        let trouble = self.adopt(&update, fds).err();
        self.host.say(FromInstance::Mapped(Mapped {
            port,
            revision,
            trouble,
        }));
    }

    fn adopt(&mut self, update: &DeviceUpdate, fds: Vec<OwnedFd>) -> Result<(), String> {
        fault::at(self.id, Phase::Map)?;
        if self.stance.owns() {
            return Err(format!(
                "instance {} owns its devices and mirrors none",
                self.id
            ));
        }
        let device = Device::unpack(&update.packed, fds).map_err(|error| error.to_string())?;
        if device.state.port != update.port {
            return Err(format!(
                "the device of port {} came as port {}'s",
                device.state.port, update.port
            ));
        }
        self.at_port(update.port, |port, host| port.adopt(device, host))
            .ok_or_else(|| format!("there is no port {}", update.port))?
    }
}
