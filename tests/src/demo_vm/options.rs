//! The command line of the demo.

use super::QemuSide;
use clap::Parser;

/// Promotes a warm standby while a QEMU guest and the host ping each other, and shows what both notice,
/// beside a plain restart of the same switch.
///
/// Needs root. The environment variable VSWSUP_QEMU names another QEMU than the one in PATH. Exit
/// status: 0 when no promote was noticed; 1 otherwise; 130 after Ctrl-C.
#[derive(Clone, Debug, Parser)]
#[command(name = "demo-vm", version)]
pub struct Options {
    /// Promotes with each end of the socket.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub promotes: u32,
    /// Which end of the vhost-user socket QEMU is [default: first client, then server]
    #[arg(long, value_enum)]
    pub qemu: Option<QemuSide>,
    /// Prints JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

impl Options {
    pub(super) fn sides(&self) -> Vec<QemuSide> {
        self.qemu.map_or(QemuSide::ALL.to_vec(), |side| vec![side])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_unless_one_is_named() {
        let options = |arguments: &[&str]| {
            Options::try_parse_from([&["demo-vm"], arguments].concat()).unwrap()
        };
        assert_eq!(options(&[]).sides(), QemuSide::ALL);
        assert_eq!(options(&[]).promotes, 20);
        assert_eq!(options(&["--qemu", "server"]).sides(), [QemuSide::Server]);
        assert!(Options::try_parse_from(["demo-vm", "--promotes=0"]).is_err());
    }
}
