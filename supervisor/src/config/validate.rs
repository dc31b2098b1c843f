//! What the types alone cannot rule out.

mod failover;
mod hooks;
mod memory;
mod ports;
mod uplink;

use super::error::{ConfigError, Problem};
use super::{Config, Places};
use std::collections::HashMap;
use std::hash::Hash;
use std::path::Path;
use vhost_transfer::{InstanceId, MAX_LANES};

/// Bytes in the path of a unix socket: `sun_path` of unix(7) without its closing NUL.
pub const MAX_SOCKET_PATH: usize = 107;

/// What is wrong, and what to do.
type Fault = (String, String);

fn fault(problem: impl Into<String>, remedy: impl Into<String>) -> Fault {
    (problem.into(), remedy.into())
}

/// Collects what is wrong, with its place.
struct Findings<'c> {
    places: Places<'c>,
    problems: Vec<Problem>,
}

impl Findings<'_> {
    fn add(&mut self, key: &str, fault: Option<Fault>) {
        self.problems.extend(fault.map(|(problem, remedy)| Problem {
            place: self.places.of(key),
            problem,
            remedy,
        }));
    }
}

pub(super) fn all(config: &Config) -> Result<(), ConfigError> {
    let mut findings = Findings {
        places: config.places(),
        problems: Vec::new(),
    };
    supervisor(config, &mut findings);
    vswitch(config, &mut findings);
    instances(config, &mut findings);
    uplink::check(config, &mut findings);
    timeouts(config, &mut findings);
    failover::check(config, &mut findings);
    memory::check(config, &mut findings);
    hooks::check(config, &mut findings);
    ports::check(config, &mut findings);
    match findings.problems {
        problems if problems.is_empty() => Ok(()),
        problems => Err(ConfigError { problems }),
    }
}

fn supervisor(config: &Config, findings: &mut Findings<'_>) {
    let key = "supervisor.runtime_dir";
    findings.add(key, relative(&config.supervisor.runtime_dir));
    let sockets = [config.control_socket(), config.rejoin_socket()];
    let too_long = sockets.iter().find_map(|path| too_long_for_a_socket(path));
    findings.add(key, too_long);
}

fn vswitch(config: &Config, findings: &mut Findings<'_>) {
    let vswitch = &config.vswitch;
    findings.add("vswitch.program", relative(&vswitch.program));
    findings.add("vswitch.lanes", lanes(&vswitch.lanes));
    let aging = vswitch.mac_aging;
    let whole = aging.subsec_nanos() == 0 && (1..=u64::from(u32::MAX)).contains(&aging.as_secs());
    findings.add(
        "vswitch.mac_aging",
        (!whole).then(|| {
            fault(
                format!(
                    "{} is not a whole number of seconds",
                    humantime::format_duration(aging)
                ),
                "write whole seconds, at least \"1s\"",
            )
        }),
    );
}

fn instances(config: &Config, findings: &mut Findings<'_>) {
    for instance in InstanceId::BOTH {
        let own = config.instances.of(instance);
        let program = own.program.as_deref().and_then(relative);
        findings.add(&format!("instance.{instance}.program"), program);
        let lanes_key = format!("instance.{instance}.lanes");
        findings.add(&lanes_key, own.lanes.as_deref().and_then(lanes));
    }
    let [a, b] = InstanceId::BOTH.map(|instance| config.instance(instance).lanes.len());
    let differing = if config.instances.b.lanes.is_some() {
        "b"
    } else {
        "a"
    };
    findings.add(
        &format!("instance.{differing}.lanes"),
        (a != b).then(|| {
            fault(
                format!("instance a has {a} lanes and instance b has {b}"),
                "give both the same number: each lane takes over from one of the other instance",
            )
        }),
    );
}

fn lanes(lanes: &[u16]) -> Option<Fault> {
    if lanes.is_empty() || lanes.len() > usize::from(MAX_LANES) {
        return Some(fault(
            format!("{} lanes", lanes.len()),
            format!("name the CPU of each lane, 1 to {MAX_LANES} of them"),
        ));
    }
    let (second, _) = duplicates(lanes.iter()).next()?;
    Some(fault(
        format!("two lanes on CPU {}", lanes[second]),
        "give each lane a CPU of its own",
    ))
}

fn timeouts(config: &Config, findings: &mut Findings<'_>) {
    let timeouts = &config.timeouts;
    for (key, value) in [
        ("timeouts.start", timeouts.start),
        ("timeouts.mapped", timeouts.mapped),
        ("timeouts.prepare", timeouts.prepare),
        ("timeouts.quiesce", timeouts.quiesce),
        ("timeouts.release", timeouts.release),
    ] {
        let remedy = "write a time that is long enough, or remove the key to have its default";
        findings.add(
            key,
            value.is_zero().then(|| fault("no time at all", remedy)),
        );
    }
}

fn relative(path: &Path) -> Option<Fault> {
    (!path.is_absolute()).then(|| {
        fault(
            format!("`{}` is not an absolute path", path.display()),
            "write the path from / on",
        )
    })
}

fn too_long_for_a_socket(path: &Path) -> Option<Fault> {
    let length = path.as_os_str().len();
    (length > MAX_SOCKET_PATH).then(|| {
        fault(
            format!("the socket {} has {length} bytes", path.display()),
            format!("the kernel allows {MAX_SOCKET_PATH}: choose a shorter path"),
        )
    })
}

/// The indexes of every element that came before, and of the first that it equals.
fn duplicates<T: Eq + Hash>(
    items: impl Iterator<Item = T>,
) -> impl Iterator<Item = (usize, usize)> {
    let mut first = HashMap::new();
    items.enumerate().filter_map(move |(index, item)| {
        let earlier = *first.entry(item).or_insert(index);
        (earlier != index).then_some((index, earlier))
    })
}
