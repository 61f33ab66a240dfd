//! Request bodies: what they are is told by their first bytes, for a `Content-Type` is the client's to choose and
//! many servers don't look at it.

use super::{
    identifier, multipart,
    names::{Holds, LONGEST_NAME},
    reader::Reader,
};
use crate::json::{End, Scanner, Text, Token, Value};

/// How well a body could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    Empty,
    /// To its end.
    Read,
    /// Up to where the capture was cut: what comes behind it does not count.
    Cut,
    /// Not at all: a file, something compressed, or a language that Rollcall does not know.
    Opaque,
}

/// Levels of nesting whose names are kept. Deeper values carry the name of the last of them.
const LEVELS: usize = 32;

impl Reader {
    /// Reads `body`, of which more may have been sent than is there, as `cut` tells.
    pub(super) fn body(&mut self, body: &[u8], cut: bool) -> Body {
        let read = if cut { Body::Cut } else { Body::Read };
        if body.iter().take(4).any(|&byte| byte == 0) {
            return self.wide(body, cut);
        }
        let text = body.trim_ascii_start();
        match text {
            [] => Body::Empty,
            // Before JSON: `{ customer …` begins like it, and is none.
            text if self.graphql && super::graphql::is_document(text) => {
                self.document(text);
                read
            }
            [b'{' | b'[' | 0xef, ..] => match self.json(text) {
                End::Whole => Body::Read,
                End::Cut => Body::Cut,
                End::Malformed => Body::Opaque,
            },
            [b'-', b'-', ..] => {
                for field in multipart::Fields::new(text) {
                    self.take(field.name, field.value);
                }
                read
            }
            text if is_form(text) => {
                self.parameters(text);
                read
            }
            _ => Body::Opaque,
        }
    }

    /// JSON in UTF-16 or UTF-32, which some parsers take: what matters in it is ASCII.
    fn wide(&mut self, body: &[u8], cut: bool) -> Body {
        let text: Vec<u8> = body.iter().copied().filter(|byte| !matches!(byte, 0 | 0xfe | 0xff)).collect();
        match text.first() {
            Some(b'{' | b'[') if !text.contains(&0) => self.body(&text, cut),
            _ => Body::Opaque,
        }
    }

    /// Reads JSON.
    fn json(&mut self, text: &[u8]) -> End {
        self.documents(text);
        self.scalars(text, usize::MAX)
    }

    /// Reads the variables of an operation: an object of JSON.
    pub(super) fn variables_of(&mut self, text: &[u8]) {
        self.scalars(text, 1);
    }

    /// Scalars count by the name they stand under, at any depth; elements of lists by the list's. `variables` is the
    /// level at which the variables of an operation stand, as far as it is known.
    fn scalars(&mut self, text: &[u8], mut variables: usize) -> End {
        // A list without a name, the whole body, is one of objects.
        let unnamed = if self.given_only { Holds::Nothing } else { Holds::Object };
        let mut names = [Named(unnamed, Text::plain_of(b"")); LEVELS];
        let mut tokens = Scanner::new(text);
        while let Some(token) = tokens.next() {
            let depth = tokens.depth();
            let level = depth.min(LEVELS - 1);
            match token {
                Token::Key(name) => {
                    // Judged once, however many elements it names.
                    names[level] = self.named(name, depth == variables);
                    if self.graphql && variables == usize::MAX && name.is("variables") {
                        variables = depth + 1;
                    }
                }
                // Lists hand their name down to their elements; what stands in an object has a name of its own.
                Token::BeginArray if depth < LEVELS => names[level] = names[level.saturating_sub(1)],
                Token::EndObject if depth < variables => variables = usize::MAX,
                Token::String(text) => self.text(names[level], text),
                Token::Number(number) => match names[level] {
                    Named(Holds::Object, name) => self.parameters.number(name.raw(), number),
                    Named(Holds::Page, name) => self.parameters.page(name.raw(), number),
                    Named(Holds::Nothing, _) => {}
                },
                _ => {}
            }
        }
        tokens.end()
    }

    /// What the value under `name` is, if it is anything.
    fn named<'a>(&self, name: Text<'a>, variable: bool) -> Named<'a> {
        if variable && let Some(holds) = self.wanted(name) {
            return Named(holds, name);
        }
        let holds = match name.plain() {
            Some(plain) => self.names.judge(plain, self.given_only),
            None if name.raw().len() > 6 * LONGEST_NAME => Holds::Nothing,
            None => {
                let mut plain = Vec::new();
                name.decode_into(&mut plain);
                self.names.judge(&plain, self.given_only)
            }
        };
        Named(holds, name)
    }

    fn text(&mut self, Named(holds, name): Named<'_>, text: Text<'_>) {
        if holds == Holds::Nothing {
            return;
        }
        let mut decoded = std::mem::take(&mut self.decoded);
        let value = match text.plain() {
            Some(plain) => plain,
            None => {
                decoded.clear();
                text.decode_into(&mut decoded);
                &decoded
            }
        };
        // Lists without a name hold anything: words are no objects there.
        let is_identifier = || std::str::from_utf8(value).is_ok_and(identifier::is_identifier);
        match holds {
            Holds::Object if !name.raw().is_empty() || is_identifier() => {
                self.parameters.object(name.raw(), value);
            }
            Holds::Page => self.parameters.page(name.raw(), value),
            Holds::Object | Holds::Nothing => {}
        }
        self.decoded = decoded;
    }

    /// The value of a GraphQL argument or of a default of a variable.
    pub(super) fn scalar(&mut self, holds: Holds, name: &[u8], value: Value<'_>) {
        let name = Text::plain_of(name);
        match (holds, value) {
            (_, Value::String(text)) => self.text(Named(holds, name), text),
            (Holds::Object, Value::Number(number)) => self.parameters.number(name.raw(), number),
            (Holds::Page, Value::Number(number)) => self.parameters.page(name.raw(), number),
            (Holds::Nothing, _) => {}
        }
    }
}

/// A name with what the value under it is.
#[derive(Clone, Copy)]
struct Named<'a>(Holds, Text<'a>);

/// Whether a body begins as a form does: a name of printable characters, and `=` behind it.
fn is_form(text: &[u8]) -> bool {
    let name = text.iter().take(3 * LONGEST_NAME).position(|&byte| !byte.is_ascii_graphic() || byte == b'=');
    name.is_some_and(|at| at > 0 && text[at] == b'=')
}
