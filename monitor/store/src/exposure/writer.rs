//! The thread that writes down what was read.
//!
//! Touches add up in memory and are written once a second, in one transaction: what was handed over a second ago is on disk,
//! and each touch is in it once, whenever the daemon is killed. While the disk takes nothing, they stay in memory and are
//! tried again each second; when memory is full as well, the queue fills, and then touches are counted instead.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering, mpsc::Sender},
    time::{Duration, Instant},
};

use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_queue::{Attempt, Waiting, Work};

use super::{
    ExposureSettings,
    pending::{Message, NewIncident, NewSubject, Pending},
    recorder::OpenIncident,
    stats::{ExposureStats, add},
    store::Store,
};
use crate::{Error, Handle, open};

/// Touches are written this often.
const FLUSH: Duration = Duration::from_secs(1);

/// Without touches, it is written this often that the daemon is alive, while an alert is open.
const ALIVE: Duration = Duration::from_secs(60);

/// Without alerts, what is too old is looked for this often.
const IDLE: Duration = Duration::from_secs(3600);

/// Takes messages and writes.
pub(super) struct Writer {
    directory: PathBuf,
    settings: ExposureSettings,
    store: Option<Store>,
    pending: Pending,
    /// Takes buffers back.
    used: Sender<Vec<u8>>,
    stats: Arc<ExposureStats>,
    /// They go first.
    alerts: Option<Handle>,
    flush_at: Instant,
    /// Nothing more will come.
    closing: bool,
}

impl Writer {
    /// A writer, the greatest number that its database knows, and the alerts that are open there.
    pub fn new(
        directory: &Path,
        settings: ExposureSettings,
        key: HashKey,
        used: Sender<Vec<u8>>,
        stats: Arc<ExposureStats>,
        alerts: Option<Handle>,
    ) -> (Writer, u64, Vec<OpenIncident>) {
        let mut writer = Writer {
            directory: directory.to_owned(),
            pending: Pending::new(settings.objects, key, settings.pending),
            settings,
            store: None,
            used,
            stats,
            alerts,
            flush_at: Instant::now(),
            closing: false,
        };
        // The thread's first attempt says what is wrong.
        let (last, open) = writer.begin().unwrap_or_default();
        (writer, last, open)
    }

    fn begin(&mut self) -> Result<(u64, Vec<OpenIncident>), Error> {
        let store = self.store()?;
        let begun = |store: &mut Store| Ok((store.last_number()?, store.open_incidents(Timestamp::now())?));
        let (last, open) = begun(store).map_err(|error| store.failed(error))?;
        for OpenIncident { number, alert, route, subjects } in &open {
            let incident = NewIncident {
                number: *number,
                alert: alert.clone(),
                route: route.clone(),
                opened_at: Timestamp::default(),
                first_seen: Timestamp::default(),
                counted: 0,
                counted_at: Timestamp::default(),
                samples: Vec::new(),
                sampling: self.settings.sampling,
                lost_at: None,
            };
            let subjects = subjects.iter().map(|(subject, client)| NewSubject {
                number: *subject,
                incident: *number,
                client: *client,
            });
            self.pending.resume(incident, subjects);
        }
        self.keep_bounds()?;
        Ok((last, open))
    }

    /// Nothing more will be written, of what was taken and of `messages` that were not.
    pub fn give_up(mut self, messages: &[Message]) {
        messages.iter().for_each(|message| self.pending.take(message));
        let lost = self.pending.touches();
        if lost > 0 {
            add(&self.stats.dropped_disk, lost);
            tracing::error!(touches = lost, "these touches of suspicious clients are not written down");
        }
    }

    fn try_flush(&mut self) -> Result<(), Error> {
        if !self.closing && self.alerts.as_ref().is_some_and(Handle::is_failing) {
            let failed = Error::AlertsFirst { path: self.directory.join(super::FILE) };
            return if self.pending.is_empty() { Ok(()) } else { Err(failed) };
        }
        self.store()?;
        let Writer { store, pending, settings, stats, .. } = self;
        let Some(store) = store else { return Ok(()) };
        let now = Timestamp::now();
        let written = if !pending.is_empty() {
            store.write(pending, settings, now).map(Some)
        } else if pending.has_open() {
            store.alive(now).map(|()| None)
        } else {
            Ok(None)
        };
        match written {
            Ok(None) => {}
            Ok(Some(change)) => {
                add(&stats.touches, pending.touches());
                add(&stats.dropped_room, change.refused);
                add(&stats.dropped_disk, change.damaged);
                stats.objects.fetch_add(change.objects, Ordering::Relaxed);
                stats.objects.fetch_sub(change.damaged, Ordering::Relaxed);
                pending.written();
            }
            Err(error) => return Err(self.set_aside_if_damaged(error)),
        }
        self.keep_bounds()
    }

    fn keep_bounds(&mut self) -> Result<(), Error> {
        let Some(store) = &mut self.store else { return Ok(()) };
        let bounded =
            store.bound(&self.settings, Timestamp::now()).and_then(|removed| Ok((removed, store.size()?)));
        match bounded {
            Ok((removed, size)) => {
                add(&self.stats.evicted_room, removed.for_room);
                add(&self.stats.evicted_age, removed.for_age);
                self.stats.objects.fetch_sub(removed.for_room + removed.for_age, Ordering::Relaxed);
                self.stats.size.store(size, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(self.set_aside_if_damaged(error)),
        }
    }

    /// The database, opened if need be.
    fn store(&mut self) -> Result<&mut Store, Error> {
        if self.store.is_none() {
            let store = Store::open(&self.directory)?;
            let objects = store.objects().map_err(|error| store.failed(error))?;
            self.stats.objects.store(objects, Ordering::Relaxed);
            return Ok(self.store.insert(store));
        }
        Ok(self.store.as_mut().expect("it is there"))
    }

    /// Sets the database aside if the error says that it is damaged; the next attempt begins a new one.
    fn set_aside_if_damaged(&mut self, error: rusqlite::Error) -> Error {
        let Some(store) = &self.store else { unreachable!("there was a database to fail") };
        let failed = store.failed(error);
        if let Error::Write { source, .. } = &failed
            && open::is_damage(source)
        {
            let path = store.path().to_owned();
            self.store = None;
            self.pending.start_over(Timestamp::now());
            match open::set_aside(&path) {
                Ok(aside) => tracing::error!(
                    database = %path.display(), error = &failed as &dyn std::error::Error, aside = %aside.display(),
                    "what was read can't be added to: the database is damaged; it was set aside, and a new one is begun"
                ),
                Err(error) => return error,
            }
        }
        failed
    }
}

impl Work for Writer {
    type Item = Message;
    type Error = Error;

    fn arrived(&mut self, waiting: &mut Waiting<Message>) {
        // What there is no room for has the queue fill.
        while !self.pending.is_full() {
            let Some(message) = waiting.take() else { break };
            if self.pending.is_empty() {
                self.flush_at = self.flush_at.min(Instant::now() + FLUSH);
            }
            self.pending.take(&message);
            if let Message::Touches(mut records) = message {
                records.clear();
                // Nobody takes it any more at the end.
                drop(self.used.send(records));
            }
        }
    }

    fn due(&mut self, _: &Waiting<Message>, now: Instant) -> Option<Instant> {
        if self.closing {
            return (!self.pending.is_empty()).then_some(now);
        }
        Some(if self.pending.is_full() { now } else { self.flush_at })
    }

    fn attempt(&mut self, _: &mut Waiting<Message>, closing: bool) -> Attempt<Error> {
        self.closing = closing;
        match self.try_flush() {
            Ok(()) => {
                self.flush_at = Instant::now() + if self.pending.has_open() { ALIVE } else { IDLE };
                Attempt::Done
            }
            Err(error) => {
                add(&self.stats.errors, 1);
                self.flush_at = Instant::now();
                Attempt::failed(error)
            }
        }
    }

    fn complain(&mut self, error: &Error) {
        tracing::error!(
            error = error as &dyn std::error::Error,
            "cannot write down what is read; it waits in memory, and what does not fit is counted: make room or see to the disk"
        );
    }

    fn recovered(&mut self) {
        tracing::info!("what was read can be written down again");
    }
}
