//! Taking messages out of the socket and answering them, each exactly once, even across a death.

use super::{Ending, Link};
use crate::port::{Backend, Handled, Step};
use crate::vhost_user::connection::{self, Incoming};
use crate::vhost_user::{Header, Name, Refusal, Request, answer, apply, refuse};

/// Messages of one connection that are refused before it is closed.
const MAX_REFUSALS: u32 = 16;

impl Link {
    /// A message that changes nothing, or nothing any more.
    pub(super) fn settle(
        &mut self,
        header: &Header,
        request: &Request,
        length: usize,
        backend: &mut dyn Backend,
    ) -> Result<(), Ending> {
        let reply = answer(header, request, &self.device.state);
        self.consume(header, length, reply.is_some(), backend)?;
        self.reply(header, reply, backend)
    }

    /// Takes a message out of the socket. From here on nobody else can answer it.
    pub(super) fn consume(
        &self,
        header: &Header,
        length: usize,
        owes_answer: bool,
        backend: &mut dyn Backend,
    ) -> Result<(), Ending> {
        let noted = backend.noted(self.port());
        let handled = Handled {
            owes_answer,
            ..noted
        };
        backend.note(self.port(), handled);
        backend.reached(Step::Noted, header.code);
        connection::consume(self.socket(), length)?;
        backend.reached(Step::Consumed, header.code);
        Ok(())
    }

    /// Pays what was owed for the last message.
    pub(super) fn reply(
        &mut self,
        header: &Header,
        reply: Option<Vec<u8>>,
        backend: &mut dyn Backend,
    ) -> Result<(), Ending> {
        if let Some(reply) = reply {
            connection::reply(self.socket(), &reply)?;
        }
        backend.reached(Step::Replied, header.code);
        self.all_handled(backend);
        backend.reached(Step::Settled, header.code);
        Ok(())
    }

    /// No message is half done.
    fn all_handled(&mut self, backend: &mut dyn Backend) {
        self.device.state.at_hand = None;
        backend.note(self.port(), Handled::all(self.device.state.revision));
    }

    /// Says no where the protocol has a way to, else closes the connection.
    pub(super) fn refuse(
        &mut self,
        incoming: &Incoming,
        request: Option<&Request>,
        refusal: &Refusal,
        backend: &mut dyn Backend,
    ) -> Result<(), Ending> {
        let trouble = format!("{} refused: {refusal}", Name(incoming.header.code));
        self.refusals += 1;
        let reply = refuse(&incoming.header, request, &self.device.state);
        match reply.filter(|_| self.refusals <= MAX_REFUSALS) {
            Some(reply) => {
                backend.trouble(self.port(), trouble);
                self.consume(&incoming.header, incoming.bytes.len(), true, backend)?;
                self.reply(&incoming.header, Some(reply), backend)
            }
            None => Err(Ending::Trouble(format!(
                "{trouble}; the connection is closed"
            ))),
        }
    }

    /// A message in the socket looks like the one whose effect is known already. It may be another,
    /// with another fd, from a front end that does not wait: so it is done once more, which changes
    /// nothing if it is the same. What cannot be done twice has been done.
    fn handle_again(
        &mut self,
        mut incoming: Incoming,
        backend: &mut dyn Backend,
    ) -> Result<(), Ending> {
        let fds = std::mem::take(&mut incoming.fds);
        let request = Request::parse(incoming.header.code, incoming.payload())
            .map_err(|refusal| Ending::Trouble(refusal.to_string()))?;
        let done = apply(&self.device, &request, fds)
            .and_then(|outcome| self.begin(&incoming, &request, outcome, backend));
        match done {
            Ok(false) => Ok(()),
            Ok(true) | Err(_) => {
                self.settle(&incoming.header, &request, incoming.bytes.len(), backend)
            }
        }
    }

    /// Whether the ledger tells of a message that was not handled to its end.
    pub(in crate::port) fn is_unfinished(&self, backend: &mut dyn Backend) -> bool {
        backend.noted(self.port()) != Handled::all(self.device.state.revision)
    }

    /// Finishes what the instance before did not: it may have died after the vault had the device
    /// and before the message was consumed, or after that and before it was answered. A front end
    /// that waits for an answer sends nothing, so that a message in the socket tells them apart.
    pub(super) fn inherit(&mut self, backend: &mut dyn Backend) -> Result<(), Ending> {
        let handled = backend.noted(self.port());
        if handled.revision > self.device.state.revision {
            return Err(Ending::Trouble(
                "the instance before changed the device while there was no supervisor; the \
                 connection is closed so that the front end connects again"
                    .into(),
            ));
        }
        let unanswered = handled.revision < self.device.state.revision;
        let at_hand = self.device.state.at_hand.take().filter(|_| unanswered);
        match (connection::peek(self.socket())?, at_hand.as_deref()) {
            (Some(next), Some(at_hand)) if next.bytes == *at_hand => {
                self.handle_again(next, backend)
            }
            (None, _) if handled.owes_answer => Err(Ending::Trouble(
                "the instance before died over a message, and nobody can know whether its answer \
                 went out; the connection is closed so that the front end connects again"
                    .into(),
            )),
            (Some(_) | None, _) => {
                self.all_handled(backend);
                Ok(())
            }
        }
    }
}
