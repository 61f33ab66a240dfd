//! What 100,000 idle connections cost: the daemon's memory, and the throughput of a busy server beside them.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Result, bail, ensure};
use rollcall_tests::{
    Daemon, Nginx,
    nginx::{API, Log, Server, Setup},
    process::{self, Memory},
    status::Status,
};

use crate::{
    LOOPBACK,
    completeness::{EXCHANGES, settled},
    hold::{self, Holders},
    monitor::Monitor,
    report::{Figure, Section, mebibytes, rate, ratio},
    stage::{Network, Stage},
    windows::{self, Arm, Rates, Ratio},
};

const COUNT: usize = 100_000;
/// From one client process and address, and to one worker on average: fewer than half of the ephemeral ports, of
/// which `bind` hands out one parity first.
const EACH: usize = 12_500;
/// Files that a process needs besides; and workers get uneven shares.
const SPARE: usize = 1_500;
const MEMORY: u64 = 50 << 20;

pub(crate) fn measure(time: Duration) -> Result<Section> {
    let files = hold::raise_file_limit()?;
    ensure!(files > 2 * SPARE, "a process may have only {files} files open");
    let each = EACH.min(files - SPARE);
    let mut stage = Stage::new(Network::of_its_own()?)?;
    let idle_server = Nginx::with_setup(&Setup {
        address: LOOPBACK,
        workers: COUNT.div_ceil(each),
        connections: each + SPARE,
        servers: vec![Server { locations: API.to_owned(), log: Log::Off }],
    })?;
    let ports = [stage.plain().port(), idle_server.port()];
    let mut monitors = [Monitor::whole(&ports)?];

    let alone = windows(&mut stage, &mut monitors, time)?;
    monitors[0].attach()?;
    let (mut holders, daemon) = open(&idle_server, each, &ports)?;
    let beside = windows(&mut stage, &mut monitors, time)?;
    holders.check()?;
    let standing = Status::connect(idle_server.status())?.connections()?;

    let quotient = quotient(&beside.ratio(ROLLCALL, NONE)?, &alone.ratio(ROLLCALL, NONE)?);
    let over_nothing = |name: &str, rates: &Rates, arm| -> Result<Figure> {
        let Ratio { summary, interval } = rates.ratio(arm, NONE)?;
        Ok(Figure::spread(name, summary, ratio).interval(interval, ratio))
    };
    let figures = vec![
        Figure::exact("connections that stand at the end", standing)
            .goal("100,000", standing >= COUNT as u64),
        Figure::exact("connections that the daemon follows", daemon.followed),
        Figure::exact("exchanges that the daemon reported of them", daemon.exchanges)
            .goal("100,000", daemon.exchanges == COUNT as f64),
        Figure::exact("daemon's memory before", mebibytes(daemon.before.now)),
        Figure::exact("**daemon's memory with all of them**", mebibytes(daemon.after.now))
            .goal("≤ 50 MiB", daemon.after.most <= MEMORY),
        Figure::exact("daemon's most memory", mebibytes(daemon.after.most)),
        Figure::spread("requests/s without them, nothing attached", alone.of(NONE)?, rate),
        Figure::spread("requests/s beside them, nothing attached", beside.of(NONE)?, rate),
        over_nothing("without them: nothing again / nothing (control)", &alone, CONTROL)?,
        over_nothing("without them: Rollcall / nothing", &alone, ROLLCALL)?,
        over_nothing("beside them: nothing again / nothing (control)", &beside, CONTROL)?,
        over_nothing("beside them: Rollcall / nothing", &beside, ROLLCALL)?,
        Figure::exact("**Rollcall's ratio beside them over that without them**", ratio(quotient.0))
            .interval(quotient.1, ratio)
            .goal("≥ 0.99", quotient.0 >= 0.99),
    ];
    let [monitor] = &monitors;
    let notes = vec![
        format!("Packets lost to a full ring: {}; alerts: {}.", monitor.ring_full(), monitor.alerts()),
        "The interval of the last figure is that of its parts at their worst, wider than 95 %.".to_owned(),
    ];
    let method = format!(
        "In a network namespace, {COUNT} keep-alive connections from {} client processes, each with an address of its own, stand idle \
         after one request each. While they open, both a daemon and the Rollcall that takes part in the windows watch; \
         the daemon's memory is read, and it is stopped. Throughput of another nginx is measured as above, before \
         they open and while they stand.",
        COUNT.div_ceil(each)
    );
    Ok(Section { tables: Vec::new(), title: "100,000 idle connections", method, figures, notes })
}

const NONE: usize = 0;
const CONTROL: usize = 1;
const ROLLCALL: usize = 2;

fn windows(stage: &mut Stage, monitors: &mut [Monitor], time: Duration) -> Result<Rates> {
    let server = stage.plain();
    let arms = [None, None, Some(0)].map(|monitor| Arm { server, monitor });
    windows::run(&stage.network, &mut stage.status, monitors, &arms, time)
}

/// What the daemon has to say of the idle connections.
struct Seen {
    before: Memory,
    after: Memory,
    followed: f64,
    exchanges: f64,
}

/// Opens the connections before the eyes of a daemon.
fn open(server: &Nginx, each: usize, ports: &[u16]) -> Result<(Holders, Seen)> {
    let SocketAddr::V4(address) = server.address() else { bail!("the server has no IPv4 address") };
    let daemon = Daemon::by_default(ports)?;
    let before = process::memory(daemon.pid())?;
    let holders = Holders::open(address, COUNT, each)?;
    let metrics = settled(&daemon)?;
    let after = process::memory(daemon.pid())?;
    let (followed, exchanges) = (metrics.sum("rollcall_http_connections", &[]), metrics.sum(EXCHANGES, &[]));
    daemon.stop_now(metrics)?;
    Ok((holders, Seen { before, after, followed, exchanges }))
}

/// One ratio over another of another time, with its ends at their worst.
fn quotient(value: &Ratio, over: &Ratio) -> (f64, (f64, f64)) {
    let ((low, high), (over_low, over_high)) = (value.interval, over.interval);
    (value.summary.median / over.summary.median, (low / over_high, high / over_low))
}
