//! `[memory]`: hugepage files, from which DPDK has its memory.

use super::units::MemorySize;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use vhost_transfer::InstanceId;

/// `[memory]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// The files of each instance, in the order in which they are used.
    pub files: Vec<MemoryFile>,
}

/// One file for each instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryFile {
    /// Where it is, in a hugetlbfs; [`Self::INSTANCE`] in it stands for `a` or `b`.
    pub path: String,
    /// How large it is made when it is not there. `None`: it has to be there.
    pub size: Option<MemorySize>,
    /// The NUMA node from which its pages are taken. `None`: as the kernel likes.
    pub node: Option<u16>,
}

impl MemoryFile {
    /// What stands for the instance in a path.
    pub const INSTANCE: &str = "{instance}";

    /// That of `instance`.
    pub fn path_of(&self, instance: InstanceId) -> PathBuf {
        let name = instance.to_string();
        self.path.replace(Self::INSTANCE, &name).into()
    }

    /// Each instance has one of its own.
    pub fn is_own(&self) -> bool {
        self.path.contains(Self::INSTANCE)
    }
}
