//! TLS on a connection: what it carries, read with secrets that come from elsewhere.

mod secret;

pub use secret::{Label, Secret};
