//! What the ledger's thread has taken and not written yet: touches of one object add up here.

use std::collections::{BTreeMap, HashMap, HashSet};

use rollcall_attribute::{client::ClientKey, route::outcome};
use rollcall_model::{hash::HashKey, time::Timestamp};

use super::{
    ObjectMode,
    object::Object,
    reads::Reads,
    touch::{self, Record},
    watch::Client,
};

/// What an object takes beside its text.
const OBJECT: usize = 96;

/// Keys that are written down with a subject.
pub const KEYS: usize = 16;

/// An alert that has opened.
#[derive(Clone, Debug, PartialEq)]
pub struct NewIncident {
    /// Told from others by it. Never used twice.
    pub number: u64,
    /// The alert's id.
    pub alert: String,
    pub route: String,
    pub opened_at: Timestamp,
    /// The earliest call that detection had counted.
    pub first_seen: Timestamp,
    /// ObjectMode that detection had counted, and up to when.
    pub counted: u64,
    pub counted_at: Timestamp,
    /// Those that it knew by name.
    pub samples: Vec<String>,
    /// The share of request targets that is captured.
    pub sampling: f64,
    /// When what had been written of it was lost, as the database was damaged.
    pub lost_at: Option<Timestamp>,
}

/// A client of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewSubject {
    pub number: u64,
    pub incident: u64,
    pub client: Client,
}

/// What the ledger's thread is told.
#[derive(Debug)]
pub enum Message {
    Incident(Box<NewIncident>),
    Subject(NewSubject),
    /// Records of [`touch`], tagged with subjects.
    Touches(Vec<u8>),
    /// Touches of a subject were lost on the way.
    Dropped {
        subject: u64,
        touches: u64,
    },
    /// Requests were being lost: the share.
    Loss {
        incident: u64,
        loss: f64,
    },
    Resolved {
        incident: u64,
        at: Timestamp,
    },
}

impl Message {
    /// What it counts for in the queue.
    pub fn size(&self) -> u64 {
        match self {
            Message::Touches(records) => records.len() as u64,
            _ => 512,
        }
    }
}

/// What a subject's calls add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub touched: u64,
    pub refused: u64,
    pub dropped: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// Keys that came with its calls, and had not before.
    pub keys: Vec<ClientKey>,
}

/// An alert that is open.
#[derive(Debug)]
struct Open {
    incident: NewIncident,
    /// Hashes of the objects that detection had counted: not more than are remembered.
    named: HashSet<u64>,
}

/// A client of it.
#[derive(Debug)]
struct Known {
    subject: NewSubject,
    keys: Vec<ClientKey>,
}

/// All that is to be written.
#[derive(Debug)]
pub struct Pending {
    mode: ObjectMode,
    key: HashKey,
    open: HashMap<u64, Open>,
    known: HashMap<u64, Known>,
    pub incidents: Vec<NewIncident>,
    pub subjects: Vec<NewSubject>,
    pub figures: BTreeMap<u64, Figures>,
    pub objects: BTreeMap<(u64, Object), Reads>,
    /// ObjectMode that detection had counted and that have become known by name, by alert.
    pub named: BTreeMap<u64, u64>,
    pub losses: BTreeMap<u64, f64>,
    pub resolved: Vec<(u64, Timestamp)>,
    bytes: usize,
    most: usize,
}

impl Pending {
    /// Nothing. ObjectMode are kept as `mode` says and hashed with `key`; when touches take `most` bytes, it is full.
    pub fn new(mode: ObjectMode, key: HashKey, most: usize) -> Pending {
        Pending {
            most,
            mode,
            key,
            open: HashMap::new(),
            known: HashMap::new(),
            incidents: Vec::new(),
            subjects: Vec::new(),
            figures: BTreeMap::new(),
            objects: BTreeMap::new(),
            named: BTreeMap::new(),
            losses: BTreeMap::new(),
            resolved: Vec::new(),
            bytes: 0,
        }
    }

    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.incidents.is_empty()
            && self.subjects.is_empty()
            && self.figures.is_empty()
            && self.losses.is_empty()
            && self.resolved.is_empty()
    }

    /// Whether any alert is open.
    pub fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether no more is to be taken before something is written.
    pub fn is_full(&self) -> bool {
        self.bytes >= self.most
    }

    /// Touches that are to be written.
    pub fn touches(&self) -> u64 {
        self.figures.values().map(|figures| figures.touched).sum()
    }

    /// Takes in a message.
    pub fn take(&mut self, message: &Message) {
        match message {
            Message::Incident(incident) => {
                self.begin((**incident).clone());
                self.incidents.push((**incident).clone());
            }
            Message::Subject(subject) => {
                self.know(*subject);
                self.subjects.push(*subject);
            }
            Message::Touches(records) => touch::records(records).for_each(|record| self.touch(record)),
            Message::Dropped { subject, touches } => {
                self.figures.entry(*subject).or_default().dropped += touches;
            }
            Message::Loss { incident, loss } => {
                let most = self.losses.entry(*incident).or_default();
                *most = most.max(*loss);
            }
            Message::Resolved { incident, at } => {
                self.resolved.push((*incident, *at));
                self.open.remove(incident);
                self.known.retain(|_, known| known.subject.incident != *incident);
            }
        }
    }

    /// An alert that goes on, with its clients.
    pub fn resume(&mut self, incident: NewIncident, subjects: impl Iterator<Item = NewSubject>) {
        self.begin(incident);
        subjects.for_each(|subject| self.know(subject));
    }

    /// What was written is lost: the alerts that go on are to be written anew.
    pub fn start_over(&mut self, now: Timestamp) {
        for open in self.open.values_mut() {
            open.incident.lost_at = Some(now);
        }
        self.incidents = self.open.values().map(|open| open.incident.clone()).collect();
        self.subjects = self.known.values().map(|known| known.subject).collect();
    }

    fn begin(&mut self, incident: NewIncident) {
        self.open.insert(incident.number, Open { incident, named: HashSet::new() });
    }

    fn know(&mut self, subject: NewSubject) {
        let keys = subject.client.into_iter().collect();
        self.known.insert(subject.number, Known { subject, keys });
    }

    /// All of it has been written.
    pub fn written(&mut self) {
        self.incidents.clear();
        self.subjects.clear();
        self.figures.clear();
        self.objects.clear();
        self.named.clear();
        self.losses.clear();
        self.resolved.clear();
        self.bytes = 0;
    }

    /// What is kept of objects.
    pub fn mode(&self) -> ObjectMode {
        self.mode
    }

    /// The object that is kept of `text`.
    pub fn object(&self, text: &str) -> Object {
        object(self.mode, &self.key, text)
    }

    fn touch(&mut self, record: Record<'_>) {
        let (subject, call) = (record.tag(), record.call());
        let (keys, objects) = record.parts();
        let figures = self.figures.entry(subject).or_default();
        let mut open = None;
        if let Some(known) = self.known.get_mut(&subject) {
            open = self.open.get_mut(&known.subject.incident);
            for key in keys {
                if known.keys.len() < KEYS && !known.keys.contains(&key) {
                    known.keys.push(key);
                    figures.keys.push(key);
                }
            }
        }
        if !outcome::is_touch(call.status) {
            figures.refused += 1;
            return;
        }
        figures.touched += 1;
        figures.first = Some(figures.first.map_or(call.at, |first| first.min(call.at)));
        figures.last = Some(figures.last.map_or(call.at, |last| last.max(call.at)));
        if let Some(Open { incident, named }) = open.filter(|open| call.at <= open.incident.counted_at) {
            let new = objects.filter(|text| named.insert(self.key.hash(text.as_bytes()))).count() as u64;
            *self.named.entry(incident.number).or_default() += new;
        }
        let seconds = u32::try_from(call.at.0 / 1_000_000_000).unwrap_or(u32::MAX);
        let reads = Reads::once(seconds, call.status);
        for text in objects {
            let object = object(self.mode, &self.key, text);
            let size = OBJECT + if let Object::Text(text) = &object { text.len() } else { 0 };
            self.objects.entry((subject, object)).and_modify(|known| known.add(&reads)).or_insert_with(
                || {
                    self.bytes += size;
                    reads
                },
            );
        }
    }
}

fn object(mode: ObjectMode, key: &HashKey, text: &str) -> Object {
    match mode {
        ObjectMode::Hashed => Object::hashed(text, key),
        ObjectMode::Plain | ObjectMode::Off => Object::kept(text, key),
    }
}
