//! Throughput in short windows, arm against arm within one run.
//!
//! A machine's speed drifts by far more than what is to be found out; start-and-stop pairs differ by ±15 %. So all
//! arms take turns of a fraction of a second, in a new order each round, and only values of the same round are
//! compared. Which connections go to which worker is chance; wrk is started anew now and then to draw it again.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use rollcall_tests::{random::Random, status::Status};

use crate::{
    interrupt,
    monitor::Monitor,
    stage::Network,
    summary::{Summary, interval},
    wrk::Wrk,
};

/// A window: 15,000 requests at 100,000/s, so that the ±64 in flight at its ends are 0.4 %.
pub(crate) const WINDOW: Duration = Duration::from_millis(150);
/// After a change, before a window: the queues of the arm before are empty, and the caches know this one.
const SETTLE: Duration = Duration::from_millis(30);
/// Rounds with the same connections.
const EPOCH: Duration = Duration::from_secs(5);
/// A new wrk's first moments: connecting.
const START: Duration = Duration::from_millis(300);

/// One of the things that are compared.
pub(crate) struct Arm {
    /// The server that is asked.
    pub server: SocketAddr,
    /// Which monitor is attached meanwhile.
    pub monitor: Option<usize>,
}

/// Requests a second, by epoch, round and arm.
pub(crate) struct Rates(Vec<Vec<Vec<f64>>>);

/// Lets `arms` take turns for `time`.
pub(crate) fn run(
    network: &Network,
    status: &mut Status,
    monitors: &mut [Monitor],
    arms: &[Arm],
    time: Duration,
) -> Result<Rates> {
    let mut random = Random::default();
    let mut order: Vec<usize> = (0..arms.len()).collect();
    let end = Instant::now() + time;
    let mut epochs = Vec::new();
    while Instant::now() < end {
        let loads = Loads::start(network, arms)?;
        let epoch_end = (Instant::now() + EPOCH).min(end);
        let mut epoch = Vec::new();
        while Instant::now() < epoch_end {
            random.shuffle(&mut order);
            let mut round = vec![0.0; arms.len()];
            for &index in &order {
                let arm = &arms[index];
                monitors.iter_mut().enumerate().try_for_each(|(number, monitor)| {
                    if arm.monitor == Some(number) {
                        return monitor.attach();
                    }
                    monitor.detach();
                    Ok(())
                })?;
                loads.only(arm.server)?;
                interrupt::sleep(SETTLE)?;
                round[index] = rate(status, WINDOW)?;
            }
            epoch.push(round);
        }
        epochs.push(epoch);
    }
    monitors.iter_mut().for_each(Monitor::detach);
    Ok(Rates(epochs))
}

/// Requests a second from now on for `time`.
pub(crate) fn rate(status: &mut Status, time: Duration) -> Result<f64> {
    let (before, start) = status.requests()?;
    interrupt::sleep(time)?;
    let (after, end) = status.requests()?;
    ensure!(after > before, "nothing was served for {time:?}");
    Ok((after - before) as f64 / (end - start).as_secs_f64())
}

/// A wrk for each server, of which at most one is not paused.
struct Loads(Vec<(SocketAddr, Wrk)>);

impl Loads {
    fn start(network: &Network, arms: &[Arm]) -> Result<Loads> {
        let mut servers: Vec<_> = arms.iter().map(|arm| arm.server).collect();
        servers.sort_unstable();
        servers.dedup();
        let loads = network.among_clients(|| {
            servers.into_iter().map(|server| Ok((server, Wrk::start(server, 20 * EPOCH)?))).collect()
        })?;
        interrupt::sleep(START)?;
        Ok(Loads(loads))
    }

    fn only(&self, server: SocketAddr) -> Result<()> {
        // Pauses first, so that no moment has two.
        self.0.iter().filter(|(other, _)| *other != server).try_for_each(|(_, wrk)| wrk.pause())?;
        self.0.iter().filter(|(own, _)| *own == server).try_for_each(|(_, wrk)| wrk.resume())
    }
}

/// One arm over another, round by round.
pub(crate) struct Ratio {
    pub summary: Summary,
    /// 95 %, of the median.
    pub interval: (f64, f64),
}

impl Rates {
    /// Of one arm.
    pub(crate) fn of(&self, arm: usize) -> Result<Summary> {
        Summary::of(&self.0.iter().flatten().map(|round| round[arm]).collect::<Vec<_>>())
    }

    /// One arm over another.
    pub(crate) fn ratio(&self, arm: usize, over: usize) -> Result<Ratio> {
        let groups: Vec<Vec<f64>> =
            self.0.iter().map(|epoch| epoch.iter().map(|round| round[arm] / round[over]).collect()).collect();
        Ok(Ratio { summary: Summary::of(&groups.concat())?, interval: interval(&groups) })
    }

    /// How many rounds there were.
    pub(crate) fn rounds(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}
