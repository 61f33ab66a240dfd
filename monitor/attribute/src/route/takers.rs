//! Who takes which words in a place of paths: whether one client goes through values that nobody else asks for.
//!
//! A word of an API is asked for by whoever uses the API. A value is asked for by whom it belongs to; so somebody who asks
//! for twenty of them that nobody else has asked for goes through values, answered or not. The first client of all asks for
//! words, too, that nobody else has asked for: a page that calls forty endpoints at its start. So what stands before the
//! place has a say ([`Prior`]), and where that says nothing, the words and their answers must be alike.
//!
//! Nothing here grows without bound: so many clients in a place are watched ([`MOST`]), and those that have taken few words
//! give way first.

use std::borrow::Cow;

use rollcall_model::{
    hash::HashKey,
    state::{Inconsistent, check},
};
use serde::{Deserialize, Serialize};

use crate::{
    client::{ClientKey, Clients},
    object::identifier,
};

/// Words of one client that nobody else asks for, from which on they are values. Of 2,639 public descriptions 25 have as many
/// words in one place below a name in plural, most of them below one of the [`CONTAINERS`].
pub const FEWEST: usize = 20;

/// Of these so many have to be there: who finds nothing has found no place.
const FEWEST_ANSWERED: usize = 3;

/// In a place of random tokens, so many that happen to look like words.
const FEWEST_STRAY: usize = 4;

/// Clients in places that are watched, of each service.
const MOST: usize = 128;

/// Words of each that are remembered.
const WORDS: usize = 48;

/// Who has taken fewer gives way to others.
const FEW: usize = 5;

/// Addresses from which a value may be asked for: who it belongs to may have two.
pub(super) const FEW_CALLERS: u64 = 2;

/// Names below which words of the API stand, however many, though they are plural: methods, documents, parts of pages.
const CONTAINERS: [&str; 88] = [
    "about",
    "actions",
    "admin",
    "ajax",
    "analytics",
    "api",
    "apis",
    "app",
    "apps",
    "articles",
    "assets",
    "blog",
    "blogs",
    "categories",
    "cgi-bin",
    "classes",
    "columns",
    "commands",
    "common",
    "components",
    "config",
    "console",
    "content",
    "controls",
    "css",
    "dashboards",
    "data",
    "details",
    "diagnostics",
    "docs",
    "documentation",
    "entities",
    "events",
    "examples",
    "faqs",
    "features",
    "feeds",
    "forms",
    "functions",
    "graphs",
    "guides",
    "help",
    "hooks",
    "includes",
    "internal",
    "jobs",
    "js",
    "json",
    "lessons",
    "lists",
    "me",
    "methods",
    "metrics",
    "modules",
    "news",
    "operations",
    "options",
    "pages",
    "parts",
    "plugins",
    "policies",
    "posts",
    "preferences",
    "private",
    "properties",
    "public",
    "recipes",
    "reports",
    "resources",
    "rest",
    "rpc",
    "scripts",
    "sections",
    "self",
    "services",
    "settings",
    "site",
    "solutions",
    "static",
    "statistics",
    "stats",
    "support",
    "tags",
    "tasks",
    "tools",
    "topics",
    "tutorials",
    "wiki",
];

/// What stands before a place says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prior {
    /// Words stand there, as behind `/api`: values only if they are drawn at random.
    Words,
    /// Nothing: values if they are alike.
    Unknown,
    /// Values: `/users/…`.
    Values,
}

/// Who they are and what they have taken. Filled as they come.
#[derive(Debug)]
pub(super) struct Takers {
    key: HashKey,
    all: Vec<Taker>,
    clock: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Taker {
    client: u64,
    place: u64,
    words: Vec<Word>,
    /// How many there have been.
    count: usize,
    latest: Box<str>,
    /// Words that come behind the one before them by alphabet, and before it.
    rising: usize,
    falling: usize,
    clock: u64,
}

/// A word that was taken.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Word {
    hash: u64,
    /// Of what follows in the path, with the method.
    rest: u64,
    /// Of its form.
    shape: u64,
    size: u64,
    score: i32,
    length: u16,
    answered: bool,
    is_title: bool,
    /// It begins with the sign for a name of somebody: `@anna`, `~anna`.
    is_signed: bool,
    /// It is made of several parts.
    is_compound: bool,
}

/// A word in a place of a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken<'a> {
    /// What stands before it.
    pub(super) before: &'a str,
    /// The word, in lower case and as it was written.
    pub(super) word: &'a str,
    pub(super) text: &'a str,
    /// What follows it, with the method.
    pub(super) rest: &'a str,
    pub(super) answered: bool,
    /// Of the answer; 0 if it is not known.
    pub(super) size: u64,
}

/// What a place has turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Of words, as far as is known.
    Words,
    /// Of values.
    Values,
}

impl Prior {
    /// What `name`, which stands before a place, says of it; `None` at the beginning of a path or behind a value.
    pub(super) fn of(name: Option<&str>) -> Prior {
        let Some(name) = name else { return Prior::Words };
        let is_version =
            name.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|byte| !byte.is_ascii_alphabetic()));
        if is_version || CONTAINERS.binary_search(&name).is_ok() {
            return Prior::Words;
        }
        let is_plural = name.len() >= 4
            && name.ends_with('s')
            && !["ss", "us", "is", "ics", "as"].iter().any(|ending| name.ends_with(ending));
        let last = name.rsplit(['-', '_', '.']).next().unwrap_or(name);
        match is_plural {
            true if CONTAINERS.binary_search(&last).is_ok() => Prior::Words,
            true => Prior::Values,
            false => Prior::Unknown,
        }
    }
}

impl Takers {
    pub(super) fn new(key: HashKey) -> Takers {
        Takers { key, all: Vec::new(), clock: 0 }
    }

    /// Who has taken what, to be written down.
    pub(super) fn checkpoint(&self) -> Cow<'_, [Taker]> {
        Cow::Borrowed(&self.all)
    }

    /// Those that `state` says.
    pub(super) fn restore(key: HashKey, state: Vec<Taker>) -> Result<Takers, Inconsistent> {
        check(state.len() <= MOST, "more clients are watched than there is room for")?;
        let fits =
            |taker: &Taker| taker.words.len() <= WORDS.min(taker.count) && u32::try_from(taker.count).is_ok();
        check(state.iter().all(fits), "a client has taken more words than are remembered")?;
        let clock = state.iter().map(|taker| taker.clock).max().unwrap_or_default();
        Ok(Takers { key, all: state, clock })
    }

    /// Takes in a word, by each client that took it, and tells what its place is by what they have taken. `is_shared` gives
    /// those of some words of the place that others ask for, too; `has_tokens` tells that identifiers stand in the place.
    pub(super) fn take(
        &mut self,
        clients: &Clients,
        prior: Prior,
        taken: Taken<'_>,
        has_tokens: bool,
        is_shared: impl Fn(&dyn Fn(&str) -> bool) -> Vec<String>,
    ) -> Verdict {
        let place = self.key.hash(taken.before.as_bytes());
        let word = self.word(&taken);
        for client in identities(clients) {
            let client = self.key.hash(&client.to_bytes());
            let key = self.key;
            let Some(taker) = self.taker(client, place) else { continue };
            if !taker.take(word, taken.word) || !taker.is_due(has_tokens) {
                continue;
            }
            let is_taken = |word: &str| {
                let hash = key.hash(word.as_bytes());
                taker.words.iter().any(|taken| taken.hash == hash)
            };
            let shared: Vec<u64> =
                is_shared(&is_taken).iter().map(|word| key.hash(word.as_bytes())).collect();
            if taker.judge(prior, has_tokens, &shared) == Verdict::Values {
                return Verdict::Values;
            }
        }
        Verdict::Words
    }

    fn word(&self, taken: &Taken<'_>) -> Word {
        let shape = shape(taken.word);
        Word {
            is_compound: shape.len() > 1,
            hash: self.key.hash(taken.word.as_bytes()),
            rest: self.key.hash(taken.rest.as_bytes()),
            shape: self.key.hash(&shape),
            size: taken.size,
            score: identifier::randomness(taken.text),
            length: u16::try_from(taken.word.len()).unwrap_or(u16::MAX),
            answered: taken.answered,
            is_signed: taken.word.starts_with(['@', '~']),
            is_title: is_title(taken.word) && identifier::randomness(taken.text) <= 0,
        }
    }

    /// The client in the place; there is room for it, as others give way.
    fn taker(&mut self, client: u64, place: u64) -> Option<&mut Taker> {
        self.clock += 1;
        let clock = self.clock;
        let known = self.all.iter().position(|taker| taker.client == client && taker.place == place);
        let at = match known {
            Some(at) => at,
            None => {
                let taker = Taker {
                    client,
                    place,
                    words: Vec::new(),
                    count: 0,
                    latest: "".into(),
                    rising: 0,
                    falling: 0,
                    clock,
                };
                if self.all.len() < MOST {
                    self.all.push(taker);
                    self.all.len() - 1
                } else {
                    let all = self.all.iter().enumerate();
                    let (at, _) = all.min_by_key(|(_, taker)| (taker.count >= FEW, taker.clock))?;
                    self.all[at] = taker;
                    at
                }
            }
        };
        let taker = &mut self.all[at];
        taker.clock = clock;
        Some(taker)
    }
}

/// By what a call's maker is known: what it proved itself with, else where it called from. Many share an address.
fn identities(clients: &Clients) -> &[ClientKey] {
    match clients.by_credential() {
        [] => &clients.keys()[..1],
        credentials => &credentials[..credentials.len().min(2)],
    }
}

/// Whether a word is many words: a document rather than somebody.
pub(super) fn is_title(word: &str) -> bool {
    word.bytes().filter(|byte| b"-_".contains(byte)).count() >= 3
}

/// The form of a word: `a.9` of `anna.1017`.
fn shape(word: &str) -> Vec<u8> {
    let mut shape = Vec::new();
    for byte in word.bytes() {
        let kind = match byte {
            b'0'..=b'9' => b'9',
            b'a'..=b'z' => b'a',
            other => other,
        };
        if shape.last() != Some(&kind) && shape.len() < 32 {
            shape.push(kind);
        }
    }
    shape
}

impl Taker {
    /// False if it has been taken before.
    fn take(&mut self, word: Word, text: &str) -> bool {
        if let Some(known) = self.words.iter_mut().find(|known| known.hash == word.hash) {
            known.answered |= word.answered;
            return false;
        }
        if self.count > 0 {
            match *text > *self.latest {
                true => self.rising += 1,
                false => self.falling += 1,
            }
        }
        self.latest = text.chars().take(64).collect();
        match self.words.len() < WORDS {
            true => self.words.push(word),
            false => self.words[self.count % WORDS] = word,
        }
        self.count += 1;
        true
    }

    /// Whether it is time for a look.
    fn is_due(&self, has_tokens: bool) -> bool {
        self.count >= FEWEST && (self.count < 2 * FEWEST || self.count.is_multiple_of(8))
            || (has_tokens && (FEWEST_STRAY..FEWEST).contains(&self.count))
    }

    /// What the place is. `shared` are words that others ask for, too.
    fn judge(&self, prior: Prior, has_tokens: bool, shared: &[u64]) -> Verdict {
        let mine: Vec<Word> =
            self.words.iter().filter(|word| !shared.contains(&word.hash)).copied().collect();
        let answered = mine.iter().filter(|word| word.answered).count();
        if has_tokens && mine.len() >= FEWEST_STRAY && answered > 0 && are_stray(&mine) {
            return Verdict::Values;
        }
        if mine.len() < FEWEST || answered < FEWEST_ANSWERED {
            return Verdict::Words;
        }
        let titles = mine.iter().filter(|word| word.is_title).count();
        let is = match prior {
            Prior::Words => are_random(&mine) || mine.iter().all(|word| word.is_signed),
            Prior::Unknown | Prior::Values if titles * 2 > mine.len() => false,
            Prior::Unknown => {
                is_most(&mine, |word| word.rest)
                    && (are_of_one_form(&mine)
                        || self.is_in_order()
                        || are_missed(&mine)
                        || are_of_one_size(&mine))
            }
            Prior::Values => true,
        };
        if is { Verdict::Values } else { Verdict::Words }
    }

    fn is_in_order(&self) -> bool {
        let steps = self.rising + self.falling;
        steps + 1 >= FEWEST && self.rising.max(self.falling) * 20 >= steps * 19
    }
}

/// Whether nine in ten have the same of something.
fn is_most(words: &[Word], of: impl Fn(&Word) -> u64) -> bool {
    let mut all: Vec<u64> = words.iter().map(of).collect();
    all.sort_unstable();
    let most = all.chunk_by(|a, b| a == b).map(<[u64]>::len).max().unwrap_or_default();
    most * 10 >= words.len() * 9
}

/// Words that differ are of many lengths.
fn are_of_one_length(words: &[Word]) -> bool {
    words.iter().all(|word| word.length >= 3) && is_most(words, |word| u64::from(word.length))
}

/// Of one length, or alike in more than being words.
fn are_of_one_form(words: &[Word]) -> bool {
    are_of_one_length(words) || is_most(words, |word| word.shape) && words.iter().all(|word| word.is_compound)
}

/// What is numbered (`page1x`, `page2x`) is of one form.
fn are_random(words: &[Word]) -> bool {
    let score = average_score(words);
    are_of_one_length(words) && (score >= 50 || score >= 30 && !is_most(words, |word| word.shape))
}

fn are_stray(words: &[Word]) -> bool {
    are_of_one_length(words) && average_score(words) >= 10
}

fn average_score(words: &[Word]) -> i32 {
    words.iter().map(|word| word.score).sum::<i32>() / i32::try_from(words.len().max(1)).unwrap_or(1)
}

/// Who follows links finds what is there.
fn are_missed(words: &[Word]) -> bool {
    words.iter().filter(|word| !word.answered).count() * 4 >= words.len()
}

/// Answers about things of one kind are of about one size; those of an API's methods are not.
fn are_of_one_size(words: &[Word]) -> bool {
    let mut sizes: Vec<u64> =
        words.iter().filter(|word| word.answered && word.size > 0).map(|word| word.size).collect();
    sizes.sort_unstable();
    let [first, third] =
        [sizes.len() / 4, sizes.len() * 3 / 4].map(|at| sizes.get(at).copied().unwrap_or_default());
    sizes.len() >= FEWEST / 2 && third <= first + first / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a place turns out to be when one client asks for `words` in it, and when: how many it has asked for then.
    fn turns(
        before: Option<&str>,
        words: &[(String, bool, u64)],
        shared: usize,
        has_tokens: bool,
    ) -> Option<usize> {
        let mut takers = Takers::new(HashKey::new([7; 16]));
        let clients = Clients::new([192, 0, 2, 7].into(), &[]);
        let known: Vec<String> = words.iter().take(shared).map(|(word, ..)| word.clone()).collect();
        words.iter().position(|(word, answered, size)| {
            let taken =
                Taken { before: "GET /x", word, text: word, rest: "", answered: *answered, size: *size };
            let is_shared = |is_taken: &dyn Fn(&str) -> bool| {
                known.iter().filter(|word| is_taken(word)).cloned().collect()
            };
            takers.take(&clients, Prior::of(before), taken, has_tokens, is_shared) == Verdict::Values
        })
    }

    /// Words without digits, of many lengths.
    fn words(count: usize) -> Vec<(String, bool, u64)> {
        let word = |n: usize| {
            (["ba", "do", "fi", "ku", "lemo"][n % 5].repeat(1 + n / 5 % 4) + ["n", "sa", "ti"][n % 3], true)
        };
        (0..count)
            .map(|n| (format!("{}{}", word(n).0, word(n / 7).0), true, [40, 9_000, 700][n % 3]))
            .collect()
    }

    #[test]
    fn names_say_what_stands_behind_them() {
        for (name, prior) in [
            (None, Prior::Words),
            (Some("api"), Prior::Words),
            (Some("v2.1"), Prior::Words),
            (Some("reports"), Prior::Words),
            (Some("sales-reports"), Prior::Words),
            (Some("users"), Prior::Values),
            (Some("customer-accounts"), Prior::Values),
            (Some("profile"), Prior::Unknown),
            (Some("status"), Prior::Unknown),
            (Some("address"), Prior::Unknown),
        ] {
            assert_eq!(Prior::of(name), prior, "{name:?}");
        }
        assert!(CONTAINERS.is_sorted());
    }

    #[test]
    fn who_asks_for_what_nobody_else_does_goes_through_values() {
        let all = words(40);
        assert_eq!(turns(Some("users"), &all, 0, false), Some(FEWEST - 1));
        assert_eq!(turns(Some("users"), &all, 5, false), Some(FEWEST + 4), "others ask for five of them");
        assert_eq!(turns(Some("profile"), &all, 0, false), None, "their answers differ");
        assert_eq!(turns(Some("api"), &all, 0, false), None);
        let missed: Vec<_> =
            all.iter().enumerate().map(|(n, (word, ..))| (word.clone(), n % 3 == 0, 500)).collect();
        assert_eq!(turns(Some("profile"), &missed, 0, false), Some(FEWEST - 1));
        let nothing: Vec<_> = all.iter().map(|(word, ..)| (word.clone(), false, 0)).collect();
        assert_eq!(turns(Some("users"), &nothing, 0, false), None, "who finds nothing has found no place");
        let sized: Vec<_> = all.iter().map(|(word, ..)| (word.clone(), true, 800)).collect();
        assert_eq!(turns(Some("profile"), &sized, 0, false), Some(FEWEST - 1));
        assert_eq!(turns(Some("api"), &sized, 0, false), None);
        let mut sorted = all.clone();
        sorted.sort();
        assert_eq!(turns(Some("profile"), &sorted, 0, false), Some(FEWEST - 1));
        let titles: Vec<_> = all.iter().map(|(word, ..)| (format!("how-to-{word}-it"), true, 800)).collect();
        assert_eq!(turns(Some("stories"), &titles, 0, false), None);
        let signed: Vec<_> = all.iter().map(|(word, ..)| (format!("@{word}"), true, 1)).collect();
        assert_eq!(turns(None, &signed, 0, false), Some(FEWEST - 1));
    }

    #[test]
    fn tokens_are_values_wherever_they_stand() {
        let token =
            |n: usize| format!("{}q{}z", ["xk", "vb", "jt", "wq"][n % 4], ["hv", "zz", "kp"][n / 4 % 3]);
        let tokens: Vec<_> = (0..12).map(|n| (token(n), true, 10)).collect();
        assert_eq!(turns(Some("api"), &tokens, 0, true), Some(FEWEST_STRAY - 1), "beside others of them");
        assert_eq!(turns(Some("api"), &tokens, 0, false), None);
        assert_eq!(turns(Some("api"), &words(12), 0, true), None);
    }

    #[test]
    fn who_takes_much_is_watched_however_many_take_little() {
        let mut takers = Takers::new(HashKey::new([7; 16]));
        let mut verdict = Verdict::Words;
        let mut flood = 0_u32;
        for (word, answered, size) in words(FEWEST) {
            let mut take = |address: u32, word: &str| {
                let clients = Clients::new(std::net::Ipv4Addr::from(address).into(), &[]);
                let taken = Taken { before: "GET /users", word, text: word, rest: "", answered, size };
                takers.take(&clients, Prior::Values, taken, false, |_| Vec::new())
            };
            verdict = take(1, &word);
            for _ in 0..MOST / 2 {
                flood += 1;
                take(1_000 + flood, &format!("{word}x{flood}"));
            }
        }
        assert_eq!((verdict, takers.all.len()), (Verdict::Values, MOST));
    }
}
