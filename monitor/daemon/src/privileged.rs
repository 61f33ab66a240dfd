//! The one thread that holds privileges. It does what takes them, then gives them up and captures.
//!
//! Linux keeps capabilities for each thread. This thread is started before any other, and the thread that started it gives
//! its own up right away, so that nothing that reads a request, a file or a socket ever has any.

use std::{
    sync::mpsc::{Sender, channel},
    thread::{Builder, JoinHandle},
};

use super::Error;

type Work<T> = Box<dyn FnOnce() -> Option<T> + Send>;

/// The thread, which ends with a `T`.
pub(super) struct Privileged<T> {
    name: &'static str,
    work: Sender<Work<T>>,
    thread: JoinHandle<Option<T>>,
}

impl<T: Send + 'static> Privileged<T> {
    /// Starts the thread with the capabilities of the calling one.
    pub(super) fn start(name: &'static str) -> Result<Privileged<T>, Error> {
        let (work, queue) = channel::<Work<T>>();
        let run = move || queue.into_iter().find_map(|work| work());
        let thread = Builder::new().name(name.to_owned()).spawn(run);
        let thread = thread.map_err(Error::io("start the capture thread"))?;
        Ok(Privileged { name, work, thread })
    }

    /// Has the thread do `work`, and waits for what comes of it.
    pub(super) fn call<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Error> {
        let (sender, outcome) = channel();
        let work = move || {
            // Its receiver waits below.
            drop(sender.send(work()));
            None
        };
        let sent = self.work.send(Box::new(work)).is_ok();
        sent.then(|| outcome.recv().ok()).flatten().ok_or(Error::Panicked(self.name))
    }

    /// Has the thread end with `work`, and doesn't wait.
    pub(super) fn finish(self, work: impl FnOnce() -> T + Send + 'static) -> Finishing<T> {
        // Should the thread have ended, joining it tells.
        drop(self.work.send(Box::new(move || Some(work()))));
        Finishing(self.name, self.thread)
    }
}

/// The thread on its last work.
pub(super) struct Finishing<T>(&'static str, JoinHandle<Option<T>>);

impl<T> Finishing<T> {
    /// What came of it, once it has ended.
    pub(super) fn join(self) -> Result<T, Error> {
        let Finishing(name, thread) = self;
        thread.join().ok().flatten().ok_or(Error::Panicked(name))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn all_of_it_happens_on_one_thread() {
        let privileged = Privileged::start("p").unwrap();
        let first = privileged.call(|| thread::current().id()).unwrap();
        assert_ne!(first, thread::current().id());
        assert_eq!(privileged.call(|| thread::current().id()).unwrap(), first);
        assert_eq!(privileged.finish(|| thread::current().id()).join().unwrap(), first);
    }

    #[test]
    fn a_panic_is_an_error() {
        let privileged = Privileged::<()>::start("p").unwrap();
        assert!(privileged.call(|| panic!("on purpose")).is_err());
        assert!(privileged.call(|| ()).is_err());
        assert!(privileged.finish(|| ()).join().is_err());
    }
}
