//! Which socket of which port a token of mio stands for.

use mio::Token;
use vhost_transfer::PortId;

const KINDS: usize = 4;

/// A socket of a vhost port. The tokens of [`PortId::UPLINK`], 0 to 3, are free for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The listening socket, in server mode.
    Listener,
    /// The connection to the front end.
    Connection,
}

impl Source {
    /// Its token.
    pub fn token(self, port: PortId) -> Token {
        Token(port.index() * KINDS + self as usize)
    }

    /// What a token stands for, `None` when it is no vhost port's.
    pub fn of(token: Token) -> Option<(PortId, Self)> {
        let port = PortId::new(u16::try_from(token.0 / KINDS).ok()?)?;
        let source = match token.0 % KINDS {
            0 => Self::Listener,
            1 => Self::Connection,
            _ => return None,
        };
        Some((port, source)).filter(|_| port != PortId::UPLINK)
    }
}
