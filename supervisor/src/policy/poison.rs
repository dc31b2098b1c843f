//! A message or a descriptor chain on which an instance dies would kill its successor too. The
//! second death over the same port within a short time takes the device out of the way.

use super::{Action, Note, State};
use vhost_transfer::{InstanceId, PortId};

impl State {
    /// The death or the hang of `id` points at `port`.
    pub(super) fn blame(&mut self, id: InstanceId, port: PortId) {
        if !self.ports.contains(&port) {
            return;
        }
        self.note(Note::Blamed(id, port));
        if !self.blamed.remove(&port) {
            self.blamed.insert(port);
            return;
        }
        // First, so that it outlives a supervisor that dies while it tells the instances.
        self.actions.push(Action::Quarantine(port));
        self.port_removed(port);
    }

    /// The death before was too long ago to count.
    pub(super) fn forgive(&mut self, port: PortId) {
        self.blamed.remove(&port);
    }
}
