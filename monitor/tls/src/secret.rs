//! The secrets of TLS connections, as those hand them over who have them: a program that does the handshake, or a key log.

use std::fmt;

use rollcall_model::time::Timestamp;
use zeroize::Zeroize;

/// The longest secret: a master secret (RFC 5246, section 8.1), or what SHA-384 gives.
const LENGTH_MAX: usize = 48;

/// What a secret is for, as key logs call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// `CLIENT_RANDOM`: the master secret of a connection up to TLS 1.2.
    Master,
    /// `CLIENT_EARLY_TRAFFIC_SECRET`: what the client sends before the server's first word (0-RTT).
    ClientEarly,
    /// `CLIENT_HANDSHAKE_TRAFFIC_SECRET`
    ClientHandshake,
    /// `SERVER_HANDSHAKE_TRAFFIC_SECRET`
    ServerHandshake,
    /// `CLIENT_TRAFFIC_SECRET_0`
    Client,
    /// `SERVER_TRAFFIC_SECRET_0`
    Server,
    /// Not known: a library was seen to use it, and did not say what for.
    Unknown,
}

impl Label {
    /// Every label that a key log can have.
    const NAMED: [(&'static str, Label); 6] = [
        ("CLIENT_RANDOM", Label::Master),
        ("CLIENT_EARLY_TRAFFIC_SECRET", Label::ClientEarly),
        ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", Label::ClientHandshake),
        ("SERVER_HANDSHAKE_TRAFFIC_SECRET", Label::ServerHandshake),
        ("CLIENT_TRAFFIC_SECRET_0", Label::Client),
        ("SERVER_TRAFFIC_SECRET_0", Label::Server),
    ];

    /// The label that a key log calls so; `None` for those of secrets that decrypt nothing, such as `EXPORTER_SECRET`.
    pub fn from_name(name: &[u8]) -> Option<Label> {
        Label::NAMED.iter().find(|(known, _)| known.as_bytes() == name).map(|&(_, label)| label)
    }
}

/// One secret of one connection. Wiped when it is dropped, and never shown.
#[derive(Clone)]
pub struct Secret {
    pub label: Label,
    /// The random bytes of the ClientHello, which name the connection; `None` where whoever saw the secret did not see them.
    pub client_random: Option<[u8; 32]>,
    /// When it was seen. One of which that is not known holds for any time: [`Timestamp::default`].
    pub at: Timestamp,
    /// In a place of its own: nothing of it is left behind when what holds it moves.
    bytes: Box<[u8; LENGTH_MAX]>,
    length: u8,
}

impl Secret {
    /// A secret of 32 or 48 bytes; `None` for any other length.
    pub fn new(label: Label, bytes: &[u8], client_random: Option<[u8; 32]>, at: Timestamp) -> Option<Secret> {
        let shortest = if label == Label::Master { LENGTH_MAX } else { 32 };
        if bytes.len() != shortest && bytes.len() != LENGTH_MAX {
            return None;
        }
        let mut secret =
            Secret { label, client_random, at, bytes: Box::new([0; LENGTH_MAX]), length: bytes.len() as u8 };
        secret.bytes[..bytes.len()].copy_from_slice(bytes);
        Some(secret)
    }

    /// The secret itself.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("label", &self.label).field("at", &self.at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret =
            Secret::new(Label::Client, &[0xab; 32], Some([0xcd; 32]), Timestamp(7)).expect("32 bytes");
        let shown = format!("{secret:?}");
        assert!(!["171", "abab", "205", "cdcd"].iter().any(|part| shown.contains(part)), "{shown}");
    }

    #[test]
    fn secrets_have_the_length_of_a_hash_or_of_a_master_secret() {
        let new = |label, length| Secret::new(label, &vec![1; length], None, Timestamp::default()).is_some();
        assert!(new(Label::Master, 48) && new(Label::Client, 32) && new(Label::Unknown, 48));
        assert!(!new(Label::Master, 32) && !new(Label::Client, 20) && !new(Label::Server, 49));
    }
}
