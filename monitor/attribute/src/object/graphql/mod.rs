//! What a GraphQL document asks for (specification of October 2021), from text that an attacker wrote and that
//! is cut off at a cap.
//!
//! Libraries want a whole document that keeps to the grammar. This one goes by its tokens and gives every
//! operation, field and argument before the cut, in their order ([`Events`]). It borrows from the text,
//! allocates nothing, does not recurse and takes linear time. It does not validate: where a server would
//! refuse a document, the events before the mistake are given and maybe some behind it. Directives and their
//! arguments, types and the names of operations and fragments are passed over.

mod lexer;
mod names;

use rollcall_model::json::{Nesting, Text};

use self::{
    lexer::{Lexer, Token, is_name},
    names::Names,
};

/// Something that a document says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// An operation begins. Also for the shorthand `{ … }`, which is a query.
    Operation(Kind),
    /// The definition of a fragment begins.
    Fragment,
    /// A field is selected.
    Field {
        /// The field's own name, whatever its alias is.
        name: &'a [u8],
        /// 1 for the fields of an operation and for the first level of a fragment's definition, one more
        /// inside the selection of each. Inline fragments (`... on T { … }`) do not count, nor do levels
        /// deeper than [`Nesting`] keeps account of.
        depth: usize,
    },
    /// A scalar in the arguments of the last field.
    Argument {
        /// The innermost name: `id` for `7` in `(input: {id: 7})`, `ids` in `(ids: [7])`.
        name: &'a [u8],
        /// The scalar.
        value: Value<'a>,
    },
    /// A scalar in the default of a variable.
    Default {
        /// The variable, without `$`.
        variable: &'a [u8],
        /// The innermost name: that of the object's field which holds the scalar, else the variable's.
        name: &'a [u8],
        /// The scalar.
        value: Value<'a>,
    },
}

/// The kind of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `query`
    Query,
    /// `mutation`
    Mutation,
    /// `subscription`
    Subscription,
}

/// A scalar as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// The name of a variable, without `$`.
    Variable(&'a [u8]),
    /// An integer or a decimal fraction.
    Number(&'a [u8]),
    /// A string.
    String(Text<'a>),
    /// A block string: what is between `"""` and `"""`, with its indentation and with `\"""` as it is.
    Block(&'a [u8]),
    /// A value of an enumeration, `true`, `false` or `null`.
    Name(&'a [u8]),
}

/// Whether `text` begins like a document: with a selection, or with the definition of an operation or of a
/// fragment. Cheap, and sure to say no to JSON.
pub fn is_document(text: &[u8]) -> bool {
    begins(text, u32::MAX).0
}

/// The same within so many tokens and comments, and how many of them are left.
pub fn begins(text: &[u8], steps: u32) -> (bool, u32) {
    let mut lexer = Lexer::new(text, steps);
    let is_word = |first: u8| is_name(first) && !first.is_ascii_digit();
    let is_document = match lexer.eat(b'{') {
        Some(true) => lexer.peek().is_some_and(|next| next == b'.' || is_word(next)),
        Some(false) if lexer.peek().is_some_and(is_word) => {
            matches!(lexer.next(), Some(Token::Name(word)) if kind(word).is_some() || word == b"fragment")
        }
        _ => false,
    };
    (is_document, lexer.steps())
}

/// Gives the events of a document.
#[derive(Clone, Debug)]
pub struct Events<'a> {
    tokens: Lexer<'a>,
    place: Place,
    /// Whether the keyword of a definition has been read whose selection has not ended.
    defining: bool,
    /// A bit for each open selection: whether it is that of a field or of a definition.
    selections: Nesting,
    depth: usize,
    /// Whether the next selection is that of an inline fragment.
    inline: bool,
    names: Names<'a>,
}

/// Where the next token stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Outside of all brackets.
    Document,
    /// In the definitions of variables.
    Variables,
    /// In the default of a variable.
    Default,
    Selection,
    Arguments,
}

impl<'a> Events<'a> {
    /// The events of `text`.
    pub fn new(text: &'a [u8]) -> Events<'a> {
        Events::within(text, u32::MAX)
    }

    /// Those in its first `steps` tokens and comments.
    pub fn within(text: &'a [u8], steps: u32) -> Events<'a> {
        Events {
            tokens: Lexer::new(text, steps),
            place: Place::Document,
            defining: false,
            selections: Nesting::new(),
            depth: 0,
            inline: false,
            names: Names::default(),
        }
    }

    /// Tokens and comments that may yet be taken.
    pub fn steps(&self) -> u32 {
        self.tokens.steps()
    }

    fn document(&mut self, token: Token<'a>) -> Option<Event<'a>> {
        match token {
            Token::Name(keyword) if !self.defining => {
                self.defining = true;
                let fragment = (keyword == b"fragment").then_some(Event::Fragment);
                kind(keyword).map(Event::Operation).or(fragment)
            }
            Token::Mark(b'(') => {
                self.place = Place::Variables;
                None
            }
            Token::Mark(b'{') => {
                self.inline = false;
                self.open();
                let shorthand = !std::mem::replace(&mut self.defining, true);
                shorthand.then_some(Event::Operation(Kind::Query))
            }
            _ => None,
        }
    }

    /// Opens a selection.
    fn open(&mut self) {
        if self.selections.push(!self.inline) {
            self.depth += 1;
        }
        self.inline = false;
        self.place = Place::Selection;
    }

    /// Closes a selection.
    fn close(&mut self) {
        if self.selections.pop() {
            self.depth -= 1;
        }
        if self.selections.depth() == 0 {
            self.place = Place::Document;
            self.defining = false;
        }
    }

    fn variables(&mut self, token: Token<'a>) -> Option<Event<'a>> {
        match token {
            Token::Mark(b'$') => {
                if let Token::Name(variable) = self.tokens.next()? {
                    self.names.start(variable);
                }
                self.place = Place::Variables;
                None
            }
            Token::Mark(b')') => {
                self.place = Place::Document;
                None
            }
            Token::Mark(b'=') => {
                self.place = Place::Default;
                None
            }
            _ if matches!(self.place, Place::Default) => {
                let (name, value) = self.names.value(token, &mut self.tokens)?;
                Some(Event::Default { variable: self.names.outermost(), name, value })
            }
            _ => None,
        }
    }

    fn selection(&mut self, token: Token<'a>) -> Option<Event<'a>> {
        match token {
            Token::Name(name) => {
                let is_alias = self.tokens.eat(b':')?;
                self.inline = false;
                (!is_alias).then_some(Event::Field { name, depth: self.depth })
            }
            Token::Spread => {
                self.spread();
                None
            }
            Token::Mark(b'(') => {
                self.names.start(b"");
                self.place = Place::Arguments;
                None
            }
            Token::Mark(b'{') => {
                self.open();
                None
            }
            Token::Mark(b'}') => {
                self.close();
                None
            }
            _ => None,
        }
    }

    /// Takes what follows `...`: the name of a fragment, or `on` and a type, or nothing.
    fn spread(&mut self) {
        self.inline = true;
        if self.tokens.peek().is_some_and(is_name) {
            match self.tokens.next() {
                Some(Token::Name(b"on")) => {
                    self.tokens.next();
                }
                _ => self.inline = false,
            }
        }
    }

    fn arguments(&mut self, token: Token<'a>) -> Option<Event<'a>> {
        match token {
            Token::Mark(b')') => {
                self.place = Place::Selection;
                None
            }
            token => {
                let (name, value) = self.names.value(token, &mut self.tokens)?;
                Some(Event::Argument { name, value })
            }
        }
    }

    /// Takes a directive whose `@` has been taken.
    fn directive(&mut self) {
        self.tokens.next();
        if self.tokens.eat(b'(') == Some(true) {
            // Arguments have no parentheses in them but in strings.
            self.tokens.find(|token| *token == Token::Mark(b')'));
        }
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        loop {
            let token = self.tokens.next()?;
            let event = match (token, self.place) {
                (Token::Mark(b'@'), _) => {
                    self.directive();
                    None
                }
                (_, Place::Document) => self.document(token),
                (_, Place::Variables | Place::Default) => self.variables(token),
                (_, Place::Selection) => self.selection(token),
                (_, Place::Arguments) => self.arguments(token),
            };
            if event.is_some() {
                return event;
            }
        }
    }
}

/// The kind of operation that `keyword` begins.
fn kind(keyword: &[u8]) -> Option<Kind> {
    match keyword {
        b"query" => Some(Kind::Query),
        b"mutation" => Some(Kind::Mutation),
        b"subscription" => Some(Kind::Subscription),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
