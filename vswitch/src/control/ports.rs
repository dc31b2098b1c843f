//! Orders and events that concern ports and their devices.

use super::fault::{self, Phase};
use super::instance::{Instance, Next};
use crate::port::{Backend, VhostPort};
use std::os::fd::OwnedFd;
use std::time::Instant;
use vhost_transfer::message::{AddPort, DeviceUpdate, FromInstance, Mapped, Revision, ToInstance};
use vhost_transfer::{Device, PortId};

impl Instance {
    /// Does what the supervisor says.
    pub(super) fn handle(&mut self, message: ToInstance, fds: Vec<OwnedFd>) -> Next {
        match message {
            ToInstance::Setup(_) => {}
            ToInstance::AddPort(port) => self.add_port(port, fds),
            ToInstance::RemovePort(port) => self.remove_port(port.port),
            ToInstance::Device(update) => self.mirror(update, fds),
            ToInstance::DeviceGone(_) if self.stance.owns() => {}
            ToInstance::DeviceGone(port) => self.drop_device(port.port),
            ToInstance::Stored(stored) => self.stored(stored),
            ToInstance::StandBy => self.stand_by(),
            ToInstance::Activate(_) => self.host.lanes.contend(),
            ToInstance::Prepare(term) => self.prepare(term.term),
            ToInstance::Quiesce(quiesce) => self.quiesce(quiesce),
            ToInstance::Abort(term) => self.abort(term.term),
            ToInstance::Stop => return Next::Leave,
            ToInstance::StandDown => self.stand_down(),
        }
        self.prepared_when_filled();
        self.quiesced_when_settled();
        Next::GoOn
    }

    /// A socket of a port has something to read.
    pub(super) fn port_is_ready(&mut self, port: PortId) {
        if let Some(port) = self.ports.get_mut(&port) {
            port.on_event(&mut self.host);
        }
        self.quiesced_when_settled();
    }

    /// Lets ports try again what has to be tried again.
    pub(super) fn tick(&mut self) {
        let now = Instant::now();
        for port in self.ports.values_mut() {
            if port.next_deadline().is_some_and(|deadline| deadline <= now) {
                port.on_tick(now, &mut self.host);
            }
        }
    }

    /// Lets all ports listen to their front ends, or none.
    pub(super) fn serve_ports(&mut self, serve: bool) {
        for port in self.ports.values_mut() {
            port.serve(serve, &mut self.host);
        }
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
        if let Some(port) = self.ports.get_mut(&id) {
            port.drop_device(&mut self.host);
        }
    }

    fn stored(&mut self, stored: Revision) {
        if let Some(port) = self.ports.get_mut(&stored.port) {
            port.on_stored(stored.revision, &mut self.host);
        }
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
        let port = self.ports.get_mut(&update.port);
        let port = port.ok_or_else(|| format!("there is no port {}", update.port))?;
        port.adopt(device, &mut self.host)
    }
}
