//! The headers that proxies forward addresses in.

use std::{fmt, str::FromStr};

use rollcall_http::exchange::{Header, Request};

/// A header that proxies forward addresses in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`
    XForwardedFor,
    /// `Forwarded` (RFC 7239)
    Forwarded,
    /// `X-Real-IP`: a single address, of the hop before.
    XRealIp,
}

/// A text that names no such header.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("no header that proxies forward addresses in: {0:?} (x-forwarded-for, forwarded or x-real-ip)")]
pub struct ForwardedHeaderError(String);

/// Which of these headers a request has, and where: its first field and the one behind its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ForwardedHeaders([(usize, usize); 3]);

impl ForwardedHeader {
    /// Every one.
    pub const ALL: [ForwardedHeader; 3] =
        [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded, ForwardedHeader::XRealIp];

    /// Its name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
            ForwardedHeader::Forwarded => "forwarded",
            ForwardedHeader::XRealIp => "x-real-ip",
        }
    }
}

impl fmt::Display for ForwardedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ForwardedHeader {
    type Err = ForwardedHeaderError;

    fn from_str(text: &str) -> Result<ForwardedHeader, ForwardedHeaderError> {
        let named = |header: &ForwardedHeader| header.name().eq_ignore_ascii_case(text.trim());
        ForwardedHeader::ALL.into_iter().find(named).ok_or_else(|| ForwardedHeaderError(text.to_owned()))
    }
}

impl ForwardedHeaders {
    /// The request's field number `at` is a `header`.
    pub(super) fn insert(&mut self, header: ForwardedHeader, at: usize) {
        let (first, end) = &mut self.0[header as usize];
        if *end == 0 {
            *first = at;
        }
        *end = at + 1;
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|&(_, end)| end == 0)
    }

    /// Whether there is a `header`.
    pub(super) fn has(&self, header: ForwardedHeader) -> bool {
        self.0[header as usize].1 != 0
    }

    /// The values of `header` in `request`, the last one first.
    pub(super) fn values<'a>(
        &self,
        header: ForwardedHeader,
        request: &'a Request,
    ) -> impl Iterator<Item = &'a [u8]> {
        let (first, end) = self.0[header as usize];
        let fields = request.headers.get(first..end).unwrap_or_default();
        let name = header.name().as_bytes();
        let named =
            move |field: &&Header| fields.len() == 1 || request.slice(&field.name).eq_ignore_ascii_case(name);
        fields.iter().rev().filter(named).map(|field| request.slice(&field.value))
    }
}
