//! Where items wait, on both sides of the thread's door, and how it is woken.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Hands items over to a queue's thread. Never waits.
pub struct Queue<T> {
    inbox: Arc<Inbox<T>>,
}

impl<T> Queue<T> {
    pub(crate) fn new(inbox: Arc<Inbox<T>>) -> Queue<T> {
        Queue { inbox }
    }

    /// Hands an item over that takes `size` of the queue's room. It is given back if there is not so much, or if the thread has
    /// ended.
    pub fn push(&self, item: T, size: u64) -> Result<(), T> {
        self.push_beyond(0, item, size)
    }

    /// The same, with `reserve` more room than others have.
    pub fn push_beyond(&self, reserve: u64, item: T, size: u64) -> Result<(), T> {
        let mut state = self.inbox.lock();
        if state.ended || self.used() + size > self.inbox.limit + reserve {
            return Err(item);
        }
        self.inbox.used.fetch_add(size, Ordering::Relaxed);
        state.came.push_back((item, size));
        drop(state);
        self.inbox.changed.notify_one();
        Ok(())
    }

    /// Whether there is room for so much.
    pub fn has_room(&self, size: u64) -> bool {
        self.used() + size <= self.inbox.limit
    }

    /// How much waits.
    pub fn used(&self) -> u64 {
        self.inbox.used.load(Ordering::Relaxed)
    }

    /// What has the thread come round though nothing was handed over.
    pub fn waker(&self) -> Waker
    where
        T: Send + 'static,
    {
        let inbox = Arc::clone(&self.inbox);
        Waker::new(move || inbox.wake())
    }

    pub(crate) fn inbox(&self) -> &Inbox<T> {
        &self.inbox
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Queue<T> {
        Queue::new(Arc::clone(&self.inbox))
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("used", &self.used()).field("limit", &self.inbox.limit).finish()
    }
}

/// Has a queue's thread come round.
#[derive(Clone)]
pub struct Waker(Arc<dyn Fn() + Send + Sync>);

impl Waker {
    /// One that calls `wake`.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Waker {
        Waker(Arc::new(wake))
    }

    /// Has it come round, soon.
    pub fn wake(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}

/// What waits, in order, as the thread has it.
#[derive(Debug)]
pub struct Waiting<T> {
    items: VecDeque<(T, u64)>,
    used: Arc<AtomicU64>,
}

impl<T> Waiting<T> {
    /// Whether nothing does.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The first item.
    pub fn first(&mut self) -> Option<&mut T> {
        self.items.front_mut().map(|(item, _)| item)
    }

    /// Takes the first item out: its room is free.
    pub fn take(&mut self) -> Option<T> {
        let (item, size) = self.items.pop_front()?;
        self.used.fetch_sub(size, Ordering::Relaxed);
        Some(item)
    }
}

/// What the thread and those who hand over share.
pub(crate) struct Inbox<T> {
    limit: u64,
    used: Arc<AtomicU64>,
    state: Mutex<State<T>>,
    /// For the thread.
    changed: Condvar,
    /// For who waits for its end.
    progress: Condvar,
}

struct State<T> {
    came: VecDeque<(T, u64)>,
    woken: bool,
    closing: Option<Closing>,
    /// How often the thread has come round.
    rounds: u64,
    ended: bool,
}

/// The thread is to come to an end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closing {
    /// No attempt begins later.
    pub(crate) deadline: Option<Instant>,
}

impl<T> Inbox<T> {
    pub(crate) fn new(limit: u64, used: Arc<AtomicU64>) -> Inbox<T> {
        let state = State { came: VecDeque::new(), woken: false, closing: None, rounds: 0, ended: false };
        Inbox { limit, used, state: Mutex::new(state), changed: Condvar::new(), progress: Condvar::new() }
    }

    /// The thread's side of it.
    pub(crate) fn waiting(&self) -> Waiting<T> {
        Waiting { items: VecDeque::new(), used: Arc::clone(&self.used) }
    }

    /// Waits until something has come, or somebody wakes the thread, or `until`. Moves what has come to `waiting`.
    pub(crate) fn wait(&self, waiting: &mut Waiting<T>, until: Option<Instant>) -> Option<Closing> {
        let mut state = self.lock();
        state.rounds += 1;
        if state.closing.is_some() {
            self.progress.notify_all();
        }
        while state.came.is_empty() && !state.woken {
            state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(left) if left.is_zero() => break,
                Some(left) => wait_for(&self.changed, state, left),
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        self.collect(&mut state, waiting)
    }

    /// The same without waiting.
    #[cfg(test)]
    pub(crate) fn look(&self, waiting: &mut Waiting<T>) -> Option<Closing> {
        self.collect(&mut self.lock(), waiting)
    }

    fn collect(&self, state: &mut State<T>, waiting: &mut Waiting<T>) -> Option<Closing> {
        state.woken = false;
        waiting.items.append(&mut state.came);
        state.closing
    }

    /// Has the thread come to an end.
    pub(crate) fn close(&self, closing: Closing) {
        self.lock().closing = Some(closing);
        self.wake();
    }

    pub(crate) fn wake(&self) {
        self.lock().woken = true;
        self.changed.notify_one();
    }

    /// The thread takes nothing more: moves what came last to `waiting`.
    pub(crate) fn end(&self, waiting: &mut Waiting<T>) {
        let mut state = self.lock();
        state.ended = true;
        self.collect(&mut state, waiting);
    }

    /// Says that the thread has ended when it is dropped.
    pub(crate) fn end_with_this(&self) -> impl Drop {
        EndWithThis(self)
    }

    /// Waits until the thread has ended; `false` if it has not come round for `patience` and the `deadline` has passed by so
    /// much.
    pub(crate) fn wait_for_end(&self, deadline: Option<Instant>, patience: Duration) -> bool {
        let mut state = self.lock();
        let (mut rounds, mut since) = (state.rounds, Instant::now());
        while !state.ended {
            if state.rounds != rounds {
                (rounds, since) = (state.rounds, Instant::now());
            }
            let end = deadline.map_or(since, |deadline| deadline.max(since)) + patience;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = wait_for(&self.progress, state, left);
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct EndWithThis<'a, T>(&'a Inbox<T>);

impl<T> Drop for EndWithThis<'_, T> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.progress.notify_all();
    }
}

fn wait_for<'a, S>(condition: &Condvar, guard: MutexGuard<'a, S>, most: Duration) -> MutexGuard<'a, S> {
    condition.wait_timeout(guard, most).unwrap_or_else(PoisonError::into_inner).0
}
