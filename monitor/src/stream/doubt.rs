//! Bytes that were taken in order but that TCP may yet drop: their checksum was not verified, and nothing has
//! shown that the receiver accepted them.

use super::{
    reassembly::Origin,
    sequence::{after, latest},
};

/// Bytes that are doubted at most: what one receive offload can hand up at once. Past it the first ones are
/// believed.
const DOUBTED_MAX: usize = 64 * 1024;

/// How often what is doubted may be contradicted. Each time the rest of it is read again, and a client can have that for one
/// byte, with packets that its server's TCP drops.
const CONTRADICTIONS_MAX: u8 = 16;

/// Contiguous bytes that are kept to be compared with what else comes for their place.
#[derive(Debug, Default)]
pub struct Doubt {
    /// Sequence number of the first byte.
    pub seq: u32,
    bytes: Vec<u8>,
    /// The segments that the bytes came in, by where they end.
    pieces: Vec<(usize, Origin)>,
    contradictions: u8,
}

impl Doubt {
    /// Starts over at `seq`, with nothing yet.
    pub fn start(&mut self, seq: u32) {
        self.seq = seq;
        self.bytes.clear();
        self.pieces.clear();
        self.contradictions = 0;
    }

    /// What it costs of the limits.
    pub fn cost(&self) -> usize {
        self.bytes.capacity() + self.pieces.capacity() * size_of::<(usize, Origin)>()
    }

    /// The sequence number after the last byte.
    pub fn end(&self) -> u32 {
        self.seq.wrapping_add(self.bytes.len() as u32)
    }

    /// Adds the bytes that follow. False if there are too many.
    pub fn push(&mut self, data: &[u8], origin: &Origin) -> bool {
        self.bytes.extend_from_slice(data);
        self.pieces.push((self.bytes.len(), *origin));
        self.bytes.len() <= DOUBTED_MAX && self.pieces.len() <= DOUBTED_MAX / size_of::<Origin>()
    }

    /// Takes note that it holds what was left of `before` by a contradiction.
    pub fn contradicted(&mut self, before: &Doubt) {
        self.contradictions = before.contradictions + 1;
    }

    /// It has been contradicted too often to be read once more.
    pub fn is_hopeless(&self) -> bool {
        self.contradictions >= CONTRADICTIONS_MAX
    }

    /// The first place at which `data`, at `seq`, differs.
    pub fn difference(&self, seq: u32, data: &[u8]) -> Option<u32> {
        let low = latest(seq, self.seq);
        let ours = self.bytes.get(low.wrapping_sub(self.seq) as usize..)?;
        let theirs = data.get(low.wrapping_sub(seq) as usize..)?;
        let at = ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs)?;
        Some(low.wrapping_add(at as u32))
    }

    /// Whether the byte at `seq` came with a verified checksum after all.
    pub fn trusts(&self, seq: u32) -> bool {
        let offset = seq.wrapping_sub(self.seq) as usize;
        self.pieces.iter().find(|&&(end, _)| offset < end).is_some_and(|(_, origin)| origin.trusted)
    }

    /// The bytes before `seq`, segment by segment.
    pub fn before(&self, seq: u32) -> impl Iterator<Item = (&[u8], &Origin)> {
        let upto = if after(seq, self.seq) { seq.wrapping_sub(self.seq) as usize } else { 0 };
        let mut start = 0;
        self.pieces.iter().map_while(move |(end, origin)| {
            let piece = self.bytes.get(start..(*end).min(upto)).filter(|piece| !piece.is_empty());
            start = *end;
            piece.map(|piece| (piece, origin))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_found_where_they_are() {
        let mut doubt = Doubt::default();
        doubt.start(u32::MAX - 1);
        assert!(doubt.push(b"abc", &Origin::default()));
        assert!(doubt.push(b"def", &Origin { trusted: true, ..Origin::default() }));
        assert_eq!(doubt.end(), 4);
        assert_eq!(doubt.difference(u32::MAX - 1, b"abcdefgh"), None);
        assert_eq!(doubt.difference(0, b"cdXf"), Some(2));
        assert_eq!(doubt.difference(u32::MAX - 3, b"__aX"), Some(u32::MAX));
        assert!(doubt.trusts(1) && !doubt.trusts(0));
        let pieces: Vec<_> = doubt.before(2).map(|(bytes, _)| bytes).collect();
        assert_eq!(pieces, [&b"abc"[..], b"d"]);
    }
}
