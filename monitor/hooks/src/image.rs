//! An ELF file: what of it is mapped where, its symbols, and where its functions begin.

use memchr::memmem;
use object::{
    LittleEndian,
    elf::{
        EM_X86_64, ET_EXEC, FileHeader64, PF_X, PT_GNU_EH_FRAME, PT_LOAD, ProgramHeader64, SHT_DYNSYM,
        SHT_RELA, SHT_SYMTAB, STT_FUNC,
    },
    read::elf::{FileHeader as _, ProgramHeader as _, Rela as _, SectionHeader as _, SectionTable, Sym as _},
};

use crate::NotFound;

type Header = FileHeader64<LittleEndian>;
const LE: LittleEndian = LittleEndian;

/// Most parts that are looked at. Linkers make four to six.
const PARTS: usize = 64;
/// Bytes by which parts may overlap.
const OVERLAP: usize = 1 << 20;
/// Most strings of a symbol table that are taken for a name asked for.
const NAMES: usize = 16;
/// The longest name of a symbol that is of interest; C++ makes longer ones of short ones.
const NAME: usize = 128;

/// A part of the file that is mapped.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub address: u64,
    /// Where in the file it begins.
    pub offset: u64,
    pub bytes: &'a [u8],
    pub is_code: bool,
}

/// An ELF file for x86-64.
pub struct Image<'a> {
    file: &'a [u8],
    parts: Vec<Part<'a>>,
    sections: SectionTable<'a, Header>,
    unwind: Option<Unwind<'a>>,
    /// Addresses in it are what they will be when it runs.
    pub is_fixed: bool,
}

/// The table of functions that unwinding goes by: an entry for each of eight bytes, sorted by the function's beginning as its
/// distance from the table (Linux Standard Base Core, section 10.6.2).
#[derive(Clone, Copy)]
struct Unwind<'a> {
    address: u64,
    entries: &'a [[u8; 8]],
}

impl<'a> Image<'a> {
    pub fn new(file: &'a [u8]) -> Result<Image<'a>, NotFound> {
        let header = Header::parse(file).map_err(|_| NotFound::NoProgram)?;
        if !header.is_little_endian() {
            return Err(NotFound::Machine);
        }
        if header.e_machine(LE) != EM_X86_64 {
            return Err(NotFound::Machine);
        }
        let headers = header.program_headers(LE, file).map_err(|_| NotFound::NoProgram)?;
        let mut left = file.len();
        let parts = headers.iter().filter_map(|header| part(header, file)).take(PARTS);
        // Parts may overlap by a page or so. Of a file that says so of all, not everything is looked at many times.
        let parts = parts.take_while(|part| {
            let fits = part.bytes.len() <= left.saturating_add(OVERLAP);
            left = left.saturating_sub(part.bytes.len());
            fits
        });
        let parts: Vec<_> = parts.collect();
        // Those of a file that was stripped of them are none.
        let sections = header.sections(LE, file).unwrap_or_default();
        let mut image = Image { file, parts, sections, unwind: None, is_fixed: header.e_type(LE) == ET_EXEC };
        let table = headers.iter().find(|header| header.p_type(LE) == PT_GNU_EH_FRAME);
        image.unwind = table.and_then(|header| Unwind::new(&image, header.p_vaddr(LE)));
        Ok(image)
    }

    /// What is mapped.
    pub fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }

    /// The bytes from an address on to the end of its part.
    pub fn at(&self, address: u64) -> Option<&'a [u8]> {
        let (part, place) = self.place(address)?;
        part.bytes.get(place..)
    }

    /// The instructions from an address on to the end of its part.
    pub fn code_at(&self, address: u64) -> Option<&'a [u8]> {
        let (part, place) = self.place(address)?;
        if part.is_code { part.bytes.get(place..) } else { None }
    }

    /// Where in the file an address is.
    pub fn offset_of(&self, address: u64) -> Option<u64> {
        let (part, place) = self.place(address)?;
        part.offset.checked_add(place as u64)
    }

    fn place(&self, address: u64) -> Option<(&Part<'a>, usize)> {
        self.parts.iter().find_map(|part| {
            let place = usize::try_from(address.checked_sub(part.address)?).ok()?;
            (place < part.bytes.len()).then_some((part, place))
        })
    }

    /// Whether a function begins at an address, by the unwind table; `None` where that says nothing of it, or is missing.
    pub fn is_function(&self, address: u64) -> Option<bool> {
        self.unwind?.begins(address, self)
    }

    /// The content and the address of a section.
    pub fn section(&self, name: &str) -> Option<(&'a [u8], u64)> {
        // By hand, as each name is read up to its end: in a file that is made to cost, a long way.
        let strings = self.sections.iter().nth(self.names_of_sections()?)?;
        let strings = strings.data(LE, self.file).ok()?;
        let section = self.sections.iter().find(|section| {
            strings.get(section.sh_name(LE) as usize..).is_some_and(|rest| {
                rest.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
            })
        })?;
        Some((section.data(LE, self.file).ok()?, section.sh_addr(LE)))
    }

    fn names_of_sections(&self) -> Option<usize> {
        Header::parse(self.file).ok()?.shstrndx(LE, self.file).ok().map(|index| index as usize)
    }

    /// The addresses of functions whose name has `part` in it, and is as `is_it` says.
    pub fn functions(&self, part: &str, is_it: impl Fn(&[u8]) -> bool) -> Vec<u64> {
        let mut found = Vec::new();
        for kind in [SHT_SYMTAB, SHT_DYNSYM] {
            let Some((symbols, strings)) = self.symbols(kind) else { continue };
            let names = names(strings, part.as_bytes(), &is_it);
            if names.is_empty() {
                continue;
            }
            for symbol in symbols {
                let is_function = symbol.st_type() == STT_FUNC;
                let address = symbol.st_value(LE);
                if is_function
                    && names.contains(&symbol.st_name(LE))
                    && self.code_at(address).is_some()
                    && !found.contains(&address)
                    && found.len() < NAMES
                {
                    found.push(address);
                }
            }
        }
        found
    }

    fn symbols(&self, kind: u32) -> Option<(&'a [object::elf::Sym64<LittleEndian>], &'a [u8])> {
        let section = self.sections.iter().find(|section| section.sh_type(LE) == kind)?;
        let strings = self.sections.iter().nth(section.sh_link(LE) as usize)?.data(LE, self.file).ok()?;
        Some((section.data_as_array(LE, self.file).ok()?, strings))
    }

    /// What the loader will write to an address, if it adds no more than where the file is mapped to.
    pub fn relocated(&self, address: u64) -> Option<u64> {
        const RELATIVE: u32 = object::elf::R_X86_64_RELATIVE;
        self.sections.iter().filter(|section| section.sh_type(LE) == SHT_RELA).find_map(|section| {
            let relocations: &[object::elf::Rela64<LittleEndian>] =
                section.data_as_array(LE, self.file).ok()?;
            let there = relocations.iter().find(|relocation| {
                relocation.r_offset(LE) == address && relocation.r_type(LE, false) == RELATIVE
            })?;
            u64::try_from(there.r_addend(LE)).ok()
        })
    }
}

impl<'a> Unwind<'a> {
    /// Version 1, and how three things are written: where the frames are and how many entries there are, in four bytes each; and
    /// entries, as distances. All linkers write it so.
    const BEGINS: [u8; 4] = [1, 0x1b, 0x03, 0x3b];

    fn new(image: &Image<'a>, address: u64) -> Option<Unwind<'a>> {
        let bytes = image.at(address)?.strip_prefix(&Unwind::BEGINS)?;
        let (head, rest) = bytes.split_first_chunk::<8>()?;
        let count = u32::from_le_bytes(*head.last_chunk()?);
        let entries = rest.as_chunks().0.get(..usize::try_from(count).ok()?)?;
        Some(Unwind { address, entries })
    }

    /// Whether a function begins there; `None` if the table has none that this belongs to, as programs leave out those that
    /// nothing unwinds.
    fn begins(&self, address: u64, image: &Image<'_>) -> Option<bool> {
        let distance = address.wrapping_sub(self.address).cast_signed();
        let begin = |&[a, b, c, d, ..]: &[u8; 8]| i64::from(i32::from_le_bytes([a, b, c, d]));
        let index = match self.entries.binary_search_by_key(&distance, begin) {
            Ok(_) => return Some(true),
            Err(index) => index.checked_sub(1)?,
        };
        let &[_, _, _, _, a, b, c, d] = self.entries.get(index)?;
        let start = self.address.wrapping_add_signed(begin(&self.entries[index]));
        let frame = self.address.wrapping_add_signed(i32::from_le_bytes([a, b, c, d]).into());
        // Its length, what it is of, where the function begins as a distance from here, and how long it is.
        let [.., e, f, g, h, i, j, k, l] = *image.at(frame)?.first_chunk::<16>()?;
        let known = frame.wrapping_add_signed(i64::from(i32::from_le_bytes([e, f, g, h])) + 8);
        let length = u64::from(u32::from_le_bytes([i, j, k, l]));
        // Of one that is written in another way it isn't known how far it goes.
        (known != start || address.wrapping_sub(start) < length).then_some(false)
    }
}

fn part<'a>(header: &ProgramHeader64<LittleEndian>, file: &'a [u8]) -> Option<Part<'a>> {
    (header.p_type(LE) == PT_LOAD).then_some(())?;
    let bytes = header.data(LE, file).ok()?;
    Some(Part {
        address: header.p_vaddr(LE),
        offset: header.p_offset(LE),
        bytes,
        is_code: header.p_flags(LE) & PF_X != 0,
    })
}

/// Where in a table of strings those begin that have `part` in them and are as `is_it` says.
fn names(strings: &[u8], part: &[u8], is_it: impl Fn(&[u8]) -> bool) -> Vec<u32> {
    memmem::find_iter(strings, part)
        .take(NAMES)
        .filter_map(|place| {
            let before = &strings[place.saturating_sub(NAME)..place];
            let begin = place - before.iter().rev().take_while(|&&byte| byte != 0).count();
            let rest = &strings[begin..strings.len().min(begin + 2 * NAME)];
            let name = &rest[..memchr::memchr(0, rest)?];
            if is_it(name) { u32::try_from(begin).ok() } else { None }
        })
        .collect()
}
