//! The API inventory on its way from the engine to the web: `/api/v1/routes`.
//!
//! The engine's thread is asked and answers when it comes round, once a second at most, so that nobody who asks often
//! keeps it from its work; whoever asks meanwhile gets the same answer.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use serde::Serialize;
use tokio::sync::oneshot;

use crate::{route::Summary, time::Timestamp};

/// Answers are at least this far apart.
const INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

/// Everyone that waits for an answer.
#[derive(Debug, Default)]
pub struct Inventory {
    asked: AtomicBool,
    waiting: Mutex<Vec<oneshot::Sender<Arc<Routes>>>>,
}

/// The routes at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Routes {
    /// The version of the schema in docs/attribution.md.
    pub v: u32,
    pub at: Timestamp,
    /// Calls to routes that there was no room for; they count as `~other`.
    pub overflowed_calls: u64,
    pub routes: Vec<Summary>,
}

/// The engine's side.
#[derive(Debug, Default)]
pub struct Answering {
    last: Timestamp,
}

impl Inventory {
    /// Asks; the answer comes when the engine's thread comes round, or never if that has ended.
    pub fn ask(&self) -> oneshot::Receiver<Arc<Routes>> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        self.asked.store(true, Ordering::Release);
        receiver
    }

    /// Nobody will answer any more.
    pub fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Answering {
    /// Answers if somebody asked. To be called whenever the engine's thread comes round.
    pub fn answer(&mut self, inventory: &Inventory, now: Timestamp, routes: impl FnOnce() -> Routes) {
        if !inventory.asked.load(Ordering::Acquire) || now.since(self.last) < INTERVAL {
            return;
        }
        self.last = now;
        inventory.asked.store(false, Ordering::Release);
        let waiting = std::mem::take(&mut *inventory.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let routes = Arc::new(routes());
        for sender in waiting {
            // Whoever asked may have gone.
            drop(sender.send(Arc::clone(&routes)));
        }
    }
}
