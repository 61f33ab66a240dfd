//! What a daemon is to do.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use rollcall_capture::Fed;
use rollcall_serve::web::Access;
use rollcall_store::exposure;

use super::{
    AlertSinks,
    crawlers::{Crawler, Resolver},
};

/// All that can be chosen of a daemon.
pub struct Config {
    /// What the engine looks at, and what is too much.
    pub engine: rollcall_engine::Settings,
    /// Where its traffic comes from.
    pub traffic: Traffic,
    /// Crawlers that are known by name, and where names are looked up.
    pub crawlers: Vec<Crawler>,
    pub resolver: Box<dyn Resolver>,
    /// Server ports to watch; all when empty.
    pub ports: Vec<u16>,
    /// Directory of what must survive a restart; made if it does not exist.
    pub state_directory: PathBuf,
    /// What is kept of the reads of suspicious clients, and how long alerts are.
    pub exposure: exposure::ExposureSettings,
    /// How often what is known is written down.
    pub checkpoint_interval: Duration,
    /// Who is told of alerts.
    pub sinks: AlertSinks,
    /// A file that has each exchange as a line; `-` is stdout.
    pub exchange_log: Option<PathBuf>,
    pub web: Web,
    /// Gives up, for the whole process, what isn't needed once the programs are attached: capabilities, and system calls.
    pub confine: bool,
}

/// Where traffic comes from.
pub enum Traffic {
    /// This host's, from the kernel.
    Kernel(Kernel),
    /// Segments that somebody hands over.
    Fed(Fed),
}

/// What the kernel side is given.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Bytes of the buffer between kernel and daemon: a power of two of at least a page.
    pub ring_size: u32,
    /// Share of request targets to capture, in (0, 1].
    pub sampling: f64,
    /// The cgroup v2 whose sockets to watch; the root when `None`.
    pub cgroup: Option<PathBuf>,
    /// Take the secrets of TLS connections where programs that serve pass them, and read inside.
    pub tls: bool,
}

/// What is served.
pub struct Web {
    /// Where to listen; port 0 for any.
    pub address: SocketAddr,
    /// The path of the metrics, such as `/metrics`.
    pub telemetry_path: String,
    /// Who may ask.
    pub access: Access,
}

impl Config {
    /// Share of request targets that is captured.
    pub(super) fn sampling(&self) -> f64 {
        match &self.traffic {
            Traffic::Kernel(kernel) => kernel.sampling,
            Traffic::Fed(_) => 1.0,
        }
    }

    /// Bytes of the buffer between kernel and daemon, 0 where there is none.
    pub(super) fn ring_size(&self) -> u32 {
        match &self.traffic {
            Traffic::Kernel(kernel) => kernel.ring_size,
            Traffic::Fed(_) => 0,
        }
    }
}
