//! Programs that somebody runs on the host: whatever their file says, looking for hooks ends, and what is found lies within it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcall_fuzz::seeds;
use rollcall_hooks::find;

const WORDS: [&str; 8] = [
    "CLIENT_RANDOM\u{0}",
    "SERVER_TRAFFIC_SECRET_0\u{0}",
    "CLIENT_TRAFFIC_SECRET_0\u{0}",
    "\u{0}ssl_log_secret\u{0}",
    "crypto/tls.(*Config).writeKeyLog\u{0}",
    ".gopclntab\u{0}",
    "H\u{f}5",
    "\u{1}\u{1b}\u{3};",
];

fuzz_target!(init: seeds::offer(&seeds(), &WORDS), |data: &[u8]| {
    for hook in find(data).iter().flatten() {
        assert!(hook.offset < data.len() as u64);
    }
});

/// Where the parts of [`program`] are: each begins at an address that is its place in the file.
const CODE: usize = 0x200;
const WORDS_AT: usize = 0x300;
const TABLE: usize = 0x400;
const FRAMES: usize = 0x440;
const NAMES: usize = 0x500;
const SYMBOLS: usize = 0x540;
const SECTIONS: usize = 0x600;
const GO: usize = 0x800;
const END: usize = 0xa00;

/// One program in three ways: found by its words, by its symbol, and in Go.
fn seeds() -> Vec<Vec<u8>> {
    let words = program(false, false);
    assert_eq!(find(&words).map(|hooks| hooks.len()), Ok(1));
    let symbol = program(true, false);
    assert_eq!(find(&symbol).map(|hooks| hooks.len()), Ok(1));
    let go = program(false, true);
    assert_eq!(find(&go).map(|hooks| hooks.len()), Ok(2));
    vec![words, symbol, go]
}

fn program(has_symbol: bool, is_go: bool) -> Vec<u8> {
    let mut file = vec![0; END];
    let put = |file: &mut Vec<u8>, at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    let longs = |numbers: &[u64]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let words = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    put(&mut file, 0, b"\x7fELF\x02\x01\x01");
    put(&mut file, 16, &[3, 0, 62, 0, 1, 0, 0, 0]);
    put(&mut file, 32, &longs(&[64, SECTIONS as u64]));
    // Sizes and counts of headers; the names of sections are in the first.
    put(&mut file, 52, &[64, 0, 56, 0, 2, 0, 64, 0, 5, 0, 1, 0]);
    let segment = |kind: u32, flags: u32, at: usize, length: usize| {
        let (at, length) = (at as u64, length as u64);
        [words(&[kind, flags]), longs(&[at, at, at, length, length, 4096])].concat()
    };
    put(&mut file, 64, &segment(1, 5, 0, END));
    put(&mut file, 120, &segment(0x6474_e550, 4, TABLE, 20));
    // Two calls with two words, and what is called.
    let called = CODE + 0x80;
    put(&mut file, WORDS_AT, b"\0CLIENT_RANDOM\0SERVER_TRAFFIC_SECRET_0\0");
    for (at, word) in [(CODE, WORDS_AT + 1), (CODE + 16, WORDS_AT + 15)] {
        put(&mut file, at, &[0x48, 0x8d, 0x35]);
        put(&mut file, at + 3, &((word - at - 7) as u32).to_le_bytes());
        put(&mut file, at + 7, &[0xe8]);
        put(&mut file, at + 8, &((called - at - 12) as u32).to_le_bytes());
    }
    put(&mut file, called, &[0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3]);
    // .eh_frame_hdr with one function, and .eh_frame: a CIE, an FDE.
    put(&mut file, TABLE, &[1, 0x1b, 3, 0x3b]);
    put(&mut file, TABLE + 4, &words(&[(FRAMES - TABLE - 4) as u32, 1]));
    put(&mut file, TABLE + 12, &((called as i32 - TABLE as i32) as u32).to_le_bytes());
    put(&mut file, TABLE + 16, &((FRAMES + 24 - TABLE) as u32).to_le_bytes());
    put(&mut file, FRAMES, &words(&[20, 0]));
    put(&mut file, FRAMES + 8, b"\x01zR\0\x01\x78\x10\x01\x1b\x0c\x07\x08\x90\x01");
    put(&mut file, FRAMES + 24, &words(&[16, 28]));
    put(&mut file, FRAMES + 32, &((called as i32 - (FRAMES as i32 + 32)) as u32).to_le_bytes());
    put(&mut file, FRAMES + 36, &words(&[8]));
    // Sections: names, strings, symbols, Go's table.
    put(&mut file, NAMES, b"\0ssl_log_secret\0.gopclntab\0");
    let section = |name: u32, kind: u32, at: usize, length: usize, link: u32, size: u64| {
        [
            words(&[name, kind]),
            longs(&[2, at as u64, at as u64, length as u64]),
            words(&[link, 0]),
            longs(&[8, size]),
        ]
        .concat()
    };
    put(&mut file, SECTIONS + 64, &section(0, 3, NAMES, 32, 0, 0));
    if has_symbol {
        put(&mut file, SECTIONS + 128, &section(0, 2, SYMBOLS, 24, 1, 24));
        put(&mut file, SYMBOLS, &[words(&[1, 0x12]), longs(&[called as u64, 6])].concat());
    }
    if is_go {
        put(&mut file, SECTIONS + 192, &section(16, 1, GO, 0x100, 0, 0));
        put(&mut file, GO, &[0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8]);
        put(&mut file, GO + 8, &longs(&[1, 0, CODE as u64, 0x50, 0, 0, 0, 0x80]));
        put(&mut file, GO + 0x50, b"\0crypto/tls.(*Config).writeKeyLog\0");
        put(&mut file, GO + 0x80, &words(&[0xa0, 8, 0xa0, 1]));
        put(&mut file, CODE + 0xa0, &[0x49, 0x3b, 0x66, 0x10, 0x76, 0x40, 0x55]);
    }
    file
}
