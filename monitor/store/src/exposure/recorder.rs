//! The engine's side: tells which calls are to be written down, and hands them over without ever waiting.
//!
//! Every touch goes to the memory of [recent](super::recent) ones. Once an alert is open, touches of its clients also go to
//! the writer, in batches over a bounded queue, and what was remembered of them follows within a tenth of a second. What
//! the queue has no room for is counted by subject: the list that misses it will say so.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{self, Receiver},
    },
    time::{Duration, Instant},
};

use rollcall_attribute::{
    client::ClientKey,
    object,
    observation::Observation,
    route::{full_name, outcome},
};
use rollcall_detect::{
    Rule,
    alert::{Alert, AlertState, Joined},
};
use rollcall_engine::detection::Attributed;
use rollcall_http::Exchange;
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_queue::{End, Left, Pause, Queue, Running};

use super::{
    ExposureSettings, ObjectMode,
    pending::{Message, NewIncident, NewSubject},
    recent::Recent,
    stats::{ExposureStats, add},
    touch::{self, Call},
    watch::{Client, Place, Watch},
    writer::Writer,
};
use crate::{Error, Handle};

/// Bytes of touches that may wait for the writer, beside all that is remembered: some 64,000.
const TOUCHES: u64 = 4 << 20;

/// What is about alerts is small, and may go beyond the touches.
const RESERVE: u64 = 1 << 20;

/// Touches are handed over when so many bytes have gathered, or after so long.
const BATCH: usize = 32 << 10;
const DELAY: Duration = Duration::from_millis(100);

/// A disk that failed is tried again this often.
const RETRY: Duration = Duration::from_secs(1);

/// One that does not answer when everything is to end is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Decides what is written down.
#[derive(Debug)]
pub struct Recorder {
    key: HashKey,
    objects: ObjectMode,
    sampling: f64,
    recent: Recent,
    watch: Watch,
    /// The numbers of open alerts, by their ids and the hashes of their routes: on each route an alert is one of its own here.
    incidents: HashMap<String, BTreeMap<u64, u64>>,
    /// The latest number that was given to an alert or a client.
    last: u64,
    /// Alerts that were open when the ledger was closed, until it is known which of them go on.
    open: Vec<OpenIncident>,
    batch: Vec<u8>,
    /// What the queue had no room for, by subject.
    dropped: HashMap<u64, u64>,
    found: Vec<Place>,
    handed_over: Instant,
    /// When what is remembered may be gone through again.
    look_back_at: Instant,
    queue: Queue<Message>,
    spare: Receiver<Vec<u8>>,
    stats: Arc<ExposureStats>,
    thread: Running<Writer>,
}

/// An alert that was open when the ledger was closed.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenIncident {
    pub number: u64,
    pub alert: String,
    pub route: String,
    pub subjects: Vec<(u64, Client)>,
}

impl Recorder {
    /// Opens what was read in the state directory, or begins it, and starts the thread that writes. Where that fails for now,
    /// it is tried again each second; only a thread that can't be had is an error. While `alerts` can't be written, what room
    /// the disk has is left to them.
    pub fn open(
        directory: &Path,
        settings: ExposureSettings,
        key: HashKey,
        alerts: Option<Handle>,
    ) -> Result<Recorder, Error> {
        let stats = Arc::<ExposureStats>::default();
        let (used, spare) = mpsc::channel();
        let recent = if settings.objects == ObjectMode::Off { 0 } else { settings.recent };
        let (objects, sampling) = (settings.objects, settings.sampling);
        let (writer, last, open) = Writer::new(directory, settings, key, used, Arc::clone(&stats), alerts);
        let queue = rollcall_queue::QueueSettings {
            name: "exposure".to_owned(),
            limit: TOUCHES + recent as u64,
            used: Arc::clone(&stats.queued),
            pause: Pause::Fixed(RETRY),
            last_pause: None,
        };
        let thread = Running::start(queue, writer).map_err(|source| Error::Thread { source })?;
        Ok(Recorder {
            key,
            objects,
            sampling,
            recent: Recent::new(recent),
            watch: Watch::default(),
            incidents: HashMap::new(),
            // The time makes sure that no number is used again by a daemon that could not write down that it had been.
            last: last.max(Timestamp::now().0 / 1_000),
            open,
            batch: Vec::with_capacity(BATCH),
            dropped: HashMap::new(),
            found: Vec::new(),
            handed_over: Instant::now(),
            look_back_at: Instant::now(),
            queue: thread.queue(),
            spare,
            stats,
            thread,
        })
    }

    /// What is kept of objects.
    pub fn objects(&self) -> ObjectMode {
        self.objects
    }

    /// What has been counted.
    pub fn stats(&self) -> Arc<ExposureStats> {
        Arc::clone(&self.stats)
    }

    /// Goes on watching the clients of the alerts that were open when the ledger was closed and that `is_open` still knows; the
    /// others have ended. Of `told`, those that were told and not written down here, as the daemon was killed right then, are
    /// watched from now on.
    pub fn resume(&mut self, told: &[Alert], is_open: impl Fn(&str) -> bool) {
        for OpenIncident { number, alert, route, subjects } in std::mem::take(&mut self.open) {
            if !is_open(&alert) {
                self.send(Message::Resolved { incident: number, at: Timestamp::now() });
                continue;
            }
            let route = self.key.hash(route.as_bytes());
            for (subject, client) in subjects {
                self.watch.add(route, client, Place { incident: number, subject, since: 0, is_new: false });
            }
            self.incidents.entry(alert).or_default().insert(route, number);
        }
        told.iter().filter(|alert| is_open(&alert.id)).for_each(|alert| self.alert(alert));
        self.publish();
    }

    /// Takes in a call that is complete.
    pub fn exchange(&mut self, exchange: &Exchange<'_>, attributed: &Attributed<'_>) {
        if attributed.objects.is_empty() {
            return;
        }
        let is_touch = outcome::is_touch(exchange.status);
        if is_touch != attributed.is_read || !is_touch && self.watch.is_empty() {
            return;
        }
        let call = Call { at: exchange.at, status: exchange.status };
        self.take(call, is_touch, attributed.route, attributed.client_keys(), attributed.objects);
        if attributed.is_new {
            let new = full_name::new_of(attributed.route);
            self.take(call, is_touch, &new, attributed.client_keys(), attributed.objects);
        }
    }

    fn take(
        &mut self,
        call: Call,
        is_touch: bool,
        route: &str,
        keys: &[ClientKey],
        objects: &object::Objects,
    ) {
        let route = self.key.hash(route.as_bytes());
        if !self.watch.is_empty() {
            let mut found = std::mem::take(&mut self.found);
            self.watch.find(route, keys, &mut found);
            for place in &found {
                if !self.has_room() {
                    self.drop(place.subject);
                } else if is_touch && self.objects != ObjectMode::Off {
                    touch::push(&mut self.batch, place.subject, call, keys, objects.iter());
                } else {
                    touch::push(&mut self.batch, place.subject, call, keys, std::iter::empty());
                }
            }
            self.found = found;
            if self.batch.len() >= BATCH {
                self.hand_over();
            }
        }
        if is_touch {
            self.recent.push(route, call, keys, objects);
        }
    }

    /// Takes in a call that turned out to have touched an object when its route was learned.
    pub fn earlier(&mut self, earlier: &Observation) {
        let call = Call { at: earlier.at, status: None };
        self.take(call, true, &earlier.route, earlier.clients.keys(), &earlier.objects);
    }

    /// An alert was opened, updated or resolved.
    pub fn alert(&mut self, alert: &Alert) {
        // A notice accuses nobody, and nobody calls the route of `blind`.
        if alert.rule.is_notice() || alert.scope.opened_by == Rule::Blind {
            return;
        }
        if alert.state == AlertState::Resolved {
            if let Some(incidents) = self.incidents.remove(&alert.id) {
                // What was remembered of it is still to be looked for, and what waits goes first.
                self.look_back();
                self.hand_over();
                for incident in incidents.into_values() {
                    self.watch.remove(incident);
                    self.send(Message::Resolved { incident, at: alert.at });
                }
            }
        } else {
            self.watch(alert);
        }
        self.publish();
    }

    fn watch(&mut self, alert: &Alert) {
        let Some(incident) = self.incident(alert) else { return };
        if alert.loss > 0.0 {
            self.send(Message::Loss { incident, loss: alert.loss });
        }
        // Of an alert about several routes a client is watched on those on which it was found.
        let clients = if alert.other_routes() == 0 {
            &alert.scope.clients[..]
        } else {
            std::slice::from_ref(&alert.client)
        };
        for client in clients {
            let client = match &client.kind[..] {
                "all" => Some(None),
                kind => ClientKey::parse(&format!("{kind}:{}", client.id)).map(Some),
            };
            // What looks at everybody is but a sign in alerts about somebody.
            let is_one = alert.scope.clients.first().is_some_and(|first| first.kind == "all");
            if let Some(client) = client.filter(|client| client.is_some() || is_one) {
                self.subject(incident, &alert.route, client);
            }
        }
    }

    /// The number of an alert on the route of its line; a new one if it is new there.
    fn incident(&mut self, alert: &Alert) -> Option<u64> {
        let route = self.key.hash(alert.route.as_bytes());
        if let Some(&number) = self.incidents.get(&alert.id).and_then(|routes| routes.get(&route)) {
            return Some(number);
        }
        let number = self.number();
        let opened = NewIncident {
            number,
            alert: alert.id.clone(),
            route: alert.route.to_string(),
            opened_at: alert.scope.opened_at,
            counted: counted(alert),
            counted_at: alert.at,
            samples: if self.objects == ObjectMode::Off { Vec::new() } else { alert.sample_objects.clone() },
            first_seen: alert.figures.first_seen,
            sampling: self.sampling,
            lost_at: None,
        };
        if !self.send(Message::Incident(Box::new(opened))) {
            add(&self.stats.unwatched, 1);
            return None;
        }
        self.incidents.entry(alert.id.clone()).or_default().insert(route, number);
        Some(number)
    }

    /// A client became one of an alert, or one on a further route of it, and no line says so.
    pub fn joined(&mut self, Joined { client, line }: &Joined) {
        if let Some(incident) = self.incident(line) {
            self.subject(incident, &line.route, Some(*client));
        }
        self.publish();
    }

    /// Watches a client of an alert.
    fn subject(&mut self, incident: u64, route: &str, client: Client) {
        let route = self.key.hash(route.as_bytes());
        if self.watch.has(incident, route, client) {
            return;
        }
        let number = self.number();
        let place = Place { incident, subject: number, since: self.recent.next(), is_new: true };
        let is_watched =
            self.watch.has_room() && self.send(Message::Subject(NewSubject { incident, number, client }));
        if is_watched {
            self.watch.add(route, client, place);
        } else {
            add(&self.stats.unwatched, 1);
        }
    }

    /// Hands over what has waited long enough. To be called whenever the capture loop comes round.
    pub fn tick(&mut self) {
        if self.handed_over.elapsed() >= DELAY {
            if Instant::now() >= self.look_back_at {
                self.look_back();
            }
            self.hand_over();
        }
    }

    /// Hands over everything, has it written, and ends the thread.
    pub fn finish(mut self) {
        self.look_back();
        self.hand_over();
        match self.thread.finish(None, PATIENCE) {
            Ok(Left { work, items, error: _ }) => work.give_up(&items),
            Err(End::Hangs) => {
                tracing::error!("the disk does not answer: what was read last is not written down")
            }
            Err(End::Panicked) => tracing::error!("the thread that writes down what was read panicked"),
        }
    }

    /// Looks for what is remembered of new subjects.
    fn look_back(&mut self) {
        let routes = self.watch.new_routes();
        if routes.is_empty() {
            return;
        }
        let started = Instant::now();
        let recent = std::mem::replace(&mut self.recent, Recent::new(0));
        let mut found = std::mem::take(&mut self.found);
        for (number, record) in recent.iter() {
            if routes.binary_search(&record.tag()).is_err() {
                continue;
            }
            self.watch.find_before(record.tag(), &record.parts().0, number, &mut found);
            for place in &found {
                if self.has_room() {
                    record.copy(place.subject, &mut self.batch);
                } else {
                    self.drop(place.subject);
                }
            }
            if self.batch.len() >= BATCH {
                self.hand_over();
            }
        }
        self.found = found;
        self.recent = recent;
        self.watch.looked();
        // Whoever has alerts opened one after the other takes a twentieth of this thread at most.
        self.look_back_at = Instant::now() + 20 * started.elapsed();
    }

    fn has_room(&self) -> bool {
        self.queue.has_room(self.batch.len() as u64 + 1)
    }

    fn drop(&mut self, subject: u64) {
        add(&self.stats.dropped_queue, 1);
        *self.dropped.entry(subject).or_default() += 1;
    }

    fn hand_over(&mut self) {
        self.handed_over = Instant::now();
        if !self.batch.is_empty() {
            let empty = self.spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(BATCH));
            let full = std::mem::replace(&mut self.batch, empty);
            // There was room, and the thread is gone only after a panic, of which `finish` tells.
            self.send(Message::Touches(full));
        }
        if !self.dropped.is_empty() && self.has_room() {
            for (subject, touches) in std::mem::take(&mut self.dropped) {
                self.send(Message::Dropped { subject, touches });
            }
        }
    }

    /// Hands a message over; `false` if far too much waits already.
    fn send(&self, message: Message) -> bool {
        let size = message.size();
        self.queue.push_beyond(RESERVE, message, size).is_ok()
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn publish(&self) {
        self.stats.watched.store(self.watch.len() as u64, Ordering::Relaxed);
    }
}

/// How many objects detection knows to have been read when the alert opened.
fn counted(alert: &Alert) -> u64 {
    match alert.rule {
        // These count something else.
        Rule::MissProbing | Rule::KeyFlood | Rule::ManyReaders | Rule::Volume => 0,
        _ => alert.figures.distinct,
    }
}
