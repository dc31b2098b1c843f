//! All mappings of guest memory, where a signal handler finds them.
//!
//! A front end may cut off the file behind its memory at any time; then a lane that touches the
//! memory gets SIGBUS (mmap(2)). The handler puts pages of zeroes in its place, so that the lane
//! goes on, and the control thread closes that one connection.

use libc::{MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*, fence};
use vhost_transfer::{MAX_MEMORY_REGIONS, MAX_PORTS};

/// While a device's memory changes, both the old and the new mappings are there.
const PLACES: usize = 2 * MAX_PORTS as usize * MAX_MEMORY_REGIONS;

/// What a signal handler can reach: it has no argument of ours.
static REGISTRY: [Place; PLACES] = [const { Place::new() }; PLACES];
/// Places from this one on were never used.
static USED: AtomicUsize = AtomicUsize::new(0);
/// A mapping was lost since the last look.
static NEWS: AtomicBool = AtomicBool::new(false);

/// Room for one mapping. Its words belong together while `version` is even and stays the same.
struct Place {
    version: AtomicU32,
    /// 0: the place is free.
    start: AtomicUsize,
    length: AtomicUsize,
    /// Bytes of a page of it.
    granule: AtomicUsize,
    lost: AtomicBool,
}

/// A mapping is known to the handler of SIGBUS as long as this lives.
#[derive(Debug)]
pub(super) struct Registration {
    place: usize,
}

impl Registration {
    /// Makes `length` bytes from `start` on, in pages of `granule`, known; `None` when there are too
    /// many mappings.
    pub(super) fn new(start: NonNull<u8>, length: usize, granule: usize) -> Option<Self> {
        let place = REGISTRY
            .iter()
            .position(|place| place.claim(start, length, granule))?;
        USED.fetch_max(place + 1, AcqRel);
        Some(Self { place })
    }

    /// Its memory was taken away; there are pages of zeroes now.
    pub(super) fn is_lost(&self) -> bool {
        REGISTRY[self.place].lost.load(Acquire)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let place = &REGISTRY[self.place];
        let version = place.version.load(Relaxed);
        place.write(version, 0, 0);
    }
}

impl Place {
    const fn new() -> Self {
        Self {
            version: AtomicU32::new(0),
            start: AtomicUsize::new(0),
            length: AtomicUsize::new(0),
            granule: AtomicUsize::new(1),
            lost: AtomicBool::new(false),
        }
    }

    /// Takes the place, if it is free, for a mapping.
    fn claim(&self, start: NonNull<u8>, length: usize, granule: usize) -> bool {
        let version = self.version.load(Acquire);
        let free = version.is_multiple_of(2) && self.start.load(Relaxed) == 0;
        let ours = free
            && self
                .version
                .compare_exchange(version, version.wrapping_add(1), AcqRel, Relaxed)
                .is_ok();
        if ours {
            self.lost.store(false, Relaxed);
            self.granule.store(granule.max(1), Relaxed);
            self.write(version, start.addr().get(), length);
        }
        ours
    }

    /// Only who has claimed the place, at `version`, may call this.
    fn write(&self, version: u32, start: usize, length: usize) {
        self.version.store(version.wrapping_add(1), Relaxed);
        fence(Release);
        self.start.store(start, Relaxed);
        self.length.store(length, Relaxed);
        self.version.store(version.wrapping_add(2), Release);
    }

    /// The mapping, if `address` is in it. One that comes or goes just now is not looked at: who
    /// touches a mapping keeps it.
    fn mapping_around(&self, address: usize) -> Option<(usize, usize)> {
        let version = self.version.load(Acquire);
        let (start, length) = (self.start.load(Relaxed), self.length.load(Relaxed));
        fence(Acquire);
        let whole = version.is_multiple_of(2) && version == self.version.load(Relaxed);
        let inside = start != 0 && address.checked_sub(start).is_some_and(|at| at < length);
        (whole && inside).then_some((start, length))
    }
}

/// The memory at `address` cannot be read or written any more: puts zeroes in its place and in
/// that of the rest of the mapping, and says whether the access can be tried again. Async-signal-safe.
pub(crate) fn lost_at(address: usize) -> bool {
    let used = &REGISTRY[..USED.load(Acquire).min(PLACES)];
    let found = used
        .iter()
        .find_map(|place| Some((place, place.mapping_around(address)?)));
    let Some((place, (start, length))) = found else {
        return false;
    };
    // The pages behind the end of the file are gone already, so that replacing them is cheap.
    let from = address - (address - start) % place.granule.load(Relaxed);
    let rest = start + length - from;
    place.lost.store(true, Release);
    let (protection, flags) = (
        PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
    );
    // SAFETY: mmap(2) is a plain system call. The range is a mapping of guest memory, which nobody
    // but guests' drivers relies on the content of; it stays until the thread that was interrupted
    // lets go of it.
    let zeroes = unsafe { libc::mmap(from as *mut _, rest, protection, flags, -1, 0) };
    // SAFETY: as above; a hint, for core dumps, that changes no byte.
    unsafe { libc::madvise(from as *mut _, rest, libc::MADV_DONTDUMP) };
    NEWS.store(true, Release);
    zeroes != libc::MAP_FAILED
}

/// Whether memory was lost that nobody was told of yet. One relaxed load, but for the first who asks
/// after a loss.
pub(crate) fn take_news() -> bool {
    NEWS.load(Relaxed) && NEWS.swap(false, AcqRel)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pretend(start: usize, length: usize) -> Registration {
        let start = NonNull::new(start as *mut u8).expect("not 0");
        Registration::new(start, length, 0x1000).expect("there is room")
    }

    fn knows(address: usize) -> bool {
        REGISTRY
            .iter()
            .any(|place| place.mapping_around(address).is_some())
    }

    #[test]
    fn a_mapping_is_known_from_its_first_byte_to_its_last_while_it_is_registered() {
        const START: usize = 0x1_0000;
        let registration = pretend(START, 0x2000);
        assert!(knows(START) && knows(START + 0x1fff));
        assert!(!knows(START - 1) && !knows(START + 0x2000));
        assert!(!registration.is_lost());
        drop(registration);
        assert!(!knows(START));
    }

    #[test]
    fn an_address_of_nobody_is_not_lost() {
        assert!(!lost_at(0x10));
        assert!(!lost_at(usize::MAX));
    }

    /// Whoever looks while mappings come and go never sees one that was not there as a whole.
    #[test]
    fn a_torn_mapping_is_never_seen() {
        const BASE: usize = 0x4000_0000;
        let mapping = |number: usize| (BASE + number * 0x10_0000, 0x1000 * (number + 1));
        std::thread::scope(|scope| {
            for writer in 0..2 {
                scope.spawn(move || {
                    for round in 0..20_000 {
                        let (start, length) = mapping((round * 2 + writer) % 16);
                        drop(pretend(start, length));
                    }
                });
            }
            for round in 0..20_000 {
                let (start, length) = mapping(round % 16);
                for place in REGISTRY.iter().take(4) {
                    let seen = place.mapping_around(start);
                    assert!(seen.is_none_or(|seen| seen == (start, length)), "{seen:x?}");
                }
            }
        });
    }
}
