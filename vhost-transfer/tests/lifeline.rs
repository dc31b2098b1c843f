//! The lifeline over real sockets: order, slowness, ends, lies, and where the fds go.
//!
//! The tests count the fds of this process, so they take turns.

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::io::{IoSlice, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard};
use vhost_transfer::device::{
    Device, DeviceFds, DeviceState, DirtyLog, MemoryRegion, PackError, RingFds, RingState,
    SocketMode,
};
use vhost_transfer::frame::{self, FrameError, MAX_BODY, MAX_FDS};
use vhost_transfer::lifeline::{LifelineError, Received};
use vhost_transfer::message::{Fatal, FromInstance, Released, ToInstance};
use vhost_transfer::{Lifeline, PortId, Term};

/// Runs one test at a time and finds fds that it left open.
struct Turn {
    fds: usize,
    _turn: MutexGuard<'static, ()>,
}

fn turn() -> Turn {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let fds = open_fds();
    Turn { fds, _turn: turn }
}

impl Turn {
    fn leaked(&self) -> isize {
        open_fds() as isize - self.fds as isize
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.leaked(), 0, "fds left open");
        }
    }
}

fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn pair() -> (Lifeline, Lifeline) {
    let (ours, theirs) = Lifeline::pair().unwrap();
    (ours, Lifeline::from_fd(theirs))
}

fn numbered(number: u64) -> FromInstance {
    FromInstance::Released(Released {
        term: Term(number),
        drained: 0,
    })
}

/// A file that is known by what it holds.
fn marked(number: u64) -> OwnedFd {
    let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
    let mut file = File::from(nix::sys::memfd::memfd_create(c"marked", flags).unwrap());
    file.write_all(&number.to_le_bytes()).unwrap();
    file.into()
}

fn mark(fd: BorrowedFd<'_>) -> u64 {
    let mut file = File::from(fd.try_clone_to_owned().unwrap());
    let mut bytes = [0; 8];
    file.rewind().unwrap();
    file.read_exact(&mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

fn borrowed(fds: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    fds.iter().map(AsFd::as_fd).collect()
}

fn is_cloexec(fd: BorrowedFd<'_>) -> bool {
    let flags = rustix::io::fcntl_getfd(fd).unwrap();
    flags.contains(rustix::io::FdFlags::CLOEXEC)
}

/// What a hostile peer does: any bytes with any fds.
fn raw_send(socket: &OwnedFd, bytes: &[u8], fds: &[OwnedFd]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = borrowed(fds);
    if !fds.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    }
    let sent = sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::empty(),
    );
    assert_eq!(sent, Ok(bytes.len()));
}

fn receive(lifeline: &mut Lifeline) -> Result<Option<Received<FromInstance>>, LifelineError> {
    lifeline.receive()
}

fn stop(fds: usize) -> Vec<u8> {
    frame::seal(&minicbor::to_vec(numbered(1)).unwrap(), fds).unwrap()
}

#[test]
fn a_message_and_its_fds_arrive_in_order_and_close_on_exec() {
    let turn = turn();
    let (mut sender, mut receiver) = pair();
    assert!(is_cloexec(sender.as_fd()) && is_cloexec(receiver.as_fd()));
    assert!(
        receive(&mut receiver).unwrap().is_none(),
        "nothing yet, and no waiting for it"
    );
    let fds: Vec<_> = (0..MAX_FDS as u64).map(marked).collect();
    sender.send(&numbered(1), &borrowed(&fds)).unwrap();
    sender.send(&FromInstance::StandingBy, &[]).unwrap();
    drop(fds);
    let first = receive(&mut receiver).unwrap().unwrap();
    assert_eq!(first.message, numbered(1));
    let marks: Vec<_> = first.fds.iter().map(|fd| mark(fd.as_fd())).collect();
    assert_eq!(marks, (0..MAX_FDS as u64).collect::<Vec<_>>());
    assert!(first.fds.iter().all(|fd| is_cloexec(fd.as_fd())));
    let second = receive(&mut receiver).unwrap().unwrap();
    assert_eq!(
        (second.message, second.fds.len()),
        (FromInstance::StandingBy, 0)
    );
    assert_eq!(
        turn.leaked(),
        2 + MAX_FDS as isize,
        "the counting itself works"
    );
    drop((first.fds, sender, receiver));
}

#[test]
fn one_fd_more_than_the_limit_is_refused_before_it_is_sent() {
    let _turn = turn();
    let (mut sender, mut receiver) = pair();
    let fd = marked(0);
    let refused = sender.send(&numbered(0), &[fd.as_fd(); MAX_FDS + 1]);
    assert!(
        matches!(
            refused,
            Err(LifelineError::Frame(FrameError::TooLarge { fds: 254, .. }))
        ),
        "{refused:?}"
    );
    assert!(receive(&mut receiver).unwrap().is_none());
}

#[test]
fn what_a_slow_peer_has_not_read_waits_in_order_with_its_fds() {
    const MESSAGES: u64 = 2000;
    let _turn = turn();
    let (mut sender, mut receiver) = pair();
    for number in 0..MESSAGES {
        let fds: Vec<_> = (number % 20 == 0)
            .then(|| marked(number))
            .into_iter()
            .collect();
        sender.send(&numbered(number), &borrowed(&fds)).unwrap();
    }
    assert!(sender.wants_write(), "more than a socket takes");
    sender.flush().unwrap();
    assert!(sender.wants_write(), "the peer has read nothing");
    for number in 0..MESSAGES {
        let received = match receive(&mut receiver).unwrap() {
            Some(received) => received,
            None => {
                sender.flush().unwrap();
                receive(&mut receiver).unwrap().expect("flushed")
            }
        };
        assert_eq!(received.message, numbered(number));
        let marks: Vec<_> = received.fds.iter().map(|fd| mark(fd.as_fd())).collect();
        assert_eq!(
            marks,
            if number % 20 == 0 {
                vec![number]
            } else {
                vec![]
            }
        );
    }
    assert!(!sender.wants_write());
    assert!(receive(&mut receiver).unwrap().is_none());
}

/// A new message does not overtake those that wait, and takes them along when there is room.
#[test]
fn a_new_message_waits_behind_the_old() {
    let _turn = turn();
    let (mut sender, mut receiver) = pair();
    let mut sent = 0;
    while !sender.wants_write() {
        sender.send(&numbered(sent), &[]).unwrap();
        sent += 1;
    }
    for number in 0..sent - 1 {
        assert_eq!(
            receive(&mut receiver).unwrap().unwrap().message,
            numbered(number)
        );
    }
    sender.send(&numbered(sent), &[]).unwrap();
    assert!(!sender.wants_write());
    for number in [sent - 1, sent] {
        assert_eq!(
            receive(&mut receiver).unwrap().unwrap().message,
            numbered(number)
        );
    }
}

#[test]
fn a_peer_that_never_reads_is_stuck() {
    let _turn = turn();
    let (mut sender, _receiver) = pair();
    let outcome = (0..10_000).find_map(|number| {
        sender
            .send(&numbered(number), &[])
            .err()
            .map(|e| (number, e))
    });
    let (sent, error) = outcome.expect("bounded");
    assert!(matches!(error, LifelineError::Stuck), "{error}");
    assert!((4096..9000).contains(&sent), "{sent}");
    assert!(matches!(
        sender.send(&numbered(0), &[]),
        Err(LifelineError::Stuck)
    ));
}

#[test]
fn an_inherited_socket_that_would_block_does_not() {
    let _turn = turn();
    let (mut sender, receiver) = pair();
    rustix::io::ioctl_fionbio(sender.as_fd(), false).unwrap();
    rustix::io::ioctl_fionbio(receiver.as_fd(), false).unwrap();
    while !sender.wants_write() {
        sender.send(&numbered(0), &[]).unwrap();
    }
    assert!(receive(&mut sender).unwrap().is_none());
}

#[test]
fn a_closed_lifeline_is_told_to_both_directions() {
    let _turn = turn();
    let (mut ours, theirs) = pair();
    drop(theirs);
    assert!(matches!(
        ours.send(&numbered(0), &[]),
        Err(LifelineError::Closed)
    ));
    assert!(matches!(receive(&mut ours), Err(LifelineError::Closed)));
    assert!(
        matches!(receive(&mut ours), Err(LifelineError::Closed)),
        "and stays so"
    );
}

#[test]
fn what_waits_for_a_peer_that_dies_is_closed() {
    let turn = turn();
    let (mut sender, receiver) = pair();
    while !sender.wants_write() {
        sender.send(&numbered(0), &[marked(0).as_fd()]).unwrap();
    }
    drop(receiver);
    assert!(matches!(sender.flush(), Err(LifelineError::Closed)));
    drop(sender);
    assert_eq!(turn.leaked(), 0);
}

/// It dies with a message of ours unread; the kernel says ECONNRESET first.
#[test]
fn the_last_words_of_a_dead_peer_are_heard() {
    let _turn = turn();
    for send_first in [false, true] {
        let (mut supervisor, mut instance) = pair();
        let last = FromInstance::Fatal(Fatal {
            reason: "no hugepages".into(),
        });
        supervisor.send(&ToInstance::StandBy, &[]).unwrap();
        instance.send(&last, &[marked(9).as_fd()]).unwrap();
        drop(instance);
        if send_first {
            let closed = supervisor.send(&ToInstance::Stop, &[]);
            assert!(matches!(closed, Err(LifelineError::Closed)), "{closed:?}");
        }
        let heard = receive(&mut supervisor).unwrap().expect("its last message");
        assert_eq!(heard.message, last);
        assert_eq!(mark(heard.fds[0].as_fd()), 9);
        assert!(matches!(
            receive(&mut supervisor),
            Err(LifelineError::Closed)
        ));
    }
}

#[test]
fn hostile_messages_are_refused_and_their_fds_closed() {
    let _turn = turn();
    let damaged = {
        let mut bytes = stop(2);
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    let unknown = frame::seal(&[0x82, 0x18, 99, 0x80], 2).unwrap();
    let trailing = frame::seal(&[0x82, 10, 0x80, 0], 2).unwrap();
    let attacks: [(&str, Vec<u8>); 8] = [
        ("announces 5 fds and brings 2", stop(5)),
        ("announces 0 fds and brings 2", stop(0)),
        ("checksum is wrong", damaged),
        ("magic number", vec![7; 100]),
        ("truncated or hostile", stop(2)[..10].to_vec()),
        (
            "truncated or hostile",
            vec![b'V'; frame::HEADER_LEN + MAX_BODY + 1],
        ),
        ("cannot be read", unknown),
        ("bytes follow the value", trailing),
    ];
    for (complaint, bytes) in attacks {
        let (ours, theirs) = Lifeline::pair().unwrap();
        let mut lifeline = Lifeline::from_fd(theirs);
        raw_send(
            &ours.as_fd().try_clone_to_owned().unwrap(),
            &bytes,
            &[marked(0), marked(1)],
        );
        let before = open_fds();
        let error = receive(&mut lifeline).expect_err(complaint);
        assert!(
            error.to_string().contains(complaint),
            "{error} is not about: {complaint}"
        );
        assert_eq!(
            open_fds(),
            before,
            "fds of a message that was refused: {complaint}"
        );
    }
}

#[test]
fn an_empty_message_ends_the_lifeline() {
    let _turn = turn();
    let (ours, theirs) = Lifeline::pair().unwrap();
    raw_send(&theirs, &[], &[]);
    let mut lifeline = ours;
    assert!(matches!(receive(&mut lifeline), Err(LifelineError::Closed)));
}

/// At the limit of open files the kernel delivers some fds of a message and drops the others.
#[test]
fn at_the_limit_of_open_files_no_fd_leaks() {
    let _turn = turn();
    let (mut sender, mut receiver) = pair();
    let fds: Vec<_> = (0..8).map(marked).collect();
    sender.send(&numbered(1), &borrowed(&fds)).unwrap();
    let before = open_fds();
    let error = with_room_for(3, || receive(&mut receiver)).unwrap_err();
    assert!(
        matches!(error, LifelineError::FdsLost { got: 3 }),
        "{error:?}"
    );
    assert!(error.to_string().contains("RLIMIT_NOFILE"), "{error}");
    assert_eq!(open_fds(), before);
}

/// Runs `work` while this process can open only `more` files.
fn with_room_for<T>(more: u64, work: impl FnOnce() -> T) -> T {
    let usual = getrlimit(Resource::Nofile);
    let lowest_free = File::open("/dev/null")
        .map(|file| std::os::fd::AsRawFd::as_raw_fd(&file))
        .unwrap();
    let current = Some(lowest_free as u64 + more);
    setrlimit(Resource::Nofile, Rlimit { current, ..usual }).unwrap();
    let outcome = work();
    setrlimit(Resource::Nofile, usual).unwrap();
    outcome
}

/// A device that has every kind of fd, each marked with its place in the order of travel.
fn device() -> Device {
    let mut next = 0;
    let mut fd = || {
        next += 1;
        Arc::new(marked(next - 1))
    };
    let connection = fd();
    let memory = vec![fd(), fd()];
    let (log, log_event, backend_channel) = (Some(fd()), Some(fd()), Some(fd()));
    let full = RingFds {
        kick: Some(fd()),
        call: Some(fd()),
        err: Some(fd()),
    };
    let rings = vec![
        full,
        RingFds::default(),
        RingFds {
            call: Some(fd()),
            ..RingFds::default()
        },
    ];
    let ring = |has_kick, has_call, has_err| RingState {
        has_kick,
        has_call,
        has_err,
        ..RingState::default()
    };
    let region = |guest_addr| MemoryRegion {
        guest_addr,
        size: 4096,
        user_addr: 0,
        mmap_offset: 0,
    };
    let state = DeviceState {
        memory: vec![region(0), region(4096)],
        log: Some(DirtyLog {
            size: 4096,
            offset: 0,
        }),
        has_log_event: true,
        has_backend_channel: true,
        rings: vec![
            ring(true, true, true),
            ring(false, false, false),
            ring(false, true, false),
        ],
        ..DeviceState::new(PortId::new(3).unwrap(), SocketMode::Server, 64)
    };
    Device {
        state,
        fds: DeviceFds {
            connection,
            memory,
            log,
            log_event,
            backend_channel,
            rings,
        },
    }
}

fn marks(device: &Device) -> Vec<u64> {
    device.fds.in_order().into_iter().map(mark).collect()
}

#[test]
fn a_device_crosses_with_every_fd_in_its_place() {
    let turn = turn();
    let (mut sender, mut receiver) = pair();
    let device = device();
    let (bytes, fds) = device.pack();
    // Any message may carry the fds; the bytes go their own way here.
    sender.send(&numbered(1), &fds).unwrap();
    let received = receive(&mut receiver).unwrap().unwrap();
    let crossed = Device::unpack(&bytes, received.fds).unwrap();
    assert_eq!(crossed.state, device.state);
    assert_eq!(marks(&crossed), (0..10).collect::<Vec<_>>());
    assert_eq!(mark(crossed.fds.rings[0].err.as_ref().unwrap().as_fd()), 8);
    assert_eq!(mark(crossed.fds.rings[2].call.as_ref().unwrap().as_fd()), 9);
    assert!(crossed.fds.rings[1].kick.is_none());
    drop((fds, sender, receiver));
    drop((device, crossed));
    assert_eq!(turn.leaked(), 0);
}

#[test]
fn a_device_with_a_wrong_number_of_fds_is_refused_and_they_are_closed() {
    let turn = turn();
    let bytes = device().pack().0;
    for got in [0, 1, 9, 11, 100] {
        let fds = (0..got).map(marked).collect();
        let refused = Device::unpack(&bytes, fds);
        let expected = 10;
        let got = got as usize;
        assert!(
            matches!(refused, Err(PackError::FdCount { expected: e, got: g }) if (e, g) == (expected, got)),
            "{refused:?}"
        );
        assert_eq!(turn.leaked(), 0);
    }
    assert!(Device::unpack(&[0xff], (0..5).map(marked).collect()).is_err());
    assert_eq!(turn.leaked(), 0);
}
