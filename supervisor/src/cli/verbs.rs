//! Verbs and options.

use crate::config::{Port, PortMode};
use crate::control::Request;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;
use std::time::Duration;

const EXIT_STATUSES: &str = "\
Exit status: 0 done, or yes; 1 refused or failed, traffic unaffected; 2 usage; 3 no supervisor \
runs, or the answer is no; 4 no such port or device; 5 failed, and traffic was affected or the \
switch is worse off than before.";

/// Keeps an active and a standby vswitch, and moves the guests from one to the other.
#[derive(Debug, Parser)]
#[command(name = "vswsup", version, after_help = EXIT_STATUSES)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// The configuration [default: /etc/vswsup.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Where the supervisor runs [default: as the configuration says]
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub(super) runtime_dir: Option<PathBuf>,
    /// Write data as JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Start both instances and look after them, until SIGTERM
    Run,
    /// Try out whether this host can do what the configuration asks for
    Check,
    /// What of the last starts and of the last move took how long
    Blame {
        /// Also draw it, as an SVG picture
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// Wait until there is a spare: a standby that could take over
    Wait {
        /// How long at most; then the exit status is 3
        #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
        timeout: Duration,
    },
    /// Write a completion script for a shell
    Completion {
        /// Which
        shell: Shell,
    },
    #[command(flatten)]
    Asking(AskingVerb),
}

/// Verbs that are a request to the daemon.
#[derive(Debug, Subcommand)]
pub(super) enum AskingVerb {
    /// Is it well, is there a spare; exit status 3 when not, 5 when an instance is given up
    Status,
    /// Make the standby the active one, and tell how it went
    Promote {
        /// The old way: close the vhost-user connections, so that the guests' links go down and
        /// up and the front ends connect again
        #[arg(long)]
        reconnect: bool,
    },
    /// Ports that lead to VMs
    #[command(subcommand)]
    Port(PortVerb),
    /// The vhost-user devices behind the ports
    #[command(subcommand)]
    Device(DeviceVerb),
    /// What moved, when and why; newest last
    History {
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// What happened, as in the log; newest last
    Events {
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Go on with what happens from now on, until interrupted
        #[arg(long)]
        follow: bool,
    },
    /// Switch automatic failover off, for maintenance
    Pin,
    /// Switch automatic failover on again
    Unpin,
    /// Read the configuration again, add and remove ports as it says, and start again what was
    /// given up
    Reload,
}

#[derive(Debug, Subcommand)]
pub(super) enum PortVerb {
    /// All ports and their counters
    List,
    /// Add a port, until it is removed or the supervisor ends
    Add {
        /// Its name
        name: String,
        /// The vhost-user socket, an absolute path
        #[arg(long, value_name = "PATH")]
        socket: PathBuf,
        /// Who listens on the socket: the switch (server) or the front end (client)
        #[arg(long, value_enum, default_value_t = Mode::Server)]
        mode: Mode,
    },
    /// Put back a port whose device is in quarantine
    Release {
        /// Its name
        name: String,
    },
    /// Remove a port and close its device
    Del {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Mode {
    Server,
    Client,
}

#[derive(Debug, Subcommand)]
pub(super) enum DeviceVerb {
    /// All devices that are connected
    List,
    /// One device
    Show {
        /// The name of its port
        port: String,
    },
}

impl From<AskingVerb> for Request {
    fn from(verb: AskingVerb) -> Self {
        match verb {
            AskingVerb::Status => Self::Status,
            AskingVerb::Promote { reconnect } => Self::Promote { reconnect },
            AskingVerb::Port(PortVerb::List) => Self::PortList,
            AskingVerb::Port(PortVerb::Add { name, socket, mode }) => Self::PortAdd {
                port: Port {
                    name,
                    socket,
                    mode: mode.into(),
                },
            },
            AskingVerb::Port(PortVerb::Del { name }) => Self::PortDel { name },
            AskingVerb::Device(DeviceVerb::List) => Self::DeviceList,
            AskingVerb::Device(DeviceVerb::Show { port }) => Self::DeviceShow { port },
            AskingVerb::History { limit } => Self::History { limit },
            AskingVerb::Events { limit, follow: _ } => Self::Events { after: 0, limit },
            AskingVerb::Port(PortVerb::Release { name }) => Self::PortRelease { name },
            AskingVerb::Pin => Self::Pin,
            AskingVerb::Unpin => Self::Unpin,
            AskingVerb::Reload => Self::Reload,
        }
    }
}

impl From<Mode> for PortMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Server => Self::Server,
            Mode::Client => Self::Client,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_declarations_hold_together() {
        Cli::command().debug_assert();
    }
}
