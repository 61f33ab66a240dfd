//! The programs' counters under mixed load: whether they add up to the runs that the kernel itself counts, at any time.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rollcall_capture::Measuring;
use rollcall_tests::{
    Namespace, Nginx, deadline,
    nginx::{API, Log, Server, Setup},
    random::Random,
    veth,
};

use crate::{
    LOOPBACK, interrupt,
    monitor::Monitor,
    report::{Figure, Section},
    wrk::{CONNECTIONS, Wrk},
};

/// Small enough to be full now and then.
const RING: u32 = 64 << 10;
/// Between two readings.
const READING: Duration = Duration::from_millis(100);
/// An odd connection is left alone after so long without an answer.
const PATIENCE: Duration = Duration::from_millis(20);

/// What odd clients send: other protocols, and requests that are hard to tell from them.
const ODD: [&[u8]; 10] = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x17\x03\x03\x00\x20 application data, as it were ",
    b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\0\0\0\0\0\0\0\0",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
    b"\r\n\r\n\tGET\t/\tHTTP/1.1\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.9\r\n",
    b"",
];

pub(crate) fn measure(time: Duration) -> Result<Section> {
    let (servers, clients) = (Namespace::new()?, Namespace::new()?);
    let (address, _) = veth::join(&servers, &clients)?;
    let nginx = |address| {
        let server = Server { locations: API.to_owned(), log: Log::Off };
        Nginx::with_setup(&Setup {
            address,
            workers: 2,
            connections: 16 * CONNECTIONS,
            servers: vec![server],
        })
    };
    let near = nginx(LOOPBACK)?;
    let far = servers.enter(|| nginx(address))?;
    let _measuring = Measuring::start()?;
    let mut monitor = Monitor::with_ring(&[near.port(), far.port()], RING)?;
    monitor.attach()?;
    let before = interrupts()?;
    let (ended, odd) = (AtomicBool::new(false), AtomicU64::new(0));
    let readings = thread::scope(|scope| -> Result<Readings> {
        let end = |result: Result<Readings>| {
            ended.store(true, Ordering::Relaxed);
            result
        };
        scope.spawn(|| disturb(near.address(), 1, &odd, &ended));
        scope.spawn(|| clients.enter(|| disturb(far.address(), 2, &odd, &ended)));
        let loads = Wrk::start(near.address(), time + Duration::from_secs(60)).and_then(|near| {
            Ok([near, clients.enter(|| Wrk::start(far.address(), time + Duration::from_secs(60)))?])
        });
        end(loads.and_then(|loads| {
            let readings = read(&mut monitor, time);
            drop(loads);
            readings
        }))
    })?;
    let during = interrupts()?;
    monitor.detach();
    // A packet may still be on its way through a program that is being detached.
    let mut difference = 0;
    let agreed = deadline::until("the outcomes to add up to the programs' runs", || {
        difference = runs(&mut monitor)?.abs_diff(monitor.seen());
        Ok((difference == 0).then_some(()))
    });
    let cpus: Vec<String> =
        during.iter().zip(&before).map(|(during, before)| (during - before).to_string()).collect();
    let Readings { taken, torn, worst, stale } = readings;
    let figures = vec![
        Figure::exact("packets seen", monitor.seen()),
        Figure::exact("lost to the full ring", monitor.ring_full()),
        Figure::exact("odd connections", odd.load(Ordering::Relaxed)),
        Figure::exact("network interrupts, by CPU", cpus.join(", ")),
        Figure::exact("readings", taken),
        Figure::exact("readings amid a count", torn),
        Figure::exact("packets that a reading was off by, at most", worst),
        Figure::exact("**readings that stood still, or went back**", stale).goal("0", stale == 0),
        Figure::exact("**packets seen − runs of the programs, at the end**", difference)
            .goal("0", agreed.is_ok()),
    ];
    monitor.finish()?;
    let method = format!(
        "wrk at full speed on loopback and over a veth pair, each beside a client of odd connections (TLS, other protocols, odd \
         bytes, datagrams), for {} s, with all of Rollcall behind a ring of 64 KiB. Every {} ms the outcomes are read between \
         two readings of the runs that the kernel counts by itself; a reading is off by as many packets as it lies outside of \
         these.",
        time.as_secs(),
        READING.as_millis()
    );
    let notes = vec![format!("`cargo xtask bench counters --seconds {}`", time.as_secs())];
    Ok(Section { tables: Vec::new(), title: "Counters under mixed load", method, figures, notes })
}

/// What the readings amid the traffic have shown.
#[derive(Default)]
struct Readings {
    taken: u64,
    /// Off by some packets.
    torn: u64,
    /// The most packets that one was off by.
    worst: u64,
    /// Told nothing new, or less than the one before, in spite of traffic.
    stale: u64,
}

fn read(monitor: &mut Monitor, time: Duration) -> Result<Readings> {
    let mut readings = Readings::default();
    let mut last = monitor.seen();
    let end = Instant::now() + time;
    while Instant::now() < end {
        interrupt::sleep(READING)?;
        let before = runs(monitor)?;
        let seen = monitor.seen();
        let after = runs(monitor)?;
        let off = before.saturating_sub(seen).max(seen.saturating_sub(after));
        readings.taken += 1;
        readings.torn += u64::from(off > 0);
        readings.worst = readings.worst.max(off);
        readings.stale += u64::from(seen <= last);
        last = seen;
    }
    Ok(readings)
}

fn runs(monitor: &mut Monitor) -> Result<u64> {
    Ok(monitor.runs()?.iter().map(|runs| runs.count).sum())
}

/// Opens one odd connection after the other.
fn disturb(server: SocketAddr, seed: u64, count: &AtomicU64, ended: &AtomicBool) -> Result<()> {
    let mut random = Random::seeded(seed);
    let datagrams = UdpSocket::bind((LOOPBACK, 0))?;
    while !ended.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(server)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        for piece in ODD[random.below(ODD.len())].chunks(random.between(1, 40) as usize) {
            // The server may have had enough of it.
            let _ = stream.write_all(piece);
        }
        let _ = stream.read(&mut [0; 4096]);
        let _ = datagrams.send_to(b"datagram", (LOOPBACK, 9));
        count.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Packets taken in by interrupts, by CPU.
fn interrupts() -> Result<Vec<u64>> {
    let text = fs::read_to_string("/proc/softirqs").context("read /proc/softirqs")?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("NET_RX:"));
    let counts: Vec<u64> =
        line.unwrap_or_default().split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    ensure!(!counts.is_empty(), "no NET_RX in /proc/softirqs");
    Ok(counts)
}
