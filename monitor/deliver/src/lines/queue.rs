//! A writer thread behind a queue that is bounded by bytes.
//!
//! Capture never waits for a disk: handing over is moving one buffer into a channel. When the file takes nothing
//! (a full disk), the writer keeps what it has and tries again each second, and the queue absorbs what comes
//! meanwhile; only when the queue is full are lines dropped, and counted. So an outage shorter than the queue loses
//! nothing. At the end everything queued is written, or counted as lost after one last attempt.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    line_file::{LineFile, Stopped},
    sink::{Error, Sink, Stats, lines_in},
};

/// How long the writer waits before it tries a file again.
const RETRY: Duration = Duration::from_secs(1);

/// A file that stays full is told about this often.
const COMPLAIN: Duration = Duration::from_secs(60);

/// Hands lines to a thread that writes them.
pub struct Queue {
    messages: Sender<Message>,
    spare: Receiver<Vec<u8>>,
    limit: u64,
    stats: Arc<Stats>,
    stopping: Arc<AtomicBool>,
    writer: JoinHandle<LineFile>,
}

enum Message {
    /// Whole lines to write.
    Lines(Vec<u8>),
    /// The file was rotated: what comes now goes to the one that has its name.
    Reopen,
    End,
}

/// Has the file of a queue opened anew.
#[derive(Clone)]
pub struct Reopen(Sender<Message>);

impl Reopen {
    /// Lines that were handed over before go to the old file, those that come now to the new one.
    pub fn reopen(&self) {
        // Nobody listens once the queue is finished.
        let _ = self.0.send(Message::Reopen);
    }
}

impl Queue {
    /// Starts the writer of `file`. At most `limit` bytes wait for it.
    pub fn new(file: LineFile, limit: u64) -> Result<Queue, Error> {
        let path = file.name().to_owned();
        let stats = file.stats();
        let stopping = Arc::new(AtomicBool::new(false));
        let (messages, receiver) = mpsc::channel();
        let (used, spare) = mpsc::channel();
        let writer = Writer { file, stopping: Arc::clone(&stopping), complained: None };
        let writer = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.run(receiver, used))
            .map_err(|source| Error::Thread { path, source })?;
        Ok(Queue { messages, spare, limit, stats, stopping, writer })
    }

    /// What has its file opened anew.
    pub fn reopen(&self) -> Reopen {
        Reopen(self.messages.clone())
    }
}

impl Sink for Queue {
    fn put(&mut self, buffer: &mut Vec<u8>, lines: u64) {
        let size = buffer.len() as u64;
        if self.stats.queued.load(Ordering::Relaxed) + size > self.limit {
            self.stats.dropped.fetch_add(lines, Ordering::Relaxed);
            buffer.clear();
            return;
        }
        self.stats.queued.fetch_add(size, Ordering::Relaxed);
        let empty = self.spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(buffer.capacity()));
        let full = std::mem::replace(buffer, empty);
        if self.messages.send(Message::Lines(full)).is_err() {
            // The writer is gone, which only a panic of its thread explains; `finish` tells.
            self.stats.queued.fetch_sub(size, Ordering::Relaxed);
            self.stats.dropped.fetch_add(lines, Ordering::Relaxed);
        }
    }

    fn finish(self: Box<Self>) -> Result<(), Error> {
        let Queue { messages, spare: _, limit: _, stats, stopping, writer } = *self;
        // Without the writer there is its panic to tell of, below.
        let _ = messages.send(Message::End);
        stopping.store(true, Ordering::Release);
        writer.thread().unpark();
        match writer.join() {
            Ok(file) => file.outcome(),
            Err(_) => Err(Error::Lost {
                path: "(its writer panicked)".to_owned(),
                lines: stats.dropped.load(Ordering::Relaxed),
                source: None,
            }),
        }
    }
}

struct Writer {
    file: LineFile,
    stopping: Arc<AtomicBool>,
    complained: Option<Instant>,
}

impl Writer {
    fn run(mut self, messages: Receiver<Message>, used: Sender<Vec<u8>>) -> LineFile {
        let stats = self.file.stats();
        for message in messages {
            match message {
                Message::Lines(mut lines) => {
                    self.write(&lines);
                    stats.queued.fetch_sub(lines.len() as u64, Ordering::Relaxed);
                    lines.clear();
                    // Nobody takes it any more once the queue is finished.
                    drop(used.send(lines));
                }
                Message::Reopen => self.reopen(),
                Message::End => break,
            }
        }
        self.file
    }

    fn reopen(&mut self) {
        if let Err(error) = self.file.reopen() {
            tracing::error!(log = self.file.name(), %error, "cannot open the log anew: lines go on to the old file");
        }
    }

    fn write(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while let Err(Stopped { written, error }) = self.file.write(rest) {
            rest = &rest[written..];
            self.complain(&error);
            if self.stopping.load(Ordering::Acquire) {
                self.file.give_up(lines_in(rest), Some(error));
                return;
            }
            thread::park_timeout(RETRY);
        }
        if self.complained.take().is_some() {
            tracing::info!(log = self.file.name(), "the log takes lines again");
        }
    }

    fn complain(&mut self, error: &std::io::Error) {
        if self.complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
            self.complained = Some(Instant::now());
            tracing::error!(
                log = self.file.name(),
                %error,
                "cannot write to the log; lines wait in memory and are dropped when the queue is full: make room"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn everything_queued_is_written_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut queue = Queue::new(LineFile::open(&path).unwrap(), 1 << 20).unwrap();
        let mut expected = String::new();
        let mut buffer = Vec::new();
        for number in 0..1000 {
            let line = format!("{number}\n");
            buffer.extend_from_slice(line.as_bytes());
            expected.push_str(&line);
            queue.put(&mut buffer, 1);
            assert!(buffer.is_empty());
        }
        Box::new(queue).finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    }

    #[test]
    fn after_a_rotation_lines_go_to_the_new_file() {
        let directory = tempfile::tempdir().unwrap();
        let (path, old) = (directory.path().join("log"), directory.path().join("log.1"));
        let mut queue = Queue::new(LineFile::open(&path).unwrap(), 1 << 20).unwrap();
        queue.put(&mut b"one\n".to_vec(), 1);
        std::fs::rename(&path, &old).unwrap();
        queue.reopen().reopen();
        queue.put(&mut b"two\n".to_vec(), 1);
        let reopen = queue.reopen();
        Box::new(queue).finish().unwrap();
        reopen.reopen();
        let content = |path| std::fs::read_to_string(path).unwrap_or_default();
        // The first line may have been written before or after the file got its other name: it is the same file.
        assert_eq!((content(&old), content(&path)), ("one\n".to_owned(), "two\n".to_owned()));
    }

    #[test]
    fn a_full_disk_neither_blocks_nor_goes_unsaid() {
        let mut queue = Queue::new(LineFile::open(Path::new("/dev/full")).unwrap(), 10).unwrap();
        let stats = Arc::clone(&queue.stats);
        for _ in 0..5 {
            queue.put(&mut b"1234\n".to_vec(), 1);
        }
        assert_eq!(stats.dropped.load(Ordering::Relaxed), 3, "the queue holds two lines of five");
        let error = Box::new(queue).finish().unwrap_err();
        assert_eq!(error.to_string(), "log /dev/full lost 5 line(s)");
        assert_eq!(stats.queued.load(Ordering::Relaxed), 0);
    }
}
