//! A file that only ever holds whole lines.
//!
//! Lines are written by one `write` call for many, straight to the file and flushed by that. When the disk fills
//! up in the middle of a line, the part that was written is cut off again; where that is not possible (a pipe, a
//! terminal, or somebody else has appended since) the next write starts a new line, so that a reader finds one broken
//! line and every other one whole. The same goes for a file that a killed process left without its last newline.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use super::sink::{LogError, LogStats, Sink, lines_in};

/// Logs hold addresses and account numbers: the group may read them (log shippers), others may not.
const LOG_MODE: u32 = 0o640;

/// A log file, or stdout, open for appending whole lines.
#[derive(Debug)]
pub struct LineFile {
    path: PathBuf,
    name: String,
    file: File,
    kind: Kind,
    /// The file ends in the middle of a line.
    torn: bool,
    stats: Arc<LogStats>,
    /// The last error, kept for the report at the end.
    error: Option<io::Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Regular,
    Stdout,
    /// Pipes, terminals and devices.
    Other,
}

/// A write that did not succeed in full: how many bytes of whole lines did reach the file.
#[derive(Debug)]
pub struct Stopped {
    pub written: usize,
    pub error: io::Error,
}

impl LineFile {
    /// Opens `path` for appending, creating it if need be; `-` is stdout.
    pub fn open(path: &Path) -> Result<LineFile, LogError> {
        let name = if path == Path::new("-") { "stdout".to_owned() } else { path.display().to_string() };
        match open(path) {
            Ok((file, kind, torn)) => {
                let path = path.to_owned();
                Ok(LineFile { path, name, file, kind, torn, stats: Arc::default(), error: None })
            }
            Err(source) => Err(LogError::Open { path: name, source }),
        }
    }

    /// The path, or `stdout`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What became of the lines, for the metrics.
    pub fn stats(&self) -> Arc<LogStats> {
        Arc::clone(&self.stats)
    }

    /// Opens the path once more, which after a rotation is another file; lines go there from now on. If that fails they go
    /// on to the old one. Only regular files rotate.
    pub fn reopen(&mut self) -> io::Result<()> {
        if self.kind == Kind::Regular {
            (self.file, self.kind, self.torn) = open(&self.path)?;
        }
        Ok(())
    }

    /// Takes back the beginning of a line that a killed process left at the end of the file, if it has `count` bytes.
    pub fn take_back(&mut self, count: u64) {
        if self.torn && self.cut(count) {
            self.torn = false;
        }
    }

    /// Waits until what was written would survive a loss of power.
    pub fn sync(&self) -> io::Result<()> {
        if self.kind == Kind::Regular { self.file.sync_data() } else { Ok(()) }
    }

    /// Writes whole lines. What is written when it stops early is whole lines too.
    pub fn write(&mut self, lines: &[u8]) -> Result<(), Stopped> {
        // Raw writes to descriptor 1 take stdout's lock, so that two logs on stdout don't mix within a line.
        let _stdout = (self.kind == Kind::Stdout).then(|| io::stdout().lock());
        if self.torn {
            self.file.write_all(b"\n").map_err(|error| Stopped { written: 0, error })?;
            self.torn = false;
        }
        let mut done = 0;
        while done < lines.len() {
            match self.file.write(&lines[done..]) {
                Ok(0) => return Err(self.stop(lines, done, io::ErrorKind::WriteZero.into())),
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.stop(lines, done, error)),
            }
        }
        self.stats.written.fetch_add(lines_in(lines), Ordering::Relaxed);
        Ok(())
    }

    /// Counts `lines` as never to be written, with the reason that [`LineFile::outcome`] gives in the end.
    pub fn give_up(&mut self, lines: u64, error: Option<io::Error>) {
        self.stats.dropped.fetch_add(lines, Ordering::Relaxed);
        if error.is_some() {
            self.error = error;
        }
    }

    /// Whether every line was written.
    pub fn outcome(self) -> Result<(), LogError> {
        match self.stats.dropped.load(Ordering::Relaxed) {
            0 => Ok(()),
            lines => Err(LogError::Lost { path: self.name, lines, source: self.error }),
        }
    }

    /// Restores the invariant after `done` bytes of `lines` were written and no more could be.
    fn stop(&mut self, lines: &[u8], done: usize, error: io::Error) -> Stopped {
        let written = memchr::memrchr(b'\n', &lines[..done]).map_or(0, |newline| newline + 1);
        if written < done && !self.cut((done - written) as u64) {
            self.torn = true;
        }
        self.stats.written.fetch_add(lines_in(&lines[..written]), Ordering::Relaxed);
        self.stats.errors.fetch_add(1, Ordering::Relaxed);
        Stopped { written, error }
    }

    /// Takes the last `count` bytes off the file, if they are its end and this handle wrote them.
    fn cut(&mut self, count: u64) -> bool {
        if self.kind != Kind::Regular {
            return false;
        }
        // After a write in append mode the offset is the end of what this handle wrote.
        let (Ok(end), Ok(metadata)) = (self.file.stream_position(), self.file.metadata()) else {
            return false;
        };
        end == metadata.len() && count <= end && self.file.set_len(end - count).is_ok()
    }
}

/// Writes on the caller's thread: for replay, where nobody waits but the user.
impl Sink for LineFile {
    fn put(&mut self, buffer: &mut Vec<u8>, lines: u64) {
        if let Err(Stopped { written, error }) = self.write(buffer) {
            let lost = lines.saturating_sub(lines_in(&buffer[..written]));
            self.give_up(lost, Some(error));
        }
        buffer.clear();
    }

    fn finish(self: Box<Self>) -> Result<(), LogError> {
        self.outcome()
    }
}

fn open(path: &Path) -> io::Result<(File, Kind, bool)> {
    if path == Path::new("-") {
        let descriptor = io::stdout().as_fd().try_clone_to_owned()?;
        return Ok((File::from(descriptor), Kind::Stdout, false));
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(LOG_MODE);
    // Reading is only for the last byte: a log that may be written but not read is fine.
    let file = options.clone().read(true).open(path).or_else(|_| options.open(path))?;
    if !file.metadata()?.is_file() {
        return Ok((file, Kind::Other, false));
    }
    let torn = ends_torn(&file).unwrap_or(false);
    Ok((file, Kind::Regular, torn))
}

fn ends_torn(mut file: &File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_after_a_torn_line_on_a_line_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        std::fs::write(&path, "whole\nto").unwrap();
        let mut file = LineFile::open(&path).unwrap();
        file.write(b"next\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole\nto\nnext\n");
    }

    #[test]
    fn a_line_cut_by_a_full_disk_is_taken_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut file = LineFile::open(&path).unwrap();
        file.write(b"one\n").unwrap();
        // What a disk that fills up after six more bytes leaves behind.
        file.file.write_all(b"two\nth").unwrap();
        let stopped = file.stop(b"two\nthree\n", 6, io::ErrorKind::StorageFull.into());
        assert_eq!(stopped.written, 4);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        file.write(&b"two\nthree\n"[stopped.written..]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
    }

    #[test]
    fn leaves_the_lines_that_others_appended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut file = LineFile::open(&path).unwrap();
        file.file.write_all(b"tw").unwrap();
        let mut other = LineFile::open(&path).unwrap();
        other.torn = false;
        other.write(b"other\n").unwrap();
        file.stop(b"two\n", 2, io::ErrorKind::StorageFull.into());
        file.write(b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "twother\n\ntwo\n");
    }

    #[test]
    fn counts_what_a_full_disk_loses() {
        let mut file = LineFile::open(Path::new("/dev/full")).unwrap();
        let stats = file.stats();
        file.put(&mut b"one\ntwo\n".to_vec(), 2);
        let error = Box::new(file).finish().unwrap_err();
        assert_eq!(error.to_string(), "log /dev/full lost 2 line(s)");
        assert_eq!(stats.dropped.load(Ordering::Relaxed), 2);
        assert_eq!(stats.errors.load(Ordering::Relaxed), 1);
    }
}
