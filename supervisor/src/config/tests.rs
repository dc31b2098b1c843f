mod errors;
mod examples;
mod instances;
mod memory;
mod ports;
mod reload;
mod uplink;

use super::*;
use std::time::Duration;

const FILE: &str = "/etc/vswsup.toml";

const MINIMAL: &str = "\
[vswitch]
program = \"/usr/lib/vswsup/vswitch\"
lanes = [2]
";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new(FILE), text.to_owned())
}

/// The message for `MINIMAL` followed by `more`.
fn error_of(more: &str) -> String {
    error_of_text(&format!("{MINIMAL}{more}"))
}

fn error_of_text(text: &str) -> String {
    parse(text)
        .expect_err("this must not be accepted")
        .to_string()
}

#[track_caller]
fn assert_parts(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no `{part}` in: {message}");
    }
}
