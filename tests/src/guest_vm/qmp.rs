use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{GuestVmError, Result, lock};

/// QEMU answers from its main loop, which stands still while a vhost-user back end does not answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// An event that QEMU sent: `qapi` name and data.
#[derive(Clone, Debug, PartialEq)]
pub struct QmpEvent {
    /// For example `NETDEV_VHOST_USER_DISCONNECTED`.
    pub name: String,
    /// Its `data`, or null.
    pub data: Value,
}

/// A connection to QEMU's machine protocol (QEMU docs/interop/qmp-spec.rst). Events are collected from
/// the first moment on.
#[derive(Debug)]
pub struct Qmp {
    writer: Mutex<Writer>,
    events: Arc<Mutex<Vec<QmpEvent>>>,
}

#[derive(Debug)]
struct Writer {
    stream: UnixStream,
    answers: Receiver<Value>,
}

impl Qmp {
    /// Takes the greeting and leaves negotiation mode. `limit`: time for the greeting.
    pub(super) fn negotiate(stream: UnixStream, limit: Duration) -> Result<Qmp> {
        let reader = stream.try_clone().map_err(GuestVmError::file("QMP"))?;
        let events = Arc::new(Mutex::new(Vec::new()));
        let (sender, answers) = channel();
        let collected = Arc::clone(&events);
        thread::spawn(move || read_messages(reader, &sender, &collected));
        let greeting = receive(&answers, "QMP greeting", limit)?;
        if greeting.get("QMP").is_none() {
            return Err(out_of_protocol(&greeting));
        }
        let qmp = Qmp {
            writer: Mutex::new(Writer { stream, answers }),
            events,
        };
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Executes a command and gives its `return`.
    pub fn execute(&self, command: &str, arguments: Value) -> Result<Value> {
        let mut writer = lock(&self.writer);
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(writer.stream, "{request}").map_err(GuestVmError::file("QMP"))?;
        let mut answer = receive(&writer.answers, command, ANSWER_LIMIT)?;
        if let Some(error) = answer.get("error") {
            return Err(GuestVmError::Refused {
                command: command.to_owned(),
                reason: error["desc"].as_str().unwrap_or("no reason").to_owned(),
            });
        }
        Ok(answer["return"].take())
    }

    /// All events until now, in order.
    pub fn events(&self) -> Vec<QmpEvent> {
        lock(&self.events).clone()
    }
}

fn read_messages(stream: UnixStream, answers: &Sender<Value>, events: &Mutex<Vec<QmpEvent>>) {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let Ok(mut message) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        if let Some(name) = message["event"].as_str().map(str::to_owned) {
            let data = message["data"].take();
            lock(events).push(QmpEvent { name, data });
        } else if answers.send(message).is_err() {
            return;
        }
    }
}

fn receive(answers: &Receiver<Value>, what: &str, limit: Duration) -> Result<Value> {
    answers.recv_timeout(limit).map_err(|error| match error {
        RecvTimeoutError::Timeout => GuestVmError::TimedOut {
            what: format!("the answer to {what}"),
            limit,
            log: String::new(),
        },
        RecvTimeoutError::Disconnected => GuestVmError::Protocol {
            peer: "QEMU",
            answer: format!("connection closed before the answer to {what}"),
        },
    })
}

fn out_of_protocol(answer: &Value) -> GuestVmError {
    GuestVmError::Protocol {
        peer: "QEMU",
        answer: answer.to_string(),
    }
}
