//! Finds the parameters of a call that hold objects, in its query and its body.

use std::collections::BTreeMap;

use super::{
    body::Body,
    content::Content,
    names::{Holds, Names},
    operation::Operation,
    parameters::{Objects, Parameters},
};

/// What it may take to read one call: a token of a text is one unit, [names](NAME) and [values](VALUE) are several. Bodies
/// as they are kept never take so much if people wrote them. Whatever is in a call for which it is not enough is one more
/// object, which differs when anything in the call does: nothing hides there.
const WORK: u32 = 3_072;

/// To tell what a name means.
pub(super) const NAME: u32 = 4;

/// To bring a value into its one spelling.
pub(super) const VALUE: u32 = 4;

/// A reader with its buffers. Filled again for each call.
#[derive(Debug, Default)]
pub struct Reader {
    pub(super) names: Names,
    pub(crate) parameters: Parameters,
    /// Only names that the operator gave count: a rule says which part of the path is the object.
    pub(super) given_only: bool,
    /// The path is one where GraphQL is served.
    pub(super) graphql: bool,
    pub(super) operation: Operation,
    /// Texts of operations that were there.
    pub(super) documents: usize,
    /// There are more variables than `variables` has room for.
    pub(super) has_more_variables: bool,
    /// Variables of GraphQL that hold objects or places in lists. One that is used for both holds objects.
    pub(super) variables: BTreeMap<Box<[u8]>, Holds>,
    /// What is left of [`WORK`].
    pub(super) work: u32,
    pub(super) decoded: Vec<u8>,
    pub(super) document: Vec<u8>,
}

impl Reader {
    /// A reader to which `names` say what parameters hold.
    pub fn new(names: Names) -> Reader {
        Reader { names, ..Reader::default() }
    }

    /// Starts over, for a call to a path that serves GraphQL or does not.
    pub fn start(&mut self, graphql: bool, given_only: bool) {
        self.parameters.clear();
        self.work = WORK;
        self.graphql = graphql;
        self.given_only = given_only;
        if graphql {
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
            if self.graphql {
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
        let body = self.body(content);
        if self.is_spent() {
            // Which reading the server's is was not found out.
            self.parameters.rest(content.octets);
        }
        body
    }

    /// Takes `units` of [`WORK`]. False if there are not as many left.
    pub(super) fn spend(&mut self, units: u32) -> bool {
        let left = self.work.checked_sub(units);
        self.work = left.unwrap_or(0);
        left.is_some()
    }

    /// No work is left.
    pub(super) fn is_spent(&self) -> bool {
        self.work == 0
    }

    /// Whether anything but places in lists was found.
    pub fn has_object(&self) -> bool {
        self.parameters.has_object()
    }

    /// What names the operation of a call to GraphQL: `query customer`.
    pub fn operation(&self) -> Option<&str> {
        if self.graphql { self.operation.name() } else { None }
    }

    /// Makes `objects` of what was found. Places in a list count only `with_pages`.
    pub fn objects(&mut self, with_pages: bool, objects: &mut Objects) {
        self.parameters.objects(with_pages, objects);
    }
}
