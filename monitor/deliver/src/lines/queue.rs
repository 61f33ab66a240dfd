//! A writer thread behind a queue that is bounded by bytes.
//!
//! Capture never waits for a disk: handing over is moving one buffer into a channel. When the file takes nothing
//! (a full disk), the writer keeps what it has and tries again each second, and the queue absorbs what comes
//! meanwhile; only when the queue is full are lines dropped, and counted. So an outage shorter than the queue loses
//! nothing. At the end everything queued is written, or counted as lost after one last attempt; so it is where the other end
//! takes nothing for ten seconds, as a pipe that nobody reads.

use std::{
    io,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{self, Receiver, Sender},
    },
    time::{Duration, Instant},
};

use rollcall_queue::{Attempt, End, Left, Pause, QueueSettings, Running, Waiting, Work};

use super::{
    line_file::{LineFile, Stopped},
    sink::{LogError, LogStats, Sink, lines_in},
};

/// How long the writer waits before it tries a file again.
const RETRY: Duration = Duration::from_secs(1);

/// A file that takes no lines for so long when everything is to end, and gives no error either, is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Hands lines to a thread that writes them.
pub struct Queue {
    queue: rollcall_queue::Queue<Message>,
    spare: Receiver<Vec<u8>>,
    stats: Arc<LogStats>,
    /// Lines that were handed over.
    taken: u64,
    path: String,
    writer: Running<Writer>,
}

enum Message {
    /// Whole lines to write.
    Lines(Vec<u8>),
    /// The file was rotated: what comes now goes to the one that has its name.
    Reopen,
}

/// Has the file of a queue opened anew.
#[derive(Clone)]
pub struct Reopen(rollcall_queue::Queue<Message>);

impl Reopen {
    /// Lines that were handed over before go to the old file, those that come now to the new one.
    pub fn reopen(&self) {
        // Nobody takes it once the queue is finished.
        let _ = self.0.push(Message::Reopen, 0);
    }
}

impl Queue {
    /// Starts the writer of `file`. At most `limit` bytes wait for it.
    pub fn new(file: LineFile, limit: u64) -> Result<Queue, LogError> {
        let path = file.name().to_owned();
        let stats = file.stats();
        let (used, spare) = mpsc::channel();
        let settings = QueueSettings {
            name: "log".to_owned(),
            limit,
            used: Arc::clone(&stats.queued),
            pause: Pause::Fixed(RETRY),
            last_pause: None,
        };
        let writer = Running::start(settings, Writer { file, written: 0, used })
            .map_err(|source| LogError::Thread { path: path.clone(), source })?;
        Ok(Queue { queue: writer.queue(), spare, stats, taken: 0, path, writer })
    }

    /// What has its file opened anew.
    pub fn reopen(&self) -> Reopen {
        Reopen(self.queue.clone())
    }

    /// Writes everything, unless the file takes nothing for `patience`.
    fn finish_within(self, patience: Duration) -> Result<(), LogError> {
        let Queue { queue: _, spare: _, stats, taken, path, writer } = self;
        match writer.finish(None, patience) {
            Ok(Left { work: Writer { mut file, mut written, used: _ }, items, error }) => {
                let left = items.iter().map(|message| match message {
                    Message::Lines(lines) => lines_in(&lines[std::mem::take(&mut written)..]),
                    Message::Reopen => 0,
                });
                let left = left.sum();
                file.give_up(left, error);
                file.outcome()
            }
            Err(end) => {
                let waiting = taken.saturating_sub(stats.written.load(Ordering::Relaxed));
                let lines = stats.dropped.load(Ordering::Relaxed) + waiting;
                let why = match end {
                    End::Hangs => "it takes none, and gives no error",
                    End::Panicked => "its writer panicked",
                };
                Err(LogError::Lost { path, lines, source: Some(io::Error::other(why)) })
            }
        }
    }
}

impl Sink for Queue {
    fn put(&mut self, buffer: &mut Vec<u8>, lines: u64) {
        let size = buffer.len() as u64;
        if !self.queue.has_room(size) {
            self.stats.dropped.fetch_add(lines, Ordering::Relaxed);
            buffer.clear();
            return;
        }
        let empty = self.spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(buffer.capacity()));
        let full = std::mem::replace(buffer, empty);
        match self.queue.push(Message::Lines(full), size) {
            Ok(()) => self.taken += lines,
            // The writer is gone, which only a panic of its thread explains; `finish` tells.
            Err(_) => drop(self.stats.dropped.fetch_add(lines, Ordering::Relaxed)),
        }
    }

    fn finish(self: Box<Self>) -> Result<(), LogError> {
        (*self).finish_within(PATIENCE)
    }
}

struct Writer {
    file: LineFile,
    /// Bytes of the first lines that wait which are in the file already.
    written: usize,
    /// Takes buffers back.
    used: Sender<Vec<u8>>,
}

impl Work for Writer {
    type Item = Message;
    type Error = io::Error;

    fn due(&mut self, waiting: &Waiting<Message>, now: Instant) -> Option<Instant> {
        (!waiting.is_empty()).then_some(now)
    }

    fn attempt(&mut self, waiting: &mut Waiting<Message>, _: bool) -> Attempt<io::Error> {
        match waiting.first() {
            Some(Message::Lines(lines)) => {
                if let Err(Stopped { written, error }) = self.file.write(&lines[self.written..]) {
                    self.written += written;
                    return Attempt::failed(error);
                }
                self.written = 0;
            }
            Some(Message::Reopen) => {
                if let Err(error) = self.file.reopen() {
                    tracing::error!(log = self.file.name(), %error, "cannot open the log anew: lines go on to the old file");
                }
            }
            None => {}
        }
        if let Some(Message::Lines(mut lines)) = waiting.take() {
            lines.clear();
            // Nobody takes it any more once the queue is finished.
            drop(self.used.send(lines));
        }
        Attempt::Done
    }

    fn complain(&mut self, error: &io::Error) {
        tracing::error!(
            log = self.file.name(),
            %error,
            "cannot write to the log; lines wait in memory and are dropped when the queue is full: make room"
        );
    }

    fn recovered(&mut self) {
        tracing::info!(log = self.file.name(), "the log takes lines again");
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
    fn a_pipe_that_nobody_reads_keeps_nobody_from_stopping() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _reader = std::fs::File::options().read(true).write(true).open(&path).unwrap();
        let mut queue = Queue::new(LineFile::open(&path).unwrap(), 1 << 20).unwrap();
        let line = [&[b'x'; 1_023][..], b"\n"].concat();
        queue.put(&mut line.repeat(256), 256);
        let written = Arc::clone(&queue.stats);
        let error = queue.finish_within(Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), format!("log {} lost 256 line(s)", path.display()));
        assert_eq!(written.written.load(Ordering::Relaxed), 0, "they were one write");
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
