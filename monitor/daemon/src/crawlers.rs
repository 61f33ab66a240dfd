//! Crawlers that are known by name: an address is one's if DNS calls it by such a name, and the name leads back to it. Who has an
//! address may have it called whatever he likes; only who has the name says which addresses it leads to.
//!
//! Names are looked up on a thread of their own, of addresses that come near a limit, and what was found holds for a day. Until then,
//! and where nothing is found, an address counts as anybody's. What is verified is an allowance like others: a budget.

mod dns;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    net::IpAddr,
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread,
    time::Duration,
};

use rollcall_detect::{Allowance, AllowanceId, Limit, PartnerKey};
use rollcall_model::time::Timestamp;

pub use dns::Dns;

/// Addresses that wait to be looked up. One that finds no room counts as anybody's until it comes near a limit again.
const WAITING: usize = 256;

/// Addresses that are verified at once, and of which it is known that they are nobody's.
const VERIFIED: usize = 1_024;
const UNKNOWN: usize = 4_096;

/// What was found holds for so long. What is verified is looked up anew before.
const HOLDS: Duration = Duration::from_secs(24 * 3_600);
const ANEW: Duration = Duration::from_secs(20 * 3_600);
const UNKNOWN_HOLDS: Duration = Duration::from_secs(3_600);

/// How often it is looked whether some are to be looked up anew.
const ROUND: Duration = Duration::from_secs(60);

/// Where names are looked up.
pub trait Resolver: Send + 'static {
    /// What the address is called, if it is called anything.
    fn name(&self, address: IpAddr) -> Option<String>;
    /// Where the name leads.
    fn addresses(&self, name: &str) -> Vec<IpAddr>;
}

/// A crawler by the names of its hosts, with the budget that each of its addresses has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crawler {
    /// What the names end with, or the name itself: in lower case.
    domain: String,
    /// Any name below the domain, and not the domain.
    is_any: bool,
    pub limit: Limit,
}

/// Why a crawler can't be had.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CrawlerError {
    #[error("crawler {0:?} is not NAME=N/WINDOW, like *.crawler.example.com=5000/24h")]
    Form(String),
    #[error(
        "crawler {0:?}: expected the name of a host, or *. and a domain of two words at least; a network or an address is \
         a --partner"
    )]
    Name(String),
    #[error("crawler {crawler:?}: {error}")]
    Limit { crawler: String, error: rollcall_detect::LimitError },
}

impl FromStr for Crawler {
    type Err = CrawlerError;

    fn from_str(text: &str) -> Result<Crawler, CrawlerError> {
        let (name, limit) = text.rsplit_once('=').ok_or_else(|| CrawlerError::Form(text.to_owned()))?;
        let name = name.trim().to_ascii_lowercase();
        let (is_any, domain) = match name.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, &*name),
        };
        let domain = domain.trim_end_matches('.');
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        // Everybody's name ends in `com`. What ends in a number is an address.
        let is_domain = domain.len() <= 253
            && domain.contains('.')
            && domain.split('.').all(is_label)
            && domain.bytes().next_back().is_some_and(|byte| byte.is_ascii_alphabetic());
        if !is_domain {
            return Err(CrawlerError::Name(text.to_owned()));
        }
        let limit = limit.parse().map_err(|error| CrawlerError::Limit { crawler: text.to_owned(), error })?;
        Ok(Crawler { domain: domain.to_owned(), is_any, limit })
    }
}

impl fmt::Display for Crawler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}={}", if self.is_any { "*." } else { "" }, self.domain, self.limit)
    }
}

impl Crawler {
    /// Whether a host of that name is its.
    fn has(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        match name.strip_suffix(&*self.domain) {
            Some("") => !self.is_any,
            Some(rest) => self.is_any && rest.ends_with('.') && rest.len() > 1,
            None => false,
        }
    }
}

/// The way to the thread that looks names up.
#[derive(Debug)]
pub(super) struct Crawlers {
    asked: SyncSender<IpAddr>,
    verified: Arc<Mutex<Option<Vec<Allowance>>>>,
}

impl Crawlers {
    /// Starts the thread. It ends once this is dropped, and nobody waits for it: a name may take long.
    pub(super) fn start(crawlers: Vec<Crawler>, resolver: Box<dyn Resolver>) -> io::Result<Crawlers> {
        let (asked, addresses) = mpsc::sync_channel(WAITING);
        let verified = Arc::<Mutex<Option<Vec<Allowance>>>>::default();
        let mut lookup =
            Lookup { crawlers, resolver, known: Known::default(), verified: Arc::clone(&verified) };
        let work = move || lookup.run(&addresses);
        thread::Builder::new().name("crawlers".to_owned()).spawn(work)?;
        Ok(Crawlers { asked, verified })
    }

    /// Has the address looked up, unless that has been done.
    pub(super) fn ask(&self, address: IpAddr) {
        // Without room, or without its thread, it is anybody's.
        let _ = self.asked.try_send(address);
    }

    /// What is verified now, if that has changed.
    pub(super) fn verified(&self) -> Option<Vec<Allowance>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What looks names up.
struct Lookup {
    crawlers: Vec<Crawler>,
    resolver: Box<dyn Resolver>,
    known: Known,
    verified: Arc<Mutex<Option<Vec<Allowance>>>>,
}

/// What was found, and since when.
#[derive(Debug, Default)]
struct Known {
    /// By address: the place of its crawler.
    verified: BTreeMap<IpAddr, (usize, Timestamp)>,
    unknown: BTreeMap<IpAddr, Timestamp>,
}

impl Lookup {
    fn run(&mut self, addresses: &Receiver<IpAddr>) {
        loop {
            match addresses.recv_timeout(ROUND) {
                Ok(address) if self.is_known(address, Timestamp::now()) => {}
                Ok(address) => self.look_up(address, Timestamp::now()),
                Err(RecvTimeoutError::Timeout) => self.look_up_anew(Timestamp::now()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn is_known(&self, address: IpAddr, now: Timestamp) -> bool {
        let holds = |since: Option<&Timestamp>, long| since.is_some_and(|&since| now.since(since) < long);
        holds(self.known.verified.get(&address).map(|(_, since)| since), HOLDS)
            || holds(self.known.unknown.get(&address), UNKNOWN_HOLDS)
    }

    fn look_up(&mut self, address: IpAddr, now: Timestamp) {
        let before = self.known.verified.remove(&address).map(|(crawler, _)| crawler);
        let found = self.find(address);
        match found {
            Some(crawler) => {
                if self.known.verified.len() >= VERIFIED {
                    let oldest = self.known.verified.iter().min_by_key(|(_, (_, since))| *since);
                    if let Some(oldest) = oldest.map(|(&address, _)| address) {
                        self.known.verified.remove(&oldest);
                    }
                }
                self.known.verified.insert(address, (crawler, now));
            }
            None => {
                if self.known.unknown.len() >= UNKNOWN {
                    self.known.unknown.clear();
                }
                self.known.unknown.insert(address, now);
            }
        }
        if found.is_some() || before.is_some() {
            self.tell();
        }
    }

    /// The crawler whose name the address has, and which says so as well.
    fn find(&self, address: IpAddr) -> Option<usize> {
        let name = self.resolver.name(address)?;
        let crawler = self.crawlers.iter().position(|crawler| crawler.has(&name))?;
        let leads_back = self.resolver.addresses(&name).iter().any(|back| back.to_canonical() == address);
        leads_back.then_some(crawler)
    }

    fn look_up_anew(&mut self, now: Timestamp) {
        let due: BTreeSet<IpAddr> = self
            .known
            .verified
            .iter()
            .filter(|(_, (_, since))| now.since(*since) >= ANEW)
            .map(|(&address, _)| address)
            .collect();
        due.into_iter().for_each(|address| self.look_up(address, now));
    }

    fn tell(&mut self) {
        let allowances =
            self.known.verified.iter().zip(0..).map(|((&address, &(crawler, since)), number)| {
                let crawler = &self.crawlers[crawler];
                Allowance {
                    id: AllowanceId::of_crawler(number),
                    clients: vec![PartnerKey::Address(address)],
                    routes: Vec::new(),
                    limit: crawler.limit,
                    until: since + HOLDS,
                    by: "--crawler".to_owned(),
                    why: crawler.to_string(),
                }
            });
        let allowances = allowances.collect();
        *self.verified.lock().unwrap_or_else(PoisonError::into_inner) = Some(allowances);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of addresses, and addresses of names.
    struct Book(BTreeMap<&'static str, &'static str>);

    impl Resolver for Book {
        fn name(&self, address: IpAddr) -> Option<String> {
            self.0.get(&*address.to_string()).map(|&name| name.to_owned())
        }

        fn addresses(&self, name: &str) -> Vec<IpAddr> {
            self.0.get(name).and_then(|address| address.parse().ok()).into_iter().collect()
        }
    }

    fn lookup(book: &[(&'static str, &'static str)]) -> Lookup {
        let crawlers = ["*.crawler.example.com=500/1h", "one.example.org=600/1h"];
        Lookup {
            crawlers: crawlers.map(|text| text.parse().unwrap()).to_vec(),
            resolver: Box::new(Book(book.iter().copied().collect())),
            known: Known::default(),
            verified: Arc::default(),
        }
    }

    fn told(lookup: &Lookup) -> Vec<(String, String)> {
        let told = lookup.verified.lock().unwrap().take().unwrap_or_default();
        told.iter().map(|told| (told.clients[0].to_string(), told.limit.to_string())).collect()
    }

    #[test]
    fn crawlers_are_read_as_they_are_shown() {
        for text in ["*.googlebot.com=2000/1d", "spider-1.example.org=50/1h"] {
            assert_eq!(text.parse::<Crawler>().unwrap().to_string(), text);
        }
        assert_eq!("*.GoogleBot.com. = 5/1h".parse::<Crawler>().unwrap().to_string(), "*.googlebot.com=5/1h");
        for text in [
            "*=5/1h",
            "*.com=5/1h",
            "com=5/1h",
            "=5/1h",
            "*.=5/1h",
            "*..com=5/1h",
            "a.*.com=5/1h",
            "192.0.2.0/24=5/1h",
            "192.0.2.7=5/1h",
            "2001:db8::7=5/1h",
            "a b.com=5/1h",
        ] {
            assert!(matches!(text.parse::<Crawler>(), Err(CrawlerError::Name(_))), "{text}");
        }
        assert!(matches!("*.googlebot.com".parse::<Crawler>(), Err(CrawlerError::Form(_))));
        assert!(matches!("*.googlebot.com=5".parse::<Crawler>(), Err(CrawlerError::Limit { .. })));
    }

    #[test]
    fn names_below_a_domain_are_its() {
        let any: Crawler = "*.googlebot.com=5/1h".parse().unwrap();
        for (name, is_its) in [
            ("crawl-66-249-66-1.googlebot.com", true),
            ("A.B.GOOGLEBOT.COM.", true),
            ("googlebot.com", false),
            (".googlebot.com", false),
            ("evilgooglebot.com", false),
            ("googlebot.com.evil.example", false),
            ("x.googlebot.com.evil.example", false),
            ("", false),
        ] {
            assert_eq!(any.has(name), is_its, "{name}");
        }
        let one: Crawler = "one.example.org=5/1h".parse().unwrap();
        assert!(one.has("One.example.org.") && !one.has("x.one.example.org"));
    }

    #[test]
    fn an_address_is_a_crawlers_if_its_name_leads_back() {
        let mut lookup = lookup(&[
            ("192.0.2.7", "a.crawler.example.com"),
            ("a.crawler.example.com", "192.0.2.7"),
            // Who has this address says that it is called like that.
            ("192.0.2.66", "a.crawler.example.com"),
            ("192.0.2.9", "one.example.org"),
            ("one.example.org", "192.0.2.9"),
            ("192.0.2.10", "shop.example.org"),
            ("shop.example.org", "192.0.2.10"),
        ]);
        let now = Timestamp::now();
        for address in ["192.0.2.7", "192.0.2.66", "192.0.2.9", "192.0.2.10", "192.0.2.11"] {
            let address = address.parse().unwrap();
            lookup.look_up(address, now);
            assert!(lookup.is_known(address, now));
        }
        let expected = [("192.0.2.7", "500/1h"), ("192.0.2.9", "600/1h")];
        assert_eq!(told(&lookup), expected.map(|(address, limit)| (address.to_owned(), limit.to_owned())));
        // Nothing is looked up again before its time, and what is verified before it ends.
        lookup.look_up_anew(now + ANEW / 2);
        assert_eq!(told(&lookup), []);
        lookup.resolver = Box::new(Book(BTreeMap::new()));
        lookup.look_up_anew(now + ANEW);
        assert_eq!(told(&lookup), []);
        assert!(lookup.known.verified.is_empty(), "it is called something else by now");
        assert!(!lookup.is_known("192.0.2.11".parse().unwrap(), now + UNKNOWN_HOLDS));
    }

    #[test]
    fn what_is_known_is_bounded() {
        let mut lookup = lookup(&[]);
        let now = Timestamp::now();
        for n in 0..10_000_u32 {
            lookup.look_up(IpAddr::from(n.to_be_bytes()), now);
        }
        assert!(lookup.known.unknown.len() <= UNKNOWN);
    }
}
