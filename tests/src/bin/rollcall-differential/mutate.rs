//! Sequences that nobody thought of: those that there are, changed at random.

use rollcall_tests::random::Random;

use crate::sequence::{Sequence, Write};

/// What is put in.
const PIECES: [&[u8]; 36] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xc3\xa9",
    b":",
    b";",
    b",",
    b"\"",
    b"%",
    b"/",
    b"0",
    b"1",
    b"5",
    b"f",
    b"-",
    b"+",
    b"\r\n\r\n",
    b" HTTP/1.1\r\n",
    b"HTTP/1.0",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Upgrade: h2c\r\n",
    b"Expect: 100-continue\r\n",
    b"GET /next/98 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST ",
    b"CONNECT ",
    b"hello",
];

/// More than this is of no use, and takes time.
const LONGEST: usize = 64 * 1024;

/// So many mutants, the same ones for the same seed: what comes first does not depend on how many there are.
pub(crate) fn mutants(of: &[Sequence], count: usize, seed: u64) -> Vec<Sequence> {
    let mutant = |index: usize| {
        let mut random = Random::seeded(seed << 32 | index as u64);
        let base = &of[random.below(of.len())];
        let mut writes = base.writes.clone();
        for _ in 0..1 + random.below(3) {
            change(&mut writes, &mut random);
        }
        writes.retain(|write| !write.bytes.is_empty());
        Sequence { name: format!("mutant/{seed}/{index}/{}", base.name), writes }
    };
    if of.is_empty() { Vec::new() } else { (0..count).map(mutant).collect() }
}

fn change(writes: &mut Vec<Write>, random: &mut Random) {
    if writes.is_empty() {
        return;
    }
    let which = random.below(writes.len());
    let is_last = which + 1 == writes.len();
    let bytes = &mut writes[which].bytes;
    let place = random.below(bytes.len() + 1);
    match random.below(8) {
        0 if place < bytes.len() => bytes[place] = random.below(256) as u8,
        1 if place < bytes.len() => bytes[place] ^= 1 << random.below(8),
        2 if bytes.len() < LONGEST => {
            let piece = PIECES[random.below(PIECES.len())];
            bytes.splice(place..place, piece.iter().copied());
        }
        3 => {
            let end = (place + 1 + random.below(4)).min(bytes.len());
            bytes.drain(place.min(end)..end);
        }
        4 if bytes.len() < LONGEST => {
            let end = (place + 1 + random.below(40)).min(bytes.len());
            let copy = bytes[place.min(end)..end].to_vec();
            bytes.splice(place..place, copy);
        }
        5 => {
            let behind = bytes.split_off(place);
            writes.insert(which + 1, behind.into());
        }
        6 if !is_last => {
            let behind = writes.remove(which + 1);
            writes[which].bytes.extend(behind.bytes);
        }
        _ => {
            let line = line_at(bytes, place);
            let copy = bytes[line.clone()].to_vec();
            if random.chance(0.5) {
                bytes.drain(line);
            } else if bytes.len() < LONGEST {
                bytes.splice(line.start..line.start, copy);
            }
        }
    }
}

/// The line that a place is in, with its end.
fn line_at(bytes: &[u8], place: usize) -> std::ops::Range<usize> {
    let start = bytes[..place].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let end = bytes[start..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| start + at + 1);
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::own;

    #[test]
    fn the_same_seed_gives_the_same_mutants_however_many() {
        let bytes = |mutants: Vec<Sequence>| -> Vec<Vec<Vec<u8>>> {
            mutants
                .into_iter()
                .map(|mutant| mutant.writes.into_iter().map(|write| write.bytes).collect())
                .collect()
        };
        let own = own::all();
        let (few, many) = (bytes(mutants(&own, 50, 3)), bytes(mutants(&own, 500, 3)));
        assert_eq!(few[..], many[..50]);
        assert_ne!(few, bytes(mutants(&own, 50, 4)));
    }
}
