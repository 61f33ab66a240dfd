//! The thread that writes down what was read.
//!
//! Touches add up in memory and are written once a second, in one transaction: what was handed over a second ago is on disk,
//! and each touch is in it once, whenever the daemon is killed. While the disk takes nothing, they stay in memory and are
//! tried again each second; when memory is full as well, the queue fills, and then touches are counted instead.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use rollcall_model::{hash::HashKey, time::Timestamp};

use super::{
    Settings,
    pending::{Message, NewIncident, NewSubject, Pending},
    recorder::OpenIncident,
    stats::{Stats, add},
    store::Store,
};
use crate::{Error, Handle, open};

/// Touches are written this often, and a disk that failed is tried again.
const FLUSH: Duration = Duration::from_secs(1);

/// Without touches, it is written this often that the daemon is alive, while an alert is open.
const ALIVE: Duration = Duration::from_secs(60);

/// Without alerts, what is too old is looked for this often.
const IDLE: Duration = Duration::from_secs(3600);

/// A disk that takes nothing is told of this often.
const COMPLAIN: Duration = Duration::from_secs(60);

/// Takes messages and writes.
pub(super) struct Writer {
    directory: PathBuf,
    settings: Settings,
    store: Option<Store>,
    pending: Pending,
    messages: Receiver<Message>,
    used: Sender<Vec<u8>>,
    stats: Arc<Stats>,
    /// They go first.
    alerts: Option<Handle>,
    flush_at: Instant,
    complained: Option<Instant>,
}

impl Writer {
    /// A writer, the greatest number that its database knows, and the alerts that are open there.
    pub fn new(
        directory: &Path,
        settings: Settings,
        key: HashKey,
        messages: Receiver<Message>,
        used: Sender<Vec<u8>>,
        stats: Arc<Stats>,
        alerts: Option<Handle>,
    ) -> (Writer, u64, Vec<OpenIncident>) {
        let mut writer = Writer {
            directory: directory.to_owned(),
            pending: Pending::new(settings.objects, key, settings.pending),
            settings,
            store: None,
            messages,
            used,
            stats,
            alerts,
            flush_at: Instant::now(),
            complained: None,
        };
        let (last, open) = writer.begin().unwrap_or_else(|error| {
            writer.fail(&error);
            (0, Vec::new())
        });
        (writer, last, open)
    }

    /// Until nothing more will come.
    pub fn run(mut self) {
        loop {
            let running = self.listen();
            if !running || Instant::now() >= self.flush_at {
                self.flush();
            }
            if !running {
                self.give_up();
                return;
            }
        }
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

    /// Takes messages until it is time to write; whether there will be more.
    fn listen(&mut self) -> bool {
        loop {
            let left = self.flush_at.saturating_duration_since(Instant::now());
            if self.pending.is_full() {
                // The queue is to wait as well. What can't be written at the end is lost.
                if self.stats.stopping.load(Ordering::Acquire) {
                    return false;
                }
                thread::park_timeout(left);
                return true;
            }
            match self.messages.recv_timeout(left) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
            if self.pending.is_full() && self.complained.is_none() {
                self.flush_at = Instant::now();
            }
        }
    }

    fn take(&mut self, message: Message) {
        if self.pending.is_empty() {
            self.flush_at = self.flush_at.min(Instant::now() + FLUSH);
        }
        self.pending.take(&message);
        self.stats.queued.fetch_sub(message.size(), Ordering::Relaxed);
        if let Message::Touches(mut records) = message {
            records.clear();
            // Nobody takes it any more at the end.
            drop(self.used.send(records));
        }
    }

    fn flush(&mut self) {
        let stopping = self.stats.stopping.load(Ordering::Acquire);
        if !stopping && self.alerts.as_ref().is_some_and(Handle::is_failing) {
            self.flush_at = Instant::now() + FLUSH;
            // The operator has been told why.
            add(&self.stats.errors, u64::from(!self.pending.is_empty()));
            return;
        }
        match self.try_flush() {
            Ok(()) => {
                if self.complained.take().is_some() {
                    tracing::info!("what was read can be written down again");
                }
                self.flush_at = Instant::now() + if self.pending.has_open() { ALIVE } else { IDLE };
            }
            Err(error) => self.fail(&error),
        }
    }

    fn try_flush(&mut self) -> Result<(), Error> {
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
            Err(error) => return Err(self.mourn(error)),
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
            Err(error) => Err(self.mourn(error)),
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
    fn mourn(&mut self, error: rusqlite::Error) -> Error {
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

    fn fail(&mut self, error: &Error) {
        self.flush_at = Instant::now() + FLUSH;
        add(&self.stats.errors, 1);
        if self.complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
            self.complained = Some(Instant::now());
            tracing::error!(
                error = error as &dyn std::error::Error,
                "cannot write down what is read; it waits in memory, and what does not fit is counted: make room or see to the disk"
            );
        }
    }

    /// Nothing more will be written.
    fn give_up(mut self) {
        while let Ok(message) = self.messages.try_recv() {
            self.pending.take(&message);
        }
        let lost = self.pending.touches();
        if lost > 0 {
            add(&self.stats.dropped_disk, lost);
            tracing::error!(touches = lost, "these touches of suspicious clients are not written down");
        }
    }
}
