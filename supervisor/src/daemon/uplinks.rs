//! The uplinks' devices: made ready for instances that start, watched while they run, and given back
//! at the end.

mod device;
mod hearing;
mod pair;
mod pf;
mod probes;

use super::{Daemon, DaemonError, Due, console};
use crate::Config;
use crate::config::Uplink;
use crate::pci::{Claim, PciError, Sysfs, VFIO_PCI};
use crate::policy::{Event, Health};
use device::Device;
use pf::Port;
use probes::Probes;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vhost_transfer::InstanceId;

/// Between two looks. One costs a few system calls.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Of both instances. Dropped before anything was started with them, they are given back.
#[derive(Debug)]
pub(super) struct Uplinks {
    uplink: Option<Uplink>,
    sysfs: Sysfs,
    /// The functions that the supervisor prepares, if it does.
    claim: Option<Claim>,
    of: [Own; 2],
    port: Port,
    probes: Probes,
    /// Some instance has been started, or runs.
    in_use: bool,
}

/// That of one instance.
#[derive(Debug, Default)]
struct Own {
    /// DPDK device arguments of its process.
    arguments: Option<String>,
    device: Option<Device>,
}

impl Uplinks {
    /// Of a pair that is about to start: VFs are made, and functions bound.
    ///
    /// # Errors
    /// [`DaemonError::Uplink`]; everything is as it was.
    pub(super) fn take(
        config: &Config,
        sysfs: Sysfs,
        runtime_dir: &Path,
    ) -> Result<Self, DaemonError> {
        let mut uplinks = Self::new(config, sysfs.clone());
        if let Some(wanted) = config.uplink.as_ref().and_then(Uplink::wanted) {
            let taken = Claim::take(sysfs, wanted, runtime_dir);
            let (claim, news) = taken.map_err(|error| DaemonError::Uplink {
                place: config.place("uplink"),
                error: Box::new(error),
            })?;
            news.iter()
                .for_each(|line| console::say(format_args!("{line}")));
            uplinks.claim = Some(claim);
        }
        Ok(uplinks)
    }

    /// Of a pair that runs: nothing is changed.
    pub(super) fn resume(config: &Config, sysfs: Sysfs, runtime_dir: &Path) -> Self {
        let mut uplinks = Self::new(config, sysfs.clone());
        let wanted = config.uplink.as_ref().and_then(Uplink::wanted);
        uplinks.claim = wanted.map(|wanted| Claim::resume(sysfs, wanted, runtime_dir));
        uplinks.in_use = true;
        uplinks
    }

    fn new(config: &Config, sysfs: Sysfs) -> Self {
        Self {
            uplink: config.uplink.clone(),
            sysfs,
            claim: None,
            of: Default::default(),
            port: Port::default(),
            probes: Probes::new(config),
            in_use: false,
        }
    }

    /// For a process that is about to start.
    ///
    /// # Errors
    /// What is wrong with its device, and what to do.
    fn prepare(&mut self, id: InstanceId) -> Result<(), PciError> {
        self.in_use = true;
        let arguments = match (&self.claim, &self.uplink) {
            (Some(claim), _) => Some(claim.ready(id)?.to_string()),
            (None, Some(uplink)) => uplink.arguments(id).map(str::to_owned),
            (None, None) => None,
        };
        self.watch(id, arguments);
        self.probes.begin(id);
        Ok(())
    }

    /// Of a process that runs: what it was started with is found out again.
    fn recall(&mut self, id: InstanceId) {
        let arguments = match (&self.claim, &self.uplink) {
            (Some(claim), _) => claim.address(id).map(|address| address.to_string()),
            (None, uplink) => {
                let uplink = uplink.as_ref();
                uplink.and_then(|uplink| uplink.arguments(id).map(str::to_owned))
            }
        };
        self.watch(id, arguments);
        self.probes.begin(id);
    }

    fn watch(&mut self, id: InstanceId, arguments: Option<String>) {
        let given = self.claim.is_some().then_some(VFIO_PCI);
        let device = arguments.as_deref();
        let device = device.and_then(|device| Device::of_arguments(device, given, &self.sysfs));
        self.of[id as usize] = Own { arguments, device };
    }

    /// DPDK device arguments of the process of `id`.
    pub(super) fn arguments(&self, id: InstanceId) -> Option<&str> {
        self.of[id as usize].arguments.as_deref()
    }

    /// Devices that the process of `id` is not to see.
    pub(super) fn hidden_from(&self, id: InstanceId) -> Vec<PathBuf> {
        let claim = self.claim.as_ref();
        claim.map_or_else(Vec::new, |claim| claim.hidden_from(id))
    }

    /// What is wrong with the port that both VFs are of, if anything is.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.port.trouble()
    }

    fn health(&self, id: InstanceId, runs: bool) -> Health {
        let own = &self.of[id as usize];
        let gone = match &own.device {
            Some(device) if runs => device.loss(),
            Some(_) | None => self.missing(id),
        };
        gone.map_or_else(|| self.probes.health(id), Health::Gone)
    }

    /// Why nobody would find out that the uplink of `id` is deaf.
    pub(super) fn no_proof(&self, id: InstanceId) -> Option<&str> {
        self.probes.no_proof(id)
    }

    /// Probes that were sent to `id` so far.
    pub(super) fn probes_sent(&self, id: InstanceId) -> u64 {
        self.probes.sent(id)
    }

    /// What keeps a process from having it.
    fn missing(&self, id: InstanceId) -> Option<String> {
        match &self.claim {
            Some(claim) if claim.is_there(id) => None,
            Some(claim) => {
                let (name, way) = (claim.name(id), claim.way_back(id));
                Some(format!("{name} is not there; {way}"))
            }
            None => self.of[id as usize]
                .device
                .as_ref()
                .and_then(Device::absence),
        }
    }

    /// The pair has ended.
    pub(super) fn give_back(&mut self) {
        if let Some(claim) = self.claim.take()
            && let Err(error) = claim.give_back()
        {
            console::say(format_args!(
                "the uplinks' devices are not given back: {error}"
            ));
        }
    }
}

impl Drop for Uplinks {
    fn drop(&mut self) {
        if !self.in_use {
            self.give_back();
        }
    }
}

impl Daemon {
    pub(super) fn start_to_watch_uplinks(&mut self) {
        if self.config.uplink.is_some() {
            self.timers.start(Due::Uplinks, Instant::now(), LOOK_EVERY);
            self.start_to_probe();
        }
    }

    /// # Errors
    /// For people.
    pub(super) fn prepare_uplink(&mut self, id: InstanceId) -> Result<(), String> {
        let prepared = self.uplinks.prepare(id);
        prepared.map_err(|error| format!("its uplink cannot be had: {error}"))?;
        self.ledger.instance(id).forget_probes();
        self.tell_of_uplink(id, true);
        Ok(())
    }

    pub(super) fn recall_uplink(&mut self, id: InstanceId) {
        self.uplinks.recall(id);
        self.tell_of_uplink(id, true);
    }

    /// Looks at both and at the port that they are of. Where both go bad the standby's comes first, and
    /// last where both are good again: nothing is to flee from the one to the other.
    pub(super) fn look_at_uplinks(&mut self) {
        self.timers.start(Due::Uplinks, Instant::now(), LOOK_EVERY);
        self.look_at_port();
        if self.config.has_one_device() {
            return self.look_at_the_one_uplink();
        }
        let active = self.policy.active().unwrap_or(InstanceId::A);
        let in_turn = match self.uplinks.health(active, self.runs(active)) {
            Health::Well => [active, active.other()],
            Health::Unproven | Health::Deaf(_) | Health::Gone(_) => [active.other(), active],
        };
        for id in in_turn {
            self.tell_of_uplink(id, self.runs(id));
        }
        self.happen_queued();
    }

    /// Where it was never asked for, nothing is known against it.
    fn look_at_the_one_uplink(&mut self) {
        let known = InstanceId::BOTH.map(|id| self.uplinks.health(id, self.runs(id)));
        let bad = known.into_iter().find(|health| *health != Health::Well);
        let health = bad.unwrap_or_default();
        if InstanceId::BOTH
            .iter()
            .any(|&id| self.policy.uplink(id) != &health)
        {
            if matches!(health, Health::Gone(_)) {
                self.uplink_is_lost();
            }
            self.happen(Event::OneUplink(health));
        }
    }

    fn runs(&self, id: InstanceId) -> bool {
        self.processes[id as usize].is_some()
    }

    /// Tells the policy how the uplink of `id` is, if that is news. One for both is told of as one.
    fn tell_of_uplink(&mut self, id: InstanceId, runs: bool) {
        if self.config.has_one_device() {
            return;
        }
        let health = self.uplinks.health(id, runs);
        if self.policy.uplink(id) != &health {
            self.events.push_back(Event::Uplink(id, health));
        }
    }
}

#[cfg(test)]
mod tests;
