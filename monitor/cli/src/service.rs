//! What the service manager is told, if there is one (`Type=notify`, `WatchdogSec=`): that the daemon watches, that it still
//! does, and that it stops. Elsewhere all of this does nothing.

use std::{convert::Infallible, sync::Arc, time::Duration};

use rollcall_serve::health::{Health, STALL};
use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

/// Signs of life for each span that the service manager waits.
const SIGNS: u32 = 4;

/// The daemon watches: `status` says what.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The daemon writes what it has captured, and ends.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("writing what was captured")]);
}

/// Gives signs of life for as long as the capture loop comes round, so that a daemon that hangs is started anew.
pub(crate) async fn keep_alive(health: Arc<Health>) -> Infallible {
    // Without a watchdog the signs do no harm.
    let patience = sd_notify::watchdog_enabled().unwrap_or(Duration::from_secs(60));
    let mut signs = interval((patience / SIGNS).max(Duration::from_millis(10)));
    signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        signs.tick().await;
        if health.silence() < STALL {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::warn!(seconds = health.silence().as_secs(), "the capture loop does not come round");
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager does not listen");
    }
}
