//! Which parts of a document become part of its tree: those that lead to operations. The rest,
//! bodies, examples and prose, is most of a typical document.

/// Where in a document a mapping is, as far as it decides about its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Root,
    Components,
    /// A mapping of path items by path or by name.
    PathItems,
    PathItem,
    /// A mapping of operations by method.
    Operations,
    Operation,
    /// Parameters, servers and schemas, and what has an anchor, for an alias may take it anywhere.
    All,
    /// A mapping by names that somebody made up, of any of those.
    Named,
}

/// The fields of a path item that hold an operation (OpenAPI 3.2, section 4.9).
pub(super) const METHODS: [&str; 9] =
    ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// The field of a path item that holds operations with other methods, as of OpenAPI 3.2.
pub(super) const OTHER_METHODS: &str = "additionalOperations";

impl Keep {
    /// What to keep of the value of `key`; `None` if nothing. Items are kept as their sequence.
    pub fn value_of(self, key: &str) -> Option<Keep> {
        use Keep::{All, Components, Named, Operation, Operations, PathItem, PathItems};
        match (self, key) {
            (Keep::Root, "openapi" | "swagger" | "servers") => Some(All),
            (Keep::Root, "paths") => Some(PathItems),
            (Keep::Root, "components") => Some(Components),
            (Components, "pathItems") => Some(PathItems),
            (Components, "parameters" | "schemas") => Some(Named),
            (PathItems, _) => Some(PathItem),
            (PathItem, "$ref" | "parameters" | "servers") | (Operation, "parameters" | "servers") => {
                Some(All)
            }
            (PathItem, OTHER_METHODS) => Some(Operations),
            (PathItem, method) if METHODS.contains(&method) => Some(Operation),
            (Operations, _) => Some(Operation),
            (All, "properties") => Some(Named),
            (All, "description" | "summary" | "example" | "examples") => None,
            (All | Named, _) => Some(All),
            (Keep::Root | Components | PathItem | Operation, _) => None,
        }
    }
}
