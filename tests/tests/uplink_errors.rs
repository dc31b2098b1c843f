//! What a person meets whose uplinks are PCI devices and who has something wrong: one line each, which says
//! what it is and what to do.
//!
//! Needs root. What is ignored wants the NICs of `vswsup_tests::nic_machine`: `sriov.rs` runs it there.

mod support;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use support::record::{told, wait_until};
use tempfile::TempDir;
use vswsup_tests::nic_machine::{PF, UPLINKS};
use vswsup_tests::real_nic::{RealNic, virtual_functions};
use vswsup_tests::rig::{Programs, Rig, RigConfig, require_root};

/// An emulated CPU takes its time.
const READY: Duration = Duration::from_secs(240);
const LIMITS: &str = "[failover]\nlane_hang = \"2s\"\ncontrol_hang = \"10s\"\n\n[timeouts]\nstart = \"240s\"\n\
    mapped = \"5s\"\nprepare = \"10s\"\nquiesce = \"10s\"\nrelease = \"10s\"\n";

/// A configuration, and the program that is given it.
struct Bench {
    programs: Programs,
    dir: TempDir,
}

impl Bench {
    fn new(uplink: &str) -> Self {
        require_root().unwrap();
        let programs = Programs::find().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "[supervisor]\nruntime_dir = {:?}\n[vswitch]\nprogram = {:?}\nlanes = [0]\n\
             [steering]\nbackend = \"none\"\n[uplink]\n{uplink}\n",
            dir.path().join("run"),
            programs.vswitch
        );
        fs::write(dir.path().join("vswsup.toml"), text).unwrap();
        Self { programs, dir }
    }

    /// `vswsup VERB`, as the last arguments of `before`.
    fn call(&self, before: &[&str], verb: &str) -> Output {
        let config = self.dir.path().join("vswsup.toml");
        let (env, no_words) = ("env", Vec::new());
        let mut command = Command::new(before.first().unwrap_or(&env));
        command.args(before.get(1..).unwrap_or(&no_words));
        command.arg(&self.programs.vswsup).arg(verb);
        command.arg("--config").arg(config).output().unwrap()
    }

    /// `check` and `run` say the same, and nothing is started.
    #[track_caller]
    fn refused(&self, before: &[&str], parts: &[&str]) {
        for verb in ["check", "run"] {
            let output = self.call(before, verb);
            assert_eq!(output.status.code(), Some(1), "{verb}: {output:?}");
            let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
            assert_line(&said.concat(), parts);
        }
    }
}

/// Some line has all of them.
#[track_caller]
fn assert_line(said: &str, parts: &[&str]) {
    let has_all = |line: &str| parts.iter().all(|part| line.contains(part));
    assert!(
        said.lines().any(has_all),
        "no line with {parts:?} in:\n{said}"
    );
}

/// What a shell wrote, which must succeed.
#[track_caller]
fn shell(text: &str) -> String {
    let output = Command::new("sh")
        .args(["-e", "-c", text])
        .output()
        .unwrap();
    assert!(output.status.success(), "{text}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn no_iommu() {
    // A host that has one is shown without.
    let hide = "d=/sys/kernel/iommu_groups; test ! -d $d || mount -t tmpfs none $d; exec \"$@\"";
    let bench = Bench::new("vfs = [\"0000:00:1e.0\", \"0000:00:1e.1\"]");
    bench.refused(
        &["unshare", "--mount", "sh", "-e", "-c", hide, "sh"],
        &[
            " uplink: this host has no IOMMU, and vfio does nothing without one; ",
            "iommu",
        ],
    );
}

#[test]
fn too_little_memory_that_may_be_locked() {
    let bench = Bench::new("vfs = [\"0000:00:1e.0\", \"0000:00:1e.1\"]");
    let little = ["prlimit", "--memlock=1048576:1048576"];
    let no_capability = [
        "setpriv",
        "--bounding-set",
        "-ipc_lock",
        "--inh-caps",
        "-ipc_lock",
    ];
    bench.refused(
        &[&little[..], &no_capability[..]].concat(),
        &[
            " MiB of each instance for DMA, and 1 MiB may be; raise RLIMIT_MEMLOCK",
            "LimitMEMLOCK=",
        ],
    );
    let with_capability = bench.call(&little, "check");
    let said = String::from_utf8(with_capability.stdout).unwrap();
    assert_line(
        &said,
        &["ok ", "vswitch.memory: ", " MiB may be locked for DMA"],
    );
}

/// The PF with two VFs that are bound to vfio-pci. Dropped, they are gone.
struct Vfs {
    pf: String,
    vfs: [String; 2],
}

impl Vfs {
    fn make() -> Self {
        let pf = pf();
        let text = format!(
            "modprobe vfio-pci; cd /sys/class/net/{pf}/device; ip link set {pf} up
             echo 0 > sriov_drivers_autoprobe; echo 0 > sriov_numvfs; echo 2 > sriov_numvfs
             for n in 0 1; do
                 vf=$(basename $(readlink virtfn$n)); echo vfio-pci > virtfn$n/driver_override
                 echo $vf > /sys/bus/pci/drivers_probe; echo $vf
             done"
        );
        let made = shell(&text);
        let mut addresses = made.lines().map(str::to_owned);
        let vfs = [(); 2].map(|()| addresses.next().unwrap());
        Self { pf, vfs }
    }

    fn group(&self, number: usize) -> String {
        let link = format!("/sys/bus/pci/devices/{}/iommu_group", self.vfs[number]);
        let group = fs::read_link(link).unwrap();
        group.file_name().unwrap().to_str().unwrap().to_owned()
    }
}

impl Drop for Vfs {
    fn drop(&mut self) {
        let _ = fs::write(numvfs(&self.pf), "0");
    }
}

fn numvfs(pf: &str) -> String {
    format!("/sys/class/net/{pf}/device/sriov_numvfs")
}

/// Its network device, as soon as it is there.
fn pf() -> String {
    shell(&format!(
        "modprobe igb; for try in $(seq 100); do
             found=$(grep -lx {PF} /sys/class/net/*/address) && break; sleep 0.1
         done; echo $found | cut -d/ -f5"
    ))
}

#[test]
#[ignore = "wants a NIC with VFs: run by sriov.rs in its machine"]
fn nic_a_vf_that_another_program_has() {
    let vfs = Vfs::make();
    let [a, b] = &vfs.vfs;
    let (group, me) = (vfs.group(0), std::process::id());
    let node = format!("/dev/vfio/{group}");
    let held = File::options().read(true).write(true).open(&node).unwrap();
    let in_use = format!("{a} is in use: IOMMU group {group} is open in process {me} (");
    let bench = Bench::new(&format!("pf = {:?}\nvfs = [0, 1]", vfs.pf));
    bench.refused(&[], &[&in_use, "; end that, or choose another VF"]);
    assert_eq!(shell(&format!("cat {}", numvfs(&vfs.pf))), "2");
    // With `a` and `b` it is DPDK that finds out.
    let nic = RealNic {
        uplink: format!("a = {a:?}\nb = {b:?}\n"),
        ..real_nic()
    };
    let rig = start(nic);
    let refused = format!(
        "DPDK cannot open PCI device {a}, which is bound to vfio-pci; another process has {node} open: end that one"
    );
    wait_until(&rig, "DPDK's refusal", || {
        rig.supervisor().log().contains(&refused)
    });
    drop((rig, held));
}

#[test]
#[ignore = "wants a NIC with VFs: run by sriov.rs in its machine"]
fn nic_the_wrong_driver_and_none() {
    let vfs = Vfs::make();
    let vf = &vfs.vfs[0];
    let virtio = shell(&format!(
        "modprobe virtio_net; echo {vf} > /sys/bus/pci/drivers/vfio-pci/unbind
         net=$(dirname $(grep -lx {} /sys/class/net/*/address)); basename $(readlink -f $net/device/..)",
        UPLINKS[0]
    ));
    let bench = Bench::new(&format!("a = {vf:?}\nb = {virtio:?}"));
    let remedy =
        "; name it in uplink.vfs instead of `a` and `b`, and the supervisor binds it to vfio-pci";
    bench.refused(&[], &[&format!("{vf} is bound to no driver"), remedy]);
    bench.refused(&[], &[&format!("{virtio} is bound to virtio-pci"), remedy]);
    shell("modprobe -r vfio-pci");
    let bench = Bench::new(&format!("pf = {:?}\nvfs = [0, 1]", vfs.pf));
    bench.refused(
        &[],
        &["this kernel has no driver vfio-pci; load it: `modprobe vfio-pci`"],
    );
}

fn real_nic() -> RealNic {
    RealNic {
        steering: Some("backend = \"none\"\n".to_owned()),
        ..virtual_functions().unwrap()
    }
}

fn start(nic: RealNic) -> Rig {
    let config = RigConfig {
        real_nic: Some(nic),
        more: LIMITS.to_owned(),
        ..RigConfig::guests(1)
    };
    Rig::start_without_waiting(&config).unwrap()
}

/// The pair on two VFs that the supervisor makes, and the PF.
fn pair() -> (Rig, String) {
    let pf = pf();
    fs::write(numvfs(&pf), "0").unwrap();
    let rig = start(real_nic());
    rig.supervisor().wait_for_spare(READY).unwrap();
    (rig, pf)
}

fn made_vfs(pf: &str) -> String {
    format!("pf = {pf:?}\nvfs = [0, 1]\nmake_vfs = true")
}

/// The kernel waits for who has the device open, and whoever removes it waits with it.
fn remove(device: &Path) -> JoinHandle<()> {
    let file = device.canonicalize().unwrap().join("remove");
    thread::spawn(move || fs::write(file, "1").unwrap())
}

/// A line of trouble that `status` tells.
fn wait_for_trouble(rig: &Rig, parts: &[&str]) {
    let what = format!("trouble with {parts:?}");
    wait_until(rig, &what, || {
        let status = told(rig, &["status"]);
        let lines = status["trouble"].as_array().unwrap();
        let mut lines = lines.iter().filter_map(|line| line.as_str());
        lines.any(|line| parts.iter().all(|part| line.contains(part)))
    });
}

#[test]
#[ignore = "wants a NIC with VFs: run by sriov.rs in its machine"]
fn nic_removed_under_both() {
    let (mut rig, pf) = pair();
    let removed = remove(Path::new(&format!("/sys/class/net/{pf}/device")));
    let taken = [
        "the kernel is taking 0000:",
        "its PF is being removed; it goes when",
        "restart vswsup",
    ];
    wait_for_trouble(&rig, &taken);
    let way = "; VFs come back all at once: restart vswsup, which makes them anew";
    wait_for_trouble(&rig, &[&format!("VF 0 of {pf} is not there{way}")]);
    rig.supervisor_mut().stop().unwrap();
    removed.join().unwrap();
    let gone = format!("there is no network device `{pf}`; ");
    let bench = Bench::new(&made_vfs(&pf));
    bench.refused(
        &[],
        &[
            &gone,
            "bring it back if it was removed (`echo 1 > /sys/bus/pci/rescan`)",
        ],
    );
    shell("echo 1 > /sys/bus/pci/rescan");
    assert_eq!(self::pf(), pf);
}
