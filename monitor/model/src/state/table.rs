//! Large tables as they are written down: which of their cells are not zero, and those, byte by byte.
//!
//! On most hosts nearly all of a sketch is empty, and takes a bit for each cell or less. What is not looks random: numbers
//! of variable length would only be longer, and slower.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
    ser::SerializeSeq as _,
};

use crate::time::Timestamp;

/// Cells that are looked at and copied together: they and their copy fit into a core's cache.
const PIECE: usize = 1_024;

/// What always takes as many bytes: little-endian numbers, one after the other.
pub trait Cell: Copy {
    const BYTES: usize;
    /// All of its bytes are 0.
    const ZERO: Self;

    fn is_zero(&self) -> bool;
    /// Fills `bytes`, which are as many.
    fn put(&self, bytes: &mut [u8]);
    /// What `bytes`, which are as many, stand for.
    fn get(bytes: &[u8]) -> Self;
}

/// Makes a cell of a struct: all of its fields, in the order given.
#[macro_export]
macro_rules! cell {
    ($type:ident { $($field:ident: $part:ty),+ $(,)? }) => {
        impl $crate::state::table::Cell for $type {
            const BYTES: usize = 0 $(+ <$part as $crate::state::table::Cell>::BYTES)+;
            const ZERO: Self = $type { $($field: <$part as $crate::state::table::Cell>::ZERO),+ };

            fn is_zero(&self) -> bool {
                let $type { $($field),+ } = self;
                $($crate::state::table::Cell::is_zero($field))&&+
            }

            fn put(&self, bytes: &mut [u8]) {
                let $type { $($field),+ } = self;
                $(let (part, bytes) = bytes.split_at_mut(<$part as $crate::state::table::Cell>::BYTES);
                $crate::state::table::Cell::put($field, part);)+
                debug_assert!(bytes.is_empty());
            }

            fn get(bytes: &[u8]) -> Self {
                $(let (part, bytes) = bytes.split_at(<$part as $crate::state::table::Cell>::BYTES);
                let $field = <$part as $crate::state::table::Cell>::get(part);)+
                debug_assert!(bytes.is_empty());
                $type { $($field),+ }
            }
        }
    };
}
pub use cell;

macro_rules! numbers {
    ($($number:ident),+) => {$(
        impl Cell for $number {
            const BYTES: usize = size_of::<$number>();
            const ZERO: $number = 0;

            fn is_zero(&self) -> bool {
                *self == 0
            }

            fn put(&self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }

            fn get(bytes: &[u8]) -> $number {
                bytes.try_into().map_or(0, $number::from_le_bytes)
            }
        }
    )+};
}
numbers!(u8, u16, u32, u64);

impl Cell for bool {
    const BYTES: usize = 1;
    const ZERO: bool = false;

    fn is_zero(&self) -> bool {
        !self
    }

    fn put(&self, bytes: &mut [u8]) {
        u8::from(*self).put(bytes);
    }

    fn get(bytes: &[u8]) -> bool {
        u8::get(bytes) != 0
    }
}

impl Cell for Timestamp {
    const BYTES: usize = 8;
    const ZERO: Timestamp = Timestamp(0);

    fn is_zero(&self) -> bool {
        self.0 == 0
    }

    fn put(&self, bytes: &mut [u8]) {
        self.0.put(bytes);
    }

    fn get(bytes: &[u8]) -> Timestamp {
        Timestamp(u64::get(bytes))
    }
}

impl<const WORDS: usize> Cell for [u64; WORDS] {
    const BYTES: usize = 8 * WORDS;
    const ZERO: [u64; WORDS] = [0; WORDS];

    fn is_zero(&self) -> bool {
        // Without a branch for each: most are empty, and all of them have to be looked at then.
        self.iter().fold(0, |all, word| all | word) == 0
    }

    fn put(&self, bytes: &mut [u8]) {
        bytes.chunks_exact_mut(8).zip(self).for_each(|(bytes, word)| word.put(bytes));
    }

    fn get(bytes: &[u8]) -> [u64; WORDS] {
        let mut words = [0; WORDS];
        words.iter_mut().zip(bytes.chunks_exact(8)).for_each(|(word, bytes)| *word = u64::get(bytes));
        words
    }
}

/// For serde's `with`: writes a table piece by piece.
pub fn serialize<C: Cell, S: Serializer>(table: &[C], serializer: S) -> Result<S::Ok, S::Error> {
    let mut pieces = serializer.serialize_seq(Some(table.len().div_ceil(PIECE)))?;
    let mut marks = Vec::with_capacity(PIECE / 8);
    let mut filled = Vec::with_capacity(PIECE * C::BYTES);
    for cells in table.chunks(PIECE) {
        marks.clear();
        filled.clear();
        for eight in cells.chunks(8) {
            let mut mark = 0_u8;
            for (bit, cell) in eight.iter().enumerate().filter(|(_, cell)| !cell.is_zero()) {
                mark |= 1 << bit;
                let start = filled.len();
                filled.resize(start + C::BYTES, 0);
                cell.put(&mut filled[start..]);
            }
            marks.push(mark);
        }
        if filled.is_empty() {
            marks.clear();
        }
        let piece = Piece { cells: cells.len() as u64, marks: Bytes(&marks), filled: Bytes(&filled) };
        pieces.serialize_element(&piece)?;
    }
    pieces.end()
}

/// For serde's `with`: reads a table piece by piece. What is not empty has been read before there is room made for it.
pub fn deserialize<'de, C: Cell, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<C>, D::Error> {
    deserializer.deserialize_seq(Table(PhantomData))
}

struct Table<C>(PhantomData<C>);

impl<'de, C: Cell> Visitor<'de> for Table<C> {
    type Value = Vec<C>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pieces of a table")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pieces: A) -> Result<Vec<C>, A::Error> {
        let mut table = Vec::new();
        while let Some(piece) = pieces.next_element::<Piece<'de>>()? {
            piece.read(&mut table).map_err(A::Error::custom)?;
        }
        Ok(table)
    }
}

#[derive(Serialize, Deserialize)]
struct Piece<'a> {
    cells: u64,
    /// A bit for each cell that is not zero, lowest first; nothing if all are.
    #[serde(borrow)]
    marks: Bytes<'a>,
    /// Those cells.
    #[serde(borrow)]
    filled: Bytes<'a>,
}

impl Piece<'_> {
    /// Appends the cells to `table`.
    fn read<C: Cell>(&self, table: &mut Vec<C>) -> Result<(), &'static str> {
        const WHY: &str = "a table does not have the cells that it says it has";
        let Piece { cells, marks: Bytes(marks), filled: Bytes(filled) } = *self;
        let (start, cells) = (table.len(), usize::try_from(cells).map_err(|_| WHY)?);
        if cells > PIECE || !marks.is_empty() && marks.len() != cells.div_ceil(8) {
            return Err(WHY);
        }
        table.resize(start + cells, C::ZERO);
        let mut filled = filled.chunks_exact(C::BYTES);
        for (at, &mark) in marks.iter().enumerate().filter(|(_, mark)| **mark != 0) {
            for bit in (0..8).filter(|bit| mark & 1 << bit != 0) {
                let cell = table.get_mut(start + 8 * at + bit).ok_or(WHY)?;
                *cell = filled.next().map(C::get).ok_or(WHY)?;
            }
        }
        if filled.next().is_some() || !filled.remainder().is_empty() { Err(WHY) } else { Ok(()) }
    }
}

/// Bytes that are copied at once.
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes<'a>, D::Error> {
        <&[u8]>::deserialize(deserializer).map(Bytes)
    }
}

#[cfg(test)]
mod tests;
