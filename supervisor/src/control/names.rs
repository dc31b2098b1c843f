//! How instances, roles and times are written in JSON.

/// For `#[serde(with)]`: `"a"` or `"b"`.
pub(super) mod instance {
    use serde::{Deserialize, Deserializer, Serializer};
    use vhost_transfer::InstanceId;

    pub(crate) fn serialize<S: Serializer>(id: &InstanceId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<InstanceId, D::Error> {
        parse(&String::deserialize(from)?)
    }

    pub(super) fn parse<E: serde::de::Error>(text: &str) -> Result<InstanceId, E> {
        InstanceId::BOTH
            .into_iter()
            .find(|id| id.to_string() == text)
            .ok_or_else(|| E::custom(format!("`{text}` is no instance: a or b")))
    }
}

/// For `#[serde(with)]`: `"a"`, `"b"` or `null`.
pub(super) mod optional_instance {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use vhost_transfer::InstanceId;

    pub(crate) fn serialize<S: Serializer>(
        id: &Option<InstanceId>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        id.map(|id| id.to_string()).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<InstanceId>, D::Error> {
        Option::<String>::deserialize(from)?
            .map(|text| super::instance::parse(&text))
            .transpose()
    }
}

/// For `#[serde(with)]`: RFC 3339 in UTC with milliseconds.
pub(crate) mod time {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::SystemTime;

    pub(crate) fn serialize<S: Serializer>(time: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_rfc3339_millis(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
        humantime::parse_rfc3339(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}
