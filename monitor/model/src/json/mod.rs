//! JSON (RFC 8259) as tokens, from text that an attacker wrote and that is cut off at a cap.
//!
//! Libraries want a whole document: they give nothing for the first 4 KiB of a longer one, which would let
//! everybody hide an identifier by sending padding behind it. This one gives every token before the cut, and
//! says how the text ended ([`End`]). It borrows from the text, allocates nothing, does not recurse, takes
//! linear time, and is lenient where the parsers of servers are, so that nobody hides in a spelling.
//!
//! Text in UTF-16 or UTF-32, which some parsers guess, is left to others.

mod nesting;
mod scanner;
mod text;

pub use self::{
    nesting::Nesting,
    scanner::{End, Scanner, Token},
    text::Text,
};

/// A value that can name a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A string.
    String(Text<'a>),
    /// A number as it is written.
    Number(&'a [u8]),
}

/// The value of the member `name` of `object`, if it is a string or a number. Names are compared after their
/// escapes are decoded. The last of several wins, as it does in most parsers. Members of inner objects do not
/// count, and where `object` is cut off or malformed, what comes after that does not.
pub fn member<'a>(object: &'a [u8], name: &str) -> Option<Value<'a>> {
    let mut tokens = Scanner::new(object);
    let mut wanted = false;
    let mut found = None;
    while let Some(token) = tokens.next() {
        if tokens.depth() != 1 {
            continue;
        }
        match token {
            Token::Key(key) => {
                wanted = key.is(name);
                if wanted {
                    found = None;
                }
            }
            Token::String(text) if wanted => found = Some(Value::String(text)),
            Token::Number(digits) if wanted => found = Some(Value::Number(digits)),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
