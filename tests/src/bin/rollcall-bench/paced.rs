//! A client with a pace: requests spread evenly over keep-alive connections and over time. wrk can only delay by
//! whole milliseconds, and after each answer.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use rollcall_tests::Client;

use crate::{
    interrupt,
    wrk::{self, CONNECTIONS},
};

/// Between two bursts. At 5,000 requests/s a burst is five requests, on five connections.
const STEP: Duration = Duration::from_millis(1);

/// Sends `rate` requests a second for `time` and returns how many were answered: all.
pub(crate) fn run(server: SocketAddr, rate: u32, time: Duration) -> Result<u64> {
    let mut clients = (0..CONNECTIONS).map(|_| Client::connect(server)).collect::<Result<Vec<_>>>()?;
    let requests = wrk::requests();
    let start = Instant::now();
    let mut sent = 0;
    while start.elapsed() < time {
        let due = (start.elapsed().as_secs_f64() * f64::from(rate)) as usize;
        while sent < due {
            // Its last answer came long ago, unless the server cannot keep up; then so does this.
            let client = &mut clients[sent % CONNECTIONS];
            if sent >= CONNECTIONS {
                ensure!(client.response()?.status == 200, "not every answer was 200");
            }
            client.send(&requests[sent % requests.len()])?;
            sent += 1;
        }
        interrupt::check()?;
        thread::sleep(STEP);
    }
    for client in clients.iter_mut().take(sent) {
        ensure!(client.response()?.status == 200, "not every answer was 200");
    }
    Ok(sent as u64)
}
