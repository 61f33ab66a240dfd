//! The tokenizer.
//!
//! Beyond RFC 8259 it takes superfluous commas and `NaN` and `Infinity` with a sign or without one, any
//! spelling of numbers in decimal digits, and control characters in strings. What only some parsers take is malformed,
//! but to a [lenient](Scanner::lenient) one.

use super::{Nesting, Text};

/// One token. Commas and colons are not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// `{`
    BeginObject,
    /// `}`
    EndObject,
    /// `[`
    BeginArray,
    /// `]`
    EndArray,
    /// The name of a member of an object.
    Key(Text<'a>),
    /// A string that is a value.
    String(Text<'a>),
    /// A number as it is written.
    Number(&'a [u8]),
    /// `true`, `false`, `null`, `NaN`, `Infinity`.
    Other(&'a [u8]),
}

/// How the text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After one complete value and white space.
    Whole,
    /// Before the value did.
    Cut,
    /// With something that is not JSON, be it behind a complete value.
    Malformed,
}

/// Gives the tokens of one value.
///
/// A string, number or word that the end of the text cuts off is not given: half an identifier is none. As a
/// number shows its end only by what follows, one that is the last thing in the text counts as cut off.
///
/// Values nested deeper than [`Nesting`] keeps account of are skipped: a key may then stand without a value.
/// What comes behind them is given, so that nesting hides nothing.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    rest: &'a [u8],
    /// A bit for each open bracket: whether it is an object.
    nesting: Nesting,
    expect: Expect,
    end: Option<End>,
    lenient: bool,
    /// Steps that may yet be taken.
    steps: u32,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// A value, and nothing else.
    Value,
    /// A key, the end of the object, or a superfluous comma.
    Member,
    /// A value, the end of the array, or a superfluous comma.
    Element,
    Colon,
    /// A comma or the end of the object or array.
    Comma,
    Nothing,
}

/// Words that are values.
const WORDS: [&[u8]; 7] = [b"true", b"false", b"null", b"NaN", b"Infinity", b"+Infinity", b"-Infinity"];

/// The byte order mark, which RFC 8259 lets parsers ignore.
const MARK: &[u8] = "\u{feff}".as_bytes();

impl<'a> Scanner<'a> {
    /// A scanner at the beginning of `text`.
    pub fn new(text: &'a [u8]) -> Scanner<'a> {
        let rest = match text.strip_prefix(MARK) {
            Some(rest) => rest,
            None if MARK.starts_with(text) => &[],
            None => text,
        };
        Scanner {
            rest,
            nesting: Nesting::new(),
            expect: Expect::Value,
            end: None,
            lenient: false,
            steps: u32::MAX,
        }
    }

    /// A scanner that takes what any common parser does: comments, single quotes and names and words without quotes
    /// (Newtonsoft's, Gson, Jackson and JSON5 as they are set up often), `=` and `=>` for a colon and `;` for a comma (Gson),
    /// and several values in a row (Go's, and where each line is one).
    pub fn lenient(text: &'a [u8]) -> Scanner<'a> {
        Scanner { lenient: true, ..Scanner::new(text) }
    }

    /// It ends as if the text did after so many steps: a token, a comma, a colon or a comment each.
    pub fn within(self, steps: u32) -> Scanner<'a> {
        Scanner { steps, ..self }
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// Steps that are left.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    fn step(&mut self) -> bool {
        match self.steps.checked_sub(1) {
            Some(left) => self.steps = left,
            None => self.end = Some(End::Cut),
        }
        self.end.is_none()
    }

    /// How many objects and arrays are open after the last token.
    pub fn depth(&self) -> usize {
        self.nesting.depth()
    }

    /// How the text ended, once all tokens have been given.
    pub fn end(&self) -> End {
        self.end.unwrap_or(End::Cut)
    }

    fn stop(&mut self, end: End) -> Option<Token<'a>> {
        self.end = Some(end);
        None
    }

    /// Takes the next `bytes` bytes.
    fn advance(&mut self, bytes: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    /// Takes a string that starts here.
    fn string(&mut self) -> Option<Text<'a>> {
        let Some((text, rest)) = Text::take_until(self.rest[0], &self.rest[1..]) else {
            self.end = Some(End::Cut);
            return None;
        };
        self.rest = rest;
        Some(text)
    }

    fn value(&mut self, first: u8) -> Option<Token<'a>> {
        match first {
            b'"' | b'\'' if self.is_quote(first) => {
                let text = self.string()?;
                self.expect = self.after_value();
                Some(Token::String(text))
            }
            b'{' => {
                self.advance(1);
                self.nesting.push(true);
                self.expect = Expect::Member;
                Some(Token::BeginObject)
            }
            b'[' => {
                self.advance(1);
                self.nesting.push(false);
                self.expect = Expect::Element;
                Some(Token::BeginArray)
            }
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Option<Token<'a>> {
        let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
        let word = self.advance(self.rest.iter().take_while(|byte| in_word(byte)).count());
        let at_end = self.rest.is_empty();
        self.expect = self.after_value();
        if WORDS.contains(&word) {
            Some(Token::Other(word))
        } else if at_end && (is_number(word) || WORDS.iter().any(|whole| whole.starts_with(word))) {
            self.stop(End::Cut)
        } else if is_number(word) && word.iter().any(u8::is_ascii_digit) {
            Some(Token::Number(word))
        } else if !self.lenient || word.is_empty() {
            self.stop(End::Malformed)
        } else if at_end {
            self.stop(End::Cut)
        } else {
            Some(Token::String(Text::plain_of(word)))
        }
    }

    /// A name without quotes.
    fn name(&mut self) -> Option<Token<'a>> {
        let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._$".contains(byte) || !byte.is_ascii();
        let name = self.advance(self.rest.iter().take_while(|byte| in_name(byte)).count());
        if self.rest.is_empty() {
            return self.stop(End::Cut);
        }
        if name.is_empty() {
            return self.stop(End::Malformed);
        }
        self.expect = Expect::Colon;
        Some(Token::Key(Text::plain_of(name)))
    }

    fn is_quote(&self, byte: u8) -> bool {
        byte == b'"' || (self.lenient && byte == b'\'')
    }

    /// Takes blanks, and comments if it is lenient. False if a comment does not end, or is none.
    fn blanks(&mut self) -> bool {
        loop {
            // With what parts the texts of a sequence (RFC 7464).
            let space = self.rest.iter().take_while(|byte| b" \t\r\n\x1e".contains(byte)).count();
            self.advance(space);
            let length = match self.rest {
                [b'#', ..] | [b'/', b'/', ..] if self.lenient => {
                    memchr::memchr2(b'\n', b'\r', self.rest).unwrap_or(self.rest.len())
                }
                [b'/', b'*', inside @ ..] if self.lenient => match memchr::memmem::find(inside, b"*/") {
                    Some(end) => end + 4,
                    None => {
                        self.end = Some(End::Cut);
                        return false;
                    }
                },
                [b'/'] if self.lenient => {
                    self.end = Some(End::Cut);
                    return false;
                }
                _ => return true,
            };
            // As dear as two of others: no program writes any, and there is no end of them.
            if !self.step() || !self.step() {
                return false;
            }
            self.advance(length);
        }
    }

    fn close(&mut self) -> Token<'a> {
        self.advance(1);
        let token = if self.nesting.pop() { Token::EndObject } else { Token::EndArray };
        self.expect = self.after_value();
        token
    }

    fn after_value(&self) -> Expect {
        if self.nesting.depth() == 0 { Expect::Nothing } else { Expect::Comma }
    }

    /// Skips a bracket that starts here, up to its end. Does not look at what is inside but for strings.
    fn skip(&mut self) {
        let mut open = 0_usize;
        while let Some(&byte) = self.rest.first() {
            if !self.step() {
                return;
            }
            match byte {
                quote if self.is_quote(quote) => {
                    if self.string().is_none() {
                        return;
                    }
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.advance(1);
            if open == 0 {
                break;
            }
        }
        self.expect = Expect::Comma;
    }
}

impl<'a> Iterator for Scanner<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        while self.end.is_none() {
            if !self.step() || !self.blanks() {
                return None;
            }
            let Some(&first) = self.rest.first() else {
                return self.stop(if self.expect == Expect::Nothing { End::Whole } else { End::Cut });
            };
            let in_object = self.nesting.top() == Some(true);
            match (self.expect, first) {
                (Expect::Colon, b':') => {
                    self.advance(1);
                    self.expect = Expect::Value;
                }
                (Expect::Colon, b'=') if self.lenient => {
                    self.advance(if self.rest.starts_with(b"=>") { 2 } else { 1 });
                    self.expect = Expect::Value;
                }
                (Expect::Comma, b';') if self.lenient => {
                    self.advance(1);
                    self.expect = if in_object { Expect::Member } else { Expect::Element };
                }
                (Expect::Comma | Expect::Member | Expect::Element, b',') => {
                    self.advance(1);
                    self.expect = if in_object { Expect::Member } else { Expect::Element };
                }
                (Expect::Comma | Expect::Member, b'}') if in_object => return Some(self.close()),
                (Expect::Comma | Expect::Element, b']') if !in_object => return Some(self.close()),
                (Expect::Member, quote) if self.is_quote(quote) => {
                    let key = self.string()?;
                    self.expect = Expect::Colon;
                    return Some(Token::Key(key));
                }
                (Expect::Member, _) if self.lenient => return self.name(),
                (Expect::Nothing, b'{' | b'[') if self.lenient => return self.value(first),
                (Expect::Value | Expect::Element, b'{' | b'[') if self.nesting.is_full() => self.skip(),
                (Expect::Value | Expect::Element, _) => return self.value(first),
                _ => return self.stop(End::Malformed),
            }
        }
        None
    }
}

/// Whether `word` is the beginning of a number in decimal digits.
fn is_number(word: &[u8]) -> bool {
    word.first().is_some_and(|first| b"+-.".contains(first) || first.is_ascii_digit())
        && word.iter().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte))
}
