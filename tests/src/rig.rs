//! A whole system to test: a software NIC in a network namespace of its own, a supervisor with two
//! instances, and sockets for guests. All of it is gone when the [`Rig`] is.

mod hugepages;
mod memory;
mod network;
mod operator;
mod programs;
mod supervisor;

pub use hugepages::Hugepages;
pub use memory::Memory;
pub use network::SoftwareNic;
pub(crate) use network::{ip, quiet_ipv6};
pub use operator::{Operator, OperatorError};
pub use programs::{Missing, Programs, require_root};
pub use supervisor::{CommandOutcome, Supervisor};

use crate::emulator::{GuestSpec, Socket, UplinkSpec};
use crate::real_nic::RealNic;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use vswsup::Config;

/// What kind of system.
#[derive(Debug, Clone)]
pub struct RigConfig {
    /// Number of vhost ports: `vm1`, `vm2`, …
    pub ports: usize,
    /// Who listens on their sockets: `server`, the switch, or `client`, the guests.
    pub mode: &'static str,
    /// There is an uplink, and steering.
    pub uplink: bool,
    /// The NIC that the uplink leads to, instead of a software NIC with steering by `ebpf`.
    pub real_nic: Option<RealNic>,
    /// Both instances have the same uplink, and there is nothing to steer.
    pub one_device: Option<OneDevice>,
    /// There is a standby.
    pub standby: bool,
    /// Where DPDK's memory is.
    pub memory: Memory,
    /// An IPv4 address with prefix length for the far end of the uplink.
    pub wire_address: Option<&'static str>,
    /// CPU of each lane of both instances.
    pub lanes: Vec<u16>,
    /// `busy` or `adaptive`.
    pub poll: &'static str,
    /// Use the switch that can be told to fail.
    pub faults: bool,
    /// Further keys of `[uplink]`, of the software NIC.
    pub uplink_keys: &'static str,
    /// Further lines at the top of the configuration, and at its end.
    pub more: String,
}

impl RigConfig {
    /// For [`Self::more`]: every death is the first one, and is answered at once.
    pub const DEATHS_ARE_USUAL: &str = "[failover]\nrestart_first = \"10ms\"\n\
        restart_last = \"10ms\"\nrestart_calm = \"1ms\"\nrestart_limit = 0\n";

    /// Behind [`Self::DEATHS_ARE_USUAL`]: an emulated CPU stands still without having been told so, and
    /// looks as if it had run.
    pub const CPUS_ARE_EMULATED: &str = "lane_hang = \"2s\"\ncontrol_hang = \"10s\"\n\n[timeouts]\n\
        start = \"240s\"\nmapped = \"5s\"\nprepare = \"10s\"\nquiesce = \"10s\"\nrelease = \"10s\"\n";

    /// So many guests, an uplink, and all defaults.
    pub fn guests(ports: usize) -> Self {
        Self {
            ports,
            mode: "server",
            uplink: true,
            real_nic: None,
            one_device: None,
            standby: true,
            memory: Memory::AsFound,
            wire_address: None,
            lanes: vec![0],
            poll: "adaptive",
            faults: false,
            uplink_keys: "",
            more: String::new(),
        }
    }
}

/// What both instances have for an uplink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OneDevice {
    /// The software NIC.
    Software,
    /// One of this machine's.
    Real {
        /// A PCI address, or device arguments of DPDK.
        device: String,
        /// The network device of this namespace that reaches it.
        wire: String,
    },
}

/// Frames that the instances' af_packet rings hold: at 50,000 a second more than 90 ms.
const UPLINK_FRAMES: u32 = 16384;
/// How long two instances may take to be warm on a busy machine.
const READY: Duration = Duration::from_secs(60);

/// A running system.
#[derive(Debug)]
pub struct Rig {
    supervisor: Supervisor,
    wire: String,
    _files: Option<memory::HugeFiles>,
    dir: TempDir,
    _nic: Option<SoftwareNic>,
}

impl Rig {
    /// Starts it and waits until a spare is ready. The calling thread, and threads and processes
    /// that it makes from now on, live in the rig's network namespace.
    ///
    /// # Errors
    /// What is missing, or what the supervisor said instead of becoming ready.
    pub fn start(config: &RigConfig) -> io::Result<Self> {
        let rig = Self::start_without_waiting(config)?;
        rig.supervisor.wait_for_spare(READY)?;
        Ok(rig)
    }

    /// Starts it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_without_waiting(config: &RigConfig) -> io::Result<Self> {
        require_root()?;
        let programs = Programs::find()?;
        let dir = tempfile::Builder::new().prefix("vswsup-rig-").tempdir()?;
        let is_real = matches!(config.one_device, Some(OneDevice::Real { .. }));
        let has_nic = config.uplink && !is_real && config.real_nic.is_none();
        let nic = has_nic.then(SoftwareNic::new).transpose()?;
        let files = config.memory.prepare(dir.path())?;
        if let (Some(nic), Some(address)) = (&nic, config.wire_address) {
            nic.set_wire_address(address)?;
        }
        let file = dir.path().join("vswsup.toml");
        std::fs::write(&file, configuration(config, &programs, dir.path()))?;
        let supervisor = Supervisor::start(&programs, &file, dir.path())?;
        Ok(Self {
            supervisor,
            wire: wire(config).to_owned(),
            _files: files,
            dir,
            _nic: nic,
        })
    }

    /// The supervisor.
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// As above, to kill or to restart it.
    pub fn supervisor_mut(&mut self) -> &mut Supervisor {
        &mut self.supervisor
    }

    /// Where sockets, configuration and faults are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where the supervisor listens to the command line.
    pub fn control_socket(&self) -> PathBuf {
        runtime_dir(self.dir.path()).join(Config::CONTROL_SOCKET)
    }

    /// Speaks to the supervisor.
    pub fn operator(&self) -> Operator {
        Operator::new(self.control_socket())
    }

    /// The memory file of an instance, with [`Memory::Files`].
    pub fn memory_file(&self, instance: &str) -> PathBuf {
        memory::file(self.dir.path(), instance)
    }

    /// The vhost-user socket of guest `number`, from 1.
    pub fn socket(&self, number: usize) -> PathBuf {
        socket(self.dir.path(), number)
    }

    /// A guest that carries flows, behind port `number`.
    pub fn guest(&self, number: usize) -> GuestSpec {
        GuestSpec::new(Socket::Client(self.socket(number)))
    }

    /// A guest that only is there, behind port `number`.
    pub fn idle_guest(&self, number: usize) -> GuestSpec {
        GuestSpec::idle(Socket::Client(self.socket(number)))
    }

    /// The far end of the uplink.
    pub fn wire(&self) -> UplinkSpec {
        UplinkSpec::new(None, &self.wire)
    }

    /// Says how the instances fail from now on; see `vswitch`'s fault injection.
    ///
    /// # Errors
    /// Those of writing a file.
    pub fn set_faults(&self, faults: &str) -> io::Result<()> {
        std::fs::write(self.dir.path().join(supervisor::FAULTS), faults)
    }

    /// The folder that the fault `freeze` waits for.
    pub fn frozen(&self) -> PathBuf {
        self.dir.path().join("frozen")
    }

    /// The faults that are still to come.
    ///
    /// # Errors
    /// Those of reading a file.
    pub fn faults(&self) -> io::Result<String> {
        std::fs::read_to_string(self.dir.path().join(supervisor::FAULTS))
    }

    /// Forgets which steps of messages were recorded, and records those that come from now on.
    ///
    /// # Errors
    /// Those of writing a file.
    pub fn record_steps(&self) -> io::Result<()> {
        std::fs::write(self.steps_file(), "")
    }

    /// Message and step, in the order in which they came.
    ///
    /// # Errors
    /// Those of reading a file, which is there after [`Self::record_steps`].
    pub fn recorded_steps(&self) -> io::Result<Vec<(String, String)>> {
        let text = std::fs::read_to_string(self.steps_file())?;
        let pairs = text.lines().filter_map(|line| line.rsplit_once(' '));
        Ok(pairs
            .map(|(message, step)| (message.to_owned(), step.to_owned()))
            .collect())
    }

    fn steps_file(&self) -> PathBuf {
        self.dir
            .path()
            .join(supervisor::FAULTS)
            .with_extension("steps")
    }
}

fn runtime_dir(dir: &Path) -> PathBuf {
    dir.join("run")
}

fn socket(dir: &Path, number: usize) -> PathBuf {
    dir.join(format!("vm{number}.sock"))
}

fn configuration(config: &RigConfig, programs: &Programs, dir: &Path) -> String {
    let program = if config.faults {
        &programs.vswitch_faults
    } else {
        &programs.vswitch
    };
    let mut text = format!(
        "[supervisor]\nruntime_dir = {:?}\n\n[vswitch]\nprogram = {program:?}\nlanes = {:?}\npoll = {:?}\n\
         standby = {}\n{}{}\n",
        runtime_dir(dir),
        config.lanes,
        config.poll,
        config.standby,
        config.memory.vswitch_keys(),
        config.more,
    );
    text += &config.memory.section(dir);
    match &config.one_device {
        _ if !config.uplink => {}
        None => {
            let real = config.real_nic.as_ref().map(RealNic::configuration);
            text += &real.unwrap_or_else(|| software_uplink(config.uplink_keys));
        }
        Some(one) => text += &one_uplink(one),
    }
    for number in 1..=config.ports {
        let path = socket(dir, number);
        let _ = write!(
            text,
            "\n[[port]]\nname = \"vm{number}\"\nsocket = {path:?}\nmode = {:?}\n",
            config.mode
        );
    }
    text
}

fn wire(config: &RigConfig) -> &str {
    match (&config.one_device, &config.real_nic) {
        (Some(OneDevice::Real { wire, .. }), _) => wire,
        (None, Some(nic)) => &nic.wire,
        (Some(OneDevice::Software), _) | (None, None) => SoftwareNic::WIRE,
    }
}

fn one_uplink(one: &OneDevice) -> String {
    let device = match one {
        OneDevice::Real { device, .. } => device.clone(),
        OneDevice::Software => format!("net_af_packet0,iface={},{}", SoftwareNic::NIC, ring()),
    };
    format!("\n[uplink]\na = {device:?}\nb = {device:?}\nmode = \"restart\"\n")
}

fn ring() -> String {
    format!("blocksz=65536,framesz=2048,framecnt={UPLINK_FRAMES}")
}

fn software_uplink(keys: &str) -> String {
    let [a, b] = SoftwareNic::INSTANCES;
    let [port_a, port_b] = SoftwareNic::PORTS;
    let ring = ring();
    format!(
        "\n[uplink]\na = \"net_af_packet0,iface={a},{ring}\"\nb = \"net_af_packet0,iface={b},{ring}\"\n\
         {keys}\n[steering]\nbackend = \"ebpf\"\nnic = \"{}\"\nports = {{ a = \"{port_a}\", b = \"{port_b}\" }}\n",
        SoftwareNic::NIC,
    )
}
