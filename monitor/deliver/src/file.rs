//! The alert file: each event a line, once, whatever happened between writing it and noting that it was written.
//!
//! A daemon that was killed in that moment finds the event in its outbox and the line in the file. So lines that wait from
//! before the start are looked for at the end of the file first; the beginning of one that a loss of power left there is
//! taken back, and the line written whole. After a rotation in between, the old file is not looked into.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rollcall_model::time::Timestamp;
use rollcall_store::Event;

use super::destination::{Destination, LOCAL, Problem, Report};
use crate::lines::{LineFile, LogError, LogStats, Stopped};

/// Events in one write.
const BATCH: usize = 256;

/// Lines of others may stand behind our own.
const OTHERS: u64 = 64 << 10;

/// Appends events to a file, or to stdout.
pub struct AlertFile {
    file: LineFile,
    tail: Option<Tail>,
    reopen: Arc<AtomicBool>,
}

/// What stood at the end of the file at the start.
struct Tail {
    lines: HashSet<Vec<u8>>,
    /// The beginning of a line.
    torn: Vec<u8>,
    /// Numbers of events that were recorded before are not above.
    until: u64,
}

impl AlertFile {
    /// Opens `path`; `-` is stdout. `waiting` bytes of lines may be there already.
    pub fn open(path: &Path, waiting: u64) -> Result<AlertFile, LogError> {
        let file = LineFile::open(path)?;
        // A file that can't be read is written all the same.
        let tail = if waiting > 0 && path != Path::new("-") { Tail::read(path, waiting).ok() } else { None };
        Ok(AlertFile { file, tail, reopen: Arc::default() })
    }

    /// What became of the lines.
    pub fn stats(&self) -> Arc<LogStats> {
        self.file.stats()
    }

    /// Set to have the path opened anew before the next line, once the sink is woken.
    pub fn reopen(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.reopen)
    }

    /// Whether the line of `event` is in the file already. Makes room for it if its beginning is.
    fn is_there(&mut self, event: &Event) -> bool {
        let Some(tail) = &mut self.tail else { return false };
        if event.seq > tail.until {
            self.tail = None;
            return false;
        }
        let line = event.line.as_bytes();
        if !tail.torn.is_empty() && line.starts_with(&tail.torn) {
            self.file.take_back(tail.torn.len() as u64);
            tail.torn.clear();
        }
        tail.lines.contains(line)
    }
}

impl Destination for AlertFile {
    fn batch(&self) -> usize {
        BATCH
    }

    fn patience(&self) -> Duration {
        LOCAL
    }

    fn due(&self) -> Option<Instant> {
        self.reopen.load(Relaxed).then(Instant::now)
    }

    fn deliver(&mut self, events: &[Arc<Event>]) -> Report {
        if self.reopen.load(Relaxed) {
            if let Err(error) = self.file.reopen() {
                return Report::stopped(0, Problem::not_now(format!("open it again: {error}")));
            }
            self.reopen.store(false, Relaxed);
            self.tail = None;
        }
        if events.is_empty() {
            return Report::all(events);
        }
        let mut lines = Vec::new();
        // Where each event's line ends; one that is there already ends where the one before does.
        let mut ends = Vec::with_capacity(events.len());
        for event in events {
            if !self.is_there(event) {
                lines.extend_from_slice(event.line.as_bytes());
                lines.push(b'\n');
            }
            ends.push(lines.len());
        }
        let (written, problem) = match self.file.write(&lines) {
            Ok(()) => (lines.len(), None),
            Err(Stopped { written, error }) => (written, Some(Problem::not_now(error))),
        };
        if let Err(error) = self.file.sync() {
            return Report::stopped(0, Problem::not_now(error));
        }
        Report { delivered: ends.partition_point(|end| *end <= written), problem }
    }
}

impl Tail {
    /// Reads at least `bytes` from the end of the file, if it is that long.
    fn read(path: &Path, bytes: u64) -> io::Result<Tail> {
        let until = Timestamp::now().0 / 1_000;
        let mut tail = Tail { lines: HashSet::new(), torn: Vec::new(), until };
        let mut file = File::options().read(true).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(tail);
        }
        file.seek(SeekFrom::Start(metadata.len().saturating_sub(bytes + OTHERS)))?;
        let mut content = Vec::new();
        file.take(bytes + OTHERS).read_to_end(&mut content)?;
        let mut lines: Vec<_> = content.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        // What stands behind the last newline, nothing if all is well. The first piece may be the end of a line, and equal
        // to no whole one.
        tail.torn = lines.pop().unwrap_or_default();
        tail.lines = lines.into_iter().collect();
        Ok(tail)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tests::alert;
    use rollcall_detect::alert::AlertState;

    fn events(count: u64) -> Vec<Arc<Event>> {
        let event = |number| {
            let alert = alert("a1", AlertState::Update, number);
            Arc::new(Event { seq: 1 + number, line: serde_json::to_string(&alert).unwrap(), alert })
        };
        (0..count).map(event).collect()
    }

    fn text(events: &[Arc<Event>]) -> String {
        events.iter().map(|event| event.line.clone() + "\n").collect()
    }

    fn is_delivered(file: &mut AlertFile, events: &[Arc<Event>]) -> bool {
        let Report { delivered, problem } = file.deliver(events);
        delivered == events.len() && problem.is_none()
    }

    #[test]
    fn a_line_that_is_there_already_is_not_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alerts");
        let events = events(5);
        // One that was noted, and two of the four that were not.
        fs::write(&path, text(&events[..3])).unwrap();
        let mut file = AlertFile::open(&path, text(&events[1..]).len() as u64).unwrap();
        assert!(is_delivered(&mut file, &events[1..3]) && is_delivered(&mut file, &events[3..]));
        assert_eq!(fs::read_to_string(&path).unwrap(), text(&events));
        // The same line again, recorded after the start, is news.
        let again = Arc::new(Event { seq: u64::MAX, ..(*events[4]).clone() });
        assert!(is_delivered(&mut file, &[again]));
        assert_eq!(fs::read_to_string(&path).unwrap(), text(&events) + &text(&events[4..]));
    }

    #[test]
    fn a_torn_line_becomes_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alerts");
        let events = events(3);
        let whole = text(&events);
        for length in [text(&events[..1]).len() + 1, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            let mut file = AlertFile::open(&path, whole.len() as u64).unwrap();
            assert!(is_delivered(&mut file, &events));
            assert_eq!(fs::read_to_string(&path).unwrap(), whole, "{length} bytes were there");
        }
    }

    #[test]
    fn the_torn_line_of_another_is_left_on_a_line_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alerts");
        fs::write(&path, "whole\n{\"id\":7").unwrap();
        let events = events(1);
        let mut file = AlertFile::open(&path, 1).unwrap();
        assert!(is_delivered(&mut file, &[]) && is_delivered(&mut file, &events));
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("whole\n{{\"id\":7\n{}", text(&events)));
    }

    #[test]
    fn a_rotation_loses_no_line() {
        let directory = tempfile::tempdir().unwrap();
        let (path, old) = (directory.path().join("alerts"), directory.path().join("alerts.1"));
        let events = events(3);
        let mut file = AlertFile::open(&path, 0).unwrap();
        assert!(is_delivered(&mut file, &events[..1]));
        fs::rename(&path, &old).unwrap();
        assert!(is_delivered(&mut file, &events[1..2]));
        file.reopen().store(true, Relaxed);
        assert!(is_delivered(&mut file, &[]));
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "",
            "the new file is there before there is a line for it"
        );
        assert!(is_delivered(&mut file, &events[2..]));
        assert_eq!(fs::read_to_string(&old).unwrap(), text(&events[..2]));
        assert_eq!(fs::read_to_string(&path).unwrap(), text(&events[2..]));
    }

    #[test]
    fn a_full_disk_is_for_now() {
        let mut file = AlertFile::open(Path::new("/dev/full"), 0).unwrap();
        let Report { delivered, problem } = file.deliver(&events(2));
        assert_eq!(delivered, 0);
        assert!(matches!(problem, Some(Problem::NotNow { .. })));
    }
}
