//! The command line of the demo.

use crate::emulator::WIRE_SIZES;
use clap::Parser;
use std::path::PathBuf;

/// Promotes a warm standby under traffic, and shows what that costs beside a plain restart.
///
/// Needs root. Exit status: 0 when every promote succeeded and no frame was lost, doubled or reordered
/// and no guest disconnected by one; 1 otherwise; 130 after Ctrl-C.
#[derive(Clone, Debug, Parser)]
#[command(name = "demo", version)]
pub struct Options {
    /// Promotes.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub promotes: u32,
    /// Prints JSON instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Where the picture goes.
    #[arg(long, value_name = "PATH", default_value = "target/demo.svg")]
    pub svg: PathBuf,
    /// Frames a second of each of the three flows.
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub rate: u32,
    /// Bytes of a frame on the wire, check sequence included: 64 to 1518.
    #[arg(long, default_value_t = *WIRE_SIZES.start(), value_parser = frame_size)]
    pub frame_size: u16,
}

fn frame_size(text: &str) -> Result<u16, String> {
    let size = text.parse().map_err(|error| format!("{error}"))?;
    match WIRE_SIZES.contains(&size) {
        true => Ok(size),
        false => Err(format!("{} to {}", WIRE_SIZES.start(), WIRE_SIZES.end())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(arguments: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from([&["demo"], arguments].concat())
    }

    #[test]
    fn the_declarations_hold_together() {
        Options::command().debug_assert();
    }

    #[test]
    fn every_option_has_a_default() {
        let options = parse(&[]).unwrap();
        assert_eq!(
            (options.promotes, options.rate, options.frame_size),
            (20, 50_000, 64)
        );
        assert!(!options.json);
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        for wrong in [
            "--promotes=0",
            "--rate=0",
            "--frame-size=63",
            "--frame-size=1519",
        ] {
            assert!(parse(&[wrong]).is_err(), "{wrong}");
        }
        assert_eq!(parse(&["--frame-size", "1518"]).unwrap().frame_size, 1518);
    }
}
