//! Whole connections in both directions, beside a server that reads the same octets: what it serves is reported with its
//! target and its status, or said to be unseen, and no status is reported that no answer had.
//!
//! What an input says is in [`play`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcall_fuzz::{
    play::{self, JOINED, LATE, LONG, PART, PIECES, READS_BODY, WHOLE},
    seeds,
};

const SEEDS: [&str; 14] = [
    "qGET /v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r\n|qGET /b HTTP/1.1\r\n\r\n|s|qHEAD /c HTTP/1.1\r\n\r\n",
    "qPOST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n|q0\r\nT: x\r\n\r\nGET /b HTTP/1.1\r\n\r\n|qGET /c HTTP/1.1\r\n\r\n",
    "qPOST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n|qhello|qGET /b HTTP/1.1\r\n\r\n",
    "pGET /a HTTP/1.1\r\n\r\n|pGET /b HTTP/1.1\r\n\r\nGET /c HT|qTP/1.1\r\n\r\n|qGET /d HTTP/1.0\r\n\r\n",
    "c\u{7}GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /c HTTP/1.1\r\n\r\n",
    "d\u{1}GET /a HTTP/1.1\r\nHost: x\r\n\r\n|d\u{3}GET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n",
    "u\u{6}GET /no HTTP/1.1\r\n\r\n|qGET /b HTTP/1.1\r\n\r\n",
    "qGET /upgrade HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n|qGET /b HTTP/1.1\r\n\r\n",
    "qGET /a HTTP/1.1\r\n\r\n|lGET /b HTTP/1.1\r\n\r\n|qGET /c HTTP/1.1\r\n\r\n|A|qGET /d HTTP/1.1\r\n\r\n|qGET /e HTTP/1.1\r\n\r\n",
    "qPOST /a HTTP/1.1\r\nContent-Length: 40\r\n\r\nGET /no HTTP/1.1\r\n\r\n|qGET /no HTTP/1.1\r\n\r\n|qGET /b HTTP/1.1\r\n\r\n",
    "qGET /a HTTP/1.1\r\nConnection: close\r\n\r\nGET /no HTTP/1.1\r\n\r\n",
    "o\u{9}GET /a HTTP/1.1\r\n\r\n|bGET /b HTTP/1.1\r\n\r\n|bGET /c HTTP/1.1\r\n\r\n|r|w|s",
    "qGET /a HTTP/1.1\r\n\r\n|R|qGET /b HTTP/1.1\r\n\r\nGE|qT /c HTTP/1.1\r\n\r\n|qGET /d HTTP/1.1\r\n\r\n",
    "qG\u{ff}T / HTTP/1.1\r\n\r\n|qGET /b HTTP/1.1\r\n\r\n",
];

const WORDS: [&str; 40] = [
    "GET ",
    "POST ",
    "HEAD ",
    "CONNECT ",
    "OPTIONS * ",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    "\r\n\r\n",
    "\n\n",
    "GET /x HTTP/1.1\r\n\r\n",
    "Content-Length: ",
    "Content-Length: 3\r\n\r\nabc",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Connection: upgrade\r\n",
    "Upgrade: h2c\r\n",
    "Expect: 100-continue\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    "PROXY UNKNOWN\r\n",
    "\r\n 0\r\n",
    "0\r\n\r\n",
    "ffffffffffffffff\r\n",
    "Host: x\r\n",
    "http://x",
    "/upgrade",
    "\u{16}\u{3}\u{1}",
    "q",
    "p",
    "b",
    "c\u{1}",
    "d\u{1}",
    "l",
    "A",
    "s",
    "R",
    "u",
];

fuzz_target!(init: seeds::offer(&seeds(), &WORDS), |data: &[u8]| play::check(data));

/// With the octet that parts steps, the first that chooses, and what was tried on servers of all kinds before.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for text in SEEDS {
        for switches in [0, WHOLE, READS_BODY | PIECES, LONG, WHOLE | LONG | LATE, JOINED] {
            let steps = text.bytes().map(|byte| if byte == b'|' { PART } else { byte });
            seeds.push(std::iter::once(switches).chain(steps).collect());
        }
    }
    seeds.extend(sequences());
    seeds
}

/// Sequences of writes that were tried on servers of all kinds, each followed by ordinary requests.
fn sequences() -> Vec<Vec<u8>> {
    #[derive(serde::Deserialize)]
    struct Sequence {
        writes: Vec<String>,
    }
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let Some(shared) = std::env::var_os("ROLLCALL_SHARED") else { return Vec::new() };
    let path = std::path::Path::new(&shared).join("data").join("heads.json");
    let Ok(text) = std::fs::read(path) else { return Vec::new() };
    let sequences: Vec<Sequence> = serde_json::from_slice(&text).expect("a list of sequences");
    let seed = |(number, sequence): (usize, &Sequence)| {
        let mut seed = vec![number as u8 & !JOINED];
        for write in &sequence.writes {
            seed.push(b'q');
            seed.extend(BASE64_STANDARD.decode(write).expect("a write in base64"));
            seed.push(PART);
        }
        seed.extend(b"qGET /after HTTP/1.1\r\nHost: x\r\n\r\n\xfeqGET /last HTTP/1.1\r\nHost: x\r\n\r\n");
        seed
    };
    sequences.iter().enumerate().map(seed).collect()
}
