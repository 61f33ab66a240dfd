//! Lines of a file, of which none can make memory grow.

use std::io::{self, BufRead};

/// The longest line that is looked at. Servers take request lines of 8 KiB; three times that in escapes of four
/// characters, a referrer and a program's name beside it.
pub(super) const LONGEST: usize = 64 * 1024;

/// Reads line after line into one buffer.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
}

/// One line, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    /// It was longer than [`LONGEST`]; all of it has been skipped.
    TooLong,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Lines<R> {
        Lines { input, line: Vec::new() }
    }

    /// The next line; `None` at the end. What stands before an error without a line's end is no line.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut too_long = false;
        loop {
            let piece = match self.input.fill_buf() {
                Ok(piece) => piece,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if piece.is_empty() {
                if self.line.is_empty() && !too_long {
                    return Ok(None);
                }
                break;
            }
            let end = memchr::memchr(b'\n', piece);
            let text = &piece[..end.unwrap_or(piece.len())];
            if self.line.len() + text.len() > LONGEST {
                too_long = true;
                self.line.clear();
            } else if !too_long {
                self.line.extend_from_slice(text);
            }
            let taken = text.len() + usize::from(end.is_some());
            self.input.consume(taken);
            if end.is_some() {
                break;
            }
        }
        if too_long {
            return Ok(Some(Line::TooLong));
        }
        Ok(Some(Line::Whole(self.line.strip_suffix(b"\r").unwrap_or(&self.line))))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    fn lines(text: &[u8], buffer: usize) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::new(BufReader::with_capacity(buffer, text));
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(match line {
                Line::Whole(line) => Some(line.to_vec()),
                Line::TooLong => None,
            });
        }
        all
    }

    #[test]
    fn a_line_is_the_same_however_it_arrives() {
        for buffer in [1, 2, 3, 7, 1000] {
            let expected = ["a", "", "bc", "d"].map(|line| Some(line.as_bytes().to_vec()));
            assert_eq!(lines(b"a\n\nbc\r\nd", buffer), expected);
            assert_eq!(lines(b"a\n\nbc\r\nd\n", buffer), expected);
        }
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let endless = io::repeat(b'x').take(50 << 20).chain(&b"\nnext"[..]);
        let mut lines = Lines::new(BufReader::new(endless));
        assert_eq!(lines.next().unwrap(), Some(Line::TooLong));
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"next")));
        assert_eq!(lines.next().unwrap(), None);
        assert!(lines.line.capacity() <= 4 * LONGEST);
    }

    #[test]
    fn the_longest_line_counts() {
        let text = [vec![b'a'; LONGEST], b"\n".to_vec(), vec![b'b'; LONGEST + 1]].concat();
        assert_eq!(lines(&text, 4096), [Some(vec![b'a'; LONGEST]), None]);
    }
}
