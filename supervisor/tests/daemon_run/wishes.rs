//! How a test tells the fake instances what to do: by files in the directory that
//! `FAKE_INSTANCE_DIR` names.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use vhost_transfer::{InstanceId, PortId};

pub(crate) const DIRECTORY: &str = "FAKE_INSTANCE_DIR";

/// What an active fake instance is to say.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish {
    Device {
        port: PortId,
        revision: u64,
        fds: usize,
    },
    Gone {
        port: PortId,
    },
    /// Again and again what it has no business to say.
    Babble,
    Nonsense,
}

fn directory() -> PathBuf {
    std::env::var_os(DIRECTORY)
        .expect("the test names a directory")
        .into()
}

/// What goes wrong in a phase of an instance: `refuse`, `die` or `hang`.
pub(crate) fn fault(id: InstanceId, phase: &str) -> Option<String> {
    fs::read_to_string(directory().join(format!("{id}-{phase}"))).ok()
}

pub(crate) fn set_fault(directory: &Path, id: InstanceId, phase: &str, what: &str) {
    let path = directory.join(format!("{id}-{phase}"));
    let written = path.with_extension("new");
    fs::write(&written, what).unwrap();
    fs::rename(&written, &path).unwrap();
}

pub(crate) fn clear_fault(directory: &Path, id: InstanceId, phase: &str) {
    fs::remove_file(directory.join(format!("{id}-{phase}"))).unwrap();
}

/// For whichever instance is active.
pub(crate) fn wish(directory: &Path, wish: Wish) {
    let line = match wish {
        Wish::Device {
            port,
            revision,
            fds,
        } => format!("device {port} {revision} {fds}"),
        Wish::Gone { port } => format!("gone {port} 0 0"),
        Wish::Babble => "babble 0 0 0".into(),
        Wish::Nonsense => "nonsense 0 0 0".into(),
    };
    let path = directory.join("wish");
    while path.exists() {
        std::thread::yield_now();
    }
    let written = path.with_extension("new");
    fs::write(&written, line).unwrap();
    fs::rename(&written, &path).unwrap();
}

pub(crate) fn take(id: InstanceId) -> Option<Wish> {
    let taken = directory().join(format!("wish-{id}"));
    fs::rename(directory().join("wish"), &taken).ok()?;
    let text = fs::read_to_string(&taken).ok()?;
    let mut words = text.split(' ');
    let verb = words.next()?;
    let mut number = || words.next()?.parse::<u64>().ok();
    let port = PortId::new(number()? as u16)?;
    let (revision, fds) = (number()?, number()? as usize);
    Some(match verb {
        "device" => Wish::Device {
            port,
            revision,
            fds,
        },
        "gone" => Wish::Gone { port },
        "babble" => Wish::Babble,
        _ => Wish::Nonsense,
    })
}

/// What an instance was told, a line each.
pub(crate) fn log(id: InstanceId, line: &str) {
    let path = directory().join(format!("{id}.log"));
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    writeln!(file, "{line}").unwrap();
}

pub(crate) fn logged(directory: &Path, id: InstanceId) -> String {
    fs::read_to_string(directory.join(format!("{id}.log"))).unwrap_or_default()
}
