//! Where a body ends: forms of `Content-Length` and of `Transfer-Encoding`, and both together, in either version.

use super::{List, NEXT, TARGET, post};

/// Lines of fields that say, to some server, that five bytes follow.
const LENGTHS: [(&str, &str); 40] = [
    ("plain", "Content-Length: 5\r\n"),
    ("lower", "content-length: 5\r\n"),
    ("no-space", "Content-Length:5\r\n"),
    ("tab", "Content-Length:\t5\r\n"),
    ("spaces", "Content-Length:    5    \r\n"),
    ("trailing-tab", "Content-Length: 5\t\r\n"),
    ("zeros", "Content-Length: 0000000000000000000000005\r\n"),
    ("plus", "Content-Length: +5\r\n"),
    ("minus", "Content-Length: -5\r\n"),
    ("decimal", "Content-Length: 5.0\r\n"),
    ("exponent", "Content-Length: 5e0\r\n"),
    ("hex", "Content-Length: 0x5\r\n"),
    ("underscore", "Content-Length: 0_5\r\n"),
    ("comma", "Content-Length: 5,\r\n"),
    ("list", "Content-Length: 5, 5\r\n"),
    ("list-differs", "Content-Length: 5, 6\r\n"),
    ("twice", "Content-Length: 5\r\nContent-Length: 5\r\n"),
    ("twice-first", "Content-Length: 5\r\nContent-Length: 0\r\n"),
    ("twice-last", "Content-Length: 0\r\nContent-Length: 5\r\n"),
    ("twice-spelled", "Content-Length: 5\r\nContent-Length: 05\r\n"),
    ("twice-empty", "Content-Length:\r\nContent-Length: 5\r\n"),
    ("folded", "Content-Length:\r\n 5\r\n"),
    ("folded-behind", "Content-Length: 5\r\n \r\n"),
    ("folded-more", "Content-Length: 5\r\n 0\r\n"),
    ("folded-other", "X: y\r\n Content-Length: 5\r\n"),
    ("cr-other", "X: y\rContent-Length: 5\r\n"),
    ("lf-other", "X: y\nContent-Length: 5\r\n"),
    ("space-colon", "Content-Length : 5\r\n"),
    ("tab-colon", "Content-Length\t: 5\r\n"),
    ("underscored", "Content_Length: 5\r\n"),
    ("quoted", "Content-Length: \"5\"\r\n"),
    ("semicolon", "Content-Length: 5;x\r\n"),
    ("word", "Content-Length: 5 x\r\n"),
    ("letter", "Content-Length: 5x\r\n"),
    ("vt", "Content-Length: \x0b5\r\n"),
    ("nul", "Content-Length: 5\0\r\n"),
    ("empty", "Content-Length:\r\n"),
    ("none", ""),
    ("fullwidth", "Content-Length: \u{ff15}\r\n"),
    ("wraps-32", "Content-Length: 4294967301\r\n"),
];

/// Lines of fields that say, to some server, that chunks follow.
const CODINGS: [(&str, &str); 33] = [
    ("plain", "Transfer-Encoding: chunked\r\n"),
    ("upper", "TRANSFER-ENCODING: CHUNKED\r\n"),
    ("no-space", "Transfer-Encoding:chunked\r\n"),
    ("tab", "Transfer-Encoding:\tchunked\r\n"),
    ("trailing", "Transfer-Encoding: chunked \t\r\n"),
    ("vt", "Transfer-Encoding: \x0bchunked\r\n"),
    ("nul", "Transfer-Encoding: chunked\0\r\n"),
    ("quoted", "Transfer-Encoding: \"chunked\"\r\n"),
    ("parameter", "Transfer-Encoding: chunked;a=b\r\n"),
    ("comma", "Transfer-Encoding: chunked,\r\n"),
    ("comma-first", "Transfer-Encoding: , chunked\r\n"),
    ("gzip-chunked", "Transfer-Encoding: gzip, chunked\r\n"),
    ("chunked-gzip", "Transfer-Encoding: chunked, gzip\r\n"),
    ("identity-chunked", "Transfer-Encoding: identity, chunked\r\n"),
    ("chunked-identity", "Transfer-Encoding: chunked, identity\r\n"),
    ("chunked-chunked", "Transfer-Encoding: chunked, chunked\r\n"),
    ("identity", "Transfer-Encoding: identity\r\n"),
    ("gzip", "Transfer-Encoding: gzip\r\n"),
    ("unknown", "Transfer-Encoding: x\r\n"),
    ("prefixed", "Transfer-Encoding: xchunked\r\n"),
    ("suffixed", "Transfer-Encoding: chunkedx\r\n"),
    ("spelled", "Transfer-Encoding: chun\u{212a}ed\r\n"),
    ("empty", "Transfer-Encoding:\r\n"),
    ("twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    ("twice-identity", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
    ("twice-identity-last", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
    ("twice-gzip", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
    ("folded", "Transfer-Encoding:\r\n chunked\r\n"),
    ("folded-list", "Transfer-Encoding: gzip,\r\n chunked\r\n"),
    ("folded-other", "X: y\r\n Transfer-Encoding: chunked\r\n"),
    ("cr-other", "X: y\rTransfer-Encoding: chunked\r\n"),
    ("space-colon", "Transfer-Encoding : chunked\r\n"),
    ("underscored", "Transfer_Encoding: chunked\r\n"),
];

/// Eleven bytes that are chunks.
const CHUNKS: &str = "1\r\nA\r\n0\r\n\r\n";

pub(super) fn add(list: &mut List) {
    for (name, fields) in LENGTHS {
        list.one(format!("length/{name}"), post(fields, "hello") + NEXT);
        list.several(format!("length/{name}/apart"), [post(fields, "hello"), NEXT.to_owned()]);
        list.one(format!("length/{name}/get"), post(fields, "hello").replacen("POST", "GET", 1) + NEXT);
        list.one(format!("length/{name}/1.0"), old(fields, "hello") + NEXT);
    }
    for (name, fields) in CODINGS {
        list.one(format!("coding/{name}"), post(fields, CHUNKS) + NEXT);
        // A length that agrees with the chunks, one that ends before them, and one that includes what follows.
        let agrees = format!("Content-Length: {}\r\n{fields}", CHUNKS.len());
        list.one(format!("coding/{name}/agrees"), post(&agrees, CHUNKS) + NEXT);
        list.one(
            format!("coding/{name}/zero"),
            post(&format!("{fields}Content-Length: 0\r\n"), CHUNKS) + NEXT,
        );
        let beyond = format!("Content-Length: {}\r\n{fields}", CHUNKS.len() + NEXT.len());
        list.several(format!("coding/{name}/beyond"), [post(&beyond, CHUNKS), NEXT.to_owned()]);
        list.one(format!("coding/{name}/1.0"), old(fields, CHUNKS) + NEXT);
        list.several(format!("coding/{name}/1.0-both"), [old(&agrees, CHUNKS), NEXT.to_owned()]);
    }
}

/// As [`post`], in the version before.
fn old(fields: &str, body: &str) -> String {
    format!("POST {TARGET} HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n{fields}\r\n{body}")
}
