//! How much of a server's throughput is left with Rollcall, compared with what nginx's own buffered access log leaves.

use std::time::Duration;

use anyhow::Result;
use rollcall_tests::machine::Cores;

use crate::{
    monitor::Monitor,
    report::{Figure, Section, rate, ratio},
    stage::{Network, Stage},
    windows::{self, Arm, Ratio, WINDOW},
};

const NONE: usize = 0;
const CONTROL: usize = 1;
const LOG: usize = 2;
const PROGRAMS: usize = 3;
const ROLLCALL: usize = 4;

/// Where each packet passes both hooks of the same host.
pub(crate) fn on_loopback(time: Duration) -> Result<Section> {
    let note = "On loopback every packet passes both hooks on this one host: twice the work of a network.";
    measure("Throughput on loopback", Network::loopback(), note, time)
}

/// With a wire, as it were, between client and server.
pub(crate) fn over_one_hop(time: Duration) -> Result<Section> {
    let note = "Client and server are in two network namespaces joined by a veth pair: one hop. Each end has its own \
                hooks, as two hosts would; but both ends are this host's, so the client's end costs too, where on a \
                real network it would be another host's.";
    measure("Throughput over one hop", Network::with_one_hop()?, note, time)
}

fn measure(title: &'static str, network: Network, note: &str, time: Duration) -> Result<Section> {
    let mut stage = Stage::new(network)?;
    let (plain, logging) = (stage.plain(), stage.logging());
    let mut monitors = [Monitor::programs_only(&[plain.port()])?, Monitor::whole(&[plain.port()])?];
    let arm = |server, monitor| Arm { server, monitor };
    let arms =
        [arm(plain, None), arm(plain, None), arm(logging, None), arm(plain, Some(0)), arm(plain, Some(1))];
    let cores = Cores::read()?;
    let rates = windows::run(&stage.network, &mut stage.status, &mut monitors, &arms, time)?;
    let idle = cores.idle_since()?;
    let [programs, whole] = &monitors;
    let notes = vec![
        note.to_owned(),
        format!(
            "{} rounds. The cores were idle for {:.1} % of the run, pauses between windows included.",
            rates.rounds(),
            idle * 100.0
        ),
        format!(
            "Rollcall reported {} exchanges and {} alerts; packets lost to a full ring: {}.",
            whole.count(),
            whole.alerts(),
            whole.ring_full() + programs.ring_full()
        ),
    ];
    let figure = |name: &str, arm| -> Result<Figure> {
        let Ratio { summary, interval } = rates.ratio(arm, NONE)?;
        Ok(Figure::spread(name, summary, ratio).interval(interval, ratio))
    };
    let log = rates.ratio(LOG, NONE)?.summary.median;
    let rollcall = rates.ratio(ROLLCALL, NONE)?.summary.median;
    let against_log = rates.ratio(ROLLCALL, LOG)?;
    let figures = vec![
        Figure::spread("requests/s, nothing", rates.of(NONE)?, rate),
        figure("nothing again / nothing (control)", CONTROL)?,
        figure("nginx's buffered access log / nothing", LOG)?,
        figure("Rollcall's programs, records thrown away / nothing", PROGRAMS)?,
        figure("**Rollcall, all of it / nothing**", ROLLCALL)?
            .goal(format!("≥ the log's {}", ratio(log)), rollcall >= log),
        Figure::spread("Rollcall / the access log, round by round", against_log.summary, ratio)
            .interval(against_log.interval, ratio)
            .judged("≥ 1", verdict(&against_log)),
    ];
    Ok(Section { title, method: method(), figures, tables: Vec::new(), notes })
}

fn method() -> String {
    format!(
        "One nginx with two workers answers 525-byte requests of wrk (one thread, 64 keep-alive connections, full \
         speed), which fills the cores. Windows of {} ms take turns in a new order each round: nothing, nothing again, \
         the same server with `access_log … buffer=64k`, Rollcall's programs with a consumer that throws records away, and \
         the whole of Rollcall (programs, streams, parser, detection, in a process of its own thread). Requests are \
         counted by nginx. Ratios are taken within a round; wrk starts anew every few seconds.",
        WINDOW.as_millis()
    )
}

fn verdict(ratio: &Ratio) -> &'static str {
    match ratio.interval {
        (low, _) if low >= 1.0 => "met",
        (_, high) if high < 1.0 => "**not met**",
        _ if ratio.summary.median >= 1.0 => "met, within the noise",
        _ => "**not met**, within the noise",
    }
}
