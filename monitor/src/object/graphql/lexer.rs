//! The lexical tokens of GraphQL (section 2.1 of the specification).

use crate::json::Text;

/// A token, without those that are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// One of `! $ & ( ) : = @ [ ] { | }`.
    Mark(u8),
    /// `...`
    Spread,
    Name(&'a [u8]),
    /// An integer or a decimal fraction as it is written.
    Number(&'a [u8]),
    String(Text<'a>),
    /// What is between `"""` and `"""`, with its indentation.
    Block(&'a [u8]),
}

/// What is left of the text. What no token begins with ends it, for no server reads on behind that; so do
/// tokens that the end of the text may have cut off.
#[derive(Clone, Debug)]
pub struct Lexer<'a>(&'a [u8]);

/// The byte order mark, which is ignored everywhere.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// What starts and ends a block string.
const BLOCK: &[u8] = b"\"\"\"";

impl<'a> Lexer<'a> {
    pub fn new(text: &'a [u8]) -> Lexer<'a> {
        Lexer(text)
    }

    /// The first byte of the next token.
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            let ignored = self.0.iter().take_while(|byte| b" \t\r\n,".contains(byte)).count();
            self.0 = &self.0[ignored..];
            if let Some(rest) = self.0.strip_prefix(MARK) {
                self.0 = rest;
            } else if self.0.first() == Some(&b'#') {
                let line = memchr::memchr2(b'\n', b'\r', self.0).unwrap_or(self.0.len());
                self.0 = &self.0[line..];
            } else if MARK.starts_with(self.0) {
                // Nothing, or what may become a mark.
                return None;
            } else {
                return self.0.first().copied();
            }
        }
    }

    /// Takes `mark` if it is next. `None` if the text ends here, so that nobody knows.
    pub fn eat(&mut self, mark: u8) -> Option<bool> {
        let taken = self.peek()? == mark;
        if taken {
            self.0 = &self.0[1..];
        }
        Some(taken)
    }

    fn token(&mut self) -> Option<Token<'a>> {
        match self.peek()? {
            mark @ (b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|'
            | b'}') => {
                self.0 = &self.0[1..];
                Some(Token::Mark(mark))
            }
            b'"' if self.0.starts_with(BLOCK) => {
                let text = &self.0[BLOCK.len()..];
                let end = block_end(text)?;
                self.0 = &text[end + BLOCK.len()..];
                Some(Token::Block(&text[..end]))
            }
            b'"' => {
                let (text, rest) = Text::take(&self.0[1..])?;
                self.0 = rest;
                // An empty string at the end may be half the opening of a block string.
                (!text.raw().is_empty() || !rest.is_empty()).then_some(Token::String(text))
            }
            b'.' => {
                self.0 = self.0.strip_prefix(b"...")?;
                Some(Token::Spread)
            }
            first if is_name(first) && !first.is_ascii_digit() => self.run(is_name).map(Token::Name),
            b'-' | b'0'..=b'9' => self.run(is_number).map(Token::Number),
            _ => None,
        }
    }

    /// Takes the bytes that are `like` the first one; `None` if they go on up to the end.
    fn run(&mut self, like: impl Fn(u8) -> bool) -> Option<&'a [u8]> {
        let length = self.0.iter().position(|&byte| !like(byte))?;
        let (run, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(run)
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.token();
        if token.is_none() {
            self.0 = &[];
        }
        token
    }
}

/// Whether `byte` may be in a name.
pub fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_number(byte: u8) -> bool {
    byte.is_ascii_digit() || b"+-.eE".contains(&byte)
}

/// Where the block string ends whose content is the beginning of `text`. `\"""` does not end it.
fn block_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        match &text[at..] {
            [b'\\', b'"', b'"', b'"', ..] => at += 1 + BLOCK.len(),
            [b'"', b'"', b'"', ..] => return Some(at),
            _ => at += 1,
        }
    }
}
