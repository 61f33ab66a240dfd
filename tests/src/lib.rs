//! The harness of Rollcall's end-to-end tests: the daemon under test, servers that know what they served, and
//! clients that can send what an ordinary client cannot.
//!
//! A test starts a server ([`MiniServer`], [`Nginx`], [`Accounts`]), a [`Daemon`] that watches the server's port, drives it
//! with a client ([`Client`], [`RawNetwork`]), stops the daemon and compares the exchanges that it reported
//! with the calls that the server logged: the same calls, on the same connections, in the same order, and no
//! other ([`calls`]). Stopping also checks the daemon's own accounting ([`Metrics`]).
//!
//! Everything waits on events with a deadline ([`deadline`]); nothing is skipped: without root or without a
//! program that it needs, a test fails and says so.

pub mod accounts;
pub mod alertmanager;
pub mod bpf;
pub mod browser;
pub mod calls;
pub mod client;
pub mod daemon;
pub mod deadline;
pub mod disk;
pub mod journald;
pub mod lenient;
pub mod machine;
pub mod metrics;
pub mod namespace;
pub mod nginx;
pub mod packet;
pub mod pcap;
pub mod port;
pub mod privileges;
pub mod process;
pub mod program;
pub mod prometheus;
pub mod random;
pub mod raw;
pub mod receiver;
pub mod selector;
pub mod server;
pub mod status;
pub mod terminal;
pub mod veth;

pub use accounts::Accounts;
pub use alertmanager::Alertmanager;
pub use browser::Browser;
pub use calls::Call;
pub use client::Client;
pub use daemon::{Daemon, Report};
pub use journald::Journald;
pub use lenient::{Lenience, LenientServer};
pub use metrics::Metrics;
pub use namespace::Namespace;
pub use nginx::Nginx;
pub use raw::{RawConnection, RawNetwork, Shape};
pub use receiver::Receiver;
pub use server::{Behaviour, MiniServer};
pub use terminal::Terminal;
