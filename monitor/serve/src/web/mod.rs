//! The web server: metrics, health, the status page and the API behind it.
//!
//! It serves from the daemon's own process, so it is bounded in every way: few connections at a time, fewer where descriptors
//! are few, of which an idle one makes room for a new one; one request a connection; a deadline for its handshake, its head
//! and the whole of it ([`server`](serve)). A scrape takes milliseconds, so the oldest of many connections is a slow client
//! and not the scraper.
//!
//! Who may ask is for [`Access`] to say, by a file in the format of Prometheus' exporters ([`config`]), and by what name, for
//! [`Hosts`]. What is answered, [`Site`] knows. Everything is read-only.

mod access;
mod bucket;
pub mod config;
mod hosts;
mod page;
mod passwords;
mod response;
mod server;
mod site;

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

pub use access::Access;
pub use hosts::Hosts;
pub use server::{CONNECTIONS, serve};
pub use site::Site;

/// The address can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address}")]
pub struct ListenError {
    pub address: SocketAddr,
    #[source]
    pub source: io::Error,
}

/// Takes the address, so that a conflict is known before anything else is set up.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let bind = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(|source| ListenError { address, source })
}

#[cfg(test)]
mod tests;
