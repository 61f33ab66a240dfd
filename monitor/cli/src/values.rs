//! The values that flags take: sizes, rates and addresses. Errors are clauses for clap to print.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    time::Duration,
};

use rollcall_detect::Limit;
use rollcall_model::time::Timestamp;

/// Parses a number of bytes: `4096`, `4KiB`, `8MiB`, `1GiB`. `K`, `M` and `G` mean the same.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    const FORM: &str = "expected a number of bytes such as 512, 4KiB or 8MiB";
    let text = text.trim();
    let unit_at = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err(FORM.to_owned()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(|| FORM.to_owned())
}

fn within(size: u64, least: u64, most: u64) -> Result<u32, String> {
    match u32::try_from(size) {
        Ok(size) if (least..=most).contains(&u64::from(size)) => Ok(size),
        _ => Err(format!("must be between {} and {}", display(least), display(most))),
    }
}

fn display(size: u64) -> String {
    match size {
        _ if size >= 1 << 30 && size.is_multiple_of(1 << 30) => format!("{}GiB", size >> 30),
        _ if size >= 1 << 20 && size.is_multiple_of(1 << 20) => format!("{}MiB", size >> 20),
        _ if size >= 1 << 10 && size.is_multiple_of(1 << 10) => format!("{}KiB", size >> 10),
        _ => size.to_string(),
    }
}

/// Bytes of a request head that are kept.
pub(super) fn head_cap(text: &str) -> Result<u32, String> {
    within(bytes(text)?, 512, 64 << 10)
}

/// Bytes of a request body that are kept.
pub(super) fn body_cap(text: &str) -> Result<u32, String> {
    within(bytes(text)?, 0, 64 << 10)
}

/// Bytes of memory for detection.
pub(super) fn memory_budget(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        size @ 0x40_0000..=0x4_0000_0000 => Ok(size),
        _ => Err("must be between 4MiB and 16GiB".to_owned()),
    }
}

/// Bytes of the ledger.
pub(super) fn ledger_size(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        size @ 0x10_0000..=0x1000_0000_0000 => Ok(size),
        _ => Err("must be between 1MiB and 16384GiB".to_owned()),
    }
}

/// Bytes of memory for the latest touches.
pub(super) fn ledger_recent(text: &str) -> Result<usize, String> {
    match bytes(text)? {
        size @ 0..=0x400_0000 => Ok(size as usize),
        _ => Err("must be at most 64MiB".to_owned()),
    }
}

/// How long something is kept: a number of days, or a duration with its unit.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let days = text.parse::<u64>().ok().map(|days| Duration::from_secs(days.saturating_mul(24 * 3600)));
    let age = days.or_else(|| humantime::parse_duration(text).ok());
    age.filter(|age| *age >= Duration::from_secs(3600))
        .ok_or_else(|| "expected a time such as 400d or 36h, an hour at least".to_owned())
}

/// For how long something is allowed: a number of days, or a duration with its unit.
pub(super) fn term(text: &str) -> Result<Duration, String> {
    const SHORTEST: Duration = Duration::from_secs(60);
    const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
    let text = text.trim();
    let days = text.parse::<u64>().ok().map(|days| Duration::from_secs(days.saturating_mul(24 * 3600)));
    days.or_else(|| humantime::parse_duration(text).ok())
        .filter(|term| (SHORTEST..=LONGEST).contains(term))
        .ok_or_else(|| "expected a time such as 30d or 12h, between a minute and a year".to_owned())
}

/// What is allowed: objects within a window. More than any API has accounts would be no budget.
pub(super) fn budget(text: &str) -> Result<Limit, String> {
    const MOST: u32 = 100_000_000;
    let limit: Limit = text.trim().parse().map_err(|error: rollcall_detect::LimitError| error.to_string())?;
    match limit.distinct {
        ..=MOST => Ok(limit),
        _ => Err(format!("a budget is of at most {MOST} objects")),
    }
}

/// The length of a window, as limits have it.
pub(super) fn window(length: Duration) -> String {
    let limit = Limit { distinct: 1, window: length }.to_string();
    limit.split_once('/').map_or(String::new(), |(_, window)| window.to_owned())
}

/// How far checkpoints are apart.
pub(super) fn checkpoint_interval(text: &str) -> Result<Duration, String> {
    const SHORTEST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(3600);
    let interval = humantime::parse_duration(text.trim()).ok();
    interval
        .filter(|interval| (SHORTEST..=LONGEST).contains(interval))
        .ok_or_else(|| "expected a time such as 1min, between 100ms and 1h".to_owned())
}

/// A moment: a time, or how long ago it was.
pub(super) fn since(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(Timestamp::now() - ago);
    }
    let time = humantime::parse_rfc3339_weak(text).map(Timestamp::from).ok();
    // A day alone is its beginning.
    time.or_else(|| humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).map(Timestamp::from).ok())
        .ok_or_else(|| "expected a time such as 2026-11-24T12:00:00Z, or how long ago such as 36h".to_owned())
}

/// Lengths of the prefixes that make a caller's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefixes {
    pub(crate) v4: u8,
    pub(crate) v6: u8,
}

/// Two lengths of prefixes: `24,64`.
pub(super) fn prefixes(text: &str) -> Result<Prefixes, String> {
    let bits = |text: &str, most: u8| text.trim().parse::<u8>().ok().filter(|bits| (1..=most).contains(bits));
    let both =
        text.split_once(',').and_then(|(v4, v6)| Some(Prefixes { v4: bits(v4, 32)?, v6: bits(v6, 128)? }));
    both.ok_or_else(|| "expected two numbers of bits such as 24,64: 1 to 32 and 1 to 128".to_owned())
}

/// Bytes of the ring buffer.
pub(super) fn ring_size(text: &str) -> Result<u32, String> {
    let size = within(bytes(text)?, 64 << 10, 1 << 30)?;
    if size.is_power_of_two() { Ok(size) } else { Err("must be a power of two".to_owned()) }
}

/// A share in (0, 1].
pub(super) fn sample(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1.0 => Ok(rate),
        _ => Err("must be greater than 0 and at most 1".to_owned()),
    }
}

/// `ADDRESS:PORT`, `NAME:PORT`, or `:PORT` for every IPv4 address.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    if let Ok(address) = full.parse() {
        return Ok(address);
    }
    match full.to_socket_addrs() {
        Ok(mut addresses) => addresses.next().ok_or_else(|| "the name has no address".to_owned()),
        Err(_) => Err("expected ADDRESS:PORT such as 127.0.0.1:9847, [::]:9847 or :9847".to_owned()),
    }
}

/// A name of a host, without a port.
pub(super) fn host_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_text = |part: char| part.is_ascii_alphanumeric() || "-_.".contains(part);
    if text.is_empty() || !text.chars().all(is_text) {
        return Err("expected a name such as rollcall.example.org, without a port".to_owned());
    }
    Ok(text.to_owned())
}

/// The path of the metrics.
pub(super) fn telemetry_path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') || text.contains(['?', '#', ' ']) {
        return Err("expected a path such as /metrics".to_owned());
    }
    if ["/", "/healthz", "/readyz"].contains(&text) || text.starts_with("/api/") {
        return Err("that path answers something else".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hosts_have_no_port() {
        assert_eq!(host_name(" Api1.example.org. ").unwrap(), "Api1.example.org.");
        for text in ["", "api1:9847", "http://api1", "*.example.org", "a b"] {
            host_name(text).unwrap_err();
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(head_cap("4KiB"), Ok(4096));
        assert_eq!(head_cap("512"), Ok(512));
        assert_eq!(head_cap("64k"), Ok(65536));
        assert_eq!(head_cap("511").unwrap_err(), "must be between 512 and 64KiB");
        assert_eq!(body_cap("0"), Ok(0));
        body_cap("65537").unwrap_err();
        assert_eq!(ring_size("8MiB"), Ok(8 << 20));
        assert_eq!(ring_size("1 GiB"), Ok(1 << 30));
        assert_eq!(ring_size("100000").unwrap_err(), "must be a power of two");
        for text in ["", "x", "-1", "4TiB", "99999999999999999999", "17179869185GiB"] {
            bytes(text).unwrap_err();
        }
    }

    #[test]
    fn ages_and_moments() {
        assert_eq!(age("400"), age("400d"));
        assert_eq!(age("36h"), Ok(Duration::from_secs(36 * 3600)));
        for text in ["", "0", "1s", "59m", "x", "-1"] {
            age(text).unwrap_err();
        }
        assert_eq!(since("2026-11-24T12:00:00Z").unwrap().to_string(), "2026-11-24T12:00:00.000000Z");
        assert_eq!(since("2026-11-24 12:00:00").unwrap().to_string(), "2026-11-24T12:00:00.000000Z");
        assert_eq!(since("2026-11-24").unwrap().to_string(), "2026-11-24T00:00:00.000000Z");
        let before = Timestamp::now();
        let asked = since("1h").unwrap() + Duration::from_secs(3600);
        assert!((before..=Timestamp::now()).contains(&asked), "{asked}");
        for text in ["", "x", "2026", "yesterday"] {
            since(text).unwrap_err();
        }
    }

    #[test]
    fn terms_and_budgets() {
        assert_eq!(term("30"), term("30d"));
        assert_eq!(term("1y").unwrap().as_secs(), 31_557_600);
        for text in ["", "0", "30s", "367d", "2y", "x", "-1", "99999999999999999999"] {
            term(text).unwrap_err();
        }
        assert_eq!(budget("500/1h").unwrap().to_string(), "500/1h");
        for text in ["", "500", "0/1h", "100000001/1h", "4294967295/1h", "500/32d", "GET /x=500/1h"] {
            budget(text).unwrap_err();
        }
        assert_eq!([10, 60, 86_400].map(|s| window(Duration::from_secs(s))), ["10s", "1min", "1d"]);
    }

    #[test]
    fn intervals_of_checkpoints() {
        assert_eq!(checkpoint_interval("1min"), Ok(Duration::from_secs(60)));
        assert_eq!(checkpoint_interval("100ms"), Ok(Duration::from_millis(100)));
        for text in ["", "1", "99ms", "61min", "x"] {
            checkpoint_interval(text).unwrap_err();
        }
    }

    #[test]
    fn networks() {
        assert_eq!(prefixes("24,64"), Ok(Prefixes { v4: 24, v6: 64 }));
        for text in ["", "24", "24,", "0,64", "33,64", "24,129", "24,64,1", "a,b"] {
            prefixes(text).unwrap_err();
        }
    }

    #[test]
    fn rates() {
        assert_eq!(sample("1"), Ok(1.0));
        assert_eq!(sample("0.25"), Ok(0.25));
        for text in ["0", "-0.5", "1.5", "NaN", "inf", "x"] {
            sample(text).unwrap_err();
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(listen_address("127.0.0.1:9847").unwrap().to_string(), "127.0.0.1:9847");
        assert_eq!(listen_address(":9847").unwrap().to_string(), "0.0.0.0:9847");
        assert_eq!(listen_address("[::]:1").unwrap().to_string(), "[::]:1");
        for text in ["", "9847", "127.0.0.1", "127.0.0.1:99999"] {
            listen_address(text).unwrap_err();
        }
    }
}
