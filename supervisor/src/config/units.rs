//! Values with units.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// For `#[serde(with = "duration")]`: a duration with its unit, such as `"300ms"`.
pub(super) mod duration {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(in crate::config) fn serialize<S: Serializer>(
        value: &Duration,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*value))
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Duration, D::Error> {
        super::parse_duration(&String::deserialize(from)?)
    }
}

fn parse_duration<E: serde::de::Error>(text: &str) -> Result<Duration, E> {
    humantime::parse_duration(text).map_err(|error| {
        E::custom(format!(
            "`{text}` is no duration ({error}); write a number with its unit, such as \"300ms\""
        ))
    })
}

/// For `#[serde(with = "duration_or_off")]`: the same, or `"off"`.
pub(super) mod duration_or_off {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    const OFF: &str = "off";

    pub(in crate::config) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => super::duration::serialize(duration, to),
            None => to.serialize_str(OFF),
        }
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = String::deserialize(from)?;
        if text == OFF {
            return Ok(None);
        }
        super::parse_duration(&text).map(Some)
    }
}

/// A size of memory, in whole MiB, more than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemorySize {
    mib: u32,
}

impl MemorySize {
    /// In MiB.
    pub fn mib(self) -> u32 {
        self.mib
    }
}

impl Default for MemorySize {
    fn default() -> Self {
        Self { mib: 128 }
    }
}

impl fmt::Display for MemorySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}MiB", self.mib)
    }
}

impl FromStr for MemorySize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let (number, factor) = match (trimmed.strip_suffix("MiB"), trimmed.strip_suffix("GiB")) {
            (Some(number), _) => (number, 1),
            (None, Some(number)) => (number, 1024),
            (None, None) => (trimmed, 0),
        };
        number
            .trim()
            .parse::<u32>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .filter(|mib| *mib > 0)
            .map(|mib| Self { mib })
            .ok_or_else(|| {
                format!("`{text}` is no size of memory; write whole MiB or GiB, such as \"128MiB\"")
            })
    }
}

impl Serialize for MemorySize {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MemorySize {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
