//! From segments to logs: the engine with its outputs, as `run` and `replay` both drive it.

use std::path::Path;

use rollcall::{
    output::{AlertLog, Error, ExchangeLog, LineFile, Queue, Sink, Stats, metrics::Metrics},
    stream::Segment,
};

use super::options::EngineArgs;

/// Exchanges that may wait for a disk: at 100,000 exchanges of 400 bytes a second, 1.6 seconds.
const EXCHANGE_QUEUE: u64 = 64 << 20;

/// Alerts that may wait: some ten thousand.
const ALERT_QUEUE: u64 = 4 << 20;

/// Whether the engine's thread may wait for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    /// Capture must go on: a thread of its own writes, from a bounded queue.
    Queued,
    /// Replay has time.
    Direct,
}

/// The logs that the command line asks for.
pub(crate) struct Outputs {
    pub alerts: AlertLog,
    pub exchanges: Option<ExchangeLog>,
}

impl Outputs {
    /// Opens the logs. Their metrics go to `metrics`.
    pub(crate) fn open(
        args: &EngineArgs,
        writing: Writing,
        metrics: Option<&Metrics>,
    ) -> Result<Outputs, Error> {
        let sink = |path: &Path, label: &'static str, limit| -> Result<Box<dyn Sink>, Error> {
            let file = LineFile::open(path)?;
            if let Some(metrics) = metrics {
                let stats = file.stats();
                metrics.add(move |samples| Stats::collect(&stats, label, samples));
            }
            Ok(match writing {
                Writing::Queued => Box::new(Queue::new(file, limit)?),
                Writing::Direct => Box::new(file),
            })
        };
        let alerts = AlertLog::new(sink(&args.alert_file, "alerts", ALERT_QUEUE)?);
        let exchanges = match &args.exchange_log {
            Some(path) => Some(ExchangeLog::new(sink(path, "exchanges", EXCHANGE_QUEUE)?)),
            None => None,
        };
        Ok(Outputs { alerts, exchanges })
    }

    /// Writes everything; the errors of those that lost lines.
    fn finish(self) -> Vec<Error> {
        let Outputs { alerts, exchanges } = self;
        let exchanges = exchanges.map(ExchangeLog::finish);
        [Some(alerts.finish()), exchanges].into_iter().flatten().filter_map(Result::err).collect()
    }
}

/// The engine with its outputs.
pub(crate) struct Pipeline {
    ports: Vec<u16>,
    outputs: Outputs,
    counts: Counts,
}

/// What came out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub exchanges: u64,
    pub alerts: u64,
}

impl Pipeline {
    /// An engine set up as the command line says.
    pub(crate) fn new(args: &EngineArgs, outputs: Outputs) -> Pipeline {
        Pipeline { ports: args.ports.clone(), outputs, counts: Counts::default() }
    }

    /// Evaluates one segment.
    pub(crate) fn segment(&mut self, segment: &Segment<'_>) {
        let watched = |port| self.ports.is_empty() || self.ports.contains(&port);
        if segment.endpoints.is_none_or(|ends| watched(ends.server.port())) {
            // GLUE: hand the segment to the engine; its exchanges go to `self.outputs.exchanges`, its alerts to
            // `self.outputs.alerts`, and `self.counts` counts both.
        }
    }

    /// Lets lines go that have waited for more to come. To be called whenever the capture loop comes round.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the capture loop"))]
    pub(crate) fn tick(&mut self) {
        if let Some(exchanges) = &mut self.outputs.exchanges {
            exchanges.tick();
        }
    }

    /// Evaluates what is still open, writes everything, and returns the errors of logs that lost lines.
    pub(crate) fn finish(self) -> (Counts, Vec<Error>) {
        // GLUE: the engine's own `finish` comes first: requests without response, windows still open.
        (self.counts, self.outputs.finish())
    }
}
