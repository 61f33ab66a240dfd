//! Conversations put together from parts, as inputs of [`crate::play`].
//!
//! The octets that they are made from are choices; when they run out, a generator that they seed goes on, so that a few
//! octets make a whole conversation and each further one changes a part of it.

use crate::play::{JOINED, PART};

/// Messages in a conversation.
const MESSAGES: usize = 8;

/// How deep requests stand inside others.
const DEEPEST: usize = 2;

/// A conversation that `choices` make.
pub fn from(choices: &[u8]) -> Vec<u8> {
    let seed = choices.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // A few octets are a seed alone.
    let choices = if choices.len() > 8 { choices } else { &[] };
    Writer { choices, seed, number: 0, loses: false }.conversation()
}

struct Writer<'a> {
    choices: &'a [u8],
    seed: u64,
    /// Tells targets apart.
    number: usize,
    /// Something is kept from the listener.
    loses: bool,
}

impl Writer<'_> {
    fn octet(&mut self) -> u8 {
        if let Some((&first, rest)) = self.choices.split_first() {
            self.choices = rest;
            return first;
        }
        // splitmix64
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as u8
    }

    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.octet()) % bound.max(1)
    }

    /// True this many times out of 64.
    fn chance(&mut self, times: usize) -> bool {
        self.below(64) < times
    }

    /// The usual, or one of others now and then.
    fn mostly<'b>(&mut self, usual: &'b str, others: &[&'b str]) -> &'b str {
        if self.chance(10) { others[self.below(others.len())] } else { usual }
    }

    fn one<'b>(&mut self, all: &[&'b str]) -> &'b str {
        all[self.below(all.len())]
    }

    fn conversation(mut self) -> Vec<u8> {
        let mut switches = self.octet();
        self.loses = self.chance(8);
        if !self.loses {
            switches &= !JOINED;
        }
        let mut input = vec![switches];
        for _ in 0..1 + self.below(MESSAGES) {
            let mut message = self.message(0);
            if self.chance(20) {
                message.extend(self.message(0));
            }
            if self.chance(6) {
                message.truncate(self.below(message.len()));
            }
            self.steps(&message, &mut input);
        }
        input.push(b'q');
        input.extend_from_slice(b"GET /last HTTP/1.1\r\nHost: x\r\n\r\n");
        input
    }

    /// The steps that send `octets`, in one piece or in several.
    fn steps(&mut self, octets: &[u8], input: &mut Vec<u8>) {
        let mut rest = octets;
        while !rest.is_empty() {
            let length = if self.chance(40) { rest.len() } else { 1 + self.place(rest) };
            let (piece, behind) = rest.split_at(length.min(rest.len()));
            rest = behind;
            let kind = match self.below(64) {
                0..40 => b'q',
                40..47 => b'p',
                47..51 => b'b',
                51..53 => b'c',
                53..55 => b'd',
                55..57 => b'o',
                57 => b'u',
                58..60 if self.loses => b'l',
                _ => {
                    let alone: &[u8] = if self.loses { b"swAR" } else { b"sw" };
                    input.extend([alone[self.below(alone.len())], PART]);
                    b'q'
                }
            };
            input.push(kind);
            if matches!(kind, b'c' | b'd' | b'o' | b'u') {
                let argument = self.octet();
                input.push(if argument == PART { 1 } else { argument });
            }
            input.extend(piece.iter().map(|&byte| if byte == PART { b'.' } else { byte }));
            input.push(PART);
        }
    }

    /// A place to cut at: anywhere, or at an end of a line.
    fn place(&mut self, octets: &[u8]) -> usize {
        let at = self.below(256) * octets.len() / 256;
        let end = octets[at..].iter().position(|&byte| byte == b'\n');
        end.filter(|_| self.chance(32)).map_or(at, |end| at + end)
    }

    fn target(&mut self) -> String {
        self.number += 1;
        let number = self.number;
        match self.below(32) {
            0 => format!("http://x/{number}"),
            1 => format!("/{number}?a=GET"),
            2 => format!("/{number}/upgrade"),
            3 => format!("/{number} b"),
            4 => format!("?{number}"),
            _ => format!("/{number}"),
        }
    }

    /// A request, with what follows its head.
    fn message(&mut self, depth: usize) -> Vec<u8> {
        let others = ["POST", "POST", "POST", "HEAD", "CONNECT", "OPTIONS", "get", "G{T", "", "PRI", "X-Y"];
        let method = if self.chance(24) { self.one(&others) } else { "GET" };
        let version = self.mostly(
            "HTTP/1.1",
            &["HTTP/1.0", "HTTP/1.0", "HTTP/1.01", "HTTP/1.2", "HTTP/2.0", "", "http/1.1"],
        );
        let blank = self.mostly(" ", &["\t", "  ", "\u{b}", ""]);
        let end = self.mostly("\r\n", &["\n", "\n", "\r", "\r\r\n", ""]);
        let front = self.mostly("", &["\r\n", "\n", " ", "\0", "0\r\n\r\n", "X", "a b"]);
        let mut text = format!("{front}{method}{blank}{}{blank}{version}{end}", self.target()).into_bytes();
        for _ in 0..self.below(4) {
            self.field(depth, &mut text);
            text.extend_from_slice(
                self.mostly("\r\n", &["\n", "\n", "\r\n ", "\r", "\r\n\t\r\n"]).as_bytes(),
            );
        }
        text.extend_from_slice(self.mostly("\r\n", &["\n", " \r\n", "\r", "", "\r\n\r\n"]).as_bytes());
        match self.below(16) {
            0..8 => {}
            8..10 => text.extend_from_slice(
                self.one(&["hello", "X", "{\"a\": 1}", "0\r\n\r\n", "a=b&c=d"]).as_bytes(),
            ),
            10..12 if depth < DEEPEST => text.extend(self.message(depth + 1)),
            12 => self.unfinished(&mut text),
            _ => self.chunks(depth, &mut text),
        }
        text
    }

    fn field(&mut self, depth: usize, text: &mut Vec<u8>) {
        let fields = [
            "Host: x",
            "Content-Length: 0",
            "Content-Length: 1",
            "Content-Length: 5",
            "Content-Length: 30",
            "Content-Length: 3, 3",
            "Content-Length: 5, 6",
            "Content-Length: +5",
            "Content-Length: 05",
            "Content-Length : 5",
            "Content-Length:\r\n 5",
            "Content-Length: 99999999999999999999",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding\t: chunked",
            "Transfer-Encoding:\u{b}chunked",
            "Transfer-Encoding:\r\n chunked",
            "Connection: close",
            "Connection: close, x",
            "Connection: keep-alive",
            "Connection: upgrade\r\nUpgrade: h2c",
            "Upgrade: websocket",
            "Expect: 100-continue",
            "no colon",
            ": x",
        ];
        if depth < DEEPEST && self.chance(6) {
            text.extend_from_slice(b"X: ");
            text.extend(self.message(depth + 1));
        } else if self.chance(2) {
            text.extend_from_slice(b"X: ");
            text.extend(std::iter::repeat_n(b'x', 40 * self.below(256)));
        } else {
            text.extend_from_slice(self.one(&fields).as_bytes());
        }
    }

    /// The beginning of a request.
    fn unfinished(&mut self, text: &mut Vec<u8>) {
        let target = self.target();
        let rest = self.one(&[
            " HTTP/1.1\r\nX: ",
            " HTTP/1.1\r\nContent-Length: 30\r\n\r\n",
            " HTTP/1.1\r\n",
            " ",
            "?",
        ]);
        text.extend_from_slice(format!("GET {target}{rest}").as_bytes());
    }

    fn chunks(&mut self, depth: usize, text: &mut Vec<u8>) {
        for _ in 0..self.below(3) {
            let data = match self.below(8) {
                0 if depth < DEEPEST => self.message(depth + 1),
                1 => b"0\r\n\r\n".to_vec(),
                _ => b"hello".to_vec(),
            };
            let length = data.len() + usize::from(self.chance(3));
            let zeros = self.mostly("", &["0", "00000000000000000000", "0x", " "]);
            text.extend_from_slice(format!("{zeros}{length:x}").as_bytes());
            self.extension(text);
            text.extend(data);
            text.extend_from_slice(self.mostly("\r\n", &["\n", "\r\r\n", ""]).as_bytes());
        }
        text.push(b'0');
        self.extension(text);
        if self.chance(12) {
            text.extend_from_slice(self.one(&["T: x", "no colon", " x", "T: x\ry"]).as_bytes());
            text.extend_from_slice(self.mostly("\r\n", &["\n", "\r"]).as_bytes());
        }
        text.extend_from_slice(self.mostly("\r\n", &["\n", "\n", "\r", "", "\r\r\n"]).as_bytes());
    }

    /// What follows a chunk's size, with the end of the line.
    fn extension(&mut self, text: &mut Vec<u8>) {
        text.extend_from_slice(
            self.mostly("", &[";a", ";a=\"b\"", " ", "\t", ";a\rb", ";a\nb", "x"]).as_bytes(),
        );
        text.extend_from_slice(self.mostly("\r\n", &["\n", "\n", "\r", "\r\r\n"]).as_bytes());
    }
}
