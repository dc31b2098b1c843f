use super::super::{Fake, WantedFunction};
use super::*;
use InstanceId::{A, B};
use WantedFunction::{At, Vf};
use tempfile::TempDir;

const NUMVFS: &str = "sys/bus/pci/devices/0000:01:00.0/sriov_numvfs";
const AUTOPROBE: &str = "sys/bus/pci/devices/0000:01:00.0/sriov_drivers_autoprobe";
const FLAGS: &str = "sys/class/net/nic0/flags";

struct Bench {
    fake: Fake,
    runtime: TempDir,
}

impl Bench {
    fn new(fake: Fake) -> Self {
        let runtime = tempfile::tempdir().unwrap();
        Self { fake, runtime }
    }

    fn take(&self, wanted: Wanted) -> Result<(Claim, Vec<String>), PciError> {
        Claim::take(self.fake.sysfs(), wanted, self.runtime.path())
    }

    #[track_caller]
    fn refused(&self, wanted: Wanted, parts: &[&str]) {
        let error = self.take(wanted).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "no `{part}` in: {error}");
        }
        assert!(!error.contains('\n'), "one line: {error}");
    }

    fn remembers(&self) -> bool {
        Found::load(self.runtime.path()).unwrap() != Found::default()
    }
}

fn vfs(numbers: [u16; 2], make_vfs: bool) -> Wanted {
    Wanted {
        pf: Some("nic0".into()),
        functions: numbers.map(Vf).into(),
        make_vfs,
    }
}

fn at(addresses: [&str; 2]) -> Wanted {
    Wanted {
        pf: None,
        functions: addresses
            .map(|address| At(PciAddress::parse(address).unwrap()))
            .into(),
        make_vfs: false,
    }
}

/// Two functions of virtio-net, each alone in its group.
fn two_functions(driver: Option<&str>) -> Bench {
    let fake = Fake::new();
    fake.function("0000:01:00.0", driver, Some(4));
    fake.function("0000:02:00.0", driver, Some(5));
    Bench::new(fake)
}

const TWO: [&str; 2] = ["0000:01:00.0", "0000:02:00.0"];

#[test]
fn vfs_are_made_bound_and_taken_away_again() {
    let bench = Bench::new(Fake::with_pf());
    let (claim, news) = bench.take(vfs([0, 2], true)).unwrap();
    assert_eq!(news, ["nic0 has 3 VFs now"]);
    assert_eq!(bench.fake.read(AUTOPROBE), "0");
    assert_eq!(bench.fake.read(FLAGS), "0x1003");
    for (id, address) in [(A, "0000:01:10.0"), (B, "0000:01:10.4")] {
        assert_eq!(claim.ready(id).unwrap().as_str(), address);
        assert_eq!(bench.fake.driver(address).as_deref(), Some(VFIO_PCI));
    }
    assert_eq!(
        bench.fake.driver("0000:01:10.2"),
        None,
        "nobody asked for it"
    );
    claim.give_back().unwrap();
    assert_eq!(bench.fake.read(NUMVFS), "0");
    assert_eq!(bench.fake.read(AUTOPROBE), "1");
    assert_eq!(bench.fake.read(FLAGS), "0x1002");
    assert!(!bench.remembers());
}

#[test]
fn one_that_both_have_is_ready_for_one_while_the_other_has_it() {
    let bench = Bench::new(Fake::with_pf());
    let wanted = Wanted {
        functions: vec![Vf(1)],
        ..vfs([0, 1], true)
    };
    let (claim, _) = bench.take(wanted.clone()).unwrap();
    assert_eq!(bench.fake.read(NUMVFS), "2");
    assert_eq!(bench.fake.driver("0000:01:10.0"), None, "VF 0 is nobody's");
    bench.fake.file("dev/vfio/21", "busy");
    for id in [A, B] {
        assert_eq!(claim.ready(id).unwrap().as_str(), "0000:01:10.2");
        let hidden = claim.hidden_from(id);
        assert!(
            !hidden.contains(&PathBuf::from("/dev/vfio/21")),
            "{hidden:?}"
        );
    }
    assert!(matches!(claim.give_back(), Err(PciError::Busy { .. })));
    bench.fake.file("dev/vfio/21", "");
    claim.give_back().unwrap();
    assert_eq!(bench.fake.read(NUMVFS), "0");
}

#[test]
fn vfs_that_are_there_are_bound_and_given_back_to_their_driver() {
    let bench = Bench::new(Fake::with_pf());
    bench.fake.make_vfs(2);
    let (claim, news) = bench.take(vfs([0, 1], true)).unwrap();
    assert!(news.is_empty(), "{news:?}");
    assert_eq!(bench.fake.driver("0000:01:10.0").as_deref(), Some(VFIO_PCI));
    claim.give_back().unwrap();
    assert_eq!(bench.fake.read(NUMVFS), "2");
    assert_eq!(bench.fake.driver("0000:01:10.0").as_deref(), Some("igbvf"));
    assert_eq!(bench.fake.driver("0000:01:10.2").as_deref(), Some("igbvf"));
    let left = "sys/bus/pci/devices/0000:01:10.0/driver_override";
    assert_eq!(bench.fake.read(left), "");
}

#[test]
fn functions_that_are_no_vfs_are_given_back_as_they_were() {
    for driver in [None, Some("ixgbe"), Some(VFIO_PCI)] {
        let bench = two_functions(driver);
        bench.fake.file("dev/vfio/4", "");
        bench.fake.file("dev/vfio/5", "");
        let (claim, _) = bench.take(at(TWO)).unwrap();
        assert_eq!(bench.fake.driver(TWO[0]).as_deref(), Some(VFIO_PCI));
        claim.give_back().unwrap();
        assert_eq!(bench.fake.driver(TWO[0]).as_deref(), driver);
        assert_eq!(bench.fake.driver(TWO[1]).as_deref(), driver);
    }
}

#[test]
fn another_supervisor_gives_back_what_this_one_found() {
    let bench = two_functions(Some("ixgbe"));
    drop(bench.take(at(TWO)).unwrap());
    assert!(bench.remembers(), "who dies gives nothing back");
    // A third one starts the pair anew, and finds what the first has made of it.
    let (claim, _) = bench.take(at(TWO)).unwrap();
    drop(claim);
    let last = Claim::resume(bench.fake.sysfs(), at(TWO), bench.runtime.path());
    last.give_back().unwrap();
    assert_eq!(bench.fake.driver(TWO[0]).as_deref(), Some("ixgbe"));
    assert!(!bench.remembers());
}

#[test]
fn a_function_that_was_put_back_is_bound_anew() {
    let bench = two_functions(Some("ixgbe"));
    let (claim, _) = bench.take(at(TWO)).unwrap();
    bench.fake.remove(TWO[0]);
    assert!(!claim.is_there(A) && claim.is_there(B));
    let gone = claim.ready(A).unwrap_err().to_string();
    assert!(gone.contains("no PCI device 0000:01:00.0"), "{gone}");
    bench.fake.function(TWO[0], Some("ixgbe"), Some(4));
    claim.ready(A).unwrap();
    assert_eq!(bench.fake.driver(TWO[0]).as_deref(), Some(VFIO_PCI));
}

#[test]
fn each_sees_its_own_group() {
    let bench = two_functions(None);
    let (claim, _) = bench.take(at(TWO)).unwrap();
    bench.fake.file("dev/vfio/vfio", "");
    bench.fake.file("dev/vfio/99", "");
    let hidden = |id| claim.hidden_from(id);
    assert_eq!(
        hidden(A),
        ["/dev/vfio/5", "/dev/vfio/99"].map(PathBuf::from)
    );
    assert_eq!(
        hidden(B),
        ["/dev/vfio/4", "/dev/vfio/99"].map(PathBuf::from)
    );
}

#[test]
fn what_is_wrong_is_one_line_and_leaves_everything_as_it_was() {
    let bench = Bench::new(Fake::with_pf());
    bench.refused(
        vfs([0, 1], false),
        &["has no VFs", "make_vfs = true", "echo 2 >"],
    );
    bench.refused(vfs([0, 7], true), &["VF 7", "can have 7"]);
    bench.refused(
        Wanted {
            pf: Some("nic9".into()),
            ..vfs([0, 1], true)
        },
        &["no network device `nic9`"],
    );
    bench.fake.make_vfs(1);
    bench.refused(vfs([0, 1], true), &["has 1 VFs, and VF 1 is wanted"]);
    let stranger = Wanted {
        pf: Some("nic0".into()),
        ..at(["0000:01:10.0", "0000:01:00.0"])
    };
    bench.refused(stranger, &["0000:01:00.0 is no VF of `nic0`"]);
    assert_eq!(bench.fake.driver("0000:01:10.0").as_deref(), Some("igbvf"));
    assert!(!bench.remembers());
}

#[test]
fn a_group_for_both_one_in_use_and_one_with_others_are_refused_before_or_undone() {
    let bench = two_functions(Some("ixgbe"));
    bench.fake.function("0000:03:00.0", None, Some(4));
    bench.refused(
        at(["0000:01:00.0", "0000:03:00.0"]),
        &["both in IOMMU group 4", "ACS"],
    );
    bench.fake.function("0000:03:00.0", Some("igb"), Some(4));
    bench.refused(at(TWO), &["also has 0000:03:00.0, whose driver igb"]);
    bench
        .fake
        .function("0000:03:00.0", Some("vfio-pci"), Some(4));
    bench.fake.function(TWO[1], Some(VFIO_PCI), Some(5));
    bench.fake.file("dev/vfio/5", "busy");
    bench.fake.file("proc/31/comm", "testpmd");
    bench.fake.link("proc/31/fd/8", "/dev/vfio/5");
    bench.refused(at(TWO), &["0000:02:00.0 is in use", "process 31 (testpmd)"]);
    assert_eq!(
        bench.fake.driver(TWO[0]).as_deref(),
        Some("ixgbe"),
        "undone"
    );
    assert!(!bench.remembers());
}

#[test]
fn what_cannot_be_given_back_keeps_nothing_else_from_it_and_is_tried_again() {
    let bench = two_functions(Some("ixgbe"));
    let (claim, _) = bench.take(at(TWO)).unwrap();
    bench.fake.file("dev/vfio/4", "busy");
    let error = claim.give_back().unwrap_err().to_string();
    assert!(error.contains("0000:01:00.0 is in use"), "{error}");
    assert_eq!(bench.fake.driver(TWO[0]).as_deref(), Some(VFIO_PCI));
    assert_eq!(bench.fake.driver(TWO[1]).as_deref(), Some("ixgbe"));
    assert!(bench.remembers());
    bench.fake.file("dev/vfio/4", "");
    claim.give_back().unwrap();
    assert_eq!(bench.fake.driver(TWO[0]).as_deref(), Some("ixgbe"));
    assert!(!bench.remembers());
}

#[test]
fn vfs_are_not_removed_while_somebody_has_one_open() {
    let bench = Bench::new(Fake::with_pf());
    let (claim, _) = bench.take(vfs([0, 2], true)).unwrap();
    bench
        .fake
        .function("0000:01:10.2", Some(VFIO_PCI), Some(21));
    bench.fake.file("dev/vfio/21", "busy");
    let error = claim.give_back().unwrap_err().to_string();
    assert!(error.contains("0000:01:10.2 is in use"), "{error}");
    assert_eq!(bench.fake.read(NUMVFS), "3");
    bench.fake.file("dev/vfio/21", "");
    claim.give_back().unwrap();
    assert_eq!(bench.fake.read(NUMVFS), "0");
}

#[test]
fn vfs_that_were_removed_one_by_one_are_made_anew() {
    let bench = Bench::new(Fake::with_pf());
    bench.fake.make_vfs(2);
    for (number, address) in ["0000:01:10.0", "0000:01:10.2"].iter().enumerate() {
        bench.fake.remove(address);
        let link = format!("sys/bus/pci/devices/0000:01:00.0/virtfn{number}");
        std::fs::remove_file(bench.fake.path(&link)).unwrap();
    }
    let (claim, _) = bench.take(vfs([0, 1], true)).unwrap();
    assert!(claim.is_there(A) && claim.is_there(B));
}

#[test]
fn a_function_that_is_on_its_way_to_vfio_is_given_back() {
    let bench = two_functions(Some("ixgbe"));
    let (claim, _) = bench.take(at(TWO)).unwrap();
    let driver = format!("sys/bus/pci/devices/{}/driver", TWO[0]);
    std::fs::remove_file(bench.fake.path(&driver)).unwrap();
    claim.give_back().unwrap();
    assert_eq!(bench.fake.driver(TWO[0]).as_deref(), Some("ixgbe"));
}

#[test]
fn a_host_without_iommu_or_vfio_is_told_what_to_do() {
    let fake = Fake::new();
    fake.function("0000:01:00.0", None, None);
    fake.function("0000:02:00.0", None, None);
    Bench::new(fake).refused(at(TWO), &["no IOMMU for 0000:01:00.0", "firmware"]);
    let bench = two_functions(Some("ixgbe"));
    std::fs::remove_dir(bench.fake.path("sys/bus/pci/drivers/vfio-pci")).unwrap();
    bench.refused(at(TWO), &["no driver vfio-pci", "modprobe vfio-pci"]);
    assert_eq!(bench.fake.driver(TWO[0]).as_deref(), Some("ixgbe"));
}
