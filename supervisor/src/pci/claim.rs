//! The instances' functions: made, bound to vfio-pci, and given back as they were found.

use super::found::{Found, FoundFunction, FoundPf};
use super::{Function, Group, PciAddress, PciError, Pf, Sysfs, VFIO_PCI, Wanted, require_apart};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vhost_transfer::InstanceId;

/// How long a PF may take to have a link partner: autonegotiation of copper takes a few seconds.
const CARRIER: Duration = Duration::from_secs(10);

/// The functions of one configuration.
#[derive(Debug)]
pub(crate) struct Claim {
    sysfs: Sysfs,
    wanted: Wanted,
    /// Where is written down what was found.
    memory: PathBuf,
}

impl Claim {
    /// For a pair that runs: everything is as the supervisor before left it.
    pub(crate) fn resume(sysfs: Sysfs, wanted: Wanted, runtime_dir: &Path) -> Self {
        Self {
            sysfs,
            wanted,
            memory: runtime_dir.to_owned(),
        }
    }

    /// Makes the VFs if need be, and binds the functions to vfio-pci. What comes back with the claim
    /// is for people. Takes seconds when VFs are made.
    ///
    /// # Errors
    /// [`PciError`]; everything is given back as it was found.
    pub(crate) fn take(
        sysfs: Sysfs,
        wanted: Wanted,
        runtime_dir: &Path,
    ) -> Result<(Self, Vec<String>), PciError> {
        let claim = Self::resume(sysfs, wanted, runtime_dir);
        match claim.make().and_then(|news| claim.bind().map(|()| news)) {
            Ok(news) => Ok((claim, news)),
            Err(error) => {
                // What is wrong first says more than what goes wrong after it.
                let _ = claim.give_back();
                Err(error)
            }
        }
    }

    /// The function of `instance`, bound to vfio-pci and free: for one that starts. One that both have
    /// may be in use by the other one. VFs that were taken away and put back have to be bound anew.
    ///
    /// # Errors
    /// [`PciError`].
    pub(crate) fn ready(&self, instance: InstanceId) -> Result<PciAddress, PciError> {
        let function = self.function(instance)?;
        function.give_to_vfio()?;
        if !self.wanted.is_shared() {
            Group::of(&function)?.require_free()?;
        }
        Ok(function.address().clone())
    }

    /// Where the function of `instance` is, while it is there.
    pub(crate) fn address(&self, instance: InstanceId) -> Option<PciAddress> {
        let function = self.function(instance).ok()?;
        Some(function.address().clone())
    }

    /// The devices of vfio that `instance` has no business with: other groups'.
    pub(crate) fn hidden_from(&self, instance: InstanceId) -> Vec<PathBuf> {
        let own = self.function(instance).and_then(|own| Group::of(&own));
        let own = own.map(|group| group.number().to_string());
        let groups = self.sysfs.names("dev/vfio").into_iter();
        groups
            .filter(|name| name.chars().all(|c| c.is_ascii_digit()))
            .filter(|name| own.as_ref().is_ok_and(|own| own != name))
            .map(|name| Path::new("/dev/vfio").join(name))
            .collect()
    }

    /// Whether the function of `instance` is there to be taken.
    pub(crate) fn is_there(&self, instance: InstanceId) -> bool {
        self.function(instance).is_ok()
    }

    /// For people: `VF 0 of enp1s0`, or `0000:01:10.0`.
    pub(crate) fn name(&self, instance: InstanceId) -> String {
        self.wanted.name(instance)
    }

    /// What brings the function of `instance` back that was taken away.
    pub(crate) fn way_back(&self, instance: InstanceId) -> String {
        self.wanted.way_back(instance)
    }

    /// The PF, if the configuration names one, while it is there.
    ///
    /// # Errors
    /// [`PciError`].
    pub(crate) fn pf(&self) -> Result<Option<Pf<'_>>, PciError> {
        self.wanted.find_pf(&self.sysfs)
    }

    /// Undoes what [`Self::take`] did, also when another supervisor did it. The instances are gone.
    /// Whatever fails, all of it is tried.
    ///
    /// # Errors
    /// What could not be given back first; the next one to end tries again.
    pub(crate) fn give_back(&self) -> Result<(), PciError> {
        let found = Found::load(&self.memory)?;
        let functions = found.functions.iter();
        let functions = functions.map(|function| self.give_back_function(function));
        let pf = found.pf.iter().map(|pf| self.give_back_pf(pf));
        let outcomes: Vec<_> = functions.chain(pf).collect();
        outcomes.into_iter().collect::<Result<(), _>>()?;
        Found::forget(&self.memory);
        Ok(())
    }

    fn function(&self, instance: InstanceId) -> Result<Function<'_>, PciError> {
        self.wanted.find(&self.sysfs, self.wanted.of(instance))
    }

    fn make(&self) -> Result<Vec<String>, PciError> {
        let pf = self.wanted.find_pf(&self.sysfs)?;
        match pf.filter(|pf| self.wanted.is_to_make(pf)) {
            Some(pf) => self.make_vfs(&pf),
            None => Ok(Vec::new()),
        }
    }

    /// The PF is up first: switched on later it would leave its VFs deaf. Making them resets it, and it
    /// has to find its link partner again. New VFs are left without driver. VFs that somebody removed one by
    /// one still count for the kernel, and have to be given up first.
    fn make_vfs(&self, pf: &Pf<'_>) -> Result<Vec<String>, PciError> {
        let mut found = Found::load(&self.memory)?;
        found.note_pf(pf);
        found.save(&self.memory)?;
        if !pf.is_up() {
            pf.set_up(true)?;
        }
        let before = pf.wait_for_carrier(CARRIER);
        pf.set_autoprobe(false)?;
        pf.set_vfs(0)?;
        pf.set_vfs(self.wanted.enough())?;
        let after = before && pf.wait_for_carrier(CARRIER);
        let netdev = pf.netdev();
        let made = format!("{netdev} has {} VFs now", pf.vfs());
        let no_carrier = format!("{netdev} has no carrier: nothing comes from the wire yet");
        let no_carrier = (!after).then_some(no_carrier);
        Ok(std::iter::once(made).chain(no_carrier).collect())
    }

    fn bind(&self) -> Result<(), PciError> {
        let wanted = self.wanted.functions.iter();
        let functions = wanted.map(|wanted| self.wanted.find(&self.sysfs, wanted));
        let functions = functions.collect::<Result<Vec<_>, _>>()?;
        let groups = functions.iter().map(Group::of);
        let groups = groups.collect::<Result<Vec<_>, _>>()?;
        if let [a, b] = &groups[..] {
            require_apart([a, b])?;
        }
        groups.iter().try_for_each(Group::require_viable)?;
        groups.iter().try_for_each(Group::require_unused)?;
        let mut found = Found::load(&self.memory)?;
        functions.iter().for_each(|function| found.note(function));
        found.save(&self.memory)?;
        functions.iter().try_for_each(Function::give_to_vfio)?;
        groups.iter().try_for_each(Group::require_free)
    }

    /// One that is gone needs nothing. One without driver was on its way to vfio-pci.
    fn give_back_function(&self, found: &FoundFunction) -> Result<(), PciError> {
        let function = Function::new(&self.sysfs, found.address.clone());
        if !function.exists() {
            return Ok(());
        }
        function.set_driver_override(found.driver_override.as_deref())?;
        match function.driver() {
            driver if driver == found.driver => Ok(()),
            // Somebody else has seen to it.
            Some(driver) if driver != VFIO_PCI => Ok(()),
            Some(_) | None => {
                require_let_go(&function)?;
                function.give_to(found.driver.as_deref())
            }
        }
    }

    fn give_back_pf(&self, found: &FoundPf) -> Result<(), PciError> {
        let pf = match Pf::find(&self.sysfs, &found.netdev) {
            Ok(pf) => pf,
            Err(_) => return Ok(()),
        };
        self.remove_vfs(&pf)?;
        if let Some(on) = found.autoprobe {
            pf.set_autoprobe(on)?;
        }
        if !found.up {
            pf.set_up(false)?;
        }
        Ok(())
    }

    fn remove_vfs(&self, pf: &Pf<'_>) -> Result<(), PciError> {
        for address in pf.vf_addresses() {
            require_let_go(&Function::new(&self.sysfs, address))?;
        }
        pf.set_vfs(0)
    }
}

/// The kernel waits for whoever has a function open, and whoever tells it to take the function away waits
/// with it and cannot be killed (`vfio_unregister_group_dev`, Linux `drivers/vfio/vfio_main.c`).
fn require_let_go(function: &Function<'_>) -> Result<(), PciError> {
    match Group::of(function) {
        Ok(group) => group.require_unused(),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
