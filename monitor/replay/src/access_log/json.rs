//! One JSON object a line: Rollcall's own exchange log, and those of nginx, Caddy, Traefik, Envoy and the like; and lines that
//! a collector of logs has wrapped into one, such as Docker's `{"log":"…"}`.

use std::net::IpAddr;

use rollcall_attribute::client::{ClientKey, Credential};
use rollcall_model::json::{End, Scanner, Text, Token};

use super::{
    Unread, combined,
    fields::Fields,
    names::{self, Field},
};

/// Where in the object the scanner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In it, or in a member such as Caddy's `request`, whose members count as its own.
    Object,
    /// Header fields, each with its value or a list of them.
    Headers,
    /// Header fields of the answer.
    Answer,
    /// The keys in Rollcall's own log.
    Keys,
    /// Something that is not looked at.
    Elsewhere,
}

/// Values that stand for a secret that the server took out: everybody's would be the same.
const REDACTED: [&[u8]; 3] = [b"REDACTED", b"[REDACTED]", b"***"];

/// Deeper nesting is not looked at.
const DEPTH: usize = 5;

/// What a line is called in an object around it, by Docker and Fluentd, journald, Elastic's and Google's collectors, GELF, Loki.
const WRAPPED: [&str; 8] =
    ["log", "MESSAGE", "message", "msg", "textPayload", "short_message", "line", "event.original"];

/// Reads one line.
pub(super) fn read(line: &[u8], fields: &mut Fields) -> Result<(), Unread> {
    let Some(wrapped) = object(line, fields)? else { return Ok(()) };
    let mut line = Vec::new();
    wrapped.decode_into(&mut line);
    fields.clear();
    let inner = match line.trim_ascii_start().first() {
        Some(b'{') => object(&line, fields).map(drop),
        _ => combined::read(&line, fields),
    };
    match inner {
        // What a program says of itself.
        Err(Unread::Format) => {
            fields.clear();
            Ok(())
        }
        read => read,
    }
}

/// Reads an object; the line that it wraps, if it does not tell itself of a request.
fn object<'a>(line: &'a [u8], fields: &mut Fields) -> Result<Option<Text<'a>>, Unread> {
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err(Unread::Format);
    }
    let mut wrapped = None;
    let mut scanner = Scanner::new(line);
    let mut places = [Place::Elsewhere; DEPTH + 1];
    let mut keys = [None; DEPTH + 1];
    let (mut kind, mut id) = (None, None);
    while let Some(token) = scanner.next() {
        let depth = scanner.depth();
        match token {
            Token::BeginObject | Token::BeginArray if (1..=DEPTH).contains(&depth) => {
                places[depth] = match depth {
                    1 => Place::Object,
                    _ => inner(places[depth - 1], keys[depth - 1]),
                };
                // The elements of an array are values of its key.
                keys[depth] = if token == Token::BeginArray { keys[depth - 1] } else { None };
            }
            Token::Key(key) if (1..=DEPTH).contains(&depth) => keys[depth] = Some(key),
            Token::EndObject if (1..DEPTH).contains(&depth) && places[depth + 1] == Place::Keys => {
                if let (Some(kind), Some(id)) = (kind.take(), id.take()) {
                    fields.keys.extend(client_key(kind, id));
                }
            }
            Token::String(text) if (1..=DEPTH).contains(&depth) => match (places[depth], keys[depth]) {
                (Place::Object, Some(key)) => {
                    if depth == 1 && WRAPPED.iter().any(|name| key.is(name)) {
                        wrapped = wrapped.or(Some(text));
                    }
                    member(fields, key, |out| text.decode_into(out));
                }
                (Place::Headers, Some(name)) if !REDACTED.contains(&text.raw()) => {
                    fields.header(|out| name.decode_into(out), |out| text.decode_into(out));
                }
                (Place::Answer, Some(name)) if name.is("Content-Type") => {
                    fields.set(Field::ResponseType, 0, |out| text.decode_into(out));
                }
                (Place::Keys, Some(key)) if key.is("kind") => kind = Some(text),
                (Place::Keys, Some(key)) if key.is("id") => id = Some(text),
                _ => {}
            },
            Token::Number(digits) if (1..=DEPTH).contains(&depth) && places[depth] == Place::Object => {
                if let Some(key) = keys[depth] {
                    member(fields, key, |out| out.extend_from_slice(digits));
                }
            }
            _ => {}
        }
    }
    if scanner.end() != End::Whole {
        return Err(Unread::Format);
    }
    let tells = [Field::Target, Field::RequestLine].iter().any(|field| fields.get(*field).is_some());
    Ok(wrapped.filter(|_| !tells))
}

/// What the object or array called `key` is to be taken for.
fn inner(outer: Place, key: Option<Text<'_>>) -> Place {
    let Some(key) = key else {
        // An element of an array that has no name of its own.
        return if outer == Place::Keys { Place::Keys } else { Place::Elsewhere };
    };
    match outer {
        Place::Object if ["request", "req", "response", "res", "http"].iter().any(|name| key.is(name)) => {
            Place::Object
        }
        Place::Object if key.is("headers") => Place::Headers,
        Place::Object if key.is("resp_headers") => Place::Answer,
        Place::Answer => Place::Answer,
        Place::Object if key.is("client") => Place::Keys,
        Place::Headers => Place::Headers,
        Place::Keys => Place::Keys,
        _ => Place::Elsewhere,
    }
}

fn member(fields: &mut Fields, key: Text<'_>, write: impl FnOnce(&mut Vec<u8>)) {
    // No name that is known is written with escapes.
    let Some((field, rank)) = key.plain().and_then(names::find) else { return };
    fields.is_own |= field == Field::Time && rank == 0;
    fields.set(field, rank, write);
}

fn client_key(kind: Text<'_>, id: Text<'_>) -> Option<ClientKey> {
    let text = std::str::from_utf8(id.plain()?).ok()?;
    let address = || text.parse::<IpAddr>().ok();
    match kind.plain()? {
        b"peer" => address().map(ClientKey::Peer),
        b"forwarded" => address().map(ClientKey::Forwarded),
        b"prefix" => text.parse().ok().map(ClientKey::Prefix),
        b"credential" => Credential::parse(text).map(ClientKey::Credential),
        _ => None,
    }
}
