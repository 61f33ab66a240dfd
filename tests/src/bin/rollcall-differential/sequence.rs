//! What is sent: sequences of writes, each with a name.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rollcall_tests::{pcap::Capture, random::Random};
use serde::Deserialize;

use crate::{mutate, own};

/// One thing to try on a connection.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    pub(crate) name: String,
    pub(crate) writes: Vec<Write>,
}

/// Bytes that leave together.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) bytes: Vec<u8>,
    /// The last byte is sent as urgent data (TCP's urgent pointer).
    pub(crate) urgent: bool,
}

impl From<Vec<u8>> for Write {
    fn from(bytes: Vec<u8>) -> Write {
        Write { bytes, urgent: false }
    }
}

/// As in the shared file.
#[derive(Deserialize)]
struct Recorded {
    name: String,
    writes: Vec<String>,
}

/// Which sequences are sent.
#[derive(clap::Args)]
pub(crate) struct Choice {
    /// Only sequences whose name contains this; may be given several times. With `=NAME` just that one.
    #[arg(long)]
    filter: Vec<String>,
    /// So many of the sequences, chosen at random.
    #[arg(long)]
    sequences: Option<usize>,
    /// So many more, which are those that there are, changed at random.
    #[arg(long, default_value_t = 0)]
    mutate: usize,
    /// What chooses and mutates.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The sequences that are chosen.
pub(crate) fn chosen(choice: &Choice) -> Result<Vec<Sequence>> {
    let Choice { filter, sequences, mutate, seed } = choice;
    let mut all = shared()?;
    all.extend(own::all());
    let mutants = mutate::mutants(&all, *mutate, *seed);
    all.extend(mutants);
    if !filter.is_empty() {
        all.retain(|sequence| filter.iter().any(|wanted| fits(&sequence.name, wanted)));
        ensure!(!all.is_empty(), "no sequence is called {}", filter.join(" or "));
    }
    if let Some(count) = sequences {
        Random::seeded(*seed).shuffle(&mut all);
        all.truncate(*count);
    }
    Ok(all)
}

/// A capture file of all of them, each followed by an ordinary request. Statuses differ, to tell which answer was given to which
/// request.
pub(crate) fn capture(sequences: &[Sequence]) -> Vec<u8> {
    let answers: Vec<Vec<u8>> = (200..300)
        .map(|status| format!("HTTP/1.1 {status} Answer\r\nContent-Length: 2\r\n\r\nok").into_bytes())
        .collect();
    let mut capture = Capture::default();
    for (sequence, port) in sequences.iter().zip(1024..) {
        let last: &[u8] = b"GET /last HTTP/1.1\r\nHost: x\r\n\r\n";
        let writes = sequence.writes.iter().map(|write| write.bytes.as_slice()).chain([last]);
        let turns: Vec<(&[u8], &[u8])> =
            writes.zip(answers.iter().cycle()).map(|(write, answer)| (write, answer.as_slice())).collect();
        capture.push_conversation(port, &turns, 1_448);
    }
    capture.bytes().to_vec()
}

fn fits(name: &str, wanted: &str) -> bool {
    match wanted.strip_prefix('=') {
        Some(wanted) => name == wanted,
        None => name.contains(wanted),
    }
}

/// Those that lie beside the repository.
fn shared() -> Result<Vec<Sequence>> {
    let Some(shared) = std::env::var_os("ROLLCALL_SHARED").map(PathBuf::from) else {
        eprintln!("rollcall-differential: ROLLCALL_SHARED isn't set: without the recorded sequences");
        return Ok(Vec::new());
    };
    let file = shared.join("data/heads.json");
    let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let recorded: Vec<Recorded> =
        serde_json::from_str(&text).with_context(|| format!("read {}", file.display()))?;
    recorded
        .into_iter()
        .map(|Recorded { name, writes }| {
            let writes = writes.iter().map(|write| Ok(STANDARD.decode(write)?.into()));
            let writes = writes.collect::<Result<_>>().with_context(|| format!("decode {name}"))?;
            Ok(Sequence { name, writes })
        })
        .collect()
}
