use super::*;
use crate::pci::Fake;
use InstanceId::{A, B};
use tempfile::TempDir;

const VFS: &str = "pf = \"nic0\"\nvfs = [0, 1]\nmake_vfs = true";

struct Bench {
    fake: Fake,
    runtime: TempDir,
    config: Config,
}

impl Bench {
    fn new(uplink: &str) -> Self {
        let text = format!(
            "[vswitch]\nprogram = \"/v\"\nlanes = [1]\n[steering]\nbackend = \"none\"\n[uplink]\n\
             {uplink}\n"
        );
        Self {
            fake: Fake::with_pf(),
            runtime: tempfile::tempdir().unwrap(),
            config: Config::parse(Path::new("/etc/vswsup.toml"), text).unwrap(),
        }
    }

    fn take(&self) -> Result<Uplinks, DaemonError> {
        Uplinks::take(&self.config, self.fake.sysfs(), self.runtime.path())
    }

    fn vfs(&self) -> String {
        self.fake
            .read("sys/bus/pci/devices/0000:01:00.0/sriov_numvfs")
    }
}

#[test]
fn what_was_taken_and_never_used_is_given_back() {
    let bench = Bench::new(VFS);
    let uplinks = bench.take().unwrap();
    assert_eq!(bench.vfs(), "2");
    drop(uplinks);
    assert_eq!(bench.vfs(), "0");
}

#[test]
fn what_an_instance_has_stays_until_it_is_given_back() {
    let bench = Bench::new(VFS);
    let mut uplinks = bench.take().unwrap();
    uplinks.prepare(A).unwrap();
    uplinks.prepare(B).unwrap();
    assert_eq!(uplinks.arguments(A), Some("0000:01:10.0"));
    assert_eq!(uplinks.arguments(B), Some("0000:01:10.2"));
    assert_eq!(uplinks.hidden_from(A), [Path::new("/dev/vfio/21")]);
    drop(uplinks);
    assert_eq!(bench.vfs(), "2", "the supervisor died");
    let mut next = Uplinks::resume(&bench.config, bench.fake.sysfs(), bench.runtime.path());
    next.recall(B);
    assert_eq!(next.arguments(B), Some("0000:01:10.2"));
    next.give_back();
    assert_eq!(bench.vfs(), "0");
}

#[test]
fn one_that_runs_loses_its_function_before_one_that_starts_would() {
    let bench = Bench::new(VFS);
    let mut uplinks = bench.take().unwrap();
    uplinks.prepare(A).unwrap();
    let gone = |uplinks: &Uplinks, runs| match uplinks.health(A, runs) {
        Health::Gone(why) => Some(why),
        Health::Well | Health::Unproven | Health::Deaf(_) => None,
    };
    assert_eq!((gone(&uplinks, true), gone(&uplinks, false)), (None, None));
    let driver = bench.fake.path("sys/bus/pci/devices/0000:01:10.0/driver");
    std::fs::remove_file(driver).unwrap();
    assert!(gone(&uplinks, true).unwrap().contains("from vfio-pci"));
    assert_eq!(gone(&uplinks, false), None, "a new process binds it again");
    uplinks.prepare(A).unwrap();
    assert_eq!(gone(&uplinks, true), None);
    bench.fake.remove("0000:01:10.0");
    let why = gone(&uplinks, false).unwrap();
    assert!(why.contains("VF 0 of nic0 is not there"), "{why}");
    let error = uplinks.prepare(A).unwrap_err().to_string();
    assert!(error.contains("no PCI device 0000:01:10.0"), "{error}");
}

#[test]
fn arguments_are_passed_on_as_they_are() {
    let bench = Bench::new("a = \"net_af_packet0,iface=lo\"\nb = \"net_null1\"");
    let mut uplinks = bench.take().unwrap();
    for (id, arguments) in [(A, "net_af_packet0,iface=lo"), (B, "net_null1")] {
        uplinks.prepare(id).unwrap();
        assert_eq!(uplinks.arguments(id), Some(arguments));
        assert_eq!(uplinks.health(id, true), Health::Well);
        assert!(uplinks.hidden_from(id).is_empty());
    }
}

#[test]
fn what_cannot_be_taken_is_shown_at_its_place() {
    let bench = Bench::new("pf = \"nic0\"\nvfs = [0, 1]");
    let error = bench.take().unwrap_err().to_string();
    assert!(
        error.starts_with("/etc/vswsup.toml:6:1: uplink: `nic0` has no VFs"),
        "{error}"
    );
}
