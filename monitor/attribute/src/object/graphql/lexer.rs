//! The lexical tokens of GraphQL (section 2.1 of the specification).

use rollcall_model::json::Text;

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
pub struct Lexer<'a> {
    rest: &'a [u8],
    /// Tokens and comments that may yet be taken.
    steps: u32,
}

/// The byte order mark, which is ignored everywhere.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// What starts and ends a block string.
const BLOCK: &[u8] = b"\"\"\"";

impl<'a> Lexer<'a> {
    /// Ends as if the text did after so many tokens and comments.
    pub fn new(text: &'a [u8], steps: u32) -> Lexer<'a> {
        Lexer { rest: text, steps }
    }

    /// Tokens and comments that may yet be taken.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    fn step(&mut self) -> Option<()> {
        self.steps = self.steps.checked_sub(1)?;
        Some(())
    }

    /// The first byte of the next token.
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            let ignored = self.rest.iter().take_while(|byte| b" \t\r\n,".contains(byte)).count();
            self.rest = &self.rest[ignored..];
            if let Some(rest) = self.rest.strip_prefix(MARK) {
                self.rest = rest;
            } else if self.rest.first() == Some(&b'#') {
                self.step()?;
                let line = memchr::memchr2(b'\n', b'\r', self.rest).unwrap_or(self.rest.len());
                self.rest = &self.rest[line..];
            } else if MARK.starts_with(self.rest) {
                // Nothing, or what may become a mark.
                return None;
            } else {
                return self.rest.first().copied();
            }
        }
    }

    /// Takes `mark` if it is next. `None` if the text ends here, so that nobody knows.
    pub fn eat(&mut self, mark: u8) -> Option<bool> {
        let taken = self.peek()? == mark;
        if taken {
            self.rest = &self.rest[1..];
        }
        Some(taken)
    }

    fn token(&mut self) -> Option<Token<'a>> {
        self.step()?;
        match self.peek()? {
            mark @ (b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|'
            | b'}') => {
                self.rest = &self.rest[1..];
                Some(Token::Mark(mark))
            }
            b'"' if self.rest.starts_with(BLOCK) => {
                let text = &self.rest[BLOCK.len()..];
                let end = block_end(text)?;
                self.rest = &text[end + BLOCK.len()..];
                Some(Token::Block(&text[..end]))
            }
            b'"' => {
                let (text, rest) = Text::take(&self.rest[1..])?;
                self.rest = rest;
                // An empty string at the end may be half the opening of a block string.
                (!text.raw().is_empty() || !rest.is_empty()).then_some(Token::String(text))
            }
            b'.' => {
                self.rest = self.rest.strip_prefix(b"...")?;
                Some(Token::Spread)
            }
            first if is_name(first) && !first.is_ascii_digit() => self.run(is_name).map(Token::Name),
            b'-' | b'0'..=b'9' => self.run(is_number).map(Token::Number),
            _ => None,
        }
    }

    /// Takes the bytes that are `like` the first one; `None` if they go on up to the end.
    fn run(&mut self, like: impl Fn(u8) -> bool) -> Option<&'a [u8]> {
        let length = self.rest.iter().position(|&byte| !like(byte))?;
        let (run, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(run)
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.token();
        if token.is_none() {
            self.rest = &[];
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
