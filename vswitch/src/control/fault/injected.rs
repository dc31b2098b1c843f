//! The faults of this build.

use super::super::instance::Instance;
use super::Phase;
use crate::lane::Action;
use crate::port::Step;
use crate::vhost_user::Name;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use vhost_transfer::InstanceId;

const WHOEVER_OWNS: &str = "*";

/// Refuses, dies or hangs here if a fault says so.
pub(in super::super) fn at(instance: InstanceId, phase: Phase) -> Result<(), String> {
    let wanted = format!("{instance} {phase} ");
    let action = lines().find_map(|line| line.strip_prefix(&wanted).map(str::to_owned));
    match action.as_deref() {
        Some("refuse") => Err(format!(
            "instance {instance} refuses to {phase}: injected fault"
        )),
        Some(word) => {
            act(word);
            Ok(())
        }
        None => Ok(()),
    }
}

/// Fails here if a fault says so. Only who owns the lanes handles messages.
pub(in super::super) fn at_message(instance: InstanceId, step: Step, code: u32) {
    let step = format!("{step:?}").to_lowercase();
    let (id, name) = (instance.to_string(), Name(code).to_string());
    record(&format!("{name} {step}\n"));
    let due = |words: &[&str]| {
        words.len() >= 5
            && (words[0] == WHOEVER_OWNS || words[0] == id)
            && words[1..3] == ["message", &step]
            && (words[3] == "any" || words[3] == name)
    };
    if let Some((line, words)) = find(due) {
        if words.get(5).map(String::as_str) != Some("always") {
            remove(&line);
        }
        act(&words[4]);
    }
}

/// Tells a test which steps of which messages a front end takes, if it has made the file for it.
fn record(step: &str) {
    let path = file().map(|path| path.with_extension("steps"));
    let opened = path.and_then(|path| File::options().append(true).open(path).ok());
    if let Some(mut steps) = opened {
        let written = steps.write_all(step.as_bytes());
        written.unwrap_or_else(|error| panic!("the steps of messages cannot be recorded: {error}"));
    }
}

/// Has the control thread fail here, or tells the lanes to fail, if a fault says so.
pub(in super::super) fn at_tick(instance: &Instance) {
    let faults = &instance.host.lanes.shared.faults;
    let id = instance.id.to_string();
    let owns = instance.stance.owns();
    let ours = |words: &[&str]| words[0] == id || (words[0] == WHOEVER_OWNS && owns);
    let poisoned = find(|words| words.len() == 3 && ours(words) && words[1] == "poison");
    let port = poisoned.and_then(|(_, words)| {
        let mut ports = instance.ports.values();
        let port = ports.find(|port| port.name() == words[2])?;
        Some(port.id())
    });
    faults.poison(port);
    if let Some((line, words)) = find(|words| words.len() == 3 && ours(words) && is_thread(words)) {
        remove(&line);
        match (words[1].as_str(), Action::parse(&words[2])) {
            ("lane", Some(action)) => faults.order(action),
            (_, _) => act(&words[2]),
        }
    }
}

fn is_thread(words: &[&str]) -> bool {
    matches!(words[1], "lane" | "control")
}

/// A word that means nothing is a test that tests nothing.
fn act(word: &str) {
    match Action::parse(word) {
        Some(action) => action.perform(),
        None => panic!("the fault {word:?} is unknown"),
    }
}

/// The first line whose words are `due`.
fn find(due: impl Fn(&[&str]) -> bool) -> Option<(String, Vec<String>)> {
    lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let wanted = words.len() >= 3 && due(&words);
        let words = words.into_iter().map(str::to_owned).collect();
        wanted.then_some((line.clone(), words))
    })
}

fn lines() -> impl Iterator<Item = String> {
    let text = file().and_then(|path| std::fs::read_to_string(path).ok());
    let lines: Vec<_> = text
        .iter()
        .flat_map(|text| text.lines())
        .map(str::to_owned)
        .collect();
    lines.into_iter()
}

/// Takes one line out, in one step for all who read the file.
fn remove(line: &str) {
    let Some(path) = file() else { return };
    let rest: String = lines()
        .filter(|other| other != line)
        .map(|line| line + "\n")
        .collect();
    let written = replace(&path, &rest);
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension(format!("{}", std::process::id()));
    std::fs::write(&new, text)?;
    std::fs::rename(&new, path)
}

fn file() -> Option<PathBuf> {
    std::env::var_os("VSWITCH_FAULTS").map(PathBuf::from)
}
