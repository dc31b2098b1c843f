//! The command line of `inside-nic`.

use super::{Act, Nic};
use clap::Parser;

/// Promotes, kills and deaf uplinks under traffic on a NIC of the machine that this runs in, which is no
/// machine that is needed for anything else: `make test-sriov` makes one.
///
/// Needs root. Exit status: 0 when everything held; 1 otherwise; 130 after Ctrl-C.
#[derive(Clone, Debug, Parser)]
#[command(name = "inside-nic", version)]
pub struct Options {
    /// The NIC.
    #[arg(value_enum)]
    pub nic: Nic,
    /// Promotes.
    #[arg(long, default_value_t = 50)]
    pub promotes: u32,
    /// Kills of the active instance.
    #[arg(long, default_value_t = 20)]
    pub kills: u32,
    /// Times that the active instance's uplink is made deaf.
    #[arg(long, default_value_t = 2)]
    pub deaf: u32,
    /// Times that the PF is set down and up, where there is one.
    #[arg(long, default_value_t = 2)]
    pub resets: u32,
    /// Frames a second of each of three flows.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    pub rate: u32,
}

impl Options {
    /// How often it is done.
    pub(super) fn times(&self, act: Act) -> u32 {
        match act {
            Act::Promote => self.promotes,
            Act::Kill => self.kills,
            Act::Deafen => self.deaf,
            Act::Reset if self.nic == Nic::SriovMac => self.resets,
            Act::Reset => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn a_nic_must_be_named() {
        Options::command().debug_assert();
        assert!(Options::try_parse_from(["inside-nic"]).is_err());
        let options = Options::try_parse_from(["inside-nic", "sriov-mac"]).unwrap();
        assert_eq!((options.nic, options.times(Act::Kill)), (Nic::SriovMac, 20));
        assert_eq!(options.times(Act::Reset), 2);
        let options = Options::try_parse_from(["inside-nic", "bridge-fdb"]).unwrap();
        assert_eq!(options.times(Act::Reset), 0, "it has no PF");
    }
}
