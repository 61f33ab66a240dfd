//! Sequences of our own, made by kind. The names are stable: a finding can be tried again by its name.

mod chunks;
mod connection;
mod fields;
mod framing;
mod long;
mod request_line;
mod segments;
mod targets;

use crate::sequence::{Sequence, Write};

/// What most of them ask for.
const TARGET: &str = "/v1/customers/17";
/// A request that has to be served as one of its own if the one before ends where it should.
const NEXT: &str = "GET /next/99 HTTP/1.1\r\nHost: x\r\n\r\n";

pub(crate) fn all() -> Vec<Sequence> {
    let mut list = List::default();
    request_line::add(&mut list);
    targets::add(&mut list);
    fields::add(&mut list);
    framing::add(&mut list);
    chunks::add(&mut list);
    connection::add(&mut list);
    segments::add(&mut list);
    long::add(&mut list);
    list.0
}

#[derive(Default)]
struct List(Vec<Sequence>);

impl List {
    /// All in one write.
    fn one(&mut self, name: impl Into<String>, bytes: impl AsRef<[u8]>) {
        self.several(name, [bytes]);
    }

    /// Each piece in a write of its own.
    fn several<B: AsRef<[u8]>>(&mut self, name: impl Into<String>, pieces: impl IntoIterator<Item = B>) {
        let writes = pieces.into_iter().map(|piece| Write::from(piece.as_ref().to_vec())).collect();
        self.0.push(Sequence { name: name.into(), writes });
    }

    /// As [`List::several`]; where it says so, the last byte of a piece is urgent.
    fn urgent(&mut self, name: impl Into<String>, pieces: &[(&str, bool)]) {
        let write =
            |(piece, urgent): &(&str, bool)| Write { bytes: piece.as_bytes().to_vec(), urgent: *urgent };
        self.0.push(Sequence { name: name.into(), writes: pieces.iter().map(write).collect() });
    }
}

/// `GET` of the usual target with these lines of fields, each with its line end.
fn get(fields: &str) -> String {
    format!("GET {TARGET} HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
}

/// `POST` to the usual target with these lines of fields and a body.
fn post(fields: &str, body: &str) -> String {
    format!("POST {TARGET} HTTP/1.1\r\nHost: x\r\n{fields}\r\n{body}")
}

/// Bytes put together.
fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn there_are_many_and_each_has_a_name_of_its_own() {
        let all = all();
        assert!(all.len() >= 324, "only {}", all.len());
        let names: HashSet<_> = all.iter().map(|sequence| &sequence.name).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|sequence| !sequence.writes.is_empty()));
    }
}
