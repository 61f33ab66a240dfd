//! As much of x86-64's instructions as it takes to see where an address goes, and how functions begin.

/// `endbr64`, which a function begins with that may be called through a pointer.
const ENDBR: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];

/// Where in `code` instructions are that load one of `addresses` (sorted) into the second argument's register, and which: `lea
/// rsi, [rip + d]` and, where addresses are fixed, `mov esi, a`. The place given is behind the instruction.
pub fn loads<'a>(
    code: &'a [u8],
    base: u64,
    addresses: &'a [u64],
    is_fixed: bool,
) -> impl Iterator<Item = (usize, u64)> + 'a {
    let (first, last) = (addresses.first().copied(), addresses.last().copied());
    // Most are far off; of a file that is made of nothing but such instructions, all may be.
    let is_near = move |address| first <= Some(address) && Some(address) <= last;
    let known = move |address: u64| {
        (is_near(address) && addresses.binary_search(&address).is_ok()).then_some(address)
    };
    let relative = memchr::memchr_iter(0x35, code).filter_map(move |place| {
        let behind = place + 5;
        let opcode = code.get(place.checked_sub(2)?..place)?;
        let distance = code.get(place + 1..behind)?.first_chunk()?;
        if opcode != [0x48, 0x8d] {
            return None;
        }
        let next = base.wrapping_add(behind as u64);
        Some((behind, known(next.wrapping_add_signed(i32::from_le_bytes(*distance).into()))?))
    });
    let fixed = if is_fixed { code } else { &[] };
    let absolute = memchr::memchr_iter(0xbe, fixed).filter_map(move |place| {
        let behind = place + 5;
        let address = code.get(place + 1..behind)?.first_chunk()?;
        Some((behind, known(u32::from_le_bytes(*address).into())?))
    });
    relative.chain(absolute)
}

/// The addresses that `code`, which begins at `base`, may call or jump to, in its first 64 bytes. Any octet may be taken for an
/// instruction's first.
pub fn targets(code: &[u8], base: u64) -> impl Iterator<Item = u64> {
    let code = &code[..code.len().min(64)];
    code.iter().enumerate().filter_map(move |(place, &first)| {
        if !matches!(first, 0xe8 | 0xe9) {
            return None;
        }
        let distance = code.get(place + 1..place + 5)?.first_chunk()?;
        let next = base.wrapping_add(place as u64 + 5);
        Some(next.wrapping_add_signed(i32::from_le_bytes(*distance).into()))
    })
}

/// What a register holds of a function's arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    /// The argument of this number, the first is 0.
    Argument(u8),
    Constant(u32),
    /// Computed from others.
    Other,
}

/// Registers by their number in instructions.
const RCX: usize = 1;
const RDI: usize = 7;
const R8: usize = 8;
const R9: usize = 9;

/// Where in `code`, a function `(connection, label, secret, length)`, it jumps to another with `(label, connection, client
/// random, 32, secret, length)`, if it does nothing else: as `ssl_log_secret` of OpenSSL 1.1.1 and 3. Nothing branches before, so
/// that each instruction begins where the one before ends. A jump is an instruction that the kernel need not step through.
pub fn jump_with_random(code: &[u8]) -> Option<usize> {
    let mut registers = [Value::Other; 16];
    for (register, argument) in [RDI, 6, 2, RCX].into_iter().zip(0..) {
        registers[register] = Value::Argument(argument);
    }
    let mut place = if code.starts_with(&ENDBR) { ENDBR.len() } else { 0 };
    // What compilers make of it has seven to ten instructions.
    for _ in 0..16 {
        let rest = code.get(place..)?;
        let (length, register, value) = match *rest.first_chunk::<8>()? {
            [0xe9 | 0xeb, ..] => {
                let fits = registers[RDI] == Value::Argument(1)
                    && registers[RCX] == Value::Constant(32)
                    && registers[R8] == Value::Argument(2)
                    && registers[R9] == Value::Argument(3);
                return fits.then_some(place);
            }
            // mov r64, r64
            [rex @ 0x48..=0x4f, 0x89, modes @ 0xc0..=0xff, ..] => {
                let (field, other) = fields(rex, modes);
                (3, other, registers[field])
            }
            [rex @ 0x48..=0x4f, 0x8b, modes @ 0xc0..=0xff, ..] => {
                let (field, other) = fields(rex, modes);
                (3, field, registers[other])
            }
            // mov or lea r64, [r64 + d8] or [r64 + d32], none of which has a scaled index
            [rex @ 0x48..=0x4f, 0x8b | 0x8d, modes @ 0x40..=0xbf, ..] if modes & 7 != 4 => {
                let length = if modes < 0x80 { 4 } else { 7 };
                (length, fields(rex, modes).0, Value::Other)
            }
            // add r64, i8 or i32
            [rex @ (0x48 | 0x49), 0x83, modes @ 0xc0..=0xc7, ..] => (4, fields(rex, modes).1, Value::Other),
            [rex @ (0x48 | 0x49), 0x81, modes @ 0xc0..=0xc7, ..] => (7, fields(rex, modes).1, Value::Other),
            [0x48, 0x05, ..] => (6, 0, Value::Other),
            // mov r32, i32
            [opcode @ 0xb8..=0xbf, a, b, c, d, ..] => {
                (5, usize::from(opcode & 7), Value::Constant(u32::from_le_bytes([a, b, c, d])))
            }
            _ => return None,
        };
        registers[register] = value;
        place += length;
    }
    None
}

/// The two registers of an instruction with a REX prefix: the field, and the other.
fn fields(rex: u8, modes: u8) -> (usize, usize) {
    (usize::from(modes >> 3 & 7 | (rex & 4) << 1), usize::from(modes & 7 | (rex & 1) << 3))
}

/// Where in `code`, a function in C, the first instruction is that does something.
pub fn entry(code: &[u8]) -> usize {
    if code.starts_with(&ENDBR) { ENDBR.len() } else { 0 }
}

/// Where in `code`, a function in Go, its stack is found large enough: the arguments are in their registers still, and nothing
/// comes back there. `None` if it doesn't begin so.
///
/// The bound is at 16 of `g`, which r14 holds (src/cmd/internal/obj/x86/obj6.go, `stacksplit`).
pub fn behind_stack_check(code: &[u8]) -> Option<usize> {
    let compared = match code {
        // cmp rsp, [r14+16]
        [0x49, 0x3b, 0x66, 0x10, ..] => 4,
        // lea r12, [rsp-d8]; cmp r12, [r14+16]
        [0x4c, 0x8d, 0x64, 0x24, _, 0x4d, 0x3b, 0x66, 0x10, ..] => 9,
        // lea r12, [rsp-d32]; cmp r12, [r14+16]
        [0x4c, 0x8d, 0xa4, 0x24, _, _, _, _, 0x4d, 0x3b, 0x66, 0x10, ..] => 12,
        _ => return None,
    };
    // jbe
    match code.get(compared..)? {
        [0x76, _, _, ..] => Some(compared + 2),
        [0x0f, 0x86, _, _, _, _, _, ..] => Some(compared + 6),
        _ => None,
    }
}
