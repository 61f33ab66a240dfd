//! Keys in use, and how far they have come.
//!
//! The number of a record is what no byte of it says. It is known as long as every record was seen; behind those that were not, it is
//! searched for upwards: a tag proves it, or that what it makes of a beginning reads as it should.

use std::ops::Range;

use zeroize::Zeroize;

use super::{
    keys::{Keys, LEAST, Randoms, next_secret},
    record::{HEADER, Header},
    secret::Secret,
    suite::Suite,
};

/// Numbers that are tried beyond those that bytes which nobody saw can hold: a server's tickets.
pub(crate) const AHEAD: u64 = 16;

/// The most that are tried by a beginning,
const NUMBERS: u64 = 8192;

/// and by a tag, which takes the whole record.
const TAGS: u64 = 512;

/// What the two sides have agreed on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreed {
    pub(crate) suite: Suite,
    /// `None` in TLS 1.3; else what the keys are made with, and whether the code follows the ciphertext.
    pub(crate) legacy: Option<(Randoms, bool)>,
}

/// Keys in use, and how far they have come.
pub(crate) struct Ready {
    suite: Suite,
    pub(crate) keys: Box<Keys>,
    /// What the next keys are made of, in TLS 1.3.
    secret: Option<Secret>,
    /// Of the next record.
    pub(crate) number: u64,
    /// It is that, or none is known better: later ones have to be tried, too.
    pub(crate) is_sure: bool,
    /// Where the last record ended whose number was certain.
    pub(crate) known_to: u64,
    /// The last record that a tag proved: its number, and what it said of its nonce.
    proved: Option<(u64, u64)>,
}

impl Ready {
    pub(crate) fn new(agreed: &Agreed, secret: &Secret, is_server: bool) -> Option<Ready> {
        let suite = agreed.suite;
        let (keys, kept) = match agreed.legacy {
            Some((randoms, encrypt_then_mac)) => {
                if secret.bytes().len() != 48 {
                    return None;
                }
                let keys =
                    Keys::of_master_secret(suite, secret.bytes(), &randoms, is_server, encrypt_then_mac);
                (keys, None)
            }
            None => (Keys::of_traffic_secret(suite, secret.bytes())?, Some(secret.clone())),
        };
        Some(Ready { suite, keys, secret: kept, number: 0, is_sure: true, known_to: 0, proved: None })
    }

    /// The same at the record with this number, which begins here.
    pub(crate) fn at(mut self, number: u64, start: u64) -> Ready {
        (self.number, self.known_to) = (number, start);
        self
    }

    /// With the keys that follow these, if the sender has changed them (RFC 8446, section 4.6.3).
    pub(crate) fn following(&self) -> Option<Ready> {
        let secret = self.secret.as_ref()?;
        let mut bytes = next_secret(self.suite, secret.bytes())?;
        let next = Secret::new(secret.label, &bytes[..secret.bytes().len()], secret.client_random, secret.at);
        bytes.zeroize();
        let next = next?;
        let keys = Keys::of_traffic_secret(self.suite, next.bytes())?;
        Some(Ready {
            suite: self.suite,
            keys,
            secret: Some(next),
            number: 0,
            is_sure: true,
            known_to: self.known_to,
            proved: None,
        })
    }

    /// The numbers that a record may have by what it says of its nonce: implementations count from whatever they began with, or change it
    /// by the number's bits.
    fn foretold(&self, said: Option<u64>) -> [Option<u64>; 2] {
        let Some((said, (number, before))) = said.zip(self.proved).filter(|_| !self.is_sure) else {
            return [None; 2];
        };
        let is_later = |&found: &u64| found >= self.number && found - number < 1 << 48;
        [said.wrapping_sub(before).wrapping_add(number), said ^ before ^ number]
            .map(|found| Some(found).filter(is_later))
    }

    /// How many numbers the records up to `start` can have taken that nobody knows.
    fn doubt(&self, start: u64) -> u64 {
        if self.is_sure { 0 } else { (start.saturating_sub(self.known_to) / LEAST + AHEAD).min(NUMBERS) }
    }

    /// Opens a whole record in place: its type, and where its content stands. `scratch` is for a copy.
    pub(crate) fn open(
        &mut self,
        start: u64,
        header: Header,
        body: &mut [u8],
        scratch: &mut Vec<u8>,
    ) -> Option<(u8, Range<usize>)> {
        scratch.clear();
        scratch.extend_from_slice(body);
        let end = start + (HEADER + body.len()) as u64;
        let attempt = |keys: &Keys, number: u64, body: &mut [u8]| {
            body.copy_from_slice(scratch);
            keys.open(number, header, body)
        };
        let said = self.keys.said(scratch);
        let foretold = self.foretold(said);
        let numbers = self.number..=self.number + self.doubt(start).min(TAGS);
        for number in foretold.into_iter().flatten().chain(numbers) {
            if let Some(opened) = attempt(&self.keys, number, body) {
                (self.number, self.is_sure, self.known_to) = (number + 1, true, end);
                self.proved = said.map(|said| (number, said));
                return Some(opened);
            }
        }
        if let Some(mut next) = self.following() {
            for number in 0..=self.doubt(start).min(TAGS) {
                if let Some(opened) = attempt(&next.keys, number, body) {
                    (next.number, next.known_to) = (number + 1, end);
                    *self = next;
                    return Some(opened);
                }
            }
        }
        body.copy_from_slice(scratch);
        None
    }

    /// Decrypts the beginning of a record, which begins an answer if that is what `reads` says of it. Where its content
    /// stands; `None` if it is not known how to read it.
    pub(crate) fn decrypt_start(
        &mut self,
        start: u64,
        body: &mut [u8],
        is_answer: bool,
        reads: impl Fn(&[u8]) -> bool,
        scratch: &mut Vec<u8>,
    ) -> Option<Range<usize>> {
        if !self.keys.is_numbered() {
            let [foretold, _] = self.foretold(self.keys.said(body));
            self.number = foretold.unwrap_or(self.number) + 1;
            let content = self.keys.decrypt_start(0, body);
            let fits = reads(&body[content.clone()][..content.len().min(16)]);
            return (fits || self.is_sure || !is_answer).then_some(content);
        }
        if is_answer || !self.is_sure {
            scratch.clear();
            scratch.extend_from_slice(body);
            let content = self.keys.decrypt_start(self.number, body);
            if reads(&body[content.clone()][..content.len().min(16)]) {
                (self.number, self.is_sure) = (self.number + 1, true);
                return Some(content);
            }
            body.copy_from_slice(scratch);
            let fits = |keys: &Keys, number: u64| {
                let mut first = [0; 16];
                let length = body.len().min(first.len());
                first[..length].copy_from_slice(&body[..length]);
                keys.decrypt_start(number, &mut first[..length]);
                length > 0 && reads(&first[..length])
            };
            let most = self.doubt(start) + AHEAD;
            if let Some(number) = (self.number..=self.number + most).find(|&number| fits(&self.keys, number))
            {
                self.number = number;
                self.is_sure = true;
            } else if let Some((next, number)) = self.following().and_then(|next| {
                let number = (0..=most).find(|&number| fits(&next.keys, number))?;
                Some((next, number))
            }) {
                *self = next;
                self.number = number;
            } else if !self.is_sure {
                return None;
            }
        }
        let content = self.keys.decrypt_start(self.number, body);
        self.number += 1;
        Some(content)
    }
}
