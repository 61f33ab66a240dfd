//! Where plaintext stands.
//!
//! What a protocol gets to see has no holes where records have their headers and tags, so its bytes stand at places of their own, one after
//! the other, while TCP's evidence (accepted, acknowledged, sent) has places of the ciphertext. Here the latter are turned into
//! the former.

use std::collections::VecDeque;

/// Ends of records that are told apart. More wait for an acknowledgement only where a client sends without waiting; then
/// every second is forgotten.
const MARKS: usize = 64;

/// Places that the server's stream was announced to reach and has not reached yet.
const ANCHORS: usize = 64;

/// The places of requests.
#[derive(Debug)]
pub(crate) struct Requests {
    /// Of the next byte of plaintext.
    pub(crate) next: u64,
    /// Of the next byte of ciphertext.
    raw: u64,
    /// Ends of records, and of what they held.
    marks: VecDeque<(u64, u64)>,
}

impl Requests {
    /// A stream whose ciphertext begins here.
    pub(crate) fn new(start: u64) -> Requests {
        Requests { next: start, raw: start, marks: VecDeque::from([(start, start)]) }
    }

    /// A record that held `bytes` ends at `end`.
    pub(crate) fn pass(&mut self, end: u64, bytes: u64) {
        self.next += bytes;
        self.raw = end;
        // What holds nothing leaves the place before it where it is.
        if bytes == 0 {
            return;
        }
        if self.marks.len() >= MARKS {
            let mut index = 0;
            self.marks.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
        self.marks.push_back((end, self.next));
    }

    /// How far the server had the plaintext when it had the ciphertext up to here.
    pub(crate) fn acknowledged(&mut self, ack: u64) -> u64 {
        while self.marks.get(1).is_some_and(|&(end, _)| end <= ack) {
            self.marks.pop_front();
        }
        if ack >= self.raw { self.next } else { self.marks.front().map_or(self.next, |&(_, place)| place) }
    }
}

/// The places of answers. Where the server's stream had come to when a request arrived, the plaintext has a place of the same number.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Of the next byte of plaintext.
    pub(crate) next: u64,
    /// Behind the last ciphertext that held any.
    raw: u64,
    anchors: VecDeque<u64>,
}

impl Answers {
    /// A record begins here. Whether a request waited for what the server sends from here on.
    pub(crate) fn begin(&mut self, start: u64) -> bool {
        let mut is_anchor = false;
        while let Some(anchor) = self.anchors.pop_front_if(|anchor| *anchor <= start) {
            self.next = self.next.max(anchor);
            is_anchor = true;
        }
        is_anchor
    }

    /// `bytes` of plaintext were handed on, of ciphertext that ends at `end`.
    pub(crate) fn pass(&mut self, end: u64, bytes: u64) {
        self.next += bytes;
        self.raw = self.raw.max(end);
    }

    /// The place of the plaintext that follows when the server's stream had come to `sent`.
    pub(crate) fn sent(&mut self, sent: u64) -> u64 {
        if sent >= self.raw {
            if self.anchors.back() != Some(&sent) {
                if self.anchors.len() >= ANCHORS {
                    self.anchors.pop_front();
                }
                self.anchors.push_back(sent);
            }
            return sent;
        }
        self.next.saturating_sub(self.raw - sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_covers_whole_records_only() {
        let mut places = Requests::new(1000);
        places.pass(1100, 0);
        places.pass(1200, 78);
        places.pass(1300, 78);
        assert_eq!(places.acknowledged(1100), 1000);
        assert_eq!(places.acknowledged(1199), 1000);
        assert_eq!(places.acknowledged(1200), 1078);
        assert_eq!(places.acknowledged(1300), 1156);
        assert_eq!(places.next, 1156);
        // The client says that it ends.
        places.pass(1324, 0);
        assert_eq!((places.acknowledged(1300), places.acknowledged(1324)), (1156, 1156));
        for record in 0..1000 {
            places.pass(1400 + 100 * record, 78);
        }
        assert!(places.marks.len() <= MARKS);
        assert_eq!(places.acknowledged(u64::MAX), 1156 + 78 * 1000);
    }

    #[test]
    fn an_answer_stands_where_its_request_saw_the_stream() {
        let mut places = Answers::default();
        assert_eq!(places.sent(5000), 5000, "behind the handshake");
        assert!(!places.begin(4000), "a record of the handshake");
        // A ticket came between.
        assert!(places.begin(5200));
        assert_eq!(places.next, 5000);
        places.pass(5322, 100);
        assert_eq!((places.next, places.sent(5322)), (5100, 5322), "the next answer's");
        assert!(places.begin(5322));
        assert_eq!(places.next, 5322);
        places.pass(5444, 100);
        assert_eq!(places.sent(5444 - 50), 5372, "one that is older");
    }
}
