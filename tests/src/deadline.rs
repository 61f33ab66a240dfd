//! Awaiting with a deadline: a probe is polled until it has an answer.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// Short enough not to be noticed, long enough not to disturb what is awaited on a machine with two cores.
const POLL: Duration = Duration::from_millis(10);

/// How long anything may take that normally takes milliseconds. An emulated machine (`ROLLCALL_VM`) is some
/// twenty times slower than a real one.
pub fn patience() -> Duration {
    if std::env::var_os("ROLLCALL_VM").is_some() { Duration::from_secs(90) } else { Duration::from_secs(20) }
}

/// Polls `probe` until it answers, for at most [`patience`]. `what` completes "gave up waiting for …".
pub fn until<T>(what: &str, probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    within(patience(), what, probe)
}

/// Polls `probe` until it answers, for at most `limit`.
pub fn within<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = probe()? {
            return Ok(answer);
        }
        if Instant::now() >= end {
            bail!("gave up waiting for {what} after {limit:?}");
        }
        thread::sleep(POLL);
    }
}
