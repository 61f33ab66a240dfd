//! What traffic that is not HTTP pays for Rollcall's being there.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use rollcall_tests::{Daemon, metrics, port, process, random::Random};

use crate::{
    LOOPBACK, interrupt,
    monitor::Monitor,
    report::{Figure, Section, mebibytes, ratio},
    summary::{Summary, interval},
};

/// One transfer: some 20 ms on loopback.
const CHUNK: usize = 64 << 20;
/// All that has to pass with Rollcall attached, in each direction.
const LEAST: usize = 1 << 30;
/// What one call of `write` takes, and of `read`.
const PIECE: usize = 256 << 10;
/// Pairs that stand together when the interval is drawn: neighbours share the machine's mood.
const GROUP: usize = 8;
const SETTLE: Duration = Duration::from_millis(10);
const GOAL: f64 = 0.99;
const MEMORY: u64 = 50 << 20;

/// Which way the bytes go.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    ToServer,
    ToClient,
}

/// Both ends of the transfers.
struct Link {
    listener: TcpListener,
    bytes: Vec<u8>,
}

pub(crate) fn measure(time: Duration) -> Result<Section> {
    let port = port::free()?;
    let link = Link::new(port)?;
    let mut monitor = Monitor::whole(&[port])?;
    let mut figures = Vec::new();
    for (name, way) in [("client to server", Way::ToServer), ("server to client", Way::ToClient)] {
        let pairs = pairs(&link, &mut monitor, way, time / 2)?;
        let without: Vec<f64> = pairs.iter().map(|pair| pair.without).collect();
        let ratios: Vec<f64> = pairs.iter().map(|pair| pair.with / pair.without).collect();
        let control: Vec<f64> = pairs.iter().map(|pair| pair.again / pair.without).collect();
        let groups =
            |values: &[f64]| interval(&values.chunks(GROUP).map(<[f64]>::to_vec).collect::<Vec<_>>());
        let summary = Summary::of(&ratios)?;
        figures.extend([
            Figure::spread(format!("{name}: without"), Summary::of(&without)?, gigabytes),
            Figure::spread(
                format!("{name}: without again / without (control)"),
                Summary::of(&control)?,
                ratio,
            )
            .interval(groups(&control), ratio),
            Figure::spread(format!("**{name}: with / without**"), summary, ratio)
                .interval(groups(&ratios), ratio)
                .goal("≥ 0.99", summary.median >= GOAL),
        ]);
    }
    let exchanges = monitor.count();
    monitor.finish()?;
    figures.extend(beside_daemon(&link, port)?);
    let method = format!(
        "Random bytes through TCP on loopback, in transfers of {} MiB, each on a new connection, so that each has to be \
         recognised as not HTTP; with Rollcall attached, without, and without again, in turns of changing order. Then \
         1 GiB each way on one connection beside the daemon.",
        CHUNK >> 20
    );
    let notes = vec![format!("Exchanges found in the random bytes: {exchanges}.")];
    Ok(Section { tables: Vec::new(), title: "Bulk traffic that is not HTTP", method, figures, notes })
}

/// Bytes a second.
struct Pair {
    with: f64,
    without: f64,
    again: f64,
}

fn pairs(link: &Link, monitor: &mut Monitor, way: Way, time: Duration) -> Result<Vec<Pair>> {
    let (mut pairs, mut random) = (Vec::new(), Random::default());
    let mut order = [0, 1, 2];
    let end = Instant::now() + time;
    while Instant::now() < end || pairs.len() * CHUNK < LEAST {
        random.shuffle(&mut order);
        let mut speeds = [0.0; 3];
        for arm in order {
            if arm == 0 {
                monitor.attach()?
            } else {
                monitor.detach()
            }
            interrupt::sleep(SETTLE)?;
            speeds[arm] = link.transfer(way, CHUNK)?;
        }
        let [with, without, again] = speeds;
        pairs.push(Pair { with, without, again });
    }
    monitor.detach();
    Ok(pairs)
}

fn beside_daemon(link: &Link, port: u16) -> Result<Vec<Figure>> {
    let daemon = Daemon::by_default(&[port])?;
    let before = process::cpu(daemon.pid())?;
    for way in [Way::ToServer, Way::ToClient] {
        link.transfer(way, LEAST)?;
    }
    let cpu = process::cpu(daemon.pid())? - before;
    let memory = process::memory(daemon.pid())?;
    let metrics = daemon.metrics()?;
    let ring_full = metrics.sum(metrics::OUTCOMES, &[(metrics::OUTCOME, "ring_full")]);
    daemon.stop_now(metrics)?;
    Ok(vec![
        Figure::exact("**daemon's most memory**", mebibytes(memory.most))
            .goal("≤ 50 MiB", memory.most <= MEMORY),
        Figure::exact("daemon's CPU time for 2 GiB", format!("{:.1} ms", cpu.as_secs_f64() * 1e3)),
        Figure::exact("packets lost to a full ring", ring_full),
    ])
}

impl Link {
    fn new(port: u16) -> Result<Link> {
        let listener = TcpListener::bind((LOOPBACK, port)).context("listen")?;
        let mut random = Random::default();
        let mut bytes: Vec<u8> = (0..PIECE / 8).flat_map(|_| random.bits().to_ne_bytes()).collect();
        // No method begins with this, whatever chance has put there.
        bytes[0] = 0;
        Ok(Link { listener, bytes })
    }

    /// Bytes a second from the connection to the last byte's arrival.
    fn transfer(&self, way: Way, length: usize) -> Result<f64> {
        let start = Instant::now();
        thread::scope(|scope| {
            let server = scope.spawn(|| -> Result<()> {
                let (stream, _) = self.listener.accept().context("accept")?;
                self.end(stream, way == Way::ToClient, length)
            });
            let client = TcpStream::connect(self.listener.local_addr()?).context("connect")?;
            self.end(client, way == Way::ToServer, length)?;
            server.join().map_err(|_| anyhow!("the server's end panicked"))?
        })?;
        Ok(length as f64 / start.elapsed().as_secs_f64())
    }

    /// One end's part. The client speaks first, as in nearly every protocol.
    fn end(&self, mut stream: TcpStream, sends: bool, length: usize) -> Result<()> {
        const HELLO: usize = 64;
        let mut buffer = vec![0; PIECE];
        let local = stream.local_addr()?;
        let serves = local == self.listener.local_addr()?;
        if serves {
            stream.read_exact(&mut buffer[..HELLO]).context("read")?;
        } else {
            stream.write_all(&self.bytes[..HELLO]).context("write")?;
        }
        let mut left = length;
        while left > 0 {
            let piece = left.min(PIECE);
            left -= if sends {
                stream.write_all(&self.bytes[..piece]).context("write")?;
                piece
            } else {
                let count = stream.read(&mut buffer[..piece]).context("read")?;
                if count == 0 {
                    return Err(anyhow!("the connection ended {left} bytes too early"));
                }
                count
            };
        }
        Ok(())
    }
}

fn gigabytes(speed: f64) -> String {
    format!("{:.2} GB/s", speed / 1e9)
}
