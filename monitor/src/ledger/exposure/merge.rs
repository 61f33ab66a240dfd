//! Touches that join a block, and what becomes of it: the same block, a fuller one, or several.

use super::{
    block::{self, Damaged, Decoder, Entry},
    object::Object,
    pending::Touched,
};

/// Bytes of a block at most. With its key it stays on SQLite's page of 4 KiB, of which an index may use a quarter; a larger
/// one would cost less room and more work for each touch in random order.
pub const MOST: usize = 900;

/// One block as it is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins: a key above those of the piece before. `None` is where the old block began.
    pub low: Option<Vec<u8>>,
    pub bytes: Vec<u8>,
    pub objects: u64,
}

/// What became of touches.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Merged {
    pub pieces: Vec<Piece>,
    /// Objects that were not there.
    pub added: u64,
    /// Of the objects that detection had counted when the alert opened, those that are now known by name.
    pub named: u64,
    /// Touches of objects that there was no room for.
    pub refused: u64,
}

/// Merges `touches`, which are in order and of the block's kind, into `block`, which may be empty. Objects are added only if
/// it `may_grow`.
pub fn merge(block: &[u8], touches: &[(&Object, &Touched)], may_grow: bool) -> Result<Merged, Damaged> {
    let mut merged = Merged::default();
    let mut entries: Vec<Entry> = Vec::with_capacity(touches.len() + 128);
    let mut touches = touches.iter().peekable();
    let mut at_end = true;
    let mut add = |(object, touched): &(&Object, &Touched), entries: &mut Vec<Entry>| {
        if may_grow {
            merged.added += 1;
            merged.named += u64::from(touched.before);
            entries.push(Entry { object: (*object).clone(), reads: touched.reads });
        } else {
            merged.refused += u64::from(touched.reads.calls);
        }
    };
    let old = if block.is_empty() { None } else { Some(Decoder::new(block)?) };
    let mut named = 0;
    for entry in old.into_iter().flatten() {
        let mut entry = entry?;
        while let Some(touch) = touches.next_if(|(object, _)| **object < entry.object) {
            add(touch, &mut entries);
            at_end = false;
        }
        if let Some((_, touched)) = touches.next_if(|(object, _)| **object == entry.object) {
            // It was read earlier than was known.
            named += u64::from(touched.before && touched.reads.first < entry.reads.first);
            entry.reads.add(&touched.reads);
        }
        entries.push(entry);
    }
    touches.for_each(|touch| add(touch, &mut entries));
    merged.named += named;
    merged.pieces = pieces(&entries, at_end);
    Ok(merged)
}

/// Cuts entries into blocks. Where they grow `at_end`, as in a walk in order, blocks are left full; elsewhere there is room for
/// what will come between.
fn pieces(entries: &[Entry], at_end: bool) -> Vec<Piece> {
    let mut bytes = Vec::with_capacity(2 * MOST);
    block::encode(entries, &mut bytes);
    if bytes.len() <= MOST || entries.len() < 2 {
        return vec![Piece { low: None, bytes, objects: entries.len() as u64 }];
    }
    let count = match at_end {
        true => bytes.len().div_ceil(MOST),
        false => (bytes.len() * 3 / 2).div_ceil(MOST).max(2),
    };
    // One entry may be far larger than another: a piece that is still too large is cut again.
    let each = if at_end { entries.len() * MOST / bytes.len() } else { entries.len().div_ceil(count) };
    let mut all = Vec::with_capacity(count);
    let mut start = 0;
    for chunk in entries.chunks(each.clamp(1, entries.len() - 1)) {
        for (at, mut piece) in pieces(chunk, at_end).into_iter().enumerate() {
            if start > 0 && at == 0 {
                piece.low = Some(between(&entries[start - 1].object, &chunk[0].object));
            }
            all.push(piece);
        }
        start += chunk.len();
    }
    all
}

/// The shortest key that is above that of `before` and not above that of `after`.
fn between(before: &Object, after: &Object) -> Vec<u8> {
    let (mut low, mut high) = (Vec::new(), Vec::new());
    before.key(&mut low);
    after.key(&mut high);
    let alike = low.iter().zip(&high).take_while(|(a, b)| a == b).count();
    high.truncate(alike + 1);
    high
}
