//! A client that reads account after account, as the ledger's recorder sees it.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rollcall_attribute::{
    client::{self, ClientKey, Clients, Lenses},
    object::Objects,
};
use rollcall_detect::alert::{self, Alert};
use rollcall_engine::detection::Attributed;
use rollcall_http::Exchange;
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_replay::access_log::Call;
use rollcall_store::exposure::{ExposureSettings, ExposureStats, Recorder};
use rollcall_tests::random::Random;

/// Tables are keyed; with a fixed key, figures can be had again.
const KEY: [u8; 16] = [7; 16];

/// Its pace, that of the breach which this is made for: 37 million accounts in 41 days.
const PACE: Duration = Duration::from_micros(96_154);

const BEGIN: Timestamp = Timestamp(1_669_334_400_000_000_000);

/// Account numbers have 8 to 10 digits.
const ACCOUNTS: std::ops::Range<u64> = 10_000_000..10_000_000_000;

/// Touches between two looks at the queue.
const PIECE: u64 = 1_000;

/// Bytes of the queue beyond which it is waited for.
const QUEUED: u64 = 1 << 20;

/// An alert about another client.
const ALERT: &str = r#"{"v":1,"id":"4c5162c3863df409","state":"open","severity":"critical","rule":"distinct-objects",
    "at":"2022-11-25T00:00:03.000000Z","client":{"kind":"peer","id":"198.51.100.7"},"route":"GET /v1/customers/{id}",
    "window_s":10,"limit":20,"distinct":21,"distinct_error":0,"requests":21,"bytes":0,
    "first_seen":"2022-11-25T00:00:00.000000Z","last_seen":"2022-11-25T00:00:03.000000Z","addresses":["198.51.100.7"],
    "sample_objects":[],"signals":[],"clients":[{"kind":"peer","id":"192.0.2.1"}],"client_count":1,
    "opened_by":"distinct-objects","opened_at":"2022-11-25T00:00:03.000000Z","loss":0.0}"#;

/// The alert's id.
pub(super) const ID: &str = "4c5162c3863df409";

/// The client, and what writes down what it reads.
pub(super) struct Feed {
    recorder: Recorder,
    stats: Arc<ExposureStats>,
    random: Random,
    call: Call,
    clients: Clients,
    route: Arc<str>,
    objects: Objects,
    touches: u64,
}

impl Feed {
    /// A client whose reads go to `directory`. `seed` chooses the accounts.
    pub(super) fn start(directory: &Path, settings: ExposureSettings, seed: u64) -> Result<Feed> {
        let key = HashKey::new(KEY);
        // The breach is long past.
        let mut recorder =
            Recorder::open(directory, ExposureSettings { age: Duration::MAX, ..settings }, key, None)?;
        recorder.resume(&[], |_| true);
        let mut call = Call::new(BEGIN, "198.51.100.7".parse()?, b"GET", b"/v1/customers/1");
        call.header(b"Authorization", b"Bearer a-token-that-never-changes");
        (call.status, call.response_bytes) = (Some(200), 900);
        let clients = Lenses::new(client::Settings::default(), key).of(&call.exchange(), b"");
        let stats = recorder.stats();
        Ok(Feed {
            recorder,
            stats,
            random: Random::seeded(seed),
            call,
            clients,
            route: "GET /v1/customers/{id}".into(),
            objects: Objects::default(),
            touches: 0,
        })
    }

    /// Opens an alert on `route`, about the client or about another one.
    pub(super) fn open(&mut self, route: &str, about_it: bool) -> Result<()> {
        let mut alert: Alert = serde_json::from_str(ALERT)?;
        alert.route = route.into();
        if about_it {
            let show = |key: &ClientKey| alert::Client { kind: key.kind().into(), id: key.id() };
            alert.scope.clients = self.clients.keys().iter().map(show).collect();
        }
        self.recorder.alert(&alert);
        Ok(())
    }

    /// Reads `count` accounts, without waiting for the writer.
    pub(super) fn burst(&mut self, count: u64) {
        for _ in 0..count {
            let id = self.random.between(ACCOUNTS.start, ACCOUNTS.end);
            self.objects.clear();
            self.objects.push(&id.to_string());
            self.touch();
        }
        self.recorder.tick();
    }

    /// The time that the recorder takes for each of `all`.
    pub(super) fn time(&mut self, all: &[Objects]) -> f64 {
        let started = Instant::now();
        for objects in all {
            self.objects.clone_from(objects);
            self.touch();
        }
        let elapsed = started.elapsed();
        self.recorder.tick();
        elapsed.as_nanos() as f64 / all.len() as f64
    }

    fn touch(&mut self) {
        let at = BEGIN + PACE * (self.touches % u64::from(u32::MAX)) as u32;
        self.touches += 1;
        let exchange = Exchange { at, ..self.call.exchange() };
        let attributed = Attributed {
            route: &self.route,
            objects: &self.objects,
            clients: self.clients,
            is_new: false,
            is_read: true,
        };
        self.recorder.exchange(&exchange, &attributed);
    }

    /// Reads `count` accounts as fast as they can be written, for `limit` at most; how many it were.
    pub(super) fn load(&mut self, count: u64, limit: Option<Duration>) -> Result<u64> {
        let started = Instant::now();
        let mut read = 0;
        while read < count && limit.is_none_or(|limit| started.elapsed() < limit) {
            let piece = PIECE.min(count - read);
            self.burst(piece);
            read += piece;
            while self.stats.queued.load(Ordering::Relaxed) > QUEUED {
                thread::sleep(Duration::from_millis(1));
            }
        }
        ensure!(self.stats.dropped_queue.load(Ordering::Relaxed) == 0, "the queue was full");
        Ok(read)
    }

    /// Waits until the queue is empty.
    pub(super) fn settle(&mut self) {
        self.recorder.tick();
        while self.stats.queued.load(Ordering::Relaxed) > 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Has everything written; the objects that there are then.
    pub(super) fn finish(self) -> Result<u64> {
        self.recorder.finish();
        let lost =
            self.stats.dropped_disk.load(Ordering::Relaxed) + self.stats.dropped_room.load(Ordering::Relaxed);
        ensure!(lost == 0, "{lost} touches were not written");
        Ok(self.stats.objects.load(Ordering::Relaxed))
    }
}

/// Accounts to be read again and again.
pub(super) fn accounts(count: usize) -> Vec<Objects> {
    let mut random = Random::seeded(3);
    let account =
        |_| [random.between(ACCOUNTS.start, ACCOUNTS.end).to_string().as_str()].into_iter().collect();
    (0..count).map(account).collect()
}

/// Bytes that this process has had written to disks.
pub(super) fn written() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/io").context("read /proc/self/io")?;
    let bytes = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(bytes.context("no write_bytes in /proc/self/io")?.trim().parse()?)
}
