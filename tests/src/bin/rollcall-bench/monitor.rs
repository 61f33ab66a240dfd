//! The whole of Rollcall in this process, its programs attached and detached at will.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use anyhow::{Context, Result, anyhow};
use monitor_ebpf::outcome::Outcome;
use rollcall_capture::{
    self as capture, Attachment, Consumer, DirectionStatistics, Error, Loaded, Options, Programs, Runs,
    Statistics, Stop,
};
use rollcall_detect::alert::Alert;
use rollcall_engine::{Engine, Output, Settings, detection::Attributed};
use rollcall_http::Exchange;
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_stream::{ConnectionId, Directive, Segment};

/// A capture that runs on a thread of its own until dropped. Attached only between [`Monitor::attach`] and
/// [`Monitor::detach`].
pub(crate) struct Monitor {
    /// Stands before the programs, which must outlive it.
    attachment: Option<Attachment>,
    programs: Programs,
    statistics: Arc<Statistics>,
    progress: Arc<Progress>,
    stop: Stop,
    capture: Option<JoinHandle<Result<(), Error>>>,
}

/// What has come out at the other end.
#[derive(Default)]
pub(crate) struct Progress {
    /// Exchanges; segments where there is no engine.
    pub count: AtomicU64,
    pub alerts: AtomicU64,
}

impl Monitor {
    /// As the daemon runs by default: the whole engine behind the capture. Watches `ports`.
    pub(crate) fn whole(ports: &[u16]) -> Result<Monitor> {
        Monitor::with_ring(ports, Options::default().ring_size)
    }

    /// The same with a ring of so many bytes.
    pub(crate) fn with_ring(ports: &[u16], ring_size: u32) -> Result<Monitor> {
        Monitor::with(Options { ports: ports.to_vec(), ring_size, ..Options::default() }, Whole::new)
    }

    /// The programs alone: what they capture is taken and thrown away.
    pub(crate) fn programs_only(ports: &[u16]) -> Result<Monitor> {
        Monitor::with(Options { ports: ports.to_vec(), ..Options::default() }, Counting)
    }

    fn with<C: Consumer + Send + 'static>(
        options: Options,
        consumer: impl FnOnce(Arc<Progress>) -> C,
    ) -> Result<Monitor> {
        let Loaded { programs, mut capture, .. } = capture::load(&options).context("load the programs")?;
        let (statistics, stop) = (capture.statistics(), Stop::new()?);
        let progress = Arc::<Progress>::default();
        let mut consumer = consumer(Arc::clone(&progress));
        let thread = {
            let stop = stop.clone();
            std::thread::Builder::new()
                .name("capture".to_owned())
                .spawn(move || {
                    capture::go_ahead();
                    capture.run(&mut consumer, &stop)
                })
                .context("start the capture thread")?
        };
        Ok(Monitor { attachment: None, programs, statistics, progress, stop, capture: Some(thread) })
    }

    /// Attaches the programs if they aren't.
    pub(crate) fn attach(&mut self) -> Result<()> {
        if self.attachment.is_none() {
            self.attachment = Some(self.programs.attach().context("attach the programs")?);
        }
        Ok(())
    }

    /// Detaches the programs. Connections keep their state in the kernel.
    pub(crate) fn detach(&mut self) {
        self.attachment = None;
    }

    /// What the kernel has counted of the programs' runs.
    pub(crate) fn runs(&mut self) -> Result<[Runs; 2]> {
        self.programs.runs().context("read the programs' runs")
    }

    /// What has come out so far: exchanges, or segments where there is no engine.
    pub(crate) fn count(&self) -> u64 {
        self.progress.count.load(Ordering::Relaxed)
    }

    /// Alerts so far.
    pub(crate) fn alerts(&self) -> u64 {
        self.progress.alerts.load(Ordering::Relaxed)
    }

    /// Packets lost to a full ring so far.
    pub(crate) fn ring_full(&self) -> u64 {
        self.statistics.read().iter().map(|direction| direction.count(Outcome::RingFull)).sum()
    }

    /// Packets that the programs have seen so far.
    pub(crate) fn seen(&self) -> u64 {
        self.statistics.read().iter().map(DirectionStatistics::seen).sum()
    }

    /// Detaches and ends the thread.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.detach();
        self.stop.stop();
        match self.capture.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(anyhow!("the capture thread panicked")),
            Some(Ok(result)) => result.context("capture"),
            None => Ok(()),
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// The engine set up as `rollcall run` does without flags, its alerts counted instead of written.
struct Whole {
    engine: Engine<Alerts>,
    progress: Arc<Progress>,
}

struct Alerts(Arc<Progress>);

impl Whole {
    fn new(progress: Arc<Progress>) -> Whole {
        let output = Alerts(Arc::clone(&progress));
        Whole { engine: Engine::new(Settings::default(), HashKey::new([7; 16]), output), progress }
    }
}

impl Output for Alerts {
    fn exchange(&mut self, _: &Exchange<'_>, _: &Attributed<'_>) {}

    fn alert(&mut self, _: &Alert) {
        self.0.alerts.fetch_add(1, Ordering::Relaxed);
    }
}

impl Consumer for Whole {
    fn segment(&mut self, segment: &Segment<'_>) {
        self.engine.segment(segment);
    }

    fn settle(&mut self, now: Timestamp) {
        self.engine.settle(now);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.engine.next_deadline()
    }

    fn directives(&mut self) -> impl Iterator<Item = (ConnectionId, Directive)> {
        self.engine.directives()
    }

    fn captured(&mut self, _: u64, _: u64) {
        self.progress.count.store(self.engine.counters().http.exchanges, Ordering::Relaxed);
    }
}

/// Looks at nothing.
pub(crate) struct Counting(pub Arc<Progress>);

impl Consumer for Counting {
    fn segment(&mut self, segment: &Segment<'_>) {
        std::hint::black_box(segment);
        self.0.count.fetch_add(1, Ordering::Relaxed);
    }

    fn settle(&mut self, _: Timestamp) {}

    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }

    fn directives(&mut self) -> impl Iterator<Item = (ConnectionId, Directive)> {
        std::iter::empty()
    }

    fn captured(&mut self, _: u64, _: u64) {}
}
