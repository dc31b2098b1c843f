//! A front end that speaks in QEMU's order (hw/virtio/vhost-user.c, vhost.c), one message a method.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

use super::wire::{self, Request, feature, protocol_feature};
use super::{FrontEnd, Reply};
use crate::emulator::error::{Error, Result, system};
use crate::emulator::memory::GuestMemory;
use crate::emulator::split_ring::RingLayout;

/// Device status bits of a running driver (virtio 1.2, section 2.1).
const STATUS_RUNNING: u64 = 1 | 2 | 4 | 8;
/// Bytes of memory for each bit of a dirty log.
const LOG_PAGE: u64 = 4096;

/// What the driver asks for; it takes of each what the back end offers too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// Virtio features.
    pub features: u64,
    /// Protocol features.
    pub protocol_features: u64,
}

/// One ring as the back end must know it.
#[derive(Debug)]
pub struct RingSetup {
    /// Size and addresses.
    pub layout: RingLayout,
    /// Written by the driver when buffers are available.
    pub kick: EventFd,
    /// Written by the device when buffers are used.
    pub call: EventFd,
    /// Written by the device on a ring error.
    pub err: EventFd,
}

impl RingSetup {
    /// A ring with new event counters that never block.
    pub fn new(layout: RingLayout) -> Result<Self> {
        Ok(Self {
            layout,
            kick: event()?,
            call: event()?,
            err: event()?,
        })
    }
}

fn event() -> Result<EventFd> {
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    EventFd::from_value_and_flags(0, flags).map_err(system("create an eventfd"))
}

/// A connection whose features are negotiated.
#[derive(Debug)]
pub struct Session {
    front_end: FrontEnd,
    features: u64,
    protocol_features: u64,
}

impl Session {
    /// Negotiates features and takes ownership.
    ///
    /// # Errors
    /// [`Error::MissingFeatures`] when the back end lacks VERSION_1 or PROTOCOL_FEATURES.
    pub fn open(front_end: FrontEnd, options: SessionOptions) -> Result<Self> {
        let mut session = Self {
            front_end,
            features: 0,
            protocol_features: 0,
        };
        let offered = session.get(Request::GET_FEATURES)?;
        let needed = feature::VERSION_1 | feature::PROTOCOL_FEATURES;
        if offered & needed != needed {
            return Err(Error::MissingFeatures {
                offered,
                missing: needed & !offered,
            });
        }
        session.negotiate_protocol(options.protocol_features)?;
        session.order(Request::SET_OWNER, &[], &[])?;
        session.features = offered & (options.features | needed);
        session.set(Request::SET_FEATURES, session.features)?;
        Ok(session)
    }

    fn negotiate_protocol(&mut self, wanted: u64) -> Result<()> {
        self.protocol_features = wanted & self.get(Request::GET_PROTOCOL_FEATURES)?;
        self.set(Request::SET_PROTOCOL_FEATURES, self.protocol_features)?;
        self.front_end
            .use_reply_ack(self.has(protocol_feature::REPLY_ACK));
        if self.has(protocol_feature::MQ) {
            self.get(Request::GET_QUEUE_NUM)?;
        }
        Ok(())
    }

    /// The virtio features that both sides have.
    pub fn features(&self) -> u64 {
        self.features
    }

    /// The protocol features that both sides have.
    pub fn protocol_features(&self) -> u64 {
        self.protocol_features
    }

    /// Whether a protocol feature is negotiated.
    pub fn has(&self, protocol_feature: u64) -> bool {
        self.protocol_features & protocol_feature != 0
    }

    /// The socket, to be watched for hang-up.
    pub fn stream(&self) -> &UnixStream {
        self.front_end.stream()
    }

    /// The connection below, for requests that have no method here.
    pub fn front_end(&mut self) -> &mut FrontEnd {
        &mut self.front_end
    }

    /// Shares the memory, region by region where the back end takes memory slots.
    pub fn share_memory(&mut self, memory: &GuestMemory) -> Result<()> {
        if !self.has(protocol_feature::CONFIGURE_MEM_SLOTS) {
            let fds = vec![memory.fd(); memory.regions().len()];
            let table = wire::memory_table(memory.regions());
            return self.order(Request::SET_MEM_TABLE, &table, &fds);
        }
        let slots = self.get(Request::GET_MAX_MEM_SLOTS)?;
        if slots < memory.regions().len() as u64 {
            let what = format!("{slots} slots for {} regions", memory.regions().len());
            return Err(Error::BadReply {
                request: Request::GET_MAX_MEM_SLOTS,
                what,
            });
        }
        memory.regions().iter().try_for_each(|region| {
            self.order(
                Request::ADD_MEM_REG,
                &wire::single_region(region),
                &[memory.fd()],
            )
        })
    }

    /// Takes the memory back, where that is possible region by region.
    pub fn take_memory_back(&mut self, memory: &GuestMemory) -> Result<()> {
        let regions = match self.has(protocol_feature::CONFIGURE_MEM_SLOTS) {
            true => memory.regions(),
            false => &[],
        };
        regions.iter().try_for_each(|region| {
            self.order(Request::REM_MEM_REG, &wire::single_region(region), &[])
        })
    }

    /// Gives the device a dirty log for `memory`, and an fd by which to tell of changes, as at the
    /// begin of a migration; but LOG_ALL is not asked for, so that nothing is to be logged.
    pub fn set_log(&mut self, memory: &GuestMemory) -> Result<()> {
        let ends = memory.regions().iter().map(|r| r.guest_address + r.size);
        let size = ends.max().unwrap_or_default().div_ceil(8 * LOG_PAGE);
        let log = memfd_create("dirty log", MFdFlags::MFD_CLOEXEC)
            .and_then(|log| ftruncate(&log, size as i64).map(|()| log))
            .map_err(system("create a dirty log"))?;
        let payload = wire::dirty_log(size);
        self.order(Request::SET_LOG_BASE, &payload, &[log.as_fd()])?;
        self.order(Request::SET_LOG_FD, &[], &[event()?.as_fd()])
    }

    /// Resets the device, with RESET_OWNER where there is nothing better, as QEMU 7.2 does.
    pub fn reset(&mut self) -> Result<()> {
        match self.has(protocol_feature::RESET_DEVICE) {
            true => self.order(Request::RESET_DEVICE, &[], &[]),
            false => self.order(Request::RESET_OWNER, &[], &[]),
        }
    }

    /// Starts ring `index` at position `base`.
    pub fn start_ring(
        &mut self,
        index: u32,
        ring: &RingSetup,
        memory: &GuestMemory,
        base: u16,
    ) -> Result<()> {
        let size = u32::from(ring.layout.size);
        self.order(Request::SET_VRING_NUM, &wire::vring_state(index, size), &[])?;
        self.order(
            Request::SET_VRING_BASE,
            &wire::vring_state(index, u32::from(base)),
            &[],
        )?;
        self.order(
            Request::SET_VRING_ADDR,
            &address(index, &ring.layout, memory),
            &[],
        )?;
        self.send_fd(Request::SET_VRING_ERR, index, ring.err.as_fd())?;
        self.send_fd(Request::SET_VRING_CALL, index, ring.call.as_fd())?;
        self.send_fd(Request::SET_VRING_KICK, index, ring.kick.as_fd())
    }

    /// Tells the device that its driver runs, where it wants to know.
    pub fn announce_running(&mut self) -> Result<()> {
        if !self.has(protocol_feature::STATUS) {
            return Ok(());
        }
        let before = self.get(Request::GET_STATUS)?;
        self.set(Request::SET_STATUS, before | STATUS_RUNNING)
    }

    /// Enables or disables a ring.
    pub fn enable_ring(&mut self, index: u32, on: bool) -> Result<()> {
        let payload = wire::vring_state(index, u32::from(on));
        self.order(Request::SET_VRING_ENABLE, &payload, &[])
    }

    /// Stops a ring and returns the position from which it would go on.
    pub fn stop_ring(&mut self, index: u32) -> Result<u32> {
        let request = Request::GET_VRING_BASE;
        let reply = self.ask(request, &wire::vring_state(index, 0))?;
        match reply.vring_state()? {
            (ring, base) if ring == index => Ok(base),
            (ring, _) => Err(Error::BadReply {
                request,
                what: format!("it is for ring {ring}"),
            }),
        }
    }

    /// Tells the device its MTU, in bytes.
    pub fn set_mtu(&mut self, mtu: u16) -> Result<()> {
        self.set(Request::NET_SET_MTU, u64::from(mtu))
    }

    /// Asks the device to announce a MAC address.
    pub fn send_rarp(&mut self, mac: [u8; 6]) -> Result<()> {
        let mut payload = [0; 8];
        payload[..6].copy_from_slice(&mac);
        self.order(Request::SEND_RARP, &payload, &[])
    }

    fn send_fd(&mut self, request: Request, index: u32, fd: BorrowedFd<'_>) -> Result<()> {
        self.order(request, &u64::from(index).to_ne_bytes(), &[fd])
    }

    fn get(&mut self, request: Request) -> Result<u64> {
        self.ask(request, &[])?.number()
    }

    fn set(&mut self, request: Request, number: u64) -> Result<()> {
        self.order(request, &number.to_ne_bytes(), &[])
    }

    fn ask(&mut self, request: Request, payload: &[u8]) -> Result<Reply> {
        let reply = self.front_end.request(request, payload, &[])?;
        reply.ok_or(Error::BadReply {
            request,
            what: "it has none".into(),
        })
    }

    fn order(&mut self, request: Request, payload: &[u8], fds: &[BorrowedFd<'_>]) -> Result<()> {
        self.front_end.request(request, payload, fds).map(drop)
    }
}

fn address(index: u32, layout: &RingLayout, memory: &GuestMemory) -> Vec<u8> {
    wire::vring_address(
        index,
        memory.user_address(layout.descriptors),
        memory.user_address(layout.used),
        memory.user_address(layout.available),
    )
}
