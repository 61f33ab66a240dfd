//! What the engine must not know: the kernel, the runtime, the time of day, and whatever else would make the same input
//! give another output. Told from the text of its source files, tests left out.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails, fails the test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The crates that the engine is made of.
const ENGINE: [&str; 6] = ["model", "stream", "http", "attribute", "detect", "engine"];

/// Words that are no part of it, and why.
const FOREIGN: [(&str, &[&str]); 5] = [
    ("only capture/ knows the kernel", &["aya", "aya_log", "libc", "nix"]),
    ("it runs on no runtime and starts no thread", &["tokio", "hyper", "thread", "async", "await"]),
    ("time is handed to it", &["SystemTime::now", "Instant", "Timestamp::now", "UtcDateTime"]),
    (
        "it does no I/O",
        &["std::fs", "File", "TcpStream", "TcpListener", "UdpSocket", "std::env", "std::process"],
    ),
    (
        "the order of these changes from run to run",
        &["HashMap", "HashSet", "RandomState", "DefaultHasher", "rand", "getrandom"],
    ),
];

/// What is allowed all the same, by the path that it is below: the time of day for sources of segments stands beside the
/// type, one table hashes with a hasher of its own, and a document is read before the engine starts.
const ALLOWED: [(&str, &str); 5] = [
    ("model/src/time.rs", "SystemTime::now"),
    ("stream/src/table.rs", "HashMap"),
    ("attribute/src/route/openapi/", "File"),
    ("attribute/src/route/openapi/", "HashMap"),
    ("attribute/src/route/openapi/", "HashSet"),
];

#[test]
fn the_engine_knows_no_kernel_no_runtime_and_no_clock() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for part in ENGINE {
        sources(&root.join(part).join("src"), &mut files);
    }
    assert!(files.len() > 90, "the engine has moved: {files:?}");
    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap().display().to_string();
        let code = code(&fs::read_to_string(&file).unwrap());
        let words = FOREIGN.iter().flat_map(|(why, words)| words.iter().map(move |word| (*why, *word)));
        for (why, word) in words {
            let allowed = ALLOWED.iter().any(|(path, allowed)| name.starts_with(path) && *allowed == word);
            if has_word(&code, word) && !allowed {
                found.push(format!("{name} has {word}: {why}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_is_looked_for_would_be_found() {
    let source = "//! tokio\nuse std::time; // thread\nlet now = SystemTime::now();\n#[cfg(test)]\nmod tests {\n    aya\n}\n";
    let code = code(source);
    assert!(has_word(&code, "SystemTime::now"));
    for absent in ["tokio", "thread", "aya", "SystemTime::no", "ystemTime"] {
        assert!(!has_word(&code, absent), "{absent}");
    }
}

/// The source files in `path`, but for those of tests.
fn sources(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_file() {
        if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path.to_owned());
        }
        return;
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
    for entry in entries {
        let entry = entry.unwrap().path();
        if !entry.ends_with("tests") {
            sources(&entry, files);
        }
    }
}

/// The lines that are code: without comments, and without the tests, which stand at the end.
fn code(source: &str) -> String {
    let end = source.find("#[cfg(test)]\nmod ").unwrap_or(source.len());
    source[..end]
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Whether `word` stands in `code` as a whole.
fn has_word(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let (before, after) = (code[..at].chars().next_back(), code[at + word.len()..].chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}
