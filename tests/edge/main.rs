//! The server as its clients meet it: over sockets, in this process, with storages that misbehave on demand.

mod harness;

mod cache;
mod http;
mod lifecycle;
