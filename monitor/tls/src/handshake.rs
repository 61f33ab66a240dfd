//! The messages of a handshake that come in clear, as far as they say how to read what follows.

/// No ClientHello or ServerHello that is longer is waited for: with all the extensions that there are, and keys that quantum
/// computers don't break, they have some 2 KiB.
pub(crate) const MESSAGE_MAX: usize = 32 * 1024;

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const NEW_SESSION_TICKET: u8 = 4;
const CERTIFICATE_REQUEST: u8 = 13;
/// In TLS 1.3.
pub(crate) const END_OF_EARLY_DATA: u8 = 5;
/// In TLS 1.3.
pub(crate) const KEY_UPDATE: u8 = 24;

const ENCRYPT_THEN_MAC: u16 = 22;
const SUPPORTED_VERSIONS: u16 = 43;

/// The random bytes by which a ServerHello asks for another ClientHello (RFC 8446, section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What a server has chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerHello {
    pub(crate) random: [u8; 32],
    /// `0x0303` is TLS 1.2, `0x0304` TLS 1.3.
    pub(crate) version: u16,
    pub(crate) suite: u16,
    pub(crate) encrypt_then_mac: bool,
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// With its random bytes.
    ClientHello([u8; 32]),
    ServerHello(ServerHello),
    /// Another one.
    Other,
}

/// Messages out of the records that carry them, however they are cut. Holds one of them at most.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    kept: Vec<u8>,
    /// Of a message that does not matter: bytes that are still to come.
    passing: usize,
}

/// The bytes are no handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Messages {
    /// Takes the content of one record, and tells what is in it.
    pub(crate) fn take(
        &mut self,
        mut content: &[u8],
        mut each: impl FnMut(Message),
    ) -> Result<(), Malformed> {
        while !content.is_empty() {
            let passed = content.len().min(self.passing);
            self.passing -= passed;
            content = &content[passed..];
            let head = 4usize.saturating_sub(self.kept.len()).min(content.len());
            self.kept.extend_from_slice(&content[..head]);
            content = &content[head..];
            let Some(&[kind, high, middle, low]) = self.kept.first_chunk::<4>() else { break };
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            if !matches!(kind, CLIENT_HELLO | SERVER_HELLO) {
                self.kept.clear();
                self.passing = length;
                each(Message::Other);
                continue;
            }
            if length > MESSAGE_MAX {
                return Err(Malformed);
            }
            let more = (4 + length - self.kept.len()).min(content.len());
            self.kept.extend_from_slice(&content[..more]);
            content = &content[more..];
            if self.kept.len() == 4 + length {
                let message = std::mem::take(&mut self.kept);
                let body = Reader(&message[4..]);
                let read = if kind == CLIENT_HELLO { client_hello(body) } else { server_hello(body) };
                each(read.ok_or(Malformed)?);
            }
        }
        Ok(())
    }

    /// Bytes held.
    pub(crate) fn held(&self) -> usize {
        self.kept.len()
    }
}

/// Whether a message of this type comes behind a handshake of TLS 1.3, and not within one (RFC 8446, section 4.6).
pub(crate) fn is_behind(kind: u8) -> bool {
    matches!(kind, NEW_SESSION_TICKET | CERTIFICATE_REQUEST | KEY_UPDATE)
}

fn client_hello(mut body: Reader<'_>) -> Option<Message> {
    body.number::<2>()?;
    body.array().map(Message::ClientHello)
}

fn server_hello(mut body: Reader<'_>) -> Option<Message> {
    let mut version = body.number::<2>()? as u16;
    let random: [u8; 32] = body.array()?;
    let session = body.number::<1>()?;
    body.bytes(session)?;
    let suite = body.number::<2>()? as u16;
    body.number::<1>()?;
    let mut encrypt_then_mac = false;
    if !body.0.is_empty() {
        let length = body.number::<2>()?;
        let mut extensions = Reader(body.bytes(length)?);
        while !extensions.0.is_empty() {
            let kind = extensions.number::<2>()? as u16;
            let length = extensions.number::<2>()?;
            let mut content = Reader(extensions.bytes(length)?);
            match kind {
                SUPPORTED_VERSIONS => version = content.number::<2>()? as u16,
                ENCRYPT_THEN_MAC => encrypt_then_mac = true,
                _ => {}
            }
        }
    }
    if random == RETRY {
        return Some(Message::Other);
    }
    Some(Message::ServerHello(ServerHello { random, version, suite, encrypt_then_mac }))
}

/// Bytes that are read from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn number<const N: usize>(&mut self) -> Option<usize> {
        Some(self.array::<N>()?.iter().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    }
}
