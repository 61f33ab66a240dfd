//! What a call's body says about the object that it reads.

pub mod graphql;
pub mod multipart;
