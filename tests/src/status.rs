//! nginx's own counters (`stub_status`), read over one connection that is kept.

use std::{net::SocketAddr, time::Instant};

use anyhow::{Context, Result, ensure};

use crate::Client;

/// A connection to the counters.
#[derive(Debug)]
pub struct Status {
    client: Client,
    /// Requests of our own, which nginx counts too.
    asked: u64,
}

impl Status {
    /// Connects to [`Nginx::status`](crate::Nginx::status).
    pub fn connect(address: SocketAddr) -> Result<Status> {
        Ok(Status { client: Client::connect(address)?, asked: 0 })
    }

    /// Requests that clients have begun since nginx started, other than those of this connection, and when that
    /// was so.
    pub fn requests(&mut self) -> Result<(u64, Instant)> {
        let page = self.page()?;
        let at = Instant::now();
        // "server accepts handled requests", and their values on the next line.
        let counted = page.lines().nth(2).and_then(|line| line.split_whitespace().nth(2));
        let counted: u64 = counted.with_context(|| format!("no requests in {page:?}"))?.parse()?;
        Ok((counted - self.asked, at))
    }

    /// Connections that are open, this one left out.
    pub fn connections(&mut self) -> Result<u64> {
        let page = self.page()?;
        let active = page.lines().next().and_then(|line| line.split_whitespace().last());
        Ok(active.with_context(|| format!("no connections in {page:?}"))?.parse::<u64>()? - 1)
    }

    fn page(&mut self) -> Result<String> {
        let response = self.client.get("/")?;
        self.asked += 1;
        ensure!(response.status == 200, "stub_status answers {}", response.status);
        Ok(String::from_utf8_lossy(&response.body).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Nginx;

    #[test]
    fn counts_what_others_ask() {
        let nginx = Nginx::start().unwrap();
        let mut status = Status::connect(nginx.status()).unwrap();
        assert_eq!(status.requests().unwrap().0, 0);
        let mut client = Client::connect(nginx.address()).unwrap();
        for id in 0..3 {
            client.get(&format!("/v1/customers/{id}")).unwrap();
        }
        assert_eq!(status.requests().unwrap().0, 3);
        assert_eq!(status.connections().unwrap(), 1);
    }
}
