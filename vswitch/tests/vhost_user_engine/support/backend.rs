//! A back end that writes down what is asked of it, and dies on demand.

use std::collections::BTreeMap;
use std::sync::Arc;
use vhost_transfer::ledger::RingPosition;
use vhost_transfer::message::{DeviceSummary, DeviceUpdate, FromInstance};
use vhost_transfer::{Device, DeviceState, Lifeline, PortId};
use vswitch::memory::GuestMemory;
use vswitch::port::{Backend, Handled};

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Store(u64),
    Gone(Option<String>),
    Trouble(String),
    Apply(Option<u64>),
    StopRing(u16),
    SetPosition(u16, u16),
    SendRarp([u8; 6]),
    Note(Handled),
}

/// What survives an instance: the ledger's words, and what the lifeline has carried.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) handled: Handled,
    pub(crate) positions: BTreeMap<u16, RingPosition>,
    /// The vault: packed bytes and fds of the newest revision.
    pub(crate) vault: Option<Device>,
    /// Lanes, of whichever instance, use the device like this.
    pub(crate) lanes: Option<DeviceState>,
    lifeline: (Lifeline, Lifeline),
}

impl Default for World {
    fn default() -> Self {
        let (ours, theirs) = Lifeline::pair().expect("lifeline");
        Self {
            handled: Handled::default(),
            positions: BTreeMap::new(),
            vault: None,
            lanes: None,
            lifeline: (ours, Lifeline::from_fd(theirs)),
        }
    }
}

impl World {
    /// Through a real lifeline, so that every fd is another.
    fn store(&mut self, device: &Device) {
        let (packed, fds) = device.pack();
        let message = FromInstance::Device(DeviceUpdate {
            port: device.state.port,
            revision: device.state.revision,
            summary: DeviceSummary::default(),
            packed: packed.into(),
        });
        let (sender, receiver) = &mut self.lifeline;
        sender
            .send(&message, &fds)
            .expect("lifeline takes the device");
        let received = receiver
            .receive::<FromInstance>()
            .expect("lifeline")
            .expect("device");
        let FromInstance::Device(update) = received.message else {
            panic!("no device")
        };
        let device = Device::unpack(&update.packed, received.fds).expect("unpacks");
        self.vault = Some(device);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) world: World,
    pub(crate) calls: Vec<Call>,
    /// Revisions that were sent up, all of them.
    pub(crate) stores: Vec<u64>,
    pub(crate) memory: Option<Arc<GuestMemory>>,
    /// Calls after which it dies, by panic.
    pub(crate) fuse: Option<usize>,
}

impl Recorder {
    fn record(&mut self, call: Call) {
        if let Some(left) = &mut self.fuse {
            if *left == 0 {
                std::panic::resume_unwind(Box::new("the fuse has blown"));
            }
            *left -= 1;
        }
        self.calls.push(call);
    }

    /// How the last connection ended.
    pub(crate) fn last_end(&self) -> Option<&Call> {
        let ends = |call: &&Call| matches!(call, Call::Gone(_));
        self.calls.iter().rfind(ends)
    }

    pub(crate) fn troubles(&self) -> Vec<&str> {
        self.calls
            .iter()
            .filter_map(|call| match call {
                Call::Gone(Some(text)) | Call::Trouble(text) => Some(text.as_str()),
                Call::Gone(None)
                | Call::Store(_)
                | Call::Apply(_)
                | Call::StopRing(_)
                | Call::SetPosition(..)
                | Call::SendRarp(_)
                | Call::Note(_) => None,
            })
            .collect()
    }
}

impl Backend for Recorder {
    fn store(&mut self, device: &Device) {
        self.record(Call::Store(device.state.revision));
        self.stores.push(device.state.revision);
        self.world.store(device);
    }

    fn note(&mut self, _: PortId, handled: Handled) {
        self.record(Call::Note(handled));
        let word = handled.to_word();
        assert_eq!(Handled::from_word(word), handled);
        self.world.handled = Handled::from_word(word);
    }

    fn noted(&mut self, _: PortId) -> Handled {
        self.world.handled
    }

    fn gone(&mut self, _: PortId, trouble: Option<String>) {
        self.record(Call::Gone(trouble));
        self.world.vault = None;
    }

    fn trouble(&mut self, _: PortId, trouble: String) {
        self.record(Call::Trouble(trouble));
    }

    fn apply(&mut self, _: PortId, device: Option<(&Device, &Arc<GuestMemory>)>) {
        self.record(Call::Apply(device.map(|(device, _)| device.state.revision)));
        self.world.lanes = device.map(|(device, _)| device.state.clone());
        self.memory = device.map(|(_, memory)| Arc::clone(memory));
    }

    fn stop_ring(&mut self, _: PortId, ring: u16) -> RingPosition {
        self.record(Call::StopRing(ring));
        self.world.positions.get(&ring).copied().unwrap_or_default()
    }

    fn set_position(&mut self, _: PortId, ring: u16, position: RingPosition) {
        self.record(Call::SetPosition(ring, position.used));
        self.world.positions.insert(ring, position);
    }

    fn send_rarp(&mut self, _: PortId, mac: [u8; 6]) {
        self.record(Call::SendRarp(mac));
    }
}
