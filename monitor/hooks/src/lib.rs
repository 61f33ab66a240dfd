//! Where in a program the secrets of its TLS connections pass: from the bytes of an ELF file to the instruction at which a probe
//! finds them in registers.
//!
//! Libraries for TLS have one function that they call in each handshake to log its secrets, whether or not anybody logs them.
//! Where a symbol names it, that is it; most files have no such symbol, and then the strings that it is called with lead there.
//!
//! A probe in the middle of an instruction would corrupt the program. So an offset is given only where it is known that an
//! instruction begins: a function that a symbol or the unwind table has, or a place that is reached from its first instruction by
//! decoding each on the way. What the file says beyond that is not to be trusted: anybody may run a program of their own. Nothing
//! here panics, and all of it takes time in proportion to the file's size.

mod go;
mod image;
mod labels;
mod x86;

use image::Image;
use serde::{Deserialize, Serialize};

/// A place at which secrets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hook {
    pub library: Library,
    /// Where in the file the instruction is.
    pub offset: u64,
    pub convention: Convention,
}

/// Whose function it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Library {
    /// `ssl_log_secret`, which BoringSSL and AWS-LC have from OpenSSL.
    OpenSsl,
    /// `_gnutls_call_keylog_func`
    GnuTls,
    /// `crypto/tls.(*Config).writeKeyLog`
    Go,
}

impl Library {
    /// The name of the function.
    pub fn function(self) -> &'static str {
        match self {
            Library::OpenSsl => "ssl_log_secret",
            Library::GnuTls => "_gnutls_call_keylog_func",
            Library::Go => go::FUNCTION,
        }
    }

    /// The library's name.
    pub fn name(self) -> &'static str {
        match self {
            Library::OpenSsl => "OpenSSL",
            Library::GnuTls => "GnuTLS",
            Library::Go => "Go",
        }
    }
}

/// In which registers things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Convention {
    /// C arguments: connection, label, secret, its length.
    Secret,
    /// C arguments: label, connection, client random, 32, secret, its length.
    Random,
    /// Go arguments: configuration, label, client random, secret.
    Go,
}

/// Why a file has no place at which secrets are known to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotFound {
    /// Not an ELF file of 64 bits, or one whose headers contradict themselves.
    #[error("it is no program")]
    NoProgram,
    /// For another machine than x86-64.
    #[error("it is for a machine of which its instructions are not known")]
    Machine,
    /// None of the words that a library for TLS logs secrets by is in it.
    #[error("it has no TLS library of its own that is known")]
    NoTls,
    /// The words are in it, and no function is called with them that is certain enough.
    #[error("it has a TLS library, whose function that secrets pass was not found")]
    Uncertain,
}

/// Most places that a file may have. Programs have one; those with two libraries two.
const HOOKS: usize = 4;

/// The places in an ELF file at which secrets pass, at least one.
pub fn find(file: &[u8]) -> Result<Vec<Hook>, NotFound> {
    let image = Image::new(file)?;
    let labels = labels::Labels::of(&image);
    let mut hooks = labels.hooks(&image);
    let go = go::find(&image);
    let is_go = go.is_some();
    hooks.extend(go.flatten());
    hooks.truncate(HOOKS);
    match hooks.is_empty() {
        false => Ok(hooks),
        true if labels.is_empty() && !is_go => Err(NotFound::NoTls),
        true => Err(NotFound::Uncertain),
    }
}

#[cfg(test)]
mod tests;
