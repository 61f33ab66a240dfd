//! Recorded access logs, in the two forms that the public ones have: the combined format, and columns parted by tabs.

mod call;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
};

use anyhow::{Context as _, Result};
use rollcall::time::Timestamp;

pub use call::Call;

/// What a log holds.
#[derive(Default)]
pub struct Log {
    /// In the order of time.
    pub calls: Vec<Call>,
    /// Lines that are no calls.
    pub unread: usize,
}

/// Reads the combined format of Apache and nginx.
pub fn combined(text: &str) -> Log {
    collect(text.lines(), |line, _| {
        let (client, rest) = line.split_once(' ')?;
        let (_, rest) = rest.split_once('[')?;
        let (time, rest) = rest.split_once(']')?;
        // The client's own quotes are escaped as `\"`.
        let mut quoted = rest.split('"');
        let request = quoted.nth(1)?;
        let mut answer = quoted.next()?.split_whitespace();
        let agent = quoted.nth(2).unwrap_or_default();
        let (method, target) = request_line(request)?;
        Some(Call {
            at: common_time(time)?,
            client: client.parse().ok()?,
            method,
            target,
            agent: agent.to_owned(),
            status: answer.next()?.parse().ok()?,
            response_bytes: answer.next()?.parse().unwrap_or_default(),
        })
    })
}

/// Reads columns with the header `host logname time method url response bytes referer useragent`. Hosts by name get an
/// address of their own each.
pub fn columns(text: &str) -> Result<Log> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().context("the log is empty")?.split('\t').collect();
    let place = |name: &str| {
        header.iter().position(|column| *column == name).with_context(|| format!("no column {name}"))
    };
    let places = ["host", "time", "method", "url", "response", "bytes", "useragent"].map(place);
    let [host, time, method, url, response, bytes, agent] = places;
    let (host, time, method, url) = (host?, time?, method?, url?);
    let (response, bytes, agent) = (response?, bytes?, agent?);
    Ok(collect(lines, |line, hosts| {
        let fields: Vec<&str> = line.split('\t').collect();
        let field = |at: usize| fields.get(at).copied();
        let known = hosts.len();
        let at = Timestamp(field(time)?.parse::<u64>().ok()?.checked_mul(1_000_000_000)?);
        let mut named = |host: &str| *hosts.entry(host.to_owned()).or_insert_with(|| reserved(known));
        Some(Call {
            at,
            client: field(host).map(|host| host.parse().unwrap_or_else(|_| named(host)))?,
            method: field(method)?.to_owned(),
            target: field(url)?.to_owned(),
            agent: field(agent).unwrap_or_default().to_owned(),
            status: field(response)?.parse().ok()?,
            response_bytes: field(bytes)?.parse().unwrap_or_default(),
        })
    }))
}

/// Lines in the order of time: servers write them as calls end.
fn collect<'a>(
    lines: impl Iterator<Item = &'a str>,
    mut read: impl FnMut(&str, &mut HashMap<String, IpAddr>) -> Option<Call>,
) -> Log {
    let mut hosts = HashMap::new();
    let mut log = Log::default();
    for line in lines {
        match read(line, &mut hosts) {
            Some(call) => log.calls.push(call),
            None => log.unread += 1,
        }
    }
    log.calls.sort_by_key(|call| call.at);
    log
}

/// An address that nobody has, of 240.0.0.0/4. A network of it is no client, as of any of IPv4.
fn reserved(number: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0xf000_0000 | number as u32))
}

fn request_line(line: &str) -> Option<(String, String)> {
    let (method, rest) = line.split_once(' ')?;
    let target = rest.rsplit_once(" HTTP/").map_or(rest, |(target, _)| target);
    Some((method.to_owned(), target.to_owned()))
}

/// `17/May/2015:10:05:03 +0000`
fn common_time(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (time, offset) = text.split_once(' ')?;
    let mut parts = time.split(['/', ':']);
    let day: i64 = parts.next()?.parse().ok()?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let year: i64 = parts.next()?.parse().ok()?;
    let mut number = || parts.next()?.parse::<i64>().ok();
    let (hour, minute, second) = (number()?, number()?, number()?);
    let offset: i64 = offset.parse().ok()?;
    // Days from a date in the Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms").
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let minutes = hour * 60 + minute - (offset / 100 * 60 + offset % 100);
    let seconds = u64::try_from(days * 86_400 + minutes * 60 + second).ok()?;
    seconds.checked_mul(1_000_000_000).map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_combined_format_is_read_in_the_order_of_time() {
        let log = combined(concat!(
            "192.0.2.7 - ada [29/Feb/2024:10:05:04 +0130] \"GET /a?b HTTP/1.1\" 304 - \"-\" \"curl/8\"\n",
            "192.0.2.7 - - [29/Feb/2024:08:35:03 +0000] \"POST /x HTTP/1.1\" 200 17 \"http://e/\" \"\"\n",
            "nothing\n",
        ));
        assert_eq!(log.unread, 1);
        let [second, first] = &log.calls[..] else { panic!("{:?}", log.calls) };
        assert_eq!((second.method.as_str(), second.target.as_str(), second.status), ("POST", "/x", 200));
        assert_eq!(second.at.to_string(), "2024-02-29T08:35:03.000000Z");
        assert_eq!((first.agent.as_str(), first.response_bytes), ("curl/8", 0));
        assert_eq!(first.at.to_string(), "2024-02-29T08:35:04.000000Z");
    }

    #[test]
    fn columns_are_found_by_their_names() {
        let text = "host\tlogname\ttime\tmethod\turl\tresponse\tbytes\treferer\tuseragent\n\
                    a.example\t-\t807256800\tGET\t/x\t200\t1713\t\t\n\
                    192.0.2.7\t-\t807256801\tGET\t/y\t404\t\t\t\n\
                    b.example\t-\t807256802\tGET\t/z\t200\t1\t\t\n";
        let log = columns(text).unwrap();
        let clients: Vec<String> = log.calls.iter().map(|call| call.client.to_string()).collect();
        assert_eq!(clients, ["240.0.0.0", "192.0.2.7", "240.0.0.1"]);
        assert_eq!((log.calls[0].response_bytes, log.calls[1].status, log.unread), (1713, 404, 0));
        assert!(columns("host\n").is_err());
    }
}
