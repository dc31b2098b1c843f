//! The vhost-user back end, seen through its public interface: requests as a pure function, guest
//! memory, and ports with a front end on their socket.

mod any_bytes;
mod bad_input;
mod crash;
mod memory;
mod port;
mod requests;
mod sequences;
mod serving_again;
mod support;
