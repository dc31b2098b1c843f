use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::{GuestVmError, Result};

/// Longest answer that is taken from a guest.
const ANSWER_BYTES_LIMIT: usize = 16 << 20;
const LINE_BYTES_LIMIT: usize = 256;
/// The guest kills a command at its time limit; its answer may take this much longer.
const ANSWER_SLACK: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// What a command in the guest came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOutcome {
    /// Exit status; 137: killed at its time limit.
    pub status: i32,
    /// stdout and stderr.
    pub output: String,
}

/// The command channel into the guest; `tests/guest/agent` is the other end and tells the protocol.
#[derive(Debug)]
pub(crate) struct Agent {
    stream: UnixStream,
    received: Vec<u8>,
    requests: u64,
}

impl Agent {
    pub(crate) fn new(stream: UnixStream) -> Result<Agent> {
        stream
            .set_read_timeout(Some(POLL_INTERVAL))
            .map_err(GuestVmError::file("agent"))?;
        Ok(Agent {
            stream,
            received: Vec::new(),
            requests: 0,
        })
    }

    /// Waits for the agent's first line; `alive` is asked again and again and may end the wait.
    pub(crate) fn wait_ready(
        &mut self,
        deadline: Deadline,
        mut alive: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        loop {
            alive()?;
            deadline.check("the guest's agent")?;
            if let Some(line) = self.take_line()? {
                return expect(line == "ready", &line);
            }
            self.receive()?;
        }
    }

    /// Runs `command` in the guest's shell; the guest kills it after `limit`, rounded up to seconds.
    pub(crate) fn run(&mut self, command: &str, limit: Duration) -> Result<CommandOutcome> {
        self.run_while(command, limit, || Ok(()))
    }

    /// The same; `go_on` is asked again and again and may end the wait.
    pub(crate) fn run_while(
        &mut self,
        command: &str,
        limit: Duration,
        go_on: impl FnMut() -> Result<()>,
    ) -> Result<CommandOutcome> {
        self.requests += 1;
        let id = self.requests.to_string();
        let seconds = limit.as_millis().div_ceil(1000).max(1);
        let request = format!("{id} {seconds} {}\n{command}", command.len());
        self.stream
            .write_all(request.as_bytes())
            .map_err(GuestVmError::file("agent"))?;
        let deadline = Deadline::after(limit + ANSWER_SLACK);
        let (status, length) = self.answer_head(&id, deadline, go_on)?;
        let output = self.take_bytes(length, deadline)?;
        Ok(CommandOutcome {
            status,
            output: String::from_utf8_lossy(&output).into_owned(),
        })
    }

    fn answer_head(
        &mut self,
        id: &str,
        deadline: Deadline,
        mut go_on: impl FnMut() -> Result<()>,
    ) -> Result<(i32, usize)> {
        loop {
            let line = self.next_line(deadline, &mut go_on)?;
            let mut words = line.split(' ');
            let answered = words.next().and_then(|word| word.parse::<u64>().ok());
            let status = words.next().and_then(|word| word.parse().ok());
            let length = words.next().and_then(|word| word.parse().ok());
            let (Some(answered), Some(status), Some(length)) = (answered, status, length) else {
                return Err(out_of_protocol(&line));
            };
            expect(length <= ANSWER_BYTES_LIMIT, &line)?;
            if answered.to_string() == id {
                return Ok((status, length));
            }
            // The late answer to a request that was given up.
            self.take_bytes(length, deadline)?;
        }
    }

    fn next_line(
        &mut self,
        deadline: Deadline,
        go_on: &mut impl FnMut() -> Result<()>,
    ) -> Result<String> {
        loop {
            if let Some(line) = self.take_line()? {
                return Ok(line);
            }
            go_on()?;
            deadline.check("the guest's answer")?;
            self.receive()?;
        }
    }

    fn take_line(&mut self) -> Result<Option<String>> {
        let Some(end) = self.received.iter().position(|byte| *byte == b'\n') else {
            expect(self.received.len() <= LINE_BYTES_LIMIT, "an endless line")?;
            return Ok(None);
        };
        let line: Vec<u8> = self.received.drain(..=end).take(end).collect();
        Ok(Some(String::from_utf8_lossy(&line).into_owned()))
    }

    fn take_bytes(&mut self, length: usize, deadline: Deadline) -> Result<Vec<u8>> {
        while self.received.len() < length {
            deadline.check("the end of the guest's answer")?;
            self.receive()?;
        }
        Ok(self.received.drain(..length).collect())
    }

    fn receive(&mut self) -> Result<()> {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(hung_up()),
            Ok(length) => {
                self.received.extend_from_slice(&chunk[..length]);
                Ok(())
            }
            Err(error) if is_timeout(error.kind()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Err(hung_up()),
            Err(source) => Err(GuestVmError::file("agent")(source)),
        }
    }
}

/// A point in time after which waiting is an error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Deadline {
        Deadline {
            at: Instant::now() + limit,
            limit,
        }
    }

    pub(crate) fn check(self, what: &str) -> Result<()> {
        if Instant::now() < self.at {
            return Ok(());
        }
        Err(GuestVmError::TimedOut {
            what: what.to_owned(),
            limit: self.limit,
            log: String::new(),
        })
    }
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

fn hung_up() -> GuestVmError {
    GuestVmError::HungUp { log: String::new() }
}

fn expect(true_in_protocol: bool, answer: &str) -> Result<()> {
    if true_in_protocol {
        return Ok(());
    }
    Err(out_of_protocol(answer))
}

fn out_of_protocol(answer: &str) -> GuestVmError {
    GuestVmError::Protocol {
        peer: "the guest",
        answer: answer.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const LIMIT: Duration = Duration::from_secs(1);

    /// An agent whose guest has already said `chunks`, each with its own write.
    fn answered(chunks: &[&str]) -> (Agent, UnixStream) {
        let (host, mut guest) = UnixStream::pair().unwrap();
        for chunk in chunks {
            guest.write_all(chunk.as_bytes()).unwrap();
        }
        (Agent::new(host).unwrap(), guest)
    }

    #[test]
    fn an_answer_in_pieces_is_one_answer() {
        let (host, mut guest) = UnixStream::pair().unwrap();
        let writer = thread::spawn(move || {
            for piece in ["1 ", "4 5\nhe", "llo"] {
                guest.write_all(piece.as_bytes()).unwrap();
                thread::sleep(Duration::from_millis(20));
            }
        });
        let outcome = Agent::new(host).unwrap().run("x", LIMIT).unwrap();
        writer.join().unwrap();
        assert_eq!((outcome.status, outcome.output.as_str()), (4, "hello"));
    }

    #[test]
    fn a_late_answer_to_an_earlier_request_is_passed_over() {
        let (mut agent, _guest) = answered(&["1 0 5\nstale", "2 0 5\nfresh"]);
        agent.requests = 1;
        assert_eq!(agent.run("x", LIMIT).unwrap().output, "fresh");
    }

    #[test]
    fn answers_out_of_protocol_are_errors() {
        let endless = "x".repeat(LINE_BYTES_LIMIT + 1);
        for said in ["1 0\n", "1 0 99999999999\n", "one 0 1\n", &endless] {
            let (mut agent, _guest) = answered(&[said]);
            let error = agent.run("x", LIMIT).unwrap_err();
            assert!(
                matches!(error, GuestVmError::Protocol { .. }),
                "{said}: {error}"
            );
        }
    }

    #[test]
    fn a_guest_that_hangs_up_is_an_error() {
        let (mut agent, guest) = answered(&[]);
        let asked = thread::spawn(move || agent.run("x", LIMIT));
        let mut request = [0; 1];
        (&guest).read_exact(&mut request).unwrap();
        drop(guest);
        let error = asked.join().unwrap().unwrap_err();
        assert!(matches!(error, GuestVmError::HungUp { .. }), "{error}");
    }
}
