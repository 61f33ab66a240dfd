//! Questions that only the engine's thread can answer, on their way there and back.
//!
//! That thread is asked and answers when it comes round, each kind of question once a second at most, so that nobody who
//! asks often keeps it from its work; whoever asks meanwhile gets the same answer.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rollcall_model::time::Timestamp;
use tokio::sync::oneshot;

use super::{Clients, Routes};

/// Answers to a question are at least this far apart.
const INTERVAL: Duration = Duration::from_secs(1);

/// A question, and everyone that waits for the answer.
#[derive(Debug)]
pub struct Inquiry<T> {
    asked: AtomicBool,
    waiting: Mutex<Vec<oneshot::Sender<Arc<T>>>>,
}

/// All that the engine can be asked.
#[derive(Debug, Default)]
pub struct Inquiries {
    /// The API inventory.
    pub routes: Inquiry<Routes>,
    /// The busiest clients.
    pub clients: Inquiry<Clients>,
}

/// The engine's side of one question.
#[derive(Debug, Default)]
pub struct Answering {
    last: Timestamp,
}

/// Nobody has asked yet.
impl<T> Default for Inquiry<T> {
    fn default() -> Inquiry<T> {
        Inquiry { asked: AtomicBool::new(false), waiting: Mutex::default() }
    }
}

impl<T> Inquiry<T> {
    /// Asks; the answer comes when the engine's thread comes round, or never if that has ended.
    pub fn ask(&self) -> oneshot::Receiver<Arc<T>> {
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

impl Inquiries {
    /// Nobody will answer any more.
    pub fn close(&self) {
        self.routes.close();
        self.clients.close();
    }
}

impl Answering {
    /// Answers if somebody asked. To be called whenever the engine's thread comes round.
    pub fn answer<T>(&mut self, inquiry: &Inquiry<T>, now: Timestamp, answer: impl FnOnce() -> T) {
        if !inquiry.asked.load(Ordering::Acquire) || now.since(self.last) < INTERVAL {
            return;
        }
        self.last = now;
        inquiry.asked.store(false, Ordering::Release);
        let waiting = std::mem::take(&mut *inquiry.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let answer = Arc::new(answer());
        for sender in waiting {
            // Whoever asked may have gone.
            drop(sender.send(Arc::clone(&answer)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_within_a_second_gets_one_answer() {
        let inquiry = Inquiry::<u32>::default();
        let mut answering = Answering::default();
        let at = |millis: u64| Timestamp(millis * 1_000_000);
        answering.answer(&inquiry, at(5_000), || unreachable!("nobody asked"));
        let mut first = [inquiry.ask(), inquiry.ask()];
        answering.answer(&inquiry, at(5_000), || 1);
        assert_eq!(first.each_mut().map(|receiver| *receiver.try_recv().unwrap()), [1, 1]);
        let mut second = inquiry.ask();
        answering.answer(&inquiry, at(5_999), || unreachable!("it is too soon"));
        answering.answer(&inquiry, at(6_000), || 2);
        assert_eq!(*second.try_recv().unwrap(), 2);
    }

    #[test]
    fn an_engine_that_has_ended_does_not_answer() {
        let inquiries = Inquiries::default();
        let receiver = inquiries.routes.ask();
        inquiries.close();
        receiver.blocking_recv().unwrap_err();
    }
}
