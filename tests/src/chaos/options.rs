//! The command line of `chaos`.

use super::Kind;
use clap::{Parser, ValueEnum};

/// Lets processes of a running system die at random under traffic, and checks what must hold.
///
/// Needs root. Exit status: 0 when everything held; 1 otherwise; 130 after Ctrl-C.
#[derive(Clone, Debug, Parser)]
#[command(name = "chaos", version)]
pub struct Options {
    /// Deaths.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub deaths: u32,
    /// Decides who dies when. [default: another one each time]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Who may die, and of what.
    #[arg(long, value_enum, value_delimiter = ',', num_args = 1.., default_values_t = Kind::value_variants().to_vec())]
    pub kinds: Vec<Kind>,
    /// CPU of each lane. The last CPU is the instrument's.
    #[arg(long, value_delimiter = ',', num_args = 1.., default_value = "0")]
    pub lanes: Vec<u16>,
    /// Prints JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Rounds that may be void whatever happens, and of so many deaths one more.
const VOID_ROUNDS: u32 = 10;
const DEATHS_FOR_EACH_VOID: u32 = 4;

impl Options {
    /// How many rounds may be void.
    pub(super) fn void_limit(&self) -> u32 {
        VOID_ROUNDS + self.deaths / DEATHS_FOR_EACH_VOID
    }

    /// The seed that was asked for, or one of chance.
    pub(super) fn seed(&self) -> u64 {
        // Short enough to be read aloud.
        self.seed.unwrap_or_else(|| fastrand::u64(1..1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn kinds_are_a_list() {
        Options::command().debug_assert();
        let options = Options::try_parse_from(["chaos", "--kinds", "double,hang"]).unwrap();
        assert_eq!(options.kinds, [Kind::Double, Kind::Hang]);
        let all = Options::try_parse_from(["chaos"]).unwrap();
        assert_eq!(
            (all.kinds.len(), all.deaths),
            (Kind::value_variants().len(), 1000)
        );
        assert!(Options::try_parse_from(["chaos", "--kinds", "boredom"]).is_err());
    }
}
