//! A bounded queue, and one thread that tries until what waits in it is done.
//!
//! Whoever hands something over never waits: it is taken, or given back when there is no room ([`Queue::push`]). The thread
//! has what waits as one batch, in order ([`Waiting`]), and makes attempts ([`Work::attempt`]): after one that failed it pauses
//! ([`Pause`]) while the queue takes in what comes, it says so once a minute at most, and once when it works again. What
//! waits counts for the queue's bound until the attempt that did it has ended.
//!
//! The end is one way for all: what is due is tried at once, a last time, or until a deadline; what is left is returned
//! ([`Left`]). A thread that panicked or hangs is told of ([`End`]), and holds up nobody.
//!
//! What an item is and where it goes is left to who implements [`Work`]; what is lost is counted there.

mod inbox;
mod pause;
mod rounds;

use std::{
    fmt, io,
    sync::{Arc, atomic::AtomicU64},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

pub use inbox::{Queue, Waiting, Waker};
pub use pause::Pause;

use inbox::{Closing, Inbox};
use rounds::{Next, Rounds};

/// What a queue's thread does.
pub trait Work: Send + 'static {
    /// What waits.
    type Item: Send + 'static;
    /// Why an attempt did not succeed.
    type Error: Send + 'static;

    /// Looks at what has come, whenever the thread comes round, also while nothing can be done. What is taken out of
    /// `waiting` here waits elsewhere, within bounds of its own.
    fn arrived(&mut self, waiting: &mut Waiting<Self::Item>) {
        let _ = waiting;
    }

    /// When to make an attempt; `None` is not before something comes.
    fn due(&mut self, waiting: &Waiting<Self::Item>, now: Instant) -> Option<Instant>;

    /// Makes an attempt at what is due, and takes out of `waiting` what is done. It is `closing` when few attempts follow, or
    /// none.
    fn attempt(&mut self, waiting: &mut Waiting<Self::Item>, closing: bool) -> Attempt<Self::Error>;

    /// Says what is wrong.
    fn complain(&mut self, error: &Self::Error);

    /// Says that it works again.
    fn recovered(&mut self);
}

/// How an attempt ended.
#[derive(Debug)]
pub enum Attempt<E> {
    /// What was due is done.
    Done,
    /// Some of it will never be, and was left out.
    Refused(E),
    /// It is to be made again.
    Failed {
        error: E,
        /// Something was done: pauses begin anew.
        progress: bool,
        /// How long the other end asks to be left alone.
        asked: Option<Duration>,
    },
}

impl<E> Attempt<E> {
    /// Nothing was done, and nobody said when to come again.
    pub fn failed(error: E) -> Attempt<E> {
        Attempt::Failed { error, progress: false, asked: None }
    }
}

/// How a queue is set up.
#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// The thread's name.
    pub name: String,
    /// What may wait, in whatever items are measured in.
    pub limit: u64,
    /// Where it is accounted how much waits.
    pub used: Arc<AtomicU64>,
    /// Between attempts that fail.
    pub pause: Pause,
    /// The same at the end, until the deadline; `None` is one last attempt.
    pub last_pause: Option<Duration>,
}

/// A queue with its thread.
pub struct Running<W: Work> {
    queue: Queue<W::Item>,
    thread: JoinHandle<Left<W>>,
}

/// What the end leaves.
pub struct Left<W: Work> {
    pub work: W,
    /// What is not done, in order.
    pub items: Vec<W::Item>,
    /// Why the last attempt failed, if it did.
    pub error: Option<W::Error>,
}

/// Why nothing is known of what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum End {
    #[error("it does not come back from what it is at")]
    Hangs,
    #[error("it panicked")]
    Panicked,
}

impl<W: Work> Running<W> {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// If there can't be one more.
    pub fn start(settings: QueueSettings, work: W) -> io::Result<Running<W>> {
        let QueueSettings { name, limit, used, pause, last_pause } = settings;
        let inbox = Arc::new(Inbox::new(limit, used));
        let queue = Queue::new(Arc::clone(&inbox));
        let rounds = Rounds::new(work, inbox.waiting(), pause, last_pause);
        let thread = thread::Builder::new().name(name).spawn(move || run(&inbox, rounds))?;
        Ok(Running { queue, thread })
    }

    /// Where to hand things over.
    pub fn queue(&self) -> Queue<W::Item> {
        self.queue.clone()
    }

    /// Has all that waits done, and ends the thread: no attempt begins after `deadline`. A thread that shows no progress for
    /// `patience` beyond that is left to itself.
    pub fn finish(self, deadline: Option<Instant>, patience: Duration) -> Result<Left<W>, End> {
        self.close(deadline);
        self.join(deadline, patience)
    }

    /// Has all that waits done without waiting for it: [`Running::join`] follows.
    pub fn close(&self, deadline: Option<Instant>) {
        self.queue.inbox().close(Closing { deadline });
    }

    /// Waits for the end, as [`Running::finish`] does.
    pub fn join(self, deadline: Option<Instant>, patience: Duration) -> Result<Left<W>, End> {
        if !self.queue.inbox().wait_for_end(deadline, patience) {
            return Err(End::Hangs);
        }
        self.thread.join().map_err(|_| End::Panicked)
    }
}

impl<W: Work> fmt::Debug for Running<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("thread", &self.thread.thread().name()).finish_non_exhaustive()
    }
}

fn run<W: Work>(inbox: &Inbox<W::Item>, mut rounds: Rounds<W>) -> Left<W> {
    // Says that the thread has ended even when it panics.
    let _end = inbox.end_with_this();
    let mut until = Some(Instant::now());
    loop {
        let closing = inbox.wait(&mut rounds.waiting, until);
        match rounds.next(Instant::now, closing) {
            Next::Wait(next) => until = next,
            Next::End => {
                inbox.end(&mut rounds.waiting);
                return rounds.left();
            }
        }
    }
}

#[cfg(test)]
mod tests;
