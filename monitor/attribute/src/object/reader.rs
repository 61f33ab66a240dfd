//! Finds the parameters of a call that hold objects, in its query and its body.

mod body;
mod operation;
mod query;

use std::collections::BTreeMap;

pub use body::Body;

use self::operation::Operation;
use super::{
    content::Content,
    names::{Holds, Names},
    parameters::{Objects, Parameters},
};

/// What it may take to read one call: a token of a text is one unit, [names](NAME) and [values](VALUE) are several. [Short](SHORT)
/// bodies never take so much if people wrote them. Whatever is in a call for which it is not enough is one more
/// object, which differs when anything in the call does: nothing hides there.
const WORK: u32 = 3_072;

/// Up to this length a body can be read to its end with [`WORK`], if it is like those that people's programs write. Of a longer
/// one more is read as far as the work goes: padding takes little.
const SHORT: usize = 4096;

/// What reading a compressed body may take for each octet that was sent, and besides.
const WORK_SENT: u32 = 2;
const WORK_ALWAYS: u32 = 64;

/// To tell what a name means.
const NAME: u32 = 4;

/// To bring a value into its one spelling.
const VALUE: u32 = 4;

/// What a path serves, as far as it tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Serves {
    /// GraphQL.
    pub graphql: bool,
    /// Calls that hold other calls.
    pub batches: bool,
    /// Static files.
    pub files: bool,
}

/// A reader with its buffers. Filled again for each call.
#[derive(Debug, Default)]
pub struct Reader {
    names: Names,
    pub parameters: Parameters,
    /// Only names that the operator gave count: a rule says which part of the path is the object.
    given_only: bool,
    serves: Serves,
    operation: Operation,
    /// The latest parameter called `field` names an object.
    field_holds: bool,
    /// Texts of operations that were there.
    documents: usize,
    /// There are more variables than `variables` has room for.
    has_more_variables: bool,
    /// Variables of GraphQL that hold objects or places in lists. One that is used for both holds objects.
    variables: BTreeMap<Box<[u8]>, Holds>,
    /// What is left of [`WORK`].
    work: u32,
    /// How far a text had been read when the work was spent.
    reached: usize,
    decoded: Vec<u8>,
    document: Vec<u8>,
}

impl Reader {
    /// A reader to which `names` say what parameters hold.
    pub fn new(names: Names) -> Reader {
        Reader { names, ..Reader::default() }
    }

    /// Starts over, for a call to a path that `serves` this.
    pub fn start(&mut self, serves: Serves, given_only: bool) {
        self.parameters.clear();
        self.work = WORK;
        self.serves = serves;
        self.given_only = given_only;
        self.field_holds = false;
        if serves.graphql {
            self.operation.clear();
            self.variables.clear();
            (self.documents, self.has_more_variables) = (0, false);
        }
    }

    /// An identifier in the path, canonical.
    pub fn path(&mut self, identifier: &str) {
        self.parameters.path(identifier);
    }

    /// Reads query and body. How well the body could be read.
    pub fn read(&mut self, query: &[u8], content: &Content<'_>) -> Body {
        if !query.is_empty() {
            if self.serves.graphql {
                self.graphql_parameters(query);
            }
            self.parameters(query);
            if self.is_spent() {
                self.parameters.rest(query);
            }
        }
        if content.octets.is_empty() {
            return Body::Empty;
        }
        self.reached = 0;
        if self.serves.graphql && content.octets.len() > SHORT {
            // Each of its texts is read up to three times.
            self.work += WORK;
        }
        let body = self.body(content);
        if !self.is_spent() {
            return body;
        }
        // What is that long may well be people's, and then what comes behind does not count, as behind a cap.
        if self.reached > SHORT {
            return Body::Cut;
        }
        // Which reading the server's is was not found out.
        self.parameters.rest(content.octets);
        body
    }

    /// Takes `units` of [`WORK`]. False if there are not as many left.
    fn spend(&mut self, units: u32) -> bool {
        let left = self.work.checked_sub(units);
        self.work = left.unwrap_or(0);
        left.is_some()
    }

    /// Leaves no more work than what can come out of `sent` compressed octets takes if people wrote it, so that little that was
    /// sent does not take much to read.
    fn limit_work(&mut self, sent: usize) {
        let fits = u32::try_from(sent).unwrap_or(WORK).saturating_mul(WORK_SENT);
        self.work = self.work.min(fits.saturating_add(WORK_ALWAYS));
    }

    /// No work is left.
    fn is_spent(&self) -> bool {
        self.work == 0
    }

    /// Whether anything but places in lists was found.
    pub fn has_object(&self) -> bool {
        self.parameters.has_object()
    }

    /// What names the operation of a call to GraphQL: `query customer`.
    pub fn operation(&self) -> Option<&str> {
        if self.serves.graphql { self.operation.name() } else { None }
    }

    /// Makes `objects` of what was found. Places in a list count only `with_pages`.
    pub fn objects(&mut self, with_pages: bool, objects: &mut Objects) {
        self.parameters.objects(with_pages, objects);
    }
}
