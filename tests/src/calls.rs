//! What was called: the common language of servers' logs and the daemon's exchange log, and their comparison.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// How many differences a failure lists.
const LISTED: usize = 20;

/// One request with its answer, as both the server and the daemon can tell it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The client's port: names the connection.
    pub port: u16,
    /// As it was on the wire.
    pub method: String,
    /// As it was on the wire.
    pub target: String,
    /// `None` when there was no answer.
    pub status: Option<u16>,
}

impl Call {
    /// Reads a line of the exchange log.
    pub fn from_exchange(exchange: &Value) -> Result<Call> {
        let text = |field: &str| {
            exchange[field]
                .as_str()
                .map(str::to_owned)
                .with_context(|| format!("no {field} in exchange {exchange}"))
        };
        Ok(Call {
            port: port(exchange, "client_port")?,
            method: text("method")?,
            target: text("target")?,
            status: exchange["status"].as_u64().map(u16::try_from).transpose()?,
        })
    }
}

/// A port field of an exchange.
pub fn port(exchange: &Value, field: &str) -> Result<u16> {
    let port = exchange[field].as_u64().with_context(|| format!("no {field} in exchange {exchange}"))?;
    Ok(u16::try_from(port)?)
}

/// Fails unless each connection has the same calls in the same order on both sides.
pub fn compare(reported: &[Call], served: &[Call]) -> Result<()> {
    let (ours, theirs) = (by_connection(reported), by_connection(served));
    if ours == theirs {
        return Ok(());
    }
    let (missing, surplus) = difference(reported, served);
    let mut message = format!("{} calls reported, {} served", reported.len(), served.len());
    for (title, calls) in [("served but not reported", &missing), ("reported but not served", &surplus)] {
        if !calls.is_empty() {
            write!(message, "\n  {title} ({}):", calls.len())?;
            for call in calls.iter().take(LISTED) {
                write!(message, "\n    {call:?}")?;
            }
        }
    }
    if missing.is_empty() && surplus.is_empty() {
        for (port, calls) in &ours {
            if theirs.get(port) != Some(calls) {
                let theirs = theirs.get(port);
                write!(
                    message,
                    "\n  other order on port {port}:\n    reported {calls:?}\n    served {theirs:?}"
                )?;
            }
        }
    }
    bail!(message)
}

/// The calls that only `served` has, and those that only `reported` has, each as often as it is in excess.
pub fn difference(reported: &[Call], served: &[Call]) -> (Vec<Call>, Vec<Call>) {
    let mut balance: BTreeMap<&Call, i64> = BTreeMap::new();
    for call in served {
        *balance.entry(call).or_default() += 1;
    }
    for call in reported {
        *balance.entry(call).or_default() -= 1;
    }
    let mut missing = Vec::new();
    let mut surplus = Vec::new();
    for (call, count) in balance {
        let side = if count > 0 { &mut missing } else { &mut surplus };
        side.extend((0..count.abs()).map(|_| call.clone()));
    }
    (missing, surplus)
}

fn by_connection(calls: &[Call]) -> BTreeMap<u16, Vec<&Call>> {
    let mut connections: BTreeMap<u16, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        connections.entry(call.port).or_default().push(call);
    }
    connections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(port: u16, target: &str) -> Call {
        Call { port, method: "GET".into(), target: target.into(), status: Some(200) }
    }

    #[test]
    fn order_counts_within_a_connection_only() {
        let served = [call(1, "/a"), call(1, "/b"), call(2, "/c")];
        assert!(compare(&[call(2, "/c"), call(1, "/a"), call(1, "/b")], &served).is_ok());
        let error = compare(&[call(1, "/b"), call(1, "/a"), call(2, "/c")], &served).unwrap_err();
        assert!(error.to_string().contains("other order on port 1"), "{error}");
    }

    #[test]
    fn a_call_reported_twice_is_surplus() {
        let served = [call(1, "/a")];
        let (missing, surplus) = difference(&[call(1, "/a"), call(1, "/a")], &served);
        assert_eq!((missing.len(), surplus.len()), (0, 1));
        assert!(compare(&[call(1, "/a"), call(1, "/a")], &served).is_err());
    }
}
