//! Taking messages out of the socket and answering them, each exactly once, even across a death.

use super::{Ending, Link};
use crate::port::{Backend, Handled};
use crate::vhost_user::connection::{self, Incoming};
use crate::vhost_user::{Header, Name, Refusal, Request, answer, refuse};

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
        self.consume(length, reply.is_some(), backend)?;
        self.reply(reply, backend)
    }

    /// Takes a message out of the socket. From here on nobody else can answer it.
    pub(super) fn consume(
        &self,
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
        Ok(connection::consume(self.socket(), length)?)
    }

    /// Pays what was owed for the last message.
    pub(super) fn reply(
        &mut self,
        reply: Option<Vec<u8>>,
        backend: &mut dyn Backend,
    ) -> Result<(), Ending> {
        if let Some(reply) = reply {
            connection::reply(self.socket(), &reply)?;
        }
        self.device.state.at_hand = None;
        backend.note(self.port(), Handled::all(self.device.state.revision));
        Ok(())
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
                self.consume(incoming.bytes.len(), true, backend)?;
                self.reply(Some(reply), backend)
            }
            None => Err(Ending::Trouble(format!(
                "{trouble}; the connection is closed"
            ))),
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
        let unanswered = handled.revision < self.device.state.revision;
        let at_hand = self.device.state.at_hand.take().filter(|_| unanswered);
        match (connection::peek(self.socket())?, at_hand.as_deref()) {
            (Some(next), Some(at_hand)) if next.bytes == *at_hand => {
                let request = Request::parse(next.header.code, next.payload())
                    .map_err(|refusal| Ending::Trouble(refusal.to_string()))?;
                self.settle(&next.header, &request, next.bytes.len(), backend)
            }
            (None, _) if handled.owes_answer => Err(Ending::Trouble(
                "the instance before died over a message, and nobody can know whether its answer \
                 went out; the connection is closed so that the front end connects again"
                    .into(),
            )),
            (Some(_) | None, _) => self.reply(None, backend),
        }
    }
}
