//! Recorded traffic on its way through an engine: the recorded time is the time.

use std::time::Duration;

use rollcall_engine::{Engine, Output};
use rollcall_model::time::Timestamp;
use rollcall_stream::Segment;

use super::access_log::Call;

/// An engine, and how far the recorded time has come.
pub struct Replay<O> {
    ports: Vec<u16>,
    engine: Engine<O>,
    settled: Timestamp,
}

/// Recorded time between two calls of [`Engine::settle`]: as in live capture.
const CYCLE: Duration = Duration::from_millis(10);

impl<O: Output> Replay<O> {
    /// A replay through `engine` of the traffic of `ports`, or of all.
    pub fn new(ports: Vec<u16>, engine: Engine<O>) -> Replay<O> {
        Replay { ports, engine, settled: Timestamp::default() }
    }

    /// Evaluates one segment.
    pub fn segment(&mut self, segment: &Segment<'_>) {
        if segment.endpoints.is_some_and(|ends| !self.is_watched(ends.server.port())) {
            return;
        }
        self.settle(segment.at);
        self.engine.segment(segment);
        // Nobody to advise: the capture is over.
        self.engine.directives().for_each(drop);
    }

    /// Evaluates one call of an access log.
    pub fn call(&mut self, call: &Call) {
        // Most logs do not tell the port.
        let port = call.endpoints.server.port();
        if port != 0 && !self.is_watched(port) {
            return;
        }
        self.settle(call.at);
        self.engine.exchange(&call.exchange(), &call.keys);
    }

    /// The engine.
    pub fn engine(&mut self) -> &mut Engine<O> {
        &mut self.engine
    }

    /// Evaluates what is still open.
    pub fn finish(&mut self) {
        self.engine.finish(self.settled);
    }

    /// Gives back where the engine wrote to.
    pub fn into_output(self) -> O {
        self.engine.into_output()
    }

    fn is_watched(&self, port: u16) -> bool {
        self.ports.is_empty() || self.ports.contains(&port)
    }

    fn settle(&mut self, now: Timestamp) {
        if now >= self.settled + CYCLE {
            self.settled = now;
            self.engine.settle(now);
        }
    }
}
