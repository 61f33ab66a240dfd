//! On files that a compiler and a linker have made, and on what is left of them when they are broken.

use std::{fs, path::Path, process::Command};

use proptest::prelude::*;

use super::*;

/// As OpenSSL has it: one function hands on what another is called with.
const JUMPS: &str = r#"
struct s3 { char pad[96]; unsigned char random[32]; };
struct ssl { char pad[168]; struct s3 *s3; };
__attribute__((noinline, noipa)) int nss_keylog_int(const char *prefix, struct ssl *ssl, const unsigned char *one,
        unsigned long one_length, const unsigned char *two, unsigned long two_length) {
    __asm__ volatile("" :: "r"(prefix), "r"(ssl), "r"(one), "r"(one_length), "r"(two), "r"(two_length) : "memory");
    return prefix[0] + two[two_length - one_length];
}
__attribute__((noinline, noipa)) int ssl_log_secret(struct ssl *ssl, const char *label, const unsigned char *secret, unsigned long length) {
    return nss_keylog_int(label, ssl, ssl->s3->random, 32, secret, length);
}
"#;

/// As BoringSSL and GnuTLS have it.
const CALLS: &str = r#"
__attribute__((noinline, noipa)) int ssl_log_secret(void *ssl, const char *label, const unsigned char *secret, unsigned long length) {
    volatile unsigned char copy[64];
    for (unsigned long i = 0; i < length && i < 64; i++) copy[i] = secret[i] ^ label[0];
    return copy[1] + *(char *)ssl;
}
"#;

/// Calls of it, and of another function that is called with one of the words.
const USES: &str = r#"
__attribute__((noinline, noipa)) int other(void *ssl, const char *label) { return *(char *)ssl + label[2]; }
__attribute__((visibility("default"))) int handshake(void *ssl, const unsigned char *secret) {
    if (!ssl_log_secret(ssl, "CLIENT_RANDOM", secret, 48)) return 0;
    if (!ssl_log_secret(ssl, "SERVER_TRAFFIC_SECRET_0", secret, 32)) return 0;
    if (!ssl_log_secret(ssl, "CLIENT_TRAFFIC_SECRET_0", secret, 32)) return 0;
    return other(ssl, "EXPORTER_SECRET") + other(ssl, "another");
}
int main(int count, char **arguments) { return count > 2 ? handshake(arguments[1], arguments[2]) : 0; }
"#;

/// What the C compiler makes of it, with the address of its function by the symbols, which it hasn't.
fn compiled(function: &str, flags: &[&str]) -> (Vec<u8>, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, output) = (folder.path().join("source.c"), folder.path().join("program"));
    fs::write(&source, [function, USES].concat()).expect("write the source");
    let compile = |more: &[&str]| {
        let mut compiler = Command::new("cc");
        compiler
            .args(["-O2", "-fvisibility=hidden"])
            .args(flags)
            .args(more)
            .arg("-o")
            .arg(&output)
            .arg(&source);
        let built = compiler.output().expect("start cc: these tests need a C compiler");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        fs::read(&output).expect("read what cc made")
    };
    let named = compile(&[]);
    let image = Image::new(&named).expect("an ELF file");
    let address = image.functions("ssl_log_secret", |name| name == b"ssl_log_secret")[0];
    let offset = image.offset_of(address).expect("an address within the file");
    (compile(&["-s"]), offset)
}

const SHARED: &[&str] = &["-shared", "-fPIC"];
const ANYWHERE: &[&str] = &["-pie", "-fPIE"];
const FIXED: &[&str] = &["-no-pie", "-fno-pie"];

#[test]
fn the_function_is_found_where_no_symbol_names_it() {
    for flags in [SHARED, ANYWHERE, FIXED] {
        let (file, offset) = compiled(CALLS, flags);
        let hook = Hook { library: Library::OpenSsl, offset, convention: Convention::Secret };
        assert_eq!(find(&file), Ok(vec![hook]), "{flags:?}");
    }
}

#[test]
fn a_symbol_is_enough() {
    let (_, offset) = compiled(CALLS, SHARED);
    let (mut named, _) = compiled(CALLS, SHARED);
    assert_eq!(find(&named).map(|hooks| hooks[0].offset), Ok(offset));
    // Without the words there is nothing left but symbols, of which a stripped file has none.
    while let Some(place) = memchr::memmem::find(&named, b"_TRAFFIC_SECRET") {
        named[place] = b'-';
    }
    let place = memchr::memmem::find(&named, b"CLIENT_RANDOM").expect("a word");
    named[place] = b'-';
    let place = memchr::memmem::find(&named, b"EXPORTER_SECRET").expect("a word");
    named[place] = b'-';
    assert_eq!(find(&named), Err(NotFound::NoTls));
}

#[test]
fn a_function_that_hands_all_of_it_on_is_taken_at_its_jump() {
    for flags in [&["-fcf-protection=none"][..], &["-fcf-protection=full"]] {
        let (file, offset) = compiled(JUMPS, &[SHARED, flags].concat());
        let hooks = find(&file).expect("a hook");
        assert_eq!((hooks.len(), hooks[0].convention), (1, Convention::Random), "{hooks:?}");
        assert!((offset + 10..offset + 48).contains(&hooks[0].offset), "{hooks:?} {offset:#x}");
        // A jump of 8 or of 32 bits.
        assert!([0xeb, 0xe9].contains(&file[hooks[0].offset as usize]));
    }
}

#[test]
fn one_word_proves_nothing() {
    let (mut file, _) = compiled(CALLS, SHARED);
    for word in [&b"CLIENT_RANDOM"[..], b"SERVER_TRAFFIC_SECRET_0"] {
        let place = memchr::memmem::find(&file, word).expect("a word");
        file[place] = b'-';
    }
    assert_eq!(find(&file), Err(NotFound::Uncertain));
}

/// Where functions begin is not known: three words have to agree.
#[test]
fn without_an_unwind_table_more_has_to_agree() {
    let flags = [SHARED, &["-fno-asynchronous-unwind-tables", "-Wl,--no-eh-frame-hdr", "-nostdlib"]].concat();
    let (mut file, offset) = compiled(CALLS, &flags);
    assert_eq!(find(&file).map(|hooks| hooks[0].offset), Ok(offset));
    let place = memchr::memmem::find(&file, b"CLIENT_RANDOM").expect("a word");
    file[place] = b'-';
    assert_eq!(find(&file), Err(NotFound::Uncertain));
}

/// As in Chromium, which has it for few functions only.
#[test]
fn what_an_unwind_table_leaves_out_takes_more_to_agree_too() {
    let (mut file, offset) = compiled(CALLS, SHARED);
    let address = u32::try_from(offset).expect("a small file").to_le_bytes();
    let begins = [1, 0x1b, 0x03, 0x3b];
    let table = memchr::memmem::find(&file, &begins).expect("a table");
    // In such a small file an address is its place.
    let distance = u32::from_le_bytes(address).wrapping_sub(table as u32).to_le_bytes();
    let entry = table + 12 + memchr::memmem::find(&file[table + 12..], &distance).expect("its entry");
    let count = u32::from_le_bytes(*file[table + 8..].first_chunk().expect("a number"));
    let end = table + 12 + 8 * count as usize;
    file.copy_within(entry + 8..end, entry);
    file[table + 8..table + 12].copy_from_slice(&(count - 1).to_le_bytes());
    assert_eq!(find(&file).map(|hooks| hooks[0].offset), Ok(offset));
    let place = memchr::memmem::find(&file, b"CLIENT_RANDOM").expect("a word");
    file[place] = b'-';
    assert_eq!(find(&file), Err(NotFound::Uncertain));
}

#[test]
fn programs_without_tls_are_told_from_those_whose_tls_is_not_known() {
    let cat = fs::read("/bin/cat").expect("read /bin/cat");
    assert_eq!(find(&cat), Err(NotFound::NoTls));
    assert_eq!(find(b"#!/bin/sh\n"), Err(NotFound::NoProgram));
    assert_eq!(find(&[]), Err(NotFound::NoProgram));
    let mut other = cat;
    // e_machine: aarch64
    other[18] = 183;
    assert_eq!(find(&other), Err(NotFound::Machine));
}

/// Where a library is as Debian installs it.
#[test]
fn the_library_of_this_system_is_known() {
    let library =
        Path::new("/usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH)).join("libssl.so.3");
    let file = fs::read(&library).unwrap_or_else(|error| panic!("read {}: {error}", library.display()));
    let hooks = find(&file).expect("a hook");
    assert_eq!((hooks.len(), hooks[0].library), (1, Library::OpenSsl));
}

#[test]
fn the_stack_check_of_go_is_passed() {
    let small = [0x49, 0x3b, 0x66, 0x10, 0x76, 0x40, 0x55, 0x48, 0x89, 0xe5];
    assert_eq!(x86::behind_stack_check(&small), Some(6));
    let middle = [0x4c, 0x8d, 0x64, 0x24, 0xa8, 0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86, 1, 2, 0, 0, 0x55];
    assert_eq!(x86::behind_stack_check(&middle), Some(15));
    for cut in 0..6 {
        assert_eq!(x86::behind_stack_check(&small[..cut]), None);
    }
    assert_eq!(x86::behind_stack_check(&[0x55, 0x48, 0x89, 0xe5, 0, 0, 0, 0]), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// What is found in a file that was tampered with lies within it, in what is code.
    #[test]
    fn no_file_is_too_broken(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40), cut in any::<prop::sample::Index>()) {
        thread_local!(static FILE: Vec<u8> = compiled(JUMPS, SHARED).0);
        let mut file = FILE.with(Clone::clone);
        for (index, byte) in changes {
            // Headers and tables are what matters, and most of them are in front or at the end.
            let place = index.index(file.len());
            file[place] = byte;
        }
        let end = file.len() - cut.index(file.len()).min(4096);
        if let Ok(hooks) = find(&file[..end]) {
            prop_assert!(hooks.iter().all(|hook| hook.offset < end as u64));
        }
    }
}
