//! Where a benchmark plays: the networks, nginx, and its counters.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use rollcall_tests::{
    Namespace, Nginx,
    namespace::Inside,
    nginx::{API, Log, Server, Setup},
    status::Status,
    veth,
};

use crate::{LOOPBACK, wrk::CONNECTIONS};

/// Where servers and clients are. The thread that makes it is where the servers are, until it is dropped.
pub(crate) struct Network {
    #[expect(dead_code, reason = "kept for its Drop, which leaves the servers' namespace")]
    inside: Option<Inside>,
    clients: Option<Namespace>,
    address: Ipv4Addr,
}

impl Network {
    /// Everything on this host's loopback: each packet passes both hooks.
    pub(crate) fn loopback() -> Network {
        Network { inside: None, clients: None, address: LOOPBACK }
    }

    /// Loopback of a namespace of its own.
    pub(crate) fn of_its_own() -> Result<Network> {
        let namespace = Namespace::new()?;
        // Connections by the hundred thousand, opened at once.
        for (setting, value) in [
            ("net.core.somaxconn", "8192"),
            ("net.ipv4.tcp_max_syn_backlog", "16384"),
            ("net.ipv4.tcp_syncookies", "0"),
        ] {
            namespace.set(setting, value)?;
        }
        Ok(Network { inside: Some(namespace.inside()?), clients: None, address: LOOPBACK })
    }

    /// Servers and clients in two namespaces with a veth pair between them.
    pub(crate) fn with_one_hop() -> Result<Network> {
        let (servers, clients) = (Namespace::new()?, Namespace::new()?);
        let (address, _) = veth::join(&servers, &clients)?;
        Ok(Network { inside: Some(servers.inside()?), clients: Some(clients), address })
    }

    /// Runs `work` on this thread where the clients are.
    pub(crate) fn among_clients<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let _there = self.clients.as_ref().map(Namespace::inside).transpose()?;
        work()
    }
}

/// An nginx with two servers that differ in nothing but the access log. The same worker processes serve both, so
/// that nothing else can make them differ.
pub(crate) struct Stage {
    pub status: Status,
    pub nginx: Nginx,
    /// Left last.
    pub network: Network,
}

impl Stage {
    pub(crate) fn new(network: Network) -> Result<Stage> {
        let server = |log| Server { locations: API.to_owned(), log };
        let nginx = Nginx::with_setup(&Setup {
            address: network.address,
            workers: 2,
            connections: 16 * CONNECTIONS,
            servers: vec![server(Log::Off), server(Log::Buffered)],
        })?;
        Ok(Stage { status: Status::connect(nginx.status())?, nginx, network })
    }

    /// The server without an access log.
    pub(crate) fn plain(&self) -> SocketAddr {
        self.nginx.addresses()[0]
    }

    /// The server with a buffered access log.
    pub(crate) fn logging(&self) -> SocketAddr {
        self.nginx.addresses()[1]
    }
}
