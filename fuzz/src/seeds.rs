//! Seeds and words that a target begins with, written where `cargo xtask fuzz` says: nothing bulky is kept in the tree.

use std::{env, fs, path::PathBuf};

/// Names the directory that takes the seeds.
const SEEDS: &str = "ROLLCALL_FUZZ_SEEDS";

/// Names the file that takes the words, as a dictionary of libFuzzer.
const WORDS: &str = "ROLLCALL_FUZZ_WORDS";

/// Writes `seeds`, and `words` that random changes would hardly hit upon.
pub fn offer<S: AsRef<[u8]>>(seeds: &[S], words: &[&str]) {
    if let Some(directory) = env::var_os(SEEDS).map(PathBuf::from) {
        for (number, seed) in seeds.iter().enumerate() {
            let path = directory.join(format!("seed-{number:03}"));
            fs::write(&path, seed).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
        }
    }
    if let Some(path) = env::var_os(WORDS).map(PathBuf::from) {
        let quoted = |word: &&str| {
            let octets = word.bytes().map(|byte| match byte {
                b'"' | b'\\' | 0..0x20 | 0x7f.. => format!("\\x{byte:02x}"),
                _ => char::from(byte).to_string(),
            });
            format!("\"{}\"\n", octets.collect::<String>())
        };
        let text: String = words.iter().map(quoted).collect();
        fs::write(&path, text).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
    }
}
