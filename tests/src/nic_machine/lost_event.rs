//! QEMU 10.0 with `-accel tcg` and several CPUs now and then loses an event of the machine, and what waits
//! for it waits for ever. The machine's kernel tells.
//!
//! A CPU may still use the map of memory that another one has just replaced, as it does when vfio opens or
//! closes a device. Then QEMU ends (`iotlb_to_section: Assertion failed`), or what is written to a timer or
//! a doorbell goes elsewhere. The busier the host, the likelier. One CPU is too slow for the tests.

use std::time::Duration;

/// A CPU idles for 21 s though a timer of its was due long ago.
const TIMER: &str = "kthread timer wakeup didn't happen";
/// A device has not looked at packets that it was given (Linux `dev_watchdog`).
const QUEUE: &str = "NETDEV WATCHDOG";
/// A device may rightly wait so long for the instance at the other end of its wire to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// The line of the kernel's console that tells of it.
pub(super) fn find(console: &str) -> Option<&str> {
    let mut lines = console.lines();
    lines.find(|line| line.contains(TIMER) || waits_for_ever(line))
}

/// `NETDEV WATCHDOG: CPU: 1: transmit queue 0 timed out 5108 ms`.
fn waits_for_ever(line: &str) -> bool {
    let (true, Some((_, waited))) = (line.contains(QUEUE), line.split_once("timed out ")) else {
        return false;
    };
    let waited = waited.trim_end_matches(" ms").parse();
    waited.is_ok_and(|ms| Duration::from_millis(ms) >= PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_of_lost_events() {
        let timer = "[  9.1] rcu: rcu_preempt kthread timer wakeup didn't happen for 5250 jiffies!";
        let early = "[ 12.3] virtio_net virtio4 eth1: NETDEV WATCHDOG: CPU: 1: transmit queue 0 timed out 5108 ms";
        let late = "[ 72.3] virtio_net virtio4 eth1: NETDEV WATCHDOG: CPU: 1: transmit queue 0 timed out 60124 ms";
        assert_eq!(find(&format!("Linux\n{timer}\n")), Some(timer));
        assert_eq!(find(&format!("{early}\n")), None);
        assert_eq!(find(&format!("{early}\r\n{late}\r\n")), Some(late));
        assert_eq!(find("device timed out 99999 ms"), None);
    }
}
