//! What the daemon takes of a sleeping host.

use std::time::{Duration, Instant};

use anyhow::Result;
use rollcall_tests::{Daemon, port, process};

use crate::{
    interrupt,
    report::{Figure, Section, mebibytes, percent},
    summary::Summary,
};

const GOAL: f64 = 0.002;
/// Values that the time is cut into.
const SLICES: u32 = 10;
/// After its start the daemon goes to sleep.
const SETTLE: Duration = Duration::from_secs(2);

pub(crate) fn measure(time: Duration) -> Result<Section> {
    // A port that nobody serves: other traffic on this host is not what is measured.
    let daemon = Daemon::by_default(&[port::free()?])?;
    interrupt::sleep(SETTLE)?;
    let (begin, first) = (Instant::now(), process::cpu(daemon.pid())?);
    let mut shares = Vec::new();
    let (mut start, mut before) = (begin, first);
    for _ in 0..SLICES {
        interrupt::sleep(time / SLICES)?;
        let (end, after) = (Instant::now(), process::cpu(daemon.pid())?);
        shares.push((after - before).as_secs_f64() / (end - start).as_secs_f64());
        (start, before) = (end, after);
    }
    let share = (before - first).as_secs_f64() / (start - begin).as_secs_f64();
    let memory = process::memory(daemon.pid())?;
    let metrics = daemon.metrics()?;
    daemon.stop_now(metrics)?;
    Ok(Section {
        tables: Vec::new(),
        title: "Idle",
        method: format!(
            "The daemon with its default flags and no traffic, for {} s: its CPU time over the time that passes.",
            time.as_secs()
        ),
        figures: vec![
            Figure::exact("**share of a core, whole time**", percent(share)).goal("≤ 0.2 %", share <= GOAL),
            Figure::spread("share of a core, slices", Summary::of(&shares)?, percent),
            Figure::exact("memory", mebibytes(memory.now)),
        ],
        notes: Vec::new(),
    })
}
