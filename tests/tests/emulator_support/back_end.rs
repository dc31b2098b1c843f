//! A back end that only talks: it answers every request of a front end and moves no frame.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::Duration;

use tempfile::TempDir;
use vswsup_tests::emulator::front_end::wire::{HEADER_SIZE, NEED_REPLY, REPLY, VERSION, header};
use vswsup_tests::emulator::front_end::{Request, feature, protocol_feature};

/// What the back end does when a certain request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Kind,
    Refuse(Request),
    HangUpAt(Request),
    SilentAt(Request),
}

/// What it offers and how it behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    pub(crate) mood: Mood,
    pub(crate) features: u64,
    pub(crate) protocol_features: u64,
    pub(crate) memory_slots: u64,
}

impl Manners {
    pub(crate) fn new(mood: Mood) -> Self {
        let features = feature::VERSION_1 | feature::PROTOCOL_FEATURES | feature::EVENT_IDX;
        let protocol_features = protocol_feature::REPLY_ACK;
        Self {
            mood,
            features,
            protocol_features,
            memory_slots: 8,
        }
    }
}

/// A listening back end. Its threads end with their connections.
pub(crate) struct BackEnd {
    folder: TempDir,
    heard: Arc<Mutex<Vec<Request>>>,
}

impl BackEnd {
    pub(crate) fn start(sockets: usize, manners: Manners) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let heard = Arc::default();
        for number in 0..sockets {
            let listener = UnixListener::bind(path(folder.path(), number)).expect("a socket");
            let heard = Arc::clone(&heard);
            thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    serve(stream, manners, &heard);
                }
            });
        }
        Self { folder, heard }
    }

    pub(crate) fn path(&self, number: usize) -> PathBuf {
        path(self.folder.path(), number)
    }

    /// The requests of all connections so far, in order.
    pub(crate) fn heard(&self) -> Vec<Request> {
        self.heard.lock().unwrap().clone()
    }
}

fn path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("{number}.sock"))
}

fn serve(mut stream: UnixStream, manners: Manners, heard: &Mutex<Vec<Request>>) {
    while let Some((request, flags, payload)) = read(&mut stream) {
        heard.lock().unwrap().push(request);
        match manners.mood {
            Mood::HangUpAt(at) if at == request => return,
            Mood::SilentAt(at) if at == request => sleep(Duration::from_secs(3600)),
            Mood::Kind | Mood::Refuse(_) | Mood::HangUpAt(_) | Mood::SilentAt(_) => {}
        }
        let refused = u64::from(manners.mood == Mood::Refuse(request));
        let acknowledgement = (flags & NEED_REPLY != 0).then_some(refused);
        if let Some(number) = answer(request, &payload, manners).or(acknowledgement) {
            let header = header(request, VERSION | REPLY, 8);
            let _ = stream.write_all(&[&header[..], &number.to_ne_bytes()].concat());
        }
    }
}

fn read(stream: &mut UnixStream) -> Option<(Request, u32, Vec<u8>)> {
    let mut header = [0; HEADER_SIZE];
    stream.read_exact(&mut header).ok()?;
    let word = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().unwrap());
    let mut payload = vec![0; word(8) as usize];
    stream.read_exact(&mut payload).ok()?;
    Some((Request(word(0)), word(4), payload))
}

/// The reply that the specification gives this request, all of which fit in 64 bits here.
fn answer(request: Request, payload: &[u8], manners: Manners) -> Option<u64> {
    match request {
        Request::GET_FEATURES => Some(manners.features),
        Request::GET_PROTOCOL_FEATURES => Some(manners.protocol_features),
        Request::GET_QUEUE_NUM => Some(1),
        Request::GET_MAX_MEM_SLOTS => Some(manners.memory_slots),
        Request::GET_STATUS => Some(0),
        // Ring index below, position above.
        Request::GET_VRING_BASE => Some(u64::from(payload[0]) | 42 << 32),
        _ => None,
    }
}
