//! What the command line asks for.

use super::{Daemon, console};
use crate::Config;
use crate::config::Port;
use crate::control::protocol::{Failure, ReloadReport};
use crate::control::{ConnId, Request, Response};
use crate::policy::{self, Event};
use std::sync::atomic::Ordering::Relaxed;
use vhost_transfer::ledger::PortCounters;

impl Daemon {
    pub(super) fn asked(&mut self, connection: ConnId, request: Request) {
        let response = match request {
            Request::Promote { reconnect } => return self.asked_to_promote(connection, reconnect),
            Request::Status => Response::Status(self.status()),
            Request::PortAdd { port } => self.asked_to_add(port),
            Request::PortDel { name } => self.asked_to_remove(&name),
            Request::PortList => Response::Ports(self.port_reports()),
            Request::DeviceList => Response::Devices(self.device_reports()),
            Request::DeviceShow { port } => self.device_of(&port),
            Request::History { limit } => Response::History(self.history.last(limit)),
            Request::Reload => self.asked_to_reload(),
            Request::PortRelease { name } => self.asked_to_release(&name),
            Request::Events { after, limit } => {
                Response::Events(self.event_log.after(after, limit))
            }
            Request::Pin => return self.ask_policy(connection, Event::Pin),
            Request::Unpin => return self.ask_policy(connection, Event::Unpin),
        };
        self.control.reply(connection, &response);
    }

    /// Steering is tried as far as it can be before anything is begun.
    fn asked_to_promote(&mut self, connection: ConnId, reconnect: bool) {
        if let Some(active) = self.policy.active()
            && self.policy.handover().is_none()
            && let Err(reason) = self.verify_steering(active)
        {
            let failure = Failure::refused(format!("steering is not in order: {reason}"));
            return self.control.reply(connection, &Response::Failed(failure));
        }
        self.ask_policy(connection, |request| Event::Promote { request, reconnect });
    }

    /// The answer comes with the outcome.
    fn ask_policy(&mut self, connection: ConnId, event: impl FnOnce(policy::Request) -> Event) {
        self.last_request += 1;
        let request = self.last_request;
        self.waiting.insert(request, connection);
        self.happen(event(request));
    }

    fn asked_to_add(&mut self, port: Port) -> Response {
        match self.add_port_now(port) {
            Ok(()) => Response::Done,
            Err(reason) => Response::Failed(Failure::refused(reason)),
        }
    }

    fn asked_to_remove(&mut self, name: &str) -> Response {
        if self.remove_port_now(name) {
            Response::Done
        } else {
            let what = format!("port `{name}`");
            Response::Unknown { what }
        }
    }

    fn asked_to_release(&mut self, name: &str) -> Response {
        let Some(port) = self.ports.find(name) else {
            let what = format!("port `{name}`");
            return Response::Unknown { what };
        };
        match self.release_port(port) {
            Ok(()) => Response::Done,
            Err(reason) => Response::Failed(Failure::refused(reason)),
        }
    }

    fn asked_to_reload(&mut self) -> Response {
        match self.reload() {
            Ok(report) => Response::Reloaded(report),
            Err(reason) => Response::Failed(Failure::refused(reason)),
        }
    }

    pub(super) fn reload_by_signal(&mut self) {
        self.service.reloads();
        match self.reload() {
            Ok(report) => console::say(format_args!(
                "reloaded: added {:?}, removed {:?}",
                report.added, report.removed
            )),
            Err(reason) => console::say(format_args!("not reloaded: {reason}")),
        }
        self.service.is_ready();
    }

    /// Applies what changed in the file since it was last read. All new ports are added, or nothing
    /// is changed; those that were added or removed by hand in the meantime are left as they are.
    fn reload(&mut self) -> Result<ReloadReport, String> {
        let new = Config::load(&self.config.file).map_err(|error| error.to_string())?;
        let changes = self.config.diff(&new).map_err(|error| error.to_string())?;
        let mut report = ReloadReport::default();
        for port in changes.added {
            let name = port.name.clone();
            if self.has_port(&port) {
                continue;
            }
            if let Err(reason) = self.add_port_now(port) {
                report.added.iter().for_each(|name| {
                    self.remove_port_now(name);
                });
                return Err(format!("{reason}; nothing was changed"));
            }
            report.added.push(name);
        }
        let removed = changes.removed.into_iter();
        report.removed = removed.filter(|name| self.remove_port_now(name)).collect();
        self.config = new;
        self.happen(Event::TryAgain);
        Ok(report)
    }

    fn has_port(&self, port: &Port) -> bool {
        self.ports
            .iter()
            .any(|(_, numbered)| numbered.port == *port)
    }

    fn add_port_now(&mut self, port: Port) -> Result<(), String> {
        let id = self.ports.add(port)?;
        begin_at_zero(self.ledger.counters(id));
        self.happen(Event::PortAdded(id));
        Ok(())
    }

    fn remove_port_now(&mut self, name: &str) -> bool {
        let Some((id, port)) = self.ports.remove(name) else {
            return false;
        };
        if port.quarantined {
            self.remember();
        } else {
            self.happen(Event::PortRemoved(id));
        }
        true
    }
}

/// The number may have been another port's.
fn begin_at_zero(counters: &PortCounters) {
    let PortCounters {
        rx_packets,
        rx_bytes,
        tx_packets,
        tx_bytes,
        tx_dropped,
        rx_dropped,
    } = counters;
    for counter in [
        rx_packets, rx_bytes, tx_packets, tx_bytes, tx_dropped, rx_dropped,
    ] {
        counter.store(0, Relaxed);
    }
}
