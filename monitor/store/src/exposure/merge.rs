//! Touches that join a block, and what becomes of it: the same block, a fuller one, or several.

use super::{
    block::{self, Entry},
    object::Object,
    reads::Reads,
};

/// Bytes of a block at most. With its key it stays on SQLite's page of 4 KiB, of which an index may use a quarter; a larger
/// one would cost less room and more work for each touch in random order.
pub const MOST: usize = 900;

/// Bytes that a block and its first number may take beyond what they would within another.
const FIRST: usize = 24;

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
    /// Touches of objects that there was no room for.
    pub refused: u64,
}

/// Merges `touches` into the `entries` of a block, which may have none; both are in order and of one kind. Objects are added
/// only if it `may_grow`.
pub fn merge(entries: Vec<Entry>, touches: &[(&Object, &Reads)], may_grow: bool) -> Merged {
    let mut merged = Merged::default();
    let mut all: Vec<Entry> = Vec::with_capacity(entries.len() + touches.len());
    let mut touches = touches.iter().peekable();
    let mut at_end = true;
    let mut add = |(object, reads): &(&Object, &Reads), all: &mut Vec<Entry>| {
        if may_grow {
            merged.added += 1;
            all.push(Entry { object: (*object).clone(), reads: **reads });
        } else {
            merged.refused += u64::from(reads.calls);
        }
    };
    for mut entry in entries {
        while let Some(touch) = touches.next_if(|(object, _)| **object < entry.object) {
            add(touch, &mut all);
            at_end = false;
        }
        if let Some((_, reads)) = touches.next_if(|(object, _)| **object == entry.object) {
            entry.reads.add(reads);
        }
        all.push(entry);
    }
    touches.for_each(|touch| add(touch, &mut all));
    if !all.is_empty() {
        merged.pieces = pieces(&all, at_end);
    }
    merged
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
    // The first entry of a piece takes more than it did. One may be far larger than another: a piece that is still too large
    // is cut again.
    let each =
        if at_end { entries.len() * (MOST - FIRST) / bytes.len() } else { entries.len().div_ceil(count) };
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::exposure::block::{
        Decoder,
        tests::{objects, reads},
    };

    type Touches = BTreeMap<Object, Reads>;

    /// The blocks of a subject, by what they begin with, as the table has them.
    #[derive(Default)]
    struct Blocks(BTreeMap<Vec<u8>, Vec<u8>>);

    impl Blocks {
        fn merge(&mut self, touches: &Touches) -> u64 {
            let mut added = 0;
            let mut rest: Vec<(&Object, &Reads)> = touches.iter().collect();
            while let Some((first, _)) = rest.first() {
                let mut key = Vec::new();
                first.key(&mut key);
                let low = self.0.range(..=key.clone()).next_back().map_or(Vec::new(), |(low, _)| low.clone());
                let next = self.0.range(key..).map(|(low, _)| low.clone()).find(|next| *next > low);
                let within = |(object, _): &(&Object, &Reads)| {
                    let mut key = Vec::new();
                    object.key(&mut key);
                    next.as_ref().is_none_or(|next| key < *next)
                };
                let others = rest.split_off(rest.partition_point(within));
                let block = self.0.remove(&low);
                let merged = merge(block.map_or(Vec::new(), |block| read(&block)), &rest, true);
                added += merged.added;
                for piece in merged.pieces {
                    assert!(piece.bytes.len() <= MOST || piece.objects == 1);
                    assert!(self.0.insert(piece.low.unwrap_or_else(|| low.clone()), piece.bytes).is_none());
                }
                rest = others;
            }
            added
        }

        fn entries(&self) -> Vec<Entry> {
            self.0.values().flat_map(|block| read(block)).collect()
        }
    }

    fn read(block: &[u8]) -> Vec<Entry> {
        Decoder::new(block).unwrap().map(Result::unwrap).collect()
    }

    fn touches() -> impl Strategy<Value = Touches> {
        objects().prop_flat_map(|objects| {
            let count = objects.len();
            (Just(objects), prop::collection::vec(reads(), count))
                .prop_map(|(objects, reads)| objects.into_iter().zip(reads).collect())
        })
    }

    fn once(numbers: impl IntoIterator<Item = u64>) -> Touches {
        numbers.into_iter().map(|number| (Object::Number(number), Reads::once(100, Some(200)))).collect()
    }

    #[test]
    fn blocks_of_a_walk_in_order_are_full_and_others_have_room() {
        let mut walk = Blocks::default();
        let mut scattered = Blocks::default();
        for at in 0..100 {
            walk.merge(&once((0..100).map(|n| 100 * at + n)));
            scattered.merge(&once((0..100).map(|n| (100 * at + n) * 7_919 % 1_000_003)));
        }
        let average = |blocks: &Blocks| blocks.0.values().map(Vec::len).sum::<usize>() / blocks.0.len();
        assert!(average(&walk) > MOST * 9 / 10, "{}", average(&walk));
        assert!((MOST / 2..MOST * 9 / 10).contains(&average(&scattered)), "{}", average(&scattered));
        assert_eq!((walk.entries().len(), scattered.entries().len()), (10_000, 10_000));
    }

    #[test]
    fn without_room_only_what_is_known_adds_up() {
        let merge = |entries, ids: &[u64], may_grow| {
            let touches = once(ids.iter().copied());
            merge(entries, &touches.iter().collect::<Vec<_>>(), may_grow)
        };
        let block = merge(Vec::new(), &[1, 3], true).pieces.remove(0).bytes;
        let merged = merge(read(&block), &[1, 2, 3, 4], false);
        assert_eq!((merged.added, merged.refused, merged.pieces[0].objects), (0, 2, 2));
        assert!(read(&merged.pieces[0].bytes).iter().all(|entry| entry.reads.calls == 2));
        assert_eq!(merge(Vec::new(), &[1], false).pieces, []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn touches_add_up_however_they_come(all in prop::collection::vec(touches(), 1..8)) {
            let kind = all[0].keys().next().map(Object::kind);
            let mut blocks = Blocks::default();
            let mut model: BTreeMap<Object, Reads> = BTreeMap::new();
            let mut added = 0;
            for touches in all {
                let touches: Touches =
                    touches.into_iter().filter(|(object, _)| Some(object.kind()) == kind).collect();
                added += blocks.merge(&touches);
                for (object, reads) in touches {
                    model.entry(object).and_modify(|known| known.add(&reads)).or_insert(reads);
                }
            }
            let entries: Vec<Entry> =
                model.into_iter().map(|(object, reads)| Entry { object, reads }).collect();
            prop_assert_eq!(added as usize, entries.len());
            prop_assert_eq!(blocks.entries(), entries);
        }
    }
}
