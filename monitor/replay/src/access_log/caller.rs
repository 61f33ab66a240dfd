//! Who called, in a line of the common format: what stands before the time.
//!
//! `192.0.2.7 - ada` or `api.example:443 192.0.2.7 - ada`, and in front of that whatever a collector of logs has put there:
//! the head of a syslog message, of the CRI or of Docker Compose, the name of a file, a pod or a host.
//!
//! The user is the client's own word, and may hold blanks and whatever looks like an address. So the caller is the **first**
//! address that an identity of `-` follows, as all that a client says stands behind it. Where that does not settle it, the
//! line is not read: a caller that somebody made up is worse than none.

use super::{
    Unread,
    fields::Fields,
    hosts::{address, is_name},
    names::Field,
    time,
};

/// Addresses in one chain.
const CHAIN: usize = 32;

/// A caller as it stands in a line.
struct Caller<'a> {
    /// Its address; or several with commas between them, each of which has forwarded for the one before.
    chain: &'a [u8],
    /// An address in brackets behind it.
    forwarded: Option<&'a [u8]>,
    user: &'a [u8],
}

/// Takes in who called.
pub(super) fn read(who: &[u8], fields: &mut Fields) -> Result<(), Unread> {
    let who = message(who);
    let mut rest = who;
    loop {
        if let Some(caller) = at(rest) {
            let before = &who[..who.len() - rest.len()];
            if !is_settled(before, &caller) {
                return Err(Unread::Client);
            }
            set_host(before, fields);
            return take(&caller, fields);
        }
        match word(rest) {
            Some((_, behind)) => rest = behind,
            None => return by_form(who, fields),
        }
    }
}

/// The caller that `rest` begins with, if an identity of `-` follows.
fn at(rest: &[u8]) -> Option<Caller<'_>> {
    let mut behind = rest;
    for _ in 0..CHAIN {
        let (entry, next) = word(behind)?;
        behind = next;
        client(entry.strip_suffix(b",").unwrap_or(entry))?;
        if entry.ends_with(b",") {
            continue;
        }
        let chain = &rest[..rest.len() - behind.len()];
        let (mut identity, mut user) = word(behind)?;
        let forwarded = identity.strip_prefix(b"(").and_then(|text| text.strip_suffix(b")"));
        let forwarded = forwarded.filter(|text| address(text).is_some());
        if forwarded.is_some() {
            (identity, user) = word(user)?;
        }
        return (identity == b"-").then_some(Caller { chain, forwarded, user });
    }
    None
}

/// Whether `caller` is the only one that can be meant, with `before` in front of it.
fn is_settled(before: &[u8], caller: &Caller<'_>) -> bool {
    // What is quoted is, as a rule, what a client has sent; but an address may be, alone, or the whole of a line.
    let quotes = |text: &[u8]| text.iter().filter(|byte| matches!(byte, b'"' | b'\'')).count();
    let is_quoted = quotes(caller.chain) % 2 != 0 && !before.is_empty();
    if is_quoted || memchr::memchr(b'"', before).is_some() {
        return false;
    }
    let (first, second) = (words(before).next(), words(before).nth(1));
    let mut backwards = words(before).rev();
    let (last, next_to_last) = (backwards.next(), backwards.next());
    let ends = match (first, second, last) {
        (Some(first), Some(second), Some(last)) => {
            // `host.example - x 192.0.2.7 - -` may be a caller with a name, and a user.
            if is_named(first, second) {
                return false;
            }
            // `192.0.2.8 api.example x 192.0.2.7 - -` may be a caller with a virtual host, and a user: that has no colon.
            if address(first).is_some() && !last.ends_with(b":") {
                return false;
            }
            is_end(last)
                // The CRI's stream, and whether the line is whole.
                || matches!((next_to_last, last), (Some(b"stdout" | b"stderr"), b"F" | b"P"))
        }
        (Some(first), ..) => is_end(first) || is_host(first),
        (None, ..) => true,
    };
    ends || is_alone(caller)
}

/// Whether the head of a message ends with `word`: `Sep 14 08:00:00 web1 nginx[17]:`, `web-1  |`, `[pod/web/nginx]`, a time.
fn is_end(word: &[u8]) -> bool {
    let is_clock = || {
        word.iter().filter(|byte| **byte == b':').count() == 2
            && word.iter().all(|byte| byte.is_ascii_digit() || b":.,".contains(byte))
    };
    matches!(word, [.., b':' | b'|' | b']']) || time::read(word).is_some() || is_clock()
}

/// Whether there is no other in the line.
fn is_alone(caller: &Caller<'_>) -> bool {
    let mut rest = caller.user;
    while let Some((_, behind)) = word(rest) {
        if at(rest).is_some() {
            return false;
        }
        rest = behind;
    }
    true
}

/// Where no address with an identity of `-` is found, the line is to have nothing in front but a virtual host.
fn by_form(who: &[u8], fields: &mut Fields) -> Result<(), Unread> {
    let (first, behind) = word(who).ok_or(Unread::Format)?;
    if matches!(bare(first), b"-" | b"") {
        return Err(Unread::Client);
    }
    let (second, user) = word(behind).ok_or(Unread::Format)?;
    let is_one_word = |text: &[u8]| words(text).nth(1).is_none();
    // The name of a program in front of a message. A user of basic authentication has no colon.
    let has_tag = words(behind).any(|word| word.ends_with(b":"));
    let take = |chain, user, fields: &mut Fields| take(&Caller { chain, forwarded: None, user }, fields);
    if address(bare(first)).is_some() && !has_tag {
        // The identity is known, or the virtual host stands in its place.
        return take(first, user, fields);
    }
    if address(second).is_some()
        && !has_tag
        && let Some((_, user)) = word(user)
        && is_one_word(user)
    {
        set_host(first, fields);
        return take(second, user, fields);
    }
    if is_named(first, second) || is_name(first) && is_name(second) && is_one_word(user) {
        fields.set(Field::Client, 0, |out| out.extend_from_slice(first));
        set_user(user, fields);
        return Ok(());
    }
    Err(Unread::Format)
}

/// Whether a line begins with a caller that is known by its name, and an identity.
fn is_named(first: &[u8], second: &[u8]) -> bool {
    // nginx has a name of its own for the other end of a socket of Unix.
    second == b"-" && (is_name(first) || first == b"unix:")
}

fn take(caller: &Caller<'_>, fields: &mut Fields) -> Result<(), Unread> {
    let elements = caller.chain.split(|byte| *byte == b',').map(|element| client(element.trim_ascii()));
    let chain = elements.collect::<Option<Vec<_>>>().ok_or(Unread::Client)?;
    match &chain[..] {
        [address] => fields.set(Field::Client, 0, |out| out.extend_from_slice(address)),
        // The last one is the word of whoever wrote the log.
        chain => fields.set(Field::Forwarded, 0, |out| out.extend_from_slice(&chain.join(&b", "[..]))),
    }
    if let Some(forwarded) = caller.forwarded {
        fields.set(Field::Forwarded, 0, |out| out.extend_from_slice(forwarded));
    }
    set_user(caller.user, fields);
    Ok(())
}

/// Takes in a user. One with an address in it may as well be columns that are not known, and hyphens are nobody: all clients
/// would have that one in common.
fn set_user(user: &[u8], fields: &mut Fields) {
    let user = user.trim_ascii();
    let is_nobody = user == b"\"\"" || words(user).all(|word| word == b"-");
    if !is_nobody && !words(user).any(|word| address(bare(word)).is_some()) {
        fields.set(Field::User, 0, |out| out.extend_from_slice(user));
    }
}

/// Takes in the virtual host, if that and nothing else stands before the caller.
fn set_host(before: &[u8], fields: &mut Fields) {
    if let Some((host, behind)) = word(before)
        && behind.trim_ascii().is_empty()
        && is_host(host)
    {
        fields.set(Field::Host, 0, |out| out.extend_from_slice(host));
    }
}

/// A name or an address, with a port or without.
fn is_host(text: &[u8]) -> bool {
    let (name, port) = match memchr::memrchr(b':', text) {
        Some(colon) => (&text[..colon], &text[colon + 1..]),
        None => (text, &b"0"[..]),
    };
    let is_port = !port.is_empty() && port.iter().all(u8::is_ascii_digit);
    address(text).is_some() || is_name(name) && is_port
}

/// The address of a client, without quotes; what stands before it is the name of a file, as grep prints it.
fn client(text: &[u8]) -> Option<&[u8]> {
    let text = bare(text);
    if address(text).is_some() {
        return Some(text);
    }
    let colon = memchr::memrchr(b':', text)?;
    let (path, behind) = (&text[..colon], &text[colon + 1..]);
    let is_path = path.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-/:".contains(byte));
    (is_path && address(path).is_none() && address(behind).is_some()).then_some(behind)
}

/// What follows the head of a syslog message of RFC 5424 (section 6), whose fields may be `-`. All other heads are left to the
/// search for the caller.
fn message(who: &[u8]) -> &[u8] {
    // In a stream, the length of a message stands before it (RFC 6587, section 3.4.1).
    let start = match word(who) {
        Some((length, behind)) if length.iter().all(u8::is_ascii_digit) && behind.starts_with(b" <") => {
            &behind[1..]
        }
        _ => who,
    };
    let priority = start.strip_prefix(b"<").and_then(|text| {
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        text[digits..].strip_prefix(b">")
    });
    let text = priority.unwrap_or(start);
    header(text).map_or(text, |message| message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message))
}

/// What follows `1 TIME HOST PROGRAM PROCESS ID DATA`.
fn header(text: &[u8]) -> Option<&[u8]> {
    let (version, rest) = word(text)?;
    let (at, mut rest) = word(rest)?;
    if version != b"1" || at != b"-" && time::read(at).is_none() {
        return None;
    }
    for _ in 0..4 {
        rest = word(rest)?.1;
    }
    rest = rest.trim_ascii_start();
    if let Some(rest) = rest.strip_prefix(b"-") {
        return Some(rest.trim_ascii_start());
    }
    while let Some(element) = rest.strip_prefix(b"[") {
        let (mut at, mut is_value) = (0, false);
        loop {
            match element.get(at)? {
                b'\\' => at += 1,
                b'"' => is_value = !is_value,
                b']' if !is_value => break,
                _ => {}
            }
            at += 1;
        }
        rest = &element[at + 1..];
    }
    Some(rest.trim_ascii_start())
}

/// A word without quotes around it.
fn bare(word: &[u8]) -> &[u8] {
    let word = word.strip_prefix(b"\"").or(word.strip_prefix(b"'")).unwrap_or(word);
    word.strip_suffix(b"\"").or(word.strip_suffix(b"'")).unwrap_or(word)
}

fn words(text: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// The first word, and what stands behind it.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii_start();
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests;
