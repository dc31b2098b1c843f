//! The BPF programs and their map; their source is `bpf/steering.bpf.c`.

use std::os::fd::{AsFd, BorrowedFd};
use std::{fmt, io};

use aya::maps::{Array, Map, MapData};
use aya::programs::{
    Program as AnyProgram, ProgramError, ProgramFd, ProgramInfo, SchedClassifier, loaded_programs,
};
use aya::{Ebpf as Object, EbpfLoader, include_bytes_aligned};

use super::error::{Doing, EbpfError};
use crate::Side;

const OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/steering.bpf.o"));
const MAP: &str = "vswsup_steer";
const NIC_PROGRAM: &str = "vswsup_nic";
const PORT_PROGRAM: &str = "vswsup_port";
const NIC_INDEX: &str = "nic_ifindex";

/// Entries of the map. The side is 0 (nowhere) or the number of the entry with its port.
const ENTRY_SIDE: u32 = 0;
const ENTRY_PORT_A: u32 = 1;
const ENTRY_PORT_B: u32 = 2;

fn entry(side: Side) -> u32 {
    match side {
        Side::A => ENTRY_PORT_A,
        Side::B => ENTRY_PORT_B,
    }
}

/// The programs for one NIC, and a map that steers nowhere yet.
pub(super) struct Loaded {
    pub(super) nic: Program,
    pub(super) port: Program,
    pub(super) target: Target,
}

/// Loads the programs for the NIC with this interface index.
pub(super) fn load(nic: u32) -> Result<Loaded, EbpfError> {
    let mut object = EbpfLoader::new()
        .override_global(NIC_INDEX, &nic, true)
        .load(OBJECT)
        .map_err(Doing::Load.failed())?;
    let map = object.take_map(MAP).ok_or_else(|| absent(MAP))?;
    let map = Array::try_from(map).map_err(Doing::Load.failed())?;
    let nic = Program::load(&mut object, NIC_PROGRAM)?;
    let port = Program::load(&mut object, PORT_PROGRAM)?;
    Ok(Loaded {
        nic,
        port,
        target: Target { map },
    })
}

/// Only if the object was not compiled from the source beside this file.
fn absent(name: &str) -> EbpfError {
    let reason = format!("the BPF object has no `{name}`");
    Doing::Load.failed()(io::Error::new(io::ErrorKind::InvalidData, reason))
}

/// A loaded program. It lives on where it is attached.
pub(super) struct Program {
    pub(super) id: u32,
    fd: ProgramFd,
}

impl Program {
    fn load(object: &mut Object, name: &str) -> Result<Self, EbpfError> {
        let program = object.program_mut(name).ok_or_else(|| absent(name))?;
        Self::load_classifier(program).map_err(Doing::Load.failed())
    }

    fn load_classifier(program: &mut AnyProgram) -> Result<Self, ProgramError> {
        let program: &mut SchedClassifier = program.try_into()?;
        program.load()?;
        Ok(Self {
            id: program.info()?.id(),
            fd: program.fd()?.try_clone()?,
        })
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The map that says where to.
pub(super) struct Target {
    map: Array<MapData, u32>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("side", &self.side())
            .finish_non_exhaustive()
    }
}

impl Target {
    /// The map of an attached program.
    pub(super) fn of_program(id: u32) -> Result<Self, EbpfError> {
        let map_id = map_of(id).map_err(Doing::TakeOver.failed())?;
        let map = MapData::from_id(map_id).map_err(Doing::TakeOver.failed())?;
        let map = Map::from_map_data(map).and_then(Array::try_from);
        Ok(Self {
            map: map.map_err(Doing::TakeOver.failed())?,
        })
    }

    /// Moves all traffic: one `bpf_map_update_elem`.
    pub(super) fn steer(&mut self, to: Side) -> Result<(), EbpfError> {
        self.write(ENTRY_SIDE, entry(to))
    }

    /// Where to, if anywhere.
    pub(super) fn side(&self) -> Result<Option<Side>, EbpfError> {
        match self.read(ENTRY_SIDE)? {
            0 => Ok(None),
            ENTRY_PORT_A => Ok(Some(Side::A)),
            ENTRY_PORT_B => Ok(Some(Side::B)),
            value => Err(EbpfError::StrangeSide { value }),
        }
    }

    /// The interface index of a side's port; 0 at first.
    pub(super) fn port(&self, side: Side) -> Result<u32, EbpfError> {
        self.read(entry(side))
    }

    /// Sets the interface index of a side's port.
    pub(super) fn set_port(&mut self, side: Side, index: u32) -> Result<(), EbpfError> {
        self.write(entry(side), index)
    }

    fn read(&self, entry: u32) -> Result<u32, EbpfError> {
        self.map.get(&entry, 0).map_err(Doing::ReadMap.failed())
    }

    fn write(&mut self, entry: u32, value: u32) -> Result<(), EbpfError> {
        self.map
            .set(entry, value, 0)
            .map_err(Doing::WriteMap.failed())
    }
}

/// The id of the one map that program `id` uses.
fn map_of(id: u32) -> Result<u32, ProgramError> {
    let program = attached_program(id)?;
    let maps = program.map_ids()?.unwrap_or_default();
    Ok(*maps.first().ok_or_else(|| not_found(id))?)
}

/// Other programs may come and go during the search: an error counts only if nothing is found.
fn attached_program(id: u32) -> Result<ProgramInfo, ProgramError> {
    let mut last = not_found(id).into();
    for program in loaded_programs() {
        match program {
            Ok(program) if program.id() == id => return Ok(program),
            Ok(_) => {}
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn not_found(id: u32) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("the BPF program {id} or its map is gone"),
    )
}
