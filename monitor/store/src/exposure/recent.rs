//! The latest touches of everybody, in memory of a fixed size: what a client had read before anybody suspected it.
//!
//! Records lie one behind the other in a few chunks; when the last one is full, the first is emptied and goes behind it.
//! So nothing is allocated or moved once all are there, and between seven eighths and all of the memory is in use.

use std::collections::VecDeque;

use rollcall_attribute::{client::ClientKey, object::Objects};

use super::touch::{self, Call, Record};

const CHUNKS: usize = 8;

/// A memory of touches. Each has a number, one more than that of the one before.
#[derive(Debug)]
pub struct Recent {
    chunks: VecDeque<Chunk>,
    size: usize,
    next: u64,
}

#[derive(Debug, Default)]
struct Chunk {
    /// The number of its first record.
    first: u64,
    bytes: Vec<u8>,
}

impl Recent {
    /// A memory of `bytes`; of 0, none.
    pub fn new(bytes: usize) -> Recent {
        Recent { chunks: VecDeque::with_capacity(CHUNKS), size: bytes / CHUNKS, next: 0 }
    }

    /// The number that the next touch gets.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Remembers a touch. One that is larger than a chunk is none that a client needs to read an account, and is not.
    pub fn push(&mut self, route: u64, call: Call, keys: &[ClientKey], objects: &Objects) {
        let most = touch::most(keys.len(), objects.len(), objects.bytes());
        if most > self.size {
            return;
        }
        let full = self.chunks.back().is_none_or(|chunk| chunk.bytes.len() + most > self.size);
        if full {
            self.turn();
        }
        if let Some(chunk) = self.chunks.back_mut() {
            touch::push(&mut chunk.bytes, route, call, keys, objects.iter());
            self.next += 1;
        }
    }

    /// All that is remembered, with its numbers, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Record<'_>)> {
        self.chunks.iter().flat_map(|chunk| (chunk.first..).zip(touch::records(&chunk.bytes)))
    }

    fn turn(&mut self) {
        let mut bytes = if self.chunks.len() == CHUNKS {
            self.chunks.pop_front().map(|chunk| chunk.bytes).unwrap_or_default()
        } else {
            Vec::with_capacity(self.size)
        };
        bytes.clear();
        self.chunks.push_back(Chunk { first: self.next, bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollcall_model::time::Timestamp;

    fn remembered(recent: &Recent) -> Vec<(u64, u64, Vec<String>)> {
        recent
            .iter()
            .map(|(number, record)| {
                (number, record.tag(), record.parts().1.map(str::to_owned).collect::<Vec<_>>())
            })
            .collect()
    }

    #[test]
    fn the_latest_are_remembered_with_their_numbers_and_no_more_memory_is_taken() {
        let mut recent = Recent::new(8 * 1024);
        let keys = [ClientKey::Peer("198.51.100.7".parse().unwrap())];
        for number in 0..10_000 {
            let objects: Objects = [number.to_string().as_str()].into_iter().collect();
            recent.push(number % 3, Call { at: Timestamp(number), status: Some(200) }, &keys, &objects);
        }
        let all = remembered(&recent);
        let first = all[0].0;
        assert!((150..=220).contains(&all.len()), "{} of some 40 bytes in 7 to 8 KiB", all.len());
        assert_eq!(first + all.len() as u64, 10_000);
        for (at, (number, route, objects)) in (first..).zip(&all) {
            assert_eq!((*number, *route, objects), (at, at % 3, &vec![at.to_string()]));
        }
        assert!(recent.chunks.iter().all(|chunk| chunk.bytes.capacity() == 1024));
    }

    #[test]
    fn without_memory_nothing_is_remembered() {
        for size in [0, 7, 100] {
            let mut recent = Recent::new(size);
            let objects: Objects = ["17"].into_iter().collect();
            recent.push(1, Call { at: Timestamp(1), status: None }, &[], &objects);
            assert_eq!((recent.next(), recent.iter().count()), (0, 0));
        }
    }
}
