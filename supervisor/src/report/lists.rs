//! Ports and devices.

use super::table::{or_dash, table};
use crate::config::PortMode;
use crate::control::protocol::{DeviceReport, PortReport};

/// A table.
pub fn ports(ports: &[PortReport]) -> String {
    let row = |port: &PortReport| {
        [
            port.name.clone(),
            port.id.to_string(),
            or_dash(port.mode.map(mode)),
            connected(port),
            port.rx.packets.to_string(),
            port.rx.bytes.to_string(),
            port.rx.drops.to_string(),
            port.tx.packets.to_string(),
            port.tx.bytes.to_string(),
            port.tx.drops.to_string(),
            or_dash(port.socket.as_ref().map(|path| path.display())),
        ]
    };
    let header = [
        "PORT",
        "ID",
        "MODE",
        "CONNECTED",
        "RX",
        "BYTES",
        "DROPS",
        "TX",
        "BYTES",
        "DROPS",
        "SOCKET",
    ];
    table(header, ports.iter().map(row).collect())
}

/// A table.
pub fn devices(devices: &[DeviceReport]) -> String {
    let row = |device: &DeviceReport| {
        [
            device.port.clone(),
            device.id.to_string(),
            device.revision.to_string(),
            yes(device.mapped_by_standby),
            device.rings_running.to_string(),
            mib(device.memory_bytes),
            device.memory_regions.to_string(),
        ]
    };
    let header = [
        "PORT", "ID", "REVISION", "MAPPED", "RINGS", "MEMORY", "REGIONS",
    ];
    table(header, devices.iter().map(row).collect())
}

/// One device, a line for each fact.
pub fn device(device: &DeviceReport) -> String {
    let facts = [
        ("port", format!("{} (id {})", device.port, device.id)),
        ("revision", device.revision.to_string()),
        ("mapped by the standby", yes(device.mapped_by_standby)),
        ("rings running", device.rings_running.to_string()),
        (
            "memory",
            format!(
                "{} in {} regions",
                mib(device.memory_bytes),
                device.memory_regions
            ),
        ),
        ("features", device.features.join(" ")),
        ("protocol features", device.protocol_features.join(" ")),
    ];
    let lines = facts.map(|(name, value)| format!("{name}: {value}\n"));
    lines.concat()
}

fn mode(mode: PortMode) -> &'static str {
    match mode {
        PortMode::Server => "server",
        PortMode::Client => "client",
    }
}

fn connected(port: &PortReport) -> String {
    if port.quarantined {
        "quarantine".to_owned()
    } else {
        yes(port.connected)
    }
}

fn yes(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

fn mib(bytes: u64) -> String {
    format!("{}MiB", bytes >> 20)
}
