//! Where connections are kept: slots that are used again, found by the connection's id.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use super::{ConnectionId, connection::Connection, protocol::Standing};

/// Ids that are remembered after their connection was forgotten amid a message. A power of two.
const DEPARTED: usize = 16 * 1024;

/// 2⁶⁴ divided by the golden ratio: spreads consecutive numbers evenly (Knuth, TAOCP 6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes a connection id by one multiplication: ids are given out by the kernel or a file's reader, not
/// chosen by clients.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = spread(self.0 ^ id);
    }
}

fn spread(id: u64) -> u64 {
    let product = id.wrapping_mul(GOLDEN);
    product ^ (product >> 32)
}

/// Names a slot for as long as the same connection is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    index: u32,
    generation: u32,
}

#[derive(Debug)]
struct Entry<P> {
    generation: u32,
    connection: Option<Connection<P>>,
}

/// The connections.
#[derive(Debug)]
pub(super) struct Table<P> {
    by_id: HashMap<ConnectionId, u32, BuildHasherDefault<IdHasher>>,
    entries: Vec<Entry<P>>,
    free: Vec<u32>,
    hand: usize,
    departed: Vec<u64>,
}

impl<P: Standing> Table<P> {
    pub(super) fn new() -> Table<P> {
        Table {
            by_id: HashMap::default(),
            entries: Vec::new(),
            free: Vec::new(),
            hand: 0,
            departed: Vec::new(),
        }
    }

    /// How many connections there are.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// How many slots there are, used or not.
    pub(super) fn slots(&self) -> usize {
        self.entries.len()
    }

    /// The slot of a connection.
    pub(super) fn find(&self, id: ConnectionId) -> Option<Slot> {
        let index = *self.by_id.get(&id)?;
        let generation = self.entries.get(index as usize)?.generation;
        Some(Slot { index, generation })
    }

    /// The connection in a slot, if it is still the same one.
    pub(super) fn get(&mut self, slot: Slot) -> Option<&mut Connection<P>> {
        let entry = self.entries.get_mut(slot.index as usize)?;
        entry.connection.as_mut().filter(|_| entry.generation == slot.generation)
    }

    /// Adds a connection.
    pub(super) fn insert(&mut self, connection: Connection<P>) -> Slot {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry { generation: 0, connection: None });
            (self.entries.len() - 1) as u32
        });
        self.by_id.insert(connection.link.id, index);
        let entry = &mut self.entries[index as usize];
        entry.connection = Some(connection);
        Slot { index, generation: entry.generation }
    }

    /// Takes a connection out.
    pub(super) fn remove(&mut self, slot: Slot) -> Option<Connection<P>> {
        let entry = self.entries.get_mut(slot.index as usize)?;
        if entry.generation != slot.generation {
            return None;
        }
        let connection = entry.connection.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.by_id.remove(&connection.link.id);
        self.free.push(slot.index);
        Some(connection)
    }

    /// The next slot in turn that holds a connection, after at most `steps` slots.
    pub(super) fn advance(&mut self, steps: usize) -> Option<Slot> {
        for _ in 0..steps.min(self.entries.len()) {
            let index = self.hand % self.entries.len();
            self.hand = index + 1;
            let entry = &self.entries[index];
            if entry.connection.is_some() {
                return Some(Slot { index: index as u32, generation: entry.generation });
            }
        }
        None
    }

    /// Remembers that a connection was forgotten amid a message.
    pub(super) fn depart(&mut self, id: ConnectionId) {
        if self.departed.is_empty() {
            self.departed = vec![u64::MAX; DEPARTED];
        }
        self.departed[spread(id.0) as usize % DEPARTED] = id.0;
    }

    /// Whether a connection was forgotten amid a message, not long ago.
    pub(super) fn has_departed(&self, id: ConnectionId) -> bool {
        self.departed.get(spread(id.0) as usize % DEPARTED) == Some(&id.0)
    }
}
