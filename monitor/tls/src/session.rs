//! One connection of TLS: records that wait for their secrets, and what becomes of their plaintext.
//!
//! A secret belongs to a connection by the client random if that is known, and otherwise by the first record that it
//! opens: the tag proves it. Answers, of which most is not captured, are read by their beginnings: a number is the right one if it makes
//! an answer of them.

use std::{collections::VecDeque, fmt, time::Duration};

use rollcall_model::time::Timestamp;
use rollcall_stream::{
    protocol::{Link, Piece, Protocol},
    reassembly::Origin,
};

use super::{
    Carried, Context,
    client::{self, Record},
    handshake::{END_OF_EARLY_DATA, KEY_UPDATE, Message, Messages, ServerHello},
    keys::Randoms,
    places,
    ready::{AHEAD, Agreed, Ready},
    record::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, HEADER, Header},
    search::{Candidates, Sealed, Tried, search, search_early, search_master},
    secret::{Label, Secret},
    server::{self, Seen},
    shared::{Shared, Unread},
    suite::Suite,
};

/// How long records are held that can't be read yet: a secret may come later than what it protects, as with early data.
const HOLD: Duration = Duration::from_secs(2);

/// How often it is seen whether a secret has come, where nothing else happens.
pub(crate) const POLL: Duration = Duration::from_millis(100);

/// Bytes held for a connection, beside a record that is not complete.
const HELD: usize = 64 * 1024;

/// What an item costs besides its bytes.
const ITEM_COST: usize = 160;

/// The clocks of those who see packets and of those who see secrets may differ by as much.
const SLACK: Duration = Duration::from_secs(1);

/// Records that a secret is tried on: before the first that carries something stand no more of a handshake, even where a client
/// has the server send it in records of 64 bytes (RFC 8449).
const TRIED: usize = 256;

/// Secrets that a connection keeps for itself: those of its client random, or, while it is silent after the handshake, those
/// that came then.
const OWN: usize = 64;

/// Records of its handshake that a connection may leave unread for want of a handshake's secret, when one for its traffic is known.
const SPARED: u32 = 8;

/// What the client sent.
#[derive(Debug)]
enum Asked {
    Record(Record),
    Lost { bytes: u64, origin: Option<Origin> },
}

impl Asked {
    /// What it costs of the room for what waits.
    fn cost(&self) -> usize {
        let bytes = if let Asked::Record(record) = self { record.body.len() } else { 0 };
        bytes + ITEM_COST
    }
}

/// What something that the server sent costs of the room for what waits.
fn cost(item: &server::Taken) -> usize {
    let bytes = match item {
        server::Taken::Whole { body, .. } | server::Taken::Start { body, .. } => body.len(),
        _ => 0,
    };
    bytes + ITEM_COST
}

/// What waits for its turn.
#[derive(Debug)]
struct Held<T> {
    /// Its place among what came in either direction.
    order: u64,
    at: Timestamp,
    item: T,
}

/// What the client sends before the server's first word.
struct Early {
    ready: Ready,
    /// The place of the record that ends it: the server has taken it.
    end: Option<u64>,
}

/// The answer's record that is under way and was not captured whole.
#[derive(Clone, Copy, Debug)]
struct Current {
    start: u64,
    length: usize,
    explicit: usize,
    behind: usize,
    is_guess: bool,
    /// Bytes of its body that have gone by.
    bytes: usize,
    /// Bytes of its content that were handed on.
    told: usize,
}

impl Current {
    /// Bytes of content among those that have gone by.
    fn content(&self) -> usize {
        // One whose length is a guess may end anywhere.
        let end = if self.is_guess {
            self.bytes.saturating_sub(self.behind)
        } else {
            self.bytes.min(self.length.saturating_sub(self.behind))
        };
        end.saturating_sub(self.explicit)
    }
}

/// The segment that the newest record came with, and what it says of what comes first in it.
#[derive(Clone, Copy, Debug, Default)]
struct Fresh {
    segment: u64,
    origin: Origin,
    is_used: bool,
}

/// See the [module](self).
pub(crate) struct Session {
    /// Where it began, and with what evidence.
    pub(crate) first: (u64, Origin),
    /// Its first bytes.
    pub(crate) begun: Vec<u8>,
    /// Why it can't be read.
    pub(crate) hopeless: Option<Unread>,
    now: Timestamp,
    client: client::Stream,
    server: server::Stream,
    hello: Messages,
    choice: Messages,
    /// The server's handshake in clear can't be followed any further.
    is_choice_cut: bool,
    /// In a record of the server's that is none of interest.
    is_passing: bool,
    random: Option<[u8; 32]>,
    agreed: Option<Agreed>,
    asked: VecDeque<Held<Asked>>,
    answered: VecDeque<Held<server::Taken>>,
    order: u64,
    /// Bytes of what waits.
    waiting: usize,
    /// Bytes that all connections know of.
    charged: usize,
    reader: Option<Ready>,
    reader_from: u64,
    writer: Option<Ready>,
    writer_from: u64,
    early: Option<Early>,
    own: Vec<Secret>,
    came: u64,
    /// For what the client sends, for what the server sends, and for what is sent early.
    tried: [Tried; 3],
    spared: u32,
    /// Of the server's records some were not kept.
    is_writer_late: bool,
    /// Nothing opens what the server sends.
    is_mute: bool,
    requests: places::Requests,
    answers: places::Answers,
    fresh: Fresh,
    has_asked: bool,
    current: Option<Current>,
    pub(crate) link: Option<Link>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("agreed", &self.agreed).finish_non_exhaustive()
    }
}

impl Session {
    /// A connection whose first byte is here.
    pub(crate) fn new(place: u64, origin: &Origin) -> Session {
        Session {
            first: (place, *origin),
            begun: Vec::with_capacity(HEADER),
            hopeless: None,
            now: origin.at,
            client: client::Stream::default(),
            server: server::Stream::default(),
            hello: Messages::default(),
            choice: Messages::default(),
            is_choice_cut: false,
            is_passing: false,
            random: None,
            agreed: None,
            asked: VecDeque::new(),
            answered: VecDeque::new(),
            order: 0,
            waiting: 0,
            charged: 0,
            reader: None,
            reader_from: 0,
            writer: None,
            writer_from: 0,
            early: None,
            own: Vec::new(),
            came: 0,
            tried: [Tried::default(); 3],
            spared: 0,
            is_writer_late: false,
            is_mute: false,
            requests: places::Requests::new(place),
            answers: places::Answers::default(),
            fresh: Fresh::default(),
            has_asked: false,
            current: None,
            link: None,
        }
    }

    /// Requests are read, or there was none.
    pub(crate) fn is_read(&self) -> bool {
        self.reader.is_some() || self.is_known()
    }

    /// Something waits for a secret.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.asked.is_empty() || !self.answered.is_empty()
    }

    /// When it is to be looked at again.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.is_waiting().then_some(self.now + POLL)
    }

    /// Time has passed.
    pub(crate) fn overdue(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// What TCP knows, with places of plaintext.
    pub(crate) fn link(&self, link: &Link) -> Link {
        Link { accepted: self.requests.next, is_wire: false, ..*link }
    }

    /// Bytes that the client sent.
    pub(crate) fn request<P: Protocol<C> + Carried, C: Context>(
        &mut self,
        place: u64,
        data: &[u8],
        origin: &Origin,
        inner: &mut P,
        context: &mut C,
    ) {
        self.now = self.now.max(origin.at);
        let more = (HEADER - self.begun.len()).min(data.len());
        self.begun.extend_from_slice(&data[..more]);
        let mut taken = std::mem::take(&mut context.tls().requests);
        self.client.take(place, data, origin, &mut |item| taken.push(item));
        self.take_requests(taken, inner, context);
    }

    /// Bytes that the client sent, and that were not captured.
    pub(crate) fn request_gap<P: Protocol<C> + Carried, C: Context>(
        &mut self,
        bytes: u64,
        inner: &mut P,
        context: &mut C,
    ) {
        let mut taken = std::mem::take(&mut context.tls().requests);
        self.client.gap(bytes, &mut |item| taken.push(item));
        self.take_requests(taken, inner, context);
    }

    /// Bytes that the server sent.
    pub(crate) fn response<P: Protocol<C> + Carried, C: Context>(
        &mut self,
        piece: Piece<'_>,
        link: &Link,
        inner: &mut P,
        context: &mut C,
    ) {
        self.now = self.now.max(piece.at);
        self.link = Some(*link);
        let mut taken = std::mem::take(&mut context.tls().answers);
        self.server.take(piece, &mut |item| taken.push(item));
        self.take_answers(taken, inner, context);
    }

    /// Bytes that the server sent, and that were not seen.
    pub(crate) fn response_gap<P: Protocol<C> + Carried, C: Context>(
        &mut self,
        bytes: u64,
        inner: &mut P,
        context: &mut C,
    ) {
        let mut taken = std::mem::take(&mut context.tls().answers);
        self.server.gap(bytes, &mut |item| taken.push(item));
        self.take_answers(taken, inner, context);
    }

    /// Looks whether a secret has come, or has not come in time.
    pub(crate) fn look<P: Protocol<C> + Carried, C: Context>(
        &mut self,
        link: &Link,
        inner: &mut P,
        context: &mut C,
    ) {
        self.link = Some(*link);
        if self.is_waiting() {
            self.pump(inner, context);
            self.expire(context.tls());
            self.pump(inner, context);
        }
    }

    /// Nothing more will come.
    pub(crate) fn finish<P: Protocol<C> + Carried, C: Context>(
        &mut self,
        link: &Link,
        inner: &mut P,
        context: &mut C,
    ) {
        self.link = Some(*link);
        let mut taken = std::mem::take(&mut context.tls().answers);
        self.server.finish(&mut |item| taken.push(item));
        self.take_answers(taken, inner, context);
        // What can be read is not to be held up by what can't.
        if self.reader.is_some() {
            self.is_mute |= self.writer.is_none();
            self.pump(inner, context);
        }
    }

    /// Hands on what came of the request stream, or keeps it until that can be done.
    fn take_requests<P: Protocol<C> + Carried, C: Context>(
        &mut self,
        mut taken: Vec<client::Taken>,
        inner: &mut P,
        context: &mut C,
    ) {
        for item in taken.drain(..) {
            let Some(item) = self.note_request(item, context.tls()) else { continue };
            if self.reader.is_some() && !self.is_waiting() {
                self.take_request(item, inner, context);
            } else {
                self.waiting += item.cost();
                self.order += 1;
                self.asked.push_back(Held { order: self.order, at: self.now, item });
            }
        }
        context.tls().requests = taken;
        self.pump(inner, context);
    }

    /// The same of the response stream.
    fn take_answers<P: Protocol<C> + Carried, C: Context>(
        &mut self,
        mut taken: Vec<server::Taken>,
        inner: &mut P,
        context: &mut C,
    ) {
        for item in taken.drain(..) {
            let Some(item) = self.note_response(item, context.tls()) else { continue };
            if self.writer.is_some() && !self.is_waiting() {
                self.take_answer(item, inner, context);
            } else {
                self.waiting += cost(&item);
                self.order += 1;
                self.answered.push_back(Held { order: self.order, at: self.now, item });
            }
        }
        context.tls().answers = taken;
        self.pump(inner, context);
    }

    /// Gives back the room that it has taken.
    pub(crate) fn release(&mut self, shared: &mut Shared) {
        self.asked.clear();
        self.answered.clear();
        shared.held -= std::mem::take(&mut self.charged);
    }

    fn is_1_3(&self) -> bool {
        self.agreed.is_some_and(|agreed| agreed.legacy.is_none())
    }

    /// A secret for its traffic is there.
    fn is_known(&self) -> bool {
        let is_traffic = |secret: &Secret| secret.label == Label::Client && secret.client_random.is_some();
        self.writer.is_some() || self.own.iter().any(is_traffic)
    }

    /// Whether a record is encrypted, as far as what was agreed on tells.
    fn is_encrypted(&self, header: Header, is_changed: bool) -> bool {
        if self.is_1_3() {
            header.kind == APPLICATION_DATA
        } else {
            is_changed && header.kind != CHANGE_CIPHER_SPEC
        }
    }

    /// What comes out of the request stream: messages in clear at once, the rest in its turn.
    fn note_request(&mut self, taken: client::Taken, shared: &mut Shared) -> Option<Asked> {
        Some(match taken {
            client::Taken::Foreign => {
                if self.reader.is_none() {
                    self.hopeless = Some(Unread::Malformed);
                }
                return None;
            }
            client::Taken::Lost { bytes, origin } => {
                if self.reader.is_none() {
                    self.hopeless = self.hopeless.or(Some(Unread::Lost));
                    return None;
                }
                Asked::Lost { bytes, origin }
            }
            client::Taken::Record(record) => {
                let is_clear = !record.is_changed || self.is_1_3();
                match record.header.kind {
                    CHANGE_CIPHER_SPEC => return None,
                    ALERT if is_clear => return None,
                    HANDSHAKE if is_clear => {
                        let mut random = None;
                        let read = self.hello.take(&record.body, |message| {
                            if let Message::ClientHello(hello) = message {
                                random = Some(hello);
                            }
                        });
                        if (read.is_err() || !record.is_whole()) && self.random.is_none() {
                            self.hopeless = Some(Unread::Malformed);
                        }
                        if let Some(random) = random.filter(|_| self.random.is_none()) {
                            self.random = Some(random);
                            self.claim(shared);
                        }
                        return None;
                    }
                    _ => {}
                }
                Asked::Record(record)
            }
        })
    }

    /// What comes out of the response stream.
    fn note_response(&mut self, item: server::Taken, shared: &mut Shared) -> Option<server::Taken> {
        use server::Taken;
        let (header, is_changed, body) = match &item {
            Taken::Whole { header, is_changed, body, .. } => (*header, *is_changed, body),
            Taken::Start { header, is_changed, body, .. } => (*header, *is_changed, body),
            Taken::More { .. } if self.is_passing => return None,
            Taken::End if self.is_passing => {
                self.is_passing = false;
                return None;
            }
            Taken::More { .. } | Taken::End => return Some(item),
            Taken::Lost => {
                if self.agreed.is_none() {
                    self.hopeless = self.hopeless.or(Some(Unread::Lost));
                }
                return Some(item);
            }
        };
        let is_clear = !is_changed || self.agreed.is_none() || self.is_1_3();
        if !(header.kind == CHANGE_CIPHER_SPEC || is_clear && matches!(header.kind, ALERT | HANDSHAKE)) {
            return Some(item);
        }
        if header.kind == HANDSHAKE && !self.is_choice_cut && self.agreed.is_none() {
            let mut choice = None;
            let read = self.choice.take(body, |message| {
                if let Message::ServerHello(hello) = message {
                    choice = Some(hello);
                }
            });
            if read.is_err() {
                self.hopeless = Some(Unread::Malformed);
            }
            if let Some(choice) = choice {
                self.agree(&choice, shared);
            }
        }
        if matches!(item, Taken::Start { .. }) {
            self.is_passing = true;
            self.is_choice_cut = true;
        }
        None
    }

    /// The server has chosen.
    fn agree(&mut self, hello: &ServerHello, shared: &mut Shared) {
        let ServerHello { random, version, suite, encrypt_then_mac } = *hello;
        let (found, legacy) = match (version, self.random) {
            (0x0304, _) => (Suite::of_1_3(suite), None),
            (0x0303, Some(client)) => {
                (Suite::of_1_2(suite), Some((Randoms { client, server: random }, encrypt_then_mac)))
            }
            (0x0303, None) => return self.hopeless = Some(Unread::Lost),
            _ => return self.hopeless = Some(Unread::Version),
        };
        match found {
            Some(suite) => self.agreed = Some(Agreed { suite, legacy }),
            None => {
                self.hopeless = Some(Unread::Suite);
                shared.unread_suite(suite);
            }
        }
    }

    /// Takes the secrets that name it.
    fn claim(&mut self, shared: &mut Shared) {
        self.came = shared.secrets.came();
        if let Some(random) = &self.random
            && self.own.len() < OWN
            && (self.reader.is_none() || self.writer.is_none())
        {
            let mut claimed = Vec::new();
            shared.secrets.claim(random, &mut claimed);
            for secret in claimed {
                if self.own.len() < OWN && self.own.iter().all(|own| own.bytes() != secret.bytes()) {
                    self.own.push(secret);
                }
            }
        }
    }

    /// Hands on what can be read, in the order in which it came. Requests don't wait for answers.
    fn pump<P: Protocol<C> + Carried, C: Context>(&mut self, inner: &mut P, context: &mut C) {
        if self.came != context.tls().secrets.came() {
            self.claim(context.tls());
        }
        while self.hopeless.is_none() {
            let asked = self.asked.front().map(|held| held.order);
            let answered = self.answered.front().map(|held| held.order);
            let is_request_next = asked.is_some_and(|asked| answered.is_none_or(|answered| asked < answered));
            if asked.is_none() && answered.is_none() {
                break;
            }
            if !is_request_next && self.can_answer::<P>(context.tls()) {
                self.next_answer(inner, context);
            } else if asked.is_some() && self.can_ask(context.tls()) {
                self.next_request(inner, context);
            } else {
                // That it is one of ours shows what the server sends, too.
                self.can_answer::<P>(context.tls());
                break;
            }
        }
        if self.reader.is_some() && self.writer.is_some() {
            // They have served.
            self.own = Vec::new();
        }
        if !self.is_waiting() && self.asked.capacity() + self.answered.capacity() > 0 {
            (self.asked, self.answered) = (VecDeque::new(), VecDeque::new());
        }
        let shared = context.tls();
        if self.waiting > HELD && self.hopeless.is_none() {
            self.hopeless = Some(Unread::NoSecret);
            self.is_mute |= self.reader.is_some();
        }
        let held =
            self.waiting + self.client.held() + self.server.held() + self.hello.held() + self.choice.held();
        shared.held = shared.held + held - self.charged;
        self.charged = held;
        if shared.is_full() && self.reader.is_none() {
            self.hopeless = self.hopeless.or(Some(Unread::Memory));
        }
        if self.reader.is_some() {
            self.hopeless = None;
        }
    }

    /// Whether the next of what the client sent can be handed on.
    fn can_ask(&mut self, shared: &mut Shared) -> bool {
        let Some(Held { item, .. }) = self.asked.front() else { return false };
        let Asked::Record(record) = item else { return self.reader.is_some() };
        if self.agreed.is_none() {
            return false;
        }
        let (start, is_encrypted) = (record.start, self.is_encrypted(record.header, record.is_changed));
        let is_early = |early: &Early| early.end.is_some_and(|end| start <= end);
        !is_encrypted
            || self.reader.is_some()
            || self.early.as_ref().is_some_and(is_early)
            || self.find_reader(shared)
            || self.early.as_ref().is_some_and(is_early)
    }

    /// Whether the next of what the server sent can be handed on.
    fn can_answer<P: Carried>(&mut self, shared: &mut Shared) -> bool {
        let Some(Held { item, .. }) = self.answered.front() else { return false };
        if self.agreed.is_none() {
            return false;
        }
        let is_encrypted = match item {
            server::Taken::Whole { header, is_changed, .. }
            | server::Taken::Start { header, is_changed, .. } => self.is_encrypted(*header, *is_changed),
            _ => false,
        };
        !is_encrypted || self.is_mute || self.writer.is_some() || self.find_writer::<P>(shared)
    }

    /// When its secrets may have come.
    fn window(&self) -> (Timestamp, Timestamp) {
        (self.first.1.at - SLACK, self.now + SLACK)
    }

    /// Looks for the secret that opens what the client sent.
    fn find_reader(&mut self, shared: &mut Shared) -> bool {
        let Some(agreed) = self.agreed else { return false };
        if agreed.legacy.is_some() {
            return self.find_master(&agreed, shared);
        }
        self.find_early(&agreed, shared);
        let from = if let Some(Early { end: Some(end), .. }) = self.early { end + 1 } else { 0 };
        let records = self.asked.iter().filter_map(|held| match &held.item {
            Asked::Record(record) if record.is_whole() && record.start >= from => Some((held.order, record)),
            _ => None,
        });
        let records: Vec<_> = records
            .filter(|(_, record)| record.header.kind == APPLICATION_DATA)
            .take(TRIED)
            .map(|(order, record)| Sealed {
                order,
                start: record.start,
                header: record.header,
                body: &record.body,
                is_server: false,
            })
            .collect();
        let window = self.window();
        let candidates = Candidates { own: &self.own, window, tried: &mut self.tried[0] };
        let found = search(&agreed, &records, 0, Label::Client, candidates, shared);
        let Some((start, ready)) = found else { return false };
        self.reader_from = start;
        self.reader = Some(ready);
        shared.counters.read += 1;
        true
    }

    /// Looks for the secret that opens what the server sent.
    fn find_writer<P: Carried>(&mut self, shared: &mut Shared) -> bool {
        let Some(agreed) = self.agreed else { return false };
        if agreed.legacy.is_some() {
            return self.find_master(&agreed, shared);
        }
        let records: Vec<_> = sealed_answers(&self.answered)
            .filter(|record| record.header.kind == APPLICATION_DATA)
            .take(TRIED)
            .collect();
        let window = self.window();
        let candidates = Candidates { own: &self.own, window, tried: &mut self.tried[1] };
        let is_cut = |held: &Held<server::Taken>| !matches!(held.item, server::Taken::Whole { .. });
        let ahead = if self.is_writer_late || self.answered.iter().any(is_cut) { AHEAD } else { 0 };
        let found = search(&agreed, &records, ahead, Label::Server, candidates, shared)
            .or_else(|| self.find_writer_by_start::<P>(&agreed, window, shared));
        let Some((start, ready)) = found else { return false };
        self.writer_from = start;
        self.writer = Some(ready);
        true
    }

    /// The same by an answer of which the beginning was captured: once requests are read, there is one.
    fn find_writer_by_start<P: Carried>(
        &self,
        agreed: &Agreed,
        window: (Timestamp, Timestamp),
        shared: &mut Shared,
    ) -> Option<(u64, Ready)> {
        self.reader.as_ref()?;
        let starts = self.answered.iter().filter_map(|held| match &held.item {
            server::Taken::Start { start, body, .. } if !body.is_empty() => Some((*start, body)),
            _ => None,
        });
        for (start, body) in starts.take(2) {
            let is_one = |secret: &Secret| matches!(secret.label, Label::Server | Label::Unknown);
            let Shared { secrets, scratch, .. } = &mut *shared;
            let candidates = secrets.candidates(0, window.0, window.1).map(|(_, secret)| secret).take(OWN);
            for secret in self.own.iter().chain(candidates).filter(|secret| is_one(secret)) {
                let Some(mut ready) = Ready::new(agreed, secret, true) else { continue };
                let mut copy = body.clone();
                (ready.is_sure, ready.known_to) = (false, start);
                if ready.decrypt_start(start, &mut copy, true, P::may_begin_answer, scratch).is_some() {
                    ready.number -= 1;
                    return Some((start, ready));
                }
            }
        }
        None
    }

    /// Looks for the master secret of a connection up to TLS 1.2: it opens the first record of either side.
    fn find_master(&mut self, agreed: &Agreed, shared: &mut Shared) -> bool {
        let asked = self.asked.iter().find_map(|held| match &held.item {
            Asked::Record(record) if record.is_changed => Some((held.order, record)),
            _ => None,
        });
        let asked = asked.filter(|(_, record)| record.is_whole()).map(|(order, record)| Sealed {
            order,
            start: record.start,
            header: record.header,
            body: &record.body,
            is_server: false,
        });
        let answered = sealed_answers(&self.answered).next();
        let records: Vec<_> = asked.into_iter().chain(answered).collect();
        let window = self.window();
        let candidates = Candidates { own: &self.own, window, tried: &mut self.tried[0] };
        let found = search_master(agreed, &records, candidates, shared);
        let Some((reader, writer)) = found else { return false };
        (self.reader, self.writer) = (Some(reader), Some(writer));
        shared.counters.read += 1;
        true
    }

    /// Looks for the secret of what a client sent early, and whether the server has taken it: only then comes a record that
    /// says where it ends (RFC 8446, section 4.5).
    fn find_early(&mut self, agreed: &Agreed, shared: &mut Shared) {
        if self.early.as_ref().is_some_and(|early| early.end.is_some()) {
            return;
        }
        let mut records = self.asked.iter().filter_map(|held| match &held.item {
            Asked::Record(record) if record.header.kind == APPLICATION_DATA => Some(record),
            _ => None,
        });
        if self.early.is_none() {
            let Some(first) = self.asked.iter().find_map(|held| match &held.item {
                Asked::Record(record) if record.header.kind == APPLICATION_DATA => Some(record),
                _ => None,
            }) else {
                return;
            };
            let (order, header, body) = (0, first.header, &first.body[..]);
            let first = Sealed { order, start: first.start, header, body, is_server: false };
            let window = self.window();
            let candidates = Candidates { own: &self.own, window, tried: &mut self.tried[2] };
            let found = search_early(agreed, &first, candidates, shared);
            self.early = found.map(|ready| Early { ready, end: None });
        }
        let Some(early) = &mut self.early else { return };
        let mut number = 0;
        let end = records.find_map(|record| {
            let mut body = record.body.clone();
            let (kind, content) = early.ready.keys.open(number, record.header, &mut body)?;
            number += 1;
            let is_end = kind == HANDSHAKE && body[content].first() == Some(&END_OF_EARLY_DATA);
            is_end.then_some(record.start)
        });
        early.end = end;
    }

    /// The next of what the client sent.
    fn next_request<P: Protocol<C>, C: Context>(&mut self, inner: &mut P, context: &mut C) {
        let Some(Held { item, .. }) = self.asked.pop_front() else { return };
        self.waiting -= item.cost();
        self.take_request(item, inner, context);
    }

    fn take_request<P: Protocol<C>, C: Context>(&mut self, item: Asked, inner: &mut P, context: &mut C) {
        match item {
            Asked::Record(record) => {
                if self.is_encrypted(record.header, record.is_changed) {
                    self.read_request(record, inner, context);
                }
            }
            Asked::Lost { bytes, origin } => self.lose_request(bytes, origin, inner, context),
        }
    }

    fn read_request<P: Protocol<C>, C: Context>(
        &mut self,
        mut record: Record,
        inner: &mut P,
        context: &mut C,
    ) {
        let is_1_3 = self.is_1_3();
        let is_early =
            self.early.as_ref().is_some_and(|early| early.end.is_some_and(|end| record.start <= end));
        let reader = if is_early {
            self.early.as_mut().map(|early| &mut early.ready)
        } else {
            self.reader.as_mut().filter(|_| record.start >= self.reader_from)
        };
        let Some(reader) = reader else { return };
        if !record.is_whole() {
            return self.read_broken(record, inner, context);
        }
        let shared = context.tls();
        let opened = reader.open(record.start, record.header, &mut record.body, &mut shared.scratch);
        let Some((kind, content)) = opened else {
            shared.counters.records_unopened += 1;
            reader.is_sure = false;
            let bytes = record.body.len() as u64;
            return self.lose_request(bytes, None, inner, context);
        };
        let content = &record.body[content];
        if kind == HANDSHAKE
            && is_1_3
            && updates_keys(content)
            && let Some(next) = reader.following()
        {
            *reader = next;
        }
        let origin = self.fresh.of(&record);
        if kind != APPLICATION_DATA || content.is_empty() {
            self.requests.pass(record.end, 0);
            return;
        }
        let origin = self.evidence(origin);
        let place = self.requests.next;
        self.requests.pass(record.end, content.len() as u64);
        inner.request(place, content, &origin, context);
    }

    /// A record that bytes are missing of.
    fn read_broken<P: Protocol<C>, C: Context>(
        &mut self,
        mut record: Record,
        inner: &mut P,
        context: &mut C,
    ) {
        let length = usize::from(record.header.length);
        let Some(reader) = self.reader.as_mut().filter(|reader| reader.is_sure) else {
            return self.lose_request(length as u64, None, inner, context);
        };
        let whole = length.saturating_sub(reader.keys.explicit() + reader.keys.behind());
        let content = reader.keys.decrypt_start(reader.number, &mut record.body);
        reader.number += 1;
        let content = &record.body[content];
        let content = &content[..content.len().min(whole)];
        let origin = self.fresh.of(&record);
        let origin = self.evidence(origin);
        let place = self.requests.next;
        self.requests.pass(record.end, whole as u64);
        if !content.is_empty() {
            inner.request(place, content, &origin, context);
        }
        inner.request_gap(place + content.len() as u64, (whole - content.len()) as u64, context);
    }

    /// Bytes that can't be read. How much they held is not known: less is said rather than more, so that a body does not
    /// seem to end before it does.
    fn lose_request<P: Protocol<C>, C: Context>(
        &mut self,
        bytes: u64,
        origin: Option<Origin>,
        inner: &mut P,
        context: &mut C,
    ) {
        if let Some(reader) = &mut self.reader {
            reader.is_sure = false;
        }
        if let Some(origin) = origin {
            self.fresh = Fresh { origin, is_used: true, ..self.fresh };
        }
        let held = bytes - (bytes / 512 + 1).min(bytes) * (HEADER as u64 + 17).min(bytes / 2 + 1).min(bytes);
        let held = held.min(bytes).max(1);
        let place = self.requests.next;
        self.requests.pass(place + held, held);
        inner.request_gap(place, held, context);
    }

    /// What a request's evidence is, that is the first of its segment to be one or is not.
    fn evidence(&mut self, (mut origin, is_first): (Origin, bool)) -> Origin {
        self.fresh.is_used = true;
        origin.sent = origin.sent.map(|sent| self.answers.sent(sent));
        if !std::mem::replace(&mut self.has_asked, true) {
            // What the server sent before was no answer.
            (origin.boundary, origin.pipelined) = (true, false);
        } else if !is_first {
            (origin.boundary, origin.certain, origin.pipelined) = (false, false, true);
        }
        origin
    }

    /// The next of what the server sent.
    fn next_answer<P: Protocol<C> + Carried, C: Context>(&mut self, inner: &mut P, context: &mut C) {
        let Some(Held { item, .. }) = self.answered.pop_front() else { return };
        self.waiting -= cost(&item);
        self.take_answer(item, inner, context);
    }

    fn take_answer<P: Protocol<C> + Carried, C: Context>(
        &mut self,
        item: server::Taken,
        inner: &mut P,
        context: &mut C,
    ) {
        use server::Taken;
        match item {
            Taken::Whole { start, end, header, body, is_changed, first, seen } => {
                if self.is_encrypted(header, is_changed) && start >= self.writer_from {
                    self.read_answer(start, end, header, body, first, seen, inner, context);
                }
            }
            Taken::Start { start, header, is_guess, body, bytes, is_changed, seen } => {
                if self.is_encrypted(header, is_changed) && start >= self.writer_from {
                    self.begin_answer(start, header, is_guess, body, bytes, seen, inner, context);
                }
            }
            Taken::More { bytes, seen } => {
                if let Some(current) = &mut self.current {
                    current.bytes += bytes;
                    self.tell_answer(&[], seen, inner, context);
                }
            }
            Taken::End => {
                if let Some(current) = self.current.take()
                    && let Some(writer) = &mut self.writer
                {
                    writer.is_sure &= !current.is_guess;
                    if writer.is_sure {
                        writer.known_to = current.start;
                    }
                }
            }
            Taken::Lost => {
                if let Some(writer) = &mut self.writer {
                    writer.is_sure = false;
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one item")]
    fn read_answer<P: Protocol<C> + Carried, C: Context>(
        &mut self,
        start: u64,
        end: u64,
        header: Header,
        mut body: Vec<u8>,
        first: Option<(usize, Seen)>,
        seen: Seen,
        inner: &mut P,
        context: &mut C,
    ) {
        let is_1_3 = self.is_1_3();
        let Some(writer) = &mut self.writer else { return };
        let shared = context.tls();
        let Some((kind, content)) = writer.open(start, header, &mut body, &mut shared.scratch) else {
            shared.counters.records_unopened += 1;
            writer.is_sure = false;
            // Too many that nobody saw came before: it may show by its beginning.
            let bytes = body.len();
            self.begin_answer(start, header, false, body, bytes, seen, inner, context);
            self.current = None;
            return;
        };
        let explicit = writer.keys.explicit();
        let content = &body[content];
        if kind == HANDSHAKE
            && is_1_3
            && updates_keys(content)
            && let Some(next) = writer.following()
        {
            *writer = next;
        }
        if kind != APPLICATION_DATA || content.is_empty() {
            return;
        }
        self.answers.begin(start);
        let Some(link) = self.link.map(|link| self.link(&link)) else { return };
        // What came first was there first.
        let split = first.map_or(0, |(bytes, _)| bytes.saturating_sub(explicit).min(content.len()));
        let (before, behind) = content.split_at(split);
        let first = first.map_or(seen, |(_, first)| first);
        for (data, seen) in [(before, first), (behind, seen)] {
            if !data.is_empty() {
                let ack = seen.ack.map(|ack| self.requests.acknowledged(ack));
                let piece =
                    Piece { place: self.answers.next, length: data.len() as u32, data, ack, at: seen.at };
                self.answers.pass(end, data.len() as u64);
                inner.response(piece, &link, context);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one item")]
    fn begin_answer<P: Protocol<C> + Carried, C: Context>(
        &mut self,
        start: u64,
        header: Header,
        is_guess: bool,
        mut body: Vec<u8>,
        bytes: usize,
        seen: Seen,
        inner: &mut P,
        context: &mut C,
    ) {
        self.current = None;
        let Some(writer) = &mut self.writer else { return };
        if header.kind != APPLICATION_DATA {
            writer.number += 1;
            return;
        }
        let is_answer = self.answers.begin(start);
        let content = if body.is_empty() {
            writer.number += 1;
            Some(0..0)
        } else {
            writer.decrypt_start(start, &mut body, is_answer, P::may_begin_answer, &mut context.tls().scratch)
        };
        let (explicit, behind) = (writer.keys.explicit(), writer.keys.behind());
        let content = content.unwrap_or_default();
        let length = usize::from(header.length);
        self.current = Some(Current { start, length, explicit, behind, is_guess, bytes, told: 0 });
        self.tell_answer(&body[content], Some(seen), inner, context);
    }

    /// Hands on what has come of the record under way, which begins with `data`.
    fn tell_answer<P: Protocol<C>, C: Context>(
        &mut self,
        data: &[u8],
        seen: Option<Seen>,
        inner: &mut P,
        context: &mut C,
    ) {
        let Some(current) = &mut self.current else { return };
        let content = current.content();
        let length = content.saturating_sub(current.told);
        current.told = current.told.max(content);
        let end = current.start + (HEADER + current.bytes) as u64;
        let place = self.answers.next;
        self.answers.pass(end, length as u64);
        let Some(link) = self.link.map(|link| self.link(&link)) else { return };
        if length == 0 {
            return;
        }
        match seen {
            Some(seen) => {
                let ack = seen.ack.map(|ack| self.requests.acknowledged(ack));
                let data = &data[..data.len().min(length)];
                let piece = Piece { place, length: length as u32, data, ack, at: seen.at };
                inner.response(piece, &link, context);
            }
            None => inner.response_gap(place, length as u64, context),
        }
    }

    /// Gives up what has waited for long.
    fn expire(&mut self, shared: &mut Shared) {
        let now = self.now;
        let is_over = |at: Timestamp| at + HOLD <= now;
        while self.reader.is_none()
            && self.hopeless.is_none()
            && let Some(held) = self.asked.front().filter(|held| is_over(held.at))
        {
            let at = held.at;
            let is_spared = self.is_1_3() && (self.spared == 0 || self.is_known() && self.spared < SPARED);
            if !is_spared {
                self.hopeless = Some(Unread::NoSecret);
                return;
            }
            self.spared += 1;
            self.reserve(at, shared);
            if let Some(Held { item, .. }) = self.asked.pop_front() {
                self.waiting -= item.cost();
            }
        }
        if self.writer.is_none() && self.answered.front().is_some_and(|held| is_over(held.at)) {
            self.is_mute |= self.has_asked;
            self.reserve(now, shared);
            while !self.is_mute && self.answered.front().is_some_and(|held| is_over(held.at)) {
                self.is_writer_late = true;
                let Some(Held { item, .. }) = self.answered.pop_front() else { break };
                self.waiting -= cost(&item);
            }
        }
    }

    /// The handshake is over and nothing follows for the time being: what may be its secrets is kept, as they are told once.
    fn reserve(&mut self, at: Timestamp, shared: &Shared) {
        let is_traffic =
            |secret: &Secret| matches!(secret.label, Label::Client | Label::Server | Label::Unknown);
        if self.own.iter().any(&is_traffic) {
            return;
        }
        let candidates = shared.secrets.candidates(0, self.first.1.at - SLACK, at + HOLD);
        let candidates = candidates.map(|(_, secret)| secret).filter(|secret| is_traffic(secret));
        self.own.extend(candidates.take(OWN - self.own.len().min(OWN)).cloned());
    }
}

impl Fresh {
    /// What is known of the segment that a record came with, and whether it is the first of it that counts.
    fn of(&mut self, record: &Record) -> (Origin, bool) {
        if record.segment != self.segment {
            let mut origin = record.origin;
            if self.segment != 0 && !self.is_used {
                // Nothing was asked since, so that an answer before that is still the last word.
                origin.boundary |= self.origin.boundary && origin.in_order;
                origin.certain |= self.origin.certain && origin.in_order;
                origin.pipelined &= self.origin.pipelined;
            }
            *self = Fresh { segment: record.segment, origin, is_used: record.is_behind && self.is_used };
        }
        (Origin { at: record.origin.at, ..self.origin }, !self.is_used)
    }
}

fn sealed_answers(answered: &VecDeque<Held<server::Taken>>) -> impl Iterator<Item = Sealed<'_>> {
    answered.iter().filter_map(|held| match &held.item {
        server::Taken::Whole { start, header, body, .. } => {
            Some(Sealed { order: held.order, start: *start, header: *header, body, is_server: true })
        }
        _ => None,
    })
}

/// Whether decrypted messages end in one that changes the keys (RFC 8446, section 4.6.3): it is the last under the old ones.
fn updates_keys(content: &[u8]) -> bool {
    content.last_chunk::<5>().is_some_and(|last| last[..4] == [KEY_UPDATE, 0, 0, 1])
}
