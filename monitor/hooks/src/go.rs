//! Go's function, by its name in the symbol table or in the one that Go programs have for themselves.

use memchr::memmem;

use crate::{Convention, Hook, Library, image::Image, x86};

/// The function.
pub const FUNCTION: &str = "crypto/tls.(*Config).writeKeyLog";

/// The table's first word since Go 1.18 and 1.20 (src/internal/abi/symtab.go). Before 1.17 arguments were on the stack, and 1.17 has
/// the word of 1.16.
const MAGIC: [u32; 2] = [0xffff_fff0, 0xffff_fff1];

/// How many places are looked at that begin as the table does.
const CANDIDATES: usize = 8;

/// `None` if the file is no program in Go, or has no TLS in it; `Some(None)` if it has, and the function was not found.
pub fn find(image: &Image<'_>) -> Option<Option<Hook>> {
    let named = image.functions(FUNCTION, |name| name == FUNCTION.as_bytes());
    if let Some(&address) = named.first() {
        return Some(hook(image, address));
    }
    let mut has_name = false;
    let found = tables(image).find_map(|(bytes, address)| {
        has_name |= memmem::find(bytes, FUNCTION.as_bytes()).is_some();
        hook(image, Table::new(image, bytes, address)?.address_of(FUNCTION)?)
    });
    has_name.then_some(found)
}

/// The tables, with their addresses. In what a C linker has linked to be mapped anywhere, the table has no section of its own.
fn tables<'a>(image: &'a Image<'a>) -> impl Iterator<Item = (&'a [u8], u64)> {
    let named = image.section(".gopclntab");
    let parts = image.parts().iter().filter(move |part| !part.is_code && named.is_none());
    let by_their_first_words = parts.flat_map(|part| {
        MAGIC.iter().flat_map(move |magic| {
            // Two zeros, the size of the smallest instruction, and that of a pointer.
            let begin = u64::from(*magic) | 0x0801 << 48;
            memmem::find_iter(part.bytes, &begin.to_le_bytes())
                .take(CANDIDATES)
                .map(|place| (&part.bytes[place..], part.address.wrapping_add(place as u64)))
                .collect::<Vec<_>>()
        })
    });
    named.into_iter().chain(by_their_first_words.take(CANDIDATES))
}

/// Behind the check of the stack that it begins with: if it doesn't, this isn't the function.
fn hook(image: &Image<'_>, address: u64) -> Option<Hook> {
    let place = x86::behind_stack_check(image.code_at(address)?)?;
    let offset = image.offset_of(address)?.checked_add(place as u64)?;
    Some(Hook { library: Library::Go, offset, convention: Convention::Go })
}

/// `pclntab` (src/runtime/symtab.go, `pcHeader` and `functab`).
struct Table<'a> {
    names: &'a [u8],
    /// Entries, and behind them what is known of each function.
    functions: &'a [u8],
    count: usize,
    /// Where functions are counted from.
    text: u64,
}

impl<'a> Table<'a> {
    fn new(image: &Image<'_>, bytes: &'a [u8], address: u64) -> Option<Table<'a>> {
        let word = |index: usize| -> Option<u64> {
            Some(u64::from_le_bytes(*bytes.get(8 + 8 * index..)?.first_chunk()?))
        };
        let part = |index: usize| bytes.get(usize::try_from(word(index)?).ok()?..);
        let magic = u32::from_le_bytes(*bytes.first_chunk()?);
        if !MAGIC.contains(&magic) || bytes.get(7) != Some(&8) {
            return None;
        }
        // Count, files, text, names, compilation units, files, counters, functions.
        let text = match word(2)? {
            // The loader's to write, or no longer told.
            0 => image
                .relocated(address.wrapping_add(24))
                .or_else(|| image.functions("runtime.text", |name| name == b"runtime.text").first().copied())
                .or_else(|| image.section(".text").map(|(_, address)| address))?,
            text => text,
        };
        Some(Table { names: part(3)?, functions: part(7)?, count: usize::try_from(word(0)?).ok()?, text })
    }

    fn address_of(&self, function: &str) -> Option<u64> {
        let quoted = [b"\0", function.as_bytes(), b"\0"].concat();
        let name = u32::try_from(memmem::find(self.names, &quoted)? + 1).ok()?;
        let number = |place: usize| -> Option<u32> {
            Some(u32::from_le_bytes(*self.functions.get(place..)?.first_chunk()?))
        };
        let count = self.count.min(self.functions.len() / 8);
        let entry = (0..count).find(|entry| {
            let known = number(entry * 8 + 4).and_then(|known| number((known as usize).checked_add(4)?));
            known == Some(name)
        })?;
        self.text.checked_add(number(entry * 8)?.into())
    }
}
