//! Request bodies. What a body is, is what any common server would make of it: some go by its `Content-Type`, which is the
//! client's to choose, and some don't look at that. So it is read as what it is called and as what it begins like, and, as
//! long as it has turned out to be neither, as a form.

use rollcall_model::json::{End, Scanner, Text, Token, Value};

use super::{NAME, Reader, VALUE, query};
use crate::object::{
    coding::{self, Inflated},
    content::Content,
    identifier, multipart,
    names::{self, Holds, LONGEST_NAME},
    spelling,
};

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

/// The longest body that may be a single identifier, or a list of some.
const LONGEST_SCALAR: usize = 512;

/// Names of targets in batches of calls: those of OData, Microsoft Graph and others, and of the Graph API.
const TARGETS: [&str; 6] = ["href", "path", "relative_url", "target", "uri", "url"];

/// Names of lists of arguments that have no names themselves (JSON-RPC).
const ARGUMENTS: [&str; 3] = ["args", "arguments", "params"];

/// Levels of nesting whose names are kept. Deeper values carry the name of the last of them.
const LEVELS: usize = 32;

impl Reader {
    /// Reads a body, of which more may have been sent than is there.
    pub(super) fn body(&mut self, content: &Content<'_>) -> Body {
        let plain = self.plain(content);
        if content.codings() == 0 {
            return plain;
        }
        // Some servers do not look at codings, and take it as it is: both readings count.
        let sent = content.octets.len();
        let most = coding::most(sent);
        let mut cut = content.cut;
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        let mut undo = |octets: &[u8], out: &mut Vec<u8>| {
            let inflated = coding::inflate(octets, most, out);
            cut |= inflated == Inflated::Cut;
            inflated != Inflated::Not
        };
        if !undo(content.octets, &mut once) {
            return plain;
        }
        // Twice is enough: no server undoes more than it is asked to by name.
        let octets = if content.codings() > 1 && undo(&once, &mut twice) { &twice } else { &once };
        self.limit_work(sent);
        if cut && !content.cut && most < coding::MOST {
            // Padding of which nobody sent much: what is behind it differs if the body does.
            self.parameters.rest(content.octets);
        }
        self.plain(&content.of(octets, cut))
    }

    /// Reads a body that is not compressed, or no longer.
    fn plain(&mut self, content: &Content<'_>) -> Body {
        if content.octets.trim_ascii().is_empty() {
            return Body::Empty;
        }
        if content.is_foreign() {
            // Whatever it says, it says something else where anything in it differs.
            self.parameters.rest(content.octets);
            return Body::Opaque;
        }
        let text = without_start(content.octets);
        // UTF-16 and UTF-32, which some parsers guess: what matters is ASCII.
        let wide: Vec<u8>;
        let text = if text.iter().take(4).any(|byte| matches!(byte, 0 | 0xfe | 0xff)) {
            wide = text.iter().copied().filter(|byte| !matches!(byte, 0 | 0xfe | 0xff)).collect();
            without_start(&wide)
        } else {
            text
        };
        if self.readings(text, content) {
            if content.cut { Body::Cut } else { Body::Read }
        } else {
            Body::Opaque
        }
    }

    /// Reads `text` as all that servers may take it for. False if it is none of that.
    fn readings(&mut self, text: &[u8], content: &Content<'_>) -> bool {
        let mut fits = false;
        // Before JSON: `{ customer …` begins like it, and is none.
        if self.serves.graphql && self.is_document(text) {
            self.document(text);
            // `query=…` is a form.
            fits = self.operation.name().is_some();
        }
        if content.is_json() || (!fits && matches!(text, [b'{' | b'[', ..])) {
            fits |= match self.json(text) {
                End::Whole => true,
                End::Cut => content.cut,
                End::Malformed => false,
            };
        }
        let boundary = content.boundary();
        if boundary.is_some() || text.starts_with(b"--") {
            fits |= self.multipart(text, boundary, content.cut);
        }
        if content.is_form() || (!fits && is_form(text)) {
            if self.serves.graphql {
                self.graphql_parameters(text);
            }
            self.parameters(text);
            fits = true;
        }
        if self.serves.batches {
            fits |= self.requests(text);
        }
        fits || self.scalar_body(text) || self.is_spent()
    }

    /// A body that is nothing but an identifier. False if it is more, or none.
    fn scalar_body(&mut self, text: &[u8]) -> bool {
        let value = spelling::unwrapped(spelling::bare(text));
        let is_one = value.len() <= LONGEST_SCALAR
            && !query::is_time(value)
            && std::str::from_utf8(value)
                .is_ok_and(|value| identifier::is_identifier(value) || identifier::is_list(value));
        if is_one && !self.given_only {
            self.parameters.object(b"", value);
        }
        is_one
    }

    /// Reads the request lines in a batch of whole requests. False if there are none.
    fn requests(&mut self, text: &[u8]) -> bool {
        let mut any = false;
        for line in text.split(|&byte| byte == b'\n') {
            if !self.spend(1) {
                return true;
            }
            let mut words = line.trim_ascii().split(|&byte| byte == b' ');
            let method = words.next().unwrap_or_default();
            let is_method = (3..=16).contains(&method.len()) && method.iter().all(u8::is_ascii_uppercase);
            if let (true, Some(target)) = (is_method, words.next()) {
                self.target(target);
                any = true;
            }
        }
        any
    }

    /// The target of a call within a call: its identifiers are objects, and its query is read like any.
    fn target(&mut self, target: &[u8]) {
        let end = memchr::memchr(b'?', target).unwrap_or(target.len());
        let (path, query) = target.split_at(end);
        // What names the server is no object.
        let path = memchr::memmem::find(path, b"://").map_or(path, |at| {
            let behind = &path[at + 3..];
            &behind[memchr::memchr(b'/', behind).unwrap_or(behind.len())..]
        });
        self.asides(path, false);
        self.parameters(query.get(1..).unwrap_or_default());
    }

    /// Reads a form in parts: by the boundary that its `Content-Type` has, and by each line in it that can be one.
    fn multipart(&mut self, text: &[u8], boundary: Option<&[u8]>, cut: bool) -> bool {
        let mut delimiters = multipart::Delimiters::new(text);
        let named = boundary.map(|boundary| multipart::Fields::of(text, boundary));
        let shown: Vec<_> = delimiters.by_ref().collect();
        let is_shown =
            |named: &multipart::Fields<'_>| shown.iter().any(|shown| shown.delimiter() == named.delimiter());
        let named = named.filter(|named| !is_shown(named));
        let mut any = false;
        for mut fields in named.into_iter().chain(shown.iter().cloned()) {
            for field in &mut fields {
                if !self.spend(NAME) {
                    return true;
                }
                self.take(field.name, field.value);
                any = true;
            }
            // Some take what the end of the body ends.
            if let Some(field) = fields.last().filter(|_| !cut) {
                self.take(field.name, field.value);
                any = true;
            }
        }
        if delimiters.has_more() {
            // Which of them is the server's is not known.
            self.parameters.rest(text);
        }
        any
    }

    /// Reads JSON.
    pub(super) fn json(&mut self, text: &[u8]) -> End {
        self.documents(text);
        self.scalars(text, usize::MAX)
    }

    /// Reads the variables of an operation: an object of JSON.
    pub(super) fn variables_of(&mut self, text: &[u8]) {
        self.scalars(text, 1);
    }

    /// Scalars count by the name they stand under, at any depth; elements of lists by the list's. `variables` is the
    /// level at which the variables of an operation stand, as far as it is known.
    pub(super) fn scalars(&mut self, text: &[u8], mut variables: usize) -> End {
        // A list without a name, the whole body, is one of objects.
        let unnamed = if self.given_only { Holds::Nothing } else { Holds::Object };
        let mut names = [Named { holds: unnamed, name: Text::plain_of(b""), by_form: true }; LEVELS];
        let mut at_variables = false;
        let mut at_target = false;
        let mut tokens = Scanner::lenient(text).within(self.work);
        let mut before = tokens.steps();
        while let Some(token) = tokens.next() {
            if !self.spend(before - tokens.steps()) {
                break;
            }
            before = tokens.steps();
            let depth = tokens.depth();
            let level = depth.min(LEVELS - 1);
            let is_variables = std::mem::take(&mut at_variables);
            match token {
                // `{"id":{"eq":17}}`
                Token::Key(name) if level > 1 && depth != variables && names::is_operator(name.raw()) => {
                    names[level] = names[level - 1];
                }
                Token::Key(name) => {
                    at_target = self.serves.batches && TARGETS.iter().any(|known| name.is(known));
                    // Judged once, however many elements it names.
                    names[level] = self.named(name, depth == variables);
                    if self.serves.graphql && variables == usize::MAX && name.is("variables") {
                        variables = depth + 1;
                        at_variables = true;
                    }
                }
                // Lists hand their name down to their elements; what stands in an object has a name of its own.
                Token::BeginArray if depth < LEVELS => names[level] = names[level.saturating_sub(1)],
                Token::EndObject if depth < variables => variables = usize::MAX,
                // Some servers take variables as a text, too.
                Token::String(text) if is_variables => {
                    let mut decoded = Vec::new();
                    text.decode_into(&mut decoded);
                    self.variables_of(&decoded);
                }
                Token::String(text) if std::mem::take(&mut at_target) => {
                    let mut decoded = Vec::new();
                    text.decode_into(&mut decoded);
                    self.target(&decoded);
                }
                Token::String(text) => self.text(names[level], text),
                Token::Number(number) => self.number(names[level], number),
                _ => {}
            }
        }
        if !self.spend(before - tokens.steps()) || tokens.steps() == 0 {
            self.work = 0;
        }
        if self.is_spent() {
            self.reached = self.reached.max(text.len() - tokens.left());
            return End::Whole;
        }
        tokens.end()
    }

    /// What the value under `name` is, if it is anything.
    fn named<'a>(&mut self, name: Text<'a>, variable: bool) -> Named<'a> {
        if !self.spend(NAME) {
            return Named::nothing(name);
        }
        if variable && let Some(holds) = self.wanted(name) {
            return Named { holds, name, by_form: false };
        }
        let mut decoded = Vec::new();
        let plain = match name.plain() {
            Some(plain) => plain,
            None if name.raw().len() > 6 * LONGEST_NAME => return Named::nothing(name),
            None => {
                name.decode_into(&mut decoded);
                &decoded
            }
        };
        match self.names.judge(plain, self.given_only) {
            Holds::Nothing if variable && self.may_hold_object(plain) => {
                Named { holds: Holds::Object, name, by_form: true }
            }
            Holds::Nothing if !self.given_only && ARGUMENTS.iter().any(|known| plain == known.as_bytes()) => {
                Named { holds: Holds::Object, name, by_form: true }
            }
            holds => Named { holds, name, by_form: false },
        }
    }

    fn text(&mut self, Named { holds, name, by_form }: Named<'_>, text: Text<'_>) {
        if holds == Holds::Nothing || !self.spend(VALUE) {
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
        let is_identifier = || std::str::from_utf8(value).is_ok_and(identifier::is_identifier);
        match holds {
            Holds::Object if !by_form || is_identifier() => self.parameters.object(name.raw(), value),
            Holds::Page => self.parameters.page(name.raw(), value),
            Holds::Object | Holds::Nothing => {}
        }
        self.decoded = decoded;
    }

    fn number(&mut self, Named { holds, name, by_form: _ }: Named<'_>, number: &[u8]) {
        if holds == Holds::Nothing || !self.spend(VALUE) {
            return;
        }
        match holds {
            Holds::Object => self.parameters.object(name.raw(), number),
            Holds::Page => self.parameters.page(name.raw(), number),
            Holds::Nothing => {}
        }
    }

    /// The value of a GraphQL argument or of a default of a variable.
    pub(super) fn scalar(&mut self, holds: Holds, name: &[u8], value: Value<'_>) {
        let named = Named { holds, name: Text::plain_of(name), by_form: false };
        match value {
            Value::String(text) => self.text(named, text),
            Value::Number(number) => self.number(named, number),
        }
    }
}

/// A name with what the value under it is.
#[derive(Clone, Copy)]
struct Named<'a> {
    holds: Holds,
    name: Text<'a>,
    /// The name does not tell: words are no objects there.
    by_form: bool,
}

impl<'a> Named<'a> {
    fn nothing(name: Text<'a>) -> Named<'a> {
        Named { holds: Holds::Nothing, name, by_form: false }
    }
}

/// Whether a text that is called nothing in particular is a form: a name of printable characters and `=` behind it, or several
/// parameters.
fn is_form(text: &[u8]) -> bool {
    let Some(equals) = memchr::memchr(b'=', text).filter(|&at| at > 0) else { return false };
    if text[0] == b'<' {
        return false;
    }
    text[..equals].iter().all(u8::is_ascii_graphic)
        || (memchr::memchr(b'&', text).is_some() && !text[..equals].contains(&b'\n'))
}

/// `text` without what parsers of JSON and of names skip at the start: blanks and control characters, the byte order mark,
/// and what Gson skips because some servers put it in front of what they send.
fn without_start(mut text: &[u8]) -> &[u8] {
    loop {
        let blanks = text.iter().take_while(|&&byte| byte <= b' ').count();
        text = &text[blanks..];
        match text.strip_prefix(MARK).or_else(|| text.strip_prefix(GUARD)) {
            Some(rest) => text = rest,
            None => return text,
        }
    }
}

/// The byte order mark.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// Keeps JSON from being run as a script.
const GUARD: &[u8] = b")]}'\n";
