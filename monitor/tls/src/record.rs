//! The header of a record (RFC 8446, section 5.1; RFC 5246, section 6.2.1).

/// Its bytes.
pub(crate) const HEADER: usize = 5;

/// The longest body: that of TLS 1.2, which may add 2,048 bytes to its 16 KiB (RFC 5246, section 6.2.3).
pub(crate) const BODY_MAX: usize = 16 * 1024 + 2048;

/// Types of content.
pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const APPLICATION_DATA: u8 = 23;

/// See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: u8,
    pub(crate) version: [u8; 2],
    pub(crate) length: u16,
}

impl Header {
    /// The header in these bytes, if they can be one.
    pub(crate) fn read(bytes: [u8; HEADER]) -> Option<Header> {
        let [kind, major, minor, high, low] = bytes;
        let length = u16::from_be_bytes([high, low]);
        let is_plausible = matches!(kind, CHANGE_CIPHER_SPEC..=APPLICATION_DATA)
            && major == 3
            && minor <= 4
            && usize::from(length) <= BODY_MAX;
        is_plausible.then_some(Header { kind, version: [major, minor], length })
    }

    /// The bytes that it was read from.
    pub(crate) fn to_bytes(self) -> [u8; HEADER] {
        let [high, low] = self.length.to_be_bytes();
        [self.kind, self.version[0], self.version[1], high, low]
    }
}
