//! Our rules on one device: found, put and removed.

use std::io;

use super::error::{Doing, TcFlowerError};
use super::label::{Label, Role, is_ours};
use crate::netdev::{Netdev, NetdevError};
use crate::netlink::Netlink;
use crate::netlink::flower::{Offload, Rule};

/// The ingress of a device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    pub(super) netlink: &'a Netlink,
    pub(super) device: &'a Netdev,
    pub(super) offload: Offload,
}

/// A rule of ours.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// It leads where it should, and whoever should carries it out.
    pub(super) is_sound: bool,
}

impl Rules<'_> {
    /// The rule that leads to `to`, or that led there if it is gone. One of others at its place or
    /// before, or one that leads to another device that exists, is an error.
    pub(super) fn find(
        &self,
        role: Role,
        to: Option<&Netdev>,
    ) -> Result<Option<Found>, TcFlowerError> {
        let rules = self.netlink.rules(self.device.index);
        let mut rules = rules.map_err(self.failed(Doing::ListFilters))?;
        rules.retain(|rule| rule.place.priority <= role.place().priority);
        for rule in &rules {
            self.refuse_foreign(rule)?;
        }
        let rule = rules.iter().find(|rule| rule.place == role.place());
        rule.map(|rule| self.found(rule, role, to)).transpose()
    }

    /// Makes a rule lead to `to`, unless it does.
    pub(super) fn ensure(&self, role: Role, to: &Netdev) -> Result<(), TcFlowerError> {
        if let Some(found) = self.find(role, Some(to))?
            && found.is_sound
        {
            return Ok(());
        }
        let added = self.netlink.add_clsact(self.device.index);
        let added = added.map_err(self.failed(Doing::AddClsact))?;
        let put = self.put(role, to, added || self.made_clsact()?);
        if put.is_err() && added {
            // The error that is told is the rule's.
            let _ = self.netlink.delete_clsact(self.device.index);
        }
        put
    }

    fn put(&self, role: Role, to: &Netdev, made_clsact: bool) -> Result<(), TcFlowerError> {
        let cookie = Label { role, made_clsact }.to_string();
        let (link, redirect) = (self.device.index, (to.index, &cookie[..]));
        let put = self
            .netlink
            .put_redirect(link, role.place(), redirect, self.offload);
        put.map_err(self.failed(Doing::PutRule))
    }

    /// Removes one rule, if it is there.
    pub(super) fn delete(&self, role: Role) -> Result<(), TcFlowerError> {
        if !self.labels()?.iter().any(|label| label.role == role) {
            return Ok(());
        }
        let link = self.device.index;
        let deleted = self.netlink.delete_redirect(link, role.place());
        deleted.map_err(self.failed(Doing::DeleteRule))
    }

    /// Removes these rules, in this order, and the qdisc that came with one of them unless others use
    /// it now.
    pub(super) fn delete_all(&self, roles: &[Role]) -> Result<(), TcFlowerError> {
        let made_clsact = self.made_clsact()?;
        for role in roles {
            self.delete(*role)?;
        }
        if made_clsact {
            let deleted = self.netlink.delete_empty_clsact(self.device.index);
            deleted.map_err(self.failed(Doing::DeleteRule))?;
        }
        Ok(())
    }

    fn made_clsact(&self) -> Result<bool, TcFlowerError> {
        Ok(self.labels()?.iter().any(|label| label.made_clsact))
    }

    /// Of all our rules here, wherever they lead to.
    fn labels(&self) -> Result<Vec<Label>, TcFlowerError> {
        let rules = self.netlink.rules(self.device.index);
        let rules = rules.map_err(self.failed(Doing::ListFilters))?;
        let labels = rules.iter().filter_map(|rule| Label::read(&rule.cookie));
        Ok(labels.collect())
    }

    fn refuse_foreign(&self, rule: &Rule) -> Result<(), TcFlowerError> {
        let device = self.device.name.clone();
        let priority = rule.place.priority;
        if !is_ours(&rule.cookie) {
            let kind = rule.kind.clone();
            return Err(TcFlowerError::Foreign {
                device,
                kind,
                priority,
            });
        }
        match Label::read(&rule.cookie) {
            Some(label) if label.role.place() == rule.place => Ok(()),
            Some(_) | None => Err(TcFlowerError::OtherVersion { device, priority }),
        }
    }

    /// A rule of a device that is gone may be made to lead elsewhere.
    fn found(&self, rule: &Rule, role: Role, to: Option<&Netdev>) -> Result<Found, TcFlowerError> {
        let leads_to = self.name_of(rule.to)?;
        let is_role = Label::read(&rule.cookie).is_some_and(|label| label.role == role);
        let leads_there = to.is_some_and(|to| to.index == rule.to);
        if is_role && (leads_there || leads_to.is_none()) {
            let is_sound = leads_there && rule.is_offloaded(self.offload);
            return Ok(Found { is_sound });
        }
        Err(TcFlowerError::OtherPair {
            device: self.device.name.clone(),
            to: leads_to.unwrap_or_else(|| "a device that is gone".to_owned()),
            priority: rule.place.priority,
        })
    }

    /// Whoever a rule leads to, if that device exists.
    fn name_of(&self, index: u32) -> Result<Option<String>, TcFlowerError> {
        if index == 0 {
            return Ok(None);
        }
        let link = self.netlink.link_by_index(index);
        let link = link.map_err(NetdevError::unknown)?;
        Ok(link.map(|link| link.name))
    }

    fn failed(&self, doing: Doing) -> impl FnOnce(io::Error) -> TcFlowerError + use<> {
        let device = self.device.name.clone();
        move |source| TcFlowerError::Failed {
            doing,
            device,
            source,
        }
    }
}
