use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde::Deserialize;

use super::process::{Process, describe, tied_to_this_thread};
use super::{Artifacts, GuestVm, GuestVmError, Result};

/// How long a stopped ping program may take: it waits three seconds for late replies.
const FINISH_LIMIT: Duration = Duration::from_secs(10);

/// What a stream of pings came to; made by `tests/guest/gapping.c`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PingReport {
    /// Requests sent.
    pub sent: u64,
    /// Requests answered, each counted once.
    pub received: u64,
    /// Further replies to the same request.
    pub doubled: u64,
    /// Requests that the sender's own kernel refused; not among the sent.
    pub refused: u64,
    /// Longest time without a reply while requests were being sent.
    pub longest_gap_us: u64,
    /// Longest time by which the program itself was late to send: the part of a gap that is not the
    /// network's.
    pub longest_stall_us: u64,
    /// Longest time from a request to its reply.
    pub longest_round_trip_us: u64,
}

impl PingReport {
    /// Requests without a reply.
    pub fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.received)
    }
}

/// Pings from the host. Dropped
/// without [`HostPing::finish`], it is stopped.
#[derive(Debug)]
pub struct HostPing {
    process: Process,
}

impl HostPing {
    /// Sends an echo request to `target` every `interval` (0.1 ms to 10 s) from the network namespace
    /// of the calling thread. Needs CAP_NET_RAW.
    pub fn start(target: Ipv4Addr, interval: Duration) -> Result<HostPing> {
        let gapping = Artifacts::prepare()?.gapping;
        let mut command = tied_to_this_thread(gapping);
        command
            .args([target.to_string(), interval.as_micros().to_string()])
            .stdout(Stdio::piped());
        Ok(HostPing {
            process: Process::spawn(command)?,
        })
    }

    /// Stops and gives the report.
    pub fn finish(self) -> Result<PingReport> {
        self.process.signal(Signal::SIGTERM);
        let (status, output) = self.process.take_output()?;
        if !status.success() {
            return Err(GuestVmError::Failed {
                program: "gapping".to_owned(),
                status: describe(status),
                output,
            });
        }
        parse("the host's gapping", &output)
    }
}

/// Pings from the guest.
#[derive(Debug)]
pub struct GuestPing<'vm> {
    vm: &'vm GuestVm,
    /// Process id of gapping and of the shell that started it, which names the output file.
    pids: String,
}

impl<'vm> GuestPing<'vm> {
    pub(super) fn start(
        vm: &'vm GuestVm,
        target: Ipv4Addr,
        interval: Duration,
    ) -> Result<GuestPing<'vm>> {
        let interval_us = interval.as_micros();
        let pids = vm.run(&format!(
            "gapping {target} {interval_us} > /tmp/ping.$$ 2>&1 & echo $! $$"
        ))?;
        Ok(GuestPing { vm, pids })
    }

    /// Stops and gives the report.
    pub fn finish(self) -> Result<PingReport> {
        let output = self.vm.run_within(
            &format!(
                "set -- {}; kill -TERM $1; while [ -d /proc/$1 ]; do usleep 50000; done; cat /tmp/ping.$2",
                self.pids.trim()
            ),
            FINISH_LIMIT,
        )?;
        parse("the guest's gapping", &output)
    }
}

fn parse(peer: &'static str, output: &str) -> Result<PingReport> {
    serde_json::from_str(output.trim()).map_err(|_| GuestVmError::Protocol {
        peer,
        answer: output.to_owned(),
    })
}
