//! What the thread does each time that it comes round. Has no clock of its own and waits for nothing, so that a test can drive
//! it through hours.

use std::time::{Duration, Instant};

use super::{Attempt, Left, Pause, Waiting, Work, inbox::Closing, pause::Pauses};

/// What is wrong is said this often.
const COMPLAIN: Duration = Duration::from_secs(60);

/// The thread's side of a queue.
pub(crate) struct Rounds<W: Work> {
    work: W,
    pub(crate) waiting: Waiting<W::Item>,
    pauses: Pauses,
    last_pause: Option<Duration>,
    /// After a failure: why, and not before when.
    error: Option<W::Error>,
    retry_at: Option<Instant>,
    /// When it was last said what is wrong.
    complained_at: Option<Instant>,
    /// That was said since it last worked.
    complained: bool,
    /// It is known that the end has come.
    closing: bool,
}

/// What the thread is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// To come round when something has come, or then.
    Wait(Option<Instant>),
    End,
}

impl<W: Work> Rounds<W> {
    pub(crate) fn new(
        work: W,
        waiting: Waiting<W::Item>,
        pause: Pause,
        last_pause: Option<Duration>,
    ) -> Rounds<W> {
        Rounds {
            work,
            waiting,
            pauses: Pauses::new(pause),
            last_pause,
            error: None,
            retry_at: None,
            complained_at: None,
            complained: false,
            closing: false,
        }
    }

    /// One round: an attempt, if one is due.
    pub(crate) fn next(&mut self, clock: impl Fn() -> Instant, closing: Option<Closing>) -> Next {
        let now = clock();
        self.work.arrived(&mut self.waiting);
        let due = self.work.due(&self.waiting, now);
        let at = match (due, closing) {
            (None, None) => return Next::Wait(None),
            (None, Some(_)) => return Next::End,
            (Some(due), None) => self.retry_at.map_or(due, |retry_at| retry_at.max(due)),
            (Some(due), Some(Closing { deadline })) => {
                let is_first = !std::mem::replace(&mut self.closing, true);
                let is_over = deadline.is_some_and(|deadline| now >= deadline);
                let at = if is_first { now } else { self.retry_at.unwrap_or(due) };
                // What is due later is not worth waiting for, but what is tried again is.
                if is_over || at > now && self.retry_at.is_none() {
                    return Next::End;
                }
                at
            }
        };
        if at > now {
            return Next::Wait(Some(at));
        }
        match self.work.attempt(&mut self.waiting, closing.is_some()) {
            Attempt::Done => {
                self.pauses.reset();
                if std::mem::take(&mut self.complained) {
                    self.work.recovered();
                }
            }
            Attempt::Refused(error) => {
                self.pauses.reset();
                self.complain(&error, clock());
            }
            Attempt::Failed { error, progress, asked } => {
                let now = clock();
                self.complained |= self.complain(&error, now);
                self.error = Some(error);
                if progress {
                    self.pauses.reset();
                }
                let pause = match closing {
                    None => self.pauses.next(asked),
                    Some(Closing { deadline }) => match self.last_pause {
                        Some(pause) if deadline.is_none_or(|deadline| now + pause < deadline) => pause,
                        _ => return Next::End,
                    },
                };
                self.retry_at = Some(now + pause);
                return Next::Wait(self.retry_at);
            }
        }
        (self.error, self.retry_at) = (None, None);
        // There may be more.
        Next::Wait(Some(now))
    }

    /// What is left.
    pub(crate) fn left(mut self) -> Left<W> {
        let items = std::iter::from_fn(|| self.waiting.take()).collect();
        Left { work: self.work, items, error: self.error }
    }

    /// Says what is wrong, if that was not said lately; whether it did.
    fn complain(&mut self, error: &W::Error, now: Instant) -> bool {
        let is_time = self.complained_at.is_none_or(|at| now.saturating_duration_since(at) >= COMPLAIN);
        if is_time {
            self.complained_at = Some(now);
            self.work.complain(error);
        }
        is_time
    }
}
