//! GraphQL: the operation that a call executes, and the objects in its arguments.
//!
//! The name that a client gives to its operation says nothing: it may choose another one each time. What the server
//! executes is the fields at the root, so these name the call's route. Of several, the first by alphabet that has
//! objects in its arguments: a client can only choose among fields that exist.

use rollcall_model::{
    json::{Scanner, Text, Token, Value},
    percent,
};

use super::{NAME, Reader};
use crate::object::{
    graphql::{self, Event, Kind},
    names::Holds,
};

/// Documents that are read of one call. What is in more of them is not told apart.
const MAX_DOCUMENTS: usize = 64;

/// Variables whose use is known. Of more, each may hold an object.
const MAX_VARIABLES: usize = 128;

/// The longest name of a field that becomes part of a route.
const LONGEST: usize = 96;

/// Names of variables that say how much is asked for, or of when: all but objects.
const QUANTITIES: [&[u8]; 28] = [
    b"first",
    b"last",
    b"limit",
    b"take",
    b"count",
    b"size",
    b"pagesize",
    b"perpage",
    b"width",
    b"height",
    b"zoom",
    b"depth",
    b"quality",
    b"year",
    b"month",
    b"day",
    b"hour",
    b"version",
    b"amount",
    b"quantity",
    b"price",
    b"total",
    b"min",
    b"max",
    b"from",
    b"to",
    b"since",
    b"until",
];

/// The operation of a call, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Operation {
    name: String,
    /// How good a name it is.
    rank: Rank,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    #[default]
    None,
    /// Of a persisted operation: its text is not sent, and the server knows it by name.
    Persisted,
    /// A field of a fragment, which may stand at the root.
    Fragment,
    Root,
    RootWithObjects,
}

impl Operation {
    pub(super) fn clear(&mut self) {
        self.name.clear();
        self.rank = Rank::None;
    }

    /// How the route shows it: `query customer`.
    pub(super) fn name(&self) -> Option<&str> {
        (self.rank != Rank::None).then_some(&self.name)
    }

    /// The name of an operation whose text is not sent.
    pub(super) fn persisted(&mut self, name: &[u8]) {
        self.offer(Rank::Persisted, "persisted", name);
    }

    fn offer(&mut self, rank: Rank, kind: &str, field: &[u8]) {
        let Ok(field) = std::str::from_utf8(field) else { return };
        let usable = (1..=LONGEST).contains(&field.len())
            && field.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        // `__typename` and the like can be added to anything.
        if !usable || (field.starts_with("__") && self.rank > Rank::None) {
            return;
        }
        let other = self.name.split(' ').next_back().unwrap_or_default();
        if rank > self.rank || (rank == self.rank && field < other) || other.starts_with("__") {
            self.name.clear();
            self.name.push_str(kind);
            self.name.push(' ');
            self.name.push_str(field);
            self.rank = self.rank.max(rank);
        }
    }
}

impl Reader {
    /// Reads the documents in a body of JSON, and remembers the variables that hold objects.
    pub(super) fn documents(&mut self, body: &[u8]) {
        if !self.serves.graphql {
            return;
        }
        let mut key = None;
        let mut tokens = Scanner::lenient(body).within(self.work);
        let mut before = tokens.steps();
        while let Some(token) = tokens.next() {
            if !self.spend(before - tokens.steps()) {
                return;
            }
            before = tokens.steps();
            match token {
                Token::Key(name) => key = Some(name),
                Token::String(text) if key.is_some_and(|key| key.is("query")) => {
                    self.escaped(text, Reader::document);
                }
                Token::String(text) if key.is_some_and(|key| key.is("operationName")) => {
                    self.escaped(text, |reader, name| reader.operation.persisted(name));
                }
                _ => {}
            }
        }
        self.spend(before - tokens.steps());
    }

    /// Whether `text` begins like a document.
    pub(super) fn is_document(&mut self, text: &[u8]) -> bool {
        let (is_document, left) = graphql::begins(text, self.work);
        self.work = left;
        is_document
    }

    /// Reads one document.
    pub(super) fn document(&mut self, text: &[u8]) {
        if !self.is_document(text) {
            return;
        }
        self.documents += 1;
        if self.documents > MAX_DOCUMENTS {
            return self.parameters.rest(text);
        }
        let judge = |reader: &mut Reader, name: &[u8]| {
            if reader.spend(NAME) { reader.names.judge(name, reader.given_only) } else { Holds::Nothing }
        };
        // Most documents that are made to be long have no variables.
        let uses = if memchr::memchr(b'$', text).is_some() { text } else { &[] };
        let mut events = graphql::Events::within(uses, self.work);
        let mut before = events.steps();
        while let Some(event) = events.next() {
            if !self.spend(before - events.steps()) {
                return;
            }
            before = events.steps();
            if let Event::Argument { name, value: graphql::Value::Variable(variable) } = event {
                let holds = judge(self, name);
                if holds != Holds::Nothing && self.variables.get(variable) != Some(&Holds::Object) {
                    if self.variables.len() < MAX_VARIABLES {
                        self.variables.insert(variable.into(), holds);
                    } else {
                        self.has_more_variables = true;
                    }
                }
            }
        }
        if !self.spend(before - events.steps()) {
            return;
        }
        let mut kind = "query";
        let mut in_operation = false;
        let mut root: &[u8] = &[];
        let mut events = graphql::Events::within(text, self.work);
        let mut before = events.steps();
        while let Some(event) = events.next() {
            if !self.spend(before - events.steps()) {
                return;
            }
            before = events.steps();
            match event {
                Event::Operation(of) => {
                    in_operation = true;
                    kind = match of {
                        Kind::Query => "query",
                        Kind::Mutation => "mutation",
                        Kind::Subscription => "subscription",
                    };
                }
                Event::Fragment => in_operation = false,
                Event::Field { name, depth: 1 } => {
                    root = if in_operation { name } else { &[] };
                    let rank = if in_operation { Rank::Root } else { Rank::Fragment };
                    self.operation.offer(rank, kind, name);
                }
                Event::Field { .. } => {}
                Event::Argument { name, value } => {
                    let holds = judge(self, name);
                    if holds == Holds::Object {
                        self.operation.offer(Rank::RootWithObjects, kind, root);
                    }
                    self.argument(holds, name, value);
                }
                Event::Default { variable, name, value } => {
                    let by_use = self.wanted(Text::plain_of(variable));
                    let holds = by_use.unwrap_or_else(|| judge(self, name));
                    self.argument(holds, name, value);
                }
            }
        }
        self.spend(before - events.steps());
    }

    /// What the variable called `name` holds, by the arguments that it is used for.
    pub(super) fn wanted(&self, name: Text<'_>) -> Option<Holds> {
        // Names of variables have no need of escapes, and can be written with them all the same.
        let mut decoded = Vec::new();
        let name = name.plain().unwrap_or_else(|| {
            name.decode_into(&mut decoded);
            &decoded
        });
        self.variables.get(name).copied()
    }

    fn argument(&mut self, holds: Holds, name: &[u8], value: graphql::Value<'_>) {
        match value {
            graphql::Value::Number(number) => self.scalar(holds, name, Value::Number(number)),
            graphql::Value::String(text) => self.scalar(holds, name, Value::String(text)),
            graphql::Value::Block(text) => {
                self.scalar(holds, name, Value::String(Text::plain_of(text.trim_ascii())))
            }
            // Values of enumerations are few.
            graphql::Value::Variable(_) | graphql::Value::Name(_) => {}
        }
    }

    /// Document and variables as parameters: GraphQL over GET, and in forms. Of several with one name, servers take the first
    /// or the last.
    pub(super) fn graphql_parameters(&mut self, text: &[u8]) {
        let mut name = Vec::new();
        let mut found: [Option<(&[u8], &[u8])>; 3] = [None; 3];
        for parameter in text.split(|&byte| byte == b'&') {
            if !self.spend(1) {
                break;
            }
            let Some(equals) = memchr::memchr(b'=', parameter) else { continue };
            let (mut raw, value) = (&parameter[..equals], &parameter[equals + 1..]);
            if memchr::memchr(b'%', raw).is_some() {
                name.clear();
                percent::decode(raw, &mut name);
                raw = &name;
            }
            let slot = match raw {
                b"query" => 0,
                b"operationName" => 1,
                b"variables" => 2,
                _ => continue,
            };
            found[slot] = Some((found[slot].map_or(value, |(first, _)| first), value));
        }
        for (slot, values) in found.into_iter().enumerate() {
            let Some((first, last)) = values else { continue };
            let both = [first, last];
            let once = usize::from(std::ptr::eq(first, last));
            for value in &both[once..] {
                let spaced: Vec<u8> =
                    value.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
                let mut value = Vec::new();
                percent::decode(&spaced, &mut value);
                match slot {
                    0 => self.document(&value),
                    1 => self.operation.persisted(&value),
                    _ => self.variables_of(&value),
                }
            }
        }
    }

    /// Whether a variable without a known use may hold an object: the text of the operation was not sent, so its names are
    /// the client's to choose, as far as the server lets it register texts.
    pub(super) fn may_hold_object(&self, name: &[u8]) -> bool {
        (self.documents == 0 || self.has_more_variables)
            && !self.given_only
            && !QUANTITIES.iter().any(|known| name.eq_ignore_ascii_case(known))
    }

    /// Hands on a text of JSON without its escapes.
    fn escaped(&mut self, text: Text<'_>, read: impl FnOnce(&mut Reader, &[u8])) {
        match text.plain() {
            Some(plain) => read(self, plain),
            None => {
                let mut decoded = std::mem::take(&mut self.document);
                decoded.clear();
                text.decode_into(&mut decoded);
                read(self, &decoded);
                self.document = decoded;
            }
        }
    }
}
