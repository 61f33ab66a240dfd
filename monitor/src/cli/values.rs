//! The values that flags take: sizes, limits, rates, networks and addresses. Errors are clauses for clap to print.

use std::{
    fmt,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    time::Duration,
};

use ipnet::IpNet;

/// Distinct objects within a sliding window: `20/10s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub distinct: u32,
    pub window: Duration,
}

const SECOND: u64 = 1;
const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.window.as_secs();
        let (unit, letter) = match seconds {
            _ if seconds.is_multiple_of(HOUR) => (HOUR, 'h'),
            _ if seconds.is_multiple_of(MINUTE) => (MINUTE, 'm'),
            _ => (SECOND, 's'),
        };
        write!(f, "{}/{}{letter}", self.distinct, seconds / unit)
    }
}

/// Parses `N/WINDOW`, the window in whole seconds, minutes, hours or days up to one day.
pub(super) fn limit(text: &str) -> Result<Limit, String> {
    const FORM: &str = "expected N/WINDOW such as 30/60s, 60/10m or 300/24h";
    let (distinct, window) = text.split_once('/').ok_or(FORM)?;
    let distinct: u32 = distinct.trim().parse().map_err(|_| FORM)?;
    if distinct == 0 {
        return Err("N must be at least 1".to_owned());
    }
    let window = window.trim();
    let unit_at = window.find(|character: char| !character.is_ascii_digit()).ok_or(FORM)?;
    let (number, unit) = window.split_at(unit_at);
    let unit = match unit.trim() {
        "s" => SECOND,
        "m" | "min" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return Err(FORM.to_owned()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or(FORM)?;
    if !(SECOND..=DAY).contains(&seconds) {
        return Err("WINDOW must be between 1s and 24h".to_owned());
    }
    Ok(Limit { distinct, window: Duration::from_secs(seconds) })
}

/// Parses a number of bytes: `4096`, `4KiB`, `8MiB`, `1GiB`. `K`, `M` and `G` mean the same.
fn bytes(text: &str) -> Result<u64, String> {
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
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| size >= *unit && size.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", size / unit),
        None => size.to_string(),
    }
}

/// Bytes of a request head that are kept.
pub(super) fn head_cap(text: &str) -> Result<u32, String> {
    within(bytes(text)?, 512, 16 << 10)
}

/// Bytes of a request body that are kept.
pub(super) fn body_cap(text: &str) -> Result<u32, String> {
    within(bytes(text)?, 0, 4 << 10)
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

/// A network, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map(|network| network.trunc())
        .map_err(|_| "expected a network such as 10.0.0.0/8 or 2001:db8::/32, or one address".to_owned())
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

/// The path of the metrics.
pub(super) fn telemetry_path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') || text.contains(['?', '#', ' ']) {
        return Err("expected a path such as /metrics".to_owned());
    }
    if ["/", "/healthz", "/readyz"].contains(&text) {
        return Err("that path answers something else".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        for text in ["20/10s", "30/1m", "60/10m", "100/1h", "300/24h", "1/61s"] {
            assert_eq!(limit(text).unwrap().to_string(), text);
        }
        assert_eq!(limit("300/1d").unwrap(), limit("300/24h").unwrap());
        assert_eq!(limit("60/10min").unwrap(), limit("60/600s").unwrap());
        for text in [
            "",
            "20",
            "20/",
            "/10s",
            "20/10",
            "20/10x",
            "-1/10s",
            "0/10s",
            "20/0s",
            "20/25h",
            "20/99999999999999999999d",
        ] {
            limit(text).unwrap_err();
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(head_cap("4KiB"), Ok(4096));
        assert_eq!(head_cap("512"), Ok(512));
        assert_eq!(head_cap("16k"), Ok(16384));
        assert_eq!(head_cap("511").unwrap_err(), "must be between 512 and 16KiB");
        assert_eq!(body_cap("0"), Ok(0));
        body_cap("4097").unwrap_err();
        assert_eq!(ring_size("8MiB"), Ok(8 << 20));
        assert_eq!(ring_size("1 GiB"), Ok(1 << 30));
        assert_eq!(ring_size("100000").unwrap_err(), "must be a power of two");
        for text in ["", "x", "-1", "4TiB", "99999999999999999999", "17179869185GiB"] {
            bytes(text).unwrap_err();
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
    fn networks() {
        assert_eq!(network("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
        assert_eq!(network("::1").unwrap().to_string(), "::1/128");
        network("10.0.0.0/33").unwrap_err();
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
