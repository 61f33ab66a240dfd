//! Whether what the daemon says, and that it says nothing, can be relied on: in plain sentences.

use serde::{Deserialize, Serialize};

use super::{
    pulse::{Setup, Vitals},
    sight::Sight,
};
use crate::{health::Health, health::STALL};

/// From this share of lost requests on detection raises an alert of its own.
const MUCH_LOST: f64 = 0.01;

/// From this share of traffic that can't be read on it is worth a look.
const SOME_OPAQUE: f64 = 0.1;

/// Parts of the ring that were full: half is a burst, and with nine tenths the next one may be lost.
const RING_BUSY: f64 = 0.5;
const RING_FULL: f64 = 0.9;

/// How well it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Good,
    /// Neither good nor bad: something to know.
    Note,
    Warn,
    Bad,
}

/// One thing about the daemon's health.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sign {
    /// `capture`, `loss`, `opaque`, `ring`, `memory` or `sampling`.
    pub name: String,
    pub level: Level,
    /// A sentence.
    pub text: String,
}

/// Every sign, in the order in which they matter.
pub(super) fn signs(health: &Health, setup: &Setup, vitals: &Vitals, forgotten_lately: u64) -> Vec<Sign> {
    let all = [
        ("capture", Some(capture(health, setup))),
        ("loss", Some(loss(vitals))),
        ("opaque", Some(opaque(&vitals.sight))),
        ("ring", Some(ring(setup, vitals))),
        ("memory", Some(memory(vitals, forgotten_lately))),
        ("sampling", sampling(setup)),
    ];
    let signs = all.into_iter().filter_map(|(name, sign)| Some((name, sign?)));
    signs.map(|(name, (level, text))| Sign { name: name.to_owned(), level, text }).collect()
}

fn capture(health: &Health, setup: &Setup) -> (Level, String) {
    let silence = health.silence();
    if !health.is_attached() {
        return (Level::Bad, "Not attached to the kernel: nothing is being captured.".to_owned());
    }
    if silence >= STALL {
        let text = format!("The capture loop has not come round for {} s.", silence.as_secs());
        return (Level::Bad, text);
    }
    let ports = match &setup.ports[..] {
        [] => "every port is watched".to_owned(),
        [port] => format!("port {port} is watched"),
        ports => {
            let ports = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
            format!("ports {ports} are watched")
        }
    };
    (Level::Good, format!("Attached to the kernel; {ports}."))
}

fn loss(vitals: &Vitals) -> (Level, String) {
    if vitals.loss <= 0.0 {
        return (Level::Good, "No request was lost in the last minute.".to_owned());
    }
    let lost = format!("{} of the requests of the last minute were lost", percent(vitals.loss));
    if vitals.loss > MUCH_LOST {
        (Level::Bad, format!("{lost}: silence says little. Raise --ring-size."))
    } else {
        (Level::Warn, format!("{lost}: true figures may be higher."))
    }
}

fn opaque(sight: &Sight) -> (Level, String) {
    let Some(share) = sight.opaque() else {
        return (
            Level::Note,
            "How much of the traffic can be read is not known: nothing has come lately.".to_owned(),
        );
    };
    if sight.is_dark() {
        let level = if sight.named || sight.is_blind() { Level::Bad } else { Level::Note };
        let text = "What came lately can't be read (TLS, HTTP/2 or no HTTP at all), and there was not one request beside \
                    it: silence means nothing.";
        return (level, text.to_owned());
    }
    let place = if sight.named { " on the watched ports" } else { "" };
    let text = format!("{} of the traffic{place} can't be read", percent(share));
    match share {
        _ if share <= 0.0 => (Level::Good, format!("All of the traffic{place} could be read.")),
        _ if sight.is_blind() => {
            (Level::Bad, format!("{text} (TLS, HTTP/2 or no HTTP at all): silence says little."))
        }
        _ if share > SOME_OPAQUE && sight.named => {
            (Level::Warn, format!("{text} (TLS, HTTP/2 or no HTTP at all)."))
        }
        _ if share > SOME_OPAQUE => (
            Level::Note,
            format!("{text} (TLS, HTTP/2 or no HTTP at all); name with --port what is meant to be."),
        ),
        _ => (Level::Good, format!("{text}.")),
    }
}

fn ring(setup: &Setup, vitals: &Vitals) -> (Level, String) {
    let fill = vitals.ring_bytes as f64 / setup.ring_size.max(1) as f64;
    let text =
        format!("The buffer between kernel and daemon was at most {} full in the last second", percent(fill));
    match fill {
        _ if fill >= RING_FULL => (Level::Bad, format!("{text}: requests may be lost. Raise --ring-size.")),
        _ if fill >= RING_BUSY => (Level::Warn, format!("{text}.")),
        _ => (Level::Good, format!("{text}.")),
    }
}

fn memory(vitals: &Vitals, forgotten_lately: u64) -> (Level, String) {
    if forgotten_lately > 0 {
        let text = format!(
            "Detection had to give up {forgotten_lately} busy clients in the last minute: raise --memory-budget."
        );
        return (Level::Bad, text);
    }
    let followed = format!("Detection follows {} pairs of client and route", grouped(vitals.pairs));
    if vitals.admission > 1 {
        let text = format!(
            "{followed}, and its tables fill up: a client is followed from {} objects on (--memory-budget).",
            vitals.admission
        );
        return (Level::Warn, text);
    }
    (Level::Good, format!("{followed}, and has room for more."))
}

fn sampling(setup: &Setup) -> Option<(Level, String)> {
    let share = (setup.sampling < 1.0).then(|| percent(setup.sampling))?;
    Some((
        Level::Note,
        format!("{share} of the request targets are captured (--sample): counts are estimates."),
    ))
}

/// A share, short: `0 %`, `<0.1 %`, `0.4 %`, `12 %`.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        _ if percent <= 0.0 => "0 %".to_owned(),
        _ if percent < 0.1 => "<0.1 %".to_owned(),
        _ if percent < 10.0 => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

/// A number with its digits in groups of three: `12,345`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::sight::Traffic;

    fn levels(health: &Health, setup: &Setup, vitals: &Vitals, forgotten: u64) -> Vec<(String, Level)> {
        let signs = signs(health, setup, vitals, forgotten);
        assert!(signs.iter().all(|sign| sign.text.ends_with('.')), "{signs:#?}");
        signs.into_iter().map(|sign| (sign.name, sign.level)).collect()
    }

    fn setup() -> Setup {
        Setup { ring_size: 1_000, sampling: 1.0, ..Setup::default() }
    }

    /// Of 100 calls on named ports, so many could not be read.
    fn sight(unread: u64) -> Sight {
        let traffic = Traffic { requests: 100 - unread, connections: unread, ..Traffic::default() };
        Sight { named: true, traffic }
    }

    #[test]
    fn a_quiet_daemon_is_well() {
        let health = Health::default();
        health.set_attached(true);
        let vitals = Vitals { admission: 1, sight: sight(1), ..Vitals::default() };
        let levels = levels(&health, &setup(), &vitals, 0);
        let names = ["capture", "loss", "opaque", "ring", "memory"];
        assert_eq!(levels, names.map(|name| (name.to_owned(), Level::Good)));
    }

    #[test]
    fn unknown_is_never_good() {
        let level = |sight: Sight| opaque(&sight).0;
        assert_eq!(level(Sight::default()), Level::Note);
        assert_eq!(level(Sight { named: true, ..Sight::default() }), Level::Note);
        // One connection that can't be read, and no request.
        let dark = Sight { named: true, traffic: Traffic { connections: 1, ..Traffic::default() } };
        assert_eq!(level(dark), Level::Bad);
        assert_eq!(level(Sight { named: false, ..dark }), Level::Note);
        assert_eq!(level(sight(100)), Level::Bad);
        assert_eq!(level(Sight { named: false, ..sight(100) }), Level::Bad);
        assert_eq!(level(Sight { named: false, ..sight(90) }), Level::Note);
        assert_eq!(
            [0, 5, 20, 90].map(|unread| level(sight(unread))),
            [Level::Good, Level::Good, Level::Warn, Level::Bad]
        );
    }

    #[test]
    fn everything_that_is_wrong_is_said() {
        let setup = Setup { sampling: 0.25, ports: vec![80, 81], ..setup() };
        let vitals = Vitals {
            loss: 0.02,
            sight: sight(70),
            ring_bytes: 950,
            admission: 4,
            pairs: 1_234_567,
            ..Vitals::default()
        };
        let bad = ["capture", "loss", "opaque", "ring"].map(|name| (name.to_owned(), Level::Bad));
        let rest = [("memory".to_owned(), Level::Warn), ("sampling".to_owned(), Level::Note)];
        let health = Health::default();
        assert_eq!(levels(&health, &setup, &vitals, 0), [&bad[..], &rest].concat());
        assert_eq!(levels(&health, &setup, &vitals, 3)[4].1, Level::Bad);
        let said: Vec<String> =
            signs(&health, &setup, &vitals, 0).into_iter().map(|sign| sign.text).collect();
        assert!(said[1].starts_with("2.0 % of the requests"), "{said:#?}");
        assert!(said[4].contains("1,234,567 pairs"), "{said:#?}");
        assert_eq!(levels(&health, &setup, &Vitals { loss: 0.001, ..vitals }, 0)[1].1, Level::Warn);
    }
}
