//! One call of a scenario, and the request that it is on the wire.

use std::{borrow::Cow, net::IpAddr};

use rollcall_http::{Limits, Request, Version};
use rollcall_model::time::Timestamp;
use rollcall_replay::access_log;

/// One call, with the truth about it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) at: Timestamp,
    /// The TCP peer.
    pub(crate) peer: IpAddr,
    /// `X-Forwarded-For`, as the server gets it.
    pub(crate) forwarded: Option<String>,
    pub(crate) method: Cow<'static, str>,
    pub(crate) target: String,
    /// The bearer token by its number.
    pub(crate) token: Option<u64>,
    pub(crate) agent: Cow<'static, str>,
    pub(crate) status: u16,
    pub(crate) response_bytes: u64,
    /// The account that was read.
    pub(crate) account: Option<u64>,
}

impl Call {
    /// A `GET` that is answered.
    pub(crate) fn get(at: Timestamp, peer: IpAddr, target: String) -> Call {
        Call {
            at,
            peer,
            forwarded: None,
            method: Cow::Borrowed("GET"),
            target,
            token: None,
            agent: Cow::Borrowed("app/5.2 (Android 15)"),
            status: 200,
            response_bytes: 900,
            account: None,
        }
    }

    /// Writes the request over what `request` held, so that nothing is allocated for it.
    pub(crate) fn write(&self, request: &mut Request) {
        let (method, target) = (self.method.as_bytes(), self.target.as_bytes());
        request.begin(method, target, Some(Version::Http11), Limits::HEAD_MAX);
        let fields = [
            ("Host", Some(Cow::Borrowed("api.example.com"))),
            ("User-Agent", Some(Cow::Borrowed(&*self.agent))),
            ("Accept", Some(Cow::Borrowed("application/json"))),
            ("X-Forwarded-For", self.forwarded.as_deref().map(Cow::Borrowed)),
            (
                "Authorization",
                self.token.map(|token| Cow::Owned(format!("Bearer {:032x}", scattered(token)))),
            ),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                request.push_field(name.as_bytes(), value.as_bytes(), Limits::HEAD_MAX);
            }
        }
        request.head.extend_from_slice(b"\r\n");
    }
}

impl From<&access_log::Call> for Call {
    fn from(call: &access_log::Call) -> Call {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let agent = call.request.values("user-agent").next().unwrap_or_default();
        Call {
            method: Cow::Owned(text(call.request.method())),
            agent: Cow::Owned(text(agent)),
            status: call.status.unwrap_or_default(),
            response_bytes: call.response_bytes,
            ..Call::get(call.at, call.endpoints.client.ip(), text(call.request.target()))
        }
    }
}

/// A number of 128 bits that looks like any other, another one for each `number` (splitmix64, Steele et al. 2014).
pub(crate) fn scattered(number: u64) -> u128 {
    let half = |number: u64| {
        let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678_9abc_def1);
        state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^ state >> 31
    };
    u128::from(half(number)) << 64 | u128::from(half(number ^ 0x5555_5555_5555_5555))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_as_it_would_be_sent() {
        let mut call = Call::get(Timestamp(1), [192, 0, 2, 7].into(), "/v1/customers/7".to_owned());
        call.token = Some(1);
        let mut request = Request::default();
        call.write(&mut request);
        let once = request.head.clone();
        call.write(&mut request);
        assert_eq!(request.head, once);
        assert_eq!((request.method(), request.target()), (&b"GET"[..], &b"/v1/customers/7"[..]));
        assert_eq!(request.host(), Some(&b"api.example.com"[..]));
        let token = request.values("authorization").next().unwrap();
        assert!(token.starts_with(b"Bearer ") && token.len() == 39);
        assert!(request.head.starts_with(b"GET /v1/customers/7 HTTP/1.1\r\nHost: api.example.com\r\n"));
    }
}
