//! Whose account: the objects of a call.
//!
//! They stand in the path (the router finds those), in the query, and in the body as far as it was captured: forms,
//! JSON, GraphQL (`reader`). Which parameters hold objects is told by their names ([`names`]); what is found
//! becomes objects in one canonical spelling (`parameters`, `value`).
//!
//! All of this is text that a client wrote, cut off at a cap, so nothing here fails: what can't be read is passed over,
//! and how far a body could be read is told ([`Body`]).

mod coding;
mod content;
pub mod graphql;
pub mod identifier;
mod keys;
mod moment;
pub mod multipart;
pub mod names;
mod number;
mod parameters;
mod punctuated;
mod reader;
pub mod spelling;
mod token;
mod value;

pub use content::Content;
pub use names::{Names, ObjectParam, ObjectParamError};
pub use parameters::Objects;
pub use reader::{Body, Reader, Serves};

/// The one spelling of an identifier, as people write it down.
pub fn canonical(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    value::push(&mut out, text.as_bytes());
    out
}

#[cfg(test)]
mod tests;
