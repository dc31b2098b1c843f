//! Messages of instances, made into words for the policy.

use super::Daemon;
use super::vault::Entry;
use crate::control::protocol::EventKind;
use crate::policy::{Event, Life, Word};
use vhost_transfer::ledger::LAYOUT_VERSION;
use vhost_transfer::lifeline::Received;
use vhost_transfer::message::{DeviceGone, DeviceUpdate, FromInstance, Hello, Warm};
use vhost_transfer::{InstanceId, PortId};

impl Daemon {
    /// At most `limit` messages of an instance.
    pub(super) fn hear_up_to(&mut self, id: InstanceId, limit: usize) {
        for _ in 0..limit {
            let Some(process) = self.process(id) else {
                return;
            };
            process.has_more = false;
            match process.lifeline.receive() {
                Ok(Some(received)) => self.hear(id, received),
                Ok(None) => return,
                Err(error) => return self.happen(Event::Broken(id, error.to_string())),
            }
        }
        if let Some(process) = self.process(id) {
            process.has_more = true;
        }
    }

    fn hear(&mut self, id: InstanceId, received: Received<FromInstance>) {
        let word = match received.message {
            FromInstance::Hello(hello) => return self.hear_hello(id, hello),
            FromInstance::Warm(warm) => self.hear_warm(id, warm),
            FromInstance::Device(update) => {
                let entry = Entry::new(update, received.fds);
                return self.hear_device(id, entry);
            }
            FromInstance::DeviceGone(gone) => self.hear_device_gone(gone),
            FromInstance::Mapped(mapped) => Word::Mapped {
                port: mapped.port,
                revision: mapped.revision,
                trouble: mapped.trouble,
            },
            FromInstance::Prepared(prepared) => Word::Prepared(prepared.term),
            FromInstance::Refused(refused) => Word::Refused(refused.term, refused.reason),
            FromInstance::Quiesced(quiesced) => Word::Quiesced(quiesced.term),
            FromInstance::Released(released) => Word::Released {
                term: released.term,
                drained: released.drained,
            },
            FromInstance::Active(active) => Word::Active {
                term: active.term,
                after_death: active.after_death,
                freeze_ns: active.freeze_ns,
            },
            FromInstance::StandingBy => Word::StandingBy,
            FromInstance::PortTrouble(trouble) => {
                return self.note_port(trouble.port, trouble.trouble);
            }
            FromInstance::Fatal(fatal) => return self.happen(Event::Broken(id, fatal.reason)),
            FromInstance::Rejoin(_) | FromInstance::Port(_) | FromInstance::Rejoined => {
                let reason = "it says that it had another supervisor".to_owned();
                return self.happen(Event::Broken(id, reason));
            }
            FromInstance::StoodDown => Word::StoodDown,
            FromInstance::UplinkClosed => return self.hear_uplink_closed(id),
            FromInstance::UplinkOpened(opened) => return self.hear_uplink_opened(id, opened),
            FromInstance::FirstPacket(first) => return self.hear_first_packet(id, first),
            FromInstance::Aborted(aborted) => Word::Aborted {
                term: aborted.term,
                discarded: aborted.discarded,
            },
        };
        self.happen(Event::Said(id, word));
    }

    fn hear_hello(&mut self, id: InstanceId, hello: Hello) {
        let layout = hello.ledger_layout;
        if let Some(process) = self.process(id) {
            process.hello = Some(hello);
            if let Some(times) = &mut process.start_times {
                times.greeted();
            }
        }
        self.happen(if layout == LAYOUT_VERSION {
            Event::Said(id, Word::Hello)
        } else {
            let reason = format!(
                "its ledger has layout {layout}, the supervisor's {LAYOUT_VERSION}: run the same \
                 version of both"
            );
            Event::Broken(id, reason)
        });
    }

    /// Only one that starts becomes warm; of another the policy ignores it.
    fn hear_warm(&mut self, id: InstanceId, warm: Warm) -> Word {
        if self.policy.instance(id).life == Life::Greeted {
            let total_us = self.note_warm(id, &warm.phases);
            self.record_start(id, total_us);
        }
        Word::Warm
    }

    pub(super) fn hear_device(&mut self, id: InstanceId, entry: Entry) {
        let DeviceUpdate { port, revision, .. } = entry.update;
        self.incoming = Some((port, entry));
        self.happen(Event::Said(id, Word::Device { port, revision }));
        self.incoming = None;
    }

    fn hear_device_gone(&mut self, gone: DeviceGone) -> Word {
        if let Some(trouble) = gone.trouble {
            self.note_port(gone.port, trouble);
        }
        Word::DeviceGone(gone.port)
    }

    /// Kept until the port has a device again.
    pub(super) fn note_port(&mut self, port: PortId, trouble: String) {
        if let Some(numbered) = self.ports.get_mut(port) {
            let name = numbered.name().to_owned();
            numbered.trouble = Some(trouble.clone());
            self.tell_of_port(EventKind::Port, &name, &trouble);
        }
    }
}
