//! The command line of QEMU.

use std::path::Path;

use super::clock::tsc_khz;
use super::{BRIDGE_PORTS, PF, UPLINKS, WIRE};
use crate::guest_vm::Artifacts;
use crate::guest_vm::qemu::{Paths, channels, escaped, options};

/// With more QEMU 10.0 puts the BARs of VFs where they do not belong, and VFs hear nothing: seen from
/// 2,816 MiB on.
const MEMORY_MIB: u32 = 2560;
/// Of 2 MiB: enough for two instances, and for a third one while the memory of a dead one is given back.
const HUGEPAGES: u32 = 224;
const CPUS: u32 = 2;
/// A device behind the IOMMU, as vfio wants it.
const BEHIND_IOMMU: &str = "iommu_platform=on,disable-legacy=on,ats=off";
/// The longest ring that there is. When one is full, QEMU gives the device the packets that wait in the
/// hub before the one that waits at the device (`qemu_flush_or_purge_queued_packets`): that is reordered.
const VIRTIO: &str = "rx_queue_size=1024,romfile=";

/// All of them; the machine sees `share` as its only writable folder of the host.
pub(super) fn arguments(artifacts: &Artifacts, paths: &Paths, share: &Path) -> Vec<String> {
    [
        machine(),
        kernel(artifacts, paths),
        channels(paths),
        folder("host", Path::new("/"), ",readonly=on,multidevs=remap"),
        folder("share", share, ""),
        physical_function(),
        virtio(0),
        virtio(1),
    ]
    .concat()
}

fn machine() -> Vec<String> {
    options(&[
        ("-accel", "tcg,thread=multi"),
        ("-cpu", "max"),
        ("-smp", &CPUS.to_string()),
        ("-machine", "q35,kernel-irqchip=split"),
        ("-m", &format!("{MEMORY_MIB}M")),
        ("-device", "intel-iommu,intremap=on,caching-mode=on"),
        ("-display", "none"),
    ])
    .chain(["-nodefaults".to_owned(), "-no-reboot".to_owned()])
    .collect()
}

/// `iommu=pt`: the kernel's own drivers do without the IOMMU, vfio does not.
fn kernel(artifacts: &Artifacts, paths: &Paths) -> Vec<String> {
    let command_line = format!(
        "console=ttyS0 quiet panic=-1 net.ifnames=0 intel_iommu=on iommu=pt hugepages={HUGEPAGES} \
         tsc=reliable tsc_early_khz={} vswsup.modules={}",
        tsc_khz(),
        artifacts.modules.display()
    );
    options(&[
        ("-kernel", &artifacts.kernel.to_string_lossy()),
        ("-initrd", &artifacts.nics_initramfs.to_string_lossy()),
        ("-append", &command_line),
        ("-serial", &format!("file:{}", paths.console.display())),
    ])
    .collect()
}

fn folder(tag: &str, path: &Path, more: &str) -> Vec<String> {
    let path = escaped(path);
    let folder = format!("local,path={path},mount_tag={tag},security_model=none{more}");
    options(&[("-virtfs", &folder)]).collect()
}

fn physical_function() -> Vec<String> {
    let port = "pcie-root-port,id=root-pf,slot=1,chassis=1";
    let device = format!("igb,netdev=pf,bus=root-pf,mac={PF},romfile=");
    [
        wire(1, ["pf", "wire"]),
        devices(&[port, &device, &plain("wire", WIRE)]),
    ]
    .concat()
}

/// A virtio-net device behind the IOMMU, and the far end of its wire.
fn virtio(number: usize) -> Vec<String> {
    let [near, far] = ["uplink", "port"].map(|name| format!("{name}{number}"));
    let slot = number + 2;
    let port = format!("pcie-root-port,id=root-{near},slot={slot},chassis={slot}");
    let address = UPLINKS[number];
    let device = format!(
        "virtio-net-pci,netdev={near},bus=root-{near},mac={address},{BEHIND_IOMMU},{VIRTIO}"
    );
    let far_device = plain(&far, BRIDGE_PORTS[number]);
    [
        wire(slot, [&near, &far]),
        devices(&[&port, &device, &far_device]),
    ]
    .concat()
}

fn plain(netdev: &str, address: &str) -> String {
    format!("virtio-net-pci,netdev={netdev},mac={address},{VIRTIO}")
}

/// A hub of QEMU with two ports: what one device sends, the other one is given in the same order.
fn wire(hub: usize, ends: [&str; 2]) -> Vec<String> {
    let ends = ends.map(|end| format!("hubport,id={end},hubid={hub}"));
    options(&[("-netdev", &ends[0]), ("-netdev", &ends[1])]).collect()
}

fn devices(devices: &[&str]) -> Vec<String> {
    let pairs: Vec<_> = devices.iter().map(|device| ("-device", *device)).collect();
    options(&pairs).collect()
}
