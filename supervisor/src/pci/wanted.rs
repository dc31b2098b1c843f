//! Which functions the instances are to have.

use super::{Function, PciAddress, PciError, Pf, Sysfs};
use vhost_transfer::InstanceId;

/// One function, as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WantedFunction {
    /// A VF of the PF.
    Vf(u16),
    /// Any function.
    At(PciAddress),
}

/// All of them, and whether VFs may be made for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The network device of the PF. There is one when a function is named by its number.
    pub(crate) pf: Option<String>,
    /// Of instance `a` and of `b`, or the one that both have.
    pub(crate) functions: Vec<WantedFunction>,
    /// VFs are made when the PF has none.
    pub(crate) make_vfs: bool,
}

impl Wanted {
    /// The PF, if there is one in the configuration, and can have VFs.
    ///
    /// # Errors
    /// [`PciError`].
    pub(crate) fn find_pf<'s>(&self, sysfs: &'s Sysfs) -> Result<Option<Pf<'s>>, PciError> {
        let Some(netdev) = &self.pf else {
            return Ok(None);
        };
        let pf = Pf::find(sysfs, netdev)?;
        let total = pf.total_vfs().ok_or_else(|| PciError::NoSriov {
            netdev: netdev.clone(),
            driver: pf.driver(),
        })?;
        match self.highest() {
            Some(number) if number >= total => Err(PciError::TooManyVfs {
                netdev: netdev.clone(),
                number,
                total,
            }),
            Some(_) | None => Ok(Some(pf)),
        }
    }

    /// The VFs are still to be made.
    pub(crate) fn is_to_make(&self, pf: &Pf<'_>) -> bool {
        self.make_vfs && pf.vfs() == 0
    }

    /// How many VFs are enough.
    pub(crate) fn enough(&self) -> u16 {
        self.highest()
            .map_or(0, |highest| highest.saturating_add(1))
    }

    /// Both instances have the same one.
    pub(crate) fn is_shared(&self) -> bool {
        self.functions.len() == 1
    }

    /// That of `instance`.
    pub(crate) fn of(&self, instance: InstanceId) -> &WantedFunction {
        let own = self.functions.get(instance as usize);
        own.unwrap_or(&self.functions[0])
    }

    /// One of them, which is there.
    ///
    /// # Errors
    /// [`PciError`].
    pub(crate) fn find<'s>(
        &self,
        sysfs: &'s Sysfs,
        wanted: &WantedFunction,
    ) -> Result<Function<'s>, PciError> {
        let pf = self.find_pf(sysfs)?;
        match (wanted, pf) {
            (WantedFunction::Vf(number), Some(pf)) => {
                let address = pf.vf(*number).ok_or_else(|| self.missing(&pf, *number))?;
                Function::find(sysfs, &address)
            }
            (WantedFunction::At(address), Some(pf)) => {
                let function = Function::find(sysfs, address)?;
                if function.pf().as_ref() == Some(pf.address()) {
                    return Ok(function);
                }
                Err(PciError::OtherPf {
                    address: address.clone(),
                    netdev: pf.netdev().to_owned(),
                })
            }
            (WantedFunction::At(address), None) => Function::find(sysfs, address),
            (WantedFunction::Vf(_), None) => Err(PciError::NoNetdev(String::new())),
        }
    }

    /// For people: `VF 0 of enp1s0`, or `0000:01:10.0`.
    pub(crate) fn name(&self, instance: InstanceId) -> String {
        match (self.of(instance), &self.pf) {
            (WantedFunction::Vf(number), Some(pf)) => format!("VF {number} of {pf}"),
            (WantedFunction::Vf(number), None) => format!("VF {number}"),
            (WantedFunction::At(address), _) => address.to_string(),
        }
    }

    /// What brings back one that was taken away.
    pub(crate) fn way_back(&self, instance: InstanceId) -> String {
        match (&self.pf, self.make_vfs) {
            (None, _) => format!(
                "bring it back (`echo 1 > /sys/bus/pci/rescan`), and {instance} starts by itself"
            ),
            (Some(_), true) => {
                "VFs come back all at once: restart vswsup, which makes them anew".to_owned()
            }
            (Some(pf), false) => format!(
                "VFs come back all at once: stop vswsup, make them anew (`echo 0`, then `echo {}`, into \
                 /sys/class/net/{pf}/device/sriov_numvfs), and start it again",
                self.enough()
            ),
        }
    }

    fn missing(&self, pf: &Pf<'_>, number: u16) -> PciError {
        let netdev = pf.netdev().to_owned();
        match pf.vfs() {
            0 => PciError::NoVfs {
                netdev,
                wanted: self.enough(),
            },
            has => PciError::TooFewVfs {
                netdev,
                has,
                number,
            },
        }
    }

    fn highest(&self) -> Option<u16> {
        let numbers = self.functions.iter().filter_map(|wanted| match wanted {
            WantedFunction::Vf(number) => Some(*number),
            WantedFunction::At(_) => None,
        });
        numbers.max()
    }
}
