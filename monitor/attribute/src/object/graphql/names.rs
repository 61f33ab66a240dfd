//! Values in arguments and defaults, and the names that they bear.

use super::{
    super::names::is_operator,
    Value,
    lexer::{Lexer, Token},
};

/// Input objects in input objects whose names are kept apart: far more than schemas have. Deeper ones share
/// the last place, so that a value behind them may bear the name of one inside them.
const MAX_NAMES: usize = 32;

/// The names that values bear, one for each open input object.
#[derive(Clone, Debug, Default)]
pub struct Names<'a> {
    names: [&'a [u8]; MAX_NAMES],
    open: usize,
}

impl<'a> Names<'a> {
    /// Starts anew with `name` for values outside of input objects.
    pub fn start(&mut self, name: &'a [u8]) {
        self.open = 0;
        self.names[0] = name;
    }

    /// The name for values outside of input objects.
    pub fn outermost(&self) -> &'a [u8] {
        self.names[0]
    }

    fn innermost(&mut self) -> &mut &'a [u8] {
        &mut self.names[self.open.min(MAX_NAMES - 1)]
    }

    /// Reads `token`, and one from `tokens` if it takes that: a scalar with its name, or part of what is
    /// around it. The brackets of lists do not matter, for their elements bear the name of the list.
    pub fn value(&mut self, token: Token<'a>, tokens: &mut Lexer<'a>) -> Option<(&'a [u8], Value<'a>)> {
        let value = match token {
            Token::Name(name) if tokens.eat(b':')? => {
                // `{id: {_eq: 7}}`
                let around = self.open.min(MAX_NAMES - 1).checked_sub(1).map(|around| self.names[around]);
                *self.innermost() = around.filter(|_| is_operator(name)).unwrap_or(name);
                return None;
            }
            Token::Name(name) => Value::Name(name),
            Token::Number(digits) => Value::Number(digits),
            Token::String(text) => Value::String(text),
            Token::Block(text) => Value::Block(text),
            Token::Mark(b'$') => match tokens.next()? {
                Token::Name(name) => Value::Variable(name),
                _ => return None,
            },
            Token::Mark(b'{') => {
                let name = *self.innermost();
                self.open += 1;
                *self.innermost() = name;
                return None;
            }
            Token::Mark(b'}') => {
                self.open = self.open.saturating_sub(1);
                return None;
            }
            Token::Mark(_) | Token::Spread => return None,
        };
        Some((*self.innermost(), value))
    }
}
